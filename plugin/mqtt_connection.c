/* mqtt_connection.c
 * What lies between CONNECT and the end of the connection.
 *
 *   CONNECT ------------->                        keep-alive, Receive Maximum of the client
 *   <------------- CONNACK                        those of the broker; whether the session goes on
 *   PUBLISH, PINGREQ, ... (silence) ... PINGREQ   longer than 1.5 x keep-alive: a finding
 *   DISCONNECT, FIN or RST                        the end, whichever comes first
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mqtt_connection.h"

#include "mqtt_forward.h"

/* MQTT 5.0 section 3.1.2.11.3: what holds where none is named. */
#define DEFAULT_RECEIVE_MAXIMUM 65535u
/* Connections a session may have gone through between a publish and its resending. */
#define MAX_RESUMED 16u

/* Section 3.1.2.10: the broker must close after one and a half times the keep-alive. */
static bool is_too_long(int64_t silence_ns, uint16_t keep_alive_s)
{
    return keep_alive_s > 0 && silence_ns > (int64_t)keep_alive_s * 1500000000;
}

static void silence_ends(wl_matcher_t *matcher, wl_mqtt_stream_t *mqtt, uint32_t frame,
                         int64_t end_ns)
{
    int64_t silence_ns = wl_span_ns(mqtt->client_ns, end_ns);

    if (mqtt->connect == 0 || silence_ns == WL_NO_TIME) {
        return;
    }
    mqtt->silence_ns = MAX(mqtt->silence_ns, silence_ns);
    if (is_too_long(silence_ns, mqtt->keep_alive_s)) {
        wl_mqtt_note_t note = {.start_ns = mqtt->client_ns,
                               .end_ns = end_ns,
                               .exchange = mqtt->connect - 1,
                               .keep_alive_s = mqtt->keep_alive_s,
                               .reason = WL_REASON_NONE};
        wl_store_log_note(matcher->store, frame, WL_EVENT_SILENCE, &note);
    }
}

void wl_mqtt_heard(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    const wl_message_t *common = &message->message;
    wl_mqtt_stream_t *mqtt = &common->stream->mqtt;

    if (mqtt->ended) {
        return;
    }
    silence_ends(matcher, mqtt, common->frame,
                 common->first_ns != WL_NO_TIME ? common->first_ns : common->last_ns);
    mqtt->client_ns = common->last_ns;
}

static uint16_t maximum_of(const wl_mqtt_stream_t *mqtt, const wl_mqtt_message_t *message)
{
    if (mqtt->version != 5) {
        return 0;
    }
    return message->receive_maximum > 0 ? message->receive_maximum : DEFAULT_RECEIVE_MAXIMUM;
}

void wl_mqtt_connected(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_id_t id)
{
    wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    unsigned client = message->message.direction;

    if (mqtt->aliases != NULL) {
        matcher->mqtt->aliases -= g_hash_table_size(mqtt->aliases);
        g_hash_table_remove_all(mqtt->aliases);
    }
    mqtt->session = NULL;
    mqtt->resumed = 0;
    mqtt->connect = id + 1;
    mqtt->receive_maximum[client] = 0;
    mqtt->receive_maximum[!client] = maximum_of(mqtt, message);
    mqtt->keep_alive_s = message->keep_alive_s;
    /* 5.0, section 3.1.2.11.2: without an expiry interval the session ends with the connection. */
    mqtt->keeps_session =
        mqtt->version == 5 ? message->session_expiry_s > 0 : !message->clean_start;
    mqtt->ended = mqtt->authenticates = false;
    mqtt->step_ns = message->message.first_ns;
    mqtt->client_ns = message->message.last_ns;
    mqtt->silence_ns = 0;
}

/* The client's session goes on with this connection, or begins with it. */
static void take_session(wl_matcher_t *matcher, wl_stream_t *stream, bool present)
{
    wl_mqtt_stream_t *mqtt = &stream->mqtt;
    wl_mqtt_session_t *session = NULL;

    if (mqtt->client != WL_STRING_NONE) {
        session = wl_mqtt_session_get(matcher->mqtt, mqtt->client, mqtt->broker);
    }
    mqtt->session = session;
    if (session == NULL) {
        return;
    }
    if (!present) {
        wl_mqtt_session_clear(matcher->mqtt, session);
        session->unknown = false;
    } else if (session->connection == 0) {
        session->unknown = true; /* it began before the capture */
    } else if (session->connection != stream->number + 1) {
        mqtt->resumed = session->connection;
    }
    session->connected = wl_forwards_next(matcher->mqtt->forwards);
    session->connection = stream->number + 1;
}

void wl_mqtt_accepted(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_stream_t *stream = message->message.stream;
    wl_mqtt_stream_t *mqtt = &stream->mqtt;
    unsigned client = !message->message.direction;

    if (message->reason != 0) {
        return;
    }
    if (message->has_keep_alive) {
        mqtt->keep_alive_s = message->keep_alive_s;
    }
    if (message->has_session_expiry) {
        mqtt->keeps_session = message->session_expiry_s > 0;
    }
    mqtt->receive_maximum[client] = maximum_of(mqtt, message);
    /* 3.1 does not say whether there was a session: one that is to be kept is taken for kept. */
    take_session(matcher, stream,
                 mqtt->version == 3 ? mqtt->keeps_session : message->session_present);
}

