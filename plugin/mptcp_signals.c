/* mptcp_signals.c
 * Addresses, priorities, and the ways a connection ends or falls back (RFC 8684 sections 3.3.8,
 * 3.4 to 3.7).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_state.h"

#include <string.h>

#define MAX_ADDRESSES 256u /* address ids have 8 bits */

static wl_mp_advert_t *find_advert(const wl_mp_side_t *side, const wl_mp_address_t *address,
                                   uint32_t *index)
{
    for (unsigned i = 0; side->addresses != NULL && i < side->addresses->len; i++) {
        wl_mp_advert_t *advert = &g_array_index(side->addresses, wl_mp_advert_t, i);
        if (advert->id == address->id && advert->length == address->address_length &&
            advert->port == address->port &&
            memcmp(advert->address, address->address, advert->length) == 0) {
            *index = i;
            return advert;
        }
    }
    return NULL;
}

static wl_mp_advert_t *add_advert(wl_mptcp_t *mptcp, wl_mp_side_t *side,
                                  const wl_mp_address_t *address, const wl_segment_t *segment,
                                  uint32_t *index)
{
    wl_mp_advert_t advert = {.id = address->id,
                             .length = address->address_length,
                             .port = address->port,
                             .frame = segment->frame,
                             .time_ns = segment->time_ns};

    if (side->addresses == NULL) {
        side->addresses = g_array_new(FALSE, FALSE, sizeof advert);
    }
    if (side->addresses->len >= MAX_ADDRESSES) {
        mptcp->dropped++;
        return NULL;
    }
    memcpy(advert.address, address->address, address->address_length);
    g_array_append_val(side->addresses, advert);
    *index = side->addresses->len - 1;
    return &g_array_index(side->addresses, wl_mp_advert_t, *index);
}

static void take_echo(wl_mptcp_t *mptcp, wl_mp_side_t *peer, const wl_mp_address_t *address,
                      const wl_segment_t *segment)
{
    uint32_t index;
    wl_mp_advert_t *advert = find_advert(peer, address, &index);

    if (advert != NULL && !advert->echoed) {
        advert->echoed = true;
        wl_mp_note_span(mptcp, WL_MP_ECHO_TIME, advert->time_ns, segment->time_ns, advert->frame);
        wl_mp_note_event(mptcp, WL_MP_EVENT_ADD_ADDR_ECHO, index,
                         segment->time_ns - advert->time_ns, advert->frame);
    }
}

static void take_address(wl_mptcp_t *mptcp, wl_mp_connection_t *connection, unsigned side,
                         const wl_mp_address_t *address, const wl_segment_t *segment)
{
    wl_mp_side_t *own = &connection->side[side], *peer = &connection->side[!side];
    wl_mp_advert_t *advert;
    uint32_t index;

    if (address->has_hmac && own->known && peer->known) {
        bool ok = wl_mp_address_hmac_ok(own->key, peer->key, address);
        wl_mp_note(mptcp, WL_MP_HMAC, ok ? WL_MP_OK : 0, 0, 0, 0);
    }
    advert = find_advert(own, address, &index);
    if (advert == NULL) {
        advert = add_advert(mptcp, own, address, segment, &index);
    }
    if (advert != NULL) {
        wl_mp_note_event(mptcp, WL_MP_EVENT_ADD_ADDR, index, WL_MP_VALUE_MAX, 0);
    }
}

void wl_mp_note_stopped(wl_mptcp_t *mptcp, wl_mp_half_t *half)
{
    if (half->priority_ns == WL_NO_TIME || !half->priority_backup) {
        return;
    }
    if (half->last_data_ns != WL_NO_TIME) {
        wl_mp_note_event(mptcp, WL_MP_EVENT_DATA_STOPPED, 0, half->last_data_ns - half->priority_ns,
                         half->last_data_frame);
    }
    half->priority_ns = WL_NO_TIME;
}

void wl_mp_note_started(wl_mptcp_t *mptcp, wl_mp_half_t *half, int64_t time_ns)
{
    if (half->priority_ns != WL_NO_TIME && !half->priority_backup) {
        wl_mp_note_event(mptcp, WL_MP_EVENT_DATA_STARTED, 0, time_ns - half->priority_ns, 0);
        half->priority_ns = WL_NO_TIME;
    }
}

