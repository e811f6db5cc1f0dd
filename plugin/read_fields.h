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
#include "tcp_front.h"

/* Every item we look for: field or protocol name, and why it is wanted. X(id, name, group).
 * The headers of MQTT and Kafka are not among them: a wanted field costs more on every packet of
 * the capture than the few bytes it stands for, which are read from the PDU's own place in the
 * buffer. NODES are found without asking before 4.6, which fakes top-level items nobody wants. */
#define WL_WANTED(X)                           \
    X(IP, "ip", NODES)                         \
    X(IPV6, "ipv6", NODES)                     \
    X(TCP, "tcp", NODES)                       \
    X(TCP_LEN, "tcp.len", LENGTH)              \
    X(TCP_SEGMENTS, "tcp.segments", NODES)     \
    X(TCP_SEGMENT, "tcp.segment", TRANSPORT)   \
    X(TLS, "tls", NODES)                       \
    X(TLS_APP_DATA, "tls.app_data", TRANSPORT) \
    X(TLS_SEGMENTS, "tls.segments", NODES)     \
    X(TLS_SEGMENT, "tls.segment", TRANSPORT)   \
    X(HTTP, "http", NODES)                     \
    X(WEBSOCKET, "websocket", NODES)           \
    X(MQTT, "mqtt", NODES)                     \
    X(KAFKA, "kafka", NODES)                   \
    X(MQTTSN, "mqttsn", MQTTSN)

typedef enum {
    WL_ITEM_NONE,
#define X(id, name, group) WL_ITEM_##id,
    WL_WANTED(X)
#undef X
        WL_ITEM_COUNT
} wl_item_t;

/* LENGTH: one item on every TCP packet, 2 % of its dissection. IP says the same, unless there is an
 * ESP trailer behind the payload. */
enum {
    WL_WANT_TRANSPORT = 1,
    WL_WANT_MQTT = 2,
    WL_WANT_KAFKA = 4,
    WL_WANT_NODES = 8,
    WL_WANT_MPTCP = 16, /* no items of its own: the TCP header's bytes */
    WL_WANT_LENGTH = 32,
    WL_WANT_MQTTSN = 64
};

/* Resolves all names; call when every dissector has registered. Names this Wireshark does not have
 * are reported once, as a warning that lists them. */
void wl_read_resolve(void);

/* The ids the post-dissector has to ask for, for the wanted groups (WL_WANT_*). Caller owns it. */
GArray *wl_read_wanted(unsigned groups);

/* hfid -> wl_item_t, for ids up to the last that is wanted. */
extern uint8_t *wl_read_item_of_id;
extern int wl_read_max_id;

/* What a tree item is to us. Inline: asked of every top-level item of the capture. */
static inline wl_item_t wl_read_item(const field_info *finfo)
{
    int id = finfo != NULL ? finfo->hfinfo->id : -1;

    return (unsigned)id <= (unsigned)wl_read_max_id ? (wl_item_t)wl_read_item_of_id[id]
                                                    : WL_ITEM_NONE;
}

/* The header that a "tcp" node stands for. ip: the "ip" or "ipv6" node before it, or NULL. */
wl_tcp_header_t wl_read_tcp_node(const field_info *ip, const proto_node *tcp);

/* In nanoseconds. WL_NO_TIME outside of the years 1823 to 2116: a pcapng can say any 64-bit number
 * of any unit. */
int64_t wl_read_time(const nstime_t *time);

/* A TCP header, in two steps: other traffic needs but the first.
 * The first sets frame, time, ports, numbers, flags and window, and where the payload starts in the
 * header's buffer; false when the header was not captured. The time is WL_NO_TIME when it lies
 * centuries off.
 * The second sets length, header hash and source address (which points into pinfo). False when the
 * segment is part of an IP fragment. */
bool wl_read_header(const packet_info *pinfo, const wl_tcp_header_t *tcp, wl_segment_t *segment,
                    uint32_t *payload_start);
bool wl_read_segment(const packet_info *pinfo, const wl_tcp_header_t *tcp, uint32_t payload_start,
                     wl_segment_t *segment);

/* The PDU's captured bytes, at most `limit`; NULL and *count 0 when there are none. */
const uint8_t *wl_read_bytes(const field_info *pdu, uint32_t limit, uint32_t *count);

uint32_t wl_item_uint(const field_info *finfo);

#endif
