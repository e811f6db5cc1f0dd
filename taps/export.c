/* export.c
 * -z wirelat,exchanges,FILE[,filter]: one line per exchange, or data segment of MPTCP, in the order
 * of their requests.
 *
 *   tap record -> mark of its exchange;  end of the capture -> a line for each mark
 *
 * Lines are written at the end: only then it is known what stays unanswered. An exchange is marked
 * when a frame that shows one of its events passes the filter, and then written whole; a mark is
 * one bit, the rest is in the store anyway.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "export_columns.h"
#include "tables.h"
#include "text_out.h"

#include "../plugin/postdissect.h"

#include <epan/stat_tap_ui.h>
#include <epan/tap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wsutil/report_message.h>

#define NAME "wirelat,exchanges"
#define STANDARD_OUTPUT "-"

enum { TAP_MQTT, TAP_KAFKA, TAP_MQTTSN, TAP_MPTCP, TAPS };
static const char *const taps[TAPS] = {"wirelat.mqtt", "wirelat.kafka", "wirelat.mqttsn",
                                       "wirelat.mptcp"};

typedef struct {
    char *path;
    wl_out_t *out;
    bool json;
    bool headed;             /* the header line is written */
    bool dirty;              /* marked since the last time it was written */
    GByteArray *marks;       /* a bit per exchange */
    const wl_store_t *store; /* that of the marks, or NULL */
    wl_data_lines_t *data;
    /* Wireshark tells listeners apart by this address: each tap needs one of its own. */
    struct wl_listener {
        void *export;
    } listeners[G_N_ELEMENTS(taps)];
} wl_export_t;

static GPtrArray *exports; /* for as long as the program runs */
static bool failed;        /* a file could not be written */

/* Lines. */

static void write_header(wl_export_t *export)
{
    unsigned count;
    const wl_column_t *columns = wl_export_columns(&count);

    for (unsigned i = 0; i < count && !export->json; i++) {
        wl_out_byte(export->out, ',', i > 0);
        wl_out_csv_text(export->out, columns[i].name);
    }
    wl_out_byte(export->out, '\n', !export->json);
    export->headed = true;
}

static void write_cell(wl_out_t *out, bool json, wl_cell_type_t type, const wl_value_t *value)
{
    if (type == WL_CELL_INTEGER) {
        wl_out_integer(out, value->integer);
    } else if (type == WL_CELL_BOOLEAN) {
        wl_out_bytes(out, value->integer ? "true" : "false", value->integer ? 4 : 5);
    } else if (json) {
        wl_out_json_text(out, value->text);
    } else {
        wl_out_csv_text(out, value->text);
    }
}

static void write_csv(wl_out_t *out, const wl_column_t *columns, unsigned count, wl_line_t *line)
{
    unsigned commas = 0; /* before the next cell that is not empty: most are */

    for (unsigned i = 0; i < count; i++) {
        wl_value_t value;
        wl_cell_type_t type = wl_export_cell(&columns[i], line, &value);

        if (type != WL_CELL_NONE) {
            wl_out_byte(out, ',', commas);
            write_cell(out, false, type, &value);
            commas = 0;
        }
        commas++;
    }
    wl_out_byte(out, ',', commas - 1);
    wl_out_byte(out, '\n', 1);
}

static void write_json(wl_out_t *out, const wl_column_t *columns, unsigned count, wl_line_t *line)
{
    unsigned skip = 1; /* the comma before the first */

    wl_out_bytes(out, "{", 1);
    for (unsigned i = 0; i < count; i++) {
        wl_value_t value;
        wl_cell_type_t type = wl_export_cell(&columns[i], line, &value);

        if (type != WL_CELL_NONE) {
            wl_out_bytes(out, columns[i].key + skip, columns[i].key_length - skip);
            write_cell(out, true, type, &value);
            skip = 0;
        }
    }
    wl_out_bytes(out, "}\n", 2);
}

static void write_line(wl_export_t *export, wl_line_t *line)
{
    unsigned count;
    const wl_column_t *columns = wl_export_columns(&count);

    (export->json ? write_json : write_csv)(export->out, columns, count, line);
}

