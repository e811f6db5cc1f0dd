/* exchange.h
 * The record of one exchange and the store that keeps them: the contract between the matching
 * rules (which write it), the computed fields and the taps (which read it).
 *
 *   Q ------>            an exchange is a request message Q and what answers it, R;
 *     <------ R          every event of it (Q sent, R arrived, TCP ACK of Q, a QoS 2 leg, a retry)
 *                        is one entry in the log, in frame order, and is shown on its own frame.
 *
 * Times are int64 nanoseconds since the epoch, WL_NO_TIME where unknown. Frames are numbered from 1,
 * 0 is none. Nothing here knows of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_EXCHANGE_H
#define WIRELAT_EXCHANGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rare.h"

#define WL_NO_TIME G_MININT64

/* Index of an interned string in the store; WL_STRING_NONE is the empty, absent one. */
typedef uint32_t wl_string_t;
#define WL_STRING_NONE 0u

/* Index of an exchange in the store. */
typedef uint32_t wl_exchange_id_t;
#define WL_EXCHANGE_NONE UINT32_MAX

typedef enum { WL_PROTO_MQTT, WL_PROTO_KAFKA, WL_PROTO_MQTTSN, WL_PROTO_COUNT } wl_proto_t;

/* What happened on a frame. The order is the order in the tree of one message. */
typedef enum {
    WL_EVENT_REQUEST,   /* Q complete */
    WL_EVENT_ACK,       /* first TCP segment whose ACK covers Q's last byte */
    WL_EVENT_PUBREC,    /* QoS 2: PUBREC arrived */
    WL_EVENT_PUBREL,    /* QoS 2: PUBREL arrived */
    WL_EVENT_ANSWER,    /* R complete: the exchange is finished */
    WL_EVENT_RETRY,     /* Q (or its PUBREL) sent again by the application while pending */
    WL_EVENT_DUPLICATE, /* a further answer to a finished exchange */
    WL_EVENT_ORPHAN,    /* an answer whose request was not captured */
    WL_EVENT_AUTH,      /* MQTT: an authentication went one step further */
    WL_EVENT_SILENCE,   /* MQTT: ends a silence of the client longer than its keep-alive allows */
    WL_EVENT_SESSION,   /* MQTT: DISCONNECT, or the connection's end without one */
    WL_EVENT_COUNT
} wl_event_t;

#define WL_ON(event) (1u << (event))

enum {
    WL_ANSWERED = 1u << 0,
    WL_ONE_WAY = 1u << 1,     /* no answer by design: QoS 0, acks=0 */
    WL_REUSED_ID = 1u << 2,   /* took the id of a request that was still pending */
    WL_ID_TAKEN = 1u << 3,    /* its id was reused before an answer came: closed */
    WL_EVICTED = 1u << 4,     /* forgotten at the bound of the pending table */
    WL_ORPHANED = 1u << 5,    /* stands for an answer without request */
    WL_FROM_BROKER = 1u << 6, /* the requester is the broker */
    WL_RETAIN = 1u << 7
};

/* MQTT exchange kinds. */
enum {
    WL_MQTT_CONNECT = 1,
    WL_MQTT_PUBLISH,
    WL_MQTT_SUBSCRIBE,
    WL_MQTT_UNSUBSCRIBE,
    WL_MQTT_PING,
    WL_MQTT_AUTH
};

/* MQTT-SN exchange kinds. */
enum {
    WL_SN_EX_CONNECT = 1,
    WL_SN_EX_WILL_TOPIC, /* the gateway asks */
    WL_SN_EX_WILL_MESSAGE,
    WL_SN_EX_REGISTER,
    WL_SN_EX_PUBLISH,
    WL_SN_EX_SUBSCRIBE,
    WL_SN_EX_UNSUBSCRIBE,
    WL_SN_EX_PING,
    WL_SN_EX_WILL_TOPIC_UPDATE,
    WL_SN_EX_WILL_MESSAGE_UPDATE,
    WL_SN_EX_DISCONNECT
};

/* What is known of an MQTT exchange. */
enum {
    WL_MQTT_IN_FLIGHT = 1u << 0, /* counts among the packets in flight of its connection */
    WL_MQTT_COPY = 1u << 1,      /* a PUBLISH to a subscriber whose original was looked for */
    WL_MQTT_AMBIGUOUS = 1u << 2  /* that original may be another */
};

/* How an MQTT connection ended: what it was, and bit 0 set if by the broker. */
enum { WL_MQTT_END_DISCONNECT = 2, WL_MQTT_END_FIN = 4, WL_MQTT_END_RST = 6 };

