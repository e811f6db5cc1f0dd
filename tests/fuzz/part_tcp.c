/* part_tcp.c
 * Fuzzes the TCP level: streams, sequences and gaps, awaited ACKs, round trips, and what was sent
 * again, over segments in any order with any numbers.
 *
 *   input   4 bytes first seq, 4 bytes first ack; then 12 bytes a segment: head (bit 0 direction,
 *           1 seq is as given, 2 time as given, 3 awaits an ACK, 4 a message ends here, 5 not
 *           followed), flags, seq (4, or its low 2 as an offset), time in ms (2), length (2), ack
 *           behind what the other side sent (2)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/resent.h"
#include "../../plugin/tcp_path.h"

#define SEGMENT_BYTES 12u
#define MAX_SEGMENTS 4096u
#define BOUND 8u
/* As far as one number is from another in sequence space, gaps forgotten or not. */
#define STREAM 5u

typedef struct {
    wl_streams_t *streams;
    wl_paths_t *paths;
    wl_store_t *store;
    wl_stream_t *stream;
    uint32_t next[2];
    uint64_t sent[2], counted[2]; /* payload bytes: of segments, and those said to be new */
    int64_t missing;
    int64_t now_ns;
    uint32_t frame, awaited, acked;
    wl_exchange_id_t last_acked[2];
    uint32_t logged;
} bench_t;

static void take_path(bench_t *b, unsigned direction, const wl_segment_t *segment)
{
    wl_path_record_t record, found;

    if (!wl_path_take(b->paths, b->stream->path, direction, segment, &record)) {
        CHECK(!wl_paths_find(b->paths, segment->frame, &found));
        return;
    }
    CHECK(record.bytes <= segment->length);
    b->counted[direction] += record.bytes;
    CHECK(b->counted[direction] <= b->sent[direction]);
    CHECK(!(record.flags & WL_PATH_SAMPLE) || record.rtt_ns >= 0);
    CHECK(record.jitter_ns == WL_NO_TIME || record.jitter_ns >= 0);
    CHECK((record.flags & WL_PATH_RESENT) == 0 || (record.flags & WL_PATH_OUT_OF_ORDER) == 0);
    for (unsigned i = 0; i < 2; i++) {
        int64_t min_ns = b->stream->path->half[i].min_rtt_ns;
        CHECK(min_ns == WL_NO_TIME || min_ns >= 0);
    }
    /* A later pass must see what the first one saw. */
    CHECK(wl_paths_find(b->paths, segment->frame, &found));
    CHECK(found.flags == record.flags && found.bytes == record.bytes);
    CHECK(found.rtt_ns == record.rtt_ns && found.jitter_ns == record.jitter_ns);
    if ((record.flags & WL_PATH_RESENT) && segment->length > 0) {
        wl_resent_segment(b->store, &b->stream->half[direction], segment->seq, segment->length);
    }
}

static void take_acks(bench_t *b, unsigned direction, const wl_segment_t *segment)
{
    wl_exchange_id_t id;

    while (wl_half_acked(&b->stream->half[!direction], segment->ack, &id)) {
        wl_exchange_t *ex = wl_store_get(b->store, id);

        CHECK(ex->ack_frame == 0); /* each once */
        CHECK(b->last_acked[direction] == WL_EXCHANGE_NONE || id > b->last_acked[direction]);
        b->last_acked[direction] = id;
        ex->ack_frame = segment->frame;
        b->acked++;
        CHECK(b->acked <= b->awaited);
    }
}

static void take_order(bench_t *b, unsigned direction, const wl_segment_t *segment)
{
    uint32_t found;

    wl_sequence_take(&b->stream->half[direction].sequence, segment, &found);
    CHECK(found <= segment->length + 1);
    b->missing -= found;
    if (segment->flags & WL_TCP_ACK) {
        b->missing += wl_sequence_missed(&b->stream->half[!direction].sequence, segment->ack);
    }
    CHECK(b->missing >= 0); /* nothing is found that was not missed */
    CHECK(b->stream->half[direction].sequence.gap_count <= WL_GAPS_MAX);
}

