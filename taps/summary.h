/* summary.h
 * The statistics of one row of a table: count, minimum, maximum, mean, standard deviation and
 * three percentiles of int64 nanoseconds, right after every single sample.
 *
 * Adding a sample costs O(1). So does asking for percentiles after each; once after many samples it
 * takes a walk over what there is.
 *
 *     wl_summary_t *summary = wl_summary_new();
 *     wl_summary_add(summary, 1500000);
 *     printf("%g ms\n", (double)wl_summary_percentile(summary, WL_P95) / 1e6);
 *     wl_summary_free(summary);
 *
 * What a figure is worth, for any count of samples:
 *   count, min, max   exact
 *   mean, SD          Welford's method in double precision; SD of a sample (n - 1)
 *   percentiles       nearest rank: the smallest sample that at least p % of the samples do not
 *                     exceed. Exact up to 256 samples, after that at most 0.1 % of the sample
 *                     away from it (below 1024 ns still exact)
 *   memory            grows on demand, 2 KiB up to 256 samples, never above WL_SUMMARY_MAX_BYTES
 *
 * Samples may be negative (an answer that starts before its request ended) and take any value but
 * what the caller reserves for "unknown". Every getter of an empty summary returns 0.
 *
 * Knows nothing of epan: GLib only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_SUMMARY_H
#define WIRELAT_SUMMARY_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#define WL_SUMMARY_MAX_BYTES 65536

typedef struct wl_summary wl_summary_t;

typedef enum { WL_P50, WL_P95, WL_P99, WL_PERCENTILES } wl_percentile_t;

/* An empty summary; the caller frees it. Never NULL (GLib aborts without memory). */
wl_summary_t *wl_summary_new(void);

/* NULL is allowed. */
void wl_summary_free(wl_summary_t *summary);

/* Adds one sample. */
void wl_summary_add(wl_summary_t *summary, int64_t ns);

/* Back to empty; gives the memory of the samples back. */
void wl_summary_clear(wl_summary_t *summary);

/* Samples added, clipped ones included. */
uint64_t wl_summary_count(const wl_summary_t *summary);

int64_t wl_summary_min(const wl_summary_t *summary);
int64_t wl_summary_max(const wl_summary_t *summary);
double wl_summary_mean_ns(const wl_summary_t *summary);

/* Standard deviation of the sample; 0 for fewer than two. */
double wl_summary_sd_ns(const wl_summary_t *summary);

int64_t wl_summary_percentile(wl_summary_t *summary, wl_percentile_t percentile);

/* Samples that the percentiles leave out because the memory bound was reached; the other figures
 * include them. 0 means that the percentiles hold for all samples. It stays 0 for 10^11 samples
 * spread over all times from 1 ns to 1000 s, or 10^6 over those of both signs; the bound is only
 * reached by values in nearly every power of two that an int64 has. */
uint64_t wl_summary_clipped(wl_summary_t *summary);

/* Memory the summary takes now, itself included. */
size_t wl_summary_bytes(const wl_summary_t *summary);

#endif
