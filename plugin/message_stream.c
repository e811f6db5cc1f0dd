/* message_stream.c
 * Where packets begin and end in a run of messages.
 *
 * In step, lengths alone are believed: what a broker accepts need not please us. Where a message
 * may be missing (`doubt`) a header must be possible too, or the stream is lost; it is found again
 * within a message or, since some clients send every field of a packet as a message of its own, at
 * the beginning of one of the last few.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "message_stream.h"

#include <string.h>

#define WINDOW_BYTES 65536u
#define WINDOW_MESSAGES 64u

typedef struct {
    uint32_t offset; /* in the window */
    uint32_t frame;
} boundary_t;

static const wl_frame_context_t no_context;

static void add_step(GArray *steps, wl_step_kind_t kind, uint32_t length, wl_packet_t *packet)
{
    wl_step_t step = {kind, length, packet};
    wl_step_t *last = steps->len > 0 ? &g_array_index(steps, wl_step_t, steps->len - 1) : NULL;

    if (last != NULL && last->kind == kind && packet == NULL) {
        last->length += length;
    } else if (length > 0) {
        g_array_append_val(steps, step);
    }
}

static void packet_append(wl_message_stream_t *stream, wl_packet_t *packet, const uint8_t *bytes,
                          uint32_t count)
{
    if (count > packet->capacity - packet->known) {
        uint64_t capacity = MAX((uint64_t)packet->capacity * 2, (uint64_t)packet->known + count);

        /* Never what the length claims: five bytes can claim 256 MiB. */
        if (packet->length != 0 && capacity > packet->length) {
            capacity = packet->length;
        }
        packet->capacity = (uint32_t)MIN(MAX(capacity, 16), UINT32_MAX);
        packet->bytes = wmem_realloc(stream->allocator, packet->bytes, packet->capacity);
    }
    memcpy(packet->bytes + packet->known, bytes, count);
    packet->known += count;
}

static wl_packet_t *packet_begin(wl_message_stream_t *stream, uint64_t at, uint32_t frame)
{
    wl_packet_t *packet = wmem_new0(stream->allocator, wl_packet_t);

    packet->at = at;
    packet->first_frame = frame;
    return packet;
}

/* Its earlier messages refer to it still: only the bytes go. */
static void packet_drop(wl_message_stream_t *stream)
{
    wl_packet_t *packet = stream->packet;

    stream->pool->held -= packet->known;
    stream->skipped += packet->have;
    wmem_free(stream->allocator, packet->bytes);
    packet->bytes = NULL;
    packet->known = packet->capacity = 0;
    stream->packet = NULL;
}

static void lose(wl_message_stream_t *stream)
{
    if (stream->packet != NULL) {
        packet_drop(stream);
    }
    stream->lost = true;
}

static void window_clear(wl_message_stream_t *stream)
{
    if (stream->window != NULL) {
        wmem_free(stream->allocator, stream->window->bytes);
        wmem_free(stream->allocator, stream->window);
        stream->window = NULL;
    }
}

static void window_add(wl_message_stream_t *stream, const wl_transport_message_t *message,
                       uint32_t at)
{
    boundary_t boundary = {0, message->frame};
    uint32_t count = message->known - at;

    if (stream->window != NULL && (stream->window->known + (uint64_t)count > WINDOW_BYTES ||
                                   stream->boundaries->len >= WINDOW_MESSAGES)) {
        /* The older half of the messages; or all, where the new one is long. */
        unsigned gone =
            count > WINDOW_BYTES / 2 ? stream->boundaries->len : stream->boundaries->len / 2 + 1;
        uint32_t offset = gone < stream->boundaries->len
                              ? g_array_index(stream->boundaries, boundary_t, gone).offset
                              : stream->window->known;
        g_array_remove_range(stream->boundaries, 0, gone);
        for (unsigned i = 0; i < stream->boundaries->len; i++) {
            g_array_index(stream->boundaries, boundary_t, i).offset -= offset;
        }
        stream->window->known -= offset;
        stream->window->at += offset;
        memmove(stream->window->bytes, stream->window->bytes + offset, stream->window->known);
    }
    if (stream->window == NULL) {
        stream->window = packet_begin(stream, stream->at + at, message->frame);
        if (stream->boundaries == NULL) {
            stream->boundaries = g_array_new(FALSE, FALSE, sizeof(boundary_t));
        }
        g_array_set_size(stream->boundaries, 0);
    }
    boundary.offset = stream->window->known;
    g_array_append_val(stream->boundaries, boundary);
    packet_append(stream, stream->window, message->bytes + at, count);
}

/* A packet surely begins at one of the window's messages: goes on with the one that reaches into
 * this message, of which the window holds the last `count` bytes. */
static bool window_find(wl_message_stream_t *stream, const wl_transport_message_t *message,
                        uint32_t count)
{
    const wl_packet_t *window = stream->window;
    uint32_t before = window->known - count;

    for (unsigned i = 0; i < stream->boundaries->len; i++) {
        const boundary_t *boundary = &g_array_index(stream->boundaries, boundary_t, i);
        uint32_t offset = boundary->offset, start = offset, length = 0;

        if (!wl_frame_begins(stream->rule, window->bytes + offset, window->known - offset,
                             &no_context, 2)) {
            continue;
        }
        while (offset < before &&
               stream->rule(window->bytes + offset, window->known - offset, &no_context, &length) !=
                   WL_HEADER_INCOMPLETE &&
               length > 0 && length <= before - offset) {
            offset += length;
            length = 0;
        }
        if (offset < before) {
            stream->packet = packet_begin(stream, window->at + offset,
                                          offset == start ? boundary->frame : message->frame);
            packet_append(stream, stream->packet, window->bytes + offset, before - offset);
            stream->packet->have = before - offset;
            stream->packet->parts = 1;
            stream->rule(stream->packet->bytes, stream->packet->known, &no_context,
                         &stream->packet->length);
            stream->pool->held += before - offset;
            stream->skipped -= before - offset;
        }
        return true;
    }
    return false;
}

