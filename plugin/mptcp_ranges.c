/* mptcp_ranges.c
 * Ranges stand in chunks of an array, in order; a list of the chunks says where each begins.
 *
 *     places   [from, chunk] [from, chunk] [from, chunk]
 *                  |             |             \-- the last: data mostly comes at its end
 *                  \-- [..][range][range][range]   `first` moves on as the lowest are removed
 *
 * A tree of single ranges took twice the memory, and a cache miss for each step down.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_ranges.h"

#include <glib.h>
#include <string.h>

#include "rare.h"

#define FULL 128u /* ranges of a chunk, and room for the first few of it */
#define SMALL 4u

G_STATIC_ASSERT(sizeof(wl_mp_range_t) == 32);

typedef struct {
    uint32_t first, count, room; /* ranges [first, first + count) of `room` are in use */
    wl_mp_range_t ranges[];
} chunk_t;

/* `from` is that of the chunk's first range, no less: what begins before it goes to the chunk before,
 * and may end behind where a range was that is gone. */
typedef struct {
    uint64_t from;
    chunk_t *chunk; /* never empty */
} place_t;

struct wl_mp_ranges {
    place_t *places;
    unsigned used, room;
    unsigned hint; /* place of the chunk that was looked for last */
    unsigned count;
    /* What most segments ask for, without the way over places and chunk: NULL if there is none. */
    wl_mp_range_t *last;
};

wl_mp_ranges_t *wl_mp_ranges_new(void)
{
    return g_new0(wl_mp_ranges_t, 1);
}

void wl_mp_ranges_free(wl_mp_ranges_t *ranges)
{
    if (ranges != NULL) {
        for (unsigned i = 0; i < ranges->used; i++) {
            g_free(ranges->places[i].chunk);
        }
        g_free(ranges->places);
        g_free(ranges);
    }
}

unsigned wl_mp_ranges_count(const wl_mp_ranges_t *ranges)
{
    return ranges->count;
}

static wl_mp_range_t *first_of(chunk_t *chunk)
{
    return &chunk->ranges[chunk->first];
}

static wl_mp_range_t *last_of(chunk_t *chunk)
{
    return &chunk->ranges[chunk->first + chunk->count - 1];
}

wl_mp_range_t *wl_mp_ranges_first(const wl_mp_ranges_t *ranges)
{
    return ranges->used > 0 ? first_of(ranges->places[0].chunk) : NULL;
}

static void find_last(wl_mp_ranges_t *ranges)
{
    ranges->last = ranges->used > 0 ? last_of(ranges->places[ranges->used - 1].chunk) : NULL;
}

/* The last place that begins at the byte or before it; the first if none does. */
static unsigned place_of(wl_mp_ranges_t *ranges, uint64_t byte)
{
    const place_t *places = ranges->places;
    unsigned low = 0, high = ranges->used;

    if (ranges->hint < ranges->used && places[ranges->hint].from <= byte) {
        if (ranges->hint + 1 == ranges->used || byte < places[ranges->hint + 1].from) {
            return ranges->hint;
        }
        low = ranges->hint + 1;
    }
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;
        if (places[middle].from <= byte) {
            low = middle;
        } else {
            high = middle;
        }
    }
    ranges->hint = low;
    return low;
}

