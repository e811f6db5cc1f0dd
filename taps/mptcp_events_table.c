/* mptcp_events_table.c
 * The table "mptcp,events": one row per event of an MPTCP connection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_take.h"

enum { TIME, SENDER, ABOUT };

WL_RARE static void take_event(wl_table_t *table, const wl_mp_context_t *context,
                               const wl_mp_item_t *item)
{
    static const char *const senders[] = {"client", "server"};
    char frame[12], connection[12] = "-", subflow[12] = "-";
    GString *line = g_string_new(NULL);
    wl_row_key_t key = {.text = {frame, connection, subflow}, .rank = context->frame};
    double since_s = nstime_to_sec(&context->record->since_start);
    wl_row_t *row;

    g_snprintf(frame, sizeof frame, "%u", context->frame);
    if (context->connection != NULL) {
        g_snprintf(connection, sizeof connection, "%u", context->connection->number);
        g_snprintf(subflow, sizeof subflow, "%u", context->subflow->number);
    }
    wl_mptcp_describe(context->subflow, context->direction, item, line);
    key.text[3] = line->str;
    row = wl_table_row(table, &key);
    wl_table_set_real(table, row, TIME,
                      since_s + (double)(context->time_ns - context->record->time_ns) / 1e9);
    wl_table_set_text(table, row, SENDER,
                      context->connection != NULL ? senders[context->side] : "");
    if (item->frame != 0) {
        wl_table_set_uint(table, row, ABOUT, item->frame);
    }
    g_string_free(line, TRUE);
}

static void take(wl_table_t *table, const void *data, packet_info *pinfo _U_)
{
    const wl_mp_item_t *item;
    wl_mp_context_t context;

    wl_mp_context_init(&context, data);
    while ((item = wl_mp_context_next(&context)) != NULL) {
        if (item->kind == WL_MP_EVENT) {
            take_event(table, &context, item);
        }
    }
}

void wl_mptcp_events_register(void)
{
    static const wl_extra_t extras[] = {
        [TIME] = {"Time (s)", WL_EXTRA_REAL, 12, 6},
        [SENDER] = {"Sender", WL_EXTRA_TEXT, 0, 0},
        [ABOUT] = {"About frame", WL_EXTRA_UINT, 0, 0},
    };
    static const wl_table_def_t def = {
        .title = "MPTCP Events",
        .cli = "mptcp,events",
        .tap = "wirelat.mptcp",
        .keys = {"Frame", "Connection", "Subflow", "Event"},
        .number_keys = 1u << 0 | 1u << 1 | 1u << 2,
        .key_widths = {0, 0, 0, 60},
        .extras = extras,
        .extra_count = G_N_ELEMENTS(extras),
        .without_latency = true,
        .take = take,
    };

    wl_table_register(&def);
}
