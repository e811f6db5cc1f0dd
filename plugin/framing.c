/* framing.c
 * The handles, the tables they stand in, and each direction's place in the byte stream.
 *
 *   tcp.port 1883 -> [handle] -> mqtt        same bytes, same call, unless
 *     [..][3]  [90 02 ..]                      a fixed header is split: waits for one more segment
 *     [payload of a lost start][30 ..]         out of step: skips to the next sure header
 *
 * What is decided on the first pass is kept per frame, so that later passes decide alike.
 *
 * A handle belongs to a "protocol in name only" below the dissector it stands for: it is disabled
 * and enabled with that one, adds no layer, and goes by its name in Decode As.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "framing.h"

#include <epan/prefs.h>

#include "cursor.h"
#include "frame_rules.h"
#include "framing_ws.h"
#include "lookup.h"
#include "read_fields.h"

typedef struct {
    bool in_step; /* next_seq is where a message begins */
    bool lost;    /* looking for one */
    bool guessed; /* what is taken for a beginning was found by its looks */
    uint32_t next_seq;
    uint32_t tail_length; /* of the message at next_seq, 0 unknown */
} half_t;

typedef struct {
    address first_source;
    uint32_t first_port;
    uint32_t server_port; /* Kafka; 0 not settled yet */
    bool ids_known;
    int32_t first_id, last_id;
    half_t half[2];
} conversation_state_t;

typedef struct {
    const char *protocol; /* of the dissector, its filter name */
    wl_header_rule_t rule;
    uint32_t fixed; /* bytes the dissector itself knows to wait for */
    bool is_kafka;
    dissector_t dissect;
    /* resolved at hand-off */
    int proto, proto_added;      /* in name only */
    dissector_handle_t real;     /* NULL: not in this Wireshark */
    dissector_handle_t in_front; /* where a user's Decode As chose the dissector; named as it */
    dissector_handle_t added;    /* everywhere else; the name must be another one */
    /* preferences */
    wl_pref_bool_t enabled;
    range_t *ports[2];
    GArray *added_ports[2]; /* added_port_t, for each of the tables */
} framed_t;

typedef struct {
    uint32_t port;
    dissector_handle_t before;
} added_port_t;

static const char *const tables[2] = {"tcp.port", "tls.port"};

static int dissect_framed_mqtt(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data);
static int dissect_framed_kafka(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data);

static framed_t framed[] = {
    {.protocol = "mqtt",
     .rule = wl_header_mqtt,
     .fixed = 2,
     .dissect = dissect_framed_mqtt,
     .enabled = true},
    {.protocol = "kafka",
     .rule = wl_header_kafka,
     .fixed = UINT32_MAX,
     .is_kafka = true,
     .dissect = dissect_framed_kafka,
     .enabled = true},
};

static int proto_tcp, proto_tls, proto_websocket;
static int hf_skipped = -1;
static const wl_streams_t *known_streams;
static wl_health_t *noted;
static uint32_t settled_frame, settled_port; /* of the last Kafka frame */
static uint8_t expected_ports[65536 / 8];    /* a bit each */
static wmem_map_t *skips;                    /* frame << 32 | seq -> bytes skipped */

static conversation_state_t *state_of(packet_info *pinfo, const framed_t *framed, bool is_syn,
                                      unsigned *half)
{
    wl_lookup_t found;
    conversation_state_t *state;
    conversation_t *conversation =
        wl_lookup(pinfo, is_syn, &found) ? found.conversation : find_or_create_conversation(pinfo);

    state = conversation_get_proto_data(conversation, framed->proto);
    if (state == NULL) {
        state = wmem_new0(wmem_file_scope(), conversation_state_t);
        copy_address_wmem(wmem_file_scope(), &state->first_source, &pinfo->src);
        state->first_port = pinfo->srcport;
        conversation_add_proto_data(conversation, framed->proto, state);
    }
    *half =
        pinfo->srcport == state->first_port && addresses_equal(&pinfo->src, &state->first_source)
            ? 0
            : 1;
    return state;
}

/* TCP hands over where in the stream the bytes stand. Above TLS there is no such place, and no
 * need: what misses a piece cannot be decrypted. */
