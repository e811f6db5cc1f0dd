/* mptcp_log.c
 * Two arrays in blocks, both in the order of frames, and one that is put in order when it is read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_log.h"

#include "pool.h"
#include "rare.h"

#define BLOCK 4096u

/* An item of another frame that is this one's too, from the second pass on. */
#define WAITED (UINT32_C(1) << 31)
typedef struct {
    uint32_t frame;
    uint32_t item; /* its index; WAITED: shown as WL_MP_HOL_DELAY */
} later_t;

/* An array that grows without being copied: 1.1 million frames would else need twice the memory. */
typedef struct {
    GPtrArray *blocks; /* of the pool */
    uint32_t count;
} blocks_t;

struct wl_mp_log {
    wl_pool_t *pool;
    blocks_t entries; /* wl_mp_entry_t */
    blocks_t items;   /* wl_mp_item_t */
    unsigned max_frames;
    bool full;            /* the last frame had no room */
    bool added;           /* the last item had */
    uint32_t frame, side; /* that began last */
    uint32_t of_frame, of_side, written_frame;
    int64_t time_ns, of_time_ns;
    GArray *later; /* later_t */
    bool sorted;
    GArray *found, *found_at, *found_later; /* wl_mp_item_t: of what was asked for last */
    uint64_t dropped;
};

static wl_mp_entry_t *entry_at(const wl_mp_log_t *log, uint32_t index)
{
    return (wl_mp_entry_t *)g_ptr_array_index(log->entries.blocks, index / BLOCK) + index % BLOCK;
}

static wl_mp_item_t *item_at(const wl_mp_log_t *log, uint32_t index)
{
    return (wl_mp_item_t *)g_ptr_array_index(log->items.blocks, index / BLOCK) + index % BLOCK;
}

WL_RARE static void add_block(wl_mp_log_t *log, blocks_t *blocks, size_t size)
{
    g_ptr_array_add(blocks->blocks, wl_pool_take(log->pool, BLOCK * size));
}

/* Makes room for one more, of so many bytes. Returns its index. */
static uint32_t add_room(wl_mp_log_t *log, blocks_t *blocks, size_t size)
{
    if (blocks->count == blocks->blocks->len * BLOCK) {
        add_block(log, blocks, size);
    }
    return blocks->count++;
}

static void add_item(wl_mp_log_t *log, wl_mp_item_t item)
{
    *item_at(log, add_room(log, &log->items, sizeof item)) = item;
}

wl_mp_log_t *wl_mp_log_new(unsigned max_frames)
{
    wl_mp_log_t *log = g_new0(wl_mp_log_t, 1);

    log->max_frames = MIN(max_frames, WAITED / 4 - 1); /* an index has 31 bits */
    log->pool = wl_pool_new();
    log->entries.blocks = g_ptr_array_new();
    log->items.blocks = g_ptr_array_new();
    log->later = g_array_new(FALSE, FALSE, sizeof(later_t));
    log->found = g_array_new(FALSE, FALSE, sizeof(wl_mp_item_t));
    log->found_at = g_array_new(FALSE, FALSE, sizeof(wl_mp_item_t));
    log->found_later = g_array_new(FALSE, FALSE, sizeof(wl_mp_item_t));
    log->sorted = true;
    return log;
}

void wl_mp_log_free(wl_mp_log_t *log)
{
    if (log != NULL) {
        g_ptr_array_free(log->entries.blocks, TRUE);
        g_ptr_array_free(log->items.blocks, TRUE);
        g_array_free(log->later, TRUE);
        g_array_free(log->found, TRUE);
        g_array_free(log->found_at, TRUE);
        g_array_free(log->found_later, TRUE);
        wl_pool_free(log->pool);
        g_free(log);
    }
}

void wl_mp_log_frame(wl_mp_log_t *log, uint32_t frame, uint32_t side, int64_t time_ns)
{
    wl_mp_entry_t entry = {frame, side, log->items.count};

    log->full = log->entries.count >= log->max_frames;
    if (log->full) {
        log->dropped++;
    } else {
        *entry_at(log, add_room(log, &log->entries, sizeof entry)) = entry;
    }
    log->frame = log->of_frame = log->written_frame = frame;
    log->side = log->of_side = side;
    log->time_ns = log->of_time_ns = time_ns;
}

void wl_mp_log_of(wl_mp_log_t *log, uint32_t frame, uint32_t side, int64_t time_ns)
{
    log->of_frame = frame;
    log->of_side = side;
    log->of_time_ns = time_ns;
    if (frame == log->frame && !log->full) {
        /* Its connection may have become known with this very frame. */
        entry_at(log, log->entries.count - 1)->side = log->side = side;
    }
}

WL_RARE static void add_later(wl_mp_log_t *log, uint32_t frame, uint32_t how)
{
    later_t later = {frame, (log->items.count - 1) | how};

    g_array_append_val(log->later, later);
    log->sorted = false;
}

