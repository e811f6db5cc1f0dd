/* postdissect.h
 * The post-dissector: called by Wireshark at the end of every frame.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_POSTDISSECT_H
#define WIRELAT_POSTDISSECT_H

#include <stdbool.h>

/* Registers the protocol "wirelat", its preferences, and the post-dissector. Returns the module of
 * preferences, for others to add theirs. */
struct pref_module *wl_postdissect_register(void);

/* Resolves the names of other dissectors' fields: call at hand-off. */
void wl_postdissect_handoff(void);

/* The exchanges of the open capture file; NULL outside of one. */
const struct wl_store *wl_postdissect_store(void);
/* The frames of its TCP streams; NULL likewise. */
const struct wl_paths *wl_postdissect_paths(void);
/* Whether the last frame was dissected for the first time; its taps cannot tell any more. */
bool wl_postdissect_was_first(void);
/* Only tshark knows before a capture's first frame what is asked of it, and ends with the capture, and
 * may be ended: neither a window nor a sharkd may. */
bool wl_in_tshark(void);

#endif
