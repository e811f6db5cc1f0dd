/* mptcp_placing.h
 * Between the files that follow the data of an MPTCP connection: mptcp_data.c reads segments,
 * mptcp_mappings.c knows which numbers their bytes have, mptcp_placing.c what that means.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_PLACING_H
#define WIRELAT_MPTCP_PLACING_H

#include "mptcp_state.h"

/* Flags of a range. */
enum {
    WL_MP_RANGE_ENDS_SEGMENT = 1, /* its last byte is that of the segment that carried it */
    WL_MP_RANGE_SENT_AGAIN = 2,   /* Karn: proves no round trip */
    WL_MP_RANGE_BEYOND = 4,       /* arrived before bytes in front of it */
    WL_MP_RANGE_WAITS = 8,        /* the same, and first of its segment */
    WL_MP_RANGE_CORRUPT = 16,     /* of a mapping whose checksum is wrong */
    WL_MP_RANGE_ENDS_MAPPING = 32 /* its last byte is that of a mapping; none in `mappings` */
};

/* Bytes of a segment that were sent before, in one way, and first by one frame. */
typedef struct {
    uint8_t kind; /* WL_MP_TCP_COPY, ... */
    bool useful;
    uint32_t bytes;
    uint32_t original; /* 0 unknown */
    int64_t original_ns;
} wl_mp_copy_t;

/* A segment of 64 kB may repeat as many of one byte: what its further originals had is added to the
 * last of its kind and usefulness. */
#define WL_MP_COPIES 32u
#define WL_MP_COPY_WAYS (WL_MP_KIND * 2u)

typedef struct {
    wl_mptcp_t *mptcp;
    wl_mp_subflow_t *subflow;
    wl_mp_half_t *half;
    wl_mp_sent_t *sent;
    uint32_t frame;
    int64_t time_ns;
    uint32_t mapped, fresh;
    uint64_t mapping_end;   /* that the segment announces, DATA_FIN included; 0 none */
    uint32_t mapping_bytes; /* of one it announces for the first time; 0 none */
    unsigned copy_count;
    wl_mp_range_t *last;  /* the last new range */
    uint64_t last_end;    /* where it ends in the subflow's TCP sequence */
    bool waits, delivers; /* behind a gap; what had been corrupt */
    wl_mp_copy_t copies[WL_MP_COPIES + WL_MP_COPY_WAYS]; /* last: the rest is set to 0 first */
} wl_mp_placing_t;

/* The segment whose bytes are placed; all that follow until its end are of it. */
void wl_mp_place_begin(wl_mp_placing_t *placing, wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                       unsigned direction, uint32_t frame, int64_t time_ns);
/* TCP bytes [start, end) are the connection's from `number` on. */
void wl_mp_place(wl_mp_placing_t *placing, uint64_t start, uint64_t end, uint64_t number);
/* All of its bytes have been placed, `end` being behind the last: notes what became of them. */
void wl_mp_place_end(wl_mp_placing_t *placing, uint64_t end);

/* Ranges, and their number over all connections. */
wl_mp_range_t *wl_mp_sent_insert(wl_mptcp_t *mptcp, wl_mp_ranges_t **ranges,
                                 const wl_mp_range_t *range);
void wl_mp_sent_drop(wl_mptcp_t *mptcp, wl_mp_ranges_t *ranges, const wl_mp_range_t *range);
/* As wl_mp_ranges_at(); `ranges` may be NULL. */
wl_mp_range_t *wl_mp_sent_at(wl_mp_ranges_t *ranges, uint64_t number);
/* Forgets the lowest bytes. */
void wl_mp_sent_forget(wl_mptcp_t *mptcp, wl_mp_sent_t *sent);
/* Everything below the number has arrived, captured or not. */
void wl_mp_sent_jump(wl_mp_sent_t *sent, uint64_t number);

/* The mapping that covers a byte, or the next behind it. */
wl_mp_mapping_t *wl_mp_mapping_at(const wl_mp_half_t *half, uint64_t at);
/* Returns whether it is a new one. */
bool wl_mp_mapping_add(wl_mptcp_t *mptcp, wl_mp_half_t *half, const wl_mp_mapping_t *mapping);
/* Bytes [at, stop) of a mapping have come; `bytes` NULL if they were not captured. Notes whether
 * its checksum is right when it is complete. */
void wl_mp_mapping_sum(wl_mp_placing_t *placing, wl_mp_mapping_t *mapping, uint64_t at,
                       uint64_t stop, const uint8_t *bytes);

#endif
