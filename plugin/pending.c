/* pending.c
 * Entries in one array, found through a table of slots; each hangs in two queues, oldest first: that
 * of its stream and one of the whole table. The queue of the whole table is "pending" or "answered",
 * by the entry's state.
 *
 * Of a packet's time most goes by waiting for memory: an entry is half a line of the processor's
 * cache, and everything is named by its index.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pending.h"

#include "hash.h"

#define NONE 0u             /* no entry has index 0 */
#define ANSWERED UINT32_MAX /* in place of a link within the stream */
#define FIRST_SLOTS 1024u   /* a power of two */

enum { IN_TABLE, IN_STREAM };

typedef struct {
    uint32_t previous, next;
} link_t;

typedef struct {
    wl_key_t key;
    uint32_t value;
    link_t links[2]; /* links[IN_STREAM].previous is ANSWERED once it is */
} entry_t;

G_STATIC_ASSERT(sizeof(entry_t) == 32);

typedef struct {
    uint32_t oldest, newest, count;
} queue_t;

/* Linear probing; at most half are taken. index NONE: free. */
typedef struct {
    uint32_t hash, index;
} slot_t;

struct wl_pending {
    slot_t *slots;
    uint32_t slot_count, taken;
    GArray *entries;     /* entry_t */
    uint32_t free_entry; /* those that were given back, linked by links[IN_TABLE].next */
    GArray *streams;     /* queue_t by number, of pending requests */
    queue_t pending, answered;
    unsigned max_stream, max_total;
    wl_pending_evicted_t evicted;
    void *user;
    wl_pending_counters_t counters;
};

static bool key_equal(wl_key_t a, wl_key_t b)
{
    return a.id == b.id && a.stream == b.stream && a.space == b.space;
}

static uint32_t key_hash(wl_key_t key)
{
    return wl_hash_numbers(key.stream, key.space, key.id);
}

static entry_t *entry_at(const wl_pending_t *pt, uint32_t index)
{
    return &g_array_index(pt->entries, entry_t, index);
}

static queue_t *stream_queue(wl_pending_t *pt, uint32_t number)
{
    if (number >= pt->streams->len) {
        g_array_set_size(pt->streams, number + 1);
    }
    return &g_array_index(pt->streams, queue_t, number);
}

static bool is_pending(const entry_t *entry)
{
    return entry->links[IN_STREAM].previous != ANSWERED;
}

/* Slots. */

/* The slot of the key, or the free one where it would be. */
static uint32_t slot_of(const wl_pending_t *pt, wl_key_t key, uint32_t hash)
{
    uint32_t at = hash & (pt->slot_count - 1);

    while (
        pt->slots[at].index != NONE &&
        (pt->slots[at].hash != hash || !key_equal(entry_at(pt, pt->slots[at].index)->key, key))) {
        at = (at + 1) & (pt->slot_count - 1);
    }
    return at;
}

static void slots_grow(wl_pending_t *pt)
{
    slot_t *old = pt->slots;
    uint32_t old_count = pt->slot_count;

    pt->slot_count *= 2;
    pt->slots = g_new0(slot_t, pt->slot_count);
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i].index != NONE) {
            uint32_t at = old[i].hash & (pt->slot_count - 1);

            while (pt->slots[at].index != NONE) {
                at = (at + 1) & (pt->slot_count - 1);
            }
            pt->slots[at] = old[i];
        }
    }
    g_free(old);
}

/* What was pushed on by the slot that gets free moves back, or a search would end too early. */
static void slot_free(wl_pending_t *pt, uint32_t at)
{
    uint32_t mask = pt->slot_count - 1;

    for (uint32_t next = (at + 1) & mask; pt->slots[next].index != NONE; next = (next + 1) & mask) {
        uint32_t home = pt->slots[next].hash & mask;

        if (((next - home) & mask) >= ((next - at) & mask)) {
            pt->slots[at] = pt->slots[next];
            at = next;
        }
    }
    pt->slots[at].index = NONE;
    pt->taken--;
}

