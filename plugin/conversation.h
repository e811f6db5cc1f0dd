/* conversation.h
 * "Kafka exchange" and the like in the Conversation Filter menus of Wireshark's packet list.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef WIRELAT_CONVERSATION_H
#define WIRELAT_CONVERSATION_H

/* Registers the filters: call after the protocols. */
void wl_conversation_register(void);

#endif
