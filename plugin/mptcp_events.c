/* mptcp_events.c
 * MPTCP events in words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mptcp_labels.h"
#include "show_mptcp.h"

const value_string wl_mptcp_events[] = {
    {WL_MP_EVENT_ADD_ADDR, "ADD_ADDR"},
    {WL_MP_EVENT_ADD_ADDR_ECHO, "ADD_ADDR echo"},
    {WL_MP_EVENT_REMOVE_ADDR, "REMOVE_ADDR"},
    {WL_MP_EVENT_PRIO, "MP_PRIO"},
    {WL_MP_EVENT_DATA_STOPPED, "Data stopped"},
    {WL_MP_EVENT_DATA_STARTED, "Data started"},
    {WL_MP_EVENT_FAIL, "MP_FAIL"},
    {WL_MP_EVENT_INFINITE, "Infinite mapping"},
    {WL_MP_EVENT_FASTCLOSE, "MP_FASTCLOSE"},
    {WL_MP_EVENT_TCPRST, "MP_TCPRST"},
    {WL_MP_EVENT_DATA_FIN, "DATA_FIN"},
    {WL_MP_EVENT_DATA_FIN_ACKED, "DATA_FIN acknowledged"},
    {WL_MP_EVENT_FALLBACK, "Fallback"},
    {WL_MP_EVENT_NO_JOINS, "No joins to this address"},
    {WL_MP_EVENT_CHECKSUM, "Checksum required"},
    {WL_MP_EVENT_JOIN, "MP_JOIN"},
    {WL_MP_EVENT_RESET, "RST"},
    {WL_MP_EVENT_APART, "No handshake"},
    {0, NULL},
};

/* RFC 8684 section 3.6. */
static const value_string reset_reasons[] = {
    {0, "unspecified"},
    {1, "MPTCP-specific error"},
    {2, "lack of resources"},
    {3, "administratively prohibited"},
    {4, "too much outstanding data"},
    {5, "unacceptable performance"},
    {6, "middlebox interference"},
    {0, NULL},
};

static void append_ms(GString *line, const char *before, int64_t ns, const char *after)
{
    g_string_append_printf(line, "%s%.3f ms%s", before, (double)ns / 1e6, after);
}

static void append_address(GString *line, const wl_mp_side_t *side, uint32_t index)
{
    const wl_mp_advert_t *advert;
    char *text;

    if (side->addresses == NULL || index >= side->addresses->len) {
        return;
    }
    advert = &g_array_index(side->addresses, wl_mp_advert_t, index);
    text = wl_mp_address_text(advert->address, advert->length);
    g_string_append_printf(line, " id %u %s", advert->id, text);
    if (advert->port != 0) {
        g_string_append_printf(line, " port %u", advert->port);
    }
    g_free(text);
}

/* What stands behind the event's name. */
static void append_detail(const wl_mp_subflow_t *subflow, unsigned sender,
                          const wl_mp_item_t *event, GString *line)
{
    uint32_t detail = event->aux >> 8;
    int64_t time_ns = event->value;

    switch ((wl_mp_event_t)(event->aux & 0xff)) {
    case WL_MP_EVENT_ADD_ADDR:
        append_address(line, &subflow->connection->side[sender], detail);
        break;
    case WL_MP_EVENT_ADD_ADDR_ECHO:
        append_address(line, &subflow->connection->side[!sender], detail);
        append_ms(line, " after ", time_ns, "");
        break;
    case WL_MP_EVENT_REMOVE_ADDR:
        g_string_append_printf(line, " id %u", detail);
        break;
    case WL_MP_EVENT_PRIO:
        g_string_append_printf(line, " subflow %u is %s", detail >> 1,
                               detail & 1 ? "backup" : "regular");
        break;
    case WL_MP_EVENT_DATA_STOPPED:
        append_ms(line, time_ns < 0 ? ": none since MP_PRIO, last " : ", the last ", ABS(time_ns),
                  time_ns < 0 ? " before it" : " after MP_PRIO");
        g_string_append_printf(line, " (frame %u)", event->frame);
        break;
    case WL_MP_EVENT_DATA_STARTED:
        append_ms(line, " ", time_ns, " after MP_PRIO");
        break;
    case WL_MP_EVENT_TCPRST:
        g_string_append_printf(line, " reason %u (%s)", detail,
                               try_val_to_str(detail, reset_reasons) != NULL
                                   ? try_val_to_str(detail, reset_reasons)
                                   : "unknown");
        break;
    case WL_MP_EVENT_DATA_FIN_ACKED:
        append_ms(line, " after ", time_ns, "");
        break;
    case WL_MP_EVENT_FALLBACK:
        g_string_append(line, detail == WL_MP_FALLBACK_HANDSHAKE ? " in the handshake"
                                                                 : ": data without mapping");
        break;
    case WL_MP_EVENT_JOIN:
        g_string_append(line, detail ? " as backup" : "");
        break;
    default:
        break;
    }
}

void wl_mptcp_describe(const wl_mp_subflow_t *subflow, unsigned direction,
                       const wl_mp_item_t *event, GString *line)
{
    const char *name = try_val_to_str(event->aux & 0xff, wl_mptcp_events);

    g_string_append(line, name != NULL ? name : "");
    if (subflow->connection != NULL) {
        append_detail(subflow, subflow->side[direction], event, line);
    }
}
