/* show_mptcp.c
 * The table of MPTCP's computed fields and findings, and what a frame shows of them.
 *
 * A frame of a connection has one subtree. What comes several times on a frame, as the round trips
 * that one DATA_ACK ends, comes in the same order in each of its fields.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "show_mptcp.h"

#include <epan/expert.h>
#include <epan/tap.h>

#include "mptcp_frames.h"
#include "show.h"

/* What a field is got from: an item of a frame, or (item NULL) all of them. */
typedef struct {
    const wl_mp_record_t *record;
    const wl_mp_item_t *item;
} source_t;

/* Bits of the item kinds a field stands on; the frame itself comes first. */
#define ON_FRAME (UINT64_C(1) << WL_MP_ITEM_KINDS)
#define ON(kind) (UINT64_C(1) << WL_MP_##kind)

typedef struct {
    const char *name, *title;
    enum ftenum type;
    int display;
    const void *strings;
    uint64_t on;
    const char *frames; /* what those frames are, in words, for Wireshark's list of fields */
    bool (*get)(const source_t *source, wl_value_t *value);
    const char *blurb;
} field_t;

const value_string wl_mptcp_duplicates[] = {{WL_MP_TCP_COPY, "TCP retransmission"},
                                            {WL_MP_REINJECTED, "Reinjection"},
                                            {WL_MP_RESENT, "MPTCP retransmission"},
                                            {0, NULL}};

static bool get_value(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->value;
    return value->integer != WL_MP_VALUE_MAX;
}

static bool get_frame(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->frame;
    return value->integer != 0;
}

static bool get_map_rtt(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->value;
    return source->item->kind == WL_MP_MAP_RTT || (source->item->flags & WL_MP_IS_MAPPING);
}

static bool get_map_frame(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->frame;
    return source->item->kind == WL_MP_MAP_RTT || (source->item->flags & WL_MP_IS_MAPPING);
}

static bool get_aux(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->aux;
    return true;
}

static bool get_ok(const source_t *source, wl_value_t *value)
{
    value->integer = (source->item->flags & WL_MP_OK) != 0;
    return true;
}

static bool get_kind(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->flags & WL_MP_KIND;
    return true;
}

static bool get_useful(const source_t *source, wl_value_t *value)
{
    value->integer = (source->item->flags & WL_MP_USEFUL) != 0;
    return true;
}

static bool get_event(const source_t *source, wl_value_t *value)
{
    value->integer = source->item->aux & 0xff;
    return true;
}

static bool get_event_text(const source_t *source, wl_value_t *value)
{
    static GString *line; /* shown before the next is asked for */

    if (line == NULL) {
        line = g_string_new(NULL);
    }
    g_string_truncate(line, 0);
    wl_mptcp_describe(source->record->subflow, source->record->direction, source->item, line);
    value->text = line->str;
    return true;
}

static bool get_stream(const source_t *source, wl_value_t *value)
{
    value->integer = source->record->subflow->connection->number;
    return true;
}

static bool get_subflow(const source_t *source, wl_value_t *value)
{
    value->integer = source->record->subflow->number;
    return true;
}

static bool get_path(const source_t *source, wl_value_t *value)
{
    value->text = wl_mptcp_path(source->record->subflow);
    return true;
}

static bool get_ack_rtt(const source_t *source, wl_value_t *value)
{
    const wl_path_record_t *path = source->record->path;

    value->integer = path != NULL ? path->rtt_ns : 0;
    return path != NULL && (path->flags & WL_PATH_SAMPLE);
}

/* Over the frame's own items of a kind: how many, and the largest value. */
static unsigned count_items(const wl_mp_record_t *record, wl_mp_item_kind_t kind, int64_t *largest)
{
    unsigned count = 0;

    for (unsigned i = 0; i < record->count; i++) {
        const wl_mp_item_t *item = &record->items[i];
        if (item->kind == kind) {
            *largest = count++ == 0 ? item->value : MAX(*largest, item->value);
        }
    }
    return count;
}

static bool get_released(const source_t *source, wl_value_t *value)
{
    int64_t largest;

    value->integer = count_items(source->record, WL_MP_RELEASED, &largest);
    return value->integer > 0;
}

static bool get_hol_max(const source_t *source, wl_value_t *value)
{
    return count_items(source->record, WL_MP_RELEASED, &value->integer) > 0;
}

static bool get_dack_subflow(const source_t *source, wl_value_t *value)
{
    int64_t unused;

    value->integer = source->record->subflow->number;
    return count_items(source->record, WL_MP_ACKED, &unused) > 0;
}

#define TIME FT_RELATIVE_TIME, BASE_NONE, NULL
#define UINT FT_UINT32, BASE_DEC, NULL
#define UINT64 FT_UINT64, BASE_DEC, NULL
#define FRAME(type) FT_FRAMENUM, BASE_NONE, FRAMENUM_TYPE(type)
#define FLAG FT_BOOLEAN, BASE_NONE, NULL

