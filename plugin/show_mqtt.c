/* show_mqtt.c
 * The computed fields wirelat.mqtt.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "names.h"
#include "show.h"

#define ANY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define ON_FINISH (WL_ON(WL_EVENT_ANSWER) | WL_ON(WL_EVENT_ORPHAN))

static const wl_legs_t *legs_of(const wl_record_t *record)
{
    return wl_store_legs(record->store, record->ex);
}

static bool get_pubrec_time(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_span(record->ex->request_first_ns, legs_of(record)->pubrec_last_ns, value);
}

static bool get_pubrel_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_legs_t *legs = legs_of(record);
    return wl_value_span(legs->pubrec_first_ns, legs->pubrel_last_ns, value);
}

static bool get_pubcomp_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_legs_t *legs = legs_of(record);
    return legs != NULL && wl_value_span(legs->pubrel_first_ns, record->ex->answer_last_ns, value);
}

static bool get_leg_of(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->request_frame, value);
}

static bool get_kind(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.kind, value);
}

static bool get_qos(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.qos, value) &&
           record->ex->u.mqtt.kind == WL_MQTT_PUBLISH;
}

static bool get_topic(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_text(record->store, record->ex->u.mqtt.topic, value);
}

static bool get_packet_id(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->id, value) && record->ex->id != 0;
}

static bool get_reason_code(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.reason, value) &&
           record->ex->u.mqtt.reason != WL_REASON_NONE;
}

static bool get_retries(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->retries, value);
}

static bool get_sender(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_FROM_BROKER) != 0, value);
}

static bool get_retain(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_RETAIN) != 0, value) &&
           record->ex->u.mqtt.kind == WL_MQTT_PUBLISH && record->event != WL_EVENT_ORPHAN;
}

static bool get_version(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.version, value) && record->ex->u.mqtt.version != 0;
}

static const wl_field_t fields[] = {
    {"pubrec_time", "PUBLISH to PUBREC", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREC),
     false, get_pubrec_time, "QoS 2: from the first byte of the PUBLISH to the last of the PUBREC"},
    {"pubrel_time", "PUBREC to PUBREL", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREL),
     false, get_pubrel_time, "QoS 2: from the first byte of the PUBREC to the last of the PUBREL"},
    {"pubcomp_time", "PUBREL to PUBCOMP", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_ANSWER),
     false, get_pubcomp_time,
     "QoS 2: from the first byte of the PUBREL to the last of the PUBCOMP"},
    {"leg_of", "Leg of frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     WL_ON(WL_EVENT_PUBREC) | WL_ON(WL_EVENT_PUBREL), false, get_leg_of,
     "QoS 2: frame that completed the PUBLISH this PUBREC or PUBREL belongs to"},
    {"kind", "Exchange", FT_UINT8, BASE_DEC, VALS(wl_mqtt_kind_names), ANY_EVENT, false, get_kind,
     "What was asked for"},
    {"sender", "Requester", FT_UINT8, BASE_DEC, VALS(wl_mqtt_sender_names), ANY_EVENT, false,
     get_sender, "Who sent the request: the client, or the broker"},
    {"qos", "QoS", FT_UINT8, BASE_DEC, NULL, ANY_EVENT, false, get_qos, "QoS of the PUBLISH"},
    {"topic", "Topic", FT_STRING, BASE_NONE, NULL, ANY_EVENT, false, get_topic,
     "Topic of the PUBLISH, topic aliases resolved"},
    {"packet_id", "Packet id", FT_UINT16, BASE_DEC, NULL, ANY_EVENT, false, get_packet_id,
     "Packet identifier of request and answer"},
    {"retain", "Retain", FT_BOOLEAN, BASE_NONE, NULL, ANY_EVENT, false, get_retain,
     "RETAIN flag of the PUBLISH"},
    {"version", "MQTT version", FT_UINT8, BASE_DEC, VALS(wl_mqtt_version_names), ANY_EVENT, false,
     get_version, "Protocol level of the CONNECT"},
    {"reason_code", "Reason code", FT_UINT8, BASE_HEX, VALS(wl_mqtt_reason_names), ON_FINISH, false,
     get_reason_code, "Reason or return code of the answer, where it carries one"},
    {"retries", "Retries", FT_UINT16, BASE_DEC, NULL, WL_ON(WL_EVENT_ANSWER), false, get_retries,
     "How often the PUBLISH or its PUBREL was sent again before the answer"},
};

static void describe_request(const wl_exchange_t *ex, GString *line)
{
    g_string_append(line, val_to_str_const(ex->u.mqtt.kind, wl_mqtt_kind_names, "Unknown"));
    if (ex->u.mqtt.kind == WL_MQTT_PUBLISH) {
        g_string_append_printf(line, " QoS %u", ex->u.mqtt.qos);
    }
    if (ex->id != 0) {
        g_string_append_printf(line, " (id %u)", ex->id);
    }
}

static void describe(const wl_record_t *record, GString *line)
{
    static const char *const what[WL_EVENT_COUNT] = {
        [WL_EVENT_REQUEST] = " request",
        [WL_EVENT_ACK] = " acknowledged by TCP after ",
        [WL_EVENT_PUBREC] = " received (PUBREC) after ",
        [WL_EVENT_PUBREL] = " released (PUBREL) after ",
        [WL_EVENT_ANSWER] = " answered after ",
        [WL_EVENT_RETRY] = " sent again",
        [WL_EVENT_DUPLICATE] = " answered again",
        [WL_EVENT_ORPHAN] = " answered without request",
    };
    const wl_exchange_t *ex = record->ex;
    const wl_legs_t *legs = legs_of(record);
    int64_t end = record->event == WL_EVENT_ACK      ? ex->ack_ns
                  : record->event == WL_EVENT_PUBREC ? legs->pubrec_last_ns
                  : record->event == WL_EVENT_PUBREL ? legs->pubrel_last_ns
                                                     : ex->answer_last_ns;

    describe_request(ex, line);
    g_string_append(line, what[record->event]);
    if (g_str_has_suffix(line->str, " after ")) {
        int64_t ns = wl_span_ns(ex->request_first_ns, end);
        if (ns == WL_NO_TIME) {
            g_string_append(line, "an unknown time");
        } else {
            wl_append_time(line, ns);
        }
    }
}

wl_shown_t wl_shown_mqtt = {
    .title = "Wirelat MQTT",
    .short_name = "Wirelat MQTT",
    .filter_name = "wirelat.mqtt",
    .fields = fields,
    .field_count = G_N_ELEMENTS(fields),
    .describe = describe,
    .proto = -1,
    .tap = -1,
};
