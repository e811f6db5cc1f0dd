/* show_mqttsn.c
 * The computed fields wirelat.mqttsn.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "names.h"
#include "show.h"

#define ANY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define ON_FINISH (WL_ON(WL_EVENT_ANSWER) | WL_ON(WL_EVENT_ORPHAN))

static bool get_kind(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqttsn.kind, value);
}

static bool get_sender(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_FROM_BROKER) != 0, value);
}

static bool is_publish(const wl_record_t *record)
{
    return record->ex->u.mqttsn.kind == WL_SN_EX_PUBLISH;
}

static bool get_qos(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqttsn.qos, value) && is_publish(record);
}

static bool get_topic(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_text(record->store, record->ex->u.mqttsn.topic, value);
}

static bool get_topic_id(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqttsn.topic_id, value) &&
           record->ex->u.mqttsn.topic_id != 0;
}

static bool get_topic_id_type(const wl_record_t *record, wl_value_t *value)
{
    uint8_t kind = record->ex->u.mqttsn.kind;

    return wl_value_integer(record->ex->u.mqttsn.topic_type, value) &&
           record->event != WL_EVENT_ORPHAN &&
           (kind == WL_SN_EX_PUBLISH || kind == WL_SN_EX_SUBSCRIBE || kind == WL_SN_EX_UNSUBSCRIBE);
}

static bool get_msg_id(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->id, value) && record->ex->id != 0;
}

static bool get_node(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_text(record->store, record->ex->u.mqttsn.node, value);
}

static bool get_retain(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_RETAIN) != 0, value) && is_publish(record) &&
           record->event != WL_EVENT_ORPHAN;
}

static bool get_return_code(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqttsn.reason, value) &&
           record->ex->u.mqttsn.reason != WL_REASON_NONE;
}

static bool get_retries(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->retries, value);
}

static const wl_field_t fields[] = {
    {"pubrec_time", "PUBLISH to PUBREC", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREC),
     false, wl_get_pubrec_time, "QoS 2: from the PUBLISH to the PUBREC"},
    {"pubrel_time", "PUBREC to PUBREL", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREL),
     false, wl_get_pubrel_time, "QoS 2: from the PUBREC to the PUBREL"},
    {"pubcomp_time", "PUBREL to PUBCOMP", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_ANSWER),
     false, wl_get_pubcomp_time, "QoS 2: from the PUBREL to the PUBCOMP"},
    {"leg_of", "Leg of frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     WL_ON(WL_EVENT_PUBREC) | WL_ON(WL_EVENT_PUBREL), false, wl_get_leg_of,
     "QoS 2: frame of the PUBLISH this PUBREC or PUBREL belongs to"},
    {"kind", "Exchange", FT_UINT8, BASE_DEC, VALS(wl_mqttsn_kind_names), ANY_EVENT, false, get_kind,
     "What was asked for"},
    {"sender", "Requester", FT_UINT8, BASE_DEC, VALS(wl_mqttsn_sender_names), ANY_EVENT, false,
     get_sender, "Who sent the request: the client, or the gateway"},
    {"qos", "QoS", FT_INT8, BASE_DEC, NULL, ANY_EVENT, false, get_qos,
     "QoS of the PUBLISH; -1 without a connection"},
    {"topic", "Topic", FT_STRING, BASE_NONE, NULL, ANY_EVENT, false, get_topic,
     "Topic name, of a topic id what REGISTER or SUBSCRIBE told"},
    {"topic_id", "Topic id", FT_UINT16, BASE_DEC, NULL, ANY_EVENT, false, get_topic_id,
     "Topic id in the request"},
    {"topic_id_type", "Topic id type", FT_UINT8, BASE_DEC, VALS(wl_mqttsn_topic_type_names),
     ANY_EVENT, false, get_topic_id_type,
     "Whether the topic id is registered, predefined, or a short name"},
    {"msg_id", "Message id", FT_UINT16, BASE_DEC, NULL, ANY_EVENT, false, get_msg_id,
     "MsgId of request and answer"},
    {"node", "Wireless node", FT_STRING, BASE_NONE, NULL, ANY_EVENT, false, get_node,
     "Behind a forwarder: the node id it gives the client, in hexadecimal"},
    {"retain", "Retain", FT_BOOLEAN, BASE_NONE, NULL, ANY_EVENT, false, get_retain,
     "RETAIN flag of the PUBLISH"},
    {"return_code", "Return code", FT_UINT8, BASE_DEC, VALS(wl_mqttsn_code_names), ON_FINISH, false,
     get_return_code, "Return code of the answer, where it carries one"},
    {"retries", "Retries", FT_UINT16, BASE_DEC, NULL, WL_ON(WL_EVENT_ANSWER), false, get_retries,
     "How often the request or its PUBREL was sent again before the answer"},
};

static void describe(const wl_record_t *record, GString *line)
{
    static const char *const what[WL_EVENT_COUNT] = {
        [WL_EVENT_REQUEST] = " request",
        [WL_EVENT_PUBREC] = " received (PUBREC) after ",
        [WL_EVENT_PUBREL] = " released (PUBREL) after ",
        [WL_EVENT_ANSWER] = " answered after ",
        [WL_EVENT_RETRY] = " sent again",
        [WL_EVENT_DUPLICATE] = " answered again",
        [WL_EVENT_ORPHAN] = " answered without request",
    };
    const wl_exchange_t *ex = record->ex;
    const wl_legs_t *legs = wl_store_legs(record->store, record->ex);
    int64_t end = record->event == WL_EVENT_PUBREC   ? legs->pubrec_last_ns
                  : record->event == WL_EVENT_PUBREL ? legs->pubrel_last_ns
                                                     : wl_record_ns(record, WL_TIME_ANSWER_LAST);

    g_string_append(line, val_to_str_const(ex->u.mqttsn.kind, wl_mqttsn_kind_names, "Unknown"));
    if (is_publish(record)) {
        g_string_append_printf(line, " QoS %d", ex->u.mqttsn.qos);
    }
    if (ex->id != 0) {
        g_string_append_printf(line, " (id %u)", ex->id);
    }
    if (what[record->event] != NULL) {
        g_string_append(line, what[record->event]);
    }
    if (g_str_has_suffix(line->str, " after ")) {
        wl_append_time(line, wl_span_ns(wl_record_ns(record, WL_TIME_REQUEST_FIRST), end));
    }
}

wl_shown_t wl_shown_mqttsn = {
    .title = "Wirelat MQTT-SN",
    .short_name = "Wirelat MQTT-SN",
    .filter_name = "wirelat.mqttsn",
    .over_udp = true,
    .fields = fields,
    .field_count = G_N_ELEMENTS(fields),
    .describe = describe,
    .proto = -1,
    .tap = -1,
};
