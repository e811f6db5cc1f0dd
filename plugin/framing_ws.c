/* framing_ws.c
 * The handle for MQTT inside WebSocket messages.
 *
 *   tcp -> [tls] -> http -> websocket -> [handle] -> mqtt
 *     message in frame 8    [10]                       part of a packet
 *     message in frame 10   [07 00 04 4d 51 54 54 ..]  ends it: handed over from a buffer of its own
 *     message in frame 12   [32 0c ..][32 0c ..]       two whole packets: handed over in place
 *
 * The first pass decides; later passes follow what it noted, message by message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "framing_ws.h"

#include <epan/conversation.h>
#include <epan/exceptions.h>
#include <epan/prefs.h>
#include <epan/proto_data.h>
#include <epan/show_exception.h>

#include "framing.h"
#include "lookup.h"
#include "message_stream.h"
#include "read_fields.h"

typedef struct {
    address first_source;
    uint32_t first_port;
    wl_message_stream_t half[2];
    uint32_t checked_seq[2]; /* bytes of TCP up to here were looked at for gaps */
    bool checked[2];
} ws_state_t;

typedef struct {
    wl_step_t *steps;
    uint32_t count;
} ws_note_t;

static const char *const subprotocols[] = {"mqtt", "mqttv3.1"};

static dissector_handle_t real, handle;
static dissector_handle_t before[G_N_ELEMENTS(subprotocols)]; /* what stood there without us */
static bool installed;
static int proto_mqtt_ws, proto_websocket, proto_tcp;
static int hf_part = -1, hf_begun_in = -1, hf_complete_in = -1;
static unsigned pref_held_mib = 256;

/* Of the open file. */
static const wl_streams_t *known_streams;
static wl_health_t *noted;
static bool tcp_waits; /* for what is missing, before it passes on what comes after */
static wl_packet_pool_t pool;
static wmem_map_t *notes; /* frame << 32 | nth message in it -> ws_note_t */
static GPtrArray *states;
static GHashTable *expected; /* pairs of ports; NULL before the first: asked for each segment */
static wl_ws_frame_t current;

static uint32_t pair_key(uint16_t port, uint16_t other)
{
    return (uint32_t)MAX(port, other) << 16 | MIN(port, other);
}

bool wl_framing_ws_expects(uint16_t port, uint16_t other_port)
{
    return expected != NULL &&
           g_hash_table_contains(expected, GUINT_TO_POINTER(pair_key(port, other_port)));
}

static void expect(const packet_info *pinfo)
{
    uint32_t key = pair_key((uint16_t)pinfo->srcport, (uint16_t)pinfo->destport);

    if (expected == NULL) {
        expected = g_hash_table_new(g_direct_hash, g_direct_equal);
    }
    g_hash_table_add(expected, GUINT_TO_POINTER(key));
}

void wl_framing_ws_see_http(const packet_info *pinfo, const uint8_t *bytes, uint32_t count)
{
    static const char status[] = "HTTP/1.1 101", name[] = "\nsec-websocket-protocol:";
    const uint32_t length = sizeof name - 1;

    if (!installed || count < sizeof status - 1 || memcmp(bytes, status, sizeof status - 1) != 0) {
        return;
    }
    for (uint32_t i = 0; i + length < count; i++) {
        if (g_ascii_strncasecmp((const char *)bytes + i, name, length) == 0) {
            for (i += length; i < count && bytes[i] == ' '; i++) {
            }
            if (count - i >= 4 && memcmp(bytes + i, subprotocols[0], 4) == 0) {
                expect(pinfo);
            }
            return;
        }
    }
}

static ws_state_t *state_of(packet_info *pinfo, unsigned *direction)
{
    conversation_t *conversation = find_or_create_conversation(pinfo);
    ws_state_t *state = conversation_get_proto_data(conversation, proto_mqtt_ws);

    if (state == NULL) {
        state = wmem_new0(wmem_file_scope(), ws_state_t);
        copy_address_wmem(wmem_file_scope(), &state->first_source, &pinfo->src);
        state->first_port = pinfo->srcport;
        for (unsigned i = 0; i < 2; i++) {
            state->half[i].allocator = wmem_file_scope();
            state->half[i].pool = &pool;
            state->half[i].rule = wl_header_mqtt;
        }
        conversation_add_proto_data(conversation, proto_mqtt_ws, state);
        g_ptr_array_add(states, state);
        expect(pinfo);
    }
    *direction =
        pinfo->srcport == state->first_port && addresses_equal(&pinfo->src, &state->first_source)
            ? 0
            : 1;
    return state;
}

