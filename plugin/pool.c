/* pool.c
 * A list of pieces, of which the last is being used up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pool.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define LINE 64u
#define FIRST_PIECE ((size_t)256 << 10) /* all that most captures need */
#define PIECE ((size_t)4 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

struct wl_pool {
    GPtrArray *pieces;
    char *at;
    size_t left, bytes;
};

wl_pool_t *wl_pool_new(void)
{
    wl_pool_t *pool = g_new0(wl_pool_t, 1);

    pool->pieces = g_ptr_array_new_with_free_func(g_aligned_free);
    return pool;
}

void wl_pool_free(wl_pool_t *pool)
{
    if (pool != NULL) {
        g_ptr_array_free(pool->pieces, TRUE);
        g_free(pool);
    }
}

static void add_piece(wl_pool_t *pool, size_t size)
{
    bool is_first = pool->pieces->len == 0;
    size_t piece = MAX(is_first ? FIRST_PIECE : PIECE, size);

    pool->at = g_aligned_alloc(1, piece, is_first ? LINE : HUGE_PAGE);
    pool->left = piece;
    pool->bytes += piece;
    g_ptr_array_add(pool->pieces, pool->at);
#ifdef MADV_HUGEPAGE
    if (!is_first) {
        madvise(pool->at, piece, MADV_HUGEPAGE); /* where there are none, all works the same */
    }
#endif
}

void *wl_pool_take(wl_pool_t *pool, size_t size)
{
    void *taken;

    size = (size + LINE - 1) / LINE * LINE;
    if (size > pool->left) {
        add_piece(pool, size);
    }
    taken = memset(pool->at, 0, size);
    pool->at += size;
    pool->left -= size;
    return taken;
}

size_t wl_pool_bytes(const wl_pool_t *pool)
{
    return pool->bytes;
}
