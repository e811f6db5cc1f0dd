/* kafka_state.c
 * Topic ids and joining members, each in a hash table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "kafka_state.h"

#include <string.h>

#include "hash.h"

#define ID_SIZE 16
#define ID_TEXT 22 /* base64 without padding */

static guint id_hash(gconstpointer id)
{
    return wl_hash_bytes(id, ID_SIZE);
}

static guint member_hash(gconstpointer key)
{
    return wl_hash_bytes(key, sizeof(gint64));
}

static gboolean id_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, ID_SIZE) == 0;
}

wl_kafka_state_t *wl_kafka_state_new(unsigned long_poll_percent)
{
    wl_kafka_state_t *state = g_new0(wl_kafka_state_t, 1);

    state->topics = g_hash_table_new_full(id_hash, id_equal, g_free, NULL);
    state->joining = g_hash_table_new_full(member_hash, g_int64_equal, g_free, g_free);
    state->long_poll_percent = long_poll_percent;
    return state;
}

void wl_kafka_state_free(wl_kafka_state_t *state)
{
    if (state != NULL) {
        g_hash_table_destroy(state->topics);
        g_hash_table_destroy(state->joining);
        g_free(state);
    }
}

void wl_kafka_name_topic(wl_kafka_state_t *state, const uint8_t *id, wl_string_t name)
{
    if (g_hash_table_size(state->topics) >= WL_KAFKA_STATE_MAX &&
        !g_hash_table_contains(state->topics, id)) {
        state->dropped++;
        return;
    }
    g_hash_table_insert(state->topics, g_memdup2(id, ID_SIZE), GUINT_TO_POINTER(name));
}

wl_string_t wl_kafka_topic_of(const wl_kafka_state_t *state, const uint8_t *id, wl_store_t *store)
{
    gpointer name = g_hash_table_lookup(state->topics, id);
    wl_string_t string;
    gchar *text;

    if (name != NULL) {
        return GPOINTER_TO_UINT(name);
    }
    text = g_base64_encode(id, ID_SIZE);
    text[ID_TEXT] = 0;
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    string = wl_store_intern(store, text);
    g_free(text);
    return string;
}

static gint64 member_key(wl_string_t group, wl_string_t member)
{
    return (gint64)((uint64_t)group << 32 | member);
}

void wl_kafka_join(wl_kafka_state_t *state, wl_string_t group, wl_string_t member, int64_t first_ns)
{
    gint64 key = member_key(group, member);

    if (g_hash_table_contains(state->joining, &key)) {
        return;
    }
    if (g_hash_table_size(state->joining) >= WL_KAFKA_STATE_MAX) {
        state->dropped++;
        return;
    }
    g_hash_table_insert(state->joining, g_memdup2(&key, sizeof key),
                        g_memdup2(&first_ns, sizeof first_ns));
}

int64_t wl_kafka_joined(wl_kafka_state_t *state, wl_string_t group, wl_string_t member)
{
    gint64 key = member_key(group, member);
    const int64_t *found = g_hash_table_lookup(state->joining, &key);
    int64_t first_ns = found != NULL ? *found : WL_NO_TIME;

    g_hash_table_remove(state->joining, &key);
    return first_ns;
}
