/* part_mptcp_ranges.c
 * Fuzzes the ranges of MPTCP against a plain table of bytes.
 *
 *   input   3 bytes an operation: what (cover, insert where free, insert many single bytes, remove),
 *           first byte, length
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/mptcp_ranges.h"

#define SPACE 1024u

static void check(wl_mp_ranges_t *ranges, const bool *bytes)
{
    const wl_mp_range_t *range = wl_mp_ranges_first(ranges);
    unsigned count = 0, byte = 0;

    for (; range != NULL; range = wl_mp_ranges_next(ranges, range), count++) {
        CHECK(range->from < range->to && range->to <= SPACE);
        CHECK(range->from >= byte);
        for (; byte < range->from; byte++) {
            CHECK(!bytes[byte]);
        }
        for (; byte < range->to; byte++) {
            CHECK(bytes[byte]);
        }
    }
    for (; byte < SPACE; byte++) {
        CHECK(!bytes[byte]);
    }
    CHECK(count == wl_mp_ranges_count(ranges));
    for (byte = 0; byte < SPACE; byte += 7) {
        range = wl_mp_ranges_at(ranges, byte);
        CHECK(range == NULL || range->to > byte);
        for (unsigned free = byte; free < SPACE && free < byte + 7 && !bytes[free]; free++) {
            CHECK(range == NULL || range->from > free);
        }
        CHECK(bytes[byte] == (range != NULL && range->from <= byte));
    }
}

/* Every second byte, so that chunks fill and are cut. */
static void insert_singles(wl_mp_ranges_t *ranges, bool *bytes, unsigned from, unsigned count)
{
    for (unsigned byte = from; byte < SPACE && count > 0; byte += 2, count--) {
        if (!bytes[byte]) {
            wl_mp_range_t added = {.from = byte, .to = byte + 1, .frame = byte};
            CHECK(wl_mp_ranges_insert(ranges, &added)->frame == byte);
            bytes[byte] = true;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    wl_mp_ranges_t *ranges = wl_mp_ranges_new();
    bool bytes[SPACE] = {false};

    while (script_has(&script, 3)) {
        unsigned what = (unsigned)script_number(&script, 1);
        unsigned from = (unsigned)script_number(&script, 1) + (what >> 2 & 3) * 224;
        unsigned to = from + 1 + (unsigned)script_number(&script, 1) % 56;
        wl_mp_range_t *range = wl_mp_ranges_at(ranges, from);

        switch (what & 3) {
        case 0:
            wl_mp_ranges_cover(ranges, from, to);
            memset(bytes + from, true, to - from);
            break;
        case 1:
            if (range == NULL || range->from >= to) {
                wl_mp_range_t added = {.from = from, .to = to};
                CHECK(wl_mp_ranges_insert(ranges, &added)->from == from);
                memset(bytes + from, true, to - from);
            }
            break;
        case 2:
            insert_singles(ranges, bytes, from, (to - from) * 4);
            break;
        default:
            if (range != NULL) {
                memset(bytes + range->from, false, range->to - range->from);
                wl_mp_ranges_remove(ranges, range);
            }
        }
        check(ranges, bytes);
    }
    wl_mp_ranges_free(ranges);
    return 0;
}
