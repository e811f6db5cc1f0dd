/* postdissect.c
 * One walk over the top-level nodes of each frame, and what follows from it.
 *
 *   first pass:  read TCP segment and PDU subtrees -> match -> log of events
 *   every pass:  events of the frame -> fields in the tree, records to the taps
 *
 * A frame of other traffic costs that walk and one look-up of its stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "postdissect.h"

#include <epan/prefs.h>
/* needs prefs.h before it */
#include <epan/prefs-int.h>
#include <epan/tap.h>
#include <epan/to_str.h>
#include <wsutil/report_message.h>

#include "datagrams.h"
#include "framing.h"
#include "framing_ws.h"
#include "lookup.h"
#include "mqtt_state.h"
#include "rare.h"
#include "read_messages.h"
#include "read_span.h"
#include "resent.h"
#include "show.h"
#include "show_mptcp.h"
#include "tcp_path.h"

#define HTTP_LOOK 4096

static int proto_wirelat = -1, proto_frames = -1;
static dissector_handle_t handle;
static int tap_health = -1, tap_stream = -1;

static unsigned pref_pending_stream = 65536;
static unsigned pref_pending_total = 4000000;
static unsigned pref_long_poll_percent = 90;
static unsigned pref_forward_after_s = 60;
static unsigned pref_forward_publishes = 500000;
static wl_pref_bool_t pref_all_streams = false;
static unsigned pref_jitter_gap_ms = 1000;
static unsigned pref_stream_frames = 20000000;

/* State of the open capture file; NULL outside of one. */
static wl_matcher_t matcher;
static wl_layout_t layout;
static wl_paths_t *paths;
static bool was_first;
static wl_path_record_t path; /* of the frame in hand, if it has one: taps run before the next */
static bool has_path;
static int listens_to_stream; /* -1: not known yet */
static unsigned wanted_groups;
static uint64_t forgotten;            /* as noted so far */
static bool reassembles_out_of_order; /* tcp.reassemble_out_of_order */

static bool enabled(int proto)
{
    return proto_is_protocol_enabled(find_protocol_by_id(proto));
}

static bool bool_preference(const char *module_name, const char *name)
{
    module_t *module = prefs_find_module(module_name);
    pref_t *preference = module != NULL ? prefs_find_preference(module, name) : NULL;

    return preference != NULL && prefs_get_bool_value(preference, pref_current);
}

static bool dissects_esp(void)
{
    return bool_preference("esp", "enable_encryption_decode") ||
           bool_preference("esp", "enable_null_encryption_decode_heuristic");
}

/* What Wireshark is asked for: all that is read here. */
WL_RARE static void want_all(void)
{
    set_postdissector_wanted_hfids(handle, wl_read_wanted(wanted_groups | WL_WANT_TRANSPORT |
                                                          WL_TOP_LEVEL_NODES |
                                                          (dissects_esp() ? WL_WANT_LENGTH : 0)));
}

/* A tree, in the name of our own frames, and what no TCP segment has. */
static void want_tree(void)
{
    GArray *ids = wl_read_wanted(wanted_groups & WL_WANT_MQTTSN);

    g_array_append_val(ids, proto_frames);
    set_postdissector_wanted_hfids(handle, ids);
}

static void want_fields(void)
{
    bool others_unknown = wl_tcp_front_opened();

    if (wanted_groups == 0) {
        /* 4.0 builds a tree for the wanted ids of disabled protocols too. */
        set_postdissector_wanted_hfids(handle, NULL);
    } else if (others_unknown) {
        want_tree();
    } else {
        want_all();
    }
}

