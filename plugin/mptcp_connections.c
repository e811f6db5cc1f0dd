/* mptcp_connections.c
 * Handshakes: keys, tokens, joins, and the times of their steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_state.h"

#include <string.h>

#include "rare.h"

/* Connections of one token that are looked at: whoever sends the packets chooses how many there are. */
#define MOST_OWNERS 16

void wl_mp_connection_free(gpointer pointer)
{
    wl_mp_connection_t *connection = pointer;

    for (unsigned i = 0; i < 2; i++) {
        wl_mp_sent_clear(&connection->sent[i]);
        if (connection->side[i].addresses != NULL) {
            g_array_free(connection->side[i].addresses, TRUE);
        }
    }
    g_ptr_array_free(connection->subflows, TRUE);
    g_free(connection);
}

void wl_mp_owner_free(gpointer pointer)
{
    for (wl_mp_owner_t *owner = pointer, *older; owner != NULL; owner = older) {
        older = owner->older;
        g_free(owner);
    }
}

void wl_mp_subflow_free(gpointer pointer)
{
    wl_mp_subflow_t *subflow = pointer;

    wl_mp_half_clear(&subflow->half[0]);
    wl_mp_half_clear(&subflow->half[1]);
    if (subflow->held != NULL) {
        g_ptr_array_free(subflow->held, TRUE);
    }
    g_free(subflow);
}

static bool is_syn(const wl_segment_t *segment)
{
    return (segment->flags & (WL_TCP_SYN | WL_TCP_ACK)) == WL_TCP_SYN;
}

static bool is_synack(const wl_segment_t *segment)
{
    return (segment->flags & WL_TCP_SYN) && (segment->flags & WL_TCP_ACK);
}

static bool has(const wl_mp_input_t *input, wl_mp_subtype_t subtype)
{
    return input->options != NULL && WL_MP_HAS(input->options, subtype);
}

static void attach(wl_mp_subflow_t *subflow, wl_mp_connection_t *connection, unsigned opener_side)
{
    subflow->connection = connection;
    subflow->number = connection->subflows->len;
    subflow->side[subflow->opener] = opener_side;
    subflow->side[!subflow->opener] = !opener_side;
    g_ptr_array_add(connection->subflows, subflow);
}

static void new_connection(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, unsigned version)
{
    wl_mp_connection_t *connection = g_new0(wl_mp_connection_t, 1);

    connection->number = mptcp->connections->len;
    connection->version = (uint8_t)version;
    connection->subflows = g_ptr_array_new();
    connection->first_syn_ns = subflow->syn_ns;
    g_ptr_array_add(mptcp->connections, connection);
    attach(subflow, connection, 0);
}

/* The first that names a key is believed: anybody can forge a later one, which changes nothing. */
static void learn_key(wl_mptcp_t *mptcp, wl_mp_connection_t *connection, unsigned side,
                      uint64_t key)
{
    wl_mp_side_t *owner = &connection->side[side];
    wl_mp_owner_t *entry;
    GPtrArray *waiting;

    if (owner->known) {
        return;
    }
    owner->known = true;
    owner->key = key;
    wl_mp_derive(connection->version, key, &owner->token, &owner->idsn);
    wl_mp_sent_base(&connection->sent[side], owner->idsn);
    entry = g_new(wl_mp_owner_t, 1);
    *entry = (wl_mp_owner_t){connection, side,
                             g_hash_table_lookup(mptcp->tokens, GUINT_TO_POINTER(owner->token))};
    g_hash_table_steal(mptcp->tokens, GUINT_TO_POINTER(owner->token));
    g_hash_table_insert(mptcp->tokens, GUINT_TO_POINTER(owner->token), entry);
    waiting = g_hash_table_lookup(mptcp->waiting, GUINT_TO_POINTER(owner->token));
    if (waiting != NULL) {
        for (unsigned i = 0; i < waiting->len; i++) {
            g_ptr_array_add(mptcp->ready, g_ptr_array_index(waiting, i));
        }
        g_hash_table_remove(mptcp->waiting, GUINT_TO_POINTER(owner->token));
    }
}

