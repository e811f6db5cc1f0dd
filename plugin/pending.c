/* pending.c
 * One hash of entries; each entry hangs in two queues, oldest first: that of its stream and one of
 * the whole table. The queue of the whole table is "pending" or "answered", by the entry's state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pending.h"

#include "hash.h"

typedef struct entry entry_t;
typedef struct {
    entry_t *previous, *next;
} link_t;

typedef struct {
    entry_t *oldest, *newest;
    uint32_t count;
} queue_t;

enum { IN_TABLE, IN_STREAM };

typedef struct {
    queue_t pending;
} stream_t;

struct entry {
    wl_key_t key; /* first: the entry is its own hash key */
    uint32_t value;
    stream_t *stream; /* NULL once answered */
    link_t links[2];
};

struct wl_pending {
    GHashTable *entries;
    GHashTable *streams; /* every stream that ever had a request: making them anew is dear */
    queue_t pending, answered;
    unsigned max_stream, max_total;
    wl_pending_evicted_t evicted;
    void *user;
    wl_pending_counters_t counters;
};

static guint key_hash(gconstpointer pointer)
{
    return wl_hash_bytes(pointer, sizeof(wl_key_t)); /* three words, no padding */
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    const wl_key_t *ka = a, *kb = b;
    return ka->id == kb->id && ka->stream == kb->stream && ka->space == kb->space;
}

static void queue_push(queue_t *queue, entry_t *entry, int which)
{
    entry->links[which] = (link_t){queue->newest, NULL};
    if (queue->newest != NULL) {
        queue->newest->links[which].next = entry;
    } else {
        queue->oldest = entry;
    }
    queue->newest = entry;
    queue->count++;
}

static void queue_remove(queue_t *queue, entry_t *entry, int which)
{
    link_t link = entry->links[which];

    if (link.previous != NULL) {
        link.previous->links[which].next = link.next;
    } else {
        queue->oldest = link.next;
    }
    if (link.next != NULL) {
        link.next->links[which].previous = link.previous;
    } else {
        queue->newest = link.previous;
    }
    queue->count--;
}

static void entry_free(gpointer entry)
{
    g_slice_free(entry_t, entry);
}

static void stream_free(gpointer stream)
{
    g_slice_free(stream_t, stream);
}

wl_pending_t *wl_pending_new(unsigned max_stream, unsigned max_total, wl_pending_evicted_t evicted,
                             void *user)
{
    wl_pending_t *pt = g_new0(wl_pending_t, 1);

    pt->entries = g_hash_table_new_full(key_hash, key_equal, NULL, entry_free);
    pt->streams = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, stream_free);
    pt->max_stream = MAX(max_stream, 1);
    pt->max_total = MAX(max_total, 1);
    pt->evicted = evicted;
    pt->user = user;
    return pt;
}

void wl_pending_free(wl_pending_t *pt)
{
    if (pt == NULL) {
        return;
    }
    g_hash_table_destroy(pt->entries);
    g_hash_table_destroy(pt->streams);
    g_free(pt);
}

static stream_t *stream_of(wl_pending_t *pt, uint32_t number)
{
    stream_t *stream = g_hash_table_lookup(pt->streams, GUINT_TO_POINTER(number));

    if (stream == NULL) {
        stream = g_slice_new0(stream_t);
        g_hash_table_insert(pt->streams, GUINT_TO_POINTER(number), stream);
    }
    return stream;
}

/* Takes a pending entry out of both queues; it stays in the hash. */
static void entry_detach(wl_pending_t *pt, entry_t *entry)
{
    queue_remove(&pt->pending, entry, IN_TABLE);
    queue_remove(&entry->stream->pending, entry, IN_STREAM);
    entry->stream = NULL;
}

static void evict(wl_pending_t *pt, entry_t *entry)
{
    wl_key_t key = entry->key;
    uint32_t value = entry->value;

    entry_detach(pt, entry);
    g_hash_table_remove(pt->entries, &entry->key);
    pt->counters.evicted++;
    if (pt->evicted != NULL) {
        pt->evicted(key, value, pt->user);
    }
}