static bool tcp_position(packet_info *pinfo, const void *data, uint32_t *seq)
{
    wmem_list_frame_t *layer = wmem_list_tail(pinfo->layers);

    if (data == NULL) {
        return false;
    }
    /* Above TCP may already stand what an earlier message of this frame contained. */
    for (; layer != NULL; layer = wmem_list_frame_prev(layer)) {
        int id = GPOINTER_TO_INT(wmem_list_frame_data(layer));

        if (id == proto_tls || id == proto_websocket) {
            return false;
        }
        if (id == proto_tcp) {
            *seq = ((const struct tcpinfo *)data)->seq;
            return true;
        }
    }
    return false;
}

static void *skip_key(const packet_info *pinfo, uint32_t seq)
{
    uint64_t *key = wmem_new(wmem_file_scope(), uint64_t);

    *key = (uint64_t)pinfo->num << 32 | seq;
    return key;
}

static uint32_t recorded_skip(const packet_info *pinfo, uint32_t seq)
{
    uint64_t key = (uint64_t)pinfo->num << 32 | seq;

    return skips == NULL ? 0 : GPOINTER_TO_UINT(wmem_map_lookup(skips, &key));
}

static void record_skip(const packet_info *pinfo, uint32_t seq, uint32_t skip)
{
    if (skips == NULL) {
        skips = wmem_map_new_autoreset(wmem_epan_scope(), wmem_file_scope(), wmem_int64_hash,
                                       g_int64_equal);
    }
    wmem_map_insert(skips, skip_key(pinfo, seq), GUINT_TO_POINTER(skip));
    wl_health_note(noted, pinfo->num, WL_HEALTH_SKIPPED, (int32_t)skip);
}

/* The direction's first bytes, and the capture has the handshake: a message begins there, however
 * little of it came. */
static bool begins_stream(packet_info *pinfo, const half_t *half, bool is_syn, uint32_t seq)
{
    const wl_stream_t *stream;
    wl_lookup_t found;

    if (half->in_step || half->lost || !wl_lookup(pinfo, is_syn, &found)) {
        return false;
    }
    stream = wl_streams_find(known_streams, found.tcp->stream);
    /* What follows a lost first segment begins anywhere. Relative numbers are a preference. */
    return stream != NULL && stream->from_syn && found.tcp->fwd != NULL &&
           (seq == 1 || seq == found.tcp->fwd->base_seq + 1);
}

/* How many bytes to pass over until a message begins; all of them when none does. */
static uint32_t find_start(const framed_t *framed, half_t *half, uint32_t frame,
                           const uint8_t *bytes, uint32_t available, uint32_t seq,
                           const wl_frame_context_t *context)
{
    int32_t ahead = (int32_t)(seq - half->next_seq), rest;
    uint32_t start, length;

    /* Kafka's ids say too much here: those of answers whose requests were not captured. */
    if (half->in_step && ahead == 0 &&
        !(half->guessed && !framed->is_kafka &&
          framed->rule(bytes, available, context, &length) == WL_HEADER_IMPOSSIBLE)) {
        return 0;
    }
    if (half->in_step && ahead < 0) {
        return MIN((uint32_t)-ahead, available); /* seen before */
    }
    if (half->in_step && half->tail_length > 0) {
        /* Bytes are missing inside a message: what is left of it cannot be read. */
        rest = (int32_t)half->tail_length - ahead;
        if (rest >= 0) {
            return MIN((uint32_t)rest, available);
        }
    }
    start = wl_frame_find(framed->rule, bytes, available, context);
    if (half->lost != (start == available)) {
        half->lost = !half->lost;
        wl_health_note(noted, frame, WL_HEALTH_OUT_OF_STEP, half->lost ? 1 : -1);
    }
    half->in_step = false;
    half->guessed = true;
    return start;
}

static void learn_ids(conversation_state_t *state, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t offset = 0; offset + 12 <= length;) {
        uint32_t size = be32(bytes + offset);

        state->last_id = (int32_t)be32(bytes + offset + 8);
        if (!state->ids_known) {
            state->first_id = state->last_id;
            state->ids_known = true;
        }
        if (size > length - offset) {
            break;
        }
        offset += size + 4;
    }
}

