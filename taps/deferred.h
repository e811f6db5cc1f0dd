/* deferred.h
 * Records that tables look at later: all at once, when tshark draws them.
 *
 * While tshark reads a file for the first time nobody sees a table before its end. To look at every
 * record at once would let the code and the rows of all tables drive Wireshark's own data out of the
 * processor's caches with every frame, and Wireshark would call each table for each record. So a table
 * gives back the first one it gets and leaves its tap; the plugin's logs have all of them again:
 *
 *   tap --first record--> table --> join    the table is called no more
 *   draw: log --each record--> take of every table that joined --> drawn
 *
 * What a record looks like later is what a later pass sees of it; tables are the same in each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_DEFERRED_H
#define WIRELAT_DEFERRED_H

#include <stdbool.h>

/* What a table is called for. */
typedef struct {
    const char *tap; /* of its records */
    void (*take)(const void *record, void *table);
    void (*drawn)(void *table);  /* it took all there is, and Wireshark is about to draw it */
    void (*closed)(void *table); /* the same, but the logs are about to go */
} wl_deferred_calls_t;

typedef enum {
    WL_DEFERS_NOTHING, /* someone may look at the table */
    WL_DEFERS_CELLS,   /* nobody looks before it is drawn, but a filter may hide records from it */
    WL_DEFERS_RECORDS /* the record and all that follow: it must leave its tap (TAP_PACKET_FAILED) */
} wl_deferral_t;

/* What a table may put off that gets its first record. `calls` must stay valid. */
wl_deferral_t wl_deferred_join(const wl_deferred_calls_t *calls, const void *record, void *table);

/* Call at hand-off. */
void wl_deferred_register(void);

#endif
