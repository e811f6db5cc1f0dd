/* test_summary.c
 * The row summary against the plain definitions: percentiles by nearest rank over the sorted
 * samples, after every single one of a million; standard deviation by two passes; memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include <math.h>

#include "../../taps/summary.h"

#define SAMPLES 1000000
#define MAX_ERROR 0.001

static const unsigned percents[WL_PERCENTILES] = {50, 95, 99};

/* A generator of its own (splitmix64): the same samples on every machine. */
static uint64_t random_state;

static uint64_t random_bits(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* 0 <= x < 1 */
static double random_unit(void)
{
    return (double)(random_bits() >> 11) / 9007199254740992.0;
}

/* Distributions: the i-th sample. */

static int64_t uniform(unsigned i)
{
    (void)i;
    return (int64_t)(random_unit() * 50e6);
}

/* 1 ns .. 1000 s */
static int64_t log_uniform(unsigned i)
{
    (void)i;
    return (int64_t)pow(10, 12 * random_unit());
}

/* Modes of 20 us and 8 s; p50 jumps between them. */
static int64_t bimodal(unsigned i)
{
    (void)i;
    return (int64_t)((random_bits() & 1 ? 20e3 : 8e9) * (1 + 0.1 * random_unit()));
}

/* p95 lies on the edge between the modes. */
static int64_t bimodal_edge(unsigned i)
{
    return i % 20 == 0 ? 5000000000 + (int64_t)i : 1000000 + (int64_t)i;
}

static int64_t constant(unsigned i)
{
    (void)i;
    return 1234567891;
}

static int64_t zero(unsigned i)
{
    (void)i;
    return 0;
}

static int64_t small_integers(unsigned i)
{
    (void)i;
    return (int64_t)(random_bits() % 2048) - 1024;
}

static int64_t negative_mix(unsigned i)
{
    int64_t ns = log_uniform(i);

    return random_bits() % 3 == 0 ? -ns : ns;
}

static int64_t only_negative(unsigned i)
{
    return -log_uniform(i);
}

static int64_t increasing(unsigned i)
{
    return (int64_t)i * 1000 + 7;
}

static int64_t decreasing(unsigned i)
{
    return (int64_t)(SAMPLES - i) * 1000 - 300000000;
}

/* Each sample is far from the one before it, so that cursors cross many empty pages. */
static int64_t alternating(unsigned i)
{
    return i & 1 ? INT64_C(1000000000000) - (int64_t)i : -(int64_t)i;
}

/* The slow start of a real row: fast answers first, then all slow ones. */
static int64_t step(unsigned i)
{
    return i < SAMPLES / 3 ? 300000 + (int64_t)(random_bits() % 9973)
                           : 90000000 + (int64_t)(random_bits() % 7919);
}

static const struct {
    const char *name;
    int64_t (*sample)(unsigned i);
} distributions[] = {
    {"uniform", uniform},
    {"log-uniform", log_uniform},
    {"bimodal", bimodal},
    {"bimodal at p95", bimodal_edge},
    {"constant", constant},
    {"zero", zero},
    {"small integers", small_integers},
    {"negative mix", negative_mix},
    {"only negative", only_negative},
    {"increasing", increasing},
    {"decreasing", decreasing},
    {"alternating", alternating},
    {"step", step},
};

typedef struct {
    int64_t ns;
    unsigned index;
} ranked_t;

static int compare_ranked(const void *a, const void *b)
{
    const ranked_t *x = a, *y = b;

    return x->ns != y->ns ? (x->ns < y->ns ? -1 : 1)
                          : (x->index > y->index) - (x->index < y->index);
}

/* Counts of a sorted array's prefixes (Fenwick tree): the k-th smallest of the samples so far
 * without sorting again. */
typedef struct {
    ranked_t *sorted;
    unsigned *place; /* of sample i in sorted, from 1 */
    unsigned *tree;
} exact_t;

static exact_t exact_new(const int64_t *samples, unsigned n)
{
    exact_t exact = {malloc(n * sizeof *exact.sorted), malloc(n * sizeof *exact.place),
                     calloc(n + 1, sizeof *exact.tree)};

    assert_true(exact.sorted != NULL && exact.place != NULL && exact.tree != NULL);
    for (unsigned i = 0; i < n; i++) {
        exact.sorted[i] = (ranked_t){samples[i], i};
    }
    qsort(exact.sorted, n, sizeof *exact.sorted, compare_ranked);
    for (unsigned i = 0; i < n; i++) {
        exact.place[exact.sorted[i].index] = i + 1;
    }
    return exact;
}

static void exact_free(exact_t *exact)
{
    free(exact->sorted);
    free(exact->place);
    free(exact->tree);
}

static void exact_add(exact_t *exact, unsigned i, unsigned n)
{
    for (unsigned at = exact->place[i]; at <= n; at += at & -at) {
        exact->tree[at]++;
    }
}

static int64_t exact_percentile(const exact_t *exact, unsigned percent, unsigned count, unsigned n)
{
    uint64_t rank = ((uint64_t)percent * count + 99) / 100;
    unsigned at = 0;

    for (unsigned bit = 1u << 30; bit > 0; bit >>= 1) {
        if (at + bit <= n && exact->tree[at + bit] < rank) {
            at += bit;
            rank -= exact->tree[at];
        }
    }
    return exact->sorted[at].ns;
}

static void check_percentiles(wl_summary_t *summary, const exact_t *exact, unsigned count,
                              const char *name)
{
    for (int p = 0; p < WL_PERCENTILES; p++) {
        int64_t want = exact_percentile(exact, percents[p], count, SAMPLES);
        int64_t got = wl_summary_percentile(summary, (wl_percentile_t)p);
        double limit = count <= 256 ? 0 : fabs((double)want) * MAX_ERROR;

        if (fabs((double)got - (double)want) > limit) {
            fail_msg("%s, p%u of %u samples: %lld instead of %lld", name, percents[p], count,
                     (long long)got, (long long)want);
        }
    }
}

static void check_moments(wl_summary_t *summary, const int64_t *samples, unsigned n)
{
    int64_t min = samples[0], max = samples[0];
    long double mean = 0, squares = 0, sd;

    for (unsigned i = 0; i < n; i++) {
        min = samples[i] < min ? samples[i] : min;
        max = samples[i] > max ? samples[i] : max;
        mean += (long double)samples[i] / n;
    }
    for (unsigned i = 0; i < n; i++) {
        squares += ((long double)samples[i] - mean) * ((long double)samples[i] - mean);
    }
    sd = sqrtl(squares / (n - 1));
    assert_int_equal(wl_summary_count(summary), n);
    assert_true(wl_summary_min(summary) == min);
    assert_true(wl_summary_max(summary) == max);
    assert_true(fabsl(wl_summary_mean_ns(summary) - mean) <= 1e-9L * (sd + fabsl(mean)));
    assert_true(fabsl(wl_summary_sd_ns(summary) - sd) <= 1e-9L * (sd + fabsl(mean)));
}

static void test_percentiles_after_every_sample(void **state)
{
    int64_t *samples = malloc(SAMPLES * sizeof *samples);

    (void)state;
    assert_non_null(samples);
    for (size_t d = 0; d < sizeof distributions / sizeof distributions[0]; d++) {
        wl_summary_t *summary = wl_summary_new();
        exact_t exact;

        random_state = d;
        for (unsigned i = 0; i < SAMPLES; i++) {
            samples[i] = distributions[d].sample(i);
        }
        exact = exact_new(samples, SAMPLES);
        for (unsigned i = 0; i < SAMPLES; i++) {
            wl_summary_add(summary, samples[i]);
            exact_add(&exact, i, SAMPLES);
            check_percentiles(summary, &exact, i + 1, distributions[d].name);
        }
        check_moments(summary, samples, SAMPLES);
        assert_int_equal(wl_summary_clipped(summary), 0);
        assert_true(wl_summary_bytes(summary) <= WL_SUMMARY_MAX_BYTES);
        print_message("%-16s %6zu bytes\n", distributions[d].name, wl_summary_bytes(summary));
        exact_free(&exact);
        wl_summary_free(summary);
    }
    free(samples);
}

static void check_empty(wl_summary_t *summary)
{
    assert_int_equal(wl_summary_count(summary), 0);
    assert_int_equal(wl_summary_min(summary), 0);
    assert_int_equal(wl_summary_max(summary), 0);
    assert_true(wl_summary_mean_ns(summary) == 0);
    assert_true(wl_summary_sd_ns(summary) == 0);
    for (int p = 0; p < WL_PERCENTILES; p++) {
        assert_int_equal(wl_summary_percentile(summary, (wl_percentile_t)p), 0);
    }
    assert_int_equal(wl_summary_clipped(summary), 0);
    assert_true(wl_summary_bytes(summary) < 256);
}

static void test_empty_and_cleared(void **state)
{
    static const unsigned counts[] = {1, 255, 256, 257, 5000};
    wl_summary_t *summary = wl_summary_new();

    (void)state;
    check_empty(summary);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (unsigned n = 0; n < counts[i]; n++) {
            wl_summary_add(summary, -5 - (int64_t)n);
        }
        assert_int_equal(wl_summary_count(summary), counts[i]);
        wl_summary_clear(summary);
        check_empty(summary);
    }
    /* What was there before must not come back. */
    wl_summary_add(summary, 42);
    assert_int_equal(wl_summary_min(summary), 42);
    assert_int_equal(wl_summary_max(summary), 42);
    assert_int_equal(wl_summary_percentile(summary, WL_P99), 42);
    wl_summary_free(summary);
    wl_summary_free(NULL);
}

