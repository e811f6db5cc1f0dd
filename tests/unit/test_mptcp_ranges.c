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
static void check_against(const wl_mp_ranges_t *ranges, const unsigned owner[BYTES])
{
    unsigned count = 0;
    uint64_t end = 0;

    for (wl_mp_range_t *range = wl_mp_ranges_first(ranges); range != NULL; range = range->next) {
        assert_true(range->from < range->to);
        assert_true(range->from >= end);
        assert_ptr_equal(range->previous == NULL ? NULL : range->previous->next,
                         range->previous == NULL ? NULL : range);
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
            assert_int_equal(range->flags, owner[next]);
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
                } else if (from > range->from) {
                    uint64_t at = range->at;
                    wl_mp_range_t *second = wl_mp_ranges_split(ranges, range, from);
                    assert_int_equal(range->to, from);
                    assert_int_equal(second->from, from);
                    assert_int_equal(second->at, at + (from - range->from));
                }
            } else {
                while (to < BYTES && owner[to] == 0 && to - from < 20) {
                    to++;
                }
                number++;
                for (unsigned i = from; i < to; i++) {
                    owner[i] = number;
                }
                wl_mp_ranges_insert(
                    ranges,
                    &(wl_mp_range_t){.from = from, .to = to, .at = 1000 + from, .flags = number});
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
        cmocka_unit_test(test_against_bytes),
        cmocka_unit_test(test_cover),
        cmocka_unit_test(test_backwards_is_fast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
