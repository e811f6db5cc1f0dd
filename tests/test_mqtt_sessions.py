"""What an MQTT connection is beside its exchanges: sessions that go on with another connection,
packets in flight, silences, authentication, the end. Each anomaly is a conversation of its own,
whose figures are written down here; all are also compared with the oracle, event by event.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random

import pytest

import harness
from scenes import (PINGREQ, PINGRESP, SERVER, Scenes, ack, auth, connack, connect, disconnect,
                    publish, receive_maximum, server_keep_alive, session_expiry, suback, subscribe)
from test_exchanges import differences, read, said

MS, SECOND = 1_000_000, 10**9


def told(scenes, tmp_path):
    """The plugin's events in two passes, the same in one and the same as the oracle's."""
    capture = scenes.write(tmp_path / "scenes.pcap")
    expected = read(capture)
    assert expected.complete
    found = said(capture, "-2")
    assert list(differences(expected, found)) == []
    assert list(differences(expected, said(capture), False)) == []
    return found


def of(events, what, kind=2):
    return [event for event in events if event["what"] == what and event["kind"] in (kind, None)]


def reconnect(scenes, version=4, present=True, clean=False, client="c", **options):
    """The client's next connection, accepted."""
    talk = scenes.open(**options)
    talk.says(connect(client, version, clean))
    talk.hears(connack(version, present))
    return talk


@pytest.mark.parametrize("version", [3, 4, 5])
def test_publish_sent_again_on_the_next_connection(tmp_path, version):
    scenes = Scenes()
    first = reconnect(scenes, version, present=False)
    asked = first.says(publish("a", qos=1, number=7, version=version))
    first.resets(after=500)
    second = reconnect(scenes, version, present=version > 3)
    again = second.says(publish("a", qos=1, number=7, dup=True, version=version), after=100)
    ended = second.hears(ack("puback", 7), after=3)
    events = told(scenes, tmp_path)
    (request,), (retry,), (answer,) = (of(events, what) for what in ("request", "retry", "answer"))
    assert (request["frame"], retry["frame"], answer["frame"]) == (asked, again, ended)
    # Three segments of a handshake, CONNECT, CONNACK, and what is said above.
    assert answer["time"] == (500 + 0.03 + 1 + 1 + 100 + 3) * MS
    assert (answer["retries"], answer["stream"], request["response_in"]) == (1, 0, ended)
    assert not request["unanswered"]


@pytest.mark.parametrize("present, clean", [(False, False), (False, True)])
def test_session_that_does_not_go_on(tmp_path, present, clean):
    scenes = Scenes()
    first = reconnect(scenes, present=False)
    first.says(publish("a", qos=1, number=7))
    first.closes()
    second = reconnect(scenes, present=present, clean=clean)
    second.says(publish("a", qos=1, number=7, dup=True))
    second.hears(ack("puback", 7))
    events = told(scenes, tmp_path)
    old, new = of(events, "request")
    assert old["unanswered"] and not new["unanswered"]
    assert of(events, "retry") == [] and of(events, "answer")[0]["time"] == 1 * MS


def test_release_sent_again_on_the_next_connection(tmp_path):
    """One PUBREL never sent before, one sent and lost: a leg and a retry."""
    scenes = Scenes()
    first = reconnect(scenes, present=False)
    first.says(publish("a", qos=2, number=1), publish("a", qos=2, number=2))
    first.hears(ack("pubrec", 1), ack("pubrec", 2))
    before = first.says(ack("pubrel", 2), after=2)
    first.closes()
    second = reconnect(scenes)
    leg = second.says(ack("pubrel", 1), after=20)
    again = second.says(ack("pubrel", 2))
    second.hears(ack("pubcomp", 1), ack("pubcomp", 2), after=4)
    events = told(scenes, tmp_path)
    assert [(event["id"], event["frame"]) for event in of(events, "pubrel")] == [
        (2, before), (1, leg)]
    assert [(event["id"], event["frame"]) for event in of(events, "retry")] == [(2, again)]
    assert {event["id"]: event["retries"] for event in of(events, "answer")} == {1: 0, 2: 1}
    assert not [event for event in events if event["unanswered"] or event["what"] == "orphan"]


