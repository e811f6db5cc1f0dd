/* mptcp_frames.c
 * The open file's MPTCP: which frames go to the rules, and which records come back.
 *
 * Frames of other traffic cost a look at their TCP options, and one at a bit of their ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_frames.h"

#include <epan/prefs.h>
#include <epan/to_str.h>
#include <string.h>

#include "lookup.h"
#include "mptcp_labels.h"
#include "read_fields.h"

#define TCP_MIN_HEADER 20u
#define PORT_BITS 16 /* of the filter that spares other streams the look-up of theirs */

static wl_mptcp_t *mptcp; /* NULL outside of a file, or when disabled */
static uint8_t *ports;
static wl_mp_options_t options; /* of the segment in hand */
static bool has_options;
static uint32_t noted[3]; /* in the health log so far, by `counted` */
static GPtrArray *labels;
static GArray *own; /* wl_mp_item_t: of the frame to be shown */

/* What is told as a finding; less of it takes a finding back. */
static const struct {
    wl_health_kind_t kind;
    uint32_t (*get)(const wl_mptcp_t *mptcp);
} counted[G_N_ELEMENTS(noted)] = {
    {WL_HEALTH_NO_MPTCP_HANDSHAKE, wl_mptcp_apart},
    {WL_HEALTH_UNKNOWN_TOKEN, wl_mptcp_unknown_tokens},
    {WL_HEALTH_SHARED_TOKEN, wl_mptcp_shared_tokens},
};

static int pref_captured = WL_CAPTURED_UNKNOWN;

static const enum_val_t captured_values[] = {
    {"guess", "Guessed from handshake times", WL_CAPTURED_UNKNOWN},
    {"client", "At the client", WL_CAPTURED_CLIENT},
    {"server", "At the server", WL_CAPTURED_SERVER},
    {"between", "Between them", WL_CAPTURED_BETWEEN},
    {NULL, NULL, 0}};

void wl_mptcp_register_prefs(struct pref_module *module)
{
    prefs_register_enum_preference(
        module, "mptcp_captured", "Where MPTCP was captured",
        "Head-of-line delay is what the application waits only at the receiver's side: the tables "
        "say on which side of each direction the capture was taken.",
        &pref_captured, captured_values, FALSE);
    wl_mp_labels_register(module);
}

void wl_mptcp_opened(bool enabled)
{
    memset(noted, 0, sizeof noted);
    if (enabled) {
        mptcp = wl_mptcp_new(&wl_mptcp_default_limits);
        ports = g_new0(uint8_t, (1u << PORT_BITS) / 8);
        labels = g_ptr_array_new_with_free_func(g_free);
        own = g_array_new(FALSE, FALSE, sizeof(wl_mp_item_t));
    }
}

void wl_mptcp_closed(void)
{
    if (mptcp != NULL) {
        wl_mptcp_free(mptcp);
        g_free(ports);
        g_ptr_array_free(labels, TRUE);
        g_array_free(own, TRUE);
        mptcp = NULL;
    }
}

uint64_t wl_mptcp_forgotten(void)
{
    return mptcp != NULL ? wl_mptcp_dropped(mptcp) : 0;
}

/* The same for both directions. */
static uint32_t port_bit(const wl_segment_t *segment)
{
    uint32_t both = (uint32_t)segment->source_port * segment->destination_port;

    return (both * 2654435769u) >> (32 - PORT_BITS);
}

static bool read_options(const wl_tcp_header_t *tcp, uint32_t payload_start)
{
    uint32_t end = MIN(payload_start - tcp->start, tcp->captured);

    return end > TCP_MIN_HEADER &&
           wl_mp_options_read(tcp->bytes + TCP_MIN_HEADER, end - TCP_MIN_HEADER, &options);
}

bool wl_mptcp_expects(packet_info *pinfo, const wl_tcp_header_t *tcp, wl_segment_t *segment,
                      uint32_t payload_start)
{
    uint32_t bit;

    if (mptcp == NULL) {
        return false;
    }
    bit = port_bit(segment);
    has_options = read_options(tcp, payload_start);
    if (!has_options && !(ports[bit / 8] & 1u << bit % 8)) {
        return false;
    }
    if (!wl_lookup_stream(pinfo, segment) ||
        (!has_options && wl_mptcp_find(mptcp, segment->stream) == NULL)) {
        return false;
    }
    ports[bit / 8] |= (uint8_t)(1u << bit % 8);
    return true;
}

/* NULL unless it was captured whole. */
static const uint8_t *payload_of(const wl_tcp_header_t *tcp, uint32_t payload_start,
                                 uint32_t length)
{
    uint32_t header = payload_start - tcp->start;

    return length > 0 && header <= tcp->captured && length <= tcp->captured - header
               ? tcp->bytes + header
               : NULL;
}

void wl_mptcp_first_pass(packet_info *pinfo, const wl_tcp_header_t *tcp,
                         const wl_segment_t *segment, uint32_t payload_start, unsigned direction,
                         const wl_path_record_t *record, wl_health_t *health)
{
    wl_mp_input_t input = {
        .segment = segment,
        .direction = direction,
        .options = has_options ? &options : NULL,
        .payload = payload_of(tcp, payload_start, segment->length),
        .destination = pinfo->dst.data,
        .is_probe = record->flags & WL_PATH_PROBE,
    };

    if (pinfo->dst.len < segment->address_length) {
        return;
    }
    wl_mptcp_take(mptcp, &input);
    for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
        uint32_t now = counted[i].get(mptcp);

        if (now != noted[i]) {
            wl_health_note(health, segment->frame, counted[i].kind, (int32_t)(now - noted[i]));
            noted[i] = now;
        }
    }
}