/* Inside the scope of a file just opened, or to be dissected again. */
static void file_opened(void)
{
    wl_lookup_clear();
    matcher.health = wl_health_new();
    forgotten = 0;
    reassembles_out_of_order = bool_preference("tcp", "reassemble_out_of_order");
    wanted_groups = 0;
    if (enabled(proto_wirelat)) {
        wanted_groups = (enabled(wl_shown_mqtt.proto) ? WL_WANT_MQTT : 0) |
                        (enabled(wl_shown_kafka.proto) ? WL_WANT_KAFKA : 0) |
                        (enabled(wl_mptcp_proto()) ? WL_WANT_MPTCP : 0) |
                        (pref_all_streams ? WL_WANT_TRANSPORT : 0);
    }
    listens_to_stream = -1;
    matcher.store = wl_store_new();
    if (wl_datagrams_open(enabled(proto_wirelat) && enabled(wl_shown_mqttsn.proto), matcher.store,
                          matcher.health, pref_pending_stream, pref_pending_total)) {
        wanted_groups |= WL_WANT_MQTTSN;
    }
    matcher.streams = wl_streams_new(pref_pending_stream);
    wl_framing_apply(matcher.health, matcher.streams, wanted_groups & WL_WANT_MQTT,
                     wanted_groups & WL_WANT_KAFKA, reassembles_out_of_order);
    want_fields();
    matcher.kafka = wl_kafka_state_new(pref_long_poll_percent);
    matcher.mqtt =
        wl_mqtt_state_new((int64_t)pref_forward_after_s * 1000000000, pref_forward_publishes);
    paths = wl_paths_new((int64_t)pref_jitter_gap_ms * 1000000, pref_stream_frames);
    wl_mptcp_opened(wanted_groups & WL_WANT_MPTCP);
    matcher.pending =
        wl_pending_new(pref_pending_stream, pref_pending_total, wl_match_evicted, &matcher);
}

static void file_closed(void)
{
    wl_datagrams_close();
    wl_framing_ws_close();
    wl_lookup_clear();
    wl_pending_free(matcher.pending);
    wl_streams_free(matcher.streams);
    wl_paths_free(paths);
    paths = NULL;
    wl_mptcp_closed();
    wl_kafka_state_free(matcher.kafka);
    wl_mqtt_state_free(matcher.mqtt);
    wl_store_free(matcher.store);
    wl_health_free(matcher.health);
    memset(&matcher, 0, sizeof matcher);
    wl_layout_clear(&layout);
}

static const char *end_name(packet_info *pinfo, const address *end, uint32_t port)
{
    return wmem_strdup_printf(pinfo->pool, end->type == AT_IPv6 ? "[%s]:%u" : "%s:%u",
                              address_to_str(pinfo->pool, end), port);
}

static void name_broker(packet_info *pinfo, const wl_kafka_message_t *message)
{
    wl_kafka_stream_t *stream = &message->message.stream->kafka;

    if (stream->broker != WL_STRING_NONE) {
        return;
    }
    stream->broker = wl_store_intern(
        matcher.store, message->is_request ? end_name(pinfo, &pinfo->dst, pinfo->destport)
                                           : end_name(pinfo, &pinfo->src, pinfo->srcport));
}

/* Sessions and copies of different brokers are different. */
static void name_mqtt_broker(packet_info *pinfo, wl_mqtt_stream_t *stream, bool from_server)
{
    if (stream->broker == WL_STRING_NONE) {
        stream->broker = wl_store_intern(
            matcher.store, from_server ? end_name(pinfo, &pinfo->src, pinfo->srcport)
                                       : end_name(pinfo, &pinfo->dst, pinfo->destport));
    }
}

/* Where the message lies, once its size is read. */
static void place(packet_info *pinfo, const field_info *pdu, wl_message_t *message,
                  unsigned *first_seq)
{
    wl_span_t span;

    wl_layout_span(&layout, pinfo, pdu, message->size, &span);
    message->cut &= !span.shortened;
    message->first_ns = span.first_ns;
    message->start_seq = span.first_seq;
    message->end_seq = span.end_seq;
    message->end_seq_known = span.seq_known;
    if (span.seq_known) {
        *first_seq = span.first_seq;
    }
    if (span.first_ns == WL_NO_TIME) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_NO_START, 1);
    }
}

/* Whose messages a segment completes. */
typedef struct {
    const wl_segment_t *segment;
    wl_stream_t *stream;
    unsigned direction;
} sender_t;

/* What all messages have. Written in place: to copy what was just written waits for it. */
#define MESSAGE_OF(sender)                                                       \
    {                                                                            \
        .stream = (sender)->stream, .direction = (sender)->direction,            \
        .frame = (sender)->segment->frame, .last_ns = (sender)->segment->time_ns \
    }

