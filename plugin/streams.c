/* streams.c
 * The table of streams, indexed by tcp.stream, and the memory of their two directions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "streams.h"

#include <string.h>

typedef struct {
    uint32_t end_seq;
    wl_exchange_id_t id;
} unacked_t;

struct wl_streams {
    GPtrArray *by_number;
    unsigned max_per_direction;
    uint64_t dropped;
};

static void half_clear(wl_half_t *half)
{
    GArray *arrays[] = {half->segments, half->records, half->unacked};

    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        if (arrays[i] != NULL) {
            g_array_free(arrays[i], TRUE);
        }
    }
}

static void stream_free(gpointer pointer)
{
    wl_stream_t *stream = pointer;

    if (stream == NULL) {
        return;
    }
    half_clear(&stream->half[0]);
    half_clear(&stream->half[1]);
    if (stream->mqtt.aliases != NULL) {
        g_hash_table_destroy(stream->mqtt.aliases);
    }
    g_free(stream);
}

wl_streams_t *wl_streams_new(unsigned max_per_direction)
{
    wl_streams_t *streams = g_new0(wl_streams_t, 1);

    streams->by_number = g_ptr_array_new_with_free_func(stream_free);
    streams->max_per_direction = MAX(max_per_direction, 1);
    return streams;
}

void wl_streams_free(wl_streams_t *streams)
{
    if (streams != NULL) {
        g_ptr_array_free(streams->by_number, TRUE);
        g_free(streams);
    }
}

wl_stream_t *wl_streams_find(const wl_streams_t *streams, uint32_t number)
{
    return number < streams->by_number->len ? g_ptr_array_index(streams->by_number, number) : NULL;
}

wl_stream_t *wl_streams_get(wl_streams_t *streams, const wl_segment_t *segment)
{
    wl_stream_t *stream = wl_streams_find(streams, segment->stream);

    if (stream != NULL) {
        return stream;
    }
    if (segment->stream >= streams->by_number->len) {
        g_ptr_array_set_size(streams->by_number, (gint)segment->stream + 1);
    }
    stream = g_new0(wl_stream_t, 1);
    stream->number = segment->stream;
    stream->port[0] = segment->source_port;
    stream->port[1] = segment->destination_port;
    stream->address_length = MIN(segment->address_length, sizeof stream->address);
    if (stream->address_length > 0) {
        memcpy(stream->address, segment->source_address, stream->address_length);
    }
    stream->mqtt.client_dir = -1;
    g_ptr_array_index(streams->by_number, segment->stream) = stream;
    return stream;
}

unsigned wl_stream_direction(const wl_stream_t *stream, const wl_segment_t *segment)
{
    if (stream->port[0] != stream->port[1]) {
        return segment->source_port == stream->port[0] ? 0 : 1;
    }
    return segment->address_length >= stream->address_length &&
                   memcmp(segment->source_address, stream->address, stream->address_length) == 0
               ? 0
               : 1;
}

static void piece_add(wl_streams_t *streams, GArray **pieces, const wl_piece_t *piece)
{
    if (*pieces == NULL) {
        *pieces = g_array_new(FALSE, FALSE, sizeof(wl_piece_t));
    }
    if ((*pieces)->len >= streams->max_per_direction) {
        /* Half at once, so that the cost per segment stays constant. */
        unsigned half = (*pieces)->len / 2 + 1;
        g_array_remove_range(*pieces, 0, half);
        streams->dropped += half;
    }
    g_array_append_vals(*pieces, piece, 1);
}

void wl_half_add_segment(wl_streams_t *streams, wl_half_t *half, const wl_segment_t *segment)
{
    wl_piece_t piece = {segment->frame, segment->frame, segment->time_ns, segment->seq,
                        segment->length};
    piece_add(streams, &half->segments, &piece);
}

void wl_half_add_record(wl_streams_t *streams, wl_half_t *half, const wl_piece_t *record)
{
    piece_add(streams, &half->records, record);
}

/* Frames are appended in order: index of the first piece whose frame is not below. */
static unsigned piece_lower_bound(const GArray *pieces, uint32_t frame)
{
    unsigned low = 0, high = pieces->len;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (g_array_index(pieces, wl_piece_t, middle).frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const wl_piece_t *wl_half_find_segment(const wl_half_t *half, uint32_t frame)
{
    const wl_piece_t *piece;
    unsigned at;

    if (half->segments == NULL) {
        return NULL;
    }
    at = piece_lower_bound(half->segments, frame);
    if (at == half->segments->len) {
        return NULL;
    }
    piece = &g_array_index(half->segments, wl_piece_t, at);
    return piece->frame == frame ? piece : NULL;
}

const wl_piece_t *wl_half_find_record(const wl_half_t *half, uint32_t frame, unsigned nth_last)
{
    unsigned end;

    if (half->records == NULL) {
        return NULL;
    }
    end = piece_lower_bound(half->records, frame + 1);
    if (end <= nth_last) {
        return NULL;
    }
    const wl_piece_t *piece = &g_array_index(half->records, wl_piece_t, end - 1 - nth_last);
    return piece->frame == frame ? piece : NULL;
}

void wl_half_forget_before(wl_half_t *half, uint32_t seq, uint32_t record_frame)
{
    unsigned done = 0;

    if (half->segments != NULL) {
        /* Only from the front: a late segment keeps the few behind it, which does no harm. */
        while (done < half->segments->len) {
            const wl_piece_t *piece = &g_array_index(half->segments, wl_piece_t, done);
            if (wl_seq_before(seq, piece->seq + piece->length)) {
                break;
            }
            done++;
        }
        if (done > 0) {
            g_array_remove_range(half->segments, 0, done);
        }
    }
    if (half->records != NULL && half->records->len > 0) {
        done = piece_lower_bound(half->records, record_frame);
        if (done > 0) {
            g_array_remove_range(half->records, 0, done);
        }
    }
}

void wl_half_await_ack(wl_streams_t *streams, wl_half_t *half, uint32_t end_seq,
                       wl_exchange_id_t id)
{
    unacked_t item = {end_seq, id};

    if (half->unacked == NULL) {
        half->unacked = g_array_new(FALSE, FALSE, sizeof(unacked_t));
    }
    if (half->unacked->len - half->unacked_head >= streams->max_per_direction) {
        half->unacked_head++;
        streams->dropped++;
    }
    if (half->unacked_head > 64 && half->unacked_head > half->unacked->len / 2) {
        g_array_remove_range(half->unacked, 0, half->unacked_head);
        half->unacked_head = 0;
    }
    g_array_append_val(half->unacked, item);
}

bool wl_half_acked(wl_half_t *half, uint32_t ack, wl_exchange_id_t *id)
{
    const unacked_t *item;

    if (half->unacked == NULL || half->unacked_head == half->unacked->len) {
        return false;
    }
    item = &g_array_index(half->unacked, unacked_t, half->unacked_head);
    if (wl_seq_before(ack, item->end_seq)) {
        return false;
    }
    *id = item->id;
    if (++half->unacked_head == half->unacked->len) {
        g_array_set_size(half->unacked, 0);
        half->unacked_head = 0;
    }
    return true;
}

uint64_t wl_streams_dropped(const wl_streams_t *streams)
{
    return streams->dropped;
}
