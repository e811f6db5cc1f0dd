/* summary.c
 * Statistics of one row. What costs most, order and ranks, waits until a percentile is asked for.
 *
 * Up to 256 samples are kept themselves, which makes small rows exact. Then they move to a histogram
 * in the manner of HdrHistogram: 512 buckets of equal width for each power of two, hence at most
 * 1/1024 off. Buckets are numbered from the most negative value to the largest:
 *
 *      ... -1026..-1025 | -1024 -1023 ... -2 -1 | 0 1 2 ... 1022 1023 | 1024..1025 ...
 *             width 2                         width 1                      width 2
 *
 *   page        64 neighbouring buckets, allocated with its first sample: a word that says which
 *               are not empty, and their counters, cut into planes
 *   plane       one byte of each of a page's counters; the next higher plane is allocated when
 *               one of them overflows, so that the crowded middle of a row pays for wide counters
 *               and its tails do not
 *   cursor      per percentile, the bucket that holds its rank, and the samples below and in it.
 *               One more sample moves a rank by at most one, so the cursor moves to its neighbour
 *               among the buckets that are not empty, or stays. Only after several samples that
 *               nobody asked about does it take a walk over the histogram.
 *
 * Samples that nobody asks about wait for it by the dozen: one by one, each would find its page and
 * planes gone from the processor's caches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SAMPLES 256
#define SAMPLES_STEP 8
#define MAX_WAITING 32 /* for the histogram */
#define FEW 4          /* that are put in their places one by one */

#define SUB_BITS 9 /* 512 buckets a power of two */
#define SUB_BUCKETS (1 << SUB_BITS)
#define PAGE_BITS 6
#define PAGE_BUCKETS (1 << PAGE_BITS)
/* Values of 0..511 take one set of sub-buckets, each further bit of an int64 another. */
#define SIDE_BUCKETS ((63 - SUB_BITS + 1) * SUB_BUCKETS)
#define PAGES (2 * SIDE_BUCKETS / PAGE_BUCKETS)
#define PAGE_WORDS ((PAGES + 63) / 64)
#define PLANES 4     /* bytes of a counter */
#define GROW_STEP 16 /* pages or planes at once */

typedef struct {
    uint64_t used;          /* bit i: bucket i is not empty */
    uint16_t plane[PLANES]; /* 1 + index into planes, lowest byte first; 0 for none */
} wl_page_t;

typedef struct {
    uint8_t byte[PAGE_BUCKETS];
} wl_plane_t;

typedef struct {
    unsigned bucket;
    uint64_t below; /* samples in the buckets before it */
    uint64_t count; /* samples in it: adding up its planes for each sample would cost more */
    int64_t middle; /* bucket_middle() of it */
} wl_cursor_t;

typedef struct {
    uint64_t used[PAGE_WORDS]; /* bit i: page i is not empty */
    uint16_t page_at[PAGES];   /* 1 + index into pages; 0 for none */
    wl_page_t *pages;
    wl_plane_t *planes;
    unsigned n_pages, max_pages, n_planes, max_planes;
    uint64_t count; /* samples in buckets */
    wl_cursor_t cursors[WL_PERCENTILES];
    uint64_t seen; /* samples the cursors stand for */
    unsigned last; /* bucket of the last sample */
} wl_histogram_t;

struct wl_summary {
    uint64_t count, clipped;
    int64_t min, max;
    double mean, m2;       /* Welford: m2 is the sum of squared distances from the mean */
    int64_t *samples;      /* those that no histogram has yet */
    unsigned kept, sorted; /* how many; and of them, from the first on, in order */
    unsigned max_samples;
    wl_histogram_t *histogram;
};

static const unsigned percents[WL_PERCENTILES] = {50, 95, 99};

/* Nearest rank, from 1: ceil(percent * count / 100). */
static uint64_t rank_of(wl_percentile_t percentile, uint64_t count)
{
    return (count * percents[percentile] + 99) / 100;
}

