/* deferred.c
 * The logs as sources of records, and the range that waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "deferred.h"

#include <string.h>

#include "../plugin/exchange.h"
#include "../plugin/postdissect.h"
#include "../plugin/show_mptcp.h"
#include "../plugin/tcp_path.h"

/* So many that the rows and figures which are fetched for them are needed several times: four times
 * as few cost 0.03 of dissection more. Where records have moments, those are 1 MiB of a table. */
#define MOST_WAITING 65536u

typedef union {
    wl_record_t event;
    wl_path_record_t frame;
    struct {
        wl_mp_record_t record; /* first: what is taken */
        wl_path_record_t path;
    } mptcp;
} room_t;

struct wl_source {
    const char *tap;
    wl_proto_t proto; /* of events */
    const void *(*log)(void);
    uint32_t (*number)(const void *record);
    /* The record of a number, but for its moment; false if it is another tap's. */
    bool (*read)(const wl_source_t *source, uint32_t number, room_t *room);
    /* Where records have a moment. */
    void (*get_moment)(const void *record, wl_moment_t *moment);
    void (*set_moment)(room_t *room, const wl_moment_t *moment);
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

static void frame_moment(const void *record, wl_moment_t *moment)
{
    moment->time_ns = ((const wl_path_record_t *)record)->time_ns;
}

static void set_frame_moment(room_t *room, const wl_moment_t *moment)
{
    room->frame.time_ns = moment->time_ns;
}

static const void *segments(void)
{
    return wl_mptcp_open_log();
}

static uint32_t segment_number(const void *record)
{
    return ((const wl_mp_record_t *)record)->number;
}

static bool read_segment(const wl_source_t *source, uint32_t number, room_t *room)
{
    (void)source;
    wl_mptcp_record(number, wl_postdissect_paths(), &room->mptcp.record, &room->mptcp.path);
    return true;
}

static void segment_moment(const void *record, wl_moment_t *moment)
{
    const wl_mp_record_t *segment = record;

    *moment = (wl_moment_t){segment->time_ns, segment->rel_ns};
}

static void set_segment_moment(room_t *room, const wl_moment_t *moment)
{
    room->mptcp.record.time_ns = moment->time_ns;
    room->mptcp.record.rel_ns = moment->rel_ns;
}

const wl_source_t *wl_source_of(const char *tap)
{
    static const wl_source_t sources[] = {
        {"wirelat.mqtt", WL_PROTO_MQTT, events, event_number, read_event, NULL, NULL},
        {"wirelat.kafka", WL_PROTO_KAFKA, events, event_number, read_event, NULL, NULL},
        {"wirelat.mqttsn", WL_PROTO_MQTTSN, events, event_number, read_event, NULL, NULL},
        {"wirelat.stream", WL_PROTO_COUNT, frames, frame_number, read_frame, frame_moment,
         set_frame_moment},
        {"wirelat.mptcp", WL_PROTO_COUNT, segments, segment_number, read_segment, segment_moment,
         set_segment_moment},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (strcmp(sources[i].tap, tap) == 0) {
            return &sources[i];
        }
    }
    return NULL;
}

void wl_deferred_clear(wl_deferred_t *deferred)
{
    deferred->from = deferred->to = 0;
    deferred->log = NULL;
}

void wl_deferred_catch_up(wl_deferred_t *deferred, const wl_source_t *source,
                          wl_deferred_take_t take, void *user)
{
    uint32_t from = deferred->from, to = deferred->to;
    const void *log = deferred->log;
    room_t room;

    wl_deferred_clear(deferred);
    if (log == NULL || log != source->log()) {
        return;
    }
    for (uint32_t number = from; number < to; number++) {
        if (source->read(source, number, &room)) {
            if (source->set_moment != NULL) {
                source->set_moment(&room, &deferred->moments[number - from]);
            }
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
    if (source->get_moment != NULL) {
        if (deferred->moments == NULL) {
            deferred->moments = g_new0(wl_moment_t, MOST_WAITING);
        }
        source->get_moment(record, &deferred->moments[number - deferred->from]);
    }
    deferred->to = number + 1;
    if (deferred->to - deferred->from >= MOST_WAITING) {
        wl_deferred_catch_up(deferred, source, take, user);
    }
}
