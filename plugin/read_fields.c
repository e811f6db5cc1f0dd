/* read_fields.c
 * One table of wanted fields, resolved to ids at start, and typed getters on top of it.
 *
 * Wanted ids are few on purpose: every one costs time on each packet, whether it is there or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "read_fields.h"

#include <epan/conversation.h>
#include <epan/dissectors/packet-tcp.h>
#include <wsutil/wslog.h>

#define WS_LOG_DOMAIN "Wirelat"
#define TCP_MIN_HEADER 20

static const struct {
    const char *name;
    unsigned group;
} wanted[WL_ITEM_COUNT] = {
#define X(id, name, group) [WL_ITEM_##id] = {name, WL_WANT_##group},
    WL_WANTED(X)
#undef X
};

static GArray *wanted_ids[WL_ITEM_COUNT]; /* several ids may share one name */
static uint8_t *item_of_id;               /* hfid -> wl_item_t */
static int max_id;

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
            max_id = MAX(max_id, hfinfo->id);
            hfinfo = hfinfo->same_name_prev_id == -1
                         ? NULL
                         : proto_registrar_get_nth((unsigned)hfinfo->same_name_prev_id);
        }
    }
    item_of_id = g_new0(uint8_t, (size_t)max_id + 1);
    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        for (unsigned k = 0; k < wanted_ids[i]->len; k++) {
            item_of_id[g_array_index(wanted_ids[i], int, k)] = (uint8_t)i;
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

    for (unsigned i = 1; i < WL_ITEM_COUNT; i++) {
        if (wanted[i].group & groups) {
            g_array_append_vals(ids, wanted_ids[i]->data, wanted_ids[i]->len);
        }
    }
    return ids;
}

wl_item_t wl_read_item(const field_info *finfo)
{
    if (finfo == NULL || finfo->hfinfo->id > max_id || finfo->hfinfo->id < 0) {
        return WL_ITEM_NONE;
    }
    return (wl_item_t)item_of_id[finfo->hfinfo->id];
}

uint32_t wl_item_uint(const field_info *finfo)
{
    return fvalue_get_uinteger(WL_FVALUE(finfo));
}

/* A pcapng can say any 64-bit number of any unit. Beyond half of what 64 bits of nanoseconds hold,
 * the years 1823 to 2116, the difference of two times could overflow. */
static int64_t time_of(const nstime_t *time)
{
    static const int64_t most_s = G_MAXINT64 / 2 / 1000000000;

    if (time->secs >= most_s || time->secs <= -most_s) {
        return WL_NO_TIME;
    }
    return (int64_t)time->secs * 1000000000 + time->nsecs;
}

bool wl_read_segment(packet_info *pinfo, const proto_node *tcp_node, wl_segment_t *segment,
                     uint32_t *payload_start)
{
    const field_info *tcp = PNODE_FINFO(tcp_node), *length = NULL;

    for (proto_node *child = tcp_node->first_child; child != NULL && length == NULL;
         child = child->next) {
        if (wl_read_item(PNODE_FINFO(child)) == WL_ITEM_TCP_LEN) {
            length = PNODE_FINFO(child);
        }
    }
    if (length == NULL || !tvb_bytes_exist(tcp->ds_tvb, tcp->start, TCP_MIN_HEADER)) {
        return false;
    }
    segment->frame = pinfo->num;
    segment->time_ns = time_of(&pinfo->abs_ts);
    segment->length = wl_item_uint(length);
    segment->source_port = tvb_get_ntohs(tcp->ds_tvb, tcp->start);
    segment->destination_port = tvb_get_ntohs(tcp->ds_tvb, tcp->start + 2);
    segment->seq = tvb_get_ntohl(tcp->ds_tvb, tcp->start + 4);
    segment->ack = tvb_get_ntohl(tcp->ds_tvb, tcp->start + 8);
    segment->flags = wl_tvb_get_uint8(tcp->ds_tvb, tcp->start + 13);
    segment->window = tvb_get_ntohs(tcp->ds_tvb, tcp->start + 14);
    *payload_start =
        (uint32_t)tcp->start + (wl_tvb_get_uint8(tcp->ds_tvb, tcp->start + 12) >> 4) * 4u;
    segment->header_hash = 0;
    segment->source_address = pinfo->src.data;
    segment->address_length = (uint8_t)CLAMP(pinfo->src.len, 0, 16);
    return true;
}

uint64_t wl_read_header_hash(const proto_node *tcp_node, uint32_t payload_start)
{
    const field_info *tcp = PNODE_FINFO(tcp_node);
    int count = MIN((int)payload_start - tcp->start,
                    tvb_captured_length_remaining(tcp->ds_tvb, tcp->start));
    const uint8_t *bytes = tvb_get_ptr(tcp->ds_tvb, tcp->start, count);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

bool wl_read_stream(packet_info *pinfo, uint32_t *stream)
{
    conversation_t *conversation = find_conversation_pinfo(pinfo, 0);
    const struct tcp_analysis *tcp =
        conversation != NULL ? get_tcp_conversation_data(conversation, pinfo) : NULL;

    if (tcp == NULL) {
        return false;
    }
    *stream = tcp->stream;
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
