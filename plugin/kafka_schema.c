/* kafka_schema.c
 * The layouts of Kafka's bodies, as the protocol's message definitions have them
 * (clients/src/main/resources/common/message in Apache Kafka; up to the versions of 4.1).
 *
 * One line per value or run of values; tagged fields are not listed, since they are skipped by
 * their lengths. An API that is not here has no body fields in Wirelat, but every time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_body.h"

#include <stddef.h>

/* clang-format off */
#define INT8 WL_KAFKA_INT8
#define INT16 WL_KAFKA_INT16
#define INT32 WL_KAFKA_INT32
#define INT64 WL_KAFKA_INT64
#define UUID WL_KAFKA_UUID
#define STRING WL_KAFKA_STRING
#define BYTES WL_KAFKA_BYTES
#define ARRAY WL_KAFKA_ARRAY
#define END WL_KAFKA_END
#define INT8S WL_KAFKA_INT8S
#define INT32S WL_KAFKA_INT32S
#define INT64S WL_KAFKA_INT64S
#define STRINGS WL_KAFKA_STRINGS
#define OF_TOPIC WL_KAFKA_OF_TOPIC
#define TOPIC_NAME WL_KAFKA_TOPIC_NAME
#define TOPIC_ID WL_KAFKA_TOPIC_ID
#define PARTITION WL_KAFKA_PARTITION
#define ERROR WL_KAFKA_ERROR
#define THROTTLE WL_KAFKA_THROTTLE
#define MAX_WAIT WL_KAFKA_MAX_WAIT
#define GROUP WL_KAFKA_GROUP
#define MEMBER WL_KAFKA_MEMBER
#define SESSION_EPOCH WL_KAFKA_SESSION_EPOCH
#define RECORDS WL_KAFKA_RECORDS
#define AUTH WL_KAFKA_AUTH

#define NEVER 255

static const wl_kafka_field_t produce_request[] = {
    {STRING, .from = 3}, {INT16}, {INT32},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 13}, {UUID, TOPIC_ID, .from = 13},
        {ARRAY},
            {INT32, PARTITION}, {BYTES},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t produce_response[] = {
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 13}, {UUID, TOPIC_ID, .from = 13},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR}, {INT64}, {INT64, .from = 2}, {INT64, .from = 5},
            {ARRAY, .from = 8},
                {INT32}, {STRING},
            {END},
            {STRING, .from = 8},
        {END},
    {END},
    {INT32, THROTTLE, .from = 1},
    {0},
};

static const wl_kafka_field_t fetch_request[] = {
    {INT32, .before = 15}, {INT32, MAX_WAIT}, {INT32}, {INT32, .from = 3}, {INT8, .from = 4},
    {INT32, .from = 7}, {INT32, SESSION_EPOCH, .from = 7},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 13}, {UUID, TOPIC_ID, .from = 13},
        {ARRAY},
            {INT32, PARTITION}, {INT32, .from = 9}, {INT64}, {INT32, .from = 12},
            {INT64, .from = 5}, {INT32},
        {END},
    {END},
    {ARRAY, .from = 7},
        {STRING, .before = 13}, {UUID, .from = 13}, {INT32S},
    {END},
    {STRING, .from = 11},
    {0},
};

static const wl_kafka_field_t fetch_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR, .from = 7}, {INT32, .from = 7},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 13}, {UUID, TOPIC_ID, .from = 13},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR}, {INT64}, {INT64, .from = 4}, {INT64, .from = 5},
            {ARRAY, .from = 4},
                {INT64}, {INT64},
            {END},
            {INT32, .from = 11}, {BYTES, RECORDS},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t list_offsets_request[] = {
    {INT32}, {INT8, .from = 2},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT32, .from = 4}, {INT64}, {INT32, .before = 1},
        {END},
    {END},
    {INT32, .from = 10},
    {0},
};

static const wl_kafka_field_t list_offsets_response[] = {
    {INT32, THROTTLE, .from = 2},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR}, {INT64S, .before = 1}, {INT64, .from = 1},
            {INT64, .from = 1}, {INT32, .from = 4},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t metadata_request[] = {
    {ARRAY, OF_TOPIC},
        {UUID, TOPIC_ID, .from = 10}, {STRING, TOPIC_NAME},
    {END},
    {INT8, .from = 4}, {INT8, .from = 8, .before = 11}, {INT8, .from = 8},
    {0},
};

