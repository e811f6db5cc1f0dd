"""MQTT over WebSocket: invented conversations and those with gaps against the oracle, TLS, the bound
of memory, and Wireshark left alone where the preference is off.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import ssl
import statistics

import pytest

import harness
import invented
import invented_ws
import repeats
from gen import mqtt, websocket  # invented_ws knows where
from gen.tcp import Message
from oracle import packets
from test_exchanges import differences, read, said
from test_invented import CLIENT, SERVER, TROUBLE, cut, record, without

OWN = harness.CAPTURES / "mqtt_websocket.pcapng"
SEEDS = range(10)


def write(path, seed, fragments=False, **options):
    kind = invented_ws.WebSocket if fragments else invented_ws.Unfragmented
    invented.write(path, seed, kinds=(kind,), **options)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_every_event(tmp_path, seed, trouble):
    capture = tmp_path / f"{trouble}-{seed}.pcap"
    # Segments that were sent again bring several messages at once: no fragments then.
    write(capture, f"{trouble} {seed}", trouble == "clean", trouble=TROUBLE[trouble],
          troubles=repeats.troubles())
    expected = read(capture)
    assert expected.complete and len(expected) > 100
    assert list(differences(expected, said(capture, "-2"))) == []


def test_a_segment_comes_twice_inside_a_message(tmp_path):
    """Every message that Wireshark's own WebSocket passes on, and all where its TCP loses none."""
    capture, packer = tmp_path / "repeats.pcap", websocket.Packer()
    repeats.conversation(
        capture, 8080, ((CLIENT, websocket.upgrade(invented_ws.KEY).data),
                        (SERVER, websocket.accepted(invented_ws.KEY).data)),
        lambda side, data: packer.pack(side, [Message(data, "")])[0][0].data)
    rows = harness.plain_fields(capture, ["websocket.payload_length"], *harness.REASSEMBLE,
                                "-Y", "websocket && tcp.dstport == 8080", with_plugin=False)
    passed_on = sum(len(row[0].split(",")) for row in rows) - 1  # but the CONNECT
    assert passed_on == (3 if repeats.lost_upstream() else 8)
    found = said(capture, "-2")
    assert [event["id"] for event in found if event["what"] == "answer" and event["kind"] == 2] \
        == list(range(1, passed_on + 1))
    if not repeats.lost_upstream():
        assert list(differences(read(capture), found)) == []


# A conversation of small messages, a segment for each, of which one is missing.

def conversation(fields, number_of_publishes=12):
    """(side, bytes) of each segment: publishes as one message, or a message for each field."""
    packer = websocket.Packer()

    def say(side, packet, *pieces):
        carriers, _ = packer.pack(side, [packet], pieces or None)
        return [(side, carrier.data) for carrier in carriers]

    script = [(CLIENT, websocket.upgrade(invented_ws.KEY).data),
              (SERVER, websocket.accepted(invented_ws.KEY).data),
              *say(CLIENT, mqtt.connect("c")), *say(SERVER, mqtt.connack())]
    for number in range(1, number_of_publishes + 1):
        request = mqtt.publish("plant/line", 40 + number, 1, number)
        script += say(CLIENT, request, *((1, 1, 2, 10, 2) if fields else ()))
        script += say(SERVER, mqtt.puback(number))
    return script


@pytest.mark.parametrize("fields", [False, True], ids=["packets", "fields"])
def test_a_segment_is_missing(tmp_path, fields):
    """Nothing false, and at most three exchanges lost; of fields in messages of their own too."""
    whole, part = tmp_path / "whole.pcap", tmp_path / "part.pcap"
    script = conversation(fields)
    record(whole, 8080, *script)
    truth = {(event["id"], event["time"]) for event in read(whole).of("answer")}
    for missing in range(20, 20 + (7 if fields else 2)):
        without(whole, part, {missing})
        found = [event for event in said(part, "-2", reassemble=False)
                 if event["what"] == "answer" and event["kind"] == 2]
        harness.events.cache_clear()
        harness.readable.cache_clear()
        wrong = [event for event in found if (event["id"], event["time"]) not in truth]
        # One whose first byte's segment is missing is complete when it never was.
        assert len(wrong) <= 1 and len(found) - len(wrong) >= 12 - 3, missing


