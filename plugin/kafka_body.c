/* kafka_body.c
 * Walks the bodies of Kafka messages along the tables of kafka_schema.c.
 *
 *   v(n)         value                       value
 *   plain        length i16/i32  bytes       ...          count i32     elements
 *   flexible     length+1 varint bytes       ...   tags   count+1 varint elements (tags each)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_body.h"

#include <glib.h>
#include <string.h>

#include "cursor.h"

#define UUID_SIZE 16

typedef struct {
    cursor_t cursor;
    int version;
    bool flexible;
    wl_kafka_body_t *body;
    wl_kafka_text_t name; /* of the topic element being read */
    const uint8_t *id;
    wl_kafka_learn_t learn;
    void *user;
} walk_t;

/* Length of a string, bytes or array; null counts as 0 and clears *present. More than there are
 * bytes left is refused at once: a wrong count must not keep us busy. */
static uint32_t take_length(walk_t *walk, unsigned plain_size, bool *present)
{
    uint32_t length =
        walk->flexible ? take_varint(&walk->cursor) : take_be(&walk->cursor, plain_size);
    bool null = walk->flexible ? length == 0 : (length >> (plain_size * 8 - 1)) != 0;

    *present = !null;
    length = null ? 0 : walk->flexible ? length - 1 : length;
    if (length > (size_t)(walk->cursor.end - walk->cursor.at)) {
        walk->cursor.short_of = true;
        return 0;
    }
    return length;
}

static void take_tags(walk_t *walk)
{
    for (uint32_t count = take_varint(&walk->cursor); count > 0 && !walk->cursor.short_of;
         count--) {
        take_varint(&walk->cursor);
        take(&walk->cursor, take_varint(&walk->cursor));
    }
}

static void note_text(walk_t *walk, wl_kafka_use_t use, wl_kafka_text_t text)
{
    wl_kafka_body_t *body = walk->body;
    wl_kafka_text_t *first = use == WL_KAFKA_GROUP    ? &body->group
                             : use == WL_KAFKA_MEMBER ? &body->member
                             : use == WL_KAFKA_AUTH   ? &body->auth
                                                      : NULL;
    if (use == WL_KAFKA_TOPIC_NAME) {
        walk->name = text;
    } else if (use == WL_KAFKA_RECORDS) {
        body->record_bytes += text.length;
    } else if (first != NULL && first->at == NULL) {
        *first = text;
    }
}

static void note_number(walk_t *walk, wl_kafka_use_t use, uint32_t value)
{
    wl_kafka_body_t *body = walk->body;

    switch (use) {
    case WL_KAFKA_PARTITION:
        body->partitions++;
        break;
    case WL_KAFKA_ERROR:
        if (body->error == 0) {
            body->error = (int16_t)value;
        }
        break;
    case WL_KAFKA_THROTTLE:
        body->throttle_ms = (int32_t)value;
        break;
    case WL_KAFKA_MAX_WAIT:
        body->max_wait_ms = (int32_t)value;
        break;
    case WL_KAFKA_SESSION_EPOCH:
        body->session_epoch = (int32_t)value;
        break;
    default:
        break;
    }
}

static void take_text(walk_t *walk, const wl_kafka_field_t *field)
{
    bool present;
    wl_kafka_text_t text;

    text.length = take_length(walk, field->type == WL_KAFKA_STRING ? 2 : 4, &present);
    text.at = take(&walk->cursor, text.length);
    if (present && text.at != NULL) {
        note_text(walk, (wl_kafka_use_t)field->use, text);
    }
}

static void take_uuid(walk_t *walk, const wl_kafka_field_t *field)
{
    static const uint8_t zero[UUID_SIZE];
    const uint8_t *id = take(&walk->cursor, UUID_SIZE);

    if (field->use == WL_KAFKA_TOPIC_ID && id != NULL && memcmp(id, zero, UUID_SIZE) != 0) {
        walk->id = id;
    }
}

/* An array of plain values. */
static void take_values(walk_t *walk, const wl_kafka_field_t *field)
{
    static const uint8_t sizes[] = {
        [WL_KAFKA_INT8S] = 1, [WL_KAFKA_INT16S] = 2, [WL_KAFKA_INT32S] = 4, [WL_KAFKA_INT64S] = 8};
    static const wl_kafka_field_t string = {WL_KAFKA_STRING, WL_KAFKA_SKIPPED, 0, 0};
    bool present;
    uint32_t count = take_length(walk, 4, &present);

    if (field->type == WL_KAFKA_STRINGS) {
        for (; count > 0 && !walk->cursor.short_of; count--) {
            take_text(walk, &string);
        }
        return;
    }
    if (count > (size_t)(walk->cursor.end - walk->cursor.at) / sizes[field->type]) {
        walk->cursor.short_of = true;
        return;
    }
    take(&walk->cursor, count * sizes[field->type]);
    if (field->use == WL_KAFKA_PARTITION) {
        walk->body->partitions += count;
    }
}

static const wl_kafka_field_t *after_end(const wl_kafka_field_t *field)
{
    for (unsigned depth = 1; depth > 0; field++) {
        depth += field->type == WL_KAFKA_ARRAY;
        depth -= field->type == WL_KAFKA_END;
    }
    return field;
}