static const wl_kafka_field_t metadata_response[] = {
    {INT32, THROTTLE, .from = 3},
    {ARRAY},
        {INT32}, {STRING}, {INT32}, {STRING, .from = 1},
    {END},
    {STRING, .from = 2}, {INT32, .from = 1},
    {ARRAY, OF_TOPIC},
        {INT16, ERROR}, {STRING, TOPIC_NAME}, {UUID, TOPIC_ID, .from = 10}, {INT8, .from = 1},
        {ARRAY},
            {INT16, ERROR}, {INT32, PARTITION}, {INT32}, {INT32, .from = 7}, {INT32S}, {INT32S},
            {INT32S, .from = 5},
        {END},
        {INT32, .from = 8},
    {END},
    {INT32, .from = 8, .before = 11}, {INT16, ERROR, .from = 13},
    {0},
};

static const wl_kafka_field_t offset_commit_request[] = {
    {STRING, GROUP}, {INT32, .from = 1}, {STRING, MEMBER, .from = 1}, {STRING, .from = 7},
    {INT64, .from = 2, .before = 5},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 10}, {UUID, TOPIC_ID, .from = 10},
        {ARRAY},
            {INT32, PARTITION}, {INT64}, {INT32, .from = 6}, {INT64, .from = 1, .before = 2},
            {STRING},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t offset_commit_response[] = {
    {INT32, THROTTLE, .from = 3},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME, .before = 10}, {UUID, TOPIC_ID, .from = 10},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t offset_fetch_request[] = {
    {STRING, GROUP, .before = 8},
    {ARRAY, OF_TOPIC, .before = 8},
        {STRING, TOPIC_NAME}, {INT32S, PARTITION},
    {END},
    {ARRAY, .from = 8},
        {STRING, GROUP}, {STRING, MEMBER, .from = 9}, {INT32, .from = 9},
        {ARRAY, OF_TOPIC},
            {STRING, TOPIC_NAME, .before = 10}, {UUID, TOPIC_ID, .from = 10},
            {INT32S, PARTITION},
        {END},
    {END},
    {INT8, .from = 7},
    {0},
};

static const wl_kafka_field_t offset_fetch_response[] = {
    {INT32, THROTTLE, .from = 3},
    {ARRAY, OF_TOPIC, .before = 8},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT64}, {INT32, .from = 5}, {STRING}, {INT16, ERROR},
        {END},
    {END},
    {INT16, ERROR, .from = 2, .before = 8},
    {ARRAY, .from = 8},
        {STRING, GROUP},
        {ARRAY, OF_TOPIC},
            {STRING, TOPIC_NAME, .before = 10}, {UUID, TOPIC_ID, .from = 10},
            {ARRAY},
                {INT32, PARTITION}, {INT64}, {INT32}, {STRING}, {INT16, ERROR},
            {END},
        {END},
        {INT16, ERROR},
    {END},
    {0},
};

static const wl_kafka_field_t find_coordinator_request[] = {
    {STRING, .before = 4}, {INT8, .from = 1}, {STRINGS, .from = 4},
    {0},
};

static const wl_kafka_field_t find_coordinator_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR, .before = 4}, {STRING, .from = 1, .before = 4},
    {INT32, .before = 4}, {STRING, .before = 4}, {INT32, .before = 4},
    {ARRAY, .from = 4},
        {STRING}, {INT32}, {STRING}, {INT32}, {INT16, ERROR}, {STRING},
    {END},
    {0},
};

static const wl_kafka_field_t join_group_request[] = {
    {STRING, GROUP}, {INT32}, {INT32, .from = 1}, {STRING, MEMBER}, {STRING, .from = 5},
    {STRING},
    {ARRAY},
        {STRING}, {BYTES},
    {END},
    {STRING, .from = 8},
    {0},
};

static const wl_kafka_field_t join_group_response[] = {
    {INT32, THROTTLE, .from = 2}, {INT16, ERROR}, {INT32}, {STRING, .from = 7}, {STRING},
    {STRING}, {INT8, .from = 9}, {STRING, MEMBER},
    {ARRAY},
        {STRING}, {STRING, .from = 5}, {BYTES},
    {END},
    {0},
};

static const wl_kafka_field_t heartbeat_request[] = {
    {STRING, GROUP}, {INT32}, {STRING, MEMBER}, {STRING, .from = 3},
    {0},
};

static const wl_kafka_field_t heartbeat_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR},
    {0},
};

static const wl_kafka_field_t leave_group_request[] = {
    {STRING, GROUP}, {STRING, MEMBER, .before = 3},
    {ARRAY, .from = 3},
        {STRING, MEMBER}, {STRING}, {STRING, .from = 5},
    {END},
    {0},
};

static const wl_kafka_field_t leave_group_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR},
    {ARRAY, .from = 3},
        {STRING}, {STRING}, {INT16, ERROR},
    {END},
    {0},
};

static const wl_kafka_field_t sync_group_request[] = {
    {STRING, GROUP}, {INT32}, {STRING, MEMBER}, {STRING, .from = 3}, {STRING, .from = 5},
    {STRING, .from = 5},
    {ARRAY},
        {STRING}, {BYTES},
    {END},
    {0},
};

