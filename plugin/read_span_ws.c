/* read_span_ws.c
 * From MQTT packets inside WebSocket messages back to the TCP or TLS bytes that carried them.
 *
 *   WebSocket frame   [head|payload]  in a buffer of TCP or TLS        (a "place" of this frame)
 *   byte stream       ..|at ... at + length|..                          RFC 6455 section 5.2
 *
 * A payload byte is one byte on the wire, masked or not; only a compressed message (RFC 7692) is
 * taken as a whole, from the head on. What a later frame may need is kept as runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_span.h"

#define WS_FIN 0x80
#define WS_COMPRESSED 0x40 /* RFC 7692 section 6: on a message's first frame */
#define WS_OPCODE 0x0f
#define WS_CONTROL 0x08
#define WS_MASKED 0x80
#define WS_LENGTH 0x7f
#define WS_LENGTH_16 126
#define WS_LENGTH_64 127

/* The payload of a WebSocket frame that this frame completes. */
typedef struct {
    const tvbuff_t *buffer;
    uint32_t start;  /* of the payload */
    uint32_t head;   /* bytes of the WebSocket header before it */
    uint32_t length; /* on the wire */
    uint64_t at;     /* once placed */
    uint32_t span;   /* of the byte stream, once placed: length, unless compressed */
    unsigned last;   /* place where its message ends, once placed */
    bool placed, exact, compressed;
} wl_ws_place_t;

static wl_ws_place_t *place_at(const wl_layout_t *layout, unsigned i)
{
    return &g_array_index(layout->ws_places, wl_ws_place_t, i);
}

static bool read_header(const field_info *finfo, wl_ws_place_t *place, uint8_t *first)
{
    tvbuff_t *buffer = finfo->ds_tvb;
    int start = finfo->start;
    uint8_t second;

    if (!tvb_bytes_exist(buffer, start, 2)) {
        return false;
    }
    *first = wl_tvb_get_uint8(buffer, start);
    second = wl_tvb_get_uint8(buffer, start + 1);
    place->length = second & WS_LENGTH;
    place->head = 2 + (second & WS_MASKED ? 4 : 0);
    if (place->length == WS_LENGTH_16 && tvb_bytes_exist(buffer, start, 4)) {
        place->length = tvb_get_ntohs(buffer, start + 2);
        place->head += 2;
    } else if (place->length == WS_LENGTH_64 && tvb_bytes_exist(buffer, start, 10)) {
        place->length = tvb_get_ntohl(buffer, start + 6);
        place->head += 8;
    }
    place->compressed = (*first & WS_COMPRESSED) != 0;
    place->buffer = buffer;
    place->start = (uint32_t)start + place->head;
    return true;
}

/* The frame's message whose last WebSocket frame this is: they come in the same order. */
static const wl_ws_message_t *message_of(wl_layout_t *layout, const proto_node *node)
{
    while (layout->ws != NULL && layout->ws_message < layout->ws->messages->len) {
        const wl_ws_message_t *message =
            &g_array_index(layout->ws->messages, wl_ws_message_t, layout->ws_message);

        if (message->node != node) {
            return NULL;
        }
        layout->ws_message++;
        return message;
    }
    return NULL;
}

/* Gives the message's parts, fragments of earlier frames first, their places in the stream. */
static void put_in_place(wl_layout_t *layout, const wl_ws_message_t *message)
{
    const wl_queue_t *fragments = &layout->half->fragments;
    unsigned count = fragments->count, first = layout->ws_places->len;
    uint64_t at = message->at;
    bool exact;

    while (first > 0 && !place_at(layout, first - 1)->placed) {
        first--;
    }
    exact = count > 0 ? ((const wl_run_t *)wl_queue_at(fragments, sizeof(wl_run_t), 0))->in_messages
                      : !place_at(layout, first)->compressed;
    for (unsigned i = 0; i < count; i++) {
        wl_run_t *run = wl_queue_at(fragments, sizeof(wl_run_t), i);

        run->at = at;
        run->length = exact ? run->length : i == 0 ? message->length : 0;
        run->in_place &= exact;
        at += run->length;
    }
    for (unsigned i = first; i < layout->ws_places->len; i++) {
        wl_ws_place_t *place = place_at(layout, i);

        place->at = at;
        /* Compressed: all of it came with the first part, and is complete with the last. */
        place->span = exact                                      ? place->length
                      : at == message->at && message->length > 0 ? message->length
                                                                 : 0;
        place->exact = exact;
        place->last = layout->ws_places->len - 1;
        place->placed = true;
        at += place->span;
    }
}

static void take_fragments(wl_streams_t *streams, wl_half_t *half)
{
    for (unsigned i = 0; i < half->fragments.count; i++) {
        const wl_run_t *run = wl_queue_at(&half->fragments, sizeof(wl_run_t), i);
        if (run->length > 0) {
            wl_half_add_run(streams, &half->runs, run);
        }
    }
    wl_queue_drop(&half->fragments, half->fragments.count);
}

void wl_layout_add_websocket(wl_layout_t *layout, wl_streams_t *streams, wl_half_t *half,
                             const proto_node *node)
{
    wl_ws_place_t place = {.buffer = NULL};
    const wl_ws_message_t *message;
    uint8_t first;

    if (!read_header(PNODE_FINFO(node), &place, &first) || (first & WS_CONTROL) != 0 ||
        place.length == 0) {
        return;
    }
    if (layout->ws_places == NULL) {
        layout->ws_places = g_array_new(FALSE, FALSE, sizeof place);
    }
    g_array_append_val(layout->ws_places, place);
    message = message_of(layout, node);
    if (message != NULL) {
        put_in_place(layout, message);
        take_fragments(streams, half);
    } else if ((first & WS_FIN) != 0) {
        /* A message that was not handed over, as one that could not be decompressed. */
        half->missed_message = true;
        while (layout->ws_places->len > 0 &&
               !place_at(layout, layout->ws_places->len - 1)->placed) {
            g_array_set_size(layout->ws_places, layout->ws_places->len - 1);
        }
        wl_queue_drop(&half->fragments, half->fragments.count);
    }
}

