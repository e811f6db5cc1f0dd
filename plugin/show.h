/* show.h
 * Computed fields: a table per protocol says which field stands on which event's frame and where
 * its value comes from; one routine registers it, one adds it to the tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_SHOW_H
#define WIRELAT_SHOW_H

#include "compat.h"
#include "exchange.h"
#include <epan/expert.h>

typedef union {
    int64_t integer; /* nanoseconds, counts, codes, frame numbers */
    const char *text;
} wl_value_t;

/* One computed field. `get` sets the value, or returns false when there is none to show. */
typedef struct {
    const char *name; /* after "wirelat.<protocol>." */
    const char *title;
    enum ftenum type;
    int display;
    const void *strings;
    unsigned events;  /* WL_ON(event) of the frames it stands on */
    bool second_pass; /* only a later pass can know it */
    bool (*get)(const wl_record_t *record, wl_value_t *value);
    const char *blurb;
    bool over_tcp; /* of what TCP tells: no such field where there is none */
} wl_field_t;

/* One expert info: "wirelat.<protocol>.<name>" on the frames of its event where it applies. */
typedef struct {
    const char *name, *summary;
    int group, severity;
    wl_event_t event;
    bool (*applies)(const wl_record_t *record, bool later_pass);
} wl_alarm_t;

/* One protocol's computed fields. */
typedef struct {
    const char *title, *short_name, *filter_name;
    bool over_udp;            /* there is no TCP beneath it */
    const wl_field_t *fields; /* its own, beside the common ones */
    unsigned field_count;
    const wl_alarm_t *alarms; /* its own, beside the common ones */
    unsigned alarm_count;
    /* One line for the head of an event's subtree. */
    void (*describe)(const wl_record_t *record, GString *line);
    /* Set by wl_show_register(). */
    int proto, tap;
    int *ids, *common_ids;
    expert_field *experts, *common_experts;
} wl_shown_t;

extern wl_shown_t wl_shown_mqtt, wl_shown_kafka, wl_shown_mqttsn;

/* The fields every protocol has. */
const wl_field_t *wl_show_common(unsigned *count);

/* Registers protocol, fields, expert infos and the tap (named as the protocol's filter name). */
void wl_show_register(wl_shown_t *shown);

/* Adds the event's subtree where the tree wants it, and its findings always. */
void wl_show_event(wl_shown_t *shown, packet_info *pinfo, tvbuff_t *tvb, proto_tree *tree,
                   wl_record_t *record);

/* What Wireshark is to register of a field "<filter_name>.<name>"; the blurb becomes its. */
hf_register_info wl_show_field(int *id, const char *filter_name, const char *name,
                               const char *title, enum ftenum type, int display,
                               const void *strings, char *blurb);
/* The same of an expert info. */
ei_register_info wl_show_alarm(expert_field *id, const char *filter_name, const char *name,
                               int group, int severity, const char *summary);

/* Adds a generated field; times are nanoseconds. */
void wl_show_value(proto_tree *tree, int id, tvbuff_t *tvb, enum ftenum type,
                   const wl_value_t *value);

/* For the fields' get functions: the span, unless one end is unknown. */
static inline bool wl_value_span(int64_t first, int64_t last, wl_value_t *value)
{
    value->integer = wl_span_ns(first, last);
    return value->integer != WL_NO_TIME;
}

static inline bool wl_value_text(const wl_store_t *store, wl_string_t string, wl_value_t *value)
{
    value->text = wl_store_text(store, string);
    return string != WL_STRING_NONE;
}

static inline bool wl_value_integer(int64_t integer, wl_value_t *value)
{
    value->integer = integer;
    return true;
}

/* Of QoS 2, whose legs MQTT and MQTT-SN have alike. */
bool wl_get_pubrec_time(const wl_record_t *record, wl_value_t *value);
bool wl_get_pubrel_time(const wl_record_t *record, wl_value_t *value);
bool wl_get_pubcomp_time(const wl_record_t *record, wl_value_t *value);
bool wl_get_leg_of(const wl_record_t *record, wl_value_t *value);

/* Appends "12.345 ms" with as many digits as the time deserves. */
void wl_append_time(GString *line, int64_t ns);

#endif
