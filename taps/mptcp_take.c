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

const wl_mp_item_t *wl_mp_context_next(wl_mp_context_t *context)
{
    const wl_mp_record_t *record = context->record;

    while (context->next < record->count && record->items[context->next].kind == WL_MP_ORIGIN) {
        const wl_mp_item_t *origin = &record->items[context->next++];
        context->frame = origin->frame;
        context->time_ns = record->time_ns + origin->value;
        set_subflow(context, wl_mptcp_subflow(record->mptcp, origin->aux >> 2),
                    origin->aux >> 1 & 1, origin->aux & 1);
    }
    return context->next < record->count ? &record->items[context->next++] : NULL;
}

unsigned wl_mp_data_side(const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    switch (item->kind) {
    case WL_MP_ACKED:
    case WL_MP_DACK_RTT:
    case WL_MP_MAP_RTT:
        return !context->side;
    default:
        return context->side;
    }
}

static void set_ms(wl_table_t *table, wl_row_t *row, unsigned extra, double ns)
{
    wl_table_set_real(table, row, extra, ns / 1e6);
}

void wl_mp_add_time(wl_table_t *table, wl_row_t *row, wl_summary_t **summary, unsigned extra,
                    int64_t time_ns)
{
    if (*summary == NULL) {
        *summary = wl_summary_new();
    }
    wl_summary_add(*summary, time_ns);
    wl_table_set_uint(table, row, extra, (uint32_t)wl_summary_count(*summary));
    set_ms(table, row, extra + 1, (double)wl_summary_min(*summary));
    set_ms(table, row, extra + 2, wl_summary_mean_ns(*summary));
    set_ms(table, row, extra + 3, (double)wl_summary_percentile(*summary, WL_P50));
    set_ms(table, row, extra + 4, (double)wl_summary_percentile(*summary, WL_P95));
    set_ms(table, row, extra + 5, (double)wl_summary_percentile(*summary, WL_P99));
    set_ms(table, row, extra + 6, (double)wl_summary_max(*summary));
}

void wl_mp_end_text(const wl_mp_subflow_t *subflow, unsigned direction, char *text, size_t size)
{
    char *address = wl_mp_address_text(subflow->address[direction], subflow->address_length);

    g_snprintf(text, (gulong)size, subflow->address_length == 16 ? "[%s]:%u" : "%s:%u", address,
               subflow->port[direction]);
    g_free(address);
}
