/* test_match_mptcp.c
 * Conversations of a few segments, and what the log then says of each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/match_mptcp.h"

#define KEY_A UINT64_C(0x0102030405060708)
#define KEY_B UINT64_C(0xf1f2f3f4f5f6f7f8)
#define MS 1000000

enum { SYN = WL_TCP_SYN, ACK = WL_TCP_ACK, SYNACK = WL_TCP_SYN | WL_TCP_ACK, RST = WL_TCP_RST };

static wl_mptcp_t *mptcp;
static uint32_t frame;
static int64_t now_ns;
static uint32_t token[2];
static uint64_t idsn[2];

static int begin(void **state)
{
    wl_mptcp_limits_t limits = wl_mptcp_default_limits;

    (void)state;
    limits.subflows = 50;
    limits.held = 40;
    limits.held_by_stream = 5;
    limits.ranges = 100;
    limits.history = 10;
    mptcp = wl_mptcp_new(&limits);
    frame = 0;
    now_ns = INT64_C(1700000000) * 1000000000;
    wl_mp_derive(1, KEY_A, &token[0], &idsn[0]);
    wl_mp_derive(1, KEY_B, &token[1], &idsn[1]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    wl_mptcp_free(mptcp);
    return 0;
}

/* A segment one millisecond after the last. Direction 0 is from 10.0.0.STREAM to 10.0.1.0. */
static uint32_t send(uint32_t stream, unsigned direction, unsigned flags, uint32_t seq,
                     uint32_t ack, uint32_t length, const wl_mp_options_t *options)
{
    uint8_t address[2][4] = {{10, 0, 0, (uint8_t)stream}, {10, 0, 1, 0}};
    wl_segment_t segment = {
        .frame = ++frame,
        .stream = stream,
        .time_ns = now_ns += MS,
        .seq = seq,
        .ack = ack,
        .length = length,
        .flags = (uint8_t)flags,
        .source_port = direction == 0 ? (uint16_t)(40000 + stream) : 80,
        .destination_port = direction == 0 ? 80 : (uint16_t)(40000 + stream),
        .source_address = address[direction],
        .address_length = 4,
    };
    wl_mp_input_t input = {.segment = &segment,
                           .direction = direction,
                           .options = options,
                           .destination = address[!direction]};

    wl_mptcp_take(mptcp, &input);
    return frame;
}

static uint32_t send_capable(uint32_t stream, unsigned direction, unsigned flags, uint32_t seq,
                             uint32_t ack, unsigned keys, uint64_t first, uint64_t second)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_CAPABLE};

    options.capable.version = 1;
    options.capable.keys = (uint8_t)keys;
    options.capable.key[0] = first;
    options.capable.key[1] = second;
    return send(stream, direction, flags, seq, ack, 0, &options);
}

/* Stream 0: ISNs 100 and 500. */
static void handshake(void)
{
    send_capable(0, 0, SYN, 100, 0, 0, 0, 0);
    send_capable(0, 1, SYNACK, 500, 101, 1, KEY_B, 0);
    send_capable(0, 0, ACK, 101, 501, 2, KEY_A, KEY_B);
}

static uint32_t send_join(uint32_t stream, unsigned direction, unsigned flags, uint32_t seq,
                          uint32_t ack, uint32_t of_token, unsigned hmac_length)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_JOIN};

    options.join.token = of_token;
    options.join.random = stream + direction;
    options.join.hmac_length = (uint8_t)hmac_length;
    return send(stream, direction, flags, seq, ack, 0, &options);
}

/* The same ISNs; the last segment is the fourth ACK. */
static void join(uint32_t stream, uint32_t of_token)
{
    send_join(stream, 0, SYN, 100, 0, of_token, 0);
    send_join(stream, 1, SYNACK, 500, 101, 0, 8);
    send_join(stream, 0, ACK, 101, 501, 0, 20);
    send(stream, 1, ACK, 501, 101, 0, NULL);
}

