/* mptcp_options.c
 * One reader per option subtype.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_options.h"

#include "cursor.h"
#include <string.h>

#define KIND_END 0
#define KIND_NOP 1
#define KIND_MPTCP 30

/* Within the third and fourth byte of an option. */
#define CAPABLE_CHECKSUM 0x80
#define CAPABLE_NO_JOINS 0x20
#define JOIN_BACKUP 0x01
#define DSS_FIN 0x10
#define DSS_DSN_WIDE 0x08
#define DSS_MAPPING 0x04
#define DSS_ACK_WIDE 0x02
#define DSS_ACK 0x01
#define ADD_ADDR_ECHO 0x01
#define PRIO_BACKUP 0x01

static uint64_t take_be64(cursor_t *cursor)
{
    uint64_t high = take_be(cursor, 4);

    return high << 32 | take_be(cursor, 4);
}

/* `low` is the low half of the byte with the subtype, and the cursor stands behind it. */
typedef bool reader_t(cursor_t *cursor, uint8_t low, wl_mp_options_t *options);

static bool read_capable(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    wl_mp_capable_t *capable = &options->capable;
    uint32_t left = (uint32_t)(cursor->end - cursor->at);
    uint8_t flags = (uint8_t)take_be(cursor, 1);

    memset(capable, 0, sizeof *capable);
    /* What a version that no RFC defines would derive from its keys cannot be known. */
    if (low > 1 || (left != 1 && left != 9 && left != 17 && left != 19 && left != 21)) {
        return false;
    }
    capable->version = low;
    capable->checksum_required = flags & CAPABLE_CHECKSUM;
    capable->no_joins_here = flags & CAPABLE_NO_JOINS;
    while (capable->keys < 2 && cursor->end - cursor->at >= 8) {
        capable->key[capable->keys++] = take_be64(cursor);
    }
    capable->has_length = left >= 19;
    capable->length = capable->has_length ? (uint16_t)take_be(cursor, 2) : 0;
    capable->has_checksum = left == 21;
    capable->checksum = capable->has_checksum ? (uint16_t)take_be(cursor, 2) : 0;
    return true;
}

static bool read_join(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    wl_mp_join_t *join = &options->join;
    uint32_t left = (uint32_t)(cursor->end - cursor->at);

    memset(join, 0, sizeof *join);
    if (left != 9 && left != 13 && left != 21) {
        return false;
    }
    join->address_id = (uint8_t)take_be(cursor, 1);
    join->backup = left < 21 && (low & JOIN_BACKUP);
    join->token = left == 9 ? take_be(cursor, 4) : 0;
    join->hmac_length = left == 9 ? 0 : left == 13 ? 8 : 20;
    if (join->hmac_length > 0) {
        memcpy(join->hmac, take(cursor, join->hmac_length), join->hmac_length);
    }
    join->random = left < 21 ? take_be(cursor, 4) : 0;
    return true;
}

/* A number of 4 or 8 bytes; moves on behind it. */
static uint64_t number_at(const uint8_t **at, bool wide)
{
    uint64_t high = be32(*at);

    *at += wide ? 8 : 4;
    return wide ? high << 32 | be32(*at - 4) : high;
}

/* The option of nearly every segment: its length is checked once. */
static bool read_dss(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    wl_mp_dss_t *dss = &options->dss;
    const uint8_t *at = cursor->at;
    uint32_t left = (uint32_t)(cursor->end - at), size = 1;
    uint8_t flags = left > 0 ? *at++ : 0;

    (void)low;
    memset(dss, 0, sizeof *dss);
    dss->fin = flags & DSS_FIN;
    dss->has_ack = flags & DSS_ACK;
    dss->ack_wide = flags & DSS_ACK_WIDE;
    dss->has_mapping = flags & DSS_MAPPING;
    dss->dsn_wide = flags & DSS_DSN_WIDE;
    size += dss->has_ack ? (dss->ack_wide ? 8 : 4) : 0;
    size += dss->has_mapping ? (dss->dsn_wide ? 14 : 10) : 0;
    dss->has_checksum = dss->has_mapping && left == size + 2;
    if (left != size && !dss->has_checksum) {
        return false;
    }
    if (dss->has_ack) {
        dss->ack = number_at(&at, dss->ack_wide);
    }
    if (dss->has_mapping) {
        dss->dsn = number_at(&at, dss->dsn_wide);
        dss->subflow_seq = be32(at);
        dss->length = (uint16_t)be16(at + 4);
        dss->checksum = dss->has_checksum ? (uint16_t)be16(at + 6) : 0;
    }
    return true;
}

