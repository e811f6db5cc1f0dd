/* mqtt_forward.c
 * Publishes in one queue, oldest first, and in a bucket for each payload; marks by bucket and owner.
 *
 *   queue    7 -> 8 -> 9 -> 10        bucket "on"    8, 10     mark of subscriber A: 9
 *                                     bucket "off"   7, 9      (got 8; 10 is next)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mqtt_forward.h"

#include <string.h>

#include "hash.h"

/* Publishes of one payload that are looked at for a copy: most are right with the first. */
#define MAX_LOOK 64u
#define COMPACT_FROM 32u

typedef struct bucket bucket_t;
typedef struct publish publish_t;
typedef struct mark mark_t;

struct publish {
    wl_publish_t is;
    uint32_t number;
    bucket_t *bucket;
    publish_t *next;
};

struct mark {
    bucket_t *bucket; /* with `owner`: its key */
    uint32_t owner;
    uint32_t next;             /* number of the first publish not yet passed */
    uint32_t ambiguous_before; /* those below may be mixed up */
    uint32_t more;             /* further copies of the last that overlapping filters may bring */
    mark_t *sibling;           /* of the same bucket */
};

struct bucket {
    wl_forward_key_t key; /* first: the bucket is its own hash key */
    GPtrArray *publishes; /* publish_t, oldest first, from `head` on */
    unsigned head;
    mark_t *marks;
};

struct wl_forwards {
    GHashTable *buckets, *marks;
    publish_t *oldest, *newest;
    uint32_t next;  /* number of the next publish */
    unsigned count; /* of publishes and marks */
    unsigned max;
    int64_t keep_ns;
    uint64_t evicted;
};

static guint bucket_hash(gconstpointer pointer)
{
    G_STATIC_ASSERT(sizeof(wl_forward_key_t) == 16); /* no padding, whose bytes are anything */
    return wl_hash_bytes(pointer, sizeof(wl_forward_key_t));
}

static gboolean bucket_equal(gconstpointer a, gconstpointer b)
{
    const wl_forward_key_t *one = a, *other = b;

    return one->hash == other->hash && one->topic == other->topic && one->length == other->length;
}

static guint mark_hash(gconstpointer pointer)
{
    const mark_t *mark = pointer;

    return (guint)((uintptr_t)mark->bucket >> 4) ^ mark->owner * 0x9E3779B9u;
}

static gboolean mark_equal(gconstpointer a, gconstpointer b)
{
    const mark_t *one = a, *other = b;

    return one->bucket == other->bucket && one->owner == other->owner;
}

wl_forwards_t *wl_forwards_new(int64_t keep_ns, unsigned max)
{
    wl_forwards_t *forwards = g_new0(wl_forwards_t, 1);

    forwards->buckets = g_hash_table_new(bucket_hash, bucket_equal);
    forwards->marks = g_hash_table_new(mark_hash, mark_equal);
    forwards->keep_ns = keep_ns;
    forwards->max = MAX(max, 1);
    return forwards;
}

static void bucket_free(wl_forwards_t *forwards, bucket_t *bucket)
{
    while (bucket->marks != NULL) {
        mark_t *mark = bucket->marks;

        bucket->marks = mark->sibling;
        g_hash_table_remove(forwards->marks, mark);
        g_slice_free(mark_t, mark);
        forwards->count--;
    }
    g_hash_table_remove(forwards->buckets, bucket);
    g_ptr_array_free(bucket->publishes, TRUE);
    g_slice_free(bucket_t, bucket);
}

static void drop_oldest(wl_forwards_t *forwards)
{
    publish_t *publish = forwards->oldest;
    bucket_t *bucket = publish->bucket;

    forwards->oldest = publish->next;
    if (forwards->oldest == NULL) {
        forwards->newest = NULL;
    }
    bucket->head++; /* the oldest of all is the oldest of its bucket */
    if (bucket->head == bucket->publishes->len) {
        bucket_free(forwards, bucket);
    } else if (bucket->head >= COMPACT_FROM && bucket->head * 2 > bucket->publishes->len) {
        g_ptr_array_remove_range(bucket->publishes, 0, bucket->head);
        bucket->head = 0;
    }
    g_slice_free(publish_t, publish);
    forwards->count--;
}

void wl_forwards_free(wl_forwards_t *forwards)
{
    if (forwards != NULL) {
        while (forwards->oldest != NULL) {
            drop_oldest(forwards);
        }
        g_hash_table_destroy(forwards->buckets);
        g_hash_table_destroy(forwards->marks);
        g_free(forwards);
    }
}

/* Payloads are long: this takes a fifth of the time of hash.h. That payloads can be made to look the
 * same does no harm but to their own pairs; the start, another one in each process, makes it hard. */
