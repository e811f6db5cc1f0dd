/* mptcp_data.c
 * Mappings, payload and DATA_ACKs (RFC 8684 section 3.3): what is new, what was sent before and how,
 * what waits for what, and how long it took until it was acknowledged.
 *
 *   payload    TCP bytes of a subflow --mapping--> numbers of the connection
 *   seen before on this subflow           a TCP retransmission
 *   else, number seen on another subflow  reinjection
 *   else, number seen on this subflow     MPTCP retransmission
 *   else                                  new: beyond the edge it waits until the gap is filled
 *
 * Numbers are DSNs counted from the initial one: they start at 1 and do not wrap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_state.h"

#include <string.h>

#define MAX_MAPPINGS 1024u
#define MAX_UNMAPPED 64u
#define MAX_SEEN 4096u /* holes in what was captured of a subflow's direction */
/* Room below the first DSN seen, where the initial one is not known. */
#define UNKNOWN_START (UINT64_C(1) << 32)
#define MAX_NUMBER (UINT64_C(1) << 62)

/* Flags of a range. */
enum {
    ENDS_SEGMENT = 1, /* its last byte is that of the segment that carried it */
    SENT_AGAIN = 2,   /* Karn: proves no round trip */
    BEYOND = 4,       /* arrived before bytes in front of it */
    WAITS = 8,        /* the same, and first of its segment */
    CORRUPT = 16,     /* of a mapping whose checksum is wrong */
    ENDS_MAPPING = 32 /* its last byte is that of a mapping it announced: none in `mappings` */
};

/* What became of a segment's bytes. */
typedef struct {
    uint32_t bytes;
    uint32_t original;
    int64_t original_ns;
    bool started;
} copy_t;

typedef struct {
    wl_mptcp_t *mptcp;
    wl_mp_subflow_t *subflow;
    wl_mp_half_t *half;
    wl_mp_sent_t *sent;
    uint32_t frame;
    int64_t time_ns;
    uint32_t mapped, fresh;
    uint64_t mapping_end;             /* that the segment announces, DATA_FIN included; 0 none */
    uint32_t mapping_bytes;           /* of one it announces for the first time; 0 none */
    copy_t copies[WL_MP_KIND + 1][2]; /* by kind and usefulness */
    wl_mp_range_t *last;              /* the last new range */
    bool waits, delivers;             /* behind a gap; what had been corrupt */
} placing_t;

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

void wl_mp_half_clear(wl_mp_half_t *half)
{
    wl_mp_ranges_free(half->seen);
    if (half->mappings != NULL) {
        g_array_free(half->mappings, TRUE);
    }
    if (half->unmapped != NULL) {
        g_array_free(half->unmapped, TRUE);
    }
}

void wl_mp_half_base(wl_mp_half_t *half, uint32_t isn)
{
    if (!half->based) {
        half->based = true;
        half->seq = isn;
        half->number = 0;
    }
}

/* The number of a TCP sequence number, which is at most 2 GB from the highest so far. */
static bool number_of(wl_mp_half_t *half, uint32_t seq, uint64_t *number)
{
    int32_t ahead = (int32_t)(seq - half->seq);

    if (!half->based || (ahead < 0 && half->number < (uint64_t)(-(int64_t)ahead))) {
        return false;
    }
    *number = half->number + (uint64_t)(int64_t)ahead;
    if (ahead > 0) {
        half->seq = seq;
        half->number = *number;
    }
    return true;
}

/* The number of a DSN or DATA_ACK of 64 or the lower 32 bits, near `near`. */
static uint64_t number_of_dsn(const wl_mp_sent_t *sent, uint64_t dsn, bool wide, uint64_t near)
{
    uint64_t number = dsn - sent->base;

    if (wide) {
        return number;
    }
    return near + (uint64_t)(int64_t)(int32_t)((uint32_t)number - (uint32_t)near);
}

static wl_mp_range_t *insert(wl_mptcp_t *mptcp, wl_mp_ranges_t **ranges, const wl_mp_range_t *range)
{
    if (*ranges == NULL) {
        *ranges = wl_mp_ranges_new();
    }
    mptcp->ranges++;
    return wl_mp_ranges_insert(*ranges, range);
}

