/* mptcp_ranges.c
 * A balanced tree finds a range by number, a list leads on from there. Data mostly comes at the
 * end: there the list alone does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_ranges.h"

#include <glib.h>

struct wl_mp_ranges {
    GTree *tree; /* by `from`, which is also the key */
    wl_mp_range_t *first, *last;
    unsigned count;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer data)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    (void)data;
    return first < second ? -1 : first > second;
}

wl_mp_ranges_t *wl_mp_ranges_new(void)
{
    wl_mp_ranges_t *ranges = g_new0(wl_mp_ranges_t, 1);

    ranges->tree = g_tree_new_full(compare, NULL, NULL, NULL);
    return ranges;
}

void wl_mp_ranges_free(wl_mp_ranges_t *ranges)
{
    wl_mp_range_t *next;

    if (ranges == NULL) {
        return;
    }
    g_tree_destroy(ranges->tree);
    for (wl_mp_range_t *range = ranges->first; range != NULL; range = next) {
        next = range->next;
        g_slice_free(wl_mp_range_t, range);
    }
    g_free(ranges);
}

unsigned wl_mp_ranges_count(const wl_mp_ranges_t *ranges)
{
    return ranges->count;
}

wl_mp_range_t *wl_mp_ranges_first(const wl_mp_ranges_t *ranges)
{
    return ranges->first;
}

wl_mp_range_t *wl_mp_ranges_at(const wl_mp_ranges_t *ranges, uint64_t byte)
{
    wl_mp_range_t *behind, *before;
    GTreeNode *node;

    if (ranges->last == NULL || byte >= ranges->last->to) {
        return NULL;
    }
    if (byte >= ranges->last->from) {
        return ranges->last;
    }
    if (byte < ranges->first->to) {
        return ranges->first;
    }
    node = g_tree_upper_bound(ranges->tree, &byte);
    behind = g_tree_node_value(node); /* there is one: the last begins behind the byte */
    before = behind->previous;
    return before != NULL && before->to > byte ? before : behind;
}

wl_mp_range_t *wl_mp_ranges_insert(wl_mp_ranges_t *ranges, const wl_mp_range_t *range)
{
    wl_mp_range_t *own = g_slice_dup(wl_mp_range_t, range);

    own->next = wl_mp_ranges_at(ranges, range->from);
    own->previous = own->next != NULL ? own->next->previous : ranges->last;
    *(own->next != NULL ? &own->next->previous : &ranges->last) = own;
    *(own->previous != NULL ? &own->previous->next : &ranges->first) = own;
    g_tree_insert(ranges->tree, &own->from, own);
    ranges->count++;
    return own;
}

wl_mp_range_t *wl_mp_ranges_split(wl_mp_ranges_t *ranges, wl_mp_range_t *range, uint64_t byte)
{
    wl_mp_range_t second = *range;

    second.from = byte;
    second.at += byte - range->from;
    range->to = byte;
    return wl_mp_ranges_insert(ranges, &second);
}

void wl_mp_ranges_remove(wl_mp_ranges_t *ranges, wl_mp_range_t *range)
{
    g_tree_remove(ranges->tree, &range->from);
    *(range->next != NULL ? &range->next->previous : &ranges->last) = range->previous;
    *(range->previous != NULL ? &range->previous->next : &ranges->first) = range->next;
    g_slice_free(wl_mp_range_t, range);
    ranges->count--;
}

void wl_mp_ranges_cover(wl_mp_ranges_t *ranges, uint64_t from, uint64_t to)
{
    /* One that ends just where this begins is a neighbour too. */
    wl_mp_range_t *range = wl_mp_ranges_at(ranges, from > 0 ? from - 1 : 0), *next;
    wl_mp_range_t added = {.from = from, .to = to};

    if (range != NULL && range->from <= from) {
        if (range->to >= to) {
            return;
        }
        /* The most frequent case keeps its place in the tree. */
        if (range->next == NULL || range->next->from > to) {
            range->to = to;
            return;
        }
    }
    for (; range != NULL && range->from <= to; range = next) {
        next = range->next;
        added.from = MIN(added.from, range->from);
        added.to = MAX(added.to, range->to);
        wl_mp_ranges_remove(ranges, range);
    }
    wl_mp_ranges_insert(ranges, &added);
}
