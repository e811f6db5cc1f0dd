/* mptcp_data.c
 * Mappings, payload and DATA_ACKs (RFC 8684 section 3.3): what is new, what was sent before and
 * how, what waits for what, and how long it took until it was acknowledged.
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
#include "mptcp_placing.h"

#include "rare.h"

#define MAX_UNMAPPED 64u
/* Room below the first DSN seen, where the initial one is not known. */
#define UNKNOWN_START (UINT64_C(1) << 32)
#define MAX_NUMBER (UINT64_C(1) << 62)

void wl_mp_half_clear(wl_mp_half_t *half)
{
    wl_mp_ranges_free(half->seen);
    g_free(half->mappings);
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

/* Awaits the DATA_ACK of a mapping's end, DATA_FIN included. As mptcptrace does, with one clock
 * from where an end is first announced, and without Karn's rule. */
static void await_mapping(wl_mp_placing_t *placing)
{
    wl_mp_sent_t *sent = placing->sent;
    uint64_t end = placing->mapping_end;
    const wl_mp_range_t *carrier;
    wl_mp_range_t range = {.from = end - 1,
                           .to = end,
                           .time_ns = placing->time_ns,
                           .frame = placing->frame,
                           .subflow = placing->subflow->number};
    const wl_mp_range_t *known = wl_mp_sent_at(sent->mappings, end - 1);

    if (end <= MAX(sent->acked, sent->start) || (known != NULL && known->to == end)) {
        return;
    }
    carrier = wl_mp_sent_at(sent->sent, end - 1);
    if (carrier != NULL && carrier == placing->last && carrier->to == end) {
        placing->last->flags |= WL_MP_RANGE_ENDS_MAPPING;
    } else if ((carrier == NULL || carrier->to != end ||
                !(carrier->flags & WL_MP_RANGE_ENDS_MAPPING)) &&
               placing->mptcp->ranges < placing->mptcp->limits.ranges) {
        wl_mp_sent_insert(placing->mptcp, &sent->mappings, &range);
    }
}

WL_RARE static void keep_unmapped(wl_mp_placing_t *placing, uint64_t start, uint64_t end)
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

/* RFC 8684 section 3.7: data without any option where a mapping had to be, from the start or after
 * an MP_FAIL. */
WL_RARE static void note_unmapped(wl_mp_placing_t *placing, uint64_t start, uint64_t end,
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

static void take_payload(wl_mp_placing_t *placing, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    uint64_t start, end;

    if (segment->length == 0 || input->is_probe ||
        !number_of(placing->half, segment->seq + ((segment->flags & WL_TCP_SYN) != 0), &start)) {
        return;
    }
    end = start + segment->length;
    for (uint64_t at = start, stop; at < end; at = stop) {
        wl_mp_mapping_t *mapping = wl_mp_mapping_at(placing->half, at);

        if (mapping == NULL || mapping->start > at) {
            stop = mapping == NULL ? end : MIN(end, mapping->start);
            note_unmapped(placing, at, stop, input);
            continue;
        }
        stop = MIN(end, wl_mp_mapping_end(mapping));
        wl_mp_place(placing, at, stop, mapping->number + (at - mapping->start));
        wl_mp_mapping_sum(placing, mapping, at, stop,
                          input->payload != NULL ? input->payload + (at - start) : NULL);
    }
    wl_mp_place_end(placing, end);
}

/* Segments that came before this mapping. */
WL_RARE static void retry_unmapped(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, unsigned direction,
                                   const wl_mp_input_t *input)
{
    wl_mp_half_t *half = &subflow->half[direction];

    for (unsigned i = 0; i < half->unmapped->len;) {
        wl_mp_unmapped_t *unmapped = &g_array_index(half->unmapped, wl_mp_unmapped_t, i);
        wl_mp_mapping_t *mapping = wl_mp_mapping_at(half, unmapped->start);
        wl_mp_placing_t placing;
        uint64_t stop;

        if (mapping == NULL || mapping->start > unmapped->start) {
            i++;
            continue;
        }
        stop = MIN(unmapped->end, wl_mp_mapping_end(mapping));
        wl_mp_place_begin(&placing, mptcp, subflow, direction, unmapped->frame, unmapped->time_ns);
        wl_mp_log_of(mptcp->log, unmapped->frame, WL_MP_SIDE(subflow->index, direction, 1),
                     unmapped->time_ns);
        wl_mp_place(&placing, unmapped->start, stop,
                    mapping->number + (unmapped->start - mapping->start));
        wl_mp_mapping_sum(&placing, mapping, unmapped->start, stop, NULL);
        wl_mp_place_end(&placing, stop);
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

WL_RARE static void take_fin(wl_mp_placing_t *placing, uint64_t number)
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

static void take_mapping(wl_mp_placing_t *placing, const wl_mp_input_t *input,
                         const wl_mp_dss_t *dss)
{
    wl_mp_half_t *half = placing->half;
    wl_mp_sent_t *sent = placing->sent;
    wl_mp_mapping_t mapping = {
        .fin = dss->fin, .checksum = dss->checksum, .has_checksum = dss->has_checksum};
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
    mapping.bytes = infinite ? WL_MP_INFINITE : bytes;
    if (mapping.start > MAX_NUMBER || (infinite && half->infinite)) {
        return;
    }
    if (infinite) {
        half->infinite = placing->subflow->connection->fallback = true;
        wl_mp_note_event(placing->mptcp, WL_MP_EVENT_INFINITE, 0, WL_MP_VALUE_MAX, 0);
    }
    if (wl_mp_mapping_add(placing->mptcp, half, &mapping)) {
        placing->mapping_bytes = bytes;
        if (half->unmapped != NULL && half->unmapped->len > 0) {
            retry_unmapped(placing->mptcp, placing->subflow, input->direction, input);
        }
    }
}

/* Version 1: the first data comes with MP_CAPABLE in place of a DSS (RFC 8684 section 3.1). */
WL_RARE static bool mapping_of_capable(const wl_mp_sent_t *sent, const wl_mp_options_t *options,
                                       wl_mp_dss_t *dss)
{
    const wl_mp_capable_t *capable = &options->capable;

    if (!capable->has_length || capable->length == 0 || !sent->based) {
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
    wl_mp_range_t *range = wl_mp_sent_at(sent->sent, MAX(sent->acked, sent->start));

    for (; range != NULL && range->to <= ack; range = wl_mp_ranges_next(sent->sent, range)) {
        bool is_mapping = range->flags & WL_MP_RANGE_ENDS_MAPPING;

        sent->acked_kept++;
        if ((range->flags & (WL_MP_RANGE_ENDS_SEGMENT | WL_MP_RANGE_SENT_AGAIN)) ==
            WL_MP_RANGE_ENDS_SEGMENT) {
            note_round_trip(mptcp, WL_MP_DACK_RTT, is_mapping ? WL_MP_IS_MAPPING : 0, range,
                            time_ns);
        } else if (is_mapping) {
            note_round_trip(mptcp, WL_MP_MAP_RTT, 0, range, time_ns);
        }
    }
    while (sent->mappings != NULL && (range = wl_mp_ranges_first(sent->mappings)) != NULL &&
           range->to <= ack) {
        note_round_trip(mptcp, WL_MP_MAP_RTT, 0, range, time_ns);
        wl_mp_sent_drop(mptcp, sent->mappings, range);
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
        wl_mp_sent_jump(sent, ack);
    }
    while (sent->acked_kept > mptcp->limits.history) {
        wl_mp_sent_forget(mptcp, sent);
    }
    note_fin_acked(mptcp, sent, time_ns);
}

void wl_mp_take_data(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    const wl_mp_options_t *options = input->options;
    wl_mp_half_t *half = &subflow->half[input->direction];
    wl_mp_placing_t placing;
    wl_mp_dss_t dss;

    wl_mp_place_begin(&placing, mptcp, subflow, input->direction, segment->frame, segment->time_ns);
    if (options != NULL && WL_MP_HAS(options, WL_MP_CAPABLE) &&
        mapping_of_capable(placing.sent, options, &dss)) {
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