static void drop_range(wl_mptcp_t *mptcp, wl_mp_ranges_t *ranges, wl_mp_range_t *range)
{
    mptcp->ranges--;
    wl_mp_ranges_remove(ranges, range);
}

static wl_mp_range_t *first_at(const wl_mp_ranges_t *ranges, uint64_t number)
{
    return ranges != NULL ? wl_mp_ranges_at(ranges, number) : NULL;
}

/* Forgets the lowest bytes. */
static void forget_first(wl_mptcp_t *mptcp, wl_mp_sent_t *sent)
{
    wl_mp_range_t *first = wl_mp_ranges_first(sent->sent);

    sent->floor = MAX(sent->floor, first->to);
    if (first->to <= sent->acked) {
        sent->acked_kept -= sent->acked_kept > 0;
    } else {
        mptcp->dropped++;
        sent->waiting -= first->flags & BEYOND ? first->to - first->from : 0;
    }
    drop_range(mptcp, sent->sent, first);
}

static void note_released(wl_mptcp_t *mptcp, const wl_mp_connection_t *connection, unsigned side,
                          const wl_mp_range_t *range, int64_t waited_ns)
{
    const wl_mp_subflow_t *subflow = g_ptr_array_index(connection->subflows, range->subflow);
    wl_mp_item_t later = {.value = MIN(waited_ns, WL_MP_VALUE_MAX), .kind = WL_MP_HOL_DELAY};

    wl_mp_note(mptcp, WL_MP_RELEASED, 0, waited_ns, range->frame, range->subflow);
    wl_mp_log_add_later(mptcp->log, range->frame,
                        WL_MP_SIDE(subflow->index, subflow->side[0] == side ? 0 : 1, 1), later);
}

/* Moves the edge over what now has nothing missing before it. A segment that had waited is told of,
 * with the time between its arrival and that of the last byte before it: not the time of the
 * segment in hand, which may have been placed late. */
static void advance_edge(wl_mptcp_t *mptcp, const wl_mp_connection_t *connection, unsigned side,
                         wl_mp_sent_t *sent)
{
    wl_mp_range_t *range = first_at(sent->sent, sent->edge);

    for (; range != NULL && range->from <= sent->edge && !(range->flags & CORRUPT);
         range = range->next) {
        if (range->flags & BEYOND) {
            sent->waiting -= range->to - range->from;
        }
        if ((range->flags & WAITS) && sent->edge_ns > range->time_ns) {
            note_released(mptcp, connection, side, range, sent->edge_ns - range->time_ns);
        }
        range->flags &= ~(uint32_t)(BEYOND | WAITS);
        sent->edge_ns = MAX(sent->edge_ns, range->time_ns);
        sent->edge = range->to;
    }
}

/* The receiver got what we did not: nobody knows when, so nothing is said of what waited for it. */
static void jump_edge(wl_mp_sent_t *sent, uint64_t number)
{
    wl_mp_range_t *range = first_at(sent->sent, sent->edge);

    sent->edge = number;
    for (; range != NULL && range->from <= sent->edge; range = range->next) {
        if (range->flags & BEYOND) {
            sent->waiting -= range->to - range->from;
        }
        range->flags &= ~(uint32_t)(BEYOND | WAITS);
        sent->edge = MAX(sent->edge, range->to);
    }
}

static void place_new(placing_t *placing, uint64_t from, uint64_t to, uint64_t at)
{
    wl_mp_sent_t *sent = placing->sent;
    wl_mptcp_t *mptcp = placing->mptcp;
    bool beyond = from > sent->edge;
    wl_mp_range_t range = {.from = from,
                           .to = to,
                           .at = at,
                           .time_ns = placing->time_ns,
                           .frame = placing->frame,
                           .subflow = placing->subflow->number};

    if (beyond) {
        range.flags = placing->fresh == 0 ? BEYOND | WAITS : BEYOND;
        placing->waits |= placing->fresh == 0;
        sent->waiting += to - from;
    }
    if (mptcp->ranges >= mptcp->limits.ranges && sent->sent != NULL &&
        wl_mp_ranges_count(sent->sent) > 0) {
        forget_first(mptcp, sent);
    }
    placing->last = insert(mptcp, &sent->sent, &range);
    sent->acked_kept += to <= sent->acked;
    sent->sent_end = MAX(sent->sent_end, to);
    placing->fresh += (uint32_t)(to - from);
}

