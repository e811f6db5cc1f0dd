/* frame_rules.c
 * What the first bytes of a message look like, and how to find them again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame_rules.h"

#include <glib.h>
#include <string.h>

#include "match_mqtt.h"

#define MQTT_LENGTH_BYTES 4
/* Acknowledgements carry an id, and in 5.0 a reason code and properties. */
#define MQTT_ACK_MAX 4096
/* Enough of a topic to tell it from payload; whole topics would make a search quadratic. */
#define MQTT_TOPIC_LOOK 64
#define KAFKA_MIN_REQUEST 8
#define KAFKA_MIN_RESPONSE 4
#define KAFKA_MAX_LENGTH (1 << 27)
#define KAFKA_CLIENT_OFFSET 12
#define KAFKA_CLIENT_MAX 1024
/* How many headers in a row are looked at to confirm one. */
#define MAX_CHAIN 4

static uint32_t read_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t read_be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* Text without control characters. The last character may be cut by the end of the bytes. */
static bool is_text(const uint8_t *bytes, uint32_t length, bool cut)
{
    const gchar *end;

    for (uint32_t i = 0; i < length; i++) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            return false;
        }
    }
    if (g_utf8_validate((const gchar *)bytes, (gssize)length, &end)) {
        return true;
    }
    return cut && (const uint8_t *)end + 4 > bytes + length;
}

/* A PUBLISH begins with its topic, which holds no wildcard (MQTT 5.0 section 3.3.2.1). */
static wl_header_t judge_publish(const uint8_t *body, uint32_t available, uint32_t remaining,
                                 unsigned flags)
{
    uint32_t topic;

    if ((flags & 0x06) == 0x06 || remaining < 2) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (available < 2) {
        return WL_HEADER_WEAK;
    }
    topic = read_be16(body);
    if (topic + 2 > remaining) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (topic == 0) {
        return WL_HEADER_WEAK; /* 5.0: a topic alias follows */
    }
    available = MIN(MIN(available - 2, topic), MQTT_TOPIC_LOOK);
    if (!is_text(body + 2, available, available < topic) ||
        memchr(body + 2, '#', available) != NULL || memchr(body + 2, '+', available) != NULL) {
        return WL_HEADER_IMPOSSIBLE;
    }
    return available >= 4 ? WL_HEADER_STRONG : WL_HEADER_WEAK;
}

static wl_header_t judge_connect(const uint8_t *body, uint32_t available)
{
    static const uint8_t names[][8] = {{0, 4, 'M', 'Q', 'T', 'T'},
                                       {0, 6, 'M', 'Q', 'I', 's', 'd', 'p'}};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        uint32_t length = MIN(available, 2u + names[i][1]);
        if (memcmp(body, names[i], length) == 0) {
            return length >= 6 ? WL_HEADER_STRONG : WL_HEADER_WEAK;
        }
    }
    return WL_HEADER_IMPOSSIBLE;
}

static wl_header_t judge_mqtt(unsigned type, unsigned flags, const uint8_t *body,
                              uint32_t available, uint32_t remaining)
{
    static const struct {
        uint8_t flags;
        uint32_t least, most;
    } shapes[16] = {
        [WL_CONNACK] = {0, 2, MQTT_ACK_MAX}, [WL_PUBACK] = {0, 2, MQTT_ACK_MAX},
        [WL_PUBREC] = {0, 2, MQTT_ACK_MAX},  [WL_PUBREL] = {2, 2, MQTT_ACK_MAX},
        [WL_PUBCOMP] = {0, 2, MQTT_ACK_MAX}, [WL_SUBSCRIBE] = {2, 5, UINT32_MAX},
        [WL_SUBACK] = {0, 3, UINT16_MAX},    [WL_UNSUBSCRIBE] = {2, 4, UINT32_MAX},
        [WL_UNSUBACK] = {0, 2, UINT16_MAX},  [WL_PINGREQ] = {0, 0, 0},
        [WL_PINGRESP] = {0, 0, 0},           [WL_DISCONNECT] = {0, 0, MQTT_ACK_MAX},
        [WL_AUTH] = {0, 0, MQTT_ACK_MAX},
    };

    if (type == WL_PUBLISH) {
        return judge_publish(body, available, remaining, flags);
    }
    if (type == WL_CONNECT) {
        return flags == 0 ? judge_connect(body, available) : WL_HEADER_IMPOSSIBLE;
    }
    /* 3.1 sets DUP on what it sends again. */
    if (type == 0 || (flags & ~(shapes[type].flags != 0 ? 8u : 0u)) != shapes[type].flags ||
        remaining < shapes[type].least || remaining > shapes[type].most) {
        return WL_HEADER_IMPOSSIBLE;
    }
    return WL_HEADER_WEAK;
}

