/* kafka_body.c
 * Walks the bodies of Kafka messages along the tables of kafka_schema.c: of each table and version
 * that is met a plan is made, once, which has only what that version has, and skips in one step what
 * is of no use to us.
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
#define MAX_APIS 128
#define STEP_SKIP 0xff /* behind the types of fields */

/* One step of a plan. */
typedef struct {
    uint8_t type, use; /* wl_kafka_type_t, or STEP_SKIP; wl_kafka_use_t */
    uint16_t number;   /* SKIP: of bytes. ARRAY: of steps to its END */
} step_t;

typedef struct {
    cursor_t cursor;
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

static void take_text(walk_t *walk, unsigned plain_size, wl_kafka_use_t use)
{
    bool present;
    wl_kafka_text_t text;

    text.length = take_length(walk, plain_size, &present);
    text.at = take(&walk->cursor, text.length);
    if (use != WL_KAFKA_SKIPPED && present && text.at != NULL) {
        note_text(walk, use, text);
    }
}

static void take_uuid(walk_t *walk)
{
    static const uint8_t zero[UUID_SIZE];
    const uint8_t *id = take(&walk->cursor, UUID_SIZE);

    if (id != NULL && memcmp(id, zero, UUID_SIZE) != 0) {
        walk->id = id;
    }
}

/* An array of plain values. */
static void take_values(walk_t *walk, const step_t *step)
{
    static const uint8_t sizes[] = {
        [WL_KAFKA_INT8S] = 1, [WL_KAFKA_INT16S] = 2, [WL_KAFKA_INT32S] = 4, [WL_KAFKA_INT64S] = 8};
    bool present;
    uint32_t count = take_length(walk, 4, &present);

    if (step->type == WL_KAFKA_STRINGS) {
        for (; count > 0 && !walk->cursor.short_of; count--) {
            take_text(walk, 2, WL_KAFKA_SKIPPED);
        }
        return;
    }
    if (count > (size_t)(walk->cursor.end - walk->cursor.at) / sizes[step->type]) {
        walk->cursor.short_of = true;
        return;
    }
    take(&walk->cursor, count * sizes[step->type]);
    if (step->use == WL_KAFKA_PARTITION) {
        walk->body->partitions += count;
    }
}

static void take_structure(walk_t *walk, const step_t *step);

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

static void take_array(walk_t *walk, const step_t *step)
{
    bool present;
    uint32_t count = take_length(walk, 4, &present);

    for (; count > 0 && !walk->cursor.short_of; count--) {
        if (step->use == WL_KAFKA_OF_TOPIC) {
            walk->name = (wl_kafka_text_t){NULL, 0};
            walk->id = NULL;
        }
        take_structure(walk, step + 1);
        if (step->use == WL_KAFKA_OF_TOPIC && !walk->cursor.short_of) {
            topic_done(walk);
        }
    }
}

/* Up to the END of an array's element, or the STOP of the whole body. */
static void take_structure(walk_t *walk, const step_t *step)
{
    for (; step->type != WL_KAFKA_END && step->type != WL_KAFKA_STOP && !walk->cursor.short_of;
         step++) {
        wl_kafka_use_t use = (wl_kafka_use_t)step->use;

        switch (step->type) {
        case STEP_SKIP:
            take(&walk->cursor, step->number);
            break;
        case WL_KAFKA_INT8:
            note_number(walk, use, take_be(&walk->cursor, 1));
            break;
        case WL_KAFKA_INT16:
            note_number(walk, use, take_be(&walk->cursor, 2));
            break;
        case WL_KAFKA_INT32:
            note_number(walk, use, take_be(&walk->cursor, 4));
            break;
        case WL_KAFKA_UUID:
            take_uuid(walk);
            break;
        case WL_KAFKA_STRING:
            take_text(walk, 2, use);
            break;
        case WL_KAFKA_BYTES:
            take_text(walk, 4, use);
            break;
        case WL_KAFKA_ARRAY:
            take_array(walk, step);
            step += step->number;
            break;
        default:
            take_values(walk, step);
            break;
        }
    }
    if (walk->flexible) {
        take_tags(walk);
    }
}

/* Plans. */

/* Bytes of a field that is only skipped, 0 if they are told by its length. */
static unsigned skipped_size(const wl_kafka_field_t *field)
{
    static const uint8_t sizes[] = {[WL_KAFKA_INT8] = 1,
                                    [WL_KAFKA_INT16] = 2,
                                    [WL_KAFKA_INT32] = 4,
                                    [WL_KAFKA_INT64] = 8,
                                    [WL_KAFKA_UUID] = UUID_SIZE};

    return field->use == WL_KAFKA_SKIPPED && field->type < G_N_ELEMENTS(sizes) ? sizes[field->type]
                                                                               : 0;
}

static void plan_value(GArray *steps, const wl_kafka_field_t *field)
{
    unsigned size = skipped_size(field);
    step_t *last = steps->len > 0 ? &g_array_index(steps, step_t, steps->len - 1) : NULL;

    if (size > 0 && last != NULL && last->type == STEP_SKIP) {
        last->number = (uint16_t)(last->number + size);
    } else {
        step_t step = {size > 0 ? STEP_SKIP : field->type, field->use, (uint16_t)size};

        g_array_append_val(steps, step);
    }
}

/* Returns the END or STOP that ends the structure. Fields of arrays that the version does not have are
 * gone through without `there`. */
static const wl_kafka_field_t *plan_structure(GArray *steps, const wl_kafka_field_t *field,
                                              int version, bool there)
{
    for (; field->type != WL_KAFKA_END && field->type != WL_KAFKA_STOP; field++) {
        bool has =
            there && version >= field->from && (field->before == 0 || version < field->before);
        guint at = steps->len;

        if (has) {
            plan_value(steps, field);
        }
        if (field->type == WL_KAFKA_ARRAY) {
            field = plan_structure(steps, field + 1, version, has);
        }
        if (has && field->type == WL_KAFKA_END) {
            plan_value(steps, field);
            g_array_index(steps, step_t, at).number = (uint16_t)(steps->len - 1 - at);
        }
    }
    return field;
}

static const step_t *plan_of(const wl_kafka_schema_t *schema, int api, int version, bool is_request)
{
    static step_t **plans[MAX_APIS][2]; /* by version; they stay */
    step_t ***of_api = &plans[api][is_request];

    if (*of_api == NULL) {
        *of_api = g_new0(step_t *, schema->versions);
    }
    if ((*of_api)[version] == NULL) {
        GArray *steps = g_array_new(FALSE, FALSE, sizeof(step_t));

        plan_value(steps, plan_structure(steps, is_request ? schema->request : schema->response,
                                         version, true));
        (*of_api)[version] = (step_t *)(void *)g_array_free(steps, FALSE);
    }
    return (*of_api)[version];
}

static bool walk_body(walk_t *walk, const wl_kafka_schema_t *schema, int api, int version,
                      bool is_request)
{
    *walk->body = (wl_kafka_body_t){.throttle_ms = -1, .max_wait_ms = -1, .session_epoch = -1};
    walk->flexible = version >= schema->flexible;
    /* Tags of the header. ApiVersions responses have none (KIP-511), so that a client that knows
     * nothing of the broker can read them. */
    if (walk->flexible && (is_request || api != WL_KAFKA_API_VERSIONS)) {
        take_tags(walk);
    }
    take_structure(walk, plan_of(schema, api, version, is_request));
    return !walk->cursor.short_of && walk->cursor.at == walk->cursor.end;
}

wl_kafka_result_t wl_kafka_body_read(int api, int version, bool is_request, const uint8_t *bytes,
                                     uint32_t length, wl_kafka_body_t *body)
{
    const wl_kafka_schema_t *schema = wl_kafka_schema(api);
    walk_t walk = {.cursor = {bytes, bytes + length, false}, .body = body};

    if (schema == NULL || version < 0 || api >= MAX_APIS) {
        return WL_BODY_UNKNOWN;
    }
    if (version < schema->versions && walk_body(&walk, schema, api, version, is_request)) {
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
    const wl_kafka_schema_t *schema = wl_kafka_schema(api);
    wl_kafka_body_t body;
    walk_t walk = {
        .cursor = {bytes, bytes + length, false}, .body = &body, .learn = learn, .user = user};

    /* An answer to ApiVersions may have been read as one of version 0. */
    if (version < schema->versions) {
        walk_body(&walk, schema, api, version, false);
    }
}
