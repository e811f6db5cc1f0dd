/* tables.h
 * Statistics tables made of tap records: rows keyed by text, the latency columns all tables share,
 * and each table's own counters. One mechanism serves tshark -z, the GUI's Statistics menu, and sharkd.
 *
 * No table of Wireshark tells its owner when it is about to be drawn, so every cell of a row is
 * right after every record; but for the one pass of tshark, which draws once (see deferred.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TABLES_H
#define WIRELAT_TABLES_H

#include "../plugin/exchange.h"
#include "summary.h"

/* Registers every table of Wirelat; call at hand-off. */
void wl_tables_register(void);

/* Counters that a table may show beside the latency columns. */
typedef enum {
    WL_COUNT_LATE,
    WL_COUNT_RETRIES,
    WL_COUNT_DUPLICATES,
    WL_COUNT_ORPHANS,
    WL_COUNT_REUSED,
    WL_COUNT_MAX
} wl_count_t;

typedef struct wl_table wl_table_t;
typedef struct wl_row wl_row_t;
struct _packet_info; /* Wireshark's packet_info, by its tag: not every user of this needs epan */

#define WL_MAX_KEYS 4
#define WL_MAX_PARTS 4
#define WL_MAX_EXTRAS 48

/* A column of a table's own, set by wl_table_set_...(). */
typedef enum { WL_EXTRA_UINT, WL_EXTRA_REAL, WL_EXTRA_TEXT } wl_extra_type_t;
typedef struct {
    const char *header; /* with its unit */
    wl_extra_type_t type;
    int width, decimals; /* decimals of REAL */
} wl_extra_t;

/* Which row a record belongs to: the key columns' text, and a rank that orders rows first. */
typedef struct {
    const char *text[WL_MAX_KEYS];
    uint32_t rank;
    uint64_t number; /* for wl_table_known(), or 0 */
    char buffer[64]; /* room for a text that is made up */
} wl_row_key_t;

/* Set in every number of a row. */
#define WL_ROW_NUMBER (UINT64_C(1) << 63)

typedef struct {
    const char *title; /* of the window and the menu item */
    const char *cli;   /* after -z: exactly two parts, no prefix of another name */
    const char *tap;
    const char *keys[WL_MAX_KEYS]; /* key columns' headers */
    int key_widths[WL_MAX_KEYS];
    /* 1u << column: keys that are numbers, or "-". Windows sort a text as text, and a cell of another
     * type could not say "(other)": so blanks before the number make its text as long as any, and the
     * column has that width. */
    unsigned number_keys;
    unsigned counts; /* 1u << WL_COUNT_*: which counters it shows */
    /* Further times of a row: each gives three columns, "<name> mean (ms)", p95 and max. */
    const char *parts[WL_MAX_PARTS];
    const wl_extra_t *extras;
    unsigned extra_count;
    bool without_latency; /* none of the columns from Requests to Max */
    /* Called for an empty table, if set: rows that are there before any record. */
    void (*start)(wl_table_t *table);
    /* Puts a record of the tap into rows with the functions below. pinfo is NULL where the record
     * was had again (see deferred.h). */
    void (*take)(wl_table_t *table, const void *record, struct _packet_info *pinfo);
    /* Sets columns of the table's own that `take` leaves; called once for all wl_table_changed() of a
     * record. May be NULL. */
    void (*write)(wl_table_t *table, wl_row_t *row);
} wl_table_def_t;

void wl_table_register(const wl_table_def_t *def);

/* The row of the key; at the bound of rows it is "(other)". */
wl_row_t *wl_table_row(wl_table_t *table, const wl_row_key_t *key);

/* The row that wl_table_row() gave for a key of this number, or NULL if it is not among those known
 * by number now. Numbers are the table's own: the same one must always stand for the same texts.
 * Most records belong to a row that is known, and need neither make nor hash its texts. */
wl_row_t *wl_table_known(const wl_table_t *table, uint64_t number);

/* A row under a small number of the table's own, for one that every frame needs: NULL until
 * remembered, and again once the table was emptied. */
wl_row_t *wl_table_remembered(const wl_table_t *table, uint32_t number);
void wl_table_remember(wl_table_t *table, uint32_t number, wl_row_t *row);

/* A request of this exchange belongs to the row. */
void wl_table_request(wl_table_t *table, wl_row_t *row, wl_exchange_id_t id);
/* A request without answer by design, which nothing acknowledges either. */
void wl_table_one_way(wl_table_t *table, wl_row_t *row);
/* It was answered. `asked` is the row it was counted in as a request; if that is another, the
 * request moves. A request that the table's filter hid is not counted as one. */
void wl_table_answer(wl_table_t *table, wl_row_t *row, wl_row_t *asked, wl_exchange_id_t id,
                     int64_t time_ns);
/* A part of an exchange with a time of its own; request and answer at once. */
void wl_table_part(wl_table_t *table, wl_row_t *row, int64_t time_ns);
void wl_table_count(wl_table_t *table, wl_row_t *row, wl_count_t what);
/* A sample of one of the table's parts. */
void wl_table_sample(wl_table_t *table, wl_row_t *row, unsigned part, int64_t time_ns);
/* Sets a column of the table's own, by its index in `extras`. */
void wl_table_set_uint(wl_table_t *table, wl_row_t *row, unsigned extra, uint32_t value);
void wl_table_set_real(wl_table_t *table, wl_row_t *row, unsigned extra, double value);
void wl_table_set_text(wl_table_t *table, wl_row_t *row, unsigned extra, const char *value);
/* What the row's data tell has changed: `write` is called behind `take`, or before the row is
 * drawn. */
void wl_table_changed(wl_table_t *table, wl_row_t *row);
/* Nobody sees the cells before `write` was called for every row. */
bool wl_table_is_put_off(const wl_table_t *table);
/* Seven columns from `extra` on: count (UINT), and of milliseconds (REAL) min, mean, p50, p95, p99,
 * max. */
#define WL_TIMES 7
void wl_table_set_times(wl_table_t *table, wl_row_t *row, unsigned extra, wl_summary_t *summary);
void wl_table_row_counts(const wl_row_t *row, uint32_t *requests, uint32_t *answered);
/* State of a table's own per row, zeroed at first: freed with the row, by `free_data` (NULL: by
 * g_free). */
void *wl_table_row_data(wl_row_t *row, size_t size);
void *wl_table_row_data_full(wl_row_t *row, size_t size, void (*free_data)(void *data));

/* The tables themselves, one file each. */
void wl_mqtt_tables_register(void);
void wl_mqttsn_tables_register(void);
void wl_mqtt_publish_tables_register(void);
void wl_kafka_tables_register(void);
void wl_srt_tables_register(void);
void wl_health_table_register(void);
void wl_streams_table_register(void);
void wl_mptcp_connections_register(void);
void wl_mptcp_subflows_register(void);
void wl_mptcp_paths_register(void);
void wl_mptcp_events_register(void);

/* The export "-z wirelat,exchanges". */
void wl_export_register(void);

/* Answers later than this count as late; a preference. Nanoseconds. */
int64_t wl_tables_late_after(void);
/* Registers the tables' preferences; the module belongs to "wirelat". */
struct pref_module;
void wl_tables_register_prefs(struct pref_module *module);
void wl_mqtt_publish_tables_register_prefs(struct pref_module *module);

#endif
