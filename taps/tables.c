/* tables.c
 * Rows, cells and their order, on Wireshark's stat_tap_table_ui.
 *
 * Wireshark's table is a list of cell arrays ("slots") that an open window points into for good.
 * So slots never move nor go away: where a new row belongs between others, the contents of the
 * slots behind it move down by one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tables.h"

#include "../plugin/compat.h"
#include "../plugin/hash.h"
#include "../plugin/postdissect.h"
#include <epan/prefs.h>
#include <epan/stat_tap_ui.h>
#include <epan/tap.h>
#include <math.h>

#include "deferred.h"
#include "summary.h"

/* Beyond this many rows new ones are appended: keeping order would cost the square of them. */
#define MAX_SORTED_ROWS 1000
/* Longer names are cut in tables (not in fields): a window with 64 kB cells is of no use. */
#define MAX_TEXT 200

/* Of a key that is a number: the digits of the largest, and room in the longest header for the arrow of
 * a window that sorts by it. */
#define NUMBER_WIDTH 12

#define LATENCY_COLUMNS 10
#define REQUEST_COLUMNS 3 /* of those */
#define PART_COLUMNS 3
#define KNOWN_BITS 11

static const struct {
    const char *header;
    bool is_time;
    int width;
} latency_columns[LATENCY_COLUMNS] = {
    {"Requests", false, 8},  {"Answered", false, 8}, {"Open", false, 6},     {"Min (ms)", true, 10},
    {"Mean (ms)", true, 10}, {"SD (ms)", true, 10},  {"p50 (ms)", true, 10}, {"p95 (ms)", true, 10},
    {"p99 (ms)", true, 10},  {"Max (ms)", true, 10},
};

static const stat_tap_table_item_enum extra_types[] = {
    [WL_EXTRA_UINT] = TABLE_ITEM_UINT,
    [WL_EXTRA_REAL] = TABLE_ITEM_FLOAT,
    [WL_EXTRA_TEXT] = TABLE_ITEM_STRING,
};

static const char *const count_headers[WL_COUNT_MAX] = {
    [WL_COUNT_LATE] = "Late",
    [WL_COUNT_RETRIES] = "Retries",
    [WL_COUNT_DUPLICATES] = "Duplicates",
    [WL_COUNT_ORPHANS] = "Orphans",
    [WL_COUNT_REUSED] = "Reused ids",
};

struct wl_row {
    char *key; /* its texts, joined: identity and order */
    const char *text[WL_MAX_KEYS];
    uint32_t rank;
    unsigned slot;
    bool is_changed; /* its cells are to be written */
    uint32_t requests, answered, open;
    uint32_t counts[WL_COUNT_MAX];
    wl_summary_t *summary;
    wl_summary_t *parts[WL_MAX_PARTS]; /* as far as the table has any */
    stat_tap_table_item_type *extras;
    void *data;
    void (*free_data)(void *data);
};

struct wl_table {
    stat_tap_table_ui ui; /* first: Wireshark hands it back to us */
    const wl_table_def_t *def;
    unsigned keys, parts;
    GHashTable *rows;      /* key -> wl_row_t */
    GPtrArray *by_slot;    /* wl_row_t */
    GPtrArray *slots;      /* stat_tap_table_item_type *: every slot ever made, NULL once freed */
    GPtrArray *changed;    /* wl_row_t: by the record in hand */
    GStringChunk *text;    /* of cells; lives as long as a window may show them */
    GHashTable *texts;     /* what is in it */
    GByteArray *asked;     /* a bit per exchange: its request was counted */
    GPtrArray *remembered; /* wl_row_t, by the table's own numbers */
    wl_deferred_calls_t deferred;
    bool is_put_off; /* cells are not written: the rows are ahead of them */
    struct {
        uint64_t number;
        wl_row_t *row;
    } known[1u << KNOWN_BITS]; /* by a hash of the number; a later one takes the place */
};

static unsigned pref_max_rows = 10000;
static unsigned pref_late_after_s = 30;

int64_t wl_tables_late_after(void)
{
    return (int64_t)pref_late_after_s * 1000000000;
}

