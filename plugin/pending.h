/* pending.h
 * The requests not yet answered, found by key; bounded; every outcome counted.
 *
 *   add(key) --> pending --take(key)--> answered --take(key) again--> duplicate
 *                  |  \--add(key) again--> reused (the old one is handed back)
 *                  \--too many--> evicted, oldest first
 *   take(key) of an unknown key --> orphan
 *
 * An answered key is remembered for a while (the last WL_PENDING_ANSWERED_MAX of the table), since only so
 * a second answer can be told from one whose request was never captured. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_PENDING_H
#define WIRELAT_PENDING_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WL_PENDING_ANSWERED_MAX 4096u /* more would not stay in the cache */

/* stream: tcp.stream. space: direction of the requester and kind, so that equal ids of client and
 * server, or of a PUBLISH and a SUBSCRIBE, never meet. id: packet id, correlation id. */
typedef struct {
    uint32_t stream;
    uint32_t space;
    uint32_t id;
} wl_key_t;

typedef enum {
    WL_PENDING_NEW,       /* add: nothing was pending under this key */
    WL_PENDING_REUSED,    /* add: an older request was, and is no more: *old is its value */
    WL_PENDING_FOUND,     /* find, take: pending; *value is set */
    WL_PENDING_DUPLICATE, /* find, take: answered already; *value is set */
    WL_PENDING_ORPHAN     /* find, take: unknown; *value untouched */
} wl_pending_result_t;

typedef struct {
    uint64_t added, answered, reused, evicted, duplicate, orphan;
} wl_pending_counters_t;

typedef struct wl_pending wl_pending_t;

/* Told of each request that is evicted: its key and value, and the user pointer of
 * wl_pending_new(). */
typedef void (*wl_pending_evicted_t)(wl_key_t key, uint32_t value, void *user);

/* max_stream, max_total: most pending requests of one stream and of all; at least 1 each. */
wl_pending_t *wl_pending_new(unsigned max_stream, unsigned max_total, wl_pending_evicted_t evicted,
                             void *user);
void wl_pending_free(wl_pending_t *pt);

/* Returns NEW or REUSED. O(1). May evict the oldest request of the stream, or of all. */
wl_pending_result_t wl_pending_add(wl_pending_t *pt, wl_key_t key, uint32_t value, uint32_t *old);

/* Has the memory that a key leads to fetched while something else is done. */
void wl_pending_prefetch(const wl_pending_t *pt, wl_key_t key);

/* Looks without changing or counting. Returns FOUND, DUPLICATE or ORPHAN. O(1). */
wl_pending_result_t wl_pending_find(const wl_pending_t *pt, wl_key_t key, uint32_t *value);

/* Ends the request: FOUND (it was pending, now answered), DUPLICATE, ORPHAN. Counts. O(1). */
wl_pending_result_t wl_pending_take(wl_pending_t *pt, wl_key_t key, uint32_t *value);

/* Files a pending request under another key, which nothing may be pending under; it keeps its age.
 * May evict the oldest request of the new stream. O(1). */
void wl_pending_rekey(wl_pending_t *pt, wl_key_t from, wl_key_t to);

/* Requests of the stream that wait for an answer. */
uint32_t wl_pending_open(const wl_pending_t *pt, uint32_t stream);

const wl_pending_counters_t *wl_pending_counters(const wl_pending_t *pt);

#endif
