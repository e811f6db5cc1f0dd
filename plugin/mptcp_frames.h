/* mptcp_frames.h
 * Between the frames of a capture (mptcp_frames.c) and what they show (show_mptcp.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_FRAMES_H
#define WIRELAT_MPTCP_FRAMES_H

#include "show_mptcp.h"

void wl_mptcp_register_prefs(struct pref_module *module);

/* Adds the frame's subtree, unless the tree is NULL, and its findings always. The record has only
 * what is the frame's own. */
void wl_mptcp_show_record(packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                          const wl_mp_record_t *record);
/* Queues the record, which must live until the next frame. */
void wl_mptcp_tap_record(packet_info *pinfo, const wl_mp_record_t *record);
/* Whether the tree wants the subtree. */
bool wl_mptcp_is_wanted(proto_tree *tree);

#endif
