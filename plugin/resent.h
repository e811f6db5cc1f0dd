/* resent.h
 * Which exchanges the segments that TCP sent again belong to.
 *
 *   request  |------|      a segment sent again after the request was complete: looked up among the
 *              |xx|        last requests of its direction
 *   answer |xx| |----|     one sent again before its message is complete: remembered until then
 *
 * Counted until the exchange is finished, so that the count is the same in every pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_RESENT_H
#define WIRELAT_RESENT_H

#include "exchange.h"
#include "rare.h"
#include "streams.h"

/* A segment whose bytes were sent before. */
WL_RARE void wl_resent_segment(wl_store_t *store, wl_half_t *half, uint32_t seq, uint32_t length);

/* A message [start, end) that opens an exchange, and one that ends it, is complete. */
void wl_resent_request(wl_store_t *store, wl_half_t *half, wl_exchange_id_t id, uint32_t start,
                       uint32_t end);
void wl_resent_answer(wl_store_t *store, const wl_half_t *half, wl_exchange_id_t id, uint32_t start,
                      uint32_t end);

#endif