static const wl_kafka_field_t sync_group_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR}, {STRING, .from = 5}, {STRING, .from = 5},
    {BYTES},
    {0},
};

static const wl_kafka_field_t describe_groups_request[] = {
    {STRINGS}, {INT8, .from = 3},
    {0},
};

static const wl_kafka_field_t describe_groups_response[] = {
    {INT32, THROTTLE, .from = 1},
    {ARRAY},
        {INT16, ERROR}, {STRING, .from = 6}, {STRING}, {STRING}, {STRING}, {STRING},
        {ARRAY},
            {STRING}, {STRING, .from = 4}, {STRING}, {STRING}, {BYTES}, {BYTES},
        {END},
        {INT32, .from = 3},
    {END},
    {0},
};

static const wl_kafka_field_t list_groups_request[] = {
    {STRINGS, .from = 4}, {STRINGS, .from = 5},
    {0},
};

static const wl_kafka_field_t list_groups_response[] = {
    {INT32, THROTTLE, .from = 1}, {INT16, ERROR},
    {ARRAY},
        {STRING}, {STRING}, {STRING, .from = 4}, {STRING, .from = 5},
    {END},
    {0},
};

static const wl_kafka_field_t sasl_handshake_request[] = {
    {STRING},
    {0},
};

static const wl_kafka_field_t sasl_handshake_response[] = {
    {INT16, ERROR}, {STRINGS},
    {0},
};

static const wl_kafka_field_t api_versions_request[] = {
    {STRING, .from = 3}, {STRING, .from = 3},
    {0},
};

static const wl_kafka_field_t api_versions_response[] = {
    {INT16, ERROR},
    {ARRAY},
        {INT16}, {INT16}, {INT16},
    {END},
    {INT32, THROTTLE, .from = 1},
    {0},
};

static const wl_kafka_field_t create_topics_request[] = {
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME}, {INT32}, {INT16},
        {ARRAY},
            {INT32}, {INT32S},
        {END},
        {ARRAY},
            {STRING}, {STRING},
        {END},
    {END},
    {INT32}, {INT8, .from = 1},
    {0},
};

static const wl_kafka_field_t create_topics_response[] = {
    {INT32, THROTTLE, .from = 2},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME}, {UUID, TOPIC_ID, .from = 7}, {INT16, ERROR}, {STRING, .from = 1},
        {INT32, .from = 5}, {INT16, .from = 5},
        {ARRAY, .from = 5},
            {STRING}, {STRING}, {INT8}, {INT8}, {INT8},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t delete_topics_request[] = {
    {ARRAY, OF_TOPIC, .from = 6},
        {STRING, TOPIC_NAME}, {UUID, TOPIC_ID},
    {END},
    {STRINGS, .before = 6}, {INT32},
    {0},
};

static const wl_kafka_field_t delete_topics_response[] = {
    {INT32, THROTTLE, .from = 1},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME}, {UUID, TOPIC_ID, .from = 6}, {INT16, ERROR}, {STRING, .from = 5},
    {END},
    {0},
};

static const wl_kafka_field_t delete_records_request[] = {
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT64},
        {END},
    {END},
    {INT32},
    {0},
};

static const wl_kafka_field_t delete_records_response[] = {
    {INT32, THROTTLE},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT64}, {INT16, ERROR},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t init_producer_id_request[] = {
    {STRING}, {INT32}, {INT64, .from = 3}, {INT16, .from = 3},
    {0},
};

static const wl_kafka_field_t init_producer_id_response[] = {
    {INT32, THROTTLE}, {INT16, ERROR}, {INT64}, {INT16},
    {0},
};

static const wl_kafka_field_t offset_for_leader_epoch_request[] = {
    {INT32, .from = 3},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT32, .from = 2}, {INT32},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t offset_for_leader_epoch_response[] = {
    {INT32, THROTTLE, .from = 2},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT16, ERROR}, {INT32, PARTITION}, {INT32, .from = 1}, {INT64},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t add_partitions_to_txn_request[] = {
    {STRING}, {INT64}, {INT16},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME}, {INT32S, PARTITION},
    {END},
    {0},
};

