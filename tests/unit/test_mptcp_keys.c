/* test_mptcp_keys.c
 * Tokens, HMACs and checksums against values that Python's hashlib and hmac gave; and what the
 * options of a header are read as.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/mptcp_keys.h"

#define KEY_A UINT64_C(0x0102030405060708)
#define KEY_B UINT64_C(0xf1f2f3f4f5f6f7f8)

static void test_derive(void **state)
{
    uint32_t token;
    uint64_t idsn;

    (void)state;
    wl_mp_derive(0, KEY_A, &token, &idsn);
    assert_int_equal(token, 0xdd5783bc);
    assert_true(idsn == UINT64_C(0x3a95ed6e4ebb4ad5));
    wl_mp_derive(1, KEY_A, &token, &idsn);
    assert_int_equal(token, 0x66840dda);
    assert_true(idsn == UINT64_C(0xf5a101d3d29d6f72));
}

static const uint8_t join_hmac[2][20] = {
    {0x92, 0x4f, 0xd1, 0xa3, 0x15, 0xac, 0xb6, 0x2c, 0xd7, 0xe2,
     0xca, 0x71, 0x65, 0x99, 0x94, 0x84, 0xf8, 0xef, 0xe6, 0xce},
    {0xab, 0x11, 0x85, 0x69, 0xa1, 0x22, 0xd5, 0x96, 0xe1, 0x06,
     0x37, 0xdf, 0xe0, 0x18, 0x24, 0xca, 0x6e, 0x05, 0x37, 0x15},
};

static void test_join_hmac(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 2; version++) {
        for (unsigned length = 8; length <= 20; length += 12) {
            wl_mp_join_t join = {.hmac_length = (uint8_t)length};

            memcpy(join.hmac, join_hmac[version], length);
            assert_true(wl_mp_join_hmac_ok(version, KEY_B, KEY_A, 0x11223344, 0xaabbccdd, &join));
            assert_false(wl_mp_join_hmac_ok(version, KEY_A, KEY_B, 0x11223344, 0xaabbccdd, &join));
            join.hmac[length - 1] ^= 1;
            assert_false(wl_mp_join_hmac_ok(version, KEY_B, KEY_A, 0x11223344, 0xaabbccdd, &join));
        }
    }
}

static void test_address_hmac(void **state)
{
    static const uint8_t hmac4[8] = {0x31, 0xf7, 0x71, 0x23, 0xf9, 0xc8, 0x79, 0x7a};
    static const uint8_t hmac6[8] = {0xc0, 0x28, 0x82, 0x5e, 0x17, 0x8d, 0xa1, 0xa8};
    wl_mp_address_t address = {.id = 7, .address_length = 4, .address = {10, 1, 2, 3}};

    (void)state;
    memcpy(address.hmac, hmac4, 8);
    assert_true(wl_mp_address_hmac_ok(KEY_A, KEY_B, &address));
    address.address_length = 16;
    address.port = 8080;
    for (unsigned i = 0; i < 16; i++) {
        address.address[i] = (uint8_t)i;
    }
    memcpy(address.hmac, hmac6, 8);
    assert_true(wl_mp_address_hmac_ok(KEY_A, KEY_B, &address));
    address.port = 0;
    assert_false(wl_mp_address_hmac_ok(KEY_A, KEY_B, &address));
}

/* A mapping's bytes may come in pieces of odd length. */
static void test_checksum(void **state)
{
    uint8_t data[11];

    (void)state;
    for (unsigned i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i + 1);
    }
    for (uint32_t cut = 0; cut <= sizeof data; cut++) {
        uint64_t sum = wl_mp_sum(0, data, cut, 0);

        sum = wl_mp_sum(sum, data + cut, (uint32_t)sizeof data - cut, cut);
        assert_true(wl_mp_checksum_ok(sum, UINT64_C(0x1122334455667788), 0x01020304, 11, 0xc67b));
        assert_false(
            wl_mp_checksum_ok(sum + 1, UINT64_C(0x1122334455667788), 0x01020304, 11, 0xc67b));
    }
}

