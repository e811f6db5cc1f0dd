/* names.h
 * The names people know: Kafka APIs, MQTT packets, reason codes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_NAMES_H
#define WIRELAT_NAMES_H

#include "compat.h"

extern value_string_ext wl_kafka_api_names;   /* Kafka protocol guide, "Api Keys" */
extern value_string_ext wl_kafka_error_names; /* the same, "Error Codes" */
extern const value_string wl_kafka_acks_names[];
extern const value_string wl_mqtt_kind_names[];   /* WL_MQTT_* of exchange.h */
extern const value_string wl_mqtt_reason_names[]; /* MQTT 5.0, section 2.4 */
extern const value_string wl_mqtt_version_names[];
extern const value_string wl_mqtt_sender_names[];   /* 0 client, 1 broker */
extern const value_string wl_mqttsn_kind_names[];   /* WL_SN_EX_* of exchange.h */
extern const value_string wl_mqttsn_code_names[];   /* MQTT-SN 1.2, section 5.3.10 */
extern const value_string wl_mqttsn_sender_names[]; /* 0 client, 1 gateway */
extern const value_string wl_mqttsn_topic_type_names[];
extern const value_string wl_mqtt_end_names[]; /* WL_MQTT_END_* of exchange.h */

/* "Fetch", or "API 123" written to the buffer. */
const char *wl_kafka_api_name(int api, char *buffer, size_t size);

#endif
