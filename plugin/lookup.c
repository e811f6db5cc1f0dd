/* lookup.c
 * A table with one place for each of many address pairs; what comes later takes the place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lookup.h"

#define PLACES 16384u /* a power of two; 1 MiB, touched only where used */
#define MAX_ADDRESS 16

typedef struct {
    wl_lookup_t found; /* conversation NULL: the place is free */
    uint32_t ports;    /* source << 16 | destination */
    uint8_t length;
    uint8_t addresses[2 * MAX_ADDRESS]; /* source, destination */
} place_t;

static place_t *places;
/* The framing handle asks, and then the post-dissector. */
static uint32_t last_frame, last_ports;
static wl_lookup_t last_found;
static int proto_tcp;

void wl_lookup_handoff(void)
{
    proto_tcp = proto_get_id_by_filter_name("tcp");
}

void wl_lookup_clear(void)
{
    g_free(places);
    places = NULL;
    last_frame = 0;
}

/* The same for both directions. */
static uint32_t place_of(const packet_info *pinfo)
{
    const uint8_t *a = pinfo->src.data, *b = pinfo->dst.data;
    unsigned last = (unsigned)pinfo->src.len - 2;
    uint32_t hosts =
        (uint32_t)(a[last] << 8 | a[last + 1]) + (uint32_t)(b[last] << 8 | b[last + 1]);
    uint32_t mixed = pinfo->srcport * pinfo->destport + hosts * 0x85EBCA6Bu;

    return (mixed * 2654435769u) >> 18;
}

static bool same_address(const uint8_t *a, const uint8_t *b, unsigned length)
{
    uint32_t first, second;

    if (length != sizeof first) {
        return memcmp(a, b, length) == 0;
    }
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return first == second;
}

static bool is_at(const place_t *place, const packet_info *pinfo, uint32_t ports)
{
    unsigned length = place->length;
    bool forward = place->ports == ports;
    const uint8_t *first = place->addresses + (forward ? 0 : length);
    const uint8_t *second = place->addresses + (forward ? length : 0);

    if (place->found.conversation == NULL || length != (unsigned)pinfo->src.len ||
        !(forward || place->ports == (ports << 16 | ports >> 16))) {
        return false;
    }
    if (same_address(first, pinfo->src.data, length) &&
        same_address(second, pinfo->dst.data, length)) {
        return true;
    }
    /* Equal ports do not tell the direction. */
    return pinfo->srcport == pinfo->destport && same_address(second, pinfo->src.data, length) &&
           same_address(first, pinfo->dst.data, length);
}

static bool look_up(packet_info *pinfo, wl_lookup_t *found)
{
    found->conversation = find_conversation_pinfo(pinfo, 0);
    found->tcp = found->conversation != NULL
                     ? conversation_get_proto_data(found->conversation, proto_tcp)
                     : NULL;
    return found->tcp != NULL;
}

static bool fits(const packet_info *pinfo)
{
    /* Later passes visit frames in any order, and a conversation holds for a range of frames. */
    return pinfo->ptype == PT_TCP && pinfo->src.len >= 2 && pinfo->src.len <= MAX_ADDRESS &&
           pinfo->dst.len == pinfo->src.len && !pinfo->fd->visited;
}

static bool look_up_place(packet_info *pinfo, bool is_syn, uint32_t ports, wl_lookup_t *found)
{
    unsigned length = (unsigned)pinfo->src.len;
    place_t *place;

    if (places == NULL) {
        places = g_new0(place_t, PLACES);
    }
    place = &places[place_of(pinfo)];
    /* TCP has marked the conversation with this frame, if it is still the one. */
    if (!is_syn && is_at(place, pinfo, ports) &&
        place->found.conversation->last_frame == pinfo->num &&
        place->found.conversation->next == NULL) {
        *found = place->found;
        return true;
    }
    if (!look_up(pinfo, found)) {
        return false;
    }
    place->found = *found;
    place->ports = ports;
    place->length = (uint8_t)length;
    memcpy(place->addresses, pinfo->src.data, length);
    memcpy(place->addresses + length, pinfo->dst.data, length);
    return true;
}

bool wl_lookup(packet_info *pinfo, bool is_syn, wl_lookup_t *found)
{
    uint32_t ports = pinfo->srcport << 16 | pinfo->destport;

    if (!fits(pinfo)) {
        return look_up(pinfo, found);
    }
    if (!is_syn && last_frame == pinfo->num && last_ports == ports) {
        *found = last_found;
        return true;
    }
    if (!look_up_place(pinfo, is_syn, ports, found)) {
        return false;
    }
    last_frame = pinfo->num;
    last_ports = ports;
    last_found = *found;
    return true;
}

bool wl_lookup_stream(packet_info *pinfo, wl_segment_t *segment)
{
    wl_lookup_t found;

    if (!wl_lookup(pinfo, segment->flags & WL_TCP_SYN, &found)) {
        return false;
    }
    segment->stream = found.tcp->stream;
    return true;
}
