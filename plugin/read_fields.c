/* read_fields.c
 * One table of wanted fields, resolved to ids at start, and typed getters on top of it.
 *
 * Wanted ids are few on purpose: every one costs time on each packet, whether it is there or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_fields.h"

#include <wsutil/wslog.h>

#include "cursor.h"

#define WS_LOG_DOMAIN "Wirelat"
#define TCP_MIN_HEADER 20
#define MIN_IP_HEADER 20
#define IPV6_HEADER 40
#define IPV6_FRAGMENT 44

static const struct {
    const char *name;
    unsigned group;
} wanted[WL_ITEM_COUNT] = {
#define X(id, name, group) [WL_ITEM_##id] = {name, WL_WANT_##group},
    WL_WANTED(X)
#undef X
};

static GArray *wanted_ids[WL_ITEM_COUNT]; /* several ids may share one name */
uint8_t *wl_read_item_of_id;
int wl_read_max_id = -1;
static bool reads_length; /* tcp.len is wanted */

void wl_read_resolve(void)
{
    GString *missing = g_string_new(NULL);

    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        const header_field_info *hfinfo = proto_registrar_get_byname(wanted[i].name);

        wanted_ids[i] = g_array_new(FALSE, FALSE, sizeof(int));
        if (hfinfo == NULL) {
            g_string_append_printf(missing, " %s", wanted[i].name);
        }
        while (hfinfo != NULL) {
            g_array_append_val(wanted_ids[i], hfinfo->id);
            wl_read_max_id = MAX(wl_read_max_id, hfinfo->id);
            hfinfo = hfinfo->same_name_prev_id == -1
                         ? NULL
                         : proto_registrar_get_nth((unsigned)hfinfo->same_name_prev_id);
        }
    }
    wl_read_item_of_id = g_new0(uint8_t, (size_t)wl_read_max_id + 1);
    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        for (unsigned k = 0; k < wanted_ids[i]->len; k++) {
            wl_read_item_of_id[g_array_index(wanted_ids[i], int, k)] = (uint8_t)i;
        }
    }
    if (missing->len > 0) {
        ws_warning("this Wireshark has no field named%s: what depends on it is left out",
                   missing->str);
    }
    g_string_free(missing, TRUE);
}

GArray *wl_read_wanted(unsigned groups)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(int));

    reads_length = (groups & WL_WANT_LENGTH) != 0;
    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        if (wanted[i].group & groups) {
            g_array_append_vals(ids, wanted_ids[i]->data, wanted_ids[i]->len);
        }
    }
    return ids;
}

uint32_t wl_item_uint(const field_info *finfo)
{
    return fvalue_get_uinteger(WL_FVALUE(finfo));
}

int64_t wl_read_time(const nstime_t *time)
{
    /* Half of what 64 bits of nanoseconds hold: else the difference of two could overflow. */
    static const int64_t most_s = G_MAXINT64 / 2 / 1000000000;

    if (time->secs >= most_s || time->secs <= -most_s) {
        return WL_NO_TIME;
    }
    return (int64_t)time->secs * 1000000000 + time->nsecs;
}

/* RFC 8200 section 4: part of a fragment, if one of the headers before TCP says so. */
static bool is_ipv6_fragment(const uint8_t *bytes, uint32_t count)
{
    uint8_t next = bytes[6];

    for (uint32_t at = IPV6_HEADER; at + 8 <= count; at += (bytes[at + 1] + 1u) * 8) {
        if (next == IPV6_FRAGMENT) {
            return (be16(bytes + at + 2) & 0xFFF9) != 0; /* offset, more fragments */
        }
        next = bytes[at];
    }
    return false;
}

/* Bytes from the TCP header to the end of the packet, as IP has it: what follows is padding. False
 * if the rest of the segment is in other fragments. As dissect_ip_v4() and dissect_ipv6() do, a
 * length of 0 is taken for segmentation offload, and one beyond the frame for none. */
