/* part_match.c
 * Fuzzes the way from a message's bytes to exchanges, of both protocols on the same streams, and
 * adds up what comes out.
 *
 *   input   1 byte bounds (pending per stream 1..8, in all 1..16); then records:
 *           1 byte head: bit 0 Kafka, 1 direction, 2-3 stream, 4 a bare TCP ACK (with bit 0: that
 *           closes, with bit 6: that resets), 5 time runs backwards, 6 first byte's time unknown,
 *           7 cut; 1 byte time step in ms; 2 bytes length;
 *           the message's bytes
 *
 *   requests = answered + one-way + id reused + evicted + still pending
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "part.h"

#include "../../plugin/mqtt_state.h"
#include "../../plugin/read_messages.h"

#define HEAD_BYTES 4u
#define STREAMS 4u
#define MAX_FRAMES 4096u

typedef struct {
    wl_matcher_t matcher;
    wl_stream_t *streams[STREAMS];
    uint32_t next_seq[STREAMS][2];
    int64_t now_ns;
    uint32_t frame, gated;
} bench_t;

static void take_segment(bench_t *b, unsigned number, unsigned direction, uint32_t length)
{
    wl_segment_t segment = {.frame = b->frame,
                            .stream = number,
                            .time_ns = b->now_ns,
                            .seq = b->next_seq[number][direction],
                            .ack = b->next_seq[number][!direction],
                            .length = length,
                            .source_port = direction == 0 ? 40000 : 1883,
                            .destination_port = direction == 0 ? 1883 : 40000,
                            .flags = WL_TCP_ACK};

    b->streams[number] = wl_streams_get(b->matcher.streams, &segment);
    b->next_seq[number][direction] += length;
    wl_match_ack(&b->matcher, b->streams[number], wl_stream_direction(b->streams[number], &segment),
                 &segment);
}

static wl_message_t message_of(const bench_t *b, unsigned number, unsigned direction, unsigned head,
                               uint32_t length)
{
    wl_stream_t *stream = b->streams[number];

    return (wl_message_t){.stream = stream,
                          .direction = stream->port[0] == 40000 ? direction : !direction,
                          .frame = b->frame,
                          .first_ns = head & 64 ? WL_NO_TIME : b->now_ns - 1000,
                          .last_ns = b->now_ns,
                          .start_seq = b->next_seq[number][direction] - length,
                          .end_seq = b->next_seq[number][direction],
                          .end_seq_known = true};
}

static void take_message(bench_t *b, unsigned number, unsigned direction, unsigned head,
                         const uint8_t *bytes, uint32_t count)
{
    uint32_t captured = head & 128 ? count - count / 4 : count;
    wl_message_t common = message_of(b, number, direction, head, count);
    bool taken;

    if (head & 1) {
        wl_kafka_message_t message = {.message = common, .is_request = direction == 0};
        if (!wl_read_kafka(bytes, captured, captured, b->matcher.store, &message)) {
            return;
        }
        taken = wl_kafka_match(&b->matcher, &message);
    } else {
        wl_mqtt_message_t message = {.message = common, .sender_is_server = direction == 1};
        if (!wl_read_mqtt(bytes, captured, captured, b->matcher.store, &message)) {
            return;
        }
        taken = wl_mqtt_match(&b->matcher, &message);
    }
    b->gated += !taken;
}

static void check_text(const bench_t *b, wl_string_t string)
{
    CHECK(g_utf8_validate(wl_store_text(b->matcher.store, string), -1, NULL));
}

static void check_times(const wl_store_t *store, const wl_exchange_t *ex)
{
    int64_t asked[] = {wl_time_ns(store, ex, WL_TIME_REQUEST_FIRST),
                       wl_time_ns(store, ex, WL_TIME_REQUEST_LAST)};
    int64_t answered[] = {wl_time_ns(store, ex, WL_TIME_ANSWER_FIRST),
                          wl_time_ns(store, ex, WL_TIME_ANSWER_LAST)};

    int64_t whole = wl_span_ns(asked[0], answered[1]);
    int64_t parts[] = {wl_span_ns(asked[0], asked[1]), wl_span_ns(asked[1], answered[0]),
                       wl_span_ns(answered[0], answered[1])};

    if (parts[0] != WL_NO_TIME && parts[1] != WL_NO_TIME && parts[2] != WL_NO_TIME) {
        CHECK(whole == parts[0] + parts[1] + parts[2]);
    }
    CHECK(ex->answer_frame >= ex->request_frame && ex->request_frame > 0);
}

static void check_exchange(const bench_t *b, const wl_exchange_t *ex)
{
    unsigned ends = ((ex->flags & WL_ANSWERED) != 0) + ((ex->flags & WL_ONE_WAY) != 0) +
                    ((ex->flags & WL_ORPHANED) != 0) + ((ex->flags & WL_ID_TAKEN) != 0) +
                    ((ex->flags & WL_EVICTED) != 0);

    CHECK(ends <= 1);
    check_text(b, ex->client);
    if (ex->flags & WL_ANSWERED) {
        check_times(b->matcher.store, ex);
    }
    if (ex->proto == WL_PROTO_MQTT) {
        check_text(b, ex->u.mqtt.topic);
        check_text(b, ex->u.mqtt.assigned_client);
        CHECK(ex->u.mqtt.kind >= WL_MQTT_CONNECT && ex->u.mqtt.kind <= WL_MQTT_AUTH);
        CHECK(ex->u.mqtt.qos <= 2);
    } else {
        const wl_kafka_details_t *details = wl_store_kafka(b->matcher.store, ex);
        int64_t wait_ns = wl_kafka_wait_ns(b->matcher.store, ex);

        CHECK(details != NULL);
        check_text(b, ex->u.kafka.topic);
        check_text(b, details->group);
        check_text(b, details->member);
        check_text(b, details->joined);
        CHECK(wait_ns == WL_NO_TIME || wait_ns >= 0);
        CHECK((ex->flags & WL_ORPHANED) || ex->u.kafka.inflight >= 1);
        CHECK(ex->u.kafka.acks >= -1 || ex->u.kafka.acks == WL_KAFKA_ACKS_UNKNOWN);
    }
}

/* Every event of every frame; *seen: events of each exchange as bits and the number of ids. */
static void count_events(bench_t *b, uint32_t counts[WL_EVENT_COUNT], GArray *seen)
{
    for (uint32_t frame = 1; frame <= b->frame; frame++) {
        uint32_t count, first = wl_store_events(b->matcher.store, frame, &count);

        for (uint32_t i = 0; i < count; i++) {
            unsigned *events;
            wl_record_t record;

            wl_store_event(b->matcher.store, first + i, &record);
            if (record.id >= seen->len) {
                g_array_set_size(seen, record.id + 1);
            }
            events = &g_array_index(seen, unsigned, record.id);
            CHECK(!(*events & WL_ON(record.event)) || record.event == WL_EVENT_RETRY ||
                  record.event == WL_EVENT_DUPLICATE || record.event == WL_EVENT_AUTH ||
                  record.event == WL_EVENT_SILENCE);
            *events |= WL_ON(record.event);
            counts[record.event]++;
            CHECK(record.event != WL_EVENT_REQUEST || record.ex->request_frame == frame);
            CHECK(record.event != WL_EVENT_ANSWER || record.ex->answer_frame == frame);
            CHECK(record.event != WL_EVENT_ACK || record.ex->ack_frame == frame);
        }
    }
}

