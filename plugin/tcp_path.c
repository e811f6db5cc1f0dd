/* tcp_path.c
 * The handshake, the segments in flight, and the log of frames.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tcp_path.h"

#include <string.h>

#include "packed_log.h"
#include "pool.h"
#include "rare.h"

#define MAX_OUTSTANDING 1024u
#define PASSING 1024u /* a power of two */
/* Wireshark's bound too, where no RTT is known: a segment sent again comes later than that. */
#define REORDER_NS 3000000

typedef struct {
    uint32_t end_seq;
    int64_t time_ns;
} outstanding_t;

/* What is kept of each frame. */
enum {
    LOG_FRAME,
    LOG_SIDE, /* path's index * 2 + direction */
    LOG_NEAR, /* those above are near to the record before */
    LOG_FLAGS = LOG_NEAR,
    LOG_BYTES,
    LOG_JITTER, /* plus one, 0 without */
    LOG_RTT,
    LOG_NUMBERS
};

typedef struct {
    uint32_t stream;
    wl_handshake_t handshake;
} passing_t;

struct wl_paths {
    GPtrArray *paths;
    wl_pool_t *pool;
    wl_packed_log_t *log;
    uint32_t max_log;
    int64_t jitter_gap_ns;
    passing_t *passing;
    uint64_t dropped;
};

G_STATIC_ASSERT(LOG_NUMBERS <= WL_PACKED_NUMBERS);

static void handshake_clear(wl_handshake_t *handshake)
{
    *handshake = (wl_handshake_t){
        .first_syn_ns = WL_NO_TIME,
        .last_syn_ns = WL_NO_TIME,
        .first_synack_ns = WL_NO_TIME,
        .last_synack_ns = WL_NO_TIME,
        .synack_syn_ns = WL_NO_TIME,
        .ack_ns = WL_NO_TIME,
    };
}

WL_RARE static void handshake_syn(wl_handshake_t *handshake, const wl_segment_t *segment)
{
    bool known = handshake->first_syn_ns != WL_NO_TIME ||
                 handshake->first_synack_ns != WL_NO_TIME; /* captured in the wrong order */

    if (!known || handshake->syn_seq != segment->seq) {
        handshake_clear(handshake);
    }
    if (handshake->first_syn_ns == WL_NO_TIME) {
        handshake->first_syn_ns = segment->time_ns;
        handshake->syn_seq = segment->seq;
        handshake->opener_port = segment->source_port;
        handshake->other_port = segment->destination_port;
    }
    handshake->last_syn_ns = segment->time_ns;
}

WL_RARE static void handshake_synack(wl_handshake_t *handshake, const wl_segment_t *segment)
{
    if (handshake->first_syn_ns != WL_NO_TIME && segment->ack != handshake->syn_seq + 1) {
        return;
    }
    if (handshake->first_synack_ns == WL_NO_TIME) {
        handshake->first_synack_ns = segment->time_ns;
        handshake->synack_seq = segment->seq;
        handshake->syn_seq = segment->ack - 1;
        handshake->opener_port = segment->destination_port;
        handshake->other_port = segment->source_port;
    } else if (handshake->synack_seq != segment->seq) {
        return;
    }
    handshake->last_synack_ns = segment->time_ns;
    handshake->synack_syn_ns = handshake->last_syn_ns;
}

/* Whether it is a step of the handshake. An ACK of more than the SYN,ACK is a later one: the third
 * step was not captured. */
static bool handshake_take(wl_handshake_t *handshake, const wl_segment_t *segment)
{
    if (handshake->ack_ns != WL_NO_TIME || (segment->flags & WL_TCP_RST)) {
        return false;
    }
    if (segment->flags & WL_TCP_SYN) {
        if (segment->flags & WL_TCP_ACK) {
            handshake_synack(handshake, segment);
        } else {
            handshake_syn(handshake, segment);
        }
        return true;
    }
    if ((segment->flags & WL_TCP_ACK) && handshake->first_synack_ns != WL_NO_TIME &&
        segment->source_port == handshake->opener_port &&
        segment->ack == handshake->synack_seq + 1) {
        handshake->ack_ns = segment->time_ns;
        return true;
    }
    return false;
}

