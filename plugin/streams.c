/* streams.c
 * The table of streams, indexed by tcp.stream, and the memory of their two directions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "streams.h"

#include <string.h>

#include "rare.h"

typedef struct {
    uint32_t end_seq;
    wl_exchange_id_t id;
} unacked_t;

struct wl_streams {
    GPtrArray *by_number;
    unsigned max_per_direction;
    uint64_t dropped;
};

static void half_clear(wl_half_t *half)
{
    wl_queue_t *queues[] = {&half->segments, &half->records, &half->unacked,  &half->requests,
                            &half->resent,   &half->runs,    &half->fragments};

    for (unsigned i = 0; i < G_N_ELEMENTS(queues); i++) {
        wl_queue_clear(queues[i]);
    }
    wl_sequence_clear(&half->sequence);
}

static void stream_free(gpointer pointer)
{
    wl_stream_t *stream = pointer;

    if (stream == NULL) {
        return;
    }
    half_clear(&stream->half[0]);
    half_clear(&stream->half[1]);
    if (stream->mqtt.subscribing != NULL) {
        g_array_free(stream->mqtt.subscribing, TRUE);
    }
    if (stream->mqtt.aliases != NULL) {
        g_hash_table_destroy(stream->mqtt.aliases);
    }
    g_free(stream);
}

wl_streams_t *wl_streams_new(unsigned max_per_direction)
{
    wl_streams_t *streams = g_new0(wl_streams_t, 1);

    streams->by_number = g_ptr_array_new_with_free_func(stream_free);
    streams->max_per_direction = MAX(max_per_direction, 1);
    return streams;
}

void wl_streams_free(wl_streams_t *streams)
{
    if (streams != NULL) {
        g_ptr_array_free(streams->by_number, TRUE);
        g_free(streams);
    }
}

wl_stream_t *wl_streams_find(const wl_streams_t *streams, uint32_t number)
{
    return number < streams->by_number->len ? g_ptr_array_index(streams->by_number, number) : NULL;
}

WL_RARE static wl_stream_t *add_stream(wl_streams_t *streams, const wl_segment_t *segment)
{
    wl_stream_t *stream = g_new0(wl_stream_t, 1);

    if (segment->stream >= streams->by_number->len) {
        g_ptr_array_set_size(streams->by_number, (gint)segment->stream + 1);
    }
    stream->number = segment->stream;
    stream->from_syn = (segment->flags & WL_TCP_SYN) != 0;
    stream->port[0] = segment->source_port;
    stream->port[1] = segment->destination_port;
    stream->address_length = MIN(segment->address_length, sizeof stream->address);
    if (stream->address_length > 0) {
        memcpy(stream->address, segment->source_address, stream->address_length);
    }
    stream->mqtt.client_dir = -1;
    g_ptr_array_index(streams->by_number, segment->stream) = stream;
    return stream;
}

wl_stream_t *wl_streams_get(wl_streams_t *streams, const wl_segment_t *segment)
{
    wl_stream_t *stream = wl_streams_find(streams, segment->stream);

    return stream != NULL ? stream : add_stream(streams, segment);
}

/* Equal ports do not tell the direction. */
WL_RARE static unsigned direction_by_address(const wl_stream_t *stream, const wl_segment_t *segment)
{
    return segment->address_length >= stream->address_length &&
                   memcmp(segment->source_address, stream->address, stream->address_length) == 0
               ? 0
               : 1;
}

unsigned wl_stream_direction(const wl_stream_t *stream, const wl_segment_t *segment)
{
    if (stream->port[0] == stream->port[1]) {
        return direction_by_address(stream, segment);
    }
    return segment->source_port == stream->port[0] ? 0 : 1;
}

/* The place of one more piece; at the bound half of them go at once. */
static void *bounded_push(wl_streams_t *streams, wl_queue_t *pieces, size_t size)
{
    if (pieces->count >= streams->max_per_direction) {
        unsigned oldest = pieces->count / 2 + 1;

        wl_queue_drop(pieces, oldest);
        streams->dropped += oldest;
    }
    return wl_queue_push(pieces, size);
}

