/* test_match.c
 * The matching rules of Kafka and MQTT, message by message: each rule and each anomaly as its own
 * case. Times are small made-up nanoseconds, one frame a message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/match_kafka.h"
#include "../../plugin/match_mqtt.h"
#include "../../plugin/mqtt_state.h"

enum { CLIENT, BROKER };

typedef struct {
    wl_matcher_t matcher;
    wl_segment_t segment;
    wl_stream_t *stream;
    uint32_t frame;
} bench_t;

static int set_up(void **state)
{
    bench_t *b = calloc(1, sizeof *b);

    b->matcher.store = wl_store_new();
    b->matcher.streams = wl_streams_new(100);
    b->matcher.pending = wl_pending_new(4, 100, wl_match_evicted, &b->matcher);
    b->matcher.health = wl_health_new();
    b->matcher.kafka = wl_kafka_state_new(90);
    b->matcher.mqtt = wl_mqtt_state_new(60000000000, 1000);
    b->segment = (wl_segment_t){.stream = 3, .source_port = 40000, .destination_port = 1883};
    b->stream = wl_streams_get(b->matcher.streams, &b->segment);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench_t *b = *state;

    wl_pending_free(b->matcher.pending);
    wl_streams_free(b->matcher.streams);
    wl_store_free(b->matcher.store);
    wl_health_free(b->matcher.health);
    wl_kafka_state_free(b->matcher.kafka);
    wl_mqtt_state_free(b->matcher.mqtt);
    free(b);
    return 0;
}

/* The next message: it came whole with the next frame, at frame * 1000 ns. */
static wl_message_t message(bench_t *b, unsigned from)
{
    b->frame++;
    return (wl_message_t){.stream = b->stream,
                          .direction = from,
                          .frame = b->frame,
                          .first_ns = b->frame * 1000,
                          .last_ns = b->frame * 1000,
                          .size = 100};
}

static uint32_t event_count(const bench_t *b, uint32_t frame)
{
    uint32_t count;

    wl_store_events(b->matcher.store, frame, &count);
    return count;
}

/* The only event of a frame. */
static wl_record_t event_of(const bench_t *b, uint32_t frame)
{
    wl_record_t record = {0};
    uint32_t count, first = wl_store_events(b->matcher.store, frame, &count);

    assert_int_equal(count, 1);
    wl_store_event(b->matcher.store, first, &record);
    return record;
}

static int32_t findings(const bench_t *b, wl_health_kind_t kind)
{
    int32_t sum = 0;

    for (uint32_t frame = 1; frame <= b->frame; frame++) {
        uint32_t count;
        const wl_finding_t *found = wl_health_find(b->matcher.health, frame, &count);
        for (uint32_t i = 0; i < count; i++) {
            sum += found[i].kind == kind ? found[i].amount : 0;
        }
    }
    return sum;
}

/* Kafka */

static bool kafka_request(bench_t *b, int32_t id, int16_t api, int16_t acks)
{
    wl_kafka_message_t m = {.message = message(b, CLIENT),
                            .is_request = true,
                            .length = 96,
                            .correlation_id = id,
                            .api = api,
                            .version = 13,
                            .acks = acks};
    return wl_kafka_match(&b->matcher, &m);
}

static bool kafka_response(bench_t *b, int32_t id)
{
    wl_kafka_message_t m = {
        .message = message(b, BROKER), .length = 40, .correlation_id = id, .api = -1};
    return wl_kafka_match(&b->matcher, &m);
}

static void test_kafka_pairs_by_id(void **state)
{
    bench_t *b = *state;
    wl_record_t record;

    kafka_request(b, 10, 0, -1); /* frame 1 */
    kafka_request(b, 11, 1, WL_KAFKA_ACKS_UNKNOWN);
    kafka_request(b, 12, 3, WL_KAFKA_ACKS_UNKNOWN);
    kafka_response(b, 11); /* frame 4: out of order is no matter */
    kafka_response(b, 10);
    record = event_of(b, 4);
    assert_int_equal(record.event, WL_EVENT_ANSWER);
    assert_int_equal(record.ex->request_frame, 2);
    assert_int_equal(record.ex->u.kafka.api, 1);
    assert_int_equal(record.ex->u.kafka.inflight, 2);
    assert_int_equal(wl_record_ns(&record, WL_TIME_ANSWER_LAST) -
                         wl_record_ns(&record, WL_TIME_REQUEST_FIRST),
                     2000);
    assert_int_equal(event_of(b, 5).ex->request_frame, 1);
    assert_int_equal(event_of(b, 3).ex->u.kafka.inflight, 3);
    assert_true(wl_exchange_open(event_of(b, 3).ex));
}

