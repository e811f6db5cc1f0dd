"""MQTT-SN: the generated scenes to the nanosecond, invented conversations that lose datagrams
against the oracle, the known delays of the shared capture, the table, ports, and what is shown.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import csv
import io
import random
import statistics
import subprocess
import sys

import pytest

import harness
from oracle import mqttsn as oracle

sys.path.insert(0, str(harness.CAPTURES))
from gen import mqttsn as sn  # noqa: E402 pylint: disable=wrong-import-position
from gen.scenes_mqttsn import Recording, SnTalk  # noqa: E402 pylint: disable=wrong-import-position
from gen.tcp import C2S, S2C  # noqa: E402 pylint: disable=wrong-import-position

OWN = harness.CAPTURES / "mqttsn.pcapng"
HANDMADE = harness.SHARED / "live/mqttsn_handmade.pcapng"
PORT = ("-o", "wirelat.mqttsn_udp_ports:1885")
DECODE_AS = ("-d", "udp.port==1885,mqttsn")
P = "wirelat.mqttsn"
LINKS = {"response_to": "answer", "retry_of": "retry", "duplicate_of": "duplicate"}
NAMED = ("kind", "qos", "size", "sender", "retries", "return_code")


def said(capture, *options):
    """The plugin's events in the oracle's terms."""
    found = []
    for event in harness.events(capture, *PORT, *options, protocols=(P,)):
        entry = {"what": "request", "frame": event["frame"], "request": event["frame"],
                 "stream": harness.number_of(event, "stream"),
                 "id": harness.number_of(event, "msg_id") or 0}
        for link, what in LINKS.items():
            if f"{P}.{link}" in event:
                entry.update(what=what, request=harness.number_of(event, link))
        if f"{P}.leg_of" in event:
            entry.update(what="pubrec" if f"{P}.pubrec_time" in event else "pubrel",
                         request=harness.number_of(event, "leg_of"))
        if f"{P}.orphan" in event:
            entry["what"] = "orphan"
        for name in NAMED:
            entry[name] = harness.number_of(event, name)
        for name in ("time", "service_time", "pubrec_time", "pubrel_time", "pubcomp_time"):
            entry[name] = harness.time_of(event, name)
        for name in ("topic", "client_id", "node"):
            entry[name] = event.get(f"{P}.{name}", "")
        for name in ("reused", "unanswered"):
            entry[name] = f"{P}.{name}" in event
        found.append(entry)
    return found


def identity(event):
    return event["what"], event["frame"], event["stream"], event["id"]


def differences(expected, found, second_pass):
    """What the bytes say and the plugin does not, or says otherwise. One message is in a frame."""
    expected, found = ({identity(e): e for e in events} for events in (expected, found))
    for key in sorted({*expected, *found}):
        if key not in expected or key not in found:
            yield key, "in the bytes" if key in expected else "said"
            continue
        truth, event = expected[key], found[key]
        wanted = {name: truth[name] for name in ("request", "time", "retries", "topic", "kind",
                                                 "size", "sender", "node", "pubrec_time",
                                                 "pubrel_time", "reused", "qos") if name in truth}
        if truth["what"] == "request":
            wanted.pop("retries")
            wanted["client_id"] = truth["client_id"] or ""
            wanted["unanswered"] = second_pass and truth["outcome"] in ("open", "reused")
        if truth["what"] == "answer":
            wanted["return_code"] = truth["code"]
        for name, value in wanted.items():
            if event[name] != value:
                yield key, name, value, event[name]


@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_scenes(passes):
    """Against the generator's script."""
    events = said(OWN, *passes)
    by_request = collections.defaultdict(dict)
    for event in events:
        by_request[event["request"]].setdefault(event["what"], event)
    counts = collections.Counter(event["what"] for event in events)
    expected = collections.Counter()
    for row in harness.truth(OWN.with_suffix(".tsv")):
        outcome, steps = row["outcome"], by_request[row["f_first"]]
        expected[outcome] += 1
        if outcome in ("orphan", "duplicate"):
            assert any(event["what"] == outcome and event["frame"] == row["f_resp"] and
                       event["id"] == row["id"] for event in events), row
            continue
        if outcome == "retry":
            assert any(event["what"] == "retry" and event["frame"] == row["f_first"]
                       for event in events), row
            continue
        request = steps["request"]
        assert request["size"] == row["bytes"] and request["id"] == row["id"], row
        assert request["node"] == ("" if row["node"] == "-" else row["node"].rjust(
            len(row["node"]) + len(row["node"]) % 2, "0")), row
        assert request["topic"] == ("" if row["topic"] == "-" else row["topic"]), row
        assert request["sender"] == (row["dir"] == "s2c"), row
        assert request["reused"] in (False, True)
        assert request["unanswered"] == (bool(passes) and outcome in ("open", "reused")), row
        if outcome == "answered":
            assert steps["answer"]["frame"] == row["f_resp"], row
            assert steps["answer"]["time"] == row["t_resp"] - row["t_first"], row
            assert steps["answer"]["service_time"] == row["t_resp"] - row["t_first"], row
            assert steps["answer"]["retries"] == row["retries"], row
        if row["f_rec"]:
            assert steps["pubrec"]["frame"] == row["f_rec"]
            assert steps["pubrec"]["pubrec_time"] == row["t_rec"] - row["t_first"]
            assert steps["pubrel"]["pubrel_time"] == row["t_rel"] - row["t_rec"]
        if row["f_rec"] and outcome == "answered":
            assert steps["answer"]["pubcomp_time"] == row["t_resp"] - row["t_rel"]
    assert counts["answer"] == expected["answered"]
    assert counts["orphan"] == expected["orphan"] == 6
    assert counts["duplicate"] == expected["duplicate"] == 3
    assert counts["retry"] == expected["retry"] == 6
    assert sum(event["reused"] for event in events) == expected["reused"] == 2


