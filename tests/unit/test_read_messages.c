/* test_read_messages.c
 * Headers of MQTT and Kafka from their bytes: whole, of every version, and cut anywhere.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/read_messages.h"

static wl_store_t *store;
static wl_stream_t stream;

static int set_up(void **state)
{
    (void)state;
    store = wl_store_new();
    memset(&stream, 0, sizeof stream);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wl_store_free(store);
    return 0;
}

/* Reads from a buffer of exactly that size, so that a sanitizer sees every byte too far. */
static bool read_mqtt(const void *bytes, uint32_t count, uint32_t captured,
                      wl_mqtt_message_t *message)
{
    uint8_t *exact = malloc(count + !count);
    bool result;

    memcpy(exact, bytes, count);
    *message = (wl_mqtt_message_t){.message.stream = &stream};
    result = wl_read_mqtt(exact, count, captured, store, message);
    free(exact);
    return result;
}

static bool read_kafka(const void *bytes, uint32_t count, bool is_request,
                       wl_kafka_message_t *message)
{
    uint8_t *exact = malloc(count + !count);
    bool result;

    memcpy(exact, bytes, count);
    *message = (wl_kafka_message_t){.message.stream = &stream, .is_request = is_request};
    result = wl_read_kafka(exact, count, count, store, message);
    free(exact);
    return result;
}

static const char *text(wl_string_t string)
{
    return wl_store_text(store, string);
}

/* CONNECT 5.0: properties session expiry and receive maximum, client "cl". */
static const uint8_t connect5[] = {0x10, 23, 0, 4, 'M', 'Q',  'T', 'T', 5, 2, 0,   60, 8,
                                   0x11, 0,  0, 0, 9,   0x21, 0,   7,   0, 2, 'c', 'l'};
/* CONNACK 5.0: reason 0, assigned client id "as". */
static const uint8_t connack5[] = {0x20, 8, 0, 0, 5, 0x12, 0, 2, 'a', 's'};
/* PUBLISH 5.0 QoS 1, topic "t/1", id 258, user property, topic alias 3, payload "x". */
static const uint8_t publish5[] = {0x32, 19, 0,   3, 't', '/', '1',  1, 2, 10, 0x26,
                                   0,    1,  'k', 0, 1,   'v', 0x23, 0, 3, 'x'};

static void test_mqtt_5(void **state)
{
    wl_mqtt_message_t m;

    (void)state;
    assert_true(read_mqtt(connect5, sizeof connect5, sizeof connect5, &m));
    assert_int_equal(m.version, 5);
    assert_string_equal(text(m.client), "cl");
    stream.mqtt.version = 5;
    assert_true(read_mqtt(connack5, sizeof connack5, sizeof connack5, &m));
    assert_string_equal(text(m.client), "as");
    assert_int_equal(m.reason, 0);
    assert_true(read_mqtt(publish5, sizeof publish5, sizeof publish5, &m));
    assert_string_equal(text(m.topic), "t/1");
    assert_int_equal(m.id, 258);
    assert_int_equal(m.topic_alias, 3);
    assert_int_equal(m.message.size, sizeof publish5);
    assert_false(m.message.cut);
    assert_true(read_mqtt(publish5, sizeof publish5, sizeof publish5 - 1, &m));
    assert_true(m.message.cut);
}

static void test_reason_codes(void **state)
{
    static const struct {
        uint8_t version;
        uint8_t bytes[10];
        uint32_t size;
        int expected;
    } cases[] = {
        {4, {0x40, 2, 0, 1}, 4, WL_REASON_NONE},
        {5, {0x40, 2, 0, 1}, 4, WL_REASON_NONE}, /* 5.0 may leave success out */
        {5, {0x40, 3, 0, 1, 0x10}, 5, 0x10},
        {5, {0x50, 4, 0, 1, 0x97, 0}, 6, 0x97},
        {4, {0x20, 2, 0, 5}, 4, 5},
        {4, {0x90, 3, 0, 1, 0x80}, 5, 0x80},
        {5, {0x90, 8, 0, 1, 4, 0x1f, 0, 1, 'r', 0x87}, 10, 0x87}, /* behind a reason string */
        {0, {0x90, 3, 0, 1, 0x80}, 5, WL_REASON_NONE},
        {4, {0xb0, 2, 0, 1}, 4, WL_REASON_NONE},
        {5, {0xb0, 4, 0, 1, 0, 0x11}, 6, 0x11},
        {5, {0xe0, 1, 0x8e}, 3, 0x8e},
        {5, {0xf0, 2, 0x18, 0}, 4, 0x18},
        {4, {0xd0, 0}, 2, WL_REASON_NONE},
    };

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        wl_mqtt_message_t m;

        stream.mqtt.version = cases[i].version;
        assert_true(read_mqtt(cases[i].bytes, cases[i].size, cases[i].size, &m));
        assert_int_equal(m.reason, cases[i].expected);
    }
}

