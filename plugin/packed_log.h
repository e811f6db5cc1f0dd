/* packed_log.h
 * A log of records that say something about frames, a few numbers each, most of them small or near
 * to those of the record before: some ten bytes of a TCP frame, three of an event.
 *
 *   record   a half-byte for each number: 0..7 is the number, 7 + n: n bytes of it follow
 *   block    64 records; each block is known by its first frame and by where it lies, so that a
 *            record is found by its frame or by its number
 *
 * The newest records are at hand as they were given. Another is read by reading its block as far as
 * it; one that follows the record read last, by itself. Knows nothing of epan: GLib only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_PACKED_LOG_H
#define WIRELAT_PACKED_LOG_H

#include <stdint.h>

#include "pool.h"

#define WL_PACKED_NUMBERS 6u   /* most in a record */
#define WL_PACKED_RECENT 1024u /* records at hand */

typedef struct wl_packed_log wl_packed_log_t;

/* A record has `count` numbers, of which the first is the frame, which never decreases. The first
 * `near` of them, the frame at least, are kept as differences from the record before. Memory is of
 * the pool. */
wl_packed_log_t *wl_packed_log_new(wl_pool_t *pool, unsigned count, unsigned near);
/* NULL is allowed; before the pool. */
void wl_packed_log_free(wl_packed_log_t *log);

/* Adds a record; at most UINT32_MAX of them, which is not checked. */
void wl_packed_log_add(wl_packed_log_t *log, const uint64_t *numbers);
/* How many there are. Records are numbered from 0. */
uint32_t wl_packed_log_length(const wl_packed_log_t *log);
/* The record of a number, which must be that of one; stays valid until the next call. */
const uint64_t *wl_packed_log_at(wl_packed_log_t *log, uint32_t number);
/* How many records a frame has, 0 if none; *first is the number of the first of them. */
uint32_t wl_packed_log_find(wl_packed_log_t *log, uint32_t frame, uint32_t *first);

/* What its records take. */
size_t wl_packed_log_bytes(const wl_packed_log_t *log);

#endif
