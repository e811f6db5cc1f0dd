/* health.c
 * The log of findings: an array that is ordered by frame because first passes are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "health.h"

#include <glib.h>

#define MAX_FINDINGS 1000000

struct wl_health {
    GArray *findings, *fresh;
    uint32_t newest_frame;                  /* of `fresh`; 0 none */
    uint32_t last_of_kind[WL_HEALTH_COUNT]; /* index + 1, 0 none */
};

wl_health_t *wl_health_new(void)
{
    wl_health_t *health = g_new0(wl_health_t, 1);

    health->findings = g_array_new(FALSE, FALSE, sizeof(wl_finding_t));
    health->fresh = g_array_new(FALSE, FALSE, sizeof(wl_finding_t));
    return health;
}

void wl_health_free(wl_health_t *health)
{
    if (health != NULL) {
        g_array_free(health->findings, TRUE);
        g_array_free(health->fresh, TRUE);
        g_free(health);
    }
}

/* Adds to the frame's entry of the kind among the last few, or makes one. */
static void note_fresh(wl_health_t *health, wl_finding_t finding)
{
    GArray *fresh = health->fresh;

    if (health->newest_frame != finding.frame) {
        health->newest_frame = finding.frame;
        g_array_set_size(fresh, 0);
    }
    for (unsigned i = 0; i < fresh->len; i++) {
        wl_finding_t *entry = &g_array_index(fresh, wl_finding_t, i);
        if (entry->kind == finding.kind) {
            entry->amount += finding.amount;
            return;
        }
    }
    g_array_append_val(fresh, finding);
}

void wl_health_note(wl_health_t *health, uint32_t frame, wl_health_kind_t kind, int64_t amount)
{
    wl_finding_t finding = {frame, (uint16_t)kind, amount}, *last = NULL;

    note_fresh(health, finding);
    if (health->last_of_kind[kind] > 0) {
        last = &g_array_index(health->findings, wl_finding_t, health->last_of_kind[kind] - 1);
    }
    if (last != NULL && (last->frame == frame || health->findings->len >= MAX_FINDINGS)) {
        last->amount += amount;
        return;
    }
    g_array_append_val(health->findings, finding);
    health->last_of_kind[kind] = health->findings->len;
}

const wl_finding_t *wl_health_fresh(const wl_health_t *health, uint32_t frame, uint32_t *count)
{
    if (health->newest_frame != frame) {
        *count = 0;
        return NULL;
    }
    *count = health->fresh->len;
    return (const wl_finding_t *)(void *)health->fresh->data;
}

const wl_finding_t *wl_health_find(const wl_health_t *health, uint32_t frame, uint32_t *count)
{
    const wl_finding_t *findings = (const wl_finding_t *)(void *)health->findings->data;
    uint32_t low = 0, high = health->findings->len;

    *count = 0;
    if (high == 0 || findings[high - 1].frame < frame) {
        return NULL;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (findings[middle].frame < frame) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low + *count < health->findings->len && findings[low + *count].frame == frame) {
        (*count)++;
    }
    return *count > 0 ? findings + low : NULL;
}
