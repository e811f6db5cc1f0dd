/* test_kafka_body.c
 * Bodies of Kafka messages: what is read from them, and that only whole ones are believed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_bytes.h"

#include "../../plugin/kafka_body.h"

static const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static wl_kafka_result_t read_body(int api, int version, bool is_request, const kafka_bytes_t *b,
                                   wl_kafka_body_t *body)
{
    return wl_kafka_body_read(api, version, is_request, b->at, b->length, body);
}

static void assert_text(wl_kafka_text_t text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.at, expected, text.length);
}

/* Fetch v4: two topics, three partitions. */
static void fetch_request(kafka_bytes_t *b)
{
    put(b, 4, UINT32_MAX);
    put(b, 4, 500);
    put(b, 4, 1);
    put(b, 4, 1 << 20);
    put(b, 1, 0);
    put(b, 4, 2);
    put_string(b, "orders");
    put(b, 4, 2);
    for (unsigned partition = 0; partition < 2; partition++) {
        put(b, 4, partition);
        put(b, 8, 7);
        put(b, 4, 1 << 20);
    }
    put_string(b, "alerts");
    put(b, 4, 1);
    put(b, 4, 0);
    put(b, 8, 7);
    put(b, 4, 1 << 20);
}

static void test_fetch_request(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    fetch_request(&b);
    assert_int_equal(read_body(WL_KAFKA_FETCH, 4, true, &b, &body), WL_BODY_READ);
    assert_int_equal(body.max_wait_ms, 500);
    assert_int_equal(body.session_epoch, -1);
    assert_int_equal(body.topics, 2);
    assert_int_equal(body.partitions, 3);
    assert_text(body.topic, "orders");
    assert_null(body.topic_id);
}

/* Anything but the very end is refused: cut anywhere, or with a byte too many. */
static void test_only_whole_bodies(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;
    uint32_t whole;

    (void)state;
    fetch_request(&b);
    whole = b.length;
    for (b.length = 0; b.length <= whole + 1; b.length++) {
        assert_int_equal(read_body(WL_KAFKA_FETCH, 4, true, &b, &body),
                         b.length == whole ? WL_BODY_READ : WL_BODY_MALFORMED);
    }
}

/* A count or a length that the message cannot hold ends the reading at once. */
static void test_impossible_counts(void **state)
{
    kafka_bytes_t array = {.length = 0}, values = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    put_string(&array, NULL);
    put(&array, 2, 1);
    put(&array, 4, 1000);
    put(&array, 4, INT32_MAX);
    assert_int_equal(read_body(WL_KAFKA_PRODUCE, 7, true, &array, &body), WL_BODY_MALFORMED);
    put_string(&values, "group");
    put(&values, 4, 1);
    put_string(&values, "orders");
    put(&values, 4, 0x7fffffff);
    assert_int_equal(read_body(9, 1, true, &values, &body), WL_BODY_MALFORMED);
}

static void test_versions_not_known(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    put(&b, 8, 0);
    assert_int_equal(read_body(WL_KAFKA_FETCH, 19, true, &b, &body), WL_BODY_UNKNOWN);
    assert_int_equal(read_body(WL_KAFKA_FETCH, -1, false, &b, &body), WL_BODY_UNKNOWN);
    assert_int_equal(read_body(-1, 0, false, &b, &body), WL_BODY_UNKNOWN);
    assert_int_equal(read_body(4, 0, true, &b, &body), WL_BODY_UNKNOWN);
    assert_int_equal(read_body(127, 0, true, &b, &body), WL_BODY_UNKNOWN);
}

/* Produce v13: compact, by topic id, with a tagged field nobody knows. */
static void test_flexible_with_tags(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    put(&b, 1, 0); /* header tags */
    put_compact(&b, NULL);
    put(&b, 2, 1);
    put(&b, 4, 1000);
    put(&b, 1, 1 + 1);
    put_raw(&b, id, sizeof id);
    put(&b, 1, 1 + 1);
    put(&b, 4, 3);
    put_compact(&b, "records");
    put(&b, 1, 0); /* of the partition */
    put(&b, 1, 1); /* of the topic: one, number 9, two bytes */
    put(&b, 1, 9);
    put(&b, 1, 2);
    put(&b, 2, 0xabcd);
    put(&b, 1, 0);
    assert_int_equal(read_body(WL_KAFKA_PRODUCE, 13, true, &b, &body), WL_BODY_READ);
    assert_memory_equal(body.topic_id, id, sizeof id);
    assert_null(body.topic.at);
    assert_int_equal(body.topics, 1);
    assert_int_equal(body.partitions, 1);
}

/* The first error that is not 0, wherever it stands; records counted by their bytes. */
static void test_fetch_response(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    put(&b, 4, 120);
    put(&b, 4, 1);
    put_string(&b, "orders");
    put(&b, 4, 2);
    for (unsigned partition = 0; partition < 2; partition++) {
        put(&b, 4, partition);
        put(&b, 2, partition == 1 ? 6 : 0);
        put(&b, 8, 10);
        put(&b, 8, 10);
        put(&b, 4, UINT32_MAX); /* aborted transactions: null */
        put(&b, 4, partition == 0 ? 5 : UINT32_MAX);
        put_raw(&b, "12345", partition == 0 ? 5 : 0);
    }
    assert_int_equal(read_body(WL_KAFKA_FETCH, 4, false, &b, &body), WL_BODY_READ);
    assert_int_equal(body.throttle_ms, 120);
    assert_int_equal(body.error, 6);
    assert_int_equal(body.record_bytes, 5);
    assert_int_equal(body.max_wait_ms, -1);
}

