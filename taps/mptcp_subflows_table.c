/* mptcp_subflows_table.c
 * The table "mptcp,subflows": one row per direction of each subflow, and of each stream whose
 * connection is not known.
 *
 * A share is part of a sum that other rows change too. Up to FEW subflows all shares are right after
 * every record; of more, a row's own is, and the others follow after as many records as the
 * connection has subflows, and when it closes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_take.h"

#define FEW 4
#define MAX_CLOSES 16

enum {
    STREAM,
    PATH,
    BACKUP,
    JOIN_DELAY,
    HANDSHAKE,
    JOIN_TIME,
    FIRST_DATA,
    PACKETS,
    BYTES,
    UNIQUE,
    SHARE,
    SHARE_ALL,
    TCP_RTT,
    DACK_RTT = TCP_RTT + WL_MP_TIME_COLUMNS,
    RESENT = DACK_RTT + WL_MP_TIME_COLUMNS,
    OUT_OF_ORDER,
    REINJECTED_TO,
    REINJECTED_FROM,
    MPTCP_RESENT,
    BURSTS,
    BURST_BYTES,
    BURST_TIME,
    RESETS
};

static const wl_extra_t extras[] = {
    WL_MP_FLOW_EXTRAS,
    [STREAM] = {"TCP stream", WL_EXTRA_UINT, 0, 0},
    [PATH] = {"Path", WL_EXTRA_TEXT, 24, 0},
    [BACKUP] = {"Backup", WL_EXTRA_TEXT, 0, 0},
    [JOIN_DELAY] = {"Join delay (ms)", WL_EXTRA_REAL, 0, 3},
    [HANDSHAKE] = {"SYN to SYN,ACK (ms)", WL_EXTRA_REAL, 0, 3},
    [JOIN_TIME] = {"Established after (ms)", WL_EXTRA_REAL, 0, 3},
    [FIRST_DATA] = {"First data after (ms)", WL_EXTRA_REAL, 0, 3},
    [SHARE] = {"Contribution (%)", WL_EXTRA_REAL, 0, 3},
    [SHARE_ALL] = {"With duplicates (%)", WL_EXTRA_REAL, 0, 3},
    [REINJECTED_FROM] = {"Reinjected elsewhere (bytes)", WL_EXTRA_REAL, 0, 0},
    [BURSTS] = {"Bursts", WL_EXTRA_UINT, 0, 0},
    [BURST_BYTES] = {"Burst mean (bytes)", WL_EXTRA_REAL, 0, 0},
    [BURST_TIME] = {"Burst mean (ms)", WL_EXTRA_REAL, 0, 3},
};

/* Of one direction of a connection: kept with the first of its rows. */
typedef struct {
    GPtrArray *rows;
    double bytes, unique;
    unsigned since; /* records since the shares of all rows were set */
    unsigned closes;
    wl_row_t *burst; /* row of the last mapping */
    int64_t burst_ns;
} whole_t;

typedef struct {
    double bytes, unique, reinjected_to, reinjected_from, resent_bytes, burst_bytes, burst_ns;
    double share, share_all; /* of more than FEW rows, in percent */
    uint32_t bursts;
    wl_mp_tcp_t counts;
    wl_mp_times_t tcp, dack;
    whole_t *whole;
    bool leads; /* owns `whole` */
} state_t;

static void state_free(void *data)
{
    state_t *state = data;

    wl_summary_free(state->tcp.summary);
    wl_summary_free(state->dack.summary);
    if (state->leads) {
        g_ptr_array_free(state->whole->rows, TRUE);
        g_free(state->whole);
    }
    g_free(state);
}

static state_t *state_of(wl_row_t *row)
{
    return wl_table_row_data_full(row, sizeof(state_t), state_free);
}

/* Numbers under which rows are remembered. */
static uint32_t row_number(const wl_mp_subflow_t *subflow, bool placed, unsigned side)
{
    return subflow->index * 6 + placed * 2 + side;
}

static uint32_t whole_number(const wl_mp_connection_t *connection, unsigned side)
{
    return connection->number * 6 + 4 + side;
}

