/* match_mptcp.h
 * The rules of MPTCP: segments in, a log of what each means out. See mptcp_connections.h for the
 * handshakes, mptcp_data.c for what happens to data, mptcp_log.h for the result.
 *
 * Relies on the bytes of TCP headers alone. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MATCH_MPTCP_H
#define WIRELAT_MATCH_MPTCP_H

#include "mptcp_connections.h"

/* What an attacker's capture could grow; what is beyond is counted as dropped. */
typedef struct {
    unsigned subflows;       /* TCP streams that are followed */
    unsigned held;           /* segments whose connection is not known, over all streams */
    unsigned held_by_stream; /* of these, by one stream */
    unsigned ranges;         /* remembered ranges of data, over all connections */
    unsigned history;        /* of these, by direction: DATA_ACKed ones */
    unsigned frames;         /* in the log */
} wl_mptcp_limits_t;

extern const wl_mptcp_limits_t wl_mptcp_default_limits;

typedef struct wl_mptcp wl_mptcp_t;

wl_mptcp_t *wl_mptcp_new(const wl_mptcp_limits_t *limits);
void wl_mptcp_free(wl_mptcp_t *mptcp); /* NULL is allowed */

/* Takes a segment: the next of the capture, of a stream with an MPTCP option in this or an earlier
 * segment. NULL: it is of neither, or beyond the bound; else its subflow. */
wl_mp_subflow_t *wl_mptcp_take(wl_mptcp_t *mptcp, const wl_mp_input_t *input);

/* The subflow of a tcp.stream, or NULL. */
wl_mp_subflow_t *wl_mptcp_find(const wl_mptcp_t *mptcp, uint32_t stream);
/* By its index, which is that of a side of the log. */
wl_mp_subflow_t *wl_mptcp_subflow(const wl_mptcp_t *mptcp, uint32_t index);

wl_mp_log_t *wl_mptcp_log(const wl_mptcp_t *mptcp);

/* Streams with data of MPTCP whose connection's handshake was not captured, so far. */
uint32_t wl_mptcp_apart(const wl_mptcp_t *mptcp);
/* Streams whose MP_JOIN names a token of no connection of the capture, so far. */
uint32_t wl_mptcp_unknown_tokens(const wl_mptcp_t *mptcp);
/* Streams whose MP_JOIN names a token that several connections of the receiver's address have: they
 * are put to the newest of these, and only their HMACs tell whether that is right. */
uint32_t wl_mptcp_shared_tokens(const wl_mptcp_t *mptcp);
/* What was left out at a bound. */
uint64_t wl_mptcp_dropped(const wl_mptcp_t *mptcp);

#endif