/* What follows is of another frame. */
WL_RARE static void add_origin(wl_mp_log_t *log)
{
    int64_t back_ns = log->of_time_ns - log->time_ns;
    wl_mp_item_t origin = {.value = CLAMP(back_ns, -WL_MP_VALUE_MAX, WL_MP_VALUE_MAX),
                           .kind = WL_MP_ORIGIN,
                           .frame = log->of_frame,
                           .aux = log->of_side};

    add_item(log, origin);
    log->written_frame = log->of_frame;
}

void wl_mp_log_add(wl_mp_log_t *log, wl_mp_item_t item)
{
    log->added = !log->full && log->items.count / 4 < log->max_frames;
    if (!log->added) {
        log->dropped++;
        return;
    }
    if (log->of_frame != log->written_frame) {
        add_origin(log);
    }
    add_item(log, item);
    if (log->of_frame != log->frame) {
        add_later(log, log->of_frame, 0);
    }
}

void wl_mp_log_waited(wl_mp_log_t *log, uint32_t frame)
{
    if (log->added) {
        add_later(log, frame, WAITED);
    }
}

/* The first entry of this frame or a later one. */
static uint32_t entry_from(const wl_mp_log_t *log, uint32_t frame)
{
    uint32_t low = 0, high = log->entries.count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (entry_at(log, middle)->frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The frame's entry, or UINT32_MAX. */
static uint32_t find_entry(const wl_mp_log_t *log, uint32_t frame)
{
    uint32_t count = log->entries.count, index;

    if (count == 0 || entry_at(log, count - 1)->frame < frame) {
        return UINT32_MAX;
    }
    if (entry_at(log, count - 1)->frame == frame) {
        return count - 1; /* the first pass */
    }
    index = entry_from(log, frame);
    return entry_at(log, index)->frame == frame ? index : UINT32_MAX;
}

uint32_t wl_mp_log_next(const wl_mp_log_t *log, uint32_t frame)
{
    uint32_t index = entry_from(log, frame + 1);

    return index < log->entries.count ? entry_at(log, index)->frame : 0;
}

bool wl_mp_log_side(const wl_mp_log_t *log, uint32_t frame, uint32_t *side)
{
    uint32_t index = find_entry(log, frame);

    if (index != UINT32_MAX) {
        *side = entry_at(log, index)->side;
    }
    return index != UINT32_MAX;
}

/* `room` is for items that do not lie in one block. */
static void read_entry(const wl_mp_log_t *log, uint32_t index, GArray *room, wl_mp_logged_t *logged)
{
    const wl_mp_entry_t *entry = entry_at(log, index);
    uint32_t first = entry->first_item, end = log->items.count;

    if (index + 1 < log->entries.count) {
        end = entry_at(log, index + 1)->first_item;
    }
    *logged = (wl_mp_logged_t){index, entry->frame, entry->side, NULL, end - first};
    if (end > first && first / BLOCK == (end - 1) / BLOCK) {
        logged->items = item_at(log, first);
    } else if (end > first) {
        g_array_set_size(room, 0);
        for (uint32_t i = first; i < end; i++) {
            g_array_append_vals(room, item_at(log, i), 1);
        }
        logged->items = (const wl_mp_item_t *)(void *)room->data;
    }
}

bool wl_mp_log_find(const wl_mp_log_t *log, uint32_t frame, wl_mp_logged_t *logged)
{
    uint32_t index = find_entry(log, frame);

    if (index != UINT32_MAX) {
        read_entry(log, index, log->found, logged);
    }
    return index != UINT32_MAX;
}

void wl_mp_log_at(const wl_mp_log_t *log, uint32_t number, wl_mp_logged_t *logged)
{
    read_entry(log, number, log->found_at, logged);
}

static gint later_compare(gconstpointer a, gconstpointer b)
{
    const later_t *first = a, *second = b;

    if (first->frame != second->frame) {
        return first->frame < second->frame ? -1 : 1;
    }
    return (first->item & ~WAITED) < (second->item & ~WAITED)
               ? -1
               : (first->item & ~WAITED) > (second->item & ~WAITED);
}

bool wl_mp_log_find_later(wl_mp_log_t *log, uint32_t frame, const wl_mp_item_t **items,
                          unsigned *count)
{
    unsigned low = 0, high = log->later->len;

    if (!log->sorted) {
        g_array_sort(log->later, later_compare);
        log->sorted = true;
    }
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (g_array_index(log->later, later_t, middle).frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    g_array_set_size(log->found_later, 0);
    for (; low < log->later->len; low++) {
        const later_t *later = &g_array_index(log->later, later_t, low);
        wl_mp_item_t item;

        if (later->frame != frame) {
            break;
        }
        item = *item_at(log, later->item & ~WAITED);
        if (later->item & WAITED) {
            item = (wl_mp_item_t){.value = item.value, .kind = WL_MP_HOL_DELAY};
        }
        g_array_append_val(log->found_later, item);
    }
    *items = (const wl_mp_item_t *)(void *)log->found_later->data;
    *count = log->found_later->len;
    return *count > 0;
}

uint64_t wl_mp_log_dropped(const wl_mp_log_t *log)
{
    return log->dropped;
}
