/* test_match_kafka.c
 * The rules that need Kafka's bodies: waiting in the connection's queue, long polls, topics of
 * sessions, rebalances, SASL handshakes. Times are ms, one frame a message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_bytes.h"

#include "../../plugin/match_kafka.h"

enum { CLIENT, BROKER };
enum { HEARTBEAT = 12 };
#define MS 1000000

typedef struct {
    wl_matcher_t matcher;
    wl_stream_t *stream;
    uint32_t frame;
} bench_t;

static int set_up(void **state)
{
    bench_t *b = calloc(1, sizeof *b);
    wl_segment_t segment = {.stream = 3, .source_port = 40000, .destination_port = 9092};

    b->matcher.store = wl_store_new();
    b->matcher.streams = wl_streams_new(100);
    b->matcher.pending = wl_pending_new(100, 1000, wl_match_evicted, &b->matcher);
    b->matcher.health = wl_health_new();
    b->matcher.kafka = wl_kafka_state_new(90);
    b->stream = wl_streams_get(b->matcher.streams, &segment);
    b->stream->kafka.broker = wl_store_intern(b->matcher.store, "10.0.0.1:9092");
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
    free(b);
    return 0;
}

/* Sends a message whose first and last byte come at these times. Returns its exchange. */
static const wl_exchange_t *send(bench_t *b, unsigned from, int32_t id, int api, int version,
                                 int64_t first_ms, int64_t last_ms, const kafka_bytes_t *body)
{
    wl_kafka_message_t m = {.is_request = from == CLIENT,
                            .length = 100,
                            .correlation_id = id,
                            .api = (int16_t)(from == CLIENT ? api : -1),
                            .version = (int16_t)(from == CLIENT ? version : -1),
                            .acks = WL_KAFKA_ACKS_UNKNOWN,
                            .body = body->at,
                            .body_length = body->length};
    wl_record_t record;
    uint32_t count, event;

    m.message = (wl_message_t){.stream = b->stream,
                               .direction = from,
                               .frame = ++b->frame,
                               .first_ns = first_ms * MS,
                               .last_ns = last_ms * MS,
                               .size = 104};
    assert_true(wl_kafka_match(&b->matcher, &m));
    event = wl_store_events(b->matcher.store, b->frame, &count);
    assert_int_equal(count, 1);
    wl_store_event(b->matcher.store, event, &record);
    return record.ex;
}

static const wl_exchange_t *ask(bench_t *b, int32_t id, int api, int version, int64_t ms,
                                const kafka_bytes_t *body)
{
    return send(b, CLIENT, id, api, version, ms, ms, body);
}

static const wl_exchange_t *answer(bench_t *b, int32_t id, int64_t ms, const kafka_bytes_t *body)
{
    return send(b, BROKER, id, -1, -1, ms, ms, body);
}

/* Heartbeat v1. */
static kafka_bytes_t heartbeat(void)
{
    kafka_bytes_t body = {.length = 0};

    put_string(&body, "group");
    put(&body, 4, 1);
    put_string(&body, "member");
    return body;
}

static kafka_bytes_t heartbeat_answer(uint32_t throttle_ms, uint16_t error)
{
    kafka_bytes_t body = {.length = 0};

    put(&body, 4, throttle_ms);
    put(&body, 2, error);
    return body;
}

