/* packed_log.c
 * Records one after the other in pieces of the pool, and a list of the blocks they form.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "packed_log.h"

#include <glib.h>
#include <string.h>

#define BLOCK WL_PACKED_BLOCK
#define INLINE WL_PACKED_INLINE
#define PIECE ((size_t)128 << 10)

/* The half-bytes are written and read as one word. */
G_STATIC_ASSERT(WL_PACKED_NUMBERS <= sizeof(uint32_t) * 2);

typedef struct {
    const uint8_t *at;
    uint32_t frame; /* of its first record */
} block_t;

typedef wl_packed_cursor_t cursor_t;

wl_packed_log_t *wl_packed_log_new(wl_pool_t *pool, unsigned count, unsigned near)
{
    wl_packed_log_t *log = g_new0(wl_packed_log_t, 1);

    log->pool = pool;
    log->count = count;
    log->near = near;
    log->blocks = g_array_new(FALSE, FALSE, sizeof(block_t));
    log->recent = g_new0(uint64_t, (gsize)count * WL_PACKED_RECENT);
    log->cursor.number = UINT32_MAX;
    return log;
}

void wl_packed_log_free(wl_packed_log_t *log)
{
    if (log != NULL) {
        g_array_free(log->blocks, TRUE);
        g_free(log->recent);
        g_free(log);
    }
}

static uint64_t unfolded(uint64_t number)
{
    return number >> 1 ^ (0 - (number & 1));
}

/* A block must lie in one piece, and begins without a record before it. A number is written as eight
 * bytes, of which the next one takes back what it did not need. */
void wl_packed_log_begin_block(wl_packed_log_t *log, uint64_t frame)
{
    block_t block = {log->at, (uint32_t)frame};
    size_t most = BLOCK * ((log->count + 1) / 2 + log->count * sizeof(uint64_t));

    if ((size_t)(log->end - log->at) < most) {
        log->at = wl_pool_take(log->pool, PIECE);
        log->end = log->at + PIECE;
        log->bytes += PIECE;
        block.at = log->at;
    }
    g_array_append_val(log->blocks, block);
    memset(log->newest, 0, sizeof log->newest);
    log->newest[0] = frame;
}

static uint64_t *recent(const wl_packed_log_t *log, uint32_t number)
{
    return wl_packed_log_recent(log, log->count, number);
}

uint32_t wl_packed_log_length(const wl_packed_log_t *log)
{
    return log->length;
}

/* The low n bytes of a word. */
static const uint64_t masks[] = {0,
                                 0xff,
                                 0xffff,
                                 0xffffff,
                                 0xffffffff,
                                 0xffffffffff,
                                 0xffffffffffff,
                                 0xffffffffffffff,
                                 0xffffffffffffffff};

/* Reads one number of a record. */
static inline uint64_t unpack(unsigned half, const uint8_t **at)
{
    unsigned is_long = half >= INLINE, bytes = is_long * (half - (INLINE - 1));
    uint64_t word;

    memcpy(&word, *at, sizeof word);
    *at += bytes;
    return (GUINT64_FROM_LE(word) & masks[bytes]) + (half & (is_long - 1));
}

/* On to the next record, which there must be. */
static void step(const wl_packed_log_t *log, cursor_t *cursor)
{
    const uint8_t *at;
    uint32_t halves;
    unsigned i = 0;

    cursor->number++;
    if (cursor->number % BLOCK == 0) {
        const block_t *block = &g_array_index(log->blocks, block_t, cursor->number / BLOCK);

        cursor->at = block->at;
        memset(cursor->numbers, 0, sizeof cursor->numbers);
        cursor->numbers[0] = block->frame;
    }
    memcpy(&halves, cursor->at, sizeof halves);
    halves = GUINT32_FROM_LE(halves);
    at = cursor->at + (log->count + 1) / 2;
    for (; i < log->near; i++, halves >>= 4) {
        cursor->numbers[i] += unfolded(unpack(halves & 15, &at));
    }
    for (; i < log->count; i++, halves >>= 4) {
        cursor->numbers[i] = unpack(halves & 15, &at);
    }
    cursor->at = at;
}

const uint64_t *wl_packed_log_at(wl_packed_log_t *log, uint32_t number)
{
    cursor_t *cursor = &log->cursor;

    if (log->length - number <= WL_PACKED_RECENT) {
        return recent(log, number);
    }
    if (cursor->number + 1 != number &&
        (cursor->number > number || cursor->number / BLOCK != number / BLOCK)) {
        cursor->number = number / BLOCK * BLOCK - 1;
    }
    while (cursor->number != number) {
        step(log, cursor);
    }
    return cursor->numbers;
}

/* The last block that begins with an earlier frame, else the first. */
static uint32_t block_before(const wl_packed_log_t *log, uint32_t frame)
{
    uint32_t low = 0, high = log->blocks->len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (g_array_index(log->blocks, block_t, middle).frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : 0;
}

uint32_t wl_packed_log_find(wl_packed_log_t *log, uint32_t frame, uint32_t *first)
{
    cursor_t *cursor = &log->cursor, next;
    uint32_t count = 0, block;

    *first = log->newest_first;
    if (log->length == 0 || log->newest[0] < frame) {
        return 0;
    }
    if (log->newest[0] == frame) {
        return log->length - log->newest_first; /* the first pass: no need to search */
    }
    /* A later pass goes on from the frame before. */
    block = block_before(log, frame);
    if (cursor->number / BLOCK != block || cursor->numbers[0] >= frame) {
        cursor->number = block * BLOCK - 1;
    }
    for (next = *cursor; step(log, &next), next.numbers[0] < frame;) {
        *cursor = next;
    }
    *first = next.number;
    for (; next.numbers[0] == frame; step(log, &next)) {
        count++;
    }
    return count;
}

size_t wl_packed_log_bytes(const wl_packed_log_t *log)
{
    return log->bytes;
}