#define WL_REASON_NONE (-1) /* no reason code on the wire or not readable */
#define WL_KAFKA_ACKS_UNKNOWN G_MININT8

/* What is known of a Kafka exchange's bodies. */
enum {
    WL_KAFKA_ASKED_BODY = 1u << 0,    /* the request's was read */
    WL_KAFKA_ANSWERED_BODY = 1u << 1, /* the answer's was read */
    WL_KAFKA_LONG_POLL = 1u << 2,     /* a Fetch that the broker held back; known on its answer */
    WL_KAFKA_THROTTLE_KNOWN = 1u << 3,
    WL_KAFKA_ASKS_NOTHING = 1u << 4 /* a Fetch of no topic, as the one that closes a session */
};

/* Legs of a QoS 2 publish; each time is that of the frame with the packet's first or last byte. A
 * PUBREC captured behind its PUBREL has no first: the leg between them would be known from the
 * second pass on only. */
typedef struct {
    int64_t pubrec_first_ns, pubrec_last_ns;
    int64_t pubrel_first_ns, pubrel_last_ns;
} wl_legs_t;

/* What belongs to one event of an MQTT exchange and not to the whole. */
typedef struct {
    /* AUTH: from the first byte of the packet it follows to its last. SILENCE: from the client's
     * last packet to the next. SESSION: from the CONNECT's first byte to the end. */
    int64_t start_ns, end_ns;
    int64_t silence_ns;        /* SESSION: longest silence of the client, WL_NO_TIME */
    wl_exchange_id_t exchange; /* Connect or Re-authenticate */
    uint16_t keep_alive_s;     /* that is in force, 0 none */
    int16_t reason;            /* of a DISCONNECT, WL_REASON_NONE */
    uint8_t end;               /* SESSION: WL_MQTT_END_* */
    bool by_broker;            /* AUTH: who sent it */
} wl_mqtt_note_t;

/* What few Kafka exchanges have, or many share: one record for all requests of a connection that
 * name the same group and member, and one of its own for an answer that adds to it. */
typedef struct {
    int64_t span_ns;    /* what this answer ends: SASL handshake, rebalance; else WL_NO_TIME */
    wl_string_t broker; /* address:port */
    wl_string_t group, member; /* as the request names them */
    wl_string_t joined;        /* member id, as the answer of a JoinGroup names it */
    int32_t throttle_ms;
} wl_kafka_details_t;

/* The times of an exchange; any of them may be WL_NO_TIME. */
typedef enum {
    WL_TIME_REQUEST_FIRST,
    WL_TIME_ANSWER_FIRST, /* the answer's two: once WL_ANSWERED, and of an orphan */
    WL_TIME_ANSWER_LAST,
    WL_TIME_ACK, /* once ack_frame is set */
    WL_TIME_COUNT,
    WL_TIME_WAIT_END = WL_TIME_COUNT, /* Kafka, once answered: until then it waited for others */
    WL_TIME_REQUEST_LAST              /* of all but orphans */
} wl_time_t;

#define WL_OFFSET_NONE G_MININT32