@pytest.mark.parametrize("capture", [OWN, HANDMADE], ids=lambda path: path.stem)
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_every_event(capture, passes):
    if not capture.exists():
        pytest.skip("the shared captures are not here")
    expected = oracle.read(capture, 1885)
    assert len(expected) > 10
    assert list(differences(expected, said(capture, *passes), bool(passes))) == []


def conversation(dice, talk):
    """What a client and its gateway may say, answers late or never, in any order."""
    talk.connect()
    waiting, number = [], 0
    for _ in range(dice.randrange(20, 60)):
        talk.wait(dice.randrange(10_000, 20_000_000))
        if waiting and dice.random() < 0.55:
            side, message, follow = waiting.pop(dice.randrange(min(3, len(waiting))))
            talk.send(side, message)
            if dice.random() < 0.1:
                talk.wait(dice.randrange(1000, 9_000_000))
                talk.send(side, message, again=True)
            if follow:
                waiting.append((1 - side, follow[0], follow[1:]))
            continue
        number = number % 9 + 1
        side, topic = dice.choice((C2S, C2S, S2C)), dice.randrange(1, 5)
        what = dice.choice(("ping", "register", "subscribe", "disconnect", *["publish"] * 6))
        if what == "ping":
            request, answers = sn.pingreq(), [sn.simple("pingresp")]
        elif what == "register":
            name = f"t/{dice.randrange(6)}"
            request = sn.register(number, name, topic if side == S2C else 0)
            answers = [sn.regack(number, topic, dice.choice((0, 0, 2)))]
        elif what == "subscribe":
            side, request = C2S, sn.subscribe(number, f"t/{dice.randrange(6)}", dice.randrange(3))
            answers = [sn.suback(number, topic)]
        elif what == "disconnect":
            side, request, answers = C2S, sn.disconnect(), [sn.disconnect()]
        else:
            qos = dice.choice((-1, 0, 1, 1, 2))
            kind = dice.randrange(3)
            request = sn.publish(qos, number if qos > 0 else 0, "ab" if kind == 2 else topic,
                                 dice.choice((0, 20, 400)), topic_type=kind,
                                 flags=dice.choice((0, 0, sn.DUP, sn.RETAIN)))
            answers = {1: [sn.puback(number, topic)], 2: [
                sn.pubrec(number), sn.pubrel(number), sn.pubcomp(number)]}.get(qos, [])
            if qos == 2 and dice.random() < 0.1:
                answers = [sn.puback(number, topic, 2)]
        for _ in range(dice.choice((1, 1, 1, 2))):
            talk.send(side, request, again=request.talk is not None)
        if answers:
            waiting.append((1 - side, answers[0], answers[1:]))


