/* tcp_front.h
 * Thin handles in front of Wireshark's TCP and Ethernet dissectors that spare tshark most of the
 * protocol tree of captures with MPTCP.
 *
 * Who wants a field makes Wireshark build a tree for every frame. That of an MPTCP segment, with an
 * item for each part of each option, costs a fifth of its dissection, and we read none of it: the
 * header's bytes say all. So where nobody else wants fields either, and once MPTCP was seen,
 * Ethernet and IP get no tree, and TCP gets none of
 *
 *   a segment without payload      an ACK, a SYN; but not a FIN, which may complete a message
 *   payload between two ports that no dissector is registered for, unless it once began like HTTP
 *                                  or TLS there, in which MQTT may be found
 *
 * Without MPTCP the calls would cost as much as they save.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TCP_FRONT_H
#define WIRELAT_TCP_FRONT_H

#include "compat.h"

/* Where the TCP header of a frame lies. */
typedef struct {
    tvbuff_t *buffer;
    uint32_t start;
    const uint8_t *bytes; /* from there on, as many as were captured */
    uint32_t captured;
    /* What tells where the packet ends, if the buffer does not: */
    const field_info *ip;
    const proto_node *node;
    bool is_fragment; /* the rest of the segment is in other fragments of the IP packet */
    bool has_tree;    /* false: the frame has no items from TCP on */
} wl_tcp_header_t;

/* The one at this place of the buffer; what tells where the packet ends is left to the caller. */
static inline wl_tcp_header_t wl_tcp_header_at(tvbuff_t *buffer, uint32_t start)
{
    uint32_t captured = tvb_captured_length(buffer);

    captured -= MIN(start, captured);
    return (wl_tcp_header_t){.buffer = buffer,
                             .start = start,
                             .bytes = captured > 0 ? tvb_get_ptr(buffer, (int)start, (int)captured)
                                                   : NULL,
                             .captured = captured,
                             .has_tree = true};
}

/* When all protocols have registered; and when all have their dissectors. */
void wl_tcp_front_register(void);
void wl_tcp_front_handoff(void);

/* A file was opened, or is dissected again: the handles are out of the way. True: it is not known
 * yet what others want, and plain from the first frame, if we want nothing of it that they could
 * want too. */
bool wl_tcp_front_opened(void);
/* The first frame is dissected. True: now it is known, ask for everything. */
bool wl_tcp_front_first_frame(proto_tree *tree);

/* MPTCP was seen: puts the handles in front, if it helps. */
void wl_tcp_front_use(void);

/* First pass: the last TCP header right in the frame (no ICMP error's), if it passed the handle.
 * Valid within the frame. */
bool wl_tcp_front_header(const packet_info *pinfo, wl_tcp_header_t *header);

#endif