static void test_kafka_acks_0_is_one_way(void **state)
{
    bench_t *b = *state;
    wl_record_t record;

    kafka_request(b, 1, WL_KAFKA_PRODUCE, 0);
    record = event_of(b, 1);
    assert_true(record.ex->flags & WL_ONE_WAY);
    assert_false(wl_exchange_open(record.ex));
    assert_int_equal(wl_pending_open(b->matcher.pending, 3), 0);
    /* One that answers it all the same is no answer to anything. */
    kafka_response(b, 1);
    assert_int_equal(event_of(b, 2).event, WL_EVENT_ORPHAN);
}

static void test_kafka_id_reused_in_flight(void **state)
{
    bench_t *b = *state;

    kafka_request(b, 5, 0, -1);
    kafka_request(b, 5, 3, WL_KAFKA_ACKS_UNKNOWN);
    kafka_response(b, 5);
    kafka_response(b, 5);
    assert_true(event_of(b, 1).ex->flags & WL_ID_TAKEN);
    assert_true(wl_exchange_open(event_of(b, 1).ex));
    assert_true(event_of(b, 2).ex->flags & WL_REUSED_ID);
    assert_int_equal(event_of(b, 3).ex->u.kafka.api, 3);
    assert_int_equal(event_of(b, 4).event, WL_EVENT_DUPLICATE);
}

static void test_kafka_gates(void **state)
{
    bench_t *b = *state;
    static const struct {
        int32_t length;
        int16_t api, version;
        bool cut;
    } bad[] = {{7, 0, 0, false},   {96, -1, 0, false}, {96, 128, 0, false},
               {96, 0, -1, false}, {96, 0, 32, false}, {INT32_MAX, 0, 0, false},
               {96, 0, 0, true}};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        wl_kafka_message_t m = {.message = message(b, CLIENT),
                                .is_request = true,
                                .length = bad[i].length,
                                .api = bad[i].api,
                                .version = bad[i].version};
        m.message.cut = bad[i].cut;
        assert_false(wl_kafka_match(&b->matcher, &m));
        assert_int_equal(event_count(b, b->frame), 0);
    }
    assert_int_equal(findings(b, WL_HEALTH_GATED), G_N_ELEMENTS(bad));
    assert_int_equal(wl_pending_open(b->matcher.pending, 3), 0);
}

static void test_kafka_eviction_is_noted(void **state)
{
    bench_t *b = *state;

    for (int32_t id = 0; id < 6; id++) { /* the bound is 4 */
        kafka_request(b, id, 1, WL_KAFKA_ACKS_UNKNOWN);
    }
    kafka_response(b, 0);
    assert_true(event_of(b, 1).ex->flags & WL_EVICTED);
    assert_int_equal(event_of(b, 7).event, WL_EVENT_ORPHAN);
    assert_int_equal(findings(b, WL_HEALTH_EVICTED), 2);
    assert_int_equal(findings(b, WL_HEALTH_ORPHAN), 1);
}

/* MQTT */

static bool mqtt(bench_t *b, unsigned from, uint8_t header, uint16_t id, int16_t reason)
{
    wl_mqtt_message_t m = {.message = message(b, from),
                           .header = header,
                           .has_id = id != 0,
                           .id = id,
                           .reason = reason};
    return wl_mqtt_match(&b->matcher, &m);
}

#define NO_REASON WL_REASON_NONE
#define PACKET(type, flags) ((uint8_t)((type) << 4 | (flags)))
#define PUBLISH_QOS(qos) PACKET(WL_PUBLISH, (qos) << 1)
#define PUBLISH_DUP(qos) PACKET(WL_PUBLISH, (qos) << 1 | 8)

