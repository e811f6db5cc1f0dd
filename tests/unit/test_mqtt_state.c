/* test_mqtt_state.c
 * Sessions, subscriptions, publishes and copies: the bounds, what is forgotten, and that a payload
 * that is sent for ever costs no more than any other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/mqtt_forward.h"

#define KEEP_NS 1000000
#define BROKER 1
#define TOPIC 7

typedef struct {
    wl_store_t *store;
    wl_mqtt_state_t *mqtt;
    wl_mqtt_session_t *session;
} bench_t;

static bench_t set_up(unsigned max)
{
    bench_t b = {.store = wl_store_new(), .mqtt = wl_mqtt_state_new(KEEP_NS, max)};

    b.session = wl_mqtt_session_get(b.mqtt, 1, BROKER);
    return b;
}

static void tear_down(bench_t *b)
{
    wl_mqtt_state_free(b->mqtt);
    wl_store_free(b->store);
}

static void subscribe(bench_t *b, const char *filter)
{
    wl_mqtt_subscribe(b->mqtt, b->session, BROKER, filter, (uint32_t)strlen(filter), 1,
                      wl_forwards_next(b->mqtt->forwards));
}

static wl_exchange_id_t publish(bench_t *b, uint64_t payload, int64_t at_ns)
{
    wl_publish_t publish = {
        .key = {TOPIC, 1, payload}, .last_ns = at_ns, .broker = BROKER, .qos = 1};

    wl_store_add(b->store, WL_PROTO_MQTT, &publish.id)->u.mqtt.kind = WL_MQTT_PUBLISH;
    wl_forwards_publish(b->mqtt->forwards, &publish);
    return publish.id;
}

static wl_exchange_id_t copy(bench_t *b, uint64_t payload, int64_t at_ns, bool *ambiguous)
{
    const wl_mqtt_subscription_t *found[4];
    wl_copy_t copy = {.key = {TOPIC, 1, payload},
                      .first_ns = at_ns,
                      .broker = BROKER,
                      .session = b->session,
                      .subscriptions = found,
                      .count = wl_mqtt_subscriptions(b->mqtt, b->session, "a/b", found, 4)};

    return wl_forwards_copy(b->mqtt->forwards, b->store, &copy, ambiguous);
}

static void test_session_by_client_and_broker(void **state)
{
    bench_t b = set_up(10);

    (void)state;
    assert_ptr_equal(wl_mqtt_session_get(b.mqtt, 1, BROKER), b.session);
    assert_ptr_not_equal(wl_mqtt_session_get(b.mqtt, 2, BROKER), b.session);
    assert_ptr_not_equal(wl_mqtt_session_get(b.mqtt, 1, BROKER + 1), b.session);
    assert_ptr_not_equal(wl_mqtt_session_anonymous(b.mqtt), b.session);
    tear_down(&b);
}

static void test_bound_of_sessions(void **state)
{
    bench_t b = set_up(10);

    (void)state;
    for (wl_string_t client = 2; client <= WL_MQTT_MAX_SESSIONS; client++) {
        assert_non_null(wl_mqtt_session_get(b.mqtt, client, BROKER));
    }
    assert_null(wl_mqtt_session_get(b.mqtt, WL_MQTT_MAX_SESSIONS + 1, BROKER));
    assert_null(wl_mqtt_session_anonymous(b.mqtt));
    assert_int_equal(wl_mqtt_state_dropped(b.mqtt), 2);
    assert_non_null(wl_mqtt_session_get(b.mqtt, 2, BROKER));
    tear_down(&b);
}

static void test_bound_of_subscriptions(void **state)
{
    bench_t b = set_up(10);
    uint32_t sessions = 0;

    (void)state;
    /* The same few filters of many sessions: the filters' own bound is not hit. */
    while (wl_mqtt_state_dropped(b.mqtt) == 0) {
        b.session = wl_mqtt_session_get(b.mqtt, ++sessions, BROKER);
        for (char name[] = "a"; name[0] <= 'h'; name[0]++) {
            subscribe(&b, name);
        }
    }
    assert_int_equal(b.mqtt->subscriptions, WL_MQTT_MAX_SUBSCRIPTIONS);
    /* What ends makes room. */
    wl_mqtt_session_clear(b.mqtt, wl_mqtt_session_get(b.mqtt, 1, BROKER));
    assert_int_equal(b.mqtt->subscriptions, WL_MQTT_MAX_SUBSCRIPTIONS - 8);
    tear_down(&b);
}

