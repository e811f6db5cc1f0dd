/* kafka_state.h
 * What is remembered of a Kafka cluster beyond one connection: names of topic ids, and members that
 * are joining a group. Bounded; knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_KAFKA_STATE_H
#define WIRELAT_KAFKA_STATE_H

#include "exchange.h"

/* Most topic ids, and most members joining at once, that are kept. */
#define WL_KAFKA_STATE_MAX 100000u

typedef struct wl_kafka_state {
    GHashTable *topics;         /* 16 bytes -> wl_string_t */
    GHashTable *joining;        /* group << 32 | member -> first byte of the first JoinGroup, ns */
    unsigned long_poll_percent; /* of max_wait: a Fetch that took as long was held back */
    uint64_t dropped;           /* beyond the bounds */
} wl_kafka_state_t;

wl_kafka_state_t *wl_kafka_state_new(unsigned long_poll_percent);
void wl_kafka_state_free(wl_kafka_state_t *state);

/* A Metadata or CreateTopics answer named a topic id (16 bytes). */
void wl_kafka_name_topic(wl_kafka_state_t *state, const uint8_t *id, wl_string_t name);
/* The topic's name; while that is unknown, its id as Kafka's own tools print it. */
wl_string_t wl_kafka_topic_of(const wl_kafka_state_t *state, const uint8_t *id, wl_store_t *store);

/* A member asks to join: the clock starts unless it runs already. */
void wl_kafka_join(wl_kafka_state_t *state, wl_string_t group, wl_string_t member,
                   int64_t first_ns);
/* Stops the clock: when it was started, WL_NO_TIME if it was not. */
int64_t wl_kafka_joined(wl_kafka_state_t *state, wl_string_t group, wl_string_t member);

#endif
