/* match_kafka.c
 * Pairs Kafka responses with their requests by stream and correlation id.
 *
 *   client                      broker
 *     | request(key, version, id) |        key: stream, requester's direction, correlation id
 *     |-------------------------->|        a broker answers a connection in order, but nothing
 *     |               response(id)|        here depends on it
 *     |<--------------------------|
 *     | Produce acks=0            |        no response by design: one-way, only its TCP ACK
 *     |-------------------------->|
 *
 * Wireshark's own match (kafka.request_frame) is not used: it forgets every request whose body it
 * cannot read (packet-kafka.c, dissect_kafka: the match is inserted after the body).
 *
 * In: wl_kafka_message_t in capture order. Out: exchanges and events in the store.
 * Knows nothing of trees, taps or tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "match_kafka.h"

/* Kafka protocol guide: key, version, correlation id, client id (int16 length); only
 * ControlledShutdown v0 has a header without client id. A response has at least its id. */
#define MIN_REQUEST_LENGTH 8
#define MIN_RESPONSE_LENGTH 4
/* Far above any broker's socket.request.max.bytes (100 MiB by default): what is longer was read
 * from the middle of a message. */
#define MAX_LENGTH (1 << 30)
#define MAX_API 127
#define MAX_VERSION 31

static unsigned long_poll_percent = 90;

/* Requests live in the space of their direction: both ends of a connection may be brokers. */
static wl_key_t request_key(const wl_kafka_message_t *message, unsigned direction)
{
    return (wl_key_t){message->message.stream->number, direction,
                      (uint32_t)message->correlation_id};
}

static bool plausible(const wl_kafka_message_t *message)
{
    if (message->message.cut || message->length > MAX_LENGTH) {
        return false;
    }
    if (!message->is_request) {
        return message->length >= MIN_RESPONSE_LENGTH;
    }
    return message->length >= MIN_REQUEST_LENGTH && message->api >= 0 && message->api <= MAX_API &&
           message->version >= 0 && message->version <= MAX_VERSION;
}

static void match_request(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    wl_exchange_id_t id;
    wl_exchange_t *ex = wl_match_open(matcher, WL_PROTO_KAFKA, &message->message,
                                      (uint32_t)message->correlation_id, &id);

    ex->client = message->client;
    ex->u.kafka.api = message->api;
    ex->u.kafka.version = message->version;
    ex->u.kafka.acks = message->acks;
    ex->u.kafka.max_wait_ms = message->max_wait_ms;
    ex->u.kafka.throttle_ms = -1;
    ex->u.kafka.error = WL_KAFKA_ERROR_UNKNOWN;
    ex->u.kafka.wait_ns = WL_NO_TIME;
    if (message->api == WL_KAFKA_PRODUCE && message->acks == 0) {
        ex->flags |= WL_ONE_WAY;
        ex->u.kafka.inflight = wl_pending_open(matcher->pending, ex->stream) + 1;
        wl_match_await_ack(matcher, &message->message, id);
        return;
    }
    wl_match_pend(matcher, request_key(message, message->message.direction), ex, id);
    ex->u.kafka.inflight = wl_pending_open(matcher->pending, ex->stream);
}

/* A broker answers a connection in order (KIP-219: and reads no further request while it throttles
 * one): as long as it was busy with an earlier request, this one stood in the queue. */
static int64_t wait_behind(const wl_kafka_stream_t *kafka, unsigned requester,
                           const wl_exchange_t *ex)
{
    int64_t until;

    if (ex->answer_first_ns == WL_NO_TIME) {
        return WL_NO_TIME;
    }
    if (!kafka->answered[requester]) {
        return 0;
    }
    until = MIN(kafka->busy_until_ns[requester], ex->answer_first_ns);
    return MAX(until - ex->request_last_ns, 0);
}

/* Was the answer held back until max_wait or until there was something to send? */
static bool is_long_poll(const wl_exchange_t *ex, bool empty)
{
    int64_t time_ns = wl_span_ns(ex->request_first_ns, ex->answer_last_ns);

    return ex->u.kafka.api == WL_KAFKA_FETCH && ex->u.kafka.max_wait_ms > 0 &&
           (empty || (time_ns != WL_NO_TIME &&
                      time_ns >= (int64_t)ex->u.kafka.max_wait_ms * 10000 * long_poll_percent));
}

static void finish(wl_exchange_t *ex, const wl_kafka_message_t *message, unsigned requester)
{
    wl_kafka_stream_t *kafka = &message->message.stream->kafka;
    wl_kafka_response_t response;

    wl_kafka_read_response(ex->u.kafka.api, ex->u.kafka.version, message->body,
                           message->body_length, &response);
    ex->u.kafka.throttle_ms = response.throttle_ms;
    ex->u.kafka.error = response.error;
    ex->u.kafka.wait_ns = wait_behind(kafka, requester, ex);
    if (is_long_poll(ex, response.empty)) {
        ex->flags |= WL_LONG_POLL;
    }
    kafka->answered[requester] = true;
    kafka->busy_until_ns[requester] =
        ex->answer_last_ns + (int64_t)MAX(response.throttle_ms, 0) * 1000000;
}

static void match_response(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    wl_pending_result_t result;
    unsigned requester = !message->message.direction;
    wl_kafka_stream_t *kafka = &message->message.stream->kafka;
    wl_exchange_t *ex = wl_match_answer(matcher, WL_PROTO_KAFKA, request_key(message, requester),
                                        &message->message, &result);

    if (result == WL_PENDING_FOUND) {
        finish(ex, message, requester);
        return;
    }
    if (result == WL_PENDING_ORPHAN) {
        ex->u.kafka.api = ex->u.kafka.version = -1;
        ex->u.kafka.acks = WL_KAFKA_ACKS_UNKNOWN;
        ex->u.kafka.error = WL_KAFKA_ERROR_UNKNOWN;
        ex->u.kafka.max_wait_ms = ex->u.kafka.throttle_ms = -1;
        ex->u.kafka.wait_ns = WL_NO_TIME;
    }
    kafka->answered[requester] = true;
    kafka->busy_until_ns[requester] = message->message.last_ns;
}

void wl_kafka_set_long_poll_percent(unsigned percent)
{
    long_poll_percent = percent;
}

bool wl_kafka_match(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    if (!plausible(message)) {
        wl_match_gated(matcher, &message->message);
        return false;
    }
    if (message->is_request) {
        match_request(matcher, message);
    } else {
        match_response(matcher, message);
    }
    return true;
}
