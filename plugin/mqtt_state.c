/* mqtt_state.c
 * Sessions by client and broker, subscriptions by filter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mqtt_state.h"

#include <string.h>

#include "hash.h"
#include "mqtt_forward.h"

#define SHARE "$share/"
/* Of one topic in one session: more filters that match it are not looked at. */
#define MAX_MATCHES 256u

struct wl_mqtt_group {
    const wl_filter_t *filter;
    wl_string_t broker;
    uint32_t owner, users;
    uint32_t length;
    const char *name; /* not terminated */
};

uint32_t wl_mqtt_group_owner(const wl_mqtt_group_t *group)
{
    return group->owner;
}

static guint group_hash(gconstpointer pointer)
{
    const wl_mqtt_group_t *group = pointer;

    return wl_hash_bytes(group->name, group->length) ^
           wl_hash_bytes(&group->filter, sizeof(void *)) ^ group->broker;
}

static gboolean group_equal(gconstpointer a, gconstpointer b)
{
    const wl_mqtt_group_t *one = a, *other = b;

    return one->filter == other->filter && one->broker == other->broker &&
           one->length == other->length && memcmp(one->name, other->name, one->length) == 0;
}

static void session_free(gpointer pointer)
{
    wl_mqtt_session_t *session = pointer;

    if (session->subscriptions != NULL) {
        g_hash_table_destroy(session->subscriptions);
    }
    g_free(session);
}

wl_mqtt_state_t *wl_mqtt_state_new(int64_t forward_ns, unsigned max_forwards)
{
    wl_mqtt_state_t *state = g_new0(wl_mqtt_state_t, 1);

    state->sessions = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, session_free);
    state->anonymous = g_ptr_array_new_with_free_func(session_free);
    state->groups = g_hash_table_new_full(group_hash, group_equal, g_free, NULL);
    state->filters = wl_filters_new();
    state->forwards = wl_forwards_new(forward_ns, max_forwards);
    return state;
}

void wl_mqtt_state_free(wl_mqtt_state_t *state)
{
    if (state != NULL) {
        wl_forwards_free(state->forwards);
        g_hash_table_destroy(state->sessions);
        g_ptr_array_free(state->anonymous, TRUE);
        g_hash_table_destroy(state->groups);
        wl_filters_free(state->filters);
        g_free(state);
    }
}

static bool sessions_full(wl_mqtt_state_t *state)
{
    if (g_hash_table_size(state->sessions) + state->anonymous->len < WL_MQTT_MAX_SESSIONS) {
        return false;
    }
    state->dropped++;
    return true;
}

static wl_mqtt_session_t *session_new(wl_mqtt_state_t *state)
{
    wl_mqtt_session_t *session = g_new0(wl_mqtt_session_t, 1);

    session->owner = ++state->owners;
    return session;
}

wl_mqtt_session_t *wl_mqtt_session_get(wl_mqtt_state_t *state, wl_string_t client,
                                       wl_string_t broker)
{
    /* GLib hashes the low half alone: that is to be the client, brokers are few. */
    gint64 key = (gint64)((uint64_t)broker << 32 | client);
    wl_mqtt_session_t *session = g_hash_table_lookup(state->sessions, &key);

    if (session == NULL && !sessions_full(state)) {
        session = session_new(state);
        g_hash_table_insert(state->sessions, g_memdup2(&key, sizeof key), session);
    }
    return session;
}

wl_mqtt_session_t *wl_mqtt_session_anonymous(wl_mqtt_state_t *state)
{
    wl_mqtt_session_t *session = NULL;

    if (!sessions_full(state)) {
        session = session_new(state);
        session->unknown = true;
        g_ptr_array_add(state->anonymous, session);
    }
    return session;
}

/* A session may have the same filter for itself and shared. */
static gpointer subscription_key(const wl_filter_t *filter, bool shared)
{
    return (gpointer)((uintptr_t)filter | shared);
}

static wl_filter_t *filter_of(gconstpointer key)
{
    return (wl_filter_t *)((uintptr_t)key & ~(uintptr_t)1);
}

static void subscription_end(wl_mqtt_state_t *state, gpointer key,
                             wl_mqtt_subscription_t *subscription)
{
    if (subscription->group != NULL && --subscription->group->users == 0) {
        g_hash_table_remove(state->groups, subscription->group);
    }
    wl_filters_remove(state->filters, filter_of(key));
    state->subscriptions--;
}

