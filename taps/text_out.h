/* text_out.h
 * Cells of CSV and JSON lines, written to a file through a buffer of their own: printf for each
 * cell would cost more than dissecting the packets. Knows nothing of epan.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TEXT_OUT_H
#define WIRELAT_TEXT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wl_out wl_out_t;

/* Writes to an open file from where it stands; the file becomes the writer's. Never NULL. */
wl_out_t *wl_out_new(int file);
/* Frees the writer and closes its file, unless wl_out_close() has. What was not flushed is lost. */
void wl_out_free(wl_out_t *out);

/* At most 65,536 times. */
void wl_out_byte(wl_out_t *out, char byte, unsigned times);
void wl_out_bytes(wl_out_t *out, const char *bytes, size_t count);
void wl_out_integer(wl_out_t *out, int64_t value);
/* A cell of text, in quotes where RFC 4180 section 2 needs them; nothing else is changed. */
void wl_out_csv_text(wl_out_t *out, const char *text);
/* A JSON string (RFC 8259 section 7) with its quotes; `text` is UTF-8. */
void wl_out_json_text(wl_out_t *out, const char *text);

/* Each returns 0, or the errno of the first thing that failed since wl_out_new(). After a failure
 * nothing more is written. */
int wl_out_flush(wl_out_t *out);
/* Flushes and closes: some file systems say only then that the disk is full. Once. */
int wl_out_close(wl_out_t *out);
/* Empties the file, which must be a regular one, to write it anew. Forgets an earlier failure. */
int wl_out_restart(wl_out_t *out);

#endif