/* The last TCP and WebSocket headers of the frame so far. One walk for all of a frame's messages. */
static struct {
    uint32_t frame;
    const proto_node *at, *tcp, *websocket;
} seen;

static void see_nodes(const packet_info *pinfo, const proto_tree *tree)
{
    const proto_node *node;

    if (seen.frame != pinfo->num) {
        memset(&seen, 0, sizeof seen);
        seen.frame = pinfo->num;
    }
    node = seen.at != NULL ? seen.at->next : tree != NULL ? tree->first_child : NULL;
    for (; node != NULL; node = node->next) {
        const field_info *finfo = PNODE_FINFO(node);

        seen.at = node;
        if (finfo != NULL && finfo->hfinfo->id == proto_tcp) {
            seen.tcp = node;
        } else if (finfo != NULL && finfo->hfinfo->id == proto_websocket) {
            seen.websocket = node;
        }
    }
}

/* Whether something is missing: a message that was not handed over, or TCP bytes that Wireshark did
 * not wait for. Where it puts segments in order
 * itself, nothing comes before its turn. */
static bool has_gap(packet_info *pinfo, ws_state_t *state, unsigned direction)
{
    wl_stream_t *stream;
    wl_half_t *half;
    const wl_sequence_t *sequence;
    uint32_t payload;
    wl_segment_t segment = {.source_port = (uint16_t)pinfo->srcport,
                            .source_address = pinfo->src.data,
                            .address_length = (uint8_t)CLAMP(pinfo->src.len, 0, 16)};
    bool gap;

    wl_tcp_header_t tcp;

    if (seen.tcp == NULL) {
        return false;
    }
    tcp = wl_read_tcp_node(NULL, seen.tcp);
    if (!wl_read_header(pinfo, &tcp, &segment, &payload) || !wl_lookup_stream(pinfo, &segment)) {
        return false;
    }
    stream = wl_streams_find(known_streams, segment.stream);
    if (stream == NULL) {
        return false;
    }
    half = &stream->half[wl_stream_direction(stream, &segment)];
    sequence = &half->sequence;
    if (half->missed_message) {
        half->missed_message = false;
        return true;
    }
    if (tcp_waits || !sequence->started) {
        return false;
    }
    gap = wl_seq_before(sequence->next_seq, segment.seq);
    for (unsigned i = 0; i < sequence->gap_count && !gap; i++) {
        gap = state->checked[direction] &&
              wl_seq_before(state->checked_seq[direction], sequence->gaps[i].to);
    }
    state->checked[direction] = true;
    state->checked_seq[direction] =
        wl_seq_before(sequence->next_seq, segment.seq) ? segment.seq : sequence->next_seq;
    return gap;
}

static void add_note(packet_info *pinfo, unsigned nth, const GArray *steps)
{
    uint64_t *key;
    ws_note_t *note;

    if (steps->len == 1 && g_array_index(steps, wl_step_t, 0).kind == WL_STEP_WHOLE) {
        return; /* what nothing is noted of */
    }
    key = wmem_new(wmem_file_scope(), uint64_t);
    *key = (uint64_t)pinfo->num << 32 | nth;
    note = wmem_new(wmem_file_scope(), ws_note_t);
    note->count = steps->len;
    note->steps = wmem_memdup(wmem_file_scope(), steps->data, steps->len * sizeof(wl_step_t));
    wmem_map_insert(notes, key, note);
}

static const ws_note_t *find_note(const packet_info *pinfo, unsigned nth)
{
    uint64_t key = (uint64_t)pinfo->num << 32 | nth;

    return wmem_map_lookup(notes, &key);
}

/* How many messages of this frame came before this one. */
static unsigned count_message(packet_info *pinfo)
{
    unsigned nth = GPOINTER_TO_UINT(p_get_proto_data(pinfo->pool, pinfo, proto_mqtt_ws, 0));

    p_set_proto_data(pinfo->pool, pinfo, proto_mqtt_ws, 0, GUINT_TO_POINTER(nth + 1));
    return nth;
}