void wl_tables_register_prefs(struct pref_module *module)
{
    prefs_register_uint_preference(
        module, "table_rows", "Most rows of a table",
        "Rows a statistics table may grow to; what comes after is summed up in the row (other).",
        10, &pref_max_rows);
    prefs_register_uint_preference(module, "late_after", "Late after (seconds)",
                                   "Answers that took longer are counted in the column Late.", 10,
                                   &pref_late_after_s);
    wl_mqtt_publish_tables_register_prefs(module);
}

static void row_free(gpointer pointer)
{
    wl_row_t *row = pointer;

    wl_summary_free(row->summary);
    for (unsigned i = 0; i < WL_MAX_PARTS; i++) {
        wl_summary_free(row->parts[i]);
    }
    g_free(row->extras);
    if (row->data != NULL) {
        row->free_data(row->data);
    }
    g_free(row->key);
    g_free(row);
}

static unsigned column_count(const wl_table_t *table)
{
    return (unsigned)table->ui.nfields;
}

static void set_uint(stat_tap_table_item_type *cell, uint32_t value)
{
    cell->type = TABLE_ITEM_UINT;
    cell->value.uint_value = value;
}

static void set_ms(stat_tap_table_item_type *cell, double ns)
{
    cell->type = TABLE_ITEM_FLOAT;
    cell->value.float_value = ns / 1e6;
}

/* Each group of a row's cells is written by itself: most records change one or two of them. */
static stat_tap_table_item_type *cells_of(const wl_table_t *table, const wl_row_t *row)
{
    return g_ptr_array_index(table->slots, row->slot);
}

static void write_requests(const wl_table_t *table, const wl_row_t *row)
{
    stat_tap_table_item_type *cell = cells_of(table, row) + table->keys;

    if (!table->def->without_latency && !table->is_put_off) {
        set_uint(cell++, row->requests);
        set_uint(cell++, row->answered);
        set_uint(cell, row->open);
    }
}

static void write_times(const wl_table_t *table, const wl_row_t *row)
{
    stat_tap_table_item_type *cell = cells_of(table, row) + table->keys + REQUEST_COLUMNS;
    wl_summary_t *summary = row->summary;

    if (!table->def->without_latency && !table->is_put_off) {
        set_ms(cell++, (double)wl_summary_min(summary));
        set_ms(cell++, wl_summary_mean_ns(summary));
        set_ms(cell++, wl_summary_sd_ns(summary));
        set_ms(cell++, (double)wl_summary_percentile(summary, WL_P50));
        set_ms(cell++, (double)wl_summary_percentile(summary, WL_P95));
        set_ms(cell++, (double)wl_summary_percentile(summary, WL_P99));
        set_ms(cell, (double)wl_summary_max(summary));
    }
}

static unsigned first_part(const wl_table_t *table)
{
    return table->keys + (table->def->without_latency ? 0 : LATENCY_COLUMNS);
}

static void write_part(const wl_table_t *table, const wl_row_t *row, unsigned part)
{
    stat_tap_table_item_type *cell = cells_of(table, row) + first_part(table) + part * PART_COLUMNS;

    if (table->is_put_off) {
        return;
    }
    set_ms(cell++, wl_summary_mean_ns(row->parts[part]));
    set_ms(cell++, (double)wl_summary_percentile(row->parts[part], WL_P95));
    set_ms(cell, (double)wl_summary_max(row->parts[part]));
}

static unsigned first_extra(const wl_table_t *table)
{
    return first_part(table) + table->parts * PART_COLUMNS;
}

static void write_extra(const wl_table_t *table, const wl_row_t *row, unsigned extra)
{
    if (!table->is_put_off) {
        cells_of(table, row)[first_extra(table) + extra] = row->extras[extra];
    }
}

static void write_count(const wl_table_t *table, const wl_row_t *row, wl_count_t what)
{
    unsigned at = first_extra(table) + table->def->extra_count;

    for (unsigned i = 0; i < (unsigned)what; i++) {
        at += (table->def->counts & 1u << i) != 0;
    }
    if ((table->def->counts & 1u << what) && !table->is_put_off) {
        set_uint(cells_of(table, row) + at, row->counts[what]);
    }
}

