/* streams_table.c
 * The table "wirelat,streams": one row per direction of each TCP stream, with what its segments
 * show of the path.
 *
 * A frame belongs to its sender's row, but its ACK is news of the other one: a round trip is that
 * of the data, whoever acknowledges it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tables.h"

#include "../plugin/compat.h"
#include "../plugin/tcp_path.h"
#include "summary.h"

enum {
    SYN_TIME,
    ACK_TIME,
    LAST_SYN_TIME,
    LAST_ACK_TIME,
    RTTS,
    RTT_MIN,
    RTT_MEAN,
    RTT_P50,
    RTT_P95,
    RTT_P99,
    RTT_MAX,
    RESENT,
    OUT_OF_ORDER,
    DUPLICATE_ACKS,
    ZERO_WINDOWS,
    RESETS,
    BYTES,
    GOODPUT,
    JITTER
};

static const wl_extra_t extras[] = {
    [SYN_TIME] = {"SYN to SYN,ACK (ms)", WL_EXTRA_REAL, 0, 3},
    [ACK_TIME] = {"SYN,ACK to ACK (ms)", WL_EXTRA_REAL, 0, 3},
    [LAST_SYN_TIME] = {"Last SYN to SYN,ACK (ms)", WL_EXTRA_REAL, 0, 3},
    [LAST_ACK_TIME] = {"Last SYN,ACK to ACK (ms)", WL_EXTRA_REAL, 0, 3},
    [RTTS] = {"RTTs", WL_EXTRA_UINT, 8, 0},
    [RTT_MIN] = {"RTT min (ms)", WL_EXTRA_REAL, 0, 3},
    [RTT_MEAN] = {"RTT mean (ms)", WL_EXTRA_REAL, 0, 3},
    [RTT_P50] = {"RTT p50 (ms)", WL_EXTRA_REAL, 0, 3},
    [RTT_P95] = {"RTT p95 (ms)", WL_EXTRA_REAL, 0, 3},
    [RTT_P99] = {"RTT p99 (ms)", WL_EXTRA_REAL, 0, 3},
    [RTT_MAX] = {"RTT max (ms)", WL_EXTRA_REAL, 0, 3},
    [RESENT] = {"Retransmissions", WL_EXTRA_UINT, 0, 0},
    [OUT_OF_ORDER] = {"Out of order", WL_EXTRA_UINT, 0, 0},
    [DUPLICATE_ACKS] = {"Duplicate ACKs", WL_EXTRA_UINT, 0, 0},
    [ZERO_WINDOWS] = {"Zero windows", WL_EXTRA_UINT, 0, 0},
    [RESETS] = {"Resets", WL_EXTRA_UINT, 0, 0},
    /* A cell holds 32 bits: a real number counts beyond 4 GB. */
    [BYTES] = {"Bytes", WL_EXTRA_REAL, 12, 0},
    [GOODPUT] = {"Goodput (Mbit/s)", WL_EXTRA_REAL, 0, 3},
    [JITTER] = {"Jitter (ms)", WL_EXTRA_REAL, 0, 3},
};

/* Columns that only count frames with a flag. */
static const struct {
    unsigned flag, extra;
} counted[] = {
    {WL_PATH_RESENT, RESENT},
    {WL_PATH_OUT_OF_ORDER, OUT_OF_ORDER},
    {WL_PATH_DUPLICATE_ACK, DUPLICATE_ACKS},
    {WL_PATH_ZERO_WINDOW, ZERO_WINDOWS},
    {WL_PATH_RESET, RESETS},
};

typedef struct {
    const wl_path_t *path; /* of its first frame in this file, gone with it: see is_current() */
    uint32_t number;       /* the row is remembered under */
    wl_handshake_t shake;  /* of that path, as of the last time it was written */
    uint32_t counts[G_N_ELEMENTS(counted)];
    wl_summary_t *rtt;
    uint64_t bytes;
    int64_t first_ns, last_ns; /* of the data: its first segment, its last or that one's ACK */
    double jitter_sum_ns;
    uint64_t jitters;
} state_t;

static void state_free(void *data)
{
    wl_summary_free(((state_t *)data)->rtt);
    g_free(data);
}

static state_t *state_of(wl_row_t *row)
{
    return wl_table_row_data_full(row, sizeof(state_t), state_free);
}

