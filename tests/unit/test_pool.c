/* test_pool.c
 * Pieces are aligned, empty, apart from each other, and as large as asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>

#include "../../plugin/pool.h"

static void test_pieces(void **state)
{
    static const size_t sizes[] = {1, 63, 64, 65, 4096, 100000, 300000, 1, 5000000, 64, 3000000};
    unsigned char *taken[G_N_ELEMENTS(sizes) * 8];
    wl_pool_t *pool = wl_pool_new();
    size_t sum = 0;

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(taken); i++) {
        size_t size = sizes[i % G_N_ELEMENTS(sizes)];

        taken[i] = wl_pool_take(pool, size);
        assert_int_equal((uintptr_t)taken[i] % 64, 0);
        for (size_t at = 0; at < size; at++) {
            assert_int_equal(taken[i][at], 0);
        }
        memset(taken[i], (int)i + 1, size);
        sum += size;
    }
    /* Nobody wrote into another's. */
    for (unsigned i = 0; i < G_N_ELEMENTS(taken); i++) {
        assert_int_equal(taken[i][0], i + 1);
        assert_int_equal(taken[i][sizes[i % G_N_ELEMENTS(sizes)] - 1], i + 1);
    }
    assert_true(wl_pool_bytes(pool) >= sum);
    wl_pool_free(pool);
    wl_pool_free(NULL);
}

/* A capture with a handful of messages must not take megabytes. */
static void test_little_takes_little(void **state)
{
    wl_pool_t *pool = wl_pool_new();

    (void)state;
    assert_int_equal(wl_pool_bytes(pool), 0);
    wl_pool_take(pool, 100000);
    wl_pool_take(pool, 100000);
    assert_true(wl_pool_bytes(pool) <= 300000);
    wl_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_little_takes_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
