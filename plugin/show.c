/* show.c
 * The fields every protocol has, their registration, and the subtree of an event.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "show.h"

#include <epan/tap.h>

#define ON_REQUEST WL_ON(WL_EVENT_REQUEST)
#define ON_ANSWER WL_ON(WL_EVENT_ANSWER)

static bool span(const wl_record_t *record, wl_time_t from, wl_time_t to, wl_value_t *value)
{
    return wl_value_span(wl_record_ns(record, from), wl_record_ns(record, to), value);
}

static bool get_time(const wl_record_t *record, wl_value_t *value)
{
    return span(record, WL_TIME_REQUEST_FIRST, WL_TIME_ANSWER_LAST, value);
}

static bool get_request_spread(const wl_record_t *record, wl_value_t *value)
{
    return span(record, WL_TIME_REQUEST_FIRST, WL_TIME_REQUEST_LAST, value);
}

static bool get_service_time(const wl_record_t *record, wl_value_t *value)
{
    return span(record, WL_TIME_REQUEST_LAST, WL_TIME_ANSWER_FIRST, value);
}

static bool get_response_spread(const wl_record_t *record, wl_value_t *value)
{
    return span(record, WL_TIME_ANSWER_FIRST, WL_TIME_ANSWER_LAST, value);
}

static bool get_response_in(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->answer_frame;
    return record->ex->flags & WL_ANSWERED;
}

static bool get_request_frame(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->request_frame, value);
}

static bool get_ack_time(const wl_record_t *record, wl_value_t *value)
{
    return span(record, WL_TIME_REQUEST_FIRST, WL_TIME_ACK, value);
}

static const wl_legs_t *legs_of(const wl_record_t *record)
{
    return wl_store_legs(record->store, record->ex);
}

bool wl_get_pubrec_time(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_span(wl_record_ns(record, WL_TIME_REQUEST_FIRST),
                         legs_of(record)->pubrec_last_ns, value);
}

bool wl_get_pubrel_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_legs_t *legs = legs_of(record);
    return wl_value_span(legs->pubrec_first_ns, legs->pubrel_last_ns, value);
}

bool wl_get_pubcomp_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_legs_t *legs = legs_of(record);
    return legs != NULL &&
           wl_value_span(legs->pubrel_first_ns, wl_record_ns(record, WL_TIME_ANSWER_LAST), value);
}

bool wl_get_leg_of(const wl_record_t *record, wl_value_t *value)
{
    return get_request_frame(record, value);
}

/* A CONNECT's client id that the broker assigned is known on its answer's frame only. */
static bool get_client_id(const wl_record_t *record, wl_value_t *value)
{
    const wl_exchange_t *ex = record->ex;

    if (ex->proto == WL_PROTO_MQTT && record->event == WL_EVENT_ANSWER &&
        ex->u.mqtt.assigned_client != WL_STRING_NONE) {
        return wl_value_text(record->store, ex->u.mqtt.assigned_client, value);
    }
    return wl_value_text(record->store, ex->client, value);
}

static bool get_size(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->size, value);
}

static bool get_stream(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->stream, value);
}

/* Of what an answer finishes; of a one-way request also where TCP acknowledges it. */
#define ON_END (WL_ON(WL_EVENT_ANSWER) | WL_ON(WL_EVENT_ACK))

static bool ends_exchange(const wl_record_t *record)
{
    return record->event == WL_EVENT_ANSWER || (record->ex->flags & WL_ONE_WAY);
}

static bool get_path_rtt(const wl_record_t *record, wl_value_t *value)
{
    const wl_exchange_t *ex = record->ex;

    value->integer = wl_store_path_rtt(
        record->store, ex, record->event == WL_EVENT_ANSWER ? ex->answer_frame : ex->ack_frame);
    return ex->proto != WL_PROTO_MQTTSN && ends_exchange(record) && value->integer != WL_NO_TIME;
}

static bool get_tcp_retransmissions(const wl_record_t *record, wl_value_t *value)
{
    value->integer = wl_store_resent(record->store, record->id);
    return record->ex->proto != WL_PROTO_MQTTSN && ends_exchange(record) &&
           value->integer != WL_RESENT_UNKNOWN;
}