static const wl_kafka_field_t add_partitions_to_txn_response[] = {
    {INT32, THROTTLE},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t add_offsets_to_txn_request[] = {
    {STRING}, {INT64}, {INT16}, {STRING, GROUP},
    {0},
};

static const wl_kafka_field_t add_offsets_to_txn_response[] = {
    {INT32, THROTTLE}, {INT16, ERROR},
    {0},
};

static const wl_kafka_field_t end_txn_request[] = {
    {STRING}, {INT64}, {INT16}, {INT8},
    {0},
};

static const wl_kafka_field_t end_txn_response[] = {
    {INT32, THROTTLE}, {INT16, ERROR}, {INT64, .from = 5}, {INT16, .from = 5},
    {0},
};

static const wl_kafka_field_t txn_offset_commit_request[] = {
    {STRING}, {STRING, GROUP}, {INT64}, {INT16}, {INT32, .from = 3}, {STRING, MEMBER, .from = 3},
    {STRING, .from = 3},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT64}, {INT32, .from = 2}, {STRING},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t txn_offset_commit_response[] = {
    {INT32, THROTTLE},
    {ARRAY, OF_TOPIC},
        {STRING, TOPIC_NAME},
        {ARRAY},
            {INT32, PARTITION}, {INT16, ERROR},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t describe_configs_request[] = {
    {ARRAY},
        {INT8}, {STRING}, {STRINGS},
    {END},
    {INT8, .from = 1}, {INT8, .from = 3},
    {0},
};

static const wl_kafka_field_t describe_configs_response[] = {
    {INT32, THROTTLE},
    {ARRAY},
        {INT16, ERROR}, {STRING}, {INT8}, {STRING},
        {ARRAY},
            {STRING}, {STRING}, {INT8}, {INT8, .before = 1}, {INT8, .from = 1}, {INT8},
            {ARRAY, .from = 1},
                {STRING}, {STRING}, {INT8},
            {END},
            {INT8, .from = 3}, {STRING, .from = 3},
        {END},
    {END},
    {0},
};

static const wl_kafka_field_t sasl_authenticate_request[] = {
    {BYTES, AUTH},
    {0},
};

static const wl_kafka_field_t sasl_authenticate_response[] = {
    {INT16, ERROR}, {STRING}, {BYTES, AUTH}, {INT64, .from = 1},
    {0},
};

static const wl_kafka_field_t get_telemetry_request[] = {
    {UUID},
    {0},
};

static const wl_kafka_field_t get_telemetry_response[] = {
    {INT32, THROTTLE}, {INT16, ERROR}, {UUID}, {INT32}, {INT8S}, {INT32}, {INT32}, {INT8},
    {STRINGS},
    {0},
};

static const wl_kafka_field_t push_telemetry_request[] = {
    {UUID}, {INT32}, {INT8}, {INT8}, {BYTES},
    {0},
};

static const wl_kafka_field_t push_telemetry_response[] = {
    {INT32, THROTTLE}, {INT16, ERROR},
    {0},
};

/* clang-format on */
static const wl_kafka_schema_t schemas[] = {
    [0] = {14, 9, produce_request, produce_response},
    [1] = {19, 12, fetch_request, fetch_response},
    [2] = {12, 6, list_offsets_request, list_offsets_response},
    [3] = {14, 9, metadata_request, metadata_response},
    [8] = {11, 8, offset_commit_request, offset_commit_response},
    [9] = {11, 6, offset_fetch_request, offset_fetch_response},
    [10] = {7, 3, find_coordinator_request, find_coordinator_response},
    [11] = {10, 6, join_group_request, join_group_response},
    [12] = {5, 4, heartbeat_request, heartbeat_response},
    [13] = {6, 4, leave_group_request, leave_group_response},
    [14] = {6, 4, sync_group_request, sync_group_response},
    [15] = {7, 5, describe_groups_request, describe_groups_response},
    [16] = {6, 3, list_groups_request, list_groups_response},
    [17] = {2, NEVER, sasl_handshake_request, sasl_handshake_response},
    [18] = {5, 3, api_versions_request, api_versions_response},
    [19] = {8, 5, create_topics_request, create_topics_response},
    [20] = {7, 4, delete_topics_request, delete_topics_response},
    [21] = {3, 2, delete_records_request, delete_records_response},
    [22] = {6, 2, init_producer_id_request, init_producer_id_response},
    [23] = {5, 4, offset_for_leader_epoch_request, offset_for_leader_epoch_response},
    [24] = {4, 3, add_partitions_to_txn_request, add_partitions_to_txn_response},
    [25] = {5, 3, add_offsets_to_txn_request, add_offsets_to_txn_response},
    [26] = {6, 3, end_txn_request, end_txn_response},
    [28] = {6, 3, txn_offset_commit_request, txn_offset_commit_response},
    [32] = {5, 4, describe_configs_request, describe_configs_response},
    [36] = {3, 2, sasl_authenticate_request, sasl_authenticate_response},
    [71] = {1, 0, get_telemetry_request, get_telemetry_response},
    [72] = {1, 0, push_telemetry_request, push_telemetry_response},
};

const wl_kafka_schema_t *wl_kafka_schema(int api)
{
    if (api < 0 || (size_t)api >= sizeof schemas / sizeof schemas[0] ||
        schemas[api].request == NULL) {
        return NULL;
    }
    return &schemas[api];
}