static void path_free(gpointer pointer)
{
    wl_path_t *path = pointer;

    for (unsigned i = 0; i < 2; i++) {
        g_free(path->end[i]);
        wl_queue_clear(&path->half[i].outstanding);
        wl_sequence_clear(&path->half[i].sequence);
    }
    g_free(path);
}

wl_paths_t *wl_paths_new(int64_t jitter_gap_ns, unsigned max_log)
{
    wl_paths_t *paths = g_new0(wl_paths_t, 1);

    paths->paths = g_ptr_array_new_with_free_func(path_free);
    paths->pool = wl_pool_new();
    paths->log = wl_packed_log_new(paths->pool, LOG_NUMBERS, LOG_NEAR);
    paths->max_log = max_log;
    /* The preference says 4,000 ms; a longer gap is a pause of anyone. */
    paths->jitter_gap_ns = CLAMP(jitter_gap_ns, 0, (int64_t)UINT32_MAX - 1);
    paths->passing = g_new0(passing_t, PASSING);
    return paths;
}

void wl_paths_free(wl_paths_t *paths)
{
    if (paths != NULL) {
        g_ptr_array_free(paths->paths, TRUE);
        wl_packed_log_free(paths->log);
        wl_pool_free(paths->pool);
        g_free(paths->passing);
        g_free(paths);
    }
}

/* The same place for both directions. */
static passing_t *passing_of(const wl_paths_t *paths, const wl_segment_t *segment)
{
    uint32_t ports = (uint32_t)segment->source_port * segment->destination_port;

    return &paths->passing[(ports * 2654435769u) >> 22 & (PASSING - 1)];
}

static bool is_between(const wl_handshake_t *handshake, const wl_segment_t *segment)
{
    uint16_t a = segment->source_port, b = segment->destination_port;

    return (handshake->opener_port == a && handshake->other_port == b) ||
           (handshake->opener_port == b && handshake->other_port == a);
}

void wl_paths_pass(wl_paths_t *paths, const wl_segment_t *segment)
{
    passing_t *passing = passing_of(paths, segment);

    if ((segment->flags & (WL_TCP_SYN | WL_TCP_ACK)) == WL_TCP_SYN) {
        if (!is_between(&passing->handshake, segment) || passing->stream != segment->stream) {
            passing->stream = segment->stream;
            handshake_clear(&passing->handshake);
        }
    } else if (!is_between(&passing->handshake, segment)) {
        return;
    }
    handshake_take(&passing->handshake, segment);
}

/* A round trip between two steps; none where time ran backwards. */
static int64_t round_trip(int64_t from_ns, int64_t to_ns)
{
    int64_t rtt_ns = wl_span_ns(from_ns, to_ns);

    return rtt_ns < 0 ? WL_NO_TIME : rtt_ns;
}

/* The steps of a handshake that was seen in passing are round trips as any others. */
static void take_over_rtt(wl_path_t *path, const wl_segment_t *segment)
{
    const wl_handshake_t *handshake = &path->handshake;
    unsigned opener = segment->source_port == handshake->opener_port ? 0 : 1;

    if (handshake->first_syn_ns == handshake->last_syn_ns) {
        path->half[opener].min_rtt_ns =
            round_trip(handshake->first_syn_ns, handshake->first_synack_ns);
    }
    if (handshake->first_synack_ns == handshake->last_synack_ns) {
        path->half[!opener].min_rtt_ns = round_trip(handshake->first_synack_ns, handshake->ack_ns);
    }
}

wl_path_t *wl_paths_add(wl_paths_t *paths, const wl_segment_t *segment, const char *source,
                        const char *destination)
{
    const passing_t *passing = passing_of(paths, segment);
    wl_path_t *path = g_new0(wl_path_t, 1);

    path->index = paths->paths->len;
    path->stream = segment->stream;
    g_snprintf(path->number, sizeof path->number, "%u", path->stream);
    path->end[0] = g_strdup(source);
    path->end[1] = g_strdup(destination);
    for (unsigned i = 0; i < 2; i++) {
        path->half[i].min_rtt_ns = WL_NO_TIME;
        path->half[i].last_ns = path->half[i].last_gap_ns = WL_NO_TIME;
    }
    if (is_between(&passing->handshake, segment) && passing->stream == segment->stream) {
        path->handshake = passing->handshake;
        take_over_rtt(path, segment);
    } else {
        handshake_clear(&path->handshake);
    }
    g_ptr_array_add(paths->paths, path);
    return path;
}