/* Data of the client: TCP bytes from `at` on (1 is the first), DSN number likewise. */
static uint32_t send_data(uint32_t stream, uint32_t at, uint64_t number, uint16_t length)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};

    options.dss = (wl_mp_dss_t){.has_mapping = true,
                                .dsn_wide = true,
                                .dsn = idsn[0] + number,
                                .subflow_seq = at,
                                .length = length};
    return send(stream, 0, ACK, 100 + at, 501, length, &options);
}

/* DATA_ACK of everything below the number, from the server. */
static uint32_t send_dack(uint32_t stream, uint64_t number)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};

    options.dss = (wl_mp_dss_t){.has_ack = true, .ack_wide = true, .ack = idsn[0] + number};
    return send(stream, 1, ACK, 501, 101, 0, &options);
}

/* The nth item of a kind on a frame, as the first pass knows it; NULL if there are not so many. */
static const wl_mp_item_t *nth(uint32_t of_frame, wl_mp_item_kind_t kind, unsigned n)
{
    wl_mp_logged_t logged;

    if (!wl_mp_log_find(wl_mptcp_log(mptcp), of_frame, &logged)) {
        return NULL;
    }
    for (unsigned i = 0; i < logged.count; i++) {
        if (logged.items[i].kind == kind && n-- == 0) {
            return &logged.items[i];
        }
    }
    return NULL;
}

static const wl_mp_item_t *later(uint32_t of_frame, wl_mp_item_kind_t kind)
{
    const wl_mp_item_t *items;
    unsigned count;

    wl_mp_log_find_later(wl_mptcp_log(mptcp), of_frame, &items, &count);
    for (unsigned i = 0; i < count; i++) {
        if (items[i].kind == kind) {
            return &items[i];
        }
    }
    return NULL;
}

static int64_t value(uint32_t of_frame, wl_mp_item_kind_t kind)
{
    const wl_mp_item_t *item = nth(of_frame, kind, 0);

    assert_non_null(item);
    return item->value;
}

static const wl_mp_item_t *event(uint32_t of_frame, wl_mp_event_t what)
{
    const wl_mp_item_t *item;

    for (unsigned n = 0; (item = nth(of_frame, WL_MP_EVENT, n)) != NULL; n++) {
        if ((item->aux & 0xff) == what) {
            return item;
        }
    }
    return NULL;
}

static void test_handshake(void **state)
{
    const wl_mp_subflow_t *subflow;

    (void)state;
    handshake();
    assert_int_equal(value(2, WL_MP_SYNACK_TIME), MS);
    assert_int_equal(value(3, WL_MP_THIRD_ACK_TIME), MS);
    assert_int_equal(value(3, WL_MP_HANDSHAKE_TIME), 2 * MS);
    subflow = wl_mptcp_find(mptcp, 0);
    assert_int_equal(subflow->connection->version, 1);
    assert_int_equal(subflow->connection->side[0].token, token[0]);
    assert_int_equal(subflow->connection->side[1].token, token[1]);
    assert_true(subflow->connection->side[0].idsn == idsn[0]);
}

static void test_join(void **state)
{
    const wl_mp_subflow_t *subflow;

    (void)state;
    handshake();
    send_join(1, 0, SYN, 100, 0, token[1], 0);
    assert_int_equal(value(4, WL_MP_JOIN_DELAY), 3 * MS);
    send_join(1, 0, SYN, 100, 0, token[1], 0);
    assert_null(nth(5, WL_MP_JOIN_DELAY, 0)); /* sent again: no other subflow */
    send_join(1, 1, SYNACK, 500, 101, 0, 8);
    assert_false(nth(6, WL_MP_HMAC, 0)->flags & WL_MP_OK);
    send_join(1, 0, ACK, 101, 501, 0, 20);
    send(1, 1, ACK, 501, 101, 0, NULL);
    assert_int_equal(value(8, WL_MP_JOIN_TIME), 4 * MS); /* from the first SYN */
    subflow = wl_mptcp_find(mptcp, 1);
    assert_int_equal(subflow->number, 1);
    assert_int_equal(subflow->side[0], 0);
}

static void test_join_by_server(void **state)
{
    (void)state;
    handshake();
    join(1, token[0]);
    assert_int_equal(wl_mptcp_find(mptcp, 1)->side[0], 1);
    assert_int_equal(wl_mptcp_find(mptcp, 1)->side[1], 0);
}