/* Whether its path is one of the open file. */
static bool is_current(const wl_table_t *table, wl_row_t *row)
{
    return wl_table_remembered(table, state_of(row)->number) == row;
}

static wl_row_t *row_of(wl_table_t *table, const wl_path_t *path, unsigned direction)
{
    uint32_t number = path->index * 2 + direction;
    wl_row_t *row = wl_table_remembered(table, number);

    if (row == NULL) {
        wl_row_key_t key = {.text = {path->number, path->end[direction], path->end[!direction]},
                            .rank = path->stream * 2 + direction};
        state_t *state;

        row = wl_table_row(table, &key);
        state = state_of(row);
        if (!is_current(table, row)) {
            state->path = path;
            state->number = number;
        }
        if (state->rtt == NULL) {
            state->rtt = wl_summary_new();
        }
        wl_table_remember(table, number, row);
    }
    return row;
}

/* Unknown, and what frames in the wrong order make negative, is 0. */
static void set_ms(wl_table_t *table, wl_row_t *row, unsigned extra, int64_t ns)
{
    wl_table_set_real(table, row, extra, ns < 0 ? 0 : (double)ns / 1e6);
}

static void write(wl_table_t *table, wl_row_t *row)
{
    state_t *state = state_of(row);
    const wl_handshake_t *shake = &state->shake;

    /* As it is by now: a filter may hide the frames that end it. */
    if (is_current(table, row)) {
        state->shake = state->path->handshake;
    }
    set_ms(table, row, SYN_TIME, wl_span_ns(shake->first_syn_ns, shake->first_synack_ns));
    set_ms(table, row, ACK_TIME, wl_span_ns(shake->first_synack_ns, shake->ack_ns));
    set_ms(table, row, LAST_SYN_TIME, wl_span_ns(shake->synack_syn_ns, shake->last_synack_ns));
    set_ms(table, row, LAST_ACK_TIME, wl_span_ns(shake->last_synack_ns, shake->ack_ns));
    wl_table_set_times(table, row, RTTS, state->rtt);
    for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
        wl_table_set_uint(table, row, counted[i].extra, state->counts[i]);
    }
    wl_table_set_real(table, row, BYTES, (double)state->bytes);
    if (state->last_ns > state->first_ns) {
        wl_table_set_real(table, row, GOODPUT,
                          (double)state->bytes * 8e3 / (double)(state->last_ns - state->first_ns));
    }
    if (state->jitters > 0) {
        wl_table_set_real(table, row, JITTER, state->jitter_sum_ns / (double)state->jitters / 1e6);
    }
}

static void take_sender(state_t *state, const wl_path_record_t *record)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
        state->counts[i] += (record->flags & counted[i].flag) != 0;
    }
    if (record->bytes > 0) {
        if (state->bytes == 0) {
            state->first_ns = state->last_ns = record->time_ns;
        }
        state->bytes += record->bytes;
        state->last_ns = MAX(state->last_ns, record->time_ns);
    }
    if (record->jitter_ns != WL_NO_TIME) {
        state->jitter_sum_ns += (double)record->jitter_ns;
        state->jitters++;
    }
}

static void take(wl_table_t *table, const void *data, packet_info *pinfo _U_)
{
    const wl_path_record_t *record = data;
    wl_row_t *row = row_of(table, record->path, record->direction);
    state_t *state = state_of(row);

    take_sender(state, record);
    wl_table_changed(table, row);
    if (!(record->flags & (WL_PATH_ACKS | WL_PATH_SAMPLE | WL_PATH_HANDSHAKE))) {
        return;
    }
    row = row_of(table, record->path, !record->direction);
    state = state_of(row);
    if (record->flags & WL_PATH_SAMPLE) {
        wl_summary_add(state->rtt, record->rtt_ns);
    }
    if ((record->flags & WL_PATH_ACKS) && state->bytes > 0) {
        state->last_ns = MAX(state->last_ns, record->time_ns);
    }
    wl_table_changed(table, row);
}

void wl_streams_table_register(void)
{
    static const wl_table_def_t def = {
        .title = "TCP Streams",
        .cli = "wirelat,streams",
        .tap = "wirelat.stream",
        .keys = {"Stream", "From", "To"},
        .number_keys = 1u << 0,
        .key_widths = {0, 21, 21},
        .extras = extras,
        .extra_count = G_N_ELEMENTS(extras),
        .without_latency = true,
        .take = take,
        .write = write,
    };

    wl_table_register(&def);
}
