/* exchange.c
 * The store of exchanges: arenas of fixed records, a log of events, interned names.
 *
 * Records live in blocks that never move, so that a tap may hold a pointer to one while more are
 * added. The log is ordered by frame because frames are first dissected in order; later passes
 * find a frame's events by search and need no map.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "exchange.h"

#include <string.h>

#include "hash.h"
#include "packed_log.h"
#include "pool.h"

#define BLOCK_BITS 10
#define BLOCK_SIZE (1u << BLOCK_BITS)
#define COMMON_NAME 128
#define RECENT_BITS 8
#define MAX_STRING_BYTES (64u << 20)
/* What GLib needs for an entry beyond its text; counted so that many short names are bounded too. */
#define STRING_OVERHEAD 48u

typedef struct {
    GPtrArray *blocks; /* of the pool */
    wl_pool_t *pool;
    size_t item_size;
    uint32_t used;
} arena_t;

/* What is kept of an event. */
enum {
    LOG_FRAME,
    LOG_WHAT, /* the event, and above LOG_EVENT_BITS the index of its note if it has one, else of the
                 exchange */
    LOG_NUMBERS,
    LOG_NEAR = LOG_NUMBERS /* all are near to the record before */
};

#define LOG_EVENT_BITS 4
#define LOG_EVENTS ((1u << LOG_EVENT_BITS) - 1)
G_STATIC_ASSERT(WL_EVENT_COUNT <= LOG_EVENTS + 1);

typedef struct {
    uint32_t frame;
    int64_t rtt_ns;
} path_rtt_t;

typedef struct {
    wl_string_t string;
    uint32_t length;
} recent_name_t;

#define MAX_EXCHANGES ((1u << 28) - 1)

/* Design: an exchange and its events cost at most 128 bytes. */
G_STATIC_ASSERT(sizeof(wl_exchange_t) <= 88);
G_STATIC_ASSERT(WL_PROTO_COUNT <= 4 && WL_TIME_WAIT_END < 5); /* bits it has for them */

struct wl_store {
    wl_pool_t *pool;
    arena_t exchanges, legs, kafka, notes, far; /* far: int64_t, times */
    wl_packed_log_t *log;                       /* of events */
    GHashTable *path_rtts;  /* stream and direction -> GArray of path_rtt_t, each below the last */
    GHashTable *resent;     /* exchange id -> count; most exchanges have none */
    GHashTable *duplicates; /* the same of further answers */
    GHashTable *string_ids; /* text -> index */
    GPtrArray *strings;     /* index -> text */
    GStringChunk *text;
    recent_name_t recent[1u << RECENT_BITS]; /* names off the wire, by length and last bytes */
    size_t string_bytes;
    wl_string_t other;
    wl_store_counters_t counters;
};

static void arena_init(arena_t *arena, wl_pool_t *pool, size_t item_size)
{
    arena->blocks = g_ptr_array_new();
    arena->pool = pool;
    arena->item_size = item_size;
    arena->used = 0;
}

static void *arena_get(const arena_t *arena, uint32_t index)
{
    char *block = (char *)g_ptr_array_index(arena->blocks, index >> BLOCK_BITS);
    return block + (index & (BLOCK_SIZE - 1)) * arena->item_size;
}

/* The next item is not in the processor's caches: it is asked for while this one is filled. */
static void prefetch_after(const arena_t *arena, char *item)
{
    for (size_t at = 0; at < arena->item_size; at += 64) {
        __builtin_prefetch(item + arena->item_size + at, 1);
    }
}

static void *arena_add(arena_t *arena, uint32_t *index)
{
    void *item;

    if (arena->used == arena->blocks->len << BLOCK_BITS) {
        g_ptr_array_add(arena->blocks, wl_pool_take(arena->pool, arena->item_size << BLOCK_BITS));
    }
    *index = arena->used++;
    item = arena_get(arena, *index);
    prefetch_after(arena, item);
    return item;
}

wl_store_t *wl_store_new(void)
{
    wl_store_t *store = g_new0(wl_store_t, 1);

    store->pool = wl_pool_new();
    arena_init(&store->exchanges, store->pool, sizeof(wl_exchange_t));
    arena_init(&store->legs, store->pool, sizeof(wl_legs_t));
    arena_init(&store->kafka, store->pool, sizeof(wl_kafka_details_t));
    arena_init(&store->notes, store->pool, sizeof(wl_mqtt_note_t));
    arena_init(&store->far, store->pool, sizeof(int64_t));
    store->log = wl_packed_log_new(store->pool, LOG_NUMBERS, LOG_NEAR);
    store->path_rtts =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_array_unref);
    store->resent = g_hash_table_new(g_direct_hash, g_direct_equal);
    store->duplicates = g_hash_table_new(g_direct_hash, g_direct_equal);
    store->string_ids = g_hash_table_new(wl_hash_text, g_str_equal);
    store->strings = g_ptr_array_new();
    store->text = g_string_chunk_new(4096);
    wl_store_intern(store, ""); /* WL_STRING_NONE */
    store->other = wl_store_intern(store, "(other)");
    return store;
}

