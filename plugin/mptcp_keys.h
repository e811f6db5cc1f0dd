/* mptcp_keys.h
 * What MPTCP derives from its keys: tokens, initial DSNs, HMACs (RFC 6824 and RFC 8684, sections
 * 3.1, 3.2 and 3.4.1), and the DSS checksum (section 3.3.1). SHA-1 in version 0, SHA-256 in 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_MPTCP_KEYS_H
#define WIRELAT_MPTCP_KEYS_H

#include "mptcp_options.h"

/* The most significant 32 bits of the key's hash, and the least significant 64. */
void wl_mp_derive(unsigned version, uint64_t key, uint32_t *token, uint64_t *idsn);

/* Whether this is the HMAC of an MP_JOIN (8 or 20 bytes, its left part) that the owner of
 * `own_key`, who sent `own_random`, has to send. */
bool wl_mp_join_hmac_ok(unsigned version, uint64_t own_key, uint64_t peer_key, uint32_t own_random,
                        uint32_t peer_random, const wl_mp_join_t *join);

/* Whether this is the HMAC of an ADD_ADDR (its right 8 bytes); version 1 only. */
bool wl_mp_address_hmac_ok(uint64_t own_key, uint64_t peer_key, const wl_mp_address_t *address);

/* Adds bytes that stand at `offset` of the summed data to a running ones' complement sum. */
uint64_t wl_mp_sum(uint64_t sum, const uint8_t *bytes, uint32_t length, uint32_t offset);

/* Whether the sum of a mapping's data and of its pseudo-header match its checksum. dsn: 64 bits. */
bool wl_mp_checksum_ok(uint64_t data_sum, uint64_t dsn, uint32_t subflow_seq, uint16_t length,
                       uint16_t checksum);

#endif