static void match_mqtt(packet_info *pinfo, const field_info *pdu, const sender_t *sender,
                       unsigned *first_seq)
{
    wl_mqtt_message_t mqtt = {.message = MESSAGE_OF(sender)};
    uint32_t count, captured = (uint32_t)MAX(pdu->length, 0);
    const uint8_t *bytes = wl_read_bytes(pdu, INT32_MAX, &count);

    if (wl_read_mqtt(bytes, count, captured, matcher.store, &mqtt)) {
        wl_mqtt_prefetch(&matcher, &mqtt);
        place(pinfo, pdu, &mqtt.message, first_seq);
        mqtt.sender_is_server = pinfo->srcport == wl_framing_server_port(pinfo);
        name_mqtt_broker(pinfo, &mqtt.message.stream->mqtt, mqtt.sender_is_server);
        wl_mqtt_match(&matcher, &mqtt);
    }
}

static void match_kafka(packet_info *pinfo, const field_info *pdu, const sender_t *sender,
                        unsigned *first_seq)
{
    wl_kafka_message_t kafka = {.message = MESSAGE_OF(sender),
                                .is_request = pinfo->destport == wl_framing_server_port(pinfo)};
    uint32_t count, captured = (uint32_t)MAX(pdu->length, 0);
    const uint8_t *bytes = wl_read_bytes(pdu, INT32_MAX, &count);

    if (wl_read_kafka(bytes, count, captured, matcher.store, &kafka)) {
        wl_kafka_prefetch(&matcher, &kafka);
        place(pinfo, pdu, &kafka.message, first_seq);
        name_broker(pinfo, &kafka);
        wl_kafka_match(&matcher, &kafka);
    }
}

static bool is_wanted(wl_item_t item)
{
    return (item == WL_ITEM_MQTT && (wanted_groups & WL_WANT_MQTT)) ||
           (item == WL_ITEM_KAFKA && (wanted_groups & WL_WANT_KAFKA));
}

typedef struct {
    const proto_node *tcp; /* the innermost */
    const field_info *ip;  /* v4 or v6, the last before it */
    const proto_node *pdu; /* the first of a wanted protocol */
    bool has_parts, has_websocket;
    const field_info *http;
    const proto_node *datagram; /* an MQTT-SN message */
} outline_t;

static outline_t outline_of(proto_tree *tree)
{
    outline_t outline = {.tcp = NULL};
    const field_info *ip = NULL;

    for (proto_node *node = tree->first_child; node != NULL; node = node->next) {
        wl_item_t item = wl_read_item(PNODE_FINFO(node));

        switch (item) {
        case WL_ITEM_IP:
        case WL_ITEM_IPV6:
            ip = PNODE_FINFO(node);
            break;
        case WL_ITEM_TCP:
            outline.tcp = node;
            outline.ip = ip;
            break;
        case WL_ITEM_MQTT:
        case WL_ITEM_KAFKA:
            if (outline.pdu == NULL && is_wanted(item)) {
                outline.pdu = node;
            }
            break;
        case WL_ITEM_TCP_SEGMENT:
        case WL_ITEM_TCP_SEGMENTS:
        case WL_ITEM_TLS:
        case WL_ITEM_TLS_SEGMENT:
        case WL_ITEM_TLS_SEGMENTS:
            outline.has_parts = true;
            break;
        case WL_ITEM_HTTP:
            outline.http = PNODE_FINFO(node);
            break;
        case WL_ITEM_MQTTSN:
            outline.datagram = node;
            break;
        case WL_ITEM_WEBSOCKET:
            outline.has_websocket = true;
            break;
        default:
            break;
        }
    }
    return outline;
}

/* Bounds that were hit since the last time, by whatever the frame brought. */
static void note_forgotten(uint32_t frame)
{
    uint64_t dropped = wl_streams_dropped(matcher.streams) +
                       wl_store_counters(matcher.store)->strings_dropped +
                       wl_store_counters(matcher.store)->exchanges_dropped +
                       matcher.kafka->dropped + wl_mqtt_state_dropped(matcher.mqtt) +
                       wl_datagrams_dropped() + wl_paths_dropped(paths) + wl_mptcp_forgotten();

    if (dropped != forgotten) {
        wl_health_note(matcher.health, frame, WL_HEALTH_FORGOTTEN, (int32_t)(dropped - forgotten));
        forgotten = dropped;
    }
}

