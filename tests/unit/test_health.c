/* test_health.c
 * The log of findings: by frame, of more than it holds, and of more than 32 bits count.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/health.h"

#define MANY 1200000u /* more than the log's million entries */

typedef const wl_finding_t *(*reading_t)(const wl_health_t *, uint32_t, uint32_t *);

static int64_t amount(const wl_health_t *health, reading_t read, uint32_t frame,
                      wl_health_kind_t kind)
{
    uint32_t count;
    const wl_finding_t *found = read(health, frame, &count);
    int64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(found[i].frame, frame);
        sum += found[i].kind == kind ? found[i].amount : 0;
    }
    return sum;
}

static void test_by_frame(void **state)
{
    wl_health_t *health = wl_health_new();

    (void)state;
    wl_health_note(health, 3, WL_HEALTH_ORPHAN, 2);
    wl_health_note(health, 3, WL_HEALTH_GATED, 1);
    wl_health_note(health, 3, WL_HEALTH_ORPHAN, 5);
    assert_int_equal(amount(health, wl_health_fresh, 3, WL_HEALTH_ORPHAN), 7);
    wl_health_note(health, 8, WL_HEALTH_ORPHAN, 1);
    assert_int_equal(amount(health, wl_health_fresh, 3, WL_HEALTH_ORPHAN), 0);
    assert_int_equal(amount(health, wl_health_fresh, 8, WL_HEALTH_ORPHAN), 1);
    assert_int_equal(amount(health, wl_health_find, 3, WL_HEALTH_ORPHAN), 7);
    assert_int_equal(amount(health, wl_health_find, 3, WL_HEALTH_GATED), 1);
    assert_int_equal(amount(health, wl_health_find, 5, WL_HEALTH_GATED), 0);
    wl_health_free(health);
}

/* The first pass tells each finding on its frame, later ones those that are summed up: the same in
 * all, and another kind still has its place. */
static void test_more_than_the_log_holds(void **state)
{
    wl_health_t *health = wl_health_new();
    int64_t first = 0, later = 0;

    (void)state;
    for (uint32_t frame = 1; frame <= MANY; frame++) {
        wl_health_note(health, frame, WL_HEALTH_ORPHAN, 3);
        if (frame == MANY - 5) {
            wl_health_note(health, frame, WL_HEALTH_GATED, 1);
        }
        first += amount(health, wl_health_fresh, frame, WL_HEALTH_ORPHAN);
    }
    for (uint32_t frame = 1; frame <= MANY; frame++) {
        later += amount(health, wl_health_find, frame, WL_HEALTH_ORPHAN);
    }
    assert_int_equal(first, 3 * MANY);
    assert_int_equal(later, 3 * MANY);
    assert_int_equal(amount(health, wl_health_find, MANY - 5, WL_HEALTH_GATED), 1);
    wl_health_free(health);
}

static void test_more_than_32_bits(void **state)
{
    wl_health_t *health = wl_health_new();

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        wl_health_note(health, 1, WL_HEALTH_MISSING, INT32_MAX);
    }
    assert_true(amount(health, wl_health_find, 1, WL_HEALTH_MISSING) == 4 * (int64_t)INT32_MAX);
    wl_health_free(health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_frame),
        cmocka_unit_test(test_more_than_the_log_holds),
        cmocka_unit_test(test_more_than_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