void wl_half_add_segment(wl_streams_t *streams, wl_half_t *half, const wl_segment_t *segment)
{
    *(wl_piece_t *)bounded_push(streams, &half->segments, sizeof(wl_piece_t)) = (wl_piece_t){
        segment->frame, segment->frame, segment->time_ns, segment->seq, segment->length};
}

void wl_half_add_record(wl_streams_t *streams, wl_half_t *half, const wl_piece_t *record)
{
    *(wl_piece_t *)bounded_push(streams, &half->records, sizeof(wl_piece_t)) = *record;
}

void wl_half_add_run(wl_streams_t *streams, wl_queue_t *runs, const wl_run_t *run)
{
    *(wl_run_t *)bounded_push(streams, runs, sizeof(wl_run_t)) = *run;
}

/* Runs are appended in order: index of the first that ends after `at`. */
static unsigned run_at(const wl_queue_t *runs, uint64_t at)
{
    unsigned low = 0, high = runs->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const wl_run_t *run = wl_queue_at(runs, sizeof(wl_run_t), middle);
        if (run->at + run->length <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const wl_run_t *wl_half_find_run(const wl_half_t *half, uint64_t at)
{
    unsigned i = run_at(&half->runs, at);
    const wl_run_t *run;

    if (i == half->runs.count) {
        return NULL;
    }
    run = wl_queue_at(&half->runs, sizeof(wl_run_t), i);
    return run->at <= at ? run : NULL;
}

void wl_half_forget_runs(wl_half_t *half, uint64_t before)
{
    wl_queue_drop(&half->runs, run_at(&half->runs, before));
}

static const wl_piece_t *piece_at(const wl_queue_t *pieces, unsigned i)
{
    return wl_queue_at(pieces, sizeof(wl_piece_t), i);
}

const wl_piece_t *wl_half_find_byte(const wl_half_t *half, uint32_t seq)
{
    for (unsigned i = 0; i < half->segments.count; i++) {
        const wl_piece_t *piece = piece_at(&half->segments, i);
        if (!wl_seq_before(seq, piece->seq) && wl_seq_before(seq, piece->seq + piece->length)) {
            return piece;
        }
    }
    return NULL;
}

/* Frames are appended in order: index of the first piece whose frame is not below. */
static unsigned piece_lower_bound(const wl_queue_t *pieces, uint32_t frame)
{
    unsigned low = 0, high = pieces->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (piece_at(pieces, middle)->frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const wl_piece_t *wl_half_find_segment(const wl_half_t *half, uint32_t frame)
{
    unsigned at = piece_lower_bound(&half->segments, frame);
    const wl_piece_t *piece;

    if (at == half->segments.count) {
        return NULL;
    }
    piece = piece_at(&half->segments, at);
    return piece->frame == frame ? piece : NULL;
}

const wl_piece_t *wl_half_find_record(const wl_half_t *half, uint32_t frame, unsigned nth_last)
{
    unsigned end = piece_lower_bound(&half->records, frame + 1);
    const wl_piece_t *piece;

    if (end <= nth_last) {
        return NULL;
    }
    piece = piece_at(&half->records, end - 1 - nth_last);
    return piece->frame == frame ? piece : NULL;
}

void wl_half_forget_before(wl_half_t *half, uint32_t seq, uint32_t record_frame)
{
    unsigned done = 0;

    /* Only from the front: a late segment keeps the few behind it, which does no harm. */
    while (done < half->segments.count) {
        const wl_piece_t *piece = piece_at(&half->segments, done);
        if (wl_seq_before(seq, piece->seq + piece->length)) {
            break;
        }
        done++;
    }
    wl_queue_drop(&half->segments, done);
    wl_queue_drop(&half->records, piece_lower_bound(&half->records, record_frame));
}

/* Copies of a segment follow at once; what is sent again waits at least some milliseconds. */
#define TWICE_NS 5000000

static bool seen_header(wl_sequence_t *sequence, const wl_segment_t *segment)
{
    for (unsigned i = 0; i < WL_RECENT_HEADERS; i++) {
        int64_t since = segment->time_ns - sequence->recent[i].time_ns;
        if (sequence->recent[i].hash == segment->header_hash && ABS(since) < TWICE_NS) {
            return true;
        }
    }
    sequence->recent_at = (sequence->recent_at + 1) % WL_RECENT_HEADERS;
    sequence->recent[sequence->recent_at].hash = segment->header_hash;
    sequence->recent[sequence->recent_at].time_ns = segment->time_ns;
    return false;
}

WL_RARE static void gap_add(wl_sequence_t *sequence, wl_gap_t gap)
{
    if (sequence->gaps == NULL) {
        sequence->gaps = g_new(wl_gap_t, WL_GAPS_MAX);
    } else if (sequence->gap_count == WL_GAPS_MAX) {
        memmove(sequence->gaps, sequence->gaps + 1, sizeof sequence->gaps[0] * (WL_GAPS_MAX - 1));
        sequence->gap_count--;
        sequence->gaps_dropped++;
    }
    sequence->gaps[sequence->gap_count++] = gap;
}

/* What is left of a gap half the sequence space behind next_seq, which moves on by a step, goes: new
 * bytes will come by there again, after the wrap, and would be taken for those of the gap. */
WL_RARE static void gaps_age(wl_sequence_t *sequence, uint32_t step)
{
    for (unsigned i = 0; i < sequence->gap_count;) {
        wl_gap_t *gap = &sequence->gaps[i];
        int64_t from_behind = (int64_t)(int32_t)(sequence->next_seq - gap->from) + step;
        int64_t to_behind = (int64_t)(int32_t)(sequence->next_seq - gap->to) + step;

        if (to_behind >= INT32_MAX) {
            *gap = sequence->gaps[--sequence->gap_count];
            continue;
        }
        if (from_behind > INT32_MAX) {
            gap->from = sequence->next_seq + step - INT32_MAX;
        }
        i++;
    }
}

static void advance(wl_sequence_t *sequence, uint32_t seq)
{
    if (sequence->gap_count > 0) {
        gaps_age(sequence, seq - sequence->next_seq);
    }
    sequence->next_seq = seq;
}

/* Takes [from, to) out of the gaps; how many bytes of it were in one. */
WL_RARE static uint32_t gaps_fill(wl_sequence_t *sequence, uint32_t from, uint32_t to,
                                  uint32_t *found)
{
    uint32_t filled = 0;

    sequence->filled_since_ns = G_MAXINT64;
    if (wl_seq_before(sequence->next_seq, to)) {
        to = sequence->next_seq; /* no gap lies behind it */
    }
    for (unsigned i = 0; i < sequence->gap_count;) {
        wl_gap_t gap = sequence->gaps[i];
        uint32_t start = wl_seq_before(from, gap.from) ? gap.from : from;
        uint32_t end = wl_seq_before(gap.to, to) ? gap.to : to;

        if (!wl_seq_before(start, end)) {
            i++;
            continue;
        }
        filled += end - start;
        if (gap.missed || gap.since_ns < sequence->filled_since_ns) {
            sequence->filled_since_ns = gap.missed ? WL_NO_TIME : gap.since_ns;
        }
        *found += gap.missed ? end - start : 0;
        sequence->gaps[i] = sequence->gaps[--sequence->gap_count];
        if (gap.from != start) {
            gap_add(sequence, (wl_gap_t){gap.from, start, gap.since_ns, gap.missed});
        }
        if (gap.to != end) {
            gap_add(sequence, (wl_gap_t){end, gap.to, gap.since_ns, gap.missed});
        }
    }
    sequence->filled = filled;
    return filled;
}

void wl_sequence_clear(wl_sequence_t *sequence)
{
    g_free(sequence->gaps);
    *sequence = (wl_sequence_t){0};
}

wl_order_t wl_sequence_take(wl_sequence_t *sequence, const wl_segment_t *segment, uint32_t *found)
{
    uint32_t length = segment->length + ((segment->flags & (WL_TCP_SYN | WL_TCP_FIN)) != 0);
    uint32_t end = segment->seq + length;
    wl_order_t order = WL_SEGMENT_NEXT;

    *found = 0;
    if (length == 0) {
        return order;
    }
    if (segment->length > 0 && seen_header(sequence, segment)) {
        return WL_SEGMENT_TWICE;
    }
    if (!sequence->started) {
        sequence->started = true;
        sequence->next_seq = segment->seq;
    }
    if (wl_seq_before(sequence->next_seq, segment->seq)) {
        if (!wl_seq_before(sequence->next_seq, end)) {
            return order; /* it ends half the sequence space ahead: before or behind is the same */
        }
        gap_add(sequence, (wl_gap_t){sequence->next_seq, segment->seq, segment->time_ns, false});
    } else if (wl_seq_before(segment->seq, sequence->next_seq)) {
        order = gaps_fill(sequence, segment->seq, end, found) > 0 ? WL_SEGMENT_FILLS
                : wl_seq_before(sequence->next_seq, end)          ? WL_SEGMENT_NEXT
                                                                  : WL_SEGMENT_AGAIN;
    }
    if (wl_seq_before(sequence->next_seq, end)) {
        advance(sequence, end);
    }
    return order;
}

void wl_sequence_skip(wl_sequence_t *sequence, uint32_t seq, int64_t time_ns)
{
    if (sequence->started && wl_seq_before(sequence->next_seq, seq)) {
        gap_add(sequence, (wl_gap_t){sequence->next_seq, seq, time_ns, false});
        advance(sequence, seq);
    }
}

/* Gaps below the ACK: their bytes have arrived, but were not captured. Returns how many. */
WL_RARE static uint32_t gaps_miss(wl_sequence_t *sequence, uint32_t ack)
{
    uint32_t missed = 0;

    for (unsigned i = 0; i < sequence->gap_count; i++) {
        wl_gap_t *gap = &sequence->gaps[i];
        if (!gap->missed && !wl_seq_before(ack, gap->to)) {
            gap->missed = true;
            missed += gap->to - gap->from;
        }
    }
    return missed;
}

uint32_t wl_sequence_missed(wl_sequence_t *sequence, uint32_t ack)
{
    uint32_t missed = 0;

    if (!sequence->started) {
        return 0;
    }
    if (sequence->gap_count > 0) {
        missed = gaps_miss(sequence, ack);
    }
    if (wl_seq_before(sequence->next_seq, ack)) {
        missed += ack - sequence->next_seq;
        gap_add(sequence, (wl_gap_t){sequence->next_seq, ack, WL_NO_TIME, true});
        advance(sequence, ack);
    }
    return missed;
}

void wl_half_await_ack(wl_streams_t *streams, wl_half_t *half, uint32_t end_seq,
                       wl_exchange_id_t id)
{
    if (half->unacked.count >= streams->max_per_direction) {
        wl_queue_drop(&half->unacked, 1);
        streams->dropped++;
    }
    *(unacked_t *)wl_queue_push(&half->unacked, sizeof(unacked_t)) = (unacked_t){end_seq, id};
}

bool wl_half_acked(wl_half_t *half, uint32_t ack, wl_exchange_id_t *id)
{
    const unacked_t *item;

    if (half->unacked.count == 0) {
        return false;
    }
    item = wl_queue_at(&half->unacked, sizeof(unacked_t), 0);
    if (wl_seq_before(ack, item->end_seq)) {
        return false;
    }
    *id = item->id;
    wl_queue_drop(&half->unacked, 1);
    return true;
}

uint64_t wl_streams_dropped(const wl_streams_t *streams)
{
    return streams->dropped;
}