/* From the node of the first on. */
static void match_pdus(packet_info *pinfo, const proto_node *first, const wl_segment_t *segment,
                       wl_stream_t *stream, unsigned direction)
{
    wl_half_t *half = &stream->half[direction];
    const sender_t sender = {segment, stream, direction};
    unsigned first_seq = segment->seq;

    for (const proto_node *node = first; node != NULL; node = node->next) {
        wl_item_t item = wl_read_item(PNODE_FINFO(node));

        if (!is_wanted(item)) {
            continue;
        }
        if (item == WL_ITEM_MQTT) {
            match_mqtt(pinfo, PNODE_FINFO(node), &sender, &first_seq);
        } else {
            match_kafka(pinfo, PNODE_FINFO(node), &sender, &first_seq);
        }
    }
    wl_half_forget_before(half, first_seq, segment->frame);
}

/* What TCP lost, mixed up, or captured twice, as far as it spoils results. */
static void note_order(wl_stream_t *stream, unsigned direction, const wl_segment_t *segment)
{
    uint32_t found, missed = 0;
    wl_order_t order = wl_sequence_take(&stream->half[direction].sequence, segment, &found);

    if (segment->flags & WL_TCP_ACK) {
        missed = wl_sequence_missed(&stream->half[!direction].sequence, segment->ack);
    }
    if (missed != found) {
        wl_health_note(matcher.health, segment->frame, WL_HEALTH_MISSING,
                       (int32_t)(missed - found));
    }
    if (order == WL_SEGMENT_TWICE) {
        wl_health_note(matcher.health, segment->frame, WL_HEALTH_CAPTURED_TWICE, 1);
    } else if (order == WL_SEGMENT_FILLS && !reassembles_out_of_order) {
        wl_health_note(matcher.health, segment->frame, WL_HEALTH_RETRANSMITTED, 1);
    }
}

WL_RARE static void see_http(const packet_info *pinfo, const field_info *http)
{
    uint32_t count;
    const uint8_t *bytes = wl_read_bytes(http, HTTP_LOOK, &count);

    wl_framing_ws_see_http(pinfo, bytes, count);
}

/* By port also before a whole message is seen: its first segments must be remembered. */
static bool is_ours(const outline_t *outline, const wl_segment_t *segment)
{
    if (wl_framing_expects(segment->source_port) || wl_framing_expects(segment->destination_port)) {
        return true;
    }
    if (wl_framing_ws_expects(segment->source_port, segment->destination_port)) {
        return true;
    }
    if (outline->pdu != NULL) {
        /* Found by a heuristic or by another dissector: its ACKs must be seen from now on. */
        wl_framing_expect(MIN(segment->source_port, segment->destination_port));
    }
    return outline->pdu != NULL;
}

/* Other traffic, but a stream may turn out to be ours after its handshake. */
static void pass_by(packet_info *pinfo, wl_segment_t *segment)
{
    if (!(segment->flags & WL_TCP_SYN) || wl_lookup_stream(pinfo, segment)) {
        wl_paths_pass(paths, segment);
    }
}

WL_RARE static void add_path(packet_info *pinfo, const wl_segment_t *segment, wl_stream_t *stream)
{
    stream->path = wl_paths_add(paths, segment, end_name(pinfo, &pinfo->src, pinfo->srcport),
                                end_name(pinfo, &pinfo->dst, pinfo->destport));
    for (unsigned i = 0; i < 2; i++) {
        if (stream->path->half[i].min_rtt_ns != WL_NO_TIME) {
            wl_store_add_path_rtt(matcher.store, stream->number, i, pinfo->num,
                                  stream->path->half[i].min_rtt_ns);
        }
    }
}

static wl_stream_t *stream_of(packet_info *pinfo, const wl_segment_t *segment)
{
    wl_stream_t *stream = wl_streams_get(matcher.streams, segment);

    if (stream->path == NULL) {
        add_path(pinfo, segment, stream);
    }
    return stream;
}

