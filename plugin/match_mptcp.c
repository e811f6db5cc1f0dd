/* match_mptcp.c
 * The order of things: a segment is put to its stream's subflow; as long as nobody knows whose that
 * is, it is held; once known, what was held comes first.
 *
 *   first SYN of version 1 (no key)   held until the SYN,ACK
 *   MP_JOIN before its connection     held until the token is known (files out of time order)
 *   data without any handshake        held up to the bound, and counted as apart
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_state.h"

#include <string.h>

#include "hash.h"
#include "rare.h"

const wl_mptcp_limits_t wl_mptcp_default_limits = {
    .subflows = 100000,
    .held = 32768,
    .held_by_stream = 64,
    .ranges = 1000000,
    .history = 16384,
    .frames = 20000000,
};

/* A segment that waits for its connection, with copies of what it points to. */
typedef struct {
    wl_segment_t segment;
    wl_mp_options_t options;
    wl_mp_input_t input;
    uint8_t address[2][16];
} held_t;

/* Of a token or a stream, kept in the pointer: who sends the packets chooses the tokens. */
static guint value_hash(gconstpointer value)
{
    return wl_hash_bytes(&value, sizeof value);
}

wl_mptcp_t *wl_mptcp_new(const wl_mptcp_limits_t *limits)
{
    wl_mptcp_t *mptcp = g_new0(wl_mptcp_t, 1);

    mptcp->limits = *limits;
    mptcp->limits.subflows = MIN(mptcp->limits.subflows, WL_MP_RANGE_SUBFLOWS);
    mptcp->subflows = g_ptr_array_new_with_free_func(wl_mp_subflow_free);
    mptcp->by_stream = g_hash_table_new(NULL, NULL);
    mptcp->connections = g_ptr_array_new_with_free_func(wl_mp_connection_free);
    mptcp->tokens = g_hash_table_new_full(value_hash, NULL, NULL, wl_mp_owner_free);
    mptcp->waiting =
        g_hash_table_new_full(value_hash, NULL, NULL, (GDestroyNotify)(void *)g_ptr_array_unref);
    mptcp->ready = g_ptr_array_new();
    mptcp->log = wl_mp_log_new(limits->frames);
    return mptcp;
}

void wl_mptcp_free(wl_mptcp_t *mptcp)
{
    if (mptcp != NULL) {
        g_ptr_array_free(mptcp->ready, TRUE);
        g_hash_table_destroy(mptcp->waiting);
        g_hash_table_destroy(mptcp->tokens);
        g_hash_table_destroy(mptcp->by_stream);
        g_ptr_array_free(mptcp->connections, TRUE);
        g_ptr_array_free(mptcp->subflows, TRUE);
        wl_mp_log_free(mptcp->log);
        g_free(mptcp);
    }
}

static uint32_t side_of(const wl_mp_subflow_t *subflow, unsigned direction)
{
    return WL_MP_SIDE(subflow->index, direction, subflow->connection != NULL);
}

WL_RARE static void hold(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    held_t *held;

    if (subflow->held == NULL) {
        subflow->held = g_ptr_array_new_with_free_func(g_free);
    }
    if (subflow->held->len >= mptcp->limits.held_by_stream || mptcp->held >= mptcp->limits.held) {
        subflow->not_held++; /* no loss yet: most that wait are never placed */
        return;
    }
    held = g_new0(held_t, 1);
    held->segment = *input->segment;
    held->input = *input;
    held->input.segment = &held->segment;
    held->input.payload = NULL;
    if (input->options != NULL) {
        held->options = *input->options;
        held->input.options = &held->options;
    }
    memcpy(held->address[0], input->segment->source_address, held->segment.address_length);
    memcpy(held->address[1], input->destination, held->segment.address_length);
    held->segment.source_address = held->address[0];
    held->input.destination = held->address[1];
    g_ptr_array_add(subflow->held, held);
    mptcp->held++;
}

static void take_known(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    wl_mp_log_of(mptcp->log, input->segment->frame, side_of(subflow, input->direction),
                 input->segment->time_ns);
    wl_mp_take_handshake(mptcp, subflow, input);
    wl_mp_take_signals(mptcp, subflow, input);
    wl_mp_take_data(mptcp, subflow, input);
}

WL_RARE static void take_held(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow)
{
    GPtrArray *held = subflow->held;

    subflow->held = NULL;
    if (subflow->apart) {
        subflow->apart = false;
        mptcp->apart--;
    }
    if (subflow->token_unknown) {
        subflow->token_unknown = false;
        mptcp->unknown_tokens--;
    }
    mptcp->dropped += subflow->not_held;
    if (held != NULL) {
        for (unsigned i = 0; i < held->len; i++) {
            take_known(mptcp, subflow, &((held_t *)g_ptr_array_index(held, i))->input);
        }
        mptcp->held -= held->len;
        g_ptr_array_free(held, TRUE);
    }
}

/* Without a SYN of its own a stream's connection can hardly become known any more. */
WL_RARE static void note_apart(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                               const wl_mp_input_t *input)
{
    if (!subflow->apart && !(input->segment->flags & (WL_TCP_SYN | WL_TCP_RST)) &&
        input->options != NULL) {
        subflow->apart = true;
        mptcp->apart++;
        wl_mp_note_event(mptcp, WL_MP_EVENT_APART, 0, WL_MP_VALUE_MAX, 0);
    }
}