def test_broker_sends_again_on_the_next_connection(tmp_path):
    scenes = Scenes()
    first = reconnect(scenes, present=False)
    first.hears(publish("a", qos=1, number=3), publish("a", qos=2, number=4))
    first.says(ack("pubrec", 4))
    first.closes(SERVER)
    second = reconnect(scenes)
    second.hears(publish("a", qos=1, number=3, dup=True), ack("pubrel", 4), after=30)
    second.says(ack("puback", 3), ack("pubcomp", 4), after=5)
    events = told(scenes, tmp_path)
    assert [event["id"] for event in of(events, "retry")] == [3]
    assert [(event["id"], event["sender"]) for event in of(events, "answer")] == [(3, 1), (4, 1)]


def test_third_connection_and_ids_used_anew(tmp_path):
    """Over a connection that said nothing; an id the client uses anew closes the old exchange."""
    scenes = Scenes()
    first = reconnect(scenes, present=False)
    first.says(*(publish("a", qos=1, number=number) for number in (1, 2, 3)))
    first.hears(ack("puback", 3))
    first.resets()
    reconnect(scenes).resets()
    third = reconnect(scenes)
    third.says(publish("a", qos=1, number=1, dup=True), publish("b", qos=1, number=2))
    third.hears(ack("puback", 1), ack("puback", 2), ack("puback", 3))
    events = told(scenes, tmp_path)
    requests = of(events, "request")
    assert [event["unanswered"] for event in requests] == [False, True, False, False]
    assert [event["reused"] for event in requests] == [False, False, False, True]
    # The third was answered on the first connection.
    assert [event["id"] for event in of(events, "duplicate")] == [3]


def test_other_client_and_other_broker_are_others(tmp_path):
    scenes = Scenes()
    first = reconnect(scenes, present=False)
    first.says(publish("a", qos=1, number=7))
    first.closes()
    for options in ({"client": "d"}, {"broker": (b"\x0a\0\1\2", 1883)}):
        other = reconnect(scenes, **options)
        other.says(publish("a", qos=1, number=7, dup=True))
        other.hears(ack("puback", 7))
    events = told(scenes, tmp_path)
    assert len(of(events, "request")) == 3 and of(events, "retry") == []


def test_answers_that_fit_nothing_or_twice(tmp_path):
    scenes = Scenes()
    talk = reconnect(scenes, 5, present=False)
    talk.says(publish("a", qos=2, number=1, version=5), publish("a", qos=2, number=2, version=5))
    talk.hears(ack("pubrec", 1, 0x97), ack("pubrec", 1, 0x97), ack("pubrec", 9), ack("puback", 2),
               ack("pubcomp", 8))
    talk.hears(ack("pubrec", 2), ack("pubrec", 2))
    talk.says(ack("pubrel", 2), ack("pubrel", 9))
    talk.hears(ack("pubcomp", 2), ack("pubcomp", 2), ack("pubcomp", 1))
    events = told(scenes, tmp_path)
    assert [(event["id"], event["reason_code"]) for event in of(events, "answer")] == [
        (1, 0x97), (2, None)]
    assert [event["id"] for event in events if event["what"] == "orphan"] == [9, 2, 8]
    assert [event["id"] for event in events if event["what"] == "duplicate"] == [1, 2, 2, 1]
    assert [event["id"] for event in events if event["what"] == "pubrel"] == [2]


# Packets in flight.

def test_packets_in_flight(tmp_path):
    """The broker takes two, the client three; each end has its own count, and a limit of its own."""
    scenes = Scenes()
    talk = scenes.open()
    talk.says(connect("c", 5, given=receive_maximum(3)))
    talk.hears(connack(5, given=receive_maximum(2)))
    talk.says(*(publish("a", qos=qos, number=number, version=5)
                for number, qos in ((1, 1), (2, 2), (3, 1))), publish("a", version=5))
    talk.hears(publish("b", qos=1, number=1, version=5), ack("puback", 1), ack("pubrec", 2))
    talk.says(publish("a", qos=1, number=4, version=5), ack("pubrel", 2))
    talk.hears(ack("puback", 3), ack("pubcomp", 2))
    talk.says(publish("a", qos=1, number=5, version=5))
    talk.says(publish("a", qos=1, number=4, version=5))
    events = of(told(scenes, tmp_path), "request")
    assert [(e["sender"], e["id"], e["inflight"], e["receive_maximum"]) for e in events] == [
        (0, 1, 1, 2), (0, 2, 2, 2), (0, 3, 3, 2), (0, 0, None, None), (1, 1, 1, 3), (0, 4, 3, 2),
        (0, 5, 2, 2), (0, 4, 2, 2)]
    assert [event["id"] for event in events if event["alarms"]] == [3, 4]


