/* show_kafka.c
 * The computed fields wirelat.kafka.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "names.h"
#include "show.h"

#define ANY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define WITH_REQUEST (ANY_EVENT & ~WL_ON(WL_EVENT_ORPHAN))

static bool get_inflight(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.kafka.inflight, value);
}

static bool get_api(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.kafka.api, value);
}

static bool get_api_version(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer(record->ex->u.kafka.version, value);
}

static bool get_acks(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.acks;
    return record->ex->u.kafka.api == 0 && record->ex->u.kafka.acks != WL_KAFKA_ACKS_UNKNOWN;
}

static bool get_correlation_id(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((int32_t)record->ex->id, value);
}

static const wl_field_t fields[] = {
    {"api", "API", FT_INT16, BASE_DEC | BASE_EXT_STRING, &wl_kafka_api_names, WITH_REQUEST, false,
     get_api, "API key of the request"},
    {"api_version", "API version", FT_INT16, BASE_DEC, NULL, WITH_REQUEST, false, get_api_version,
     "API version of the request"},
    {"correlation_id", "Correlation id", FT_INT32, BASE_DEC, NULL, ANY_EVENT, false,
     get_correlation_id, "Correlation id of request and response"},
    {"acks", "Required acks", FT_INT16, BASE_DEC, VALS(wl_kafka_acks_names), WITH_REQUEST, false,
     get_acks, "Produce: who must have the records before the broker answers"},
    {"inflight", "Requests in flight", FT_UINT32, BASE_DEC, NULL, WITH_REQUEST, false,
     get_inflight, "Requests open on the connection when this one was sent, itself included"},
};

static void describe(const wl_record_t *record, GString *line)
{
    const wl_exchange_t *ex = record->ex;
    char buffer[16];

    if (record->event == WL_EVENT_ORPHAN) {
        g_string_append_printf(line, "answer %d without request", (int32_t)ex->id);
        return;
    }
    g_string_append_printf(line, "%s v%d", wl_kafka_api_name(ex->u.kafka.api, buffer, sizeof buffer),
                           ex->u.kafka.version);
    if (record->event == WL_EVENT_ANSWER || record->event == WL_EVENT_ACK) {
        bool answer = record->event == WL_EVENT_ANSWER;
        int64_t ns = wl_span_ns(ex->request_first_ns, answer ? ex->answer_last_ns : ex->ack_ns);

        g_string_append(line, answer ? " answered" : " acknowledged by TCP");
        if (ns != WL_NO_TIME) {
            g_string_append(line, " after ");
            wl_append_time(line, ns);
        }
    } else {
        g_string_append(line, record->event == WL_EVENT_DUPLICATE ? " answered again" : " request");
    }
}

wl_shown_t wl_shown_kafka = {
    .title = "Wirelat Kafka",
    .short_name = "Wirelat Kafka",
    .filter_name = "wirelat.kafka",
    .fields = fields,
    .field_count = G_N_ELEMENTS(fields),
    .describe = describe,
    .proto = -1,
    .tap = -1,
};
