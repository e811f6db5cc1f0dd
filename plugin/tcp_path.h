/* tcp_path.h
 * What TCP itself shows of the path beneath a stream: handshake times, round trips, segments sent
 * again, and a log with one sample per frame for the table of streams.
 *
 *   first SYN ----->                         SYN ---->            data ----->
 *   last SYN  ----->   <----- SYN,ACK        ACK ---->                 <----- ACK   RTT sample
 *
 * RTT by Karn's rule as tcptrace applies it: the ACK must end exactly at the end of a segment that
 * was sent once, and neither that ACK nor anything between segment and ACK may concern bytes that
 * were sent again or arrived out of order.
 *
 * In: segments in capture order.  Out: a result per segment, and the log.  Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TCP_PATH_H
#define WIRELAT_TCP_PATH_H

#include "streams.h"

/* Capture times of the three steps, from the first of each and from the last; WL_NO_TIME where not
 * seen. What comes after the ACK is no longer part of it. */
typedef struct {
    int64_t first_syn_ns, last_syn_ns;
    int64_t first_synack_ns, last_synack_ns;
    int64_t synack_syn_ns; /* the last SYN before the last SYN,ACK */
    int64_t ack_ns;
    uint32_t syn_seq, synack_seq;
    uint16_t opener_port, other_port;
} wl_handshake_t;

/* What a frame was to its direction. The log keeps the first three in least room. */
enum {
    WL_PATH_ACKS = 1u << 0,          /* acknowledges new payload of the other direction */
    WL_PATH_SAMPLE = 1u << 1,        /* has an RTT of the other direction's data */
    WL_PATH_DUPLICATE_ACK = 1u << 2, /* RFC 5681 section 2 */
    WL_PATH_RESENT = 1u << 3,        /* bytes that were sent before */
    WL_PATH_OUT_OF_ORDER = 1u << 4,  /* fills a gap sooner than it could have been sent again */
    WL_PATH_ZERO_WINDOW = 1u << 5,
    WL_PATH_RESET = 1u << 6,
    WL_PATH_PROBE = 1u << 7,    /* keep-alive or zero-window probe: its byte is no data */
    WL_PATH_HANDSHAKE = 1u << 8 /* a step of the stream's handshake */
};

typedef struct {
    bool acked_known;
    uint32_t acked; /* highest acknowledgement of this direction's bytes */
    bool data_known;
    uint32_t data_end; /* after the highest payload byte */
    bool resent_known;
    uint32_t resent_end; /* after the highest byte sent again */
    bool window_known;
    uint16_t window; /* that this direction's sender last advertised */
    int64_t min_rtt_ns;
    int64_t last_ns, last_gap_ns;
    wl_sequence_t sequence;
    wl_queue_t outstanding; /* segments no ACK has covered yet */
} wl_path_half_t;

typedef struct wl_path {
    uint32_t index;  /* among the paths */
    uint32_t stream; /* tcp.stream */
    char *end[2];    /* address:port of each direction's sender */
    char number[12]; /* tcp.stream as text, for a table that needs it with every frame */
    wl_handshake_t handshake;
    wl_path_half_t half[2];
} wl_path_t;

/* One frame of a followed stream, and the tap record of it. */
typedef struct {
    const wl_path_t *path;
    unsigned direction;
    unsigned flags;    /* WL_PATH_* */
    uint32_t bytes;    /* payload bytes not seen before */
    int64_t rtt_ns;    /* with WL_PATH_SAMPLE */
    int64_t jitter_ns; /* difference of the last two gaps between packets, WL_NO_TIME without */
    uint32_t number;   /* of the frame in the log */
    int64_t time_ns;   /* of the frame; set by wl_path_take() only */
    bool new_min_rtt;  /* the sample is the smallest so far; set by wl_path_take() only */
    bool is_logged;    /* there was room in the log; set by wl_path_take() only */
} wl_path_record_t;

typedef struct wl_paths wl_paths_t;

/* jitter_gap_ns: gaps at or above it are pauses, not jitter. max_log: most frames in the log. */
wl_paths_t *wl_paths_new(int64_t jitter_gap_ns, unsigned max_log);
void wl_paths_free(wl_paths_t *paths);

/* Begins to follow a stream. Takes over its handshake if wl_paths_pass() has seen it; the ends'
 * names are copied. */
wl_path_t *wl_paths_add(wl_paths_t *paths, const wl_segment_t *segment, const char *source,
                        const char *destination);

/* Takes a segment and logs it. False if it is a copy of the segment before, which counts nowhere. */
bool wl_path_take(wl_paths_t *paths, wl_path_t *path, unsigned direction,
                  const wl_segment_t *segment, wl_path_record_t *record);

/* A segment of a stream that is not followed. Only handshakes are remembered, the newest of each
 * of 1024 pairs of ports, in case the stream turns out to be one to follow. segment->stream must be
 * set for SYNs only. One comparison for all but the segments of a handshake. */
void wl_paths_pass(wl_paths_t *paths, const wl_segment_t *segment);

/* The record of a frame; false if it has none. The log has no times: a later pass has them from
 * Wireshark. */
bool wl_paths_find(const wl_paths_t *paths, uint32_t frame, wl_path_record_t *record);
/* The same for one frame after the other: faster where it is the one behind the last that was found.
 * *near is 0 at first. */
bool wl_paths_find_near(const wl_paths_t *paths, uint32_t frame, uint32_t *near,
                        wl_path_record_t *record);
/* The record of a number, which must be that of one. */
void wl_paths_at(const wl_paths_t *paths, uint32_t number, wl_path_record_t *record);

/* Frames left out of the log, segments whose ACK is no longer awaited, and gaps that are no longer
 * waited to be filled, at their bounds. */
uint64_t wl_paths_dropped(const wl_paths_t *paths);

#endif
