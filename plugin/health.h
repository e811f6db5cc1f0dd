/* health.h
 * What makes results unreliable: a log of findings, in frame order. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_HEALTH_H
#define WIRELAT_HEALTH_H

#include <stdint.h>

#include "rare.h"

typedef enum {
    WL_HEALTH_SNAPLEN,            /* frames cut by the snap length */
    WL_HEALTH_NO_HANDSHAKE,       /* streams whose SYN was not captured */
    WL_HEALTH_RETRANSMITTED,      /* segments again or out of order, while Wireshark drops those */
    WL_HEALTH_MISSING,            /* bytes that were acknowledged but never captured */
    WL_HEALTH_CAPTURED_TWICE,     /* segments that are in the file twice */
    WL_HEALTH_UNSUPPORTED,        /* Kafka messages of a version not known */
    WL_HEALTH_MALFORMED,          /* Kafka messages not readable to their end */
    WL_HEALTH_NO_START,           /* messages whose first byte's frame is not known */
    WL_HEALTH_SKIPPED,            /* bytes skipped until a message began */
    WL_HEALTH_OUT_OF_STEP,        /* directions in which no message has been found again */
    WL_HEALTH_ORPHAN,             /* answers without request */
    WL_HEALTH_GATED,              /* messages refused by a sanity gate */
    WL_HEALTH_EVICTED,            /* requests forgotten at the bound of the pending table */
    WL_HEALTH_NO_MPTCP_HANDSHAKE, /* MPTCP streams whose connection's handshake is not there */
    WL_HEALTH_UNKNOWN_TOKEN,      /* MP_JOINs whose token is of no connection captured */
    WL_HEALTH_SHARED_TOKEN,       /* MP_JOINs whose token several connections have */
    WL_HEALTH_FORWARDS,           /* publishes forgotten before their copies were found */
    WL_HEALTH_FORGOTTEN,          /* segments, awaited ACKs or names dropped at their bound */
    WL_HEALTH_COUNT
} wl_health_kind_t;

/* One finding, and the tap record of it. */
typedef struct {
    uint32_t frame;
    uint16_t kind;  /* wl_health_kind_t */
    int64_t amount; /* how many; negative where an earlier finding is taken back */
} wl_finding_t;

typedef struct wl_health wl_health_t;

wl_health_t *wl_health_new(void);
void wl_health_free(wl_health_t *health);

/* Notes a finding. Frames never decrease from call to call. Findings of one kind on one frame are
 * one entry. Beyond a million entries a kind's findings are summed up in its last entry. */
WL_RARE void wl_health_note(wl_health_t *health, uint32_t frame, wl_health_kind_t kind,
                            int64_t amount);

/* What was noted of the frame whose findings came last, for the first pass: nothing is summed up in
 * them, so that each finding is told just once in every pass. Result as below. */
const wl_finding_t *wl_health_fresh(const wl_health_t *health, uint32_t frame, uint32_t *count);

/* A frame's findings: the first, and their number in *count. Valid until the next note. */
const wl_finding_t *wl_health_find(const wl_health_t *health, uint32_t frame, uint32_t *count);

#endif