/* Version 0 has the IP version where version 1 has the echo flag. */
static bool read_add_addr(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    wl_mp_address_t *address = &options->addresses[options->address_count];
    uint32_t left = (uint32_t)(cursor->end - cursor->at);
    bool first_version = low == 4 || low == 6;

    if (options->address_count == WL_MP_ADDRESSES_MAX) {
        return true;
    }
    memset(address, 0, sizeof *address);
    address->echo = !first_version && (low & ADD_ADDR_ECHO);
    address->has_hmac = !first_version && !address->echo;
    left -= address->has_hmac ? 8 : 0;
    if (left != 5 && left != 7 && left != 17 && left != 19) {
        return false;
    }
    address->id = (uint8_t)take_be(cursor, 1);
    address->address_length = left < 17 ? 4 : 16;
    memcpy(address->address, take(cursor, address->address_length), address->address_length);
    address->port = left == 7 || left == 19 ? (uint16_t)take_be(cursor, 2) : 0;
    if (address->has_hmac) {
        memcpy(address->hmac, take(cursor, 8), 8);
    }
    options->address_count++;
    return true;
}

static bool read_remove_addr(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    (void)low;
    while (cursor->at < cursor->end && options->removed_count < sizeof options->removed) {
        options->removed[options->removed_count++] = (uint8_t)take_be(cursor, 1);
    }
    return options->removed_count > 0;
}

static bool read_prio(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    options->prio_backup = low & PRIO_BACKUP;
    options->prio_id = cursor->at < cursor->end ? (int16_t)take_be(cursor, 1) : -1;
    return cursor->at == cursor->end;
}

static bool read_fail(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    (void)low;
    take_be(cursor, 1);
    options->fail_dsn = take_be64(cursor);
    return !cursor->short_of;
}

static bool read_fastclose(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    (void)low;
    take_be(cursor, 1);
    options->fastclose_key = take_be64(cursor);
    return !cursor->short_of;
}

static bool read_tcprst(cursor_t *cursor, uint8_t low, wl_mp_options_t *options)
{
    options->reset_flags = low;
    options->reset_reason = (uint8_t)take_be(cursor, 1);
    return !cursor->short_of;
}

static reader_t *const readers[WL_MP_SUBTYPES] = {
    [WL_MP_CAPABLE] = read_capable,
    [WL_MP_JOIN] = read_join,
    [WL_MP_DSS] = read_dss,
    [WL_MP_ADD_ADDR] = read_add_addr,
    [WL_MP_REMOVE_ADDR] = read_remove_addr,
    [WL_MP_PRIO] = read_prio,
    [WL_MP_FAIL] = read_fail,
    [WL_MP_FASTCLOSE] = read_fastclose,
    [WL_MP_TCPRST] = read_tcprst,
};

/* The next option of a TCP header: its kind and its bytes; false at the end, or where a length
 * makes no sense. */
static bool next_option(cursor_t *header, uint8_t *kind, cursor_t *body)
{
    const uint8_t *at = header->at, *end = header->end;
    uint8_t length;

    while (at < end && *at == KIND_NOP) {
        at++;
    }
    if (end - at < 2 || *at == KIND_END) {
        return false;
    }
    *kind = at[0];
    length = at[1];
    if (length < 2 || end - at < length) {
        return false;
    }
    *body = (cursor_t){at + 2, at + length, false};
    header->at = at + length;
    return true;
}

bool wl_mp_options_has(const uint8_t *bytes, uint32_t length)
{
    cursor_t header = {bytes, bytes + length, false}, body;
    uint8_t kind;

    while (next_option(&header, &kind, &body)) {
        if (kind == KIND_MPTCP) {
            return true;
        }
    }
    return false;
}

bool wl_mp_options_read(const uint8_t *bytes, uint32_t length, wl_mp_options_t *options)
{
    cursor_t header = {bytes, bytes + length, false}, body;
    uint8_t kind;

    options->present = 0;
    options->address_count = 0;
    options->removed_count = 0;
    while (next_option(&header, &kind, &body)) {
        uint8_t first;
        unsigned subtype;

        if (kind != KIND_MPTCP || body.at == body.end) {
            continue;
        }
        first = *body.at++;
        subtype = first >> 4;
        if (subtype < WL_MP_SUBTYPES && readers[subtype](&body, first & 0x0f, options)) {
            options->present |= 1u << subtype;
        }
    }
    return options->present != 0;
}
