/* read_mqttsn.c
 * An MQTT-SN message, from the bytes of its datagram (MQTT-SN 1.2, section 5).
 *
 *   length (1) | type | body                     length (1) | 0xfe | control | node | message
 *   0x01 | length (2) | type | body              a forwarder's: the length ends before the message
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "match_mqttsn.h"

#include <stdio.h>
#include <string.h>

#include "cursor.h"

#define NODE_TEXT 128
#define MAX_FORWARDERS 4 /* a chain of them; the protocol names no limit */

/* What follows the type, in this order; sizes in bytes. Text is the rest. */
enum {
    FLAGS = 1u << 0,
    PROTOCOL = 1u << 1, /* protocol id, duration */
    TOPIC_ID = 1u << 2,
    MSG_ID = 1u << 3,
    CODE = 1u << 4,
    CLIENT = 1u << 5,
    TOPIC = 1u << 6,     /* a name */
    TOPIC_ANY = 1u << 7, /* a name, or an id, as the flags say */
    FREE = 1u << 8       /* what may be longer without meaning to us */
};
static const uint16_t shapes[WL_SN_TYPES] = {
    [WL_SN_CONNECT] = FLAGS | PROTOCOL | CLIENT,
    [WL_SN_CONNACK] = CODE,
    [WL_SN_WILLTOPICREQ] = 0,
    [WL_SN_WILLTOPIC] = FREE,
    [WL_SN_WILLMSGREQ] = 0,
    [WL_SN_WILLMSG] = FREE,
    [WL_SN_REGISTER] = TOPIC_ID | MSG_ID | TOPIC,
    [WL_SN_REGACK] = TOPIC_ID | MSG_ID | CODE,
    [WL_SN_PUBLISH] = FLAGS | TOPIC_ID | MSG_ID | FREE,
    [WL_SN_PUBACK] = TOPIC_ID | MSG_ID | CODE,
    [WL_SN_PUBCOMP] = MSG_ID,
    [WL_SN_PUBREC] = MSG_ID,
    [WL_SN_PUBREL] = MSG_ID,
    [WL_SN_SUBSCRIBE] = FLAGS | MSG_ID | TOPIC_ANY,
    [WL_SN_SUBACK] = FLAGS | TOPIC_ID | MSG_ID | CODE,
    [WL_SN_UNSUBSCRIBE] = FLAGS | MSG_ID | TOPIC_ANY,
    [WL_SN_UNSUBACK] = MSG_ID,
    [WL_SN_PINGREQ] = CLIENT,
    [WL_SN_PINGRESP] = 0,
    [WL_SN_DISCONNECT] = FREE,
    [WL_SN_WILLTOPICUPD] = FREE,
    [WL_SN_WILLTOPICRESP] = CODE,
    [WL_SN_WILLMSGUPD] = FREE,
    [WL_SN_WILLMSGRESP] = CODE,
};

static bool is_type(uint32_t type)
{
    return type >= WL_SN_CONNECT && type < WL_SN_TYPES &&
           (shapes[type] != 0 || type == WL_SN_WILLTOPICREQ || type == WL_SN_WILLMSGREQ ||
            type == WL_SN_PINGRESP);
}

static wl_string_t take_rest(cursor_t *cursor, wl_store_t *store)
{
    uint32_t length = (uint32_t)(cursor->end - cursor->at);
    const uint8_t *bytes = take(cursor, length);

    return bytes == NULL ? WL_STRING_NONE : wl_store_intern_bytes(store, bytes, length);
}

/* A forwarder's name for its client, as hex; of a chain, one after the other. */
static void add_node(char *text, const uint8_t *bytes, uint32_t count)
{
    size_t at = strlen(text);

    if (at > 0) {
        text[at++] = '/';
    }
    for (uint32_t i = 0; i < count && at + 4 < NODE_TEXT; i++, at += 2) {
        snprintf(text + at, 3, "%02x", bytes[i]);
    }
    text[at] = 0;
}

