/* mqtt_connection.h
 * The life of an MQTT connection beside its exchanges: what CONNECT and CONNACK agree on, sessions
 * that go on, packets in flight, the client's silences, and the end; see mqtt_connection.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MQTT_CONNECTION_H
#define WIRELAT_MQTT_CONNECTION_H

#include "match_mqtt.h"

/* Any packet of the client: ends its silence. Logs WL_EVENT_SILENCE if that was too long. */
void wl_mqtt_heard(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* A CONNECT that opened the exchange; a CONNACK that ended it. */
void wl_mqtt_connected(wl_matcher_t *matcher, const wl_mqtt_message_t *message,
                       wl_exchange_id_t id);
void wl_mqtt_accepted(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* A DISCONNECT: logs WL_EVENT_SESSION. */
void wl_mqtt_disconnected(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* An authentication went on: logs WL_EVENT_AUTH of the exchange. */
void wl_mqtt_step(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_id_t id);

/* Finds the publish of `requester` (a direction) with the packet's id, as wl_pending_find(). One
 * that is pending on the connection whose session this one goes on with belongs to this one from
 * then on. */
wl_pending_result_t wl_mqtt_find_publish(wl_matcher_t *matcher, const wl_mqtt_message_t *message,
                                         unsigned requester, wl_exchange_id_t *id);

/* The publish is in flight on the connection from now on, or no longer; both may be called twice. */
void wl_mqtt_in_flight(wl_stream_t *stream, wl_exchange_t *ex, unsigned requester);
void wl_mqtt_landed(wl_stream_t *stream, wl_exchange_t *ex, unsigned requester);

static inline wl_key_t wl_mqtt_key(const wl_stream_t *stream, unsigned requester, unsigned kind,
                                   uint32_t id)
{
    return (wl_key_t){stream->number, requester << 8 | kind, id};
}

#endif