@pytest.mark.parametrize("seed", range(12))
def test_invented(tmp_path, seed):
    """Random conversations of 6 clients, two of them behind a forwarder, every eighth datagram
    lost: nothing is made up, nothing is missed."""
    dice, recording = random.Random(seed), Recording()
    for client in range(6):
        talk = SnTalk(recording, f"client-{client}", 41_000 + min(client, 4), 10**18 + client)
        talk.node = {4: b"\7", 5: b"\1\2"}.get(client)
        conversation(dice, talk)
    kept = [packet for packet in recording.capture.datagrams if dice.random() > 0.125]
    recording.capture.datagrams, recording.expectations = kept, []
    recording.write(tmp_path / "invented")
    capture = tmp_path / "invented.pcapng"
    expected = oracle.read(capture, 1885)
    assert len({event["what"] for event in expected}) == 7 and len(expected) > 100
    assert list(differences(expected, said(capture, "-2"), True)) == []


@pytest.mark.skipif(not HANDMADE.exists(), reason="the shared captures are not here")
def test_known_delays():
    delays = {"1": 8, "4": 5, "6": 4, "8": 3, "11": 2}
    seen = set()
    for event in harness.events(HANDMADE, *DECODE_AS, protocols=(P,)):
        wanted = delays.get(event[f"{P}.kind"])
        if event.get(f"{P}.qos") == "1":
            wanted = 11
        if f"{P}.pubrec_time" in event:
            assert 6 <= harness.time_of(event, "pubrec_time") / 1e6 < 7.5
            seen.add("pubrec")
        elif f"{P}.pubcomp_time" in event:
            assert 9 <= harness.time_of(event, "pubcomp_time") / 1e6 < 10.5
            seen.add("pubcomp")
        elif f"{P}.response_to" in event:
            assert wanted - 0.5 < harness.time_of(event, "time") / 1e6 < wanted + 1.5
            seen.add(wanted)
    assert seen == {8, 5, 11, 4, 3, 2, "pubrec", "pubcomp"}


NAMES = {1: "Connect", 2: "Will topic", 3: "Will message", 4: "Register", 6: "Subscribe",
         7: "Unsubscribe", 8: "Ping", 9: "Will topic update", 10: "Will message update",
         11: "Disconnect"}


def test_table():
    """Counts, times and findings of each row, computed from the oracle's events."""
    printed = {row["Exchange"]: row for row in harness.table(OWN, "mqttsn,latency", *PORT)}
    rows = collections.defaultdict(lambda: {"requests": 0, "open": 0, "times": []})
    for event in oracle.read(OWN, 1885):
        if event["what"] == "request":
            name = NAMES.get(event["kind"], f"Publish QoS {event['qos']}")
            row = rows[name]
            row["requests"] += 1
            row["open"] += event["outcome"] in ("open", "reused")
            event["row"] = row
        elif event["what"] == "answer":
            request = next(e for e in said(OWN) if e["what"] == "request"
                           and e["frame"] == event["request"])
            rows[NAMES.get(request["kind"], f"Publish QoS {request['qos']}")]["times"].append(
                event["time"] / 1e6)
    assert {name for name in printed if not name.startswith("QoS 2 PUB")} == set(rows)
    for name, row in rows.items():
        found = printed[name]
        assert int(found["Requests"]) == row["requests"]
        assert int(found["Answered"]) == len(row["times"])
        assert int(found["Open"]) == row["open"]
        if row["times"]:
            assert abs(float(found["Mean (ms)"]) - statistics.mean(row["times"])) < 0.0006
            assert abs(float(found["Max (ms)"]) - max(row["times"])) < 0.0006
    assert sum(int(row["Retries"]) for row in printed.values()) == 6
    assert sum(int(row["Duplicates"]) for row in printed.values()) == 3
    assert sum(int(row["Orphans"]) for row in printed.values()) == 6
    assert sum(int(row["Reused ids"]) for row in printed.values()) == 2
    assert int(printed["QoS 2 PUBLISH to PUBREC"]["Answered"]) == 5


