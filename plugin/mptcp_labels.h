/* mptcp_labels.h
 * Names of paths: what the user calls a network (wifi, cellular), by address prefix, and else the
 * pair of addresses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_LABELS_H
#define WIRELAT_MPTCP_LABELS_H

#include "compat.h"
#include "match_mptcp.h"

struct pref_module;

/* Adds the table of prefixes to the preferences. */
void wl_mp_labels_register(struct pref_module *module);

/* The path of a subflow whose connection is known: the label of its side 0, or of its other end,
 * or both joined when they have different ones; without any, its addresses, side 0 first. Caller
 * frees it. */
char *wl_mp_path_label(const wl_mp_subflow_t *subflow);

/* An address as text; caller frees it. */
char *wl_mp_address_text(const uint8_t *bytes, unsigned length);

#endif