void wl_store_free(wl_store_t *store)
{
    if (store == NULL) {
        return;
    }
    g_ptr_array_free(store->exchanges.blocks, TRUE);
    g_ptr_array_free(store->legs.blocks, TRUE);
    g_ptr_array_free(store->kafka.blocks, TRUE);
    g_ptr_array_free(store->notes.blocks, TRUE);
    g_ptr_array_free(store->far.blocks, TRUE);
    wl_packed_log_free(store->log);
    wl_pool_free(store->pool);
    g_hash_table_destroy(store->path_rtts);
    g_hash_table_destroy(store->resent);
    g_hash_table_destroy(store->duplicates);
    g_hash_table_destroy(store->string_ids);
    g_ptr_array_free(store->strings, TRUE);
    g_string_chunk_free(store->text);
    g_free(store);
}

wl_exchange_t *wl_store_add(wl_store_t *store, wl_proto_t proto, wl_exchange_id_t *id)
{
    wl_exchange_t *ex;

    if (store->exchanges.used >= MAX_EXCHANGES) {
        /* Bounded; the last record is reused and says so. */
        *id = MAX_EXCHANGES - 1;
        ex = wl_store_get(store, *id);
        memset(ex, 0, sizeof *ex);
        store->counters.exchanges_dropped++;
    } else {
        ex = arena_add(&store->exchanges, id);
    }
    ex->proto = proto & 3;
    ex->base_ns = WL_NO_TIME;
    for (unsigned i = 0; i < WL_TIME_COUNT; i++) {
        ex->offset[i] = WL_OFFSET_NONE;
    }
    if (proto == WL_PROTO_MQTT) {
        ex->u.mqtt.legs = UINT32_MAX;
        ex->u.mqtt.original = WL_EXCHANGE_NONE;
        ex->u.mqtt.reason = WL_REASON_NONE;
    } else if (proto == WL_PROTO_MQTTSN) {
        ex->u.mqttsn.legs = UINT32_MAX;
        ex->u.mqttsn.reason = WL_REASON_NONE;
    } else if (proto == WL_PROTO_KAFKA) {
        ex->u.kafka.details = UINT32_MAX;
        ex->u.kafka.wait_end = WL_OFFSET_NONE;
        ex->u.kafka.max_wait_ms = -1;
        ex->u.kafka.acks = WL_KAFKA_ACKS_UNKNOWN;
    }
    return ex;
}

wl_exchange_t *wl_store_get(const wl_store_t *store, wl_exchange_id_t id)
{
    return arena_get(&store->exchanges, id);
}

void wl_store_set_time(wl_store_t *store, wl_exchange_t *ex, wl_time_t time, int64_t ns)
{
    int32_t *offset = time == WL_TIME_WAIT_END ? &ex->u.kafka.wait_end : &ex->offset[time];
    /* Wraps where they are centuries apart; so does their sum. */
    int64_t distance = (int64_t)((uint64_t)ns - (uint64_t)ex->base_ns);
    uint32_t index;

    if (ns == WL_NO_TIME) {
        distance = WL_OFFSET_NONE;
    } else if (distance <= WL_OFFSET_NONE || distance > G_MAXINT32) {
        if (!(ex->far & 1u << time)) {
            arena_add(&store->far, &index);
            ex->far |= (uint8_t)(1u << time);
            *offset = (int32_t)index;
        }
        *(int64_t *)arena_get(&store->far, (uint32_t)*offset) = ns;
        return;
    }
    ex->far &= (uint8_t) ~(1u << time);
    *offset = (int32_t)distance;
}

int64_t wl_store_far_ns(const wl_store_t *store, int32_t index)
{
    return *(const int64_t *)arena_get(&store->far, (uint32_t)index);
}

