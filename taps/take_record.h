/* take_record.h
 * What the latency tables of all protocols share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TAKE_RECORD_H
#define WIRELAT_TAKE_RECORD_H

#include "tables.h"

#define WL_COUNT_BIT(what) (1u << WL_COUNT_##what)

/* The interned text; `none` where there is none. */
const char *wl_text_of(const wl_record_t *record, wl_string_t string, const char *none);

/* What any table does with a record once its rows are known: `asked` as the request says, `row` as
 * its answer says. QoS 0 and acks=0 requests are answered by TCP alone: their rows are made of ack
 * times. */
void wl_take_record(wl_table_t *table, const wl_record_t *record, wl_row_t *row, wl_row_t *asked);

#endif
