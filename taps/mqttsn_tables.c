/* mqttsn_tables.c
 * The table of MQTT-SN: by exchange.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

#include "../plugin/names.h"

/* Kinds in the order of a session, publishes by QoS from -1 on, each with room for its legs. */
static uint32_t rank_of(const wl_exchange_t *ex)
{
    return ex->u.mqttsn.kind * 16u +
           (ex->u.mqttsn.kind == WL_SN_EX_PUBLISH ? (uint32_t)(ex->u.mqttsn.qos + 1) * 4u : 0);
}

const char *wl_mqttsn_row_name(const wl_exchange_t *ex)
{
    static const char *const publish[] = {"Publish QoS -1", "Publish QoS 0", "Publish QoS 1",
                                          "Publish QoS 2"};

    if (ex->u.mqttsn.kind == WL_SN_EX_PUBLISH) {
        return publish[CLAMP(ex->u.mqttsn.qos, -1, 2) + 1];
    }
    return val_to_str_const(ex->u.mqttsn.kind, wl_mqttsn_kind_names, "(unknown)");
}

static void take_latency(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    wl_row_key_t key = {.text = {wl_mqttsn_row_name(record->ex)}, .rank = rank_of(record->ex)};
    wl_row_t *row = wl_table_row(table, &key);

    if (record->event == WL_EVENT_REQUEST && (record->ex->flags & WL_ONE_WAY)) {
        wl_table_one_way(table, row);
        return;
    }
    wl_latency_take(table, record, row, row);
    wl_latency_take_legs(table, record, rank_of(record->ex));
}

void wl_mqttsn_tables_register(void)
{
    static const wl_table_def_t def = {
        .title = "MQTT-SN Latency",
        .cli = "mqttsn,latency",
        .tap = "wirelat.mqttsn",
        .keys = {"Exchange"},
        .key_widths = {24},
        .counts = WL_COUNTS_OF(LATE) | WL_COUNTS_OF(RETRIES) | WL_COUNTS_OF(DUPLICATES) |
                  WL_COUNTS_OF(ORPHANS) | WL_COUNTS_OF(REUSED),
        .take = take_latency,
    };

    wl_table_register(&def);
}
