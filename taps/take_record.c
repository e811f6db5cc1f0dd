/* take_record.c
 * One record into the latency columns and counters of a row.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "take_record.h"

const char *wl_text_of(const wl_record_t *record, wl_string_t string, const char *none)
{
    return string == WL_STRING_NONE ? none : wl_store_text(record->store, string);
}

void wl_take_record(wl_table_t *table, const wl_record_t *record, wl_row_t *row, wl_row_t *asked)
{
    const wl_exchange_t *ex = record->ex;

    switch (record->event) {
    case WL_EVENT_REQUEST:
        wl_table_request(table, asked, record->id);
        if (ex->flags & WL_REUSED_ID) {
            wl_table_count(table, asked, WL_COUNT_REUSED);
        }
        break;
    case WL_EVENT_ACK:
        if (ex->flags & WL_ONE_WAY) {
            wl_table_answer(table, row, asked, record->id,
                            wl_span_ns(ex->request_first_ns, ex->ack_ns));
        }
        break;
    case WL_EVENT_ANSWER:
        wl_table_answer(table, row, asked, record->id,
                        wl_span_ns(ex->request_first_ns, ex->answer_last_ns));
        break;
    case WL_EVENT_RETRY:
        wl_table_count(table, asked, WL_COUNT_RETRIES);
        break;
    case WL_EVENT_DUPLICATE:
        wl_table_count(table, row, WL_COUNT_DUPLICATES);
        break;
    case WL_EVENT_ORPHAN:
        wl_table_count(table, row, WL_COUNT_ORPHANS);
        break;
    default:
        break;
    }
}
