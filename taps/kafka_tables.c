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

/* Behind the rank of its API. */
enum { RANK_LONG_POLL = 1, RANK_FETCH_UNKNOWN = 2, RANK_ACKS_ALL = 1 };

/* The row of the request (answered: false), or of its answer, among those of one subject. */
static uint32_t api_rank(const wl_exchange_t *ex, bool answered)
{
    int api = ex->u.kafka.api;
    uint32_t rank = (uint32_t)(api + 1) * RANKS_PER_API;

    if (api < 0) {
        return RANK_ORPHANS;
    }
    if (api == WL_KAFKA_PRODUCE && ex->u.kafka.acks != WL_KAFKA_ACKS_UNKNOWN) {
        return rank + RANK_ACKS_ALL + (uint32_t)(ex->u.kafka.acks + 1);
    }
    if (api == WL_KAFKA_FETCH && !(ex->u.kafka.known & WL_KAFKA_ASKED_BODY)) {
        return rank + RANK_FETCH_UNKNOWN;
    }
    return answered && (ex->u.kafka.known & WL_KAFKA_LONG_POLL) ? rank + RANK_LONG_POLL : rank;
}

/* The name that goes with the rank. Produce is three things: no answer, the leader's, all
 * replicas'. */
static const char *api_name(const wl_exchange_t *ex, uint32_t rank, wl_row_key_t *key)
{
    static const char *const produce[] = {"Produce (acks=all)", "Produce (acks=0)",
                                          "Produce (acks=1)"};
    int api = ex->u.kafka.api;
    uint32_t variant = api < 0 ? 0 : rank % RANKS_PER_API;

    if (variant != 0 && api == WL_KAFKA_PRODUCE) {
        return produce[variant - RANK_ACKS_ALL];
    }
    return variant == 0                    ? wl_kafka_api_name(api, key->buffer, sizeof key->buffer)
           : variant == RANK_FETCH_UNKNOWN ? "Fetch (unknown)"
                                           : "Fetch (long poll)";
}

const char *wl_kafka_row_name(const wl_exchange_t *ex, wl_row_key_t *key)
{
    return api_name(ex, api_rank(ex, true), key);
}

/* What a row is about, beside its API. */
typedef struct {
    wl_string_t name;
    const char *none; /* shown where there is no name; NULL: the API is all there is */
    unsigned topics;  /* that the name stands for */
} subject_t;

static wl_row_t *row_by_name(wl_table_t *table, const wl_record_t *record, const subject_t *subject,
                             uint32_t rank, uint64_t number)
{
    wl_row_key_t key = {.number = number};
    char label[280];

    if (subject->none == NULL) {
        key.rank = rank;
        key.text[0] = api_name(record->ex, rank, &key);
        return wl_table_row(table, &key);
    }
    key.text[0] = wl_latency_name(record, subject->name, subject->none);
    key.text[1] = api_name(record->ex, rank, &key);
    if (subject->topics > 1) {
        /* What names several topics is nobody's alone: "orders (+2)". */
        g_snprintf(label, sizeof label, "%s (+%u)", key.text[0], subject->topics - 1);
        key.text[0] = label;
    }
    return wl_table_row(table, &key);
}

static wl_row_t *row_of(wl_table_t *table, const wl_record_t *record, const subject_t *subject,
                        bool answered)
{
    uint32_t rank = api_rank(record->ex, answered);
    uint64_t number = WL_ROW_NUMBER | (uint64_t)subject->topics << 43 |
                      (uint64_t)subject->name << 11 | (rank & 0x7FF);
    wl_row_t *row = wl_table_known(table, number);

    return row != NULL ? row : row_by_name(table, record, subject, rank, number);
}

/* 11 bits hold every rank, and 16 the topics. */
G_STATIC_ASSERT((G_MAXINT8 + 2) * RANKS_PER_API <= 0x7FE);

/* Counts the record in the row of its request and, if that is another, of its answer, which it
 * returns. */
static wl_row_t *take(wl_table_t *table, const wl_record_t *record, const subject_t *subject)
{
    wl_row_t *asked = row_of(table, record, subject, false), *row = asked;

    if (record->event != WL_EVENT_REQUEST && (record->ex->u.kafka.known & WL_KAFKA_LONG_POLL)) {
        row = row_of(table, record, subject, true);
    }
    wl_latency_take(table, record, row, asked);
    return row;
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
    static const subject_t none;

    take(table, tapped, &none);
    take_handshake(table, tapped);
}

static void take_clients(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    subject_t client = {.name = record->ex->client, .none = "(unknown)"};

    take(table, record, &client);
}

static void take_topics(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    subject_t topic = {
        .name = ex->u.kafka.topic, .none = "(unnamed)", .topics = ex->u.kafka.topics};

    if (ex->u.kafka.topics > 0) {
        take(table, record, &topic);
    }
}

enum { PART_WAIT, PART_UNQUEUED };

static void take_brokers(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    const wl_kafka_details_t *details = wl_store_kafka(record->store, ex);
    subject_t broker = {.name = details != NULL ? details->broker : WL_STRING_NONE,
                        .none = "(unknown)"};
    wl_row_t *row = take(table, record, &broker);

    int64_t wait_ns = wl_kafka_wait_ns(record->store, ex);

    if (record->event == WL_EVENT_ANSWER && wait_ns != WL_NO_TIME) {
        wl_table_sample(table, row, PART_WAIT, wait_ns);
        wl_table_sample(table, row, PART_UNQUEUED, wl_kafka_unqueued_ns(record->store, ex));
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
    int64_t time_ns = wl_span_ns(wl_record_ns(record, WL_TIME_REQUEST_FIRST),
                                 wl_record_ns(record, WL_TIME_ANSWER_LAST));
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
