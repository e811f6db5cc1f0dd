/* frame_rules.c
 * What the first bytes of a message look like, and how to find them again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "frame_rules.h"

#include <glib.h>
#include <string.h>

#include "cursor.h"
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
    topic = be16(body);
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
    return available == topic || available >= 8 ? WL_HEADER_STRONG : WL_HEADER_WEAK;
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

/* Bytes of a variable byte integer; 0 if it is not complete. */
static uint32_t read_varint(const uint8_t *bytes, uint32_t available, uint32_t *value)
{
    *value = 0;
    for (uint32_t n = 0; n < MQTT_LENGTH_BYTES && n < available; n++) {
        *value |= (uint32_t)(bytes[n] & 0x7f) << 7 * n;
        if (!(bytes[n] & 0x80)) {
            return n + 1;
        }
    }
    return 0;
}

/* Whether 5.0 properties that end with the packet, `remaining` bytes from here, can begin here. */
static bool properties_fit(const uint8_t *bytes, uint32_t available, uint32_t remaining)
{
    uint32_t length, size = read_varint(bytes, available, &length);

    if (size == 0) {
        return available < MQTT_LENGTH_BYTES && available < remaining;
    }
    return size + length == remaining;
}

static bool is_reason(uint8_t code, const uint8_t *good, uint32_t count)
{
    return (code >= 0x80 && code <= 0xa2) || memchr(good, code, count) != NULL;
}

/* PUBACK to PUBCOMP, UNSUBACK: an id, and in 5.0 a reason and properties. */
static bool ack_fits(unsigned type, const uint8_t *body, uint32_t available, uint32_t remaining)
{
    static const uint8_t of_publish[] = {0, 0x10}, of_release[] = {0};
    bool publish = type == WL_PUBACK || type == WL_PUBREC;

    if (available >= 2 && be16(body) == 0) {
        return false;
    }
    if (available >= 3 && !is_reason(body[2], publish ? of_publish : of_release, publish ? 2 : 1)) {
        return false;
    }
    return remaining <= 3 || available <= 3 ||
           properties_fit(body + 3, available - 3, remaining - 3);
}

static bool connack_fits(const uint8_t *body, uint32_t available, uint32_t remaining)
{
    if ((available >= 1 && body[0] > 1) ||
        (available >= 2 && body[1] > 5 && !is_reason(body[1], body, 0))) {
        return false;
    }
    return remaining == 2 || available <= 2 ||
           properties_fit(body + 2, available - 2, remaining - 2);
}

/* SUBACK, UNSUBACK: an id, in 5.0 properties, and a code for each filter. */
static bool codes_fit(const uint8_t *body, uint32_t available, uint32_t remaining)
{
    static const uint8_t good[] = {0, 1, 2, 0x11};
    uint32_t length, size, start = 2;

    if (available < 3) {
        return available < 2 || be16(body) != 0;
    }
    size = read_varint(body + 2, available - 2, &length);
    if (size > 0 && length > 0 && 2 + size + length < remaining) {
        start = 2 + size + length;
    }
    for (uint32_t i = start; i < available; i++) {
        if (!is_reason(body[i], good, sizeof good)) {
            return false;
        }
    }
    return be16(body) != 0;
}

/* SUBSCRIBE, UNSUBSCRIBE: an id, in 5.0 properties, and filters. */
static bool filter_fits(const uint8_t *body, uint32_t available, uint32_t remaining, uint32_t skip)
{
    uint32_t length;

    if (available < skip + 2) {
        return remaining > skip + 2;
    }
    length = be16(body + skip);
    return length > 0 && skip + 2 + length <= remaining &&
           is_text(body + skip + 2, MIN(MIN(available - skip - 2, length), MQTT_TOPIC_LOOK),
                   MIN(available - skip - 2, MQTT_TOPIC_LOOK) < length);
}

static bool subscribe_fits(const uint8_t *body, uint32_t available, uint32_t remaining)
{
    uint32_t length, size;

    if (available < 3) {
        return available < 2 || be16(body) != 0;
    }
    size = read_varint(body + 2, available - 2, &length);
    return be16(body) != 0 && (filter_fits(body, available, remaining, 2) ||
                               (size > 0 && length < remaining &&
                                filter_fits(body, available, remaining, 2 + size + length)));
}

static bool body_fits(unsigned type, const uint8_t *body, uint32_t available, uint32_t remaining)
{
    static const uint8_t of_disconnect[] = {0, 0x04, 0x18, 0x19};

    switch (type) {
    case WL_CONNACK:
        return connack_fits(body, available, remaining);
    case WL_PUBACK:
    case WL_PUBREC:
    case WL_PUBREL:
    case WL_PUBCOMP:
        return ack_fits(type, body, available, remaining);
    case WL_SUBACK:
        return codes_fit(body, available, remaining);
    case WL_UNSUBACK:
        return remaining == 2 ? available < 2 || be16(body) != 0
                              : codes_fit(body, available, remaining);
    case WL_SUBSCRIBE:
    case WL_UNSUBSCRIBE:
        return subscribe_fits(body, available, remaining);
    case WL_DISCONNECT:
    case WL_AUTH:
        return remaining == 0 || available == 0 ||
               (is_reason(body[0], of_disconnect, sizeof of_disconnect) &&
                (remaining == 1 || available == 1 ||
                 properties_fit(body + 1, available - 1, remaining - 1)));
    default:
        return true;
    }
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
    return body_fits(type, body, available, remaining) ? WL_HEADER_WEAK : WL_HEADER_IMPOSSIBLE;
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
    if (be16(bytes + 4) > 127 || be16(bytes + 6) > 31) {
        return WL_HEADER_IMPOSSIBLE;
    }
    if (length == KAFKA_MIN_REQUEST || available < KAFKA_CLIENT_OFFSET + 2) {
        return WL_HEADER_WEAK;
    }
    client = (int16_t)be16(bytes + KAFKA_CLIENT_OFFSET);
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
    size = (int32_t)be32(bytes);
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
    id = (int32_t)be32(bytes + 4);
    return (int32_t)((uint32_t)id - (uint32_t)context->first_id) >= 0 &&
                   (int32_t)((uint32_t)context->last_id - (uint32_t)id) >= 0
               ? WL_HEADER_STRONG
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

bool wl_frame_begins(wl_header_rule_t rule, const uint8_t *bytes, uint32_t available,
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
        if (wl_frame_begins(rule, bytes + offset, available - offset, context,
                            offset == 0 ? 1 : 2)) {
            return offset;
        }
    }
    return available;
}
