/* deferred.h
 * Records that a table has not looked at yet: a range of numbers, had again from the plugin's logs.
 *
 * While tshark reads a file for the first time nobody sees a table before its end. To look at every
 * record at once would let the code and the rows of all tables drive Wireshark's own data out of the
 * processor's caches with every frame; tens of thousands in a row cost a third of it.
 *
 *   tap --record 17--> put: [17, 18)   --18--> [17, 19)  ...  full, or a record missing: all taken
 *   draw --> catch_up: what is left
 *
 * What a record looks like later is what a later pass sees of it; tables are the same in each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_DEFERRED_H
#define WIRELAT_DEFERRED_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Where a tap's records come from; NULL where they cannot be had again. */
typedef struct wl_source wl_source_t;
const wl_source_t *wl_source_of(const char *tap);

/* What no log keeps of a record; a filter may hide the rest of the capture from the table. */
typedef struct {
    int64_t time_ns; /* of its frame */
    int64_t rel_ns;  /* the same since the capture's first */
} wl_moment_t;

typedef struct {
    uint32_t from, to;    /* numbers of records, each one of the tap's that lies between was put */
    const void *log;      /* they are in */
    wl_moment_t *moments; /* theirs; NULL before there is one, and stays */
} wl_deferred_t;

/* Forgets what was put off. */
void wl_deferred_clear(wl_deferred_t *deferred);

typedef void (*wl_deferred_take_t)(const void *record, void *user);

/* Puts a record off, which may be the end of others' waiting: `take` gets them, in order. */
void wl_deferred_put(wl_deferred_t *deferred, const wl_source_t *source, const void *record,
                     wl_deferred_take_t take, void *user);
/* All that wait; none of a file that is closed. */
void wl_deferred_catch_up(wl_deferred_t *deferred, const wl_source_t *source,
                          wl_deferred_take_t take, void *user);

#endif
