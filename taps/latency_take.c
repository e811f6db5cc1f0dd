/* latency_take.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

const char *wl_latency_name(const wl_record_t *record, wl_string_t string, const char *none)
{
    return string == WL_STRING_NONE ? none : wl_store_text(record->store, string);
}

static int64_t answer(wl_table_t *table, const wl_record_t *record, wl_row_t *row, wl_row_t *asked,
                      wl_time_t end)
{
    int64_t time_ns =
        wl_span_ns(wl_record_ns(record, WL_TIME_REQUEST_FIRST), wl_record_ns(record, end));

    wl_table_answer(table, row, asked, record->id, time_ns);
    return time_ns;
}

int64_t wl_latency_take(wl_table_t *table, const wl_record_t *record, wl_row_t *row,
                        wl_row_t *asked)
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
        /* QoS 0 and acks=0 are answered by TCP alone: their rows are made of ack times. */
        if (ex->flags & WL_ONE_WAY) {
            return answer(table, record, row, asked, WL_TIME_ACK);
        }
        break;
    case WL_EVENT_ANSWER:
        return answer(table, record, row, asked, WL_TIME_ANSWER_LAST);
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
    return WL_NO_TIME;
}

void wl_latency_take_legs(wl_table_t *table, const wl_record_t *record, uint32_t rank)
{
    const wl_legs_t *legs = wl_store_legs(record->store, record->ex);
    wl_row_key_t key;
    int64_t time_ns = WL_NO_TIME;
    wl_row_t *row;

    if (legs == NULL) {
        return;
    }
    /* Windows sort by text at first: these names come right behind "Publish QoS 2". */
    key = (wl_row_key_t){.rank = rank};
    if (record->event == WL_EVENT_PUBREC) {
        key.text[0] = "QoS 2 PUBLISH to PUBREC";
        key.rank += 1;
        time_ns = wl_span_ns(wl_record_ns(record, WL_TIME_REQUEST_FIRST), legs->pubrec_last_ns);
    } else if (record->event == WL_EVENT_PUBREL) {
        key.text[0] = "QoS 2 PUBREC to PUBREL";
        key.rank += 2;
        time_ns = wl_span_ns(legs->pubrec_first_ns, legs->pubrel_last_ns);
    } else if (record->event == WL_EVENT_ANSWER && legs->pubrel_first_ns != WL_NO_TIME) {
        key.text[0] = "QoS 2 PUBREL to PUBCOMP";
        key.rank += 3;
        time_ns = wl_span_ns(legs->pubrel_first_ns, wl_record_ns(record, WL_TIME_ANSWER_LAST));
    } else {
        return;
    }
    key.number = WL_ROW_NUMBER | key.rank;
    row = wl_table_known(table, key.number);
    wl_table_part(table, row != NULL ? row : wl_table_row(table, &key), time_ns);
}
