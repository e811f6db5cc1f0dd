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

struct pref_module;

/* What was repaired in the open capture file. */
typedef struct {
    uint64_t skipped_bytes;    /* between messages, while out of step */
    uint32_t skipped_segments; /* pieces they were in */
    uint32_t first_frame;      /* the first of them, 0 if none */
    uint32_t silent;           /* directions that found no message again to the end */
} wl_framing_counters_t;

/* Registers protocols, the field wirelat.skipped and the preferences; then the handles. */
void wl_framing_register(int proto_wirelat, struct pref_module *module);
void wl_framing_handoff(void);

/* Puts the handles in front of the dissectors wherever those are used now: ports, Decode As, TLS;
 * or takes them away, by preference. Call whenever a file is opened or dissected again. */
void wl_framing_apply(void);

/* MQTT or Kafka is expected on this TCP port, by table, Decode As or preference, TLS included. */
bool wl_framing_expects(uint16_t port);

const wl_framing_counters_t *wl_framing_counters(void);

#endif