static uint32_t look_up(const wl_pending_t *pt, wl_key_t key)
{
    return pt->slots[slot_of(pt, key, key_hash(key))].index;
}

/* Entries. */

/* Files the entry under a key that has none. */
static void file(wl_pending_t *pt, uint32_t index, wl_key_t key)
{
    uint32_t hash = key_hash(key);

    if ((pt->taken + 1) * 2 > pt->slot_count) {
        slots_grow(pt);
    }
    entry_at(pt, index)->key = key;
    pt->slots[slot_of(pt, key, hash)] = (slot_t){hash, index};
    pt->taken++;
}

static void unfile(wl_pending_t *pt, uint32_t index)
{
    wl_key_t key = entry_at(pt, index)->key;

    slot_free(pt, slot_of(pt, key, key_hash(key)));
}

static uint32_t entry_new(wl_pending_t *pt)
{
    uint32_t index = pt->free_entry;

    if (index != NONE) {
        pt->free_entry = entry_at(pt, index)->links[IN_TABLE].next;
        return index;
    }
    g_array_set_size(pt->entries, pt->entries->len + 1);
    return pt->entries->len - 1;
}

/* Out of both queues already. */
static void entry_free(wl_pending_t *pt, uint32_t index)
{
    entry_t *entry = entry_at(pt, index);

    unfile(pt, index);
    entry->links[IN_TABLE].next = pt->free_entry;
    pt->free_entry = index;
}

/* Queues. */

static void queue_push(wl_pending_t *pt, queue_t *queue, uint32_t index, int which)
{
    entry_at(pt, index)->links[which] = (link_t){queue->newest, NONE};
    if (queue->newest != NONE) {
        entry_at(pt, queue->newest)->links[which].next = index;
    } else {
        queue->oldest = index;
    }
    queue->newest = index;
    queue->count++;
}

static void queue_remove(wl_pending_t *pt, queue_t *queue, uint32_t index, int which)
{
    link_t link = entry_at(pt, index)->links[which];

    if (link.previous != NONE) {
        entry_at(pt, link.previous)->links[which].next = link.next;
    } else {
        queue->oldest = link.next;
    }
    if (link.next != NONE) {
        entry_at(pt, link.next)->links[which].previous = link.previous;
    } else {
        queue->newest = link.previous;
    }
    queue->count--;
}

/* Takes a pending entry out of both queues; it stays on file. */
static void detach(wl_pending_t *pt, uint32_t index)
{
    queue_remove(pt, &pt->pending, index, IN_TABLE);
    queue_remove(pt, stream_queue(pt, entry_at(pt, index)->key.stream), index, IN_STREAM);
}

static void evict(wl_pending_t *pt, uint32_t index)
{
    wl_key_t key = entry_at(pt, index)->key;
    uint32_t value = entry_at(pt, index)->value;

    detach(pt, index);
    entry_free(pt, index);
    pt->counters.evicted++;
    if (pt->evicted != NULL) {
        pt->evicted(key, value, pt->user);
    }
}

wl_pending_t *wl_pending_new(unsigned max_stream, unsigned max_total, wl_pending_evicted_t evicted,
                             void *user)
{
    wl_pending_t *pt = g_new0(wl_pending_t, 1);

    pt->slot_count = FIRST_SLOTS;
    pt->slots = g_new0(slot_t, pt->slot_count);
    pt->entries = g_array_new(FALSE, FALSE, sizeof(entry_t));
    g_array_set_size(pt->entries, 1); /* NONE */
    pt->streams = g_array_new(FALSE, TRUE, sizeof(queue_t));
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
    g_free(pt->slots);
    g_array_free(pt->entries, TRUE);
    g_array_free(pt->streams, TRUE);
    g_free(pt);
}