/* Index in the chunk of its first range that ends behind the byte; behind its last if none does. */
static uint32_t index_in(const chunk_t *chunk, uint64_t byte)
{
    uint32_t low = chunk->first, high = chunk->first + chunk->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (chunk->ranges[middle].to > byte) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* The range at an index of a chunk, or the first of the next chunk; NULL behind the last. */
static wl_mp_range_t *at_or_next(const wl_mp_ranges_t *ranges, unsigned place, uint32_t index)
{
    chunk_t *chunk = ranges->places[place].chunk;

    if (index < chunk->first + chunk->count) {
        return &chunk->ranges[index];
    }
    return place + 1 < ranges->used ? first_of(ranges->places[place + 1].chunk) : NULL;
}

wl_mp_range_t *wl_mp_ranges_next(wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    unsigned place;

    if (range == ranges->last) {
        return NULL;
    }
    place = place_of(ranges, range->from);
    return at_or_next(ranges, place, (uint32_t)(range - ranges->places[place].chunk->ranges) + 1);
}

wl_mp_range_t *wl_mp_ranges_at(wl_mp_ranges_t *ranges, uint64_t byte)
{
    wl_mp_range_t *last = ranges->last;
    unsigned place;

    if (last == NULL || byte >= last->to) {
        return NULL;
    }
    if (byte >= last->from) {
        return last;
    }
    place = place_of(ranges, byte);
    return at_or_next(ranges, place, index_in(ranges->places[place].chunk, byte));
}

WL_RARE static chunk_t *chunk_new(uint32_t room)
{
    chunk_t *chunk = g_malloc(sizeof *chunk + room * sizeof chunk->ranges[0]);

    chunk->first = chunk->count = 0;
    chunk->room = room;
    return chunk;
}

WL_RARE static void add_place(wl_mp_ranges_t *ranges, unsigned at, chunk_t *chunk, uint64_t from)
{
    if (ranges->used == ranges->room) {
        ranges->room = MAX(1, ranges->room * 2);
        ranges->places = g_renew(place_t, ranges->places, ranges->room);
    }
    memmove(&ranges->places[at + 1], &ranges->places[at],
            (ranges->used - at) * sizeof ranges->places[0]);
    ranges->places[at] = (place_t){from, chunk};
    ranges->used++;
}

/* Where the byte belongs in a chunk that is full. The last is cut where it grows, so that what
 * comes in order but for a few leaves full chunks behind; but never so that few insertions make a
 * chunk: the list of many chunks is long, and is moved for each that is added. */
WL_RARE static void cut_chunk(wl_mp_ranges_t *ranges, unsigned place, uint64_t byte)
{
    chunk_t *chunk = ranges->places[place].chunk, *right = chunk_new(FULL);
    bool is_last = place + 1 == ranges->used;
    uint32_t at = is_last ? MAX(index_in(chunk, byte), FULL / 4) : FULL / 2;

    right->count = FULL - at;
    memcpy(right->ranges, &chunk->ranges[at], right->count * sizeof right->ranges[0]);
    chunk->count = at;
    add_place(ranges, place + 1, right, right->ranges[0].from);
}

/* Makes room in the chunk at the place, which has none behind its last range; true if it has been cut
 * instead. */
WL_RARE static bool make_room(wl_mp_ranges_t *ranges, unsigned place, uint64_t byte)
{
    chunk_t *chunk = ranges->places[place].chunk;

    if (chunk->first > chunk->room / 4) {
        memmove(chunk->ranges, first_of(chunk), chunk->count * sizeof chunk->ranges[0]);
        chunk->first = 0;
        return false;
    }
    if (chunk->room < FULL) {
        chunk->room *= 2;
        ranges->places[place].chunk =
            g_realloc(chunk, sizeof *chunk + chunk->room * sizeof chunk->ranges[0]);
        return false;
    }
    if (chunk->first > 0) { /* cut_chunk() takes it as full from its start */
        memmove(chunk->ranges, first_of(chunk), chunk->count * sizeof chunk->ranges[0]);
        chunk->first = 0;
        return false;
    }
    cut_chunk(ranges, place, byte);
    return true;
}

static bool is_full(const chunk_t *chunk)
{
    return chunk->first + chunk->count == chunk->room;
}

static wl_mp_range_t *append(wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    chunk_t *chunk = ranges->used > 0 ? ranges->places[ranges->used - 1].chunk : NULL;

    if (chunk == NULL || (is_full(chunk) && chunk->room == FULL)) {
        chunk = chunk_new(chunk == NULL ? SMALL : FULL);
        add_place(ranges, ranges->used, chunk, range->from);
    } else if (is_full(chunk)) {
        make_room(ranges, ranges->used - 1, range->from);
        chunk = ranges->places[ranges->used - 1].chunk;
    }
    chunk->count++;
    ranges->last = last_of(chunk);
    *ranges->last = *range;
    return ranges->last;
}

wl_mp_range_t *wl_mp_ranges_insert(wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    const wl_mp_range_t *last = ranges->last;
    chunk_t *chunk;
    unsigned place;
    uint32_t index;

    ranges->count++;
    if (last == NULL || range->from >= last->to) {
        return append(ranges, range);
    }
    place = place_of(ranges, range->from);
    if (is_full(ranges->places[place].chunk) && make_room(ranges, place, range->from)) {
        place = place_of(ranges, range->from);
    }
    chunk = ranges->places[place].chunk;
    ranges->places[place].from = MIN(ranges->places[place].from, range->from);
    index = index_in(chunk, range->from);
    memmove(&chunk->ranges[index + 1], &chunk->ranges[index],
            (chunk->first + chunk->count - index) * sizeof chunk->ranges[0]);
    chunk->ranges[index] = *range;
    chunk->count++;
    find_last(ranges);
    return &chunk->ranges[index];
}

void wl_mp_ranges_remove(wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    unsigned place = place_of(ranges, range->from);
    chunk_t *chunk = ranges->places[place].chunk;
    uint32_t index = (uint32_t)(range - chunk->ranges);

    ranges->count--;
    chunk->count--;
    if (chunk->count == 0) {
        g_free(chunk);
        ranges->used--;
        memmove(&ranges->places[place], &ranges->places[place + 1],
                (ranges->used - place) * sizeof ranges->places[0]);
    } else if (index == chunk->first) {
        chunk->first++;
        ranges->places[place].from = first_of(chunk)->from;
    } else {
        memmove(&chunk->ranges[index], &chunk->ranges[index + 1],
                (chunk->first + chunk->count - index) * sizeof chunk->ranges[0]);
    }
    find_last(ranges);
}

void wl_mp_ranges_cover(wl_mp_ranges_t *ranges, uint64_t from, uint64_t to)
{
    /* One that ends just where this begins is a neighbour too. */
    wl_mp_range_t *range = wl_mp_ranges_at(ranges, from > 0 ? from - 1 : 0);
    wl_mp_range_t added = {.from = from, .to = to};

    if (range != NULL && range->from <= from) {
        const wl_mp_range_t *next;

        if (range->to >= to) {
            return;
        }
        /* The most frequent case: nothing moves. */
        next = wl_mp_ranges_next(ranges, range);
        if (next == NULL || next->from > to) {
            range->to = to;
            return;
        }
    }
    while (range != NULL && range->from <= to) {
        added.from = MIN(added.from, range->from);
        added.to = MAX(added.to, range->to);
        wl_mp_ranges_remove(ranges, range);
        range = wl_mp_ranges_at(ranges, from > 0 ? from - 1 : 0);
    }
    wl_mp_ranges_insert(ranges, &added);
}
