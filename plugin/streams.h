/* streams.h
 * What is remembered of each TCP stream that carries one of the protocols: its two directions, the
 * segments a message in progress may have begun in, the bytes whose TCP ACK is awaited, and the
 * state of the protocol on it. Streams of other traffic have no entry, unless all are followed.
 * Datagrams have a table of their own, and of a stream no more than number, ends and direction.
 * Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_STREAMS_H
#define WIRELAT_STREAMS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"
#include "queue.h"

/* One TCP segment as captured; host byte order. seq and ack are raw, as on the wire. */
typedef struct {
    uint32_t frame;
    uint32_t stream; /* tcp.stream */
    int64_t time_ns;
    uint32_t seq, ack;
    uint32_t length; /* payload bytes on the wire */
    uint16_t source_port, destination_port;
    uint16_t window;      /* as on the wire, not scaled */
    uint8_t flags;        /* WL_TCP_* */
    uint64_t header_hash; /* of all bytes of the TCP header: tells a copy from one sent again */
    const uint8_t *source_address; /* any family; compared only when both ports are equal */
    uint8_t address_length;
} wl_segment_t;

enum { WL_TCP_FIN = 0x01, WL_TCP_SYN = 0x02, WL_TCP_RST = 0x04, WL_TCP_ACK = 0x10 };

/* Where a piece of a message was first seen. TLS records use it too, with the record's frames. */
typedef struct {
    uint32_t frame; /* frame that completed the piece */
    uint32_t first_frame;
    int64_t first_ns; /* WL_NO_TIME if no longer known */
    uint32_t seq, length;
} wl_piece_t;

/* A run of what an application sent in a transport of messages (WebSocket): bytes [at, at + length)
 * of its own stream, and where the first of them was captured. */
typedef struct {
    uint64_t at;
    uint32_t length;
    uint32_t first_frame;
    int64_t first_ns; /* WL_NO_TIME if not known */
    uint32_t seq, record_frame;
    bool seq_known;
    bool in_messages; /* the transport does not compress it */
    bool in_place;    /* nor is it in TLS: each byte is one of TCP payload, the first at seq */
} wl_run_t;

/* Bytes [from, to) of a direction that were skipped, and not captured so far. */
typedef struct {
    uint32_t from, to;
    int64_t since_ns; /* when it was skipped, WL_NO_TIME if unknown */
    bool missed;      /* the other side has acknowledged them: it got what we did not */
} wl_gap_t;

#define WL_GAPS_MAX 16
#define WL_RECENT_HEADERS 4

/* What a data segment is to those before it. */
typedef enum {
    WL_SEGMENT_NEXT,  /* new bytes, with or without a gap before them */
    WL_SEGMENT_FILLS, /* bytes of a gap: out of order, or lost before the capture and sent again */
    WL_SEGMENT_AGAIN, /* nothing new */
    WL_SEGMENT_TWICE  /* the very segment before, captured a second time */
} wl_order_t;

typedef struct {
    bool started;      /* next_seq is known */
    uint32_t next_seq; /* after the last byte seen or acknowledged */
    wl_gap_t *gaps;    /* WL_GAPS_MAX, from the first on; most directions have none */
    unsigned gap_count;
    uint32_t gaps_dropped; /* the oldest of too many; whoever counts them sets it back to 0 */
    /* Of the last segment that was WL_SEGMENT_FILLS: bytes that were in gaps, since when the oldest
     * of these had been skipped (WL_NO_TIME: acknowledged, or unknown). */
    uint32_t filled;
    int64_t filled_since_ns;
    struct {
        uint64_t hash;
        int64_t time_ns;
    } recent[WL_RECENT_HEADERS];
    unsigned recent_at;
} wl_sequence_t;

typedef struct {
    wl_sequence_t sequence;
    /* wl_piece_t: data segments back to the start of the message in progress; TLS records, likewise */
    wl_queue_t segments, records;
    wl_queue_t unacked;   /* requests whose last byte no ACK has covered yet, in sequence order */
    wl_queue_t requests;  /* the last messages that opened an exchange, in sequence order */
    wl_queue_t resent;    /* the last segments that were sent again */
    wl_queue_t runs;      /* wl_run_t: WebSocket, back to the start of the packet in progress */
    wl_queue_t fragments; /* wl_run_t: of the WebSocket message in progress */
    bool missed_message;  /* WebSocket: one was not handed over; cleared by who heeds it */
} wl_half_t;

/* MQTT state of a stream. */
typedef struct {
    int8_t client_dir; /* direction in which the client sends, -1 unknown */
    uint8_t version;   /* 3, 4, 5; 0 unknown */
    wl_string_t client;
    wl_string_t broker;                      /* address:port */
    uint32_t ping_sent[2], ping_answered[2]; /* PINGREQs have no id: they are numbered here */
    GHashTable *aliases;                     /* direction << 16 | alias -> wl_string_t */
    struct wl_mqtt_session *session;         /* see mqtt_session.h, which owns it; may be NULL */
    uint32_t resumed;     /* tcp.stream, plus one, whose session this connection goes on with */
    uint32_t connect;     /* the Connect exchange plus one, 0 if not captured */
    uint32_t inflight[2]; /* QoS 1 and 2 publishes not acknowledged, by their sender */
    uint16_t receive_maximum[2]; /* most of those, 0 unknown */
    uint16_t keep_alive_s;       /* in force; 0 none */
    bool keeps_session;          /* the session outlives the connection */
    bool ended, authenticates;
    int64_t step_ns;     /* first byte of the last packet of an authentication */
    int64_t client_ns;   /* end of the client's last packet */
    int64_t silence_ns;  /* longest of the client so far */
    GArray *subscribing; /* SUBSCRIBE and UNSUBSCRIBE waiting for their answer */
} wl_mqtt_stream_t;

