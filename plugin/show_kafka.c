/* show_kafka.c
 * The computed fields wirelat.kafka.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "names.h"
#include "show.h"

#define ANY_EVENT ((1u << WL_EVENT_COUNT) - 1)
#define ON_ANSWER WL_ON(WL_EVENT_ANSWER)
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

static bool get_wait_time(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.wait_ns;
    return value->integer != WL_NO_TIME;
}

static bool get_unqueued_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_exchange_t *ex = record->ex;

    value->integer = wl_kafka_unqueued_ns(ex);
    return value->integer != WL_NO_TIME;
}

static bool get_throttle_time(const wl_record_t *record, wl_value_t *value)
{
    value->integer = (int64_t)record->ex->u.kafka.throttle_ms * 1000000;
    return value->integer >= 0;
}

static bool get_max_wait(const wl_record_t *record, wl_value_t *value)
{
    value->integer = (int64_t)record->ex->u.kafka.max_wait_ms * 1000000;
    return value->integer >= 0;
}

static bool get_error(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.error;
    return value->integer != WL_KAFKA_ERROR_UNKNOWN;
}

static bool get_long_poll(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_integer((record->ex->flags & WL_LONG_POLL) != 0, value) &&
           record->ex->u.kafka.max_wait_ms > 0;
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
    {"max_wait", "Longest wait", FT_RELATIVE_TIME, BASE_NONE, NULL, WITH_REQUEST, false,
     get_max_wait, "Fetch: how long the broker may hold an empty answer back"},
    {"wait_time", "Wait time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false, get_wait_time,
     "Part of the service time spent behind an earlier request of the connection"},
    {"unqueued_time", "Unqueued time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_unqueued_time, "Service time without the wait: broker and network"},
    {"long_poll", "Long poll", FT_BOOLEAN, BASE_NONE, NULL, ON_ANSWER, false, get_long_poll,
     "Fetch: the broker held the answer back for want of records"},
    {"throttle_time", "Throttle time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_throttle_time, "How long the broker throttled the client, by the response"},
    {"error", "Error", FT_INT16, BASE_DEC, VALS(wl_kafka_error_names), ON_ANSWER, false, get_error,
     "Error code of the response as a whole, where it has one"},
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