/* Kafka's dissector takes the direction from pinfo->match_uint, the port it was found by. TLS may
 * leave another port there, and TCP picks one of two where both are in the table: then the first
 * bytes tell. */
static void settle_direction(conversation_state_t *state, packet_info *pinfo, const uint8_t *bytes,
                             uint32_t available)
{
    wl_frame_context_t request = {.is_request = true};
    uint32_t length;

    if (state->server_port == 0) {
        state->server_port = pinfo->match_uint == pinfo->srcport ? pinfo->srcport : pinfo->destport;
        if (wl_header_kafka(bytes, available, &request, &length) == WL_HEADER_STRONG) {
            state->server_port = pinfo->destport;
        }
    }
    pinfo->match_uint = state->server_port;
    settled_port = state->server_port;
    settled_frame = pinfo->num;
}

void wl_framing_show_skip(proto_tree *tree, tvbuff_t *tvb, uint32_t offset, uint32_t length)
{
    proto_item *item = proto_tree_add_uint(tree, hf_skipped, tvb, (int)offset, (int)length, length);

    proto_item_set_generated(item);
}

static int pass(const framed_t *framed, tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree,
                void *data)
{
    /* Every call takes one off; the dissector must see what it would see without us. */
    pinfo->can_desegment += pinfo->can_desegment > 0;
    return call_dissector_with_data(framed->real, tvb, pinfo, tree, data);
}

static int dissect_framed(const framed_t *framed, tvbuff_t *tvb, packet_info *pinfo,
                          proto_tree *tree, void *data)
{
    uint32_t available = tvb_captured_length(tvb), seq = 0, skip = 0, whole, tail_length;
    bool first_pass = !pinfo->fd->visited, over_tcp, is_syn, header_split;
    conversation_state_t *state;
    wl_frame_context_t context;
    const uint8_t *bytes;
    unsigned direction;
    half_t *half;

    if (pinfo->can_desegment == 0 || available < tvb_reported_length(tvb)) {
        return pass(framed, tvb, pinfo, tree, data);
    }
    over_tcp = tcp_position(pinfo, data, &seq);
    is_syn = over_tcp && (((const struct tcpinfo *)data)->flags & WL_TCP_SYN);
    state = state_of(pinfo, framed, is_syn, &direction);
    half = &state->half[direction];
    bytes = tvb_get_ptr(tvb, 0, (int)available);
    if (framed->is_kafka) {
        settle_direction(state, pinfo, bytes, available);
    }
    context = (wl_frame_context_t){pinfo->destport == pinfo->match_uint, state->ids_known,
                                   state->first_id, state->last_id};

    if (over_tcp) {
        skip = !first_pass ? recorded_skip(pinfo, seq)
               : begins_stream(pinfo, half, is_syn, seq)
                   ? 0
                   : find_start(framed, half, pinfo->num, bytes, available, seq, &context);
    }
    if (skip > 0) {
        wl_framing_show_skip(tree, tvb, 0, skip);
        if (first_pass) {
            record_skip(pinfo, seq, skip);
        }
    }
    if (skip == available) {
        return (int)available;
    }
    whole = wl_frame_whole(framed->rule, bytes + skip, available - skip, &context, framed->fixed,
                           &header_split, &tail_length);
    if (first_pass) {
        half->in_step = true;
        half->next_seq = seq + skip + whole;
        half->tail_length = tail_length;
        if (framed->is_kafka && context.is_request) {
            learn_ids(state, bytes + skip, available - skip);
        }
    }
    if (header_split) {
        if (whole > 0) {
            pass(framed, tvb_new_subset_length(tvb, (int)skip, (int)whole), pinfo, tree, data);
        }
        pinfo->desegment_offset = (int)(skip + whole);
        pinfo->desegment_len = DESEGMENT_ONE_MORE_SEGMENT;
    } else {
        pass(framed, skip > 0 ? tvb_new_subset_remaining(tvb, (int)skip) : tvb, pinfo, tree, data);
        if (pinfo->desegment_len != 0) {
            pinfo->desegment_offset += (int)skip;
        }
    }
    return (int)available;
}

static int dissect_framed_mqtt(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return dissect_framed(&framed[0], tvb, pinfo, tree, data);
}

