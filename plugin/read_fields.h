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

/* Every item we look for: field or protocol name, and why it is wanted. X(id, name, group).
 * The headers of MQTT and Kafka are not among them: a wanted field costs more on every packet of
 * the capture than the few bytes it stands for, which are read from the PDU's own place in the
 * buffer. NODES are found without asking before 4.6, which fakes top-level items nobody wants. */
#define WL_WANTED(X)                           \
    X(TCP, "tcp", NODES)                       \
    X(TCP_LEN, "tcp.len", TRANSPORT)           \
    X(TCP_SEGMENTS, "tcp.segments", NODES)     \
    X(TCP_SEGMENT, "tcp.segment", TRANSPORT)   \
    X(TLS, "tls", NODES)                       \
    X(TLS_APP_DATA, "tls.app_data", TRANSPORT) \
    X(TLS_SEGMENTS, "tls.segments", NODES)     \
    X(TLS_SEGMENT, "tls.segment", TRANSPORT)   \
    X(HTTP, "http", NODES)                     \
    X(WEBSOCKET, "websocket", NODES)           \
    X(MQTT, "mqtt", NODES)                     \
    X(KAFKA, "kafka", NODES)

typedef enum {
    WL_ITEM_NONE,
#define X(id, name, group) WL_ITEM_##id,
    WL_WANTED(X)
#undef X
        WL_ITEM_COUNT
} wl_item_t;

enum {
    WL_WANT_TRANSPORT = 1,
    WL_WANT_MQTT = 2,
    WL_WANT_KAFKA = 4,
    WL_WANT_NODES = 8,
    WL_WANT_MPTCP = 16 /* no items of its own: the TCP header's bytes */
};

/* Resolves all names; call when every dissector has registered. Names this Wireshark does not have
 * are reported once, as a warning that lists them. */
void wl_read_resolve(void);

/* The ids the post-dissector has to ask for, for the wanted groups (WL_WANT_*). Caller owns it. */
GArray *wl_read_wanted(unsigned groups);

/* What a tree item is to us. */
wl_item_t wl_read_item(const field_info *finfo);

/* The frame's TCP segment, from its innermost "tcp" node, and where its payload starts in the
 * node's data source; all but its stream and header hash. False when the header was not captured.
 * Its time is WL_NO_TIME when it lies centuries off.
 * segment->source_address points into pinfo. */
bool wl_read_segment(packet_info *pinfo, const proto_node *tcp_node, wl_segment_t *segment,
                     uint32_t *payload_start);

/* Of all bytes of the TCP header that were captured (FNV-1a); for wl_segment_t. */
uint64_t wl_read_header_hash(const proto_node *tcp_node, uint32_t payload_start);

/* The frame's tcp.stream. Asked for where needed, and not a wanted field: that would cost every
 * TCP packet of the capture 1.5 % of its dissection. False if TCP keeps no analysis of it. */
bool wl_read_stream(packet_info *pinfo, uint32_t *stream);

/* The PDU's captured bytes, at most `limit`; NULL and *count 0 when there are none. */
const uint8_t *wl_read_bytes(const field_info *pdu, uint32_t limit, uint32_t *count);

uint32_t wl_item_uint(const field_info *finfo);

#endif
