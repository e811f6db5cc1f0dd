/* test_exchange.c
 * The store: the log found by frame, interned names and their bound, the size of a record.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/exchange.h"

static void test_events_of_a_frame(void **state)
{
    wl_store_t *store = wl_store_new();
    wl_exchange_id_t id;
    uint32_t count, expected = 0;

    (void)state;
    for (uint32_t frame = 1; frame <= 3000; frame++) {
        for (unsigned i = 0; i < frame % 4; i++) {
            wl_store_add(store, WL_PROTO_MQTT, &id)->id = frame;
            wl_store_log(store, frame, i == 0 ? WL_EVENT_REQUEST : WL_EVENT_ANSWER, id);
        }
        /* While frames are still added, a frame is found at once. */
        wl_store_events(store, frame, &count);
        assert_int_equal(count, frame % 4);
    }
    for (uint32_t frame = 1; frame <= 3001; frame++) {
        uint32_t first = wl_store_events(store, frame, &count);
        wl_record_t record;

        assert_int_equal(count, frame <= 3000 ? frame % 4 : 0);
        for (uint32_t i = 0; i < count; i++) {
            wl_store_event(store, first + i, &record);
            assert_int_equal(first + i, expected++);
            assert_int_equal(record.ex->id, frame);
            assert_int_equal(record.event, i == 0 ? WL_EVENT_REQUEST : WL_EVENT_ANSWER);
        }
    }
    wl_store_free(store);
}

static void test_names(void **state)
{
    wl_store_t *store = wl_store_new();
    wl_string_t a = wl_store_intern(store, "a");

    (void)state;
    assert_int_equal(wl_store_intern(store, NULL), WL_STRING_NONE);
    assert_int_equal(wl_store_intern(store, ""), WL_STRING_NONE);
    assert_int_equal(wl_store_intern(store, "a"), a);
    assert_int_not_equal(wl_store_intern(store, "b"), a);
    assert_string_equal(wl_store_text(store, a), "a");
    wl_store_free(store);
}

static void test_names_are_bounded(void **state)
{
    wl_store_t *store = wl_store_new();
    char *name = malloc(65536);
    wl_string_t string = WL_STRING_NONE;

    (void)state;
    memset(name, 'x', 65535);
    name[65535] = 0;
    for (unsigned i = 0; i < 1100; i++) { /* 70 MB of topics */
        memcpy(name, (char[]){'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676}, 3);
        string = wl_store_intern(store, name);
    }
    assert_string_equal(wl_store_text(store, string), "(other)");
    assert_between(wl_store_counters(store)->strings_dropped, 50, 100);
    free(name);
    wl_store_free(store);
}

/* 88 bytes leave 40 for three events of an exchange and what is kept of its three frames or so. */
static void test_record_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(wl_exchange_t) <= 88);
}

/* Near, at both ends of what is near, and as far apart as times can be. */
static void test_times(void **state)
{
    static const int64_t bases[] = {0, 1700000000000000000, -1, INT64_MAX, INT64_MIN + 1};
    static const int64_t away[] = {
        0,         1,          -1,           INT32_MAX, -(int64_t)INT32_MAX, INT32_MIN,
        1ll << 31, 4000000000, -(1ll << 40), 1ll << 62, INT64_MAX,           INT64_MIN + 1};
    static const wl_time_t times[] = {WL_TIME_REQUEST_FIRST, WL_TIME_ANSWER_FIRST,
                                      WL_TIME_ANSWER_LAST, WL_TIME_ACK, WL_TIME_WAIT_END};
    wl_store_t *store = wl_store_new();

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(bases) * 5000; i++) {
        int64_t base_ns = bases[i / 5000], expected[G_N_ELEMENTS(times)];
        wl_exchange_id_t id;
        wl_exchange_t *ex = wl_store_add(store, WL_PROTO_KAFKA, &id);

        ex->base_ns = base_ns;
        assert_true(wl_time_ns(store, ex, WL_TIME_REQUEST_LAST) == base_ns);
        for (unsigned t = 0; t < G_N_ELEMENTS(times); t++) {
            assert_true(wl_time_ns(store, ex, times[t]) == WL_NO_TIME);
            expected[t] =
                (int64_t)((uint64_t)base_ns + (uint64_t)away[(i + t * i / 7) % G_N_ELEMENTS(away)]);
            wl_store_set_time(store, ex, times[t], expected[t]);
        }
        for (unsigned t = 0; t < G_N_ELEMENTS(times); t++) {
            assert_true(wl_time_ns(store, ex, times[t]) == expected[t]);
        }
        /* A second time takes the place of the first, whichever of them is far. */
        wl_store_set_time(store, ex, WL_TIME_ACK, expected[0]);
        assert_true(wl_time_ns(store, ex, WL_TIME_ACK) == expected[0]);
        assert_true(wl_time_ns(store, ex, WL_TIME_ANSWER_LAST) == expected[2]);
        wl_store_set_time(store, ex, WL_TIME_ACK, WL_NO_TIME);
        assert_true(wl_time_ns(store, ex, WL_TIME_ACK) == WL_NO_TIME);
        assert_int_equal(ex->direction, 0);
        assert_int_equal(ex->proto, WL_PROTO_KAFKA);
    }
    wl_store_free(store);
}

/* Three events of an exchange on three frames, as of a publish of QoS 1, many at a time. */
static void test_events_are_small(void **state)
{
    wl_store_t *store = wl_store_new();
    uint32_t frame = 0, rounds = 1000000;

    (void)state;
    for (uint32_t i = 0; i < rounds; i++) {
        wl_store_log(store, ++frame, WL_EVENT_REQUEST, i + 50);
        wl_store_log(store, ++frame, WL_EVENT_ACK, i + 25);
        wl_store_log(store, frame, WL_EVENT_ANSWER, i);
    }
    assert_true(wl_store_log_bytes(store) <= rounds * 9.5);
    wl_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_a_frame),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_record_is_small),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_events_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
