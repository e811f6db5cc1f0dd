/* export_data.h
 * The MPTCP lines of the export: one for each frame that carries data of a connection.
 *
 * The tap says which frames; what became of their data (DATA_ACK, head-of-line delay) stands on later
 * frames, and is looked up in the log once the capture has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_EXPORT_DATA_H
#define WIRELAT_EXPORT_DATA_H

#include "../plugin/show.h"
#include "../plugin/show_mptcp.h"

/* A data segment. Times in ns, WL_NO_TIME unknown; frames 0 none. */
typedef struct {
    int64_t time_ns, dack_rtt_ns, hol_ns, duplicate_delay_ns;
    const wl_mp_subflow_t *subflow;
    uint32_t frame, dack_frame, original; /* DATA_ACK; first sent */
    uint32_t bytes, unique, repeated, waiting;
    uint32_t dack_subflow;
    uint8_t duplicate; /* its kind, 0 none: of its first bytes that were sent before */
    bool useful, waits, to_client;
} wl_data_line_t;

typedef struct {
    const char *name;
    enum ftenum type;
    const value_string *strings; /* for a further column with the code's name */
    bool (*get)(const wl_data_line_t *line, wl_value_t *value);
} wl_data_column_t;

const wl_data_column_t *wl_export_data_columns(unsigned *count);

typedef struct wl_data_lines wl_data_lines_t;

wl_data_lines_t *wl_data_lines_new(void);
void wl_data_lines_free(wl_data_lines_t *lines);
void wl_data_lines_clear(wl_data_lines_t *lines);
/* Takes a tap record; true if it has data. */
bool wl_data_lines_take(wl_data_lines_t *lines, const wl_mp_record_t *record);
/* The lines in the order of their frames, complete; before the file is closed. */
const wl_data_line_t *wl_data_lines_finish(wl_data_lines_t *lines, unsigned *count);

#endif
