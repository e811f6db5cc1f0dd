/* latency_tables.c
 * The latency tables: which row each record belongs to, and what it adds there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tables.h"

#include "../plugin/names.h"

#define PRODUCE 0

static const char *text_of(const wl_record_t *record, wl_string_t string, const char *none)
{
    return string == WL_STRING_NONE ? none : wl_store_text(record->store, string);
}

/* What any table does with a record once its rows are known. QoS 0 and acks=0 requests are
 * answered by TCP alone: their rows are made of ack times. */
static void take_record(wl_table_t *table, const wl_record_t *record, wl_row_t *row,
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

/* Rows in the order of a session: Connect first, publishes by QoS, a QoS 2 row before its legs. */
static uint32_t mqtt_rank(const wl_exchange_t *ex)
{
    return ex->u.mqtt.kind * 16u + (ex->u.mqtt.kind == WL_MQTT_PUBLISH ? ex->u.mqtt.qos * 4u : 0);
}

static const char *mqtt_kind(const wl_exchange_t *ex)
{
    static const char *const publish[] = {"Publish QoS 0", "Publish QoS 1", "Publish QoS 2"};

    if (ex->u.mqtt.kind == WL_MQTT_PUBLISH) {
        return publish[MIN(ex->u.mqtt.qos, 2)];
    }
    return val_to_str_const(ex->u.mqtt.kind, wl_mqtt_kind_names, "(unknown)");
}

static void take_mqtt_legs(wl_table_t *table, const wl_record_t *record)
{
    const wl_legs_t *legs = wl_store_legs(record->store, record->ex);
    wl_row_key_t key = {.rank = mqtt_rank(record->ex)};
    int64_t time_ns = WL_NO_TIME;

    if (legs == NULL) {
        return;
    }
    if (record->event == WL_EVENT_PUBREC) {
        key.text[0] = "  PUBLISH to PUBREC";
        key.rank += 1;
        time_ns = wl_span_ns(record->ex->request_first_ns, legs->pubrec_last_ns);
    } else if (record->event == WL_EVENT_PUBREL) {
        key.text[0] = "  PUBREC to PUBREL";
        key.rank += 2;
        time_ns = wl_span_ns(legs->pubrec_first_ns, legs->pubrel_last_ns);
    } else if (record->event == WL_EVENT_ANSWER && legs->pubrel_first_ns != WL_NO_TIME) {
        key.text[0] = "  PUBREL to PUBCOMP";
        key.rank += 3;
        time_ns = wl_span_ns(legs->pubrel_first_ns, record->ex->answer_last_ns);
    } else {
        return;
    }
    wl_table_part(table, wl_table_row(table, &key), time_ns);
}

static void take_mqtt_latency(wl_table_t *table, const void *tapped)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.text = {mqtt_kind(record->ex)}, .rank = mqtt_rank(record->ex)};
    wl_row_t *row = wl_table_row(table, &key);

    take_record(table, record, row, row);
    take_mqtt_legs(table, record);
}

static wl_row_t *mqtt_client_row(wl_table_t *table, const wl_record_t *record, wl_string_t client)
{
    wl_row_key_t key = {
        .text = {text_of(record, client, "(unknown)"),
                 record->ex->flags & WL_FROM_BROKER ? "broker to client" : "client to broker",
                 mqtt_kind(record->ex)}};

    return wl_table_row(table, &key);
}

static void take_mqtt_clients(wl_table_t *table, const void *tapped)
{
    const wl_record_t *record = tapped;
    wl_string_t assigned = record->ex->u.mqtt.assigned_client;
    wl_row_t *asked = mqtt_client_row(table, record, record->ex->client);
    wl_row_t *row = record->event == WL_EVENT_ANSWER && assigned != WL_STRING_NONE
                        ? mqtt_client_row(table, record, assigned)
                        : asked;

    take_record(table, record, row, asked);
}

/* Produce is three things: no answer, the leader's, all replicas'. */
static void kafka_api(const wl_exchange_t *ex, wl_row_key_t *key, unsigned column)
{
    static const char *const produce[] = {"Produce (acks=all)", "Produce (acks=0)",
                                          "Produce (acks=1)"};

    key->rank = (uint32_t)(ex->u.kafka.api + 1) * 4;
    if (ex->u.kafka.api == PRODUCE && ex->u.kafka.acks != WL_KAFKA_ACKS_UNKNOWN) {
        key->text[column] = produce[ex->u.kafka.acks + 1];
        key->rank += (uint32_t)ex->u.kafka.acks + 2;
    } else {
        key->text[column] = wl_kafka_api_name(ex->u.kafka.api, key->buffer, sizeof key->buffer);
    }
    if (ex->u.kafka.api < 0) {
        key->rank = UINT32_MAX - 1; /* orphans last */
    }
}

static void take_kafka_latency(wl_table_t *table, const void *tapped)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.rank = 0};
    wl_row_t *row;

    kafka_api(record->ex, &key, 0);
    row = wl_table_row(table, &key);
    take_record(table, record, row, row);
}

static void take_kafka_clients(wl_table_t *table, const void *tapped)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.text = {text_of(record, record->ex->client, "(unknown)")}};
    wl_row_t *row;

    kafka_api(record->ex, &key, 1);
    key.rank = 0;
    row = wl_table_row(table, &key);
    take_record(table, record, row, row);
}

#define COUNT(what) (1u << WL_COUNT_##what)
#define MQTT_COUNTS \
    (COUNT(LATE) | COUNT(RETRIES) | COUNT(DUPLICATES) | COUNT(ORPHANS) | COUNT(REUSED))
#define KAFKA_COUNTS (COUNT(LATE) | COUNT(DUPLICATES) | COUNT(ORPHANS) | COUNT(REUSED))

static const wl_table_def_t tables[] = {
    {
        .title = "MQTT Latency",
        .cli = "mqtt,latency",
        .tap = "wirelat.mqtt",
        .keys = {"Exchange"},
        .key_widths = {20},
        .counts = MQTT_COUNTS,
        .take = take_mqtt_latency,
    },
    {
        .title = "MQTT Latency by Client",
        .cli = "mqtt,clients",
        .tap = "wirelat.mqtt",
        .keys = {"Client", "Direction", "Exchange"},
        .key_widths = {20, 16, 15},
        .counts = MQTT_COUNTS,
        .take = take_mqtt_clients,
    },
    {
        .title = "Kafka Latency",
        .cli = "kafka,latency",
        .tap = "wirelat.kafka",
        .keys = {"API"},
        .key_widths = {20},
        .counts = KAFKA_COUNTS,
        .take = take_kafka_latency,
    },
    {
        .title = "Kafka Latency by Client",
        .cli = "kafka,clients",
        .tap = "wirelat.kafka",
        .keys = {"Client", "API"},
        .key_widths = {20, 20},
        .counts = KAFKA_COUNTS,
        .take = take_kafka_clients,
    },
};

void wl_latency_tables_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        wl_table_register(&tables[i]);
    }
}
