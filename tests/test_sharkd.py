"""What sharkd answers: Service Response Time to the nanosecond against the oracle, every table
against the oracle's rows or tshark's, every field of every frame, and what a changed preference does.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import csv
import functools
import io

import pytest

import compare
import harness
import sharkd
from oracle import mqttsn
from test_exchanges import OWN, PORTS, name_of, read
from test_rows import APIS, KINDS, Row, client_of, computed, exchange_of, figures, legs

pytestmark = sharkd.needed
SETTINGS = dict(part.split(":", 1) for part in (*PORTS, *harness.REASSEMBLE) if ":" in part)
# Publish is a row of its own there, and QoS a table of its own.
SRT_KINDS = {**KINDS, 2: "Publish"}
SRT_QOS = ("QoS 0 (to the TCP ACK)", "QoS 1", "QoS 2")
CAPTURES = [path for path in OWN if path.stem != "mqttsn" and "mptcp" not in path.stem]
# What no export says and no message of its own is.
WHOLE_LOGIN = "SASL handshake"


@pytest.fixture(scope="module")
def session():
    with sharkd.Session() as opened:
        opened.set(SETTINGS)
        yield opened


def long_polls(capture):
    """Exchange of each Fetch, by stream, correlation id and frame of its answer, as exported."""
    text = harness.tshark(capture, "-q", *PORTS, *harness.REASSEMBLE,
                          "-z", "wirelat,exchanges,-").out
    return {(int(row["stream"]), int(row["correlation_id"]), int(row["answer_frame"])):
            row["exchange"] for row in csv.DictReader(io.StringIO(text))
            if row["api"] == "1" and row["answer_frame"]}


@functools.cache
def srt_rows(capture):
    """The times in ns of each row, by the title of its table and its name."""
    rows, events, fetches = collections.defaultdict(list), read(capture), long_polls(capture)
    for event in events.of("answer"):
        request = event["exchange"]
        if event["protocol"] == "wirelat.mqtt":
            rows["MQTT Exchanges", SRT_KINDS[request["kind"]]].append(event["time"])
            if request["kind"] == 2:
                rows["MQTT Publish by QoS", SRT_QOS[request["qos"]]].append(event["time"])
        elif request["api"] == 1:
            name = fetches[event["stream"], event["id"], event["frame"]]
            rows["Kafka APIs", name].append(event["time"])
        else:
            rows["Kafka APIs", {0: "Produce", **APIS}[request["api"]]].append(event["time"])
    for event in events.of("ack"):
        if event["exchange"].get("qos") == 0 and event["exchange"]["outcome"] == "one-way":
            rows["MQTT Publish by QoS", SRT_QOS[0]].append(event["ack_time"])
    return rows


@pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
def test_srt(session, capture):
    """Calls, minimum, maximum and sum of each row; the mean is the sum over the calls."""
    session.load(capture)
    shown = {**session.srt("srt:mqtt"), **session.srt("srt:kafka")}
    expected = srt_rows(capture)
    assert set(shown) == set(expected)
    for name, times in expected.items():
        row = shown[name]
        assert row["num"] == len(times), name
        # As numbers with nine decimals: to the nanosecond.
        assert [round(row[key] * 1e9) for key in ("min", "max", "tot")] == [
            min(times), max(times), sum(times)], name


def test_srt_has_rows_of_every_kind():
    """Else the test above could pass on nothing."""
    found = set()
    for capture in CAPTURES:
        found |= set(srt_rows(capture))
    assert {"Connect", "Publish", "Subscribe", "Unsubscribe", "Ping", *SRT_QOS, "Produce", "Fetch",
            "Fetch (long poll)", "Metadata", "JoinGroup", "ApiVersions"} <= {
                name for _, name in found}


def wrong(shown, row):
    """Cells of a latency table that differ from what they should be."""
    expected = {"Requests": len(row.asked), "Answered": len(row.times),
                "Open": len(set(row.asked) - set(row.answered)), **figures(row.times)}
    # Six decimals; percentiles are exact up to 256 answers and within 0.1 % beyond.
    return [(name, shown[name], value) for name, value in expected.items()
            if abs(shown[name] - value) > 1e-6 +
            (abs(value) / 1000 if name.startswith("p") and len(row.times) > 256 else 0)]


@pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
@pytest.mark.parametrize("table", ["mqtt,latency", "mqtt,clients", "kafka,latency",
                                   "kafka,clients"])
def test_latency(session, capture, table):
    """The simple tables from the oracle's exchanges."""
    session.load(capture)
    events = read(capture)
    protocol, what = table.split(",")
    expected = computed(events, f"wirelat.{protocol}", client_of if what == "clients" else
                        lambda request: (exchange_of(request),))
    if table == "mqtt,latency":
        expected.update({(name,): row for name, row in legs(events).items()})
    width = len(next(iter(expected), ()))
    shown = {tuple(list(row.values())[:width]): row for row in session.table(f"nstat:{table}")
             if (row["Requests"], row["Answered"]) != (0, 0) and row.get("API") != WHOLE_LOGIN}
    merged = collections.defaultdict(Row)
    for name in [name for name in expected if name[-1] == "Fetch"]:
        # Rows of long polls: told apart above; here their counts must add up.
        merged[name[:-1]] = expected.pop(name)
    for place, row in merged.items():
        those = [shown.pop(name) for name in list(shown)
                 if name[:-1] == place and name[-1].startswith("Fetch")]
        assert sum(cells["Answered"] for cells in those) == len(row.times)
        assert sum(cells["Requests"] for cells in those) == len(row.asked)
        assert {min(row.times, default=0), max(row.times, default=0)} <= {
            round(cells[edge] * 1e6) for cells in those for edge in ("Min (ms)", "Max (ms)")}
    assert set(shown) == set(expected)
    for name, row in expected.items():
        assert wrong(shown[name], row) == [], name


