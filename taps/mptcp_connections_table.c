/* mptcp_connections_table.c
 * The table "mptcp,connections": one row per direction of each MPTCP connection.
 *
 * What few records change is set at once, the rest when the row is written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_take.h"

enum {
    VERSION,
    TOKEN,
    CAPTURED,
    USED,
    UNUSED,
    FAILED,
    START,
    DURATION,
    UNIQUE,
    ACKED,
    GOODPUT,
    TCP_PACKETS,
    TCP_BYTES,
    REINJECTED_PACKETS,
    REINJECTED_BYTES,
    RESENT_PACKETS,
    RESENT_BYTES,
    USEFUL,
    SWITCHES,
    DACK_RTT,
    MAP_RTT = DACK_RTT + WL_MP_TIME_COLUMNS,
    HOL = MAP_RTT + WL_MP_TIME_COLUMNS,
    REORDER = HOL + WL_MP_TIME_COLUMNS,
    CLOSE
};

static const wl_extra_t extras[] = {
    [VERSION] = {"Version", WL_EXTRA_UINT, 0, 0},
    [TOKEN] = {"Sender's token", WL_EXTRA_TEXT, 0, 0},
    [CAPTURED] = {"Captured at", WL_EXTRA_TEXT, 0, 0},
    [USED] = {"Subflows used", WL_EXTRA_UINT, 0, 0},
    [UNUSED] = {"Unused", WL_EXTRA_UINT, 0, 0},
    [FAILED] = {"Failed", WL_EXTRA_UINT, 0, 0},
    [START] = {"Start (s)", WL_EXTRA_REAL, 0, 6},
    [DURATION] = {"Duration (s)", WL_EXTRA_REAL, 0, 6},
    /* A cell holds 32 bits: a real number counts beyond 4 GB. */
    [UNIQUE] = {"Unique bytes", WL_EXTRA_REAL, 0, 0},
    [ACKED] = {"DATA_ACKed bytes", WL_EXTRA_REAL, 0, 0},
    [GOODPUT] = {"Goodput (Mbit/s)", WL_EXTRA_REAL, 0, 3},
    [TCP_PACKETS] = {"TCP retransmissions", WL_EXTRA_UINT, 0, 0},
    [TCP_BYTES] = {"TCP retransmitted bytes", WL_EXTRA_REAL, 0, 0},
    [REINJECTED_PACKETS] = {"Reinjections", WL_EXTRA_UINT, 0, 0},
    [REINJECTED_BYTES] = {"Reinjected bytes", WL_EXTRA_REAL, 0, 0},
    [RESENT_PACKETS] = {"MPTCP retransmissions", WL_EXTRA_UINT, 0, 0},
    [RESENT_BYTES] = {"MPTCP retransmitted bytes", WL_EXTRA_REAL, 0, 0},
    [USEFUL] = {"Useful (%)", WL_EXTRA_REAL, 0, 1},
    [SWITCHES] = {"Switches", WL_EXTRA_UINT, 0, 0},
    WL_MP_TIME_EXTRAS(DACK_RTT, "DATA_ACK RTT"),
    WL_MP_TIME_EXTRAS(MAP_RTT, "Mapping RTT"),
    WL_MP_TIME_EXTRAS(HOL, "HoL delay"),
    [REORDER] = {"Waiting max (bytes)", WL_EXTRA_REAL, 0, 0},
    [CLOSE] = {"Close", WL_EXTRA_TEXT, 14, 0},
};

/* What a subflow has come to; the highest counts. */
enum { SUBFLOW_NONE, SUBFLOW_FAILED, SUBFLOW_UNUSED, SUBFLOW_USED, SUBFLOW_STATES };

typedef struct {
    double unique, acked, bytes[WL_MP_KIND + 1], useful, reorder;
    uint32_t packets[WL_MP_KIND + 1], switches;
    int64_t start_ns, last_ns, first_data_ns, last_acked_ns;
    bool started, data_started, named;
    wl_mp_times_t dack, map, hol;
    bool fin_acked; /* of this direction's data */
    const char *close;
    /* Of the connection, in the row of side 0 alone: */
    GByteArray *subflows; /* SUBFLOW_* */
    uint32_t states[SUBFLOW_STATES];
} state_t;

