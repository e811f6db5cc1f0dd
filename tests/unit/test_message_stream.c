/* test_message_stream.c
 * A run of MQTT packets cut into messages in every way, with messages missing or cut, and with more
 * of it than the bound of memory allows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/message_stream.h"

typedef struct {
    wl_message_stream_t stream;
    wl_packet_pool_t pool;
    GArray *steps;
    GByteArray *read; /* whole packets, back to back */
    unsigned skipped; /* in SKIP steps */
    uint32_t frame;
} reader_t;

static reader_t *reader_new(void)
{
    reader_t *reader = g_new0(reader_t, 1);

    reader->pool.max_held = 1 << 20;
    reader->stream.allocator = wmem_allocator_new(WMEM_ALLOCATOR_SIMPLE);
    reader->stream.pool = &reader->pool;
    reader->stream.rule = wl_header_mqtt;
    reader->steps = g_array_new(FALSE, FALSE, sizeof(wl_step_t));
    reader->read = g_byte_array_new();
    return reader;
}

static void reader_free(reader_t *reader)
{
    wl_message_stream_clear(&reader->stream);
    wmem_destroy_allocator(reader->stream.allocator);
    g_array_free(reader->steps, TRUE);
    g_byte_array_free(reader->read, TRUE);
    g_free(reader);
}

/* One message, of which only `known` bytes are there. */
static void take(reader_t *reader, const uint8_t *bytes, uint32_t length, uint32_t known,
                 bool doubtful)
{
    wl_transport_message_t message = {++reader->frame, bytes, known, length, doubtful};
    uint64_t start = reader->stream.at;
    uint32_t at = 0;

    g_array_set_size(reader->steps, 0);
    wl_message_stream_take(&reader->stream, &message, reader->steps);
    assert_int_equal(reader->stream.at, start + length);
    for (unsigned i = 0; i < reader->steps->len; i++) {
        const wl_step_t *step = &g_array_index(reader->steps, wl_step_t, i);

        assert_true(step->length > 0);
        if (step->kind == WL_STEP_WHOLE) {
            g_byte_array_append(reader->read, bytes + at, step->length);
        } else if (step->kind == WL_STEP_END) {
            assert_int_equal(step->packet->have, step->packet->length);
            assert_int_equal(step->packet->last_frame, reader->frame);
            g_byte_array_append(reader->read, step->packet->bytes, step->packet->known);
        } else if (step->kind == WL_STEP_SKIP) {
            reader->skipped += step->length;
        }
        at += step->length;
    }
    assert_int_equal(at, length);
}

static void add_packet(GByteArray *run, uint8_t head, const void *body, uint32_t length,
                       uint32_t payload)
{
    uint32_t rest = length + payload;

    g_byte_array_append(run, &head, 1);
    do {
        uint8_t byte = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
        g_byte_array_append(run, &byte, 1);
        rest >>= 7;
    } while (rest > 0);
    g_byte_array_append(run, body, length);
    for (uint32_t i = 0; i < payload; i++) {
        uint8_t byte = (uint8_t)(i * 37 + (i >> 3));
        g_byte_array_append(run, &byte, 1);
    }
}

static void add_publish(GByteArray *run, uint8_t id, uint32_t payload)
{
    uint8_t body[] = {0, 7, 'p', 'l', 'a', 'n', 't', '/', '1', 0, id};

    add_packet(run, 0x32, body, sizeof body, payload);
}

static GByteArray *conversation(void)
{
    static const uint8_t ack[] = {0, 9};
    GByteArray *run = g_byte_array_new();

    add_publish(run, 1, 20);
    add_packet(run, 0x40, ack, sizeof ack, 0);
    add_packet(run, 0xc0, NULL, 0, 0);
    add_publish(run, 2, 300);
    add_packet(run, 0x62, ack, sizeof ack, 0);
    add_publish(run, 3, 20000);
    add_publish(run, 4, 0);
    return run;
}

static void test_every_cut(void **state)
{
    GByteArray *run = conversation();

    (void)state;
    for (uint32_t size = 1; size < 400; size++) {
        reader_t *reader = reader_new();

        for (uint32_t at = 0; at < run->len; at += size) {
            take(reader, run->data + at, MIN(size, run->len - at), MIN(size, run->len - at), false);
        }
        assert_int_equal(reader->read->len, run->len);
        assert_memory_equal(reader->read->data, run->data, run->len);
        assert_int_equal(reader->pool.held, 0);
        assert_int_equal(reader->skipped, 0);
        assert_int_equal(wl_message_stream_needed(&reader->stream), run->len);
        reader_free(reader);
    }
    g_byte_array_free(run, TRUE);
}

