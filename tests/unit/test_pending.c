/* test_pending.c
 * The pending table: every result it documents, its bounds, and a long random run against a list.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/pending.h"

static unsigned evictions;
static uint32_t last_evicted;

static void count_evicted(wl_key_t key, uint32_t value, void *user)
{
    (void)key;
    assert_ptr_equal(user, &evictions);
    evictions++;
    last_evicted = value;
}

static wl_pending_t *table(unsigned max_stream, unsigned max_total)
{
    evictions = 0;
    return wl_pending_new(max_stream, max_total, count_evicted, &evictions);
}

static wl_key_t key(uint32_t stream, uint32_t space, uint32_t id)
{
    return (wl_key_t){stream, space, id};
}

static void test_outcomes(void **state)
{
    wl_pending_t *pt = table(10, 10);
    uint32_t value = 0, old = 0;

    (void)state;
    assert_int_equal(wl_pending_take(pt, key(1, 0, 7), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_add(pt, key(1, 0, 7), 100, &old), WL_PENDING_NEW);
    assert_int_equal(wl_pending_find(pt, key(1, 0, 7), &value), WL_PENDING_FOUND);
    assert_int_equal(value, 100);
    assert_int_equal(wl_pending_add(pt, key(1, 0, 7), 101, &old), WL_PENDING_REUSED);
    assert_int_equal(old, 100);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 7), &value), WL_PENDING_FOUND);
    assert_int_equal(value, 101);
    assert_int_equal(wl_pending_find(pt, key(1, 0, 7), &value), WL_PENDING_DUPLICATE);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 7), &value), WL_PENDING_DUPLICATE);
    /* After the answer the id is free again: no reuse. */
    assert_int_equal(wl_pending_add(pt, key(1, 0, 7), 102, &old), WL_PENDING_NEW);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 7), &value), WL_PENDING_FOUND);
    assert_int_equal(value, 102);

    const wl_pending_counters_t *counters = wl_pending_counters(pt);
    assert_int_equal(counters->added, 3);
    assert_int_equal(counters->answered, 2);
    assert_int_equal(counters->reused, 1);
    assert_int_equal(counters->duplicate, 1);
    assert_int_equal(counters->orphan, 1);
    assert_int_equal(counters->evicted, 0);
    wl_pending_free(pt);
}

static void test_keys_do_not_meet(void **state)
{
    wl_pending_t *pt = table(10, 10);
    uint32_t value, old;

    (void)state;
    wl_pending_add(pt, key(1, 0, 7), 1, &old);
    assert_int_equal(wl_pending_take(pt, key(2, 0, 7), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_take(pt, key(1, 1, 7), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 8), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 7), &value), WL_PENDING_FOUND);
    wl_pending_free(pt);
}

static void test_open_counts_per_stream(void **state)
{
    wl_pending_t *pt = table(10, 10);
    uint32_t value, old;

    (void)state;
    for (uint32_t id = 0; id < 3; id++) {
        wl_pending_add(pt, key(5, 0, id), id, &old);
    }
    wl_pending_add(pt, key(6, 0, 0), 0, &old);
    assert_int_equal(wl_pending_open(pt, 5), 3);
    wl_pending_add(pt, key(5, 0, 1), 9, &old); /* reuse does not add */
    assert_int_equal(wl_pending_open(pt, 5), 3);
    wl_pending_take(pt, key(5, 0, 1), &value);
    wl_pending_take(pt, key(5, 0, 1), &value); /* nor does a duplicate take away */
    assert_int_equal(wl_pending_open(pt, 5), 2);
    assert_int_equal(wl_pending_open(pt, 6), 1);
    assert_int_equal(wl_pending_open(pt, 7), 0);
    wl_pending_free(pt);
}

