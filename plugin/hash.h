/* hash.h
 * The hash of everything that bytes off the wire are looked up by: SipHash-1-3 (Aumasson and
 * Bernstein, 2012), keyed anew in each process.
 *
 * With a hash that can be foreseen (GLib's of text is h * 33 + c) a capture can be made in which
 * all names fall together: a million of them then take hours.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_HASH_H
#define WIRELAT_HASH_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t wl_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void wl_sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = wl_rotate(v[1], 13) ^ v[0];
    v[3] = wl_rotate(v[3], 16) ^ v[2];
    v[0] = wl_rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = wl_rotate(v[1], 17) ^ v[2];
    v[3] = wl_rotate(v[3], 21) ^ v[0];
    v[2] = wl_rotate(v[2], 32);
}

static inline void wl_sip_take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    wl_sip_round(v);
    v[0] ^= word;
}

/* Of any bytes. The same within a process, another one in the next. */
static inline guint wl_hash_bytes(const void *bytes, size_t length)
{
    static uint64_t key[2];
    const uint8_t *at = bytes;
    uint64_t v[4], word;

    while (key[0] == 0) {
        key[0] = (uint64_t)g_random_int() << 32 | g_random_int();
        key[1] = (uint64_t)g_random_int() << 32 | g_random_int();
    }
    v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = key[1] ^ UINT64_C(0x7465646279746573);
    for (size_t left = length; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        wl_sip_take(v, word);
    }
    word = 0;
    if (length % sizeof word > 0) {
        memcpy(&word, at, length % sizeof word);
    }
    wl_sip_take(v, word ^ (uint64_t)length << 56);
    v[2] ^= 0xff;
    wl_sip_round(v);
    wl_sip_round(v);
    wl_sip_round(v);
    word = v[0] ^ v[1] ^ v[2] ^ v[3];
    return (guint)(word ^ word >> 32);
}

/* For GHashTable: of a text. */
static inline guint wl_hash_text(gconstpointer text)
{
    return wl_hash_bytes(text, strlen(text));
}

#endif