void wl_store_log(wl_store_t *store, uint32_t frame, wl_event_t event, wl_exchange_id_t id)
{
    wl_packed_log_add(
        store->log, LOG_NUMBERS, LOG_NEAR,
        (uint64_t[LOG_NUMBERS]){
            [LOG_FRAME] = frame, [LOG_WHAT] = (uint64_t)id << LOG_EVENT_BITS | event});
    if (event == WL_EVENT_DUPLICATE) {
        g_hash_table_insert(store->duplicates, GUINT_TO_POINTER(id),
                            GUINT_TO_POINTER(wl_store_duplicates(store, id) + 1));
    }
}

void wl_store_log_note(wl_store_t *store, uint32_t frame, wl_event_t event,
                       const wl_mqtt_note_t *note)
{
    uint32_t index;

    if (store->notes.used >= MAX_EXCHANGES) {
        store->counters.exchanges_dropped++;
        return;
    }
    *(wl_mqtt_note_t *)arena_add(&store->notes, &index) = *note;
    if (event == WL_EVENT_SESSION) {
        wl_store_get(store, note->exchange)->u.mqtt.session = index + 1;
    }
    wl_store_log(store, frame, event, index);
}

const wl_mqtt_note_t *wl_store_session(const wl_store_t *store, const wl_exchange_t *ex)
{
    return ex->proto == WL_PROTO_MQTT && ex->u.mqtt.session != 0
               ? arena_get(&store->notes, ex->u.mqtt.session - 1)
               : NULL;
}

uint32_t wl_store_events(const wl_store_t *store, uint32_t frame, uint32_t *count)
{
    uint32_t first;

    *count = wl_packed_log_find(store->log, frame, &first);
    return first;
}

uint32_t wl_store_event_count(const wl_store_t *store)
{
    return wl_packed_log_length(store->log);
}

size_t wl_store_log_bytes(const wl_store_t *store)
{
    return wl_packed_log_bytes(store->log);
}

void wl_store_event(const wl_store_t *store, uint32_t index, wl_record_t *record)
{
    const uint64_t *numbers = wl_packed_log_at(store->log, index);

    record->event = (wl_event_t)(numbers[LOG_WHAT] & LOG_EVENTS);
    record->id = (wl_exchange_id_t)(numbers[LOG_WHAT] >> LOG_EVENT_BITS);
    record->note = NULL;
    if (record->event >= WL_EVENT_AUTH) {
        record->note = arena_get(&store->notes, record->id);
        record->id = record->note->exchange;
    }
    record->ex = wl_store_get(store, record->id);
    record->store = store;
    record->number = index;
    record->frame = (uint32_t)numbers[LOG_FRAME];
}

wl_legs_t *wl_store_add_legs(wl_store_t *store, wl_exchange_t *ex)
{
    wl_legs_t *legs =
        arena_add(&store->legs, ex->proto == WL_PROTO_MQTT ? &ex->u.mqtt.legs : &ex->u.mqttsn.legs);

    legs->pubrec_first_ns = legs->pubrec_last_ns = WL_NO_TIME;
    legs->pubrel_first_ns = legs->pubrel_last_ns = WL_NO_TIME;
    return legs;
}

wl_legs_t *wl_store_legs(const wl_store_t *store, const wl_exchange_t *ex)
{
    uint32_t index = ex->proto == WL_PROTO_MQTT     ? ex->u.mqtt.legs
                     : ex->proto == WL_PROTO_MQTTSN ? ex->u.mqttsn.legs
                                                    : UINT32_MAX;

    return index == UINT32_MAX ? NULL : arena_get(&store->legs, index);
}

wl_kafka_details_t *wl_store_add_kafka(wl_store_t *store, const wl_kafka_details_t *like,
                                       uint32_t *index)
{
    wl_kafka_details_t *details = arena_add(&store->kafka, index);

    if (like != NULL) {
        *details = *like;
    } else {
        details->span_ns = WL_NO_TIME;
    }
    return details;
}

wl_kafka_details_t *wl_store_kafka(const wl_store_t *store, const wl_exchange_t *ex)
{
    if (ex->proto != WL_PROTO_KAFKA || ex->u.kafka.details == UINT32_MAX) {
        return NULL;
    }
    return arena_get(&store->kafka, ex->u.kafka.details);
}

bool wl_store_find(const wl_store_t *store, const char *text, wl_string_t *string)
{
    gpointer found;

    if (!g_hash_table_lookup_extended(store->string_ids, text, NULL, &found)) {
        return false;
    }
    *string = GPOINTER_TO_UINT(found);
    return true;
}

static gpointer path_key(uint32_t stream, unsigned direction)
{
    return GSIZE_TO_POINTER((gsize)stream * 2 + direction);
}

