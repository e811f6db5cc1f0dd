/* match_mqtt.c
 * Pairs MQTT control packets with what answers them.
 *
 *   CONNECT  --> CONNACK           QoS 1  PUBLISH(id) ------>
 *   SUBSCRIBE(id) --> SUBACK(id)          <------ PUBACK(id)
 *   UNSUBSCRIBE(id) --> UNSUBACK   QoS 2  PUBLISH(id) ------>
 *   PINGREQ --> PINGRESP                  <------ PUBREC(id)    pubrec_time  (reason >= 0x80 ends it)
 *   AUTH --> AUTH (v5)                    PUBREL(id) ------->   pubrel_time
 *   QoS 0  PUBLISH --> TCP ACK            <----- PUBCOMP(id)    pubcomp_time, time from PUBLISH
 *
 * Key: stream, direction of the requester and kind, packet id: both ends number their requests
 * from 1, so that equal ids meet in opposite directions. Every PUBLISH also waits for its TCP ACK.
 * A session that goes on with another connection takes its pending publishes along.
 *
 *   CONNECT --> AUTH --> AUTH --> ... --> CONNACK     each step its own time (v5), and the same for
 *   AUTH --> AUTH --> ... --> AUTH                    re-authentication: the last is the answer
 *
 * In: wl_mqtt_message_t in capture order. Out: exchanges and events in the store.
 * Knows nothing of trees, taps or tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "match_mqtt.h"

#include "mqtt_connection.h"
#include "mqtt_copies.h"
#include "mqtt_state.h"

enum { FLAG_RETAIN = 0x01, FLAG_QOS = 0x06, FLAG_QOS_SHIFT = 1, FLAG_DUP = 0x08 };

/* What each packet type must look like and what it is to us. */
typedef enum { IGNORED, REQUEST, ANSWER, STEP } role_t;
static const struct {
    role_t role;
    uint8_t kind;     /* of the exchange it belongs to */
    bool from_client; /* only clients send it ... */
    bool from_broker; /* ... only brokers do */
    uint8_t flags;    /* the reserved flags it must have (3.1 allows DUP beside) */
    bool has_id;
} rules[16] = {
    [WL_CONNECT] = {REQUEST, WL_MQTT_CONNECT, true, false, 0, false},
    [WL_CONNACK] = {ANSWER, WL_MQTT_CONNECT, false, true, 0, false},
    [WL_PUBLISH] = {REQUEST, WL_MQTT_PUBLISH, false, false, 0, false},
    [WL_PUBACK] = {ANSWER, WL_MQTT_PUBLISH, false, false, 0, true},
    [WL_PUBREC] = {STEP, WL_MQTT_PUBLISH, false, false, 0, true},
    [WL_PUBREL] = {STEP, WL_MQTT_PUBLISH, false, false, 2, true},
    [WL_PUBCOMP] = {ANSWER, WL_MQTT_PUBLISH, false, false, 0, true},
    [WL_SUBSCRIBE] = {REQUEST, WL_MQTT_SUBSCRIBE, true, false, 2, true},
    [WL_SUBACK] = {ANSWER, WL_MQTT_SUBSCRIBE, false, true, 0, true},
    [WL_UNSUBSCRIBE] = {REQUEST, WL_MQTT_UNSUBSCRIBE, true, false, 2, true},
    [WL_UNSUBACK] = {ANSWER, WL_MQTT_UNSUBSCRIBE, false, true, 0, true},
    [WL_PINGREQ] = {REQUEST, WL_MQTT_PING, true, false, 0, false},
    [WL_PINGRESP] = {ANSWER, WL_MQTT_PING, false, true, 0, false},
    [WL_DISCONNECT] = {IGNORED, 0, false, false, 0, false},
    [WL_AUTH] = {STEP, WL_MQTT_AUTH, false, false, 0, false},
};

static unsigned qos_of(const wl_mqtt_message_t *message)
{
    return (message->header & FLAG_QOS) >> FLAG_QOS_SHIFT;
}

/* A dissector that lost its place makes packets of payload bytes: what cannot be MQTT opens and
 * closes nothing. */
