/* mqtt_copies.c
 * From SUBSCRIBE, SUBACK and PUBLISH to subscriptions, publishes and copies.
 *
 *   publisher                 broker                 subscriber
 *                               <---- SUBSCRIBE ---------
 *                               ----- SUBACK ----------->       from here on copies are due
 *      ------ PUBLISH --------->
 *                               ----- PUBLISH (copy) --->       forward_delay: last byte to first
 *
 * Copies sent again (DUP) are left out, and those with RETAIN, which were published before the
 * subscription, unless the subscription wants RETAIN as it was published.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mqtt_copies.h"

#include <string.h>

#include "cursor.h"
#include "mqtt_forward.h"

#define MAX_FILTERS 16u /* of one session that match one topic; more are of no account */

enum { FLAG_RETAIN = 0x01, FLAG_DUP = 0x08 };

typedef struct {
    uint16_t id; /* packet identifier */
    bool subscribes;
    uint32_t length;
    uint8_t *filters; /* owned */
} asked_t;

static void asked_clear(gpointer asked)
{
    g_free(((asked_t *)asked)->filters);
}

static void forget_asked(wl_mqtt_state_t *state, GArray *asked, unsigned index)
{
    state->subscribing_bytes -= g_array_index(asked, asked_t, index).length;
    g_array_remove_index(asked, index);
}

static int find_asked(const GArray *asked, uint16_t id, bool subscribes)
{
    for (unsigned i = 0; asked != NULL && i < asked->len; i++) {
        const asked_t *entry = &g_array_index(asked, asked_t, i);
        if (entry->id == id && entry->subscribes == subscribes) {
            return (int)i;
        }
    }
    return -1;
}

void wl_mqtt_asks(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_mqtt_state_t *state = matcher->mqtt;
    wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    asked_t entry = {.id = message->id,
                     .subscribes = wl_mqtt_type(message) == WL_SUBSCRIBE,
                     .length = message->rest_length};
    int old = find_asked(mqtt->subscribing, entry.id, entry.subscribes);

    if (entry.length == 0) {
        return;
    }
    if (mqtt->subscribing == NULL) {
        mqtt->subscribing = g_array_new(FALSE, FALSE, sizeof(asked_t));
        g_array_set_clear_func(mqtt->subscribing, asked_clear);
    }
    if (old >= 0) {
        forget_asked(state, mqtt->subscribing, (unsigned)old);
    } else if (mqtt->subscribing->len == WL_MQTT_MAX_SUBSCRIBING) {
        forget_asked(state, mqtt->subscribing, 0);
        state->dropped++;
    }
    if (state->subscribing_bytes + entry.length > WL_MQTT_MAX_SUBSCRIBING_BYTES) {
        state->dropped++;
        return;
    }
    entry.filters = g_memdup2(message->rest, entry.length);
    state->subscribing_bytes += entry.length;
    g_array_append_val(mqtt->subscribing, entry);
}

/* The next filter of the packet; false behind the last. */
static bool next_filter(cursor_t *cursor, bool subscribes, const char **filter, uint32_t *length,
                        uint8_t *options)
{
    if (cursor->at >= cursor->end) {
        return false;
    }
    *length = take_be(cursor, 2);
    *filter = (const char *)take(cursor, *length);
    *options = subscribes ? (uint8_t)take_be(cursor, 1) : 0;
    return !cursor->short_of;
}

/* The session of the connection, made up if its CONNECT was not captured; NULL at the bound. */
static wl_mqtt_session_t *session_of(wl_matcher_t *matcher, wl_stream_t *stream)
{
    wl_mqtt_stream_t *mqtt = &stream->mqtt;

    if (mqtt->session == NULL) {
        mqtt->session = wl_mqtt_session_anonymous(matcher->mqtt);
        if (mqtt->session != NULL) {
            mqtt->session->connection = stream->number + 1;
        }
    }
    return mqtt->session;
}

static void apply(wl_matcher_t *matcher, wl_stream_t *stream, const asked_t *asked,
                  const wl_mqtt_message_t *answer)
{
    cursor_t cursor = {asked->filters, asked->filters + asked->length, false}, again = cursor;
    uint32_t since = wl_forwards_next(matcher->mqtt->forwards);
    wl_mqtt_session_t *session = session_of(matcher, stream);
    uint32_t length = 0, count = 0;
    const uint8_t *codes = NULL;
    const char *filter = NULL;
    uint8_t options = 0;

    while (next_filter(&again, asked->subscribes, &filter, &length, &options)) {
        count++;
    }
    /* One code for each filter, the last of the packet; before 5.0 an UNSUBACK has none. */
    if (answer->rest != NULL && answer->rest_length >= count) {
        codes = answer->rest + answer->rest_length - count;
    } else if (asked->subscribes) {
        return;
    }
    for (uint32_t i = 0; session != NULL && i < count; i++) {
        next_filter(&cursor, asked->subscribes, &filter, &length, &options);
        if (codes != NULL && codes[i] >= WL_REASON_FAILED) {
            continue;
        }
        if (asked->subscribes) {
            options = (uint8_t)((options & (WL_SUBSCRIBE_NO_LOCAL | WL_SUBSCRIBE_RETAIN)) |
                                (codes[i] & WL_SUBSCRIBE_QOS));
            wl_mqtt_subscribe(matcher->mqtt, session, stream->mqtt.broker, filter, length, options,
                              since);
        } else {
            wl_mqtt_unsubscribe(matcher->mqtt, session, filter, length);
        }
    }
}