static unsigned low_bit(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

static unsigned high_bit(uint64_t word)
{
    return 63 - (unsigned)__builtin_clzll(word);
}

/* Bits above `bit`; shifting by 64 would be undefined. */
static uint64_t bits_above(uint64_t word, unsigned bit)
{
    return bit == 63 ? 0 : word & (UINT64_MAX << (bit + 1));
}

static uint64_t bits_below(uint64_t word, unsigned bit)
{
    return word & ((UINT64_C(1) << bit) - 1);
}

/* Negative values mirror the others by ~ns = -ns - 1, which has no overflow at INT64_MIN. */
static unsigned bucket_of(int64_t ns)
{
    uint64_t size = (uint64_t)(ns < 0 ? ~ns : ns);
    unsigned shift = size < SUB_BUCKETS ? 0 : high_bit(size) - SUB_BITS;
    /* size >> shift is 512..1023 from the second set on, so `shift` sets come before it. */
    unsigned bucket = shift * SUB_BUCKETS + (unsigned)(size >> shift);

    return ns < 0 ? SIDE_BUCKETS - 1 - bucket : SIDE_BUCKETS + bucket;
}

static int64_t bucket_middle(unsigned bucket)
{
    bool negative = bucket < SIDE_BUCKETS;
    unsigned side = negative ? SIDE_BUCKETS - 1 - bucket : bucket - SIDE_BUCKETS;
    unsigned shift = side < SUB_BUCKETS ? 0 : side / SUB_BUCKETS - 1;
    uint64_t first = (uint64_t)(side - shift * SUB_BUCKETS) << shift;
    int64_t middle = (int64_t)(first + ((UINT64_C(1) << shift) - 1) / 2);

    return negative ? ~middle : middle;
}

static wl_page_t *page_of(const wl_histogram_t *histogram, unsigned bucket)
{
    unsigned at = histogram->page_at[bucket / PAGE_BUCKETS];

    return at == 0 ? NULL : &histogram->pages[at - 1];
}

/* Of a bucket whose page exists. */
static uint64_t bucket_count(const wl_histogram_t *histogram, unsigned bucket)
{
    const wl_page_t *page = page_of(histogram, bucket);
    uint64_t count = 0;

    for (unsigned k = 0; k < PLANES && page->plane[k] != 0; k++) {
        uint64_t byte = histogram->planes[page->plane[k] - 1].byte[bucket % PAGE_BUCKETS];

        count |= byte << 8 * k;
    }
    return count;
}

static unsigned first_of_page(const wl_histogram_t *histogram, unsigned page)
{
    return page * PAGE_BUCKETS + low_bit(page_of(histogram, page * PAGE_BUCKETS)->used);
}

static unsigned last_of_page(const wl_histogram_t *histogram, unsigned page)
{
    return page * PAGE_BUCKETS + high_bit(page_of(histogram, page * PAGE_BUCKETS)->used);
}

/* The neighbour among the buckets that are not empty; the caller knows there is one. */
static unsigned next_bucket(const wl_histogram_t *histogram, unsigned bucket)
{
    unsigned page = bucket / PAGE_BUCKETS, word = page / 64;
    uint64_t bits = bits_above(page_of(histogram, bucket)->used, bucket % PAGE_BUCKETS);

    if (bits != 0) {
        return page * PAGE_BUCKETS + low_bit(bits);
    }
    bits = bits_above(histogram->used[word], page % 64);
    while (bits == 0) {
        bits = histogram->used[++word];
    }
    return first_of_page(histogram, word * 64 + low_bit(bits));
}

static unsigned previous_bucket(const wl_histogram_t *histogram, unsigned bucket)
{
    unsigned page = bucket / PAGE_BUCKETS, word = page / 64;
    uint64_t bits = bits_below(page_of(histogram, bucket)->used, bucket % PAGE_BUCKETS);

    if (bits != 0) {
        return page * PAGE_BUCKETS + high_bit(bits);
    }
    bits = bits_below(histogram->used[word], page % 64);
    while (bits == 0) {
        bits = histogram->used[--word];
    }
    return last_of_page(histogram, word * 64 + high_bit(bits));
}

size_t wl_summary_bytes(const wl_summary_t *summary)
{
    const wl_histogram_t *histogram = summary->histogram;
    size_t bytes = sizeof *summary + summary->max_samples * sizeof *summary->samples;

    if (histogram != NULL) {
        bytes += sizeof *histogram + histogram->max_pages * sizeof *histogram->pages +
                 histogram->max_planes * sizeof *histogram->planes;
    }
    return bytes;
}

/* False when the bound leaves no room; so is add_plane, which can leave a new page without any
 * counter: a page counts as used from its first sample on. */
static bool add_page(wl_summary_t *summary, unsigned bucket)
{
    wl_histogram_t *histogram = summary->histogram;

    if (histogram->n_pages == histogram->max_pages) {
        if (wl_summary_bytes(summary) + GROW_STEP * sizeof(wl_page_t) > WL_SUMMARY_MAX_BYTES) {
            return false;
        }
        histogram->max_pages += GROW_STEP;
        histogram->pages = g_renew(wl_page_t, histogram->pages, histogram->max_pages);
    }
    /* g_renew() never gives NULL. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    memset(&histogram->pages[histogram->n_pages], 0, sizeof(wl_page_t));
    histogram->page_at[bucket / PAGE_BUCKETS] = (uint16_t)++histogram->n_pages;
    return true;
}

static bool add_plane(wl_summary_t *summary, uint16_t *plane)
{
    wl_histogram_t *histogram = summary->histogram;

    if (histogram->n_planes == histogram->max_planes) {
        if (wl_summary_bytes(summary) + GROW_STEP * sizeof(wl_plane_t) > WL_SUMMARY_MAX_BYTES) {
            return false;
        }
        histogram->max_planes += GROW_STEP;
        histogram->planes = g_renew(wl_plane_t, histogram->planes, histogram->max_planes);
    }
    memset(&histogram->planes[histogram->n_planes], 0, sizeof(wl_plane_t));
    *plane = (uint16_t)++histogram->n_planes;
    return true;
}

/* False when the sample has no room: its bucket has no page, or its counter no further byte. */
static bool count_sample(wl_summary_t *summary, unsigned bucket)
{
    wl_histogram_t *histogram = summary->histogram;
    unsigned i = bucket % PAGE_BUCKETS;
    wl_page_t *page;

    if (page_of(histogram, bucket) == NULL && !add_page(summary, bucket)) {
        return false;
    }
    page = page_of(histogram, bucket);
    for (unsigned k = 0; k < PLANES; k++) {
        if (page->plane[k] == 0 && !add_plane(summary, &page->plane[k])) {
            return false;
        }
        if (histogram->planes[page->plane[k] - 1].byte[i] < UINT8_MAX) {
            histogram->planes[page->plane[k] - 1].byte[i]++;
            while (k > 0) {
                histogram->planes[page->plane[--k] - 1].byte[i] = 0; /* the carry */
            }
            page->used |= UINT64_C(1) << i;
            histogram->used[bucket / PAGE_BUCKETS / 64] |= UINT64_C(1)
                                                           << bucket / PAGE_BUCKETS % 64;
            histogram->count++;
            return true;
        }
    }
    return false;
}

static void place_cursor(const wl_histogram_t *histogram, wl_cursor_t *cursor, unsigned bucket)
{
    cursor->bucket = bucket;
    cursor->count = bucket_count(histogram, bucket);
    cursor->middle = bucket_middle(bucket);
}

/* `bucket` has just got a sample. */
static void move_cursor(const wl_histogram_t *histogram, wl_cursor_t *cursor, uint64_t rank,
                        unsigned bucket)
{
    cursor->below += bucket < cursor->bucket;
    cursor->count += bucket == cursor->bucket;
    if (cursor->below >= rank) {
        place_cursor(histogram, cursor, previous_bucket(histogram, cursor->bucket));
        cursor->below -= cursor->count;
    } else if (cursor->below + cursor->count < rank) {
        cursor->below += cursor->count;
        place_cursor(histogram, cursor, next_bucket(histogram, cursor->bucket));
    }
}

/* From the first bucket on, once for all ranks: they ascend. */
static void place_cursors(wl_histogram_t *histogram)
{
    unsigned word = 0, bucket;
    uint64_t below = 0;

    while (histogram->used[word] == 0) {
        word++;
    }
    bucket = first_of_page(histogram, word * 64 + low_bit(histogram->used[word]));
    for (int i = 0; i < WL_PERCENTILES; i++) {
        uint64_t rank = rank_of((wl_percentile_t)i, histogram->count);
        uint64_t count = bucket_count(histogram, bucket);

        while (below + count < rank) {
            below += count;
            bucket = next_bucket(histogram, bucket);
            count = bucket_count(histogram, bucket);
        }
        place_cursor(histogram, &histogram->cursors[i], bucket);
        histogram->cursors[i].below = below;
    }
}

static void bring_cursors(wl_histogram_t *histogram)
{
    if (histogram->seen + 1 == histogram->count) {
        for (int i = 0; i < WL_PERCENTILES; i++) {
            move_cursor(histogram, &histogram->cursors[i],
                        rank_of((wl_percentile_t)i, histogram->count), histogram->last);
        }
    } else if (histogram->seen < histogram->count) {
        place_cursors(histogram);
    }
    histogram->seen = histogram->count;
}

static void add_to_histogram(wl_summary_t *summary, int64_t ns)
{
    unsigned bucket = bucket_of(ns);

    if (count_sample(summary, bucket)) {
        summary->histogram->last = bucket;
    } else {
        summary->clipped++;
    }
}

/* 256 samples need 256 pages at most, which is within the bound. */
static void move_to_histogram(wl_summary_t *summary)
{
    bool keeps_up;

    if (summary->histogram == NULL) {
        summary->histogram = g_new0(wl_histogram_t, 1);
    }
    keeps_up = summary->kept <= FEW && summary->histogram->seen > 0 &&
               summary->histogram->seen == summary->histogram->count;
    for (unsigned i = 0; i < summary->kept; i++) {
        add_to_histogram(summary, summary->samples[i]);
        if (keeps_up) {
            bring_cursors(summary->histogram);
        }
    }
    summary->kept = 0;
    if (summary->max_samples != MAX_WAITING) {
        summary->max_samples = MAX_WAITING;
        summary->samples = g_renew(int64_t, summary->samples, MAX_WAITING);
    }
}

static void append(wl_summary_t *summary, int64_t ns)
{
    if (summary->kept == summary->max_samples) {
        summary->max_samples = MAX(SAMPLES_STEP, 2 * summary->kept);
        summary->samples = g_renew(int64_t, summary->samples, summary->max_samples);
    }
    summary->samples[summary->kept++] = ns;
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return one < other ? -1 : one > other;
}

/* Puts the first sample behind those in order to its place. */
static void sort_in(wl_summary_t *summary)
{
    unsigned first = 0, last = summary->sorted;
    int64_t ns = summary->samples[last];

    while (first < last) {
        unsigned middle = (first + last) / 2;

        if (summary->samples[middle] <= ns) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    memmove(&summary->samples[first + 1], &summary->samples[first],
            (summary->sorted - first) * sizeof *summary->samples);
    summary->samples[first] = ns;
    summary->sorted++;
}

/* One sample or a few are the rule where every record is shown at once. */
static void sort(wl_summary_t *summary)
{
    if (summary->kept - summary->sorted > FEW) {
        qsort(summary->samples, summary->kept, sizeof *summary->samples, compare);
        summary->sorted = summary->kept;
    }
    while (summary->sorted < summary->kept) {
        sort_in(summary);
    }
}

wl_summary_t *wl_summary_new(void)
{
    return g_new0(wl_summary_t, 1);
}

void wl_summary_free(wl_summary_t *summary)
{
    if (summary != NULL) {
        wl_summary_clear(summary);
        g_free(summary);
    }
}

void wl_summary_add(wl_summary_t *summary, int64_t ns)
{
    double distance = (double)ns - summary->mean;

    summary->min = summary->count == 0 ? ns : MIN(summary->min, ns);
    summary->max = summary->count == 0 ? ns : MAX(summary->max, ns);
    summary->count++;
    summary->mean += distance / (double)summary->count;
    summary->m2 += distance * ((double)ns - summary->mean);
    if (summary->kept == (summary->histogram == NULL ? MAX_SAMPLES : MAX_WAITING)) {
        move_to_histogram(summary);
    }
    append(summary, ns);
}

void wl_summary_clear(wl_summary_t *summary)
{
    if (summary->histogram != NULL) {
        g_free(summary->histogram->pages);
        g_free(summary->histogram->planes);
        g_free(summary->histogram);
    }
    g_free(summary->samples);
    memset(summary, 0, sizeof *summary);
}

uint64_t wl_summary_count(const wl_summary_t *summary)
{
    return summary->count;
}

int64_t wl_summary_min(const wl_summary_t *summary)
{
    return summary->min;
}

int64_t wl_summary_max(const wl_summary_t *summary)
{
    return summary->max;
}

double wl_summary_mean_ns(const wl_summary_t *summary)
{
    return summary->mean;
}

double wl_summary_sd_ns(const wl_summary_t *summary)
{
    return summary->count < 2 ? 0 : sqrt(summary->m2 / (double)(summary->count - 1));
}

int64_t wl_summary_percentile(wl_summary_t *summary, wl_percentile_t percentile)
{
    if (summary->count == 0) {
        return 0;
    }
    if (summary->histogram == NULL) {
        sort(summary);
        return summary->samples[rank_of(percentile, summary->count) - 1];
    }
    move_to_histogram(summary);
    bring_cursors(summary->histogram);
    /* The middle of the outermost buckets may lie beyond every sample. */
    return CLAMP(summary->histogram->cursors[percentile].middle, summary->min, summary->max);
}

uint64_t wl_summary_clipped(wl_summary_t *summary)
{
    if (summary->histogram != NULL) {
        move_to_histogram(summary);
    }
    return summary->clipped;
}