static void count_copy(placing_t *placing, unsigned kind, bool useful, uint64_t bytes,
                       const wl_mp_range_t *original)
{
    copy_t *copy = &placing->copies[kind][useful];

    if (!copy->started) {
        copy->started = true;
        copy->original = original != NULL ? original->frame : 0;
        copy->original_ns = original != NULL ? original->time_ns : WL_NO_TIME;
    }
    copy->bytes += (uint32_t)bytes;
}

/* Bytes [number, ...) that a range has: up to where it ends, or the DATA_ACKed part of it does.
 * Returns how many. */
static uint64_t place_copy(placing_t *placing, uint64_t number, uint64_t to, bool tcp_copy,
                           wl_mp_range_t *original)
{
    wl_mp_sent_t *sent = placing->sent;
    bool useful = number >= sent->acked || (original->flags & CORRUPT);
    unsigned kind = tcp_copy                                        ? WL_MP_TCP_COPY
                    : original->subflow == placing->subflow->number ? WL_MP_RESENT
                                                                    : WL_MP_REINJECTED;

    to = MIN(to, original->to);
    if (number < sent->acked) {
        to = MIN(to, sent->acked);
    }
    count_copy(placing, kind, useful, to - number, original);
    if (number >= sent->acked) {
        original->flags |= SENT_AGAIN; /* all of it: its DATA_ACK may have waited for this part */
    }
    if (original->flags & CORRUPT) {
        original->flags &= ~(uint32_t)CORRUPT; /* delivered at last, and not before */
        original->time_ns = placing->time_ns;
        placing->delivers = true;
    }
    return to - number;
}

/* Bytes below what is remembered: sent before, nobody knows where. */
static uint64_t place_forgotten(placing_t *placing, uint64_t number, uint64_t to, bool tcp_copy)
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
static void place_numbers(placing_t *placing, uint64_t number, uint64_t to, uint64_t at,
                          bool tcp_copy)
{
    wl_mp_sent_t *sent = placing->sent;

    while (number < to) {
        wl_mp_range_t *range = first_at(sent->sent, number);
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
static void place(placing_t *placing, uint64_t start, uint64_t end, uint64_t number)
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

static void place_begin(placing_t *placing, wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                        unsigned direction, uint32_t frame, int64_t time_ns)
{
    memset(placing, 0, sizeof *placing);
    placing->mptcp = mptcp;
    placing->subflow = subflow;
    placing->half = &subflow->half[direction];
    placing->sent = &subflow->connection->sent[subflow->side[direction]];
    placing->frame = frame;
    placing->time_ns = time_ns;
}

static void note_copies(placing_t *placing)
{
    for (unsigned kind = WL_MP_TCP_COPY; kind <= WL_MP_KIND; kind++) {
        for (unsigned useful = 0; useful < 2; useful++) {
            const copy_t *copy = &placing->copies[kind][useful];
            int64_t delay_ns = copy->original_ns == WL_NO_TIME
                                   ? WL_MP_VALUE_MAX
                                   : placing->time_ns - copy->original_ns;
            unsigned flags = kind | (useful ? WL_MP_USEFUL : 0);

            if (useful && placing->copies[kind][0].started) {
                flags |= WL_MP_SAME_PACKET;
            }
            if (copy->started) {
                wl_mp_note(placing->mptcp, WL_MP_DUPLICATE, flags, delay_ns, copy->original,
                           copy->bytes);
            }
        }
    }
}

/* All of a segment's bytes have been placed, `end` being behind the last. */
static void place_end(placing_t *placing, uint64_t end)
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
        if (placing->last->at + (placing->last->to - placing->last->from) == end) {
            placing->last->flags |= ENDS_SEGMENT;
        }
        if (placing->waits) {
            wl_mp_note(mptcp, WL_MP_WAITS, 0, (int64_t)sent->waiting, 0, 0);
        }
    }
    if (placing->last != NULL || placing->delivers) {
        advance_edge(mptcp, placing->subflow->connection,
                     placing->subflow->side[half - placing->subflow->half], sent);
    }
}