@pytest.mark.parametrize("version, expected", [(4, None), (5, 65535)])
def test_receive_maximum_that_nobody_named(tmp_path, version, expected):
    scenes = Scenes()
    talk = reconnect(scenes, version, present=False)
    talk.says(publish("a", qos=1, number=1, version=version))
    (request,) = of(told(scenes, tmp_path), "request")
    assert (request["inflight"], request["receive_maximum"]) == (1, expected)


def test_packets_in_flight_begin_anew_with_the_connection(tmp_path):
    """MQTT 5.0 section 4.9: what was sent again counts, a PUBREL does not."""
    scenes = Scenes()
    first = scenes.open()
    first.says(connect("c", 5, False, given=session_expiry(99)))
    first.hears(connack(5))
    first.says(*(publish("a", qos=2, number=number, version=5) for number in (1, 2, 3)))
    first.hears(ack("pubrec", 1))
    first.closes()
    second = scenes.open()
    second.says(connect("c", 5, False, given=session_expiry(99)))
    second.hears(connack(5, True))
    second.says(ack("pubrel", 1), publish("a", qos=2, number=2, dup=True, version=5),
                publish("a", qos=1, number=9, version=5))
    second.hears(ack("pubcomp", 1), ack("puback", 9))
    second.says(publish("a", qos=1, number=10, version=5))
    events = of(told(scenes, tmp_path), "request")
    assert [(event["id"], event["inflight"]) for event in events] == [
        (1, 1), (2, 2), (3, 3), (9, 2), (10, 2)]


# Silence and the end.

def sessions(events):
    return [event for event in events if event["what"] == "session"]


def silences(events):
    return [event for event in events if event["what"] == "silence"]


@pytest.mark.parametrize("keep_alive, of_server, gap_ms, too_long", [
    (2, None, 3000, False), (2, None, 3001, True), (0, None, 10**7, False), (60, 2, 3001, True),
    (2, 60, 3001, False), (2, 0, 3001, False)])
def test_silence(tmp_path, keep_alive, of_server, gap_ms, too_long):
    scenes = Scenes()
    talk = scenes.open()
    given = b"" if of_server is None else server_keep_alive(of_server)
    asked = talk.says(connect("c", 5, keep_alive=keep_alive))
    talk.hears(connack(5, given=given), after=0.25)
    talk.says(publish("a", version=5))
    talk.hears(publish("b", version=5), after=gap_ms / 2)
    ends = talk.says(PINGREQ, after=gap_ms / 2)
    talk.hears(PINGRESP)
    talk.says(disconnect(), after=gap_ms / 4)
    events = told(scenes, tmp_path)
    (session,) = sessions(events)
    in_force = keep_alive if of_server is None else of_server
    assert session["longest_silence"] == gap_ms * MS
    assert session["keep_alive"] == in_force * SECOND
    found = [(event["frame"], event["silence"], event["request"]) for event in silences(events)]
    assert found == ([(ends, gap_ms * MS, asked)] if too_long else [])


@pytest.mark.parametrize("end", ["disconnect", "fin", "rst", "client rst"])
def test_silence_until_the_broker_ends_it(tmp_path, end):
    scenes = Scenes()
    talk = scenes.open()
    talk.says(connect("c", 5, keep_alive=1))
    talk.hears(connack(5))
    ends = {"disconnect": lambda: talk.hears(disconnect(0x8D), after=1600),
            "fin": lambda: talk.closes(SERVER, after=1600),
            "rst": lambda: talk.resets(SERVER, after=1600),
            "client rst": lambda: talk.resets(after=1600)}[end]()
    talk.closes(SERVER)
    events = told(scenes, tmp_path)
    (silence,), (session,) = silences(events), sessions(events)
    assert silence["frame"] == session["frame"] == ends
    assert silence["silence"] == session["longest_silence"] == session["session_time"] == 1601 * MS
    assert (session["session_end"], session["disconnect_reason"]) == {
        "disconnect": (3, 0x8D), "fin": (5, None), "rst": (7, None), "client rst": (6, None)}[end]


