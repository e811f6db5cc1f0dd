/* match_mqttsn.h
 * Pairs MQTT-SN messages with what answers them; see match_mqttsn.c for the diagrams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MATCH_MQTTSN_H
#define WIRELAT_MATCH_MQTTSN_H

#include "message.h"

/* Message types (MQTT-SN 1.2, section 5.2.2). */
enum {
    WL_SN_CONNECT = 0x04,
    WL_SN_CONNACK,
    WL_SN_WILLTOPICREQ,
    WL_SN_WILLTOPIC,
    WL_SN_WILLMSGREQ,
    WL_SN_WILLMSG,
    WL_SN_REGISTER,
    WL_SN_REGACK,
    WL_SN_PUBLISH,
    WL_SN_PUBACK,
    WL_SN_PUBCOMP,
    WL_SN_PUBREC,
    WL_SN_PUBREL,
    WL_SN_SUBSCRIBE = 0x12,
    WL_SN_SUBACK,
    WL_SN_UNSUBSCRIBE,
    WL_SN_UNSUBACK,
    WL_SN_PINGREQ,
    WL_SN_PINGRESP,
    WL_SN_DISCONNECT,
    WL_SN_WILLTOPICUPD = 0x1a,
    WL_SN_WILLTOPICRESP,
    WL_SN_WILLMSGUPD,
    WL_SN_WILLMSGRESP,
    WL_SN_TYPES,
    WL_SN_ENCAPSULATED = 0xfe
};

/* Flags (section 5.3.4). */
enum {
    WL_SN_DUP = 0x80,
    WL_SN_QOS = 0x60,
    WL_SN_RETAIN = 0x10,
    WL_SN_CLEAN = 0x04,
    WL_SN_TOPIC_TYPE = 0x03
};

/* Topic id types (section 5.3.4). */
enum { WL_SN_TOPIC_NORMAL, WL_SN_TOPIC_PREDEFINED, WL_SN_TOPIC_SHORT };

typedef struct {
    wl_message_t message; /* size is that of the message itself, without what encapsulates it */
    uint8_t type, flags;
    bool has_id;
    uint16_t id;            /* MsgId */
    uint16_t topic_id;      /* 0 none */
    int16_t reason;         /* ReturnCode, WL_REASON_NONE if the type has none */
    uint32_t content;       /* hash of the whole message but for DUP: tells one sent again */
    wl_string_t topic;      /* name in the message: REGISTER, SUBSCRIBE, UNSUBSCRIBE, short names */
    wl_string_t client;     /* of a CONNECT, or a PINGREQ of a sleeping client */
    wl_string_t node;       /* of an encapsulated message: the forwarder's name for its client */
    bool sender_is_gateway; /* guess by port, used until a message tells */
} wl_mqttsn_message_t;

/* Reads a datagram, of which `count` bytes were captured; names go to the store. False when it is no MQTT-SN message. */
bool wl_read_mqttsn(const uint8_t *bytes, uint32_t count, wl_store_t *store,
                    wl_mqttsn_message_t *message);

/* What is known of the clients behind the streams: client ids, topic names. At most max_entries of
 * both; what does not fit is counted in wl_mqttsn_state_dropped(). */
typedef struct wl_mqttsn_state wl_mqttsn_state_t;
wl_mqttsn_state_t *wl_mqttsn_state_new(unsigned max_entries);
void wl_mqttsn_state_free(wl_mqttsn_state_t *state);
uint64_t wl_mqttsn_state_dropped(const wl_mqttsn_state_t *state);

/* Takes the messages of all streams in capture order. Returns false when a sanity gate refused the
 * message (a health finding): it then opened and closed nothing. */
bool wl_mqttsn_match(wl_matcher_t *matcher, wl_mqttsn_state_t *state,
                     const wl_mqttsn_message_t *message);

#endif
