/* mqtt_forward.h
 * Which publish of a client the copy is of that the broker sends to a subscriber.
 *
 *   publisher --PUBLISH--> broker --copy--> subscriber       same topic, payload length and hash;
 *                                \--copy--> subscriber       first in, first out per subscriber
 *
 * Each publish is kept once, by its payload, until it is too old; each subscriber (or group that
 * shares a subscription) has a mark behind the last it got. Copies look from that mark on. Bounded;
 * knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MQTT_FORWARD_H
#define WIRELAT_MQTT_FORWARD_H

#include "mqtt_state.h"

typedef struct wl_forwards wl_forwards_t;

/* Equal in a publish and its copies. */
typedef struct {
    wl_string_t topic;
    uint32_t length; /* of the payload */
    uint64_t hash;   /* wl_forward_hash() of it */
} wl_forward_key_t;

typedef struct {
    wl_forward_key_t key;
    wl_exchange_id_t id;
    int64_t last_ns;
    wl_string_t broker;
    const wl_mqtt_session_t *session; /* the publisher's, NULL unknown */
    uint8_t qos;
    bool retain;
} wl_publish_t;

typedef struct {
    wl_forward_key_t key;
    int64_t first_ns;
    wl_string_t broker;
    bool retain;
    const wl_mqtt_session_t *session;
    const wl_mqtt_subscription_t *const *subscriptions; /* of the session, that match the topic */
    unsigned count;                                     /* of those, at least 1 */
} wl_copy_t;

/* keep_ns: a publish is forgotten this long after it was complete. max: most publishes and marks
 * together; beyond it the oldest publish goes, and counts. */
wl_forwards_t *wl_forwards_new(int64_t keep_ns, unsigned max);
void wl_forwards_free(wl_forwards_t *forwards);

uint64_t wl_forward_hash(const uint8_t *bytes, uint32_t length);

/* A publish is complete at the broker. */
void wl_forwards_publish(wl_forwards_t *forwards, const wl_publish_t *publish);
/* The number the next publish will have. */
uint32_t wl_forwards_next(const wl_forwards_t *forwards);

/* The publish this is a copy of, which its subscriber has then got; WL_EXCHANGE_NONE if none.
 * *ambiguous: it may be another, since the subscriber had several such publishes to come while it
 * was owed this one. Publishes the broker refused (reason code >= 0x80) are none. */
wl_exchange_id_t wl_forwards_copy(wl_forwards_t *forwards, const wl_store_t *store,
                                  const wl_copy_t *copy, bool *ambiguous);

/* Publishes forgotten at the bound. */
uint64_t wl_forwards_evicted(const wl_forwards_t *forwards);

#endif