static const field_t fields[] = {
    {"stream", "Connection", UINT, ON_FRAME, "every segment of a connection", get_stream,
     "Number of the MPTCP connection in this capture, from 0"},
    {"subflow", "Subflow", UINT, ON_FRAME, "every segment of a connection", get_subflow,
     "Number of the subflow in its connection; 0 opened it"},
    {"path", "Path", FT_STRING, BASE_NONE, NULL, ON_FRAME, "every segment of a connection",
     get_path, "What the preference mptcp_paths calls the network, else the pair of addresses"},
    {"ack_rtt", "TCP round trip", TIME, ON_FRAME, "TCP ACK", get_ack_rtt,
     "Round trip of the subflow's TCP segment that this one acknowledges, by Karn's rule"},
    {"dack_subflow", "DATA_ACK on subflow", UINT, ON_FRAME, "DATA_ACK of new data",
     get_dack_subflow, "Subflow on which this DATA_ACK of new data came"},
    {"hol_released", "Segments released", UINT, ON_FRAME, "data segment that others waited for",
     get_released, "Segments that had waited for the bytes of this one"},
    {"hol_max", "Longest wait released", TIME, ON_FRAME, "data segment that others waited for",
     get_hol_max, "Longest head-of-line delay of the segments released"},
    {"unique_bytes", "Bytes not sent before", UINT, ON(DATA), "data segment", get_value,
     "Bytes of the connection that no segment before has carried"},
    {"duplicate", "Repeated data", FT_UINT8, BASE_DEC, VALS(wl_mptcp_duplicates), ON(DUPLICATE),
     "data segment with bytes sent before", get_kind, "How bytes that were sent before come again"},
    {"original", "Sent first in frame", FRAME(FT_FRAMENUM_RETRANS_PREV), ON(DUPLICATE),
     "data segment with bytes sent before", get_frame, "Frame that carried those bytes first"},
    {"duplicate_delay", "Sent again after", TIME, ON(DUPLICATE),
     "data segment with bytes sent before", get_value, "Time since those bytes were sent first"},
    {"duplicate_bytes", "Bytes repeated", UINT, ON(DUPLICATE),
     "data segment with bytes sent before", get_aux, "Bytes sent before"},
    {"duplicate_useful", "Repetition useful", FLAG, ON(DUPLICATE),
     "data segment with bytes sent before", get_useful,
     "Whether those bytes were not DATA_ACKed yet when they were sent again"},
    {"acked_bytes", "Bytes DATA_ACKed", UINT64, ON(ACKED), "DATA_ACK of new data", get_value,
     "Bytes this DATA_ACK newly covers, the DATA_FIN included"},
    {"dack_rtt", "DATA_ACK round trip", TIME, ON(DACK_RTT), "DATA_ACK of new data", get_value,
     "From a data segment to the first DATA_ACK that covers its last byte, on whatever subflow"},
    {"dack_of", "DATA_ACK of frame", FRAME(FT_FRAMENUM_ACK), ON(DACK_RTT), "DATA_ACK of new data",
     get_frame, "Frame of that data segment"},
    {"data_subflow", "Data on subflow", UINT, ON(DACK_RTT), "DATA_ACK of new data", get_aux,
     "Subflow that carried that data segment"},
    {"map_rtt", "Mapping's round trip", TIME, ON(MAP_RTT) | ON(DACK_RTT), "DATA_ACK of new data",
     get_map_rtt,
     "From the first announcement of a mapping to the DATA_ACK that covers its end, as mptcptrace "
     "counts it: mappings sent again, and the DATA_FIN, included"},
    {"map_of", "Mapping of frame", FRAME(FT_FRAMENUM_NONE), ON(MAP_RTT) | ON(DACK_RTT),
     "DATA_ACK of new data", get_map_frame, "Frame that announced that mapping first"},
    {"hol_delay", "Head-of-line delay", TIME, ON(HOL_DELAY), "data segment that waited", get_value,
     "From this segment's arrival until every byte before it had arrived (known from the second "
     "pass on)"},
    {"reorder_bytes", "Bytes waiting", UINT, ON(WAITS), "data segment that waits", get_value,
     "Bytes that wait for others before them when this segment has arrived, its own included"},
    {"synack_time", "SYN to SYN,ACK", TIME, ON(SYNACK_TIME), "SYN,ACK", get_value,
     "From the subflow's first SYN to its SYN,ACK"},
    {"third_ack_time", "SYN,ACK to third ACK", TIME, ON(THIRD_ACK_TIME), "third ACK", get_value,
     "From the subflow's SYN,ACK to the third segment of its handshake"},
    {"fourth_ack_time", "Third to fourth ACK", TIME, ON(FOURTH_ACK_TIME), "fourth ACK", get_value,
     "From the third to the fourth segment of a join"},
    {"handshake_time", "Handshake", TIME, ON(HANDSHAKE_TIME), "third ACK", get_value,
     "From the first MP_CAPABLE SYN to the third ACK"},
    {"join_time", "Join", TIME, ON(JOIN_TIME), "fourth ACK", get_value,
     "From the first MP_JOIN SYN to the fourth ACK"},
    {"join_delay", "Join delay", TIME, ON(JOIN_DELAY), "MP_JOIN SYN", get_value,
     "From the connection's first MP_CAPABLE SYN to this MP_JOIN SYN"},
    {"first_data_delay", "First data after", TIME, ON(FIRST_DATA_DELAY),
     "first data segment of a subflow", get_value,
     "From the end of the subflow's handshake to its first data"},
    {"add_addr_echo_time", "ADD_ADDR to echo", TIME, ON(ECHO_TIME), "echo of an ADD_ADDR",
     get_value, "From the first ADD_ADDR of an address to its echo"},
    {"add_addr_join_time", "ADD_ADDR to join", TIME, ON(ADDRESS_JOIN_TIME), "MP_JOIN SYN",
     get_value, "From the first ADD_ADDR of an address to the first MP_JOIN SYN sent to it"},
    {"hmac_ok", "HMAC right", FLAG, ON(HMAC), "MP_JOIN, ADD_ADDR", get_ok,
     "Whether the HMAC of an MP_JOIN or ADD_ADDR is right; absent where the keys are not known"},
    {"checksum_ok", "DSS checksum right", FLAG, ON(CHECKSUM),
     "data segment that completes a mapping", get_ok,
     "Whether the checksum of the mapping this segment completes is right; absent where its "
     "payload was not captured"},
    {"event", "Event", FT_UINT8, BASE_DEC, VALS(wl_mptcp_events), ON(EVENT), "segment of an event",
     get_event, "What happened to the connection"},
    {"event_text", "Event in words", FT_STRING, BASE_NONE, NULL, ON(EVENT), "segment of an event",
     get_event_text, "The event with its details"},
};