static bool read(const char *hex, wl_mp_options_t *options)
{
    uint8_t bytes[64];
    uint32_t length = 0;

    for (; hex[0] != '\0' && hex[1] != '\0'; hex += hex[2] == ' ' ? 3 : 2) {
        char digits[3] = {hex[0], hex[1], 0};
        bytes[length++] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return wl_mp_options_read(bytes, length, options);
}

static void test_capable(void **state)
{
    wl_mp_options_t options;

    (void)state;
    /* The first SYN of version 1 has no key. */
    assert_true(read("01 01 1e 04 01 81", &options));
    assert_true(WL_MP_HAS(&options, WL_MP_CAPABLE));
    assert_int_equal(options.capable.version, 1);
    assert_int_equal(options.capable.keys, 0);
    assert_true(options.capable.checksum_required);
    /* Both keys, the length of the data, and its checksum; flag C. */
    assert_true(read("1e 18 01 21 0102030405060708 f1f2f3f4f5f6f7f8 0064 abcd", &options));
    assert_int_equal(options.capable.keys, 2);
    assert_true(options.capable.key[0] == KEY_A && options.capable.key[1] == KEY_B);
    assert_true(options.capable.has_length && options.capable.has_checksum);
    assert_int_equal(options.capable.length, 100);
    assert_int_equal(options.capable.checksum, 0xabcd);
    assert_true(options.capable.no_joins_here && !options.capable.checksum_required);
    assert_false(read("1e 05 01 81 00", &options));
    assert_false(read("1e 04 02 81", &options));
}

static void test_dss(void **state)
{
    wl_mp_options_t options;

    (void)state;
    /* 32-bit DATA_ACK and DSN, no checksum, after a timestamp. */
    assert_true(
        read("08 0a 00000001 00000002 1e 12 20 05 00000007 00000064 00000001 0578", &options));
    assert_true(options.dss.has_ack && !options.dss.ack_wide && options.dss.ack == 7);
    assert_true(options.dss.has_mapping && !options.dss.dsn_wide && options.dss.dsn == 100);
    assert_int_equal(options.dss.subflow_seq, 1);
    assert_int_equal(options.dss.length, 1400);
    assert_false(options.dss.has_checksum || options.dss.fin);
    /* 64 bits both, DATA_FIN, checksum. */
    assert_true(read("1e 1c 20 1f 0000000100000007 0000000200000064 00000001 0578 1234", &options));
    assert_true(options.dss.ack == UINT64_C(0x100000007));
    assert_true(options.dss.dsn == UINT64_C(0x200000064));
    assert_true(options.dss.fin && options.dss.has_checksum);
    /* Shorter than its flags say. */
    assert_false(read("1e 08 20 1f 00000001", &options));
    assert_int_equal(options.present, 0);
}

static void test_several(void **state)
{
    wl_mp_options_t options;

    (void)state;
    /* ADD_ADDR with port, echo of another, REMOVE_ADDR of two, MP_PRIO. */
    assert_true(read("1e 12 30 07 0a010203 1f90 0102030405060708 1e 08 31 08 0a010204"
                     " 1e 05 40 07 08 1e 03 51",
                     &options));
    assert_int_equal(options.address_count, 2);
    assert_false(options.addresses[0].echo);
    assert_int_equal(options.addresses[0].port, 8080);
    assert_true(options.addresses[0].has_hmac);
    assert_true(options.addresses[1].echo);
    assert_int_equal(options.addresses[1].id, 8);
    assert_int_equal(options.removed_count, 2);
    assert_int_equal(options.removed[1], 8);
    assert_true(WL_MP_HAS(&options, WL_MP_PRIO) && options.prio_backup);
    assert_int_equal(options.prio_id, -1);
    /* Version 0: the IP version in place of the flags, and no HMAC. */
    assert_true(read("1e 08 34 03 0b000001", &options));
    assert_int_equal(options.address_count, 1);
    assert_false(options.addresses[0].has_hmac);
    /* A length of zero would never end. */
    assert_false(read("1e 00 20 05", &options));
    assert_false(read("1e", &options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derive),       cmocka_unit_test(test_join_hmac),
        cmocka_unit_test(test_address_hmac), cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_capable),      cmocka_unit_test(test_dss),
        cmocka_unit_test(test_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
