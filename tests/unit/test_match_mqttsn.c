/* test_match_mqttsn.c
 * MQTT-SN: headers of both lengths, forwarders, random bytes, topic ids of clean sessions, and the
 * bound of what is remembered of clients.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/match_mqttsn.h"

typedef struct {
    wl_matcher_t matcher;
    wl_mqttsn_state_t *state;
    wl_stream_t *streams[2];
    uint32_t frame;
} bench_t;

static bench_t *bench_new(unsigned max_entries)
{
    bench_t *bench = g_new0(bench_t, 1);

    bench->matcher.store = wl_store_new();
    bench->matcher.health = wl_health_new();
    bench->matcher.streams = wl_streams_new(1);
    bench->matcher.pending = wl_pending_new(1000, 1000, wl_match_evicted, &bench->matcher);
    bench->state = wl_mqttsn_state_new(max_entries);
    for (uint32_t i = 0; i < 2; i++) {
        wl_segment_t segment = {
            .stream = i, .source_port = (uint16_t)(4000 + i), .destination_port = 1885};
        bench->streams[i] = wl_streams_get(bench->matcher.streams, &segment);
        bench->streams[i]->is_udp = true;
    }
    return bench;
}

static void bench_free(bench_t *bench)
{
    wl_mqttsn_state_free(bench->state);
    wl_pending_free(bench->matcher.pending);
    wl_streams_free(bench->matcher.streams);
    wl_health_free(bench->matcher.health);
    wl_store_free(bench->matcher.store);
    g_free(bench);
}

/* False when the bytes are no message. direction 0 goes to the gateway. */
static bool pass(bench_t *bench, unsigned stream, unsigned direction, const void *bytes,
                 uint32_t count)
{
    wl_mqttsn_message_t message = {.message = {.stream = bench->streams[stream],
                                               .direction = direction,
                                               .frame = ++bench->frame,
                                               .first_ns = bench->frame * 1000,
                                               .last_ns = bench->frame * 1000},
                                   .sender_is_gateway = direction == 1};

    if (!wl_read_mqttsn(bytes, count, bench->matcher.store, &message)) {
        return false;
    }
    wl_mqttsn_match(&bench->matcher, bench->state, &message);
    return true;
}
#define PASS(bench, stream, direction, ...)                        \
    pass(bench, stream, direction, (const uint8_t[]){__VA_ARGS__}, \
         sizeof((const uint8_t[]){__VA_ARGS__}))

/* The exchange of the last event, and which that was. */
static const wl_exchange_t *last_event(bench_t *bench, wl_event_t *event)
{
    wl_record_t record;
    uint32_t count, first = wl_store_events(bench->matcher.store, bench->frame, &count);

    assert_int_equal(count, 1);
    wl_store_event(bench->matcher.store, first, &record);
    *event = record.event;
    return record.ex;
}

static const char *topic(bench_t *bench)
{
    wl_event_t event;

    return wl_store_text(bench->matcher.store, last_event(bench, &event)->u.mqttsn.topic);
}

static void test_topic_ids(void **state)
{
    bench_t *bench = bench_new(100);

    (void)state;
    assert_true(PASS(bench, 0, 0, 9, 4, 0x04, 1, 0, 60, 'a', 'b', 'c'));
    assert_true(PASS(bench, 0, 0, 7, 0x0a, 0, 0, 0, 1, 'x'));
    assert_true(PASS(bench, 0, 1, 7, 0x0b, 0, 5, 0, 1, 0));
    assert_true(PASS(bench, 0, 0, 7, 0x0c, 0x20, 0, 5, 0, 2));
    assert_string_equal(topic(bench), "x");
    /* Another client has other ids; so has a refused registration none. */
    assert_true(PASS(bench, 1, 0, 7, 0x0c, 0x20, 0, 5, 0, 2));
    assert_string_equal(topic(bench), "");
    assert_true(PASS(bench, 1, 0, 7, 0x0a, 0, 0, 0, 3, 'y'));
    assert_true(PASS(bench, 1, 1, 7, 0x0b, 0, 6, 0, 3, 2));
    assert_true(PASS(bench, 1, 0, 7, 0x0c, 0x20, 0, 6, 0, 4));
    assert_string_equal(topic(bench), "");
    /* Predefined 5 is not registered 5; a session that is kept keeps its ids, a clean one not. */
    assert_true(PASS(bench, 0, 0, 7, 0x0c, 0x21, 0, 5, 0, 6));
    assert_string_equal(topic(bench), "");
    assert_true(PASS(bench, 0, 0, 7, 4, 0, 1, 0, 60, 'a'));
    assert_true(PASS(bench, 0, 0, 7, 0x0c, 0x20, 0, 5, 0, 7));
    assert_string_equal(topic(bench), "x");
    assert_true(PASS(bench, 0, 0, 7, 4, 0x04, 1, 0, 60, 'a'));
    assert_true(PASS(bench, 0, 0, 7, 0x0c, 0x20, 0, 5, 0, 8));
    assert_string_equal(topic(bench), "");
    bench_free(bench);
}

