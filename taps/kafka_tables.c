/* kafka_tables.c
 * The Kafka tables: which row each record belongs to, and what it adds there.
 *
 * A Fetch that was held back until something came is no slow Fetch: it has a row of its own, which
 * only its answer can tell. Until then it counts as a Fetch.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

#include "../plugin/kafka_body.h"
#include "../plugin/names.h"

#define RANKS_PER_API 8
#define RANK_ORPHANS (UINT32_MAX - 1)

/* The row of the request (answered: false), or of its answer. Produce is three things: no answer,
 * the leader's, all replicas'. */
static void api_key(const wl_exchange_t *ex, bool answered, wl_row_key_t *key, unsigned column)
{
    static const char *const produce[] = {"Produce (acks=all)", "Produce (acks=0)",
                                          "Produce (acks=1)"};
    int api = ex->u.kafka.api;

    key->rank = (uint32_t)(api + 1) * RANKS_PER_API;
    if (api < 0) {
        key->text[column] = wl_kafka_api_name(api, key->buffer, sizeof key->buffer);
        key->rank = RANK_ORPHANS;
    } else if (api == WL_KAFKA_PRODUCE && ex->u.kafka.acks != WL_KAFKA_ACKS_UNKNOWN) {
        key->text[column] = produce[ex->u.kafka.acks + 1];
        key->rank += (uint32_t)ex->u.kafka.acks + 2;
    } else if (api == WL_KAFKA_FETCH && !(ex->u.kafka.known & WL_KAFKA_ASKED_BODY)) {
        key->text[column] = "Fetch (unknown)";
        key->rank += 2;
    } else if (answered && (ex->u.kafka.known & WL_KAFKA_LONG_POLL)) {
        key->text[column] = "Fetch (long poll)";
        key->rank += 1;
    } else {
        key->text[column] = wl_kafka_api_name(api, key->buffer, sizeof key->buffer);
    }
}

const char *wl_kafka_row_name(const wl_exchange_t *ex, wl_row_key_t *key)
{
    api_key(ex, true, key, 0);
    return key->text[0];
}

/* The rows of a request and of its answer; texts before `column` are the caller's. */
typedef struct {
    wl_row_t *asked, *row;
} rows_t;

static rows_t rows_of(wl_table_t *table, const wl_record_t *record, wl_row_key_t *key,
                      unsigned column)
{
    rows_t rows;

    api_key(record->ex, false, key, column);
    key->rank = column == 0 ? key->rank : 0;
    rows.asked = rows.row = wl_table_row(table, key);
    if (record->event != WL_EVENT_REQUEST && (record->ex->u.kafka.known & WL_KAFKA_LONG_POLL)) {
        api_key(record->ex, true, key, column);
        key->rank = column == 0 ? key->rank : 0;
        rows.row = wl_table_row(table, key);
    }
    return rows;
}

/* A SASL handshake has a row of its own behind its last step. */
static void take_handshake(wl_table_t *table, const wl_record_t *record)
{
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);
    wl_row_key_t key = {.text = {"SASL handshake"},
                        .rank = (WL_KAFKA_SASL_AUTHENTICATE + 1) * RANKS_PER_API + 1};

    if (record->event == WL_EVENT_ANSWER && record->ex->u.kafka.api == WL_KAFKA_SASL_AUTHENTICATE &&
        details != NULL && details->span_ns != WL_NO_TIME) {
        wl_table_part(table, wl_table_row(table, &key), details->span_ns);
    }
}

static void take_latency(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.rank = 0};
    rows_t rows = rows_of(table, record, &key, 0);

    wl_latency_take(table, record, rows.row, rows.asked);
    take_handshake(table, record);
}

static void take_clients(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.text = {wl_latency_name(record, record->ex->client, "(unknown)")}};
    rows_t rows = rows_of(table, record, &key, 1);

    wl_latency_take(table, record, rows.row, rows.asked);
}

/* What names several topics is nobody's alone: "orders (+2)". */
static void take_topics(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    const char *topic = wl_latency_name(record, ex->u.kafka.topic, "(unnamed)");
    wl_row_key_t key = {.text = {topic}};
    char label[280];
    rows_t rows;

    if (ex->u.kafka.topics == 0) {
        return;
    }
    if (ex->u.kafka.topics > 1) {
        g_snprintf(label, sizeof label, "%s (+%d)", topic, ex->u.kafka.topics - 1);
        key.text[0] = label;
    }
    rows = rows_of(table, record, &key, 1);
    wl_latency_take(table, record, rows.row, rows.asked);
}

enum { PART_WAIT, PART_UNQUEUED };