/* False: a copy of the segment before. */
static bool follow_path(wl_stream_t *stream, unsigned direction, const wl_segment_t *segment)
{
    if (!wl_path_take(paths, stream->path, direction, segment, &path)) {
        return false;
    }
    has_path = path.is_logged;
    if (path.new_min_rtt) {
        /* Of the other direction's data, which this segment acknowledges. */
        wl_store_add_path_rtt(matcher.store, stream->number, !direction, segment->frame,
                              path.rtt_ns);
    }
    if ((path.flags & WL_PATH_RESENT) && segment->length > 0) {
        wl_resent_segment(matcher.store, &stream->half[direction], segment->seq, segment->length);
    }
    return true;
}

/* A data segment of ours: where its bytes lie, and the messages that are complete with it. */
static void read_payload(packet_info *pinfo, proto_tree *tree, const outline_t *outline,
                         const wl_segment_t *segment, uint32_t header_length, wl_stream_t *stream,
                         unsigned direction)
{
    const field_info *tcp = PNODE_FINFO(outline->tcp);
    wl_half_t *half = &stream->half[direction];

    wl_half_add_segment(matcher.streams, half, segment);
    wl_layout_init(&layout);
    layout.segment = segment;
    layout.half = half;
    layout.tcp_buffer = tcp->ds_tvb;
    layout.payload_start = (uint32_t)tcp->start + header_length;
    for (proto_node *node = tree->first_child; outline->has_parts && node != NULL;
         node = node->next) {
        wl_item_t item = wl_read_item(PNODE_FINFO(node));
        if (item >= WL_ITEM_TCP_SEGMENTS && item <= WL_ITEM_TLS_SEGMENT) {
            wl_layout_add(&layout, node);
        }
    }
    wl_layout_remember_records(&layout, matcher.streams, half);
    if (outline->has_websocket) {
        layout.ws = wl_framing_ws_frame(pinfo->num);
        for (proto_node *node = tree->first_child; node != NULL; node = node->next) {
            if (wl_read_item(PNODE_FINFO(node)) == WL_ITEM_WEBSOCKET) {
                wl_layout_add_websocket(&layout, matcher.streams, half, node);
            }
        }
        wl_layout_remember_runs(&layout, pinfo, matcher.streams, half);
    }
    if (outline->pdu != NULL) {
        match_pdus(pinfo, outline->pdu, segment, stream, direction);
    }
    wl_layout_forget_runs(&layout, half);
    note_forgotten(pinfo->num);
}

static void note_stream(packet_info *pinfo, wl_stream_t *stream)
{
    const wl_handshake_t *handshake = &stream->path->handshake;

    if (!stream->carries && handshake->first_syn_ns == WL_NO_TIME &&
        handshake->first_synack_ns == WL_NO_TIME) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_NO_HANDSHAKE, 1);
    }
    stream->carries = true;
    if (pinfo->fd->cap_len < pinfo->fd->pkt_len) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_SNAPLEN, 1);
    }
}

/* False: another's, or no whole segment; no log has anything of it. */
static bool take_segment(packet_info *pinfo, proto_tree *tree, const outline_t *outline,
                         const wl_tcp_header_t *tcp)
{
    wl_segment_t segment;
    uint32_t payload_start;
    wl_stream_t *stream;
    unsigned direction;
    bool ours, multipath;

    if (!wl_read_header(pinfo, tcp, &segment, &payload_start)) {
        return false;
    }
    if (outline->http != NULL) {
        see_http(pinfo, outline->http);
    }
    ours = is_ours(outline, &segment);
    if (segment.time_ns == WL_NO_TIME) {
        if (ours) {
            wl_health_note(matcher.health, pinfo->num, WL_HEALTH_GATED, 1);
        }
        return false;
    }
    multipath = wl_mptcp_expects(pinfo, tcp, &segment, payload_start);
    if (multipath) {
        wl_tcp_front_use();
    }
    if (!ours && !multipath && !pref_all_streams) {
        pass_by(pinfo, &segment);
        return false;
    }
    if (!wl_read_segment(pinfo, tcp, payload_start, &segment) ||
        (!multipath && !wl_lookup_stream(pinfo, &segment))) {
        return false;
    }
    stream = stream_of(pinfo, &segment);
    direction = wl_stream_direction(stream, &segment);
    if (follow_path(stream, direction, &segment) && multipath) {
        wl_mptcp_first_pass(pinfo, tcp, &segment, payload_start, direction, &path, matcher.health);
        note_forgotten(pinfo->num);
    }
    if (!ours) {
        return true;
    }
    note_stream(pinfo, stream);
    note_order(stream, direction, &segment);
    wl_match_ack(&matcher, stream, direction, &segment);
    if (segment.length > 0 && outline->tcp != NULL) {
        read_payload(pinfo, tree, outline, &segment, payload_start - tcp->start, stream, direction);
    }
    if (segment.flags & (WL_TCP_FIN | WL_TCP_RST)) {
        wl_mqtt_closed(&matcher, stream, direction, segment.frame, segment.time_ns,
                       (segment.flags & WL_TCP_RST) != 0);
    }
    return true;
}