static void first_pass(tvbuff_t *tvb, packet_info *pinfo, unsigned nth)
{
    unsigned direction;
    ws_state_t *state = state_of(pinfo, &direction);
    wl_message_stream_t *half = &state->half[direction];
    uint32_t known = tvb_captured_length(tvb);
    wl_transport_message_t message = {pinfo->num, tvb_get_ptr(tvb, 0, (int)known), known,
                                      tvb_reported_length(tvb), has_gap(pinfo, state, direction)};
    wl_ws_message_t place = {seen.websocket, half->at, message.length};
    GArray *steps = g_array_new(FALSE, FALSE, sizeof(wl_step_t));
    int64_t skipped = half->skipped;
    uint64_t dropped = pool.dropped;
    bool lost = half->lost;

    if (current.frame != pinfo->num) {
        current.frame = pinfo->num;
        g_array_set_size(current.messages, 0);
        g_array_set_size(current.handed, 0);
    }
    g_array_append_val(current.messages, place);
    wl_message_stream_take(half, &message, steps);
    current.needed = wl_message_stream_needed(half);
    add_note(pinfo, nth, steps);
    g_array_free(steps, TRUE);
    if (half->skipped != skipped) {
        wl_health_note(noted, pinfo->num, WL_HEALTH_SKIPPED, (int32_t)(half->skipped - skipped));
    }
    if (half->lost != lost) {
        wl_health_note(noted, pinfo->num, WL_HEALTH_OUT_OF_STEP, half->lost ? 1 : -1);
    }
    if (pool.dropped != dropped) {
        wl_health_note(noted, pinfo->num, WL_HEALTH_FORGOTTEN, 1);
    }
}

/* Gives whole packets to the dissector. */
static void hand_over(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, uint64_t at)
{
    uint16_t can_desegment = pinfo->can_desegment;

    if (!pinfo->fd->visited) {
        wl_ws_handed_t handed = {tvb_get_ds_tvb(tvb), (uint32_t)tvb_raw_offset(tvb),
                                 tvb_reported_length(tvb), at,
                                 tvb_captured_length(tvb) < tvb_reported_length(tvb) &&
                                     pinfo->fd->cap_len == pinfo->fd->pkt_len};
        g_array_append_val(current.handed, handed);
    }
    pinfo->can_desegment = 0; /* nothing is missing, and WebSocket could not wait for it */
    /* Bytes that a limit left out would end TCP's dissection, too: its list of segments is missing
     * then, and whatever else the frame holds. */
    TRY
    {
        call_dissector_with_data(real, tvb, pinfo, tree, NULL);
    }
    CATCH_BOUNDS_ERRORS
    {
        show_exception(tvb, pinfo, tree, EXCEPT_CODE, GET_MESSAGE);
    }
    ENDTRY;
    pinfo->can_desegment = can_desegment;
    pinfo->desegment_len = 0;
}

static void show_part(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, uint32_t offset,
                      const wl_step_t *step)
{
    const wl_packet_t *packet = step->packet;
    proto_item *item =
        proto_tree_add_uint(tree, hf_part, tvb, (int)offset, (int)step->length, step->length);

    proto_item_set_generated(item);
    if (step->kind == WL_STEP_END) {
        item = proto_tree_add_uint(tree, hf_begun_in, tvb, 0, 0, packet->first_frame);
        proto_item_append_text(item, " (%u bytes in %u messages)", packet->length, packet->parts);
        proto_item_set_generated(item);
    } else if (pinfo->fd->visited && packet->last_frame != 0) {
        item = proto_tree_add_uint(tree, hf_complete_in, tvb, 0, 0, packet->last_frame);
        proto_item_set_generated(item);
    }
}

static void take_step(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, uint32_t offset,
                      const wl_step_t *step, uint64_t at)
{
    const wl_packet_t *packet = step->packet;
    tvbuff_t *whole;

    switch (step->kind) {
    case WL_STEP_WHOLE:
        hand_over(tvb_new_subset_length(tvb, (int)offset, (int)step->length), pinfo, tree, at);
        break;
    case WL_STEP_PART:
        show_part(tvb, pinfo, tree, offset, step);
        break;
    case WL_STEP_END:
        show_part(tvb, pinfo, tree, offset, step);
        whole = tvb_new_child_real_data(tvb, packet->bytes, packet->known, (int)packet->length);
        add_new_data_source(pinfo, whole, "MQTT from WebSocket messages");
        hand_over(whole, pinfo, tree, packet->at);
        break;
    case WL_STEP_SKIP:
        wl_framing_show_skip(tree, tvb, offset, step->length);
        call_data_dissector(tvb_new_subset_length(tvb, (int)offset, (int)step->length), pinfo,
                            tree);
        break;
    }
}

