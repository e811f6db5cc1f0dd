/* mqtt_publish_tables.c
 * The tables of MQTT publishes: by topic, with what became of them on the way to subscribers, and by
 * size, as measurement papers print them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "latency_take.h"

#include "../plugin/compat.h"
#include <epan/prefs.h>
#include <epan/range.h>

#define MAX_BOUNDARIES 100u
#define LARGEST_POWER 100000000u /* a control packet has at most 268,435,460 bytes */

static const char *const qos_names[] = {"QoS 0", "QoS 1", "QoS 2"};

static const char *qos_name(const wl_exchange_t *ex)
{
    return qos_names[MIN(ex->u.mqtt.qos, G_N_ELEMENTS(qos_names) - 1)];
}

/* Topics */

enum { PART_FORWARD };
enum { EXTRA_COPIES, EXTRA_AMBIGUOUS, EXTRA_UNPAIRED };

typedef struct {
    uint32_t copies, ambiguous, unpaired;
} copy_tally_t;

static void add_copy(wl_table_t *table, wl_row_t *row, const wl_record_t *record)
{
    const wl_exchange_t *ex = record->ex;
    copy_tally_t *tally = wl_table_row_data(row, sizeof *tally);
    int64_t delay_ns = wl_mqtt_forward_ns(record->store, ex);

    wl_table_set_uint(table, row, EXTRA_COPIES, ++tally->copies);
    if (ex->u.mqtt.known & WL_MQTT_AMBIGUOUS) {
        wl_table_set_uint(table, row, EXTRA_AMBIGUOUS, ++tally->ambiguous);
    } else if (delay_ns == WL_NO_TIME) {
        wl_table_set_uint(table, row, EXTRA_UNPAIRED, ++tally->unpaired);
    } else {
        wl_table_sample(table, row, PART_FORWARD, delay_ns);
    }
}

static wl_row_t *topic_row(wl_table_t *table, const wl_record_t *record)
{
    wl_string_t topic = record->ex->u.mqtt.topic;
    uint64_t number = WL_ROW_NUMBER | (uint64_t)topic << 8 | record->ex->u.mqtt.qos;
    wl_row_t *row = wl_table_known(table, number);

    if (row == NULL) {
        row = wl_table_row(table,
                           &(wl_row_key_t){.text = {wl_latency_name(record, topic, "(unknown)"),
                                                    qos_name(record->ex)},
                                           .number = number});
    }
    return row;
}

static void take_topics(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    wl_row_t *row;

    if (ex->u.mqtt.kind != WL_MQTT_PUBLISH) {
        return;
    }
    row = topic_row(table, record);
    wl_latency_take(table, record, row, row);
    if (record->event == WL_EVENT_REQUEST && (ex->u.mqtt.known & WL_MQTT_COPY)) {
        add_copy(table, row, record);
    }
}

/* Sizes */

static range_t *pref_boundaries; /* every number of it begins a class; empty: powers of ten */
static uint32_t boundaries[MAX_BOUNDARIES];
static unsigned boundary_count;

static int compare(gconstpointer a, gconstpointer b)
{
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;

    return one < other ? -1 : one > other;
}

static void add_boundary(uint32_t value)
{
    for (unsigned i = 0; i < boundary_count; i++) {
        if (boundaries[i] == value) {
            return;
        }
    }
    if (boundary_count < MAX_BOUNDARIES) {
        boundaries[boundary_count++] = value;
    }
}

/* Called for an empty table: a changed preference has dissected everything anew. */
static void read_boundaries(wl_table_t *table _U_)
{
    boundary_count = 0;
    for (unsigned i = 0; pref_boundaries != NULL && i < pref_boundaries->nranges; i++) {
        const range_admin_t *range = &pref_boundaries->ranges[i];

        for (uint32_t value = range->low; value <= range->high; value++) {
            add_boundary(value);
            if (boundary_count == MAX_BOUNDARIES || value == UINT32_MAX) {
                break;
            }
        }
    }
    for (uint32_t power = 10; pref_boundaries == NULL || pref_boundaries->nranges == 0;
         power *= 10) {
        add_boundary(power);
        if (power == LARGEST_POWER) {
            break;
        }
    }
    qsort(boundaries, boundary_count, sizeof boundaries[0],
          (int (*)(const void *, const void *))compare);
}

/* The class of a size: the boundaries at or below it. */
static unsigned size_class(uint32_t size)
{
    unsigned above = 0;

    while (above < boundary_count && boundaries[above] <= size) {
        above++;
    }
    return above;
}

