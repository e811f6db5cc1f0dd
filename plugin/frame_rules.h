/* frame_rules.h
 * Where MQTT and Kafka messages begin and end in a byte stream, by their first bytes alone. Knows
 * nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_FRAME_RULES_H
#define WIRELAT_FRAME_RULES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    WL_HEADER_INCOMPLETE, /* ends inside what gives the length */
    WL_HEADER_IMPOSSIBLE, /* no message of the protocol begins so */
    WL_HEADER_WEAK,       /* could begin a message, but so does one random piece in 10,000 */
    WL_HEADER_STRONG      /* chance is ruled out */
} wl_header_t;

/* What is known about the direction the bytes go in. */
typedef struct {
    bool is_request;           /* Kafka: the bytes go to the broker */
    bool ids_known;            /* Kafka: correlation ids of requests were seen, ... */
    int32_t first_id, last_id; /* ... the first and the last of them */
} wl_frame_context_t;

/* Judges a header at the start of `available` bytes. *length: bytes of the whole message, when the
 * result is neither INCOMPLETE nor IMPOSSIBLE. */
typedef wl_header_t (*wl_header_rule_t)(const uint8_t *bytes, uint32_t available,
                                        const wl_frame_context_t *context, uint32_t *length);

/* MQTT 5.0 section 2.1, 3.1.1 section 2.2. */
wl_header_t wl_header_mqtt(const uint8_t *bytes, uint32_t available,
                           const wl_frame_context_t *context, uint32_t *length);
/* Kafka protocol guide, "Request header", "Response header". */
wl_header_t wl_header_kafka(const uint8_t *bytes, uint32_t available,
                            const wl_frame_context_t *context, uint32_t *length);

/* The whole messages at the start: returns the bytes they take. *header_split: what follows them
 * ends inside a header that is longer than `fixed` bytes. *tail_length: bytes of the message they
 * are followed by, 0 if none or unknown. Judges lengths only, not plausibility. */
uint32_t wl_frame_whole(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                        const wl_frame_context_t *context, uint32_t fixed, bool *header_split,
                        uint32_t *tail_length);

/* Whether the messages from here on confirm that one begins here: a strong header among the first
 * few, or at least `least` weak ones that fill the bytes to their very end. */
bool wl_frame_begins(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                     const wl_frame_context_t *context, unsigned least);

/* Offset of the first place where a message of the protocol surely begins; `available` if none.
 * A weak header counts only if the messages it starts fill the bytes to their very end, or are
 * followed by a strong one. */
uint32_t wl_frame_find(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                       const wl_frame_context_t *context);

#endif
