/* match_mqttsn.c
 * Pairs MQTT-SN messages with what answers them (MQTT-SN 1.2, section 6).
 *
 *   CONNECT -----------> CONNACK           PUBLISH(id) QoS 1 ----> PUBACK(id)
 *     <---- WILLTOPICREQ, WILLTOPIC ---->  PUBLISH(id) QoS 2 ----> PUBREC(id)     pubrec_time
 *     <---- WILLMSGREQ, WILLMSG ------->      PUBREL(id) --------> PUBCOMP(id)
 *   REGISTER(id) ------> REGACK(id)        SUBSCRIBE(id) --------> SUBACK(id)
 *   PINGREQ -----------> PINGRESP          UNSUBSCRIBE(id) ------> UNSUBACK(id)
 *   DISCONNECT --------> DISCONNECT        WILLTOPICUPD, WILLMSGUPD -> ...RESP
 *
 * Key: stream, client behind a forwarder, direction of the requester and kind, MsgId. UDP loses
 * messages: one that comes again while it waits (same bytes but for DUP; a PUBLISH must have DUP
 * set, section 5.3.4) is a retry, and the clock keeps running from the first.
 *
 * A topic id stands for a name that REGISTER, REGACK or SUBACK told, for one client. Knows nothing
 * of trees, taps or tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "match_mqttsn.h"

#include <string.h>

typedef enum { IGNORED, REQUEST, ANSWER, STEP } role_t;
static const struct {
    role_t role;
    uint8_t kind;
    bool from_client, from_gateway; /* only they send it */
} rules[WL_SN_TYPES] = {
    [WL_SN_CONNECT] = {REQUEST, WL_SN_EX_CONNECT, true, false},
    [WL_SN_CONNACK] = {ANSWER, WL_SN_EX_CONNECT, false, true},
    [WL_SN_WILLTOPICREQ] = {REQUEST, WL_SN_EX_WILL_TOPIC, false, true},
    [WL_SN_WILLTOPIC] = {ANSWER, WL_SN_EX_WILL_TOPIC, true, false},
    [WL_SN_WILLMSGREQ] = {REQUEST, WL_SN_EX_WILL_MESSAGE, false, true},
    [WL_SN_WILLMSG] = {ANSWER, WL_SN_EX_WILL_MESSAGE, true, false},
    [WL_SN_REGISTER] = {REQUEST, WL_SN_EX_REGISTER, false, false},
    [WL_SN_REGACK] = {ANSWER, WL_SN_EX_REGISTER, false, false},
    [WL_SN_PUBLISH] = {REQUEST, WL_SN_EX_PUBLISH, false, false},
    [WL_SN_PUBACK] = {ANSWER, WL_SN_EX_PUBLISH, false, false},
    [WL_SN_PUBCOMP] = {ANSWER, WL_SN_EX_PUBLISH, false, false},
    [WL_SN_PUBREC] = {STEP, WL_SN_EX_PUBLISH, false, false},
    [WL_SN_PUBREL] = {STEP, WL_SN_EX_PUBLISH, false, false},
    [WL_SN_SUBSCRIBE] = {REQUEST, WL_SN_EX_SUBSCRIBE, true, false},
    [WL_SN_SUBACK] = {ANSWER, WL_SN_EX_SUBSCRIBE, false, true},
    [WL_SN_UNSUBSCRIBE] = {REQUEST, WL_SN_EX_UNSUBSCRIBE, true, false},
    [WL_SN_UNSUBACK] = {ANSWER, WL_SN_EX_UNSUBSCRIBE, false, true},
    [WL_SN_PINGREQ] = {REQUEST, WL_SN_EX_PING, false, false},
    [WL_SN_PINGRESP] = {ANSWER, WL_SN_EX_PING, false, false},
    [WL_SN_DISCONNECT] = {STEP, WL_SN_EX_DISCONNECT, false, false},
    [WL_SN_WILLTOPICUPD] = {REQUEST, WL_SN_EX_WILL_TOPIC_UPDATE, true, false},
    [WL_SN_WILLTOPICRESP] = {ANSWER, WL_SN_EX_WILL_TOPIC_UPDATE, false, true},
    [WL_SN_WILLMSGUPD] = {REQUEST, WL_SN_EX_WILL_MESSAGE_UPDATE, true, false},
    [WL_SN_WILLMSGRESP] = {ANSWER, WL_SN_EX_WILL_MESSAGE_UPDATE, false, true},
};

