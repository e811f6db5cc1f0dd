/* read_fields.c
 * One table of wanted fields, resolved to ids at start, and typed getters on top of it.
 *
 * Wanted ids are few on purpose: every one costs time on each packet that carries it. Protocol ids
 * are among them because Wireshark 4.6 fakes top-level nodes nobody asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_fields.h"

#include <wsutil/wslog.h>

#define WS_LOG_DOMAIN "Wirelat"
#define TCP_MIN_HEADER 20

enum { WANT_TRANSPORT = WL_WANT_TRANSPORT, WANT_MQTT = WL_WANT_MQTT, WANT_KAFKA = WL_WANT_KAFKA };

static const struct {
    const char *name;
    unsigned group;
} wanted[WL_ITEM_COUNT] = {
#define X(id, name, group) [WL_ITEM_##id] = {name, WANT_##group},
    WL_WANTED(X)
#undef X
};

static GArray *wanted_ids[WL_ITEM_COUNT]; /* several ids may share one name */
static uint8_t *item_of_id;               /* hfid -> wl_item_t */
static int max_id;

void wl_read_resolve(void)
{
    GString *missing = g_string_new(NULL);

    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        const header_field_info *hfinfo = proto_registrar_get_byname(wanted[i].name);

        wanted_ids[i] = g_array_new(FALSE, FALSE, sizeof(int));
        if (hfinfo == NULL) {
            g_string_append_printf(missing, " %s", wanted[i].name);
        }
        while (hfinfo != NULL) {
            g_array_append_val(wanted_ids[i], hfinfo->id);
            max_id = MAX(max_id, hfinfo->id);
            hfinfo = hfinfo->same_name_prev_id == -1
                         ? NULL
                         : proto_registrar_get_nth((unsigned)hfinfo->same_name_prev_id);
        }
    }
    item_of_id = g_new0(uint8_t, (size_t)max_id + 1);
    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        for (unsigned k = 0; k < wanted_ids[i]->len; k++) {
            item_of_id[g_array_index(wanted_ids[i], int, k)] = (uint8_t)i;
        }
    }
    if (missing->len > 0) {
        ws_warning("this Wireshark has no field named%s: what depends on it is left out",
                   missing->str);
    }
    g_string_free(missing, TRUE);
}

GArray *wl_read_wanted(unsigned groups)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int));

    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        if (wanted[i].group & groups) {
            g_array_append_vals(ids, wanted_ids[i]->data, wanted_ids[i]->len);
        }
    }
    return ids;
}

wl_item_t wl_read_item(const field_info *finfo)
{
    if (finfo == NULL || finfo->hfinfo->id > max_id || finfo->hfinfo->id < 0) {
        return WL_ITEM_NONE;
    }
    return (wl_item_t)item_of_id[finfo->hfinfo->id];
}

uint32_t wl_item_uint(const field_info *finfo)
{
    return fvalue_get_uinteger(WL_FVALUE(finfo));
}

static int32_t item_int(const field_info *finfo)
{
    return fvalue_get_sinteger(WL_FVALUE(finfo));
}

static const char *item_text(const field_info *finfo)
{
    return fvalue_get_string(WL_FVALUE(finfo));
}

/* MQTT 5.0 section 3.2.2.3.7; all string properties share one field name. */
#define PROPERTY_ASSIGNED_CLIENT_ID 18

static void collect(proto_node *node, wl_items_t *items, unsigned *property)
{
    for (proto_node *child = node->first_child; child != NULL; child = child->next) {
        const field_info *finfo = PNODE_FINFO(child);
        wl_item_t item = wl_read_item(finfo);

        if (item == WL_ITEM_MQTT_PROPERTY_ID) {
            *property = wl_item_uint(finfo);
        } else if (item == WL_ITEM_MQTT_PROPERTY_STRING &&
                   *property != PROPERTY_ASSIGNED_CLIENT_ID) {
            item = WL_ITEM_NONE;
        }
        if (item != WL_ITEM_NONE && items->item[item] == NULL) {
            items->item[item] = finfo;
        }
        if (child->first_child != NULL) {
            collect(child, items, property);
        }
    }
}

