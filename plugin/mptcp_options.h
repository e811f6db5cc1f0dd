/* mptcp_options.h
 * The MPTCP options of one TCP segment, from the bytes of its header (RFC 6824 section 3 for
 * version 0, RFC 8684 section 3 for version 1). Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_OPTIONS_H
#define WIRELAT_MPTCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Subtypes, RFC 8684 section 8.2. */
typedef enum {
    WL_MP_CAPABLE,
    WL_MP_JOIN,
    WL_MP_DSS,
    WL_MP_ADD_ADDR,
    WL_MP_REMOVE_ADDR,
    WL_MP_PRIO,
    WL_MP_FAIL,
    WL_MP_FASTCLOSE,
    WL_MP_TCPRST,
    WL_MP_SUBTYPES
} wl_mp_subtype_t;

#define WL_MP_HAS(options, subtype) (((options)->present >> (subtype)) & 1u)

#define WL_MP_ADDRESSES_MAX 4 /* more do not fit in 40 bytes of options */
#define WL_MP_HMAC_MAX 20

/* RFC 8684 section 3.1. */
typedef struct {
    uint8_t version;
    bool checksum_required; /* flag A */
    bool no_joins_here;     /* flag C */
    uint8_t keys;           /* 0 on a SYN of version 1, 1, or 2: sender's, receiver's */
    uint64_t key[2];
    bool has_length; /* version 1: maps the data of its segment, from the first DSN on */
    uint16_t length;
    bool has_checksum;
    uint16_t checksum;
} wl_mp_capable_t;

/* RFC 8684 section 3.2. What each step has: */
typedef struct {
    bool backup;         /* SYN and SYN,ACK */
    uint8_t address_id;  /* SYN and SYN,ACK */
    uint32_t token;      /* SYN: the receiver's */
    uint32_t random;     /* SYN and SYN,ACK */
    uint8_t hmac_length; /* SYN,ACK: 8, third ACK: 20, SYN: 0 */
    uint8_t hmac[WL_MP_HMAC_MAX];
} wl_mp_join_t;

/* RFC 8684 section 3.3. */
typedef struct {
    bool has_ack, ack_wide; /* wide: 64 bits */
    bool has_mapping, dsn_wide;
    bool fin;
    bool has_checksum;
    uint64_t ack, dsn;
    uint32_t subflow_seq; /* relative to the subflow's initial sequence number */
    uint16_t length;      /* 0: infinite; counts the DATA_FIN */
    uint16_t checksum;
} wl_mp_dss_t;

/* RFC 8684 section 3.4.1, RFC 6824 section 3.4.1. */
typedef struct {
    bool echo;
    uint8_t id;
    uint8_t address_length; /* 4 or 16 */
    uint8_t address[16];
    uint16_t port; /* 0: none given */
    bool has_hmac;
    uint8_t hmac[8];
} wl_mp_address_t;

typedef struct {
    unsigned present; /* 1u << wl_mp_subtype_t; the rest is set for what is present only */
    wl_mp_capable_t capable;
    wl_mp_join_t join;
    wl_mp_dss_t dss;
    unsigned address_count;
    wl_mp_address_t addresses[WL_MP_ADDRESSES_MAX];
    unsigned removed_count;
    uint8_t removed[36]; /* address ids */
    bool prio_backup;
    int16_t prio_id; /* version 0 only, -1 none */
    uint64_t fail_dsn;
    uint64_t fastclose_key;
    uint8_t reset_reason, reset_flags;
} wl_mp_options_t;

/* Whether an MPTCP option is among the bytes that follow the 20 of the TCP header. */
bool wl_mp_options_has(const uint8_t *bytes, uint32_t length);

/* Reads them. Options of a length no RFC allows are left out; true if any is left. */
bool wl_mp_options_read(const uint8_t *bytes, uint32_t length, wl_mp_options_t *options);

#endif