static wl_row_t *add_row(wl_table_t *table, const wl_mp_subflow_t *subflow, bool placed,
                         unsigned side)
{
    const wl_mp_connection_t *connection = placed ? subflow->connection : NULL;
    char number[2][12] = {"-", "-"}, end[2][64];
    unsigned direction;
    wl_row_key_t key = {.text = {number[0], number[1], end[0], end[1]}, .rank = UINT32_MAX - 1};
    wl_row_t *row;

    if (placed) {
        g_snprintf(number[0], sizeof number[0], "%u", connection->number);
        g_snprintf(number[1], sizeof number[1], "%u", subflow->number);
        key.rank = MIN(connection->number, 1u << 16) << 15 |
                   MIN(subflow->number, (1u << 14) - 1) << 1 | side;
    }
    /* Of two, the side of a direction is also the direction of a side. */
    direction = placed ? subflow->side[side] : side;
    wl_mp_end_text(subflow, direction, end[0], sizeof end[0]);
    wl_mp_end_text(subflow, !direction, end[1], sizeof end[1]);
    row = wl_table_row(table, &key);
    wl_table_set_uint(table, row, STREAM, subflow->stream);
    if (placed) {
        wl_table_set_text(table, row, PATH, wl_mptcp_path(subflow));
    }
    return row;
}

