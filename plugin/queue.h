/* queue.h
 * A first-in, first-out list of small items, as a ring that grows. A stream has several, and each of
 * its frames uses most of them: the ring's head lies in its owner, so that only the item itself is
 * one more line of the processor's cache.
 *
 *   wl_queue_t queue = {0};
 *   *(item_t *)wl_queue_push(&queue, sizeof(item_t)) = item;
 *   oldest = wl_queue_at(&queue, sizeof(item_t), 0);       valid until the next push
 *   wl_queue_drop(&queue, 1);
 *
 * The same size must be given each time. Knows nothing of epan: GLib only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_QUEUE_H
#define WIRELAT_QUEUE_H

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "rare.h"

#define WL_QUEUE_FIRST_ROOM 4u

typedef struct {
    char *items;
    uint32_t first, count, room; /* room: 0 or a power of two */
} wl_queue_t;

/* The item that is i behind the oldest; i < count. */
static inline void *wl_queue_at(const wl_queue_t *queue, size_t size, uint32_t i)
{
    return queue->items + size * ((queue->first + i) & (queue->room - 1));
}

WL_RARE static G_GNUC_UNUSED void wl_queue_grow(wl_queue_t *queue, size_t size)
{
    uint32_t room = queue->room > 0 ? queue->room * 2 : WL_QUEUE_FIRST_ROOM;
    uint32_t tail = MIN(queue->count, queue->room - queue->first); /* as far as the old end */
    char *items = g_malloc_n(room, size);

    if (queue->count > 0) {
        memcpy(items, queue->items + size * queue->first, size * tail);
        memcpy(items + size * tail, queue->items, size * (queue->count - tail));
    }
    g_free(queue->items);
    queue->items = items;
    queue->first = 0;
    queue->room = room;
}

/* The place of one more item, to be filled by the caller. */
static inline void *wl_queue_push(wl_queue_t *queue, size_t size)
{
    if (queue->count == queue->room) {
        wl_queue_grow(queue, size);
    }
    return wl_queue_at(queue, size, queue->count++);
}

/* Takes the oldest n away; n <= count. */
static inline void wl_queue_drop(wl_queue_t *queue, uint32_t n)
{
    queue->count -= n;
    /* An empty one begins anew, with items that are still in the cache. */
    queue->first = queue->count > 0 ? (queue->first + n) & (queue->room - 1) : 0;
}

/* Frees what it holds; it can be used anew. */
static inline void wl_queue_clear(wl_queue_t *queue)
{
    g_free(queue->items);
    *queue = (wl_queue_t){NULL, 0, 0, 0};
}

#endif
