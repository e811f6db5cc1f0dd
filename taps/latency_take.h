/* latency_take.h
 * What every latency table does with a record once its rows are known.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_LATENCY_TAKE_H
#define WIRELAT_LATENCY_TAKE_H

#include "tables.h"

/* Counts the record. `asked` is the row of the exchange as it was known when the request was seen,
 * `row` the one it belongs to now: the same, unless the answer told more. Returns the time of the
 * answer if the record is one, else WL_NO_TIME. */
int64_t wl_latency_take(wl_table_t *table, const wl_record_t *record, wl_row_t *row,
                        wl_row_t *asked);

/* The legs of a QoS 2 publish that the record ends: rows behind that of the publish, whose rank it
 * is. */
void wl_latency_take_legs(wl_table_t *table, const wl_record_t *record, uint32_t rank);

/* The name, or `none` where there is none. */
const char *wl_latency_name(const wl_record_t *record, wl_string_t string, const char *none);

/* The row of mqtt,latency or kafka,latency that the exchange counts in, once its answer is known. A
 * name that must be made up is written to the key's buffer. */
const char *wl_mqtt_row_name(const wl_exchange_t *ex);
const char *wl_mqttsn_row_name(const wl_exchange_t *ex);
const char *wl_kafka_row_name(const wl_exchange_t *ex, wl_row_key_t *key);

#define WL_COUNTS_OF(what) (1u << WL_COUNT_##what)

#endif