/* A file out of time order. */
static void test_join_before_its_connection(void **state)
{
    const wl_mp_subflow_t *subflow;

    (void)state;
    send_join(1, 0, SYN, 100, 0, token[1], 0);
    assert_null(wl_mptcp_find(mptcp, 1)->connection);
    assert_int_equal(wl_mptcp_unknown_tokens(mptcp), 1);
    handshake();
    assert_int_equal(wl_mptcp_unknown_tokens(mptcp), 0);
    subflow = wl_mptcp_find(mptcp, 1);
    assert_non_null(subflow->connection);
    assert_int_equal(subflow->number, 1);
    /* On its own frame in a later pass, and for the tables on the frame that placed it. */
    assert_null(nth(1, WL_MP_JOIN_DELAY, 0));
    assert_int_equal(later(1, WL_MP_JOIN_DELAY)->value, -MS);
    assert_int_equal(value(3, WL_MP_JOIN_DELAY), -MS);
    assert_int_equal(nth(3, WL_MP_ORIGIN, 0)->frame, 1);
    assert_int_equal(nth(3, WL_MP_ORIGIN, 0)->value, -2 * MS);
}

static void test_without_handshake(void **state)
{
    (void)state;
    for (uint32_t stream = 0; stream < 20; stream++) {
        for (unsigned i = 0; i < 20; i++) {
            send_data(stream, 1 + i * 10, 1 + i * 10, 10);
        }
    }
    assert_int_equal(wl_mptcp_apart(mptcp), 20);
    assert_non_null(event(1, WL_MP_EVENT_APART));
    assert_null(event(2, WL_MP_EVENT_APART));
    assert_null(wl_mptcp_find(mptcp, 19)->connection);
}

static void test_round_trips(void **state)
{
    (void)state;
    handshake();
    join(1, token[1]);
    send_data(0, 1, 1, 100);   /* 8 */
    send_data(1, 1, 101, 100); /* 9 */
    send_dack(1, 201);
    assert_int_equal(value(8, WL_MP_DATA), 100);
    assert_true(nth(9, WL_MP_DATA, 0)->flags & WL_MP_SWITCHED);
    assert_int_equal(value(10, WL_MP_ACKED), 200);
    assert_int_equal(value(10, WL_MP_DACK_RTT), 2 * MS);
    assert_int_equal(nth(10, WL_MP_DACK_RTT, 0)->frame, 8);
    assert_int_equal(nth(10, WL_MP_DACK_RTT, 0)->aux, 0);
    assert_int_equal(nth(10, WL_MP_DACK_RTT, 1)->value, MS);
    assert_int_equal(nth(10, WL_MP_DACK_RTT, 1)->aux, 1);
    assert_null(nth(10, WL_MP_DACK_RTT, 2));
    send_dack(0, 201); /* nothing new */
    assert_null(nth(11, WL_MP_ACKED, 0));
}

static void test_first_data(void **state)
{
    (void)state;
    handshake();
    assert_int_equal(value(send_data(0, 1, 1, 10), WL_MP_FIRST_DATA_DELAY), MS);
    assert_null(nth(send_data(0, 11, 11, 10), WL_MP_FIRST_DATA_DELAY, 0));
}

static void check_copy(uint32_t of_frame, unsigned n, unsigned flags, uint32_t original,
                       uint32_t bytes)
{
    const wl_mp_item_t *item = nth(of_frame, WL_MP_DUPLICATE, n);

    assert_non_null(item);
    assert_int_equal(item->flags & (WL_MP_KIND | WL_MP_USEFUL), flags);
    assert_int_equal(item->frame, original);
    assert_int_equal(item->aux, bytes);
}