wl_pending_result_t wl_pending_add(wl_pending_t *pt, wl_key_t key, uint32_t value, uint32_t *old)
{
    wl_pending_result_t result = WL_PENDING_NEW;
    entry_t *entry = g_hash_table_lookup(pt->entries, &key);

    if (entry != NULL && entry->stream != NULL) {
        result = WL_PENDING_REUSED;
        *old = entry->value;
        pt->counters.reused++;
        entry_detach(pt, entry);
    } else if (entry != NULL) {
        queue_remove(&pt->answered, entry, IN_TABLE);
    } else {
        entry = g_slice_new0(entry_t);
        entry->key = key;
        g_hash_table_add(pt->entries, entry);
    }
    entry->value = value;
    entry->stream = stream_of(pt, key.stream);
    queue_push(&pt->pending, entry, IN_TABLE);
    queue_push(&entry->stream->pending, entry, IN_STREAM);
    pt->counters.added++;

    if (entry->stream->pending.count > pt->max_stream) {
        evict(pt, entry->stream->pending.oldest);
    } else if (pt->pending.count > pt->max_total) {
        evict(pt, pt->pending.oldest);
    }
    return result;
}

static wl_pending_result_t look_up(const wl_pending_t *pt, wl_key_t key, entry_t **entry)
{
    *entry = g_hash_table_lookup(pt->entries, &key);
    if (*entry == NULL) {
        return WL_PENDING_ORPHAN;
    }
    return (*entry)->stream != NULL ? WL_PENDING_FOUND : WL_PENDING_DUPLICATE;
}

wl_pending_result_t wl_pending_find(const wl_pending_t *pt, wl_key_t key, uint32_t *value)
{
    entry_t *entry;
    wl_pending_result_t result = look_up(pt, key, &entry);

    if (entry != NULL) {
        *value = entry->value;
    }
    return result;
}

wl_pending_result_t wl_pending_take(wl_pending_t *pt, wl_key_t key, uint32_t *value)
{
    entry_t *entry;
    wl_pending_result_t result = look_up(pt, key, &entry);

    if (result == WL_PENDING_ORPHAN) {
        pt->counters.orphan++;
        return result;
    }
    *value = entry->value;
    if (result == WL_PENDING_DUPLICATE) {
        pt->counters.duplicate++;
        return result;
    }
    pt->counters.answered++;
    entry_detach(pt, entry);
    queue_push(&pt->answered, entry, IN_TABLE);
    if (pt->answered.count > WL_PENDING_ANSWERED_MAX) {
        entry_t *oldest = pt->answered.oldest;
        queue_remove(&pt->answered, oldest, IN_TABLE);
        g_hash_table_remove(pt->entries, &oldest->key);
    }
    return result;
}

void wl_pending_rekey(wl_pending_t *pt, wl_key_t from, wl_key_t to)
{
    entry_t *entry = g_hash_table_lookup(pt->entries, &from);
    entry_t *answered = g_hash_table_lookup(pt->entries, &to);

    if (entry == NULL || entry->stream == NULL || key_equal(&from, &to) ||
        (answered != NULL && answered->stream != NULL)) {
        return;
    }
    if (answered != NULL) {
        queue_remove(&pt->answered, answered, IN_TABLE);
        g_hash_table_remove(pt->entries, &to);
    }
    g_hash_table_steal(pt->entries, &from);
    queue_remove(&entry->stream->pending, entry, IN_STREAM);
    entry->key = to;
    entry->stream = stream_of(pt, to.stream);
    queue_push(&entry->stream->pending, entry, IN_STREAM);
    g_hash_table_add(pt->entries, entry);
    if (entry->stream->pending.count > pt->max_stream) {
        evict(pt, entry->stream->pending.oldest);
    }
}

uint32_t wl_pending_open(const wl_pending_t *pt, uint32_t stream)
{
    const stream_t *found = g_hash_table_lookup(pt->streams, GUINT_TO_POINTER(stream));
    return found != NULL ? found->pending.count : 0;
}

const wl_pending_counters_t *wl_pending_counters(const wl_pending_t *pt)
{
    return &pt->counters;
}