/* Whether a log may have something of this frame; not of most of other traffic. */
static bool first_pass(packet_info *pinfo, proto_tree *tree)
{
    outline_t outline = {.tcp = NULL};
    wl_tcp_header_t tcp = {.has_tree = true};
    bool has_tcp = wl_tcp_front_header(pinfo, &tcp), taken = false;

    if (!pinfo->fd->has_ts) {
        return false;
    }
    if (tcp.has_tree) {
        outline = outline_of(tree);
    }
    if (!has_tcp && outline.tcp != NULL) {
        tcp = wl_read_tcp_node(outline.ip, outline.tcp);
        has_tcp = true;
    }
    if (outline.datagram != NULL) {
        wl_datagrams_take(pinfo, outline.datagram);
        note_forgotten(pinfo->num);
        taken = true;
    }
    return (has_tcp && take_segment(pinfo, tree, &outline, &tcp)) || taken;
}

static void tap_findings(packet_info *pinfo)
{
    uint32_t count;
    const wl_finding_t *found = pinfo->fd->visited
                                    ? wl_health_find(matcher.health, pinfo->num, &count)
                                    : wl_health_fresh(matcher.health, pinfo->num, &count);

    for (uint32_t i = 0; i < count; i++) {
        tap_queue_packet(tap_health, pinfo, wmem_memdup(pinfo->pool, &found[i], sizeof found[i]));
    }
}

/* To ask costs a walk over all listeners; those of tshark are there before its first frame. */
static bool stream_has_listeners(void)
{
    if (listens_to_stream < 0) {
        listens_to_stream = !wl_in_tshark() || have_tap_listener(tap_stream);
    }
    return listens_to_stream;
}

static void show(packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree)
{
    static wl_shown_t *const shown[WL_PROTO_COUNT] = {[WL_PROTO_MQTT] = &wl_shown_mqtt,
                                                      [WL_PROTO_KAFKA] = &wl_shown_kafka,
                                                      [WL_PROTO_MQTTSN] = &wl_shown_mqttsn};
    uint32_t count, first = wl_store_events(matcher.store, pinfo->num, &count);

    for (uint32_t i = 0; i < count; i++) {
        wl_record_t *record = wmem_new(pinfo->pool, wl_record_t);

        wl_store_event(matcher.store, first + i, record);
        wl_show_event(shown[record->ex->proto], pinfo, tvb, tree, record);
        if (i < WL_MOST_TAPPED) {
            tap_queue_packet(shown[record->ex->proto]->tap, pinfo, record);
        }
    }
    if (was_first && count > WL_MOST_TAPPED) {
        wl_health_note(matcher.health, pinfo->num, WL_HEALTH_FORGOTTEN,
                       (int32_t)(count - WL_MOST_TAPPED));
    }
    if (pinfo->fd->visited) {
        has_path = wl_paths_find(paths, pinfo->num, &path);
        path.time_ns = wl_read_time(&pinfo->abs_ts);
    }
    wl_mptcp_show(pinfo, tvb, tree, has_path ? &path : NULL);
    if (has_path && stream_has_listeners()) {
        tap_queue_packet(tap_stream, pinfo, &path);
    }
}