static void test_kinds_of_copies(void **state)
{
    uint32_t first, copy;

    (void)state;
    handshake();
    join(1, token[1]);
    first = send_data(0, 1, 1, 100);
    copy = send_data(0, 1, 1, 100); /* same TCP sequence */
    check_copy(copy, 0, WL_MP_TCP_COPY | WL_MP_USEFUL, first, 100);
    assert_int_equal(value(copy, WL_MP_DUPLICATE), MS);
    assert_int_equal(value(copy, WL_MP_DATA), 0);
    copy = send_data(1, 1, 1, 100); /* other subflow */
    check_copy(copy, 0, WL_MP_REINJECTED | WL_MP_USEFUL, first, 100);
    copy = send_data(1, 1, 1, 100); /* what was reinjected, lost there too */
    check_copy(copy, 0, WL_MP_TCP_COPY | WL_MP_USEFUL, first, 100);
    copy = send_data(0, 101, 1, 100); /* new TCP sequence */
    check_copy(copy, 0, WL_MP_RESENT | WL_MP_USEFUL, first, 100);
    send_dack(0, 101);
    assert_null(nth(frame, WL_MP_DACK_RTT, 0)); /* Karn */
    copy = send_data(1, 101, 1, 100);
    check_copy(copy, 0, WL_MP_REINJECTED, first, 100);
}

static void test_partial_copies(void **state)
{
    uint32_t a, b, copy;

    (void)state;
    handshake();
    join(1, token[1]);
    a = send_data(0, 1, 1, 100);
    b = send_data(1, 1, 101, 100);
    send_dack(0, 51);
    /* Bytes 31 to 250: 20 acknowledged, 50 not, 100 of its own subflow, 50 new. */
    copy = send_data(1, 101, 31, 220);
    check_copy(copy, 0, WL_MP_REINJECTED, a, 20);
    check_copy(copy, 1, WL_MP_REINJECTED | WL_MP_USEFUL, a, 50);
    assert_true(nth(copy, WL_MP_DUPLICATE, 1)->flags & WL_MP_SAME_PACKET);
    check_copy(copy, 2, WL_MP_RESENT | WL_MP_USEFUL, b, 100);
    assert_null(nth(copy, WL_MP_DUPLICATE, 3));
    assert_int_equal(value(copy, WL_MP_DATA), 50);
    assert_int_equal(nth(copy, WL_MP_DATA, 0)->aux, 220);
    /* Only the new bytes prove a round trip. */
    send_dack(0, 251);
    assert_int_equal(nth(frame, WL_MP_DACK_RTT, 0)->frame, copy);
    assert_null(nth(frame, WL_MP_DACK_RTT, 1));
}

static void test_waiting(void **state)
{
    uint32_t late, later_still, fill;

    (void)state;
    handshake();
    join(1, token[1]);
    send_data(0, 1, 1, 100);
    late = send_data(1, 1, 201, 100);
    later_still = send_data(1, 101, 301, 50);
    assert_int_equal(value(late, WL_MP_WAITS), 100);
    assert_int_equal(value(later_still, WL_MP_WAITS), 150);
    fill = send_data(0, 101, 101, 100);
    assert_null(nth(fill, WL_MP_WAITS, 0));
    assert_int_equal(nth(fill, WL_MP_RELEASED, 0)->frame, late);
    assert_int_equal(nth(fill, WL_MP_RELEASED, 0)->value, 2 * MS);
    assert_int_equal(nth(fill, WL_MP_RELEASED, 1)->value, MS);
    assert_null(nth(fill, WL_MP_RELEASED, 2));
    assert_int_equal(later(late, WL_MP_HOL_DELAY)->value, 2 * MS);
    assert_int_equal(later(later_still, WL_MP_HOL_DELAY)->value, MS);
    assert_null(nth(send_data(0, 201, 351, 10), WL_MP_WAITS, 0));
}

/* The capture lost bytes that the receiver got: what comes behind must not wait for good. */
static void test_lost_by_the_capture(void **state)
{
    (void)state;
    handshake();
    send_data(0, 1, 1, 100);
    assert_non_null(nth(send_data(0, 201, 201, 100), WL_MP_WAITS, 0));
    send_dack(0, 301);
    assert_null(nth(frame, WL_MP_RELEASED, 0));
    assert_null(nth(send_data(0, 301, 301, 100), WL_MP_WAITS, 0));
    assert_null(nth(send_data(0, 101, 101, 100), WL_MP_RELEASED, 0));
    assert_int_equal(value(frame, WL_MP_DATA), 100);
}

