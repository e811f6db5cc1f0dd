/* mptcp_keys.c
 * Hashes through GLib, and a ones' complement sum.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_keys.h"

#include <glib.h>
#include <string.h>

#define SHA256_BYTES 32

static GChecksumType hash_of(unsigned version)
{
    return version == 0 ? G_CHECKSUM_SHA1 : G_CHECKSUM_SHA256;
}

static void put_be(uint8_t *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = size; i > 0; i--, value >>= 8) {
        bytes[i - 1] = (uint8_t)value;
    }
}

static uint64_t get_be(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

void wl_mp_derive(unsigned version, uint64_t key, uint32_t *token, uint64_t *idsn)
{
    GChecksum *checksum = g_checksum_new(hash_of(version));
    uint8_t bytes[8], digest[SHA256_BYTES];
    gsize length = sizeof digest;

    put_be(bytes, key, 8);
    g_checksum_update(checksum, bytes, sizeof bytes);
    g_checksum_get_digest(checksum, digest, &length);
    g_checksum_free(checksum);
    *token = (uint32_t)get_be(digest, 4);
    *idsn = get_be(digest + length - 8, 8);
}

/* The key of every HMAC is the keys of both sides, that of its sender first. Gives its length. */
static gsize hmac(unsigned version, uint64_t own_key, uint64_t peer_key, const uint8_t *message,
                  gsize message_length, uint8_t digest[SHA256_BYTES])
{
    gsize length = SHA256_BYTES;
    uint8_t keys[16];
    GHmac *state;

    put_be(keys, own_key, 8);
    put_be(keys + 8, peer_key, 8);
    state = g_hmac_new(hash_of(version), keys, sizeof keys);
    g_hmac_update(state, message, (gssize)message_length);
    g_hmac_get_digest(state, digest, &length);
    g_hmac_unref(state);
    return length;
}

bool wl_mp_join_hmac_ok(unsigned version, uint64_t own_key, uint64_t peer_key, uint32_t own_random,
                        uint32_t peer_random, const wl_mp_join_t *join)
{
    uint8_t message[8], digest[SHA256_BYTES];

    put_be(message, own_random, 4);
    put_be(message + 4, peer_random, 4);
    hmac(version, own_key, peer_key, message, sizeof message, digest);
    return memcmp(digest, join->hmac, join->hmac_length) == 0;
}

bool wl_mp_address_hmac_ok(uint64_t own_key, uint64_t peer_key, const wl_mp_address_t *address)
{
    uint8_t message[1 + 16 + 2], digest[SHA256_BYTES];
    gsize at = 0, length;

    message[at++] = address->id;
    memcpy(message + at, address->address, address->address_length);
    at += address->address_length;
    put_be(message + at, address->port, 2);
    length = hmac(1, own_key, peer_key, message, at + 2, digest);
    return memcmp(digest + length - sizeof address->hmac, address->hmac, sizeof address->hmac) == 0;
}

uint64_t wl_mp_sum(uint64_t sum, const uint8_t *bytes, uint32_t length, uint32_t offset)
{
    uint32_t i = 0;

    if (length > 0 && offset % 2 == 1) {
        sum += bytes[i++];
    }
    for (; i + 1 < length; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    }
    return i < length ? sum + ((uint32_t)bytes[i] << 8) : sum;
}

bool wl_mp_checksum_ok(uint64_t data_sum, uint64_t dsn, uint32_t subflow_seq, uint16_t length,
                       uint16_t checksum)
{
    uint8_t header[16];
    uint64_t sum;

    put_be(header, dsn, 8);
    put_be(header + 8, subflow_seq, 4);
    put_be(header + 12, length, 2);
    put_be(header + 14, checksum, 2);
    sum = wl_mp_sum(data_sum, header, sizeof header, 0);
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum == 0xffff;
}