static int dissect_framed_kafka(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data)
{
    return dissect_framed(&framed[1], tvb, pinfo, tree, data);
}

/* The tables. */

typedef struct {
    uint32_t port;
    bool by_user; /* set by Decode As, over another dissector or none */
} entry_t;

typedef struct {
    dissector_handle_t wanted[2];
    GArray *entries;
} search_t;

static void collect_entry(const char *table _U_, ftenum_t type _U_, void *key, void *value,
                          void *user)
{
    search_t *search = user;
    dissector_handle_t now = dtbl_entry_get_handle(value);

    if (now != NULL && (now == search->wanted[0] || now == search->wanted[1])) {
        dissector_handle_t initial = dtbl_entry_get_initial_handle(value);
        entry_t entry = {GPOINTER_TO_UINT(key), initial != now};
        g_array_append_val(search->entries, entry);
    }
}

/* Where `from` stands in the table, puts `to` (or, where a user's Decode As did, `to_by_user`). */
static void replace(const char *table, dissector_handle_t from, dissector_handle_t from_by_user,
                    dissector_handle_t to, dissector_handle_t to_by_user)
{
    search_t search = {{from, from_by_user}, g_array_new(FALSE, FALSE, sizeof(entry_t))};

    dissector_table_foreach(table, collect_entry, &search);
    for (unsigned i = 0; i < search.entries->len; i++) {
        const entry_t *entry = &g_array_index(search.entries, entry_t, i);
        if (entry->by_user) {
            dissector_change_uint(table, entry->port, to_by_user);
        } else {
            dissector_add_uint(table, entry->port, to);
        }
    }
    g_array_free(search.entries, TRUE);
}

static void add_port(uint32_t port, void *user)
{
    void **arguments = user;
    framed_t *protocol = arguments[0];
    unsigned table = GPOINTER_TO_UINT(arguments[1]);
    added_port_t added = {port,
                          dissector_get_uint_handle(find_dissector_table(tables[table]), port)};

    if (added.before != protocol->real && added.before != protocol->added) {
        dissector_add_uint(tables[table], port, protocol->real);
        g_array_append_val(protocol->added_ports[table], added);
    }
}

static void apply_ports(framed_t *protocol, unsigned table)
{
    GArray *old = protocol->added_ports[table];
    void *arguments[2] = {protocol, GUINT_TO_POINTER(table)};

    for (unsigned i = 0; i < old->len; i++) {
        const added_port_t *port = &g_array_index(old, added_port_t, i);
        dissector_delete_uint(tables[table], port->port, protocol->real);
        if (port->before != NULL) {
            dissector_add_uint(tables[table], port->port, port->before);
        }
    }
    g_array_set_size(old, 0);
    if (protocol->ports[table] != NULL) {
        range_foreach(protocol->ports[table], add_port, arguments);
    }
}

void wl_framing_expect(uint16_t port)
{
    expected_ports[port / 8] |= (uint8_t)(1u << port % 8);
}

static void expect_table(const char *table, dissector_handle_t first, dissector_handle_t second)
{
    search_t search = {{first, second}, g_array_new(FALSE, FALSE, sizeof(entry_t))};

    dissector_table_foreach(table, collect_entry, &search);
    for (unsigned i = 0; i < search.entries->len; i++) {
        wl_framing_expect((uint16_t)g_array_index(search.entries, entry_t, i).port);
    }
    g_array_free(search.entries, TRUE);
}

bool wl_framing_expects(uint16_t port)
{
    return (expected_ports[port / 8] & 1u << port % 8) != 0;
}

uint32_t wl_framing_server_port(const packet_info *pinfo)
{
    bool source = wl_framing_expects((uint16_t)pinfo->srcport);
    bool destination = wl_framing_expects((uint16_t)pinfo->destport);

    if (settled_frame == pinfo->num) {
        return settled_port; /* Kafka's, by its first bytes */
    }
    if (source != destination) {
        return source ? pinfo->srcport : pinfo->destport;
    }
    return MIN(pinfo->srcport, pinfo->destport);
}

static bool is_enabled(const char *protocol)
{
    int id = proto_get_id_by_filter_name(protocol);

    return id != -1 && proto_is_protocol_enabled(find_protocol_by_id(id));
}

