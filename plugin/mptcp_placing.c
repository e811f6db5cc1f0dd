/* mptcp_placing.c
 * What bytes of a subflow are to the connection: new or sent before, in order or waiting.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_placing.h"

#include <stddef.h>
#include <string.h>

#include "rare.h"

#define MAX_SEEN 4096u /* holes in what was captured of a subflow's direction */

void wl_mp_sent_base(wl_mp_sent_t *sent, uint64_t idsn)
{
    if (!sent->based) {
        sent->based = true;
        sent->base = idsn;
        sent->start = sent->edge = sent->sent_end = 1;
        sent->edge_ns = WL_NO_TIME;
    }
}

void wl_mp_sent_clear(wl_mp_sent_t *sent)
{
    wl_mp_ranges_free(sent->sent);
    wl_mp_ranges_free(sent->mappings);
}

wl_mp_range_t *wl_mp_sent_insert(wl_mptcp_t *mptcp, wl_mp_ranges_t **ranges,
                                 const wl_mp_range_t *range)
{
    if (*ranges == NULL) {
        *ranges = wl_mp_ranges_new();
    }
    mptcp->ranges++;
    return wl_mp_ranges_insert(*ranges, range);
}

void wl_mp_sent_drop(wl_mptcp_t *mptcp, wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    mptcp->ranges--;
    wl_mp_ranges_remove(ranges, range);
}

wl_mp_range_t *wl_mp_sent_at(wl_mp_ranges_t *ranges, uint64_t number)
{
    return ranges != NULL ? wl_mp_ranges_at(ranges, number) : NULL;
}

/* Forgets the lowest bytes. */
void wl_mp_sent_forget(wl_mptcp_t *mptcp, wl_mp_sent_t *sent)
{
    wl_mp_range_t *first = wl_mp_ranges_first(sent->sent);

    sent->floor = MAX(sent->floor, first->to);
    if (first->to <= sent->acked) {
        sent->acked_kept -= sent->acked_kept > 0;
    } else {
        mptcp->dropped++;
        sent->waiting -= first->flags & WL_MP_RANGE_BEYOND ? first->to - first->from : 0;
    }
    wl_mp_sent_drop(mptcp, sent->sent, first);
}

WL_RARE static void note_released(wl_mptcp_t *mptcp, const wl_mp_range_t *range, int64_t waited_ns)
{
    wl_mp_note(mptcp, WL_MP_RELEASED, 0, waited_ns, range->frame, range->subflow);
    wl_mp_log_waited(mptcp->log, range->frame);
}

/* Moves the edge over what now has nothing missing before it. A segment that had waited is told of,
 * with the time between its arrival and that of the last byte before it: not the time of the
 * segment in hand, which may have been placed late. */
static void advance_edge(wl_mptcp_t *mptcp, wl_mp_sent_t *sent)
{
    wl_mp_range_t *range = wl_mp_sent_at(sent->sent, sent->edge);

    for (; range != NULL && range->from <= sent->edge && !(range->flags & WL_MP_RANGE_CORRUPT);
         range = wl_mp_ranges_next(sent->sent, range)) {
        if (range->flags & WL_MP_RANGE_BEYOND) {
            sent->waiting -= range->to - range->from;
        }
        if ((range->flags & WL_MP_RANGE_WAITS) && sent->edge_ns > range->time_ns) {
            note_released(mptcp, range, sent->edge_ns - range->time_ns);
        }
        range->flags &= ~(uint32_t)(WL_MP_RANGE_BEYOND | WL_MP_RANGE_WAITS);
        sent->edge_ns = MAX(sent->edge_ns, range->time_ns);
        sent->edge = range->to;
    }
}

/* The receiver got what we did not: nobody knows when, so nothing is said of what waited for it. */
void wl_mp_sent_jump(wl_mp_sent_t *sent, uint64_t number)
{
    wl_mp_range_t *range = wl_mp_sent_at(sent->sent, sent->edge);

    sent->edge = number;
    for (; range != NULL && range->from <= sent->edge;
         range = wl_mp_ranges_next(sent->sent, range)) {
        if (range->flags & WL_MP_RANGE_BEYOND) {
            sent->waiting -= range->to - range->from;
        }
        range->flags &= ~(uint32_t)(WL_MP_RANGE_BEYOND | WL_MP_RANGE_WAITS);
        sent->edge = MAX(sent->edge, range->to);
    }
}