def test_limit_of_unmasking(tmp_path):
    """Wireshark unmasks only the first 256 KiB of a message: the rest is counted, not lost. 4.6
    hands over nothing of such a message, with or without the plugin, until the limit is raised."""
    capture = tmp_path / "long.pcap"
    packer = websocket.Packer()
    script = conversation(False, 1)
    for number, size in ((2, 300_000), (3, 10)):
        carriers, _ = packer.pack(CLIENT, [mqtt.publish("a/b", size, 1, number)])
        script += cut(CLIENT, carriers[0].data, *range(1460, len(carriers[0].data), 1460))
        script.append((SERVER, packer.pack(SERVER, [mqtt.puback(number)])[0][0].data))
    record(capture, 8080, *script)
    limit = ()
    plain = harness.tshark(capture, *harness.REASSEMBLE, "-V", with_plugin=False).out
    if "WebSocket truncated]" in plain:
        assert harness.series() == "4.6"
        assert 2 not in {event["id"] for event in said(capture) if event["what"] == "answer"}
        limit = ("-o", "websocket.max_unmasked_len:400000")
    assert list(differences(read(capture), said(capture, "-2", *limit))) == []


def test_bound_of_memory(tmp_path):
    """A packet that claims much and goes on for more than the bound: given up, counted, and what
    follows is found again."""
    capture = tmp_path / "much.pcap"
    packer = websocket.Packer()
    script = conversation(False, 2)
    head = b"\x32" + b"\xff\xff\xff\x7f" + b"\0\3a/b\0\7"
    for data in (head, *[bytes(60000)] * 25):
        (carrier,), _ = packer.pack(CLIENT, [Message(data, "")])
        script += cut(CLIENT, carrier.data, *range(16000, len(carrier.data), 16000))
    for number in (8, 9):
        (carrier,), _ = packer.pack(CLIENT, [mqtt.publish("a/b", 10, 1, number)])
        script += [(CLIENT, carrier.data),
                   (SERVER, packer.pack(SERVER, [mqtt.puback(number)])[0][0].data)]
    record(capture, 8080, *script)

    def answered(mib):
        return [event["id"] for event in said(capture, "-o", f"wirelat.ws_held_mib:{mib}")
                if event["what"] == "answer" and event["kind"] == 2]
    assert answered(1) == [1, 2, 8, 9]
    assert answered(256) == [1, 2]
    rows = {row["What"]: int(row["Count"]) for row in harness.table(
        capture, "wirelat,health", "-o", "wirelat.ws_held_mib:1")}
    assert rows["Segments or names forgotten at their bound"] == 1
    assert rows["Bytes skipped until a message began"] == len(head) + 25 * 60000
    assert rows["Directions where no message was found again"] == 0


def test_preference_off_leaves_wireshark_alone():
    options = (*harness.REASSEMBLE, "-V")
    ours = harness.tshark(OWN, *options, "-o", "wirelat.frame_mqtt:FALSE").out
    assert ours == harness.tshark(OWN, *options, with_plugin=False).out
    assert "Wirelat" not in ours and "MQ Telemetry" not in ours


def test_disabled_mqtt_leaves_the_data():
    """With MQTT disabled WebSocket shows its data, as without us."""
    options = (*harness.REASSEMBLE, "--disable-protocol", "mqtt", "-V")
    assert harness.tshark(OWN, *options).out == \
        harness.tshark(OWN, *options, with_plugin=False).out


def test_only_whole_packets_reach_the_dissector():
    """Packets by type, as the generator's truth has them; no malformed ones."""
    rows = harness.plain_fields(OWN, ["mqtt.msgtype", "mqtt.msgid", "_ws.malformed"],
                                *harness.REASSEMBLE)
    types = collections.Counter(kind for row in rows for kind in row[0].split(",") if kind)
    truth = [row for row in harness.truth(OWN.with_suffix(".tsv"))]
    count = collections.Counter(row["kind"] for row in truth)
    assert types["3"] == count["pub0"] + count["pub1"] + count["pub2"]
    assert types["4"] == count["pub1"] and types["1"] == types["2"] == count["connect"]
    assert types["5"] == types["6"] == types["7"] == count["pub2"]
    assert not any(row[2] for row in rows)