static const wl_kafka_field_t *take_structure(walk_t *walk, const wl_kafka_field_t *field);

static void topic_done(walk_t *walk)
{
    wl_kafka_body_t *body = walk->body;

    if (body->topics++ == 0) {
        body->topic = walk->name;
        body->topic_id = walk->id;
    }
    if (walk->learn != NULL && walk->name.at != NULL && walk->id != NULL) {
        walk->learn(walk->name, walk->id, walk->user);
    }
}

/* Returns the field behind the array's. */
static const wl_kafka_field_t *take_array(walk_t *walk, const wl_kafka_field_t *field)
{
    const wl_kafka_field_t *end = NULL;
    bool present;
    uint32_t count = take_length(walk, 4, &present);

    for (; count > 0 && !walk->cursor.short_of; count--) {
        if (field->use == WL_KAFKA_OF_TOPIC) {
            walk->name = (wl_kafka_text_t){NULL, 0};
            walk->id = NULL;
        }
        end = take_structure(walk, field + 1);
        if (field->use == WL_KAFKA_OF_TOPIC && !walk->cursor.short_of) {
            topic_done(walk);
        }
    }
    return end != NULL && !walk->cursor.short_of ? end + 1 : after_end(field + 1);
}

static void take_value(walk_t *walk, const wl_kafka_field_t *field)
{
    static const uint8_t sizes[] = {
        [WL_KAFKA_INT8] = 1, [WL_KAFKA_INT16] = 2, [WL_KAFKA_INT32] = 4};

    switch (field->type) {
    case WL_KAFKA_INT8:
    case WL_KAFKA_INT16:
    case WL_KAFKA_INT32:
        if (field->use == WL_KAFKA_SKIPPED) {
            take(&walk->cursor, sizes[field->type]);
        } else {
            note_number(walk, (wl_kafka_use_t)field->use,
                        take_be(&walk->cursor, sizes[field->type]));
        }
        break;
    case WL_KAFKA_INT64:
        take(&walk->cursor, 8);
        break;
    case WL_KAFKA_UUID:
        take_uuid(walk, field);
        break;
    case WL_KAFKA_STRING:
    case WL_KAFKA_BYTES:
        take_text(walk, field);
        break;
    default:
        take_values(walk, field);
        break;
    }
}

/* Up to the END of an array's element, or the STOP of the whole body, which is returned. */
static const wl_kafka_field_t *take_structure(walk_t *walk, const wl_kafka_field_t *field)
{
    while (field->type != WL_KAFKA_END && field->type != WL_KAFKA_STOP && !walk->cursor.short_of) {
        bool there =
            walk->version >= field->from && (field->before == 0 || walk->version < field->before);

        if (field->type == WL_KAFKA_ARRAY) {
            field = there ? take_array(walk, field) : after_end(field + 1);
            continue;
        }
        if (there) {
            take_value(walk, field);
        }
        field++;
    }
    if (walk->flexible) {
        take_tags(walk);
    }
    return field;
}

static bool walk_body(walk_t *walk, const wl_kafka_schema_t *schema, int api, bool is_request)
{
    *walk->body = (wl_kafka_body_t){.throttle_ms = -1, .max_wait_ms = -1, .session_epoch = -1};
    walk->flexible = walk->version >= schema->flexible;
    /* Tags of the header. ApiVersions responses have none (KIP-511), so that a client that knows
     * nothing of the broker can read them. */
    if (walk->flexible && (is_request || api != WL_KAFKA_API_VERSIONS)) {
        take_tags(walk);
    }
    take_structure(walk, is_request ? schema->request : schema->response);
    return !walk->cursor.short_of && walk->cursor.at == walk->cursor.end;
}

wl_kafka_result_t wl_kafka_body_read(int api, int version, bool is_request, const uint8_t *bytes,
                                     uint32_t length, wl_kafka_body_t *body)
{
    const wl_kafka_schema_t *schema = wl_kafka_schema(api);
    walk_t walk = {.cursor = {bytes, bytes + length, false}, .version = version, .body = body};

    if (schema == NULL || version < 0) {
        return WL_BODY_UNKNOWN;
    }
    if (version < schema->versions && walk_body(&walk, schema, api, is_request)) {
        return WL_BODY_READ;
    }
    /* A broker that does not know the version answers in the form of version 0 (KIP-511). */
    if (api == WL_KAFKA_API_VERSIONS && !is_request && version > 0) {
        return wl_kafka_body_read(api, 0, false, bytes, length, body);
    }
    return version < schema->versions ? WL_BODY_MALFORMED : WL_BODY_UNKNOWN;
}

void wl_kafka_body_topics(int api, int version, const uint8_t *bytes, uint32_t length,
                          wl_kafka_learn_t learn, void *user)
{
    wl_kafka_body_t body;
    walk_t walk = {.cursor = {bytes, bytes + length, false},
                   .version = version,
                   .body = &body,
                   .learn = learn,
                   .user = user};

    walk_body(&walk, wl_kafka_schema(api), api, false);
}