/* The fields of a packet as messages of their own: type, length, topic, id, payload. */
static void send_fields(reader_t *reader, const GByteArray *packet, unsigned missing)
{
    static const uint32_t fields[] = {1, 1, 2, 7, 2, UINT32_MAX};
    bool gap = false;

    for (uint32_t at = 0, i = 0; at < packet->len; i++) {
        uint32_t size = MIN(fields[i], packet->len - at);

        if (i != missing) {
            take(reader, packet->data + at, size, size, gap);
        }
        gap = i == missing;
        at += size;
    }
}

static void test_a_field_is_missing(void **state)
{
    GByteArray *packet = g_byte_array_new();

    (void)state;
    add_publish(packet, 5, 40);
    for (unsigned missing = 0; missing < 5; missing++) {
        reader_t *reader = reader_new();
        unsigned found = 0;

        send_fields(reader, packet, UINT32_MAX);
        send_fields(reader, packet, missing);
        for (unsigned i = 0; i < 6; i++) {
            send_fields(reader, packet, UINT32_MAX);
        }
        /* The first one, and those behind the gap but for at most two. */
        for (uint32_t at = 0; at + packet->len <= reader->read->len; at++) {
            found += memcmp(reader->read->data + at, packet->data, packet->len) == 0;
        }
        assert_between(found, 5, 7);
        assert_false(reader->stream.lost);
        reader_free(reader);
    }
    g_byte_array_free(packet, TRUE);
}

/* Whole packets as messages, one in the middle of a long packet lost: back at once. */
static void test_a_message_is_missing(void **state)
{
    GByteArray *packet = g_byte_array_new(), *other = g_byte_array_new();
    reader_t *reader = reader_new();

    (void)state;
    add_publish(packet, 6, 5000);
    add_publish(other, 7, 10);
    take(reader, packet->data, 1000, 1000, false);
    take(reader, packet->data + 2000, packet->len - 2000, packet->len - 2000, true);
    take(reader, other->data, other->len, other->len, false);
    take(reader, other->data, other->len, other->len, false);
    assert_memory_equal(reader->read->data + reader->read->len - other->len, other->data,
                        other->len);
    assert_false(reader->stream.lost);
    assert_true(reader->stream.skipped > 0);
    reader_free(reader);
    g_byte_array_free(packet, TRUE);
    g_byte_array_free(other, TRUE);
}

/* Bytes are missing at the end of a message, and their number is known. */
static void test_cut_message(void **state)
{
    GByteArray *run = g_byte_array_new(), *next = g_byte_array_new();
    reader_t *reader = reader_new();

    (void)state;
    add_publish(run, 8, 1000);
    add_publish(next, 9, 10);
    take(reader, run->data, run->len, 600, false);
    assert_int_equal(reader->read->len, 600);
    take(reader, next->data, next->len, next->len, false);
    assert_int_equal(reader->read->len, 600 + next->len);
    assert_int_equal(reader->stream.skipped, 0);
    reader_free(reader);
    g_byte_array_free(run, TRUE);
    g_byte_array_free(next, TRUE);
}

static void test_bound(void **state)
{
    static const uint8_t claims_much[] = {0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a'};
    uint8_t payload[1000] = {0};
    GByteArray *next = g_byte_array_new();
    reader_t *reader = reader_new();

    (void)state;
    reader->pool.max_held = 10000;
    take(reader, claims_much, sizeof claims_much, sizeof claims_much, false);
    assert_true(reader->stream.packet->capacity < 100);
    for (unsigned i = 0; i < 20; i++) {
        take(reader, payload, sizeof payload, sizeof payload, false);
        assert_true(reader->pool.held <= reader->pool.max_held);
    }
    assert_int_equal(reader->pool.dropped, 1);
    assert_int_equal(reader->pool.held, 0);
    assert_true(reader->stream.lost);
    assert_int_equal(reader->stream.skipped, sizeof claims_much + 20 * sizeof payload);
    add_publish(next, 1, 10);
    take(reader, next->data, next->len, next->len, false);
    assert_int_equal(reader->read->len, next->len);
    assert_false(reader->stream.lost);
    reader_free(reader);
    g_byte_array_free(next, TRUE);
}

static void test_random_bytes(void **state)
{
    GRand *dice = g_rand_new_with_seed(7);

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        reader_t *reader = reader_new();

        reader->pool.max_held = 2000;
        for (unsigned i = 0; i < 60; i++) {
            uint8_t bytes[64];
            uint32_t length = (uint32_t)g_rand_int_range(dice, 1, sizeof bytes);

            for (uint32_t k = 0; k < length; k++) {
                bytes[k] = (uint8_t)g_rand_int_range(dice, 0, round % 2 == 0 ? 256 : 70);
            }
            take(reader, bytes, length, g_rand_boolean(dice) ? length : length / 2,
                 g_rand_int_range(dice, 0, 5) == 0);
            assert_true(reader->pool.held <= reader->pool.max_held);
            assert_true(reader->stream.skipped >= 0);
        }
        reader_free(reader);
    }
    g_rand_free(dice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_a_field_is_missing),
        cmocka_unit_test(test_a_message_is_missing),
        cmocka_unit_test(test_cut_message),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