wl_pending_result_t wl_pending_add(wl_pending_t *pt, wl_key_t key, uint32_t value, uint32_t *old)
{
    wl_pending_result_t result = WL_PENDING_NEW;
    uint32_t index = look_up(pt, key);
    queue_t *stream;

    if (index == NONE) {
        index = entry_new(pt);
        file(pt, index, key);
    } else if (is_pending(entry_at(pt, index))) {
        result = WL_PENDING_REUSED;
        *old = entry_at(pt, index)->value;
        pt->counters.reused++;
        detach(pt, index);
    } else {
        queue_remove(pt, &pt->answered, index, IN_TABLE);
    }
    entry_at(pt, index)->value = value;
    stream = stream_queue(pt, key.stream);
    queue_push(pt, &pt->pending, index, IN_TABLE);
    queue_push(pt, stream, index, IN_STREAM);
    pt->counters.added++;

    if (stream->count > pt->max_stream) {
        evict(pt, stream->oldest);
    } else if (pt->pending.count > pt->max_total) {
        evict(pt, pt->pending.oldest);
    }
    return result;
}

static void prefetch_slot(const wl_pending_t *pt, uint32_t hash)
{
    __builtin_prefetch(&pt->slots[hash & (pt->slot_count - 1)]);
}

void wl_pending_prefetch(const wl_pending_t *pt, wl_key_t key)
{
    prefetch_slot(pt, key_hash(key));
}

/* Of the answered keys that are forgotten next: the slot of the first, and the second itself. */
static void prefetch_forgotten(const wl_pending_t *pt)
{
    const entry_t *oldest = entry_at(pt, pt->answered.oldest);

    prefetch_slot(pt, key_hash(oldest->key));
    __builtin_prefetch(entry_at(pt, oldest->links[IN_TABLE].next));
}

wl_pending_result_t wl_pending_find(const wl_pending_t *pt, wl_key_t key, uint32_t *value)
{
    uint32_t index = look_up(pt, key);

    if (index == NONE) {
        return WL_PENDING_ORPHAN;
    }
    *value = entry_at(pt, index)->value;
    return is_pending(entry_at(pt, index)) ? WL_PENDING_FOUND : WL_PENDING_DUPLICATE;
}

wl_pending_result_t wl_pending_take(wl_pending_t *pt, wl_key_t key, uint32_t *value)
{
    uint32_t index = look_up(pt, key);

    if (index == NONE) {
        pt->counters.orphan++;
        return WL_PENDING_ORPHAN;
    }
    *value = entry_at(pt, index)->value;
    if (!is_pending(entry_at(pt, index))) {
        pt->counters.duplicate++;
        return WL_PENDING_DUPLICATE;
    }
    pt->counters.answered++;
    detach(pt, index);
    entry_at(pt, index)->links[IN_STREAM] = (link_t){ANSWERED, NONE};
    queue_push(pt, &pt->answered, index, IN_TABLE);
    if (pt->answered.count > WL_PENDING_ANSWERED_MAX) {
        uint32_t oldest = pt->answered.oldest;

        queue_remove(pt, &pt->answered, oldest, IN_TABLE);
        entry_free(pt, oldest);
        prefetch_forgotten(pt);
    }
    return WL_PENDING_FOUND;
}

void wl_pending_rekey(wl_pending_t *pt, wl_key_t from, wl_key_t to)
{
    uint32_t index = look_up(pt, from), answered = look_up(pt, to);
    queue_t *stream;

    if (index == NONE || !is_pending(entry_at(pt, index)) || key_equal(from, to) ||
        (answered != NONE && is_pending(entry_at(pt, answered)))) {
        return;
    }
    if (answered != NONE) {
        queue_remove(pt, &pt->answered, answered, IN_TABLE);
        entry_free(pt, answered);
    }
    queue_remove(pt, stream_queue(pt, from.stream), index, IN_STREAM);
    unfile(pt, index);
    file(pt, index, to);
    stream = stream_queue(pt, to.stream);
    queue_push(pt, stream, index, IN_STREAM);
    if (stream->count > pt->max_stream) {
        evict(pt, stream->oldest);
    }
}

uint32_t wl_pending_open(const wl_pending_t *pt, uint32_t stream)
{
    return stream < pt->streams->len ? g_array_index(pt->streams, queue_t, stream).count : 0;
}

const wl_pending_counters_t *wl_pending_counters(const wl_pending_t *pt)
{
    return &pt->counters;
}
