/* pool.h
 * Memory for what grows with the capture and goes with it: pieces that never move, given back all at
 * once. Beyond the first they lie on huge pages where the system has them, since half a million
 * records on pages of 4 KiB cost Wireshark's own look-ups their place in the processor's table of
 * pages (0.02 of its time).
 *
 * Knows nothing of epan: GLib only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_POOL_H
#define WIRELAT_POOL_H

#include <stddef.h>

typedef struct wl_pool wl_pool_t;

wl_pool_t *wl_pool_new(void);
/* NULL is allowed. */
void wl_pool_free(wl_pool_t *pool);

/* `size` bytes, all 0, at a multiple of 64. Never NULL: GLib aborts without memory. */
void *wl_pool_take(wl_pool_t *pool, size_t size);

/* What the pool has taken from the system. */
size_t wl_pool_bytes(const wl_pool_t *pool);

#endif
