/* mptcp_take.h
 * What the MPTCP tables share: going through the items of a record, and figures of samples.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_TAKE_H
#define WIRELAT_MPTCP_TAKE_H

#include "tables.h"

#include "../plugin/rare.h"
#include "../plugin/show_mptcp.h"

/* Whose the item in hand is: the record's frame, or an earlier one that was placed with it. */
typedef struct {
    const wl_mp_record_t *record;
    const wl_mp_subflow_t *subflow;
    const wl_mp_connection_t *connection; /* NULL: a stream without handshake */
    unsigned direction, side;             /* side: who sent the frame */
    uint32_t frame;
    int64_t time_ns;
    unsigned next;
} wl_mp_context_t;

void wl_mp_context_init(wl_mp_context_t *context, const wl_mp_record_t *record);
WL_RARE void wl_mp_context_move(wl_mp_context_t *context, const wl_mp_item_t *origin);

/* The next item, with the context set to it; NULL at the end. Inline, as what follows: each table
 * asks for each item of the capture. */
static inline const wl_mp_item_t *wl_mp_context_next(wl_mp_context_t *context)
{
    const wl_mp_record_t *record = context->record;

    while (context->next < record->count && record->items[context->next].kind == WL_MP_ORIGIN) {
        wl_mp_context_move(context, &record->items[context->next++]);
    }
    return context->next < record->count ? &record->items[context->next++] : NULL;
}

/* Which side's data an item tells of: a DATA_ACK's is that of the side it goes to. */
static inline unsigned wl_mp_data_side(const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    bool is_ack =
        item->kind == WL_MP_ACKED || item->kind == WL_MP_DACK_RTT || item->kind == WL_MP_MAP_RTT;

    return is_ack ? !context->side : context->side;
}

/* Times of a row; all zero at first. */
#define WL_MP_TIME_COLUMNS WL_TIMES
typedef struct {
    wl_summary_t *summary;
    bool is_new; /* not all of them are in the columns */
} wl_mp_times_t;
void wl_mp_add_time(wl_mp_times_t *times, int64_t time_ns);
void wl_mp_write_times(wl_table_t *table, wl_row_t *row, unsigned extra, wl_mp_times_t *times);
#define WL_MP_TIME_EXTRAS(first, name)                           \
    [(first)] = {name "s", WL_EXTRA_UINT, 0, 0},                 \
    [(first) + 1] = {name " min (ms)", WL_EXTRA_REAL, 0, 3},     \
    [(first) + 2] = {name " mean (ms)", WL_EXTRA_REAL, 0, 3},    \
    [(first) + 3] = {name " p50 (ms)", WL_EXTRA_REAL, 0, 3},     \
    [(first) + 4] = {name " p95 (ms)", WL_EXTRA_REAL, 0, 3},     \
    [(first) + 5] = {name " p99 (ms)", WL_EXTRA_REAL, 0, 3},     \
    [(first) + 6] = {name " max (ms)", WL_EXTRA_REAL, 0, 3}

/* The columns that a row of a subflow and one of a path have in common, each in its place; and what
 * TCP tells of the row's frames. */
#define WL_MP_FLOW_EXTRAS                                                  \
    [PACKETS] = {"Packets", WL_EXTRA_UINT, 8, 0},                          \
    [BYTES] = {"Bytes", WL_EXTRA_REAL, 12, 0},                             \
    [UNIQUE] = {"Unique bytes", WL_EXTRA_REAL, 0, 0},                      \
    WL_MP_TIME_EXTRAS(TCP_RTT, "TCP RTT"),                                 \
    WL_MP_TIME_EXTRAS(DACK_RTT, "DATA_ACK RTT"),                           \
    [RESENT] = {"TCP retransmissions", WL_EXTRA_UINT, 0, 0},               \
    [OUT_OF_ORDER] = {"Out of order", WL_EXTRA_UINT, 0, 0},                \
    [REINJECTED_TO] = {"Reinjected here (bytes)", WL_EXTRA_REAL, 0, 0},    \
    [MPTCP_RESENT] = {"MPTCP retransmitted (bytes)", WL_EXTRA_REAL, 0, 0}, \
    [RESETS] = {"Resets", WL_EXTRA_UINT, 0, 0}
typedef struct {
    unsigned packets, resent, out_of_order, resets;
} wl_mp_tcp_t;
/* Counts a frame. `path` may be NULL. */
static inline void wl_mp_count_tcp(wl_mp_tcp_t *counts, const wl_path_record_t *path)
{
    unsigned flags = path != NULL ? path->flags : 0;

    counts->packets++;
    counts->resent += (flags & WL_PATH_RESENT) != 0;
    counts->out_of_order += (flags & WL_PATH_OUT_OF_ORDER) != 0;
    counts->resets += (flags & WL_PATH_RESET) != 0;
}
/* `columns`: which those four are. */
void wl_mp_write_tcp(wl_table_t *table, wl_row_t *row, const wl_mp_tcp_t *counts,
                     const wl_mp_tcp_t *columns);

/* "address:port" of who sends in a direction of the subflow. */
void wl_mp_end_text(const wl_mp_subflow_t *subflow, unsigned direction, char *text, size_t size);

#endif