static void take_message(bench_t *b, unsigned direction, const wl_segment_t *segment, bool awaits)
{
    wl_half_t *half = &b->stream->half[direction];
    uint32_t end = segment->seq + segment->length;
    wl_exchange_id_t id;
    wl_exchange_t *ex = wl_store_add(b->store, WL_PROTO_MQTT, &id);

    wl_resent_request(b->store, half, id, segment->seq, end);
    wl_resent_answer(b->store, half, id, segment->seq, end);
    ex->flags = WL_ONE_WAY;
    if (awaits) {
        wl_half_await_ack(b->streams, half, end, id);
        b->awaited++;
    }
    wl_half_forget_before(half, segment->seq, segment->frame);
}

static void take_segment(bench_t *b, script_t *script)
{
    unsigned head = (unsigned)script_number(script, 1), direction = head & 1;
    wl_segment_t segment = {.frame = ++b->frame, .stream = STREAM};
    uint32_t seq, ack;
    int64_t step_ms;

    segment.flags = (uint8_t)script_number(script, 1);
    seq = (uint32_t)script_number(script, 4);
    step_ms = (int16_t)script_number(script, 2);
    segment.length = (uint32_t)script_number(script, 2);
    ack = (uint32_t)script_number(script, 2);
    b->now_ns += (head & 4 ? step_ms : (step_ms & 0xff)) * 1000000;
    segment.time_ns = b->now_ns;
    segment.seq = head & 2 ? seq : b->next[direction] - (seq & 0xffff);
    segment.ack = b->next[!direction] - ack;
    segment.source_port = direction == 0 ? 40000 : 1883;
    segment.destination_port = direction == 0 ? 1883 : 40000;
    segment.window = (uint16_t)(seq >> 16);
    segment.header_hash = (uint64_t)segment.seq << 32 ^ segment.ack ^ segment.flags;
    if (wl_seq_before(b->next[direction], segment.seq + segment.length)) {
        b->next[direction] = segment.seq + segment.length;
    }
    if (head & 32 && b->stream == NULL) {
        wl_paths_pass(b->paths, &segment);
        return;
    }
    b->stream = wl_streams_get(b->streams, &segment);
    if (b->stream->path == NULL) {
        b->stream->path = wl_paths_add(b->paths, &segment, "a", "b");
    }
    direction = wl_stream_direction(b->stream, &segment);
    b->sent[direction] += segment.length;
    take_path(b, direction, &segment);
    take_order(b, direction, &segment);
    if (segment.flags & WL_TCP_ACK) {
        take_acks(b, direction, &segment);
    }
    if (segment.length > 0) {
        const wl_piece_t *piece;

        wl_half_add_segment(b->streams, &b->stream->half[direction], &segment);
        piece = wl_half_find_segment(&b->stream->half[direction], segment.frame);
        CHECK(piece != NULL && piece->seq == segment.seq && piece->length == segment.length);
        CHECK(b->stream->half[direction].segments.count <= BOUND);
        if (head & 16) {
            take_message(b, direction, &segment, head & 8);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    bench_t b = {.last_acked = {WL_EXCHANGE_NONE, WL_EXCHANGE_NONE}};

    b.streams = wl_streams_new(BOUND);
    b.paths = wl_paths_new(INT64_C(1000000000), MAX_SEGMENTS);
    b.store = wl_store_new();
    b.next[0] = (uint32_t)script_number(&script, 4);
    b.next[1] = (uint32_t)script_number(&script, 4);
    b.now_ns = INT64_C(1700000000000000000);
    while (script_has(&script, SEGMENT_BYTES) && b.frame < MAX_SEGMENTS) {
        take_segment(&b, &script);
    }
    wl_store_free(b.store);
    wl_paths_free(b.paths);
    wl_streams_free(b.streams);
    return 0;
}