static bool plausible(const wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message), flags = message->header & 0x0f;

    if (type == 0 || message->message.cut) {
        return false;
    }
    if (type == WL_PUBLISH) {
        unsigned qos = qos_of(message);
        return qos == 0 || (qos <= 2 && message->has_id && message->id != 0);
    }
    if (rules[type].has_id && (!message->has_id || message->id == 0)) {
        return false;
    }
    /* 3.1 sets DUP on resent PUBREL, SUBSCRIBE, UNSUBSCRIBE. */
    return (flags & ~(rules[type].flags != 0 ? FLAG_DUP : 0)) == rules[type].flags;
}

static wl_key_t key_of(const wl_mqtt_message_t *message, unsigned requester, unsigned kind,
                       uint32_t id)
{
    return wl_mqtt_key(message->message.stream, requester, kind, id);
}

static void learn_direction(wl_mqtt_stream_t *mqtt, const wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message);
    int8_t sender = (int8_t)message->message.direction;

    if (rules[type].from_client) {
        mqtt->client_dir = sender;
    } else if (rules[type].from_broker) {
        mqtt->client_dir = !sender;
    } else if (mqtt->client_dir < 0) {
        mqtt->client_dir = message->sender_is_server ? !sender : sender;
    }
}

/* MQTT 5.0 section 3.3.2.3.4: an alias is valid in one direction of one connection. A direction has
 * at most 65,535 of them; what goes beyond the receiver's Topic Alias Maximum is resolved too. */
static wl_string_t resolve_topic(wl_matcher_t *matcher, wl_mqtt_stream_t *mqtt,
                                 const wl_mqtt_message_t *message)
{
    gpointer key = GUINT_TO_POINTER(message->message.direction << 16 | message->topic_alias);

    if (message->topic_alias == 0) {
        return message->topic;
    }
    if (message->topic == WL_STRING_NONE) {
        return mqtt->aliases == NULL ? WL_STRING_NONE
                                     : GPOINTER_TO_UINT(g_hash_table_lookup(mqtt->aliases, key));
    }
    if (mqtt->aliases == NULL) {
        mqtt->aliases = g_hash_table_new(g_direct_hash, g_direct_equal);
    }
    if (g_hash_table_contains(mqtt->aliases, key)) {
        g_hash_table_insert(mqtt->aliases, key, GUINT_TO_POINTER(message->topic));
    } else if (matcher->mqtt->aliases < WL_MQTT_MAX_ALIASES) {
        g_hash_table_insert(mqtt->aliases, key, GUINT_TO_POINTER(message->topic));
        matcher->mqtt->aliases++;
    } else {
        matcher->mqtt->dropped++;
    }
    return message->topic;
}

static void fill(wl_exchange_t *ex, const wl_mqtt_message_t *message, unsigned requester)
{
    const wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;

    ex->client = mqtt->client;
    ex->u.mqtt.kind = rules[wl_mqtt_type(message)].kind;
    ex->u.mqtt.version = mqtt->version;
    if (mqtt->client_dir != (int8_t)requester) {
        ex->flags |= WL_FROM_BROKER;
    }
}

/* Section 4.9: each end limits how many publishes the other may have in flight. */
static void count_in_flight(const wl_mqtt_message_t *message, wl_exchange_t *ex)
{
    wl_stream_t *stream = message->message.stream;
    unsigned direction = message->message.direction;

    wl_mqtt_in_flight(stream, ex, direction);
    ex->u.mqtt.inflight = (uint16_t)MIN(stream->mqtt.inflight[direction], UINT16_MAX);
    ex->u.mqtt.receive_maximum = stream->mqtt.receive_maximum[direction];
}

static void match_publish(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_stream_t *stream = message->message.stream;
    unsigned qos = qos_of(message), direction = message->message.direction;
    wl_string_t topic = resolve_topic(matcher, &stream->mqtt, message);
    wl_exchange_id_t id;
    wl_exchange_t *ex;

    if (qos > 0 && wl_mqtt_find_publish(matcher, message, direction, &id) == WL_PENDING_FOUND) {
        if (message->header & FLAG_DUP) {
            wl_mqtt_in_flight(stream, wl_store_get(matcher->store, id), direction);
            wl_match_retry(matcher, &message->message, id);
            return;
        }
        wl_mqtt_landed(stream, wl_store_get(matcher->store, id), direction);
    }
    ex = wl_match_open(matcher, WL_PROTO_MQTT, &message->message, qos > 0 ? message->id : 0, &id);
    fill(ex, message, direction);
    ex->u.mqtt.topic = topic;
    ex->u.mqtt.qos = (uint8_t)qos;
    if (message->header & FLAG_RETAIN) {
        ex->flags |= WL_RETAIN;
    }
    if (qos == 0) {
        ex->flags |= WL_ONE_WAY;
    } else {
        wl_match_pend(matcher, key_of(message, direction, WL_MQTT_PUBLISH, message->id), ex, id);
        count_in_flight(message, ex);
    }
    if (qos == 2) {
        wl_store_add_legs(matcher->store, ex);
    }
    wl_mqtt_published(matcher, message, ex, id);
    wl_match_await_ack(matcher, &message->message, id);
}