# TLS: each write is a record of its own, in segments of its own.

def wss(path, keys, script):
    """A capture of the script in TLS 1.2 on port 8084; (frame, time) of the first and the last
    segment of each entry's record."""
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        context = ssl.SSLContext(protocol)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")  # no certificate needed
        contexts.append(context)
    contexts[0].keylog_filename = str(keys)
    ends = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in contexts]
    sides = [context.wrap_bio(*bios, server_side=side == SERVER)
             for side, (context, bios) in enumerate(zip(contexts, ends))]
    segments = []

    def pass_on(side):
        data = ends[side][1].read()
        ends[1 - side][0].write(data)
        pieces = [data[i:i + 1000] for i in range(0, len(data), 1000)]
        segments.extend((side, piece) for piece in pieces)
        return len(pieces)

    waiting = {CLIENT, SERVER}
    while waiting:
        for side in sorted(waiting):
            try:
                sides[side].do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
            pass_on(side)
    places = []
    for side, data in script:
        sides[side].write(data)
        first = len(segments)
        pass_on(side)
        assert sides[1 - side].read(1 << 20) == data
        places.append((first + 4, len(segments) + 3))  # behind the TCP handshake, from 1
    record(path, 8084, *segments)
    times = {number: time for number, time, *_ in packets.frames(path)}
    return [(first, times[first], last, times[last]) for first, last in places]


def test_tls(tmp_path):
    """A message is taken to arrive with its record. Fields in records of their own; a packet that
    begins in one record, and in the middle of a message, ends in another; a long one."""
    capture, keys = tmp_path / "wss.pcap", tmp_path / "keys"
    packer = websocket.Packer()
    script = conversation(True, 3)
    run = [mqtt.publish("a/b", 30, 1, 11), mqtt.publish("a/b", 5000, 1, 12)]
    carriers, _ = packer.pack(CLIENT, run, (60, 2000))
    script += [(CLIENT, carrier.data) for carrier in carriers]
    script.append((SERVER, packer.pack(SERVER, [mqtt.puback(11), mqtt.puback(12)], ())[0][0].data))
    places = wss(capture, keys, script)
    keys.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    found = {event["id"]: event for event in said(
        capture, "-2", "-d", "tcp.port==8084,tls", "-d", "tls.port==8084,http", "-o", f"tls.keylog_file:{keys}")
        if event["what"] == "answer" and event["kind"] == 2}
    spans = {number: (places[4 + 7 * (number - 1)], places[9 + 7 * (number - 1)],
                      places[10 + 7 * (number - 1)]) for number in (1, 2, 3)}
    spans[11] = places[25], places[25], places[28]
    spans[12] = places[25], places[27], places[28]
    assert set(found) == set(spans)
    for number, (began, ended, answer) in spans.items():
        event = found[number]
        assert (event["request"], event["frame"]) == (ended[2], answer[2]), number
        assert event["time"] == answer[3] - began[1], number
        assert event["request_spread"] == ended[3] - began[1], number
        assert event["response_spread"] == answer[3] - answer[1], number


@pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")
def test_live_times_are_those_of_the_client():
    """MQTT.js logged when it wrote and read each packet; it sends the fields of one as messages."""
    live = harness.SHARED / "live/mqtt_ws_v4_qos1"
    found = {(event["client_id"], event["id"]): event["time"]
             for event in said(live.with_suffix(".pcapng")) if event["what"] == "answer"
             and event["sender"] == 0}
    waiting, off = {}, []
    for line in map(json.loads, live.with_suffix(".truth.jsonl").read_text().splitlines()):
        key = (line["who"], line.get("id"))
        if line.get("dir") == ">" and line["cmd"] in ("publish", "subscribe", "unsubscribe"):
            waiting[key] = line["t"]
        elif line.get("dir") == "<" and line["cmd"] in ("puback", "suback", "unsuback"):
            off.append((line["t"] - waiting.pop(key)) * 1e6 - found.pop(key))
    assert len(off) == 12 and not waiting and {number for _, number in found} == {0}
    # JavaScript reads its events late: up to 3.5 ms were measured.
    assert -500_000 < statistics.median(off) < 4_000_000