/* Three at once, answered at 10, 18 and 30: the second waits 10 of its 18 ms. */
static void test_wait_in_the_queue(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t body = heartbeat(), reply = heartbeat_answer(0, 0);
    const wl_exchange_t *ex[3];

    for (int32_t id = 0; id < 3; id++) {
        ex[id] = ask(b, id, HEARTBEAT, 1, 0, &body);
    }
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, ex[0]), WL_NO_TIME);
    answer(b, 0, 10, &reply);
    send(b, BROKER, 1, -1, -1, 18, 20, &reply);
    answer(b, 2, 19, &reply); /* begins before the one before it has ended */
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, ex[0]), 0);
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, ex[1]), 10 * MS);
    assert_int_equal(wl_kafka_unqueued_ns(b->matcher.store, ex[1]), 8 * MS);
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, ex[2]), 19 * MS);
    assert_int_equal(wl_kafka_unqueued_ns(b->matcher.store, ex[2]), 0);
    /* Asked when nothing was owed: no wait. */
    const wl_exchange_t *later = ask(b, 4, HEARTBEAT, 1, 50, &body);
    answer(b, 4, 60, &reply);
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, later), 0);
}

/* KIP-219: the broker reads nothing for 100 ms after an answer that says so. */
static void test_wait_for_a_throttled_broker(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t body = heartbeat(), slow = heartbeat_answer(100, 0),
                  reply = heartbeat_answer(0, 27);
    const wl_exchange_t *first = ask(b, 1, HEARTBEAT, 1, 0, &body), *second;

    answer(b, 1, 10, &slow);
    second = ask(b, 2, HEARTBEAT, 1, 20, &body);
    answer(b, 2, 115, &reply);
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, second), 90 * MS);
    assert_int_equal(wl_kafka_unqueued_ns(b->matcher.store, second), 5 * MS);
    assert_int_equal(wl_store_kafka(b->matcher.store, first)->throttle_ms, 100);
    assert_int_equal(wl_store_kafka(b->matcher.store, second)->throttle_ms, 0);
    assert_int_equal(first->u.kafka.error, 0);
    assert_int_equal(second->u.kafka.error, 27);
}

/* An answer nobody asked for keeps the broker busy too. */
static void test_wait_behind_an_orphan(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t body = heartbeat(), reply = heartbeat_answer(0, 0);
    const wl_exchange_t *ex = ask(b, 1, HEARTBEAT, 1, 0, &body), *orphan;

    orphan = answer(b, 77, 6, &reply);
    answer(b, 1, 10, &reply);
    assert_int_equal(wl_kafka_wait_ns(b->matcher.store, ex), 6 * MS);
    assert_int_equal(orphan->u.kafka.api, -1);
    assert_int_equal(wl_store_kafka(b->matcher.store, orphan)->broker, b->stream->kafka.broker);
}

/* Fetch v7: of a session when epoch > 0; topics named only if `topic`. */
static kafka_bytes_t fetch(uint32_t max_wait_ms, uint32_t epoch, const char *topic)
{
    kafka_bytes_t body = {.length = 0};

    put(&body, 4, UINT32_MAX);
    put(&body, 4, max_wait_ms);
    put(&body, 4, 1);
    put(&body, 4, 1000);
    put(&body, 1, 0);
    put(&body, 4, 9);
    put(&body, 4, epoch);
    put(&body, 4, topic != NULL ? 1 : 0);
    if (topic != NULL) {
        put_string(&body, topic);
        put(&body, 4, 1);
        put(&body, 4, 0);
        put(&body, 8, 0);
        put(&body, 8, 0);
        put(&body, 4, 1000);
    }
    put(&body, 4, 0);
    return body;
}

static kafka_bytes_t fetch_answer(uint16_t error, const char *records)
{
    kafka_bytes_t body = {.length = 0};

    put(&body, 4, 0);
    put(&body, 2, error);
    put(&body, 4, 9);
    put(&body, 4, records != NULL ? 1 : 0);
    if (records != NULL) {
        put_string(&body, "orders");
        put(&body, 4, 1);
        put(&body, 4, 0);
        put(&body, 2, 0);
        put(&body, 8, 1);
        put(&body, 8, 1);
        put(&body, 8, 1);
        put(&body, 4, UINT32_MAX);
        put(&body, 4, strlen(records));
        put_raw(&body, records, strlen(records));
    }
    return body;
}

