/* deferred.c
 * The plugin's logs as sources of records, and the tables that wait for them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "deferred.h"

#include <epan/packet.h>
#include <epan/tap.h>
#include <string.h>

#include "../plugin/exchange.h"
#include "../plugin/postdissect.h"
#include "../plugin/show_mptcp.h"
#include "../plugin/tcp_path.h"

#define MAX_TAPS WL_PROTO_COUNT
#define NO_TAP MAX_TAPS
/* For so many records a feed keeps moments, 1.5 MiB: the rows and figures that are fetched for them
 * should be needed several times. Four times as few cost 0.03 of dissection more. */
#define MOST_MOMENTS 65536u

/* What no log keeps of a record: a filter may hide the rest of the capture from the tables. */
typedef struct {
    int64_t time_ns;      /* of its frame */
    nstime_t since_start; /* of MPTCP */
} moment_t;

typedef union {
    wl_record_t event;
    wl_path_record_t frame;
    struct {
        wl_mp_record_t record; /* first: what is taken */
        wl_path_record_t path;
    } mptcp;
} room_t;

typedef struct {
    const wl_deferred_calls_t *calls;
    void *table;
} member_t;

/* One of the logs, and who waits for its records. */
typedef struct feed {
    const char *taps[MAX_TAPS];
    /* The record of a number; returns its tap's place among the feed's, or NO_TAP if none has it. */
    unsigned (*read)(struct feed *feed, uint32_t number, room_t *room);
    /* Where records have a moment: */
    uint32_t (*number)(const void *record);
    moment_t (*moment)(const void *record);

    GArray *members[MAX_TAPS]; /* member_t */
    uint32_t from, to;         /* not taken yet; events: to the log's end */
    moment_t *moments;         /* of those; NULL before there is one, and stays */
    uint32_t frame, of_frame;  /* the last event's; how many of them were read */
    bool listens;
    bool takes; /* its members have left their taps: else a filter may hide records from them */
} feed_t;

static unsigned read_event(feed_t *feed, uint32_t number, room_t *room)
{
    const wl_record_t *event = &room->event;

    wl_store_event(wl_postdissect_store(), number, &room->event);
    if (event->frame != feed->frame) {
        feed->frame = event->frame;
        feed->of_frame = 0;
    }
    return feed->of_frame++ < WL_MOST_TAPPED ? event->ex->proto : NO_TAP;
}

static uint32_t frame_number(const void *record)
{
    return ((const wl_path_record_t *)record)->number;
}

static moment_t frame_moment(const void *record)
{
    return (moment_t){.time_ns = ((const wl_path_record_t *)record)->time_ns};
}

static unsigned read_frame(feed_t *feed, uint32_t number, room_t *room)
{
    wl_paths_at(wl_postdissect_paths(), number, &room->frame);
    room->frame.time_ns = feed->moments[number - feed->from].time_ns;
    return 0;
}

static uint32_t segment_number(const void *record)
{
    return ((const wl_mp_record_t *)record)->number;
}

static moment_t segment_moment(const void *record)
{
    const wl_mp_record_t *segment = record;

    return (moment_t){segment->time_ns, segment->since_start};
}

static unsigned read_segment(feed_t *feed, uint32_t number, room_t *room)
{
    const moment_t *moment = &feed->moments[number - feed->from];

    wl_mptcp_record(number, wl_postdissect_paths(), &room->mptcp.record, &room->mptcp.path);
    room->mptcp.record.time_ns = moment->time_ns;
    room->mptcp.record.since_start = moment->since_start;
    return 0;
}

static feed_t feeds[] = {
    {.taps = {[WL_PROTO_MQTT] = "wirelat.mqtt",
              [WL_PROTO_KAFKA] = "wirelat.kafka",
              [WL_PROTO_MQTTSN] = "wirelat.mqttsn"},
     .read = read_event},
    {.taps = {"wirelat.stream"},
     .read = read_frame,
     .number = frame_number,
     .moment = frame_moment},
    {.taps = {"wirelat.mptcp"},
     .read = read_segment,
     .number = segment_number,
     .moment = segment_moment},
};