static void match_request(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    unsigned type = wl_mqtt_type(message), direction = message->message.direction;
    wl_key_t key = key_of(message, direction, rules[type].kind, message->id);
    wl_exchange_id_t id;
    wl_exchange_t *ex;

    if (type == WL_CONNECT) {
        mqtt->client = message->client;
        mqtt->version = message->version;
    } else if (type == WL_PINGREQ) {
        key.id = ++mqtt->ping_sent[direction];
    }
    if (type == WL_SUBSCRIBE || type == WL_UNSUBSCRIBE) {
        wl_mqtt_asks(matcher, message);
    }
    if ((message->header & FLAG_DUP) &&
        wl_pending_find(matcher->pending, key, &id) == WL_PENDING_FOUND) {
        wl_match_retry(matcher, &message->message, id);
        return;
    }
    ex = wl_match_open(matcher, WL_PROTO_MQTT, &message->message, message->id, &id);
    fill(ex, message, direction);
    wl_match_pend(matcher, key, ex, id);
    if (type == WL_CONNECT) {
        wl_mqtt_connected(matcher, message, id);
    }
}

/* What ends a publish. A PUBACK cannot end a QoS 2 one, nor a PUBCOMP a QoS 1 one; a PUBREC only if
 * it refuses. */
static void match_publish_answer(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message), requester = !message->message.direction;
    unsigned qos = type == WL_PUBACK ? 1 : 2;
    wl_exchange_id_t id;
    wl_pending_result_t result = wl_mqtt_find_publish(matcher, message, requester, &id);
    wl_exchange_t *ex;

    if (result == WL_PENDING_ORPHAN || wl_store_get(matcher->store, id)->u.mqtt.qos != qos) {
        ex = wl_match_orphan(matcher, WL_PROTO_MQTT, &message->message, message->id);
        fill(ex, message, requester);
        ex->u.mqtt.qos = (uint8_t)qos;
        ex->u.mqtt.reason = message->reason;
    } else if (result == WL_PENDING_DUPLICATE) {
        wl_store_log(matcher->store, message->message.frame, WL_EVENT_DUPLICATE, id);
    } else {
        ex = wl_match_answer(matcher, WL_PROTO_MQTT,
                             key_of(message, requester, WL_MQTT_PUBLISH, message->id),
                             &message->message, &result);
        ex->u.mqtt.reason = message->reason;
        wl_mqtt_landed(message->message.stream, ex, requester);
    }
}

static void match_answer(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    unsigned type = wl_mqtt_type(message), requester = !message->message.direction;
    wl_key_t key = key_of(message, requester, rules[type].kind, message->id);
    wl_exchange_id_t id;
    wl_pending_result_t result;
    wl_exchange_t *ex;

    if (type == WL_SUBACK || type == WL_UNSUBACK) {
        wl_mqtt_granted(matcher, message);
    }
    if (type == WL_CONNACK && mqtt->authenticates &&
        wl_pending_find(matcher->pending, key, &id) == WL_PENDING_FOUND) {
        wl_mqtt_step(matcher, message, id);
        mqtt->authenticates = false;
    }
    if (type == WL_PINGRESP && mqtt->ping_answered[requester] < mqtt->ping_sent[requester]) {
        key.id = ++mqtt->ping_answered[requester]; /* oldest first */
    }
    ex = wl_match_answer(matcher, WL_PROTO_MQTT, key, &message->message, &result);
    if (result == WL_PENDING_ORPHAN) {
        fill(ex, message, requester);
    }
    if (result != WL_PENDING_DUPLICATE) {
        ex->u.mqtt.reason = message->reason;
    }
    if (type == WL_CONNACK && message->client != WL_STRING_NONE) {
        mqtt->client = message->client;
        if (result == WL_PENDING_FOUND) {
            ex->u.mqtt.assigned_client = message->client;
        }
    }
    if (type == WL_CONNACK && result == WL_PENDING_FOUND) {
        wl_mqtt_accepted(matcher, message);
    }
}

