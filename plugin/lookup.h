/* lookup.h
 * The TCP conversation a frame belongs to, without Wireshark's own look-up where the stream had a
 * frame before: that one hashes both orientations of the addresses and ports, 1,500 instructions a
 * time, and it is wanted twice a frame.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_LOOKUP_H
#define WIRELAT_LOOKUP_H

#include "compat.h"
#include "streams.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-tcp.h>

typedef struct {
    conversation_t *conversation;
    const struct tcp_analysis *tcp;
} wl_lookup_t;

void wl_lookup_handoff(void);
/* What was remembered of the last file is invalid: call when one is opened, and when it is closed. */
void wl_lookup_clear(void);

/* Sets *found for the frame, as find_conversation_pinfo() finds it. False if TCP keeps no analysis
 * of it. is_syn: a SYN may begin a new conversation between the same ports; ask anew. */
bool wl_lookup(packet_info *pinfo, bool is_syn, wl_lookup_t *found);

/* Sets the segment's tcp.stream; false likewise. Asked for where needed, and not a wanted field:
 * that would cost every TCP packet of the capture 1.5 % of its dissection. */
bool wl_lookup_stream(packet_info *pinfo, wl_segment_t *segment);

#endif