static void write_all(const wl_table_t *table, const wl_row_t *row)
{
    stat_tap_table_item_type *cell = cells_of(table, row);

    for (unsigned i = 0; i < table->keys; i++, cell++) {
        cell->type = TABLE_ITEM_STRING;
        cell->value.string_value = row->text[i];
    }
    write_requests(table, row);
    write_times(table, row);
    for (unsigned i = 0; i < table->parts; i++) {
        write_part(table, row, i);
    }
    for (unsigned i = 0; i < table->def->extra_count; i++) {
        write_extra(table, row, i);
    }
    for (unsigned i = 0; i < WL_COUNT_MAX; i++) {
        write_count(table, row, (wl_count_t)i);
    }
}

/* Makes the next slot part of Wireshark's table; its memory may be left from before a reset. */
static void slot_add(wl_table_t *table)
{
    stat_tap_table *shown = g_array_index(table->ui.tables, stat_tap_table *, 0);
    unsigned index = shown->num_elements;

    if (index == table->slots->len) {
        g_ptr_array_add(table->slots, NULL);
    }
    if (g_ptr_array_index(table->slots, index) == NULL) {
        g_ptr_array_index(table->slots, index) =
            g_new0(stat_tap_table_item_type, column_count(table));
    }
    shown->elements = g_renew(stat_tap_table_item_type *, shown->elements, index + 1);
    shown->elements[index] = g_ptr_array_index(table->slots, index);
    shown->num_elements = index + 1;
}

static int row_compare(const wl_row_t *a, const wl_row_t *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    return strcmp(a->key, b->key);
}

static void row_place(wl_table_t *table, wl_row_t *row)
{
    unsigned at = table->by_slot->len;

    slot_add(table);
    g_ptr_array_add(table->by_slot, row);
    if (at < MAX_SORTED_ROWS) {
        for (; at > 0; at--) {
            wl_row_t *above = g_ptr_array_index(table->by_slot, at - 1);
            if (row_compare(above, row) <= 0) {
                break;
            }
            g_ptr_array_index(table->by_slot, at) = above;
            above->slot = at;
            memcpy(g_ptr_array_index(table->slots, at), g_ptr_array_index(table->slots, at - 1),
                   column_count(table) * sizeof(stat_tap_table_item_type));
        }
        g_ptr_array_index(table->by_slot, at) = row;
    }
    row->slot = at;
}

/* The text as it is shown: itself, or cut in the buffer. */
static const char *shown_text(const char *text, char cut[MAX_TEXT + 4])
{
    const char *end;

    if (text == NULL) {
        text = "";
    }
    if (strlen(text) > MAX_TEXT) {
        /* Not in the middle of a UTF-8 character: the GUI would show none of it. */
        end = g_utf8_find_prev_char(text, text + MAX_TEXT + 1);
        g_snprintf(cut, MAX_TEXT + 4, "%.*s...", (int)(end - text), text);
        text = cut;
    }
    return text;
}

/* The text of a key column. */
static const char *shown_key(const wl_table_t *table, unsigned column, const char *text,
                             char cut[MAX_TEXT + 4])
{
    if (text == NULL || !(table->def->number_keys & 1u << column)) {
        return shown_text(text, cut);
    }
    g_snprintf(cut, MAX_TEXT + 4, "%*s", NUMBER_WIDTH, text);
    return cut;
}

/* A copy of a cell's text that stays. */
static const char *keep_text(wl_table_t *table, const char *text)
{
    char *kept = g_hash_table_lookup(table->texts, text);

    if (kept == NULL) {
        kept = g_string_chunk_insert(table->text, text);
        g_hash_table_add(table->texts, kept);
    }
    return kept;
}

