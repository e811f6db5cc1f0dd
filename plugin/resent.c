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

static void range_add(wl_queue_t *ranges, unsigned max, range_t range)
{
    if (ranges->count >= max) {
        wl_queue_drop(ranges, 1);
    }
    *(range_t *)wl_queue_push(ranges, sizeof(range_t)) = range;
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

    for (unsigned i = 0; i < half->requests.count; i++) {
        const range_t *request = wl_queue_at(&half->requests, sizeof(range_t), i);
        if (overlap(request, range.start, range.end) &&
            !is_finished(wl_store_get(store, request->id))) {
            wl_store_add_resent(store, request->id, 1);
        }
    }
    range_add(&half->resent, MAX_RESENT, range);
}

static uint32_t resent_in(const wl_half_t *half, uint32_t start, uint32_t end)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < half->resent.count; i++) {
        count += overlap(wl_queue_at(&half->resent, sizeof(range_t), i), start, end);
    }
    return count;
}

void wl_resent_request(wl_store_t *store, wl_half_t *half, wl_exchange_id_t id, uint32_t start,
                       uint32_t end)
{
    wl_store_add_resent(store, id, resent_in(half, start, end));
    range_add(&half->requests, MAX_REQUESTS, (range_t){start, end, id});
}

void wl_resent_answer(wl_store_t *store, const wl_half_t *half, wl_exchange_id_t id, uint32_t start,
                      uint32_t end)
{
    wl_store_add_resent(store, id, resent_in(half, start, end));
}