static void test_long_polls(void **state)
{
    bench_t *b = *state;
    static const struct {
        uint32_t max_wait_ms, epoch;
        const char *topic, *records;
        uint16_t error;
        int64_t took_ms;
        bool long_poll;
    } cases[] = {
        {500, 0, "orders", NULL, 0, 20, true},     /* empty: nothing came */
        {500, 0, "orders", "data", 0, 449, false}, /* data before 90 % */
        {500, 0, "orders", "data", 0, 450, true},  /* data, but only after it */
        {500, 0, "orders", NULL, 6, 2, false},     /* an error is told at once */
        {1, UINT32_MAX, NULL, NULL, 0, 2, false},  /* closes the session: asks for nothing */
        {500, 3, NULL, NULL, 0, 20, true},         /* asks for what the session had */
        {0, 0, "orders", NULL, 0, 2, false},       /* must not be held back */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        kafka_bytes_t body = fetch(cases[i].max_wait_ms, cases[i].epoch, cases[i].topic);
        kafka_bytes_t reply = fetch_answer(cases[i].error, cases[i].records);
        const wl_exchange_t *ex = ask(b, (int32_t)i, WL_KAFKA_FETCH, 7, i * 1000, &body);

        answer(b, (int32_t)i, i * 1000 + cases[i].took_ms, &reply);
        assert_int_equal((ex->u.kafka.known & WL_KAFKA_LONG_POLL) != 0, cases[i].long_poll);
        assert_true(ex->u.kafka.known & WL_KAFKA_ANSWERED_BODY);
    }
}

/* Without its body a Fetch is no long poll and no plain one either. */
static void test_fetch_of_an_unknown_version(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t body = fetch(500, 0, "orders"), reply = fetch_answer(0, NULL);
    const wl_exchange_t *ex = ask(b, 1, WL_KAFKA_FETCH, 31, 0, &body);
    uint32_t count;

    answer(b, 1, 500, &reply);
    assert_int_equal(ex->u.kafka.known, 0);
    assert_int_equal(ex->u.kafka.max_wait_ms, -1);
    assert_int_equal(ex->u.kafka.topics, 0);
    assert_int_equal(wl_health_find(b->matcher.health, 1, &count)->kind, WL_HEALTH_UNSUPPORTED);
    assert_int_equal(count, 1);
}

/* KIP-227: a session's later Fetches name what changed, or nothing. */
static void test_topic_of_a_session(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t full = fetch(500, 0, "orders"), next = fetch(500, 1, NULL),
                  added = fetch(500, 2, "alerts");
    const wl_exchange_t *ex;

    ex = ask(b, 1, WL_KAFKA_FETCH, 7, 0, &next);
    assert_int_equal(ex->u.kafka.topic, WL_STRING_NONE); /* the session began before */
    ask(b, 2, WL_KAFKA_FETCH, 7, 1, &full);
    ex = ask(b, 3, WL_KAFKA_FETCH, 7, 2, &next);
    assert_string_equal(wl_store_text(b->matcher.store, ex->u.kafka.topic), "orders");
    assert_int_equal(ex->u.kafka.topics, 1);
    assert_int_equal(ex->u.kafka.partitions, 1);
    ex = ask(b, 4, WL_KAFKA_FETCH, 7, 3, &added);
    assert_string_equal(wl_store_text(b->matcher.store, ex->u.kafka.topic), "alerts");
}