static wl_row_t *find_or_add_row(wl_table_t *table, const wl_row_key_t *key)
{
    static const wl_row_key_t other = {.text = {"(other)"}, .rank = UINT32_MAX};
    char joined[WL_MAX_KEYS * (MAX_TEXT + 8)] = "", cut[WL_MAX_KEYS][MAX_TEXT + 4];
    const char *text[WL_MAX_KEYS];
    wl_row_t *row;

    for (unsigned i = 0; i < table->keys; i++) {
        text[i] = shown_key(table, i, key->text[i], cut[i]);
        g_strlcat(joined, text[i], sizeof joined);
        g_strlcat(joined, "\x1f", sizeof joined);
    }
    row = g_hash_table_lookup(table->rows, joined);
    if (row != NULL) {
        return row;
    }
    if (table->by_slot->len >= MAX(pref_max_rows, 1) && key != &other) {
        return find_or_add_row(table, &other);
    }
    row = g_new0(wl_row_t, 1);
    row->key = g_strdup(joined);
    row->rank = key->rank;
    for (unsigned i = 0; i < table->keys; i++) {
        /* Only now: the names of what is summed up in (other) have no bound. */
        row->text[i] = keep_text(table, text[i]);
    }
    row->summary = wl_summary_new();
    for (unsigned i = 0; i < table->parts; i++) {
        row->parts[i] = wl_summary_new();
    }
    row->extras = g_new0(stat_tap_table_item_type, table->def->extra_count);
    for (unsigned i = 0; i < table->def->extra_count; i++) {
        row->extras[i].type = extra_types[table->def->extras[i].type];
        if (table->def->extras[i].type == WL_EXTRA_TEXT) {
            row->extras[i].value.string_value = "";
        }
    }
    g_hash_table_insert(table->rows, row->key, row);
    row_place(table, row);
    write_all(table, row);
    return row;
}

static unsigned known_at(uint64_t number)
{
    return (unsigned)(number * UINT64_C(0x9E3779B97F4A7C15) >> (64 - KNOWN_BITS));
}

/* What is known by a number of the open file: another file's numbers are others. */
static void numbers_clear(wl_table_t *table)
{
    g_byte_array_set_size(table->asked, 0);
    g_ptr_array_set_size(table->remembered, 0);
    memset(table->known, 0, sizeof table->known);
}

static void rows_clear(wl_table_t *table)
{
    g_hash_table_remove_all(table->rows);
    g_ptr_array_set_size(table->by_slot, 0);
    g_ptr_array_set_size(table->changed, 0);
    numbers_clear(table);
    table->is_put_off = false;
}

wl_row_t *wl_table_row(wl_table_t *table, const wl_row_key_t *key)
{
    wl_row_t *row = find_or_add_row(table, key);

    if (key->number != 0) {
        table->known[known_at(key->number)].number = key->number;
        table->known[known_at(key->number)].row = row;
    }
    return row;
}

wl_row_t *wl_table_known(const wl_table_t *table, uint64_t number)
{
    unsigned at = known_at(number);

    return table->known[at].number == number ? table->known[at].row : NULL;
}

wl_row_t *wl_table_remembered(const wl_table_t *table, uint32_t number)
{
    return number < table->remembered->len ? g_ptr_array_index(table->remembered, number) : NULL;
}

void wl_table_remember(wl_table_t *table, uint32_t number, wl_row_t *row)
{
    if (number >= table->remembered->len) {
        g_ptr_array_set_size(table->remembered, (gint)number + 1);
    }
    g_ptr_array_index(table->remembered, number) = row;
}

static bool asked_test(const wl_table_t *table, wl_exchange_id_t id)
{
    return id / 8 < table->asked->len && (table->asked->data[id / 8] & 1u << id % 8) != 0;
}

void wl_table_request(wl_table_t *table, wl_row_t *row, wl_exchange_id_t id)
{
    if (id / 8 >= table->asked->len) {
        guint old = table->asked->len;
        g_byte_array_set_size(table->asked, MAX(id / 8 + 1, old * 2));
        memset(table->asked->data + old, 0, table->asked->len - old);
    }
    table->asked->data[id / 8] |= (uint8_t)(1u << id % 8);
    row->requests++;
    row->open++;
    write_requests(table, row);
}

void wl_table_one_way(wl_table_t *table, wl_row_t *row)
{
    row->requests++;
    write_requests(table, row);
}

