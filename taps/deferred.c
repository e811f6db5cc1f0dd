/* deferred.c
 * The logs as sources of records, and the range that waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "deferred.h"

#include <string.h>

#include "../plugin/exchange.h"
#include "../plugin/postdissect.h"
#include "../plugin/tcp_path.h"

#define MOST_WAITING 1024u
/* Their times are known no longer than that. */
G_STATIC_ASSERT(MOST_WAITING <= WL_PATH_TIMES);

typedef union {
    wl_record_t event;
    wl_path_record_t frame;
} room_t;

struct wl_source {
    const char *tap;
    wl_proto_t proto; /* of events */
    const void *(*log)(void);
    uint32_t (*number)(const void *record);
    /* The record of a number; false if it is another tap's. */
    bool (*read)(const wl_source_t *source, uint32_t number, room_t *room);
};

static const void *events(void)
{
    return wl_postdissect_store();
}

static uint32_t event_number(const void *record)
{
    return ((const wl_record_t *)record)->number;
}

static bool read_event(const wl_source_t *source, uint32_t number, room_t *room)
{
    wl_store_event(wl_postdissect_store(), number, &room->event);
    return room->event.ex->proto == source->proto;
}

static const void *frames(void)
{
    return wl_postdissect_paths();
}

static uint32_t frame_number(const void *record)
{
    return ((const wl_path_record_t *)record)->number;
}

static bool read_frame(const wl_source_t *source, uint32_t number, room_t *room)
{
    (void)source;
    wl_paths_at(wl_postdissect_paths(), number, &room->frame);
    return true;
}

const wl_source_t *wl_source_of(const char *tap)
{
    static const wl_source_t sources[] = {
        {"wirelat.mqtt", WL_PROTO_MQTT, events, event_number, read_event},
        {"wirelat.kafka", WL_PROTO_KAFKA, events, event_number, read_event},
        {"wirelat.mqttsn", WL_PROTO_MQTTSN, events, event_number, read_event},
        {"wirelat.stream", WL_PROTO_COUNT, frames, frame_number, read_frame},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (strcmp(sources[i].tap, tap) == 0) {
            return &sources[i];
        }
    }
    return NULL;
}

void wl_deferred_catch_up(wl_deferred_t *deferred, const wl_source_t *source,
                          wl_deferred_take_t take, void *user)
{
    wl_deferred_t waiting = *deferred;
    room_t room;

    *deferred = (wl_deferred_t){0, 0, NULL};
    if (waiting.log == NULL || waiting.log != source->log()) {
        return;
    }
    for (uint32_t number = waiting.from; number < waiting.to; number++) {
        if (source->read(source, number, &room)) {
            take(&room, user);
        }
    }
}

/* A filter hides records: those between are not the table's. */
static bool follows(const wl_deferred_t *deferred, const wl_source_t *source, uint32_t number)
{
    room_t room;

    for (uint32_t between = deferred->to; between < number; between++) {
        if (source->read(source, between, &room)) {
            return false;
        }
    }
    return number >= deferred->to;
}

void wl_deferred_put(wl_deferred_t *deferred, const wl_source_t *source, const void *record,
                     wl_deferred_take_t take, void *user)
{
    uint32_t number = source->number(record);

    if (deferred->from < deferred->to && !follows(deferred, source, number)) {
        wl_deferred_catch_up(deferred, source, take, user);
    }
    if (deferred->from == deferred->to) {
        deferred->log = source->log();
        deferred->from = number;
    }
    deferred->to = number + 1;
    if (deferred->to - deferred->from >= MOST_WAITING) {
        wl_deferred_catch_up(deferred, source, take, user);
    }
}