/* The text of a class. Windows sort it as text: blanks bring the first digits below each other. */
static void size_name(unsigned above, wl_row_key_t *key)
{
    int width = g_snprintf(key->buffer, sizeof key->buffer, "%u", boundaries[boundary_count - 1]);

    if (above == boundary_count) {
        g_snprintf(key->buffer, sizeof key->buffer, "from %u", boundaries[above - 1]);
    } else {
        g_snprintf(key->buffer, sizeof key->buffer, "%*u - %u", width,
                   above > 0 ? boundaries[above - 1] : 0, boundaries[above] - 1);
    }
    key->text[1] = key->buffer;
}

static wl_row_t *size_row_by_name(wl_table_t *table, const wl_exchange_t *ex, unsigned above,
                                  uint32_t rank)
{
    wl_row_key_t key = {.text = {qos_name(ex)}, .rank = rank, .number = WL_ROW_NUMBER | rank};

    size_name(above, &key);
    return wl_table_row(table, &key);
}

static wl_row_t *size_row(wl_table_t *table, const wl_exchange_t *ex)
{
    unsigned above = size_class(ex->size);
    uint32_t rank = ex->u.mqtt.qos * (MAX_BOUNDARIES + 1) + above;
    wl_row_t *row = wl_table_known(table, WL_ROW_NUMBER | rank);

    return row != NULL ? row : size_row_by_name(table, ex, above, rank);
}

enum { EXTRA_LOSS };

static void take_sizes(wl_table_t *table, const void *tapped, packet_info *pinfo _U_)
{
    const wl_record_t *record = tapped;
    const wl_exchange_t *ex = record->ex;
    uint32_t requests, answered;
    wl_row_t *row;

    /* The size of an answer without request is its own. */
    if (ex->u.mqtt.kind != WL_MQTT_PUBLISH || (ex->flags & WL_ORPHANED)) {
        return;
    }
    row = size_row(table, ex);
    wl_latency_take(table, record, row, row);
    wl_table_row_counts(row, &requests, &answered);
    /* With a filter that hides requests there are more answers than those. */
    wl_table_set_real(table, row, EXTRA_LOSS,
                      answered < requests ? 100.0 * (requests - answered) / requests : 0.0);
}

#define COUNTS \
    (WL_COUNTS_OF(LATE) | WL_COUNTS_OF(RETRIES) | WL_COUNTS_OF(DUPLICATES) | WL_COUNTS_OF(REUSED))

static const wl_extra_t topic_extras[] = {
    [EXTRA_COPIES] = {"Copies", WL_EXTRA_UINT, 8, 0},
    [EXTRA_AMBIGUOUS] = {"Ambiguous", WL_EXTRA_UINT, 8, 0},
    [EXTRA_UNPAIRED] = {"Unpaired", WL_EXTRA_UINT, 8, 0},
};

static const wl_extra_t size_extras[] = {
    [EXTRA_LOSS] = {"Loss (%)", WL_EXTRA_REAL, 8, 3},
};

static const wl_table_def_t tables[] = {
    {
        .title = "MQTT Latency by Topic",
        .cli = "mqtt,topics",
        .tap = "wirelat.mqtt",
        .keys = {"Topic", "QoS"},
        .key_widths = {24, 5},
        .counts = COUNTS | WL_COUNTS_OF(ORPHANS),
        .parts = {"Forward"},
        .extras = topic_extras,
        .extra_count = G_N_ELEMENTS(topic_extras),
        .take = take_topics,
    },
    {
        .title = "MQTT Latency by Size",
        .cli = "mqtt,sizes",
        .tap = "wirelat.mqtt",
        .keys = {"QoS", "Bytes"},
        .key_widths = {5, 21},
        .counts = COUNTS,
        .extras = size_extras,
        .extra_count = G_N_ELEMENTS(size_extras),
        .start = read_boundaries,
        .take = take_sizes,
    },
};

void wl_mqtt_publish_tables_register(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        wl_table_register(&tables[i]);
    }
}

void wl_mqtt_publish_tables_register_prefs(struct pref_module *module)
{
    pref_boundaries = range_empty(wmem_epan_scope());
    prefs_register_range_preference(
        module, "size_classes", "Size classes of MQTT publishes",
        "Sizes in bytes (of the whole control packet) that each begin a class of the table "
        "mqtt,sizes, as 1000,10000,100000; at most 100. Empty: powers of ten.",
        &pref_boundaries, UINT32_MAX);
}
