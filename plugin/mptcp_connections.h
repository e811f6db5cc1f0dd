/* mptcp_connections.h
 * Which TCP streams are which subflows of which MPTCP connection (RFC 6824, RFC 8684, section 3).
 *
 *   client                      server              token of a side: hash of its key
 *     MP_CAPABLE  ----------------->                (version 0: with the client's key)
 *                 <-----------------  MP_CAPABLE    server's key
 *     MP_CAPABLE  ----------------->                both keys: handshake_time ends
 *
 *     MP_JOIN     ----------------->                token of the receiver, join_delay ends
 *                 <-----------------  MP_JOIN       HMAC
 *     MP_JOIN     ----------------->                HMAC
 *                 <-----------------  ACK           join_time ends
 *
 * A side is 0, who opened the first subflow ("client"), or 1. A direction is that of a TCP stream,
 * as wl_stream_direction(); subflow->side[direction] is who sends in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_CONNECTIONS_H
#define WIRELAT_MPTCP_CONNECTIONS_H

#include "mptcp_keys.h"
#include "mptcp_log.h"
#include "mptcp_ranges.h"
#include "streams.h"
#include "tcp_path.h"

/* One segment of a stream that carries MPTCP. */
typedef struct {
    const wl_segment_t *segment; /* stream set */
    unsigned direction;
    const wl_mp_options_t *options; /* NULL without any of MPTCP */
    const uint8_t *payload;         /* NULL when not captured whole */
    const uint8_t *destination;     /* address, of the length of the source's */
    bool is_probe;                  /* keep-alive or zero-window probe: its byte is no data */
} wl_mp_input_t;

typedef struct {
    uint8_t id, length; /* 4 or 16 */
    uint8_t address[16];
    uint16_t port; /* 0 none */
    bool echoed, joined;
    uint32_t frame;
    int64_t time_ns;
} wl_mp_advert_t;

typedef struct {
    bool known; /* its key was captured */
    uint64_t key, idsn;
    uint32_t token;
    GArray *addresses; /* wl_mp_advert_t it advertised; NULL without */
} wl_mp_side_t;

/* The data one side sends. Bytes are numbered from the initial DSN: the first is 1. */
typedef struct {
    bool based;               /* base is known */
    uint64_t base;            /* DSN of number 0 */
    wl_mp_ranges_t *sent;     /* bytes; kept for a while after their DATA_ACK */
    wl_mp_ranges_t *mappings; /* mapped ranges that no DATA_ACK has covered */
    uint64_t start;           /* the first number; 1 when the key is known */
    uint64_t sent_end;        /* after the highest number seen */
    uint64_t floor;           /* what lies below is no longer in `sent` */
    uint64_t acked;           /* everything below is DATA_ACKed; 0 nothing */
    uint64_t edge;            /* everything below has arrived, at edge_ns */
    int64_t edge_ns;
    uint64_t waiting;    /* bytes beyond the edge */
    unsigned acked_kept; /* ranges in `sent` that are DATA_ACKed */
    bool switched_known;
    uint32_t last_subflow;
    bool fin_known, fin_acked;
    uint64_t fin; /* number of the DATA_FIN */
    uint32_t fin_frame;
    int64_t fin_ns;
} wl_mp_sent_t;

typedef struct wl_mp_connection {
    uint32_t number; /* from 0, in the order in which they became known */
    uint8_t version;
    bool failed;    /* MP_FAIL was sent */
    bool fallback;  /* to TCP */
    bool checksums; /* required by either side */
    wl_mp_side_t side[2];
    wl_mp_sent_t sent[2]; /* by the side that sends */
    GPtrArray *subflows;  /* wl_mp_subflow_t *, not owned */
    int64_t first_syn_ns; /* WL_NO_TIME if not captured */
    bool checksum_told, no_joins_told[2];
} wl_mp_connection_t;

/* A DSS: bytes [start, start + bytes) of a subflow's TCP sequence are the connection's from
 * `number` on. The sequence number in the DSS is the lower 32 bits of `start`. */
#define WL_MP_INFINITE UINT32_MAX
typedef struct {
    uint64_t start, number;
    uint32_t bytes;  /* or WL_MP_INFINITE */
    uint32_t sum;    /* of its first `summed` bytes */
    uint16_t summed; /* all: it is verified, or cannot be */
    uint16_t checksum;
    bool fin : 1; /* its length counts a DATA_FIN too */
    bool has_checksum : 1;
    bool sum_broken : 1; /* part of it was not captured */
} wl_mp_mapping_t;

static inline uint64_t wl_mp_mapping_end(const wl_mp_mapping_t *mapping)
{
    return mapping->bytes == WL_MP_INFINITE ? UINT64_MAX : mapping->start + mapping->bytes;
}

/* Bytes whose mapping has not been seen yet. */
typedef struct {
    uint64_t start, end;
    uint32_t frame;
    int64_t time_ns;
} wl_mp_unmapped_t;

/* One direction of a subflow. Its bytes are numbered from the SYN, which is 0. */
typedef struct {
    bool based;
    uint32_t seq; /* TCP sequence number of `number`, which moves on */
    uint64_t number;
    uint32_t random; /* of its MP_JOIN */
    bool joined;     /* its SYN or SYN,ACK had MP_JOIN */
    bool infinite;
    wl_mp_mapping_t *mappings; /* by start; NULL if there never was one */
    unsigned mapping_count, mapping_room;
    wl_mp_ranges_t *seen; /* bytes of payload */
    GArray *unmapped;     /* wl_mp_unmapped_t */
    int64_t last_data_ns;
    uint32_t last_data_frame;
    int64_t priority_ns; /* of the last MP_PRIO, while its effect is awaited; WL_NO_TIME */
    bool priority_backup;
} wl_mp_half_t;

typedef struct wl_mp_subflow {
    uint32_t index;                 /* among all of the capture */
    uint32_t stream;                /* tcp.stream */
    wl_mp_connection_t *connection; /* NULL while not known */
    uint32_t number;                /* within the connection */
    unsigned side[2];               /* who sends, by direction; set with the connection */
    wl_mp_half_t half[2];           /* by direction */
    unsigned opener;                /* direction of the SYN */
    bool opener_known, syn_taken;
    bool is_join, offered; /* its SYN had MP_JOIN, MP_CAPABLE */
    bool backup, reset, data_seen;
    bool apart;         /* counted as one without handshake */
    bool token_unknown; /* counted as one whose token is of no connection */
    unsigned not_held;  /* segments beyond the bound of those that wait for its connection */
    uint8_t address_length;
    uint16_t port[2];
    uint8_t address[2][16]; /* of the sender, by direction */
    uint8_t address_id[2];
    int64_t syn_ns, synack_ns, third_ns, fourth_ns, established_ns; /* WL_NO_TIME */
    uint32_t token;                                                 /* that its SYN names */
    GPtrArray *held;        /* segments from before its connection was known */
    const void *attachment; /* the caller's; see match_mptcp.h */
} wl_mp_subflow_t;

#endif