static void test_topic_ids(void **state)
{
    bench_t *b = *state;
    const uint8_t id[16] = {0xfb, 0xff, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    wl_string_t name = wl_store_intern(b->matcher.store, "orders");

    assert_string_equal(
        wl_store_text(b->matcher.store, wl_kafka_topic_of(b->matcher.kafka, id, b->matcher.store)),
        "-_8CAwQFBgcICQoLDA0ODw");
    wl_kafka_name_topic(b->matcher.kafka, id, name);
    assert_int_equal(wl_kafka_topic_of(b->matcher.kafka, id, b->matcher.store), name);
}

/* JoinGroup v4 and SyncGroup v1. */
static kafka_bytes_t join(const char *member)
{
    kafka_bytes_t body = {.length = 0};

    put_string(&body, "group");
    put(&body, 4, 10000);
    put(&body, 4, 60000);
    put_string(&body, member);
    put_string(&body, "consumer");
    put(&body, 4, 0);
    return body;
}

static kafka_bytes_t join_answer(uint16_t error, const char *member)
{
    kafka_bytes_t body = {.length = 0};

    put(&body, 4, 0);
    put(&body, 2, error);
    put(&body, 4, 1);
    put_string(&body, "range");
    put_string(&body, "leader");
    put_string(&body, member);
    put(&body, 4, 0);
    return body;
}

static kafka_bytes_t sync(const char *member)
{
    kafka_bytes_t body = {.length = 0};

    put_string(&body, "group");
    put(&body, 4, 1);
    put_string(&body, member);
    put(&body, 4, 0);
    return body;
}

static kafka_bytes_t sync_answer(uint16_t error)
{
    kafka_bytes_t body = {.length = 0};

    put(&body, 4, 0);
    put(&body, 2, error);
    put(&body, 4, 0);
    return body;
}

static int64_t span_of(const bench_t *b, const wl_exchange_t *ex)
{
    return wl_store_kafka(b->matcher.store, ex)->span_ns;
}

/* KIP-394: the first JoinGroup only gets an id. A SyncGroup that fails goes on. */
static void test_rebalance(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t nobody = join(""), member = join("m-1"), given = join_answer(79, "m-1"),
                  joined = join_answer(0, "m-1"), asks = sync("m-1"), again = sync_answer(27),
                  done = sync_answer(0);
    const wl_exchange_t *first = ask(b, 1, WL_KAFKA_JOIN_GROUP, 4, 100, &nobody), *ex;
    const wl_kafka_details_t *details;

    details = wl_store_kafka(b->matcher.store, first);
    assert_int_equal(details->member, WL_STRING_NONE);
    answer(b, 1, 101, &given);
    details = wl_store_kafka(b->matcher.store, first);
    assert_int_equal(details->member, WL_STRING_NONE); /* as it was when the request was shown */
    assert_string_equal(wl_store_text(b->matcher.store, details->joined), "m-1");
    ask(b, 2, WL_KAFKA_JOIN_GROUP, 4, 102, &member);
    answer(b, 2, 3000, &joined);
    ex = ask(b, 3, WL_KAFKA_SYNC_GROUP, 1, 3001, &asks);
    answer(b, 3, 3002, &again);
    assert_int_equal(span_of(b, ex), WL_NO_TIME);
    ask(b, 4, WL_KAFKA_JOIN_GROUP, 4, 3003, &member);
    answer(b, 4, 4000, &joined);
    ex = ask(b, 5, WL_KAFKA_SYNC_GROUP, 1, 4001, &asks);
    answer(b, 5, 4010, &done);
    assert_int_equal(span_of(b, ex), (4010 - 100) * (int64_t)MS);
    /* The clock stopped: a second SyncGroup ends nothing. */
    ex = ask(b, 6, WL_KAFKA_SYNC_GROUP, 1, 5000, &asks);
    answer(b, 6, 5001, &done);
    assert_int_equal(span_of(b, ex), WL_NO_TIME);
}

/* A member the broker no longer knows starts anew. */
static void test_rebalance_of_an_unknown_member(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t member = join("m-1"), unknown = join_answer(25, ""), nobody = join(""),
                  joined = join_answer(0, "m-2"), asks = sync("m-2"), done = sync_answer(0);
    const wl_exchange_t *ex;

    ask(b, 1, WL_KAFKA_JOIN_GROUP, 3, 0, &member);
    answer(b, 1, 1, &unknown);
    assert_int_equal(g_hash_table_size(b->matcher.kafka->joining), 0);
    ask(b, 2, WL_KAFKA_JOIN_GROUP, 3, 50, &nobody);
    answer(b, 2, 60, &joined);
    ex = ask(b, 3, WL_KAFKA_SYNC_GROUP, 1, 61, &asks);
    answer(b, 3, 65, &done);
    assert_int_equal(span_of(b, ex), 15 * MS);
}

static kafka_bytes_t auth(bool answer, uint16_t error, const char *bytes)
{
    kafka_bytes_t body = {.length = 0};

    if (answer) {
        put(&body, 2, error);
        put_string(&body, NULL);
    }
    put(&body, 4, strlen(bytes));
    put_raw(&body, bytes, strlen(bytes));
    return body;
}

static kafka_bytes_t handshake(void)
{
    kafka_bytes_t body = {.length = 0};

    put_string(&body, "SCRAM-SHA-256");
    return body;
}

static void test_sasl_handshake(void **state)
{
    bench_t *b = *state;
    static const struct {
        uint16_t error;
        const char *last;
    } endings[] = {{0, "v=c2lnbmF0dXJl"}, {0, ""}, {58, "whatever"}};
    kafka_bytes_t hello = handshake(), agreed = {.length = 0}, step = auth(false, 0, "n,,n=u,r=x"),
                  challenge = auth(true, 0, "r=xy,s=c2FsdA==,i=4096");

    put(&agreed, 2, 0);
    put(&agreed, 4, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(endings); i++) {
        kafka_bytes_t last = auth(true, endings[i].error, endings[i].last);
        int64_t start = i * 100;
        const wl_exchange_t *ex;

        ask(b, 1, WL_KAFKA_SASL_HANDSHAKE, 1, start, &hello);
        answer(b, 1, start + 1, &agreed);
        ex = ask(b, 2, WL_KAFKA_SASL_AUTHENTICATE, 0, start + 2, &step);
        answer(b, 2, start + 3, &challenge);
        assert_int_equal(span_of(b, ex), WL_NO_TIME);
        ex = ask(b, 3, WL_KAFKA_SASL_AUTHENTICATE, 0, start + 4, &step);
        answer(b, 3, start + 7, &last);
        assert_int_equal(span_of(b, ex), 7 * MS);
        /* Authentication without a handshake in the capture has no time. */
        ex = ask(b, 4, WL_KAFKA_SASL_AUTHENTICATE, 0, start + 8, &step);
        answer(b, 4, start + 9, &last);
        assert_int_equal(span_of(b, ex), WL_NO_TIME);
    }
}

/* What many requests share is kept once. */
static void test_details_are_shared(void **state)
{
    bench_t *b = *state;
    kafka_bytes_t beat = heartbeat(), poll = fetch(500, 0, "orders");
    const wl_exchange_t *ex[4];

    for (int32_t i = 0; i < 4; i++) {
        ex[i] =
            i % 2 == 0 ? ask(b, i, HEARTBEAT, 1, i, &beat) : ask(b, i, WL_KAFKA_FETCH, 7, i, &poll);
    }
    assert_int_equal(ex[0]->u.kafka.details, ex[2]->u.kafka.details);
    assert_int_equal(ex[1]->u.kafka.details, ex[3]->u.kafka.details);
    assert_int_not_equal(ex[0]->u.kafka.details, ex[1]->u.kafka.details);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_wait_in_the_queue),
        CASE(test_wait_for_a_throttled_broker),
        CASE(test_wait_behind_an_orphan),
        CASE(test_long_polls),
        CASE(test_fetch_of_an_unknown_version),
        CASE(test_topic_of_a_session),
        CASE(test_topic_ids),
        CASE(test_rebalance),
        CASE(test_rebalance_of_an_unknown_member),
        CASE(test_sasl_handshake),
        CASE(test_details_are_shared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
