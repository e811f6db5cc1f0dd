/* part_framing.c
 * Fuzzes frame_rules: where messages begin and end in any bytes.
 *
 *   input   1 byte: bit 0 Kafka, 1 to the broker, 2 ids known; 4 + 4 bytes first and last id;
 *           1 byte where the bytes are split; the rest is the byte stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/frame_rules.h"

/* Whole messages must not depend on how TCP cut the stream. */
static void check_whole(wl_header_rule_t rule, const uint8_t *bytes, uint32_t count,
                        const wl_frame_context_t *context, uint32_t split)
{
    bool header_split;
    uint32_t tail, first,
        whole = wl_frame_whole(rule, bytes, count, context, 2, &header_split, &tail);

    CHECK(whole <= count);
    CHECK(tail == 0 || tail > count - whole);
    first = wl_frame_whole(rule, bytes, split, context, 2, &header_split, &tail);
    CHECK(first <= split && first <= whole);
    CHECK(first + wl_frame_whole(rule, bytes + first, count - first, context, 2, &header_split,
                                 &tail) ==
          whole);
}

static void check_find(wl_header_rule_t rule, const uint8_t *bytes, uint32_t count,
                       const wl_frame_context_t *context)
{
    uint32_t length = 0, start = wl_frame_find(rule, bytes, count, context);
    wl_header_t header;

    CHECK(start <= count);
    if (start < count) {
        header = rule(bytes + start, count - start, context, &length);
        CHECK(header == WL_HEADER_WEAK || header == WL_HEADER_STRONG);
        CHECK(length > 0);
        CHECK(header == WL_HEADER_STRONG || length <= count - start);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    unsigned how = (unsigned)script_number(&script, 1);
    wl_header_rule_t rule = how & 1 ? wl_header_kafka : wl_header_mqtt;
    wl_frame_context_t context = {.is_request = (how & 2) != 0, .ids_known = (how & 4) != 0};
    uint32_t split;
    uint8_t *bytes;
    size_t count;

    context.first_id = (int32_t)script_number(&script, 4);
    context.last_id = (int32_t)script_number(&script, 4);
    split = (uint32_t)script_number(&script, 1);
    bytes = script_bytes(&script, SIZE_MAX / 2, &count);
    check_whole(rule, bytes, (uint32_t)count, &context, split < count ? split : (uint32_t)count);
    check_find(rule, bytes, (uint32_t)count, &context);
    free(bytes);
    return 0;
}