static bool segment_size(const wl_tcp_header_t *tcp, uint32_t *size)
{
    const field_info *ip = tcp->ip;
    uint32_t before, total = 0;
    const uint8_t *bytes;

    *size = tvb_reported_length(tcp->buffer) - tcp->start;
    /* The buffer of a reassembled or decrypted packet ends where the packet does. */
    if (ip == NULL || ip->ds_tvb != tcp->buffer || ip->start + MIN_IP_HEADER > (int)tcp->start) {
        return true;
    }
    before = tcp->start - (uint32_t)ip->start;
    bytes = tvb_get_ptr(ip->ds_tvb, ip->start, (int)before);
    if (bytes[0] >> 4 == 4) {
        if (be16(bytes + 6) & 0x3FFF) {
            return false;
        }
        total = be16(bytes + 2);
    } else if (bytes[0] >> 4 == 6 && before >= IPV6_HEADER) {
        if (before > IPV6_HEADER && is_ipv6_fragment(bytes, before)) {
            return false;
        }
        total = be16(bytes + 4) > 0 ? be16(bytes + 4) + IPV6_HEADER : 0;
    }
    if (total >= before) {
        *size = MIN(*size, total - before);
    }
    return true;
}

/* Only with WL_WANT_LENGTH is it surely there. */
static bool wanted_length(const proto_node *tcp_node, uint32_t *length)
{
    for (const proto_node *child = tcp_node->first_child; child != NULL; child = child->next) {
        if (wl_read_item(PNODE_FINFO(child)) == WL_ITEM_TCP_LEN) {
            *length = wl_item_uint(PNODE_FINFO(child));
            return true;
        }
    }
    return false;
}

wl_tcp_header_t wl_read_tcp_node(const field_info *ip, const proto_node *tcp)
{
    const field_info *item = PNODE_FINFO(tcp);
    wl_tcp_header_t header = wl_tcp_header_at(item->ds_tvb, (uint32_t)item->start);

    header.ip = ip;
    header.node = tcp;
    return header;
}

bool wl_read_header(const packet_info *pinfo, const wl_tcp_header_t *tcp, wl_segment_t *segment,
                    uint32_t *payload_start)
{
    const uint8_t *bytes = tcp->bytes;

    if (tcp->captured < TCP_MIN_HEADER) {
        return false;
    }
    segment->frame = pinfo->num;
    segment->time_ns = wl_read_time(&pinfo->abs_ts);
    segment->source_port = (uint16_t)be16(bytes);
    segment->destination_port = (uint16_t)be16(bytes + 2);
    segment->seq = be32(bytes + 4);
    segment->ack = be32(bytes + 8);
    segment->flags = bytes[13];
    segment->window = (uint16_t)be16(bytes + 14);
    *payload_start = tcp->start + (bytes[12] >> 4) * 4u;
    return bytes[12] >> 4 >= TCP_MIN_HEADER / 4;
}

/* Of all bytes of the header that were captured, which are a multiple of four or cut. */
static uint64_t header_hash(const wl_tcp_header_t *tcp, uint32_t header)
{
    const uint8_t *at = tcp->bytes, *end = at + MIN(header, tcp->captured);
    uint64_t hash = UINT64_C(0xcbf29ce484222325), word;
    uint32_t last;

    for (; end - at >= (int)sizeof word; at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    if (end - at >= (int)sizeof last) {
        memcpy(&last, at, sizeof last);
        hash = (hash ^ last) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    return hash;
}

bool wl_read_segment(const packet_info *pinfo, const wl_tcp_header_t *tcp, uint32_t payload_start,
                     wl_segment_t *segment)
{
    uint32_t size, header = payload_start - tcp->start;

    if (tcp->is_fragment || !segment_size(tcp, &size) || size < header) {
        return false;
    }
    segment->length = size - header;
    if (reads_length && tcp->node != NULL && !wanted_length(tcp->node, &segment->length)) {
        return false;
    }
    segment->header_hash = segment->length > 0 ? header_hash(tcp, header) : 0;
    segment->source_address = pinfo->src.data;
    segment->address_length = (uint8_t)CLAMP(pinfo->src.len, 0, 16);
    return true;
}

const uint8_t *wl_read_bytes(const field_info *pdu, uint32_t limit, uint32_t *count)
{
    /* A protocol node ends with what was captured. */
    int length = MIN(MAX(pdu->length, 0), (int)limit);

    *count = 0;
    if (length == 0 || !tvb_bytes_exist(pdu->ds_tvb, pdu->start, length)) {
        return NULL;
    }
    *count = (uint32_t)length;
    return tvb_get_ptr(pdu->ds_tvb, pdu->start, length);
}
