/* message.h
 * What every matching rule gets of a message (one MQTT control packet, one Kafka request or
 * response) beside its protocol's own fields, and what all rules share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MESSAGE_H
#define WIRELAT_MESSAGE_H

#include "exchange.h"
#include "health.h"
#include "pending.h"
#include "streams.h"

typedef struct {
    wl_stream_t *stream;
    unsigned direction; /* of the sender, as wl_stream_direction() */
    uint32_t frame;     /* frame that completed the message */
    int64_t first_ns;   /* capture time of its first byte, WL_NO_TIME if unknown */
    int64_t last_ns;    /* capture time of the frame */
    uint32_t start_seq; /* TCP sequence number of its first byte; valid if end_seq_known */
    uint32_t end_seq;   /* and after its last byte */
    bool end_seq_known;
    bool cut;      /* the snap length cut it */
    uint32_t size; /* bytes on the wire, header included */
} wl_message_t;

/* Everything the rules write to. One per open capture file and protocol group. */
typedef struct {
    wl_store_t *store;
    wl_streams_t *streams;
    wl_pending_t *pending;
    wl_health_t *health;
    struct wl_kafka_state *kafka;
    struct wl_mqtt_state *mqtt;
    uint32_t frame; /* of the last request, for findings about older ones */
} wl_matcher_t;

/* Opens an exchange for a request: fills the common part and logs WL_EVENT_REQUEST. */
wl_exchange_t *wl_match_open(wl_matcher_t *matcher, wl_proto_t proto, const wl_message_t *message,
                             uint32_t id, wl_exchange_id_t *ex_id);

/* Waits for the TCP ACK of the request, if its place in the stream is known. */
void wl_match_await_ack(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id);

/* Adds the request to the pending table; an older one under the same key is closed. */
void wl_match_pend(wl_matcher_t *matcher, wl_key_t key, wl_exchange_t *ex, wl_exchange_id_t ex_id);

/* The answer to the request under the key. Finishes the exchange, or logs a duplicate (both return
 * the exchange), or logs an orphan (returns the new record that stands for it). *result tells. */
wl_exchange_t *wl_match_answer(wl_matcher_t *matcher, wl_proto_t proto, wl_key_t key,
                               const wl_message_t *message, wl_pending_result_t *result);

/* An answer that no pending request waits for. */
wl_exchange_t *wl_match_orphan(wl_matcher_t *matcher, wl_proto_t proto, const wl_message_t *message,
                               uint32_t id);

/* The request of the exchange came again while the first is pending: its clock runs on. */
void wl_match_retry(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id);

/* QoS 2, of MQTT (section 4.3.3) and MQTT-SN: a PUBREC of the exchange, which was found with this
 * result and has legs. False: an answer again. */
bool wl_match_pubrec(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id,
                     wl_pending_result_t result);
/* A PUBREL of the exchange, or that again; nothing if it has no legs. */
void wl_match_pubrel(wl_matcher_t *matcher, const wl_message_t *message, wl_exchange_id_t ex_id);

/* Every TCP segment of a known stream: the requests of the other direction that its ACK covers. */
void wl_match_ack(wl_matcher_t *matcher, wl_stream_t *stream, unsigned direction,
                  const wl_segment_t *segment);

/* A message that a sanity gate refused. */
void wl_match_gated(wl_matcher_t *matcher, const wl_message_t *message);

/* For wl_pending_new(): marks the exchange as forgotten; user is the matcher. */
void wl_match_evicted(wl_key_t key, uint32_t ex_id, void *matcher);

#endif
