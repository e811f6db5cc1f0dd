/* framing.h
 * Thin handles in front of Wireshark's MQTT and Kafka dissectors that keep them in step with the
 * byte stream: where a segment ends inside an MQTT fixed header, and where a capture starts, or
 * has a gap, inside a message. Everything else passes through untouched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_FRAMING_H
#define WIRELAT_FRAMING_H

#include "compat.h"
#include "health.h"
#include "streams.h"

struct pref_module;

/* Registers protocols, the field wirelat.skipped and the preferences; then the handles. */
void wl_framing_register(int proto_wirelat, struct pref_module *module);
void wl_framing_handoff(void);

/* Puts the handles in front of the dissectors wherever those are used now: ports, Decode As, TLS;
 * or takes them away, by preference and for protocols that are off. Call whenever a file is opened or dissected again; what is
 * skipped is noted in health; streams (both outlive the file) tell which began with a handshake.
 * tcp_in_order: see wl_framing_ws_apply(). */
void wl_framing_apply(wl_health_t *health, const wl_streams_t *streams, bool mqtt, bool kafka,
                      bool tcp_in_order);

/* MQTT or Kafka is expected on this TCP port, by table, Decode As or preference, TLS included. */
bool wl_framing_expects(uint16_t port);
/* Expects it on this port too, until the next wl_framing_apply(). */
void wl_framing_expect(uint16_t port);

/* The port of the frame's two on which the server listens, as far as ports tell. */
uint32_t wl_framing_server_port(const packet_info *pinfo);

/* Adds the item wirelat.skipped. */
void wl_framing_show_skip(proto_tree *tree, tvbuff_t *tvb, uint32_t offset, uint32_t length);

#endif
