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

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "pool.h"
#include "rare.h"

#define WL_PACKED_NUMBERS 6u   /* most in a record */
#define WL_PACKED_RECENT 1024u /* records at hand */
#define WL_PACKED_BLOCK 64u    /* records; half of them are read for one asked for out of order */
#define WL_PACKED_INLINE 8u    /* numbers below it are their half-byte */

typedef struct {
    uint32_t number;   /* of the record */
    const uint8_t *at; /* behind it */
    uint64_t numbers[WL_PACKED_NUMBERS];
} wl_packed_cursor_t;

/* For the functions here alone. */
typedef struct {
    wl_pool_t *pool;
    unsigned count, near;
    GArray *blocks;
    uint32_t length;
    uint32_t newest_first; /* number of the first record of the newest frame */
    uint64_t newest[WL_PACKED_NUMBERS];
    uint64_t *recent;  /* WL_PACKED_RECENT records, by their number */
    uint8_t *at, *end; /* what is free of the piece */
    size_t bytes;
    wl_packed_cursor_t cursor; /* read last; number >= length: none */
} wl_packed_log_t;

/* A record has `count` numbers, of which the first is the frame, which never decreases. The first
 * `near` of them, the frame at least, are kept as differences from the record before. Memory is of
 * the pool. */
wl_packed_log_t *wl_packed_log_new(wl_pool_t *pool, unsigned count, unsigned near);
/* NULL is allowed; before the pool. */
void wl_packed_log_free(wl_packed_log_t *log);

/* How many there are. Records are numbered from 0. */
uint32_t wl_packed_log_length(const wl_packed_log_t *log);
/* The record of a number, which must be that of one; stays valid until the next call. */
const uint64_t *wl_packed_log_at(wl_packed_log_t *log, uint32_t number);
/* How many records a frame has, 0 if none; *first is the number of the first of them. */
uint32_t wl_packed_log_find(wl_packed_log_t *log, uint32_t frame, uint32_t *first);

/* What its records take. */
size_t wl_packed_log_bytes(const wl_packed_log_t *log);

WL_RARE void wl_packed_log_begin_block(wl_packed_log_t *log, uint64_t frame);

static inline uint64_t *wl_packed_log_recent(const wl_packed_log_t *log, unsigned count,
                                             uint32_t number)
{
    return log->recent + (size_t)(number % WL_PACKED_RECENT) * count;
}

/* 0, -1, 1, -2, ...: near in both directions is small. */
static inline uint64_t wl_packed_folded(uint64_t difference)
{
    return difference << 1 ^ (0 - (difference >> 63));
}

/* Writes one number of a record; returns its half-byte. Chosen, not branched at: nobody could foresee
 * which way. */
static inline uint32_t wl_packed_put(uint64_t number, uint8_t **at)
{
    uint64_t word = GUINT64_TO_LE(number);
    uint32_t wide = WL_PACKED_INLINE + (63 - (unsigned)__builtin_clzll(number | 1)) / 8;
    uint32_t half = number < WL_PACKED_INLINE ? (uint32_t)number : wide;

    memcpy(*at, &word, sizeof word);
    *at += MAX(half, WL_PACKED_INLINE - 1) - (WL_PACKED_INLINE - 1);
    return half;
}

/* Adds a record; at most UINT32_MAX of them, which is not checked. `count` and `near` are those of the
 * log: constants of the caller, for which this is compiled. */
static inline void wl_packed_log_add(wl_packed_log_t *log, unsigned count, unsigned near,
                                     const uint64_t *numbers)
{
    uint64_t *kept = wl_packed_log_recent(log, count, log->length), *newest = log->newest;
    unsigned halves_bytes = (count + 1) / 2;
    uint32_t halves = 0;
    uint8_t *start, *at;

    if (log->length == 0 || numbers[0] != newest[0]) {
        log->newest_first = log->length;
    }
    if (log->length % WL_PACKED_BLOCK == 0) {
        wl_packed_log_begin_block(log, numbers[0]);
    }
    start = log->at;
    at = start + halves_bytes;
    for (unsigned i = 0; i < count; i++) {
        uint64_t given = numbers[i];

        halves |= wl_packed_put(i < near ? wl_packed_folded(given - newest[i]) : given, &at)
                  << (i * 4);
        newest[i] = kept[i] = given;
    }
    for (unsigned i = 0; i < halves_bytes; i++) {
        start[i] = (uint8_t)(halves >> (i * 8));
    }
    log->at = at;
    /* What comes next is not in the processor's caches: it is asked for before it is needed. */
    __builtin_prefetch(at + 64, 1);
    log->length++;
}

#endif