/* Nothing awaited can prove a round trip any more: its ACK may be for what was sent again. */
static void await_none(wl_path_half_t *half)
{
    wl_queue_drop(&half->outstanding, half->outstanding.count);
}

static void await(wl_paths_t *paths, wl_path_half_t *half, uint32_t end_seq, int64_t time_ns)
{
    if (half->outstanding.count >= MAX_OUTSTANDING) {
        wl_queue_drop(&half->outstanding, 1);
        paths->dropped++;
    }
    *(outstanding_t *)wl_queue_push(&half->outstanding, sizeof(outstanding_t)) =
        (outstanding_t){end_seq, time_ns};
}

/* What `ack` acknowledges of this direction; the time of the segment it ends with, if that gives a
 * sample, else WL_NO_TIME. */
static int64_t acknowledged(wl_path_half_t *half, uint32_t ack)
{
    outstanding_t last = {0, WL_NO_TIME};
    bool covers_resent =
        half->resent_known && (!half->acked_known || wl_seq_before(half->acked, half->resent_end));

    half->acked_known = true;
    half->acked = ack;
    while (half->outstanding.count > 0) {
        const outstanding_t *item = wl_queue_at(&half->outstanding, sizeof(outstanding_t), 0);
        if (wl_seq_before(ack, item->end_seq)) {
            break;
        }
        last = *item;
        wl_queue_drop(&half->outstanding, 1);
    }
    return last.end_seq == ack && !covers_resent ? last.time_ns : WL_NO_TIME;
}

static void sample(wl_path_half_t *half, int64_t rtt_ns, wl_path_record_t *record)
{
    /* Time that runs backwards proves nothing. */
    if (rtt_ns < 0) {
        return;
    }
    record->flags |= WL_PATH_SAMPLE;
    record->rtt_ns = rtt_ns;
    record->new_min_rtt = half->min_rtt_ns == WL_NO_TIME || rtt_ns < half->min_rtt_ns;
    if (record->new_min_rtt) {
        half->min_rtt_ns = rtt_ns;
    }
}

static void take_ack(wl_path_half_t *half, wl_path_half_t *other, const wl_segment_t *segment,
                     wl_path_record_t *record)
{
    int64_t sent_ns;

    if (!(segment->flags & WL_TCP_ACK) || (segment->flags & WL_TCP_RST)) {
        return;
    }
    wl_sequence_missed(&other->sequence, segment->ack);
    if (!other->acked_known || wl_seq_before(other->acked, segment->ack)) {
        if (other->data_known &&
            (!other->acked_known || wl_seq_before(other->acked, other->data_end))) {
            record->flags |= WL_PATH_ACKS;
        }
        sent_ns = acknowledged(other, segment->ack);
        if (sent_ns != WL_NO_TIME) {
            sample(other, segment->time_ns - sent_ns, record);
        }
    } else if (segment->ack == other->acked && segment->length == 0 &&
               !(segment->flags & (WL_TCP_SYN | WL_TCP_FIN | WL_TCP_RST)) &&
               !(record->flags & WL_PATH_PROBE) && half->window_known &&
               segment->window == half->window && other->sequence.started &&
               wl_seq_before(segment->ack, other->sequence.next_seq)) {
        record->flags |= WL_PATH_DUPLICATE_ACK;
    }
}

/* Keep-alive: the last byte, acknowledged long since, or none at its place (RFC 9293 3.8.4). Zero
 * window probe: one byte more than the window allows (3.8.6.1). */
static bool is_probe(const wl_path_half_t *half, const wl_path_half_t *other,
                     const wl_segment_t *segment)
{
    if (segment->length > 1 || !half->sequence.started ||
        (segment->flags & (WL_TCP_SYN | WL_TCP_FIN | WL_TCP_RST))) {
        return false;
    }
    if (segment->seq == half->sequence.next_seq - 1) {
        return segment->length == 0 ||
               (half->acked_known && !wl_seq_before(half->acked, half->sequence.next_seq));
    }
    return segment->length == 1 && segment->seq == half->sequence.next_seq && other->window_known &&
           other->window == 0;
}