/* Its times are read by wl_time_ns(). */
typedef struct {
    int64_t base_ns; /* last(Q), of an orphan last(R): what the others are kept from */
    int32_t offset[WL_TIME_COUNT]; /* ns from the base; of a far one its index in the store */
    uint32_t request_frame;        /* frame that completed Q */
    uint32_t answer_frame;         /* frame that completed R */
    uint32_t ack_frame;
    uint32_t stream; /* tcp.stream; of MQTT-SN udp.stream */
    uint32_t id;     /* MQTT packet id, Kafka correlation id (bits of an int32), MQTT-SN MsgId */
    uint32_t size;   /* bytes of Q, header included */
    wl_string_t client;
    uint16_t retries;
    uint8_t proto : 2;     /* wl_proto_t */
    uint8_t direction : 1; /* of the requester, as wl_stream_direction() */
    uint8_t far : 5;       /* a bit for each time that is two seconds and more from the base */
    uint8_t flags;
    union {
        struct {
            wl_string_t topic;
            wl_string_t assigned_client; /* of a CONNECT, known from its CONNACK on */
            uint32_t session; /* of a Connect: its WL_EVENT_SESSION's note plus one, 0 none */
            uint32_t legs;    /* QoS 2: index for wl_store_legs(), else UINT32_MAX */
            wl_exchange_id_t original; /* of a copy to a subscriber: the publish, or ..._NONE */
            int16_t reason;            /* of the last answer, WL_REASON_NONE */
            uint16_t inflight;        /* QoS 1, 2: of its sender, itself included; 65,535 at most */
            uint16_t receive_maximum; /* of the receiver, 0 unknown */
            uint8_t kind, qos, version;
            uint8_t known; /* WL_MQTT_* bits */
        } mqtt;
        struct {
            wl_string_t topic;           /* the first the request names */
            int32_t wait_end;            /* offset of WL_TIME_WAIT_END */
            uint32_t details;            /* index for wl_store_kafka() */
            int32_t max_wait_ms;         /* of a Fetch, -1 unknown */
            uint16_t inflight;           /* requests open when this one was sent, itself included */
            uint16_t topics, partitions; /* how many the request names; all three at most 65,535 */
            int16_t error;               /* the answer's first that is not 0 */
            int8_t api, version;         /* -1 of an orphan */
            int8_t acks;                 /* of a Produce */
            uint8_t known;               /* WL_KAFKA_* bits */
        } kafka;
        struct {
            wl_string_t topic; /* as far as its name is known */
            wl_string_t node;  /* behind a forwarder: its name for the client */
            uint32_t legs;     /* QoS 2: index for wl_store_legs(), else UINT32_MAX */
            uint32_t content;  /* hash of the request */
            uint16_t topic_id;
            int16_t reason; /* return code of the answer, WL_REASON_NONE */
            uint8_t kind, topic_type;
            int8_t qos; /* -1 without a connection */
        } mqttsn;
    } u;
} wl_exchange_t;

/* One tap record: queued once per event, on the event's frame, in every pass. */
typedef struct wl_store wl_store_t;
typedef struct {
    wl_event_t event;
    wl_exchange_id_t id;
    const wl_exchange_t *ex;
    const wl_store_t *store;
    const wl_mqtt_note_t *note; /* of WL_EVENT_AUTH and later ones, else NULL */
    uint32_t number;            /* of the event in the log */
    uint32_t frame;             /* it happened on */
} wl_record_t;

/* So many of a frame are tapped. Wireshark's queue takes 5,000 records of all taps, and would drop the
 * rest with a warning. */
#define WL_MOST_TAPPED 4500u

/* What was counted but belongs to no exchange. */
typedef struct {
    uint64_t exchanges_dropped; /* beyond 2^28 */
    uint64_t strings_dropped;   /* names that did not fit the string bound */
} wl_store_counters_t;

wl_store_t *wl_store_new(void);
void wl_store_free(wl_store_t *store);

/* A new exchange, all zero but the times (WL_NO_TIME); stays valid as long as the store. Its base_ns
 * must be set before any other time. */
wl_exchange_t *wl_store_add(wl_store_t *store, wl_proto_t proto, wl_exchange_id_t *id);
wl_exchange_t *wl_store_get(const wl_store_t *store, wl_exchange_id_t id);

/* Any time, or WL_NO_TIME. */
void wl_store_set_time(wl_store_t *store, wl_exchange_t *ex, wl_time_t time, int64_t ns);
int64_t wl_store_far_ns(const wl_store_t *store, int32_t index);

/* Logs an event. Frames never decrease from call to call. */
void wl_store_log(wl_store_t *store, uint32_t frame, wl_event_t event, wl_exchange_id_t id);
/* The same for an event that has a note, which is copied; WL_EVENT_AUTH or later. */
void wl_store_log_note(wl_store_t *store, uint32_t frame, wl_event_t event,
                       const wl_mqtt_note_t *note);
/* The note of a Connect's end, NULL while there is none. */
const wl_mqtt_note_t *wl_store_session(const wl_store_t *store, const wl_exchange_t *ex);
/* The log entries of a frame: the index of the first, their number in *count (0 if none). */
uint32_t wl_store_events(const wl_store_t *store, uint32_t frame, uint32_t *count);
uint32_t wl_store_event_count(const wl_store_t *store);
size_t wl_store_log_bytes(const wl_store_t *store); /* what the log takes */
void wl_store_event(const wl_store_t *store, uint32_t index, wl_record_t *record);

/* Gives the exchange room for QoS 2 legs, all WL_NO_TIME. */
wl_legs_t *wl_store_add_legs(wl_store_t *store, wl_exchange_t *ex);
wl_legs_t *wl_store_legs(const wl_store_t *store, const wl_exchange_t *ex); /* NULL without */

/* A new record of details, all none; a copy of *like if that is given. *index is its place. */
wl_kafka_details_t *wl_store_add_kafka(wl_store_t *store, const wl_kafka_details_t *like,
                                       uint32_t *index);
