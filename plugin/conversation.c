/* conversation.c
 * Filters that show all frames of the exchanges a packet has part in: Conversation Filter in the
 * context menu of the packet list, and Colorize Conversation.
 *
 *   Q in frame 7, its TCP ACK in 8, R in 9      each of the three gives
 *   frame.number in {7} or wirelat.kafka.response_to in {7} or wirelat.kafka.ack_to in {7} ...
 *
 * Every event but the request links to the request's frame, so that one number finds them all. Packet
 * ids would not do: they come again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "conversation.h"

#include "compat.h"
#include <epan/conversation_filter.h>

#include "postdissect.h"
#include "show.h"
#include "show_mptcp.h"

/* A frame can end thousands of exchanges; a filter with so many numbers would not fit its line. */
#define MAX_FRAMES 50

/* The protocol's exchanges with an event on this frame: the frames of their requests. Wireshark asks
 * also when no file is open. */
static unsigned request_frames(const packet_info *pinfo, wl_proto_t proto, uint32_t *frames)
{
    const wl_store_t *store = wl_postdissect_store();
    uint32_t count = 0, first = store != NULL ? wl_store_events(store, pinfo->num, &count) : 0;
    unsigned found = 0;

    for (uint32_t i = 0; i < count && found < MAX_FRAMES; i++) {
        wl_record_t record;
        uint32_t frame;
        unsigned known = 0;

        wl_store_event(store, first + i, &record);
        if (record.ex->proto != proto) {
            continue;
        }
        /* An answer without request stands for itself. */
        frame = record.event == WL_EVENT_ORPHAN ? pinfo->num : record.ex->request_frame;
        while (known < found && frames[known] != frame) {
            known++;
        }
        frames[known] = frame;
        found += known == found;
    }
    return found;
}

static char *build(const packet_info *pinfo, const wl_shown_t *shown, wl_proto_t proto,
                   const char *const *links)
{
    uint32_t frames[MAX_FRAMES];
    unsigned count = request_frames(pinfo, proto, frames);
    GString *set = g_string_new(NULL), *filter = g_string_new(NULL);

    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(set, i == 0 ? "%u" : ", %u", frames[i]);
    }
    g_string_append_printf(filter, "frame.number in {%s}", set->str);
    for (; *links != NULL; links++) {
        g_string_append_printf(filter, " or %s.%s in {%s}", shown->filter_name, *links, set->str);
    }
    g_string_free(set, TRUE);
    return g_string_free(filter, FALSE);
}

static wl_filter_valid_t kafka_valid(WL_FILTER_ARGUMENTS)
{
    uint32_t frames[MAX_FRAMES];

    return request_frames(pinfo, WL_PROTO_KAFKA, frames) > 0;
}

static char *kafka_filter(WL_FILTER_ARGUMENTS)
{
    static const char *const links[] = {"response_to", "ack_to", "duplicate_of", NULL};

    return build(pinfo, &wl_shown_kafka, WL_PROTO_KAFKA, links);
}

static wl_filter_valid_t mqtt_valid(WL_FILTER_ARGUMENTS)
{
    uint32_t frames[MAX_FRAMES];

    return request_frames(pinfo, WL_PROTO_MQTT, frames) > 0;
}

static char *mqtt_filter(WL_FILTER_ARGUMENTS)
{
    static const char *const links[] = {"response_to", "ack_to",       "leg_of",
                                        "retry_of",    "duplicate_of", NULL};

    return build(pinfo, &wl_shown_mqtt, WL_PROTO_MQTT, links);
}

static wl_filter_valid_t mptcp_valid(WL_FILTER_ARGUMENTS)
{
    uint32_t number;

    return wl_mptcp_connection_of(pinfo->num, &number);
}

static char *mptcp_filter(WL_FILTER_ARGUMENTS)
{
    uint32_t number = 0;

    wl_mptcp_connection_of(pinfo->num, &number);
    return g_strdup_printf("wirelat.mptcp.stream == %u", number);
}

void wl_conversation_register(void)
{
    wl_register_conversation_filter("wirelat", "Kafka exchange", kafka_valid, kafka_filter);
    wl_register_conversation_filter("wirelat", "MQTT exchange", mqtt_valid, mqtt_filter);
    wl_register_conversation_filter("wirelat", "MPTCP connection", mptcp_valid, mptcp_filter);
}