/* KIP-511: the answer to a version the broker does not know is one of version 0, and the header of
 * an answer never has tags. */
static void test_api_versions(void **state)
{
    kafka_bytes_t old = {.length = 0}, flexible = {.length = 0};
    wl_kafka_body_t body;

    (void)state;
    put(&old, 2, 35);
    put(&old, 4, 1);
    put(&old, 6, 0x001200000002);
    assert_int_equal(read_body(WL_KAFKA_API_VERSIONS, 3, false, &old, &body), WL_BODY_READ);
    assert_int_equal(body.error, 35);
    put(&flexible, 2, 0);
    put(&flexible, 1, 1 + 1);
    put(&flexible, 6, 0x001200000003);
    put(&flexible, 1, 0);
    put(&flexible, 4, 0);
    put(&flexible, 1, 0);
    assert_int_equal(read_body(WL_KAFKA_API_VERSIONS, 3, false, &flexible, &body), WL_BODY_READ);
    assert_int_equal(body.throttle_ms, 0);
}

static void learned(wl_kafka_text_t name, const uint8_t *topic_id, void *user)
{
    assert_text(name, "orders");
    assert_memory_equal(topic_id, id, sizeof id);
    (*(unsigned *)user)++;
}

/* Metadata v12: a topic with name and id is learned, one without a name is not. */
static void test_topics_are_learned(void **state)
{
    kafka_bytes_t b = {.length = 0};
    wl_kafka_body_t body;
    unsigned count = 0;

    (void)state;
    put(&b, 1, 0);
    put(&b, 4, 0);
    put(&b, 1, 0 + 1); /* brokers */
    put_compact(&b, "cluster");
    put(&b, 4, 1);
    put(&b, 1, 2 + 1);
    for (unsigned topic = 0; topic < 2; topic++) {
        put(&b, 2, topic == 1 ? 100 : 0);
        put_compact(&b, topic == 0 ? "orders" : NULL);
        put_raw(&b, id, sizeof id);
        put(&b, 1, 0);
        put(&b, 1, 0 + 1); /* partitions */
        put(&b, 4, 0);
        put(&b, 1, 0);
    }
    put(&b, 1, 0);
    assert_int_equal(read_body(WL_KAFKA_METADATA, 12, false, &b, &body), WL_BODY_READ);
    assert_int_equal(body.error, 100);
    wl_kafka_body_topics(WL_KAFKA_METADATA, 12, b.at, b.length, learned, &count);
    assert_int_equal(count, 1);
}

/* Whatever comes is read within its bytes, in every API and version, and in no time. The bytes lie
 * in memory of their very size, so that a sanitizer sees one too many. */
static void test_random_bytes(void **state)
{
    static const uint8_t common[] = {0, 0, 0, 0, 1, 2, 3, 0xff};
    uint32_t random = 1;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint32_t length = round % 61;
        uint8_t *bytes = malloc(length + 1);
        wl_kafka_body_t body;

        for (uint32_t i = 0; i < length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i + 1] = random >> 31 ? common[random >> 24 & 7] : (uint8_t)(random >> 16);
        }
        wl_kafka_body_read((int)(round % 74), (int)(round / 74 % 20), round & 1, bytes + 1, length,
                           &body);
        free(bytes);
    }
}

/* The tables themselves: every array ends, and no version is left without its tags. */
static void test_schemas_are_closed(void **state)
{
    (void)state;
    for (int api = 0; api < 128; api++) {
        const wl_kafka_schema_t *schema = wl_kafka_schema(api);
        const wl_kafka_field_t *bodies[] = {schema != NULL ? schema->request : NULL,
                                            schema != NULL ? schema->response : NULL};

        for (unsigned i = 0; schema != NULL && i < 2; i++) {
            int depth = 0;
            for (const wl_kafka_field_t *field = bodies[i]; field->type != WL_KAFKA_STOP; field++) {
                depth += field->type == WL_KAFKA_ARRAY;
                depth -= field->type == WL_KAFKA_END;
                assert_true(depth >= 0);
                assert_true(field->from < schema->versions);
                assert_true(field->before == 0 || field->before > field->from);
            }
            assert_int_equal(depth, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_request),      cmocka_unit_test(test_only_whole_bodies),
        cmocka_unit_test(test_impossible_counts),  cmocka_unit_test(test_versions_not_known),
        cmocka_unit_test(test_flexible_with_tags), cmocka_unit_test(test_fetch_response),
        cmocka_unit_test(test_api_versions),       cmocka_unit_test(test_topics_are_learned),
        cmocka_unit_test(test_random_bytes),       cmocka_unit_test(test_schemas_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
