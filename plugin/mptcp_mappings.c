/* mptcp_mappings.c
 * The mappings of a subflow's direction, and their checksums.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_placing.h"

#include <string.h>

#define MAX_MAPPINGS 1024u

/* The mapping that covers a byte, or the next behind it. */
wl_mp_mapping_t *wl_mp_mapping_at(const wl_mp_half_t *half, uint64_t at)
{
    unsigned low = 0, high = half->mapping_count, count = high;
    wl_mp_mapping_t *mappings = half->mappings;

    if (high == 0) {
        return NULL;
    }
    if (mappings[high - 1].start <= at) {
        return wl_mp_mapping_end(&mappings[high - 1]) > at ? &mappings[high - 1] : NULL;
    }
    while (low < high) { /* the first that starts behind it */
        unsigned middle = low + (high - low) / 2;
        if (mappings[middle].start <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0 && wl_mp_mapping_end(&mappings[low - 1]) > at) {
        return &mappings[low - 1];
    }
    return low < count ? &mappings[low] : NULL;
}

/* Whether the bytes of `inner` are among those of `outer`, with the same DSNs. */
static bool contains(const wl_mp_mapping_t *outer, const wl_mp_mapping_t *inner)
{
    return inner->start >= outer->start && wl_mp_mapping_end(inner) <= wl_mp_mapping_end(outer) &&
           inner->number - outer->number == inner->start - outer->start;
}

/* Those from `from` on to before `to`. */
static void drop(wl_mp_half_t *half, unsigned from, unsigned to)
{
    if (from < to) {
        memmove(&half->mappings[from], &half->mappings[to],
                (half->mapping_count - to) * sizeof half->mappings[0]);
        half->mapping_count -= to - from;
    }
}

WL_RARE static void grow(wl_mp_half_t *half)
{
    half->mapping_room = MAX(4, half->mapping_room * 2);
    half->mappings = g_renew(wl_mp_mapping_t, half->mappings, half->mapping_room);
}

static void insert(wl_mp_half_t *half, unsigned at, const wl_mp_mapping_t *mapping)
{
    if (half->mapping_count == half->mapping_room) {
        grow(half);
    }
    memmove(&half->mappings[at + 1], &half->mappings[at],
            (half->mapping_count - at) * sizeof half->mappings[0]);
    half->mappings[at] = *mapping;
    half->mapping_count++;
}

/* Returns whether it is a new one: a part of another, as a segment sent again may bring, is none,
 * and would hide the rest of that other when a byte's mapping is looked for. */
bool wl_mp_mapping_add(wl_mptcp_t *mptcp, wl_mp_half_t *half, const wl_mp_mapping_t *mapping)
{
    unsigned at, end;

    for (at = half->mapping_count; at > 0; at--) {
        wl_mp_mapping_t *before = &half->mappings[at - 1];
        if (contains(before, mapping)) {
            return false;
        }
        if (before->start == mapping->start) {
            *before = *mapping;
            return true;
        }
        if (before->start < mapping->start) {
            break;
        }
    }
    for (end = at; end < half->mapping_count && contains(mapping, &half->mappings[end]);) {
        end++;
    }
    drop(half, at, end);
    if (half->mapping_count >= MAX_MAPPINGS) {
        /* The lowest have long been acknowledged; what is sent again brings its own with it. */
        if (at == 0) {
            mptcp->dropped++;
            return false;
        }
        drop(half, 0, MAX_MAPPINGS / 2);
        at = at > MAX_MAPPINGS / 2 ? at - MAX_MAPPINGS / 2 : 0;
    }
    insert(half, at, mapping);
    return true;
}

/* RFC 8684 section 3.3.1. */
static void check_sum(wl_mp_placing_t *placing, wl_mp_mapping_t *mapping)
{
    bool ok;

    if (mapping->sum_broken) {
        return;
    }
    ok = wl_mp_checksum_ok(mapping->sum, placing->sent->base + mapping->number,
                           (uint32_t)mapping->start, (uint16_t)(mapping->bytes + mapping->fin),
                           mapping->checksum);
    wl_mp_note(placing->mptcp, WL_MP_CHECKSUM, ok ? WL_MP_OK : 0, 0, 0, 0);
    if (!ok) {
        wl_mp_range_t *range = wl_mp_sent_at(placing->sent->sent, mapping->number);
        uint64_t to = mapping->number + mapping->bytes;
        for (; range != NULL && range->from < to;
             range = wl_mp_ranges_next(placing->sent->sent, range)) {
            if (range->flags & WL_MP_RANGE_BEYOND) {
                placing->sent->waiting -= range->to - range->from;
            }
            range->flags = (range->flags & ~(uint32_t)(WL_MP_RANGE_BEYOND | WL_MP_RANGE_WAITS)) |
                           WL_MP_RANGE_CORRUPT;
        }
    }
}

/* Bytes [at, stop) of a mapping: the sum takes them in order, once. */
void wl_mp_mapping_sum(wl_mp_placing_t *placing, wl_mp_mapping_t *mapping, uint64_t at,
                       uint64_t stop, const uint8_t *bytes)
{
    uint64_t next = mapping->start + mapping->summed;

    if (!mapping->has_checksum || mapping->summed == mapping->bytes ||
        mapping->bytes == WL_MP_INFINITE || at > next || stop <= next) {
        return;
    }
    if (bytes == NULL) {
        mapping->sum_broken = true;
    } else {
        /* 32,768 words of 16 bits: no carry is lost. */
        mapping->sum = (uint32_t)wl_mp_sum(mapping->sum, bytes + (next - at),
                                           (uint32_t)(stop - next), mapping->summed);
    }
    mapping->summed = (uint16_t)(mapping->summed + (stop - next));
    if (mapping->summed == mapping->bytes) {
        check_sum(placing, mapping);
    }
}
