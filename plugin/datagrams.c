/* datagrams.c
 * Between Wireshark's MQTT-SN dissector and the rules of match_mqttsn.c.
 *
 * Streams of UDP are numbered by themselves (udp.stream): they have a matcher of their own, which
 * shares only the store and the health report with that of TCP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "datagrams.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-udp.h>
#include <epan/prefs.h>

#include "match_mqttsn.h"
#include "read_fields.h"

#define TABLE "udp.port"
#define MAX_ENTRIES 1000000

typedef struct {
    uint32_t port;
    dissector_handle_t before;
} added_port_t;

static dissector_handle_t dissector; /* NULL: not in this Wireshark */
static range_t *pref_ports;
static GArray *added_ports;

/* Of the open file. */
static wl_matcher_t matcher;
static wl_mqttsn_state_t *state;
static uint8_t expected_ports[65536 / 8]; /* a bit each */

static bool expects(uint32_t port)
{
    return (expected_ports[port / 8 % sizeof expected_ports] & 1u << port % 8) != 0;
}

static void add_port(uint32_t port, void *user _U_)
{
    added_port_t added = {port, dissector_get_uint_handle(find_dissector_table(TABLE), port)};

    if (added.before != dissector) {
        dissector_add_uint(TABLE, port, dissector);
        g_array_append_val(added_ports, added);
    }
}

static void remove_ports(void)
{
    for (unsigned i = 0; i < added_ports->len; i++) {
        const added_port_t *port = &g_array_index(added_ports, added_port_t, i);

        dissector_delete_uint(TABLE, port->port, dissector);
        if (port->before != NULL) {
            dissector_add_uint(TABLE, port->port, port->before);
        }
    }
    g_array_set_size(added_ports, 0);
}

static void collect_port(const char *table _U_, ftenum_t type _U_, void *key, void *value,
                         void *user)
{
    uint32_t port = GPOINTER_TO_UINT(key);

    if (dtbl_entry_get_handle(value) == dissector && port < 65536) {
        expected_ports[port / 8] |= (uint8_t)(1u << port % 8);
        *(bool *)user = true;
    }
}

bool wl_datagrams_open(bool on, wl_store_t *store, wl_health_t *health, unsigned max_stream,
                       unsigned max_total)
{
    bool expected = false;

    if (dissector == NULL) {
        return false;
    }
    remove_ports();
    memset(expected_ports, 0, sizeof expected_ports);
    if (on) {
        if (pref_ports != NULL) {
            range_foreach(pref_ports, add_port, NULL);
        }
        /* Decode As has been here, too. */
        dissector_table_foreach(TABLE, collect_port, &expected);
    }
    if (expected) {
        matcher.store = store;
        matcher.health = health;
        matcher.streams = wl_streams_new(1);
        matcher.pending = wl_pending_new(max_stream, max_total, wl_match_evicted, &matcher);
        state = wl_mqttsn_state_new(MAX_ENTRIES);
    }
    return expected;
}

void wl_datagrams_close(void)
{
    wl_pending_free(matcher.pending);
    wl_streams_free(matcher.streams);
    wl_mqttsn_state_free(state);
    state = NULL;
    memset(&matcher, 0, sizeof matcher);
}

uint64_t wl_datagrams_dropped(void)
{
    return state != NULL ? wl_mqttsn_state_dropped(state) : 0;
}

static bool read_stream(packet_info *pinfo, uint32_t *number)
{
    conversation_t *conversation = find_conversation_pinfo(pinfo, 0);
    const struct udp_analysis *udp =
        conversation != NULL ? get_udp_conversation_data(conversation, pinfo) : NULL;

    if (udp == NULL) {
        return false;
    }
    *number = udp->stream;
    return true;
}

static bool sender_is_gateway(const packet_info *pinfo)
{
    bool source = expects(pinfo->srcport), destination = expects(pinfo->destport);

    return source != destination ? source : pinfo->srcport < pinfo->destport;
}

void wl_datagrams_take(packet_info *pinfo, const proto_node *node)
{
    const field_info *pdu = PNODE_FINFO(node);
    int64_t now = wl_read_time(&pinfo->abs_ts);
    wl_segment_t segment = {.frame = pinfo->num,
                            .time_ns = now,
                            .source_port = (uint16_t)pinfo->srcport,
                            .destination_port = (uint16_t)pinfo->destport,
                            .source_address = pinfo->src.data,
                            .address_length = (uint8_t)CLAMP(pinfo->src.len, 0, 16)};
    wl_mqttsn_message_t message = {
        .message = {.frame = pinfo->num, .first_ns = now, .last_ns = now}};
    const uint8_t *bytes;
    uint32_t count;

    if (matcher.store == NULL || !read_stream(pinfo, &segment.stream)) {
        return;
    }
    if (now == WL_NO_TIME) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_GATED, 1);
        return;
    }
    bytes = wl_read_bytes(pdu, INT32_MAX, &count);
    message.message.stream = wl_streams_get(matcher.streams, &segment);
    message.message.stream->is_udp = true;
    message.message.direction = wl_stream_direction(message.message.stream, &segment);
    message.sender_is_gateway = sender_is_gateway(pinfo);
    if (pinfo->fd->cap_len < pinfo->fd->pkt_len) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_SNAPLEN, 1);
    }
    if (bytes != NULL && wl_read_mqttsn(bytes, count, matcher.store, &message)) {
        wl_mqttsn_match(&matcher, state, &message);
    }
}

void wl_datagrams_register(struct pref_module *module)
{
    pref_ports = range_empty(wmem_epan_scope());
    added_ports = g_array_new(FALSE, FALSE, sizeof(added_port_t));
    prefs_register_range_preference(
        module, "mqttsn_udp_ports", "MQTT-SN ports over UDP",
        "Gateway ports on which MQTT-SN is expected; Wireshark has none by default.", &pref_ports,
        65535);
}

void wl_datagrams_handoff(void)
{
    dissector = dissector_table_get_dissector_handle(find_dissector_table(TABLE), "MQTT-SN");
    if (dissector == NULL) {
        dissector = find_dissector("mqttsn");
    }
}