/* A client: one side of a stream, or one of those behind a forwarder. */
typedef struct {
    uint32_t stream;
    wl_string_t node;
    int8_t direction; /* in which it sends, -1 unknown */
    wl_string_t name;
    uint32_t epoch; /* topic ids of earlier ones are no longer valid */
} client_t;

typedef struct {
    const client_t *client;
    uint32_t epoch;
    uint16_t id;
    wl_string_t name;
} topic_t;

struct wl_mqttsn_state {
    GHashTable *clients, *topics; /* each entry is its own key */
    client_t nobody;              /* stands for those that did not fit */
    unsigned max_entries;
    uint64_t dropped;
};

static guint client_hash(gconstpointer key)
{
    const client_t *client = key;

    return client->stream * 31u + client->node * 2654435761u;
}

static gboolean client_equal(gconstpointer a, gconstpointer b)
{
    const client_t *one = a, *other = b;

    return one->stream == other->stream && one->node == other->node;
}

static guint topic_hash(gconstpointer key)
{
    const topic_t *topic = key;

    return g_direct_hash(topic->client) * 31u + topic->epoch * 65599u + topic->id;
}

static gboolean topic_equal(gconstpointer a, gconstpointer b)
{
    const topic_t *one = a, *other = b;

    return one->client == other->client && one->epoch == other->epoch && one->id == other->id;
}

wl_mqttsn_state_t *wl_mqttsn_state_new(unsigned max_entries)
{
    wl_mqttsn_state_t *state = g_new0(wl_mqttsn_state_t, 1);

    state->clients = g_hash_table_new_full(client_hash, client_equal, NULL, g_free);
    state->topics = g_hash_table_new_full(topic_hash, topic_equal, NULL, g_free);
    state->max_entries = max_entries;
    return state;
}

void wl_mqttsn_state_free(wl_mqttsn_state_t *state)
{
    if (state != NULL) {
        g_hash_table_destroy(state->clients);
        g_hash_table_destroy(state->topics);
        g_free(state);
    }
}

uint64_t wl_mqttsn_state_dropped(const wl_mqttsn_state_t *state)
{
    return state->dropped;
}

static bool has_room(wl_mqttsn_state_t *state)
{
    if (g_hash_table_size(state->clients) + g_hash_table_size(state->topics) < state->max_entries) {
        return true;
    }
    state->dropped++;
    return false;
}

static client_t *client_of(wl_mqttsn_state_t *state, const wl_mqttsn_message_t *message)
{
    client_t wanted = {message->message.stream->number, message->node, -1, WL_STRING_NONE, 0};
    client_t *client = g_hash_table_lookup(state->clients, &wanted);

    if (client != NULL) {
        return client;
    }
    if (!has_room(state)) {
        state->nobody = wanted;
        return &state->nobody;
    }
    client = g_new(client_t, 1);
    *client = wanted;
    g_hash_table_insert(state->clients, client, client);
    return client;
}

static void learn_topic(wl_mqttsn_state_t *state, const client_t *client, uint16_t id,
                        wl_string_t name)
{
    topic_t wanted = {client, client->epoch, id, name};
    topic_t *topic = g_hash_table_lookup(state->topics, &wanted);

    if (id == 0 || name == WL_STRING_NONE || client == &state->nobody) {
        return;
    }
    if (topic != NULL) {
        topic->name = name;
    } else if (has_room(state)) {
        topic = g_new(topic_t, 1);
        *topic = wanted;
        g_hash_table_insert(state->topics, topic, topic);
    }
}

static wl_string_t topic_name(const wl_mqttsn_state_t *state, const client_t *client,
                              const wl_mqttsn_message_t *message)
{
    topic_t wanted = {client, client->epoch, message->topic_id, WL_STRING_NONE};
    const topic_t *topic;

    if (message->topic != WL_STRING_NONE ||
        (message->flags & WL_SN_TOPIC_TYPE) != WL_SN_TOPIC_NORMAL) {
        return message->topic; /* predefined ids were agreed on elsewhere */
    }
    topic = g_hash_table_lookup(state->topics, &wanted);
    return topic != NULL ? topic->name : WL_STRING_NONE;
}

static int qos_of(const wl_mqttsn_message_t *message)
{
    int qos = (message->flags & WL_SN_QOS) >> 5;

    return qos == 3 ? -1 : qos;
}

static bool plausible(const wl_mqttsn_message_t *message)
{
    if (message->message.cut) {
        return false;
    }
    return message->type != WL_SN_PUBLISH || qos_of(message) <= 0 || message->id != 0;
}

