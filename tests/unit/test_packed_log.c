/* test_packed_log.c
 * What was added is read again, by number and by frame, in any order, beside an array that holds the
 * same records unpacked; and records of small numbers take few bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>

#include "../../plugin/packed_log.h"

#define RECORDS 5000u
#define NEAR 3u

typedef uint64_t record_t[WL_PACKED_NUMBERS];

static record_t expected[RECORDS];

/* All lengths of a number, and both ends of the largest. */
static uint64_t edge(unsigned i)
{
    static const uint64_t edges[] = {
        0,         1,          7,          8,          255,        256,
        65535,     65536,      UINT32_MAX, 1ull << 32, 1ull << 40, 1ull << 48,
        INT64_MAX, 1ull << 63, UINT64_MAX, 6,          1ull << 56, (1ull << 56) - 1};

    return edges[i % G_N_ELEMENTS(edges)];
}

static void check_record(wl_packed_log_t *log, uint32_t number, unsigned count)
{
    assert_memory_equal(wl_packed_log_at(log, number), expected[number], count * sizeof(uint64_t));
}

/* Frames with none, one and hundreds of records, some at the end of the range of their number; the
 * near numbers jump as far as numbers can. */
static void fill(wl_packed_log_t *log, unsigned count, GRand *random)
{
    uint64_t frame = 3;

    for (unsigned i = 0; i < RECORDS; i++) {
        if (i == RECORDS - 10) {
            frame = UINT32_MAX - 100;
        } else if (i < 1000 || i > 1400) {
            frame += (unsigned)g_rand_int_range(random, 0, i % 7 == 0 ? 100000 : 3);
        }
        expected[i][0] = MIN(frame, UINT32_MAX);
        for (unsigned n = 1; n < count; n++) {
            expected[i][n] = edge((unsigned)g_rand_int_range(random, 0, 1000));
        }
        wl_packed_log_add(log, count, MIN(NEAR, count), expected[i]);
        assert_int_equal(wl_packed_log_length(log), i + 1);
        check_record(log, i, count);
    }
}

static void check_frame(wl_packed_log_t *log, uint64_t frame)
{
    uint32_t first, count = 0, found = 0;

    for (unsigned i = 0; i < RECORDS; i++) {
        if (expected[i][0] == frame && count++ == 0) {
            found = i;
        }
    }
    assert_int_equal(wl_packed_log_find(log, (uint32_t)frame, &first), count);
    if (count > 0) {
        assert_int_equal(first, found);
    }
}

static void check(unsigned count)
{
    wl_pool_t *pool = wl_pool_new();
    wl_packed_log_t *log = wl_packed_log_new(pool, count, MIN(NEAR, count));
    GRand *random = g_rand_new_with_seed(count);

    fill(log, count, random);
    for (unsigned i = 0; i < RECORDS; i++) {
        check_record(log, i, count);
    }
    for (unsigned i = 0; i < RECORDS * 2; i++) {
        uint32_t number = (uint32_t)g_rand_int_range(random, 0, RECORDS);

        check_record(log, number, count);
        if (i % 8 == 0) {
            check_frame(log, expected[number][0] + i % 3 - 1);
        }
    }
    for (uint64_t frame = 0; frame < 1500; frame++) { /* as a later pass does */
        check_frame(log, frame);
    }
    check_frame(log, UINT32_MAX);
    g_rand_free(random);
    wl_packed_log_free(log);
    wl_pool_free(pool);
}

static void test_any_numbers(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= WL_PACKED_NUMBERS; count++) {
        check(count);
    }
}

static void test_empty(void **state)
{
    wl_pool_t *pool = wl_pool_new();
    wl_packed_log_t *log = wl_packed_log_new(pool, 2, 1);
    uint32_t first;

    (void)state;
    assert_int_equal(wl_packed_log_length(log), 0);
    assert_int_equal(wl_packed_log_find(log, 1, &first), 0);
    assert_int_equal(wl_packed_log_bytes(log), 0);
    wl_packed_log_free(log);
    wl_packed_log_free(NULL);
    wl_pool_free(pool);
}

/* What is read stays right while the log grows, also where the reader stands at its end. */
static void test_reading_while_it_grows(void **state)
{
    wl_pool_t *pool = wl_pool_new();
    wl_packed_log_t *log = wl_packed_log_new(pool, 2, 2);
    uint32_t first;

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        wl_packed_log_add(log, 2, 2, (uint64_t[]){i / 2 + 1, i * 3});
        for (uint32_t back = 0; back <= i && back < 3; back++) {
            assert_int_equal(wl_packed_log_at(log, i - back)[1], (i - back) * 3);
        }
        /* The oldest at hand, and those around it that a reader goes through in order. */
        for (uint32_t back = 1026; back <= i && back > 1021; back--) {
            assert_int_equal(wl_packed_log_at(log, i - back)[1], (i - back) * 3);
        }
        assert_int_equal(wl_packed_log_find(log, i / 2 + 1, &first), 1 + i % 2);
        assert_int_equal(first, i / 2 * 2);
    }
    wl_packed_log_free(log);
    wl_pool_free(pool);
}

/* A TCP frame: 3 bytes of half-bytes, payload 1, jitter 3, RTT 3; streams that take turns 1. */
static void test_small_numbers_take_little(void **state)
{
    wl_pool_t *pool = wl_pool_new();
    wl_packed_log_t *log = wl_packed_log_new(pool, 6, 2);
    unsigned count = 1000000;

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        wl_packed_log_add(log, 6, 2,
                          (uint64_t[]){i + 1, i % 100 * 2, 3, 15 + i % 9, 100000 + i, 5000000 - i});
    }
    assert_true(wl_packed_log_bytes(log) <= count * 11.3);
    wl_packed_log_free(log);
    wl_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_numbers),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_reading_while_it_grows),
        cmocka_unit_test(test_small_numbers_take_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
