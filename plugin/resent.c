/* resent.c
 * Two short lists per direction: the last requests, and the last segments that were sent again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "resent.h"

#define MAX_REQUESTS 256u
#define MAX_RESENT 64u

typedef struct {
    uint32_t start, end;
    wl_exchange_id_t id; /* of a request */
} range_t;

static void range_add(GArray **ranges, unsigned *head, unsigned max, range_t range)
{
    if (*ranges == NULL) {
        *ranges = g_array_new(FALSE, FALSE, sizeof(range_t));
    }
    if ((*ranges)->len - *head >= max) {
        (*head)++;
    }
    if (*head >= max) {
        g_array_remove_range(*ranges, 0, *head);
        *head = 0;
    }
    g_array_append_val(*ranges, range);
}

static bool overlap(const range_t *range, uint32_t start, uint32_t end)
{
    return wl_seq_before(range->start, end) && wl_seq_before(start, range->end);
}

static bool is_finished(const wl_exchange_t *ex)
{
    return (ex->flags & WL_ANSWERED) || ((ex->flags & WL_ONE_WAY) && ex->ack_frame != 0);
}

void wl_resent_segment(wl_store_t *store, wl_half_t *half, uint32_t seq, uint32_t length)
{
    range_t range = {seq, seq + length, WL_EXCHANGE_NONE};

    for (unsigned i = half->requests_head; half->requests != NULL && i < half->requests->len;
         i++) {
        const range_t *request = &g_array_index(half->requests, range_t, i);
        if (overlap(request, range.start, range.end) &&
            !is_finished(wl_store_get(store, request->id))) {
            wl_store_add_resent(store, request->id, 1);
        }
    }
    range_add(&half->resent, &half->resent_head, MAX_RESENT, range);
}

static uint32_t resent_in(const wl_half_t *half, uint32_t start, uint32_t end)
{
    uint32_t count = 0;

    for (unsigned i = half->resent_head; half->resent != NULL && i < half->resent->len; i++) {
        count += overlap(&g_array_index(half->resent, range_t, i), start, end);
    }
    return count;
}

void wl_resent_request(wl_store_t *store, wl_half_t *half, wl_exchange_id_t id, uint32_t start,
                       uint32_t end)
{
    wl_store_add_resent(store, id, resent_in(half, start, end));
    range_add(&half->requests, &half->requests_head, MAX_REQUESTS, (range_t){start, end, id});
}

void wl_resent_answer(wl_store_t *store, const wl_half_t *half, wl_exchange_id_t id,
                      uint32_t start, uint32_t end)
{
    wl_store_add_resent(store, id, resent_in(half, start, end));
}
