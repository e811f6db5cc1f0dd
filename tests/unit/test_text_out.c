/* test_text_out.c
 * Cells against what RFC 4180 and RFC 8259 say, texts longer than the buffer, and a full disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../../taps/text_out.h"

static FILE *file;

static wl_out_t *writer(void)
{
    file = tmpfile();
    return wl_out_new(dup(fileno(file)));
}

/* Ends the writing; what the file holds, to be freed. */
static char *written(wl_out_t *out)
{
    char *text = calloc(1, 1 << 20);

    assert_int_equal(wl_out_close(out), 0);
    wl_out_free(out);
    rewind(file);
    text[fread(text, 1, (1 << 20) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void check(void (*write)(wl_out_t *out, const char *text), const char *text,
                  const char *expected)
{
    wl_out_t *out = writer();
    char *found;

    write(out, text);
    found = written(out);
    assert_string_equal(found, expected);
    free(found);
}

static void test_csv(void **state)
{
    (void)state;
    check(wl_out_csv_text, "", "");
    check(wl_out_csv_text, "plant/1 ü\t'=1+1", "plant/1 ü\t'=1+1");
    check(wl_out_csv_text, "=cmd|'/c calc'!A1", "=cmd|'/c calc'!A1");
    check(wl_out_csv_text, "a,b", "\"a,b\"");
    check(wl_out_csv_text, "\"", "\"\"\"\"");
    check(wl_out_csv_text, "say \"no\"", "\"say \"\"no\"\"\"");
    check(wl_out_csv_text, "a\r\nb", "\"a\r\nb\"");
}

static void test_json(void **state)
{
    (void)state;
    check(wl_out_json_text, "", "\"\"");
    check(wl_out_json_text, "ü,/'\x7f", "\"ü,/'\x7f\"");
    check(wl_out_json_text, "\"\\", "\"\\\"\\\\\"");
    check(wl_out_json_text, "a\nb\x01\x1f", "\"a\\u000ab\\u0001\\u001f\"");
}

static void test_integers(void **state)
{
    static const int64_t values[] = {0,  7,    -7,        10,       -1700000000000000000,
                                     99, -100, INT64_MAX, INT64_MIN};
    wl_out_t *out = writer();
    char *found, *at;

    (void)state;
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        wl_out_integer(out, values[i]);
        wl_out_bytes(out, " ", 1);
    }
    at = found = written(out);
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[32];
        int length = snprintf(expected, sizeof expected, "%lld ", (long long)values[i]);

        assert_memory_equal(at, expected, (size_t)length);
        at += length;
    }
    assert_string_equal(at, "");
    free(found);
}

static void test_longer_than_the_buffer(void **state)
{
    size_t length = 300000;
    char *text = malloc(length + 1), *found;
    wl_out_t *out = writer();

    (void)state;
    for (size_t i = 0; i < length; i++) {
        text[i] = (char)('a' + i % 26);
    }
    text[length] = '\0';
    wl_out_bytes(out, "-", 1);
    wl_out_csv_text(out, text);
    found = written(out);
    assert_string_equal(found + 1, text);
    free(found);
    free(text);
}

/* Cells of all lengths, at every place of the buffer's end. */
static void test_many_cells(void **state)
{
    size_t size = (size_t)1 << 20, used = 0;
    char *expected = malloc(size), *found;
    wl_out_t *out = writer();

    (void)state;
    for (int64_t i = 0; used + 64 < size; i++) {
        int64_t value = (INT64_MAX >> i % 63) * (i % 2 == 0 ? 1 : -1) + i % 2;
        unsigned commas = (unsigned)(i % 7);

        wl_out_integer(out, value);
        wl_out_byte(out, ',', commas);
        used += (size_t)snprintf(expected + used, size - used, "%lld%.*s", (long long)value,
                                 (int)commas, ",,,,,,,");
    }
    found = written(out);
    assert_string_equal(found, expected);
    free(found);
    free(expected);
}

static void test_written_anew(void **state)
{
    wl_out_t *out = writer();
    char *found;

    (void)state;
    wl_out_bytes(out, "first, and longer", 17);
    assert_int_equal(wl_out_flush(out), 0);
    wl_out_bytes(out, "lost", 4);
    assert_int_equal(wl_out_restart(out), 0);
    wl_out_bytes(out, "second", 6);
    found = written(out);
    assert_string_equal(found, "second");
    free(found);
}

static void test_full_disk(void **state)
{
    wl_out_t *out = wl_out_new(open("/dev/full", O_WRONLY));

    (void)state;
    for (int i = 0; i < 100000; i++) {
        wl_out_bytes(out, "0123456789", 10);
    }
    assert_int_equal(wl_out_flush(out), ENOSPC);
    /* The first failure stays, also when the file could be closed. */
    assert_int_equal(wl_out_close(out), ENOSPC);
    wl_out_free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),        cmocka_unit_test(test_json),
        cmocka_unit_test(test_integers),   cmocka_unit_test(test_longer_than_the_buffer),
        cmocka_unit_test(test_many_cells), cmocka_unit_test(test_written_anew),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
