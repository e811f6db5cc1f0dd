/* mptcp_paths_table.c
 * The table "mptcp,paths": one row per path and direction, over all connections.
 *
 * A connection's spread is the mean TCP round trip of its worst subflow less that of its best. It
 * follows after as many samples as the connection has subflows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_take.h"

enum {
    CONNECTIONS,
    SUBFLOWS,
    PACKETS,
    BYTES,
    UNIQUE,
    TCP_RTT,
    DACK_RTT = TCP_RTT + WL_MP_TIME_COLUMNS,
    SPREAD = DACK_RTT + WL_MP_TIME_COLUMNS,
    RESENT,
    OUT_OF_ORDER,
    REINJECTED_TO,
    MPTCP_RESENT,
    JOIN_TIME,
    RESETS
};

static const wl_extra_t extras[] = {
    WL_MP_FLOW_EXTRAS,
    [CONNECTIONS] = {"Connections", WL_EXTRA_UINT, 0, 0},
    [SUBFLOWS] = {"Subflows", WL_EXTRA_UINT, 0, 0},
    [SPREAD] = {"RTT spread mean (ms)", WL_EXTRA_REAL, 0, 3},
    [JOIN_TIME] = {"Established after, mean (ms)", WL_EXTRA_REAL, 0, 3},
};

/* One direction of a subflow, and of a connection. */
typedef struct {
    double sum_ns;
    uint32_t samples;
    wl_row_t *row;
} member_t;

typedef struct {
    GArray *members; /* member_t by the subflow's number */
    unsigned since;
    double spread_ns;
    bool spread_known;
} whole_t;

typedef struct {
    GHashTable *wholes; /* of the first row: connection's number * 2 + side -> whole_t */
    uint32_t last_connection;
    uint32_t connections, subflows, joins, spreads;
    wl_mp_tcp_t counts;
    double bytes, unique, reinjected, resent_bytes, join_ns, spread_sum_ns;
    wl_mp_times_t tcp, dack;
} state_t;

static void whole_free(gpointer pointer)
{
    g_array_free(((whole_t *)pointer)->members, TRUE);
    g_free(pointer);
}

static void state_free(void *data)
{
    state_t *state = data;

    wl_summary_free(state->tcp.summary);
    wl_summary_free(state->dack.summary);
    if (state->wholes != NULL) {
        g_hash_table_destroy(state->wholes);
    }
    g_free(state);
}

static state_t *state_of(wl_row_t *row)
{
    return wl_table_row_data_full(row, sizeof(state_t), state_free);
}

static void write(wl_table_t *table, wl_row_t *row)
{
    static const wl_mp_tcp_t columns = {PACKETS, RESENT, OUT_OF_ORDER, RESETS};
    state_t *state = state_of(row);

    wl_mp_write_tcp(table, row, &state->counts, &columns);
    wl_table_set_uint(table, row, CONNECTIONS, state->connections);
    wl_table_set_uint(table, row, SUBFLOWS, state->subflows);
    wl_table_set_real(table, row, BYTES, state->bytes);
    wl_table_set_real(table, row, UNIQUE, state->unique);
    wl_mp_write_times(table, row, TCP_RTT, &state->tcp);
    wl_mp_write_times(table, row, DACK_RTT, &state->dack);
    wl_table_set_real(table, row, REINJECTED_TO, state->reinjected);
    wl_table_set_real(table, row, MPTCP_RESENT, state->resent_bytes);
    if (state->spreads > 0) {
        wl_table_set_real(table, row, SPREAD, state->spread_sum_ns / state->spreads / 1e6);
    }
    if (state->joins > 0) {
        wl_table_set_real(table, row, JOIN_TIME, state->join_ns / state->joins / 1e6);
    }
}