void wl_framing_apply(wl_health_t *health, const wl_streams_t *streams, bool mqtt, bool kafka,
                      bool tcp_in_order)
{
    known_streams = streams;
    noted = health;
    memset(expected_ports, 0, sizeof expected_ports);
    settled_frame = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(framed); i++) {
        framed_t *f = &framed[i];
        bool in_front = f->enabled && (f->is_kafka ? kafka : mqtt);

        for (unsigned table = 0; f->real != NULL && table < G_N_ELEMENTS(tables); table++) {
            replace(tables[table], f->added, f->in_front, f->real, f->real);
            apply_ports(f, table);
            if (in_front) {
                replace(tables[table], f->real, NULL, f->added, f->in_front);
            }
            expect_table(tables[table], in_front ? f->added : f->real, f->in_front);
        }
        if (!f->is_kafka) {
            /* WebSocket does nothing with a message whose dissector is disabled: no handle then. */
            wl_framing_ws_apply(health, streams, in_front && is_enabled(f->protocol), tcp_in_order);
        }
    }
}

void wl_framing_register(int proto_wirelat, struct pref_module *module)
{
    static hf_register_info fields[] = {
        {&hf_skipped,
         {"Skipped until a message begins", "wirelat.skipped", FT_UINT32, BASE_DEC, NULL, 0,
          "Bytes of a message whose beginning was not captured [on: where those bytes are]",
          HFILL}},
    };

    proto_register_field_array(proto_wirelat, fields, G_N_ELEMENTS(fields));
    wl_framing_ws_register(proto_wirelat, module);
    for (unsigned i = 0; i < G_N_ELEMENTS(framed); i++) {
        framed_t *f = &framed[i];
        const char *title = f->is_kafka ? "Kafka" : "MQTT";
        int parent = proto_get_id_by_filter_name(f->protocol);
        const char *long_name;

        if (parent == -1) {
            continue; /* this Wireshark was built without it */
        }
        /* TLS shows the long name. */
        long_name = proto_get_protocol_long_name(find_protocol_by_id(parent));
        f->proto = proto_register_protocol_in_name_only(
            long_name, title, g_strdup_printf("wirelat.frame_%s", f->protocol), parent,
            FT_PROTOCOL);
        f->proto_added = proto_register_protocol_in_name_only(
            long_name, g_strdup_printf("%s (Wirelat)", title),
            g_strdup_printf("wirelat.port_%s", f->protocol), parent, FT_PROTOCOL);
        prefs_register_bool_preference(
            module, g_strdup_printf("frame_%s", f->protocol),
            g_strdup_printf("Keep %s in step with the stream", title),
            g_strdup_printf("Finds where %s messages begin where a segment ends inside a header, "
                            "and where a capture starts or has a gap inside a message.",
                            title),
            &f->enabled);
        for (unsigned table = 0; table < G_N_ELEMENTS(tables); table++) {
            const char *layer = table == 0 ? "tcp" : "tls";
            f->added_ports[table] = g_array_new(FALSE, FALSE, sizeof(added_port_t));
            f->ports[table] = range_empty(wmem_epan_scope());
            prefs_register_range_preference(
                module, g_strdup_printf("%s_%s_ports", f->protocol, layer),
                g_strdup_printf("More %s ports over %s", title, table == 0 ? "TCP" : "TLS"),
                g_strdup_printf("Server ports, beside Wireshark's own, on which %s is expected",
                                title),
                &f->ports[table], 65535);
        }
    }
}

void wl_framing_handoff(void)
{
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_tls = proto_get_id_by_filter_name("tls");
    proto_websocket = proto_get_id_by_filter_name("websocket");
    for (unsigned i = 0; i < G_N_ELEMENTS(framed); i++) {
        framed_t *f = &framed[i];

        f->real = find_dissector(f->protocol);
        if (f->real != NULL) {
            f->in_front = create_dissector_handle(f->dissect, f->proto);
            f->added = create_dissector_handle(f->dissect, f->proto_added);
            if (!f->is_kafka) {
                wl_framing_ws_handoff(f->real, f->proto_added);
            }
        }
    }
}