static bool is_bad(const wl_mp_item_t *item)
{
    return !(item->flags & WL_MP_OK);
}

static bool is_reinjection(const wl_mp_item_t *item)
{
    return (item->flags & WL_MP_KIND) == WL_MP_REINJECTED;
}

static bool is_resent(const wl_mp_item_t *item)
{
    return (item->flags & WL_MP_KIND) == WL_MP_RESENT;
}

static bool is_useless(const wl_mp_item_t *item)
{
    return !(item->flags & WL_MP_USEFUL);
}

#define IS_EVENT(name, event)                             \
    static bool name(const wl_mp_item_t *item)            \
    {                                                     \
        return (item->aux & 0xff) == WL_MP_EVENT_##event; \
    }
IS_EVENT(is_fail, FAIL)
IS_EVENT(is_fallback, FALLBACK)
IS_EVENT(is_infinite, INFINITE)
IS_EVENT(is_fastclose, FASTCLOSE)
IS_EVENT(is_tcprst, TCPRST)
IS_EVENT(is_apart, APART)

static const struct {
    const char *name, *summary;
    int group, severity;
    unsigned kind;
    bool (*applies)(const wl_mp_item_t *item);
} findings[] = {
    {"hmac_wrong", "The HMAC is wrong", PI_SECURITY, PI_WARN, WL_MP_HMAC, is_bad},
    {"checksum_wrong", "The DSS checksum is wrong", PI_CHECKSUM, PI_WARN, WL_MP_CHECKSUM, is_bad},
    {"reinjection", "Data that another subflow carried before", PI_SEQUENCE, PI_NOTE,
     WL_MP_DUPLICATE, is_reinjection},
    {"retransmission", "Data sent again on its subflow with new TCP sequence numbers", PI_SEQUENCE,
     PI_NOTE, WL_MP_DUPLICATE, is_resent},
    {"useless", "Data sent again after its DATA_ACK", PI_SEQUENCE, PI_NOTE, WL_MP_DUPLICATE,
     is_useless},
    {"fail", "MP_FAIL: a checksum was wrong", PI_SEQUENCE, PI_WARN, WL_MP_EVENT, is_fail},
    {"infinite", "Infinite mapping: plain TCP from here on", PI_SEQUENCE, PI_WARN, WL_MP_EVENT,
     is_infinite},
    {"fallback", "Falls back to plain TCP", PI_SEQUENCE, PI_WARN, WL_MP_EVENT, is_fallback},
    {"fastclose", "Connection aborted", PI_SEQUENCE, PI_NOTE, WL_MP_EVENT, is_fastclose},
    {"reset", "Subflow reset with a reason", PI_SEQUENCE, PI_NOTE, WL_MP_EVENT, is_tcprst},
    {"no_handshake", "The handshake of this connection was not captured", PI_SEQUENCE, PI_NOTE,
     WL_MP_EVENT, is_apart},
};

