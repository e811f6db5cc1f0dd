/* kafka_tables.c
 * The tables of Kafka: by API, by client, by broker.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

#include "../plugin/names.h"
#include <epan/to_str.h>

#define PRODUCE 0
#define FETCH 1

/* Rows of an API: Produce is three things (no answer, the leader's, all replicas'), Fetch too: what
 * was held back for want of records says nothing of the broker's speed. */
static void set_api(const wl_exchange_t *ex, bool answered, wl_row_key_t *key, unsigned column)
{
    static const char *const produce[] = {"Produce (acks=all)", "Produce (acks=0)",
                                          "Produce (acks=1)"};

    key->rank = (uint32_t)(ex->u.kafka.api + 1) * 4;
    key->text[column] = wl_kafka_api_name(ex->u.kafka.api, key->buffer, sizeof key->buffer);
    if (ex->u.kafka.api < 0) {
        key->rank = UINT32_MAX - 1; /* orphans last */
    } else if (ex->u.kafka.api == PRODUCE && ex->u.kafka.acks != WL_KAFKA_ACKS_UNKNOWN) {
        key->text[column] = produce[ex->u.kafka.acks + 1];
        key->rank += (uint32_t)ex->u.kafka.acks + 2;
    } else if (ex->u.kafka.api == FETCH && ex->u.kafka.max_wait_ms < 0) {
        key->text[column] = "Fetch (unknown)";
        key->rank += 2;
    } else if (ex->u.kafka.api == FETCH && answered && (ex->flags & WL_LONG_POLL)) {
        key->text[column] = "Fetch (long poll)";
        key->rank += 1;
    }
}

/* The row of an exchange as the answer shows it, and as it was when only the request was seen. */
static void take_rows(wl_table_t *table, const wl_record_t *record, wl_row_key_t *key,
                      unsigned column, bool ranked, wl_row_t **row, wl_row_t **asked)
{
    bool answered = record->event == WL_EVENT_ANSWER || record->event == WL_EVENT_DUPLICATE;

    set_api(record->ex, false, key, column);
    key->rank = ranked ? key->rank : 0;
    *row = *asked = wl_table_row(table, key);
    if (answered && (record->ex->flags & WL_LONG_POLL)) {
        set_api(record->ex, true, key, column);
        key->rank = ranked ? key->rank : 0;
        *row = wl_table_row(table, key);
    }
}

static void take_latency(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    wl_row_key_t key = {.rank = 0};
    wl_row_t *row, *asked;

    take_rows(table, tapped, &key, 0, true, &row, &asked);
    wl_latency_take(table, tapped, row, asked);
}

static void take_clients(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.text = {wl_latency_name(record, record->ex->client, "(unknown)")}};
    wl_row_t *row, *asked;

    take_rows(table, record, &key, 1, false, &row, &asked);
    wl_latency_take(table, record, row, asked);
}

enum { PART_WAIT, PART_UNQUEUED };

static void take_brokers(wl_table_t *table, const void *tapped, packet_info *pinfo)
{
    const wl_record_t *record = tapped;
    bool from_client = record->event == WL_EVENT_REQUEST || record->event == WL_EVENT_RETRY;
    const address *broker = from_client ? &pinfo->dst : &pinfo->src;
    char *name = wmem_strdup_printf(pinfo->pool, broker->type == AT_IPv6 ? "[%s]:%u" : "%s:%u",
                                    address_to_str(pinfo->pool, broker),
                                    from_client ? pinfo->destport : pinfo->srcport);
    wl_row_key_t key = {.text = {name}};
    wl_row_t *row, *asked;

    take_rows(table, record, &key, 1, false, &row, &asked);
    wl_latency_take(table, record, row, asked);
    if (record->event == WL_EVENT_ANSWER && record->ex->u.kafka.wait_ns != WL_NO_TIME) {
        wl_table_sample(table, row, PART_WAIT, record->ex->u.kafka.wait_ns);
        wl_table_sample(table, row, PART_UNQUEUED, wl_kafka_unqueued_ns(record->ex));
    }
}

#define COUNTS                                                                       \
    (WL_COUNTS_OF(LATE) | WL_COUNTS_OF(DUPLICATES) | WL_COUNTS_OF(ORPHANS) |         \
     WL_COUNTS_OF(REUSED))

static const wl_table_def_t tables[] = {
    {
        .title = "Kafka Latency",
        .cli = "kafka,latency",
        .tap = "wirelat.kafka",
        .keys = {"API"},
        .key_widths = {20},
        .counts = COUNTS,
        .take = take_latency,
    },
    {
        .title = "Kafka Latency by Client",
        .cli = "kafka,clients",
        .tap = "wirelat.kafka",
        .keys = {"Client", "API"},
        .key_widths = {20, 20},
        .counts = COUNTS,
        .take = take_clients,
    },
    {
        .title = "Kafka Latency by Broker",
        .cli = "kafka,brokers",
        .tap = "wirelat.kafka",
        .keys = {"Broker", "API"},
        .key_widths = {21, 20},
        .parts = {[PART_WAIT] = "Wait", [PART_UNQUEUED] = "Unqueued"},
        .counts = COUNTS,
        .take = take_brokers,
    },
};

void wl_kafka_tables_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        wl_table_register(&tables[i]);
    }
}
