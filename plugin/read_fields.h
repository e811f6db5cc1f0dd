/* read_fields.h
 * What Wireshark's dissectors found, as C values: the frame's TCP segment, and the wanted fields of
 * one PDU subtree. The only place that knows dissector field names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_READ_FIELDS_H
#define WIRELAT_READ_FIELDS_H

#include "compat.h"
#include "match_kafka.h"
#include "match_mqtt.h"

/* Every item we look for: field or protocol name, and for whom it is wanted. X(id, name, group). */
#define WL_WANTED(X)                                              \
    X(TCP, "tcp", TRANSPORT)                                      \
    X(TCP_STREAM, "tcp.stream", TRANSPORT)                        \
    X(TCP_LEN, "tcp.len", TRANSPORT)                              \
    X(TCP_SEGMENTS, "tcp.segments", TRANSPORT)                    \
    X(TCP_SEGMENT, "tcp.segment", TRANSPORT)                      \
    X(TLS, "tls", TRANSPORT)                                      \
    X(TLS_APP_DATA, "tls.app_data", TRANSPORT)                    \
    X(TLS_SEGMENTS, "tls.segments", TRANSPORT)                    \
    X(TLS_SEGMENT, "tls.segment", TRANSPORT)                      \
    X(MQTT, "mqtt", MQTT)                                         \
    X(MQTT_HEADER, "mqtt.hdrflags", MQTT)                         \
    X(MQTT_LEN, "mqtt.len", MQTT)                                 \
    X(MQTT_ID, "mqtt.msgid", MQTT)                                \
    X(MQTT_TOPIC, "mqtt.topic", MQTT)                             \
    X(MQTT_TOPIC_ALIAS, "mqtt.property.topic_alias", MQTT)        \
    X(MQTT_CLIENT, "mqtt.clientid", MQTT)                         \
    X(MQTT_VERSION, "mqtt.ver", MQTT)                             \
    X(MQTT_PROPERTY_ID, "mqtt.property_id", MQTT)                 \
    X(MQTT_PROPERTY_STRING, "mqtt.prop_string", MQTT)             \
    X(MQTT_CONNACK_CODE, "mqtt.conack.val", MQTT)                 \
    X(MQTT_CONNACK_REASON, "mqtt.connack.reason_code", MQTT)      \
    X(MQTT_PUBACK_REASON, "mqtt.puback.reason_code", MQTT)        \
    X(MQTT_PUBREC_REASON, "mqtt.pubrec.reason_code", MQTT)        \
    X(MQTT_PUBREL_REASON, "mqtt.pubrel.reason_code", MQTT)        \
    X(MQTT_PUBCOMP_REASON, "mqtt.pubcomp.reason_code", MQTT)      \
    X(MQTT_SUBACK_QOS, "mqtt.suback.qos", MQTT)                   \
    X(MQTT_SUBACK_REASON, "mqtt.suback.reason_code", MQTT)        \
    X(MQTT_UNSUBACK_REASON, "mqtt.unsuback.reason_code", MQTT)    \
    X(MQTT_DISCONNECT_REASON, "mqtt.disconnect.reason_code", MQTT)\
    X(MQTT_AUTH_REASON, "mqtt.auth.reason_code", MQTT)            \
    X(KAFKA, "kafka", KAFKA)                                      \
    X(KAFKA_LEN, "kafka.len", KAFKA)                              \
    X(KAFKA_CORRELATION_ID, "kafka.correlation_id", KAFKA)        \
    X(KAFKA_REQUEST_KEY, "kafka.request_key", KAFKA)              \
    X(KAFKA_REQUEST_VERSION, "kafka.request.version", KAFKA)      \
    X(KAFKA_CLIENT, "kafka.client_id", KAFKA)                     \
    X(KAFKA_ACKS, "kafka.required_acks", KAFKA)

typedef enum {
    WL_ITEM_NONE,
#define X(id, name, group) WL_ITEM_##id,
    WL_WANTED(X)
#undef X
    WL_ITEM_COUNT
} wl_item_t;

enum { WL_WANT_TRANSPORT = 1, WL_WANT_MQTT = 2, WL_WANT_KAFKA = 4 };

/* The items found in one subtree: for each, the first in tree order, or NULL. */
typedef struct {
    const field_info *item[WL_ITEM_COUNT];
} wl_items_t;

/* Resolves all names; call when every dissector has registered. Names this Wireshark does not have
 * are reported once, as a warning that lists them. */
void wl_read_resolve(void);

/* The ids the post-dissector has to ask for, for the wanted groups (WL_WANT_*). Caller owns it. */
GArray *wl_read_wanted(unsigned groups);

/* What a tree item is to us. */
wl_item_t wl_read_item(const field_info *finfo);

/* Collects the wanted items below a node, whatever the depth; items of the node itself excluded. */
void wl_read_collect(proto_node *node, wl_items_t *items);

/* The frame's TCP segment, from its innermost "tcp" node, and where its payload starts in the
 * node's data source. False when the header was not captured. segment->source_address points into
 * pinfo. */
bool wl_read_segment(packet_info *pinfo, const proto_node *tcp_node, wl_segment_t *segment,
                     uint32_t *payload_start);

/* The protocol's own fields of a PDU; message->message must be filled already but for `cut` and
 * `size`. False when the subtree lacks what makes it a message. Strings go to the store. */
bool wl_read_mqtt(const field_info *pdu, const wl_items_t *items, wl_store_t *store,
                  wl_mqtt_message_t *message);
bool wl_read_kafka(const field_info *pdu, const wl_items_t *items, wl_store_t *store,
                   wl_kafka_message_t *message);

uint32_t wl_item_uint(const field_info *finfo);

#endif
