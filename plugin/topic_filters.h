/* topic_filters.h
 * The topic filters somebody has subscribed to, and which of them a topic matches (MQTT 5.0
 * section 4.7). Bounded; knows nothing of epan.
 *
 *   home/+/temperature      one level for +          matches home/kitchen/temperature
 *   home/#                  all levels below         matches home, home/kitchen, home/a/b
 *   +/x, #                  not topics that begin with $
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_TOPIC_FILTERS_H
#define WIRELAT_TOPIC_FILTERS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Most levels of all filters together, and of one; and how many are looked at for one topic. */
#define WL_FILTERS_MAX_LEVELS 262144u
#define WL_FILTERS_MAX_DEPTH 128u
#define WL_FILTERS_MAX_VISITS 4096u

typedef struct wl_filters wl_filters_t;
typedef struct wl_filter wl_filter_t; /* one filter; equal filters are the same */

wl_filters_t *wl_filters_new(void);
void wl_filters_free(wl_filters_t *filters);

/* One more user of the filter. NULL when the text is no filter, or a bound is hit, which counts. */
wl_filter_t *wl_filters_add(wl_filters_t *filters, const char *text, uint32_t length);
/* One user less; with the last the filter goes. */
void wl_filters_remove(wl_filters_t *filters, wl_filter_t *filter);
/* The filter, or NULL if nobody uses it. */
wl_filter_t *wl_filters_find(const wl_filters_t *filters, const char *text, uint32_t length);

/* Puts at most `max` filters that match the topic into found[]; how many. */
unsigned wl_filters_match(const wl_filters_t *filters, const char *topic, wl_filter_t **found,
                          unsigned max);

/* Filters refused at a bound. */
uint64_t wl_filters_dropped(const wl_filters_t *filters);

#endif
