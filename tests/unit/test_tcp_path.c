/* test_tcp_path.c
 * Handshakes, Karn's rule, what was sent again or out of order, probes, and the log; with wrap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/resent.h"
#include "../../plugin/tcp_path.h"

#define MS 1000000

/* A conversation: client 1000 to server 80, sequence numbers that wrap in the data. */
typedef struct {
    wl_paths_t *paths;
    wl_path_t *path;
    uint32_t frame, isn[2];
    wl_path_record_t record;
} talk_t;

static wl_segment_t segment(const talk_t *talk, unsigned direction, double ms, uint8_t flags,
                            uint32_t seq, uint32_t length, uint32_t ack)
{
    return (wl_segment_t){
        .frame = talk->frame,
        .time_ns = (int64_t)(ms * MS),
        .source_port = direction == 0 ? 1000 : 80,
        .destination_port = direction == 0 ? 80 : 1000,
        .flags = flags,
        .seq = talk->isn[direction] + seq,
        .ack = flags & WL_TCP_ACK ? talk->isn[!direction] + ack : 0,
        .length = length,
        .window = 500,
        .header_hash = talk->frame,
    };
}

static void start(talk_t *talk)
{
    wl_segment_t first;

    memset(talk, 0, sizeof *talk);
    talk->paths = wl_paths_new(1000 * (int64_t)MS, 1000);
    talk->isn[0] = UINT32_MAX - 150;
    talk->isn[1] = 7;
    first = segment(talk, 0, 0, WL_TCP_SYN, 0, 0, 0);
    talk->path = wl_paths_add(talk->paths, &first, "a:1000", "b:80");
}

/* Relative sequence numbers: 0 is the SYN. */
static unsigned say(talk_t *talk, unsigned direction, double ms, uint8_t flags, uint32_t seq,
                    uint32_t length, uint32_t ack)
{
    wl_segment_t s;

    talk->frame++;
    s = segment(talk, direction, ms, flags, seq, length, ack);
    assert_true(wl_path_take(talk->paths, talk->path, direction, &s, &talk->record));
    return talk->record.flags;
}

static double rtt_ms(const talk_t *talk)
{
    return talk->record.flags & WL_PATH_SAMPLE ? (double)talk->record.rtt_ns / MS : -1;
}