/* Whether the address that a join is sent to is one its connection began with, or has advertised. */
static bool is_sent_to(const wl_mp_subflow_t *join, const wl_mp_owner_t *owner)
{
    const wl_mp_subflow_t *first = g_ptr_array_index(owner->connection->subflows, 0);
    const uint8_t *address = join->address[!join->opener];
    const GArray *adverts = owner->connection->side[owner->side].addresses;
    /* Of two, the direction of a side is also the side of a direction. */
    unsigned direction = first->side[owner->side];

    if (first->address_length == join->address_length &&
        memcmp(first->address[direction], address, join->address_length) == 0) {
        return true;
    }
    for (unsigned i = 0; adverts != NULL && i < adverts->len; i++) {
        const wl_mp_advert_t *advert = &g_array_index(adverts, wl_mp_advert_t, i);

        if (advert->length == join->address_length &&
            memcmp(advert->address, address, advert->length) == 0) {
            return true;
        }
    }
    return false;
}

/* A token is unique on a host as long as its connection lives (RFC 8684 section 3.1): another host
 * may have the same one, and the host itself once the connection is gone. So it is that of the
 * newest connection of the address the join is sent to. `shared`: others could have it as well. */
static const wl_mp_owner_t *owner_of(const wl_mptcp_t *mptcp, const wl_mp_subflow_t *join,
                                     bool *shared)
{
    const wl_mp_owner_t *newest = g_hash_table_lookup(mptcp->tokens, GUINT_TO_POINTER(join->token));
    const wl_mp_owner_t *owner = newest, *found = NULL;

    *shared = false;
    for (unsigned i = 0; i < MOST_OWNERS && owner != NULL; i++, owner = owner->older) {
        if (is_sent_to(join, owner)) {
            *shared = found != NULL;
            found = found != NULL ? found : owner;
        }
        if (*shared) {
            break;
        }
    }
    /* Beyond the bound the others are as good as any. */
    *shared |= newest != NULL && newest->older != NULL && (found == NULL || owner != NULL);
    return found != NULL ? found : newest;
}

bool wl_mp_join_known(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow)
{
    bool shared;
    const wl_mp_owner_t *owner = owner_of(mptcp, subflow, &shared);

    if (subflow->connection == NULL && owner != NULL) {
        mptcp->shared_tokens += shared;
        /* The token is its receiver's: a server may join too (RFC 8684 section 3.2). */
        attach(subflow, owner->connection, !owner->side);
        return true;
    }
    return false;
}

static void wait_for_token(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow)
{
    GPtrArray *waiting = g_hash_table_lookup(mptcp->waiting, GUINT_TO_POINTER(subflow->token));

    if (waiting == NULL) {
        waiting = g_ptr_array_new();
        g_hash_table_insert(mptcp->waiting, GUINT_TO_POINTER(subflow->token), waiting);
    }
    g_ptr_array_add(waiting, subflow);
    subflow->token_unknown = true;
    mptcp->unknown_tokens++;
}

static void set_opener(wl_mp_subflow_t *subflow, unsigned direction)
{
    if (!subflow->opener_known) {
        subflow->opener_known = true;
        subflow->opener = direction;
    }
}

static void identify_syn(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_mp_options_t *options = input->options;

    set_opener(subflow, input->direction);
    if (subflow->syn_ns == WL_NO_TIME) {
        subflow->syn_ns = input->segment->time_ns;
    }
    if (has(input, WL_MP_CAPABLE)) {
        subflow->offered = true;
        new_connection(mptcp, subflow, options->capable.version);
    } else if (has(input, WL_MP_JOIN) && !subflow->is_join && options->join.hmac_length == 0) {
        subflow->is_join = true;
        subflow->token = options->join.token;
        if (!wl_mp_join_known(mptcp, subflow)) {
            wait_for_token(mptcp, subflow);
        }
    }
}