/* Nodes are counted from 0 by the store of names, which holds fewer than 2^23. */
static wl_key_t key_of(const wl_mqttsn_message_t *message, unsigned requester, unsigned kind)
{
    bool with_id = kind == WL_SN_EX_REGISTER || kind == WL_SN_EX_PUBLISH ||
                   kind == WL_SN_EX_SUBSCRIBE || kind == WL_SN_EX_UNSUBSCRIBE;

    return (wl_key_t){message->message.stream->number, message->node << 9 | requester << 8 | kind,
                      with_id ? message->id : 0};
}

static void learn_client(client_t *client, const wl_mqttsn_message_t *message)
{
    int8_t sender = (int8_t)message->message.direction;

    if (rules[message->type].from_client) {
        client->direction = sender;
    } else if (rules[message->type].from_gateway) {
        client->direction = !sender;
    } else if (client->direction < 0) {
        client->direction = message->sender_is_gateway ? !sender : sender;
    }
    if (message->client != WL_STRING_NONE && client->direction == sender) {
        client->name = message->client;
    }
    if (message->type == WL_SN_CONNECT && (message->flags & WL_SN_CLEAN)) {
        client->epoch++; /* section 6.4: a clean session has no registrations */
    }
}

static void fill(wl_exchange_t *ex, const client_t *client, const wl_mqttsn_message_t *message,
                 unsigned requester)
{
    ex->client = client->name;
    ex->u.mqttsn.kind = rules[message->type].kind;
    ex->u.mqttsn.node = message->node;
    if (client->direction != (int8_t)requester) {
        ex->flags |= WL_FROM_BROKER;
    }
}

/* Sent again while the first waits. What cannot say so by a flag says the same again. */
static bool match_retry(wl_matcher_t *matcher, const wl_mqttsn_message_t *message, wl_key_t key)
{
    wl_exchange_id_t id;
    wl_exchange_t *ex;

    if (wl_pending_find(matcher->pending, key, &id) != WL_PENDING_FOUND) {
        return false;
    }
    ex = wl_store_get(matcher->store, id);
    if (message->type == WL_SN_PUBLISH ? !(message->flags & WL_SN_DUP)
                                       : ex->u.mqttsn.content != message->content) {
        return false;
    }
    wl_match_retry(matcher, &message->message, id);
    return true;
}

static void match_request(wl_matcher_t *matcher, wl_mqttsn_state_t *state, client_t *client,
                          const wl_mqttsn_message_t *message)
{
    unsigned direction = message->message.direction;
    wl_key_t key = key_of(message, direction, rules[message->type].kind);
    int qos = message->type == WL_SN_PUBLISH ? qos_of(message) : 0;
    bool one_way = message->type == WL_SN_PUBLISH && qos <= 0;
    wl_exchange_id_t id;
    wl_exchange_t *ex;

    if (!one_way && match_retry(matcher, message, key)) {
        return;
    }
    ex = wl_match_open(matcher, WL_PROTO_MQTTSN, &message->message, key.id, &id);
    fill(ex, client, message, direction);
    ex->u.mqttsn.content = message->content;
    ex->u.mqttsn.topic_id = message->topic_id;
    ex->u.mqttsn.topic_type = message->flags & WL_SN_TOPIC_TYPE;
    ex->u.mqttsn.topic = topic_name(state, client, message);
    ex->u.mqttsn.qos = (int8_t)qos;
    if (message->type == WL_SN_PUBLISH && (message->flags & WL_SN_RETAIN)) {
        ex->flags |= WL_RETAIN;
    }
    if (message->type == WL_SN_REGISTER) {
        learn_topic(state, client, message->topic_id, message->topic); /* from the gateway */
    }
    if (qos == 2) {
        wl_store_add_legs(matcher->store, ex);
    }
    if (one_way) {
        ex->flags |= WL_ONE_WAY;
    } else {
        wl_match_pend(matcher, key, ex, id);
    }
}

