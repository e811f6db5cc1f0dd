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
    if (message->api == WL_KAFKA_PRODUCE && message->acks == 0) {
        ex->flags |= WL_ONE_WAY;
        ex->u.kafka.inflight = wl_pending_open(matcher->pending, ex->stream) + 1;
        wl_match_await_ack(matcher, &message->message, id);
        return;
    }
    wl_match_pend(matcher, request_key(message, message->message.direction), ex, id);
    ex->u.kafka.inflight = wl_pending_open(matcher->pending, ex->stream);
}

static void match_response(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    wl_pending_result_t result;
    wl_exchange_t *ex = wl_match_answer(matcher, WL_PROTO_KAFKA,
                                        request_key(message, !message->message.direction),
                                        &message->message, &result);

    if (result == WL_PENDING_ORPHAN) {
        ex->u.kafka.api = ex->u.kafka.version = -1;
        ex->u.kafka.acks = WL_KAFKA_ACKS_UNKNOWN;
    }
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
