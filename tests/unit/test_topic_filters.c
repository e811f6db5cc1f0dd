/* test_topic_filters.c
 * Filters and the topics they match against a matcher written the plain way, users that come and
 * go, and the bounds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unit.h"

#include "../../plugin/topic_filters.h"

static wl_filter_t *add(wl_filters_t *filters, const char *text)
{
    return wl_filters_add(filters, text, (uint32_t)strlen(text));
}

static void test_what_is_no_filter(void **state)
{
    static const char *const bad[] = {"", "a+", "+a", "a/#/b", "#/a", "a#", "##", "a/++"};
    wl_filters_t *filters = wl_filters_new();

    (void)state;
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_null(add(filters, bad[i]));
    }
    assert_null(wl_filters_add(filters, "a\0b", 3));
    assert_int_equal(wl_filters_dropped(filters), 0);
    wl_filters_free(filters);
}

/* Section 4.7 as its examples say it, level by level. */
static bool matches(const char *filter, const char *topic, bool first)
{
    size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");

    if (first && topic[0] == '$' && (filter[0] == '+' || filter[0] == '#')) {
        return false;
    }
    if (strcmp(filter, "#") == 0) {
        return true;
    }
    if (!(f == 1 && filter[0] == '+') && (f != t || strncmp(filter, topic, f) != 0)) {
        return false;
    }
    if (topic[t] == 0) {
        return filter[f] == 0 || strcmp(filter + f, "/#") == 0;
    }
    return filter[f] != 0 && matches(filter + f + 1, topic + t + 1, false);
}

static void random_text(uint64_t *random, bool wild, char *text)
{
    static const char *const levels[] = {"a", "b", "", "$s", "+", "#"};
    unsigned count;

    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    count = 1 + (*random >> 60) % 4;
    text[0] = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned which = (*random >> (20 + 8 * i)) % (wild ? (i + 1 == count ? 6 : 5) : 4);
        strcat(text, levels[which]);
        strcat(text, i + 1 < count ? "/" : "");
    }
}

#define FILTERS 60

static void test_against_a_plain_matcher(void **state)
{
    wl_filters_t *filters = wl_filters_new();
    char text[FILTERS][40], topic[40];
    wl_filter_t *filter[FILTERS] = {NULL}, *found[FILTERS];
    uint64_t random = 1;
    unsigned matched = 0;

    (void)state;
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = step % FILTERS, count;

        if (filter[i] != NULL) {
            wl_filters_remove(filters, filter[i]);
        }
        random_text(&random, true, text[i]);
        filter[i] = add(filters, text[i]);
        random_text(&random, false, topic);
        count = wl_filters_match(filters, topic, found, FILTERS);
        for (unsigned k = 0; k < FILTERS; k++) {
            bool there = false;

            for (unsigned n = 0; n < count; n++) {
                there |= found[n] == filter[k];
            }
            if (filter[k] != NULL) {
                assert_int_equal(there, topic[0] != 0 && matches(text[k], topic, true));
                assert_ptr_equal(wl_filters_find(filters, text[k], (uint32_t)strlen(text[k])),
                                 filter[k]);
                matched += there;
            }
        }
    }
    assert_true(matched > 10000);
    for (unsigned i = 0; i < FILTERS; i++) {
        if (filter[i] != NULL) {
            wl_filters_remove(filters, filter[i]);
        }
    }
    assert_int_equal(wl_filters_match(filters, "a/b", found, FILTERS), 0);
    wl_filters_free(filters);
}

static void test_equal_filters_are_one(void **state)
{
    wl_filters_t *filters = wl_filters_new();
    wl_filter_t *found[2], *one = add(filters, "a/b");

    (void)state;
    assert_ptr_equal(add(filters, "a/b"), one);
    wl_filters_remove(filters, one);
    assert_int_equal(wl_filters_match(filters, "a/b", found, 2), 1);
    wl_filters_remove(filters, one);
    assert_int_equal(wl_filters_match(filters, "a/b", found, 2), 0);
    assert_null(wl_filters_find(filters, "a/b", 3));
    wl_filters_free(filters);
}

static void test_bounds(void **state)
{
    wl_filters_t *filters = wl_filters_new();
    char text[2 * WL_FILTERS_MAX_DEPTH + 8], topic[70000];
    wl_filter_t *found[4];
    unsigned kept = 0;

    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned i = 1; i < sizeof text; i += 2) {
        text[i] = '/';
    }
    assert_null(wl_filters_add(filters, text, 2 * WL_FILTERS_MAX_DEPTH + 1));
    assert_int_equal(wl_filters_dropped(filters), 1);
    assert_non_null(wl_filters_add(filters, text, 2 * WL_FILTERS_MAX_DEPTH - 1));
    /* A topic may have more levels than any filter. */
    memset(topic, '/', sizeof topic);
    topic[sizeof topic - 1] = 0;
    add(filters, "#");
    assert_int_equal(wl_filters_match(filters, topic, found, 4), 1);
    for (uint32_t i = 0; i < WL_FILTERS_MAX_LEVELS + 10; i++) {
        char name[16];

        kept += wl_filters_add(filters, name, (uint32_t)g_snprintf(name, sizeof name, "n%u", i)) !=
                NULL;
    }
    assert_int_equal(kept, WL_FILTERS_MAX_LEVELS - WL_FILTERS_MAX_DEPTH - 1);
    assert_int_equal(wl_filters_dropped(filters), 1 + WL_FILTERS_MAX_LEVELS + 10 - kept);
    wl_filters_free(filters);
}

/* Filters made to be walked: every level both ways. The search gives up, in time. */
static void test_walk_is_bounded(void **state)
{
    wl_filters_t *filters = wl_filters_new();
    wl_filter_t *found[8];

    (void)state;
    for (unsigned bits = 0; bits < 8192; bits++) {
        char text[32] = "";

        for (unsigned level = 0; level < 13; level++) {
            strcat(text, bits >> level & 1 ? "+/" : "a/");
        }
        strcat(text, "z");
        add(filters, text);
    }
    for (unsigned i = 0; i < 300; i++) {
        wl_filters_match(filters, "a/a/a/a/a/a/a/a/a/a/a/a/a/y", found, 8);
    }
    wl_filters_free(filters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_filter),
        cmocka_unit_test(test_against_a_plain_matcher),
        cmocka_unit_test(test_equal_filters_are_one),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_walk_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
