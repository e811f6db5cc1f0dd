/* message.c
 * The steps all matching rules share: open, pend, answer, orphan, TCP ACK.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "message.h"

#include "resent.h"

static wl_exchange_t *exchange_new(wl_matcher_t *matcher, wl_proto_t proto,
                                   const wl_message_t *message, uint32_t id,
                                   wl_exchange_id_t *ex_id)
{
    wl_exchange_t *ex = wl_store_add(matcher->store, proto, ex_id);

    ex->stream = message->stream->number;
    ex->direction = message->direction & 1;
    ex->id = id;
    return ex;
}

/* Segments of the message that were sent again. */
static void count_resent(wl_matcher_t *matcher, const wl_message_t *message, bool is_request,
                         wl_exchange_id_t ex_id)
{
    wl_half_t *half = &message->stream->half[message->direction];

    if (message->stream->is_udp) {
        return;
    }
    if (!message->end_seq_known) {
        wl_store_add_resent(matcher->store, ex_id, WL_RESENT_UNKNOWN);
    } else if (is_request) {
        wl_resent_request(matcher->store, half, ex_id, message->start_seq, message->end_seq);
    } else {
        wl_resent_answer(matcher->store, half, ex_id, message->start_seq, message->end_seq);
    }
}

wl_exchange_t *wl_match_open(wl_matcher_t *matcher, wl_proto_t proto, const wl_message_t *message,
                             uint32_t id, wl_exchange_id_t *ex_id)
{
    wl_exchange_t *ex = exchange_new(matcher, proto, message, id, ex_id);

    ex->base_ns = message->last_ns;
    wl_store_set_time(matcher->store, ex, WL_TIME_REQUEST_FIRST, message->first_ns);
    ex->request_frame = message->frame;
    ex->size = message->size;
    matcher->frame = message->frame;
    count_resent(matcher, message, true, *ex_id);
    wl_store_log(matcher->store, message->frame, WL_EVENT_REQUEST, *ex_id);
    return ex;
}

void wl_match_await_ack(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id)
{
    if (message->end_seq_known) {
        wl_half_await_ack(matcher->streams, &message->stream->half[message->direction],
                          message->end_seq, ex_id);
    }
}

void wl_match_pend(wl_matcher_t *matcher, wl_key_t key, wl_exchange_t *ex, wl_exchange_id_t ex_id)
{
    wl_exchange_id_t old;

    if (wl_pending_add(matcher->pending, key, ex_id, &old) == WL_PENDING_REUSED) {
        wl_store_get(matcher->store, old)->flags |= WL_ID_TAKEN;
        ex->flags |= WL_REUSED_ID;
    }
}

wl_exchange_t *wl_match_orphan(wl_matcher_t *matcher, wl_proto_t proto, const wl_message_t *message,
                               uint32_t id)
{
    wl_exchange_id_t ex_id;
    wl_exchange_t *ex = exchange_new(matcher, proto, message, id, &ex_id);

    ex->flags |= WL_ORPHANED;
    ex->base_ns = message->last_ns;
    wl_store_set_time(matcher->store, ex, WL_TIME_ANSWER_FIRST, message->first_ns);
    wl_store_set_time(matcher->store, ex, WL_TIME_ANSWER_LAST, message->last_ns);
    ex->answer_frame = message->frame;
    ex->size = message->size;
    wl_store_log(matcher->store, message->frame, WL_EVENT_ORPHAN, ex_id);
    wl_health_note(matcher->health, message->frame, WL_HEALTH_ORPHAN, 1);
    return ex;
}

void wl_match_retry(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id)
{
    wl_exchange_t *ex = wl_store_get(matcher->store, ex_id);

    if (ex->retries < UINT16_MAX) {
        ex->retries++;
    }
    wl_store_log(matcher->store, message->frame, WL_EVENT_RETRY, ex_id);
}