/* `at`: their place in the TCP sequence of the subflow. */
static void place_new(wl_mp_placing_t *placing, uint64_t from, uint64_t to, uint64_t at)
{
    wl_mp_sent_t *sent = placing->sent;
    wl_mptcp_t *mptcp = placing->mptcp;
    bool beyond = from > sent->edge;
    wl_mp_range_t range = {.from = from,
                           .to = to,
                           .time_ns = placing->time_ns,
                           .frame = placing->frame,
                           .subflow = placing->subflow->number};

    if (beyond) {
        range.flags =
            placing->fresh == 0 ? WL_MP_RANGE_BEYOND | WL_MP_RANGE_WAITS : WL_MP_RANGE_BEYOND;
        placing->waits |= placing->fresh == 0;
        sent->waiting += to - from;
    }
    if (mptcp->ranges >= mptcp->limits.ranges && sent->sent != NULL &&
        wl_mp_ranges_count(sent->sent) > 0) {
        wl_mp_sent_forget(mptcp, sent);
    }
    placing->last = wl_mp_sent_insert(mptcp, &sent->sent, &range);
    placing->last_end = at + (to - from);
    sent->acked_kept += to <= sent->acked;
    sent->sent_end = MAX(sent->sent_end, to);
    placing->fresh += (uint32_t)(to - from);
}

WL_RARE static void count_copy(wl_mp_placing_t *placing, unsigned kind, bool useful, uint64_t bytes,
                               const wl_mp_range_t *original)
{
    uint32_t frame = original != NULL ? original->frame : 0;
    bool full = placing->copy_count >= WL_MP_COPIES;
    wl_mp_copy_t *copy = NULL;

    for (unsigned i = placing->copy_count; i > 0 && copy == NULL; i--) {
        wl_mp_copy_t *known = &placing->copies[i - 1];
        if (known->kind == kind && known->useful == useful && (full || known->original == frame)) {
            copy = known;
        }
    }
    if (copy == NULL) {
        copy = &placing->copies[placing->copy_count++];
        *copy = (wl_mp_copy_t){
            .kind = (uint8_t)kind,
            .useful = useful,
            .original = frame,
            .original_ns = original != NULL ? original->time_ns : WL_NO_TIME,
        };
    }
    copy->bytes += (uint32_t)bytes;
}

/* Bytes [number, ...) that a range has: up to where it ends, or the DATA_ACKed part of it does.
 * Returns how many. */
WL_RARE static uint64_t place_copy(wl_mp_placing_t *placing, uint64_t number, uint64_t to,
                                   bool tcp_copy, wl_mp_range_t *original)
{
    wl_mp_sent_t *sent = placing->sent;
    bool useful = number >= sent->acked || (original->flags & WL_MP_RANGE_CORRUPT);
    unsigned kind = tcp_copy                                        ? WL_MP_TCP_COPY
                    : original->subflow == placing->subflow->number ? WL_MP_RESENT
                                                                    : WL_MP_REINJECTED;

    to = MIN(to, original->to);
    if (number < sent->acked) {
        to = MIN(to, sent->acked);
    }
    count_copy(placing, kind, useful, to - number, original);
    if (number >= sent->acked) {
        original->flags |=
            WL_MP_RANGE_SENT_AGAIN; /* all of it: its DATA_ACK may have waited for this part */
    }
    if (original->flags & WL_MP_RANGE_CORRUPT) {
        original->flags &= ~(uint32_t)WL_MP_RANGE_CORRUPT; /* delivered at last, and not before */
        original->time_ns = placing->time_ns;
        placing->delivers = true;
    }
    return to - number;
}

/* Bytes below what is remembered: sent before, nobody knows where. */
WL_RARE static uint64_t place_forgotten(wl_mp_placing_t *placing, uint64_t number, uint64_t to,
                                        bool tcp_copy)
{
    bool alone = placing->subflow->connection->subflows->len == 1;

    to = MIN(to, placing->sent->floor);
    count_copy(placing,
               tcp_copy ? WL_MP_TCP_COPY
               : alone  ? WL_MP_RESENT
                        : WL_MP_REINJECTED,
               false, to - number, NULL);
    return to - number;
}

