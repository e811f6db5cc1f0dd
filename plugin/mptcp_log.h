/* mptcp_log.h
 * What is known of each frame of an MPTCP connection, kept compactly, and the tap record of it: the
 * contract between the rules (which write it), the computed fields and the tables (which read it).
 *
 * A frame has an entry, and items in the order in which they were found. Some items are of an
 * earlier frame, which could not be placed when it came: they stand on the frame that placed it
 * (tables count them there, in every pass) behind a WL_MP_ORIGIN, and again on their own from the
 * second pass on.
 *
 * Times are int64 nanoseconds. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_LOG_H
#define WIRELAT_MPTCP_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define WL_MP_VALUE_MAX ((INT64_C(1) << 51) - 1) /* of an item: 26 days */

typedef enum {
    WL_MP_ORIGIN,    /* aux: side of the log's entry, frame: its frame, value: its time less that of
                        the frame that holds this; what follows is of that one */
    WL_MP_DATA,      /* value: bytes not sent before, aux: bytes with a DSN, WL_MP_SWITCHED */
    WL_MP_DUPLICATE, /* one for each original; value: time since, frame: that or 0, aux: bytes */
    WL_MP_MAPPING,   /* a mapping not announced before on its subflow; value: its bytes */
    WL_MP_ACKED,     /* value: bytes that a DATA_ACK newly covers, DATA_FIN included; WL_MP_OK: not
                        the DATA_FIN alone */
    WL_MP_DACK_RTT,  /* value, frame: the data segment, aux: subflow it went on */
    WL_MP_MAP_RTT,   /* the same of a mapping */
    WL_MP_WAITS,     /* the segment waits for bytes before it; value: bytes waiting with it */
    WL_MP_RELEASED,  /* value: how long, frame: the segment that waited, aux: its subflow */
    WL_MP_HOL_DELAY, /* value: how long; on the waiting segment's frame, second pass */
    WL_MP_SYNACK_TIME,
    WL_MP_THIRD_ACK_TIME,
    WL_MP_FOURTH_ACK_TIME,
    WL_MP_HANDSHAKE_TIME,
    WL_MP_JOIN_TIME,
    WL_MP_JOIN_DELAY,
    WL_MP_FIRST_DATA_DELAY,
    WL_MP_ECHO_TIME,         /* frame: ADD_ADDR */
    WL_MP_ADDRESS_JOIN_TIME, /* frame: ADD_ADDR */
    WL_MP_HMAC,              /* WL_MP_OK */
    WL_MP_CHECKSUM,          /* WL_MP_OK */
    WL_MP_EVENT, /* aux: wl_mp_event_t | detail << 8, value: a time or WL_MP_VALUE_MAX, frame */
    WL_MP_ITEM_KINDS
} wl_mp_item_kind_t;

/* Flags of an item. */
enum {
    WL_MP_TCP_COPY = 1,   /* WL_MP_DUPLICATE: same subflow, same TCP sequence */
    WL_MP_REINJECTED = 2, /* another subflow */
    WL_MP_RESENT = 3,     /* same subflow, new TCP sequence */
    WL_MP_KIND = 3,
    WL_MP_USEFUL = 4,
    WL_MP_IS_MAPPING = 1, /* WL_MP_DATA, WL_MP_DACK_RTT: the segment is a mapping; no item apart */
    WL_MP_SWITCHED = 8,   /* WL_MP_DATA: the direction's data before went on another subflow */
    WL_MP_OK = 16,
    WL_MP_SAME_PACKET = 32 /* WL_MP_DUPLICATE: not the first of its kind on the segment */
};