/* How long after the gap a segment must come to be one sent again: a round trip of the path. */
WL_RARE static int64_t path_rtt(const wl_path_t *path)
{
    int64_t rtt_ns = 0;
    unsigned known = 0;

    for (unsigned i = 0; i < 2; i++) {
        if (path->half[i].min_rtt_ns != WL_NO_TIME) {
            rtt_ns += path->half[i].min_rtt_ns;
            known++;
        }
    }
    return known == 2 ? rtt_ns : MAX(rtt_ns, REORDER_NS);
}

/* Payload bytes of the segment that were not seen before, when it goes beyond what was. */
static uint32_t new_bytes(const wl_segment_t *segment, bool started, uint32_t next_seq)
{
    uint32_t start = segment->seq + ((segment->flags & WL_TCP_SYN) != 0);
    uint32_t end = start + segment->length;

    /* Without payload, numbers half of sequence space apart would each be before the other. */
    if (segment->length == 0 || !started || !wl_seq_before(start, next_seq)) {
        return segment->length;
    }
    return wl_seq_before(next_seq, end) ? end - next_seq : 0;
}

/* False: a copy. */
static bool take_data(wl_paths_t *paths, wl_path_t *path, wl_path_half_t *half,
                      const wl_segment_t *segment, wl_path_record_t *record)
{
    uint32_t length = segment->length + ((segment->flags & (WL_TCP_SYN | WL_TCP_FIN)) != 0);
    bool started = half->sequence.started;
    uint32_t found, next_seq = half->sequence.next_seq, end = segment->seq + length;
    int64_t since_ns;

    if (length == 0 && !(segment->flags & WL_TCP_RST)) {
        /* Often long before the next data: without it, what was lost would seem to be merely late
         * when it comes again. */
        wl_sequence_skip(&half->sequence, segment->seq, segment->time_ns);
        return true;
    }
    switch (wl_sequence_take(&half->sequence, segment, &found)) {
    case WL_SEGMENT_TWICE:
        return false;
    case WL_SEGMENT_NEXT:
        record->bytes = new_bytes(segment, started, next_seq);
        if (started && length > 0 && wl_seq_before(segment->seq, next_seq)) {
            record->flags |= WL_PATH_RESENT; /* the old bytes in one segment with new ones */
        }
        break;
    case WL_SEGMENT_FILLS:
        record->bytes =
            MIN(half->sequence.filled + new_bytes(segment, started, next_seq), segment->length);
        since_ns = half->sequence.filled_since_ns;
        record->flags |= since_ns != WL_NO_TIME && segment->time_ns - since_ns < path_rtt(path)
                             ? WL_PATH_OUT_OF_ORDER
                             : WL_PATH_RESENT;
        break;
    case WL_SEGMENT_AGAIN:
        record->flags |= WL_PATH_RESENT;
        break;
    }
    if (segment->length > 0 && (!half->data_known || wl_seq_before(half->data_end, end))) {
        half->data_known = true;
        half->data_end = segment->seq + ((segment->flags & WL_TCP_SYN) != 0) + segment->length;
    }
    if (record->flags & (WL_PATH_RESENT | WL_PATH_OUT_OF_ORDER)) {
        await_none(half);
        if (!half->resent_known || wl_seq_before(half->resent_end, end)) {
            half->resent_known = true;
            half->resent_end = end;
        }
    } else if (length > 0) {
        await(paths, half, end, segment->time_ns);
    }
    return true;
}

static void take_gap(const wl_paths_t *paths, wl_path_half_t *half, int64_t time_ns,
                     wl_path_record_t *record)
{
    int64_t gap_ns = wl_span_ns(half->last_ns, time_ns);

    /* A pause, or time that ran backwards, is no gap whose neighbours compare. */
    if (gap_ns < 0 || gap_ns >= paths->jitter_gap_ns) {
        gap_ns = WL_NO_TIME;
    }
    if (gap_ns != WL_NO_TIME && half->last_gap_ns != WL_NO_TIME) {
        record->jitter_ns = ABS(gap_ns - half->last_gap_ns);
    }
    half->last_gap_ns = gap_ns;
    half->last_ns = time_ns;
}

