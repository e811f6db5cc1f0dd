/* tcp_front.c
 * The handles, what others want, and the ports somebody speaks on.
 *
 *   frame -> [eth] -> eth -> ip -> [tcp] -> tcp        [ ] handles of ours
 *     tree --'--- no tree -----------'  tree, if needed
 *
 * What others want is plain from Wireshark's marks on protocols, set before each frame for display
 * and tap filters, columns, colours, Lua, other post-dissectors. Only tshark knows all that before
 * it reads: Wireshark's windows and sharkd's requests come and go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tcp_front.h"

#include <epan/tap.h>
#include <wiretap/wtap.h>

#include "cursor.h"
#include "framing.h"
#include "framing_ws.h"
#include "postdissect.h"
#include "streams.h"

#define TCP_MIN_HEADER 20u

static int dissect_eth(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data);
static int dissect_tcp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data);

enum { ETH, TCP };
static struct {
    const char *protocol, *table;
    uint32_t entry;
    const char *title;
    dissector_t dissect;
    int proto; /* in name only: adds no layer, and is on or off with the one it stands for */
    dissector_handle_t real, in_front;
} fronts[] = {
    [ETH] = {"eth", "wtap_encap", WTAP_ENCAP_ETHERNET, "Ethernet (Wirelat)", dissect_eth},
    [TCP] = {"tcp", "ip.proto", 6, "TCP (Wirelat)", dissect_tcp},
};

static enum {
    EVERY_TREE, /* others want fields */
    NOT_KNOWN,  /* no frame yet */
    SOME_TREES,
} trees;
static bool in_use;
static proto_tree *root; /* kept from Ethernet, for TCP of the same frame */
static uint32_t root_frame;
static uint32_t header_frame;
static wl_tcp_header_t header;
static uint8_t spoken_ports[65536 / 8]; /* a bit each: a dissector may be called for payload */

static void speak(uint32_t port)
{
    spoken_ports[port / 8 % sizeof spoken_ports] |= (uint8_t)(1u << port % 8);
}

static bool is_spoken(uint16_t port)
{
    return (spoken_ports[port / 8] & 1u << port % 8) != 0 || wl_framing_expects(port);
}

static void speak_entry(const char *table _U_, ftenum_t type _U_, void *key, void *value,
                        void *user _U_)
{
    if (dtbl_entry_get_handle(value) != NULL) {
        speak(GPOINTER_TO_UINT(key));
    }
}

/* A field of a protocol, or itself. Our own say the same without TCP's tree; MQTT-SN is not over
 * TCP, and asked for by ourselves. */
static bool is_wanted(const header_field_info *protocol)
{
    return protocol->ref_type != HF_REF_TYPE_NONE &&
           !g_str_has_prefix(protocol->abbrev, "wirelat") &&
           strcmp(protocol->abbrev, "mqttsn") != 0;
}

static bool others_want_fields(proto_tree *tree)
{
    void *cookie;

    if (PTREE_DATA(tree)->visible || union_of_tap_listener_flags() & TL_REQUIRES_PROTO_TREE) {
        return true;
    }
    for (int id = proto_get_first_protocol(&cookie); id != -1;
         id = proto_get_next_protocol(&cookie)) {
        if (is_wanted(proto_registrar_get_nth((unsigned)id))) {
            return true;
        }
    }
    return false;
}

bool wl_tcp_front_first_frame(proto_tree *tree)
{
    if (trees != NOT_KNOWN) {
        return false;
    }
    trees = others_want_fields(tree) ? EVERY_TREE : SOME_TREES;
    return true;
}

/* The start of a request or answer of HTTP ("GET ", "HTTP/1.1"), a record of TLS, or what a proxy
 * puts before them. Fewer than one segment in a hundred thousand of any bytes looks like one. */
static bool begins_known(const uint8_t *bytes, uint32_t count)
{
    static const uint8_t proxy[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a};
    uint32_t word = 0;

    while (word < count && (g_ascii_isupper(bytes[word]) || bytes[word] == '-')) {
        word++;
    }
    if (word == count || (word >= 3 && (bytes[word] == ' ' || bytes[word] == '/'))) {
        return true;
    }
    if (bytes[0] >= 0x14 && bytes[0] <= 0x17) {
        return count < 3 || (bytes[1] == 3 && bytes[2] <= 4);
    }
    if (bytes[0] >= 0x80) { /* a hello of SSL 2 */
        return count > 3 && bytes[2] == 1 && bytes[3] == 3;
    }
    return memcmp(bytes, proxy, MIN(count, sizeof proxy)) == 0;
}