/* What an event's detail is: */
typedef enum {
    WL_MP_EVENT_ADD_ADDR,      /* index in the sender's addresses */
    WL_MP_EVENT_ADD_ADDR_ECHO, /* index in the receiver's addresses; value: time since */
    WL_MP_EVENT_REMOVE_ADDR,   /* address id */
    WL_MP_EVENT_PRIO,          /* 1 backup, 0 regular; | subflow << 1 */
    WL_MP_EVENT_DATA_STOPPED,  /* after MP_PRIO; value: MP_PRIO to the last data, frame: that */
    WL_MP_EVENT_DATA_STARTED,  /* value: MP_PRIO to this data */
    WL_MP_EVENT_FAIL,          /* MP_FAIL */
    WL_MP_EVENT_INFINITE,      /* infinite mapping */
    WL_MP_EVENT_FASTCLOSE,
    WL_MP_EVENT_TCPRST, /* reason */
    WL_MP_EVENT_DATA_FIN,
    WL_MP_EVENT_DATA_FIN_ACKED, /* value: DATA_FIN to its DATA_ACK, frame: DATA_FIN */
    WL_MP_EVENT_FALLBACK,       /* wl_mp_fallback_t */
    WL_MP_EVENT_NO_JOINS,       /* flag C */
    WL_MP_EVENT_CHECKSUM,       /* checksum required */
    WL_MP_EVENT_JOIN,           /* MP_JOIN SYN: backup */
    WL_MP_EVENT_RESET,          /* RST without MP_TCPRST */
    WL_MP_EVENT_APART,          /* data, but no handshake of its connection */
    WL_MP_EVENTS
} wl_mp_event_t;

typedef enum { WL_MP_FALLBACK_HANDSHAKE, WL_MP_FALLBACK_DATA } wl_mp_fallback_t;

typedef struct {
    int64_t value : 52;
    unsigned kind : 6;  /* wl_mp_item_kind_t */
    unsigned flags : 6; /* WL_MP_* */
    uint32_t frame, aux;
} wl_mp_item_t;

G_STATIC_ASSERT(sizeof(wl_mp_item_t) == 16);

/* side: subflow's index << 2 | stream direction << 1 | whether its connection is known. */
typedef struct {
    uint32_t frame, side, first_item;
} wl_mp_entry_t;

#define WL_MP_SIDE(index, direction, placed) \
    ((uint32_t)(index) << 2 | (uint32_t)(direction) << 1 | (uint32_t)(placed))

typedef struct wl_mp_log wl_mp_log_t;

/* At most so many frames and four times as many items are kept. */
wl_mp_log_t *wl_mp_log_new(unsigned max_frames);
void wl_mp_log_free(wl_mp_log_t *log); /* NULL is allowed */

/* A frame begins; frames never decrease. */
void wl_mp_log_frame(wl_mp_log_t *log, uint32_t frame, uint32_t side, int64_t time_ns);

/* What follows is of this frame and side: the frame that began last, or an earlier one. */
void wl_mp_log_of(wl_mp_log_t *log, uint32_t frame, uint32_t side, int64_t time_ns);

/* Adds an item to the frame. */
void wl_mp_log_add(wl_mp_log_t *log, wl_mp_item_t item);

/* The WL_MP_RELEASED added last is of this frame too, which had waited: from the second pass on it
 * has it as WL_MP_HOL_DELAY. A table never sees that. */
void wl_mp_log_waited(wl_mp_log_t *log, uint32_t frame);

/* A frame's side and items as any pass knows them. */
typedef struct {
    uint32_t number; /* of the frame among those of the log */
    uint32_t frame, side;
    const wl_mp_item_t *items;
    unsigned count;
} wl_mp_logged_t;
/* False if the frame has none. Valid until the next call. */
bool wl_mp_log_find(const wl_mp_log_t *log, uint32_t frame, wl_mp_logged_t *logged);
/* Those of a number, which must be that of a frame. Valid until the next such call: tables read what
 * they put off while others still have to see what was found. */
void wl_mp_log_at(const wl_mp_log_t *log, uint32_t number, wl_mp_logged_t *logged);

/* The first frame behind this one that has an entry, or 0. */
uint32_t wl_mp_log_next(const wl_mp_log_t *log, uint32_t frame);

/* A frame's side alone. */
bool wl_mp_log_side(const wl_mp_log_t *log, uint32_t frame, uint32_t *side);

/* What a later pass adds to a frame. Valid until the next call. */
bool wl_mp_log_find_later(wl_mp_log_t *log, uint32_t frame, const wl_mp_item_t **items,
                          unsigned *count);

uint64_t wl_mp_log_dropped(const wl_mp_log_t *log);

#endif