static void take_priority(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                          const wl_mp_options_t *options, int64_t time_ns)
{
    wl_mp_note_event(mptcp, WL_MP_EVENT_PRIO, (uint32_t)options->prio_backup | subflow->number << 1,
                     WL_MP_VALUE_MAX, 0);
    subflow->backup = options->prio_backup;
    for (unsigned i = 0; i < 2; i++) {
        wl_mp_note_stopped(mptcp, &subflow->half[i]);
        subflow->half[i].priority_ns = time_ns;
        subflow->half[i].priority_backup = options->prio_backup;
    }
}

/* Version 0 can name another subflow's address (RFC 6824 section 3.3.8). */
static wl_mp_subflow_t *priority_of(wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    GPtrArray *subflows = subflow->connection->subflows;
    int id = input->options->prio_id;

    for (unsigned i = 0; id >= 0 && i < MIN(subflows->len, MAX_ADDRESSES); i++) {
        wl_mp_subflow_t *other = g_ptr_array_index(subflows, i);
        unsigned direction = other->side[0] == subflow->side[input->direction] ? 0 : 1;
        if (other->is_join && other->address_id[direction] == id) {
            return other;
        }
    }
    return subflow;
}

static void take_reset(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    bool has_reason = input->options != NULL && WL_MP_HAS(input->options, WL_MP_TCPRST);
    bool again = subflow->reset;

    subflow->reset = true;
    if (again && !has_reason) {
        return; /* an end that is gone resets each segment that still comes */
    }
    wl_mp_note_stopped(mptcp, &subflow->half[0]);
    wl_mp_note_stopped(mptcp, &subflow->half[1]);
    wl_mp_note_event(mptcp, has_reason ? WL_MP_EVENT_TCPRST : WL_MP_EVENT_RESET,
                     has_reason ? input->options->reset_reason : 0, WL_MP_VALUE_MAX, 0);
}

WL_RARE static void take_signals(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                                 const wl_mp_input_t *input)
{
    wl_mp_connection_t *connection = subflow->connection;
    const wl_mp_options_t *options = input->options;
    const wl_segment_t *segment = input->segment;
    unsigned side = subflow->side[input->direction];

    for (unsigned i = 0; options != NULL && i < options->address_count; i++) {
        if (options->addresses[i].echo) {
            take_echo(mptcp, &connection->side[!side], &options->addresses[i], segment);
        } else {
            take_address(mptcp, connection, side, &options->addresses[i], segment);
        }
    }
    for (unsigned i = 0; options != NULL && i < options->removed_count; i++) {
        wl_mp_note_event(mptcp, WL_MP_EVENT_REMOVE_ADDR, options->removed[i], WL_MP_VALUE_MAX, 0);
    }
    if (options != NULL && WL_MP_HAS(options, WL_MP_PRIO)) {
        take_priority(mptcp, priority_of(subflow, input), options, segment->time_ns);
    }
    if (options != NULL && WL_MP_HAS(options, WL_MP_FAIL)) {
        connection->failed = true;
        wl_mp_note_event(mptcp, WL_MP_EVENT_FAIL, 0, WL_MP_VALUE_MAX, 0);
    }
    if (options != NULL && WL_MP_HAS(options, WL_MP_FASTCLOSE)) {
        wl_mp_note_event(mptcp, WL_MP_EVENT_FASTCLOSE, 0, WL_MP_VALUE_MAX, 0);
    }
    if (segment->flags & WL_TCP_RST) {
        take_reset(mptcp, subflow, input);
    }
}

void wl_mp_take_signals(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    static const unsigned signals = 1u << WL_MP_ADD_ADDR | 1u << WL_MP_REMOVE_ADDR |
                                    1u << WL_MP_PRIO | 1u << WL_MP_FAIL | 1u << WL_MP_FASTCLOSE;

    if ((input->options != NULL && (input->options->present & signals)) ||
        (input->segment->flags & WL_TCP_RST)) {
        take_signals(mptcp, subflow, input);
    }
}