typedef struct {
    wl_row_t *row[2];
    state_t *state[2];
} rows_t;

static void state_free(void *data)
{
    state_t *state = data;

    wl_summary_free(state->dack.summary);
    wl_summary_free(state->map.summary);
    wl_summary_free(state->hol.summary);
    if (state->subflows != NULL) {
        g_byte_array_free(state->subflows, TRUE);
    }
    g_free(state);
}

static state_t *state_of(wl_row_t *row)
{
    return wl_table_row_data_full(row, sizeof(state_t), state_free);
}

WL_RARE static wl_row_t *new_row(wl_table_t *table, const wl_mp_connection_t *connection,
                                 unsigned side)
{
    const wl_mp_subflow_t *first = g_ptr_array_index(connection->subflows, 0);
    uint32_t rank = connection->number * 2 + side;
    wl_row_key_t key = {.rank = rank};
    char number[12], end[2][64];
    wl_row_t *row;

    g_snprintf(number, sizeof number, "%u", connection->number);
    wl_mp_end_text(first, first->side[side], end[0], sizeof end[0]);
    wl_mp_end_text(first, first->side[!side], end[1], sizeof end[1]);
    key.text[0] = number;
    key.text[1] = end[0];
    key.text[2] = end[1];
    row = wl_table_row(table, &key);
    wl_table_remember(table, rank, row);
    return row;
}

static void rows_of(wl_table_t *table, const wl_mp_connection_t *connection, rows_t *rows)
{
    for (unsigned side = 0; side < 2; side++) {
        wl_row_t *row = wl_table_remembered(table, connection->number * 2 + side);

        if (row == NULL) {
            row = new_row(table, connection, side);
        }
        rows->row[side] = row;
        rows->state[side] = state_of(row);
        wl_table_changed(table, row);
    }
}

WL_RARE static void name_rows(wl_table_t *table, rows_t *rows, const wl_mp_connection_t *connection)
{
    static const char *const sides[2][4] = {{"", "sender", "receiver", "between"},
                                            {"", "receiver", "sender", "between"}};
    wl_captured_t captured = wl_mptcp_captured(connection);

    for (unsigned side = 0; side < 2; side++) {
        char token[16] = "";

        if (connection->side[side].known) {
            g_snprintf(token, sizeof token, "0x%08x", connection->side[side].token);
        }
        wl_table_set_uint(table, rows->row[side], VERSION, connection->version);
        wl_table_set_text(table, rows->row[side], TOKEN, token);
        wl_table_set_text(table, rows->row[side], CAPTURED, sides[side][captured]);
        /* Both keys and the handshake's times stay as they are. */
        rows->state[side]->named = connection->side[0].known && connection->side[1].known &&
                                   captured != WL_CAPTURED_UNKNOWN;
    }
}

WL_RARE static void set_close(wl_table_t *table, rows_t *rows, const char *close)
{
    for (unsigned side = 0; side < 2; side++) {
        rows->state[side]->close = close;
        wl_table_set_text(table, rows->row[side], CLOSE, close);
    }
}

static void set_subflow(wl_table_t *table, rows_t *rows, uint32_t number, uint8_t what)
{
    state_t *state = rows->state[0];

    if (state->subflows == NULL) {
        state->subflows = g_byte_array_new();
    }
    while (state->subflows->len <= number) {
        uint8_t none = SUBFLOW_NONE;
        g_byte_array_append(state->subflows, &none, 1);
    }
    if (state->subflows->data[number] >= what) {
        return;
    }
    state->states[state->subflows->data[number]] -= state->subflows->data[number] > SUBFLOW_NONE;
    state->subflows->data[number] = what;
    state->states[what]++;
    for (unsigned side = 0; side < 2; side++) {
        wl_table_set_uint(table, rows->row[side], USED, state->states[SUBFLOW_USED]);
        wl_table_set_uint(table, rows->row[side], UNUSED, state->states[SUBFLOW_UNUSED]);
        wl_table_set_uint(table, rows->row[side], FAILED, state->states[SUBFLOW_FAILED]);
    }
}