static void test_few_samples(void **state)
{
    wl_summary_t *summary = wl_summary_new();

    (void)state;
    wl_summary_add(summary, 30);
    assert_int_equal(wl_summary_percentile(summary, WL_P50), 30);
    assert_true(wl_summary_sd_ns(summary) == 0);
    wl_summary_add(summary, 10);
    assert_int_equal(wl_summary_percentile(summary, WL_P50), 10); /* nearest rank, no average */
    assert_int_equal(wl_summary_percentile(summary, WL_P95), 30);
    wl_summary_add(summary, 20);
    assert_int_equal(wl_summary_percentile(summary, WL_P50), 20);
    assert_true(wl_summary_mean_ns(summary) == 20);
    assert_true(wl_summary_sd_ns(summary) == 10);
    wl_summary_free(summary);
}

static void test_extreme_values(void **state)
{
    wl_summary_t *summary = wl_summary_new();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        wl_summary_add(summary, INT64_MIN);
        wl_summary_add(summary, INT64_MAX);
        wl_summary_add(summary, i % 2 ? 0 : -1);
    }
    assert_true(wl_summary_min(summary) == INT64_MIN);
    assert_true(wl_summary_max(summary) == INT64_MAX);
    assert_between(wl_summary_percentile(summary, WL_P50), -1, 0);
    assert_true(wl_summary_percentile(summary, WL_P99) >= INT64_MAX / 1000 * 999);
    assert_int_equal(wl_summary_clipped(summary), 0);
    wl_summary_free(summary);
}

