/* export_columns.h
 * The columns of the export: what is known of an exchange once the capture has ended, by name.
 *
 * They are made of the tables that register the fields (show_*.c): a new field is a new column. The
 * protocols share a column where their fields have the same name. MPTCP's lines are of data
 * segments, and have a table of their own (export_data.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_EXPORT_COLUMNS_H
#define WIRELAT_EXPORT_COLUMNS_H

#include "export_data.h"

typedef enum {
    WL_CELL_NONE, /* not known, or of another protocol */
    WL_CELL_INTEGER,
    WL_CELL_BOOLEAN,
    WL_CELL_TEXT
} wl_cell_type_t;

typedef struct {
    /* Times have "_ns" behind the field's name, the name of a code "_name". */
    const char *name;
    const wl_field_t *field[WL_PROTO_COUNT]; /* NULL: none of that protocol's */
    const wl_data_column_t *data;            /* the same of MPTCP */
    bool is_name;                            /* of the field's code */
    const char *key;                         /* ,"name": as it stands before the cell in JSON */
    size_t key_length;
} wl_column_t;

/* All columns, in their order; made at the first call and the same from then on. */
const wl_column_t *wl_export_columns(unsigned *count);

/* An exchange and what happened of it, for wl_export_cell(). */
typedef struct {
    wl_record_t record;
    uint16_t happened;          /* WL_ON(event): as far as the exchange itself tells */
    const wl_data_line_t *data; /* if that is set, the line is of a data segment */
} wl_line_t;

void wl_export_line(const wl_store_t *store, wl_exchange_id_t id, wl_line_t *line);
wl_cell_type_t wl_export_cell(const wl_column_t *column, wl_line_t *line, wl_value_t *value);

#endif
