/* test_frame_rules.c
 * Where messages begin and end: whole ones, split headers, and finding the way back from inside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <glib.h>

#include "../../plugin/frame_rules.h"

static const wl_frame_context_t any = {0};
static const wl_frame_context_t request = {.is_request = true};

/* PUBLISH QoS 1, topic "plant/1", id 1, payload of the given size. */
static GByteArray *publish(unsigned payload)
{
    static const uint8_t head[] = {0, 7, 'p', 'l', 'a', 'n', 't', '/', '1', 0, 1};
    GByteArray *packet = g_byte_array_new();
    unsigned remaining = sizeof head + payload;
    uint8_t byte = 0x32;

    g_byte_array_append(packet, &byte, 1);
    do {
        byte = (uint8_t)((remaining & 0x7f) | (remaining > 0x7f ? 0x80 : 0));
        g_byte_array_append(packet, &byte, 1);
        remaining >>= 7;
    } while (remaining > 0);
    g_byte_array_append(packet, head, sizeof head);
    for (unsigned i = 0; i < payload; i++) {
        byte = (uint8_t)(i * 37 + (i >> 3)); /* binary, with every byte value */
        g_byte_array_append(packet, &byte, 1);
    }
    return packet;
}

static void test_mqtt_header_split_anywhere(void **state)
{
    GByteArray *packet = publish(20000); /* a length of three bytes */
    uint32_t length, tail;
    bool split;

    (void)state;
    for (uint32_t n = 1; n <= 3; n++) {
        assert_int_equal(wl_header_mqtt(packet->data, n, &any, &length), WL_HEADER_INCOMPLETE);
        assert_int_equal(wl_frame_whole(wl_header_mqtt, packet->data, n, &any, 2, &split, &tail),
                         0);
        assert_int_equal(split, n >= 2); /* one byte the dissector waits for by itself */
    }
    assert_int_equal(wl_frame_whole(wl_header_mqtt, packet->data, 4, &any, 2, &split, &tail), 0);
    assert_false(split);
    assert_int_equal(tail, packet->len);
    assert_int_equal(
        wl_frame_whole(wl_header_mqtt, packet->data, packet->len, &any, 2, &split, &tail),
        packet->len);
    assert_int_equal(tail, 0);
    g_byte_array_free(packet, TRUE);
}

static void test_mqtt_finds_the_next_packet(void **state)
{
    GByteArray *bytes = publish(3000), *next = publish(50);
    uint32_t begins = bytes->len;

    (void)state;
    g_byte_array_append(bytes, next->data, next->len);
    /* From any place inside the first packet the second is found, and never an earlier place. */
    for (uint32_t from = 20; from < begins; from += 7) {
        assert_int_equal(
            from + wl_frame_find(wl_header_mqtt, bytes->data + from, bytes->len - from, &any),
            begins);
    }
    assert_int_equal(wl_frame_find(wl_header_mqtt, bytes->data, bytes->len, &any), 0);
    g_byte_array_free(bytes, TRUE);
    g_byte_array_free(next, TRUE);
}

static void test_mqtt_shapes(void **state)
{
    static const struct {
        uint8_t bytes[6];
        uint32_t length;
        wl_header_t expected;
    } cases[] = {
        {{0x40, 0x02, 0x00, 0x01}, 4, WL_HEADER_WEAK},       /* PUBACK */
        {{0x41, 0x02, 0x00, 0x01}, 4, WL_HEADER_IMPOSSIBLE}, /* with a reserved flag */
        {{0x62, 0x02, 0x00, 0x01}, 4, WL_HEADER_WEAK},       /* PUBREL */
        {{0x60, 0x02, 0x00, 0x01}, 4, WL_HEADER_IMPOSSIBLE},
        {{0x6a, 0x02, 0x00, 0x01}, 4, WL_HEADER_WEAK}, /* 3.1: PUBREL again */
        {{0xc0, 0x00}, 2, WL_HEADER_WEAK},             /* PINGREQ */
        {{0xc0, 0x01, 0x00}, 3, WL_HEADER_IMPOSSIBLE},
        {{0x36, 0x04, 0x00, 0x01, 'a', 'b'}, 6, WL_HEADER_IMPOSSIBLE}, /* QoS 3 */
        {{0x30, 0x03, 0x00, 0x09, 'a'}, 5, WL_HEADER_IMPOSSIBLE},      /* topic beyond the end */
        {{0x30, 0x03, 0x00, 0x01, '#'}, 5, WL_HEADER_IMPOSSIBLE},      /* wildcard */
        {{0x10, 0x04, 0x00, 0x04, 'H', 'T'}, 6, WL_HEADER_IMPOSSIBLE}, /* no CONNECT */
        {{0x00, 0x00}, 2, WL_HEADER_IMPOSSIBLE},
        {{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f}, 6, WL_HEADER_IMPOSSIBLE}, /* five length bytes */
    };
    uint32_t length;

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_int_equal(wl_header_mqtt(cases[i].bytes, cases[i].length, &any, &length),
                         cases[i].expected);
    }
}