def test_preference_and_decode_as_are_the_same():
    fields = [f"{P}.time", f"{P}.topic", f"{P}.stream"]
    rows = harness.plain_fields(OWN, fields, *PORT)
    assert rows == harness.plain_fields(OWN, fields, *DECODE_AS)
    assert sum(bool(row[0]) for row in rows) > 30
    # The port of a range; the preference gives the port back.
    assert rows == harness.plain_fields(OWN, fields, "-o", "wirelat.mqttsn_udp_ports:1880-1890")
    assert not any(any(row) for row in harness.plain_fields(OWN, fields))


def test_stream_is_that_of_udp():
    for ours, udp in harness.plain_fields(OWN, [f"{P}.stream", "udp.stream"], *PORT):
        assert ours in ("", udp)


@pytest.mark.parametrize("protocol", ["wirelat", P])
def test_disabled(protocol):
    options = ("--disable-protocol", protocol)
    assert not any(row[0] for row in harness.plain_fields(OWN, [f"{P}.kind"], *DECODE_AS, *options))
    off = harness.tshark(OWN, *DECODE_AS, *options, "-V").out
    assert off == harness.tshark(OWN, *DECODE_AS, "-V", with_plugin=False).out


def test_other_protocols_are_not_needed():
    options = ("--disable-protocol", "wirelat.mqtt", "--disable-protocol", "wirelat.kafka",
               "--disable-protocol", "wirelat.mptcp")
    fields = [f"{P}.time"]
    assert harness.plain_fields(OWN, fields, *PORT, *options) == \
        harness.plain_fields(OWN, fields, *PORT)


def test_bound_of_pending_requests(tmp_path):
    recording = Recording()
    talk = SnTalk(recording, "many", 41_000, 10**18)
    talk.connect()
    for number in range(1, 8):
        talk.send(C2S, sn.publish(1, number, 1))
        talk.wait(1000)
    for number in range(1, 8):
        talk.send(S2C, sn.puback(number, 1))
        talk.wait(1000)
    recording.expectations = []
    recording.write(tmp_path / "many")
    rows = {row["What"]: int(row["Count"]) for row in harness.table(
        tmp_path / "many.pcapng", "wirelat,health", *PORT, "-o", "wirelat.pending_per_stream:3")}
    assert rows["Requests forgotten at the bound of pending ones"] == 4
    assert rows["Answers whose request was not captured"] == 4


def test_cut_messages_are_counted_and_open_nothing(tmp_path):
    cut = tmp_path / "cut.pcapng"
    subprocess.run(["editcap", "-s", "50", OWN, cut], check=True)
    rows = {row["What"]: int(row["Count"]) for row in harness.table(cut, "wirelat,health", *PORT)}
    assert rows["Frames cut by the snap length"] > 10
    assert rows["Messages refused as impossible"] > 10
    whole = {identity(event) for event in said(OWN)}
    assert {identity(event) for event in said(cut) if event["what"] == "answer"} <= whole


def test_export():
    """One line per exchange, with what its events say together."""
    text = harness.tshark(OWN, "-q", *PORT, "-z", f"wirelat,exchanges,-,{P}").out
    lines = list(csv.DictReader(io.StringIO(text)))
    events = [event for event in oracle.read(OWN, 1885) if event["what"] == "request"]
    lines = {int(line["request_frame"]): line for line in lines if line["request_frame"]}
    assert set(lines) == {event["frame"] for event in events}
    outcomes = {"reused": "id reused"}
    for event in events:
        line = lines[event["frame"]]
        assert line["protocol"] == "mqttsn"
        assert line["outcome"] == outcomes.get(event["outcome"], event["outcome"])
        assert line["retries"] == str(event["retries"])
        assert line["topic"] == event["topic"]
        assert line["path_rtt_ns"] == line["tcp_retransmissions"] == line["ack_time_ns"] == ""
        assert int(line["request_first_ns"]) == event["at"]
