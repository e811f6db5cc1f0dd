"""What Kafka's bodies tell: against Wireshark's own reading where that can be trusted, against the
clients' logs, and against sums over the events.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import statistics

import pytest

import harness

LIVE, LAB = harness.SHARED / "live", harness.SHARED / "lab"
with_logs = pytest.mark.skipif(not harness.SHARED.exists(),
                               reason="the shared captures are not here")
# 33197, 33551, 39195, 45931: mock clusters.
OPTIONS = (*harness.REASSEMBLE, "-o",
           "wirelat.kafka_tcp_ports:9093-9094,9292-9294,33197,33551,39195,45931")
RECORDED = [*sorted(harness.CAPTURES.glob("kafka_*.pcap*")), harness.CAPTURES / "sample.pcapng",
            *(path for path in sorted(LIVE.glob("kafka_*.pcapng")) if "tls" not in path.name),
            *sorted(LAB.glob("kafka-*/*.pcapng"))]
ROUNDED = 0.0006
MS = 1_000_000
PRODUCE, FETCH, JOIN, SYNC, HANDSHAKE, AUTHENTICATE = 0, 1, 11, 14, 17, 36


def name_of(path):
    return f"{path.parent.name}-{path.stem}"


def kafka_events(capture, *options):
    return [event for event in harness.events(capture, *OPTIONS, *options)
            if event["protocol"] == "wirelat.kafka"]


def answers(capture):
    return [event for event in kafka_events(capture) if "wirelat.kafka.response_to" in event]


def api_of(event):
    return harness.number_of(event, "api")


def truth_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def frame_times(capture):
    rows = harness.plain_fields(capture, ["frame.number", "frame.time_epoch"], *OPTIONS)
    return {int(number): harness.nanoseconds(time) for number, time in rows}


WIRESHARK = {"topic": "kafka.topic_name", "partitions": "kafka.partition_id",
             "max_wait": "kafka.max_wait_time", "error": "kafka.error",
             "throttle_time": "kafka.throttle_time", "group": "kafka.consumer_group",
             "member": "kafka.member_id"}
TRUSTED = ("kafka and !_ws.malformed and !kafka.unsupported_api_version and "
           "!kafka.pdu_length_mismatch and !kafka.request_missing and !kafka.unknown_api_key")


def wiresharks_reading(capture):
    """Per frame with one message: Wireshark's values of each field, as a list."""
    names = ["frame.number", "kafka.len", "kafka.request_key", *WIRESHARK.values()]
    found = {}
    for number, length, request, *cells in harness.plain_fields(capture, names, *OPTIONS, "-Y",
                                                                TRUSTED):
        if "," not in length:
            values = [cell.split(",") if cell else [] for cell in cells]
            found[int(number)] = (request != "", dict(zip(WIRESHARK, values)))
    return found


READ = {*range(4), *range(8, 27), 28, 32, 36}  # the APIs whose bodies are read, as far as used


def first_error(values):
    return next((int(value) for value in values if int(value)), 0)


def compare_request(event, theirs):
    session_goes_on = api_of(event) == FETCH and not theirs["topic"]
    if not session_goes_on and api_of(event) in (0, 1, 2, 3, 8, 9):
        assert event.get("wirelat.kafka.topic") == (theirs["topic"] or [None])[0]
        assert (harness.number_of(event, "topics") or 0) == len(theirs["topic"])
    if not session_goes_on and api_of(event) in (0, 1, 2, 8):
        assert (harness.number_of(event, "partitions") or 0) == len(theirs["partitions"])
    if theirs["max_wait"]:
        assert harness.time_of(event, "max_wait") == int(theirs["max_wait"][0]) * MS
    if api_of(event) in (8, 11, 12, 14):
        assert event.get("wirelat.kafka.group") == theirs["group"][0]
        assert event.get("wirelat.kafka.member") == ((theirs["member"] or [""])[0] or None)