static void match_pubrec(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    unsigned requester = !message->message.direction;
    wl_exchange_id_t id;
    wl_pending_result_t result = wl_mqtt_find_publish(matcher, message, requester, &id);
    wl_exchange_t *ex = result == WL_PENDING_ORPHAN ? NULL : wl_store_get(matcher->store, id);

    if (ex == NULL || wl_store_legs(matcher->store, ex) == NULL) {
        ex = wl_match_orphan(matcher, WL_PROTO_MQTT, &message->message, message->id);
        fill(ex, message, requester);
        ex->u.mqtt.qos = 2;
        return;
    }
    if (wl_match_pubrec(matcher, &message->message, id, result) &&
        message->reason >= WL_REASON_FAILED) {
        /* MQTT 5.0 section 4.3.3: the sender may use the id again, no PUBREL follows. */
        match_publish_answer(matcher, message);
    }
}

static void match_pubrel(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_exchange_id_t id;

    /* Of one that is not there its PUBCOMP will be counted as an orphan. */
    if (wl_mqtt_find_publish(matcher, message, message->message.direction, &id) ==
        WL_PENDING_FOUND) {
        wl_match_pubrel(matcher, &message->message, id);
    }
}

static void open_authentication(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_exchange_id_t id;
    wl_exchange_t *ex = wl_match_open(matcher, WL_PROTO_MQTT, &message->message, 0, &id);

    fill(ex, message, message->message.direction);
    wl_match_pend(matcher, key_of(message, message->message.direction, WL_MQTT_AUTH, 0), ex, id);
    message->message.stream->mqtt.step_ns = message->message.first_ns;
}

/* MQTT 5.0 section 4.12: challenges and responses belong to the Connect, or later to the
 * Re-authenticate that the client began; the broker's last one ends that. */
static void match_auth(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    const wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    unsigned client = (unsigned)mqtt->client_dir;
    bool from_client = client == message->message.direction, connecting, begun;
    wl_exchange_id_t id;

    connecting = wl_pending_find(matcher->pending, key_of(message, client, WL_MQTT_CONNECT, 0),
                                 &id) == WL_PENDING_FOUND;
    begun = connecting ||
            wl_pending_find(matcher->pending, key_of(message, client, WL_MQTT_AUTH, 0), &id) ==
                WL_PENDING_FOUND;
    if (from_client && !connecting && (!begun || message->reason == WL_REASON_REAUTHENTICATE)) {
        open_authentication(matcher, message);
        return;
    }
    if (begun) {
        wl_mqtt_step(matcher, message, id);
    }
    if (!from_client && !connecting && (!begun || message->reason != WL_REASON_CONTINUE)) {
        match_answer(matcher, message);
    }
}

void wl_mqtt_prefetch(const wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message), direction = message->message.direction;
    bool asks = rules[type].role == REQUEST || type == WL_PUBREL;

    if (message->has_id) {
        wl_pending_prefetch(matcher->pending, key_of(message, asks ? direction : !direction,
                                                     rules[type].kind, message->id));
    }
}

bool wl_mqtt_match(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message);

    if (!plausible(message)) {
        wl_match_gated(matcher, &message->message);
        return false;
    }
    learn_direction(&message->message.stream->mqtt, message);
    if (message->message.stream->mqtt.client_dir == (int8_t)message->message.direction) {
        wl_mqtt_heard(matcher, message);
    }
    switch (type) {
    case WL_PUBLISH:
        match_publish(matcher, message);
        break;
    case WL_PUBACK:
    case WL_PUBCOMP:
        match_publish_answer(matcher, message);
        break;
    case WL_PUBREC:
        match_pubrec(matcher, message);
        break;
    case WL_PUBREL:
        match_pubrel(matcher, message);
        break;
    case WL_AUTH:
        match_auth(matcher, message);
        break;
    case WL_DISCONNECT:
        wl_mqtt_disconnected(matcher, message);
        break;
    default:
        if (rules[type].role == REQUEST) {
            match_request(matcher, message);
        } else if (rules[type].role == ANSWER) {
            match_answer(matcher, message);
        }
    }
    return true;
}
