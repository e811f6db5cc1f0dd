/* framing_ws.h
 * MQTT over WebSocket: a handle for the subprotocols "mqtt" and "mqttv3.1" that makes one byte
 * stream of the messages of a direction, and hands whole control packets to Wireshark's own MQTT
 * dissector. It tells the post-dissector what the frame's WebSocket messages and packets are, so
 * that packets can be traced back to TCP segments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_FRAMING_WS_H
#define WIRELAT_FRAMING_WS_H

#include "compat.h"
#include "health.h"
#include "streams.h"

struct pref_module;

/* A WebSocket message of the frame, in the direction's byte stream. */
typedef struct {
    const proto_node *node; /* of the WebSocket frame that completes it */
    uint64_t at;            /* of its first byte, as the application sends it */
    uint32_t length;
} wl_ws_message_t;

/* Bytes that went to the MQTT dissector: [start, start + length) of the buffer its items refer to. */
typedef struct {
    const tvbuff_t *buffer;
    uint32_t start, length;
    uint64_t at;
    bool shortened; /* a limit of the WebSocket dissector left bytes out, not the capture */
} wl_ws_handed_t;

/* What the handle did on the first pass over a frame. */
typedef struct {
    uint32_t frame;
    GArray *messages; /* wl_ws_message_t */
    GArray *handed;   /* wl_ws_handed_t */
    uint64_t needed;  /* a packet that is not complete, or may yet be found, begins here or later */
} wl_ws_frame_t;

/* Preferences and fields; then, with the handle of Wireshark's MQTT dissector and a protocol in
 * name only below it, the handle itself. */
void wl_framing_ws_register(int proto_wirelat, struct pref_module *module);
void wl_framing_ws_handoff(dissector_handle_t mqtt, int proto);

/* Puts the handle into the tables of the WebSocket dissector, or takes it out; see
 * wl_framing_apply(). tcp_in_order: TCP passes nothing on before what is missing has come. */
void wl_framing_ws_apply(wl_health_t *health, const wl_streams_t *streams, bool on,
                         bool tcp_in_order);
/* The file is about to be closed. */
void wl_framing_ws_close(void);

/* NULL if the frame had no MQTT over WebSocket. Valid until the next frame's first pass. */
const wl_ws_frame_t *wl_framing_ws_frame(uint32_t frame);

/* An HTTP message of the frame. One that agrees on MQTT over WebSocket makes its connection one to
 * expect from now on: the first segments of the first message must be remembered too. */
void wl_framing_ws_see_http(const packet_info *pinfo, const uint8_t *bytes, uint32_t count);

/* The connection between these ports carries MQTT over WebSocket. */
bool wl_framing_ws_expects(uint16_t port, uint16_t other_port);

#endif
