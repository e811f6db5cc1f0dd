/* topic_filters.c
 * A tree of levels in one hash table: a level is found by its parent and its text.
 *
 *   (root) -- home -- + -- temperature*       * in use as a filter
 *                 \-- #*
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "topic_filters.h"

#include <string.h>

#include "hash.h"

struct wl_filter {
    wl_filter_t *parent;
    const char *text; /* this level's, not terminated */
    uint32_t length;
    uint32_t users;    /* of the filter that ends here */
    uint32_t children; /* levels below */
};

struct wl_filters {
    wl_filter_t root;
    GHashTable *levels; /* of wl_filter_t, each its own key */
    uint64_t dropped;
};

static guint level_hash(gconstpointer pointer)
{
    const wl_filter_t *level = pointer;

    return wl_hash_bytes(level->text, level->length) ^
           wl_hash_bytes(&level->parent, sizeof(void *));
}

static gboolean level_equal(gconstpointer a, gconstpointer b)
{
    const wl_filter_t *one = a, *other = b;

    return one->parent == other->parent && one->length == other->length &&
           memcmp(one->text, other->text, one->length) == 0;
}

wl_filters_t *wl_filters_new(void)
{
    wl_filters_t *filters = g_new0(wl_filters_t, 1);

    filters->levels = g_hash_table_new_full(level_hash, level_equal, g_free, NULL);
    return filters;
}

void wl_filters_free(wl_filters_t *filters)
{
    if (filters != NULL) {
        g_hash_table_destroy(filters->levels);
        g_free(filters);
    }
}

static wl_filter_t *child_of(const wl_filters_t *filters, const wl_filter_t *parent,
                             const char *text, uint32_t length)
{
    wl_filter_t key = {.parent = (wl_filter_t *)parent, .text = text, .length = length};

    return parent->children > 0 ? g_hash_table_lookup(filters->levels, &key) : NULL;
}

static uint32_t level_length(const char *text, const char *end)
{
    const char *slash = memchr(text, '/', (size_t)(end - text));

    return (uint32_t)((slash != NULL ? slash : end) - text);
}

/* Section 4.7.1: wildcards stand for whole levels, # for the last one only. */
static bool is_filter(const char *text, uint32_t length)
{
    if (length == 0 || memchr(text, 0, length) != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        bool wild = text[i] == '+' || text[i] == '#';
        bool whole = (i == 0 || text[i - 1] == '/') && (i + 1 == length || text[i + 1] == '/');

        if (wild && (!whole || (text[i] == '#' && i + 1 != length))) {
            return false;
        }
    }
    return true;
}

static unsigned depth_of(const char *text, uint32_t length)
{
    unsigned depth = 1;

    for (uint32_t i = 0; i < length; i++) {
        depth += text[i] == '/';
    }
    return depth;
}

static wl_filter_t *child_add(wl_filters_t *filters, wl_filter_t *parent, const char *text,
                              uint32_t length)
{
    wl_filter_t *level = g_malloc0(sizeof *level + length);

    memcpy(level + 1, text, length);
    level->parent = parent;
    level->text = (const char *)(level + 1);
    level->length = length;
    parent->children++;
    g_hash_table_add(filters->levels, level);
    return level;
}

wl_filter_t *wl_filters_add(wl_filters_t *filters, const char *text, uint32_t length)
{
    wl_filter_t *level = &filters->root;
    unsigned depth = depth_of(text, length);

    if (!is_filter(text, length)) {
        return NULL;
    }
    if (depth > WL_FILTERS_MAX_DEPTH ||
        g_hash_table_size(filters->levels) + depth > WL_FILTERS_MAX_LEVELS) {
        filters->dropped++;
        return NULL;
    }
    for (const char *at = text, *end = text + length; at <= end;) {
        uint32_t part = level_length(at, end);
        wl_filter_t *child = child_of(filters, level, at, part);

        level = child != NULL ? child : child_add(filters, level, at, part);
        at += part + 1;
    }
    level->users++;
    return level;
}

void wl_filters_remove(wl_filters_t *filters, wl_filter_t *filter)
{
    filter->users--;
    while (filter != &filters->root && filter->users == 0 && filter->children == 0) {
        wl_filter_t *parent = filter->parent;

        parent->children--;
        g_hash_table_remove(filters->levels, filter);
        filter = parent;
    }
}

wl_filter_t *wl_filters_find(const wl_filters_t *filters, const char *text, uint32_t length)
{
    const wl_filter_t *level = &filters->root;

    for (const char *at = text, *end = text + length; level != NULL && at <= end;) {
        uint32_t part = level_length(at, end);

        level = child_of(filters, level, at, part);
        at += part + 1;
    }
    return level != NULL && level->users > 0 ? (wl_filter_t *)level : NULL;
}

typedef struct {
    const wl_filters_t *filters;
    const char *end; /* of the topic */
    wl_filter_t **found;
    unsigned count, max, visits;
} search_t;

static void note_match(search_t *search, wl_filter_t *level)
{
    if (level != NULL && level->users > 0 && search->count < search->max) {
        search->found[search->count++] = level;
    }
}

/* What matches from this level on; `at` is the topic's next level, NULL behind its last. Recursion
 * is no deeper than a filter may be. */
static void search_below(search_t *search, const wl_filter_t *level, const char *at)
{
    bool system = level == &search->filters->root && at != NULL && *at == '$';
    wl_filter_t *children[2];
    const char *next;
    uint32_t length;

    if (search->count >= search->max || level->children == 0 ||
        search->visits++ >= WL_FILTERS_MAX_VISITS) {
        return;
    }
    if (!system) {
        note_match(search, child_of(search->filters, level, "#", 1));
    }
    if (at == NULL) {
        return;
    }
    length = level_length(at, search->end);
    next = at + length < search->end ? at + length + 1 : NULL;
    children[0] = system ? NULL : child_of(search->filters, level, "+", 1);
    children[1] = child_of(search->filters, level, at, length);
    for (unsigned i = 0; i < G_N_ELEMENTS(children); i++) {
        if (children[i] != NULL && next == NULL) {
            note_match(search, children[i]);
        }
        if (children[i] != NULL) {
            search_below(search, children[i], next);
        }
    }
}

unsigned wl_filters_match(const wl_filters_t *filters, const char *topic, wl_filter_t **found,
                          unsigned max)
{
    search_t search = {filters, topic + strlen(topic), found, 0, max, 0};

    if (filters->root.children > 0 && topic < search.end) {
        search_below(&search, &filters->root, topic);
    }
    return search.count;
}

uint64_t wl_filters_dropped(const wl_filters_t *filters)
{
    return filters->dropped;
}
