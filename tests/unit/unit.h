/* unit.h
 * cmocka, with what it wants included first, and what its versions do not agree on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TESTS_UNIT_H
#define WIRELAT_TESTS_UNIT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* least <= value <= most, as int64_t. cmocka 2 warns of its assert_in_range, and 1 has no other. */
#define assert_between(value, least, most)                                           \
    do {                                                                             \
        int64_t between = (int64_t)(value);                                          \
        if (between < (int64_t)(least) || between > (int64_t)(most)) {               \
            fail_msg("%" PRId64 " is not between %" PRId64 " and %" PRId64, between, \
                     (int64_t)(least), (int64_t)(most));                             \
        }                                                                            \
    } while (0)

#endif