static void test_kafka_acks_by_version(void **state)
{
    static const struct {
        uint8_t version;
        uint8_t body[12];
        uint8_t size;
        int expected;
    } cases[] = {
        {2, {0, 1}, 2, 1},
        {3, {0xff, 0xff, 0xff, 0xff}, 4, -1},            /* null transactional id */
        {7, {0, 2, 't', 'x', 0, 0}, 6, 0},               /* "tx" */
        {9, {0, 0, 0xff, 0xff}, 4, -1},                  /* no tags, compact null */
        {13, {0, 3, 't', 'x', 0, 1}, 6, 1},              /* compact "tx" */
        {13, {1, 5, 0, 0, 1}, 5, WL_KAFKA_ACKS_UNKNOWN}, /* tags nobody defined */
        {3, {0xff, 0xff, 0, 9}, 4, WL_KAFKA_ACKS_UNKNOWN},
        {3, {0xff}, 1, WL_KAFKA_ACKS_UNKNOWN},
    };

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t bytes[64] = {0,    0,    0,    (uint8_t)(12 + cases[i].size),
                             0,    0,    0,    cases[i].version,
                             0xff, 0xff, 0xff, 0xfe,
                             0,    2,    'i',  'd'};
        wl_kafka_message_t m;

        memcpy(bytes + 16, cases[i].body, cases[i].size);
        assert_true(read_kafka(bytes, 16u + cases[i].size, true, &m));
        assert_int_equal(m.acks, cases[i].expected);
        assert_int_equal(m.correlation_id, -2);
        assert_string_equal(text(m.client), "id");
    }
}

static void test_kafka_response(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 6, 0, 0, 1, 0, 9, 9};
    wl_kafka_message_t m;

    (void)state;
    assert_true(read_kafka(bytes, sizeof bytes, false, &m));
    assert_int_equal(m.correlation_id, 256);
    assert_int_equal(m.message.size, sizeof bytes);
    assert_false(read_kafka(bytes, 7, false, &m));
}

/* Names that are no UTF-8 become such: they go to trees and tables. */
static void test_names_are_made_valid(void **state)
{
    static const uint8_t publish[] = {0x30, 6, 0, 4, 'a', 0xff, 0, 'b'};
    wl_mqtt_message_t m;

    (void)state;
    assert_true(read_mqtt(publish, sizeof publish, sizeof publish, &m));
    assert_true(g_utf8_validate(text(m.topic), -1, NULL));
    assert_int_equal(text(m.topic)[0], 'a');
}

static void test_cut_anywhere(void **state)
{
    const struct {
        const uint8_t *bytes;
        uint32_t size;
    } packets[] = {
        {connect5, sizeof connect5}, {connack5, sizeof connack5}, {publish5, sizeof publish5}};
    wl_mqtt_message_t m;
    wl_kafka_message_t k;

    (void)state;
    stream.mqtt.version = 5;
    for (unsigned i = 0; i < G_N_ELEMENTS(packets); i++) {
        for (uint32_t count = 0; count < packets[i].size; count++) {
            if (read_mqtt(packets[i].bytes, count, count, &m)) {
                assert_true(m.message.cut);
            }
            read_kafka(packets[i].bytes, count, true, &k);
            read_kafka(packets[i].bytes, count, false, &k);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_mqtt_5),
        CASE(test_reason_codes),
        CASE(test_kafka_acks_by_version),
        CASE(test_kafka_response),
        CASE(test_names_are_made_valid),
        CASE(test_cut_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