def compare_answer(event, theirs):
    if "wirelat.kafka.error" not in event:
        assert api_of(event) not in READ
        return
    if theirs["throttle_time"]:
        assert harness.time_of(event, "throttle_time") == int(theirs["throttle_time"][0]) * MS
    if theirs["error"]:
        assert harness.number_of(event, "error") == first_error(theirs["error"])


def test_bodies_are_read_as_wireshark_reads_them():
    """Where Wireshark knows the version, on every frame of one message of every recorded capture."""
    compared = collections.Counter()
    for capture in RECORDED:
        if capture.stem == "kafka_ids":
            continue  # a reused id is read as the first request's answer by 4.0
        theirs = wiresharks_reading(capture)
        for event in kafka_events(capture):
            is_request, values = theirs.get(event["frame"], (None, None))
            if is_request and "wirelat.kafka.response_to" not in event:
                compare_request(event, values)
                compared["request", api_of(event)] += 1
            elif is_request is False and "wirelat.kafka.response_to" in event:
                compare_answer(event, values)
                compared["answer", api_of(event)] += 1
    for key in [("request", PRODUCE), ("request", FETCH), ("answer", PRODUCE), ("answer", FETCH)]:
        assert compared[key] >= 5, key
    if harness.SHARED.exists():
        for key in [("request", 3), ("request", 8), ("answer", 3), ("answer", 12)]:
            assert compared[key] >= 5, key
        assert sum(compared.values()) > 1000


@pytest.mark.parametrize("capture", RECORDED, ids=name_of)
def test_every_body_ends_with_its_message(capture):
    """Every version of Kafka 0.11 to 4.2: nothing unknown. Only the mock cluster's answer to an
    ApiVersions it does not know is wrong (a count of 0 before an element); Wireshark says so too."""
    rows = {row["What"]: int(row["Count"]) for row in harness.table(
        capture, "wirelat,health", *OPTIONS)}
    assert "Kafka messages of a version not known" not in rows
    # Error 35, then a compact count where version 0 has one of four bytes.
    wrong = [payload for (payload,) in harness.plain_fields(
        capture, ["tcp.payload"], *OPTIONS, "-Y", "kafka.response_key == 18 and kafka.error == 35")
        if payload[16:22] == "002301"]
    assert rows.get("Kafka messages not readable to their end", 0) == len(wrong)


@pytest.mark.parametrize("capture", RECORDED, ids=name_of)
def test_wait_and_unqueued_time(capture):
    """From the four times of each exchange and the end of the answer before it."""
    start, until = frame_times(capture), {}
    events = [event for event in kafka_events(capture)
              if {"wirelat.kafka.response_to", "wirelat.kafka.orphan"} & set(event)]
    for event in events:
        stream, end = event["wirelat.kafka.stream"], start[event["frame"]]
        if "wirelat.kafka.orphan" in event:
            until[stream] = end
            continue
        first = end - harness.time_of(event, "response_spread")
        asked = first - harness.time_of(event, "service_time")
        wait = max(0, min(until.get(stream, asked), first) - asked)
        assert harness.time_of(event, "wait_time") == wait
        assert harness.time_of(event, "unqueued_time") == first - asked - wait
        until[stream] = end + (harness.time_of(event, "throttle_time") or 0)
    assert events


@pytest.mark.parametrize("capture", RECORDED, ids=name_of)
def test_long_polls(capture):
    """By the times; an empty answer is told from one with records by Wireshark, if it can be."""
    records = {int(row[0]): row[1] != "" for row in harness.plain_fields(
        capture, ["frame.number", "kafka.message_magic"], *OPTIONS, "-Y",
        TRUSTED + " and kafka.response_key == 1")}
    for event in answers(capture):
        if api_of(event) != FETCH:
            assert "wirelat.kafka.long_poll" not in event
            continue
        said = event["wirelat.kafka.long_poll"] in ("1", "True")
        late = harness.time_of(event, "time") >= harness.time_of(event, "max_wait") * 9 // 10
        if "wirelat.kafka.topic" not in event:
            assert not said  # kgo closes its sessions so: nothing is asked for
        elif late:
            assert said
        elif records.get(event["frame"]):
            assert not said
        elif said:
            assert harness.number_of(event, "error") == 0


