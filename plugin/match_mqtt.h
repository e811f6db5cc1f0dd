/* match_mqtt.h
 * Pairs MQTT control packets with what answers them; see match_mqtt.c for the diagrams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MATCH_MQTT_H
#define WIRELAT_MATCH_MQTT_H

#include "message.h"

/* Control packet types (MQTT 5.0, section 2.1.2). */
enum {
    WL_CONNECT = 1,
    WL_CONNACK,
    WL_PUBLISH,
    WL_PUBACK,
    WL_PUBREC,
    WL_PUBREL,
    WL_PUBCOMP,
    WL_SUBSCRIBE,
    WL_SUBACK,
    WL_UNSUBSCRIBE,
    WL_UNSUBACK,
    WL_PINGREQ,
    WL_PINGRESP,
    WL_DISCONNECT,
    WL_AUTH
};

/* Reason code of an AUTH that is not the last of its exchange (MQTT 5.0, section 3.15.2.1). */
#define WL_REASON_CONTINUE 0x18
#define WL_REASON_REAUTHENTICATE 0x19
#define WL_REASON_FAILED 0x80 /* from here on reason codes are refusals (section 2.4) */

typedef struct {
    wl_message_t message;
    uint8_t header; /* first byte: type << 4 | flags */
    bool has_id;
    uint16_t id;           /* packet identifier */
    uint16_t topic_alias;  /* v5 PUBLISH, 0 none */
    wl_string_t topic;     /* PUBLISH: as sent, WL_STRING_NONE when only the alias was sent */
    wl_string_t client;    /* CONNECT: client id; CONNACK: assigned client id */
    int16_t reason;        /* WL_REASON_NONE if absent */
    uint8_t version;       /* CONNECT: protocol level 3, 4, 5 */
    bool sender_is_server; /* guess by port, used until a packet tells */
    bool clean_start;      /* CONNECT */
    bool session_present;  /* CONNACK */
    bool has_keep_alive;   /* CONNECT; CONNACK with a Server Keep Alive */
    uint16_t keep_alive_s;
    uint16_t receive_maximum; /* CONNECT, CONNACK: 0 if not there */
    bool has_session_expiry;  /* CONNECT, CONNACK */
    uint32_t session_expiry_s;
    /* Inside the PDU, valid while the packet is matched: the payload of a PUBLISH; what follows the
     * properties of a SUBSCRIBE, UNSUBSCRIBE (filters) or of their answers (codes). */
    const uint8_t *rest;
    uint32_t rest_length;
} wl_mqtt_message_t;

static inline unsigned wl_mqtt_type(const wl_mqtt_message_t *message)
{
    return message->header >> 4;
}

/* Takes the packets of all streams in capture order. Returns false when a sanity gate refused the
 * packet (a health finding): it then opened and closed nothing. */
bool wl_mqtt_match(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* Has what the matching of this packet will look up fetched, while its place is found. */
void wl_mqtt_prefetch(const wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* The connection was closed (FIN), or reset, in this direction: ends what no DISCONNECT has ended.
 * To be called after the frame's packets. */
void wl_mqtt_closed(wl_matcher_t *matcher, wl_stream_t *stream, unsigned direction, uint32_t frame,
                    int64_t time_ns, bool reset);

#endif