/* Whether something we want, or must see, may be in the tree of this segment. */
static bool needs_tree(const wl_tcp_header_t *tcp)
{
    uint32_t captured = tcp->captured, length = tvb_reported_length(tcp->buffer), start;
    uint16_t source, destination;
    const uint8_t *bytes = tcp->bytes;

    if (captured < TCP_MIN_HEADER) {
        return true;
    }
    start = (bytes[12] >> 4) * 4u;
    if (start < TCP_MIN_HEADER || start > length || (bytes[13] & WL_TCP_FIN)) {
        return true;
    }
    if (start == length) {
        return false;
    }
    source = (uint16_t)be16(bytes);
    destination = (uint16_t)be16(bytes + 2);
    if (is_spoken(source) || is_spoken(destination) || wl_framing_ws_expects(source, destination)) {
        return true;
    }
    if (start < captured && begins_known(bytes + start, captured - start)) {
        speak(MIN(source, destination));
        return true;
    }
    return false;
}

static int dissect_tcp(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    /* A frame whose TCP was not reached has left it, and its tree may be gone by now. */
    if (root != NULL && root_frame == pinfo->num && !pinfo->fd->visited) {
        tree = root;
    }
    root = NULL;
    /* In no item of another protocol's, and no copy in an error message. */
    if (!pinfo->fd->visited && tree != NULL && tree->parent == NULL && !pinfo->flags.in_error_pkt) {
        header_frame = pinfo->num;
        header = wl_tcp_header_at(tvb, 0);
        header.is_fragment = pinfo->fragmented;
        header.has_tree = needs_tree(&header);
        if (!header.has_tree) {
            tree = NULL;
        }
    }
    return call_dissector_with_data(fronts[TCP].real, tvb, pinfo, tree, data);
}

/* Ethernet, with IP and TCP right behind it. */
static bool carries_tcp(tvbuff_t *tvb)
{
    const uint8_t *bytes;

    if (tvb_captured_length(tvb) < 24) {
        return false;
    }
    bytes = tvb_get_ptr(tvb, 0, 24);
    return (be16(bytes + 12) == 0x0800 && bytes[23] == fronts[TCP].entry) ||
           (be16(bytes + 12) == 0x86dd && bytes[20] == fronts[TCP].entry);
}

static int dissect_eth(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    root = NULL;
    if (!pinfo->fd->visited && tree != NULL && tree->parent == NULL && carries_tcp(tvb)) {
        root = tree;
        root_frame = pinfo->num;
        tree = NULL;
    }
    return call_dissector_with_data(fronts[ETH].real, tvb, pinfo, tree, data);
}

bool wl_tcp_front_header(const packet_info *pinfo, wl_tcp_header_t *found)
{
    if (header_frame != pinfo->num) {
        return false;
    }
    *found = header;
    return true;
}

/* Takes the place of one handle by the other, unless a user's choice has it. */
static void replace(bool put)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fronts); i++) {
        dissector_handle_t from = put ? fronts[i].real : fronts[i].in_front;
        dissector_handle_t to = put ? fronts[i].in_front : fronts[i].real;

        if (from != NULL && dissector_get_uint_handle(find_dissector_table(fronts[i].table),
                                                      fronts[i].entry) == from) {
            dissector_add_uint(fronts[i].table, fronts[i].entry, to);
        }
    }
    in_use = put;
}

bool wl_tcp_front_opened(void)
{
    header_frame = 0;
    root = NULL;
    if (in_use) {
        replace(false);
    }
    return trees == NOT_KNOWN;
}

void wl_tcp_front_use(void)
{
    if (in_use || trees != SOME_TREES) {
        return;
    }
    memset(spoken_ports, 0, sizeof spoken_ports);
    dissector_table_foreach("tcp.port", speak_entry, NULL);
    replace(true);
}

void wl_tcp_front_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(fronts); i++) {
        int parent = proto_get_id_by_filter_name(fronts[i].protocol);

        fronts[i].proto = proto_register_protocol_in_name_only(
            proto_get_protocol_long_name(find_protocol_by_id(parent)), fronts[i].title,
            g_strdup_printf("wirelat.%s", fronts[i].protocol), parent, FT_PROTOCOL);
    }
}

void wl_tcp_front_handoff(void)
{

    for (unsigned i = 0; i < G_N_ELEMENTS(fronts); i++) {
        fronts[i].real =
            dissector_get_uint_handle(find_dissector_table(fronts[i].table), fronts[i].entry);
        fronts[i].in_front = create_dissector_handle(fronts[i].dissect, fronts[i].proto);
    }
    /* Where top-level nodes must be asked for, the first frame cannot do without. */
    trees = wl_in_tshark() && !WL_FAKES_TOP_LEVEL ? NOT_KNOWN : EVERY_TREE;
}