/* Bytes that are all new on this subflow, or none is. */
static void place_numbers(wl_mp_placing_t *placing, uint64_t number, uint64_t to, uint64_t at,
                          bool tcp_copy)
{
    wl_mp_sent_t *sent = placing->sent;

    while (number < to) {
        wl_mp_range_t *range = wl_mp_sent_at(sent->sent, number);
        uint64_t done;

        if (number < sent->floor) {
            done = place_forgotten(placing, number, to, tcp_copy);
        } else if (range != NULL && range->from <= number) {
            done = place_copy(placing, number, to, tcp_copy, range);
        } else {
            done = (range != NULL ? MIN(to, range->from) : to) - number;
            place_new(placing, number, number + done, at);
        }
        number += done;
        at += done;
    }
}

/* TCP bytes [start, end) are the connection's from `number` on. */
void wl_mp_place(wl_mp_placing_t *placing, uint64_t start, uint64_t end, uint64_t number)
{
    wl_mp_half_t *half = placing->half;

    if (half->seen == NULL) {
        half->seen = wl_mp_ranges_new();
    }
    placing->mapped += (uint32_t)(end - start);
    for (uint64_t at = start; at < end;) {
        const wl_mp_range_t *seen = wl_mp_ranges_at(half->seen, at);
        bool copy = seen != NULL && seen->from <= at;
        uint64_t stop = seen == NULL ? end : MIN(end, copy ? seen->to : seen->from);

        place_numbers(placing, number + (at - start), number + (stop - start), at, copy);
        at = stop;
    }
    wl_mp_ranges_cover(half->seen, start, end);
    if (wl_mp_ranges_count(half->seen) > MAX_SEEN) {
        wl_mp_ranges_remove(half->seen, wl_mp_ranges_first(half->seen));
        placing->mptcp->dropped++;
    }
}

void wl_mp_place_begin(wl_mp_placing_t *placing, wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                       unsigned direction, uint32_t frame, int64_t time_ns)
{
    memset(placing, 0, offsetof(wl_mp_placing_t, copies));
    placing->mptcp = mptcp;
    placing->subflow = subflow;
    placing->half = &subflow->half[direction];
    placing->sent = &subflow->connection->sent[subflow->side[direction]];
    placing->frame = frame;
    placing->time_ns = time_ns;
}

static void note_copies_of(wl_mp_placing_t *placing, unsigned kind, bool useful, bool *again)
{
    for (unsigned i = 0; i < placing->copy_count; i++) {
        const wl_mp_copy_t *copy = &placing->copies[i];
        unsigned flags = kind | (useful ? WL_MP_USEFUL : 0) | (*again ? WL_MP_SAME_PACKET : 0);

        if (copy->kind == kind && copy->useful == useful) {
            wl_mp_note(placing->mptcp, WL_MP_DUPLICATE, flags,
                       copy->original_ns == WL_NO_TIME ? WL_MP_VALUE_MAX
                                                       : placing->time_ns - copy->original_ns,
                       copy->original, copy->bytes);
            *again = true;
        }
    }
}

WL_RARE static void note_copies(wl_mp_placing_t *placing)
{
    for (unsigned kind = WL_MP_TCP_COPY; placing->copy_count > 0 && kind <= WL_MP_KIND; kind++) {
        bool again = false;

        note_copies_of(placing, kind, false, &again);
        note_copies_of(placing, kind, true, &again);
    }
}

/* All of a segment's bytes have been placed, `end` being behind the last. */
void wl_mp_place_end(wl_mp_placing_t *placing, uint64_t end)
{
    wl_mptcp_t *mptcp = placing->mptcp;
    wl_mp_sent_t *sent = placing->sent;
    wl_mp_half_t *half = placing->half;
    unsigned flags =
        sent->switched_known && sent->last_subflow != placing->subflow->number ? WL_MP_SWITCHED : 0;

    if (placing->mapped == 0) {
        return;
    }
    sent->switched_known = true;
    sent->last_subflow = placing->subflow->number;
    half->last_data_ns = placing->time_ns;
    half->last_data_frame = placing->frame;
    if (placing->mapping_bytes == placing->mapped) {
        flags |= WL_MP_IS_MAPPING;
        placing->mapping_bytes = 0;
    }
    wl_mp_note(mptcp, WL_MP_DATA, flags, placing->fresh, 0, placing->mapped);
    note_copies(placing);
    if (placing->last != NULL) {
        if (placing->last_end == end) {
            placing->last->flags |= WL_MP_RANGE_ENDS_SEGMENT;
        }
        if (placing->waits) {
            wl_mp_note(mptcp, WL_MP_WAITS, 0, (int64_t)sent->waiting, 0, 0);
        }
    }
    if (placing->last != NULL || placing->delivers) {
        advance_edge(mptcp, sent);
    }
}