wl_kafka_details_t *wl_store_kafka(const wl_store_t *store, const wl_exchange_t *ex); /* or NULL */

/* Whether the text is interned already. */
bool wl_store_find(const wl_store_t *store, const char *text, wl_string_t *string);
/* The stream's direction has a new smallest RTT, known from this frame on; frames never decrease. */
WL_RARE void wl_store_add_path_rtt(wl_store_t *store, uint32_t stream, unsigned direction,
                                   uint32_t frame, int64_t rtt_ns);
/* The smallest RTT of the requester's direction as known at a frame, or WL_NO_TIME. */
int64_t wl_store_path_rtt(const wl_store_t *store, const wl_exchange_t *ex, uint32_t frame);

#define WL_RESENT_UNKNOWN UINT32_MAX
/* Counts TCP segments of an exchange that were sent again; WL_RESENT_UNKNOWN: cannot be known. */
void wl_store_add_resent(wl_store_t *store, wl_exchange_id_t id, uint32_t count);
uint32_t wl_store_resent(const wl_store_t *store, wl_exchange_id_t id);

/* How many further answers an exchange got. */
uint32_t wl_store_duplicates(const wl_store_t *store, wl_exchange_id_t id);

/* Interned text; equal text has equal index. Beyond 64 MiB of names new ones become "(other)". */
wl_string_t wl_store_intern(wl_store_t *store, const char *text);
/* The same of a name off the wire, not terminated: what is no UTF-8 is made so, since it goes to
 * trees and tables. */
wl_string_t wl_store_intern_bytes(wl_store_t *store, const uint8_t *bytes, uint32_t length);
const char *wl_store_text(const wl_store_t *store, wl_string_t string);

wl_store_counters_t *wl_store_counters(wl_store_t *store);

/* last - first, or WL_NO_TIME when either is unknown. */
static inline int64_t wl_span_ns(int64_t first, int64_t last)
{
    return first == WL_NO_TIME || last == WL_NO_TIME ? WL_NO_TIME : last - first;
}

static inline int64_t wl_time_ns(const wl_store_t *store, const wl_exchange_t *ex, wl_time_t time)
{
    int32_t offset;

    if (time == WL_TIME_REQUEST_LAST) {
        return ex->flags & WL_ORPHANED ? WL_NO_TIME : ex->base_ns;
    }
    offset = time == WL_TIME_WAIT_END ? ex->u.kafka.wait_end : ex->offset[time];
    if (ex->far & 1u << time) {
        return wl_store_far_ns(store, offset);
    }
    return offset == WL_OFFSET_NONE ? WL_NO_TIME
                                    : (int64_t)((uint64_t)ex->base_ns + (uint64_t)(int64_t)offset);
}

/* The same of the exchange a record is about. */
static inline int64_t wl_record_ns(const wl_record_t *record, wl_time_t time)
{
    return wl_time_ns(record->store, record->ex, time);
}

/* MQTT: from the end of a client's publish to the start of this copy of it, or WL_NO_TIME. */
static inline int64_t wl_mqtt_forward_ns(const wl_store_t *store, const wl_exchange_t *ex)
{
    if (ex->u.mqtt.original == WL_EXCHANGE_NONE) {
        return WL_NO_TIME;
    }
    return wl_span_ns(
        wl_time_ns(store, wl_store_get(store, ex->u.mqtt.original), WL_TIME_REQUEST_LAST),
        wl_time_ns(store, ex, WL_TIME_REQUEST_FIRST));
}

/* Kafka: spent behind earlier requests, or WL_NO_TIME. */
static inline int64_t wl_kafka_wait_ns(const wl_store_t *store, const wl_exchange_t *ex)
{
    return wl_span_ns(wl_time_ns(store, ex, WL_TIME_REQUEST_LAST),
                      wl_time_ns(store, ex, WL_TIME_WAIT_END));
}

/* Kafka: service time less that wait, or WL_NO_TIME. */
static inline int64_t wl_kafka_unqueued_ns(const wl_store_t *store, const wl_exchange_t *ex)
{
    return wl_span_ns(wl_time_ns(store, ex, WL_TIME_WAIT_END),
                      wl_time_ns(store, ex, WL_TIME_ANSWER_FIRST));
}

/* An answer is still owed. */
static inline bool wl_exchange_open(const wl_exchange_t *ex)
{
    return !(ex->flags & (WL_ANSWERED | WL_ONE_WAY | WL_ORPHANED));
}

#endif