wl_header_t wl_header_mqtt(const uint8_t *bytes, uint32_t available,
                           const wl_frame_context_t *context, uint32_t *length)
{
    uint32_t remaining = 0, n;

    (void)context;
    for (n = 0;; n++) {
        if (n == MQTT_LENGTH_BYTES) {
            return WL_HEADER_IMPOSSIBLE;
        }
        if (available < n + 2) {
            return WL_HEADER_INCOMPLETE;
        }
        remaining |= (uint32_t)(bytes[n + 1] & 0x7f) << 7 * n;
        if (!(bytes[n + 1] & 0x80)) {
            break;
        }
    }
    *length = n + 2 + remaining;
    return judge_mqtt(bytes[0] >> 4, bytes[0] & 0x0f, bytes + n + 2,
                      MIN(available - n - 2, remaining), remaining);
}

static wl_header_t judge_kafka_request(const uint8_t *bytes, uint32_t available, int32_t length)
{
    int32_t client;

    if (length < KAFKA_MIN_REQUEST) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (available < KAFKA_CLIENT_OFFSET) {
        return WL_HEADER_WEAK;
    }
    if (read_be16(bytes + 4) > 127 || read_be16(bytes + 6) > 31) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (length == KAFKA_MIN_REQUEST || available < KAFKA_CLIENT_OFFSET + 2) {
        return WL_HEADER_WEAK;
    }
    client = (int16_t)read_be16(bytes + KAFKA_CLIENT_OFFSET);
    available -= KAFKA_CLIENT_OFFSET + 2;
    if (client < -1 || client > KAFKA_CLIENT_MAX || client + 10 > length) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (client > 0 && !is_text(bytes + KAFKA_CLIENT_OFFSET + 2, MIN(available, (uint32_t)client),
                               available < (uint32_t)client)) {
        return WL_HEADER_IMPOSSIBLE;
    }
    return client >= 4 ? WL_HEADER_STRONG : WL_HEADER_WEAK;
}

wl_header_t wl_header_kafka(const uint8_t *bytes, uint32_t available,
                            const wl_frame_context_t *context, uint32_t *length)
{
    int32_t size, id;

    if (available < 4) {
        return WL_HEADER_INCOMPLETE;
    }
    size = (int32_t)read_be32(bytes);
    if (size < KAFKA_MIN_RESPONSE || size > KAFKA_MAX_LENGTH) {
        return WL_HEADER_IMPOSSIBLE;
    }
    *length = (uint32_t)size + 4;
    if (context->is_request) {
        return judge_kafka_request(bytes, available, size);
    }
    if (available < 8 || !context->ids_known) {
        return WL_HEADER_WEAK;
    }
    /* Clients count up: an answer's id lies between those of the requests seen. */
    id = (int32_t)read_be32(bytes + 4);
    return id - context->first_id >= 0 && context->last_id - id >= 0 ? WL_HEADER_STRONG
                                                                     : WL_HEADER_IMPOSSIBLE;
}

uint32_t wl_frame_whole(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                        const wl_frame_context_t *context, uint32_t fixed, bool *header_split,
                        uint32_t *tail_length)
{
    uint32_t offset = 0;

    *header_split = false;
    *tail_length = 0;
    while (offset < available) {
        uint32_t length = 0;
        wl_header_t header = rule(bytes + offset, available - offset, context, &length);

        if (header == WL_HEADER_INCOMPLETE) {
            *header_split = available - offset >= fixed;
            break;
        }
        if (length == 0 || length > available - offset) {
            *tail_length = length;
            break;
        }
        offset += length;
    }
    return offset;
}

/* The messages from here on: do they confirm that one begins here? `least` weak ones must fill the
 * bytes to the end. */
static bool chain_holds(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                        const wl_frame_context_t *context, unsigned least)
{
    uint32_t offset = 0;

    for (unsigned i = 1; i <= MAX_CHAIN; i++) {
        uint32_t length = 0;

        switch (rule(bytes + offset, available - offset, context, &length)) {
        case WL_HEADER_STRONG:
            return true;
        case WL_HEADER_WEAK:
            break;
        default:
            return false;
        }
        if (length > available - offset) {
            return false;
        }
        offset += length;
        if (offset == available) {
            return i >= least;
        }
    }
    return true;
}

uint32_t wl_frame_find(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
                       const wl_frame_context_t *context)
{
    for (uint32_t offset = 0; offset < available; offset++) {
        /* A segment that is one short message is likely; a payload that ends like one is chance. */
        if (chain_holds(rule, bytes + offset, available - offset, context, offset == 0 ? 1 : 2)) {
            return offset;
        }
    }
    return available;
}