static void take_brokers(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    const wl_kafka_details_t *details = wl_store_kafka(record->store, ex);
    wl_row_key_t key = {.text = {details != NULL
                                     ? wl_latency_name(record, details->broker, "(unknown)")
                                     : "(unknown)"}};
    rows_t rows = rows_of(table, record, &key, 1);

    wl_latency_take(table, record, rows.row, rows.asked);
    if (record->event == WL_EVENT_ANSWER && ex->u.kafka.wait_ns != WL_NO_TIME) {
        wl_table_sample(table, rows.row, PART_WAIT, ex->u.kafka.wait_ns);
        wl_table_sample(table, rows.row, PART_UNQUEUED, wl_kafka_unqueued_ns(ex));
    }
}

enum { PART_REBALANCE, PART_JOIN, PART_SYNC };
enum { EXTRA_REBALANCES, EXTRA_JOINS, EXTRA_SYNCS, EXTRA_ERRORS };

typedef struct {
    uint32_t rebalances, joins, syncs, errors;
} group_tally_t;

static void add_group_times(wl_table_t *table, wl_row_t *row, const wl_record_t *record)
{
    const wl_exchange_t *ex = record->ex;
    const wl_kafka_details_t *details = wl_store_kafka(record->store, ex);
    group_tally_t *tally = wl_table_row_data(row, sizeof *tally);
    int64_t time_ns = wl_span_ns(ex->request_first_ns, ex->answer_last_ns);
    bool join = ex->u.kafka.api == WL_KAFKA_JOIN_GROUP;

    if (join) {
        wl_table_set_uint(table, row, EXTRA_JOINS, ++tally->joins);
    } else {
        wl_table_set_uint(table, row, EXTRA_SYNCS, ++tally->syncs);
    }
    if (ex->u.kafka.error != 0) {
        wl_table_set_uint(table, row, EXTRA_ERRORS, ++tally->errors);
    }
    if (time_ns != WL_NO_TIME) {
        wl_table_sample(table, row, join ? PART_JOIN : PART_SYNC, time_ns);
    }
    if (details->span_ns != WL_NO_TIME) {
        wl_table_sample(table, row, PART_REBALANCE, details->span_ns);
        wl_table_set_uint(table, row, EXTRA_REBALANCES, ++tally->rebalances);
    }
}

static void take_groups(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_kafka_details_t *details = wl_store_kafka(record->store, record->ex);
    int api = record->ex->u.kafka.api;
    wl_row_key_t key = {.rank = 0};
    wl_string_t member;

    if ((api != WL_KAFKA_JOIN_GROUP && api != WL_KAFKA_SYNC_GROUP) ||
        record->event != WL_EVENT_ANSWER || details == NULL) {
        return;
    }
    member = details->member != WL_STRING_NONE ? details->member : details->joined;
    key.text[0] = wl_latency_name(record, details->group, "(unknown)");
    key.text[1] = wl_latency_name(record, member, "(unknown)");
    add_group_times(table, wl_table_row(table, &key), record);
}

#define COUNTS \
    (WL_COUNTS_OF(LATE) | WL_COUNTS_OF(DUPLICATES) | WL_COUNTS_OF(ORPHANS) | WL_COUNTS_OF(REUSED))

static const wl_extra_t group_extras[] = {
    [EXTRA_REBALANCES] = {"Rebalances", WL_EXTRA_UINT, 10, 0},
    [EXTRA_JOINS] = {"Joins", WL_EXTRA_UINT, 6, 0},
    [EXTRA_SYNCS] = {"Syncs", WL_EXTRA_UINT, 6, 0},
    [EXTRA_ERRORS] = {"Errors", WL_EXTRA_UINT, 6, 0},
};

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
        .title = "Kafka Latency by Topic",
        .cli = "kafka,topics",
        .tap = "wirelat.kafka",
        .keys = {"Topic", "API"},
        .key_widths = {24, 20},
        .counts = COUNTS,
        .take = take_topics,
    },
    {
        .title = "Kafka Latency by Broker",
        .cli = "kafka,brokers",
        .tap = "wirelat.kafka",
        .keys = {"Broker", "API"},
        .key_widths = {21, 20},
        .counts = COUNTS,
        .parts = {"Wait", "Unqueued"},
        .take = take_brokers,
    },
    {
        .title = "Kafka Consumer Groups",
        .cli = "kafka,groups",
        .tap = "wirelat.kafka",
        .keys = {"Group", "Member"},
        .key_widths = {16, 44},
        .without_latency = true,
        .parts = {"Rebalance", "Join", "Sync"},
        .extras = group_extras,
        .extra_count = G_N_ELEMENTS(group_extras),
        .take = take_groups,
    },
};

void wl_kafka_tables_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        wl_table_register(&tables[i]);
    }
}