/* A record to hang the end of a connection on whose CONNECT was not captured. */
static wl_exchange_id_t unknown_connect(wl_matcher_t *matcher, const wl_stream_t *stream)
{
    wl_exchange_id_t id;
    wl_exchange_t *ex = wl_store_add(matcher->store, WL_PROTO_MQTT, &id);

    ex->stream = stream->number;
    ex->direction = stream->mqtt.client_dir & 1;
    ex->client = stream->mqtt.client;
    ex->flags = WL_ORPHANED;
    ex->u.mqtt.kind = WL_MQTT_CONNECT;
    ex->u.mqtt.version = stream->mqtt.version;
    return id;
}

static void session_ends(wl_matcher_t *matcher, wl_stream_t *stream, uint32_t frame,
                         wl_mqtt_note_t *note)
{
    wl_mqtt_stream_t *mqtt = &stream->mqtt;
    wl_mqtt_session_t *session = mqtt->session;
    bool known = mqtt->connect != 0;

    note->exchange = known ? mqtt->connect - 1 : unknown_connect(matcher, stream);
    note->start_ns = wl_time_ns(matcher->store, wl_store_get(matcher->store, note->exchange),
                                WL_TIME_REQUEST_FIRST);
    note->silence_ns = known ? mqtt->silence_ns : WL_NO_TIME;
    note->keep_alive_s = mqtt->keep_alive_s;
    wl_store_log_note(matcher->store, frame, WL_EVENT_SESSION, note);
    mqtt->ended = true;
    if (session == NULL || session->connection != stream->number + 1) {
        return; /* or it has gone on to another connection */
    }
    if (!mqtt->keeps_session) {
        wl_mqtt_session_clear(matcher->mqtt, session);
    }
}

void wl_mqtt_disconnected(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_stream_t *stream = message->message.stream;
    bool by_broker = stream->mqtt.client_dir != (int8_t)message->message.direction;
    wl_mqtt_note_t note = {.end_ns = message->message.last_ns,
                           .reason = message->reason,
                           .end = WL_MQTT_END_DISCONNECT | by_broker};

    if (stream->mqtt.ended) {
        return;
    }
    /* 5.0, section 3.14.2.1: left out where it is 0. */
    if (note.reason == WL_REASON_NONE && stream->mqtt.version == 5) {
        note.reason = 0;
    }
    if (by_broker) {
        silence_ends(matcher, &stream->mqtt, message->message.frame, note.end_ns);
    }
    session_ends(matcher, stream, message->message.frame, &note);
}

void wl_mqtt_closed(wl_matcher_t *matcher, wl_stream_t *stream, unsigned direction, uint32_t frame,
                    int64_t time_ns, bool reset)
{
    bool by_broker = stream->mqtt.client_dir != (int8_t)direction;
    wl_mqtt_note_t note = {.end_ns = time_ns,
                           .reason = WL_REASON_NONE,
                           .end = (reset ? WL_MQTT_END_RST : WL_MQTT_END_FIN) | by_broker};

    if (stream->mqtt.client_dir >= 0 && !stream->mqtt.ended) {
        silence_ends(matcher, &stream->mqtt, frame, time_ns);
        session_ends(matcher, stream, frame, &note);
    }
}

void wl_mqtt_step(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_id_t id)
{
    wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    wl_mqtt_note_t note = {.start_ns = mqtt->step_ns,
                           .end_ns = message->message.last_ns,
                           .exchange = id,
                           .reason = WL_REASON_NONE,
                           .by_broker = mqtt->client_dir != (int8_t)message->message.direction};

    wl_store_log_note(matcher->store, message->message.frame, WL_EVENT_AUTH, &note);
    mqtt->step_ns = message->message.first_ns;
    mqtt->authenticates = true;
}

wl_pending_result_t wl_mqtt_find_publish(wl_matcher_t *matcher, const wl_mqtt_message_t *message,
                                         unsigned requester, wl_exchange_id_t *id)
{
    const wl_stream_t *stream = message->message.stream;
    bool by_client = stream->mqtt.client_dir == (int8_t)requester;
    wl_key_t here = wl_mqtt_key(stream, requester, WL_MQTT_PUBLISH, message->id);
    wl_pending_result_t result = wl_pending_find(matcher->pending, here, id);

    for (unsigned i = 0; i < MAX_RESUMED && result == WL_PENDING_ORPHAN; i++) {
        wl_stream_t *old;
        unsigned direction;
        wl_key_t there;

        if (stream->mqtt.resumed == 0) {
            break;
        }
        old = wl_streams_find(matcher->streams, stream->mqtt.resumed - 1);
        direction = (unsigned)old->mqtt.client_dir ^ !by_client;
        there = wl_mqtt_key(old, direction, WL_MQTT_PUBLISH, message->id);
        result = wl_pending_find(matcher->pending, there, id);
        if (result == WL_PENDING_FOUND) {
            wl_mqtt_landed(old, wl_store_get(matcher->store, *id), direction);
            wl_pending_rekey(matcher->pending, there, here);
        }
        stream = old;
    }
    return result;
}

void wl_mqtt_in_flight(wl_stream_t *stream, wl_exchange_t *ex, unsigned requester)
{
    if (!(ex->u.mqtt.known & WL_MQTT_IN_FLIGHT)) {
        ex->u.mqtt.known |= WL_MQTT_IN_FLIGHT;
        stream->mqtt.inflight[requester]++;
    }
}

void wl_mqtt_landed(wl_stream_t *stream, wl_exchange_t *ex, unsigned requester)
{
    if (ex->u.mqtt.known & WL_MQTT_IN_FLIGHT) {
        ex->u.mqtt.known &= (uint8_t)~WL_MQTT_IN_FLIGHT;
        stream->mqtt.inflight[requester]--;
    }
}
