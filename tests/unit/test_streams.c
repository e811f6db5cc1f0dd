/* test_streams.c
 * What is remembered of a direction: segments by frame, awaited ACKs, order and gaps; with wrap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/streams.h"

static wl_segment_t segment(uint32_t frame, uint32_t seq, uint32_t length)
{
    return (wl_segment_t){.frame = frame,
                          .time_ns = (int64_t)frame * 1000000000,
                          .seq = seq,
                          .length = length,
                          .header_hash = frame};
}

static void test_directions(void **state)
{
    static const uint8_t a[] = {10, 0, 0, 1}, b[] = {10, 0, 0, 2};
    wl_streams_t *streams = wl_streams_new(10);
    wl_segment_t there = {.stream = 5,
                          .source_port = 7,
                          .destination_port = 7,
                          .source_address = a,
                          .address_length = 4};
    wl_segment_t back = there;
    wl_stream_t *stream = wl_streams_get(streams, &there);

    (void)state;
    back.source_address = b; /* equal ports: the addresses tell */
    assert_int_equal(wl_stream_direction(stream, &there), 0);
    assert_int_equal(wl_stream_direction(stream, &back), 1);
    assert_ptr_equal(wl_streams_find(streams, 5), stream);
    assert_null(wl_streams_find(streams, 4));
    assert_null(wl_streams_find(streams, 6));
    wl_streams_free(streams);
}

static void test_segments_are_forgotten_in_time(void **state)
{
    wl_streams_t *streams = wl_streams_new(8);
    wl_half_t half = {0};
    uint32_t start = UINT32_MAX - 250; /* wraps */

    (void)state;
    for (uint32_t i = 0; i < 6; i++) {
        wl_segment_t s = segment(10 + 2 * i, start + 100 * i, 100);
        wl_half_add_segment(streams, &half, &s);
    }
    assert_int_equal(wl_half_find_segment(&half, 14)->seq, start + 200);
    assert_null(wl_half_find_segment(&half, 15));
    /* A message began in the middle of the fourth: the three before can go. */
    wl_half_forget_before(&half, start + 350, 0);
    assert_null(wl_half_find_segment(&half, 14));
    assert_non_null(wl_half_find_segment(&half, 16));
    assert_int_equal(wl_streams_dropped(streams), 0);
    for (uint32_t i = 6; i < 30; i++) {
        wl_segment_t s = segment(10 + 2 * i, start + 100 * i, 100);
        wl_half_add_segment(streams, &half, &s);
    }
    assert_true(wl_streams_dropped(streams) > 0);
    assert_non_null(wl_half_find_segment(&half, 68));
    wl_queue_clear(&half.segments);
    wl_streams_free(streams);
}

static void test_awaited_acks_are_bounded(void **state)
{
    wl_streams_t *streams = wl_streams_new(4);
    wl_half_t half = {0};
    wl_exchange_id_t id;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        wl_half_await_ack(streams, &half, i * 10, i);
    }
    assert_int_equal(wl_streams_dropped(streams), 996);
    assert_true(half.unacked.room <= 128);
    for (uint32_t i = 996; i < 1000; i++) {
        assert_false(wl_half_acked(&half, i * 10 - 1, &id));
        assert_true(wl_half_acked(&half, i * 10, &id));
        assert_int_equal(id, i);
    }
    wl_queue_clear(&half.unacked);
    wl_streams_free(streams);
}

static void test_order_and_gaps(void **state)
{
    wl_sequence_t sequence = {0};
    uint32_t base = UINT32_MAX - 150, found;
    wl_segment_t s;
    const struct {
        uint32_t from, length;
        wl_order_t expected;
    } steps[] = {
        {0, 100, WL_SEGMENT_NEXT},    {100, 100, WL_SEGMENT_NEXT}, {0, 100, WL_SEGMENT_AGAIN},
        {300, 100, WL_SEGMENT_NEXT},  {250, 50, WL_SEGMENT_FILLS}, {250, 50, WL_SEGMENT_AGAIN},
        {200, 100, WL_SEGMENT_FILLS}, {350, 100, WL_SEGMENT_NEXT}, {200, 50, WL_SEGMENT_AGAIN},
    };

    (void)state;
    assert_int_equal(wl_sequence_missed(&sequence, base + 500), 0); /* nothing is known yet */
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        s = segment(i + 1, base + steps[i].from, steps[i].length);
        assert_int_equal(wl_sequence_take(&sequence, &s, &found), steps[i].expected);
        assert_int_equal(found, 0);
    }
    assert_int_equal(sequence.gap_count, 0);
    /* The other side got bytes we did not: counted once, and taken back when they come after all. */
    s = segment(20, base + 500, 10);
    wl_sequence_take(&sequence, &s, &found);
    assert_int_equal(wl_sequence_missed(&sequence, base + 460), 0); /* a part of the gap: not yet */
    assert_int_equal(wl_sequence_missed(&sequence, base + 510), 50);
    assert_int_equal(wl_sequence_missed(&sequence, base + 540), 30);
    assert_int_equal(wl_sequence_missed(&sequence, base + 540), 0);
    s = segment(21, base + 450, 50);
    assert_int_equal(wl_sequence_take(&sequence, &s, &found), WL_SEGMENT_FILLS);
    assert_int_equal(found, 50);
    wl_sequence_clear(&sequence);
}