static void test_groups_end_with_their_last_member(void **state)
{
    bench_t b = set_up(10);

    (void)state;
    subscribe(&b, "$share/g/a/#");
    subscribe(&b, "a/#");
    assert_int_equal(g_hash_table_size(b.mqtt->groups), 1);
    wl_mqtt_unsubscribe(b.mqtt, b.session, "$share/g/a/#", 12);
    assert_int_equal(g_hash_table_size(b.mqtt->groups), 0);
    assert_int_equal(b.mqtt->subscriptions, 1);
    wl_mqtt_unsubscribe(b.mqtt, b.session, "never/was", 9);
    wl_mqtt_session_clear(b.mqtt, b.session);
    assert_int_equal(b.mqtt->subscriptions, 0);
    tear_down(&b);
}

static void test_bound_of_publishes(void **state)
{
    bench_t b = set_up(8);
    wl_exchange_id_t ids[20];
    bool ambiguous;

    (void)state;
    subscribe(&b, "#");
    for (unsigned i = 0; i < 20; i++) {
        ids[i] = publish(&b, i, 100);
    }
    assert_int_equal(wl_forwards_evicted(b.mqtt->forwards), 12);
    assert_int_equal(copy(&b, 11, 200, &ambiguous), WL_EXCHANGE_NONE);
    assert_int_equal(copy(&b, 19, 200, &ambiguous), ids[19]);
    /* The mark of its receiver needs room too: the oldest gives way. */
    assert_int_equal(wl_forwards_evicted(b.mqtt->forwards), 13);
    assert_int_equal(copy(&b, 12, 200, &ambiguous), WL_EXCHANGE_NONE);
    assert_int_equal(copy(&b, 13, 200, &ambiguous), ids[13]);
    tear_down(&b);
}

static void test_publishes_expire(void **state)
{
    bench_t b = set_up(100);
    wl_exchange_id_t id;
    bool ambiguous;

    (void)state;
    subscribe(&b, "#");
    publish(&b, 5, 100);
    id = publish(&b, 5, 101 + KEEP_NS);
    assert_int_equal(copy(&b, 5, 102 + KEEP_NS, &ambiguous), id);
    assert_false(ambiguous); /* the first is too old to be it */
    assert_int_equal(wl_forwards_evicted(b.mqtt->forwards), 0);
    tear_down(&b);
}

/* A sensor that says "1" for ever, with a subscriber that gets all of it, and one none. */
static void test_one_payload_for_ever(void **state)
{
    bench_t b = set_up(100000);
    bool ambiguous;

    (void)state;
    subscribe(&b, "#");
    for (unsigned i = 0; i < 300000; i++) {
        wl_exchange_id_t id = publish(&b, 5, i);

        assert_int_equal(copy(&b, 5, i, &ambiguous), id);
        assert_false(ambiguous);
    }
    b.session = wl_mqtt_session_get(b.mqtt, 2, BROKER);
    subscribe(&b, "#");
    assert_int_equal(copy(&b, 5, 300000, &ambiguous), WL_EXCHANGE_NONE);
    for (unsigned i = 0; i < 300000; i++) {
        publish(&b, 5, 300000 + i);
        copy(&b, 6, 300000 + i, &ambiguous);
    }
    assert_int_not_equal(copy(&b, 5, 600000, &ambiguous), WL_EXCHANGE_NONE);
    assert_true(ambiguous);
    tear_down(&b);
}

static void test_hash_tells_payloads_apart(void **state)
{
    uint8_t bytes[64] = {0};
    uint64_t whole = wl_forward_hash(bytes, sizeof bytes);

    (void)state;
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_int_not_equal(wl_forward_hash(bytes, sizeof bytes), whole);
        assert_int_not_equal(wl_forward_hash(bytes, i), wl_forward_hash(bytes, i + 1));
        bytes[i] = 0;
    }
    assert_int_equal(wl_forward_hash(bytes, sizeof bytes), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_by_client_and_broker),
        cmocka_unit_test(test_bound_of_sessions),
        cmocka_unit_test(test_bound_of_subscriptions),
        cmocka_unit_test(test_groups_end_with_their_last_member),
        cmocka_unit_test(test_bound_of_publishes),
        cmocka_unit_test(test_publishes_expire),
        cmocka_unit_test(test_one_payload_for_ever),
        cmocka_unit_test(test_hash_tells_payloads_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
