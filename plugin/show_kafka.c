/* show_kafka.c
 * The computed fields wirelat.kafka.*.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_body.h"
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

#define ON_ANSWER WL_ON(WL_EVENT_ANSWER)
#define MS 1000000

static bool get_wait_time(const wl_record_t *record, wl_value_t *value)
{
    value->integer = wl_kafka_wait_ns(record->store, record->ex);
    return value->integer != WL_NO_TIME;
}

static bool get_unqueued_time(const wl_record_t *record, wl_value_t *value)
{
    value->integer = wl_kafka_unqueued_ns(record->store, record->ex);
    return value->integer != WL_NO_TIME;
}

static bool get_long_poll(const wl_record_t *record, wl_value_t *value)
{
    const wl_exchange_t *ex = record->ex;

    value->integer = (ex->u.kafka.known & WL_KAFKA_LONG_POLL) != 0;
    return ex->u.kafka.api == WL_KAFKA_FETCH && (ex->u.kafka.known & WL_KAFKA_ASKED_BODY);
}

static bool get_error(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.error;
    return record->ex->u.kafka.known & WL_KAFKA_ANSWERED_BODY;
}

static bool get_throttle_time(const wl_record_t *record, wl_value_t *value)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);

    value->integer = details != NULL ? (int64_t)details->throttle_ms * MS : 0;
    return record->ex->u.kafka.known & WL_KAFKA_THROTTLE_KNOWN;
}

static bool get_max_wait(const wl_record_t *record, wl_value_t *value)
{
    value->integer = (int64_t)record->ex->u.kafka.max_wait_ms * MS;
    return record->ex->u.kafka.max_wait_ms >= 0;
}

static bool get_topic(const wl_record_t *record, wl_value_t *value)
{
    return wl_value_text(record->store, record->ex->u.kafka.topic, value);
}

static bool get_topics(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.topics;
    return record->ex->u.kafka.topics > 0;
}

static bool get_partitions(const wl_record_t *record, wl_value_t *value)
{
    value->integer = record->ex->u.kafka.partitions;
    return record->ex->u.kafka.partitions > 0;
}

static bool get_broker(const wl_record_t *record, wl_value_t *value)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);

    return details != NULL && wl_value_text(record->store, details->broker, value);
}

static bool get_group(const wl_record_t *record, wl_value_t *value)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);

    return details != NULL && wl_value_text(record->store, details->group, value);
}

/* A member id that a JoinGroup's answer gave stands on that answer's frame, not on the request's:
 * the first pass could not have it there. */
static bool get_member(const wl_record_t *record, wl_value_t *value)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);

    if (details == NULL) {
        return false;
    }
    return wl_value_text(record->store,
                         record->event == WL_EVENT_ANSWER && details->joined != WL_STRING_NONE
                             ? details->joined
                             : details->member,
                         value);
}

static bool get_span(const wl_record_t *record, int api, wl_value_t *value)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);

    if (details == NULL || record->ex->u.kafka.api != api || details->span_ns == WL_NO_TIME) {
        return false;
    }
    return wl_value_integer(details->span_ns, value);
}

static bool get_sasl_time(const wl_record_t *record, wl_value_t *value)
{
    return get_span(record, WL_KAFKA_SASL_AUTHENTICATE, value);
}

static bool get_rebalance_time(const wl_record_t *record, wl_value_t *value)
{
    return get_span(record, WL_KAFKA_SYNC_GROUP, value);
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
    {"inflight", "Requests in flight", FT_UINT32, BASE_DEC, NULL, WITH_REQUEST, false, get_inflight,
     "Requests open on the connection when this one was sent, itself included"},
    {"wait_time", "Wait behind earlier requests", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER,
     false, get_wait_time,
     "Part of the service time spent behind an earlier request of the connection, its throttling "
     "included: a broker answers a connection in order"},
    {"unqueued_time", "Unqueued time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_unqueued_time, "Service time without the wait: broker and network"},
    {"topic", "Topic", FT_STRING, BASE_NONE, NULL, WITH_REQUEST, false, get_topic,
     "First topic the request names; a topic id while no Metadata answer has named it; of a Fetch "
     "of a session that names none, what the connection fetched before"},
    {"topics", "Topics", FT_UINT16, BASE_DEC, NULL, WITH_REQUEST, false, get_topics,
     "How many topics the request names"},
    {"partitions", "Partitions", FT_UINT16, BASE_DEC, NULL, WITH_REQUEST, false, get_partitions,
     "How many partitions the request names"},
    {"max_wait", "Max wait", FT_RELATIVE_TIME, BASE_NONE, NULL, WITH_REQUEST, false, get_max_wait,
     "Fetch: how long the broker may hold the answer back"},
    {"long_poll", "Long poll", FT_BOOLEAN, BASE_NONE, NULL, ON_ANSWER, false, get_long_poll,
     "Fetch that was held back: its answer is empty, or took nearly the max wait or longer"},
    {"error", "Error", FT_INT16, BASE_DEC | BASE_EXT_STRING, &wl_kafka_error_names, ON_ANSWER,
     false, get_error, "First error code of the answer that is not 0, else 0"},
    {"throttle_time", "Throttle time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_throttle_time, "How long the broker throttles the client, as the answer says"},
    {"broker", "Broker", FT_STRING, BASE_NONE, NULL, ANY_EVENT, false, get_broker,
     "Address and port of the broker"},
    {"group", "Consumer group", FT_STRING, BASE_NONE, NULL, WITH_REQUEST, false, get_group,
     "Consumer group the request names"},
    {"member", "Group member", FT_STRING, BASE_NONE, NULL, WITH_REQUEST, false, get_member,
     "Member id in the consumer group"},
    {"rebalance_time", "Rebalance time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_rebalance_time,
     "SyncGroup: from the first byte of the member's first JoinGroup request to this answer"},
    {"sasl_time", "SASL handshake time", FT_RELATIVE_TIME, BASE_NONE, NULL, ON_ANSWER, false,
     get_sasl_time,
     "Last SaslAuthenticate: from the first byte of the SaslHandshake request to this answer"},
};

static void describe(const wl_record_t *record, GString *line)
{
    const wl_exchange_t *ex = record->ex;
    char buffer[16];

    if (record->event == WL_EVENT_ORPHAN) {
        g_string_append_printf(line, "answer %d without request", (int32_t)ex->id);
        return;
    }
    g_string_append_printf(line, "%s v%d",
                           wl_kafka_api_name(ex->u.kafka.api, buffer, sizeof buffer),
                           ex->u.kafka.version);
    if (record->event == WL_EVENT_ANSWER || record->event == WL_EVENT_ACK) {
        bool answer = record->event == WL_EVENT_ANSWER;
        int64_t ns = wl_span_ns(wl_record_ns(record, WL_TIME_REQUEST_FIRST),
                                wl_record_ns(record, answer ? WL_TIME_ANSWER_LAST : WL_TIME_ACK));

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
