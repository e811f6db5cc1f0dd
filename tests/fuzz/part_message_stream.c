/* part_message_stream.c
 * Fuzzes the MQTT byte stream inside messages, as over WebSocket: however it is cut, each byte is
 * in one step, and packets are made of the bytes that were sent.
 *
 *   input   1 byte bound of held bytes (times 64); then records: 1 byte head (bit 0 doubtful, 1
 *           cut), 2 bytes length; the message
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/message_stream.h"

typedef struct {
    wl_message_stream_t stream;
    wl_packet_pool_t pool;
    GArray *steps;
    GByteArray *sent; /* the whole stream */
    bool whole;       /* no message was cut so far */
    uint32_t frame;
} bench_t;

static void check_step(const bench_t *b, const wl_step_t *step, uint64_t at)
{
    const wl_packet_t *packet = step->packet;

    CHECK(step->length > 0);
    if (step->kind != WL_STEP_PART && step->kind != WL_STEP_END) {
        return;
    }
    CHECK(packet != NULL && packet->known <= packet->have && packet->parts > 0);
    CHECK(packet->at <= at && packet->first_frame >= 1 && packet->first_frame <= b->frame);
    if (step->kind == WL_STEP_END) {
        CHECK(packet->have == packet->length && packet->last_frame == b->frame);
        CHECK(packet->at + packet->length == at + step->length || packet->holed);
        CHECK(!b->whole || packet->holed ||
              memcmp(packet->bytes, b->sent->data + packet->at, packet->known) == 0);
    }
}

static void take_message(bench_t *b, script_t *script)
{
    unsigned head = (unsigned)script_number(script, 1);
    size_t count;
    uint8_t *bytes = script_bytes(script, script_number(script, 2), &count);
    uint32_t known = head & 2 ? (uint32_t)count / 2 : (uint32_t)count;
    wl_transport_message_t message = {++b->frame, bytes, known, (uint32_t)count, head & 1};
    uint64_t at = b->stream.at, start = at;

    b->whole &= known == count;
    g_byte_array_append(b->sent, bytes, (guint)count);
    g_array_set_size(b->steps, 0);
    wl_message_stream_take(&b->stream, &message, b->steps);
    CHECK(b->stream.at == start + count);
    for (unsigned i = 0; i < b->steps->len; i++) {
        const wl_step_t *step = &g_array_index(b->steps, wl_step_t, i);

        check_step(b, step, at);
        at += step->length;
    }
    CHECK(at == start + count);
    CHECK(b->pool.held <= b->pool.max_held);
    CHECK(wl_message_stream_needed(&b->stream) <= b->stream.at);
    CHECK(b->stream.skipped >= 0 && (uint64_t)b->stream.skipped <= b->stream.at);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    wmem_allocator_t *allocator = wmem_allocator_new(WMEM_ALLOCATOR_SIMPLE);
    bench_t b = {.whole = true};

    b.pool.max_held = (script_number(&script, 1) + 1) * 64;
    b.stream.allocator = allocator;
    b.stream.pool = &b.pool;
    b.stream.rule = wl_header_mqtt;
    b.steps = g_array_new(FALSE, FALSE, sizeof(wl_step_t));
    b.sent = g_byte_array_new();
    while (script_has(&script, 3) && b.frame < 1000) {
        take_message(&b, &script);
    }
    wl_message_stream_clear(&b.stream);
    g_byte_array_free(b.sent, TRUE);
    g_array_free(b.steps, TRUE);
    wmem_destroy_allocator(allocator);
    return 0;
}