def test_ends_of_connections(tmp_path):
    """Its DISCONNECT ends a connection, not what follows; the reason is 5.0's alone."""
    scenes = Scenes()
    for version, reason in ((4, ()), (5, ()), (5, (0x04,)), (5, (0x8E, 0))):
        talk = reconnect(scenes, version, present=False)
        talk.says(disconnect(*reason), after=7)
        talk.closes()
        talk.closes(SERVER)
    unknown = scenes.open()
    unknown.says(PINGREQ)
    unknown.closes(SERVER)
    events = sessions(told(scenes, tmp_path))
    assert [(e["session_end"], e["disconnect_reason"], e["session_time"]) for e in events] == [
        (2, None, 8 * MS), (2, 0, 8 * MS), (2, 4, 8 * MS), (2, 0x8E, 8 * MS), (5, None, None)]
    assert [event["version"] for event in events] == [4, 5, 5, 5, None]


# Enhanced authentication (5.0).

def test_authentication_belongs_to_the_connect(tmp_path):
    scenes = Scenes()
    talk = scenes.open()
    asked = talk.says(connect("c", 5))
    steps = [talk.hears(auth(0x18), after=4), talk.says(auth(0x18), after=2),
             talk.hears(auth(0x18), after=8), talk.says(auth(0x18), after=3),
             talk.hears(connack(5), after=16)]
    events = told(scenes, tmp_path)
    found = of(events, "auth", 1)
    assert [event["frame"] for event in found] == steps
    assert [event["auth_time"] / MS for event in found] == [4, 2, 8, 3, 16]
    assert [event["auth_sender"] for event in found] == [1, 0, 1, 0, 1]
    assert {event["request"] for event in found} == {asked}
    (answer,) = of(events, "answer", 1)
    assert answer["time"] == 33 * MS
    assert len(of(events, "request", 1)) == 1 and of(events, "request", 6) == []


def test_authentication_again(tmp_path):
    """Twice, the second time refused; then one the capture has only the middle of."""
    scenes = Scenes()
    talk = reconnect(scenes, 5, present=False)
    talk.says(auth(0x19))
    talk.hears(auth(0x18), after=5)
    talk.says(auth(0x18), after=6)
    talk.hears(auth(0x00), after=7)
    talk.says(auth(0x19))
    talk.hears(disconnect(0x87))
    middle = scenes.open()
    middle.hears(auth(0x18))
    middle.says(auth(0x18))
    middle.hears(auth(0x00), after=9)
    events = told(scenes, tmp_path)
    requests = of(events, "request", 6)
    assert [event["unanswered"] for event in requests] == [False, True, False]
    assert [event["time"] for event in of(events, "answer", 6)] == [18 * MS, 9 * MS]
    assert [event["auth_time"] / MS for event in of(events, "auth", 6)] == [5, 6, 7, 9]
    assert len([event for event in events if event["what"] == "orphan"]) == 1
    rows = {row["Exchange"]: row for row in harness.table(tmp_path / "scenes.pcap", "mqtt,latency")}
    assert (rows["Re-authenticate"]["Requests"], rows["Re-authenticate"]["Answered"]) == ("3", "2")


# The connection's own captures.

@pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")
def test_features_of_a_real_broker():
    """mosquitto: a keep-alive of 2 s that was kept, a session that went on, a take-over."""
    events = said(harness.SHARED / "live/mqtt_v5_features.pcapng", "-2")
    ends = {}
    for event in sessions(events):
        ends.setdefault(event["client_id"], []).append(event)
    (kept,) = ends["ka"]
    assert kept["keep_alive"] == 2 * SECOND < kept["longest_silence"] < 2.5 * SECOND
    assert silences(events) == []
    assert [event["session_end"] for event in ends["pers"]] == [4, 2]
    assert [event["session_end"] for event in ends["same"]] == [5, 2]