void wl_mqtt_session_clear(wl_mqtt_state_t *state, wl_mqtt_session_t *session)
{
    GHashTableIter iter;
    gpointer key, subscription;

    session->owner = ++state->owners;
    if (session->subscriptions == NULL) {
        return;
    }
    g_hash_table_iter_init(&iter, session->subscriptions);
    while (g_hash_table_iter_next(&iter, &key, &subscription)) {
        subscription_end(state, key, subscription);
    }
    g_hash_table_remove_all(session->subscriptions);
}

/* Takes "$share/group/" off the filter; the group, of length 0 if there is none. */
static const char *split_share(const char **filter, uint32_t *length, uint32_t *group_length)
{
    const size_t prefix = strlen(SHARE);
    const char *group = *filter + prefix, *slash = NULL;

    *group_length = 0;
    if (*length > prefix && memcmp(*filter, SHARE, prefix) == 0) {
        slash = memchr(group, '/', *length - prefix);
    }
    if (slash == NULL) {
        return NULL;
    }
    *group_length = (uint32_t)(slash - group);
    *length -= (uint32_t)(slash + 1 - *filter);
    *filter = slash + 1;
    return group;
}

static wl_mqtt_group_t *group_join(wl_mqtt_state_t *state, const wl_filter_t *filter,
                                   wl_string_t broker, const char *name, uint32_t length)
{
    wl_mqtt_group_t key = {.filter = filter, .broker = broker, .length = length, .name = name};
    wl_mqtt_group_t *group = g_hash_table_lookup(state->groups, &key);

    if (group == NULL) {
        group = g_malloc(sizeof *group + length);
        *group = key;
        group->name = memcpy(group + 1, name, length);
        group->owner = ++state->owners;
        g_hash_table_add(state->groups, group);
    }
    group->users++;
    return group;
}

void wl_mqtt_subscribe(wl_mqtt_state_t *state, wl_mqtt_session_t *session, wl_string_t broker,
                       const char *filter, uint32_t length, uint8_t options, uint32_t since)
{
    uint32_t group_length;
    const char *group = split_share(&filter, &length, &group_length);
    wl_mqtt_subscription_t *subscription;
    wl_filter_t *node;
    gpointer key;

    if (state->subscriptions >= WL_MQTT_MAX_SUBSCRIPTIONS) {
        state->dropped++;
        return;
    }
    node = wl_filters_add(state->filters, filter, length);
    if (node == NULL) {
        return;
    }
    if (session->subscriptions == NULL) {
        session->subscriptions = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    }
    key = subscription_key(node, group != NULL);
    subscription = g_hash_table_lookup(session->subscriptions, key);
    if (subscription != NULL) {
        wl_filters_remove(state->filters, node);
        subscription->options = options;
        return;
    }
    subscription = g_new0(wl_mqtt_subscription_t, 1);
    subscription->since = since;
    subscription->options = options;
    if (group != NULL) {
        subscription->group = group_join(state, node, broker, group, group_length);
    }
    g_hash_table_insert(session->subscriptions, key, subscription);
    state->subscriptions++;
}

void wl_mqtt_unsubscribe(wl_mqtt_state_t *state, wl_mqtt_session_t *session, const char *filter,
                         uint32_t length)
{
    uint32_t group_length;
    bool shared = split_share(&filter, &length, &group_length) != NULL;
    const wl_filter_t *node = wl_filters_find(state->filters, filter, length);
    gpointer key = subscription_key(node, shared);
    wl_mqtt_subscription_t *subscription;

    if (node == NULL || session->subscriptions == NULL) {
        return;
    }
    subscription = g_hash_table_lookup(session->subscriptions, key);
    if (subscription != NULL) {
        subscription_end(state, key, subscription);
        g_hash_table_remove(session->subscriptions, key);
    }
}

unsigned wl_mqtt_subscriptions(const wl_mqtt_state_t *state, const wl_mqtt_session_t *session,
                               const char *topic, const wl_mqtt_subscription_t **found,
                               unsigned max)
{
    wl_filter_t *filters[MAX_MATCHES];
    unsigned matches, count = 0;

    if (session->subscriptions == NULL || g_hash_table_size(session->subscriptions) == 0) {
        return 0;
    }
    matches = wl_filters_match(state->filters, topic, filters, MAX_MATCHES);
    for (unsigned i = 0; i < matches * 2 && count < max; i++) {
        const wl_mqtt_subscription_t *subscription = g_hash_table_lookup(
            session->subscriptions, subscription_key(filters[i / 2], i % 2 != 0));
        if (subscription != NULL) {
            found[count++] = subscription;
        }
    }
    return count;
}

uint64_t wl_mqtt_state_dropped(const wl_mqtt_state_t *state)
{
    return state->dropped + wl_filters_dropped(state->filters);
}