#define ANY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define ALL_BUT_ORPHAN (WL_ON(WL_EVENT_ORPHAN) - 1)
#define OF_MESSAGE (ANY_EVENT & ~(WL_ON(WL_EVENT_SILENCE) | WL_ON(WL_EVENT_SESSION)))

static const wl_field_t common_fields[] = {
    {"time", "Response time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false, get_time,
     "From the first byte of the request to the last byte of the answer"},
    {"request_spread", "Request spread", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_request_spread, "From the first to the last byte of the request"},
    {"service_time", "Service time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_service_time,
     "From the last byte of the request to the first byte of the answer; negative when the answer "
     "began before the request ended"},
    {"response_spread", "Response spread", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_response_spread, "From the first to the last byte of the answer"},
    {"ack_time", "TCP ACK time", FT_RELATIVE_TIME, BASE_NONE, NULL, WL_ON(WL_EVENT_ACK), false,
     get_ack_time,
     "From the first byte of the request to the first TCP ACK that covers its last byte; includes "
     "the receiver's delayed ACK",
     true},
    {"path_rtt", "Path round trip", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_END, false, get_path_rtt,
     "Smallest TCP round trip so far of what the requester sends on this stream, from the capture "
     "point to the peer and back: the network's share of the service time",
     true},
    {"tcp_retransmissions", "TCP retransmissions", FT_UINT32, BASE_DEC, NULL, ON_END, false,
     get_tcp_retransmissions,
     "TCP segments of the request and the answer that were sent again before the exchange ended",
     true},
    {"response_in", "Answered in frame", FT_FRAMENUM, BASE_NONE,
     FRAMENUM_TYPE(FT_FRAMENUM_RESPONSE), ON_REQUEST, true, get_response_in,
     "Frame that completes the answer (known from the second pass on)"},
    {"response_to", "Answers frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_REQUEST),
     ON_ANSWER, false, get_request_frame, "Frame that completed the request"},
    {"duplicate_of", "Answers again frame", FT_FRAMENUM, BASE_NONE,
     FRAMENUM_TYPE(FT_FRAMENUM_REQUEST), WL_ON(WL_EVENT_DUPLICATE), false, get_request_frame,
     "Frame that completed the request that was answered before"},
    {"ack_to", "Acknowledges frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_ACK),
     WL_ON(WL_EVENT_ACK), false, get_request_frame,
     "Frame that completed the request this TCP ACK covers", true},
    {"retry_of", "Retry of frame", FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(FT_FRAMENUM_RETRANS_PREV),
     WL_ON(WL_EVENT_RETRY), false, get_request_frame,
     "Frame that completed the request when it was sent first"},
    {"client_id", "Client id", FT_STRING, BASE_NONE, NULL, ANY_EVENT, false, get_client_id,
     "Client id of the connection"},
    {"size", "Size", FT_UINT32, BASE_DEC, NULL, OF_MESSAGE, false, get_size,
     "Bytes of the request, header included (of the answer when the request was not captured)"},
    {"stream", "Stream", FT_UINT32, BASE_DEC, NULL, ANY_EVENT, false, get_stream,
     "tcp.stream of the exchange; of MQTT-SN udp.stream"},
};

const wl_field_t *wl_show_common(unsigned *count)
{
    *count = G_N_ELEMENTS(common_fields);
    return common_fields;
}

static bool finds_unanswered(const wl_record_t *record, bool later_pass)
{
    return later_pass && wl_exchange_open(record->ex);
}

static bool finds_reused(const wl_record_t *record, bool later_pass _U_)
{
    return record->ex->flags & WL_REUSED_ID;
}

static bool finds_always(const wl_record_t *record _U_, bool later_pass _U_)
{
    return true;
}

static const wl_alarm_t common_alarms[] = {
    {"unanswered", "No answer in this capture", PI_SEQUENCE, PI_NOTE, WL_EVENT_REQUEST,
     finds_unanswered},
    {"reused", "Takes the id of a request that was still waiting for its answer", PI_SEQUENCE,
     PI_WARN, WL_EVENT_REQUEST, finds_reused},
    {"retry", "Sent again while waiting for the answer", PI_SEQUENCE, PI_NOTE, WL_EVENT_RETRY,
     finds_always},
    {"duplicate", "Answers a request that was answered before", PI_SEQUENCE, PI_NOTE,
     WL_EVENT_DUPLICATE, finds_always},
    {"orphan", "Answers a request that was not captured", PI_SEQUENCE, PI_NOTE, WL_EVENT_ORPHAN,
     finds_always},
};