/* The mapping that covers a byte, or the next behind it. */
static wl_mp_mapping_t *mapping_at(const wl_mp_half_t *half, uint64_t at)
{
    unsigned low = 0, high = half->mappings != NULL ? half->mappings->len : 0, count = high;
    wl_mp_mapping_t *mappings;

    if (high == 0) {
        return NULL;
    }
    mappings = (wl_mp_mapping_t *)(void *)half->mappings->data;
    if (mappings[high - 1].start <= at) {
        return mappings[high - 1].end > at ? &mappings[high - 1] : NULL;
    }
    while (low < high) { /* the first that starts behind it */
        unsigned middle = low + (high - low) / 2;
        if (mappings[middle].start <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low > 0 && mappings[low - 1].end > at) {
        return &mappings[low - 1];
    }
    return low < count ? &mappings[low] : NULL;
}

/* Returns whether it is a new one. */
static bool add_mapping(wl_mptcp_t *mptcp, wl_mp_half_t *half, const wl_mp_mapping_t *mapping)
{
    unsigned at;

    if (half->mappings == NULL) {
        half->mappings = g_array_new(FALSE, FALSE, sizeof *mapping);
    }
    for (at = half->mappings->len; at > 0; at--) {
        wl_mp_mapping_t *before = &g_array_index(half->mappings, wl_mp_mapping_t, at - 1);
        if (before->start == mapping->start) {
            if (before->end == mapping->end && before->number == mapping->number) {
                return false;
            }
            *before = *mapping;
            return true;
        }
        if (before->start < mapping->start) {
            break;
        }
    }
    if (half->mappings->len >= MAX_MAPPINGS) {
        /* The lowest have long been acknowledged; what is sent again brings its own with it. */
        if (at == 0) {
            mptcp->dropped++;
            return false;
        }
        g_array_remove_range(half->mappings, 0, MAX_MAPPINGS / 2);
        at = at > MAX_MAPPINGS / 2 ? at - MAX_MAPPINGS / 2 : 0;
    }
    g_array_insert_val(half->mappings, at, *mapping);
    return true;
}

/* Awaits the DATA_ACK of a mapping's end, DATA_FIN included. As mptcptrace does, with one clock from
 * where an end is first announced, and without Karn's rule. */
static void await_mapping(placing_t *placing)
{
    wl_mp_sent_t *sent = placing->sent;
    uint64_t end = placing->mapping_end;
    const wl_mp_range_t *carrier;
    wl_mp_range_t range = {.from = end - 1,
                           .to = end,
                           .time_ns = placing->time_ns,
                           .frame = placing->frame,
                           .subflow = placing->subflow->number};
    const wl_mp_range_t *known = first_at(sent->mappings, end - 1);

    if (end <= MAX(sent->acked, sent->start) || (known != NULL && known->to == end)) {
        return;
    }
    carrier = first_at(sent->sent, end - 1);
    if (carrier != NULL && carrier == placing->last && carrier->to == end) {
        placing->last->flags |= ENDS_MAPPING;
    } else if ((carrier == NULL || carrier->to != end || !(carrier->flags & ENDS_MAPPING)) &&
               placing->mptcp->ranges < placing->mptcp->limits.ranges) {
        insert(placing->mptcp, &sent->mappings, &range);
    }
}

/* RFC 8684 section 3.3.1. */
static void check_sum(placing_t *placing, wl_mp_mapping_t *mapping)
{
    bool ok;

    mapping->sum_done = true;
    if (mapping->sum_broken) {
        return;
    }
    ok = wl_mp_checksum_ok(mapping->sum, placing->sent->base + mapping->number,
                           mapping->subflow_seq, mapping->length, mapping->checksum);
    wl_mp_note(placing->mptcp, WL_MP_CHECKSUM, ok ? WL_MP_OK : 0, 0, 0, 0);
    if (!ok) {
        wl_mp_range_t *range = first_at(placing->sent->sent, mapping->number);
        uint64_t to = mapping->number + (mapping->end - mapping->start);
        for (; range != NULL && range->from < to; range = range->next) {
            if (range->flags & BEYOND) {
                placing->sent->waiting -= range->to - range->from;
            }
            range->flags = (range->flags & ~(uint32_t)(BEYOND | WAITS)) | CORRUPT;
        }
    }
}

/* Bytes [at, stop) of a mapping: the sum takes them in order, once. */
static void sum_up(placing_t *placing, wl_mp_mapping_t *mapping, uint64_t at, uint64_t stop,
                   const uint8_t *bytes)
{
    uint64_t next = mapping->start + mapping->summed;

    if (!mapping->has_checksum || mapping->sum_done || mapping->end == UINT64_MAX || at > next ||
        stop <= next) {
        return;
    }
    if (bytes == NULL) {
        mapping->sum_broken = true;
    } else {
        mapping->sum = wl_mp_sum(mapping->sum, bytes + (next - at), (uint32_t)(stop - next),
                                 (uint32_t)mapping->summed);
    }
    mapping->summed += stop - next;
    if (mapping->start + mapping->summed == mapping->end) {
        check_sum(placing, mapping);
    }
}

static void keep_unmapped(placing_t *placing, uint64_t start, uint64_t end)
{
    wl_mp_half_t *half = placing->half;
    wl_mp_unmapped_t unmapped = {start, end, placing->frame, placing->time_ns};

    if (half->unmapped == NULL) {
        half->unmapped = g_array_new(FALSE, FALSE, sizeof unmapped);
    }
    if (half->unmapped->len >= MAX_UNMAPPED) {
        g_array_remove_index(half->unmapped, 0);
        placing->mptcp->dropped++;
    }
    g_array_append_val(half->unmapped, unmapped);
}

/* RFC 8684 section 3.7: data without any option where a mapping had to be, from the start or after an
 * MP_FAIL. */
static void note_unmapped(placing_t *placing, uint64_t start, uint64_t end,
                          const wl_mp_input_t *input)
{
    wl_mp_connection_t *connection = placing->subflow->connection;

    if (input->options == NULL && placing->subflow->number == 0 &&
        (placing->half->mappings == NULL || connection->failed) && !connection->fallback) {
        connection->fallback = true;
        wl_mp_note_event(placing->mptcp, WL_MP_EVENT_FALLBACK, WL_MP_FALLBACK_DATA, WL_MP_VALUE_MAX,
                         0);
    }
    if (!connection->fallback) {
        keep_unmapped(placing, start, end);
    }
}

static void take_payload(placing_t *placing, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    uint64_t start, end;

    if (segment->length == 0 || input->is_probe ||
        !number_of(placing->half, segment->seq + ((segment->flags & WL_TCP_SYN) != 0), &start)) {
        return;
    }
    end = start + segment->length;
    for (uint64_t at = start, stop; at < end; at = stop) {
        wl_mp_mapping_t *mapping = mapping_at(placing->half, at);

        if (mapping == NULL || mapping->start > at) {
            stop = mapping == NULL ? end : MIN(end, mapping->start);
            note_unmapped(placing, at, stop, input);
            continue;
        }
        stop = MIN(end, mapping->end);
        place(placing, at, stop, mapping->number + (at - mapping->start));
        sum_up(placing, mapping, at, stop,
               input->payload != NULL ? input->payload + (at - start) : NULL);
    }
    place_end(placing, end);
}

/* Segments that came before this mapping. */
static void retry_unmapped(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, unsigned direction,
                           const wl_mp_input_t *input)
{
    wl_mp_half_t *half = &subflow->half[direction];

    for (unsigned i = 0; half->unmapped != NULL && i < half->unmapped->len;) {
        wl_mp_unmapped_t *unmapped = &g_array_index(half->unmapped, wl_mp_unmapped_t, i);
        wl_mp_mapping_t *mapping = mapping_at(half, unmapped->start);
        placing_t placing;
        uint64_t stop;

        if (mapping == NULL || mapping->start > unmapped->start) {
            i++;
            continue;
        }
        stop = MIN(unmapped->end, mapping->end);
        place_begin(&placing, mptcp, subflow, direction, unmapped->frame, unmapped->time_ns);
        wl_mp_log_of(mptcp->log, unmapped->frame, WL_MP_SIDE(subflow->index, direction, 1),
                     unmapped->time_ns);
        place(&placing, unmapped->start, stop,
              mapping->number + (unmapped->start - mapping->start));
        sum_up(&placing, mapping, unmapped->start, stop, NULL);
        place_end(&placing, stop);
        if (stop == unmapped->end) {
            g_array_remove_index(half->unmapped, i);
        } else {
            unmapped->start = stop;
        }
    }
    wl_mp_log_of(mptcp->log, input->segment->frame, WL_MP_SIDE(subflow->index, direction, 1),
                 input->segment->time_ns);
}

static void note_fin_acked(wl_mptcp_t *mptcp, wl_mp_sent_t *sent, int64_t time_ns)
{
    if (sent->fin_known && !sent->fin_acked && sent->acked > sent->fin) {
        sent->fin_acked = true;
        wl_mp_note_event(mptcp, WL_MP_EVENT_DATA_FIN_ACKED, 0, time_ns - sent->fin_ns,
                         sent->fin_frame);
    }
}

static void take_fin(placing_t *placing, uint64_t number)
{
    wl_mp_sent_t *sent = placing->sent;
    GPtrArray *subflows = placing->subflow->connection->subflows;
    unsigned side = placing->subflow->side[placing->half - placing->subflow->half];

    if (sent->fin_known) {
        return;
    }
    sent->fin_known = true;
    sent->fin = number;
    sent->fin_frame = placing->frame;
    sent->fin_ns = placing->time_ns;
    sent->sent_end = MAX(sent->sent_end, number + 1);
    for (unsigned i = 0; i < subflows->len; i++) {
        wl_mp_subflow_t *subflow = g_ptr_array_index(subflows, i);
        wl_mp_note_stopped(placing->mptcp, &subflow->half[subflow->side[0] == side ? 0 : 1]);
    }
    wl_mp_note_event(placing->mptcp, WL_MP_EVENT_DATA_FIN, 0, WL_MP_VALUE_MAX, 0);
}

/* Numbers that begin with the first DSN seen, where the key is not known. */
static void base_on(wl_mp_sent_t *sent, uint64_t dsn)
{
    if (!sent->based) {
        wl_mp_sent_base(sent, dsn - UNKNOWN_START);
        sent->start = sent->edge = sent->sent_end = UNKNOWN_START;
    }
}

static void take_mapping(placing_t *placing, const wl_mp_input_t *input, const wl_mp_dss_t *dss)
{
    wl_mp_half_t *half = placing->half;
    wl_mp_sent_t *sent = placing->sent;
    wl_mp_mapping_t mapping = {.subflow_seq = dss->subflow_seq,
                               .length = dss->length,
                               .checksum = dss->checksum,
                               .has_checksum = dss->has_checksum};
    bool infinite = dss->length == 0;
    uint32_t bytes = dss->length - (dss->fin && !infinite);

    base_on(sent, dss->dsn);
    wl_mp_half_base(half, input->segment->seq - dss->subflow_seq);
    mapping.number = number_of_dsn(sent, dss->dsn, dss->dsn_wide, sent->sent_end);
    if (mapping.number > MAX_NUMBER) {
        return; /* before the initial DSN */
    }
    if (!infinite) {
        placing->mapping_end = mapping.number + dss->length;
    }
    if (dss->fin && !infinite) {
        take_fin(placing, mapping.number + bytes);
    }
    if (bytes == 0 && !infinite) {
        return;
    }
    mapping.start =
        half->number + (uint64_t)(int64_t)(int32_t)(dss->subflow_seq - (uint32_t)half->number);
    mapping.end = infinite ? UINT64_MAX : mapping.start + bytes;
    if (mapping.start > MAX_NUMBER || (infinite && half->infinite)) {
        return;
    }
    if (infinite) {
        half->infinite = placing->subflow->connection->fallback = true;
        wl_mp_note_event(placing->mptcp, WL_MP_EVENT_INFINITE, 0, WL_MP_VALUE_MAX, 0);
    }
    if (add_mapping(placing->mptcp, half, &mapping)) {
        placing->mapping_bytes = bytes;
        retry_unmapped(placing->mptcp, placing->subflow, input->direction, input);
    }
}

/* Version 1: the first data comes with MP_CAPABLE in place of a DSS (RFC 8684 section 3.1). */
static bool mapping_of_capable(const wl_mp_sent_t *sent, const wl_mp_options_t *options,
                               wl_mp_dss_t *dss)
{
    const wl_mp_capable_t *capable = &options->capable;

    if (!WL_MP_HAS(options, WL_MP_CAPABLE) || !capable->has_length || capable->length == 0 ||
        !sent->based) {
        return false;
    }
    *dss = (wl_mp_dss_t){.has_mapping = true,
                         .dsn_wide = true,
                         .dsn = sent->base + 1,
                         .subflow_seq = 1,
                         .length = capable->length,
                         .has_checksum = capable->has_checksum,
                         .checksum = capable->checksum};
    return true;
}

static void note_round_trip(wl_mptcp_t *mptcp, wl_mp_item_kind_t kind, unsigned flags,
                            const wl_mp_range_t *range, int64_t time_ns)
{
    if (time_ns >= range->time_ns) {
        wl_mp_note(mptcp, kind, flags, time_ns - range->time_ns, range->frame, range->subflow);
    }
}

static void note_round_trips(wl_mptcp_t *mptcp, wl_mp_sent_t *sent, uint64_t ack, int64_t time_ns)
{
    wl_mp_range_t *range = first_at(sent->sent, MAX(sent->acked, sent->start)), *next;

    for (; range != NULL && range->to <= ack; range = range->next) {
        bool is_mapping = range->flags & ENDS_MAPPING;

        sent->acked_kept++;
        if ((range->flags & (ENDS_SEGMENT | SENT_AGAIN)) == ENDS_SEGMENT) {
            note_round_trip(mptcp, WL_MP_DACK_RTT, is_mapping ? WL_MP_IS_MAPPING : 0, range,
                            time_ns);
        } else if (is_mapping) {
            note_round_trip(mptcp, WL_MP_MAP_RTT, 0, range, time_ns);
        }
    }
    range = sent->mappings != NULL ? wl_mp_ranges_first(sent->mappings) : NULL;
    for (; range != NULL && range->to <= ack; range = next) {
        next = range->next;
        note_round_trip(mptcp, WL_MP_MAP_RTT, 0, range, time_ns);
        drop_range(mptcp, sent->mappings, range);
    }
}

/* A DATA_ACK of what the other side sent, on whatever subflow. */
static void take_ack(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_mp_dss_t *dss = &input->options->dss;
    wl_mp_sent_t *sent = &subflow->connection->sent[subflow->side[!input->direction]];
    int64_t time_ns = input->segment->time_ns;
    uint64_t ack, before = MAX(sent->acked, sent->start);

    if (!sent->based) {
        return;
    }
    ack = number_of_dsn(sent, dss->ack, dss->ack_wide, MAX(before, sent->sent_end));
    if (ack > MAX_NUMBER || ack <= before) {
        return;
    }
    wl_mp_note(mptcp, WL_MP_ACKED, !sent->fin_known || before < sent->fin ? WL_MP_OK : 0,
               (int64_t)(ack - before), 0, 0);
    note_round_trips(mptcp, sent, ack, time_ns);
    sent->acked = ack;
    if (sent->edge < ack) {
        jump_edge(sent, ack);
    }
    while (sent->acked_kept > mptcp->limits.history) {
        forget_first(mptcp, sent);
    }
    note_fin_acked(mptcp, sent, time_ns);
}

void wl_mp_take_data(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    const wl_mp_options_t *options = input->options;
    wl_mp_half_t *half = &subflow->half[input->direction];
    placing_t placing;
    wl_mp_dss_t dss;

    place_begin(&placing, mptcp, subflow, input->direction, segment->frame, segment->time_ns);
    if (options != NULL && mapping_of_capable(placing.sent, options, &dss)) {
        take_mapping(&placing, input, &dss);
    }
    if (options != NULL && WL_MP_HAS(options, WL_MP_DSS)) {
        if (options->dss.has_mapping) {
            take_mapping(&placing, input, &options->dss);
        }
        if (options->dss.has_ack) {
            take_ack(mptcp, subflow, input);
        }
    }
    if (segment->length > 0 && !input->is_probe) {
        if (!subflow->data_seen) {
            subflow->data_seen = true;
            wl_mp_note_span(mptcp, WL_MP_FIRST_DATA_DELAY, subflow->established_ns,
                            segment->time_ns, 0);
        }
        wl_mp_note_started(mptcp, half, segment->time_ns);
    }
    take_payload(&placing, input);
    if (placing.mapping_bytes > 0) {
        wl_mp_note(mptcp, WL_MP_MAPPING, 0, placing.mapping_bytes, 0, 0);
    }
    if (placing.mapping_end > 0) {
        await_mapping(&placing);
    }
}