static void test_mqtt_same_id_in_both_directions(void **state)
{
    bench_t *b = *state;

    mqtt(b, CLIENT, PACKET(WL_SUBSCRIBE, 2), 1, NO_REASON); /* tells who the client is */
    mqtt(b, CLIENT, PUBLISH_QOS(1), 1, NO_REASON);
    mqtt(b, BROKER, PUBLISH_QOS(1), 1, NO_REASON);
    mqtt(b, CLIENT, PACKET(WL_PUBACK, 0), 1, NO_REASON); /* frame 4 answers frame 3 */
    mqtt(b, BROKER, PACKET(WL_PUBACK, 0), 1, NO_REASON); /* frame 5 answers frame 2 */
    mqtt(b, BROKER, PACKET(WL_SUBACK, 0), 1, 0);         /* frame 6 answers frame 1 */
    assert_int_equal(event_of(b, 4).ex->request_frame, 3);
    assert_true(event_of(b, 4).ex->flags & WL_FROM_BROKER);
    assert_int_equal(event_of(b, 5).ex->request_frame, 2);
    assert_false(event_of(b, 5).ex->flags & WL_FROM_BROKER);
    assert_int_equal(event_of(b, 6).ex->request_frame, 1);
}

static void test_mqtt_qos_2(void **state)
{
    bench_t *b = *state;
    const wl_legs_t *legs;
    wl_record_t record;

    mqtt(b, CLIENT, PUBLISH_QOS(2), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBREC, 0), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBREC, 0), 9, NO_REASON); /* 3: again */
    mqtt(b, CLIENT, PACKET(WL_PUBREL, 2), 9, NO_REASON);
    mqtt(b, CLIENT, PACKET(WL_PUBREL, 2), 9, NO_REASON); /* 5: again */
    mqtt(b, BROKER, PACKET(WL_PUBCOMP, 0), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBCOMP, 0), 9, NO_REASON); /* 7: again */
    assert_int_equal(event_of(b, 2).event, WL_EVENT_PUBREC);
    assert_int_equal(event_of(b, 3).event, WL_EVENT_DUPLICATE);
    assert_int_equal(event_of(b, 4).event, WL_EVENT_PUBREL);
    assert_int_equal(event_of(b, 5).event, WL_EVENT_RETRY);
    record = event_of(b, 6);
    assert_int_equal(record.event, WL_EVENT_ANSWER);
    assert_int_equal(record.ex->retries, 1);
    legs = wl_store_legs(b->matcher.store, record.ex);
    assert_int_equal(legs->pubrec_last_ns, 2000);
    assert_int_equal(legs->pubrel_first_ns, 4000);
    assert_int_equal(event_of(b, 7).event, WL_EVENT_DUPLICATE);
}

/* Segments out of order: the leg must not appear in the second pass only. */
static void test_mqtt_pubrec_behind_its_pubrel(void **state)
{
    bench_t *b = *state;
    const wl_legs_t *legs;

    mqtt(b, CLIENT, PUBLISH_QOS(2), 9, NO_REASON);
    mqtt(b, CLIENT, PACKET(WL_PUBREL, 2), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBREC, 0), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBCOMP, 0), 9, NO_REASON);
    assert_int_equal(event_of(b, 3).event, WL_EVENT_PUBREC);
    assert_int_equal(event_of(b, 4).event, WL_EVENT_ANSWER);
    legs = wl_store_legs(b->matcher.store, event_of(b, 2).ex);
    assert_int_equal(legs->pubrec_last_ns, 3000);
    assert_int_equal(legs->pubrec_first_ns, WL_NO_TIME);
    assert_int_equal(legs->pubrel_first_ns, 2000);
}

static void test_mqtt_pubrec_that_refuses(void **state)
{
    bench_t *b = *state;
    wl_record_t record;
    uint32_t count, first;

    mqtt(b, CLIENT, PUBLISH_QOS(2), 9, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBREC, 0), 9, 0x97);
    first = wl_store_events(b->matcher.store, 2, &count);
    assert_int_equal(count, 2); /* the leg, and the end */
    wl_store_event(b->matcher.store, first + 1, &record);
    assert_int_equal(record.event, WL_EVENT_ANSWER);
    assert_int_equal(record.ex->u.mqtt.reason, 0x97);
    /* The id is free again. */
    mqtt(b, CLIENT, PUBLISH_QOS(1), 9, NO_REASON);
    assert_false(event_of(b, 3).ex->flags & WL_REUSED_ID);
}