static void catch_up(feed_t *feed)
{
    uint32_t to = feed->moment == NULL ? wl_store_event_count(wl_postdissect_store()) : feed->to;
    room_t room;

    for (uint32_t number = feed->from; number < to; number++) {
        unsigned tap = feed->read(feed, number, &room);
        const GArray *members = tap != NO_TAP ? feed->members[tap] : NULL;

        for (unsigned i = 0; members != NULL && i < members->len; i++) {
            const member_t *member = &g_array_index(members, member_t, i);

            member->calls->take(&room, member->table);
        }
    }
    feed->from = to;
}

static void put(feed_t *feed, const void *record)
{
    uint32_t number = feed->number(record);

    if (number != feed->to || number - feed->from == MOST_MOMENTS) {
        catch_up(feed);
        feed->from = number;
    }
    if (feed->moments == NULL) {
        feed->moments = g_new(moment_t, MOST_MOMENTS);
    }
    feed->moments[number - feed->from] = feed->moment(record);
    feed->to = number + 1;
}

/* Taps' callbacks: of feeds whose records have moments, and of all. */
static tap_packet_status feed_packet(void *data, packet_info *pinfo _U_, epan_dissect_t *edt _U_,
                                     const void *record, tap_flags_t flags _U_)
{
    put(data, record);
    return TAP_PACKET_DONT_REDRAW;
}

/* Its members have all there is: they write it. */
static void finish(feed_t *feed, bool closes)
{
    if (feed->takes) {
        catch_up(feed);
    }
    for (unsigned tap = 0; tap < MAX_TAPS; tap++) {
        const GArray *members = feed->members[tap];

        for (unsigned i = 0; members != NULL && i < members->len; i++) {
            const member_t *member = &g_array_index(members, member_t, i);

            (closes ? member->calls->closed : member->calls->drawn)(member->table);
        }
    }
}

static void feed_draw(void *feed)
{
    finish(feed, false);
}

/* The logs are about to go. Where tshark begins anew after so many packets (-M), or with a file of
 * the next (-b), that is before the end of the capture. */
static void file_closed(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(feeds); i++) {
        finish(&feeds[i], true);
        feeds[i].from = feeds[i].to = feeds[i].frame = 0;
    }
}

/* A listener that is registered later is drawn earlier: those of tables were there before. */
static bool listen(feed_t *feed, const char *tap)
{
    if (!feed->listens) {
        bool takes = !have_filtering_tap_listeners();
        GString *error = register_tap_listener(tap, feed, NULL, TL_REQUIRES_NOTHING, NULL,
                                               takes && feed->moment != NULL ? feed_packet : NULL,
                                               feed_draw, NULL);

        feed->listens = error == NULL;
        feed->takes = takes && feed->listens;
        if (error != NULL) {
            g_string_free(error, TRUE);
        }
    }
    return feed->listens;
}

static feed_t *feed_of(const char *tap, unsigned *place)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(feeds); i++) {
        for (*place = 0; *place < MAX_TAPS; (*place)++) {
            if (feeds[i].taps[*place] != NULL && strcmp(feeds[i].taps[*place], tap) == 0) {
                return &feeds[i];
            }
        }
    }
    return NULL;
}

/* Once: a table that was reset joins again. */
static void add_member(feed_t *feed, unsigned place, const member_t *member)
{
    GArray *members = feed->members[place];

    if (members == NULL) {
        members = feed->members[place] = g_array_new(FALSE, FALSE, sizeof *member);
    }
    for (unsigned i = 0; i < members->len; i++) {
        if (g_array_index(members, member_t, i).table == member->table) {
            return;
        }
    }
    g_array_append_vals(members, member, 1);
}

wl_deferral_t wl_deferred_join(const wl_deferred_calls_t *calls, const void *record, void *table)
{
    unsigned place;
    feed_t *feed;

    if (!wl_postdissect_was_first() || !wl_in_tshark()) {
        return WL_DEFERS_NOTHING;
    }
    feed = feed_of(calls->tap, &place);
    if (feed == NULL || !listen(feed, calls->tap)) {
        return WL_DEFERS_NOTHING;
    }
    /* Later ones come to the feed's own listener. */
    if (feed->takes && feed->moment != NULL && feed->number(record) >= feed->to) {
        put(feed, record);
    }
    add_member(feed, place, &(member_t){calls, table});
    return feed->takes ? WL_DEFERS_RECORDS : WL_DEFERS_CELLS;
}

void wl_deferred_register(void)
{
    register_cleanup_routine(file_closed);
}
