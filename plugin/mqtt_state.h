/* mqtt_state.h
 * What is remembered of MQTT beyond one connection: the sessions of clients and what they have
 * subscribed to, and the publishes whose copies to subscribers are still looked for.
 *
 *   session: client id at a broker --- goes on with a new connection if CONNACK says so
 *      \--- subscriptions: from the SUBACK on; a filter each, QoS, options, shared by a group or not
 *
 * Bounded; knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MQTT_STATE_H
#define WIRELAT_MQTT_STATE_H

#include "exchange.h"
#include "topic_filters.h"

#define WL_MQTT_MAX_SESSIONS 262144u
#define WL_MQTT_MAX_SUBSCRIPTIONS 524288u
/* Topic aliases of all connections; SUBSCRIBE packets that wait, and their bytes. */
#define WL_MQTT_MAX_ALIASES 1048576u
#define WL_MQTT_MAX_SUBSCRIBING 64u
#define WL_MQTT_MAX_SUBSCRIBING_BYTES (32u << 20)

/* Options of a subscription (MQTT 5.0 section 3.8.3.1). */
enum {
    WL_SUBSCRIBE_QOS = 0x03,
    WL_SUBSCRIBE_NO_LOCAL = 0x04,
    WL_SUBSCRIBE_RETAIN = 0x08, /* RETAIN as published */
    WL_SUBSCRIBE_IMPLIED = 0x80 /* ours: not captured, a copy told of it */
};

/* Members of a group take turns (section 4.8.2): what one got the others do not get. */
typedef struct wl_mqtt_group wl_mqtt_group_t;
uint32_t wl_mqtt_group_owner(const wl_mqtt_group_t *group);

typedef struct {
    uint32_t since;         /* number of the first publish that can be for it */
    uint8_t options;        /* as in the SUBSCRIBE, QoS as granted */
    wl_mqtt_group_t *group; /* NULL: not shared */
} wl_mqtt_subscription_t;

typedef struct wl_mqtt_session {
    uint32_t connection;       /* tcp.stream plus one that it is or was last on, 0 none */
    uint32_t owner;            /* number by which mqtt_forward.h knows it; another after clear */
    bool unknown;              /* it may have subscriptions that were not captured */
    uint32_t connected;        /* number of the first publish of its present connection */
    GHashTable *subscriptions; /* wl_mqtt_subscription_t by filter, and its group or not; or NULL */
} wl_mqtt_session_t;

typedef struct wl_mqtt_state {
    GHashTable *sessions; /* broker << 32 | client -> wl_mqtt_session_t */
    GPtrArray *anonymous; /* wl_mqtt_session_t of connections whose CONNECT was not captured */
    GHashTable *groups;   /* wl_mqtt_group_t, each its own key */
    wl_filters_t *filters;
    struct wl_forwards *forwards;
    uint32_t subscriptions, aliases, owners;
    size_t subscribing_bytes;
    uint64_t dropped; /* sessions, subscriptions, aliases beyond the bounds */
} wl_mqtt_state_t;

/* forward_ns: how long copies of a publish are looked for; max_forwards: of how many. */
wl_mqtt_state_t *wl_mqtt_state_new(int64_t forward_ns, unsigned max_forwards);
void wl_mqtt_state_free(wl_mqtt_state_t *state);

/* The client's session at the broker; a new one if there is none. NULL at the bound. */
wl_mqtt_session_t *wl_mqtt_session_get(wl_mqtt_state_t *state, wl_string_t client,
                                       wl_string_t broker);
/* A session that nothing names. NULL at the bound. */
wl_mqtt_session_t *wl_mqtt_session_anonymous(wl_mqtt_state_t *state);
/* Forgets the subscriptions. */
void wl_mqtt_session_clear(wl_mqtt_state_t *state, wl_mqtt_session_t *session);

/* Subscribes to a filter as a SUBSCRIBE names it ("$share/group/filter" too), from publish number
 * `since` on; a filter that is there already keeps its start. */
void wl_mqtt_subscribe(wl_mqtt_state_t *state, wl_mqtt_session_t *session, wl_string_t broker,
                       const char *filter, uint32_t length, uint8_t options, uint32_t since);
void wl_mqtt_unsubscribe(wl_mqtt_state_t *state, wl_mqtt_session_t *session, const char *filter,
                         uint32_t length);

/* Puts the session's subscriptions that match the topic, at most `max`, into found[]; how many. */
unsigned wl_mqtt_subscriptions(const wl_mqtt_state_t *state, const wl_mqtt_session_t *session,
                               const char *topic, const wl_mqtt_subscription_t **found,
                               unsigned max);

/* All that was dropped at the bounds here and in the filters. */
uint64_t wl_mqtt_state_dropped(const wl_mqtt_state_t *state);

#endif