static void append_request(GByteArray *bytes, int32_t id, unsigned body)
{
    uint32_t size = 10 + 5 + body;
    uint8_t head[] = {0,
                      (uint8_t)(size >> 16),
                      (uint8_t)(size >> 8),
                      (uint8_t)size,
                      0,
                      1,
                      0,
                      11,
                      0,
                      0,
                      (uint8_t)(id >> 8),
                      (uint8_t)id,
                      0,
                      5,
                      'c',
                      'l',
                      'i',
                      'n',
                      't'};

    g_byte_array_append(bytes, head, sizeof head);
    for (unsigned i = 0; i < body; i++) {
        uint8_t byte = (uint8_t)(i * 101 + 7);
        g_byte_array_append(bytes, &byte, 1);
    }
}

static void test_kafka_request_found_inside(void **state)
{
    GByteArray *bytes = g_byte_array_new();
    uint32_t begins;

    (void)state;
    append_request(bytes, 300, 5000);
    begins = bytes->len;
    append_request(bytes, 301, 40);
    for (uint32_t from = 30; from < begins; from += 11) {
        assert_int_equal(
            from + wl_frame_find(wl_header_kafka, bytes->data + from, bytes->len - from, &request),
            begins);
    }
    g_byte_array_free(bytes, TRUE);
}

static void test_kafka_response_needs_a_known_id(void **state)
{
    uint8_t response[] = {0, 0, 0, 10, 0, 0, 0, 42, 0, 0, 0, 0};
    wl_frame_context_t context = {.ids_known = true, .first_id = 40, .last_id = 50};
    uint32_t length;

    (void)state;
    assert_int_equal(wl_header_kafka(response, sizeof response, &context, &length),
                     WL_HEADER_STRONG);
    assert_int_equal(length, 14);
    response[7] = 51;
    assert_int_equal(wl_header_kafka(response, sizeof response, &context, &length),
                     WL_HEADER_IMPOSSIBLE);
    context.ids_known = false;
    assert_int_equal(wl_header_kafka(response, sizeof response, &context, &length), WL_HEADER_WEAK);
    response[0] = 0x7f; /* two gigabytes */
    assert_int_equal(wl_header_kafka(response, sizeof response, &context, &length),
                     WL_HEADER_IMPOSSIBLE);
}

/* No bytes whatever may be read beyond the end: each run gets a buffer of exactly its size. */
static void test_random_bytes_stay_inside(void **state)
{
    uint64_t random = 7;

    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        uint32_t length = run % 61, tail;
        uint8_t *bytes = malloc(length + 1);
        bool split;

        for (uint32_t i = 0; i < length; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            bytes[i] = (uint8_t)(random >> 56) & (run & 1 ? 0x3f : 0xff);
        }
        bytes = realloc(bytes, MAX(length, 1));
        wl_frame_find(wl_header_mqtt, bytes, length, &any);
        wl_frame_find(wl_header_kafka, bytes, length, &request);
        assert_true(wl_frame_whole(wl_header_mqtt, bytes, length, &any, 2, &split, &tail) <=
                    length);
        assert_true(wl_frame_whole(wl_header_kafka, bytes, length, &request, 4, &split, &tail) <=
                    length);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mqtt_header_split_anywhere),
        cmocka_unit_test(test_mqtt_finds_the_next_packet),
        cmocka_unit_test(test_mqtt_shapes),
        cmocka_unit_test(test_kafka_request_found_inside),
        cmocka_unit_test(test_kafka_response_needs_a_known_id),
        cmocka_unit_test(test_random_bytes_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