@with_logs
def test_long_polls_have_their_own_row_in_every_table():
    capture = LIVE / "kafka_kgo_consume_longpoll.pcapng"
    held = [harness.time_of(event, "time") for event in answers(capture)
            if event.get("wirelat.kafka.long_poll") in ("1", "True")]
    assert len(held) > 3 and statistics.median(held) > 450 * MS
    for name in ("kafka,latency", "kafka,clients", "kafka,topics", "kafka,brokers"):
        rows = harness.table(capture, name, *OPTIONS)
        polls = [row for row in rows if row["API"] == "Fetch (long poll)"]
        assert sum(int(row["Answered"]) for row in polls) == len(held)
        assert all(int(row["Open"]) == 0 for row in polls)
        for row in rows:
            if row["API"] == "Fetch":
                assert float(row["Max (ms)"]) < 450
    text = harness.tshark(capture, "-q", *OPTIONS, "-z", "kafka,srt").out
    (line,) = [line for line in text.splitlines() if "Fetch (long poll)" in line]
    assert line.split("long poll)")[1].split()[0] == str(len(held))


@with_logs
def test_topic_ids_are_named():
    """Produce v13 and Fetch v13 and later have ids only; the Metadata answers name them."""
    for release in ("v4_0", "v4_2"):
        by_id = [event for event in kafka_events(LIVE / f"kafka_kgo_{release}.pcapng")
                 if api_of(event) in (PRODUCE, FETCH) and "wirelat.kafka.topic" in event]
        assert {event["wirelat.kafka.topic"] for event in by_id} == {"foo"}
        assert {harness.number_of(event, "api_version") for event in by_id} & {13, 17, 18}


def test_a_topic_id_without_metadata_is_shown_as_such():
    capture = harness.CAPTURES / "kafka_basic.pcapng"
    topics = {event.get("wirelat.kafka.topic") for event in kafka_events(capture)
              if api_of(event) == PRODUCE and harness.number_of(event, "api_version") == 13}
    assert topics == {"XRx6PpCxTwKmyOTyGzcNlQ"}


@with_logs
@pytest.mark.parametrize("member", ["A", "B"])
def test_rebalance_times(member):
    """The client's own clock from each first JoinGroup to the SyncGroup that worked. Which member
    it was is told by its port."""
    capture = LIVE / "kafka_kgo_rebalance.pcapng"
    log = [line for line in truth_lines(capture.with_name(f"kafka_kgo_rebalance.truth.{member}.jsonl"))
           if line.get("key") in (JOIN, SYNC) and line["ev"] == "rsp"]
    ports = {line["local"].split(":")[1] for line in log}
    rows = harness.plain_fields(capture, ["tcp.stream", "tcp.dstport"], *OPTIONS)
    streams = {stream for stream, port in rows if port in ports}
    said = [event for event in answers(capture) if event["wirelat.kafka.stream"] in streams and
            api_of(event) in (JOIN, SYNC)]
    assert len(said) == len(log)
    start, seen = None, 0
    for line, event in zip(sorted(log, key=lambda line: line["t_read_last"]), said):
        start = start or line["t_write_start"]
        if api_of(event) != SYNC or harness.number_of(event, "error"):
            assert "wirelat.kafka.rebalance_time" not in event
            continue
        time = harness.time_of(event, "rebalance_time")
        assert 0 <= line["t_read_last"] - start - time < MS
        start, seen = None, seen + 1
    assert seen == {"A": 4, "B": 1}[member]