WL_RARE static wl_mp_subflow_t *add_subflow(wl_mptcp_t *mptcp, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    wl_mp_subflow_t *subflow;

    if (mptcp->subflows->len >= mptcp->limits.subflows) {
        mptcp->dropped++;
        return NULL;
    }
    subflow = g_new0(wl_mp_subflow_t, 1);
    subflow->index = mptcp->subflows->len;
    subflow->stream = segment->stream;
    subflow->syn_ns = subflow->synack_ns = subflow->third_ns = WL_NO_TIME;
    subflow->fourth_ns = subflow->established_ns = WL_NO_TIME;
    subflow->half[0].priority_ns = subflow->half[1].priority_ns = WL_NO_TIME;
    subflow->half[0].last_data_ns = subflow->half[1].last_data_ns = WL_NO_TIME;
    subflow->address_length = MIN(segment->address_length, 16);
    memcpy(subflow->address[input->direction], segment->source_address, subflow->address_length);
    memcpy(subflow->address[!input->direction], input->destination, subflow->address_length);
    subflow->port[input->direction] = segment->source_port;
    subflow->port[!input->direction] = segment->destination_port;
    g_ptr_array_add(mptcp->subflows, subflow);
    g_hash_table_insert(mptcp->by_stream, GUINT_TO_POINTER(segment->stream + 1), subflow);
    return subflow;
}

wl_mp_subflow_t *wl_mptcp_take(wl_mptcp_t *mptcp, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;
    wl_mp_subflow_t *subflow = wl_mptcp_find(mptcp, segment->stream);

    if (subflow == NULL && input->options != NULL) {
        subflow = add_subflow(mptcp, input);
    }
    if (subflow == NULL) {
        return NULL;
    }
    mptcp->recent[subflow->stream & (WL_MP_RECENT - 1)] = subflow;
    wl_mp_log_frame(mptcp->log, segment->frame, side_of(subflow, input->direction),
                    segment->time_ns);
    if (subflow->connection == NULL) {
        wl_mp_identify(mptcp, subflow, input);
        if (subflow->connection == NULL) {
            note_apart(mptcp, subflow, input);
            hold(mptcp, subflow, input);
            return subflow;
        }
        take_held(mptcp, subflow);
    }
    take_known(mptcp, subflow, input);
    /* It may grow while it is worked on: what was held can tell a key. */
    for (unsigned i = 0; i < mptcp->ready->len; i++) {
        wl_mp_subflow_t *next = g_ptr_array_index(mptcp->ready, i);
        if (wl_mp_join_known(mptcp, next)) {
            take_held(mptcp, next);
        }
    }
    g_ptr_array_set_size(mptcp->ready, 0);
    return subflow;
}

wl_mp_subflow_t *wl_mptcp_find(const wl_mptcp_t *mptcp, uint32_t stream)
{
    wl_mp_subflow_t *recent = mptcp->recent[stream & (WL_MP_RECENT - 1)];

    return recent != NULL && recent->stream == stream
               ? recent
               : g_hash_table_lookup(mptcp->by_stream, GUINT_TO_POINTER(stream + 1));
}

wl_mp_subflow_t *wl_mptcp_subflow(const wl_mptcp_t *mptcp, uint32_t index)
{
    return index < mptcp->subflows->len ? g_ptr_array_index(mptcp->subflows, index) : NULL;
}

wl_mp_log_t *wl_mptcp_log(const wl_mptcp_t *mptcp)
{
    return mptcp->log;
}

uint32_t wl_mptcp_apart(const wl_mptcp_t *mptcp)
{
    return mptcp->apart;
}

uint32_t wl_mptcp_unknown_tokens(const wl_mptcp_t *mptcp)
{
    return mptcp->unknown_tokens;
}

uint32_t wl_mptcp_shared_tokens(const wl_mptcp_t *mptcp)
{
    return mptcp->shared_tokens;
}

uint64_t wl_mptcp_dropped(const wl_mptcp_t *mptcp)
{
    return mptcp->dropped + wl_mp_log_dropped(mptcp->log);
}

void wl_mp_note(wl_mptcp_t *mptcp, wl_mp_item_kind_t kind, unsigned flags, int64_t value,
                uint32_t frame, uint32_t aux)
{
    wl_mp_log_add(mptcp->log,
                  (wl_mp_item_t){.value = CLAMP(value, -WL_MP_VALUE_MAX, WL_MP_VALUE_MAX),
                                 .kind = kind,
                                 .flags = flags,
                                 .frame = frame,
                                 .aux = aux});
}

void wl_mp_note_event(wl_mptcp_t *mptcp, wl_mp_event_t event, uint32_t detail, int64_t value,
                      uint32_t frame)
{
    wl_mp_note(mptcp, WL_MP_EVENT, 0, value, frame, event | detail << 8);
}

void wl_mp_note_span(wl_mptcp_t *mptcp, wl_mp_item_kind_t kind, int64_t from_ns, int64_t to_ns,
                     uint32_t frame)
{
    int64_t span_ns = wl_span_ns(from_ns, to_ns);

    if (span_ns != WL_NO_TIME) {
        wl_mp_note(mptcp, kind, 0, span_ns, frame, 0);
    }
}