static int64_t findings(const bench_t *b, wl_health_kind_t kind)
{
    int64_t sum = 0;

    for (uint32_t frame = 1; frame <= b->frame; frame++) {
        uint32_t count;
        const wl_finding_t *found = wl_health_find(b->matcher.health, frame, &count);

        for (uint32_t i = 0; i < count; i++) {
            sum += found[i].kind == kind ? found[i].amount : 0;
        }
    }
    return sum;
}

static void check_all(bench_t *b)
{
    GArray *seen = g_array_new(FALSE, TRUE, sizeof(unsigned));
    uint32_t counts[WL_EVENT_COUNT] = {0}, answered = 0, one_way = 0, taken = 0, evicted = 0;
    uint32_t pending = 0, in_flight = 0, flying = 0;
    const wl_pending_counters_t *counters = wl_pending_counters(b->matcher.pending);

    count_events(b, counts, seen);
    for (uint32_t id = 0; id < seen->len; id++) {
        const wl_exchange_t *ex = wl_store_get(b->matcher.store, id);
        unsigned events = g_array_index(seen, unsigned, id);

        check_exchange(b, ex);
        CHECK(((events & WL_ON(WL_EVENT_REQUEST)) != 0) != ((ex->flags & WL_ORPHANED) != 0));
        CHECK(((events & WL_ON(WL_EVENT_ANSWER)) != 0) == ((ex->flags & WL_ANSWERED) != 0));
        /* Or the end of a connection whose CONNECT was not captured. */
        CHECK(((events & WL_ON(WL_EVENT_ORPHAN)) != 0 || events == WL_ON(WL_EVENT_SESSION)) ==
              ((ex->flags & WL_ORPHANED) != 0));
        in_flight += ex->proto == WL_PROTO_MQTT && (ex->u.mqtt.known & WL_MQTT_IN_FLIGHT);
        if (ex->proto == WL_PROTO_MQTT && ex->u.mqtt.original != WL_EXCHANGE_NONE) {
            const wl_exchange_t *original = wl_store_get(b->matcher.store, ex->u.mqtt.original);
            int64_t first_ns = wl_time_ns(b->matcher.store, ex, WL_TIME_REQUEST_FIRST);

            CHECK(original->u.mqtt.topic == ex->u.mqtt.topic && (ex->flags & WL_FROM_BROKER));
            CHECK(first_ns == WL_NO_TIME ||
                  wl_time_ns(b->matcher.store, original, WL_TIME_REQUEST_LAST) <= first_ns);
        }
        CHECK(((events & WL_ON(WL_EVENT_ACK)) != 0) == (ex->ack_frame != 0));
        answered += (ex->flags & WL_ANSWERED) != 0;
        one_way += (ex->flags & WL_ONE_WAY) != 0;
        taken += (ex->flags & WL_ID_TAKEN) != 0;
        evicted += (ex->flags & WL_EVICTED) != 0;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        const wl_stream_t *stream = wl_streams_find(b->matcher.streams, i);

        pending += wl_pending_open(b->matcher.pending, i);
        flying += stream != NULL ? stream->mqtt.inflight[0] + stream->mqtt.inflight[1] : 0;
    }
    CHECK(flying == in_flight && flying <= pending);
    CHECK(counts[WL_EVENT_REQUEST] == answered + one_way + taken + evicted + pending);
    CHECK(counters->added == counters->answered + counters->reused + counters->evicted + pending);
    CHECK(counters->answered == answered && counters->evicted == evicted);
    CHECK(counters->reused == taken);
    CHECK(findings(b, WL_HEALTH_ORPHAN) == counts[WL_EVENT_ORPHAN]);
    CHECK(findings(b, WL_HEALTH_EVICTED) == evicted);
    CHECK(findings(b, WL_HEALTH_GATED) == b->gated);
    g_array_free(seen, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_t script = {data, data + size};
    unsigned bounds = (unsigned)script_number(&script, 1);
    bench_t b = {.now_ns = INT64_C(1700000000000000000)};

    b.matcher.store = wl_store_new();
    b.matcher.streams = wl_streams_new(64);
    b.matcher.health = wl_health_new();
    b.matcher.kafka = wl_kafka_state_new(90);
    b.matcher.mqtt = wl_mqtt_state_new(INT64_C(2000000000), (bounds >> 1) + 1);
    b.matcher.pending =
        wl_pending_new((bounds & 7) + 1, (bounds >> 4) + 1, wl_match_evicted, &b.matcher);
    while (script_has(&script, HEAD_BYTES) && b.frame < MAX_FRAMES) {
        unsigned head = (unsigned)script_number(&script, 1);
        unsigned number = head >> 2 & 3, direction = head >> 1 & 1;
        int64_t step_ns = (int64_t)script_number(&script, 1) * 1000000;
        size_t count;
        uint8_t *bytes;

        bytes = script_bytes(&script, script_number(&script, 2), &count);
        b.frame++;
        b.now_ns += head & 32 ? -step_ns : step_ns;
        take_segment(&b, number, direction, head & 16 ? 0 : (uint32_t)count);
        if ((head & 16) && (head & 65)) {
            wl_stream_t *stream = b.streams[number];

            wl_mqtt_closed(&b.matcher, stream, stream->port[0] == 40000 ? direction : !direction,
                           b.frame, b.now_ns, (head & 64) != 0);
        }
        if (!(head & 16)) {
            take_message(&b, number, direction, head, bytes, (uint32_t)count);
        }
        free(bytes);
    }
    check_all(&b);
    wl_pending_free(b.matcher.pending);
    wl_streams_free(b.matcher.streams);
    wl_health_free(b.matcher.health);
    wl_kafka_state_free(b.matcher.kafka);
    wl_mqtt_state_free(b.matcher.mqtt);
    wl_store_free(b.matcher.store);
    return 0;
}
