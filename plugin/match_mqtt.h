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
} wl_mqtt_message_t;

static inline unsigned wl_mqtt_type(const wl_mqtt_message_t *message)
{
    return message->header >> 4;
}

/* Takes the packets of all streams in capture order. Returns false when a sanity gate refused the
 * packet (a health finding): it then opened and closed nothing. */
bool wl_mqtt_match(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

#endif