/* 16-bit counters overflow after 65535 samples of one bucket, and again at each multiple. */
static void test_counters_widen(void **state)
{
    wl_summary_t *summary = wl_summary_new();

    (void)state;
    for (unsigned i = 0; i < 500000; i++) {
        wl_summary_add(summary, 1000000);
    }
    for (unsigned i = 0; i < 499999; i++) {
        wl_summary_add(summary, 2000000);
    }
    assert_between(wl_summary_percentile(summary, WL_P50), 999000, 1001000);
    wl_summary_add(summary, 2000000); /* half of a million is still the lower value ... */
    assert_between(wl_summary_percentile(summary, WL_P50), 999000, 1001000);
    wl_summary_add(summary, 2000000); /* ... and no more after this one */
    assert_between(wl_summary_percentile(summary, WL_P50), 1998000, 2002000);
    assert_int_equal(wl_summary_clipped(summary), 0);
    assert_true(wl_summary_bytes(summary) < 8192);
    wl_summary_free(summary);
}

/* Samples over all of int64 exceed the bound: what is left out is counted, and the percentiles
 * are right for the others. */
static void test_memory_bound(void **state)
{
    wl_summary_t *summary = wl_summary_new();
    int64_t *kept = malloc(SAMPLES * sizeof *kept);
    unsigned n_kept = 0;
    size_t most = 0;
    exact_t exact;

    (void)state;
    assert_non_null(kept);
    random_state = 99;
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t bits = random_bits();
        int64_t ns = (int64_t)(bits >> 1 >> random_bits() % 63);
        uint64_t clipped = wl_summary_clipped(summary);

        ns = bits & 1 ? ns : -ns;
        wl_summary_add(summary, ns);
        if (wl_summary_clipped(summary) == clipped) {
            kept[n_kept++] = ns;
        }
        most = wl_summary_bytes(summary) > most ? wl_summary_bytes(summary) : most;
    }
    assert_between(most, WL_SUMMARY_MAX_BYTES - 4096, WL_SUMMARY_MAX_BYTES);
    assert_true(wl_summary_clipped(summary) > 0);
    assert_int_equal(wl_summary_clipped(summary) + n_kept, SAMPLES);
    assert_int_equal(wl_summary_count(summary), SAMPLES);
    exact = exact_new(kept, n_kept);
    for (int p = 0; p < WL_PERCENTILES; p++) {
        double want = (double)exact.sorted[((uint64_t)n_kept * percents[p] + 99) / 100 - 1].ns;
        double got = (double)wl_summary_percentile(summary, (wl_percentile_t)p);

        assert_true(fabs(got - want) <= fabs(want) * MAX_ERROR);
    }
    exact_free(&exact);
    free(kept);
    wl_summary_free(summary);
}

