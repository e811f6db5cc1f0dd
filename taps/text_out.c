/* text_out.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "text_out.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (64u << 10)
#define MAX_DIGITS 20 /* of an int64_t, sign included */

struct wl_out {
    int file; /* -1 once closed */
    int error;
    size_t used;
    char buffer[BUFFER_SIZE];
};

wl_out_t *wl_out_new(int file)
{
    wl_out_t *out = g_new(wl_out_t, 1);

    out->file = file;
    out->error = 0;
    out->used = 0;
    return out;
}

void wl_out_free(wl_out_t *out)
{
    if (out != NULL && out->file >= 0) {
        close(out->file);
    }
    g_free(out);
}

static void note(wl_out_t *out, bool failed)
{
    if (failed && out->error == 0) {
        out->error = errno;
    }
}

int wl_out_flush(wl_out_t *out)
{
    size_t done = 0;

    while (done < out->used && out->error == 0) {
        ssize_t count = write(out->file, out->buffer + done, out->used - done);

        if (count >= 0) {
            done += (size_t)count;
        } else {
            note(out, errno != EINTR);
        }
    }
    out->used = 0;
    return out->error;
}

int wl_out_close(wl_out_t *out)
{
    wl_out_flush(out);
    note(out, close(out->file) != 0);
    out->file = -1;
    return out->error;
}

int wl_out_restart(wl_out_t *out)
{
    out->used = 0;
    out->error = 0;
    note(out, ftruncate(out->file, 0) != 0 || lseek(out->file, 0, SEEK_SET) < 0);
    return out->error;
}

/* Where so many bytes can be written, at most BUFFER_SIZE. */
static char *room(wl_out_t *out, size_t count)
{
    char *at;

    if (count > BUFFER_SIZE - out->used) {
        wl_out_flush(out);
    }
    at = out->buffer + out->used;
    out->used += count;
    return at;
}

void wl_out_byte(wl_out_t *out, char byte, unsigned times)
{
    char *at = room(out, times);

    for (unsigned i = 0; i < times; i++) {
        at[i] = byte;
    }
}

void wl_out_bytes(wl_out_t *out, const char *bytes, size_t count)
{
    while (count > BUFFER_SIZE - out->used) {
        size_t part = BUFFER_SIZE - out->used;

        memcpy(out->buffer + out->used, bytes, part);
        out->used += part;
        bytes += part;
        count -= part;
        wl_out_flush(out);
    }
    memcpy(out->buffer + out->used, bytes, count);
    out->used += count;
}

void wl_out_integer(wl_out_t *out, int64_t value)
{
    /* The sign is taken off in unsigned arithmetic: -INT64_MIN is no int64_t. */
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[MAX_DIGITS], *at = digits + MAX_DIGITS;
    size_t count;

    for (; rest >= 100; rest /= 100) {
        unsigned pair = (unsigned)(rest % 100);

        *--at = (char)('0' + pair % 10);
        *--at = (char)('0' + pair / 10);
    }
    if (rest >= 10) {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    }
    *--at = (char)('0' + rest);
    if (value < 0) {
        *--at = '-';
    }
    count = (size_t)(digits + MAX_DIGITS - at);
    memcpy(room(out, count), at, count);
}

/* Which bytes of a text cannot stand as they are. */
typedef enum { PLAIN, CSV_QUOTED, QUOTE, JSON_ESCAPED } care_t;

static const unsigned char care_of[256] = {
    [','] = CSV_QUOTED, ['\r'] = CSV_QUOTED,   ['\n'] = CSV_QUOTED,
    ['"'] = QUOTE,      ['\\'] = JSON_ESCAPED,
};

void wl_out_csv_text(wl_out_t *out, const char *text)
{
    const char *end = text;
    bool quoted = false;

    for (; *end != '\0'; end++) {
        unsigned char care = care_of[(unsigned char)*end];
        quoted |= care == CSV_QUOTED || care == QUOTE;
    }
    if (!quoted) {
        wl_out_bytes(out, text, (size_t)(end - text));
        return;
    }
    wl_out_bytes(out, "\"", 1);
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        wl_out_bytes(out, text, (size_t)(quote + 1 - text));
        wl_out_bytes(out, "\"", 1);
    }
    wl_out_bytes(out, text, (size_t)(end - text));
    wl_out_bytes(out, "\"", 1);
}

static void json_escape(wl_out_t *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char code[6] = {'\\', (char)byte, '0', '0', hex[byte >> 4 & 1], hex[byte & 15]};

    if (byte < 0x20) {
        code[1] = 'u';
        wl_out_bytes(out, code, 6);
    } else {
        wl_out_bytes(out, code, 2);
    }
}

void wl_out_json_text(wl_out_t *out, const char *text)
{
    const char *plain = text;

    wl_out_bytes(out, "\"", 1);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x20 || care_of[byte] >= QUOTE) {
            wl_out_bytes(out, plain, (size_t)(text - plain));
            json_escape(out, byte);
            plain = text + 1;
        }
    }
    wl_out_bytes(out, plain, (size_t)(text - plain));
    wl_out_bytes(out, "\"", 1);
}