static whole_t *whole_of(wl_table_t *table, const wl_mp_connection_t *connection, unsigned side)
{
    state_t *first = state_of(wl_table_remembered(table, 0));
    gpointer number = GUINT_TO_POINTER(connection->number * 2 + side + 1);
    whole_t *whole;

    if (first->wholes == NULL) {
        first->wholes = g_hash_table_new_full(NULL, NULL, NULL, whole_free);
    }
    whole = g_hash_table_lookup(first->wholes, number);
    if (whole == NULL) {
        whole = g_new0(whole_t, 1);
        whole->members = g_array_new(FALSE, TRUE, sizeof(member_t));
        g_hash_table_insert(first->wholes, number, whole);
    }
    return whole;
}

/* Counts a subflow that is new to the row, and the connection if this is its first here. */
static void join_whole(wl_table_t *table, wl_row_t *row, const wl_mp_subflow_t *subflow,
                       unsigned side)
{
    whole_t *whole = whole_of(table, subflow->connection, side);
    state_t *state = state_of(row);
    bool has_connection = false;

    if (whole->members->len <= subflow->number) {
        g_array_set_size(whole->members, subflow->number + 1);
    }
    /* A connection of thousands of subflows has the row among its first ones, or it is new. */
    for (unsigned i = 0; i < MIN(whole->members->len, 64) && !has_connection; i++) {
        has_connection = g_array_index(whole->members, member_t, i).row == row;
    }
    g_array_index(whole->members, member_t, subflow->number).row = row;
    state->subflows++;
    state->connections += !has_connection;
    wl_table_changed(table, row);
}

/* Numbers under which rows are remembered; 0: the first of them. */
static uint32_t row_number(const wl_mp_subflow_t *subflow, unsigned side)
{
    return 1 + subflow->index * 2 + side;
}

WL_RARE static wl_row_t *new_row(wl_table_t *table, const wl_mp_subflow_t *subflow, unsigned side)
{
    wl_row_key_t key = {.text = {wl_mptcp_path(subflow), side == 0 ? "to server" : "to client"}};
    wl_row_t *row = wl_table_row(table, &key);

    wl_table_remember(table, row_number(subflow, side), row);
    if (wl_table_remembered(table, 0) == NULL) {
        wl_table_remember(table, 0, row);
    }
    join_whole(table, row, subflow, side);
    return row;
}

static wl_row_t *row_of(wl_table_t *table, const wl_mp_subflow_t *subflow, unsigned side)
{
    wl_row_t *row = wl_table_remembered(table, row_number(subflow, side));

    return row != NULL ? row : new_row(table, subflow, side);
}

static void set_spread(wl_table_t *table, wl_row_t *row, double old_ns, bool known, double new_ns)
{
    state_t *state = state_of(row);

    state->spreads += !known;
    state->spread_sum_ns += new_ns - (known ? old_ns : 0);
    wl_table_changed(table, row);
}

static void refresh_spread(wl_table_t *table, whole_t *whole)
{
    double best = 0, worst = 0;
    unsigned known = 0;

    whole->since = 0;
    for (unsigned i = 0; i < whole->members->len; i++) {
        const member_t *member = &g_array_index(whole->members, member_t, i);
        double mean = member->samples > 0 ? member->sum_ns / member->samples : 0;

        if (member->samples > 0) {
            best = known == 0 ? mean : MIN(best, mean);
            worst = known == 0 ? mean : MAX(worst, mean);
            known++;
        }
    }
    if (known < 2) {
        return;
    }
    for (unsigned i = 0; i < whole->members->len; i++) {
        wl_row_t *row = g_array_index(whole->members, member_t, i).row;
        bool again = row == NULL;

        for (unsigned k = 0; k < MIN(i, 64) && !again; k++) {
            again = g_array_index(whole->members, member_t, k).row == row;
        }
        if (!again) {
            set_spread(table, row, whole->spread_ns, whole->spread_known, worst - best);
        }
    }
    whole->spread_ns = worst - best;
    whole->spread_known = true;
}

