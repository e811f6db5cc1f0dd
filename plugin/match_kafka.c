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
 * An answer's body tells the rest: whether a Fetch was held back, what a throttled broker will do
 * next, which member id was given, and that a handshake or a rebalance has ended:
 *
 *   SaslHandshake ... SaslAuthenticate -> last answer            one span per connection
 *   first JoinGroup ... JoinGroup -> ... SyncGroup -> answer      one span per group and member
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
#define KAFKA_SPACE 0x10000u

static wl_key_t request_key(const wl_kafka_message_t *message, unsigned direction)
{
    /* MQTT's spaces are small numbers: a stream that was taken for both must not mix them up. */
    return (wl_key_t){message->message.stream->number, KAFKA_SPACE | direction,
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

/* Error codes of the protocol guide that a rule depends on. */
enum { UNKNOWN_MEMBER_ID = 25, MEMBER_ID_REQUIRED = 79, FENCED_INSTANCE_ID = 82 };

static wl_string_t intern(wl_matcher_t *matcher, wl_kafka_text_t text)
{
    return text.at == NULL ? WL_STRING_NONE
                           : wl_store_intern_bytes(matcher->store, text.at, text.length);
}

/* Reads the body; what it should hold but does not is a finding. */
static bool read_body(wl_matcher_t *matcher, const wl_kafka_message_t *message, int api,
                      int version, wl_kafka_body_t *body)
{
    wl_kafka_result_t result = wl_kafka_body_read(api, version, message->is_request, message->body,
                                                  message->body_length, body);

    if (result == WL_BODY_MALFORMED) {
        wl_health_note(matcher->health, message->message.frame, WL_HEALTH_MALFORMED, 1);
    } else if (result == WL_BODY_UNKNOWN && message->is_request && wl_kafka_schema(api) != NULL) {
        wl_health_note(matcher->health, message->message.frame, WL_HEALTH_UNSUPPORTED, 1);
    }
    return result == WL_BODY_READ;
}

/* Details of the exchange that only it has, to be written to. */
static wl_kafka_details_t *own_details(wl_matcher_t *matcher, wl_exchange_t *ex)
{
    return wl_store_add_kafka(matcher->store, wl_store_kafka(matcher->store, ex),
                              &ex->u.kafka.details);
}

/* Details that the requests of a connection share as long as they name the same group. */
static void share_details(wl_matcher_t *matcher, wl_exchange_t *ex, wl_kafka_stream_t *stream,
                          wl_string_t group, wl_string_t member)
{
    uint32_t *shared =
        group == WL_STRING_NONE && member == WL_STRING_NONE ? &stream->plain : &stream->grouped;
    wl_kafka_details_t *details;

    if (*shared != 0) {
        ex->u.kafka.details = *shared - 1;
        details = wl_store_kafka(matcher->store, ex);
        if (details->group == group && details->member == member) {
            return;
        }
    }
    details = wl_store_add_kafka(matcher->store, NULL, &ex->u.kafka.details);
    details->broker = stream->broker;
    details->group = group;
    details->member = member;
    *shared = ex->u.kafka.details + 1;
}

/* A Fetch of a session names only what changed since the last (KIP-227): one that names nothing
 * fetches what was named before. */
static void take_topic(wl_matcher_t *matcher, wl_exchange_t *ex, wl_kafka_stream_t *stream,
                       const wl_kafka_body_t *body)
{
    wl_string_t topic = intern(matcher, body->topic);

    if (topic == WL_STRING_NONE && body->topic_id != NULL) {
        topic = wl_kafka_topic_of(matcher->kafka, body->topic_id, matcher->store);
    }
    ex->u.kafka.topic = topic;
    ex->u.kafka.topics = (uint16_t)MIN(body->topics, UINT16_MAX);
    ex->u.kafka.partitions = (uint16_t)MIN(body->partitions, UINT16_MAX);
    if (ex->u.kafka.api != WL_KAFKA_FETCH) {
        return;
    }
    if (body->topics > 0) {
        stream->fetched = topic;
        stream->topics = ex->u.kafka.topics;
        stream->partitions = ex->u.kafka.partitions;
    } else if (body->session_epoch > 0) {
        ex->u.kafka.topic = stream->fetched;
        ex->u.kafka.topics = stream->topics;
        ex->u.kafka.partitions = stream->partitions;
    } else {
        ex->u.kafka.known |= WL_KAFKA_ASKS_NOTHING;
    }
}

static void read_request(wl_matcher_t *matcher, const wl_kafka_message_t *message,
                         wl_exchange_t *ex)
{
    wl_kafka_stream_t *stream = &message->message.stream->kafka;
    wl_string_t group = WL_STRING_NONE, member = WL_STRING_NONE;
    wl_kafka_body_t body;

    if (read_body(matcher, message, message->api, message->version, &body)) {
        ex->u.kafka.known |= WL_KAFKA_ASKED_BODY;
        ex->u.kafka.max_wait_ms = body.max_wait_ms;
        group = intern(matcher, body.group);
        member = intern(matcher, body.member);
        take_topic(matcher, ex, stream, &body);
    }
    share_details(matcher, ex, stream, group, member);
    if (message->api == WL_KAFKA_JOIN_GROUP && member != WL_STRING_NONE &&
        message->message.first_ns != WL_NO_TIME) {
        wl_kafka_join(matcher->kafka, group, member, message->message.first_ns);
    }
    if (message->api == WL_KAFKA_LEAVE_GROUP) {
        wl_kafka_joined(matcher->kafka, group, member);
    }
    if (message->api == WL_KAFKA_SASL_HANDSHAKE) {
        stream->sasl_started = message->message.first_ns != WL_NO_TIME;
        stream->sasl_start_ns = message->message.first_ns;
    }
}

static uint16_t open_now(const wl_matcher_t *matcher, const wl_exchange_t *ex, uint32_t more)
{
    return (uint16_t)MIN(wl_pending_open(matcher->pending, ex->stream) + more, UINT16_MAX);
}

static void match_request(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    wl_exchange_id_t id;
    wl_exchange_t *ex = wl_match_open(matcher, WL_PROTO_KAFKA, &message->message,
                                      (uint32_t)message->correlation_id, &id);

    ex->client = message->client;
    ex->u.kafka.api = (int8_t)message->api;
    ex->u.kafka.version = (int8_t)message->version;
    ex->u.kafka.acks = (int8_t)message->acks;
    read_request(matcher, message, ex);
    if (message->api == WL_KAFKA_PRODUCE && message->acks == 0) {
        ex->flags |= WL_ONE_WAY;
        ex->u.kafka.inflight = open_now(matcher, ex, 1);
        wl_match_await_ack(matcher, &message->message, id);
        return;
    }
    wl_match_pend(matcher, request_key(message, message->message.direction), ex, id);
    ex->u.kafka.inflight = open_now(matcher, ex, 0);
}

/* body: NULL when it could not be read. A broker holds nothing back when there is an error to tell,
 * or nothing was asked for: those empty answers come at once. */
static bool was_held_back(const wl_matcher_t *matcher, const wl_exchange_t *ex,
                          const wl_kafka_body_t *body)
{
    int64_t time_ns = wl_span_ns(wl_time_ns(matcher->store, ex, WL_TIME_REQUEST_FIRST),
                                 wl_time_ns(matcher->store, ex, WL_TIME_ANSWER_LAST));

    if (ex->u.kafka.api != WL_KAFKA_FETCH || ex->u.kafka.max_wait_ms <= 0 ||
        (ex->u.kafka.known & WL_KAFKA_ASKS_NOTHING)) {
        return false;
    }
    return (body != NULL && body->error == 0 && body->record_bytes == 0) ||
           (time_ns != WL_NO_TIME && time_ns >= (int64_t)ex->u.kafka.max_wait_ms * 10000 *
                                                    matcher->kafka->long_poll_percent);
}

/* The span that ends with this answer starts with `start_ns`. */
static void end_span(wl_matcher_t *matcher, wl_exchange_t *ex, int64_t start_ns)
{
    if (start_ns != WL_NO_TIME) {
        own_details(matcher, ex)->span_ns =
            wl_time_ns(matcher->store, ex, WL_TIME_ANSWER_LAST) - start_ns;
    }
}

/* The last answer of a SASL exchange brings no challenge: it is empty (PLAIN, OAUTHBEARER, GSSAPI),
 * or the server's signature (SCRAM, RFC 5802 section 7), or an error. */
static void authenticate_answered(wl_matcher_t *matcher, wl_exchange_t *ex,
                                  wl_kafka_stream_t *stream, const wl_kafka_body_t *body)
{
    bool last = body->error != 0 || body->auth.length == 0 ||
                (body->auth.length >= 2 && body->auth.at[0] == 'v' && body->auth.at[1] == '=');

    if (last && stream->sasl_started) {
        stream->sasl_started = false;
        end_span(matcher, ex, stream->sasl_start_ns);
    }
}

/* The clock of a member that had no id yet starts with the request that got it one (KIP-394). */
static void join_answered(wl_matcher_t *matcher, wl_exchange_t *ex, const wl_kafka_body_t *body)
{
    const wl_kafka_details_t *details = wl_store_kafka(matcher->store, ex);
    wl_string_t given = intern(matcher, body->member);

    if (body->error == UNKNOWN_MEMBER_ID || body->error == FENCED_INSTANCE_ID) {
        wl_kafka_joined(matcher->kafka, details->group, details->member);
    } else if ((body->error == 0 || body->error == MEMBER_ID_REQUIRED) &&
               details->member == WL_STRING_NONE && given != WL_STRING_NONE) {
        wl_string_t group = details->group;
        int64_t start_ns = wl_time_ns(matcher->store, ex, WL_TIME_REQUEST_FIRST);

        own_details(matcher, ex)->joined = given;
        if (start_ns != WL_NO_TIME) {
            wl_kafka_join(matcher->kafka, group, given, start_ns);
        }
    }
}

static void sync_answered(wl_matcher_t *matcher, wl_exchange_t *ex, const wl_kafka_body_t *body)
{
    const wl_kafka_details_t *details = wl_store_kafka(matcher->store, ex);

    /* An error sends the member back to JoinGroup: its rebalance goes on. */
    if (body->error == 0) {
        end_span(matcher, ex, wl_kafka_joined(matcher->kafka, details->group, details->member));
    }
}

static void learn_topic(wl_kafka_text_t name, const uint8_t *id, void *user)
{
    wl_matcher_t *matcher = user;

    wl_kafka_name_topic(matcher->kafka, id, intern(matcher, name));
}

static void read_answer(wl_matcher_t *matcher, const wl_kafka_message_t *message, wl_exchange_t *ex)
{
    int api = ex->u.kafka.api, version = ex->u.kafka.version;
    wl_kafka_body_t body;
    bool read = read_body(matcher, message, api, version, &body);

    if (was_held_back(matcher, ex, read ? &body : NULL)) {
        ex->u.kafka.known |= WL_KAFKA_LONG_POLL;
    }
    if (!read) {
        return;
    }
    ex->u.kafka.known |= WL_KAFKA_ANSWERED_BODY;
    ex->u.kafka.error = body.error;
    if (body.throttle_ms >= 0) {
        ex->u.kafka.known |= WL_KAFKA_THROTTLE_KNOWN;
    }
    if (body.throttle_ms > 0) {
        own_details(matcher, ex)->throttle_ms = body.throttle_ms;
    }
    if (api == WL_KAFKA_SASL_AUTHENTICATE) {
        authenticate_answered(matcher, ex, &message->message.stream->kafka, &body);
    } else if (api == WL_KAFKA_JOIN_GROUP) {
        join_answered(matcher, ex, &body);
    } else if (api == WL_KAFKA_SYNC_GROUP) {
        sync_answered(matcher, ex, &body);
    } else if (api == WL_KAFKA_METADATA || api == WL_KAFKA_CREATE_TOPICS) {
        wl_kafka_body_topics(api, version, message->body, message->body_length, learn_topic,
                             matcher);
    }
}

/* A broker answers a connection in order (KIP-219: and reads no further request while it throttles
 * one): as long as it was busy with an earlier request, this one stood in the queue. */
static void wait_behind(wl_matcher_t *matcher, const wl_kafka_stream_t *stream, unsigned requester,
                        wl_exchange_t *ex)
{
    int64_t asked_ns = wl_time_ns(matcher->store, ex, WL_TIME_REQUEST_LAST);
    int64_t answered_ns = wl_time_ns(matcher->store, ex, WL_TIME_ANSWER_FIRST), until_ns = asked_ns;

    if (answered_ns == WL_NO_TIME) {
        return;
    }
    if (stream->answered[requester]) {
        until_ns = MAX(asked_ns, MIN(stream->busy_until_ns[requester], answered_ns));
    }
    wl_store_set_time(matcher->store, ex, WL_TIME_WAIT_END, until_ns);
}

static void match_response(wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    wl_kafka_stream_t *stream = &message->message.stream->kafka;
    unsigned requester = !message->message.direction;
    int64_t pause_ns = 0;
    wl_pending_result_t result;
    wl_exchange_t *ex = wl_match_answer(matcher, WL_PROTO_KAFKA, request_key(message, requester),
                                        &message->message, &result);

    if (result == WL_PENDING_ORPHAN) {
        ex->u.kafka.api = ex->u.kafka.version = -1;
        share_details(matcher, ex, stream, WL_STRING_NONE, WL_STRING_NONE);
    } else if (result == WL_PENDING_FOUND) {
        wait_behind(matcher, stream, requester, ex);
        read_answer(matcher, message, ex);
        pause_ns = (int64_t)wl_store_kafka(matcher->store, ex)->throttle_ms * 1000000;
    }
    stream->answered[requester] = true;
    stream->busy_until_ns[requester] = message->message.last_ns + pause_ns;
}

void wl_kafka_prefetch(const wl_matcher_t *matcher, const wl_kafka_message_t *message)
{
    unsigned direction = message->message.direction;

    wl_pending_prefetch(matcher->pending,
                        request_key(message, message->is_request ? direction : !direction));
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