void wl_mp_identify(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;

    if (is_syn(segment)) {
        identify_syn(mptcp, subflow, input);
    } else if (is_synack(segment)) {
        set_opener(subflow, !input->direction);
        if (has(input, WL_MP_CAPABLE) && input->options->capable.keys == 1) {
            new_connection(mptcp, subflow, input->options->capable.version);
        }
    } else if (has(input, WL_MP_CAPABLE) && input->options->capable.keys == 2) {
        set_opener(subflow, input->direction);
        new_connection(mptcp, subflow, input->options->capable.version);
    }
}

WL_RARE static void take_capable(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                                 const wl_mp_input_t *input)
{
    const wl_mp_capable_t *capable = &input->options->capable;
    wl_mp_connection_t *connection = subflow->connection;
    unsigned side = subflow->side[input->direction];

    /* The version is what the answer says; what a SYN offers may be more. */
    if (!is_syn(input->segment) && !connection->side[0].known && !connection->side[1].known) {
        connection->version = capable->version;
    }
    for (unsigned i = 0; i < capable->keys; i++) {
        learn_key(mptcp, connection, i == 0 ? side : !side, capable->key[i]);
    }
    if (capable->checksum_required && !connection->checksum_told) {
        connection->checksum_told = connection->checksums = true;
        wl_mp_note_event(mptcp, WL_MP_EVENT_CHECKSUM, 0, WL_MP_VALUE_MAX, 0);
    }
    if (capable->no_joins_here && !connection->no_joins_told[side]) {
        connection->no_joins_told[side] = true;
        wl_mp_note_event(mptcp, WL_MP_EVENT_NO_JOINS, 0, WL_MP_VALUE_MAX, 0);
    }
}

/* RFC 8684 section 3.2: the answer has the HMAC of the side that answers, the third segment that of
 * the side that joins. */
static void check_join(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_mp_join_t *join = &input->options->join;
    const wl_mp_side_t *own = &subflow->connection->side[subflow->side[input->direction]];
    const wl_mp_side_t *peer = &subflow->connection->side[subflow->side[!input->direction]];
    const wl_mp_half_t *half = &subflow->half[input->direction];
    const wl_mp_half_t *other = &subflow->half[!input->direction];

    if (own->known && peer->known && half->joined && other->joined) {
        bool ok = wl_mp_join_hmac_ok(subflow->connection->version, own->key, peer->key,
                                     half->random, other->random, join);
        wl_mp_note(mptcp, WL_MP_HMAC, ok ? WL_MP_OK : 0, 0, 0, 0);
    }
}

static void note_address_join(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow)
{
    unsigned receiver = !subflow->opener;
    GArray *addresses = subflow->connection->side[subflow->side[receiver]].addresses;

    for (unsigned i = 0; addresses != NULL && i < addresses->len; i++) {
        wl_mp_advert_t *advert = &g_array_index(addresses, wl_mp_advert_t, i);
        if (!advert->joined && advert->length == subflow->address_length &&
            memcmp(advert->address, subflow->address[receiver], advert->length) == 0 &&
            (advert->port == 0 || advert->port == subflow->port[receiver])) {
            advert->joined = true;
            wl_mp_note_span(mptcp, WL_MP_ADDRESS_JOIN_TIME, advert->time_ns, subflow->syn_ns,
                            advert->frame);
        }
    }
}

WL_RARE static void take_join(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                              const wl_mp_input_t *input)
{
    const wl_mp_join_t *join = &input->options->join;
    wl_mp_half_t *half = &subflow->half[input->direction];

    subflow->is_join = true;
    if (join->hmac_length != WL_MP_HMAC_MAX) {
        half->random = join->random;
        half->joined = true;
        subflow->address_id[input->direction] = join->address_id;
        subflow->backup |= join->backup;
    }
    if (join->hmac_length > 0) {
        check_join(mptcp, subflow, input);
    }
}

