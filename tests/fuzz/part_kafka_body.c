/* part_kafka_body.c
 * Fuzzes kafka_body: every API and version, any bytes.
 *
 *   input   1 byte API, 1 byte version, 1 byte bit 0 request; the rest is the body
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/kafka_body.h"

typedef struct {
    const uint8_t *from, *to;
    unsigned count;
} range_t;

static void check_inside(const range_t *body, const uint8_t *at, uint32_t length)
{
    CHECK(at == NULL || (at >= body->from && at <= body->to && length <= body->to - at));
}

static void learn(wl_kafka_text_t name, const uint8_t *id, void *user)
{
    range_t *body = user;

    check_inside(body, name.at, name.length);
    check_inside(body, id, 16);
    CHECK(name.at != NULL && id != NULL);
    body->count++;
}

/* What ends where the message ends does so nowhere else; but an ApiVersions response that does not
 * may still be one of version 0. */
static void check_end(int api, int version, bool is_request, const uint8_t *bytes, uint32_t count)
{
    uint8_t *longer = malloc(count + 1);
    wl_kafka_body_t body;

    memcpy(longer, bytes, count);
    longer[count] = 0;
    if (api != WL_KAFKA_API_VERSIONS || is_request || version == 0) {
        CHECK(count == 0 || wl_kafka_body_read(api, version, is_request, bytes, count - 1, &body) !=
                                WL_BODY_READ);
        CHECK(wl_kafka_body_read(api, version, is_request, longer, count + 1, &body) !=
              WL_BODY_READ);
    }
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    int api = (int)script_number(&script, 1), version = (int)script_number(&script, 1);
    bool is_request = script_number(&script, 1) & 1;
    wl_kafka_body_t body;
    uint8_t *bytes;
    size_t count;

    bytes = script_bytes(&script, SIZE_MAX / 2, &count);
    range_t range = {bytes, bytes + count, 0};
    if (wl_kafka_body_read(api, version, is_request, bytes, (uint32_t)count, &body) ==
        WL_BODY_READ) {
        check_inside(&range, body.topic.at, body.topic.length);
        check_inside(&range, body.topic_id, 16);
        check_inside(&range, body.group.at, body.group.length);
        check_inside(&range, body.member.at, body.member.length);
        check_inside(&range, body.auth.at, body.auth.length);
        CHECK(body.record_bytes <= count);
        CHECK(body.topics <= count && body.partitions <= count);
        if (!is_request) {
            wl_kafka_body_topics(api, version, bytes, (uint32_t)count, learn, &range);
            CHECK(range.count <= count / 16);
        }
        check_end(api, version, is_request, bytes, (uint32_t)count);
    }
    free(bytes);
    return 0;
}
