/* hash.h
 * The hashes of everything that bytes off the wire are looked up by, keyed anew in each process: of
 * bytes SipHash-1-3 (Aumasson and Bernstein, 2012), of a few numbers a sum of products with random
 * factors (Dietzfelbinger, 1996), a tenth of the work.
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

static inline uint64_t wl_random_word(void)
{
    return (uint64_t)g_random_int() << 32 | g_random_int();
}

/* Of any bytes. The same within a process, another one in the next. */
static inline guint wl_hash_bytes(const void *bytes, size_t length)
{
    static uint64_t key[2];
    const uint8_t *at = bytes;
    uint64_t v[4], word;

    while (key[0] == 0) {
        key[0] = wl_random_word();
        key[1] = wl_random_word();
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

/* Of three numbers. Which two fall together cannot be foreseen: of any two the upper half of the sum
 * is the same once in 2^32 choices of the factors. */
static inline uint32_t wl_hash_numbers(uint32_t a, uint32_t b, uint32_t c)
{
    static uint64_t factors[4];
    uint32_t hash;

    while (factors[0] == 0) {
        for (unsigned i = G_N_ELEMENTS(factors); i-- > 0;) {
            factors[i] = wl_random_word();
        }
    }
    hash = (uint32_t)((factors[0] + a * factors[1] + b * factors[2] + c * factors[3]) >> 32);
    /* Numbers that count up would lie at equal distances, for some factors close together. */
    hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
    hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
    return hash ^ hash >> 16;
}

/* For GHashTable: of a text. */
static inline guint wl_hash_text(gconstpointer text)
{
    return wl_hash_bytes(text, strlen(text));
}

#endif