/* Whoever asks seldom is told the same as who asks after each sample. */
static void test_percentiles_after_many_samples(void **state)
{
    (void)state;
    for (unsigned d = 0; d < G_N_ELEMENTS(distributions); d++) {
        wl_summary_t *often = wl_summary_new(), *seldom = wl_summary_new();

        random_state = 7;
        for (unsigned i = 0, next = 1; i < 20000; i++) {
            int64_t ns = distributions[d].sample(i);

            wl_summary_add(often, ns);
            wl_summary_add(seldom, ns);
            for (int p = 0; p < WL_PERCENTILES; p++) {
                int64_t want = wl_summary_percentile(often, (wl_percentile_t)p);

                if (i == next) {
                    assert_true(wl_summary_percentile(seldom, (wl_percentile_t)p) == want);
                }
            }
            if (i == next) {
                next += 1 + i * 2 % 97; /* one behind, some, and more than wait */
            }
        }
        assert_int_equal(wl_summary_clipped(often), wl_summary_clipped(seldom));
        wl_summary_free(often);
        wl_summary_free(seldom);
    }
}

/* A small row must stay small: a table may have 10,000 of them. */
static void test_small_rows_are_small(void **state)
{
    wl_summary_t *summary = wl_summary_new();
    size_t before = 0;

    (void)state;
    for (int64_t i = 1; i <= 100000; i++) {
        wl_summary_add(summary, 1000000 + i % 1000 * 1000);
        assert_true(wl_summary_bytes(summary) <= (i <= 8 ? 256u : i <= 256 ? 2304u : 16384u));
        /* Only the move from the sorted array to the histogram may give memory back. */
        assert_true(i == 257 || wl_summary_bytes(summary) >= before);
        before = wl_summary_bytes(summary);
    }
    wl_summary_free(summary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_and_cleared),
        cmocka_unit_test(test_few_samples),
        cmocka_unit_test(test_extreme_values),
        cmocka_unit_test(test_counters_widen),
        cmocka_unit_test(test_small_rows_are_small),
        cmocka_unit_test(test_memory_bound),
        cmocka_unit_test(test_percentiles_after_every_sample),
        cmocka_unit_test(test_percentiles_after_many_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
