/* mqtt_copies.h
 * Who has subscribed to what, and which publish of a client each publish of the broker is a copy of;
 * the search itself is in mqtt_forward.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MQTT_COPIES_H
#define WIRELAT_MQTT_COPIES_H

#include "match_mqtt.h"

/* A SUBSCRIBE or UNSUBSCRIBE: remembered until its answer. The answer: from now on it holds. */
void wl_mqtt_asks(wl_matcher_t *matcher, const wl_mqtt_message_t *message);
void wl_mqtt_granted(wl_matcher_t *matcher, const wl_mqtt_message_t *message);

/* A PUBLISH that opened an exchange: one to the broker is remembered if anybody wants it, for one
 * from the broker its original is looked up (ex->u.mqtt.original, WL_MQTT_COPY, _AMBIGUOUS). */
void wl_mqtt_published(wl_matcher_t *matcher, const wl_mqtt_message_t *message, wl_exchange_t *ex,
                       wl_exchange_id_t id);

#endif
