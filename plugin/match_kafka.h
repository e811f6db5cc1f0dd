/* match_kafka.h
 * Pairs Kafka responses with their requests; see match_kafka.c for the diagram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MATCH_KAFKA_H
#define WIRELAT_MATCH_KAFKA_H

#include "kafka_body.h"
#include "kafka_state.h"
#include "message.h"

typedef struct {
    wl_message_t message;
    bool is_request;
    int32_t length; /* the PDU's own length field: bytes after it */
    int32_t correlation_id;
    const uint8_t *body; /* what follows the client id or, of a response, the correlation id */
    uint32_t body_length;
    /* requests only */
    int16_t api, version;
    int16_t acks;       /* of Produce, WL_KAFKA_ACKS_UNKNOWN if not readable */
    wl_string_t client; /* WL_STRING_NONE when null or unreadable */
} wl_kafka_message_t;

/* Takes the messages of all streams in capture order. Returns false when a sanity gate refused
 * the message (a health finding): it then opened and closed nothing. */
bool wl_kafka_match(wl_matcher_t *matcher, const wl_kafka_message_t *message);

/* Has what the matching of this message will look up fetched, while its place is found. */
void wl_kafka_prefetch(const wl_matcher_t *matcher, const wl_kafka_message_t *message);

#endif
