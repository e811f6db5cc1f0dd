/* health_table.c
 * The table "wirelat,health": one row per thing that makes results unreliable, with its remedy.
 *
 * Its first row is there from the beginning: a capture with nothing to find has no record that
 * could add one, and must say so all the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tables.h"

#include "../plugin/compat.h"
#include "../plugin/health.h"

enum { COUNT, FIRST_FRAME, REMEDY };

static const struct {
    const char *what, *remedy;
} rows[WL_HEALTH_COUNT] = {
    [WL_HEALTH_SNAPLEN] = {"Frames cut by the snap length",
                           "Capture whole packets (-s 0): cut messages cannot be paired"},
    [WL_HEALTH_NO_HANDSHAKE] = {"Streams without handshake",
                                "Start the capture before the connections: what was asked before "
                                "it began is missing"},
    [WL_HEALTH_RETRANSMITTED] = {"Segments again or out of order, not reassembled",
                                 "Set the preference tcp.reassemble_out_of_order to TRUE: "
                                 "messages in them are lost without it"},
    [WL_HEALTH_MISSING] = {"Bytes acknowledged but not captured",
                           "The capture lost packets (larger buffer: -B). With "
                           "tcp.reassemble_out_of_order TRUE Wireshark shows nothing behind them: "
                           "try FALSE"},
    [WL_HEALTH_CAPTURED_TWICE] = {"Segments captured twice",
                                  "Capture on one interface, or remove the copies (editcap -d)"},
    [WL_HEALTH_UNSUPPORTED] = {"Kafka messages of a version not known",
                               "Times are right; what is in the body is left out"},
    [WL_HEALTH_MALFORMED] = {"Kafka messages not readable to their end",
                             "Times are right; what is in the body is left out"},
    [WL_HEALTH_NO_START] = {"Messages whose first segment is not known",
                            "Their times are left out"},
    [WL_HEALTH_SKIPPED] = {"Bytes skipped until a message began",
                           "Start the capture before the connections, and lose no packets"},
    [WL_HEALTH_OUT_OF_STEP] = {"Directions where no message was found again",
                               "Everything in them from there on is missing"},
    [WL_HEALTH_ORPHAN] = {"Answers whose request was not captured",
                          "Start the capture before the connections"},
    [WL_HEALTH_GATED] = {"Messages refused as impossible",
                         "Is another protocol on this port? Was the capture cut or lossy?"},
    [WL_HEALTH_EVICTED] = {"Requests forgotten at the bound of pending ones",
                           "Raise wirelat.pending_per_stream or wirelat.pending_total"},
    [WL_HEALTH_NO_MPTCP_HANDSHAKE] = {"MPTCP streams without handshake",
                                      "Start the capture before the connections: what these "
                                      "streams belong to cannot be known"},
    [WL_HEALTH_UNKNOWN_TOKEN] = {"MPTCP joins with an unknown token",
                                 "Start the capture before the connections, and capture all paths: "
                                 "these streams are left out"},
    [WL_HEALTH_SHARED_TOKEN] = {"MPTCP joins whose token several connections have",
                                "They are counted with the newest: believe that where "
                                "wirelat.mptcp.hmac_ok is true"},
    [WL_HEALTH_FORWARDS] = {"MQTT publishes forgotten before their copies",
                            "Raise wirelat.forward_publishes, or lower wirelat.forward_after: "
                            "forwarding delays are missing"},
    [WL_HEALTH_FORGOTTEN] = {"Segments or names forgotten at their bound",
                             "Split the capture; raise wirelat.pending_per_stream"},
};

typedef struct {
    int64_t count;
} tally_t;

static const char good[] = "Nothing found that makes the results unreliable";
static const char bad[] = "Read the other rows before trusting the tables";

static wl_row_t *verdict_row(wl_table_t *table)
{
    /* The blank makes it the first in a window as well, which sorts by name. */
    static const wl_row_key_t key = {.text = {" Findings"}, .rank = 0};

    return wl_table_row(table, &key);
}

static void start(wl_table_t *table)
{
    wl_table_set_text(table, verdict_row(table), REMEDY, good);
}

/* Adds to a row's count; gives its first frame when it is the first time. Whether there is any now. */
static bool add(wl_table_t *table, wl_row_t *row, int64_t amount, uint32_t frame)
{
    tally_t *tally = wl_table_row_data(row, sizeof(tally_t));

    if (tally->count <= 0) {
        wl_table_set_uint(table, row, FIRST_FRAME, frame);
    }
    tally->count += amount;
    wl_table_set_uint(table, row, COUNT, (uint32_t)CLAMP(tally->count, 0, UINT32_MAX));
    return tally->count > 0;
}

static bool has_any(wl_row_t *row)
{
    return ((const tally_t *)wl_table_row_data(row, sizeof(tally_t)))->count > 0;
}

/* What turns up later (bytes that were missing, a handshake out of time order) is taken back; a row
 * cannot go, but it must not alarm, and the verdict counts only rows that have something. */
static void take(wl_table_t *table, const void *record, packet_info *pinfo _U_)
{
    const wl_finding_t *finding = record;
    wl_row_key_t key = {.text = {rows[finding->kind].what}, .rank = finding->kind + 1u};
    wl_row_t *row = wl_table_row(table, &key), *verdict = verdict_row(table);
    bool before = has_any(row);
    bool now = add(table, row, finding->amount, finding->frame);
    bool any = add(table, verdict, (int)now - (int)before, finding->frame);

    wl_table_set_text(table, row, REMEDY, now ? rows[finding->kind].remedy : "Turned up later");
    wl_table_set_text(table, verdict, REMEDY, any ? bad : good);
}

void wl_health_table_register(void)
{
    static const wl_extra_t extras[] = {
        [COUNT] = {"Count", WL_EXTRA_UINT, 10, 0},
        [FIRST_FRAME] = {"First frame", WL_EXTRA_UINT, 0, 0},
        [REMEDY] = {"What to do", WL_EXTRA_TEXT, 60, 0},
    };
    static const wl_table_def_t def = {
        .title = "Wirelat Health",
        .cli = "wirelat,health",
        .tap = "wirelat.health",
        .keys = {"What"},
        .key_widths = {48},
        .extras = extras,
        .extra_count = G_N_ELEMENTS(extras),
        .without_latency = true,
        .start = start,
        .take = take,
    };

    wl_table_register(&def);
}