static void test_bounds(void **state)
{
    wl_pending_t *pt = table(3, 5);
    uint32_t value, old;

    (void)state;
    for (uint32_t id = 0; id < 4; id++) {
        wl_pending_add(pt, key(1, 0, id), 10 + id, &old);
    }
    assert_int_equal(evictions, 1);
    assert_int_equal(last_evicted, 10);
    assert_int_equal(wl_pending_take(pt, key(1, 0, 0), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_open(pt, 1), 3);
    for (uint32_t stream = 2; stream < 5; stream++) {
        wl_pending_add(pt, key(stream, 0, 0), stream, &old);
    }
    /* Six are one too many over all streams: the oldest of all goes. */
    assert_int_equal(evictions, 2);
    assert_int_equal(last_evicted, 11);
    assert_int_equal(wl_pending_counters(pt)->evicted, 2);
    wl_pending_free(pt);
}

static void test_answered_are_forgotten_in_time(void **state)
{
    wl_pending_t *pt = table(10, 10);
    uint32_t value, old;

    (void)state;
    for (uint32_t id = 0; id <= WL_PENDING_ANSWERED_MAX; id++) {
        wl_pending_add(pt, key(1, 0, id), id, &old);
        assert_int_equal(wl_pending_take(pt, key(1, 0, id), &value), WL_PENDING_FOUND);
    }
    assert_int_equal(wl_pending_find(pt, key(1, 0, 0), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_find(pt, key(1, 0, 1), &value), WL_PENDING_DUPLICATE);
    wl_pending_free(pt);
}

/* Against a plain array: 8 streams x 16 ids, half a million steps, no bound hit. */
static void test_random_run(void **state)
{
    enum { STREAMS = 8, IDS = 16, UNKNOWN, PENDING, ANSWERED };
    struct {
        int state;
        uint32_t value;
    } model[STREAMS][IDS] = {{{UNKNOWN, 0}}};
    wl_pending_t *pt = table(IDS, STREAMS * IDS);
    uint64_t random = 1;

    (void)state;
    for (unsigned s = 0; s < STREAMS; s++) {
        for (unsigned i = 0; i < IDS; i++) {
            model[s][i].state = UNKNOWN;
        }
    }
    for (uint32_t step = 0; step < 500000; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned s = random >> 33 & (STREAMS - 1), i = random >> 40 & (IDS - 1);
        uint32_t value = 0, open = 0;

        if (random >> 60 < 9) {
            assert_int_equal(wl_pending_add(pt, key(s, 3, i), step, &value),
                             model[s][i].state == PENDING ? WL_PENDING_REUSED : WL_PENDING_NEW);
            if (model[s][i].state == PENDING) {
                assert_int_equal(value, model[s][i].value);
            }
            model[s][i].state = PENDING;
            model[s][i].value = step;
        } else {
            static const wl_pending_result_t expected[] = {
                [UNKNOWN] = WL_PENDING_ORPHAN,
                [PENDING] = WL_PENDING_FOUND,
                [ANSWERED] = WL_PENDING_DUPLICATE,
            };
            assert_int_equal(wl_pending_take(pt, key(s, 3, i), &value),
                             expected[model[s][i].state]);
            if (model[s][i].state == PENDING) {
                assert_int_equal(value, model[s][i].value);
                model[s][i].state = ANSWERED;
            }
        }
        for (unsigned k = 0; k < IDS; k++) {
            open += model[s][k].state == PENDING;
        }
        assert_int_equal(wl_pending_open(pt, s), open);
    }
    assert_int_equal(evictions, 0);
    wl_pending_free(pt);
}

static void test_another_key(void **state)
{
    wl_pending_t *pt = table(2, 10);
    uint32_t value = 0, old;

    (void)state;
    wl_pending_add(pt, key(1, 0, 7), 100, &old);
    wl_pending_add(pt, key(2, 5, 7), 200, &old);
    wl_pending_take(pt, key(2, 5, 7), &value); /* answered: no obstacle */
    wl_pending_rekey(pt, key(1, 0, 7), key(2, 5, 7));
    assert_int_equal(wl_pending_find(pt, key(1, 0, 7), &value), WL_PENDING_ORPHAN);
    assert_int_equal(wl_pending_find(pt, key(2, 5, 7), &value), WL_PENDING_FOUND);
    assert_int_equal(value, 100);
    assert_int_equal(wl_pending_open(pt, 1), 0);
    assert_int_equal(wl_pending_open(pt, 2), 1);
    /* What is pending there already stays, and what is not pending cannot be moved. */
    wl_pending_add(pt, key(1, 0, 8), 101, &old);
    wl_pending_rekey(pt, key(1, 0, 8), key(2, 5, 7));
    wl_pending_rekey(pt, key(9, 9, 9), key(2, 5, 9));
    wl_pending_find(pt, key(2, 5, 7), &value);
    assert_int_equal(value, 100);
    assert_int_equal(wl_pending_open(pt, 1), 1);
    /* The bound of the stream it moves to. */
    wl_pending_add(pt, key(2, 5, 1), 201, &old);
    assert_int_equal(evictions, 0);
    wl_pending_rekey(pt, key(1, 0, 8), key(2, 5, 8));
    assert_int_equal(evictions, 1);
    assert_int_equal(last_evicted, 100);
    assert_int_equal(wl_pending_open(pt, 2), 2);
    wl_pending_free(pt);
}

/* Many keys, of which the last answered are remembered: against a list of those. */
static void test_answered_are_forgotten_in_order(void **state)
{
    enum { IDS = 12000, STEPS = 60000 };
    static uint32_t answered[WL_PENDING_ANSWERED_MAX + 1];
    static bool waits[IDS];
    wl_pending_t *pt = table(IDS, IDS);
    unsigned count = 0, forgotten = 0, duplicates = 0;
    uint32_t value, old, seed = 1;

    (void)state;
    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t id = (seed = seed * 1664525 + 1013904223) >> 8;
        unsigned at = 0;

        id %= IDS;
        while (at < count && answered[at] != id) {
            at++;
        }
        if (waits[id]) {
            assert_int_equal(wl_pending_take(pt, key(id % 7, 3, id), &value), WL_PENDING_FOUND);
            assert_int_equal(value, id);
            waits[id] = false;
            answered[count++] = id;
            if (count > WL_PENDING_ANSWERED_MAX) {
                memmove(answered, answered + 1, --count * sizeof answered[0]);
                forgotten++;
            }
            continue;
        }
        assert_int_equal(wl_pending_find(pt, key(id % 7, 3, id), &value),
                         at < count ? WL_PENDING_DUPLICATE : WL_PENDING_ORPHAN);
        duplicates += at < count;
        if (step % 3 > 0) {
            assert_int_equal(wl_pending_add(pt, key(id % 7, 3, id), id, &old), WL_PENDING_NEW);
            waits[id] = true;
            if (at < count) {
                memmove(answered + at, answered + at + 1, (--count - at) * sizeof answered[0]);
            }
        }
    }
    assert_true(forgotten > 1000 && duplicates > 1000);
    wl_pending_free(pt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_keys_do_not_meet),
        cmocka_unit_test(test_open_counts_per_stream),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_answered_are_forgotten_in_time),
        cmocka_unit_test(test_another_key),
        cmocka_unit_test(test_random_run),
        cmocka_unit_test(test_answered_are_forgotten_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
