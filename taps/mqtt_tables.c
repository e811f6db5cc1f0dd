/* mqtt_tables.c
 * The tables of MQTT: by exchange, by client.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

#include "../plugin/names.h"

/* Rows in the order of a session: Connect first, publishes by QoS, a QoS 2 row before its legs. */
static uint32_t rank_of(const wl_exchange_t *ex)
{
    return ex->u.mqtt.kind * 16u + (ex->u.mqtt.kind == WL_MQTT_PUBLISH ? ex->u.mqtt.qos * 4u : 0);
}

/* Ends of connections and silences are no exchanges. */
static bool is_exchange(const wl_record_t *record)
{
    return record->event != WL_EVENT_SILENCE && record->event != WL_EVENT_SESSION;
}

const char *wl_mqtt_row_name(const wl_exchange_t *ex)
{
    static const char *const publish[] = {"Publish QoS 0", "Publish QoS 1", "Publish QoS 2"};

    if (ex->u.mqtt.kind == WL_MQTT_PUBLISH) {
        return publish[MIN(ex->u.mqtt.qos, 2)];
    }
    return val_to_str_const(ex->u.mqtt.kind, wl_mqtt_kind_names, "(unknown)");
}

/* Steps of Connect and of Re-authenticate alike. */
static void take_step(wl_table_t *table, const wl_record_t *record)
{
    wl_row_key_t key = {.rank = WL_MQTT_AUTH * 16 + 1};

    if (record->event == WL_EVENT_AUTH) {
        key.text[0] = record->note->by_broker ? "  AUTH of the broker" : "  AUTH of the client";
        key.rank += !record->note->by_broker;
        wl_table_part(table, wl_table_row(table, &key),
                      wl_span_ns(record->note->start_ns, record->note->end_ns));
    }
}

static wl_row_t *kind_row(wl_table_t *table, const wl_exchange_t *ex)
{
    uint32_t rank = rank_of(ex);
    wl_row_t *row = wl_table_known(table, WL_ROW_NUMBER | rank);

    if (row == NULL) {
        row = wl_table_row(table, &(wl_row_key_t){.text = {wl_mqtt_row_name(ex)},
                                                  .rank = rank,
                                                  .number = WL_ROW_NUMBER | rank});
    }
    return row;
}

static void take_latency(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_row_t *row;

    if (!is_exchange(record)) {
        return;
    }
    row = kind_row(table, record->ex);
    wl_latency_take(table, record, row, row);
    wl_latency_take_legs(table, record, rank_of(record->ex));
    take_step(table, record);
}

static wl_row_t *client_row(wl_table_t *table, const wl_record_t *record, wl_string_t client)
{
    bool from_broker = (record->ex->flags & WL_FROM_BROKER) != 0;
    uint64_t number =
        WL_ROW_NUMBER | (uint64_t)client << 16 | (uint64_t)from_broker << 15 | rank_of(record->ex);
    wl_row_t *row = wl_table_known(table, number);

    if (row == NULL) {
        row = wl_table_row(
            table, &(wl_row_key_t){.text = {wl_latency_name(record, client, "(unknown)"),
                                            from_broker ? "broker to client" : "client to broker",
                                            wl_mqtt_row_name(record->ex)},
                                   .number = number});
    }
    return row;
}

static void take_clients(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_string_t assigned = record->ex->u.mqtt.assigned_client;
    wl_row_t *asked, *row;

    if (!is_exchange(record)) {
        return;
    }
    asked = row = client_row(table, record, record->ex->client);
    if (record->event == WL_EVENT_ANSWER && assigned != WL_STRING_NONE) {
        row = client_row(table, record, assigned);
    }
    wl_latency_take(table, record, row, asked);
}

#define COUNTS                                                               \
    (WL_COUNTS_OF(LATE) | WL_COUNTS_OF(RETRIES) | WL_COUNTS_OF(DUPLICATES) | \
     WL_COUNTS_OF(ORPHANS) | WL_COUNTS_OF(REUSED))

static const wl_table_def_t tables[] = {
    {
        .title = "MQTT Latency",
        .cli = "mqtt,latency",
        .tap = "wirelat.mqtt",
        .keys = {"Exchange"},
        .key_widths = {24},
        .counts = COUNTS,
        .take = take_latency,
    },
    {
        .title = "MQTT Latency by Client",
        .cli = "mqtt,clients",
        .tap = "wirelat.mqtt",
        .keys = {"Client", "Direction", "Exchange"},
        .key_widths = {20, 16, 15},
        .counts = COUNTS,
        .take = take_clients,
    },
};

void wl_mqtt_tables_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        wl_table_register(&tables[i]);
    }
}