bool wl_match_pubrec(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id,
                     wl_pending_result_t result)
{
    wl_legs_t *legs = wl_store_legs(matcher->store, wl_store_get(matcher->store, ex_id));

    if (result == WL_PENDING_DUPLICATE || legs->pubrec_last_ns != WL_NO_TIME) {
        wl_store_log(matcher->store, message->frame, WL_EVENT_DUPLICATE, ex_id);
        return false;
    }
    /* Behind its PUBREL, in a file out of order, it would make that leg negative. */
    if (legs->pubrel_last_ns == WL_NO_TIME) {
        legs->pubrec_first_ns = message->first_ns;
    }
    legs->pubrec_last_ns = message->last_ns;
    wl_store_log(matcher->store, message->frame, WL_EVENT_PUBREC, ex_id);
    return true;
}

void wl_match_pubrel(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id)
{
    wl_legs_t *legs = wl_store_legs(matcher->store, wl_store_get(matcher->store, ex_id));

    if (legs == NULL) {
        return;
    }
    if (legs->pubrel_last_ns != WL_NO_TIME) {
        wl_match_retry(matcher, message, ex_id);
        return;
    }
    legs->pubrel_first_ns = message->first_ns;
    legs->pubrel_last_ns = message->last_ns;
    wl_store_log(matcher->store, message->frame, WL_EVENT_PUBREL, ex_id);
}

wl_exchange_t *wl_match_answer(wl_matcher_t *matcher, wl_proto_t proto, wl_key_t key,
                               const wl_message_t *message, wl_pending_result_t *result)
{
    wl_exchange_id_t ex_id;
    wl_exchange_t *ex;

    *result = wl_pending_take(matcher->pending, key, &ex_id);
    if (*result == WL_PENDING_ORPHAN) {
        return wl_match_orphan(matcher, proto, message, key.id);
    }
    ex = wl_store_get(matcher->store, ex_id);
    if (*result == WL_PENDING_DUPLICATE) {
        wl_store_log(matcher->store, message->frame, WL_EVENT_DUPLICATE, ex_id);
        return ex;
    }
    ex->flags |= WL_ANSWERED;
    wl_store_set_time(matcher->store, ex, WL_TIME_ANSWER_FIRST, message->first_ns);
    wl_store_set_time(matcher->store, ex, WL_TIME_ANSWER_LAST, message->last_ns);
    ex->answer_frame = message->frame;
    count_resent(matcher, message, false, ex_id);
    wl_store_log(matcher->store, message->frame, WL_EVENT_ANSWER, ex_id);
    return ex;
}

void wl_match_ack(wl_matcher_t *matcher, wl_stream_t *stream, unsigned direction,
                  const wl_segment_t *segment)
{
    wl_exchange_id_t ex_id;

    if (!(segment->flags & WL_TCP_ACK)) {
        return;
    }
    while (wl_half_acked(&stream->half[!direction], segment->ack, &ex_id)) {
        wl_exchange_t *ex = wl_store_get(matcher->store, ex_id);

        wl_store_set_time(matcher->store, ex, WL_TIME_ACK, segment->time_ns);
        ex->ack_frame = segment->frame;
        wl_store_log(matcher->store, segment->frame, WL_EVENT_ACK, ex_id);
    }
}

void wl_match_gated(wl_matcher_t *matcher, const wl_message_t *message)
{
    wl_health_note(matcher->health, message->frame, WL_HEALTH_GATED, 1);
}

void wl_match_evicted(wl_key_t key, uint32_t ex_id, void *user)
{
    wl_matcher_t *matcher = user;
    wl_exchange_t *ex = wl_store_get(matcher->store, ex_id);

    ex->flags |= WL_EVICTED;
    if (ex->proto == WL_PROTO_MQTT && (ex->u.mqtt.known & WL_MQTT_IN_FLIGHT)) {
        ex->u.mqtt.known &= (uint8_t)~WL_MQTT_IN_FLIGHT;
        wl_streams_find(matcher->streams, key.stream)->mqtt.inflight[key.space >> 8 & 1]--;
    }
    wl_health_note(matcher->health, matcher->frame, WL_HEALTH_EVICTED, 1);
}
