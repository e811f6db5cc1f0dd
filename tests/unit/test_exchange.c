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

/* An exchange costs at most 128 bytes with its events (request, answer, TCP ACK: 8 bytes each). */
static void test_record_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(wl_exchange_t) <= 104);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_of_a_frame),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_record_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
