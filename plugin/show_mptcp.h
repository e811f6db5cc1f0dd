/* show_mptcp.h
 * MPTCP on frames: the segment of a first pass goes to the rules, and what they found becomes
 * fields and a tap record in every pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_SHOW_MPTCP_H
#define WIRELAT_SHOW_MPTCP_H

#include "compat.h"
#include "health.h"
#include "match_mptcp.h"
#include "tcp_front.h"

struct pref_module;

/* The tap record of a frame. Items behind a WL_MP_ORIGIN of another frame are that frame's. */
typedef struct {
    const wl_mptcp_t *mptcp;
    const wl_mp_subflow_t *subflow;
    unsigned direction;
    bool placed; /* its connection was known when the frame came */
    const wl_mp_item_t *items;
    unsigned count;
    const wl_path_record_t *path; /* NULL if none */
    uint32_t frame;
    uint32_t number; /* of the frame in the log */
    int64_t time_ns;
    nstime_t since_start; /* the capture's first frame, whose clock may be off by any time */
} wl_mp_record_t;

/* Registers the protocol "wirelat.mptcp", its fields, expert infos and tap, and its preferences in
 * the module of "wirelat". */
void wl_mptcp_register(struct pref_module *module);
int wl_mptcp_proto(void);

/* State of the open capture file; without `enabled` every frame passes unseen. */
void wl_mptcp_opened(bool enabled);
void wl_mptcp_closed(void);

/* First pass. Whether the segment has MPTCP options or is of a stream that had; if so, its stream
 * is set. What follows must be called next, if it is. */
bool wl_mptcp_expects(packet_info *pinfo, const wl_tcp_header_t *tcp, wl_segment_t *segment,
                      uint32_t payload_start);
/* `record`: what TCP itself says of the segment. */
void wl_mptcp_first_pass(packet_info *pinfo, const wl_tcp_header_t *tcp,
                         const wl_segment_t *segment, uint32_t payload_start, unsigned direction,
                         const wl_path_record_t *record, wl_health_t *health);
/* What was left out at a bound so far. */
uint64_t wl_mptcp_forgotten(void);

/* Every pass: fields where the tree wants them, expert infos, the tap record. `path`: what TCP itself
 * says of the frame, or NULL; it must stay until the taps have run. */
void wl_mptcp_show(packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                   const wl_path_record_t *path);

/* The log of the open file, or NULL. */
const wl_mp_log_t *wl_mptcp_open_log(void);
/* The record of a number in the log, but for its times, as the frame's tap record has it in every
 * pass. `path`: room for what its pointer points to. Valid until the next call. */
void wl_mptcp_record(uint32_t number, const wl_paths_t *paths, wl_mp_record_t *record,
                     wl_path_record_t *path);

/* The number of the connection a frame belongs to; false if it has none, or no file is open. */
bool wl_mptcp_connection_of(uint32_t frame, uint32_t *number);

/* The path of a subflow as text; valid until the file is closed. */
const char *wl_mptcp_path(const wl_mp_subflow_t *subflow);

/* Where the capture was taken. */
typedef enum {
    WL_CAPTURED_UNKNOWN,
    WL_CAPTURED_CLIENT,
    WL_CAPTURED_SERVER,
    WL_CAPTURED_BETWEEN
} wl_captured_t;

/* By preference, or by the steps of the first subflow's handshake. */
wl_captured_t wl_mptcp_captured(const wl_mp_connection_t *connection);

/* One line: what a WL_MP_EVENT says. The sender of its frame sends in `direction`. */
void wl_mptcp_describe(const wl_mp_subflow_t *subflow, unsigned direction,
                       const wl_mp_item_t *event, GString *line);
extern const value_string wl_mptcp_events[];
extern const value_string wl_mptcp_duplicates[]; /* WL_MP_KIND of an item's flags */

#endif