@with_logs
def test_groups_table():
    capture = LIVE / "kafka_kgo_rebalance.pcapng"
    sums = collections.defaultdict(lambda: collections.defaultdict(list))
    for event in answers(capture):
        if api_of(event) in (JOIN, SYNC):
            row = sums[event["wirelat.kafka.group"], event["wirelat.kafka.member"]]
            row["Join" if api_of(event) == JOIN else "Sync"].append(harness.time_of(event, "time"))
            row["Errors"] += [1] if harness.number_of(event, "error") else []
            if "wirelat.kafka.rebalance_time" in event:
                row["Rebalance"].append(harness.time_of(event, "rebalance_time"))
    rows = {(row["Group"], row["Member"]): row for row in harness.table(
        capture, "kafka,groups", *OPTIONS)}
    assert set(rows) == set(sums) and len(rows) == 2
    for key, row in rows.items():
        counts = [int(row[name]) for name in ("Rebalances", "Joins", "Syncs", "Errors")]
        assert counts == [len(sums[key][name]) for name in ("Rebalance", "Join", "Sync", "Errors")]
        for part in ("Rebalance", "Join", "Sync"):
            times = [time / 1e6 for time in sums[key][part]]
            assert abs(float(row[f"{part} mean (ms)"]) - statistics.mean(times)) < ROUNDED
            assert abs(float(row[f"{part} max (ms)"]) - max(times)) < ROUNDED


@with_logs
def test_sasl_handshake():
    """SaslHandshake's first byte to the last SaslAuthenticate answer, as the client timed them."""
    capture = LIVE / "kafka_sasl_scram_kgo.pcapng"
    ends, starts = {}, {}
    for line in truth_lines(capture.with_name("kafka_sasl_scram_kgo.truth.jsonl")):
        if line.get("key") == HANDSHAKE:
            starts[line["local"]] = line["t_write_start"]
        elif line.get("key") == AUTHENTICATE:
            ends[line["local"]] = line["t_read_last"]
    said = sorted(harness.time_of(event, "sasl_time") for event in answers(capture)
                  if "wirelat.kafka.sasl_time" in event)
    logged = sorted(ends[local] - starts[local] for local in starts)
    assert len(said) == len(logged) >= 4
    assert all(0 <= theirs - ours < MS for ours, theirs in zip(said, logged))
    (row,) = [row for row in harness.table(capture, "kafka,latency", *OPTIONS)
              if row["API"] == "SASL handshake"]
    assert int(row["Requests"]) == len(said)
    assert abs(float(row["Mean (ms)"]) - statistics.mean(said) / 1e6) < ROUNDED


def phases(capture):
    """The phases of the mock cluster's log: name and when each began, in order."""
    lines = [line.split("|") for line in capture.with_name(
        "kafka_rdmock202.truth.log").read_text().splitlines()]
    return [(text, harness.nanoseconds(time)) for time, kind, text, *_ in lines if kind == "PHASE"]


@with_logs
def test_mock_cluster_phases():
    """25 and 60 ms brokers, two error codes, a connection closed instead of an answer, an answer
    that came too late for its client: each where a user looks."""
    capture = LIVE / "kafka_rdmock202.pcapng"
    start = frame_times(capture)
    began = [time for _, time in phases(capture)]
    names = [text for text, _ in phases(capture)]
    by_phase = collections.defaultdict(list)
    for event in kafka_events(capture, "-2"):
        number = sum(start[event["frame"]] >= time for time in began)
        by_phase[names[number - 1] if number else ""].append(event)
    (delays,) = [events for name, events in by_phase.items() if name.startswith("rtt b1=25")]
    for broker, rtt in (("127.0.0.1:39195", 25), ("127.0.0.1:45931", 60)):
        alone = [harness.time_of(event, "unqueued_time") / MS for event in delays
                 if event["wirelat.kafka.broker"] == broker and
                 harness.time_of(event, "wait_time") == 0]
        alone = [time for time in alone if time > 1]
        assert alone and all(rtt <= time < rtt + 2 for time in alone)
    assert max(harness.number_of(event, "inflight") for event in delays) == 5
    (errors,) = [events for name, events in by_phase.items() if name.startswith("errors")]
    codes = [harness.number_of(event, "error") for event in errors
             if api_of(event) == PRODUCE and "wirelat.kafka.response_to" in event]
    assert codes == [19, 7, 0]
    for name in ("disconnect", "rtt b1=4000"):
        (events,) = [events for text, events in by_phase.items() if text.startswith(name)]
        lost = [event for event in events if "wirelat.kafka.unanswered" in event]
        assert PRODUCE in {api_of(event) for event in lost}
    rows = {row["API"]: row for row in harness.table(
        capture, "kafka,latency", *OPTIONS, "-o", "wirelat.late_after:1")}
    assert int(rows["Produce (acks=1)"]["Open"]) == 2
    late = collections.Counter(api_of(event) for event in answers(capture)
                               if harness.time_of(event, "time") > 1000 * MS)
    assert late[18] > 0 and int(rows["ApiVersions"]["Late"]) == late[18]
    assert late[JOIN] == int(rows["JoinGroup"]["Late"]) == 1


