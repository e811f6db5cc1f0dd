/* srt_tables.c
 * Wireshark's own Service Response Time tables for MQTT and Kafka, registered on the existing
 * protocols' ids: "mqtt,srt" and "kafka,srt".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "../plugin/compat.h"
#include <epan/srt_table.h>

#include "../plugin/kafka_body.h"
#include "../plugin/names.h"
#include "tables.h"

#define KAFKA_APIS 128
/* Rows behind those of the APIs: what is no plain Fetch must not spoil its figures. */
enum { KAFKA_LONG_POLL = KAFKA_APIS, KAFKA_FETCH_UNKNOWN, KAFKA_ROWS };
#define MQTT_KINDS (WL_MQTT_AUTH + 1)
#define MQTT_QOS 3

static void add(srt_stat_table *table, int index, int64_t since_ns, packet_info *pinfo)
{
    nstime_t since = {(time_t)(since_ns / 1000000000), (int)(since_ns % 1000000000)};

    add_srt_table_data(table, index, &since, pinfo);
}

static srt_stat_table *table_at(void *data, unsigned index)
{
    return g_array_index(((srt_data_t *)data)->srt_array, srt_stat_table *, index);
}

static void kafka_init(struct register_srt *srt _U_, GArray *tables)
{
    srt_stat_table *table =
        init_srt_table("Kafka APIs", "APIs", tables, KAFKA_ROWS, "API", "wirelat.kafka.api", NULL);
    char buffer[16];

    for (int api = 0; api < KAFKA_APIS; api++) {
        init_srt_table_row(table, api, wl_kafka_api_name(api, buffer, sizeof buffer));
    }
    init_srt_table_row(table, KAFKA_LONG_POLL, "Fetch (long poll)");
    init_srt_table_row(table, KAFKA_FETCH_UNKNOWN, "Fetch (unknown)");
}

static int kafka_row(const wl_exchange_t *ex)
{
    if (ex->u.kafka.api != WL_KAFKA_FETCH) {
        return ex->u.kafka.api;
    }
    return !(ex->u.kafka.known & WL_KAFKA_ASKED_BODY) ? KAFKA_FETCH_UNKNOWN
           : ex->u.kafka.known & WL_KAFKA_LONG_POLL   ? KAFKA_LONG_POLL
                                                      : WL_KAFKA_FETCH;
}

static tap_packet_status kafka_packet(void *data, packet_info *pinfo, epan_dissect_t *edt _U_,
                                      const void *tapped, tap_flags_t flags _U_)
{
    const wl_record_t *record = tapped;
    int64_t start_ns = wl_record_ns(record, WL_TIME_REQUEST_FIRST);

    if (record->event != WL_EVENT_ANSWER || start_ns == WL_NO_TIME) {
        return TAP_PACKET_DONT_REDRAW;
    }
    add(table_at(data, 0), kafka_row(record->ex), start_ns, pinfo);
    return TAP_PACKET_REDRAW;
}

static void mqtt_init(struct register_srt *srt _U_, GArray *tables)
{
    static const char *const qos_names[MQTT_QOS] = {"QoS 0 (to the TCP ACK)", "QoS 1", "QoS 2"};
    srt_stat_table *kinds = init_srt_table("MQTT Exchanges", "Exchanges", tables, MQTT_KINDS,
                                           "Exchange", "wirelat.mqtt.kind", NULL);
    srt_stat_table *qos = init_srt_table("MQTT Publish by QoS", "Publish", tables, MQTT_QOS, "QoS",
                                         "wirelat.mqtt.qos", NULL);

    for (int kind = 0; kind < MQTT_KINDS; kind++) {
        init_srt_table_row(kinds, kind,
                           val_to_str_const((uint32_t)kind, wl_mqtt_kind_names, "(none)"));
    }
    for (int i = 0; i < MQTT_QOS; i++) {
        init_srt_table_row(qos, i, qos_names[i]);
    }
}

static tap_packet_status mqtt_packet(void *data, packet_info *pinfo, epan_dissect_t *edt _U_,
                                     const void *tapped, tap_flags_t flags _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    bool finished = record->event == WL_EVENT_ANSWER ||
                    (record->event == WL_EVENT_ACK && (ex->flags & WL_ONE_WAY));
    int64_t start_ns = wl_record_ns(record, WL_TIME_REQUEST_FIRST);

    if (!finished || start_ns == WL_NO_TIME) {
        return TAP_PACKET_DONT_REDRAW;
    }
    if (record->event == WL_EVENT_ANSWER) {
        add(table_at(data, 0), ex->u.mqtt.kind, start_ns, pinfo);
    }
    if (ex->u.mqtt.kind == WL_MQTT_PUBLISH) {
        add(table_at(data, 1), MIN(ex->u.mqtt.qos, MQTT_QOS - 1), start_ns, pinfo);
    }
    return TAP_PACKET_REDRAW;
}

void wl_srt_tables_register(void)
{
    static const struct {
        const char *protocol, *tap;
        int tables;
        tap_packet_cb packet;
        srt_init_cb init;
    } tables[] = {
        {"mqtt", "wirelat.mqtt", 2, mqtt_packet, mqtt_init},
        {"kafka", "wirelat.kafka", 1, kafka_packet, kafka_init},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        int proto = proto_get_id_by_filter_name(tables[i].protocol);

        /* Registering twice would silently replace a table of Wireshark's own. */
        if (proto != -1 && get_srt_table_by_name(tables[i].protocol) == NULL) {
            register_srt_table(proto, tables[i].tap, tables[i].tables, tables[i].packet,
                               tables[i].init, NULL);
        }
    }
}
