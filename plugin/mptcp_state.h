/* mptcp_state.h
 * What the files of the MPTCP rules share, and nobody else needs: connections (who belongs to
 * whom), signals (addresses, priorities, closes), data (ranges, acknowledgements, waiting).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_STATE_H
#define WIRELAT_MPTCP_STATE_H

#include "match_mptcp.h"
#include "rare.h"

#define WL_MP_RECENT 4096u /* a power of two */

struct wl_mptcp {
    wl_mptcp_limits_t limits;
    GPtrArray *subflows;                   /* wl_mp_subflow_t, by index */
    GHashTable *by_stream;                 /* tcp.stream -> wl_mp_subflow_t */
    wl_mp_subflow_t *recent[WL_MP_RECENT]; /* by the lower bits of that; what came last */
    GPtrArray *connections;                /* wl_mp_connection_t, by number */
    GHashTable *tokens;  /* token -> wl_mp_owner_t, that of the newest connection first */
    GHashTable *waiting; /* token -> GPtrArray of subflows that name it, unknown so far */
    GPtrArray *ready;    /* subflows whose token has just become known */
    wl_mp_log_t *log;
    unsigned held, ranges;
    uint32_t apart, unknown_tokens, shared_tokens;
    uint64_t dropped;
};

/* Who has a token, and who had it before. */
typedef struct wl_mp_owner {
    wl_mp_connection_t *connection;
    unsigned side;
    struct wl_mp_owner *older;
} wl_mp_owner_t;

/* mptcp_connections.c: finds out whose stream it is, if the segment tells: sets its connection. */
WL_RARE void wl_mp_identify(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                            const wl_mp_input_t *input);
/* The steps of the handshake, keys, times, HMACs; its connection is known. */
void wl_mp_take_handshake(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input);
/* The connection of a subflow whose token has become known: true if it has one now. */
WL_RARE bool wl_mp_join_known(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow);
void wl_mp_owner_free(gpointer owner); /* and those before */
void wl_mp_subflow_free(gpointer subflow);
void wl_mp_connection_free(gpointer connection);

/* mptcp_signals.c: everything but handshake and data. */
void wl_mp_take_signals(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input);
/* Data on a direction of a subflow: what an MP_PRIO before it has brought about. */
void wl_mp_note_started(wl_mptcp_t *mptcp, wl_mp_half_t *half, int64_t time_ns);
/* The end of a wait for the effect of an MP_PRIO that made the subflow a backup. */
void wl_mp_note_stopped(wl_mptcp_t *mptcp, wl_mp_half_t *half);

/* mptcp_data.c: mappings, payload and DATA_ACK. */
void wl_mp_take_data(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input);
/* The numbers of a side's data begin at this DSN. */
void wl_mp_sent_base(wl_mp_sent_t *sent, uint64_t idsn);
void wl_mp_sent_clear(wl_mp_sent_t *sent);
void wl_mp_half_clear(wl_mp_half_t *half);
/* Bytes of a subflow's direction are numbered from this sequence number. */
void wl_mp_half_base(wl_mp_half_t *half, uint32_t isn);

/* Adds to the log what the segment in hand means. */
void wl_mp_note(wl_mptcp_t *mptcp, wl_mp_item_kind_t kind, unsigned flags, int64_t value,
                uint32_t frame, uint32_t aux);
WL_RARE void wl_mp_note_event(wl_mptcp_t *mptcp, wl_mp_event_t event, uint32_t detail,
                              int64_t value, uint32_t frame);
/* A time from one moment to another; nothing if either is unknown. */
WL_RARE void wl_mp_note_span(wl_mptcp_t *mptcp, wl_mp_item_kind_t kind, int64_t from_ns,
                             int64_t to_ns, uint32_t frame);

#endif