@pytest.mark.parametrize("between, found", [(15, True), (16, False)])
def test_how_far_back_is_looked(tmp_path, between, found):
    """Over connections that resent nothing."""
    scenes = Scenes()
    talk = reconnect(scenes, present=False)
    talk.says(publish("a", qos=1, number=1))
    for _ in range(between + 1):
        talk.resets()
        talk = reconnect(scenes)
    talk.says(publish("a", qos=1, number=1, dup=True))
    talk.hears(ack("puback", 1))
    assert bool(of(told(scenes, tmp_path), "retry")) == found


def test_many_connections_of_one_client(tmp_path):
    """Each takes what the one before left."""
    scenes = Scenes()
    talk = reconnect(scenes, present=False)
    talk.says(publish("a", qos=1, number=1))
    for _ in range(40):
        talk.resets()
        talk = reconnect(scenes)
        talk.says(publish("a", qos=1, number=1, dup=True))
    talk.hears(ack("puback", 1))
    events = told(scenes, tmp_path)
    (answer,) = of(events, "answer")
    assert answer["retries"] == 40


def test_subscribe_is_no_part_of_the_session(tmp_path):
    scenes = Scenes()
    first = reconnect(scenes, 3, present=False)
    first.says(subscribe(5, "a"))
    first.closes()
    second = reconnect(scenes, 3)
    second.says(subscribe(5, "a"))
    second.hears(suback(5, 1))
    old, new = of(told(scenes, tmp_path), "request", 3)
    assert old["unanswered"] and not new["unanswered"]


# Conversations nobody had in mind.

class Wild:
    """One client that says anything, and a broker that does too, over and over again."""

    def __init__(self, scenes, dice):
        self.scenes, self.dice = scenes, dice
        self.version, self.talk = dice.choice((3, 4, 5)), None

    def connects(self):
        dice, given, answer = self.dice, b"", b""
        if self.version == 5:
            given = session_expiry(dice.choice((0, 600))) + receive_maximum(dice.choice((2, 9)))
            answer = dice.choice((b"", receive_maximum(3), server_keep_alive(2)))
        self.talk = self.scenes.open()
        self.talk.says(connect("wild", self.version, dice.random() < 0.2, dice.choice((0, 1, 60)),
                               given))
        for _ in range(dice.choice((0, 0, 2)) if self.version == 5 else 0):
            self.talk.hears(auth(0x18))
            self.talk.says(auth(0x18), after=dice.choice((1, 5)))
        if dice.random() < 0.9:
            self.talk.hears(connack(self.version, dice.random() < 0.7, dice.choice((0, 0, 0, 5)),
                                    answer))

    def packet(self):
        dice = self.dice
        number, reason = dice.randrange(1, 6), ()
        if self.version == 5 and dice.random() < 0.3:
            reason = (dice.choice((0, 0x10, 0x97)),)
        kinds = ["puback", "pubrec", "pubrel", "pubcomp"]
        if dice.random() < 0.5:
            qos = dice.randrange(3)
            return publish("a", qos=qos, number=number, dup=qos > 0 and dice.random() < 0.5,
                           version=self.version)
        if self.version == 5 and dice.random() < 0.1:
            return auth(dice.choice((0, 0x18, 0x19)))
        return ack(dice.choice(kinds), number, *reason)

    def goes_on(self):
        dice = self.dice
        choice = dice.random()
        if self.talk is None or choice < 0.08:
            if self.talk is not None and dice.random() < 0.7:
                dice.choice((self.talk.closes, self.talk.resets))(dice.randrange(2))
            self.connects()
        elif choice < 0.12:
            reason = (dice.choice((0, 4, 0x8D)),) if self.version == 5 else ()
            (self.talk.hears if self.version == 5 and dice.random() < 0.5 else self.talk.says)(
                disconnect(*reason))
        else:
            say = self.talk.says if dice.random() < 0.5 else self.talk.hears
            say(*(self.packet() for _ in range(dice.choice((1, 1, 3)))),
                after=dice.choice((1, 1, 40, 1700)))


@pytest.mark.parametrize("seed", range(8))
def test_against_the_oracle(tmp_path, seed):
    scenes = Scenes()
    wild = Wild(scenes, random.Random(seed))
    for _ in range(200):
        wild.goes_on()
    events = told(scenes, tmp_path)
    kinds = {event["what"] for event in events}
    assert kinds >= {"request", "answer", "retry", "orphan", "duplicate", "session"}