/* Kinds of items that may be findings: most segments have none of them. */
#define FINDINGS (ON(HMAC) | ON(CHECKSUM) | ON(DUPLICATE) | ON(EVENT))

static const char filter_name[] = "wirelat.mptcp";
static int proto = -1, tap = -1, ett = -1;
static int ids[G_N_ELEMENTS(fields)];
static expert_field experts[G_N_ELEMENTS(findings)];

int wl_mptcp_proto(void)
{
    return proto;
}

/* The field's meaning and the frames it stands on, as those of the other protocols have it. */
static char *described(const field_t *field)
{
    /* A wait ends with a later frame: only the second pass knows it on the frame that waited. */
    const char *later = field->on & ON(HOL_DELAY) ? "; from the second pass on" : "";

    return g_strdup_printf("%s [on: %s%s]", field->blurb, field->frames, later);
}

static void register_fields(void)
{
    hf_register_info *infos = g_new0(hf_register_info, G_N_ELEMENTS(fields));

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        infos[i] =
            wl_show_field(&ids[i], filter_name, fields[i].name, fields[i].title, fields[i].type,
                          fields[i].display, fields[i].strings, described(&fields[i]));
    }
    proto_register_field_array(proto, infos, G_N_ELEMENTS(fields));
}

static void register_findings(void)
{
    ei_register_info *infos = g_new0(ei_register_info, G_N_ELEMENTS(findings));

    for (unsigned i = 0; i < G_N_ELEMENTS(findings); i++) {
        g_assert(FINDINGS >> findings[i].kind & 1);
        infos[i] = wl_show_alarm(&experts[i], filter_name, findings[i].name, findings[i].group,
                                 findings[i].severity, findings[i].summary);
    }
    expert_register_field_array(expert_register_protocol(proto), infos, G_N_ELEMENTS(findings));
}

void wl_mptcp_register(struct pref_module *module)
{
    static int *subtrees[] = {&ett};

    proto = proto_register_protocol("Wirelat MPTCP", "Wirelat MPTCP", filter_name);
    register_fields();
    register_findings();
    proto_register_subtree_array(subtrees, G_N_ELEMENTS(subtrees));
    tap = register_tap(filter_name);
    wl_mptcp_register_prefs(module);
}

static void add_fields(proto_tree *tree, tvbuff_t *tvb, const source_t *source)
{
    uint64_t on = source->item != NULL ? UINT64_C(1) << source->item->kind : ON_FRAME;

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
        wl_value_t value;

        if ((fields[i].on & on) && fields[i].get(source, &value)) {
            wl_show_value(tree, ids[i], tvb, fields[i].type, &value);
        }
    }
}

static void add_findings(packet_info *pinfo, proto_item *tree_item, const wl_mp_item_t *item)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(findings); i++) {
        if (findings[i].kind == item->kind && findings[i].applies(item)) {
            expert_add_info(pinfo, tree_item, &experts[i]);
        }
    }
}

static proto_tree *add_head(proto_tree *tree, tvbuff_t *tvb, const wl_mp_subflow_t *subflow,
                            bool placed, proto_item **item)
{
    if (placed) {
        *item = proto_tree_add_protocol_format(
            tree, proto, tvb, 0, 0, "Wirelat MPTCP: connection %u, subflow %u, %s",
            subflow->connection->number, subflow->number, wl_mptcp_path(subflow));
    } else {
        *item = proto_tree_add_protocol_format(tree, proto, tvb, 0, 0,
                                               "Wirelat MPTCP: connection not known");
    }
    proto_item_set_generated(*item);
    return proto_item_add_subtree(*item, ett);
}

void wl_mptcp_show_record(packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                          const wl_mp_record_t *record)
{
    proto_item *item = NULL;
    proto_tree *subtree = NULL;
    source_t source = {record, NULL};

    if (tree != NULL) {
        subtree = add_head(tree, tvb, record->subflow, record->placed, &item);
        if (record->placed) {
            add_fields(subtree, tvb, &source);
        }
    }
    for (unsigned i = 0; i < record->count; i++) {
        source.item = &record->items[i];
        if (subtree != NULL) {
            add_fields(subtree, tvb, &source);
        }
        if (FINDINGS >> source.item->kind & 1) {
            add_findings(pinfo, item, source.item);
        }
    }
}

void wl_mptcp_tap_record(packet_info *pinfo, const wl_mp_record_t *record)
{
    tap_queue_packet(tap, pinfo, record);
}

bool wl_mptcp_is_wanted(proto_tree *tree)
{
    return proto_field_is_referenced(tree, proto);
}