/* Marks. */

static void mark(wl_export_t *export, wl_exchange_id_t id)
{
    guint old = export->marks->len;

    if (id / 8 >= old) {
        g_byte_array_set_size(export->marks, MAX(id / 8 + 1, old * 2));
        memset(export->marks->data + old, 0, export->marks->len - old);
    }
    export->marks->data[id / 8] |= (uint8_t)(1u << id % 8);
    export->dirty = true;
}

static void unmark_all(wl_export_t *export)
{
    g_byte_array_set_size(export->marks, 0);
    wl_data_lines_clear(export->data);
    export->store = NULL;
}

/* What is left of the data segments, by their frames. */
typedef struct {
    const wl_data_line_t *next, *end;
} data_t;

static void write_data_before(wl_export_t *export, data_t *data, uint32_t frame)
{
    for (; data->next < data->end && data->next->frame < frame; data->next++) {
        wl_line_t line = {.data = data->next};

        write_line(export, &line);
    }
}

static void write_exchange(wl_export_t *export, data_t *data, wl_exchange_id_t id)
{
    const wl_exchange_t *ex = wl_store_get(export->store, id);
    wl_line_t line;

    write_data_before(export, data, ex->request_frame != 0 ? ex->request_frame : ex->answer_frame);
    wl_export_line(export->store, id, &line);
    write_line(export, &line);
}

static void write_marked(wl_export_t *export)
{
    unsigned count;
    data_t data;

    /* Or an export to standard output would stand in the middle of a statistic printed before. */
    fflush(stdout);
    if (!export->headed) {
        write_header(export);
    }
    data.next = wl_data_lines_finish(export->data, &count);
    data.end = data.next + count;
    for (guint byte = 0; byte < export->marks->len; byte++) {
        for (unsigned bit = 0; bit < 8 && export->marks->data[byte] >> bit != 0; bit++) {
            if (export->marks->data[byte] >> bit & 1) {
                write_exchange(export, &data, byte * 8 + bit);
            }
        }
    }
    write_data_before(export, &data, UINT32_MAX);
    export->dirty = false;
}

/* Wireshark's callbacks. */

static tap_packet_status take(void *data, packet_info *pinfo _U_, epan_dissect_t *edt _U_,
                              const void *tapped, tap_flags_t flags _U_)
{
    wl_export_t *export = ((struct wl_listener *)data)->export;
    const wl_record_t *record = tapped;

    export->store = record->store;
    if (record->event == WL_EVENT_SESSION && (record->ex->flags & WL_ORPHANED)) {
        return TAP_PACKET_DONT_REDRAW; /* without its CONNECT it belongs to no exchange */
    }
    mark(export, record->id);
    return TAP_PACKET_REDRAW;
}

static tap_packet_status take_data(void *data, packet_info *pinfo _U_, epan_dissect_t *edt _U_,
                                   const void *tapped, tap_flags_t flags _U_)
{
    wl_export_t *export = ((struct wl_listener *)data)->export;

    if (!wl_data_lines_take(export->data, tapped)) {
        return TAP_PACKET_DONT_REDRAW;
    }
    export->dirty = true;
    return TAP_PACKET_REDRAW;
}

static void report_unwritten(wl_export_t *export, int error)
{
    if (error != 0) {
        report_write_failure(export->path, error);
        failed = true;
    }
}

/* Once for each tap; the first writes what all of them have marked. tshark does this at its end, a
 * window time and again: there the file is written anew. */
static void draw(void *data)
{
    wl_export_t *export = ((struct wl_listener *)data)->export;

    if (wl_in_tshark()) {
        if (export->out != NULL) {
            write_marked(export);
            report_unwritten(export, wl_out_close(export->out));
            wl_out_free(export->out);
            export->out = NULL;
        }
    } else if (export->dirty || !export->headed) {
        export->headed = false;
        wl_out_restart(export->out);
        write_marked(export);
        report_unwritten(export, wl_out_flush(export->out));
    }
}

/* tshark asks for this once its statistics are printed, and has no way for a statistic to say that
 * it failed. */
