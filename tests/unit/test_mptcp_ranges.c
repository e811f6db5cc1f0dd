/* test_mptcp_ranges.c
 * Ranges against an array with one entry per byte.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>

#include "../../plugin/mptcp_ranges.h"

#define BYTES 400

/* Number of the range that holds each byte, 0 none. */
static void check_against(wl_mp_ranges_t *ranges, const unsigned owner[BYTES])
{
    unsigned count = 0;
    uint64_t end = 0;

    for (wl_mp_range_t *range = wl_mp_ranges_first(ranges); range != NULL;
         range = wl_mp_ranges_next(ranges, range)) {
        assert_true(range->from < range->to);
        assert_true(range->from >= end);
        end = range->to;
        count++;
    }
    assert_int_equal(count, wl_mp_ranges_count(ranges));
    for (unsigned byte = 0; byte < BYTES; byte++) {
        wl_mp_range_t *range = wl_mp_ranges_at(ranges, byte);
        unsigned next = byte;

        while (next < BYTES && owner[next] == 0) {
            next++;
        }
        if (next == BYTES) {
            assert_null(range);
        } else {
            assert_non_null(range);
            assert_true(range->to > next && range->from <= next);
            assert_int_equal(range->frame, owner[next]);
        }
    }
}

static void test_against_bytes(void **state)
{
    GRand *random = g_rand_new_with_seed(7);

    (void)state;
    for (unsigned round = 0; round < 30; round++) {
        wl_mp_ranges_t *ranges = wl_mp_ranges_new();
        unsigned owner[BYTES] = {0}, number = 0;

        for (unsigned step = 0; step < 120; step++) {
            unsigned from = (unsigned)g_rand_int_range(random, 0, BYTES - 1);
            unsigned to = from + 1;

            if (owner[from] != 0) {
                wl_mp_range_t *range = wl_mp_ranges_at(ranges, from);
                if (step % 3 == 0) {
                    memset(owner + range->from, 0, (range->to - range->from) * sizeof owner[0]);
                    wl_mp_ranges_remove(ranges, range);
                }
            } else {
                while (to < BYTES && owner[to] == 0 && to - from < 20) {
                    to++;
                }
                number++;
                for (unsigned i = from; i < to; i++) {
                    owner[i] = number;
                }
                wl_mp_range_t *added = wl_mp_ranges_insert(
                    ranges, &(wl_mp_range_t){.from = from, .to = to, .frame = number});
                assert_int_equal(added->frame, number);
            }
            check_against(ranges, owner);
        }
        wl_mp_ranges_free(ranges);
    }
    g_rand_free(random);
}

static void test_cover(void **state)
{
    GRand *random = g_rand_new_with_seed(11);

    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        wl_mp_ranges_t *ranges = wl_mp_ranges_new();
        bool seen[BYTES] = {false};

        for (unsigned step = 0; step < 40; step++) {
            unsigned from = (unsigned)g_rand_int_range(random, 0, BYTES - 1), runs = 0;
            unsigned to = from + (unsigned)g_rand_int_range(random, 1, 30);

            to = MIN(to, BYTES);
            memset(seen + from, true, to - from);
            wl_mp_ranges_cover(ranges, from, to);
            for (unsigned byte = 0; byte < BYTES; byte++) {
                wl_mp_range_t *range = wl_mp_ranges_at(ranges, byte);
                assert_int_equal(range != NULL && range->from <= byte, seen[byte]);
                runs += seen[byte] && (byte == 0 || !seen[byte - 1]);
            }
            assert_int_equal(runs, wl_mp_ranges_count(ranges)); /* neighbours are joined */
        }
        wl_mp_ranges_free(ranges);
    }
    g_rand_free(random);
}

/* More ranges than a chunk has, in the orders in which data comes: in order, in order but for a few
 * (two paths), in no order; and the lowest go as their DATA_ACK comes. */
