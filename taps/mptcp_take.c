/* mptcp_take.c
 * Items in their context.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_take.h"

#include "../plugin/mptcp_labels.h"

static void set_subflow(wl_mp_context_t *context, const wl_mp_subflow_t *subflow,
                        unsigned direction, bool placed)
{
    context->subflow = subflow;
    context->direction = direction;
    /* What a later pass knows must not make it count otherwise than one pass does. */
    context->connection = placed ? subflow->connection : NULL;
    context->side = placed ? subflow->side[direction] : direction;
}

void wl_mp_context_init(wl_mp_context_t *context, const wl_mp_record_t *record)
{
    context->record = record;
    context->frame = record->frame;
    context->time_ns = record->time_ns;
    context->next = 0;
    set_subflow(context, record->subflow, record->direction, record->placed);
}

void wl_mp_context_move(wl_mp_context_t *context, const wl_mp_item_t *origin)
{
    const wl_mp_record_t *record = context->record;

    context->frame = origin->frame;
    context->time_ns = record->time_ns + origin->value;
    set_subflow(context, wl_mptcp_subflow(record->mptcp, origin->aux >> 2), origin->aux >> 1 & 1,
                origin->aux & 1);
}

void wl_mp_add_time(wl_mp_times_t *times, int64_t time_ns)
{
    if (times->summary == NULL) {
        times->summary = wl_summary_new();
    }
    wl_summary_add(times->summary, time_ns);
    times->is_new = true;
}

void wl_mp_write_times(wl_table_t *table, wl_row_t *row, unsigned extra, wl_mp_times_t *times)
{
    if (times->is_new) {
        wl_table_set_times(table, row, extra, times->summary);
        times->is_new = false;
    }
}

void wl_mp_write_tcp(wl_table_t *table, wl_row_t *row, const wl_mp_tcp_t *counts,
                     const wl_mp_tcp_t *columns)
{
    wl_table_set_uint(table, row, columns->packets, counts->packets);
    wl_table_set_uint(table, row, columns->resent, counts->resent);
    wl_table_set_uint(table, row, columns->out_of_order, counts->out_of_order);
    wl_table_set_uint(table, row, columns->resets, counts->resets);
}

void wl_mp_end_text(const wl_mp_subflow_t *subflow, unsigned direction, char *text, size_t size)
{
    char *address = wl_mp_address_text(subflow->address[direction], subflow->address_length);

    g_snprintf(text, (gulong)size, subflow->address_length == 16 ? "[%s]:%u" : "%s:%u", address,
               subflow->port[direction]);
    g_free(address);
}
