"""Conversations nobody had in mind against the oracle; and what is left of them when frames are
missing: then some exchanges cannot be known, but no answer may be made up.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import random
import struct

import pytest

import harness
import invented
import repeats
from oracle import packets
from test_exchanges import differences, read, said

SEEDS = range(12)
TROUBLE = {"clean": 0, "rare": 0.01, "often": 0.1}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_every_event(tmp_path, seed, trouble):
    capture = tmp_path / f"{trouble}-{seed}.pcap"
    invented.write(capture, f"{trouble} {seed}", trouble=TROUBLE[trouble],
                   troubles=repeats.troubles())
    expected = read(capture)
    assert expected.complete and len(expected) > 100
    assert list(differences(expected, said(capture, "-2"))) == []


def test_a_segment_comes_twice_inside_a_message(tmp_path):
    """All is there but on the series whose TCP passes no more on; then what it passed on is."""
    assert not repeats.lost_upstream() or harness.series() in repeats.KNOWN
    capture = tmp_path / "repeats.pcap"
    repeats.conversation(capture)
    found = [event for event in said(capture, "-2") if event["what"] == "answer" and event["id"]]
    if repeats.lost_upstream():
        assert [event["id"] for event in found] == [1, 2, 3]
        truth = [event for event in read(capture).of("answer") if event["id"] in (1, 2, 3)]
        assert list(differences(truth, found)) == []
    else:
        assert list(differences(read(capture), said(capture, "-2"))) == []


# Segments that begin or end where a reader may stumble, one conversation each.

CLIENT, SERVER = 0, 1


def record(path, port, *said_in_turn):
    """A capture with handshake; each (side, bytes) is one segment, 1 ms apart."""
    start, sent = 1_700_000_000_000_000_000, [0, 0]
    segments = [invented.Segment(start, CLIENT, -1, b"", invented.SYN),
                invented.Segment(start + 10, SERVER, -1, b"", invented.SYN | invented.ACK),
                invented.Segment(start + 20, CLIENT, 0, b"")]
    for number, (side, data) in enumerate(said_in_turn, 1):
        segment = invented.Segment(start + number * invented.MS, side, sent[side], data)
        segment.ack = sent[1 - side]
        sent[side] += len(data)
        segments.append(segment)
    ends = ((b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", port))
    invented.store(path, [(s.time, invented.framed(s, ends, (77, 99), (0, 0))) for s in segments])


def request(number, size, client="client-1"):
    head = struct.pack(">hhi", 3, 5, number)
    head += b"\xff\xff" if client is None else invented.text(client)
    return struct.pack(">i", len(head) + size) + head + bytes(size)


def response(number, size):
    return struct.pack(">ii", size + 4, number) + bytes(size)


def publish(number, size, topic="a/b"):
    return invented.packet(0x32, invented.text(topic) + struct.pack(">H", number) + bytes(size))


CONNECT = (CLIENT, invented.packet(0x10, invented.text("MQTT") + b"\4\2\0\x3c" +
                                   invented.text("c")))
CONNACK = (SERVER, b"\x20\2\0\0")


def cut(side, data, *places):
    ends = [0, *places, len(data)]
    return [(side, data[i:j]) for i, j in zip(ends, ends[1:])]


KAFKA = {
    "first request, %d bytes ahead" % n: [*cut(CLIENT, request(1, 30), n), (SERVER, response(1, 9)),
                                         (CLIENT, request(2, 3)), (SERVER, response(2, 9))]
    for n in (1, 4, 8, 12)
} | {
    "first request, client id %s" % name: [*cut(CLIENT, request(1, 3000, name), 1460),
                                           (SERVER, response(1, 9))]
    for name in ("abc", "", None)
} | {
    "first response, %d bytes ahead" % n: [(CLIENT, request(1, 30)),
                                           *cut(SERVER, response(1, 30), n)]
    for n in (1, 4, 7)
} | {
    "behind the end of a long request, %d bytes" % n: [
        *cut(CLIENT, request(1, 1500) + request(2, 3), 1000),
        *cut(CLIENT, request(3, 400), n), (SERVER, response(3, 5))]
    for n in (1, 4, 11)
} | {
    "behind the end of a long response, %d bytes" % n: [
        (CLIENT, request(1, 0) + request(2, 0) + request(3, 0)),
        *cut(SERVER, response(1, 3000) + response(2, 3), 1460),
        *cut(SERVER, response(3, 100), n)]
    for n in (1, 4, 6)
}
MQTT = {
    "first packets, a byte ahead": [*cut(CLIENT, CONNECT[1], 1), *cut(SERVER, CONNACK[1], 1),
                                    (CLIENT, publish(1, 5)), (SERVER, b"\x40\2\0\1")],
    "first packets, byte by byte": [*cut(CLIENT, CONNECT[1], *range(1, 17)),
                                    *cut(SERVER, CONNACK[1], 1, 2, 3)],
    "behind the end of a long publish, a byte": [
        CONNECT, CONNACK, *cut(CLIENT, publish(1, 3000) + publish(2, 10), 1460),
        *cut(CLIENT, publish(3, 3000), 1, 1400), (SERVER, b"\x40\2\0\3")],
    "behind the end of a long publish, short topic": [
        CONNECT, CONNACK, *cut(CLIENT, publish(1, 3000) + publish(2, 10), 1460),
        *cut(CLIENT, publish(3, 3000), 1400), (SERVER, b"\x40\2\0\3")],
}


@pytest.mark.parametrize("port, name", [(9092, name) for name in KAFKA] +
                         [(1883, name) for name in MQTT])
def test_cut_at(tmp_path, port, name):
    capture = tmp_path / "cut.pcap"
    record(capture, port, *(KAFKA if port == 9092 else MQTT)[name])
    expected = read(capture)
    assert expected.complete and expected.of("answer")
    assert list(differences(expected, said(capture, "-2"))) == []


# Frames that are missing.

CONNECTING, PING = 1, 5


def without(source, target, missing):
    """Copies a capture without some of its frames; gives the old number of each new one."""
    kept = [entry for entry in packets.frames(source) if entry[0] not in missing]
    invented.store(target, [(time, packet) for _, time, _, packet in kept])
    return {new: entry[0] for new, entry in enumerate(kept, 1)}


def first_frames(capture, dice):
    """Up to a quarter of each connection, its handshake at least."""
    frames = collections.defaultdict(list)
    for segment in packets.segments(capture):
        frames[frozenset((segment.source, segment.target))].append(segment.frame)
    return {frame for those in frames.values()
            for frame in those[:dice.randrange(4, max(5, len(those) // 4))]}


def some_frames(capture, dice):
    return {number for number, *_ in packets.frames(capture) if dice.random() < 0.01}


def made_up(event, old, truth):
    """An event that did not happen, or not so. A ping has nothing to know it by."""
    if event.get("kind") == PING or event["protocol"] == "wirelat.mqtt" and event["id"] == 0:
        return False
    there = truth[event["protocol"], old[event["frame"]], event["id"]]
    if event["what"] == "answer":
        return not [true for true in there if true["what"] == "answer" and
                    true["request"] == old[event["request"]] and true["time"] == event["time"]]
    # An answer whose request is missing is an orphan; what was acknowledged in a frame that is
    # missing is so in a later one.
    kinds = {"orphan": ("answer", "pubrec")}.get(event["what"], (event["what"],))
    return event["what"] != "ack" and not [true for true in there if true["what"] in kinds]


def answered(capture):
    return [event["id"] for event in said(capture, "-2", reassemble=False)
            if event["what"] == "answer" and event["kind"] != CONNECTING]


@pytest.mark.parametrize("first", [5, 1000, 2**31 - 2, -3])
def test_gap_where_correlation_ids_wrap(tmp_path, first):
    ids = [(first + i + 2**31) % 2**32 - 2**31 for i in range(5)]
    whole, part = tmp_path / "whole.pcap", tmp_path / "part.pcap"
    record(whole, 9092, *(entry for number in ids for entry in
                          ((CLIENT, request(number, 20)), (SERVER, response(number, 300)))))
    without(whole, part, {7})  # the second answer
    assert answered(part) == [ids[0], *ids[2:]]


def test_first_data_lost_behind_the_handshake(tmp_path):
    """What comes next begins anywhere, though the SYN was captured."""
    whole, part = tmp_path / "whole.pcap", tmp_path / "part.pcap"
    random_bytes = random.Random(5).randbytes(6000)
    long = invented.packet(0x32, invented.text("a/long/topic") + b"\0\1" + random_bytes)
    record(whole, 1883, CONNECT, CONNACK, *cut(CLIENT, long, 1460, 2920, 4380),
           (SERVER, b"\x40\2\0\1"), (CLIENT, publish(2, 50, "x/yzzy")),
           (SERVER, b"\x40\2\0\2"), (CLIENT, publish(3, 50, "x/yzzy")), (SERVER, b"\x40\2\0\3"))
    without(whole, part, {4, 6})  # CONNECT, the first segment of the PUBLISH
    assert answered(part) == [2, 3]


def readings(dice, size):
    """A payload as sensors send it: text, in which many a byte could begin a control packet."""
    lines, have = [], 0
    while have < size:
        lines.append(json.dumps({
            "ts": dice.randrange(10**12), "sensor": dice.choice(("pump", "belt", "boiler")),
            "temp": round(dice.random() * 100, 3), "pressure": dice.random(),
            "status": dice.choice(("ok", "probe fault", "stopped"))}).encode())
        have += len(lines[-1])
    return b"".join(lines)[:size]


@pytest.mark.parametrize("seed", range(6))
def test_start_in_the_middle_of_text(tmp_path, seed):
    dice, script = random.Random(seed), [CONNECT, CONNACK]
    for number in range(1, 9):
        message = invented.packet(0x32, invented.text("plant/line1/log") +
                                  struct.pack(">H", number) + readings(dice, 60000))
        script += cut(CLIENT, message, *range(1460, len(message), 1460))
        script.append((SERVER, b"\x40\2" + struct.pack(">H", number)))
    whole, part = tmp_path / "whole.pcap", tmp_path / "part.pcap"
    record(whole, 1883, *script)
    without(whole, part, set(range(1, 12)))
    found = said(part, "-2", reassemble=False)
    assert [event["id"] for event in found if event["what"] == "request"] == list(range(2, 9))
    assert [event["id"] for event in found if event["what"] == "orphan"] == [1]
    assert answered(part) == list(range(2, 9))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("which", [first_frames, some_frames])
def test_missing_frames(tmp_path, seed, which):
    whole, part = tmp_path / "whole.pcap", tmp_path / "part.pcap"
    invented.write(whole, f"missing {seed}", trouble=0, orderly=True)
    old = without(whole, part, which(whole, random.Random(seed)))
    truth, expected = collections.defaultdict(list), read(whole)
    for event in expected:
        truth[event["protocol"], event["frame"], event["id"]].append(event)
    found = said(part, "-2", reassemble=False)
    wrong = [event for event in found if made_up(event, old, truth)]
    assert [event for event in wrong if event["what"] == "answer"] == []
    # Payload that looks like packets by chance.
    assert len(wrong) <= 1
    # Exchanges that are there as a whole are nearly all found again.
    left = set(old.values())
    known = [event for event in expected.of("answer")
             if {event["first_frame"], event["frame"], event["exchange"]["first_frame"],
                 event["request"]} <= left]
    seen = [event for event in found if event["what"] == "answer"]
    assert len(seen) >= 0.9 * len(known) > 50
