/* read_messages.c
 * A bounded cursor over a message's bytes, and the two protocols' headers read with it.
 *
 *   MQTT   type|flags  remaining length  [topic]  [packet id]  [reason] [properties (5.0)]
 *   Kafka  length  key  version  correlation id  client id  [tags]  (request)
 *          length  correlation id                                   (response)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_messages.h"

#include <string.h>

#define COMMON_NAME 128
#define KAFKA_FLEXIBLE_FETCH 12
#define KAFKA_FETCH_WITHOUT_REPLICA 15
#define KAFKA_NEWEST_FETCH 18
#define KAFKA_FLEXIBLE_PRODUCE 9 /* KIP-482: Produce v9 is the first with tags */

/* Reading beyond the end gives zeros and sets `short_of`: checked once, after a run of reads. */
typedef struct {
    const uint8_t *at, *end;
    bool short_of;
} cursor_t;

static const uint8_t *take(cursor_t *cursor, uint32_t length)
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

static uint32_t take_be(cursor_t *cursor, unsigned size)
{
    const uint8_t *bytes = take(cursor, size);
    uint32_t value = 0;

    for (unsigned i = 0; bytes != NULL && i < size; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* MQTT 5.0 section 1.5.5; Kafka's unsigned varint is the same, one byte longer. */
static uint32_t take_varint(cursor_t *cursor)
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

/* Names come off the wire: what is no UTF-8 is made so, since it goes to trees and tables. */
static wl_string_t take_name(cursor_t *cursor, uint32_t length, wl_store_t *store)
{
    const uint8_t *bytes = take(cursor, length);
    char known[COMMON_NAME];
    wl_string_t string;
    gchar *text;

    if (bytes == NULL || length == 0) {
        return WL_STRING_NONE;
    }
    /* Nearly every name was seen before, and then checked. */
    if (length < sizeof known) {
        memcpy(known, bytes, length);
        known[length] = 0;
        if (strlen(known) == length && wl_store_find(store, known, &string)) {
            return string;
        }
    }
    text = g_utf8_make_valid((const gchar *)bytes, (gssize)length);
    string = wl_store_intern(store, text);
    g_free(text);
    return string;
}

/* MQTT 5.0 section 2.2.2.2: bytes of a property's value by its identifier; what begins with a
 * length of two bytes is STRING, PAIR is two of those. 0: no such property. */
enum { VARINT = 0x80, STRING, PAIR };
static const uint8_t property_size[] = {
    [0x01] = 1,      [0x02] = 4,      [0x03] = STRING, [0x08] = STRING, [0x09] = STRING,
    [0x0b] = VARINT, [0x11] = 4,      [0x12] = STRING, [0x13] = 2,      [0x15] = STRING,
    [0x16] = STRING, [0x17] = 1,      [0x18] = 4,      [0x19] = 1,      [0x1a] = STRING,
    [0x1c] = STRING, [0x1f] = STRING, [0x21] = 2,      [0x22] = 2,      [0x23] = 2,
    [0x24] = 1,      [0x25] = 1,      [0x26] = PAIR,   [0x27] = 4,      [0x28] = 1,
    [0x29] = 1,      [0x2a] = 1,
};
enum { ASSIGNED_CLIENT = 0x12, TOPIC_ALIAS = 0x23 };

static void take_properties(cursor_t *cursor, wl_store_t *store, wl_mqtt_message_t *message)
{
    uint32_t length = take_varint(cursor);
    const uint8_t *bytes = take(cursor, length);
    cursor_t in = {bytes, bytes + length, bytes == NULL};

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

static void read_connect(cursor_t *cursor, wl_store_t *store, wl_mqtt_message_t *message)
{
    take(cursor, take_be(cursor, 2)); /* protocol name */
    message->version = (uint8_t)take_be(cursor, 1);
    take(cursor, 3); /* flags, keep alive */
    if (message->version == 5) {
        take_properties(cursor, store, message);
    }
    message->client = take_name(cursor, take_be(cursor, 2), store);
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
        take(cursor, 1);
        message->reason = take_reason(cursor);
        if (version == 5) {
            take_properties(cursor, store, message);
        }
        break;
    case WL_SUBACK: /* without the CONNECT it is not known whether properties come first */
    case WL_UNSUBACK:
        if (version == 5) {
            take_properties(cursor, store, message);
            message->reason = take_reason(cursor);
        } else if (version != 0 && type == WL_SUBACK) {
            message->reason = take_reason(cursor);
        }
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

/* Fetch: replica id, then max_wait; KIP-903 took the replica id out. */
static int32_t take_max_wait(cursor_t *cursor, int version)
{
    int32_t max_wait;

    if (version > KAFKA_NEWEST_FETCH ||
        (version >= KAFKA_FLEXIBLE_FETCH && take_varint(cursor) != 0)) {
        return -1;
    }
    if (version < KAFKA_FETCH_WITHOUT_REPLICA) {
        take(cursor, 4);
    }
    max_wait = (int32_t)take_be(cursor, 4);
    return cursor->short_of || max_wait < 0 ? -1 : max_wait;
}

/* KIP-219, and the protocol guide: from which version on a response begins with throttle_time_ms,
 * from which an error code follows it, and from which its header and body are flexible (KIP-482).
 * Beyond the newest version listed nothing is believed. */
static const struct {
    int8_t api, throttle, error, flexible, newest;
} responses[] = {
    {1, 1, 7, 12, 18},  /* Fetch */
    {2, 2, -1, 6, 10},  /* ListOffsets */
    {3, 3, -1, 9, 13},  /* Metadata */
    {8, 3, -1, 8, 10},  /* OffsetCommit */
    {9, 3, -1, 6, 10},  /* OffsetFetch */
    {10, 1, -1, 3, 6},  /* FindCoordinator: an error of its own up to v3 only */
    {11, 2, 2, 6, 9},   /* JoinGroup */
    {12, 1, 1, 4, 4},   /* Heartbeat */
    {13, 1, 1, 4, 5},   /* LeaveGroup */
    {14, 1, 1, 4, 5},   /* SyncGroup */
    {15, 1, -1, 5, 6},  /* DescribeGroups */
    {16, 1, 1, 3, 5},   /* ListGroups */
    {19, 2, -1, 5, 7},  /* CreateTopics */
    {20, 1, -1, 4, 6},  /* DeleteTopics */
    {22, 0, 0, 2, 5},   /* InitProducerId */
    {25, 0, 0, 3, 4},   /* AddOffsetsToTxn */
    {26, 0, 0, 3, 5},   /* EndTxn */
    {28, 0, -1, 3, 5},  /* TxnOffsetCommit */
};

static bool since(int version, int first)
{
    return first >= 0 && version >= first;
}

void wl_kafka_read_response(int api, int version, const uint8_t *body, uint32_t length,
                            wl_kafka_response_t *response)
{
    cursor_t cursor = {body, body + length, false};

    *response = (wl_kafka_response_t){-1, WL_KAFKA_ERROR_UNKNOWN, false};
    for (unsigned i = 0; i < G_N_ELEMENTS(responses); i++) {
        bool flexible = since(version, responses[i].flexible);
        int32_t throttle, error;

        if (responses[i].api != api || version > responses[i].newest ||
            !since(version, responses[i].throttle)) {
            continue;
        }
        if (flexible && take_varint(&cursor) != 0) {
            return; /* tagged fields in the header: none is defined */
        }
        throttle = (int32_t)take_be(&cursor, 4);
        if (cursor.short_of || throttle < 0) {
            return;
        }
        response->throttle_ms = throttle;
        if (!since(version, responses[i].error)) {
            return;
        }
        error = (int16_t)take_be(&cursor, 2);
        if (cursor.short_of) {
            return;
        }
        response->error = (int16_t)error;
        if (api == WL_KAFKA_FETCH) {
            take(&cursor, 4); /* session id: an incremental answer without topics has no record */
            response->empty = (flexible ? take_varint(&cursor) <= 1 : take_be(&cursor, 4) == 0) &&
                              !cursor.short_of;
        }
        return;
    }
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
    message->max_wait_ms = -1;
    if (message->is_request) {
        message->api = (int16_t)take_be(&cursor, 2);
        message->version = (int16_t)take_be(&cursor, 2);
    }
    message->correlation_id = (int32_t)take_be(&cursor, 4);
    if (cursor.short_of || !message->is_request) {
        message->body = cursor.at;
        message->body_length = (uint32_t)(cursor.end - cursor.at);
        return !cursor.short_of;
    }
    if (message->api != WL_KAFKA_CONTROLLED_SHUTDOWN || message->version > 0) {
        length = take_be(&cursor, 2);
        message->client = take_name(&cursor, length < 0x8000 ? length : 0, store);
    }
    if (message->api == WL_KAFKA_PRODUCE) {
        message->acks = take_acks(&cursor, message->version);
    } else if (message->api == WL_KAFKA_FETCH) {
        message->max_wait_ms = take_max_wait(&cursor, message->version);
    }
    return true;
}