void wl_table_answer(wl_table_t *table, wl_row_t *row, wl_row_t *asked, wl_exchange_id_t id,
                     int64_t time_ns)
{
    if (asked_test(table, id)) {
        asked->open--;
        if (asked != row) {
            asked->requests--;
            row->requests++;
            write_requests(table, asked);
        }
    }
    row->answered++;
    if (time_ns != WL_NO_TIME) {
        wl_summary_add(row->summary, time_ns);
        write_times(table, row);
        if (time_ns > wl_tables_late_after()) {
            wl_table_count(table, row, WL_COUNT_LATE);
        }
    }
    write_requests(table, row);
}

void wl_table_part(wl_table_t *table, wl_row_t *row, int64_t time_ns)
{
    row->requests++;
    row->answered++;
    if (time_ns != WL_NO_TIME) {
        wl_summary_add(row->summary, time_ns);
        write_times(table, row);
    }
    write_requests(table, row);
}

void wl_table_count(wl_table_t *table, wl_row_t *row, wl_count_t what)
{
    row->counts[what]++;
    write_count(table, row, what);
}

void wl_table_sample(wl_table_t *table, wl_row_t *row, unsigned part, int64_t time_ns)
{
    wl_summary_add(row->parts[part], time_ns);
    write_part(table, row, part);
}

void wl_table_set_uint(wl_table_t *table, wl_row_t *row, unsigned extra, uint32_t value)
{
    if (row->extras[extra].value.uint_value != value) {
        row->extras[extra].value.uint_value = value;
        write_extra(table, row, extra);
    }
}

void wl_table_set_real(wl_table_t *table, wl_row_t *row, unsigned extra, double value)
{
    /* Most columns that `write` sets are as they were. */
    if (row->extras[extra].value.float_value != value) {
        row->extras[extra].value.float_value = value;
        write_extra(table, row, extra);
    }
}

void wl_table_set_text(wl_table_t *table, wl_row_t *row, unsigned extra, const char *value)
{
    char cut[MAX_TEXT + 4];

    row->extras[extra].value.string_value = keep_text(table, shown_text(value, cut));
    write_extra(table, row, extra);
}

void wl_table_set_times(wl_table_t *table, wl_row_t *row, unsigned extra, wl_summary_t *summary)
{
    static const wl_percentile_t percentiles[] = {WL_P50, WL_P95, WL_P99};
    stat_tap_table_item_type *cells = &row->extras[extra];

    cells[0].value.uint_value = (uint32_t)wl_summary_count(summary);
    cells[1].value.float_value = (double)wl_summary_min(summary) / 1e6;
    cells[2].value.float_value = wl_summary_mean_ns(summary) / 1e6;
    for (unsigned i = 0; i < G_N_ELEMENTS(percentiles); i++) {
        cells[3 + i].value.float_value =
            (double)wl_summary_percentile(summary, percentiles[i]) / 1e6;
    }
    cells[6].value.float_value = (double)wl_summary_max(summary) / 1e6;
    for (unsigned i = 0; i < WL_TIMES; i++) {
        write_extra(table, row, extra + i);
    }
}

bool wl_table_is_put_off(const wl_table_t *table)
{
    return table->is_put_off;
}

void wl_table_changed(wl_table_t *table, wl_row_t *row)
{
    if (!table->is_put_off && table->def->write != NULL && !row->is_changed) {
        row->is_changed = true;
        g_ptr_array_add(table->changed, row);
    }
}

void wl_table_row_counts(const wl_row_t *row, uint32_t *requests, uint32_t *answered)
{
    *requests = row->requests;
    *answered = row->answered;
}

void *wl_table_row_data_full(wl_row_t *row, size_t size, void (*free_data)(void *data))
{
    if (row->data == NULL) {
        row->data = g_malloc0(size);
        row->free_data = free_data != NULL ? free_data : g_free;
    }
    return row->data;
}

void *wl_table_row_data(wl_row_t *row, size_t size)
{
    return wl_table_row_data_full(row, size, NULL);
}

/* Wireshark's callbacks. */

static void table_start(wl_table_t *table)
{
    if (table->def->start != NULL) {
        table->def->start(table);
    }
}

static void table_init(stat_tap_table_ui *ui)
{
    /* Called again for each window and each new filter: one table serves them all. */
    if (stat_tap_find_table(ui, ui->title) == NULL) {
        stat_tap_add_table(ui, stat_tap_init_table(ui->title, (int)ui->nfields, 0, NULL));
        table_start((wl_table_t *)ui);
    }
}