bool wl_mptcp_connection_of(uint32_t frame, uint32_t *number)
{
    const wl_mp_subflow_t *subflow;
    uint32_t side;

    if (mptcp == NULL || !wl_mp_log_side(wl_mptcp_log(mptcp), frame, &side)) {
        return false;
    }
    subflow = wl_mptcp_subflow(mptcp, side >> 2);
    if (subflow->connection == NULL) {
        return false;
    }
    *number = subflow->connection->number;
    return true;
}

const char *wl_mptcp_path(const wl_mp_subflow_t *subflow)
{
    if (subflow->attachment == NULL) {
        char *label = wl_mp_path_label(subflow);

        g_ptr_array_add(labels, label);
        wl_mptcp_subflow(mptcp, subflow->index)->attachment = label;
    }
    return subflow->attachment;
}

wl_captured_t wl_mptcp_captured(const wl_mp_connection_t *connection)
{
    const wl_mp_subflow_t *first =
        connection->subflows->len > 0 ? g_ptr_array_index(connection->subflows, 0) : NULL;
    int64_t to_server, to_client;

    if (pref_captured != WL_CAPTURED_UNKNOWN) {
        return (wl_captured_t)pref_captured;
    }
    if (first == NULL || first->syn_ns == WL_NO_TIME || first->synack_ns == WL_NO_TIME ||
        first->third_ns == WL_NO_TIME) {
        return WL_CAPTURED_UNKNOWN;
    }
    to_server = first->synack_ns - first->syn_ns;
    to_client = first->third_ns - first->synack_ns;
    /* An end answers within a fraction of the path's round trip. */
    if (to_client * 4 <= to_server) {
        return WL_CAPTURED_CLIENT;
    }
    return to_server * 4 <= to_client ? WL_CAPTURED_SERVER : WL_CAPTURED_BETWEEN;
}

/* The frame's own items, in place if they are all it has. */
static void own_items(const wl_mp_record_t *record, const packet_info *pinfo, wl_mp_record_t *shown)
{
    const wl_mp_item_t *items = record->items;
    bool mine = true;
    unsigned i = 0, count;

    while (i < record->count && items[i].kind != WL_MP_ORIGIN) {
        i++;
    }
    if (i == record->count && !pinfo->fd->visited) {
        return;
    }
    g_array_set_size(own, 0);
    g_array_append_vals(own, items, i);
    for (; i < record->count; i++) {
        if (items[i].kind == WL_MP_ORIGIN) {
            mine = items[i].frame == record->frame;
        } else if (mine) {
            g_array_append_val(own, items[i]);
        }
    }
    if (pinfo->fd->visited &&
        wl_mp_log_find_later(wl_mptcp_log(mptcp), record->frame, &items, &count)) {
        g_array_append_vals(own, items, count);
    }
    shown->items = (const wl_mp_item_t *)(void *)own->data;
    shown->count = own->len;
}

const wl_mp_log_t *wl_mptcp_open_log(void)
{
    return mptcp != NULL ? wl_mptcp_log(mptcp) : NULL;
}

static void read_record(const wl_mp_logged_t *logged, wl_mp_record_t *record)
{
    *record = (wl_mp_record_t){
        .mptcp = mptcp,
        .subflow = wl_mptcp_subflow(mptcp, logged->side >> 2),
        .direction = logged->side >> 1 & 1,
        .placed = logged->side & 1,
        .items = logged->items,
        .count = logged->count,
        .frame = logged->frame,
        .number = logged->number,
    };
}

void wl_mptcp_record(uint32_t number, const wl_paths_t *paths, wl_mp_record_t *record,
                     wl_path_record_t *path)
{
    static uint32_t near;
    wl_mp_logged_t logged;

    wl_mp_log_at(wl_mptcp_log(mptcp), number, &logged);
    read_record(&logged, record);
    record->path = wl_paths_find_near(paths, logged.frame, &near, path) ? path : NULL;
}

void wl_mptcp_show(packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                   const wl_path_record_t *path)
{
    static wl_mp_record_t record; /* one a frame, and taps run before the next */
    wl_mp_logged_t logged;
    wl_mp_record_t shown;
    bool wanted;

    if (mptcp == NULL || !wl_mp_log_find(wl_mptcp_log(mptcp), pinfo->num, &logged)) {
        return;
    }
    wanted = wl_mptcp_is_wanted(tree);
    read_record(&logged, &record);
    record.path = path;
    record.time_ns = wl_read_time(&pinfo->abs_ts);
    record.since_start = pinfo->rel_ts;
    wl_mptcp_tap_record(pinfo, &record);
    shown = record;
    shown.placed |= pinfo->fd->visited && record.subflow->connection != NULL;
    own_items(&record, pinfo, &shown);
    wl_mptcp_show_record(pinfo, tvb, wanted ? tree : NULL, &shown);
}