static void test_data_before_its_mapping(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};
    uint32_t early, mapped;

    (void)state;
    handshake();
    options.dss.has_ack = true; /* an option, but no mapping: no fallback */
    early = send(0, 0, ACK, 201, 501, 50, &options);
    assert_null(nth(early, WL_MP_DATA, 0));
    options.dss = (wl_mp_dss_t){
        .has_mapping = true, .dsn_wide = true, .dsn = idsn[0] + 1, .subflow_seq = 1, .length = 150};
    mapped = send(0, 0, ACK, 101, 501, 100, &options);
    /* The late one first, behind its origin, then the frame's own. */
    assert_int_equal(nth(mapped, WL_MP_ORIGIN, 0)->frame, early);
    assert_int_equal(nth(mapped, WL_MP_DATA, 0)->value, 50);
    assert_int_equal(nth(mapped, WL_MP_ORIGIN, 1)->frame, mapped);
    assert_int_equal(nth(mapped, WL_MP_DATA, 1)->value, 100);
    assert_int_equal(later(early, WL_MP_DATA)->value, 50);
    assert_int_equal(later(early, WL_MP_HOL_DELAY)->value, MS);
}

/* A mapping announced once holds for the segments that continue it. */
static void test_long_mapping(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};

    (void)state;
    handshake();
    options.dss = (wl_mp_dss_t){
        .has_mapping = true, .dsn_wide = true, .dsn = idsn[0] + 1, .subflow_seq = 1, .length = 300};
    send(0, 0, ACK, 101, 501, 100, &options); /* 4 */
    options.dss = (wl_mp_dss_t){0};
    send(0, 0, ACK, 201, 501, 100, &options);
    send(0, 0, ACK, 301, 501, 100, NULL);
    assert_int_equal(value(5, WL_MP_DATA), 100);
    assert_int_equal(value(6, WL_MP_DATA), 100);
    send_dack(0, 301);
    assert_int_equal(nth(7, WL_MP_DACK_RTT, 2)->value, MS);
    assert_int_equal(value(7, WL_MP_MAP_RTT), 3 * MS);
    assert_int_equal(nth(7, WL_MP_MAP_RTT, 0)->frame, 4);
}

static void test_numbers_of_32_bits_wrap(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};
    uint64_t wrap = 0x100000000 - (idsn[0] & 0xffffffff); /* number of the DSN with low half 0 */
    uint64_t number = wrap % 1000 + 1;
    uint32_t at = 1;

    (void)state;
    handshake();
    /* Walk there in steps that 32 bits can follow. */
    for (uint64_t next = 1; next < wrap + 2000000000; next += 1500000000) {
        number = next;
        options.dss = (wl_mp_dss_t){.has_mapping = true,
                                    .dsn = (uint32_t)(idsn[0] + number),
                                    .subflow_seq = at,
                                    .length = 100};
        send(0, 0, ACK, 100 + at, 501, 100, &options);
        assert_int_equal(value(frame, WL_MP_DATA), 100);
        at += 100;
    }
    options.dss = (wl_mp_dss_t){.has_ack = true, .ack = (uint32_t)(idsn[0] + number + 100)};
    send(0, 1, ACK, 501, 101, 0, &options);
    assert_int_equal(value(frame, WL_MP_ACKED), number + 100 - 1);
}

static void test_data_fin(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};
    uint32_t fin;

    (void)state;
    handshake();
    send_data(0, 1, 1, 100);
    options.dss = (wl_mp_dss_t){
        .has_mapping = true, .dsn_wide = true, .fin = true, .dsn = idsn[0] + 101, .length = 1};
    fin = send(0, 0, ACK, 201, 501, 0, &options);
    assert_non_null(event(fin, WL_MP_EVENT_DATA_FIN));
    send_dack(0, 101);
    assert_null(event(frame, WL_MP_EVENT_DATA_FIN_ACKED));
    send_dack(0, 102);
    assert_int_equal(event(frame, WL_MP_EVENT_DATA_FIN_ACKED)->value, 2 * MS);
    assert_int_equal(event(frame, WL_MP_EVENT_DATA_FIN_ACKED)->frame, fin);
    assert_false(nth(frame, WL_MP_ACKED, 0)->flags & WL_MP_OK);
}

