"""Every row of the tables from the oracle's exchanges: counts, exact figures, percentiles by
nearest rank to 0.1 %; also with a filter after a comma, which is recomputed here.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import re
import statistics

import pytest

import harness
from test_exchanges import NONE, OWN, PORTS, SHARED, name_of, read

CAPTURES = [path for path in OWN + SHARED if not path.stem.startswith("derived_")
            and "sv-" not in path.stem]
KINDS = {1: "Connect", 3: "Subscribe", 4: "Unsubscribe", 5: "Ping", 6: "Re-authenticate"}
STEPS = ("AUTH of the client", "AUTH of the broker")
LEGS = {"pubrec": "QoS 2 PUBLISH to PUBREC", "pubrel": "QoS 2 PUBREC to PUBREL", "pubcomp": "QoS 2 PUBREL to PUBCOMP"}
DIRECTIONS = ("client to broker", "broker to client")
ACKS = {-1: "Produce (acks=all)", 0: "Produce (acks=0)", 1: "Produce (acks=1)",
        None: "Produce (acks unknown)"}
WHOLE_LOGIN = "SASL handshake"  # spans several exchanges: none of the oracle's
# Kafka protocol guide, "API Keys".
APIS = {1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch",
        10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup",
        15: "DescribeGroups", 16: "ListGroups", 17: "SaslHandshake", 18: "ApiVersions",
        19: "CreateTopics", 20: "DeleteTopics", 22: "InitProducerId",
        23: "OffsetForLeaderEpoch", 32: "DescribeConfigs",
        35: "DescribeLogDirs", 36: "SaslAuthenticate", 37: "CreatePartitions",
        48: "DescribeClientQuotas", 50: "DescribeUserScramCredentials", 61: "DescribeProducers",
        65: "DescribeTransactions", 66: "ListTransactions", 71: "GetTelemetrySubscriptions",
        72: "PushTelemetry"}


class Row:
    def __init__(self):
        self.asked, self.answered, self.times = [], [], []


def exchange_of(request):
    """The row of the latency table, and the part of it that both tables share."""
    if request["protocol"] == "wirelat.kafka":
        return ACKS[request["acks"]] if request["api"] == 0 else APIS[request["api"]]
    kind = request["kind"]
    return f"Publish QoS {request['qos']}" if kind == 2 else KINDS[kind]


def topic_of(request):
    topic = request["topic"] or "(unknown)"
    return topic if len(topic) <= 200 else topic[:200] + "...", f"QoS {request['qos']}"


def size_of(request, boundaries=tuple(10**n for n in range(1, 9))):
    above = [boundary for boundary in boundaries if boundary > request["size"]]
    below = [boundary for boundary in boundaries if boundary <= request["size"]]
    name = f"{max(below, default=0)} - {min(above) - 1}" if above else f"from {max(below)}"
    return f"QoS {request['qos']}", name


def client_of(request):
    client = request["client_id"] or "(unknown)"
    if request["protocol"] == "wirelat.kafka":
        return client, exchange_of(request)
    return client, DIRECTIONS[request["sender"]], exchange_of(request)


def computed(events, protocol, row_of):
    """Rows by name. A CONNECT without a client id counts where its CONNACK puts it."""
    rows = collections.defaultdict(Row)
    for event in events:
        if event["protocol"] != protocol:
            continue
        if event["what"] == "request":
            rows[row_of(event)].asked.append(id(event))
        elif event["what"] == "answer" or \
                event["what"] == "ack" and event["exchange"]["outcome"] == "one-way":
            row = rows[row_of(event["exchange"])]
            row.answered.append(id(event["exchange"]))
            row.times.append(event.get("time", event.get("ack_time")))
    return rows


def legs(events):
    rows = collections.defaultdict(Row)
    for event in events:
        for leg, name in LEGS.items():
            if f"{leg}_time" in event:
                rows[name].asked.append(id(event))
                rows[name].answered.append(id(event))
                rows[name].times.append(event[f"{leg}_time"])
        if event["what"] == "auth":
            row = rows[STEPS[event["auth_sender"]]]
            row.asked.append(id(event))
            row.times.append(event["auth_time"])
            row.answered.append(id(event))
    return rows


def figures(times):
    """What a row says of its times, in ms."""
    times = [time / 1e6 for time in times] or [0]
    return {"Min (ms)": min(times), "Max (ms)": max(times), "Mean (ms)": statistics.fmean(times),
            "SD (ms)": statistics.stdev(times) if len(times) > 1 else 0,
            **{f"p{n} (ms)": harness.nearest_rank(times, n) for n in (50, 95, 99)}}


def wrong(printed, row):
    """Cells that differ from what they should be."""
    counts = {"Requests": len(row.asked), "Answered": len(row.times),
              "Open": len(set(row.asked) - set(row.answered))}
    found = [(name, printed[name], value) for name, value in counts.items()
             if int(printed[name]) != value]
    for name, value in figures(row.times).items():
        allowed = 0.00051 + (abs(value) / 1000 if name.startswith("p") else 0)
        if abs(float(printed[name]) - value) > allowed:
            found.append((name, printed[name], value))
    return found


def named(rows, keys):
    return {tuple(row[key] for key in keys): row for row in rows}


def printed(capture, *names):
    text = harness.tshark(capture, "-q", *harness.REASSEMBLE, *PORTS,
                          *(part for name in names for part in ("-z", name))).out
    return harness.tables(text)


def fetches(names):
    return {name for name in names if name[-1].startswith("Fetch")}


def check_findings(rows, events, protocol):
    """The columns of what went wrong, summed up."""
    mine = [event for event in events if event["protocol"] == protocol]
    expected = {"Orphans": "orphan", "Duplicates": "duplicate", "Retries": "retry"}
    for column, what in expected.items():
        if rows and column in rows[0]:
            assert sum(int(row[column]) for row in rows) == \
                sum(event["what"] == what for event in mine), column
    assert sum(int(row["Reused ids"]) for row in rows) == \
        sum(event.get("reused", False) for event in mine if event["what"] == "request")


@pytest.mark.parametrize("capture", CAPTURES or [NONE], ids=name_of)
def test_rows(capture):
    events = read(capture)
    # One run for all: each asks for another tap.
    found = printed(capture, "mqtt,latency", "mqtt,clients", "kafka,latency", "kafka,clients")
    assert len(found) == 4
    for title, rows in found.items():
        protocol = f"wirelat.{title.split()[0].lower()}"
        expected = computed(events, protocol, client_of if title.endswith("Client") else
                            lambda request: (exchange_of(request),))
        keys = [key for key in (rows[0] if rows else ())][:len(next(iter(expected), ()))]
        check_findings(rows, events, protocol)
        # What nobody asked for may have a row of its own.
        rows = [row for row in rows if (row["Requests"], row["Answered"]) != ("0", "0") and
                row.get("API") != WHOLE_LOGIN]
        cells = named(rows, keys)
        if title == "MQTT Latency":
            expected.update({(name,): row for name, row in legs(events).items()})
        polls, asked = fetches(cells), fetches(expected)
        assert set(cells) - polls == set(expected) - asked, title
        for name in set(expected) - asked:
            assert wrong(cells[name], expected[name]) == [], (title, name)
        for name in asked:
            those = [cells[poll] for poll in polls if poll[:-1] == name[:-1]]
            assert sum(int(row["Requests"]) for row in those) == len(expected[name].asked)
            assert sum(int(row["Answered"]) for row in those) == len(expected[name].times)


def publishes(events):
    """Those, and what ends or acknowledges them."""
    return [event for event in events if event["protocol"] == "wirelat.mqtt" and
            event.get("exchange", event).get("kind") == 2]


def check_copies(row, copies):
    """What became of publishes on their way to subscribers."""
    paired = [event["forward_delay"] / 1e6 for event in copies
              if event["forward_delay"] is not None and not event["forward_ambiguous"]]
    ambiguous = sum(event["forward_ambiguous"] or 0 for event in copies)
    assert [int(row[name]) for name in ("Copies", "Ambiguous", "Unpaired")] == [
        len(copies), ambiguous, len(copies) - len(paired) - ambiguous]
    assert abs(float(row["Forward mean (ms)"]) - statistics.fmean(paired or [0])) < 0.00051
    assert abs(float(row["Forward max (ms)"]) - max(paired, default=0)) < 0.00051
    p95 = harness.nearest_rank(paired or [0], 95)
    assert abs(float(row["Forward p95 (ms)"]) - p95) < 0.00051 + p95 / 1000


MQTT_CAPTURES = [path for path in CAPTURES if "kafka" not in path.stem]


@pytest.mark.parametrize("capture", MQTT_CAPTURES or [NONE], ids=name_of)
def test_publishes(capture):
    """By topic, with forwarding delays; by size, with loss."""
    events = publishes(read(capture))
    found = printed(capture, "mqtt,topics", "mqtt,sizes")
    topics, sizes = found["MQTT Latency by Topic"], found["MQTT Latency by Size"]
    expected = computed(events, "wirelat.mqtt", topic_of)
    cells = named([row for row in topics if row["Requests"] != "0"], ("Topic", "QoS"))
    assert set(cells) == set(expected)
    for name, row in expected.items():
        assert wrong(cells[name], row) == [], name
        check_copies(cells[name], [event for event in events if event["what"] == "request" and
                                   topic_of(event) == name and event.get("copy")])
    expected, cells = computed(events, "wirelat.mqtt", size_of), named(sizes, ("QoS", "Bytes"))
    assert set(cells) == set(expected)
    for name, row in expected.items():
        assert wrong(cells[name], row) == [], name
        loss = 100 * (1 - len(row.times) / len(row.asked))
        assert abs(float(cells[name]["Loss (%)"]) - loss) < 0.00051


@pytest.mark.parametrize("text, boundaries", [("1000,100,5000", (100, 1000, 5000)),
                                              ("64-66", (64, 65, 66)), ("120", (120,))])
def test_size_classes_of_ones_own(text, boundaries):
    capture = harness.CAPTURES / "mqtt_framing.pcapng"
    expected = computed(publishes(read(capture)), "wirelat.mqtt",
                        lambda request: size_of(request, boundaries))
    rows = harness.table(capture, "mqtt,sizes", "-o", f"wirelat.size_classes:{text}")
    cells = named(rows, ("QoS", "Bytes"))
    assert set(cells) == set(expected) and len(cells) >= 2
    for name, row in expected.items():
        assert wrong(cells[name], row) == [], name
    # In the order of QoS and size.
    assert [(row["QoS"], int(re.search(r"\d+", row["Bytes"]).group())) for row in rows] == sorted(
        (row["QoS"], int(re.search(r"\d+", row["Bytes"]).group())) for row in rows)


@pytest.mark.parametrize("text", ["abc", "10,x", "10;20"])
def test_size_classes_that_are_none(text):
    run = harness.tshark(harness.CAPTURES / "mqtt_framing.pcapng", "-q", "-z", "mqtt,sizes", "-o",
                         f"wirelat.size_classes:{text}", check=False)
    assert run.code != 0 and "wirelat.size_classes" in run.err


SRT_LINE = re.compile(r"\s*(\d+)  (.+?)\s+(\d+)" + 4 * r"\s+(-?[\d.]+)" + "$")


@pytest.mark.parametrize("capture", CAPTURES or [NONE], ids=name_of)
def test_response_time_tables(capture):
    """Calls, smallest, largest and sum, by API or kind, in seconds."""
    times = collections.defaultdict(list)
    for event in read(capture):
        if event["what"] == "answer" and event["protocol"] == "wirelat.kafka":
            times["Kafka", 1 if event["api"] == 1 else event["api"]].append(event["time"] / 1e9)
        elif event["what"] == "answer":
            times["MQTT", event["exchange"]["kind"]].append(event["time"] / 1e9)
    text = harness.tshark(capture, "-q", *harness.REASSEMBLE, *PORTS, "-z", "mqtt,srt", "-z",
                          "kafka,srt").out
    found, table, by = collections.defaultdict(list), None, None
    for line in text.splitlines():
        if line.endswith("SRT Statistics:"):
            table = line.split()[0]
        elif line.startswith("Filter:"):
            by = line.split()[-1]
        elif SRT_LINE.match(line) and by in ("wirelat.kafka.api", "wirelat.mqtt.kind"):
            index, name, calls, least, most, _, total = SRT_LINE.match(line).groups()
            index = 1 if name.startswith("Fetch") else int(index)
            found[table, index].append((int(calls), float(least), float(most), float(total)))
    for key in {*times, *found}:
        calls, least, most, total = zip(*found[key]) if key in found else ((0,), (0,), (0,), (0,))
        assert sum(calls) == len(times[key]), key
        if times[key]:
            assert min(least) == pytest.approx(min(times[key]), abs=2e-6), key
            assert max(most) == pytest.approx(max(times[key]), abs=2e-6), key
            assert sum(total) == pytest.approx(sum(times[key]), abs=2e-6 * len(times[key])), key


FILTERS = {
    ("mqtt", "wirelat.mqtt.qos == 2"): lambda event: event.get("qos") == 2,
    ("mqtt", "wirelat.mqtt.sender == 1"): lambda event: event.get("sender") == 1,
    ("mqtt", "wirelat.mqtt.size > 1000"): lambda event: event.get("size", 0) > 1000,
    ("kafka", "wirelat.kafka.api == 3"): lambda event: event.get("api") == 3,
    ("kafka", "wirelat.kafka.acks == 1"): lambda event: event.get("acks") == 1,
    ("kafka", "wirelat.kafka.inflight > 2"): lambda event: event.get("inflight", 0) > 2,
}


@pytest.mark.parametrize("capture", [harness.CAPTURES / "sample.pcapng"] +
                         [path for path in SHARED if path.stem in
                          ("mqtt_basic", "kafka_pipelined")], ids=name_of)
@pytest.mark.parametrize("protocol, condition", FILTERS)
def test_filter_after_a_comma(capture, protocol, condition):
    """A filter chooses frames: a record counts when its frame has an event that fits."""
    events, fits = read(capture), FILTERS[protocol, condition]
    frames = {event["frame"] for event in events
              if fits({**event.get("exchange", {}), **event}) and
              event["protocol"] == f"wirelat.{protocol}"}
    expected = computed([event for event in events if event["frame"] in frames],
                        f"wirelat.{protocol}", lambda request: (exchange_of(request),))
    (rows,) = printed(capture, f"{protocol},latency,{condition}").values()
    cells = {tuple(row.values())[:1]: row for row in rows}
    for name, row in expected.items():
        if name not in fetches(expected):
            assert wrong(cells[name], row) == [], name
    assert fetches(cells) or set(cells) >= set(expected)


def test_own_figures():
    """The helper that says what a cell should be."""
    assert figures([3_000_000, 1_000_000, 2_000_000]) == {
        "Min (ms)": 1, "Max (ms)": 3, "Mean (ms)": 2, "SD (ms)": 1, "p50 (ms)": 2, "p95 (ms)": 3,
        "p99 (ms)": 3}
    assert figures([]) == dict.fromkeys(figures([]), 0)
