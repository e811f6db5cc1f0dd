/* read_span.c
 * From tree items back to frames and sequence numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_span.h"

#define TLS_RECORD_HEADER 5

void wl_layout_init(wl_layout_t *layout)
{
    GArray **arrays[] = {&layout->tcp_parts, &layout->tls_parts, &layout->tls_records};

    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        if (*arrays[i] == NULL) {
            *arrays[i] = g_array_new(FALSE, FALSE, sizeof(wl_part_t));
        } else if ((*arrays[i])->len > 0) {
            g_array_set_size(*arrays[i], 0);
        }
    }
    if (layout->ws_places != NULL && layout->ws_places->len > 0) {
        g_array_set_size(layout->ws_places, 0);
    }
    layout->ws = NULL;
    layout->ws_message = layout->ws_handed = 0;
    if (layout->decrypted == NULL) {
        layout->decrypted = g_ptr_array_new();
    } else if (layout->decrypted->len > 0) {
        g_ptr_array_set_size(layout->decrypted, 0);
    }
}

void wl_layout_clear(wl_layout_t *layout)
{
    if (layout->tcp_parts != NULL) {
        g_array_free(layout->tcp_parts, TRUE);
        g_array_free(layout->tls_parts, TRUE);
        g_array_free(layout->tls_records, TRUE);
        g_ptr_array_free(layout->decrypted, TRUE);
        if (layout->ws_places != NULL) {
            g_array_free(layout->ws_places, TRUE);
        }
    }
    memset(layout, 0, sizeof *layout);
}

static void add_part(GArray *parts, const field_info *finfo, uint32_t frame)
{
    wl_part_t part = {finfo->ds_tvb, (uint32_t)finfo->start, (uint32_t)MAX(finfo->length, 0),
                      frame};
    g_array_append_val(parts, part);
}

void wl_layout_add(wl_layout_t *layout, proto_node *node)
{
    const field_info *finfo = PNODE_FINFO(node);

    switch (wl_read_item(finfo)) {
    case WL_ITEM_TCP_SEGMENT:
        add_part(layout->tcp_parts, finfo, wl_item_uint(finfo));
        return;
    case WL_ITEM_TLS_SEGMENT:
        add_part(layout->tls_parts, finfo, wl_item_uint(finfo));
        return;
    case WL_ITEM_TLS_APP_DATA:
        add_part(layout->tls_records, finfo, layout->segment->frame);
        return;
    case WL_ITEM_TCP_SEGMENTS:
    case WL_ITEM_TLS_SEGMENTS:
    case WL_ITEM_TLS:
        break;
    default: /* a TLS record's subtree */
        break;
    }
    for (proto_node *child = node->first_child; child != NULL; child = child->next) {
        wl_layout_add(layout, child);
    }
}

static const wl_part_t *part_at(const GArray *parts, const tvbuff_t *buffer, uint32_t offset)
{
    for (unsigned i = 0; i < parts->len; i++) {
        const wl_part_t *part = &g_array_index(parts, wl_part_t, i);
        if (part->buffer == buffer && offset >= part->start &&
            offset - part->start < part->length) {
            return part;
        }
    }
    return NULL;
}

static void span_unknown(const wl_layout_t *layout, wl_span_t *span)
{
    *span = (wl_span_t){.first_frame = layout->segment->frame,
                        .first_ns = WL_NO_TIME,
                        .record_frame = layout->segment->frame};
}

/* Bytes [start, end) of a buffer at TCP level. False when the buffer is no TCP payload. */
static bool tcp_span(const wl_layout_t *layout, const tvbuff_t *buffer, uint32_t start,
                     uint32_t end, wl_span_t *span)
{
    const wl_segment_t *segment = layout->segment;
    const wl_part_t *part, *head;
    const wl_piece_t *piece;

    if (buffer == layout->tcp_buffer) {
        *span = (wl_span_t){segment->frame,
                            segment->time_ns,
                            segment->seq + (start - layout->payload_start),
                            segment->seq + (end - layout->payload_start),
                            segment->frame,
                            true,
                            false};
        return true;
    }
    part = part_at(layout->tcp_parts, buffer, start);
    if (part == NULL) {
        return false;
    }
    span_unknown(layout, span);
    piece = wl_half_find_segment(layout->half, part->frame);
    if (piece != NULL) {
        span->first_frame = piece->first_frame;
        span->first_ns = piece->first_ns;
    }
    /* The buffer is one run of the sequence space, and it begins with the tail of a segment. */
    head = part_at(layout->tcp_parts, buffer, 0);
    piece = head != NULL ? wl_half_find_segment(layout->half, head->frame) : NULL;
    if (piece != NULL) {
        uint32_t seq = piece->seq + piece->length - MIN(head->length, piece->length);
        span->first_seq = seq + start;
        span->end_seq = seq + end;
        span->seq_known = true;
    }
    return true;
}

/* The TLS record (of this frame) that a decrypted buffer came from. Decrypted handshake messages
 * are data sources too but no application data; application data comes last in a frame. */
