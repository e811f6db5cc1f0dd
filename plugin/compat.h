/* compat.h
 * Everything in which Wireshark 4.0, 4.4 and 4.6 differ for us; no other file tests the version.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_COMPAT_H
#define WIRELAT_COMPAT_H

#define WS_BUILD_DLL
#include <wireshark.h>

#include <epan/packet.h>
#include <epan/proto.h>
#include <ws_version.h>

#define WL_WIRESHARK(major, minor)        \
    (WIRESHARK_VERSION_MAJOR > (major) || \
     (WIRESHARK_VERSION_MAJOR == (major) && WIRESHARK_VERSION_MINOR >= (minor)))

#if WL_WIRESHARK(4, 2)
#include <wsutil/plugins.h>
/* 4.2 turned gboolean preferences into bool ones: an int behind a bool pointer reads garbage. */
typedef bool wl_pref_bool_t;
/* field_info embeds its value in 4.0 and points to it since 4.2. */
#define WL_FVALUE(finfo) ((finfo)->value)
#define wl_tvb_get_uint8 tvb_get_uint8
#define WL_PLUGIN_DESCRIPTION WS_PLUGIN_DESC_DISSECTOR
/* What Wireshark calls for conversation filters. */
typedef bool wl_filter_valid_t;
#define WL_FILTER_ARGUMENTS packet_info *pinfo, void *data _U_
#define wl_register_conversation_filter(proto, title, valid, build) \
    register_conversation_filter(proto, title, valid, build, NULL)
#else
typedef gboolean wl_filter_valid_t;
#define WL_FILTER_ARGUMENTS packet_info *pinfo
#define wl_register_conversation_filter register_conversation_filter
typedef gboolean wl_pref_bool_t;
#define WL_FVALUE(finfo) (&((field_info *)(finfo))->value)
#define wl_tvb_get_uint8 tvb_get_guint8
#define WL_PLUGIN_DESCRIPTION 0
#endif

/* What the start of a statistic returns: since 4.6 whether the program may go on; before, tshark's
 * own statistics end it. A window stays in any case. */
#if WL_WIRESHARK(4, 5)
typedef bool wl_stat_start_t;
#define WL_STAT_STARTED return true
#define WL_STAT_REFUSED(is_tshark) return !(is_tshark)
#else
typedef void wl_stat_start_t;
#define WL_STAT_STARTED return
#define WL_STAT_REFUSED(is_tshark) \
    do {                           \
        if (is_tshark) {           \
            exit(1);               \
        }                          \
        return;                    \
    } while (0)
#endif

/* 4.6 renamed it. The text begins with the source's name, and is the caller's: wmem_free(NULL). */
#if WL_WIRESHARK(4, 5)
#define wl_data_source_text get_data_source_description
#else
#define wl_data_source_text get_data_source_name
#endif

/* 4.6 fakes top-level items that nobody asked for; before, asking would only cost time. */
#define WL_FAKES_TOP_LEVEL WL_WIRESHARK(4, 5)
#define WL_TOP_LEVEL_NODES (WL_FAKES_TOP_LEVEL ? WL_WANT_NODES : 0)

#endif
