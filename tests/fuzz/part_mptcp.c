/* part_mptcp.c
 * Fuzzes MPTCP from the bytes of TCP options to connections and data, on four streams, with small
 * bounds.
 *
 *   input   records: 1 byte head (bits 0-1 stream, 2 direction, 3 time runs backwards, 4 seq far
 *           off, 5 payload not captured), 1 byte TCP flags, 2 bytes seq behind the next, 2 bytes
 *           ack behind, 2 bytes length of payload, 1 byte time step in ms, 1 byte length of
 *           options; the options
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/match_mptcp.h"

#define HEAD_BYTES 10u
#define STREAMS 4u
#define MAX_FRAMES 2048u
#define MAX_PAYLOAD 2048u

static const wl_mptcp_limits_t limits = {
    .subflows = 3, .held = 8, .held_by_stream = 4, .ranges = 32, .history = 8, .frames = 1024};

typedef struct {
    wl_mptcp_t *mptcp;
    uint32_t next[STREAMS][2], frame;
    int64_t now_ns;
    bool known[STREAMS];
} bench_t;

static void check_ranges(wl_mp_ranges_t *ranges)
{
    uint64_t end = 0;
    unsigned count = 0;

    for (const wl_mp_range_t *range = wl_mp_ranges_first(ranges); range != NULL;
         range = wl_mp_ranges_next(ranges, range)) {
        CHECK(range->from < range->to);
        CHECK(count == 0 || range->from >= end);
        end = range->to;
        count++;
    }
    CHECK(count == wl_mp_ranges_count(ranges));
}

static void check_connection(const wl_mp_connection_t *connection)
{
    CHECK(connection->subflows->len <= limits.subflows);
    for (unsigned i = 0; i < 2; i++) {
        const wl_mp_sent_t *sent = &connection->sent[i];

        if (sent->sent != NULL) {
            check_ranges(sent->sent);
        }
        if (sent->mappings != NULL) {
            check_ranges(sent->mappings);
        }
    }
}

static void take_segment(bench_t *b, script_t *script)
{
    static const uint8_t addresses[2][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
    static const uint8_t payload[MAX_PAYLOAD];
    unsigned head = (unsigned)script_number(script, 1), number = head & 3, side = head >> 2 & 1;
    uint8_t flags = (uint8_t)script_number(script, 1);
    uint32_t behind = (uint32_t)script_number(script, 2), ack = (uint32_t)script_number(script, 2);
    uint32_t length = (uint32_t)script_number(script, 2) % MAX_PAYLOAD, *next;
    int64_t step_ns = (int64_t)script_number(script, 1) * 1000000;
    wl_mp_options_t options;
    wl_mp_input_t input;
    wl_mp_subflow_t *subflow;
    size_t count;
    uint8_t *bytes = script_bytes(script, script_number(script, 1) % 41, &count);
    bool has = wl_mp_options_read(bytes, (uint32_t)count, &options);

    CHECK(!has || wl_mp_options_has(bytes, (uint32_t)count));
    next = &b->next[number][side];
    b->now_ns += head & 8 ? -step_ns : step_ns;
    wl_segment_t segment = {.frame = ++b->frame,
                            .stream = number,
                            .time_ns = b->now_ns,
                            .seq = head & 16 ? behind << 16 : *next - behind % 4096,
                            .ack = b->next[number][!side] - ack % 4096,
                            .length = length,
                            .source_port = (uint16_t)(side == 0 ? 40000 + number : 80),
                            .destination_port = (uint16_t)(side == 0 ? 80 : 40000 + number),
                            .flags = flags,
                            .source_address = addresses[side],
                            .address_length = 4};
    if (wl_seq_before(*next, segment.seq + length) || head & 16) {
        *next = segment.seq + length + ((flags & (WL_TCP_SYN | WL_TCP_FIN)) != 0);
    }
    b->known[number] |= has;
    if (b->known[number]) {
        input = (wl_mp_input_t){.segment = &segment,
                                .direction = side,
                                .options = has ? &options : NULL,
                                .payload = head & 32 ? NULL : payload,
                                .destination = addresses[!side]};
        subflow = wl_mptcp_take(b->mptcp, &input);
        CHECK(subflow == NULL || subflow->stream == number);
        CHECK(subflow == wl_mptcp_find(b->mptcp, number) || subflow == NULL);
        if (subflow != NULL && subflow->connection != NULL) {
            check_connection(subflow->connection);
        }
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    bench_t b = {.mptcp = wl_mptcp_new(&limits), .now_ns = INT64_C(1700000000000000000)};

    while (script_has(&script, HEAD_BYTES) && b.frame < MAX_FRAMES) {
        take_segment(&b, &script);
    }
    wl_mptcp_free(b.mptcp);
    return 0;
}