@pytest.mark.parametrize("capture", RECORDED, ids=name_of)
def test_topics_and_brokers_tables(capture):
    """Requests and answers of each row, counted from the events."""
    requested, answered = collections.Counter(), collections.Counter()
    for event in kafka_events(capture):
        count = harness.number_of(event, "topics") or 0
        label = event.get("wirelat.kafka.topic", "(unnamed)") + (
            f" (+{count - 1})" if count > 1 else "")
        links = {name.split(".")[-1] for name in event}
        one_way = event.get("wirelat.kafka.acks") == "0"
        counter = (answered if "response_to" in links or ("ack_to" in links and one_way) else
                   requested if not links & {"orphan", "duplicate", "ack_to"} else None)
        if counter is not None:
            counter["broker", event["wirelat.kafka.broker"]] += 1
            if count:
                counter["topic", label] += 1
    for kind, name, key in (("topic", "kafka,topics", "Topic"), ("broker", "kafka,brokers", "Broker")):
        rows, answers_of_rows = collections.Counter(), collections.Counter()
        for row in harness.table(capture, name, *OPTIONS):
            rows[kind, row[key]] += int(row["Requests"])
            answers_of_rows[kind, row[key]] += int(row["Answered"])
        assert +rows == {k: v for k, v in requested.items() if k[0] == kind}
        assert +answers_of_rows == {k: v for k, v in answered.items() if k[0] == kind}


FIELDS = ("wait_time", "unqueued_time", "topic", "topics", "partitions", "max_wait", "long_poll",
          "error", "throttle_time", "broker", "group", "member", "rebalance_time", "sasl_time")


@with_logs
@pytest.mark.parametrize("name", ["kafka_kgo_v4_2", "kafka_kgo_rebalance", "kafka_sasl_scram_kgo",
                                  "kafka_rdmock202", "kafka_kgo_consume_longpoll"])
def test_one_pass_and_two_agree(name):
    fields = ["frame.number", *(f"wirelat.kafka.{field}" for field in FIELDS)]
    one = harness.plain_fields(LIVE / f"{name}.pcapng", fields, *OPTIONS)
    assert one == harness.plain_fields(LIVE / f"{name}.pcapng", fields, *OPTIONS, "-2")
    assert one == harness.plain_fields(LIVE / f"{name}.pcapng", fields, *OPTIONS, "-2", "-R",
                                       "frame.number > 0")
    assert any(any(row[1:]) for row in one)


@with_logs
def test_the_long_poll_preference():
    capture = LIVE / "kafka_kgo_v4_2.pcapng"
    counts = [sum(event.get("wirelat.kafka.long_poll") in ("1", "True")
                  for event in kafka_events(capture, "-o", f"wirelat.long_poll_percent:{percent}"))
              for percent in (1, 90)]
    assert counts[0] > counts[1] > 10