static void shake(talk_t *talk)
{
    say(talk, 0, 0, WL_TCP_SYN, 0, 0, 0);
    say(talk, 1, 20, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    assert_true(rtt_ms(talk) == 20);
    assert_true(talk->record.new_min_rtt);
    say(talk, 0, 21, WL_TCP_ACK, 1, 0, 1);
    assert_true(rtt_ms(talk) == 1);
}

static void test_handshake_from_first_and_last(void **state)
{
    talk_t talk;
    const wl_handshake_t *h;

    (void)state;
    start(&talk);
    h = &talk.path->handshake;
    say(&talk, 0, 0, WL_TCP_SYN, 0, 0, 0);
    assert_int_equal(say(&talk, 0, 100, WL_TCP_SYN, 0, 0, 0), WL_PATH_RESENT | WL_PATH_HANDSHAKE);
    say(&talk, 1, 316.3, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    assert_true(rtt_ms(&talk) == -1); /* which of the two SYNs? */
    say(&talk, 1, 532.6, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    say(&talk, 0, 541.7, WL_TCP_ACK, 1, 0, 1);
    assert_true(rtt_ms(&talk) == -1);
    say(&talk, 1, 600, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1); /* after the fact */
    assert_int_equal(h->first_synack_ns - h->first_syn_ns, 316300000);
    assert_int_equal(h->ack_ns - h->first_synack_ns, 225400000);
    assert_int_equal(h->last_synack_ns - h->synack_syn_ns, 432600000);
    assert_int_equal(h->ack_ns - h->last_synack_ns, 9100000);
    wl_paths_free(talk.paths);
}

static void test_a_later_ack_is_no_handshake(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    say(&talk, 0, 0, WL_TCP_SYN, 0, 0, 0);
    say(&talk, 1, 20, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    say(&talk, 1, 21, WL_TCP_ACK, 1, 10, 1);
    say(&talk, 0, 50, WL_TCP_ACK, 1, 0, 11);
    assert_true(talk.path->handshake.ack_ns == WL_NO_TIME);
    wl_paths_free(talk.paths);
}

static void test_karn(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    shake(&talk);
    say(&talk, 0, 100, WL_TCP_ACK, 1, 100, 1);
    say(&talk, 0, 101, WL_TCP_ACK, 101, 100, 1); /* wraps */
    assert_int_equal(talk.record.bytes, 100);
    assert_true(say(&talk, 1, 121, WL_TCP_ACK, 1, 0, 201) & WL_PATH_ACKS);
    assert_true(rtt_ms(&talk) == 20); /* of the segment it ends with */
    say(&talk, 0, 200, WL_TCP_ACK, 201, 100, 1);
    say(&talk, 1, 210, WL_TCP_ACK, 1, 0, 251); /* within a segment */
    assert_true(rtt_ms(&talk) == -1);
    say(&talk, 1, 220, WL_TCP_ACK, 1, 0, 301);
    assert_true(rtt_ms(&talk) == 20);

    say(&talk, 0, 300, WL_TCP_ACK, 301, 100, 1);
    assert_int_equal(say(&talk, 0, 500, WL_TCP_ACK, 301, 100, 1), WL_PATH_RESENT);
    say(&talk, 0, 501, WL_TCP_ACK, 401, 100, 1);
    say(&talk, 1, 520, WL_TCP_ACK, 1, 0, 501); /* covers what was sent twice */
    assert_true(rtt_ms(&talk) == -1);
    say(&talk, 0, 600, WL_TCP_ACK, 501, 100, 1);
    say(&talk, 1, 618, WL_TCP_ACK, 1, 0, 601);
    assert_true(rtt_ms(&talk) == 18);
    wl_paths_free(talk.paths);
}

static void test_lost_before_the_capture_or_out_of_order(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    shake(&talk); /* 21 ms both ways */
    say(&talk, 0, 100, WL_TCP_ACK, 101, 100, 1);
    assert_int_equal(say(&talk, 0, 105, WL_TCP_ACK, 1, 100, 1), WL_PATH_OUT_OF_ORDER);
    assert_int_equal(talk.record.bytes, 100);
    say(&talk, 1, 106, WL_TCP_ACK, 1, 0, 201);
    assert_true(rtt_ms(&talk) == -1);
    say(&talk, 0, 200, WL_TCP_ACK, 301, 100, 1);
    assert_int_equal(say(&talk, 0, 225, WL_TCP_ACK, 201, 100, 1), WL_PATH_RESENT);
    assert_int_equal(talk.record.bytes, 100);
    /* Lost, as a pure ACK tells; the data after it comes much later. */
    say(&talk, 0, 300, WL_TCP_ACK, 501, 0, 1);
    say(&talk, 0, 399, WL_TCP_ACK, 501, 100, 1);
    assert_int_equal(say(&talk, 0, 400, WL_TCP_ACK, 401, 100, 1), WL_PATH_RESENT);
    wl_paths_free(talk.paths);
}

static void test_probes_are_no_data(void **state)
{
    talk_t talk;
    wl_segment_t full;

    (void)state;
    start(&talk);
    shake(&talk);
    say(&talk, 0, 100, WL_TCP_ACK, 1, 100, 1);
    say(&talk, 1, 120, WL_TCP_ACK, 1, 0, 101);
    /* Keep-alive, without and with a byte; its answer is no duplicate ACK. */
    assert_int_equal(say(&talk, 0, 5000, WL_TCP_ACK, 100, 0, 1), WL_PATH_PROBE);
    assert_int_equal(say(&talk, 1, 5020, WL_TCP_ACK, 1, 0, 101), 0);
    assert_int_equal(say(&talk, 0, 6000, WL_TCP_ACK, 100, 1, 1), WL_PATH_PROBE);
    assert_int_equal(talk.record.bytes, 0);
    /* The window is closed, then probed with a byte that comes again later. */
    talk.frame++;
    full = segment(&talk, 1, 6500, WL_TCP_ACK, 1, 0, 101);
    full.window = 0;
    wl_path_take(talk.paths, talk.path, 1, &full, &talk.record);
    assert_int_equal(talk.record.flags, WL_PATH_ZERO_WINDOW);
    assert_int_equal(say(&talk, 0, 7000, WL_TCP_ACK, 101, 1, 1), WL_PATH_PROBE);
    say(&talk, 1, 7020, WL_TCP_ACK, 1, 0, 101);
    assert_int_equal(say(&talk, 0, 7500, WL_TCP_ACK, 101, 100, 1), 0);
    assert_int_equal(talk.record.bytes, 100);
    wl_paths_free(talk.paths);
}

static void test_duplicate_acks_and_resets(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    shake(&talk);
    assert_int_equal(say(&talk, 0, 30, WL_TCP_ACK, 1, 0, 1), 0); /* nothing awaits an ACK */
    say(&talk, 0, 100, WL_TCP_ACK, 1, 100, 1);
    say(&talk, 0, 101, WL_TCP_ACK, 101, 100, 1);
    say(&talk, 0, 102, WL_TCP_ACK, 201, 100, 1);
    say(&talk, 1, 120, WL_TCP_ACK, 1, 0, 101);
    assert_int_equal(say(&talk, 1, 122, WL_TCP_ACK, 1, 0, 101), WL_PATH_DUPLICATE_ACK);
    assert_int_equal(say(&talk, 1, 123, WL_TCP_ACK, 1, 10, 101), 0); /* carries data */
    assert_int_equal(say(&talk, 1, 124, WL_TCP_RST, 11, 0, 0), WL_PATH_RESET);
    wl_paths_free(talk.paths);
}

static void test_jitter_leaves_pauses_out(void **state)
{
    static const double at[] = {0, 10, 30, 35, 2000, 2010, 2025};
    static const double expected[] = {-1, -1, 10, 15, -1, -1, 5};
    talk_t talk;

    (void)state;
    start(&talk);
    for (unsigned i = 0; i < G_N_ELEMENTS(at); i++) {
        say(&talk, 0, at[i], WL_TCP_ACK, 1 + i, 1, 1);
        assert_true(talk.record.jitter_ns ==
                    (expected[i] < 0 ? WL_NO_TIME : (int64_t)(expected[i] * MS)));
    }
    wl_paths_free(talk.paths);
}

/* Found by the fuzzer: a FIN half of sequence space away had 2^31 new bytes. */
static void test_a_fin_far_away_has_no_bytes(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    shake(&talk);
    say(&talk, 0, 10, WL_TCP_ACK, 1, 100, 1);
    say(&talk, 0, 11, WL_TCP_ACK | WL_TCP_FIN, 101 + 0x80000000u, 0, 1);
    assert_int_equal(talk.record.bytes, 0);
    wl_paths_free(talk.paths);
}

static void test_a_copy_counts_nowhere(void **state)
{
    talk_t talk;
    wl_segment_t data;

    (void)state;
    start(&talk);
    shake(&talk);
    talk.frame++;
    data = segment(&talk, 0, 100, WL_TCP_ACK, 1, 100, 1);
    assert_true(wl_path_take(talk.paths, talk.path, 0, &data, &talk.record));
    data.frame = ++talk.frame;
    assert_false(wl_path_take(talk.paths, talk.path, 0, &data, &talk.record));
    assert_false(wl_paths_find(talk.paths, data.frame, &talk.record));
    wl_paths_free(talk.paths);
}

static void test_too_many_gaps_are_counted(void **state)
{
    talk_t talk;

    (void)state;
    start(&talk);
    shake(&talk);
    for (uint32_t i = 0; i < WL_GAPS_MAX + 3; i++) {
        assert_int_equal(wl_paths_dropped(talk.paths), i > WL_GAPS_MAX ? i - WL_GAPS_MAX : 0);
        say(&talk, 0, 50 + i, WL_TCP_ACK, 101 + i * 200, 100, 1);
    }
    assert_int_equal(wl_paths_dropped(talk.paths), 3);
    /* Of the first that is left its bytes are new; those of a dropped one are taken for a repeat. */
    say(&talk, 0, 90, WL_TCP_ACK, 1 + 3 * 200, 100, 1);
    assert_int_equal(talk.record.bytes, 100);
    say(&talk, 0, 91, WL_TCP_ACK, 1, 100, 1);
    assert_int_equal(talk.record.bytes, 0);
    wl_paths_free(talk.paths);
}

static void test_log(void **state)
{
    talk_t talk;
    wl_path_record_t found;

    (void)state;
    start(&talk);
    talk.frame = 100;
    shake(&talk);
    say(&talk, 0, 100, WL_TCP_ACK, 1, 100, 1);
    say(&talk, 1, 20000100, WL_TCP_ACK, 1, 0, 101); /* more than 32 bits of nanoseconds */
    assert_true(wl_paths_find(talk.paths, 105, &found));
    assert_ptr_equal(found.path, talk.path);
    assert_int_equal(found.direction, 1);
    assert_int_equal(found.flags, WL_PATH_ACKS | WL_PATH_SAMPLE);
    assert_true(found.rtt_ns == 20000 * (int64_t)1000 * MS);
    assert_true(found.jitter_ns == WL_NO_TIME);
    assert_true(wl_paths_find(talk.paths, 104, &found));
    assert_int_equal(found.bytes, 100);
    assert_false(wl_paths_find(talk.paths, 99, &found));
    assert_false(wl_paths_find(talk.paths, 106, &found));
    assert_int_equal(wl_paths_dropped(talk.paths), 0);
    for (uint32_t i = 0; i < 2000; i++) {
        say(&talk, 0, 30000000 + i, WL_TCP_ACK, 101 + i, 1, 1);
    }
    /* 995 fit the log; of 2000 segments without an ACK 1024 are remembered. */
    assert_int_equal(wl_paths_dropped(talk.paths), 1005 + 976);
    wl_paths_free(talk.paths);
}

static void test_handshake_seen_in_passing(void **state)
{
    talk_t talk;
    wl_segment_t s;

    (void)state;
    start(&talk);
    s = segment(&talk, 0, 0, WL_TCP_SYN, 0, 0, 0);
    s.stream = 9;
    wl_paths_pass(talk.paths, &s);
    s = segment(&talk, 1, 30, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    wl_paths_pass(talk.paths, &s);
    s = segment(&talk, 0, 31, WL_TCP_ACK, 1, 0, 1);
    wl_paths_pass(talk.paths, &s);
    s = segment(&talk, 1, 50, WL_TCP_ACK, 1, 100, 1);
    s.stream = 8; /* the ports again, another stream */
    assert_true(wl_paths_add(talk.paths, &s, "", "")->handshake.ack_ns == WL_NO_TIME);
    s.stream = 9;
    talk.path = wl_paths_add(talk.paths, &s, "b:80", "a:1000");
    assert_int_equal(talk.path->handshake.ack_ns, 31 * MS);
    assert_int_equal(talk.path->half[1].min_rtt_ns, 30 * MS);
    assert_int_equal(talk.path->half[0].min_rtt_ns, MS);
    wl_paths_free(talk.paths);
}

static void test_resent_of_exchanges(void **state)
{
    wl_store_t *store = wl_store_new();
    wl_streams_t *streams = wl_streams_new(10);
    wl_segment_t s = {.source_port = 1, .destination_port = 2};
    wl_half_t *half = wl_streams_get(streams, &s)->half;
    wl_exchange_id_t a, b;
    wl_exchange_t *ex = wl_store_add(store, WL_PROTO_MQTT, &a);
    uint32_t base = UINT32_MAX - 100;

    (void)state;
    wl_store_add(store, WL_PROTO_MQTT, &b);
    wl_resent_segment(store, &half[0], base, 50); /* before its message is complete */
    wl_resent_request(store, &half[0], a, base, base + 200);
    wl_resent_request(store, &half[0], b, base + 200, base + 300);
    wl_resent_segment(store, &half[0], base + 150, 100); /* of both */
    wl_resent_segment(store, &half[1], 5, 10);
    wl_resent_answer(store, &half[1], a, 0, 20);
    ex->flags |= WL_ANSWERED;
    wl_resent_segment(store, &half[0], base, 50); /* too late */
    assert_int_equal(wl_store_resent(store, a), 3);
    assert_int_equal(wl_store_resent(store, b), 1);
    wl_store_add_resent(store, b, WL_RESENT_UNKNOWN);
    wl_store_add_resent(store, b, 1);
    assert_int_equal(wl_store_resent(store, b), WL_RESENT_UNKNOWN);
    for (uint32_t i = 0; i < 2000; i++) { /* bounded */
        wl_resent_segment(store, &half[0], 1000 + i, 1);
        wl_resent_request(store, &half[0], b, 1000 + i, 1001 + i);
    }
    wl_streams_free(streams);
    wl_store_free(store);
}

static void test_smallest_rtt_at_a_frame(void **state)
{
    wl_store_t *store = wl_store_new();
    wl_exchange_t ex = {.stream = 3, .direction = 1};

    (void)state;
    wl_store_add_path_rtt(store, 3, 1, 10, 900);
    wl_store_add_path_rtt(store, 3, 1, 20, 800);
    wl_store_add_path_rtt(store, 3, 0, 15, 1);
    assert_true(wl_store_path_rtt(store, &ex, 9) == WL_NO_TIME);
    assert_int_equal(wl_store_path_rtt(store, &ex, 10), 900);
    assert_int_equal(wl_store_path_rtt(store, &ex, 19), 900);
    assert_int_equal(wl_store_path_rtt(store, &ex, 20), 800);
    wl_store_free(store);
}

/* A handshake seen in passing whose SYN,ACK carries an earlier time than its SYN. */
static void test_no_round_trip_from_time_running_backwards(void **state)
{
    wl_segment_t steps[3];
    talk_t talk;

    (void)state;
    start(&talk);
    steps[0] = segment(&talk, 0, 50, WL_TCP_SYN, 0, 0, 0);
    steps[1] = segment(&talk, 1, 20, WL_TCP_SYN | WL_TCP_ACK, 0, 0, 1);
    steps[2] = segment(&talk, 0, 10, WL_TCP_ACK, 1, 0, 1);
    for (unsigned i = 0; i < 3; i++) {
        wl_paths_pass(talk.paths, &steps[i]);
    }
    talk.path = wl_paths_add(talk.paths, &steps[2], "a:1000", "b:80");
    assert_int_equal(talk.path->handshake.first_synack_ns, 20 * (int64_t)MS);
    assert_int_equal(talk.path->half[0].min_rtt_ns, WL_NO_TIME);
    assert_int_equal(talk.path->half[1].min_rtt_ns, WL_NO_TIME);
    wl_paths_free(talk.paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_from_first_and_last),
        cmocka_unit_test(test_no_round_trip_from_time_running_backwards),
        cmocka_unit_test(test_a_later_ack_is_no_handshake),
        cmocka_unit_test(test_karn),
        cmocka_unit_test(test_lost_before_the_capture_or_out_of_order),
        cmocka_unit_test(test_probes_are_no_data),
        cmocka_unit_test(test_duplicate_acks_and_resets),
        cmocka_unit_test(test_jitter_leaves_pauses_out),
        cmocka_unit_test(test_a_copy_counts_nowhere),
        cmocka_unit_test(test_a_fin_far_away_has_no_bytes),
        cmocka_unit_test(test_too_many_gaps_are_counted),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_handshake_seen_in_passing),
        cmocka_unit_test(test_resent_of_exchanges),
        cmocka_unit_test(test_smallest_rtt_at_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