/* Byte `at` of the stream, or the part of the wire that brought it. */
static bool span_in_place(wl_layout_t *layout, packet_info *pinfo, const wl_ws_place_t *place,
                          uint64_t at, wl_span_t *span)
{
    if (place->exact) {
        return wl_layout_wire_span(layout, pinfo, place->buffer,
                                   place->start + (uint32_t)(at - place->at), 1, span);
    }
    return wl_layout_wire_span(layout, pinfo, place->buffer, place->start - place->head,
                               place->head + place->length, span);
}

/* Index of the first place of the frame that ends after `at`. */
static unsigned find_place(const wl_layout_t *layout, uint64_t at)
{
    unsigned low = 0, high = layout->ws_places->len;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const wl_ws_place_t *place = place_at(layout, middle);
        if (place->placed && place->at + place->span <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool span_of_run(const wl_layout_t *layout, uint64_t at, wl_span_t *span)
{
    const wl_run_t *run = wl_half_find_run(layout->half, at);
    uint32_t seq;

    if (run == NULL) {
        return false;
    }
    seq = run->seq + (run->in_place ? (uint32_t)(at - run->at) : 0);
    *span = (wl_span_t){.first_frame = run->first_frame,
                        .first_ns = run->first_ns,
                        .first_seq = seq,
                        .record_frame = run->record_frame,
                        .seq_known = run->seq_known};
    if (run->in_place && at > run->at) {
        const wl_piece_t *piece = wl_half_find_byte(layout->half, seq);

        if (piece == NULL) {
            return false;
        }
        span->first_frame = piece->first_frame;
        span->first_ns = piece->first_ns;
    }
    return true;
}

/* [at, at + length) of the byte stream, which ends in this frame. */
static bool stream_span(wl_layout_t *layout, packet_info *pinfo, uint64_t at, uint32_t length,
                        wl_span_t *span)
{
    unsigned first = find_place(layout, at), last;
    const wl_ws_place_t *place;
    wl_span_t end;

    if (first < layout->ws_places->len && place_at(layout, first)->placed &&
        place_at(layout, first)->at <= at) {
        if (!span_in_place(layout, pinfo, place_at(layout, first), at, span)) {
            return false;
        }
    } else if (!span_of_run(layout, at, span)) {
        return false;
    }
    /* The receiver can read it when it has the message; only then an ACK tells of anything. A
     * compressed message may have been placed by its first part, in an earlier frame. */
    last = find_place(layout, at + length - 1);
    last =
        last < layout->ws_places->len ? place_at(layout, last)->last : layout->ws_places->len - 1;
    place = place_at(layout, last);
    span->seq_known &=
        wl_layout_wire_span(layout, pinfo, place->buffer, place->start, place->length, &end) &&
        end.seq_known;
    if (span->seq_known) {
        span->end_seq = end.end_seq;
    }
    return true;
}

bool wl_layout_ws_span(wl_layout_t *layout, packet_info *pinfo, const field_info *pdu,
                       uint32_t size, wl_span_t *span)
{
    const GArray *handed = layout->ws->handed;

    if (layout->ws_places == NULL || layout->ws_places->len == 0) {
        return false;
    }
    /* Packets come in the order in which they were handed over. */
    for (unsigned tried = 0; tried < handed->len; tried++) {
        const wl_ws_handed_t *part = &g_array_index(handed, wl_ws_handed_t, layout->ws_handed);
        uint32_t start = (uint32_t)pdu->start;

        if (part->buffer == pdu->ds_tvb && start >= part->start &&
            start - part->start < part->length) {
            bool found = stream_span(layout, pinfo, part->at + (start - part->start), size, span);

            span->shortened = part->shortened;
            return found;
        }
        layout->ws_handed = (layout->ws_handed + 1) % handed->len;
    }
    return false;
}

static void remember(wl_layout_t *layout, packet_info *pinfo, wl_streams_t *streams,
                     wl_queue_t *runs, const wl_ws_place_t *place, uint64_t from)
{
    wl_run_t run = {.at = from, .length = (uint32_t)(place->at + place->span - from)};
    wl_span_t span;

    if (span_in_place(layout, pinfo, place, from, &span)) {
        run.first_frame = span.first_frame;
        run.first_ns = span.first_ns;
        run.seq = span.first_seq;
        run.record_frame = span.record_frame;
        run.seq_known = span.seq_known;
        run.in_messages = !place->compressed;
        run.in_place = place->exact && layout->tls_records->len == 0;
        wl_half_add_run(streams, runs, &run);
    }
}

void wl_layout_remember_runs(wl_layout_t *layout, packet_info *pinfo, wl_streams_t *streams,
                             wl_half_t *half)
{
    uint64_t needed = layout->ws != NULL ? layout->ws->needed : 0;

    for (unsigned i = 0; layout->ws_places != NULL && i < layout->ws_places->len; i++) {
        wl_ws_place_t *place = place_at(layout, i);

        if (!place->placed) {
            place->span = place->length;
            place->exact = true;
            remember(layout, pinfo, streams, &half->fragments, place, 0);
        } else if (place->at + place->span > needed) {
            remember(layout, pinfo, streams, &half->runs, place, MAX(needed, place->at));
        }
    }
}

void wl_layout_forget_runs(const wl_layout_t *layout, wl_half_t *half)
{
    if (layout->ws != NULL) {
        wl_half_forget_runs(half, layout->ws->needed);
    }
}
