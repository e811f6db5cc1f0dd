/* read_span.h
 * Where a message's bytes were captured: the frame of its first byte and the TCP sequence number
 * after its last, also when it spans segments, starts inside one, arrived out of order, or lies in
 * TLS records.
 *
 *   frame 5      frame 6      frame 7          tcp.segment items of frame 7 say which part of the
 *   [..A|BBBB]   [BBBBBBBB]   [BB|CCCC]        reassembled buffer each frame gave: B began in 5,
 *                                              and C, in the frame's own bytes, in 7
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_READ_SPAN_H
#define WIRELAT_READ_SPAN_H

#include "framing_ws.h"
#include "read_fields.h"

/* One tcp.segment or tls.segment item: bytes [start, start + length) of the buffer came with the
 * frame; or one TLS record of this frame (frame is this one). */
typedef struct {
    const tvbuff_t *buffer;
    uint32_t start, length;
    uint32_t frame;
} wl_part_t;

/* The layout of one frame. Reused from frame to frame; owns the arrays only. */
typedef struct {
    const wl_segment_t *segment;
    const wl_half_t *half;
    const tvbuff_t *tcp_buffer;                  /* data source the TCP header is in */
    uint32_t payload_start;                      /* of the TCP payload in it */
    GArray *tcp_parts, *tls_parts, *tls_records; /* wl_part_t */
    GPtrArray *decrypted;           /* data sources of decrypted TLS records, in order */
    const wl_ws_frame_t *ws;        /* MQTT over WebSocket in this frame, or NULL */
    unsigned ws_message, ws_handed; /* how far into its lists we are */
    GArray *ws_places;              /* see read_span_ws.c */
} wl_layout_t;

typedef struct {
    uint32_t first_frame;
    int64_t first_ns; /* WL_NO_TIME when the frame is no longer known */
    uint32_t first_seq, end_seq;
    uint32_t record_frame; /* TLS: frame that completed the record it began in */
    bool seq_known;
    bool shortened; /* bytes are missing though the capture has them */
} wl_span_t;

void wl_layout_init(wl_layout_t *layout);
void wl_layout_clear(wl_layout_t *layout);

/* Takes in a top-level node that holds a reassembly list or TLS records. */
void wl_layout_add(wl_layout_t *layout, proto_node *node);

/* Where the PDU's bytes were captured. */
void wl_layout_span(wl_layout_t *layout, packet_info *pinfo, const field_info *pdu, uint32_t size,
                    wl_span_t *span);

/* Where bytes [start, start + size) of a buffer of TCP or TLS were captured; false if it is none. */
bool wl_layout_wire_span(wl_layout_t *layout, packet_info *pinfo, const tvbuff_t *buffer,
                         uint32_t start, uint32_t size, wl_span_t *span);

/* Remembers this frame's TLS records for messages that end in a later frame. */
void wl_layout_remember_records(const wl_layout_t *layout, wl_streams_t *streams, wl_half_t *half);

/* WebSocket: takes in the node of a WebSocket frame; finds bytes that went to the MQTT dissector
 * (false if the PDU is none of them); remembers what later frames may need, before segments are
 * forgotten; forgets what no frame needs any more. */
void wl_layout_add_websocket(wl_layout_t *layout, wl_streams_t *streams, wl_half_t *half,
                             const proto_node *node);
bool wl_layout_ws_span(wl_layout_t *layout, packet_info *pinfo, const field_info *pdu,
                       uint32_t size, wl_span_t *span);
void wl_layout_remember_runs(wl_layout_t *layout, packet_info *pinfo, wl_streams_t *streams,
                             wl_half_t *half);
void wl_layout_forget_runs(const wl_layout_t *layout, wl_half_t *half);

#endif
