"""The oracle itself against the generators' truth files, to the frame and the nanosecond. Needs
neither Wireshark nor the plugin: what passes here may judge them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections

import pytest

import harness
import oracle
from oracle import mqtt

OWN = sorted(path for path in harness.CAPTURES.glob("*.pcapng") if path.stem != "mqttsn")
SHARED = sorted((harness.SHARED / "gen").glob("*.pcap"))
NONE = pytest.param(None, marks=pytest.mark.skip(reason="the shared captures are not here"))
WITHOUT_ID = {(1, None): "connect", (5, None): "ping", (2, 0): "pub0"}


def name_of(path):
    return f"{path.parent.name}-{path.stem}" if path else "none"


def from_oracle(capture):
    """What the truth files say, by what it is, its last frame, id and client's port."""
    ports = {connection.number: {end[1] for end in connection.ends}
             for connection in oracle.streams.connections(capture)}
    rows, events = collections.defaultdict(list), oracle.read(capture)
    for event in events.of("request", "orphan", "duplicate", "retry"):
        (port,) = ports[event["stream"]] - {1883, 8080, 9092}
        number = WITHOUT_ID.get((event.get("kind"), event.get("qos")), event["id"])
        rows[event["what"], event["frame"], number, port].append(event)
    for event in events.of("answer", "ack", "pubrec", "pubrel"):
        event["exchange"][event["what"]] = event
    return rows


def from_truth(row):
    outcome = row.get("outcome")
    if outcome is None:
        outcome = ("one-way" if row["kind"] in ("pub0", "produce0") else
                   "answered" if row["f_resp"] else "open")
    return outcome


@pytest.mark.parametrize("capture", OWN + (SHARED or [NONE]), ids=name_of)
def test_against_the_generators_truth(capture):
    rows, seen = from_oracle(capture), 0
    for row in harness.truth(capture.with_suffix(".tsv")):
        if row["kind"] == "disconnect":
            continue
        outcome = from_truth(row)
        number = row["kind"] if row["kind"] in WITHOUT_ID.values() else row["id"]
        alone = outcome in ("orphan", "duplicate", "retry")
        event = rows[outcome if alone else "request", row["f_last"] or row["f_resp_last"], number,
                     row["sport"]].pop(0)
        seen += 1
        if alone:
            continue
        assert event["outcome"] == outcome, row
        assert (event["first"], event["last"]) == (row["t_first"], row["t_last"]), row
        if capture in OWN:
            assert event["size"] == row["bytes"], row
        if "ack" in event:
            assert event["ack"]["frame"] == row["f_ack"], row
            assert event["ack"]["ack_time"] == row["t_ack"] - row["t_first"], row
        if outcome == "answered":
            check_answer(row, event)
    assert seen > 20
    assert not [left for left in rows.values() if left]


def check_answer(row, event):
    answer = event["answer"]
    first, last = (("t_comp", "t_comp") if row["f_comp"] else ("t_resp", "t_resp_last"))
    assert answer["frame"] == (row["f_comp"] or row["f_resp_last"]), row
    assert answer["time"] == row[last] - row["t_first"], row
    assert answer["service_time"] == row[first] - row["t_last"], row
    assert answer["time"] == (answer["request_spread"] + answer["service_time"] +
                              answer["response_spread"]), row
    if row["f_comp"]:
        assert event["pubrec"]["pubrec_time"] == row["t_resp_last"] - row["t_first"], row
        assert event["pubrel"]["pubrel_time"] == row["t_rel"] - row["t_resp"], row
        assert answer["pubcomp_time"] == row["t_comp"] - row["t_rel"], row


def test_every_byte_of_the_captures_is_understood():
    for capture in OWN:
        assert oracle.read(capture).complete, capture


@pytest.mark.parametrize("data, size", [
    (b"\x30\x02", 4), (b"\x30\x80\x01", 131), (b"\x30\xff\xff\xff\x7f", 268435460),
    (b"\x30", None), (b"\x30\x80", None), (b"\xc0\x00", 2)])
def test_length_of_control_packets(data, size):
    assert mqtt.length(data, 0) == size


@pytest.mark.parametrize("data", [b"\x00\x00", b"\x36\x00", b"\x60\x02", b"\xc0\x01",
                                  b"\x30\xff\xff\xff\x80", b"\x40\x01"])
def test_no_control_packets(data):
    with pytest.raises(mqtt.Bad):
        mqtt.length(data, 0)