void wl_mqtt_granted(wl_matcher_t *matcher, const wl_mqtt_message_t *message)
{
    wl_stream_t *stream = message->message.stream;
    GArray *asked = stream->mqtt.subscribing;
    int index = find_asked(asked, message->id, wl_mqtt_type(message) == WL_SUBACK);

    if (index >= 0) {
        apply(matcher, stream, &g_array_index(asked, asked_t, index), message);
        forget_asked(matcher->mqtt, asked, (unsigned)index);
    }
}

static wl_forward_key_t key_of(const wl_mqtt_message_t *message, wl_string_t topic)
{
    return (wl_forward_key_t){topic, message->rest_length,
                              wl_forward_hash(message->rest, message->rest_length)};
}

static void take_publish(wl_matcher_t *matcher, const wl_mqtt_message_t *message,
                         const wl_exchange_t *ex, wl_exchange_id_t id)
{
    const wl_mqtt_stream_t *mqtt = &message->message.stream->mqtt;
    struct wl_forwards *forwards = matcher->mqtt->forwards;
    uint64_t evicted = wl_forwards_evicted(forwards);
    wl_filter_t *wanted;
    wl_publish_t publish = {.id = id,
                            .last_ns = message->message.last_ns,
                            .broker = mqtt->broker,
                            .session = mqtt->session,
                            .qos = ex->u.mqtt.qos,
                            .retain = (ex->flags & WL_RETAIN) != 0};

    if (wl_filters_match(matcher->mqtt->filters, wl_store_text(matcher->store, ex->u.mqtt.topic),
                         &wanted, 1) == 0) {
        return;
    }
    publish.key = key_of(message, ex->u.mqtt.topic);
    wl_forwards_publish(forwards, &publish);
    if (wl_forwards_evicted(forwards) != evicted) {
        wl_health_note(matcher->health, message->message.frame, WL_HEALTH_FORWARDS,
                       (int32_t)(wl_forwards_evicted(forwards) - evicted));
    }
}

/* The session's subscriptions the topic is for. One that only a copy told of gives way to others:
 * it is most likely the same. */
static unsigned subscriptions_of(const wl_matcher_t *matcher, const wl_mqtt_session_t *session,
                                 const char *topic, const wl_mqtt_subscription_t **found)
{
    unsigned count = wl_mqtt_subscriptions(matcher->mqtt, session, topic, found, MAX_FILTERS);
    unsigned kept = 0;

    for (unsigned i = 0; count > 1 && i < count; i++) {
        if (!(found[i]->options & WL_SUBSCRIBE_IMPLIED)) {
            found[kept++] = found[i];
        }
    }
    return count > 1 ? kept : count;
}

/* How a copy with RETAIN came: as published, or as what the broker had kept. */
static bool retain_as_published(const wl_mqtt_subscription_t *const *subscriptions, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (subscriptions[i]->options & WL_SUBSCRIBE_RETAIN) {
            return true;
        }
    }
    return false;
}

static void take_copy(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_t *ex)
{
    wl_stream_t *stream = message->message.stream;
    const char *topic = wl_store_text(matcher->store, ex->u.mqtt.topic);
    const wl_mqtt_subscription_t *subscriptions[MAX_FILTERS];
    wl_copy_t copy = {.first_ns = message->message.first_ns != WL_NO_TIME
                                      ? message->message.first_ns
                                      : message->message.last_ns,
                      .broker = stream->mqtt.broker,
                      .retain = (ex->flags & WL_RETAIN) != 0,
                      .session = session_of(matcher, stream),
                      .subscriptions = subscriptions};
    bool ambiguous = false;

    if (copy.session != NULL) {
        copy.count = subscriptions_of(matcher, copy.session, topic, subscriptions);
    }
    if (copy.retain && !retain_as_published(subscriptions, copy.count)) {
        return;
    }
    if (copy.count > 0) {
        copy.key = key_of(message, ex->u.mqtt.topic);
        ex->u.mqtt.original =
            wl_forwards_copy(matcher->mqtt->forwards, matcher->store, &copy, &ambiguous);
    } else if (copy.session != NULL && copy.session->unknown) {
        /* Subscribed before the capture: its next publish will be expected. */
        wl_mqtt_subscribe(matcher->mqtt, stream->mqtt.session, stream->mqtt.broker, topic,
                          (uint32_t)strlen(topic), WL_SUBSCRIBE_IMPLIED,
                          wl_forwards_next(matcher->mqtt->forwards));
    }
    if (ex->u.mqtt.original == WL_EXCHANGE_NONE && copy.retain) {
        return; /* the broker had kept it */
    }
    ex->u.mqtt.known |= WL_MQTT_COPY | (ambiguous ? WL_MQTT_AMBIGUOUS : 0);
}

void wl_mqtt_published(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_t *ex,
                       wl_exchange_id_t id)
{
    if (message->header & FLAG_DUP) {
        return;
    }
    if (ex->u.mqtt.topic == WL_STRING_NONE || message->rest == NULL) {
        /* Its alias, or its end, is not known: no original can be. */
        ex->u.mqtt.known |=
            ex->flags & WL_FROM_BROKER && !(message->header & FLAG_RETAIN) ? WL_MQTT_COPY : 0;
    } else if (ex->flags & WL_FROM_BROKER) {
        take_copy(matcher, message, ex);
    } else {
        take_publish(matcher, message, ex, id);
    }
}