def test_mqttsn_latency(session):
    capture = harness.CAPTURES / "mqttsn.pcapng"
    session.set({"wirelat.mqttsn_udp_ports": "1885"})
    session.load(capture)
    times = [event["time"] for event in mqttsn.read(capture, 1885)
             if event["what"] == "answer" and "time" in event]
    shown = [row for row in session.table("nstat:mqttsn,latency") if not
             row[next(iter(row))].startswith("QoS 2 PUB") and row["Answered"] and
             "QoS 0" not in row[next(iter(row))]]
    assert sum(row["Answered"] for row in shown) == len(times) > 30
    assert sum(row["Answered"] * row["Mean (ms)"] for row in shown) == \
        pytest.approx(sum(times) / 1e6, abs=1e-3)
    assert max(row["Max (ms)"] for row in shown) == max(times) / 1e6


@pytest.mark.parametrize("statistic", [name for name in compare.statistics()
                                       if not name.endswith(",srt")])
def test_tables_are_those_of_tshark(session, statistic):
    """Cell by cell; the figures of these are tested where tshark's are."""
    capture = harness.CAPTURES / compare.CAPTURES.get(statistic, "sample.pcapng")
    session.set({"wirelat.mqttsn_udp_ports": "1885", "tcp.reassemble_out_of_order": "FALSE"})
    session.load(capture)
    shown = session.table(f"nstat:{statistic}")
    session.set(SETTINGS)
    rows = harness.table(capture, statistic, *PORTS, *compare.OPTIONS.get(statistic, ()))
    assert rows
    compare.assert_same([{title: cell if isinstance(cell, str) else f"{cell:.6f}".removesuffix(
        ".000000") for title, cell in row.items()} for row in shown], rows)


def field_names():
    """All fields of ours, findings too."""
    with_values, findings = [], []
    for line in harness.listing("-G", "fields"):
        cells = line.split("\t")
        if cells[0] == "F" and cells[2].startswith("wirelat."):
            (findings if cells[3] == "FT_NONE" else with_values).append(cells[2])
    return with_values, findings


def normal(text):
    """A value, whichever way this version writes it."""
    return {"True": "1", "False": "0"}.get(text, text)


@pytest.mark.parametrize("name", ["mqtt_ids.pcapng", "mqtt_websocket.pcapng", "kafka_ids.pcapng",
                                  "kafka_framing.pcapng", "mptcp_address-client.pcap",
                                  "mptcp_loss-server.pcap"])
def test_frames(session, name):
    """Each field of ours on each frame: what tshark's second pass gives."""
    capture = harness.CAPTURES / name
    session.load(capture)
    fields, findings = field_names()
    rows = harness.plain_fields(capture, ["frame.number", *fields, *findings], "-2", *PORTS,
                                *harness.REASSEMBLE, "-E", "aggregator=|")
    rows = [row for row in rows if any(row[1:])][::1 if len(rows) < 800 else 5]
    assert len(rows) > 30
    for number, *cells in rows:
        shown = collections.defaultdict(list)
        for field, value in session.frame(int(number)):
            if field in fields or field in findings:
                shown[field].append(normal(value))
        expected = {field: [normal(value) for value in cell.split("|")]
                    for field, cell in zip(fields, cells) if cell}
        for field, cell in zip(findings, cells[len(fields):]):
            assert bool(cell) == (field in shown), (number, field)
            shown.pop(field, None)
        assert shown == expected, number


def titled(rows, column):
    return {row[column]: row for row in rows}


def test_preference_changed_between_two_taps(session):
    """What a table reads when it is filled takes hold at once; what is read while packets are
    dissected (sharkd does that once, when a file is loaded) with the next load."""
    capture = harness.CAPTURES / "sample.pcapng"
    session.load(capture)
    before = titled(session.table("nstat:kafka,latency"), "API")
    slow = [event["time"] for event in read(capture).of("answer")
            if event["protocol"] == "wirelat.kafka" and event["time"] > 10**9]
    session.set({"wirelat.late_after": "1"})
    late = titled(session.table("nstat:kafka,latency"), "API")
    session.set({"wirelat.late_after": "30", "wirelat.table_rows": "2"})
    bounded = session.table("nstat:kafka,latency")
    session.set({"wirelat.table_rows": "10000", "wirelat.size_classes": "30"})
    sizes = {row["Bytes"] for row in session.table("nstat:mqtt,sizes")}
    session.set({"wirelat.size_classes": ""})
    assert sum(row["Late"] for row in late.values()) == len(slow) > 0
    assert not any(row["Late"] for row in before.values())
    assert len(bounded) == 3 and bounded[-1]["API"] == "(other)"
    for column in ("Requests", "Answered", "Open"):
        assert sum(row[column] for row in bounded) == sum(row[column] for row in before.values())
    assert sizes == {"from 30"}  # of classes "10 - 99" before
    assert titled(session.table("nstat:kafka,latency"), "API") == before

    session.set({"wirelat.long_poll_percent": "30"})
    assert titled(session.table("nstat:kafka,latency"), "API") == before
    session.load(capture)
    session.set({"wirelat.long_poll_percent": "90"})
    after = titled(session.table("nstat:kafka,latency"), "API")
    # All of them allow the broker to wait 500 ms.
    held = [event for event in read(capture).of("answer") if event["protocol"] == "wirelat.kafka"
            and event["exchange"]["api"] == 1 and event["time"] >= 150_000_000]
    assert after["Fetch (long poll)"]["Answered"] == len(held) > \
        before["Fetch (long poll)"]["Answered"]
