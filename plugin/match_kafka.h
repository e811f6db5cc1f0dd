/* match_kafka.h
 * Pairs Kafka responses with their requests; see match_kafka.c for the diagram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MATCH_KAFKA_H
#define WIRELAT_MATCH_KAFKA_H

#include "message.h"

#define WL_KAFKA_PRODUCE 0
#define WL_KAFKA_FETCH 1
#define WL_KAFKA_CONTROLLED_SHUTDOWN 7

typedef struct {
    wl_message_t message;
    bool is_request;
    int32_t length;         /* the PDU's own length field: bytes after it */
    int32_t correlation_id;
    /* requests only */
    int16_t api, version;
    int16_t acks;       /* of Produce, WL_KAFKA_ACKS_UNKNOWN if not readable */
    int32_t max_wait_ms; /* of Fetch, -1 if not readable */
    wl_string_t client; /* WL_STRING_NONE when null or unreadable */
    /* responses only: what follows the correlation id, as far as it was captured */
    const uint8_t *body;
    uint32_t body_length;
} wl_kafka_message_t;

/* What a response says of itself as a whole. */
typedef struct {
    int32_t throttle_ms; /* -1 if not readable */
    int16_t error;       /* WL_KAFKA_ERROR_UNKNOWN if not readable */
    bool empty;          /* a Fetch without a record */
} wl_kafka_response_t;

/* Reads the beginning of a response body of this API and version; in read_messages.c. */
void wl_kafka_read_response(int api, int version, const uint8_t *body, uint32_t length,
                            wl_kafka_response_t *response);

/* A Fetch that took this part of its max_wait, or came back empty, was held back by the broker. */
void wl_kafka_set_long_poll_percent(unsigned percent);

/* Takes the messages of all streams in capture order. Returns false when a sanity gate refused
 * the message (a health finding): it then opened and closed nothing. */
bool wl_kafka_match(wl_matcher_t *matcher, const wl_kafka_message_t *message);

#endif