static double share_of(double part, double whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

static void set_share(wl_table_t *table, wl_row_t *row)
{
    state_t *state = state_of(row);
    const whole_t *whole = state->whole;

    state->share = share_of(state->unique, whole->unique);
    state->share_all = share_of(state->bytes, whole->bytes);
    wl_table_changed(table, row);
}

static void set_shares(wl_table_t *table, whole_t *whole)
{
    whole->since = 0;
    for (unsigned i = 0; i < whole->rows->len; i++) {
        set_share(table, g_ptr_array_index(whole->rows, i));
    }
}

static void add_to_whole(wl_table_t *table, wl_row_t *row, const wl_mp_connection_t *connection,
                         unsigned side)
{
    uint32_t number = whole_number(connection, side);
    wl_row_t *first = wl_table_remembered(table, number);
    state_t *state = state_of(row);

    if (state->whole != NULL) {
        return; /* the row (other) */
    }
    if (first == NULL) {
        wl_table_remember(table, number, row);
        state->leads = true;
        state->whole = g_new0(whole_t, 1);
        state->whole->rows = g_ptr_array_new();
    } else {
        state->whole = state_of(first)->whole;
    }
    if (state->whole->rows->len == FEW) {
        set_shares(table, state->whole); /* until now they followed from the sums when written */
    }
    g_ptr_array_add(state->whole->rows, row);
}

WL_RARE static wl_row_t *new_row(wl_table_t *table, const wl_mp_subflow_t *subflow, bool placed,
                                 unsigned side)
{
    wl_row_t *row = add_row(table, subflow, placed, side);

    wl_table_remember(table, row_number(subflow, placed, side), row);
    if (placed) {
        add_to_whole(table, row, subflow->connection, side);
    }
    return row;
}

static wl_row_t *row_of(wl_table_t *table, const wl_mp_subflow_t *subflow, bool placed,
                        unsigned side)
{
    wl_row_t *row = wl_table_remembered(table, row_number(subflow, placed, side));

    return row != NULL ? row : new_row(table, subflow, placed, side);
}

static void write_shares(wl_table_t *table, wl_row_t *row, state_t *state)
{
    if (state->whole != NULL && state->whole->rows->len <= FEW) {
        state->share = share_of(state->unique, state->whole->unique);
        state->share_all = share_of(state->bytes, state->whole->bytes);
    }
    wl_table_set_real(table, row, SHARE, state->share);
    wl_table_set_real(table, row, SHARE_ALL, state->share_all);
}

static void write_bursts(wl_table_t *table, wl_row_t *row, const state_t *state)
{
    if (state->bursts > 0) {
        wl_table_set_uint(table, row, BURSTS, state->bursts);
        wl_table_set_real(table, row, BURST_BYTES, state->burst_bytes / state->bursts);
        wl_table_set_real(table, row, BURST_TIME, state->burst_ns / state->bursts / 1e6);
    }
}

static void write(wl_table_t *table, wl_row_t *row)
{
    static const wl_mp_tcp_t columns = {PACKETS, RESENT, OUT_OF_ORDER, RESETS};
    state_t *state = state_of(row);

    wl_mp_write_tcp(table, row, &state->counts, &columns);
    wl_mp_write_times(table, row, TCP_RTT, &state->tcp);
    wl_mp_write_times(table, row, DACK_RTT, &state->dack);
    wl_table_set_real(table, row, BYTES, state->bytes);
    wl_table_set_real(table, row, UNIQUE, state->unique);
    wl_table_set_real(table, row, REINJECTED_TO, state->reinjected_to);
    wl_table_set_real(table, row, REINJECTED_FROM, state->reinjected_from);
    wl_table_set_real(table, row, MPTCP_RESENT, state->resent_bytes);
    write_bursts(table, row, state);
    write_shares(table, row, state);
}

/* Something that may be the end. Of thousands of subflows that are reset one after the other, each
 * would cost a walk over all. */
static void close_shares(wl_table_t *table, whole_t *whole)
{
    if (whole->since > 0 && whole->closes++ < MAX_CLOSES) {
        set_shares(table, whole);
    }
}

static void take_data(wl_table_t *table, wl_row_t *row, const wl_mp_item_t *item)
{
    state_t *state = state_of(row);
    whole_t *whole = state->whole;

    state->bytes += item->aux;
    state->unique += (double)item->value;
    whole->bytes += item->aux;
    whole->unique += (double)item->value;
    if (whole->rows->len <= FEW) {
        for (unsigned i = 0; !wl_table_is_put_off(table) && i < whole->rows->len; i++) {
            row = g_ptr_array_index(whole->rows, i);
            write_shares(table, row, state_of(row));
        }
    } else if (++whole->since >= whole->rows->len) {
        set_shares(table, whole);
    } else {
        set_share(table, row);
    }
}

/* A burst is a run of mappings on one subflow; its time is that from its first to its last. */
static void take_mapping(wl_row_t *row, const wl_mp_context_t *context, int64_t bytes)
{
    state_t *state = state_of(row);
    whole_t *whole = state->whole;

    if (whole->burst == row) {
        state->burst_ns += (double)(context->time_ns - whole->burst_ns);
    } else {
        state->bursts++;
    }
    whole->burst = row;
    whole->burst_ns = context->time_ns;
    state->burst_bytes += (double)bytes;
}

WL_RARE static void take_copy(wl_table_t *table, wl_row_t *row, const wl_mp_context_t *context,
                              const wl_mp_item_t *item)
{
    state_t *state = state_of(row);
    uint32_t original;
    wl_row_t *from;

    if ((item->flags & WL_MP_KIND) == WL_MP_RESENT) {
        state->resent_bytes += item->aux;
    }
    if ((item->flags & WL_MP_KIND) != WL_MP_REINJECTED) {
        return;
    }
    state->reinjected_to += item->aux;
    if (wl_mp_log_side(wl_mptcp_log(context->record->mptcp), item->frame, &original)) {
        from = row_of(table, wl_mptcp_subflow(context->record->mptcp, original >> 2), true,
                      context->side);
        state_of(from)->reinjected_from += item->aux;
        wl_table_changed(table, from);
    }
}

/* What both rows of a subflow have. */
WL_RARE static void set_both(wl_table_t *table, const wl_mp_context_t *context, unsigned extra,
                             int64_t time_ns)
{
    for (unsigned side = 0; side < 2; side++) {
        wl_table_set_real(table, row_of(table, context->subflow, true, side), extra,
                          (double)time_ns / 1e6);
    }
}

static void set_backup(wl_table_t *table, const wl_mp_subflow_t *subflow, bool backup)
{
    for (unsigned side = 0; side < 2; side++) {
        wl_table_set_text(table, row_of(table, subflow, true, side), BACKUP, backup ? "yes" : "");
    }
}

WL_RARE static void take_event(wl_table_t *table, const wl_mp_context_t *context,
                               const wl_mp_item_t *item)
{
    uint32_t detail = item->aux >> 8;
    wl_row_t *row = row_of(table, context->subflow, true, context->side);

    switch ((wl_mp_event_t)(item->aux & 0xff)) {
    case WL_MP_EVENT_JOIN:
        set_backup(table, context->subflow, detail);
        break;
    case WL_MP_EVENT_PRIO:
        if (detail >> 1 < context->connection->subflows->len) {
            set_backup(table, g_ptr_array_index(context->connection->subflows, detail >> 1),
                       detail & 1);
        }
        break;
    case WL_MP_EVENT_DATA_FIN_ACKED:
    case WL_MP_EVENT_FASTCLOSE:
    case WL_MP_EVENT_RESET:
    case WL_MP_EVENT_TCPRST:
        close_shares(table, state_of(row)->whole);
        close_shares(table, state_of(row_of(table, context->subflow, true, !context->side))->whole);
        break;
    default:
        break;
    }
}

static void take_round_trip(wl_table_t *table, const wl_mp_context_t *context,
                            const wl_mp_item_t *item)
{
    unsigned side = wl_mp_data_side(context, item);
    wl_row_t *row;

    if (item->aux < context->connection->subflows->len) {
        row =
            row_of(table, g_ptr_array_index(context->connection->subflows, item->aux), true, side);
        wl_mp_add_time(&state_of(row)->dack, item->value);
        wl_table_changed(table, row);
    }
}

/* Kinds of items that change nothing here, half of all; their frame's row is there. */
#define OTHERS (1u << WL_MP_ACKED | 1u << WL_MP_MAP_RTT | 1u << WL_MP_WAITS | 1u << WL_MP_RELEASED)

static void take_item(wl_table_t *table, const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    wl_row_t *row;

    if ((OTHERS >> item->kind & 1) && context->frame == context->record->frame) {
        return;
    }
    row = row_of(table, context->subflow, true, context->side);
    wl_table_changed(table, row);
    switch ((wl_mp_item_kind_t)item->kind) {
    case WL_MP_DATA:
        take_data(table, row, item);
        if (item->flags & WL_MP_IS_MAPPING) {
            take_mapping(row, context, item->aux);
        }
        break;
    case WL_MP_MAPPING:
        take_mapping(row, context, item->value);
        break;
    case WL_MP_DUPLICATE:
        take_copy(table, row, context, item);
        break;
    case WL_MP_DACK_RTT:
        take_round_trip(table, context, item);
        break;
    case WL_MP_JOIN_DELAY:
        set_both(table, context, JOIN_DELAY, item->value);
        break;
    case WL_MP_SYNACK_TIME:
        set_both(table, context, HANDSHAKE, item->value);
        break;
    case WL_MP_HANDSHAKE_TIME:
    case WL_MP_JOIN_TIME:
        set_both(table, context, JOIN_TIME, item->value);
        break;
    case WL_MP_FIRST_DATA_DELAY:
        set_both(table, context, FIRST_DATA, item->value);
        break;
    case WL_MP_EVENT:
        take_event(table, context, item);
        break;
    default:
        break;
    }
}

/* What TCP tells of the frame itself. */
static void take_path(wl_table_t *table, const wl_mp_record_t *record, bool placed)
{
    const wl_path_record_t *path = record->path;
    unsigned side = placed ? record->subflow->side[record->direction] : record->direction;
    wl_row_t *row = row_of(table, record->subflow, placed, side), *other;

    wl_mp_count_tcp(&state_of(row)->counts, path);
    wl_table_changed(table, row);
    if (path != NULL && (path->flags & WL_PATH_SAMPLE)) {
        /* An ACK tells of the data that goes the other way. */
        other = row_of(table, record->subflow, placed, !side);
        wl_mp_add_time(&state_of(other)->tcp, path->rtt_ns);
        wl_table_changed(table, other);
    }
}

static bool is_apart(wl_table_t *table, const wl_mp_record_t *record)
{
    for (unsigned i = 0; i < record->count; i++) {
        if (record->items[i].kind == WL_MP_EVENT &&
            (record->items[i].aux & 0xff) == WL_MP_EVENT_APART) {
            return true;
        }
    }
    return wl_table_remembered(table, row_number(record->subflow, false, 0)) != NULL ||
           wl_table_remembered(table, row_number(record->subflow, false, 1)) != NULL;
}

static void take(wl_table_t *table, const void *data, packet_info *pinfo _U_)
{
    const wl_mp_record_t *record = data;
    const wl_mp_item_t *item;
    wl_mp_context_t context;

    wl_mp_context_init(&context, record);
    if (context.connection != NULL || is_apart(table, record)) {
        take_path(table, record, context.connection != NULL);
    }
    while ((item = wl_mp_context_next(&context)) != NULL) {
        if (context.connection != NULL) {
            take_item(table, &context, item);
        }
    }
}

void wl_mptcp_subflows_register(void)
{
    static const wl_table_def_t def = {
        .title = "MPTCP Subflows",
        .cli = "mptcp,subflows",
        .tap = "wirelat.mptcp",
        .keys = {"Connection", "Subflow", "From", "To"},
        .number_keys = 1u << 0 | 1u << 1,
        .key_widths = {0, 0, 21, 21},
        .extras = extras,
        .extra_count = G_N_ELEMENTS(extras),
        .without_latency = true,
        .take = take,
        .write = write,
    };

    wl_table_register(&def);
}
