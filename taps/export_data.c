/* export_data.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export_data.h"

#include "mptcp_take.h"

struct wl_data_lines {
    GArray *lines; /* wl_data_line_t */
    const wl_mptcp_t *mptcp;
};

wl_data_lines_t *wl_data_lines_new(void)
{
    wl_data_lines_t *lines = g_new0(wl_data_lines_t, 1);

    lines->lines = g_array_new(FALSE, FALSE, sizeof(wl_data_line_t));
    return lines;
}

void wl_data_lines_free(wl_data_lines_t *lines)
{
    if (lines != NULL) {
        g_array_free(lines->lines, TRUE);
    }
    g_free(lines);
}

void wl_data_lines_clear(wl_data_lines_t *lines)
{
    g_array_set_size(lines->lines, 0);
    lines->mptcp = NULL;
}

bool wl_data_lines_take(wl_data_lines_t *lines, const wl_mp_record_t *record)
{
    wl_mp_context_t context;
    const wl_mp_item_t *item;
    uint32_t last = 0;

    wl_mp_context_init(&context, record);
    lines->mptcp = record->mptcp;
    while ((item = wl_mp_context_next(&context)) != NULL) {
        wl_data_line_t line = {.time_ns = context.time_ns,
                               .dack_rtt_ns = WL_NO_TIME,
                               .hol_ns = WL_NO_TIME,
                               .duplicate_delay_ns = WL_NO_TIME,
                               .subflow = context.subflow,
                               .frame = context.frame,
                               .to_client = context.side == 1};

        if (item->kind == WL_MP_DATA && context.connection != NULL && context.frame != last) {
            last = context.frame;
            g_array_append_val(lines->lines, line);
        }
    }
    return last != 0;
}

static gint frame_compare(gconstpointer a, gconstpointer b)
{
    const wl_data_line_t *first = a, *second = b;

    return first->frame < second->frame ? -1 : first->frame > second->frame;
}

static wl_data_line_t *line_of(const wl_data_lines_t *lines, uint32_t frame)
{
    wl_data_line_t wanted = {.frame = frame};
    guint at;

    return g_array_binary_search(lines->lines, &wanted, frame_compare, &at)
               ? &g_array_index(lines->lines, wl_data_line_t, at)
               : NULL;
}

static void add_duplicate(wl_data_line_t *line, const wl_mp_item_t *item)
{
    if (line->duplicate == 0) {
        line->duplicate = item->flags & WL_MP_KIND;
        line->original = item->frame;
        line->duplicate_delay_ns = item->value;
    }
    line->useful |= (item->flags & WL_MP_USEFUL) != 0;
    line->repeated += item->aux;
}

/* What an item says of a line: of its own frame's, or of one that it names. */
static void apply(wl_data_lines_t *lines, const wl_mp_context_t *context, const wl_mp_item_t *item)
{
    bool names = item->kind == WL_MP_DACK_RTT || item->kind == WL_MP_RELEASED;
    wl_data_line_t *line = line_of(lines, names ? item->frame : context->frame);

    if (line == NULL) {
        return;
    }
    switch (item->kind) {
    case WL_MP_DATA:
        line->unique = (uint32_t)item->value;
        line->bytes = item->aux;
        break;
    case WL_MP_DUPLICATE:
        add_duplicate(line, item);
        break;
    case WL_MP_WAITS:
        line->waits = true;
        line->waiting = (uint32_t)MIN(item->value, UINT32_MAX);
        break;
    case WL_MP_DACK_RTT:
        line->dack_rtt_ns = item->value;
        line->dack_frame = context->frame;
        line->dack_subflow = context->subflow->number;
        break;
    case WL_MP_RELEASED:
        /* A segment may be released in parts: its first byte counts. */
        line->hol_ns = line->hol_ns == WL_NO_TIME ? item->value : line->hol_ns;
        break;
    default:
        break;
    }
}

/* A window asks for the lines time and again. */
static void clean(wl_data_line_t *line)
{
    line->hol_ns = WL_NO_TIME;
    line->duplicate = 0;
    line->repeated = 0;
    line->useful = false;
}

static void sort(GArray *lines)
{
    unsigned kept = 0;

    g_array_sort(lines, frame_compare);
    for (unsigned i = 0; i < lines->len; i++) {
        wl_data_line_t *line = &g_array_index(lines, wl_data_line_t, i);

        if (kept == 0 || g_array_index(lines, wl_data_line_t, kept - 1).frame != line->frame) {
            clean(line);
            g_array_index(lines, wl_data_line_t, kept++) = *line;
        }
    }
    g_array_set_size(lines, kept);
}