void wl_store_add_path_rtt(wl_store_t *store, uint32_t stream, unsigned direction, uint32_t frame,
                           int64_t rtt_ns)
{
    gpointer key = path_key(stream, direction);
    GArray *rtts = g_hash_table_lookup(store->path_rtts, key);
    path_rtt_t entry = {frame, rtt_ns};

    if (rtts == NULL) {
        rtts = g_array_sized_new(FALSE, FALSE, sizeof entry, 2);
        g_hash_table_insert(store->path_rtts, key, rtts);
    }
    g_array_append_val(rtts, entry);
}

int64_t wl_store_path_rtt(const wl_store_t *store, const wl_exchange_t *ex, uint32_t frame)
{
    const GArray *rtts = g_hash_table_lookup(store->path_rtts, path_key(ex->stream, ex->direction));
    unsigned low = 0, high = rtts != NULL ? rtts->len : 0;

    /* The last entry of a frame that is not later. Few entries as a rule, but a capture in which
     * each round trip is shorter than the one before has one per exchange. */
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (g_array_index(rtts, path_rtt_t, middle).frame <= frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? g_array_index(rtts, path_rtt_t, low - 1).rtt_ns : WL_NO_TIME;
}

void wl_store_add_resent(wl_store_t *store, wl_exchange_id_t id, uint32_t count)
{
    uint32_t old;

    if (count == 0) {
        return;
    }
    old = wl_store_resent(store, id);
    if (count == WL_RESENT_UNKNOWN || old == WL_RESENT_UNKNOWN) {
        g_hash_table_insert(store->resent, GUINT_TO_POINTER(id),
                            GUINT_TO_POINTER(WL_RESENT_UNKNOWN));
    } else {
        g_hash_table_insert(store->resent, GUINT_TO_POINTER(id), GUINT_TO_POINTER(old + count));
    }
}

uint32_t wl_store_resent(const wl_store_t *store, wl_exchange_id_t id)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(store->resent, GUINT_TO_POINTER(id)));
}

uint32_t wl_store_duplicates(const wl_store_t *store, wl_exchange_id_t id)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(store->duplicates, GUINT_TO_POINTER(id)));
}

wl_string_t wl_store_intern(wl_store_t *store, const char *text)
{
    wl_string_t found;
    size_t cost;
    char *copy;

    if (text == NULL) {
        return WL_STRING_NONE;
    }
    if (wl_store_find(store, text, &found)) {
        return found;
    }
    cost = strlen(text) + STRING_OVERHEAD;
    if (store->string_bytes + cost > MAX_STRING_BYTES) {
        store->counters.strings_dropped++;
        return store->other;
    }
    store->string_bytes += cost;
    copy = g_string_chunk_insert(store->text, text);
    g_hash_table_insert(store->string_ids, copy, GUINT_TO_POINTER(store->strings->len));
    g_ptr_array_add(store->strings, copy);
    return store->strings->len - 1;
}

static recent_name_t *recent_name(wl_store_t *store, const uint8_t *bytes, uint32_t length)
{
    uint64_t word = length;

    for (uint32_t i = length > 6 ? length - 6 : 0; i < length; i++) {
        word = word << 8 | bytes[i];
    }
    return &store->recent[word * UINT64_C(0x9E3779B97F4A7C15) >> (64 - RECENT_BITS)];
}

wl_string_t wl_store_intern_bytes(wl_store_t *store, const uint8_t *bytes, uint32_t length)
{
    char known[COMMON_NAME];
    recent_name_t *recent;
    wl_string_t string;
    gchar *text;

    if (length == 0) {
        return WL_STRING_NONE;
    }
    /* Requests name the same few things again and again: saves the hash, which is a dear one. */
    recent = recent_name(store, bytes, length);
    if (recent->length == length &&
        memcmp(wl_store_text(store, recent->string), bytes, length) == 0) {
        return recent->string;
    }
    /* Nearly every name was seen before, and then checked. */
    if (length < sizeof known) {
        memcpy(known, bytes, length);
        known[length] = 0;
        if (strlen(known) == length && wl_store_find(store, known, &string)) {
            *recent = (recent_name_t){string, length};
            return string;
        }
    }
    text = g_utf8_make_valid((const gchar *)bytes, (gssize)length);
    string = wl_store_intern(store, text);
    g_free(text);
    return string;
}

const char *wl_store_text(const wl_store_t *store, wl_string_t string)
{
    return g_ptr_array_index(store->strings, string);
}

wl_store_counters_t *wl_store_counters(wl_store_t *store)
{
    return &store->counters;
}