static int ett_event = -1;

/* The field's meaning and the frames it stands on: what Wireshark shows of it in its lists of fields,
 * and what packaging/doc/reference.md is made of. */
static char *described(const wl_field_t *field)
{
    static const char *const events[WL_EVENT_COUNT] = {
        [WL_EVENT_REQUEST] = "request",
        [WL_EVENT_ACK] = "TCP ACK",
        [WL_EVENT_PUBREC] = "PUBREC",
        [WL_EVENT_PUBREL] = "PUBREL",
        [WL_EVENT_ANSWER] = "answer",
        [WL_EVENT_RETRY] = "retry",
        [WL_EVENT_DUPLICATE] = "second answer",
        [WL_EVENT_ORPHAN] = "answer without request",
        [WL_EVENT_AUTH] = "AUTH",
        [WL_EVENT_SILENCE] = "what ends a silence",
        [WL_EVENT_SESSION] = "end of the connection",
    };
    GString *text = g_string_new(field->blurb);
    const char *before = " [on: ";

    if ((field->events & ALL_BUT_ORPHAN) == ALL_BUT_ORPHAN) {
        g_string_append(text, " [on: every event");
        g_string_append(
            text, field->events & WL_ON(WL_EVENT_ORPHAN) ? "" : " but an answer without request");
    } else {
        for (unsigned i = 0; i < WL_EVENT_COUNT; i++) {
            if (field->events & WL_ON(i)) {
                g_string_append_printf(text, "%s%s", before, events[i]);
                before = ", ";
            }
        }
    }
    g_string_append(text, field->second_pass ? "; from the second pass on]" : "]");
    return g_string_free(text, FALSE);
}

hf_register_info wl_show_field(int *id, const char *filter_name, const char *name,
                               const char *title, enum ftenum type, int display,
                               const void *strings, char *blurb)
{
    *id = -1;
    return (hf_register_info){id,
                              {title, g_strdup_printf("%s.%s", filter_name, name), type, display,
                               strings, 0, blurb, HFILL}};
}

ei_register_info wl_show_alarm(expert_field *id, const char *filter_name, const char *name,
                               int group, int severity, const char *summary)
{
    *id = (expert_field)EI_INIT;
    return (ei_register_info){
        id, {g_strdup_printf("%s.%s", filter_name, name), group, severity, summary, EXPFILL}};
}

static int *register_fields(const wl_shown_t *shown, const wl_field_t *fields, unsigned count)
{
    /* Wireshark keeps pointers into both for as long as it runs. */
    int *ids = g_new(int, count);
    hf_register_info *infos = g_new0(hf_register_info, count);
    unsigned used = 0;

    for (unsigned i = 0; i < count; i++) {
        ids[i] = -1;
        if (shown->over_udp && fields[i].over_tcp) {
            continue;
        }
        infos[used++] = wl_show_field(&ids[i], shown->filter_name, fields[i].name, fields[i].title,
                                      fields[i].type, fields[i].display, fields[i].strings,
                                      described(&fields[i]));
    }
    proto_register_field_array(shown->proto, infos, (int)used);
    return ids;
}

static expert_field *register_alarms(const wl_shown_t *shown, expert_module_t *module,
                                     const wl_alarm_t *alarms, unsigned count)
{
    /* Wireshark keeps pointers into both for as long as it runs. */
    ei_register_info *infos = g_new0(ei_register_info, count);
    expert_field *experts = g_new(expert_field, count);

    for (unsigned i = 0; i < count; i++) {
        infos[i] = wl_show_alarm(&experts[i], shown->filter_name, alarms[i].name, alarms[i].group,
                                 alarms[i].severity, alarms[i].summary);
    }
    expert_register_field_array(module, infos, (int)count);
    return experts;
}

