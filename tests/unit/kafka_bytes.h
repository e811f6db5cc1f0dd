/* kafka_bytes.h
 * Kafka bodies for the tests, put together value by value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TESTS_KAFKA_BYTES_H
#define WIRELAT_TESTS_KAFKA_BYTES_H

#include "unit.h"

typedef struct {
    uint8_t at[512];
    uint32_t length;
} kafka_bytes_t;

static inline void put(kafka_bytes_t *b, unsigned size, uint64_t value)
{
    while (size-- > 0) {
        b->at[b->length++] = (uint8_t)(value >> size * 8);
    }
}

static inline void put_raw(kafka_bytes_t *b, const void *bytes, size_t length)
{
    if (length > 0) { /* bytes may be NULL then, which memcpy must never be given */
        memcpy(b->at + b->length, bytes, length);
    }
    b->length += (uint32_t)length;
}

/* A string before and after KIP-482; NULL is null. */
static inline void put_string(kafka_bytes_t *b, const char *text)
{
    put(b, 2, text == NULL ? 0xffff : strlen(text));
    put_raw(b, text, text == NULL ? 0 : strlen(text));
}

static inline void put_compact(kafka_bytes_t *b, const char *text)
{
    put(b, 1, text == NULL ? 0 : strlen(text) + 1);
    put_raw(b, text, text == NULL ? 0 : strlen(text));
}

#endif