static void test_in_bulk(void **state)
{
    enum { count = 5000 };
    static const unsigned reaches[] = {1, 40, count};
    GRand *random = g_rand_new_with_seed(5);

    (void)state;
    for (unsigned round = 0; round < G_N_ELEMENTS(reaches); round++) {
        unsigned reach = reaches[round];
        wl_mp_ranges_t *ranges = wl_mp_ranges_new();
        unsigned *order = g_new(unsigned, count), removed = 0;

        for (unsigned i = 0; i < count; i++) {
            order[i] = i;
        }
        for (unsigned i = 0; i < count; i++) {
            unsigned other = i + (unsigned)g_rand_int_range(random, 0, (gint32)reach);
            unsigned kept = order[i];
            other = MIN(other, count - 1);
            order[i] = order[other];
            order[other] = kept;
        }
        for (unsigned i = 0; i < count; i++) {
            wl_mp_ranges_insert(ranges, &(wl_mp_range_t){.from = order[i] * 10 + 1,
                                                         .to = order[i] * 10 + 11,
                                                         .frame = order[i]});
            if (reach < count && i % 2 == 1 && wl_mp_ranges_first(ranges)->frame == removed) {
                wl_mp_ranges_remove(ranges, wl_mp_ranges_first(ranges));
                removed++;
            }
        }
        assert_int_equal(wl_mp_ranges_count(ranges), count - removed);
        assert_true(reach == count || removed > count / 3);
        for (unsigned i = removed; i < count; i++) {
            wl_mp_range_t *range = wl_mp_ranges_at(ranges, i * 10 + 5);
            wl_mp_range_t *next = wl_mp_ranges_next(ranges, range);
            assert_int_equal(range->frame, i);
            assert_true(i + 1 == count ? next == NULL : next->frame == i + 1);
        }
        g_free(order);
        wl_mp_ranges_free(ranges);
    }
    g_rand_free(random);
}

/* A range that begins before a chunk and ends behind where its first range was. */
static void test_over_a_gap(void **state)
{
    wl_mp_ranges_t *ranges = wl_mp_ranges_new();

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        wl_mp_ranges_insert(ranges, &(wl_mp_range_t){.from = i * 10, .to = i * 10 + 5});
    }
    for (unsigned i = 1; i < 999; i += 2) {
        wl_mp_range_t *range = wl_mp_ranges_at(ranges, i * 10);
        wl_mp_ranges_remove(ranges, range);
        range = wl_mp_ranges_at(ranges, (i + 1) * 10);
        wl_mp_ranges_remove(ranges, range);
        range = wl_mp_ranges_insert(
            ranges, &(wl_mp_range_t){.from = i * 10 - 3, .to = i * 10 + 17, .frame = i});
        assert_int_equal(wl_mp_ranges_at(ranges, i * 10 + 13)->frame, i);
        assert_ptr_equal(wl_mp_ranges_at(ranges, i * 10 - 3), range);
    }
    wl_mp_ranges_free(ranges);
}

/* An attacker's order of arrival must not cost the square: 200,000 ranges from the end to the
 * front, then searched, take a fraction of a second. */
static void test_backwards_is_fast(void **state)
{
    const unsigned count = 200000;
    wl_mp_ranges_t *ranges = wl_mp_ranges_new();
    gint64 start = g_get_monotonic_time();

    (void)state;
    for (unsigned i = count; i > 0; i--) {
        wl_mp_ranges_insert(ranges, &(wl_mp_range_t){.from = i * 10, .to = i * 10 + 5});
    }
    for (unsigned i = 1; i <= count; i++) {
        assert_int_equal(wl_mp_ranges_at(ranges, i * 10 + 2)->from, i * 10);
    }
    assert_int_equal(wl_mp_ranges_count(ranges), count);
    wl_mp_ranges_free(ranges);
    assert_true(g_get_monotonic_time() - start < 20 * G_USEC_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_bytes),     cmocka_unit_test(test_cover),
        cmocka_unit_test(test_in_bulk),           cmocka_unit_test(test_over_a_gap),
        cmocka_unit_test(test_backwards_is_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
