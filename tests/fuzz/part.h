/* part.h
 * What every fuzzed part shares: a reader of the fuzzer's bytes, and CHECK, which stops the fuzzer
 * where a result contradicts itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TESTS_FUZZ_PART_H
#define WIRELAT_TESTS_FUZZ_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

typedef struct {
    const uint8_t *at, *end;
} script_t;

static inline bool script_has(const script_t *script, size_t count)
{
    return (size_t)(script->end - script->at) >= count;
}

/* Little-endian, so that a seed's small numbers stay small when bytes are cut; 0 beyond the end. */
static inline uint64_t script_number(script_t *script, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size && script->at < script->end; i++) {
        value |= (uint64_t)*script->at++ << 8 * i;
    }
    return value;
}

/* A copy of the next bytes in memory of just their size: reading beyond them is caught. */
static inline uint8_t *script_bytes(script_t *script, size_t want, size_t *count)
{
    uint8_t *copy;

    *count = script_has(script, want) ? want : (size_t)(script->end - script->at);
    copy = malloc(*count > 0 ? *count : 1);
    memcpy(copy, script->at, *count);
    script->at += *count;
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