static void take_rtt(wl_table_t *table, const wl_mp_subflow_t *subflow, unsigned side,
                     int64_t rtt_ns)
{
    wl_row_t *row = row_of(table, subflow, side);
    whole_t *whole = whole_of(table, subflow->connection, side);
    member_t *member = &g_array_index(whole->members, member_t, subflow->number);

    wl_mp_add_time(&state_of(row)->tcp, rtt_ns);
    wl_table_changed(table, row);
    member->sum_ns += (double)rtt_ns;
    member->samples++;
    if (++whole->since >= whole->members->len) {
        refresh_spread(table, whole);
    }
}

static void take_path(wl_table_t *table, const wl_mp_record_t *record)
{
    const wl_path_record_t *path = record->path;
    unsigned side = record->subflow->side[record->direction];
    wl_row_t *row = row_of(table, record->subflow, side);

    wl_mp_count_tcp(&state_of(row)->counts, path);
    wl_table_changed(table, row);
    if (path != NULL && (path->flags & WL_PATH_SAMPLE)) {
        take_rtt(table, record->subflow, !side, path->rtt_ns);
    }
}

static void take_copy(state_t *state, const wl_mp_item_t *item)
{
    if ((item->flags & WL_MP_KIND) == WL_MP_REINJECTED) {
        state->reinjected += item->aux;
    } else if ((item->flags & WL_MP_KIND) == WL_MP_RESENT) {
        state->resent_bytes += item->aux;
    }
}

/* Kinds of items that change nothing here, half of all; their frame's row is there. */
#define OTHERS                                                                            \
    (1u << WL_MP_ACKED | 1u << WL_MP_MAP_RTT | 1u << WL_MP_WAITS | 1u << WL_MP_RELEASED | \
     1u << WL_MP_MAPPING)

static void take_item(wl_table_t *table, const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    const GPtrArray *subflows = context->connection->subflows;
    wl_row_t *row;
    state_t *state;

    if ((OTHERS >> item->kind & 1) && context->frame == context->record->frame) {
        return;
    }
    row = row_of(table, context->subflow, context->side);
    wl_table_changed(table, row);
    state = state_of(row);
    switch ((wl_mp_item_kind_t)item->kind) {
    case WL_MP_DATA:
        state->bytes += item->aux;
        state->unique += (double)item->value;
        break;
    case WL_MP_DUPLICATE:
        take_copy(state, item);
        break;
    case WL_MP_DACK_RTT:
        if (item->aux < subflows->len) {
            row = row_of(table, g_ptr_array_index(subflows, item->aux), !context->side);
            wl_mp_add_time(&state_of(row)->dack, item->value);
            wl_table_changed(table, row);
        }
        break;
    case WL_MP_HANDSHAKE_TIME:
    case WL_MP_JOIN_TIME:
        for (unsigned side = 0; side < 2; side++) {
            row = row_of(table, context->subflow, side);
            state = state_of(row);
            state->join_ns += (double)item->value;
            state->joins++;
            wl_table_changed(table, row);
        }
        break;
    default:
        break;
    }
}

static void take(wl_table_t *table, const void *data, packet_info *pinfo _U_)
{
    const wl_mp_record_t *record = data;
    const wl_mp_item_t *item;
    wl_mp_context_t context;

    wl_mp_context_init(&context, record);
    if (context.connection != NULL) {
        take_path(table, record);
    }
    while ((item = wl_mp_context_next(&context)) != NULL) {
        if (context.connection != NULL) {
            take_item(table, &context, item);
        }
    }
}

void wl_mptcp_paths_register(void)
{
    static const wl_table_def_t def = {
        .title = "MPTCP Paths",
        .cli = "mptcp,paths",
        .tap = "wirelat.mptcp",
        .keys = {"Path", "Direction"},
        .key_widths = {32, 9},
        .extras = extras,
        .extra_count = G_N_ELEMENTS(extras),
        .without_latency = true,
        .take = take,
        .write = write,
    };

    wl_table_register(&def);
}
