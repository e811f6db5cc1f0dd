/* read_messages.c
 * The two protocols' headers, read from a message's bytes.
 *
 *   MQTT   type|flags  remaining length  [topic]  [packet id]  [reason] [properties (5.0)]
 *   Kafka  length  key  version  correlation id  client id  [tags]  (request)
 *          length  correlation id                                   (response)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_messages.h"

#include "cursor.h"

#define KAFKA_FLEXIBLE_PRODUCE 9 /* KIP-482: Produce v9 is the first with tags */

static wl_string_t take_name(cursor_t *cursor, uint32_t length, wl_store_t *store)
{
    const uint8_t *bytes = take(cursor, length);

    return bytes == NULL ? WL_STRING_NONE : wl_store_intern_bytes(store, bytes, length);
}

/* MQTT 5.0 section 2.2.2.2: bytes of a property's value by its identifier; what begins with a
 * length of two bytes is STRING, PAIR is two of those. 0: no such property. */
enum { VARINT = 0x80, STRING, PAIR };
static const uint8_t property_size[] = {
    [0x01] = 1, [0x02] = 4,      [0x03] = STRING, [0x08] = STRING, [0x09] = STRING, [0x0b] = VARINT,
    [0x11] = 4, [0x12] = STRING, [0x13] = 2,      [0x15] = STRING, [0x16] = STRING, [0x17] = 1,
    [0x18] = 4, [0x19] = 1,      [0x1a] = STRING, [0x1c] = STRING, [0x1f] = STRING, [0x21] = 2,
    [0x22] = 2, [0x23] = 2,      [0x24] = 1,      [0x25] = 1,      [0x26] = PAIR,   [0x27] = 4,
    [0x28] = 1, [0x29] = 1,      [0x2a] = 1,
};
enum {
    SESSION_EXPIRY = 0x11,
    ASSIGNED_CLIENT = 0x12,
    SERVER_KEEP_ALIVE = 0x13,
    RECEIVE_MAXIMUM = 0x21,
    TOPIC_ALIAS = 0x23
};

static void take_properties(cursor_t *cursor, wl_store_t *store, wl_mqtt_message_t *message)
{
    uint32_t length = take_varint(cursor);
    const uint8_t *bytes = take(cursor, length);
    cursor_t in = {bytes, bytes, bytes == NULL};

    if (bytes != NULL) {
        in.end += length;
    }
    while (!in.short_of && in.at < in.end) {
        uint32_t id = take_varint(&in);
        uint8_t size = id < G_N_ELEMENTS(property_size) ? property_size[id] : 0;

        if (size == 0) {
            return;
        }
        if (id == ASSIGNED_CLIENT) {
            message->client = take_name(&in, take_be(&in, 2), store);
        } else if (id == TOPIC_ALIAS) {
            message->topic_alias = (uint16_t)take_be(&in, 2);
        } else if (id == SESSION_EXPIRY) {
            message->session_expiry_s = take_be(&in, 4);
            message->has_session_expiry = !in.short_of;
        } else if (id == SERVER_KEEP_ALIVE) {
            message->keep_alive_s = (uint16_t)take_be(&in, 2);
            message->has_keep_alive = !in.short_of;
        } else if (id == RECEIVE_MAXIMUM) {
            message->receive_maximum = (uint16_t)take_be(&in, 2);
        } else if (size == VARINT) {
            take_varint(&in);
        } else if (size >= STRING) {
            for (unsigned i = STRING; i <= size; i++) {
                take(&in, take_be(&in, 2));
            }
        } else {
            take(&in, size);
        }
    }
}

enum { CLEAN_START = 0x02, SESSION_PRESENT = 0x01 }; /* of CONNECT, of CONNACK */

static void read_connect(cursor_t *cursor, wl_store_t *store, wl_mqtt_message_t *message)
{
    take(cursor, take_be(cursor, 2)); /* protocol name */
    message->version = (uint8_t)take_be(cursor, 1);
    message->clean_start = (take_be(cursor, 1) & CLEAN_START) != 0;
    message->keep_alive_s = (uint16_t)take_be(cursor, 2);
    message->has_keep_alive = true;
    if (message->version == 5) {
        take_properties(cursor, store, message);
    }
    message->client = take_name(cursor, take_be(cursor, 2), store);
}

static void take_rest(const cursor_t *cursor, wl_mqtt_message_t *message)
{
    if (!cursor->short_of) {
        message->rest = cursor->at;
        message->rest_length = (uint32_t)(cursor->end - cursor->at);
    }
}

/* Whether the bytes are whole filters and nothing else. */
static bool are_filters(cursor_t cursor, bool with_options)
{
    while (!cursor.short_of && cursor.at < cursor.end) {
        uint32_t length = take_be(&cursor, 2);

        take(&cursor, length);
        if (length == 0 || (with_options && take_be(&cursor, 1) > 2)) {
            return false;
        }
    }
    return !cursor.short_of;
}

/* Without the CONNECT only the bytes tell whether properties come first. */
static void read_filters(cursor_t *cursor, unsigned version, wl_store_t *store,
                         wl_mqtt_message_t *message)
{
    bool with_options = wl_mqtt_type(message) == WL_SUBSCRIBE;

    if (version == 5 || (version == 0 && !are_filters(*cursor, with_options))) {
        take_properties(cursor, store, message);
    }
    take_rest(cursor, message);
}