static const wl_part_t *record_of(wl_layout_t *layout, packet_info *pinfo, const tvbuff_t *buffer)
{
    if (layout->decrypted->len == 0) {
        for (GSList *item = pinfo->data_src; item != NULL; item = item->next) {
            char *name = wl_data_source_text(item->data);
            if (g_str_has_prefix(name, "Decrypted TLS")) {
                g_ptr_array_add(layout->decrypted, get_data_source_tvb(item->data));
            }
            wmem_free(NULL, name);
        }
    }
    for (unsigned i = 0; i < layout->decrypted->len; i++) {
        unsigned from_end = layout->decrypted->len - 1 - i;
        if (g_ptr_array_index(layout->decrypted, i) == buffer &&
            from_end < layout->tls_records->len) {
            return &g_array_index(layout->tls_records, wl_part_t,
                                  layout->tls_records->len - 1 - from_end);
        }
    }
    return NULL;
}

static bool record_span(const wl_layout_t *layout, const wl_part_t *record, wl_span_t *span)
{
    /* From the record's header on: only with it is the byte of any use to the receiver. */
    uint32_t start = record->start - MIN(record->start, TLS_RECORD_HEADER);
    return tcp_span(layout, record->buffer, start, record->start + record->length, span);
}

/* How many parts of the buffer, from this one on, came with the same frame; less one. */
static unsigned later_parts(const GArray *parts, const wl_part_t *from)
{
    unsigned count = 0;

    for (unsigned i = 0; i < parts->len; i++) {
        const wl_part_t *part = &g_array_index(parts, wl_part_t, i);
        if (part->buffer == from->buffer && part->frame == from->frame &&
            part->start > from->start) {
            count++;
        }
    }
    return count;
}

static bool tls_span(wl_layout_t *layout, packet_info *pinfo, const tvbuff_t *buffer,
                     uint32_t start, uint32_t size, wl_span_t *span)
{
    const wl_part_t *part = part_at(layout->tls_parts, buffer, start);
    const wl_part_t *record;
    const wl_piece_t *piece;
    wl_span_t last;

    if (part == NULL) {
        record = record_of(layout, pinfo, buffer);
        return record != NULL && record_span(layout, record, span);
    }
    /* The message spans records: it ends in one of this frame, and began in one of part->frame. */
    unsigned nth_last = later_parts(layout->tls_parts, part);
    if (part->frame == layout->segment->frame) {
        if (nth_last >= layout->tls_records->len) {
            return false;
        }
        record =
            &g_array_index(layout->tls_records, wl_part_t, layout->tls_records->len - 1 - nth_last);
        return record_span(layout, record, span);
    }
    piece = wl_half_find_record(layout->half, part->frame, nth_last);
    if (piece == NULL) {
        return false;
    }
    *span = (wl_span_t){.first_frame = piece->first_frame,
                        .first_ns = piece->first_ns,
                        .first_seq = piece->seq,
                        .record_frame = piece->frame};
    part = part_at(layout->tls_parts, buffer, start + MAX(size, 1) - 1);
    if (part != NULL && part->frame == layout->segment->frame && layout->tls_records->len > 0) {
        nth_last = later_parts(layout->tls_parts, part);
        if (nth_last < layout->tls_records->len &&
            record_span(layout,
                        &g_array_index(layout->tls_records, wl_part_t,
                                       layout->tls_records->len - 1 - nth_last),
                        &last)) {
            span->end_seq = last.end_seq;
            span->seq_known = last.seq_known;
        }
    }
    return true;
}

bool wl_layout_wire_span(wl_layout_t *layout, packet_info *pinfo, const tvbuff_t *buffer,
                         uint32_t start, uint32_t size, wl_span_t *span)
{
    return tcp_span(layout, buffer, start, start + size, span) ||
           (layout->tls_records->len > 0 && tls_span(layout, pinfo, buffer, start, size, span));
}

void wl_layout_span(wl_layout_t *layout, packet_info *pinfo, const field_info *pdu, uint32_t size,
                    wl_span_t *span)
{
    span_unknown(layout, span);
    if ((layout->ws == NULL || !wl_layout_ws_span(layout, pinfo, pdu, size, span)) &&
        !wl_layout_wire_span(layout, pinfo, pdu->ds_tvb, (uint32_t)pdu->start, size, span)) {
        span_unknown(layout, span);
    }
}

void wl_layout_remember_records(const wl_layout_t *layout, wl_streams_t *streams, wl_half_t *half)
{
    for (unsigned i = 0; i < layout->tls_records->len; i++) {
        wl_span_t span;

        if (record_span(layout, &g_array_index(layout->tls_records, wl_part_t, i), &span)) {
            wl_piece_t piece = {layout->segment->frame, span.first_frame, span.first_ns,
                                span.first_seq, span.end_seq - span.first_seq};
            wl_half_add_record(streams, half, &piece);
        }
    }
}