static void test_fallback(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_DSS};

    (void)state;
    send_capable(0, 0, SYN, 100, 0, 0, 0, 0);
    send(0, 1, SYNACK, 500, 101, 0, NULL);
    assert_non_null(event(2, WL_MP_EVENT_FALLBACK));
    /* An infinite mapping. */
    send_capable(1, 0, SYN, 100, 0, 0, 0, 0);
    send_capable(1, 1, SYNACK, 500, 101, 1, KEY_B, 0);
    send_capable(1, 0, ACK, 101, 501, 2, KEY_A, KEY_B);
    options.dss = (wl_mp_dss_t){
        .has_mapping = true, .dsn_wide = true, .dsn = idsn[0] + 1, .subflow_seq = 1, .length = 0};
    send(1, 0, ACK, 101, 501, 100, &options);
    assert_non_null(event(6, WL_MP_EVENT_INFINITE));
    assert_int_equal(value(6, WL_MP_DATA), 100);
    send(1, 0, ACK, 201, 501, 77, NULL);
    assert_int_equal(value(7, WL_MP_DATA), 77);
}

static void test_data_without_mapping(void **state)
{
    (void)state;
    handshake();
    send(0, 0, ACK, 101, 501, 50, NULL);
    assert_int_equal(event(4, WL_MP_EVENT_FALLBACK)->aux >> 8, WL_MP_FALLBACK_DATA);
}

static void test_addresses(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_ADD_ADDR, .address_count = 1};

    (void)state;
    handshake();
    options.addresses[0] = (wl_mp_address_t){
        .id = 3, .address_length = 4, .address = {10, 0, 1, 0}, .port = 80, .has_hmac = true};
    send(0, 1, ACK, 501, 101, 0, &options); /* 4 */
    assert_non_null(event(4, WL_MP_EVENT_ADD_ADDR));
    assert_false(nth(4, WL_MP_HMAC, 0)->flags & WL_MP_OK);
    options.addresses[0].echo = true;
    options.addresses[0].has_hmac = false;
    send(0, 0, ACK, 101, 501, 0, &options);
    assert_int_equal(value(5, WL_MP_ECHO_TIME), MS);
    assert_int_equal(nth(5, WL_MP_ECHO_TIME, 0)->frame, 4);
    send_join(1, 0, SYN, 100, 0, token[1], 0);
    assert_int_equal(value(6, WL_MP_ADDRESS_JOIN_TIME), 2 * MS);
    send_join(2, 0, SYN, 100, 0, token[1], 0);
    assert_null(nth(7, WL_MP_ADDRESS_JOIN_TIME, 0)); /* the first join only */
}

static void test_priority(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_PRIO, .prio_backup = true, .prio_id = -1};

    (void)state;
    handshake();
    join(1, token[1]);
    send(1, 0, ACK, 101, 501, 0, &options); /* 8 */
    assert_int_equal(event(8, WL_MP_EVENT_PRIO)->aux >> 8, 1 | 1 << 1);
    send_data(1, 1, 1, 10); /* on its way already */
    send_data(0, 1, 11, 10);
    options.prio_backup = false;
    send(1, 0, ACK, 111, 501, 0, &options); /* 11 */
    assert_int_equal(event(11, WL_MP_EVENT_DATA_STOPPED)->value, MS);
    assert_int_equal(event(11, WL_MP_EVENT_DATA_STOPPED)->frame, 9);
    send_data(1, 11, 21, 10);
    assert_int_equal(event(12, WL_MP_EVENT_DATA_STARTED)->value, MS);
}

static void test_reset(void **state)
{
    wl_mp_options_t options = {.present = 1u << WL_MP_TCPRST, .reset_reason = 5};

    (void)state;
    handshake();
    join(1, token[1]);
    send(1, 0, RST, 101, 0, 0, &options);
    assert_int_equal(event(8, WL_MP_EVENT_TCPRST)->aux >> 8, 5);
    send(0, 1, RST, 501, 0, 0, NULL);
    assert_non_null(event(9, WL_MP_EVENT_RESET));
    send(0, 1, RST, 501, 0, 0, NULL);
    assert_null(event(10, WL_MP_EVENT_RESET));
}