static void test_forwarders(void **state)
{
    bench_t *bench = bench_new(100);
    wl_event_t event;
    const wl_exchange_t *ex;

    (void)state;
    assert_true(PASS(bench, 0, 0, 4, 0xfe, 0, 7, 7, 0x0c, 0x20, 0, 5, 0, 2));
    assert_true(PASS(bench, 0, 0, 5, 0xfe, 0, 7, 8, 7, 0x0c, 0x20, 0, 5, 0, 2));
    ex = last_event(bench, &event);
    assert_string_equal(wl_store_text(bench->matcher.store, ex->u.mqttsn.node), "0708");
    assert_int_equal(ex->size, 7);
    /* The answer for node 7 does not end that of node 7 8, nor one without a node either. */
    assert_true(PASS(bench, 0, 1, 4, 0xfe, 0, 7, 7, 0x0d, 0, 5, 0, 2, 0));
    assert_int_equal(last_event(bench, &event)->request_frame, 1);
    assert_true(PASS(bench, 0, 1, 7, 0x0d, 0, 5, 0, 2, 0));
    last_event(bench, &event);
    assert_int_equal(event, WL_EVENT_ORPHAN);
    /* A chain of two; one that never ends. */
    assert_true(PASS(bench, 0, 0, 4, 0xfe, 0, 1, 4, 0xfe, 0, 2, 7, 0x0c, 0x20, 0, 5, 0, 2));
    ex = last_event(bench, &event);
    assert_string_equal(wl_store_text(bench->matcher.store, ex->u.mqttsn.node), "01/02");
    assert_false(PASS(bench, 0, 0, 3, 0xfe, 0, 3, 0xfe, 0, 3, 0xfe, 0, 3, 0xfe, 0, 3, 0xfe, 0, 3,
                      0xfe, 0, 2, 0x16));
    assert_false(PASS(bench, 0, 0, 9, 0xfe, 0, 1));
    bench_free(bench);
}

static void test_lengths(void **state)
{
    bench_t *bench = bench_new(100);
    wl_event_t event;

    (void)state;
    assert_true(PASS(bench, 0, 0, 1, 0, 9, 0x0c, 0x20, 0, 5, 0, 2));
    assert_int_equal(last_event(bench, &event)->size, 9);
    assert_false(PASS(bench, 0, 0, 0, 0x0c));                   /* shorter than its header */
    assert_false(PASS(bench, 0, 0, 1, 0, 3, 0x0c));             /* likewise */
    assert_false(PASS(bench, 0, 0, 2, 0x11));                   /* reserved */
    assert_false(PASS(bench, 0, 0, 2, 0x00, 1));                /* ADVERTISE asks nothing */
    assert_false(PASS(bench, 0, 0, 4, 0x0c, 0x20, 0));          /* no room for its fields */
    assert_true(PASS(bench, 0, 0, 40, 0x0c, 0x20, 0, 5, 0, 2)); /* cut: refused */
    bench_free(bench);
}

static void test_bound_of_clients(void **state)
{
    bench_t *bench = bench_new(4);
    wl_event_t event;

    (void)state;
    for (uint8_t node = 1; node <= 10; node++) {
        assert_true(PASS(bench, 0, 0, 4, 0xfe, 0, node, 7, 0x0c, 0x20, 0, 5, 0, node));
        assert_true(PASS(bench, 0, 1, 4, 0xfe, 0, node, 7, 0x0d, 0, 5, 0, node, 0));
        last_event(bench, &event);
        assert_int_equal(event, WL_EVENT_ANSWER); /* pairing needs no memory of the client */
    }
    assert_int_equal(wl_mqttsn_state_dropped(bench->state), 12);
    bench_free(bench);
}

static void test_random_bytes(void **state)
{
    GRand *dice = g_rand_new_with_seed(9);
    bench_t *bench = bench_new(50);
    unsigned messages = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[40];
        uint32_t count = (uint32_t)g_rand_int_range(dice, 0, sizeof bytes);

        for (uint32_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)g_rand_int_range(dice, 0, i < 2 ? 32 : 256);
        }
        if (g_rand_int_range(dice, 0, 4) == 0) {
            bytes[1] = WL_SN_ENCAPSULATED;
            bytes[0] = (uint8_t)g_rand_int_range(dice, 3, 8);
        }
        messages += pass(bench, round & 1, round >> 1 & 1, bytes, count);
    }
    assert_true(messages > 1000);
    g_rand_free(dice);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_ids),    cmocka_unit_test(test_forwarders),
        cmocka_unit_test(test_lengths),      cmocka_unit_test(test_bound_of_clients),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