/* Sets what `take` has left. */
static void write_own(wl_table_t *table, wl_row_t *row)
{
    if (table->def->write != NULL) {
        table->def->write(table, row);
    }
}

static void take_deferred(const void *record, void *table)
{
    ((wl_table_t *)table)->def->take(table, record, NULL);
}

static void write_deferred(void *user)
{
    wl_table_t *table = user;

    table->is_put_off = false;
    for (unsigned i = 0; i < table->by_slot->len; i++) {
        wl_row_t *row = g_ptr_array_index(table->by_slot, i);

        write_own(table, row);
        write_all(table, row);
    }
    table->is_put_off = true;
}

/* What was looked up in the open file is written while it is there. */
static void close_deferred(void *user)
{
    wl_table_t *table = user;

    for (unsigned i = 0; i < table->by_slot->len; i++) {
        write_own(table, g_ptr_array_index(table->by_slot, i));
    }
    numbers_clear(table);
}

static void take_now(wl_table_t *table, const void *record, packet_info *pinfo)
{
    table->def->take(table, record, pinfo);
    for (unsigned i = 0; i < table->changed->len; i++) {
        wl_row_t *row = g_ptr_array_index(table->changed, i);

        row->is_changed = false;
        write_own(table, row);
    }
    g_ptr_array_set_size(table->changed, 0);
}

static tap_packet_status table_packet(void *data, packet_info *pinfo, epan_dissect_t *edt _U_,
                                      const void *record, tap_flags_t flags _U_)
{
    wl_table_t *table = (wl_table_t *)((stat_data_t *)data)->stat_tap_data;

    if (!table->is_put_off) {
        wl_deferral_t deferral = wl_deferred_join(&table->deferred, record, table);

        table->is_put_off = deferral != WL_DEFERS_NOTHING;
        if (deferral == WL_DEFERS_RECORDS) {
            return TAP_PACKET_FAILED; /* in name: the table is called no more */
        }
    }
    take_now(table, record, pinfo);
    return TAP_PACKET_REDRAW;
}

static wl_table_t *table_of(const stat_tap_table *shown);

/* Rows go, slots stay: a second window of the same table still points into them. */
static void table_reset(stat_tap_table *shown)
{
    wl_table_t *table = table_of(shown);

    shown->num_elements = 0;
    rows_clear(table);
    table_start(table);
}

/* The last window is gone and Wireshark frees the slots in use: forget them. */
static void table_free_cell(stat_tap_table *shown, guint row, guint column,
                            stat_tap_table_item_type *cell _U_)
{
    wl_table_t *table = table_of(shown);

    if (column == 0) {
        g_ptr_array_index(table->slots, row) = NULL;
    }
    if (row == 0 && column == 0) {
        rows_clear(table);
    }
}

static GPtrArray *all_tables;

static wl_table_t *table_of(const stat_tap_table *shown)
{
    for (unsigned i = 0; i < all_tables->len; i++) {
        wl_table_t *table = g_ptr_array_index(all_tables, i);
        if (table->ui.tables != NULL && table->ui.tables->len > 0 &&
            g_array_index(table->ui.tables, stat_tap_table *, 0) == shown) {
            return table;
        }
    }
    g_assert_not_reached();
}

/* tshark prints headers as they are: they carry their column's width themselves. */
static void add_column(wl_table_t *table, stat_tap_table_item_enum type, const char *header,
                       int width, int decimals)
{
    stat_tap_table_item *column = &table->ui.fields[table->ui.nfields++];
    bool left = type == TABLE_ITEM_STRING;

    width = MAX(width, (int)strlen(header));
    column->type = type;
    column->align = left ? TAP_ALIGN_LEFT : TAP_ALIGN_RIGHT;
    column->column_name = g_strdup_printf("%*s", left ? -width : width, header);
    column->field_format = left                       ? g_strdup_printf("%%-%ds", width)
                           : type == TABLE_ITEM_FLOAT ? g_strdup_printf("%%%d.%df", width, decimals)
                                                      : g_strdup_printf("%%%du", width);
}