static void test_mqtt_acks_of_another_qos_close_nothing(void **state)
{
    bench_t *b = *state;

    mqtt(b, CLIENT, PUBLISH_QOS(2), 1, NO_REASON);
    mqtt(b, CLIENT, PUBLISH_QOS(1), 2, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBACK, 0), 1, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBCOMP, 0), 2, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBREC, 0), 2, NO_REASON);
    for (uint32_t frame = 3; frame <= 5; frame++) {
        assert_int_equal(event_of(b, frame).event, WL_EVENT_ORPHAN);
    }
    assert_int_equal(wl_pending_open(b->matcher.pending, 3), 2);
}

static void test_mqtt_retry_keeps_the_clock(void **state)
{
    bench_t *b = *state;
    wl_record_t record;

    mqtt(b, CLIENT, PUBLISH_QOS(1), 4, NO_REASON);
    mqtt(b, CLIENT, PUBLISH_DUP(1), 4, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PUBACK, 0), 4, NO_REASON);
    assert_int_equal(event_of(b, 2).event, WL_EVENT_RETRY);
    record = event_of(b, 3);
    assert_int_equal(record.ex->request_frame, 1);
    assert_int_equal(record.ex->retries, 1);
    /* DUP of something never seen is a request of its own. */
    mqtt(b, CLIENT, PUBLISH_DUP(1), 5, NO_REASON);
    assert_int_equal(event_of(b, 4).event, WL_EVENT_REQUEST);
}

static void test_mqtt_pings_oldest_first(void **state)
{
    bench_t *b = *state;

    mqtt(b, BROKER, PACKET(WL_PINGRESP, 0), 0, NO_REASON); /* of a request before the capture */
    mqtt(b, CLIENT, PACKET(WL_PINGREQ, 0), 0, NO_REASON);
    mqtt(b, CLIENT, PACKET(WL_PINGREQ, 0), 0, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PINGRESP, 0), 0, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PINGRESP, 0), 0, NO_REASON);
    mqtt(b, BROKER, PACKET(WL_PINGRESP, 0), 0, NO_REASON);
    assert_int_equal(event_of(b, 1).event, WL_EVENT_ORPHAN);
    assert_int_equal(event_of(b, 4).ex->request_frame, 2);
    assert_int_equal(event_of(b, 5).ex->request_frame, 3);
    assert_int_not_equal(event_of(b, 6).event, WL_EVENT_ANSWER);
}

static void test_mqtt_assigned_client_id(void **state)
{
    bench_t *b = *state;
    wl_string_t name = wl_store_intern(b->matcher.store, "auto-1");
    wl_mqtt_message_t connect = {.message = message(b, CLIENT),
                                 .header = PACKET(WL_CONNECT, 0),
                                 .version = 5,
                                 .reason = NO_REASON};
    wl_mqtt_message_t connack = {.header = PACKET(WL_CONNACK, 0), .client = name, .reason = 0};

    wl_mqtt_match(&b->matcher, &connect);
    connack.message = message(b, BROKER);
    wl_mqtt_match(&b->matcher, &connack);
    assert_int_equal(event_of(b, 2).ex->client, WL_STRING_NONE);
    assert_int_equal(event_of(b, 2).ex->u.mqtt.assigned_client, name);
    mqtt(b, CLIENT, PUBLISH_QOS(1), 1, NO_REASON);
    assert_int_equal(event_of(b, 3).ex->client, name);
    assert_int_equal(event_of(b, 3).ex->u.mqtt.version, 5);
}

