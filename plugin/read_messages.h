/* read_messages.h
 * The header of one MQTT or Kafka message, from the bytes of its PDU. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_READ_MESSAGES_H
#define WIRELAT_READ_MESSAGES_H

#include "match_kafka.h"
#include "match_mqtt.h"

/* Reads what a PDU begins with: `count` bytes of it at `bytes`, of `captured` in the capture.
 * message->message.stream must be set; fills size, cut, and the protocol's own members; names go
 * to the store. False when too little was captured to be a message. */
bool wl_read_mqtt(const uint8_t *bytes, uint32_t count, uint32_t captured, wl_store_t *store,
                  wl_mqtt_message_t *message);

/* message->is_request must be set. */
bool wl_read_kafka(const uint8_t *bytes, uint32_t count, uint32_t captured, wl_store_t *store,
                   wl_kafka_message_t *message);

#endif