static void test_captured_twice(void **state)
{
    wl_sequence_t sequence = {0};
    wl_segment_t first = segment(1, 100, 10), again = first;
    uint32_t found;

    (void)state;
    assert_int_equal(wl_sequence_take(&sequence, &first, &found), WL_SEGMENT_NEXT);
    again.time_ns += 1000;
    assert_int_equal(wl_sequence_take(&sequence, &again, &found), WL_SEGMENT_TWICE);
    again.time_ns += 200000000; /* so late it was sent again */
    assert_int_equal(wl_sequence_take(&sequence, &again, &found), WL_SEGMENT_AGAIN);
    again.time_ns += 1000;
    again.header_hash++; /* another header: not the same segment */
    assert_int_equal(wl_sequence_take(&sequence, &again, &found), WL_SEGMENT_AGAIN);
    wl_sequence_clear(&sequence);
}

static void test_gaps_are_bounded(void **state)
{
    wl_sequence_t sequence = {0};
    uint32_t found;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        wl_segment_t s = segment(i + 1, 100 + i * 20, 10);
        wl_sequence_take(&sequence, &s, &found);
        assert_true(sequence.gap_count <= WL_GAPS_MAX);
    }
    wl_sequence_clear(&sequence);
}

/* A gap that stayed open: when the numbers have wrapped, what is sent again at its place is not it. */
static void test_gap_is_forgotten_before_the_wrap(void **state)
{
    const uint32_t step = 1u << 28;
    wl_sequence_t sequence = {0};
    wl_segment_t first = segment(1, 100, 10), behind = segment(2, 210, 10);
    uint32_t found;

    (void)state;
    wl_sequence_take(&sequence, &first, &found);
    wl_sequence_take(&sequence, &behind, &found);
    assert_int_equal(wl_sequence_missed(&sequence, 220), 100);
    for (uint32_t i = 1; i <= 16; i++) {
        wl_segment_t s = segment(i + 2, 220 + (i - 1) * step, step);
        assert_int_equal(wl_sequence_take(&sequence, &s, &found), WL_SEGMENT_NEXT);
        assert_int_equal(found, 0);
    }
    assert_int_equal(sequence.gap_count, 0);
    wl_segment_t again = segment(20, 110, 100);
    assert_int_equal(wl_sequence_take(&sequence, &again, &found), WL_SEGMENT_AGAIN);
    assert_int_equal(found, 0);
    wl_sequence_clear(&sequence);
}

/* A jump of nearly half the sequence space, then a short one: no more is found than was sent. */
static void test_far_jumps(void **state)
{
    wl_sequence_t sequence = {0};
    const uint32_t starts[] = {1111638594, 3130565206, 4604482, 4602468};
    uint32_t found;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        wl_segment_t s = segment(i + 1, starts[i], 15000);
        wl_sequence_take(&sequence, &s, &found);
        assert_true(found <= 15000);
        wl_sequence_missed(&sequence, starts[i]);
    }
    wl_sequence_clear(&sequence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_directions),
        cmocka_unit_test(test_segments_are_forgotten_in_time),
        cmocka_unit_test(test_awaited_acks_are_bounded),
        cmocka_unit_test(test_order_and_gaps),
        cmocka_unit_test(test_captured_twice),
        cmocka_unit_test(test_gaps_are_bounded),
        cmocka_unit_test(test_gap_is_forgotten_before_the_wrap),
        cmocka_unit_test(test_far_jumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