static int postdissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    bool is_logged = true;

    if (matcher.store == NULL || wanted_groups == 0) {
        return 0;
    }
    was_first = !pinfo->fd->visited;
    has_path = false;
    if (was_first && tree != NULL) {
        if (wl_tcp_front_first_frame(tree)) {
            want_all();
        }
        is_logged = first_pass(pinfo, tree);
    }
    if (is_logged) {
        show(pinfo, tvb, tree);
    }
    tap_findings(pinfo);
    return (int)tvb_captured_length(tvb);
}

const wl_store_t *wl_postdissect_store(void)
{
    return matcher.store;
}

const wl_paths_t *wl_postdissect_paths(void)
{
    return paths;
}

bool wl_postdissect_was_first(void)
{
    return was_first;
}

bool wl_in_tshark(void)
{
    static int is_tshark = -1;

    if (is_tshark < 0) {
        is_tshark = g_ascii_strcasecmp(get_friendly_program_name(), "tshark") == 0;
    }
    return is_tshark == 1;
}

struct pref_module *wl_postdissect_register(void)
{
    module_t *module;

    proto_wirelat = proto_register_protocol("Wirelat response times", "Wirelat", "wirelat");
    /* In name only, or Wireshark adds a layer to every packet for it. */
    proto_frames = proto_register_protocol_in_name_only(
        "Wirelat response times", "Wirelat (frames)", "wirelat.frames", proto_wirelat, FT_PROTOCOL);
    handle = register_dissector("wirelat", postdissect, proto_frames);
    module = prefs_register_protocol(proto_wirelat, NULL);
    prefs_register_uint_preference(
        module, "pending_per_stream", "Most pending requests per stream",
        "Requests waiting for an answer that are kept per TCP stream and direction; beyond it the "
        "oldest are forgotten and counted as evicted.",
        10, &pref_pending_stream);
    prefs_register_uint_preference(
        module, "pending_total", "Most pending requests in all",
        "Requests waiting for an answer that are kept over all streams; beyond it the oldest are "
        "forgotten and counted as evicted.",
        10, &pref_pending_total);
    prefs_register_uint_preference(
        module, "long_poll_percent", "Long poll from (percent of max wait)",
        "A Kafka Fetch that took at least this share of the time the broker may hold it back, or "
        "whose answer is empty, counts as a long poll.",
        10, &pref_long_poll_percent);
    prefs_register_uint_preference(
        module, "forward_after", "Look for copies for (seconds)",
        "How long after an MQTT publish its copies to subscribers are looked for, for the "
        "forwarding delay.",
        10, &pref_forward_after_s);
    prefs_register_uint_preference(
        module, "forward_publishes", "Most publishes to look for copies of",
        "MQTT publishes (and marks of subscribers) that are remembered for the forwarding delay, "
        "about 100 bytes each; beyond it the oldest are forgotten.",
        10, &pref_forward_publishes);
    prefs_register_bool_preference(
        module, "all_streams", "Follow all TCP streams",
        "The table wirelat,streams has every TCP stream of the capture, not only those of MQTT and "
        "Kafka. Costs time and memory for each of their frames.",
        &pref_all_streams);
    prefs_register_uint_preference(
        module, "jitter_gap", "Longest gap in jitter (milliseconds)",
        "Gaps between packets of one direction that are this long or longer are pauses of the "
        "sender and no part of its jitter. At most 4,000.",
        10, &pref_jitter_gap_ms);
    prefs_register_uint_preference(
        module, "stream_frames", "Most frames in the table of streams",
        "Frames of followed TCP streams that are remembered (some 10 bytes each); further ones "
        "are missing in the table wirelat,streams.",
        10, &pref_stream_frames);
    wl_framing_register(proto_wirelat, module);
    wl_tcp_front_register();
    wl_datagrams_register(module);
    tap_health = register_tap("wirelat.health");
    tap_stream = register_tap("wirelat.stream");
    register_init_routine(file_opened);
    register_cleanup_routine(file_closed);
    register_postdissector(handle);
    return module;
}

void wl_postdissect_handoff(void)
{
    wl_read_resolve();
    wl_lookup_handoff();
    wl_framing_handoff();
    wl_tcp_front_handoff();
    wl_datagrams_handoff();
}