/* Makes a column of texts one of numbers: texts as long as any number, to the right. */
static void align_number(stat_tap_table_item *column, const char *header)
{
    g_free((char *)column->column_name);
    g_free((char *)column->field_format);
    column->align = TAP_ALIGN_RIGHT;
    column->column_name = g_strdup_printf("%*s", NUMBER_WIDTH, header);
    column->field_format = g_strdup_printf("%%%ds", NUMBER_WIDTH);
}

static void add_columns(wl_table_t *table, const wl_table_def_t *def)
{
    static const char *const part_columns[] = {"mean", "p95", "max"};

    for (; table->keys < WL_MAX_KEYS && def->keys[table->keys] != NULL; table->keys++) {
        add_column(table, TABLE_ITEM_STRING, def->keys[table->keys], def->key_widths[table->keys],
                   0);
        if (def->number_keys & 1u << table->keys) {
            align_number(&table->ui.fields[table->keys], def->keys[table->keys]);
        }
    }
    for (unsigned i = 0; !def->without_latency && i < LATENCY_COLUMNS; i++) {
        add_column(table, latency_columns[i].is_time ? TABLE_ITEM_FLOAT : TABLE_ITEM_UINT,
                   latency_columns[i].header, latency_columns[i].width, 3);
    }
    for (; table->parts < WL_MAX_PARTS && def->parts[table->parts] != NULL; table->parts++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(part_columns); i++) {
            char *header = g_strdup_printf("%s %s (ms)", def->parts[table->parts], part_columns[i]);
            add_column(table, TABLE_ITEM_FLOAT, header, 0, 3);
            g_free(header);
        }
    }
    for (unsigned i = 0; i < def->extra_count; i++) {
        add_column(table, extra_types[def->extras[i].type], def->extras[i].header,
                   def->extras[i].width, def->extras[i].decimals);
    }
    for (unsigned i = 0; i < WL_COUNT_MAX; i++) {
        if (def->counts & 1u << i) {
            add_column(table, TABLE_ITEM_UINT, count_headers[i], 0, 0);
        }
    }
}

void wl_table_register(const wl_table_def_t *def)
{
    wl_table_t *table = g_new0(wl_table_t, 1);

    table->def = def;
    table->deferred =
        (wl_deferred_calls_t){def->tap, take_deferred, write_deferred, close_deferred};
    table->rows = g_hash_table_new_full(wl_hash_text, g_str_equal, NULL, row_free);
    table->by_slot = g_ptr_array_new();
    table->slots = g_ptr_array_new();
    table->changed = g_ptr_array_new();
    table->text = g_string_chunk_new(1024);
    table->texts = g_hash_table_new(wl_hash_text, g_str_equal);
    table->asked = g_byte_array_new();
    table->remembered = g_ptr_array_new();
    table->ui = (stat_tap_table_ui){
        .group = REGISTER_PACKET_STAT_GROUP_UNSORTED,
        .title = def->title,
        .tap_name = def->tap,
        .cli_string = def->cli,
        .stat_tap_init_cb = table_init,
        .packet_func = table_packet,
        .stat_tap_reset_table_cb = table_reset,
        .stat_tap_free_table_item_cb = table_free_cell,
        .fields = g_new0(stat_tap_table_item, WL_MAX_KEYS + LATENCY_COLUMNS + 3 * WL_MAX_PARTS +
                                                  WL_MAX_EXTRAS + WL_COUNT_MAX),
    };
    add_columns(table, def);
    if (all_tables == NULL) {
        all_tables = g_ptr_array_new();
    }
    g_ptr_array_add(all_tables, table);
    register_stat_tap_table_ui(&table->ui);
}

void wl_tables_register(void)
{
    wl_deferred_register();
    wl_mqtt_tables_register();
    wl_mqttsn_tables_register();
    wl_mqtt_publish_tables_register();
    wl_kafka_tables_register();
    wl_srt_tables_register();
    wl_health_table_register();
    wl_streams_table_register();
    wl_mptcp_connections_register();
    wl_mptcp_subflows_register();
    wl_mptcp_paths_register();
    wl_mptcp_events_register();
    wl_export_register();
}
