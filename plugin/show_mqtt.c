/* show_mqtt.c
 * The computed fields wirelat.mqtt.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "names.h"
#include "show.h"

/* Of the exchange; the end of a connection and a silence are none. */
#define ANY_EVENT \
    (((1u << WL_EVENT_COUNT) - 1) & ~(WL_ON(WL_EVENT_SILENCE) | WL_ON(WL_EVENT_SESSION)))
#define EVERY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define OF_CONNECTION (WL_ON(WL_EVENT_SILENCE) | WL_ON(WL_EVENT_SESSION))
#define WITH_REQUEST (ANY_EVENT & ~WL_ON(WL_EVENT_ORPHAN))
#define ON_REQUEST WL_ON(WL_EVENT_REQUEST)
#define ON_FINISH (WL_ON(WL_EVENT_ANSWER) | WL_ON(WL_EVENT_ORPHAN))

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

static bool get_inflight(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.inflight, value) && record->ex->u.mqtt.inflight > 0;
}

static bool get_receive_maximum(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.mqtt.receive_maximum, value) &&
           record->ex->u.mqtt.receive_maximum > 0;
}

/* The publish of a client that this one is a copy of, or NULL. */
static const wl_exchange_t *original_of(const wl_record_t *record)
{
    wl_exchange_id_t original = record->ex->u.mqtt.original;

    return original == WL_EXCHANGE_NONE ? NULL : wl_store_get(record->store, original);
}

static bool get_forward_delay(const wl_record_t *record, wl_value_t *value)
{
    value->integer = wl_mqtt_forward_ns(record->store, record->ex);
    return value->integer != WL_NO_TIME;
}

static bool get_forward_of(const wl_record_t *record, wl_value_t *value)
{
    const wl_exchange_t *original = original_of(record);

    return original != NULL && wl_value_integer(original->request_frame, value);
}

static bool get_forward_ambiguous(const wl_record_t *record, wl_value_t *value)
{
    value->integer = (record->ex->u.mqtt.known & WL_MQTT_AMBIGUOUS) != 0;
    return original_of(record) != NULL;
}

static bool get_auth_time(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_span(record->note->start_ns, record->note->end_ns, value);
}

static bool get_auth_sender(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->note->by_broker, value);
}

static bool get_session_of(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->request_frame, value) && record->ex->request_frame != 0;
}

static bool get_silence(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_span(record->note->start_ns, record->note->end_ns, value);
}

static bool get_keep_alive(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->note->keep_alive_s * INT64_C(1000000000);
    return !(record->ex->flags & WL_ORPHANED); /* without the CONNECT it is not known */
}

static bool get_session_end(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->note->end, value);
}

static bool get_session_time(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_span(record->note->start_ns, record->note->end_ns, value);
}

static bool get_longest_silence(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->note->silence_ns, value) && value->integer != WL_NO_TIME;
}

static bool get_disconnect_reason(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->note->reason, value) && value->integer != WL_REASON_NONE;
}