static void read_publish(cursor_t *cursor, unsigned version, wl_store_t *store,
                         wl_mqtt_message_t *message)
{
    message->topic = take_name(cursor, take_be(cursor, 2), store);
    if (message->header & 0x06) {
        message->id = (uint16_t)take_be(cursor, 2);
        message->has_id = !cursor->short_of;
    }
    if (version == 5) {
        take_properties(cursor, store, message);
    }
    take_rest(cursor, message);
}

/* The reason or return code next in the packet; 5.0 leaves it out where it is 0 and the last. */
static int16_t take_reason(cursor_t *cursor)
{
    return cursor->at < cursor->end ? (int16_t)take_be(cursor, 1) : WL_REASON_NONE;
}

static void read_body(cursor_t *cursor, unsigned version, wl_store_t *store,
                      wl_mqtt_message_t *message)
{
    unsigned type = wl_mqtt_type(message);

    if (type == WL_CONNECT) {
        read_connect(cursor, store, message);
        return;
    }
    if (type == WL_PUBLISH) {
        read_publish(cursor, version, store, message);
        return;
    }
    if (type >= WL_PUBACK && type <= WL_UNSUBACK) {
        message->id = (uint16_t)take_be(cursor, 2);
        message->has_id = !cursor->short_of;
    }
    switch (type) {
    case WL_CONNACK:
        message->session_present = (take_be(cursor, 1) & SESSION_PRESENT) != 0;
        message->reason = take_reason(cursor);
        if (version == 5) {
            take_properties(cursor, store, message);
        }
        break;
    case WL_SUBACK: /* without the CONNECT it is not known whether properties come first */
    case WL_UNSUBACK:
        if (version == 5) {
            take_properties(cursor, store, message);
        }
        take_rest(cursor, message);
        if (version == 5 || (version != 0 && type == WL_SUBACK)) {
            message->reason = take_reason(cursor);
        }
        break;
    case WL_SUBSCRIBE:
    case WL_UNSUBSCRIBE:
        read_filters(cursor, version, store, message);
        break;
    case WL_PUBACK:
    case WL_PUBREC:
    case WL_PUBREL:
    case WL_PUBCOMP:
    case WL_DISCONNECT:
    case WL_AUTH: /* longer than their id in 5.0 only */
        message->reason = take_reason(cursor);
        break;
    default:
        break;
    }
}

bool wl_read_mqtt(const uint8_t *bytes, uint32_t count, uint32_t captured, wl_store_t *store,
                  wl_mqtt_message_t *message)
{
    cursor_t cursor = {bytes, bytes + count, false};
    uint32_t remaining;

    message->reason = WL_REASON_NONE;
    message->header = (uint8_t)take_be(&cursor, 1);
    remaining = take_varint(&cursor);
    if (cursor.short_of) {
        return false;
    }
    message->message.size = (uint32_t)(cursor.at - bytes) + remaining;
    message->message.cut = captured < message->message.size;
    if ((size_t)(cursor.end - cursor.at) > remaining) {
        cursor.end = cursor.at + remaining;
    }
    read_body(&cursor, message->message.stream->mqtt.version, store, message);
    return true;
}

/* The acks of a Produce request: the first field of the body but for a transactional id, which is
 * there from v3 on (KIP-98), and is a compact string after tags from v9 on. What is none of the
 * three values is taken for unreadable, so that a layout still to come does no harm. */
static int16_t take_acks(cursor_t *cursor, int version)
{
    int16_t acks;
    uint32_t length;

    if (version >= KAFKA_FLEXIBLE_PRODUCE) {
        if (take_varint(cursor) != 0) {
            return WL_KAFKA_ACKS_UNKNOWN; /* tagged fields: none is defined here */
        }
        length = take_varint(cursor);
        take(cursor, length > 0 ? length - 1 : 0);
    } else if (version >= 3) {
        length = take_be(cursor, 2);
        take(cursor, length < 0x8000 ? length : 0);
    }
    acks = (int16_t)take_be(cursor, 2);
    return !cursor->short_of && acks >= -1 && acks <= 1 ? acks : WL_KAFKA_ACKS_UNKNOWN;
}

bool wl_read_kafka(const uint8_t *bytes, uint32_t count, uint32_t captured, wl_store_t *store,
                   wl_kafka_message_t *message)
{
    cursor_t cursor = {bytes, bytes + count, false};
    uint32_t length;

    message->length = (int32_t)take_be(&cursor, 4);
    message->message.size = (uint32_t)message->length + 4;
    message->message.cut = message->length < 0 || captured < message->message.size;
    message->api = message->version = -1;
    message->acks = WL_KAFKA_ACKS_UNKNOWN;
    message->client = WL_STRING_NONE;
    if (message->is_request) {
        message->api = (int16_t)take_be(&cursor, 2);
        message->version = (int16_t)take_be(&cursor, 2);
    }
    message->correlation_id = (int32_t)take_be(&cursor, 4);
    message->body = cursor.at;
    message->body_length = (uint32_t)(cursor.end - cursor.at);
    if (cursor.short_of || !message->is_request) {
        return !cursor.short_of;
    }
    if (message->api != WL_KAFKA_CONTROLLED_SHUTDOWN || message->version > 0) {
        length = take_be(&cursor, 2);
        message->client = take_name(&cursor, length < 0x8000 ? length : 0, store);
    }
    message->body = cursor.at;
    message->body_length = (uint32_t)(cursor.end - cursor.at);
    if (message->api == WL_KAFKA_PRODUCE) {
        message->acks = take_acks(&cursor, message->version);
    }
    return true;
}