uint64_t wl_forward_hash(const uint8_t *bytes, uint32_t length)
{
    static uint64_t start;
    const uint64_t prime = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash, word;

    while (start == 0) {
        start = (uint64_t)g_random_int() << 32 | g_random_int();
    }
    hash = start ^ length * prime;
    for (; length >= sizeof word; bytes += sizeof word, length -= (uint32_t)sizeof word) {
        memcpy(&word, bytes, sizeof word);
        hash = (hash ^ word) * prime;
        hash ^= hash >> 29;
    }
    for (; length > 0; bytes++, length--) {
        hash = (hash ^ *bytes) * prime;
    }
    return hash ^ hash >> 32;
}

static void expire(wl_forwards_t *forwards, int64_t now_ns)
{
    while (forwards->oldest != NULL && forwards->oldest->is.last_ns < now_ns - forwards->keep_ns) {
        drop_oldest(forwards);
    }
}

static void bound(wl_forwards_t *forwards)
{
    while (forwards->count > forwards->max && forwards->oldest != NULL) {
        drop_oldest(forwards);
        forwards->evicted++;
    }
}

void wl_forwards_publish(wl_forwards_t *forwards, const wl_publish_t *is)
{
    publish_t *publish = g_slice_new0(publish_t);
    bucket_t *bucket;

    expire(forwards, is->last_ns);
    bucket = g_hash_table_lookup(forwards->buckets, &is->key);
    if (bucket == NULL) {
        bucket = g_slice_new0(bucket_t);
        bucket->key = is->key;
        bucket->publishes = g_ptr_array_sized_new(1);
        g_hash_table_add(forwards->buckets, bucket);
    }
    publish->is = *is;
    publish->number = forwards->next++;
    publish->bucket = bucket;
    g_ptr_array_add(bucket->publishes, publish);
    if (forwards->newest != NULL) {
        forwards->newest->next = publish;
    } else {
        forwards->oldest = publish;
    }
    forwards->newest = publish;
    forwards->count++;
    bound(forwards);
}

uint32_t wl_forwards_next(const wl_forwards_t *forwards)
{
    return forwards->next;
}

/* One that is owed copies: the session by its own filters, or a group it is a member of. */
typedef struct {
    uint32_t number, since;
    unsigned filters; /* of its that match */
    uint8_t qos;
    bool no_local;
    mark_t *mark; /* NULL if it got none of this payload so far */
} owner_t;

static mark_t *mark_of(const wl_forwards_t *forwards, bucket_t *bucket, uint32_t owner)
{
    mark_t key = {.bucket = bucket, .owner = owner};

    return g_hash_table_lookup(forwards->marks, &key);
}

static void owner_add(owner_t *owner, uint32_t number, const wl_mqtt_subscription_t *subscription)
{
    uint8_t qos = subscription->options & WL_SUBSCRIBE_QOS;
    bool no_local = (subscription->options & WL_SUBSCRIBE_NO_LOCAL) != 0;

    owner->since =
        owner->filters > 0 ? MIN(owner->since, subscription->since) : subscription->since;
    owner->no_local = no_local && (owner->filters == 0 || owner->no_local);
    owner->qos = MAX(owner->qos, qos);
    owner->number = number;
    owner->filters++;
}

/* Whether the broker may have sent it to the owner as this copy. */
static bool eligible(const wl_forwards_t *forwards, const wl_store_t *store, const wl_copy_t *copy,
                     const owner_t *owner, const publish_t *publish)
{
    const wl_mqtt_session_t *session = copy->session;
    bool before = publish->number < session->connected;

    return publish->is.last_ns <= copy->first_ns &&
           publish->is.last_ns >= copy->first_ns - forwards->keep_ns &&
           (!copy->retain || publish->is.retain) &&
           !(owner->no_local && publish->is.session == session) &&
           /* What nobody acknowledges went with the connection before (section 4.1). */
           !(before && MIN(publish->is.qos, owner->qos) == 0) &&
           wl_store_get(store, publish->is.id)->u.mqtt.reason < 0x80;
}

