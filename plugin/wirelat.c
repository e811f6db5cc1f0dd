/* wirelat.c
 * Wirelat's entry for Wireshark: version symbols and the registrations, nothing else.
 *
 *   dissected fields -> messages -> pending tables -> exchanges -> computed fields
 *                                                              \-> tap record -> tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "compat.h"

#include "../taps/tables.h"
#include "conversation.h"
#include "postdissect.h"
#include "show.h"
#include "show_mptcp.h"

WS_DLL_PUBLIC_DEF const char plugin_version[] = WIRELAT_VERSION;
WS_DLL_PUBLIC_DEF const int plugin_want_major = WIRESHARK_VERSION_MAJOR;
WS_DLL_PUBLIC_DEF const int plugin_want_minor = WIRESHARK_VERSION_MINOR;

WS_DLL_PUBLIC void plugin_register(void);
WS_DLL_PUBLIC uint32_t plugin_describe(void);

static void register_protocols(void)
{
    struct pref_module *module = wl_postdissect_register();

    wl_tables_register_prefs(module);
    wl_mptcp_register(module);
    wl_show_register(&wl_shown_mqtt);
    wl_show_register(&wl_shown_kafka);
    wl_show_register(&wl_shown_mqttsn);
    wl_conversation_register();
}

/* The tables are registered here and not by a tap plugin: sharkd never calls those. */
static void hand_off(void)
{
    wl_postdissect_handoff();
    wl_tables_register();
}

void plugin_register(void)
{
    static proto_plugin protocols = {register_protocols, hand_off};

    proto_register_plugin(&protocols);
}

/* Read by Wireshark 4.4 and later to list what a plugin does; ignored by 4.0. */
uint32_t plugin_describe(void)
{
    return WL_PLUGIN_DESCRIPTION;
}