static void match_answer(wl_matcher_t *matcher, wl_mqttsn_state_t *state, const client_t *client,
                         const wl_mqttsn_message_t *message)
{
    unsigned requester = !message->message.direction;
    wl_key_t key = key_of(message, requester, rules[message->type].kind);
    wl_pending_result_t result = WL_PENDING_ORPHAN;
    wl_exchange_id_t id;
    wl_exchange_t *ex = NULL;
    int qos = message->type == WL_SN_PUBCOMP ? 2 : 1;

    /* A PUBCOMP cannot end a QoS 1 publish, nor a PUBACK that accepts one of QoS 2. */
    if (rules[message->type].kind == WL_SN_EX_PUBLISH &&
        wl_pending_find(matcher->pending, key, &id) != WL_PENDING_ORPHAN) {
        int asked = wl_store_get(matcher->store, id)->u.mqttsn.qos;

        if (asked != qos && !(message->type == WL_SN_PUBACK && message->reason > 0)) {
            ex = wl_match_orphan(matcher, WL_PROTO_MQTTSN, &message->message, key.id);
        }
    }
    if (ex == NULL) {
        ex = wl_match_answer(matcher, WL_PROTO_MQTTSN, key, &message->message, &result);
    }
    if (result == WL_PENDING_ORPHAN) {
        fill(ex, client, message, requester);
        ex->u.mqttsn.topic_id = message->topic_id;
        ex->u.mqttsn.qos = rules[message->type].kind == WL_SN_EX_PUBLISH ? (int8_t)qos : 0;
    }
    if (result != WL_PENDING_DUPLICATE) {
        ex->u.mqttsn.reason = message->reason;
    }
    if (result == WL_PENDING_FOUND && message->reason == 0 &&
        ex->u.mqttsn.topic_type == WL_SN_TOPIC_NORMAL &&
        (message->type == WL_SN_REGACK || message->type == WL_SN_SUBACK)) {
        /* What the client asked to be given an id for; a filter with wildcards gets none. */
        learn_topic(state, client, message->topic_id, ex->u.mqttsn.topic);
        if (ex->u.mqttsn.topic_id == 0) {
            ex->u.mqttsn.topic_id = message->topic_id;
        }
    }
}

static void match_pubrec(wl_matcher_t *matcher, const client_t *client,
                         const wl_mqttsn_message_t *message)
{
    unsigned requester = !message->message.direction;
    wl_exchange_id_t id;
    wl_pending_result_t result =
        wl_pending_find(matcher->pending, key_of(message, requester, WL_SN_EX_PUBLISH), &id);
    wl_exchange_t *ex = result == WL_PENDING_ORPHAN ? NULL : wl_store_get(matcher->store, id);

    if (ex != NULL && wl_store_legs(matcher->store, ex) != NULL) {
        wl_match_pubrec(matcher, &message->message, id, result);
    } else {
        ex = wl_match_orphan(matcher, WL_PROTO_MQTTSN, &message->message, message->id);
        fill(ex, client, message, requester);
        ex->u.mqttsn.qos = 2;
    }
}

static void match_pubrel(wl_matcher_t *matcher, const wl_mqttsn_message_t *message)
{
    wl_key_t key = key_of(message, message->message.direction, WL_SN_EX_PUBLISH);
    wl_exchange_id_t id;

    /* Of one that is not there its PUBCOMP will be counted as an orphan. */
    if (wl_pending_find(matcher->pending, key, &id) == WL_PENDING_FOUND) {
        wl_match_pubrel(matcher, &message->message, id);
    }
}

/* Asks from the client, answers from the gateway; what the gateway says by itself asks nothing. */
static void match_disconnect(wl_matcher_t *matcher, wl_mqttsn_state_t *state, client_t *client,
                             const wl_mqttsn_message_t *message)
{
    wl_exchange_id_t id;
    wl_key_t asked = key_of(message, !message->message.direction, WL_SN_EX_DISCONNECT);

    if (client->direction == (int8_t)message->message.direction) {
        match_request(matcher, state, client, message);
    } else if (wl_pending_find(matcher->pending, asked, &id) == WL_PENDING_FOUND) {
        match_answer(matcher, state, client, message);
    }
}

bool wl_mqttsn_match(wl_matcher_t *matcher, wl_mqttsn_state_t *state,
                     const wl_mqttsn_message_t *message)
{
    client_t *client;

    if (!plausible(message)) {
        wl_match_gated(matcher, &message->message);
        return false;
    }
    client = client_of(state, message);
    learn_client(client, message);
    switch (message->type) {
    case WL_SN_PUBREC:
        match_pubrec(matcher, client, message);
        break;
    case WL_SN_PUBREL:
        match_pubrel(matcher, message);
        break;
    case WL_SN_DISCONNECT:
        match_disconnect(matcher, state, client, message);
        break;
    default:
        if (rules[message->type].role == REQUEST) {
            match_request(matcher, state, client, message);
        } else if (rules[message->type].role == ANSWER) {
            match_answer(matcher, state, client, message);
        }
    }
    return true;
}