WL_RARE static void take_copy(state_t *state, const wl_mp_item_t *item)
{
    unsigned kind = item->flags & WL_MP_KIND;

    /* Bytes of several originals, or useful and useless, are items of one packet. */
    state->packets[kind] += !(item->flags & WL_MP_SAME_PACKET);
    state->bytes[kind] += item->aux;
    state->useful += item->flags & WL_MP_USEFUL ? item->aux : 0;
}

static void write_copies(wl_table_t *table, wl_row_t *row, const state_t *state)
{
    static const unsigned columns[WL_MP_KIND + 1][2] = {
        [WL_MP_TCP_COPY] = {TCP_PACKETS, TCP_BYTES},
        [WL_MP_REINJECTED] = {REINJECTED_PACKETS, REINJECTED_BYTES},
        [WL_MP_RESENT] = {RESENT_PACKETS, RESENT_BYTES}};
    double all = 0;

    for (unsigned kind = WL_MP_TCP_COPY; kind <= WL_MP_KIND; kind++) {
        wl_table_set_uint(table, row, columns[kind][0], state->packets[kind]);
        wl_table_set_real(table, row, columns[kind][1], state->bytes[kind]);
        all += state->bytes[kind];
    }
    /* Where nothing is sent again, nothing was in vain; a number has no empty cell. */
    wl_table_set_real(table, row, USEFUL, all > 0 ? state->useful * 100 / all : 100);
}

static void write(wl_table_t *table, wl_row_t *row)
{
    state_t *state = state_of(row);
    int64_t span_ns = state->last_acked_ns - state->first_data_ns;

    write_copies(table, row, state);
    wl_table_set_real(table, row, DURATION, (double)MAX(state->last_ns - state->start_ns, 0) / 1e9);
    wl_table_set_real(table, row, UNIQUE, state->unique);
    wl_table_set_real(table, row, ACKED, state->acked);
    /* Also back to 0: clocks that jump take a span away that there was when it was written before. */
    wl_table_set_real(table, row, GOODPUT,
                      state->data_started && span_ns > 0 ? state->acked * 8e3 / (double)span_ns
                                                         : 0);
    wl_table_set_uint(table, row, SWITCHES, state->switches);
    wl_mp_write_times(table, row, DACK_RTT, &state->dack);
    wl_mp_write_times(table, row, MAP_RTT, &state->map);
    wl_mp_write_times(table, row, HOL, &state->hol);
    wl_table_set_real(table, row, REORDER, state->reorder);
}

static void take_data(wl_table_t *table, rows_t *rows, const wl_mp_context_t *context,
                      const wl_mp_item_t *item)
{
    state_t *state = rows->state[context->side];

    set_subflow(table, rows, context->subflow->number, SUBFLOW_USED);
    if (!state->data_started || context->time_ns < state->first_data_ns) {
        state->data_started = true;
        state->first_data_ns = context->time_ns;
    }
    state->unique += (double)item->value;
    state->switches += (item->flags & WL_MP_SWITCHED) != 0;
}

static void take_acked(state_t *state, const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    state->acked += (double)item->value;
    if ((item->flags & WL_MP_OK) && state->data_started) {
        state->last_acked_ns = context->time_ns;
    }
}