static void reset(void *data)
{
    wl_export_t *export = ((struct wl_listener *)data)->export;

    if (failed && wl_in_tshark()) {
        fflush(NULL);
        exit(2);
    }
    unmark_all(export);
    export->dirty = true;
}

/* The store is about to go. Where tshark begins anew after so many packets (-M) that is before the
 * end of the capture. */
static void file_closed(void)
{
    for (unsigned i = 0; exports != NULL && i < exports->len; i++) {
        wl_export_t *export = g_ptr_array_index(exports, i);

        if (wl_in_tshark() && export->out != NULL) {
            write_marked(export);
        }
        unmark_all(export);
    }
}

/* The file behind the name, or -1 and errno. */
static int open_file(const char *path)
{
    struct stat found;
    int file = strcmp(path, STANDARD_OUTPUT) == 0
                   ? dup(STDOUT_FILENO)
                   : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (file >= 0 && !wl_in_tshark() && (fstat(file, &found) != 0 || !S_ISREG(found.st_mode))) {
        close(file);
        errno = EINVAL; /* what a window writes time and again must be a file */
        file = -1;
    }
    return file;
}

static bool is_json(const char *path)
{
    static const char *const endings[] = {".ndjson", ".jsonl", ".json"};

    for (unsigned i = 0; i < G_N_ELEMENTS(endings); i++) {
        if (g_str_has_suffix(path, endings[i])) {
            return true;
        }
    }
    return false;
}

static void export_free(wl_export_t *export)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(taps); i++) {
        if (export->listeners[i].export != NULL) {
            remove_tap_listener(&export->listeners[i]);
        }
    }
    wl_out_free(export->out);
    g_byte_array_free(export->marks, TRUE);
    wl_data_lines_free(export->data);
    g_free(export->path);
    g_free(export);
}

/* The message why not, or NULL. */
static GString *listen_to(wl_export_t *export, const char *filter)
{
    GString *error = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(taps) && error == NULL; i++) {
        error = register_tap_listener(taps[i], &export->listeners[i], filter, TL_REQUIRES_NOTHING,
                                      reset, i == TAP_MPTCP ? take_data : take, draw, NULL);
        export->listeners[i].export = error == NULL ? export : NULL;
    }
    return error;
}

/* `argument` is all behind -z. The path ends at the next comma. Nothing is left when it reports: a
 * window does other things while it shows the message. */
static bool begin(const char *argument)
{
    const char *path = argument + strlen(NAME), *filter;
    wl_export_t *export;
    GString *error;
    int file;

    if (path[0] != ',' || path[1] == ',' || path[1] == '\0') {
        report_failure("-z " NAME " needs a file: -z " NAME ",FILE[,filter]");
        return false;
    }
    filter = strchr(++path, ',');
    export = g_new0(wl_export_t, 1);
    export->path = filter != NULL ? g_strndup(path, (gsize)(filter - path)) : g_strdup(path);
    export->json = is_json(export->path);
    export->marks = g_byte_array_new();
    export->data = wl_data_lines_new();
    error = listen_to(export, filter != NULL ? filter + 1 : NULL);
    if (error != NULL) {
        export_free(export);
        report_failure("-z " NAME ": %s", error->str);
        g_string_free(error, TRUE);
        return false;
    }
    file = open_file(export->path);
    if (file < 0) {
        char *name = g_strdup(export->path);
        int number = errno;

        export_free(export);
        report_open_failure(name, number, true);
        g_free(name);
        return false;
    }
    export->out = wl_out_new(file);
    g_ptr_array_add(exports, export);
    return true;
}

static wl_stat_start_t start(const char *argument, void *user _U_)
{
    if (exports == NULL) {
        exports = g_ptr_array_new();
    }
    if (!begin(argument)) {
        WL_STAT_REFUSED(wl_in_tshark());
    }
    WL_STAT_STARTED;
}

void wl_export_register(void)
{
    static stat_tap_ui ui = {
        .group = REGISTER_STAT_GROUP_GENERIC, .cli_string = NAME, .tap_init_cb = start};

    register_stat_tap_ui(&ui, NULL);
    register_cleanup_routine(file_closed);
}