void wl_read_collect(proto_node *node, wl_items_t *items)
{
    unsigned property = 0;

    memset(items, 0, sizeof *items);
    collect(node, items, &property);
}

bool wl_read_segment(packet_info *pinfo, const proto_node *tcp_node, wl_segment_t *segment,
                     uint32_t *payload_start)
{
    const field_info *tcp = PNODE_FINFO(tcp_node), *stream = NULL, *length = NULL;

    for (proto_node *child = tcp_node->first_child; child != NULL; child = child->next) {
        wl_item_t item = wl_read_item(PNODE_FINFO(child));
        if (item == WL_ITEM_TCP_STREAM) {
            stream = PNODE_FINFO(child);
        } else if (item == WL_ITEM_TCP_LEN) {
            length = PNODE_FINFO(child);
        }
        if (stream != NULL && length != NULL) {
            break;
        }
    }
    if (stream == NULL || length == NULL ||
        !tvb_bytes_exist(tcp->ds_tvb, tcp->start, TCP_MIN_HEADER)) {
        return false;
    }
    segment->frame = pinfo->num;
    segment->time_ns = (int64_t)pinfo->abs_ts.secs * 1000000000 + pinfo->abs_ts.nsecs;
    segment->stream = wl_item_uint(stream);
    segment->length = wl_item_uint(length);
    segment->source_port = tvb_get_ntohs(tcp->ds_tvb, tcp->start);
    segment->destination_port = tvb_get_ntohs(tcp->ds_tvb, tcp->start + 2);
    segment->seq = tvb_get_ntohl(tcp->ds_tvb, tcp->start + 4);
    segment->ack = tvb_get_ntohl(tcp->ds_tvb, tcp->start + 8);
    segment->flags = wl_tvb_get_uint8(tcp->ds_tvb, tcp->start + 13);
    *payload_start =
        (uint32_t)tcp->start + (wl_tvb_get_uint8(tcp->ds_tvb, tcp->start + 12) >> 4) * 4u;
    segment->source_address = pinfo->src.data;
    segment->address_length = (uint8_t)CLAMP(pinfo->src.len, 0, 16);
    return true;
}

static unsigned mqtt_size(uint64_t remaining_length)
{
    unsigned length_bytes = remaining_length < 1u << 7    ? 1
                            : remaining_length < 1u << 14 ? 2
                            : remaining_length < 1u << 21 ? 3
                                                          : 4;
    return (unsigned)MIN(remaining_length, UINT32_MAX - 8) + 1 + length_bytes;
}

/* The reason code fields by packet type; the dissector names each type's apart. */
static const field_info *mqtt_reason(const wl_items_t *items, unsigned type)
{
    static const wl_item_t reason_item[16][2] = {
        [WL_CONNACK] = {WL_ITEM_MQTT_CONNACK_REASON, WL_ITEM_MQTT_CONNACK_CODE},
        [WL_PUBACK] = {WL_ITEM_MQTT_PUBACK_REASON, WL_ITEM_NONE},
        [WL_PUBREC] = {WL_ITEM_MQTT_PUBREC_REASON, WL_ITEM_NONE},
        [WL_PUBREL] = {WL_ITEM_MQTT_PUBREL_REASON, WL_ITEM_NONE},
        [WL_PUBCOMP] = {WL_ITEM_MQTT_PUBCOMP_REASON, WL_ITEM_NONE},
        [WL_SUBACK] = {WL_ITEM_MQTT_SUBACK_REASON, WL_ITEM_MQTT_SUBACK_QOS},
        [WL_UNSUBACK] = {WL_ITEM_MQTT_UNSUBACK_REASON, WL_ITEM_NONE},
        [WL_DISCONNECT] = {WL_ITEM_MQTT_DISCONNECT_REASON, WL_ITEM_NONE},
        [WL_AUTH] = {WL_ITEM_MQTT_AUTH_REASON, WL_ITEM_NONE},
    };
    const field_info *reason = items->item[reason_item[type][0]];

    return reason != NULL ? reason : items->item[reason_item[type][1]];
}

