/* message_stream.h
 * A byte stream of MQTT control packets inside a transport of messages, as WebSocket is one (MQTT
 * 5.0 section 6: a packet need not begin or end with a message). Knows nothing of epan.
 *
 *   messages   [10][07][00 04 4d ..][32 0c .. | 32 0c ..| 40]      steps of each message:
 *   packets    \_______CONNECT_____/ \_whole__/\_whole_/ \__ ..    PART PART END, WHOLE PART, ...
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MESSAGE_STREAM_H
#define WIRELAT_MESSAGE_STREAM_H

#include <glib.h>
#include <wireshark.h>

#include <wsutil/wmem/wmem.h>

#include "frame_rules.h"

/* A packet that lies in several messages, or of which not all bytes are known. */
typedef struct {
    uint8_t *bytes; /* the first `known` of it */
    uint32_t known;
    uint32_t have;   /* bytes that came so far */
    uint32_t length; /* of the whole packet, 0 until its header is complete */
    uint32_t capacity;
    uint64_t at;                      /* of its first byte in the direction's stream */
    uint32_t first_frame, last_frame; /* last_frame is 0 until the packet is complete */
    uint32_t parts;
    bool holed; /* a message of its own may be missing */
} wl_packet_t;

typedef enum {
    WL_STEP_WHOLE, /* whole packets */
    WL_STEP_PART,  /* bytes of a packet that goes on in a later message */
    WL_STEP_END,   /* bytes of a packet that ends with them */
    WL_STEP_SKIP   /* bytes that belong to no packet that could be found */
} wl_step_kind_t;

/* What a run of a message's bytes is. The steps of a message add up to its length. */
typedef struct {
    wl_step_kind_t kind;
    uint32_t length;
    wl_packet_t *packet; /* of PART and END; lives as long as the allocator */
} wl_step_t;

/* Bytes of incomplete packets, over all streams. */
typedef struct {
    uint64_t held, max_held;
    uint64_t dropped; /* packets given up at the bound */
} wl_packet_pool_t;

/* One direction of one connection. Zeroed at first but for allocator, pool and rule. */
typedef struct {
    wmem_allocator_t *allocator;
    wl_packet_pool_t *pool;
    wl_header_rule_t rule;
    uint64_t at;         /* bytes of all messages so far */
    wl_packet_t *packet; /* incomplete */
    bool doubt;          /* messages may be missing since the last sure header */
    bool lost;           /* looking for the beginning of a packet */
    int64_t skipped;     /* bytes not understood so far; falls when some are after all */
    wl_packet_t *window; /* while lost: the last bytes, in case a packet began in one of them */
    GArray *boundaries;  /* where messages begin in the window */
} wl_message_stream_t;

typedef struct {
    uint32_t frame;
    const uint8_t *bytes;
    uint32_t known;  /* bytes at `bytes` */
    uint32_t length; /* of the message; more than `known` where the capture or a limit cut it */
    bool doubtful;   /* a message before it may not have been captured */
} wl_transport_message_t;

/* Takes the direction's next message and appends its steps (wl_step_t). */
void wl_message_stream_take(wl_message_stream_t *stream, const wl_transport_message_t *message,
                            GArray *steps);

/* Frees what the allocator does not: call before it goes. */
void wl_message_stream_clear(wl_message_stream_t *stream);

/* Where in the stream the oldest byte lies that a later packet may contain. */
uint64_t wl_message_stream_needed(const wl_message_stream_t *stream);

#endif