static uint32_t hash_of(const uint8_t *bytes, uint32_t count, uint32_t flags_at)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (uint32_t i = 0; i < count; i++) {
        hash = (hash ^ (i == flags_at ? bytes[i] & ~WL_SN_DUP : bytes[i])) * 16777619u;
    }
    return hash;
}

static void read_topic(cursor_t *cursor, wl_store_t *store, wl_mqttsn_message_t *message)
{
    unsigned type = message->flags & WL_SN_TOPIC_TYPE;

    if (type == WL_SN_TOPIC_PREDEFINED && cursor->end - cursor->at == 2) {
        message->topic_id = (uint16_t)take_be(cursor, 2);
    } else {
        message->topic = take_rest(cursor, store);
    }
}

static void read_body(cursor_t *cursor, wl_store_t *store, wl_mqttsn_message_t *message)
{
    unsigned shape = shapes[message->type];

    if (shape & FLAGS) {
        message->flags = (uint8_t)take_be(cursor, 1);
    }
    if (shape & PROTOCOL) {
        take(cursor, 3);
    }
    if (shape & TOPIC_ID) {
        const uint8_t *name = cursor->at;

        message->topic_id = (uint16_t)take_be(cursor, 2);
        if (message->type == WL_SN_PUBLISH && !cursor->short_of &&
            (message->flags & WL_SN_TOPIC_TYPE) == WL_SN_TOPIC_SHORT) {
            message->topic = wl_store_intern_bytes(store, name, 2);
        }
    }
    if (shape & MSG_ID) {
        message->id = (uint16_t)take_be(cursor, 2);
        message->has_id = !cursor->short_of;
    }
    if (shape & CODE) {
        message->reason = (int16_t)take_be(cursor, 1);
    }
    if (shape & CLIENT) {
        message->client = take_rest(cursor, store);
    } else if (shape & TOPIC) {
        message->topic = take_rest(cursor, store);
    } else if (shape & TOPIC_ANY) {
        read_topic(cursor, store, message);
    }
}

/* The header: what the length counts, and the type. False when it cannot be one. */
static bool read_header(cursor_t *cursor, uint32_t *length, uint32_t *type)
{
    const uint8_t *start = cursor->at;

    *length = take_be(cursor, 1);
    if (*length == 1) {
        *length = take_be(cursor, 2);
    }
    *type = take_be(cursor, 1);
    return !cursor->short_of && *length >= (uint32_t)(cursor->at - start);
}

bool wl_read_mqttsn(const uint8_t *bytes, uint32_t count, wl_store_t *store,
                    wl_mqttsn_message_t *message)
{
    cursor_t cursor = {bytes, bytes + count, false};
    const uint8_t *start = bytes;
    uint32_t length, type;
    char node[NODE_TEXT] = "";

    message->reason = WL_REASON_NONE;
    for (unsigned forwarders = 0;; forwarders++) {
        start = cursor.at;
        if (!read_header(&cursor, &length, &type)) {
            return false;
        }
        if (type != WL_SN_ENCAPSULATED) {
            break;
        }
        take(&cursor, 1); /* how far it may be broadcast */
        if (forwarders == MAX_FORWARDERS || (uint32_t)(cursor.at - start) > length ||
            length > (uint32_t)(cursor.end - start)) {
            return false;
        }
        add_node(node, cursor.at, (uint32_t)(start + length - cursor.at));
        cursor.at = start + length;
    }
    if (!is_type(type)) {
        return false;
    }
    message->node = wl_store_intern(store, node);
    message->type = (uint8_t)type;
    message->message.size = length;
    message->message.cut = length > (uint32_t)(cursor.end - start);
    if (!message->message.cut) {
        cursor.end = start + length;
    }
    message->content = hash_of(start, (uint32_t)(cursor.end - start),
                               shapes[type] & FLAGS ? (uint32_t)(cursor.at - start) : UINT32_MAX);
    read_body(&cursor, store, message);
    return !cursor.short_of || message->message.cut;
}