static void apply_frame(wl_data_lines_t *lines, wl_mp_log_t *log, uint32_t frame)
{
    wl_mp_record_t record = {.mptcp = lines->mptcp, .frame = frame};
    wl_mp_context_t context;
    const wl_mp_item_t *item;
    wl_mp_logged_t logged;

    if (!wl_mp_log_find(log, frame, &logged)) {
        return;
    }
    record.items = logged.items;
    record.count = logged.count;
    record.subflow = wl_mptcp_subflow(lines->mptcp, logged.side >> 2);
    record.direction = logged.side >> 1 & 1;
    record.placed = logged.side & 1;
    wl_mp_context_init(&context, &record);
    while ((item = wl_mp_context_next(&context)) != NULL) {
        apply(lines, &context, item);
    }
}

const wl_data_line_t *wl_data_lines_finish(wl_data_lines_t *lines, unsigned *count)
{
    wl_mp_log_t *log = lines->lines->len > 0 ? wl_mptcp_log(lines->mptcp) : NULL;

    sort(lines->lines);
    for (uint32_t frame = log != NULL ? wl_mp_log_next(log, 0) : 0; frame != 0;
         frame = wl_mp_log_next(log, frame)) {
        apply_frame(lines, log, frame);
    }
    *count = lines->lines->len;
    return (const wl_data_line_t *)(void *)lines->lines->data;
}

/* Columns. */

static bool get_protocol(const wl_data_line_t *line, wl_value_t *value)
{
    (void)line;
    value->text = "mptcp";
    return true;
}

static bool get_exchange(const wl_data_line_t *line, wl_value_t *value)
{
    (void)line;
    value->text = "Data segment";
    return true;
}

static bool get_frame(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->frame, value);
}

static bool get_dack_frame(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->dack_frame, value) && line->dack_frame != 0;
}

static bool get_time(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->time_ns, value);
}

static bool get_stream(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->subflow->stream, value);
}

static bool get_connection(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->subflow->connection->number, value);
}

static bool get_subflow(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->subflow->number, value);
}

static bool get_path(const wl_data_line_t *line, wl_value_t *value)
{
    value->text = wl_mptcp_path(line->subflow);
    return true;
}

static bool get_to_client(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->to_client, value);
}

static bool get_bytes(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->bytes, value);
}

static bool get_unique(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->unique, value);
}

static bool get_duplicate(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->duplicate, value) && line->duplicate != 0;
}

static bool get_original(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->original, value) && line->original != 0;
}

static bool get_delay(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->duplicate_delay_ns, value) && line->duplicate != 0 &&
           line->duplicate_delay_ns != WL_MP_VALUE_MAX;
}

static bool get_repeated(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->repeated, value) && line->duplicate != 0;
}

static bool get_useful(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->useful, value) && line->duplicate != 0;
}

static bool get_dack_rtt(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->dack_rtt_ns, value) && line->dack_rtt_ns != WL_NO_TIME;
}

static bool get_dack_subflow(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->dack_subflow, value) && line->dack_rtt_ns != WL_NO_TIME;
}

static bool get_hol(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->hol_ns, value) && line->hol_ns != WL_NO_TIME;
}

static bool get_waiting(const wl_data_line_t *line, wl_value_t *value)
{
    return wl_value_integer(line->waiting, value) && line->waits;
}

const wl_data_column_t *wl_export_data_columns(unsigned *count)
{
    static const wl_data_column_t columns[] = {
        {"protocol", FT_STRING, NULL, get_protocol},
        {"exchange", FT_STRING, NULL, get_exchange},
        {"request_frame", FT_UINT32, NULL, get_frame},
        {"answer_frame", FT_UINT32, NULL, get_dack_frame},
        {"request_first", FT_ABSOLUTE_TIME, NULL, get_time},
        {"request_last", FT_ABSOLUTE_TIME, NULL, get_time},
        {"stream", FT_UINT32, NULL, get_stream},
        {"size", FT_UINT32, NULL, get_bytes},
        {"connection", FT_UINT32, NULL, get_connection},
        {"subflow", FT_UINT32, NULL, get_subflow},
        {"path", FT_STRING, NULL, get_path},
        {"to_client", FT_BOOLEAN, NULL, get_to_client},
        {"unique_bytes", FT_UINT32, NULL, get_unique},
        {"duplicate", FT_UINT8, wl_mptcp_duplicates, get_duplicate},
        {"original", FT_UINT32, NULL, get_original},
        {"duplicate_delay", FT_RELATIVE_TIME, NULL, get_delay},
        {"duplicate_bytes", FT_UINT32, NULL, get_repeated},
        {"duplicate_useful", FT_BOOLEAN, NULL, get_useful},
        {"dack_rtt", FT_RELATIVE_TIME, NULL, get_dack_rtt},
        {"dack_subflow", FT_UINT32, NULL, get_dack_subflow},
        {"hol_delay", FT_RELATIVE_TIME, NULL, get_hol},
        {"reorder_bytes", FT_UINT32, NULL, get_waiting},
    };

    *count = G_N_ELEMENTS(columns);
    return columns;
}