static void test_mqtt_topic_alias_is_per_direction(void **state)
{
    bench_t *b = *state;
    wl_string_t up = wl_store_intern(b->matcher.store, "up");
    wl_string_t down = wl_store_intern(b->matcher.store, "down");
    const struct {
        unsigned from;
        wl_string_t topic, expected;
    } steps[] = {{CLIENT, up, up},
                 {BROKER, WL_STRING_NONE, WL_STRING_NONE},
                 {BROKER, down, down},
                 {CLIENT, WL_STRING_NONE, up},
                 {BROKER, WL_STRING_NONE, down}};

    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        wl_mqtt_message_t m = {.message = message(b, steps[i].from),
                               .header = PUBLISH_QOS(0),
                               .topic = steps[i].topic,
                               .topic_alias = 1,
                               .reason = NO_REASON};
        wl_mqtt_match(&b->matcher, &m);
        assert_int_equal(event_of(b, b->frame).ex->u.mqtt.topic, steps[i].expected);
    }
}

static void test_mqtt_gates(void **state)
{
    bench_t *b = *state;
    static const struct {
        uint8_t header;
        uint16_t id;
    } bad[] = {
        {PACKET(0, 0), 1},         {PACKET(WL_PUBLISH, 6), 1}, /* QoS 3 */
        {PUBLISH_QOS(1), 0},       {PACKET(WL_PUBACK, 2), 1},    {PACKET(WL_PUBACK, 0), 0},
        {PACKET(WL_PUBREL, 0), 1}, {PACKET(WL_SUBSCRIBE, 0), 1}, {PACKET(WL_PINGREQ, 1), 0},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_false(mqtt(b, CLIENT, bad[i].header, bad[i].id, NO_REASON));
        assert_int_equal(event_count(b, b->frame), 0);
    }
    assert_true(mqtt(b, CLIENT, PACKET(WL_PUBREL, 10), 1, NO_REASON)); /* 3.1: DUP */
    assert_int_equal(findings(b, WL_HEALTH_GATED), G_N_ELEMENTS(bad));
}

/* A stream that was taken for both protocols: nobody answers the other's requests. */
static void test_protocols_do_not_meet(void **state)
{
    bench_t *b = *state;
    wl_mqtt_message_t connect = {.message = message(b, CLIENT),
                                 .header = PACKET(WL_CONNECT, 0),
                                 .version = 4,
                                 .reason = NO_REASON};
    wl_kafka_message_t response = {.length = 40, .correlation_id = 0, .api = -1};

    wl_mqtt_match(&b->matcher, &connect);
    for (unsigned from = CLIENT; from <= BROKER; from++) {
        response.message = message(b, from);
        wl_kafka_match(&b->matcher, &response);
        assert_int_equal(event_of(b, b->frame).event, WL_EVENT_ORPHAN);
    }
    assert_true(wl_exchange_open(event_of(b, 1).ex));
}

/* At the bound new aliases are not kept, known ones may change. */
static void test_mqtt_topic_aliases_are_bounded(void **state)
{
    bench_t *b = *state;
    wl_string_t names[] = {wl_store_intern(b->matcher.store, "one"),
                           wl_store_intern(b->matcher.store, "two")};
    const struct {
        uint16_t alias;
        wl_string_t topic, expected;
    } steps[] = {{1, names[0], names[0]},
                 {2, names[0], names[0]},
                 {2, WL_STRING_NONE, WL_STRING_NONE},
                 {1, names[1], names[1]},
                 {1, WL_STRING_NONE, names[1]}};

    b->matcher.mqtt->aliases = WL_MQTT_MAX_ALIASES - 1;
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        wl_mqtt_message_t m = {.message = message(b, CLIENT),
                               .header = PUBLISH_QOS(0),
                               .topic = steps[i].topic,
                               .topic_alias = steps[i].alias,
                               .reason = NO_REASON};
        wl_mqtt_match(&b->matcher, &m);
        assert_int_equal(event_of(b, b->frame).ex->u.mqtt.topic, steps[i].expected);
    }
    assert_int_equal(wl_mqtt_state_dropped(b->matcher.mqtt), 1);
}