bool wl_read_mqtt(const field_info *pdu, const wl_items_t *items, wl_store_t *store,
                  wl_mqtt_message_t *message)
{
    const field_info *header = items->item[WL_ITEM_MQTT_HEADER];
    const field_info *length = items->item[WL_ITEM_MQTT_LEN];
    const field_info *topic = items->item[WL_ITEM_MQTT_TOPIC];
    const field_info *client, *reason;
    unsigned type;

    if (header == NULL || length == NULL) {
        return false;
    }
    message->header = (uint8_t)wl_item_uint(header);
    type = wl_mqtt_type(message);
    message->message.size = mqtt_size(fvalue_get_uinteger64(WL_FVALUE(length)));
    message->message.cut = (uint32_t)MAX(pdu->length, 0) < message->message.size;
    message->has_id = items->item[WL_ITEM_MQTT_ID] != NULL;
    message->id = message->has_id ? (uint16_t)wl_item_uint(items->item[WL_ITEM_MQTT_ID]) : 0;
    message->topic_alias = items->item[WL_ITEM_MQTT_TOPIC_ALIAS] != NULL
                               ? (uint16_t)wl_item_uint(items->item[WL_ITEM_MQTT_TOPIC_ALIAS])
                               : 0;
    /* A topic of no bytes is the dissector's own resolution of an alias, which mixes up the two
     * directions (packet-mqtt.c, topic_alias_map): ours is used instead. */
    message->topic = type == WL_PUBLISH && topic != NULL && topic->length > 0
                         ? wl_store_intern(store, item_text(topic))
                         : WL_STRING_NONE;
    client = type == WL_CONNECT   ? items->item[WL_ITEM_MQTT_CLIENT]
             : type == WL_CONNACK ? items->item[WL_ITEM_MQTT_PROPERTY_STRING]
                                  : NULL;
    message->client = client != NULL ? wl_store_intern(store, item_text(client)) : WL_STRING_NONE;
    message->version = items->item[WL_ITEM_MQTT_VERSION] != NULL
                           ? (uint8_t)wl_item_uint(items->item[WL_ITEM_MQTT_VERSION])
                           : 0;
    reason = mqtt_reason(items, type);
    message->reason = reason != NULL ? (int16_t)wl_item_uint(reason) : WL_REASON_NONE;
    return true;
}

bool wl_read_kafka(const field_info *pdu, const wl_items_t *items, wl_store_t *store,
                   wl_kafka_message_t *message)
{
    const field_info *length = items->item[WL_ITEM_KAFKA_LEN];
    const field_info *correlation_id = items->item[WL_ITEM_KAFKA_CORRELATION_ID];
    const field_info *key = items->item[WL_ITEM_KAFKA_REQUEST_KEY];
    const field_info *version = items->item[WL_ITEM_KAFKA_REQUEST_VERSION];
    const field_info *client = items->item[WL_ITEM_KAFKA_CLIENT];
    const field_info *acks = items->item[WL_ITEM_KAFKA_ACKS];
    int32_t required_acks;

    if (length == NULL || correlation_id == NULL) {
        return false;
    }
    message->length = item_int(length);
    message->correlation_id = item_int(correlation_id);
    message->message.size = (uint32_t)message->length + 4;
    message->message.cut = message->length < 0 ||
                           (uint32_t)MAX(pdu->length, 0) < message->message.size;
    message->is_request = key != NULL;
    message->api = key != NULL ? (int16_t)item_int(key) : -1;
    message->version = key != NULL && version != NULL ? (int16_t)item_int(version) : -1;
    message->client = key != NULL && client != NULL ? wl_store_intern(store, item_text(client))
                                                    : WL_STRING_NONE;
    /* Right even where the rest of the body is not understood; Wireshark's own guess of acks=0
     * reads another field (packet-kafka.c, dissect_kafka, KAFKA_ACK_NOT_REQUIRED). */
    required_acks = acks != NULL ? item_int(acks) : WL_KAFKA_ACKS_UNKNOWN;
    message->acks = required_acks >= -1 && required_acks <= 1 ? (int16_t)required_acks
                                                              : WL_KAFKA_ACKS_UNKNOWN;
    return true;
}