static void log_add(wl_paths_t *paths, uint32_t frame, wl_path_record_t *record)
{
    uint32_t number = wl_packed_log_length(paths->log);
    uint64_t numbers[LOG_NUMBERS] = {
        [LOG_FRAME] = frame,
        [LOG_SIDE] = (uint64_t)record->path->index * 2 + record->direction,
        [LOG_FLAGS] = record->flags,
        [LOG_BYTES] = record->bytes,
        [LOG_JITTER] = record->jitter_ns == WL_NO_TIME ? 0 : (uint64_t)record->jitter_ns + 1,
        [LOG_RTT] = (uint64_t)record->rtt_ns,
    };

    if (number >= paths->max_log) {
        paths->dropped++;
        return;
    }
    record->number = number;
    record->is_logged = true;
    wl_packed_log_add(paths->log, LOG_NUMBERS, LOG_NEAR, numbers);
}

static void count_dropped_gaps(wl_paths_t *paths, wl_sequence_t *sequence)
{
    paths->dropped += sequence->gaps_dropped;
    sequence->gaps_dropped = 0;
}

bool wl_path_take(wl_paths_t *paths, wl_path_t *path, unsigned direction,
                  const wl_segment_t *segment, wl_path_record_t *record)
{
    wl_path_half_t *half = &path->half[direction], *other = &path->half[!direction];

    *record = (wl_path_record_t){
        .path = path, .direction = direction, .jitter_ns = WL_NO_TIME, .time_ns = segment->time_ns};
    if (is_probe(half, other, segment)) {
        record->flags |= WL_PATH_PROBE;
    } else if (!take_data(paths, path, half, segment, record)) {
        return false;
    }
    if (handshake_take(&path->handshake, segment)) {
        record->flags |= WL_PATH_HANDSHAKE;
    }
    take_ack(half, other, segment, record);
    take_gap(paths, half, segment->time_ns, record);
    if (segment->flags & WL_TCP_RST) {
        record->flags |= WL_PATH_RESET;
    } else {
        if (segment->window == 0 && !(segment->flags & WL_TCP_SYN)) {
            record->flags |= WL_PATH_ZERO_WINDOW;
        }
        half->window_known = true;
        half->window = segment->window;
    }
    count_dropped_gaps(paths, &half->sequence);
    count_dropped_gaps(paths, &other->sequence);
    log_add(paths, segment->frame, record);
    return true;
}

static void read_numbers(const wl_paths_t *paths, const uint64_t *numbers, uint32_t number,
                         wl_path_record_t *record)
{
    *record = (wl_path_record_t){
        .path = g_ptr_array_index(paths->paths, numbers[LOG_SIDE] / 2),
        .direction = numbers[LOG_SIDE] % 2,
        .flags = (unsigned)numbers[LOG_FLAGS],
        .bytes = (uint32_t)numbers[LOG_BYTES],
        .rtt_ns = (int64_t)numbers[LOG_RTT],
        .jitter_ns = numbers[LOG_JITTER] == 0 ? WL_NO_TIME : (int64_t)numbers[LOG_JITTER] - 1,
        .number = number,
    };
}

void wl_paths_at(const wl_paths_t *paths, uint32_t number, wl_path_record_t *record)
{
    read_numbers(paths, wl_packed_log_at(paths->log, number), number, record);
}

bool wl_paths_find(const wl_paths_t *paths, uint32_t frame, wl_path_record_t *record)
{
    uint32_t number;

    if (wl_packed_log_find(paths->log, frame, &number) == 0) {
        return false;
    }
    wl_paths_at(paths, number, record);
    return true;
}

bool wl_paths_find_near(const wl_paths_t *paths, uint32_t frame, uint32_t *near,
                        wl_path_record_t *record)
{
    const uint64_t *numbers =
        *near < wl_packed_log_length(paths->log) ? wl_packed_log_at(paths->log, *near) : NULL;

    if (numbers != NULL && numbers[LOG_FRAME] == frame) {
        read_numbers(paths, numbers, *near, record);
    } else if (!wl_paths_find(paths, frame, record)) {
        return false;
    }
    *near = record->number + 1;
    return true;
}

uint64_t wl_paths_dropped(const wl_paths_t *paths)
{
    return paths->dropped;
}