/* What is forgotten at the bound of pending requests is no longer in flight. */
static void test_mqtt_in_flight(void **state)
{
    bench_t *b = *state;

    mqtt(b, CLIENT, PACKET(WL_PINGREQ, 0), 0, NO_REASON); /* tells who the client is */
    for (uint16_t id = 1; id <= 6; id++) {                /* the bound is 4, of all kinds */
        mqtt(b, CLIENT, PUBLISH_QOS(1), id, NO_REASON);
    }
    assert_int_equal(event_of(b, 5).ex->u.mqtt.inflight, 4);
    assert_int_equal(event_of(b, 7).ex->u.mqtt.inflight, 4);
    assert_int_equal(b->stream->mqtt.inflight[CLIENT], 4);
    for (uint16_t id = 1; id <= 6; id++) {
        mqtt(b, BROKER, PACKET(WL_PUBACK, 0), id, NO_REASON);
    }
    assert_int_equal(b->stream->mqtt.inflight[CLIENT], 0);
    assert_int_equal(b->stream->mqtt.inflight[BROKER], 0);
}

/* SUBSCRIBEs that nobody answers: the oldest are forgotten. */
static void test_mqtt_subscribing_is_bounded(void **state)
{
    bench_t *b = *state;
    static const uint8_t filter[] = {0, 1, 'a', 0};

    for (uint16_t id = 1; id <= WL_MQTT_MAX_SUBSCRIBING + 3; id++) {
        wl_mqtt_message_t m = {.message = message(b, CLIENT),
                               .header = PACKET(WL_SUBSCRIBE, 2),
                               .has_id = true,
                               .id = id,
                               .reason = NO_REASON,
                               .rest = filter,
                               .rest_length = sizeof filter};
        wl_mqtt_match(&b->matcher, &m);
    }
    assert_int_equal(b->stream->mqtt.subscribing->len, WL_MQTT_MAX_SUBSCRIBING);
    assert_int_equal(b->matcher.mqtt->subscribing_bytes, WL_MQTT_MAX_SUBSCRIBING * sizeof filter);
    assert_int_equal(wl_mqtt_state_dropped(b->matcher.mqtt), 3);
}

/* The TCP ACK of a publish of any QoS; the first that covers its last byte, wrap included. */
static void test_tcp_ack(void **state)
{
    bench_t *b = *state;
    wl_mqtt_message_t m = {.header = PUBLISH_QOS(0), .reason = NO_REASON};
    static const struct {
        uint32_t ack;
        uint32_t events;
    } acks[] = {{UINT32_MAX - 50, 0}, {9, 0}, {10, 1}, {10, 0}, {500, 2}};
    wl_record_t record;

    for (uint32_t end = 10; end < 300; end += 100) {
        m.message = message(b, CLIENT);
        m.message.end_seq = end;
        m.message.end_seq_known = true;
        wl_mqtt_match(&b->matcher, &m);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(acks); i++) {
        wl_segment_t segment = {.frame = ++b->frame,
                                .time_ns = b->frame * 1000,
                                .ack = acks[i].ack,
                                .flags = WL_TCP_ACK};
        wl_match_ack(&b->matcher, b->stream, BROKER, &segment);
        assert_int_equal(event_count(b, b->frame), acks[i].events);
    }
    record = event_of(b, 6);
    assert_int_equal(record.event, WL_EVENT_ACK);
    assert_int_equal(wl_record_ns(&record, WL_TIME_ACK), 6000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_kafka_pairs_by_id),
        CASE(test_kafka_acks_0_is_one_way),
        CASE(test_kafka_id_reused_in_flight),
        CASE(test_kafka_gates),
        CASE(test_kafka_eviction_is_noted),
        CASE(test_mqtt_same_id_in_both_directions),
        CASE(test_mqtt_qos_2),
        CASE(test_mqtt_pubrec_behind_its_pubrel),
        CASE(test_mqtt_pubrec_that_refuses),
        CASE(test_mqtt_acks_of_another_qos_close_nothing),
        CASE(test_mqtt_retry_keeps_the_clock),
        CASE(test_mqtt_pings_oldest_first),
        CASE(test_mqtt_assigned_client_id),
        CASE(test_mqtt_topic_alias_is_per_direction),
        CASE(test_protocols_do_not_meet),
        CASE(test_mqtt_topic_aliases_are_bounded),
        CASE(test_mqtt_in_flight),
        CASE(test_mqtt_subscribing_is_bounded),
        CASE(test_mqtt_gates),
        CASE(test_tcp_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