WL_RARE static void take_syn(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                             const wl_mp_input_t *input)
{
    set_opener(subflow, input->direction);
    wl_mp_half_base(&subflow->half[input->direction], input->segment->seq);
    if (subflow->syn_taken) {
        return; /* sent again */
    }
    subflow->syn_taken = true;
    if (subflow->syn_ns == WL_NO_TIME) {
        subflow->syn_ns = input->segment->time_ns;
    }
    if (subflow->number == 0) {
        subflow->connection->first_syn_ns = subflow->syn_ns;
    }
    if (subflow->is_join) {
        wl_mp_note_span(mptcp, WL_MP_JOIN_DELAY, subflow->connection->first_syn_ns, subflow->syn_ns,
                        0);
        wl_mp_note_event(mptcp, WL_MP_EVENT_JOIN, subflow->backup, WL_MP_VALUE_MAX, 0);
        note_address_join(mptcp, subflow);
    }
}

WL_RARE static void note_fallback(wl_mptcp_t *mptcp, wl_mp_connection_t *connection)
{
    if (!connection->fallback) {
        connection->fallback = true;
        wl_mp_note_event(mptcp, WL_MP_EVENT_FALLBACK, WL_MP_FALLBACK_HANDSHAKE, WL_MP_VALUE_MAX, 0);
    }
}

WL_RARE static void take_synack(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                                const wl_mp_input_t *input)
{
    wl_mp_half_base(&subflow->half[input->direction], input->segment->seq);
    wl_mp_half_base(&subflow->half[!input->direction], input->segment->ack - 1);
    if (subflow->synack_ns == WL_NO_TIME) {
        subflow->synack_ns = input->segment->time_ns;
        wl_mp_note_span(mptcp, WL_MP_SYNACK_TIME, subflow->syn_ns, subflow->synack_ns, 0);
    }
    /* RFC 8684 section 3.7: an answer without the option. */
    if (subflow->number == 0 && !has(input, WL_MP_CAPABLE)) {
        note_fallback(mptcp, subflow->connection);
    }
}

WL_RARE static void take_third(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow,
                               const wl_mp_input_t *input)
{
    int64_t time_ns = input->segment->time_ns;

    if (input->options == NULL && !subflow->is_join) {
        note_fallback(mptcp, subflow->connection);
    }
    if (!has(input, subflow->is_join ? WL_MP_JOIN : WL_MP_CAPABLE)) {
        return; /* a later one, or plain TCP */
    }
    subflow->third_ns = time_ns;
    wl_mp_note_span(mptcp, WL_MP_THIRD_ACK_TIME, subflow->synack_ns, time_ns, 0);
    if (subflow->is_join) {
        return;
    }
    subflow->established_ns = time_ns;
    wl_mp_note_span(mptcp, WL_MP_HANDSHAKE_TIME, subflow->syn_ns, time_ns, 0);
}

static void take_steps(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;

    if (!(segment->flags & WL_TCP_ACK) || (segment->flags & WL_TCP_RST)) {
        return;
    }
    if (subflow->third_ns == WL_NO_TIME) {
        if (input->direction == subflow->opener && subflow->synack_ns != WL_NO_TIME) {
            take_third(mptcp, subflow, input);
        }
    } else if (subflow->is_join && subflow->fourth_ns == WL_NO_TIME &&
               input->direction != subflow->opener) {
        subflow->fourth_ns = subflow->established_ns = segment->time_ns;
        wl_mp_note_span(mptcp, WL_MP_FOURTH_ACK_TIME, subflow->third_ns, segment->time_ns, 0);
        wl_mp_note_span(mptcp, WL_MP_JOIN_TIME, subflow->syn_ns, segment->time_ns, 0);
    }
}

void wl_mp_take_handshake(wl_mptcp_t *mptcp, wl_mp_subflow_t *subflow, const wl_mp_input_t *input)
{
    const wl_segment_t *segment = input->segment;

    if (has(input, WL_MP_CAPABLE)) {
        take_capable(mptcp, subflow, input);
    }
    if (has(input, WL_MP_JOIN)) {
        take_join(mptcp, subflow, input);
    }
    if (is_syn(segment)) {
        take_syn(mptcp, subflow, input);
    } else if (is_synack(segment)) {
        take_synack(mptcp, subflow, input);
    } else {
        take_steps(mptcp, subflow, input);
    }
}