static int dissect(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, void *data _U_)
{
    unsigned nth = count_message(pinfo);
    uint32_t length = tvb_reported_length(tvb), offset = 0;
    uint64_t at = 0;
    const ws_note_t *note;

    if (!pinfo->fd->visited) {
        see_nodes(pinfo, tree);
        first_pass(tvb, pinfo, nth);
        at = g_array_index(current.messages, wl_ws_message_t, current.messages->len - 1).at;
    }
    note = find_note(pinfo, nth);
    if (note == NULL) {
        wl_step_t whole = {WL_STEP_WHOLE, length, NULL};
        take_step(tvb, pinfo, tree, 0, &whole, at);
        return (int)tvb_captured_length(tvb);
    }
    for (uint32_t i = 0; i < note->count; i++) {
        take_step(tvb, pinfo, tree, offset, &note->steps[i], at + offset);
        offset += note->steps[i].length;
    }
    return (int)tvb_captured_length(tvb);
}

const wl_ws_frame_t *wl_framing_ws_frame(uint32_t frame)
{
    return current.frame == frame && frame != 0 ? &current : NULL;
}

void wl_framing_ws_close(void)
{
    for (unsigned i = 0; states != NULL && i < states->len; i++) {
        ws_state_t *state = g_ptr_array_index(states, i);

        wl_message_stream_clear(&state->half[0]);
        wl_message_stream_clear(&state->half[1]);
    }
    if (states != NULL) {
        g_ptr_array_set_size(states, 0);
    }
    g_clear_pointer(&expected, g_hash_table_destroy);
    current.frame = 0;
}

void wl_framing_ws_apply(wl_health_t *health, const wl_streams_t *streams, bool on,
                         bool tcp_in_order)
{
    noted = health;
    tcp_waits = tcp_in_order;
    memset(&seen, 0, sizeof seen);
    known_streams = streams;
    pool = (wl_packet_pool_t){.max_held = (uint64_t)pref_held_mib << 20};
    notes = wmem_map_new(wmem_file_scope(), wmem_int64_hash, g_int64_equal);
    if (handle == NULL || on == installed) {
        return;
    }
    installed = on;
    for (unsigned i = 0; i < G_N_ELEMENTS(subprotocols); i++) {
        if (on) {
            before[i] =
                dissector_get_string_handle(find_dissector_table("ws.protocol"), subprotocols[i]);
            dissector_add_string("ws.protocol", subprotocols[i], handle);
        } else {
            dissector_delete_string("ws.protocol", subprotocols[i], handle);
            if (before[i] != NULL) {
                dissector_add_string("ws.protocol", subprotocols[i], before[i]);
            }
        }
    }
}

void wl_framing_ws_register(int proto_wirelat, struct pref_module *module)
{
    static hf_register_info fields[] = {
        {&hf_part,
         {"Part of an MQTT packet", "wirelat.part", FT_UINT32, BASE_DEC, NULL, 0,
          "Bytes of a packet that lies in several WebSocket messages [on: each part]", HFILL}},
        {&hf_begun_in,
         {"Begins in frame", "wirelat.begun_in", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "Frame with the first part of the packet that ends here [on: last part]", HFILL}},
        {&hf_complete_in,
         {"Complete in frame", "wirelat.complete_in", FT_FRAMENUM, BASE_NONE, NULL, 0,
          "Frame with the last part of the packet (known from the second pass on) "
          "[on: each part but the last; from the second pass on]",
          HFILL}},
    };

    proto_register_field_array(proto_wirelat, fields, G_N_ELEMENTS(fields));
    prefs_register_uint_preference(
        module, "ws_held_mib", "Most memory for incomplete WebSocket packets (MiB)",
        "Bytes of MQTT packets that are spread over WebSocket messages and not complete yet, over "
        "all connections; beyond it packets are given up and counted as forgotten.",
        10, &pref_held_mib);
    states = g_ptr_array_new();
    current.messages = g_array_new(FALSE, FALSE, sizeof(wl_ws_message_t));
    current.handed = g_array_new(FALSE, FALSE, sizeof(wl_ws_handed_t));
}

void wl_framing_ws_handoff(dissector_handle_t mqtt, int proto)
{
    proto_tcp = proto_get_id_by_filter_name("tcp");
    proto_websocket = proto_get_id_by_filter_name("websocket");
    if (mqtt != NULL && find_dissector_table("ws.protocol") != NULL) {
        real = mqtt;
        proto_mqtt_ws = proto;
        handle = create_dissector_handle(dissect, proto);
    }
}