WL_RARE static void take_event(wl_table_t *table, rows_t *rows, const wl_mp_context_t *context,
                               const wl_mp_item_t *item)
{
    switch ((wl_mp_event_t)(item->aux & 0xff)) {
    case WL_MP_EVENT_FASTCLOSE:
        set_close(table, rows, "fast close");
        break;
    case WL_MP_EVENT_FALLBACK:
    case WL_MP_EVENT_INFINITE:
        set_close(table, rows, "fallback");
        break;
    case WL_MP_EVENT_DATA_FIN:
        if (rows->state[0]->close == NULL) {
            set_close(table, rows, "one DATA_FIN");
        }
        break;
    case WL_MP_EVENT_DATA_FIN_ACKED:
        rows->state[!context->side]->fin_acked = true;
        if (rows->state[0]->fin_acked && rows->state[1]->fin_acked) {
            set_close(table, rows, "DATA_FIN");
        }
        break;
    default:
        break;
    }
}

static void take_item(wl_table_t *table, rows_t *rows, const wl_mp_context_t *context,
                      const wl_mp_item_t *item)
{
    unsigned side = wl_mp_data_side(context, item);
    state_t *state = rows->state[side];

    switch ((wl_mp_item_kind_t)item->kind) {
    case WL_MP_DATA:
        take_data(table, rows, context, item);
        break;
    case WL_MP_DUPLICATE:
        take_copy(state, item);
        break;
    case WL_MP_ACKED:
        take_acked(state, context, item);
        break;
    case WL_MP_DACK_RTT:
        wl_mp_add_time(&state->dack, item->value);
        if (item->flags & WL_MP_IS_MAPPING) {
            wl_mp_add_time(&state->map, item->value);
        }
        break;
    case WL_MP_MAP_RTT:
        wl_mp_add_time(&state->map, item->value);
        break;
    case WL_MP_RELEASED:
        wl_mp_add_time(&state->hol, item->value);
        break;
    case WL_MP_WAITS:
        state->reorder = MAX(state->reorder, (double)item->value);
        break;
    case WL_MP_THIRD_ACK_TIME:
        if (!context->subflow->is_join) {
            set_subflow(table, rows, context->subflow->number, SUBFLOW_UNUSED);
        }
        break;
    case WL_MP_FOURTH_ACK_TIME:
        set_subflow(table, rows, context->subflow->number, SUBFLOW_UNUSED);
        break;
    case WL_MP_EVENT:
        take_event(table, rows, context, item);
        break;
    default:
        break;
    }
}

static void take_time(wl_table_t *table, rows_t *rows, const wl_mp_context_t *context)
{
    const nstime_t *since_start = &context->record->since_start;

    for (unsigned side = 0; side < 2; side++) {
        state_t *state = rows->state[side];

        if (!state->started) {
            state->started = true;
            state->start_ns = context->time_ns;
            wl_table_set_real(table, rows->row[side], START, nstime_to_sec(since_start));
        }
        state->last_ns = context->time_ns;
    }
}

static void take(wl_table_t *table, const void *data, packet_info *pinfo _U_)
{
    const wl_mp_record_t *record = data;
    const wl_mp_subflow_t *subflow = NULL; /* that the rows are of */
    const wl_mp_item_t *item;
    wl_mp_context_t context;
    rows_t rows;

    wl_mp_context_init(&context, record);
    if (context.connection != NULL) {
        rows_of(table, context.connection, &rows);
        if (!rows.state[0]->named) {
            name_rows(table, &rows, context.connection);
        }
        take_time(table, &rows, &context);
        subflow = context.subflow;
        set_subflow(table, &rows, subflow->number, SUBFLOW_FAILED);
    }
    while ((item = wl_mp_context_next(&context)) != NULL) {
        if (context.connection == NULL) {
            continue;
        }
        if (subflow == NULL || context.subflow != subflow) {
            subflow = context.subflow;
            rows_of(table, context.connection, &rows);
            set_subflow(table, &rows, subflow->number, SUBFLOW_FAILED);
        }
        take_item(table, &rows, &context, item);
    }
}

void wl_mptcp_connections_register(void)
{
    static const wl_table_def_t def = {
        .title = "MPTCP Connections",
        .cli = "mptcp,connections",
        .tap = "wirelat.mptcp",
        .keys = {"Connection", "From", "To"},
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