static const wl_field_t fields[] = {
    {"pubrec_time", "PUBLISH to PUBREC", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREC),
     false, wl_get_pubrec_time,
     "QoS 2: from the first byte of the PUBLISH to the last of the PUBREC"},
    {"pubrel_time", "PUBREC to PUBREL", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_PUBREL),
     false, wl_get_pubrel_time,
     "QoS 2: from the first byte of the PUBREC to the last of the PUBREL"},
    {"pubcomp_time", "PUBREL to PUBCOMP", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_ANSWER),
     false, wl_get_pubcomp_time,
     "QoS 2: from the first byte of the PUBREL to the last of the PUBCOMP"},
    {"auth_time", "Authentication step", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_AUTH),
     false, get_auth_time,
     "Enhanced authentication: from the first byte of the packet before (CONNECT or AUTH) to the "
     "last of this one"},
    {"auth_sender", "Step by", FT_UINT8, BASE_DEC, VALS(wl_mqtt_sender_names), WL_ON(WL_EVENT_AUTH),
     false, get_auth_sender, "Who took this step of the authentication: the client, or the broker"},
    {"leg_of", "Leg of frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     WL_ON(WL_EVENT_PUBREC) | WL_ON(WL_EVENT_PUBREL) | WL_ON(WL_EVENT_AUTH), false, wl_get_leg_of,
     "Frame that completed the PUBLISH this PUBREC or PUBREL belongs to; the CONNECT or first AUTH "
     "this step of an authentication belongs to"},
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
    {"version", "MQTT version", FT_UINT8, BASE_DEC, VALS(wl_mqtt_version_names), EVERY_EVENT, false,
     get_version, "Protocol level of the CONNECT"},
    {"reason_code", "Reason code", FT_UINT8, BASE_HEX, VALS(wl_mqtt_reason_names), ON_FINISH, false,
     get_reason_code, "Reason or return code of the answer, where it carries one"},
    {"retries", "Retries", FT_UINT16, BASE_DEC, NULL, WL_ON(WL_EVENT_ANSWER), false, get_retries,
     "How often the PUBLISH or its PUBREL was sent again before the answer"},
    {"inflight", "Packets in flight", FT_UINT16, BASE_DEC, NULL, WITH_REQUEST, false, get_inflight,
     "QoS 1 and 2 publishes of its sender not yet acknowledged on the connection when this one was "
     "sent, itself included"},
    {"receive_maximum", "Receive Maximum", FT_UINT16, BASE_DEC, NULL, WITH_REQUEST, false,
     get_receive_maximum,
     "5.0: most packets the receiver lets its peer have in flight, from CONNECT or CONNACK"},
    {"forward_delay", "Forwarding delay", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_REQUEST, false,
     get_forward_delay,
     "Copy to a subscriber: from the last byte of the publisher's PUBLISH to the first of this "
     "one"},
    {"forward_of", "Copy of frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     ON_REQUEST, false, get_forward_of,
     "Frame that completed the PUBLISH of a client this one is a copy of"},
    {"forward_ambiguous", "Copy of that or another", FT_BOOLEAN, BASE_NONE, NULL, ON_REQUEST, false,
     get_forward_ambiguous,
     "The subscriber was owed several publishes of this topic and payload: the delay may be that "
     "of another, and no table counts it"},
    {"session_of", "Connected in frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     OF_CONNECTION, false, get_session_of, "Frame that completed the CONNECT of the connection"},
    {"session_time", "Session length", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_SESSION),
     false, get_session_time, "From the first byte of the CONNECT to the end of the connection"},
    {"session_end", "Ended by", FT_UINT8, BASE_DEC, VALS(wl_mqtt_end_names),
     WL_ON(WL_EVENT_SESSION), false, get_session_end,
     "What ended the connection: DISCONNECT, else the first FIN or RST"},
    {"disconnect_reason", "Disconnect reason", FT_UINT8, BASE_HEX, VALS(wl_mqtt_reason_names),
     WL_ON(WL_EVENT_SESSION), false, get_disconnect_reason, "5.0: reason code of the DISCONNECT"},
    {"keep_alive", "Keep-alive", FT_RELATIVE_TIME, BASE_NONE, NULL, OF_CONNECTION, false,
     get_keep_alive,
     "Keep-alive in force: that of the CONNACK, else that of the CONNECT; 0 is none"},
    {"longest_silence", "Longest silence of the client", FT_RELATIVE_TIME, BASE_NONE, NULL,
     WL_ON(WL_EVENT_SESSION), false, get_longest_silence,
     "Longest time between two packets of the client, or its last and the end"},
    {"silence", "Silence of the client", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_SILENCE),
     false, get_silence,
     "From the end of the client's last packet to the first byte of this one, or to the end of the "
     "connection; given where it is longer than 1.5 times the keep-alive"},
};

static bool exceeds_receive_maximum(const wl_record_t *record, bool later_pass _U_)
{
    const wl_exchange_t *ex = record->ex;

    return ex->u.mqtt.receive_maximum > 0 && ex->u.mqtt.inflight > ex->u.mqtt.receive_maximum;
}

static bool always(const wl_record_t *record _U_, bool later_pass _U_)
{
    return true;
}

static const wl_alarm_t alarms[] = {
    {"receive_maximum_exceeded", "More packets in flight than the receiver allows", PI_PROTOCOL,
     PI_WARN, WL_EVENT_REQUEST, exceeds_receive_maximum},
    {"keep_alive_exceeded", "Client was silent for more than 1.5 times its keep-alive", PI_SEQUENCE,
     PI_WARN, WL_EVENT_SILENCE, always},
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
        [WL_EVENT_AUTH] = " one step on (AUTH) after ",
    };
    const wl_exchange_t *ex = record->ex;
    const wl_legs_t *legs = wl_store_legs(record->store, record->ex);
    int64_t start =
        record->note != NULL ? record->note->start_ns : wl_record_ns(record, WL_TIME_REQUEST_FIRST);
    int64_t end = record->note != NULL               ? record->note->end_ns
                  : record->event == WL_EVENT_ACK    ? wl_record_ns(record, WL_TIME_ACK)
                  : record->event == WL_EVENT_PUBREC ? legs->pubrec_last_ns
                  : record->event == WL_EVENT_PUBREL ? legs->pubrel_last_ns
                                                     : wl_record_ns(record, WL_TIME_ANSWER_LAST);

    if (record->event == WL_EVENT_SILENCE) {
        g_string_append(line, "Client silent: no packet for ");
    } else if (record->event == WL_EVENT_SESSION && record->note != NULL) {
        g_string_append(line, val_to_str_const(record->note->end, wl_mqtt_end_names, "Unknown"));
        g_string_append(line, ", after ");
    } else {
        describe_request(ex, line);
        g_string_append(line, what[record->event]);
    }
    if (g_str_has_suffix(line->str, " after ") || g_str_has_suffix(line->str, " for ")) {
        int64_t ns = wl_span_ns(start, end);
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
    .alarms = alarms,
    .alarm_count = G_N_ELEMENTS(alarms),
    .describe = describe,
    .proto = -1,
    .tap = -1,
};
