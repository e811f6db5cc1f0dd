/* datagrams.h
 * MQTT-SN over UDP: its ports, and what the post-dissector does with a frame of it. Costs nothing
 * while no port is expected to carry it: Wireshark has no default one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_DATAGRAMS_H
#define WIRELAT_DATAGRAMS_H

#include "compat.h"
#include "message.h"

struct pref_module;

/* The preference of ports; then, once every dissector has registered, the dissector itself. */
void wl_datagrams_register(struct pref_module *module);
void wl_datagrams_handoff(void);

/* A file is opened or dissected again. on: the user wants MQTT-SN. Puts the dissector on the ports
 * of the preference, or takes it from there. Returns whether any port is expected to carry it. */
bool wl_datagrams_open(bool on, wl_store_t *store, wl_health_t *health, unsigned max_stream,
                       unsigned max_total);
void wl_datagrams_close(void);

/* First pass over a frame with the node of an MQTT-SN message. */
void wl_datagrams_take(packet_info *pinfo, const proto_node *node);

/* Names and clients that did not fit. */
uint64_t wl_datagrams_dropped(void);

#endif