void wl_show_register(wl_shown_t *shown)
{
    static int *subtrees[] = {&ett_event};
    expert_module_t *module;

    shown->proto = proto_register_protocol(shown->title, shown->short_name, shown->filter_name);
    shown->common_ids = register_fields(shown, common_fields, G_N_ELEMENTS(common_fields));
    shown->ids = register_fields(shown, shown->fields, shown->field_count);
    module = expert_register_protocol(shown->proto);
    shown->common_experts =
        register_alarms(shown, module, common_alarms, G_N_ELEMENTS(common_alarms));
    shown->experts = register_alarms(shown, module, shown->alarms, shown->alarm_count);
    shown->tap = register_tap(shown->filter_name);
    if (ett_event == -1) {
        proto_register_subtree_array(subtrees, G_N_ELEMENTS(subtrees));
    }
}

void wl_show_value(proto_tree *tree, int id, tvbuff_t *tvb, enum ftenum type,
                   const wl_value_t *value)
{
    proto_item *item;
    nstime_t time;

    switch (type) {
    case FT_RELATIVE_TIME:
        /* Both parts carry the sign: -0.5 s is 0 s and -500,000,000 ns. */
        time.secs = (time_t)(value->integer / 1000000000);
        time.nsecs = (int)(value->integer % 1000000000);
        item = proto_tree_add_time(tree, id, tvb, 0, 0, &time);
        break;
    case FT_STRING:
        item = proto_tree_add_string(tree, id, tvb, 0, 0, value->text);
        break;
    case FT_BOOLEAN:
        item = proto_tree_add_boolean(tree, id, tvb, 0, 0, (uint32_t)value->integer);
        break;
    case FT_UINT64:
        item = proto_tree_add_uint64(tree, id, tvb, 0, 0, (uint64_t)value->integer);
        break;
    case FT_INT8:
    case FT_INT16:
    case FT_INT32:
        item = proto_tree_add_int(tree, id, tvb, 0, 0, (int32_t)value->integer);
        break;
    default:
        item = proto_tree_add_uint(tree, id, tvb, 0, 0, (uint32_t)value->integer);
    }
    proto_item_set_generated(item);
}

static void add_fields(proto_tree *tree, tvbuff_t *tvb, const wl_field_t *fields, const int *ids,
                       unsigned count, const wl_record_t *record, bool later_pass)
{
    for (unsigned i = 0; i < count; i++) {
        wl_value_t value;

        if (ids[i] != -1 && (fields[i].events & WL_ON(record->event)) &&
            (later_pass || !fields[i].second_pass) && fields[i].get(record, &value)) {
            wl_show_value(tree, ids[i], tvb, fields[i].type, &value);
        }
    }
}

void wl_append_time(GString *line, int64_t ns)
{
    g_string_append_printf(line, "%.3f ms", (double)ns / 1e6);
}

static void raise_alarms(packet_info *pinfo, proto_item *item, const wl_alarm_t *alarms,
                         expert_field *experts, unsigned count, const wl_record_t *record)
{
    for (unsigned i = 0; i < count; i++) {
        if (alarms[i].event == record->event && alarms[i].applies(record, pinfo->fd->visited)) {
            expert_add_info(pinfo, item, &experts[i]);
        }
    }
}

void wl_show_event(wl_shown_t *shown, packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                   wl_record_t *record)
{
    bool later_pass = pinfo->fd->visited;
    proto_item *item = NULL;

    if (proto_field_is_referenced(tree, shown->proto)) {
        GString *line = g_string_new(NULL);
        proto_tree *subtree;

        shown->describe(record, line);
        item = proto_tree_add_protocol_format(tree, shown->proto, tvb, 0, 0, "%s: %s", shown->title,
                                              line->str);
        g_string_free(line, TRUE);
        proto_item_set_generated(item);
        subtree = proto_item_add_subtree(item, ett_event);
        add_fields(subtree, tvb, common_fields, shown->common_ids, G_N_ELEMENTS(common_fields),
                   record, later_pass);
        add_fields(subtree, tvb, shown->fields, shown->ids, shown->field_count, record, later_pass);
    }
    raise_alarms(pinfo, item, common_alarms, shown->common_experts, G_N_ELEMENTS(common_alarms),
                 record);
    raise_alarms(pinfo, item, shown->alarms, shown->experts, shown->alarm_count, record);
}