static unsigned index_from(const bucket_t *bucket, uint32_t number)
{
    unsigned low = bucket->head, high = bucket->publishes->len;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const publish_t *publish = g_ptr_array_index(bucket->publishes, middle);
        if (publish->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first publish the owner is still to get; *more: another would do as well. One that came to
 * the same address of the broker is preferred: where brokers hand on to each other, each has its
 * own; where one broker has several addresses, any will do. */
static publish_t *first_owed(const wl_forwards_t *forwards, const wl_store_t *store,
                             const wl_copy_t *copy, const owner_t *owner, bucket_t *bucket,
                             bool *more)
{
    uint32_t from = owner->mark != NULL ? MAX(owner->mark->next, owner->since) : owner->since;
    unsigned start = index_from(bucket, from);
    unsigned end = MIN(bucket->publishes->len, start + MAX_LOOK);
    publish_t *found = NULL;

    *more = false;
    for (unsigned same = 1; found == NULL; same--) {
        for (unsigned i = start; i < end && !*more; i++) {
            publish_t *publish = g_ptr_array_index(bucket->publishes, i);

            if ((publish->is.broker == copy->broker) != (same == 1) ||
                !eligible(forwards, store, copy, owner, publish)) {
                continue;
            }
            *more = found != NULL;
            found = found != NULL ? found : publish;
        }
        if (same == 0) {
            break;
        }
    }
    return found;
}

/* The last publish the owner got, if overlapping filters may bring it again; else NULL. */
static publish_t *last_again(const bucket_t *bucket, const mark_t *mark)
{
    unsigned at;
    publish_t *publish;

    if (mark == NULL || mark->more == 0) {
        return NULL;
    }
    at = index_from(bucket, mark->next - 1);
    publish = at < bucket->publishes->len ? g_ptr_array_index(bucket->publishes, at) : NULL;
    return publish != NULL && publish->number == mark->next - 1 ? publish : NULL;
}

/* The owner has got the publish. */
static bool take(wl_forwards_t *forwards, const owner_t *owner, publish_t *publish, bool more)
{
    mark_t *mark = owner->mark;
    bool ambiguous;

    if (mark == NULL) {
        mark = g_slice_new0(mark_t);
        mark->bucket = publish->bucket;
        mark->owner = owner->number;
        mark->sibling = publish->bucket->marks;
        publish->bucket->marks = mark;
        g_hash_table_add(forwards->marks, mark);
        forwards->count++;
    }
    /* A second copy of the last that an overlapping filter brings would look the same. */
    more |= last_again(publish->bucket, mark) != NULL;
    if (more) {
        mark->ambiguous_before = forwards->next;
    }
    ambiguous = publish->number < mark->ambiguous_before;
    mark->next = publish->number + 1;
    mark->more = owner->filters - 1;
    return ambiguous;
}

/* Owner 0 is the session itself, the others its groups; how many there are. */
static unsigned owners_of(const wl_forwards_t *forwards, const wl_copy_t *copy, bucket_t *bucket,
                          owner_t *owners, unsigned max)
{
    unsigned count = 1;

    owners[0] = (owner_t){.number = copy->session->owner};
    for (unsigned i = 0; i < copy->count; i++) {
        const wl_mqtt_subscription_t *subscription = copy->subscriptions[i];

        if (subscription->group == NULL) {
            owner_add(&owners[0], copy->session->owner, subscription);
        } else if (count < max) {
            owners[count] = (owner_t){.number = 0};
            owner_add(&owners[count++], wl_mqtt_group_owner(subscription->group), subscription);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        owners[i].mark = mark_of(forwards, bucket, owners[i].number);
    }
    return count;
}

#define MAX_OWNERS 8u

wl_exchange_id_t wl_forwards_copy(wl_forwards_t *forwards, const wl_store_t *store,
                                  const wl_copy_t *copy, bool *ambiguous)
{
    bucket_t *bucket = g_hash_table_lookup(forwards->buckets, &copy->key);
    owner_t owners[MAX_OWNERS], *owner = NULL;
    publish_t *publish = NULL;
    bool more = false;
    wl_exchange_id_t id;
    unsigned count;

    *ambiguous = false;
    if (bucket == NULL) {
        return WL_EXCHANGE_NONE;
    }
    count = owners_of(forwards, copy, bucket, owners, MAX_OWNERS);
    for (unsigned i = owners[0].filters > 0 ? 0 : 1; i < count; i++) {
        bool another;
        publish_t *found = first_owed(forwards, store, copy, &owners[i], bucket, &another);

        if (found != NULL && publish != NULL) {
            more = true;
        } else if (found != NULL) {
            owner = &owners[i];
            publish = found;
            more = another;
        }
    }
    if (publish != NULL) {
        id = publish->is.id;
        *ambiguous = take(forwards, owner, publish, more);
        bound(forwards);
        return id;
    }
    publish = last_again(bucket, owners[0].mark);
    if (publish == NULL || !eligible(forwards, store, copy, &owners[0], publish)) {
        return WL_EXCHANGE_NONE;
    }
    owners[0].mark->more--;
    *ambiguous = publish->number < owners[0].mark->ambiguous_before;
    return publish->is.id;
}

uint64_t wl_forwards_evicted(const wl_forwards_t *forwards)
{
    return forwards->evicted;
}
