/* mptcp_ranges.h
 * Disjoint ranges of bytes in the order of their numbers, each with where it was sent first: what
 * is known of the data of one direction of an MPTCP connection.
 *
 *     [from, to)  [from, to)     [from, to)
 *      subflow 0   subflow 1      subflow 0
 *
 * Searching and inserting cost O(log n) and a move of at most one chunk, the ends and the next
 * range O(1). The owner trims: n is what is in flight, and as much of the past as it wants to
 * recognise.
 *
 * A pointer to a range holds until the next insertion, removal or cover.
 *
 * GLib only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_RANGES_H
#define WIRELAT_MPTCP_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "rare.h"

#define WL_MP_RANGE_SUBFLOWS (UINT32_C(1) << 24) /* numbers of subflows are below */

typedef struct {
    uint64_t from, to;
    int64_t time_ns;
    uint32_t frame;        /* that carried it first */
    uint32_t subflow : 24; /* the same */
    uint32_t flags : 8;    /* the owner's */
} wl_mp_range_t;

typedef struct wl_mp_ranges wl_mp_ranges_t;

WL_RARE wl_mp_ranges_t *wl_mp_ranges_new(void);
void wl_mp_ranges_free(wl_mp_ranges_t *ranges); /* NULL is allowed */

unsigned wl_mp_ranges_count(const wl_mp_ranges_t *ranges);
/* NULL if there is none. */
wl_mp_range_t *wl_mp_ranges_first(const wl_mp_ranges_t *ranges);
wl_mp_range_t *wl_mp_ranges_next(wl_mp_ranges_t *ranges, const wl_mp_range_t *range);

/* The first range that ends behind `byte`: it holds the byte, or is the next after it; or NULL. */
wl_mp_range_t *wl_mp_ranges_at(wl_mp_ranges_t *ranges, uint64_t byte);

/* Adds a copy. It must not be empty, nor overlap any that is there. */
wl_mp_range_t *wl_mp_ranges_insert(wl_mp_ranges_t *ranges, const wl_mp_range_t *range);

void wl_mp_ranges_remove(wl_mp_ranges_t *ranges, const wl_mp_range_t *range);

/* Adds [from, to) as seen, whatever of it was before, and joins it with its neighbours: for a mere
 * set of bytes. */
void wl_mp_ranges_cover(wl_mp_ranges_t *ranges, uint64_t from, uint64_t to);

#endif