/* Whatever a capture brings, what is kept of it has an end. */
static void test_bounds(void **state)
{
    (void)state;
    handshake();
    for (uint32_t stream = 1; stream < 500; stream++) {
        send_join(stream, 0, SYN, 100, 0, stream % 2 ? token[1] : stream, 0);
    }
    assert_null(wl_mptcp_find(mptcp, 50));
    assert_non_null(wl_mptcp_find(mptcp, 49));
    assert_true(wl_mptcp_dropped(mptcp) >= 450);
    assert_int_equal(wl_mptcp_unknown_tokens(mptcp), 24);
    assert_int_equal(wl_mptcp_shared_tokens(mptcp), 0);
    /* Ranges that nobody acknowledges. */
    for (unsigned i = 0; i < 1000; i++) {
        send_data(0, 1 + i * 10, 1 + i * 20, 10);
    }
    assert_true(wl_mptcp_dropped(mptcp) > 450 + 800);
}

/* Segments that found no room while they waited are a loss once it is known whose they were. */
static void test_held_beyond_the_bound(void **state)
{
    (void)state;
    send_join(1, 0, SYN, 100, 0, token[1], 0);
    for (unsigned i = 0; i < 10; i++) {
        send(1, 0, ACK, 101, 501, 0, NULL);
    }
    assert_int_equal(wl_mptcp_dropped(mptcp), 0);
    handshake();
    assert_int_equal(wl_mptcp_dropped(mptcp), 6);
}

/* Connections of one key on one address (each stream's is 10.0.1.0), so of one token. */
static void test_shared_token(void **state)
{
    (void)state;
    handshake();
    join(1, token[1]);
    assert_int_equal(wl_mptcp_shared_tokens(mptcp), 0);
    for (uint32_t stream = 2; stream < 40; stream++) {
        send_capable(stream, 0, SYN, 100, 0, 0, 0, 0);
        send_capable(stream, 1, SYNACK, 500, 101, 1, KEY_B, 0);
    }
    join(40, token[1]);
    assert_ptr_equal(wl_mptcp_find(mptcp, 40)->connection, wl_mptcp_find(mptcp, 39)->connection);
    assert_int_equal(wl_mptcp_shared_tokens(mptcp), 1);
}

/* A key that is forged later changes nothing. */
static void test_forged_key(void **state)
{
    (void)state;
    handshake();
    send_capable(0, 0, ACK, 101, 501, 2, 12345, 67890);
    assert_int_equal(wl_mptcp_find(mptcp, 0)->connection->side[0].token, token[0]);
    assert_int_equal(value(send_data(0, 1, 1, 10), WL_MP_DATA), 10);
}

/* Data that was DATA_ACKed so long ago that nothing is known of it. */
static void test_forgotten_data(void **state)
{
    (void)state;
    handshake();
    for (unsigned i = 0; i < 50; i++) {
        send_data(0, 1 + i * 10, 1 + i * 10, 10);
        send_dack(0, 11 + i * 10);
    }
    send_data(0, 1, 1, 10);
    check_copy(frame, 0, WL_MP_TCP_COPY, 0, 10);
    assert_int_equal(value(frame, WL_MP_DATA), 0);
    send_data(0, 491, 491, 10);
    check_copy(frame, 0, WL_MP_TCP_COPY, frame - 3, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handshake),
        TEST(test_join),
        TEST(test_join_by_server),
        TEST(test_join_before_its_connection),
        TEST(test_without_handshake),
        TEST(test_round_trips),
        TEST(test_first_data),
        TEST(test_kinds_of_copies),
        TEST(test_partial_copies),
        TEST(test_waiting),
        TEST(test_lost_by_the_capture),
        TEST(test_data_before_its_mapping),
        TEST(test_long_mapping),
        TEST(test_numbers_of_32_bits_wrap),
        TEST(test_data_fin),
        TEST(test_fallback),
        TEST(test_data_without_mapping),
        TEST(test_addresses),
        TEST(test_priority),
        TEST(test_reset),
        TEST(test_bounds),
        TEST(test_held_beyond_the_bound),
        TEST(test_shared_token),
        TEST(test_forged_key),
        TEST(test_forgotten_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