/* Kafka state of a connection; an index is stored plus one, so that 0 is none. */
typedef struct {
    wl_string_t broker;          /* address:port */
    wl_string_t fetched;         /* what the last Fetch that named any topic named first */
    uint16_t topics, partitions; /* how many it named */
    bool sasl_started;
    int64_t sasl_start_ns;    /* first byte of the SaslHandshake request */
    bool answered[2];         /* by direction of the requester: a response was seen */
    int64_t busy_until_ns[2]; /* end of the last response, and of the pause it imposed */
    uint32_t plain, grouped;  /* details its requests share: without and with a group */
} wl_kafka_stream_t;

typedef struct {
    uint32_t number; /* tcp.stream, or udp.stream */
    bool is_udp;     /* no sequence, no ACK: the halves stay empty */
    bool from_syn;   /* its first segment was a SYN: nothing before it is missing */
    uint16_t port[2];
    uint8_t address[16]; /* source address of direction 0 */
    uint8_t address_length;
    wl_half_t half[2];
    struct wl_path *path; /* see tcp_path.h, which owns it; NULL if not followed */
    bool carries;         /* one of the protocols, not merely followed as any TCP stream */
    wl_mqtt_stream_t mqtt;
    wl_kafka_stream_t kafka;
} wl_stream_t;

typedef struct wl_streams wl_streams_t;

wl_streams_t *wl_streams_new(unsigned max_per_direction);
void wl_streams_free(wl_streams_t *streams);

/* The stream, or NULL if nothing is kept of it so far. */
wl_stream_t *wl_streams_find(const wl_streams_t *streams, uint32_t number);
/* The stream; a new one takes the segment's direction as direction 0. */
wl_stream_t *wl_streams_get(wl_streams_t *streams, const wl_segment_t *segment);
/* Direction (0 or 1) the segment goes in. */
unsigned wl_stream_direction(const wl_stream_t *stream, const wl_segment_t *segment);

/* Remembers a data segment (or, in half->records, a TLS record). At the bound the oldest go, and
 * their messages have no first(m). */
void wl_half_add_segment(wl_streams_t *streams, wl_half_t *half, const wl_segment_t *segment);
void wl_half_add_record(wl_streams_t *streams, wl_half_t *half, const wl_piece_t *record);
/* Likewise a run, or a fragment, of which the place in the stream is not known yet. */
void wl_half_add_run(wl_streams_t *streams, wl_queue_t *runs, const wl_run_t *run);
/* The run that holds byte `at`, or NULL. */
const wl_run_t *wl_half_find_run(const wl_half_t *half, uint64_t at);
void wl_half_forget_runs(wl_half_t *half, uint64_t before);
/* The remembered segment that first brought the byte at sequence number seq, or NULL. */
const wl_piece_t *wl_half_find_byte(const wl_half_t *half, uint32_t seq);
/* The remembered segment of a frame, or NULL. */
const wl_piece_t *wl_half_find_segment(const wl_half_t *half, uint32_t frame);
/* The nth last (0 = last) TLS record completed in the frame, or NULL. */
const wl_piece_t *wl_half_find_record(const wl_half_t *half, uint32_t frame, unsigned nth_last);
/* A message that began at sequence number seq is complete: what lies wholly before it can go. */
void wl_half_forget_before(wl_half_t *half, uint32_t seq, uint32_t record_frame);

/* Frees what the sequence holds; it can be used anew. */
void wl_sequence_clear(wl_sequence_t *sequence);
/* Takes a segment into the direction's sequence: what it is, if it has data. *found: bytes it brings
 * that were counted as missing. */
wl_order_t wl_sequence_take(wl_sequence_t *sequence, const wl_segment_t *segment, uint32_t *found);
/* The sender goes on at seq, as a segment without data says: what lies before it was skipped. */
void wl_sequence_skip(wl_sequence_t *sequence, uint32_t seq, int64_t time_ns);
/* The other side acknowledges up to ack: how many bytes below it were never captured, and not
 * returned before. 0 while nothing is known of the direction. */
uint32_t wl_sequence_missed(wl_sequence_t *sequence, uint32_t ack);

/* Waits for the TCP ACK that covers end_seq, the sequence number after a request's last byte. */
void wl_half_await_ack(wl_streams_t *streams, wl_half_t *half, uint32_t end_seq,
                       wl_exchange_id_t id);
/* Hands out the next request that ack covers; false when there is none (left). */
bool wl_half_acked(wl_half_t *half, uint32_t ack, wl_exchange_id_t *id);

/* Pieces and awaited ACKs dropped at the bound. */
uint64_t wl_streams_dropped(const wl_streams_t *streams);

/* a before b in TCP sequence space (RFC 9293 section 3.4). */
static inline bool wl_seq_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

#endif