/* Lost, at this byte of the message: returns where to go on, in step again or at its end. */
static uint32_t search(wl_message_stream_t *stream, const wl_transport_message_t *message,
                       uint32_t at, GArray *steps)
{
    uint32_t count = message->known > at ? message->known - at : 0;
    uint32_t start = wl_frame_find(stream->rule, message->bytes + at, count, &no_context);

    if (start < count) {
        window_clear(stream);
        stream->lost = false;
        add_step(steps, WL_STEP_SKIP, start, NULL);
        stream->skipped += start;
        return at + start;
    }
    if (count > 0 && message->known == message->length) {
        window_add(stream, message, at);
        if (window_find(stream, message, count)) {
            window_clear(stream);
            stream->lost = false;
            return at;
        }
    } else {
        window_clear(stream);
    }
    add_step(steps, WL_STEP_SKIP, message->length - at, NULL);
    stream->skipped += message->length - at;
    return message->length;
}

/* Bytes of the message for the incomplete packet; returns where to go on. */
static uint32_t go_on(wl_message_stream_t *stream, const wl_transport_message_t *message,
                      uint32_t at, GArray *steps)
{
    wl_packet_t *packet = stream->packet;
    uint32_t start = at, take, keep;

    while (packet->length == 0 && at < message->known) {
        wl_header_t header;

        packet_append(stream, packet, message->bytes + at++, 1);
        packet->have++;
        stream->pool->held++;
        header = stream->rule(packet->bytes, packet->known, &no_context, &packet->length);
        if (header == WL_HEADER_IMPOSSIBLE && (packet->length == 0 || stream->doubt)) {
            packet->have -= at - start;
            lose(stream);
            return start;
        }
    }
    if (packet->length == 0 && message->length > message->known) {
        packet->have -= at - start;
        lose(stream);
        return start;
    }
    take = packet->length == 0 ? 0 : MIN(packet->length - packet->have, message->length - at);
    keep = packet->known < packet->have ? 0
           : at < message->known        ? MIN(take, message->known - at)
                                        : 0;
    packet_append(stream, packet, message->bytes + at, keep);
    stream->pool->held += keep;
    packet->have += take;
    packet->parts++;
    at += take;
    if (packet->length != 0 && packet->have == packet->length) {
        if (stream->doubt) {
            wl_header_t header =
                stream->rule(packet->bytes, packet->known, &no_context, &packet->length);

            if (header == WL_HEADER_IMPOSSIBLE) {
                packet->have -= at - start;
                lose(stream);
                return start;
            }
            /* One that is short of bytes has taken those of the next. */
            stream->doubt = header != WL_HEADER_STRONG || packet->holed;
        }
        packet->last_frame = message->frame;
        stream->pool->held -= packet->known;
        stream->packet = NULL;
        add_step(steps, WL_STEP_END, at - start, packet);
        return at;
    }
    add_step(steps, WL_STEP_PART, at - start, packet);
    if (stream->pool->held > stream->pool->max_held) {
        stream->pool->dropped++;
        lose(stream);
    }
    return at;
}

/* At the beginning of a packet; returns where to go on. */
static uint32_t begin(wl_message_stream_t *stream, const wl_transport_message_t *message,
                      uint32_t at, GArray *steps)
{
    uint32_t available = message->known > at ? message->known - at : 0, length = 0;
    wl_header_t header = stream->rule(message->bytes + at, available, &no_context, &length);

    if (available == 0 || (header == WL_HEADER_IMPOSSIBLE && (length == 0 || stream->doubt))) {
        lose(stream);
        return at;
    }
    if (header == WL_HEADER_STRONG) {
        stream->doubt = false;
    }
    if (length > 0 && length <= available) {
        add_step(steps, WL_STEP_WHOLE, length, NULL);
        return at + length;
    }
    stream->packet = packet_begin(stream, stream->at + at, message->frame);
    return at;
}

void wl_message_stream_take(wl_message_stream_t *stream, const wl_transport_message_t *message,
                            GArray *steps)
{
    uint32_t at = 0;

    stream->doubt |= message->doubtful;
    if (stream->packet != NULL) {
        stream->packet->holed |= message->doubtful;
    }
    if (stream->doubt && stream->packet != NULL &&
        wl_frame_begins(stream->rule, message->bytes, message->known, &no_context, 1)) {
        packet_drop(stream); /* the rest of it is what is missing */
    }
    while (at < message->length) {
        if (stream->lost) {
            at = search(stream, message, at, steps);
        } else if (stream->packet != NULL) {
            at = go_on(stream, message, at, steps);
        } else {
            at = begin(stream, message, at, steps);
        }
    }
    stream->at += message->length;
}

void wl_message_stream_clear(wl_message_stream_t *stream)
{
    if (stream->boundaries != NULL) {
        g_array_free(stream->boundaries, TRUE);
        stream->boundaries = NULL;
    }
}

uint64_t wl_message_stream_needed(const wl_message_stream_t *stream)
{
    return stream->packet != NULL   ? stream->packet->at
           : stream->window != NULL ? stream->window->at
                                    : stream->at;
}
