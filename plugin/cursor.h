/* cursor.h
 * A bounded cursor over a message's bytes, big-endian as both protocols are.
 *
 * Reading beyond the end gives zeros and sets `short_of`: checked once, after a run of reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_CURSOR_H
#define WIRELAT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *at, *end;
    bool short_of;
} cursor_t;

/* The next bytes, or NULL when there are not so many. */
static inline const uint8_t *take(cursor_t *cursor, uint32_t length)
{
    const uint8_t *bytes = cursor->at;

    if ((size_t)(cursor->end - cursor->at) < length) {
        cursor->short_of = true;
        cursor->at = cursor->end;
        return NULL;
    }
    cursor->at += length;
    return bytes;
}

/* Where the caller knows that the bytes are there. */
static inline uint32_t be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t be32(const uint8_t *bytes)
{
    return be16(bytes) << 16 | be16(bytes + 2);
}

/* Of 1, 2 or 4 bytes. */
static inline uint32_t take_be(cursor_t *cursor, unsigned size)
{
    const uint8_t *bytes = take(cursor, size);

    if (bytes == NULL) {
        return 0;
    }
    return size == 1 ? bytes[0] : size == 2 ? be16(bytes) : be32(bytes);
}

/* MQTT 5.0 section 1.5.5; Kafka's unsigned varint is the same, one byte longer. */
static inline uint32_t take_varint(cursor_t *cursor)
{
    uint32_t value = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint32_t byte = take_be(cursor, 1);

        value |= (byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            return value;
        }
    }
    cursor->short_of = true;
    return 0;
}

#endif
