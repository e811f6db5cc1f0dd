/* kafka_body.h
 * What the body of a Kafka request or response says, from its bytes: topics, partitions, errors,
 * throttling, group and member.
 *
 * Wireshark's own reading of bodies is not used: its tables end at versions of 2020 (Produce 8,
 * Fetch 11 in 4.0), beyond them its fields hold garbage, and it loses a response's body with its
 * request. Here a body is believed only when its version is known and it ends where the message
 * ends, tagged fields included.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_KAFKA_BODY_H
#define WIRELAT_KAFKA_BODY_H

#include <stdbool.h>
#include <stdint.h>

/* API keys that matching rules or tables treat apart. */
enum {
    WL_KAFKA_PRODUCE = 0,
    WL_KAFKA_FETCH = 1,
    WL_KAFKA_METADATA = 3,
    WL_KAFKA_CONTROLLED_SHUTDOWN = 7,
    WL_KAFKA_JOIN_GROUP = 11,
    WL_KAFKA_LEAVE_GROUP = 13,
    WL_KAFKA_SYNC_GROUP = 14,
    WL_KAFKA_SASL_HANDSHAKE = 17,
    WL_KAFKA_API_VERSIONS = 18,
    WL_KAFKA_CREATE_TOPICS = 19,
    WL_KAFKA_SASL_AUTHENTICATE = 36
};

/* How a value stands on the wire. Strings and bytes may be null. */
typedef enum {
    WL_KAFKA_STOP, /* end of the table */
    WL_KAFKA_INT8,
    WL_KAFKA_INT16,
    WL_KAFKA_INT32,
    WL_KAFKA_INT64,
    WL_KAFKA_UUID,
    WL_KAFKA_STRING,
    WL_KAFKA_BYTES,
    WL_KAFKA_ARRAY, /* of structures: up to its END */
    WL_KAFKA_END,
    WL_KAFKA_INT8S, /* arrays of plain values */
    WL_KAFKA_INT16S,
    WL_KAFKA_INT32S,
    WL_KAFKA_INT64S,
    WL_KAFKA_STRINGS
} wl_kafka_type_t;

/* What a value is to us. */
typedef enum {
    WL_KAFKA_SKIPPED,
    WL_KAFKA_OF_TOPIC, /* array: one element per topic */
    WL_KAFKA_TOPIC_NAME,
    WL_KAFKA_TOPIC_ID,
    WL_KAFKA_PARTITION, /* one each, or an array of them */
    WL_KAFKA_ERROR,
    WL_KAFKA_THROTTLE, /* ms */
    WL_KAFKA_MAX_WAIT, /* ms */
    WL_KAFKA_GROUP,
    WL_KAFKA_MEMBER,
    WL_KAFKA_SESSION_EPOCH,
    WL_KAFKA_RECORDS,
    WL_KAFKA_AUTH
} wl_kafka_use_t;

typedef struct {
    uint8_t type, use;
    uint8_t from;   /* first version that has it */
    uint8_t before; /* first version that has it no more; 0: all have */
} wl_kafka_field_t;

typedef struct {
    uint8_t versions; /* how many are known: 0 to versions - 1 */
    uint8_t flexible; /* first with compact types and tagged fields (KIP-482) */
    const wl_kafka_field_t *request, *response;
} wl_kafka_schema_t;

/* The layout of an API's bodies, NULL if not known. */
const wl_kafka_schema_t *wl_kafka_schema(int api);

/* A text within the message; not terminated. at is NULL for none. */
typedef struct {
    const uint8_t *at;
    uint32_t length;
} wl_kafka_text_t;

typedef enum {
    WL_BODY_UNKNOWN,   /* of an API or version whose layout is not known */
    WL_BODY_MALFORMED, /* does not end where the message does */
    WL_BODY_READ
} wl_kafka_result_t;

typedef struct {
    wl_kafka_text_t topic;   /* the first named; name and id may both be there */
    const uint8_t *topic_id; /* 16 bytes, not all zero, or NULL */
    wl_kafka_text_t group, member;
    wl_kafka_text_t auth;
    uint32_t topics, partitions;
    int32_t throttle_ms, max_wait_ms, session_epoch; /* -1: not there */
    int16_t error;                                   /* the first that is not 0 */
    uint64_t record_bytes;
} wl_kafka_body_t;

/* Told of each topic of a response that has both name and id. */
typedef void (*wl_kafka_learn_t)(wl_kafka_text_t name, const uint8_t *id, void *user);

/* Reads a body: what follows the client id of a request, the correlation id of a response. *body is
 * meaningful for WL_BODY_READ only, and points into the bytes. */
wl_kafka_result_t wl_kafka_body_read(int api, int version, bool is_request, const uint8_t *bytes,
                                     uint32_t length, wl_kafka_body_t *body);

/* Hands out the topics a response names by both; the body must have been read. */
void wl_kafka_body_topics(int api, int version, const uint8_t *bytes, uint32_t length,
                          wl_kafka_learn_t learn, void *user);

#endif
