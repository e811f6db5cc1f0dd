"""Forwarding delays: which publish each copy to a subscriber is of, and how long the broker had it.
Every rule is a conversation of its own, also compared with the oracle; then real brokers, whose
clients wrote down when a message was published and delivered.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import random
import re
import statistics

import pytest

import harness
from oracle import copies, packets
from scenes import (MS, Scenes, ack, connack, connect, disconnect, publish, session_expiry, suback,
                    subscribe, unsuback, unsubscribe)
from test_exchanges import differences, read, said

NO_LOCAL, RETAIN_AS_PUBLISHED = 0x04, 0x08


def told(scenes, tmp_path, *options):
    """The plugin's publishes from the broker; the same as the oracle's in one pass and two."""
    capture = scenes.write(tmp_path / "scenes.pcap")
    expected = read(capture)
    assert expected.complete
    found = said(capture, "-2", *options)
    if not options:
        assert list(differences(expected, found)) == []
        assert list(differences(expected, said(capture), False)) == []
    return [event for event in found if event["what"] == "request" and event["sender"] == 1]


def pairs(found):
    """(frame of the original, ms, ambiguous) of each copy."""
    return [(event["forward_of"], event["forward_delay"] and event["forward_delay"] / MS,
             event["forward_ambiguous"]) for event in found]


def client(scenes, name="c", *filters, version=5, options=1, granted=1, present=False, given=b"",
           clean=True, **more):
    """A client that is connected and has subscribed."""
    talk = scenes.open(**more)
    talk.says(connect(name, version, clean, given=given))
    talk.hears(connack(version, present))
    if filters:
        talk.says(subscribe(1, *filters, options=options, version=version))
        talk.hears(suback(1, *[granted] * len(filters), version=version))
    return talk


def say(talk, topic="a/b", payload=b"on", **options):
    return talk.says(publish(topic, payload, version=5, **options))


def hear(talk, topic="a/b", payload=b"on", after=1, **options):
    return talk.hears(publish(topic, payload, version=5, **options), after=after)


NONE = (None, None, None)


def test_one_publish_to_two_subscribers(tmp_path):
    scenes = Scenes()
    one, two, pub = client(scenes, "s1", "a/#"), client(scenes, "s2", "a/+"), client(scenes, "p")
    asked = pub.says(publish("a/b", b"on", qos=1, number=9, version=5))
    hear(one, after=4)
    hear(two, qos=1, number=1, after=6)
    found = told(scenes, tmp_path)
    assert pairs(found) == [(asked, 4, 0), (asked, 10, 0)]


def test_last_byte_to_first_byte(tmp_path):
    """A publish in two segments, a copy in two segments."""
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/b"), client(scenes, "p")
    whole = publish("a/b", bytes(500), version=5)
    pub.says(whole[:100])
    asked = pub.says(whole[100:], after=50)
    sub.hears(whole[:200], after=7)
    sub.hears(whole[200:], after=30)
    assert pairs(told(scenes, tmp_path)) == [(asked, 7, 0)]


def test_copies_that_have_no_publish(tmp_path):
    """Other payload, other topic, before the SUBACK, of what is refused, too late, from nowhere."""
    scenes = Scenes()
    pub, sub = client(scenes, "p"), client(scenes, "s")
    sub.says(subscribe(1, "a/#", "q", version=5))
    say(pub)
    sub.hears(suback(1, 1, 0x87, version=5))
    hear(sub)
    say(pub, payload=b"1")
    hear(sub, payload=b"2")
    hear(sub, topic="a/c", payload=b"1")
    say(pub, topic="q")
    hear(sub, topic="q")
    pub.says(publish("a/x", b"", qos=1, number=1, version=5))
    pub.hears(ack("puback", 1, 0x87))
    hear(sub, topic="a/x", payload=b"")
    say(pub, topic="a/late")
    hear(sub, topic="a/late", after=60001)
    assert pairs(told(scenes, tmp_path)) == [NONE] * 6


def test_first_in_first_out(tmp_path):
    """Equal payloads, one after the other's copy: no doubt. Two on their way: all doubtful."""
    scenes = Scenes()
    sub, pub = client(scenes, "s", "#"), client(scenes, "p")
    frames, expected = [], []
    for _ in range(2):
        frames.append(say(pub))
        hear(sub, after=3)
        expected.append((frames[-1], 3, 0))
    first, other, second = say(pub), say(pub, payload=b"off"), say(pub)
    hear(sub)
    hear(sub, payload=b"off")
    hear(sub)
    expected += [(first, 3, 1), (other, 3, 0), (second, 3, 1)]
    frames.append(say(pub))
    hear(sub, after=2)
    expected.append((frames[-1], 2, 0))
    assert pairs(told(scenes, tmp_path)) == expected


def test_copy_that_never_came_makes_the_next_doubtful(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "#"), client(scenes, "p")
    lost = say(pub)
    say(pub)
    hear(sub)
    assert pairs(told(scenes, tmp_path)) == [(lost, 2, 1)]


def test_copies_sent_again_are_left_out(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "#"), client(scenes, "p")
    asked = pub.says(publish("a/b", b"on", qos=1, number=1, version=5))
    pub.says(publish("a/b", b"on", qos=1, number=1, dup=True, version=5))
    hear(sub, qos=1, number=1, after=5)
    hear(sub, qos=1, number=1, dup=True)
    hear(sub, qos=1, number=2, dup=True)
    assert pairs(told(scenes, tmp_path)) == [(asked, 6, 0), NONE]


@pytest.mark.parametrize("options, expected", [(1, False), (1 | RETAIN_AS_PUBLISHED, True)])
def test_retained_copies(tmp_path, options, expected):
    """What the broker kept comes with RETAIN; as published only if the subscription says so."""
    scenes = Scenes()
    pub = client(scenes, "p")
    say(pub, retain=True)
    sub = client(scenes, "s", "a/#", options=options)
    hear(sub, retain=True)
    asked = say(pub, payload=b"off", retain=True)
    hear(sub, payload=b"off", retain=expected, after=3)
    assert pairs(told(scenes, tmp_path)) == [NONE, (asked, 3, 0)]


FILTERS = [
    ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d/c", False), ("a/+", "a/", True), ("+", "a/b", False),
    ("+/+", "/a", True), ("a/#", "a", True), ("a/#", "ab", False), ("#", "$SYS/x", False),
    ("+/x", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("a//b", "a//b", True),
    ("a/b/", "a/b", False), ("A/b", "a/b", False), ("+/b/#", "a/b/c/d", True),
    ("#", "a", True), ("a+", "a+", False), ("a/#/b", "a/x/b", False)]


def test_filters(tmp_path):
    scenes, expected = Scenes(), []
    pub = client(scenes, "p")
    for number, (topic_filter, topic, matches) in enumerate(FILTERS):
        sub, payload = client(scenes, f"s{number}", topic_filter), b"%d" % number
        asked = say(pub, topic=topic, payload=payload)
        hear(sub, topic=topic, payload=payload)
        expected.append((asked, 1, 0) if matches else NONE)
        assert matches == (copies.is_filter(topic_filter) and copies.matches(topic_filter, topic))
    assert pairs(told(scenes, tmp_path)) == expected


def test_unsubscribed(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/#", "b"), client(scenes, "p")
    sub.says(unsubscribe(2, "a/#", version=5))
    still = say(pub)
    hear(sub)
    sub.hears(unsuback(2, 0, version=5))
    say(pub)
    hear(sub)
    other = say(pub, topic="b")
    hear(sub, topic="b")
    assert pairs(told(scenes, tmp_path)) == [(still, 1, 0), NONE, (other, 1, 0)]


def test_overlapping_filters(tmp_path):
    """Two copies of one publish, if the broker likes; a third is none of it."""
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/#", "a/b"), client(scenes, "p")
    asked = say(pub)
    for _ in range(3):
        hear(sub)
    other = say(pub, payload=b"off")
    hear(sub, payload=b"off")
    assert pairs(told(scenes, tmp_path)) == [(asked, 1, 0), (asked, 2, 0), NONE, (other, 1, 0)]


def test_overlapping_filters_of_a_broker_that_sends_one_copy(tmp_path):
    """A second copy of the first may be the first of the second."""
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/#", "a/b"), client(scenes, "p")
    first = say(pub)
    hear(sub)
    second = say(pub)
    hear(sub)
    assert pairs(told(scenes, tmp_path)) == [(first, 1, 0), (second, 1, 1)]


def test_shared_subscription(tmp_path):
    """Each member gets what the others do not; another group gets all of it."""
    scenes = Scenes()
    one, two = (client(scenes, name, "$share/g/a/#") for name in ("s1", "s2"))
    other, pub = client(scenes, "s3", "$share/h/a/#"), client(scenes, "p")
    expected = []
    for sub in (one, two, two, one):
        asked = say(pub)
        hear(sub, after=2)
        hear(other, after=3)
        expected += [(asked, 2, 0), (asked, 5, 0)]
    hear(one)
    expected.append(NONE)
    assert pairs(told(scenes, tmp_path)) == expected


def test_shared_and_own(tmp_path):
    """Which of its two subscriptions brought a copy is not written on it."""
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/#", "$share/g/a/b"), client(scenes, "p")
    asked = say(pub)
    hear(sub)
    hear(sub)
    assert pairs(told(scenes, tmp_path)) == [(asked, 1, 1), (asked, 2, 0)]


@pytest.mark.parametrize("options, heard", [(1, True), (1 | NO_LOCAL, False)])
def test_publisher_that_subscribes(tmp_path, options, heard):
    scenes = Scenes()
    both = client(scenes, "p", "a/#", options=options)
    asked = say(both)
    hear(both)
    assert pairs(told(scenes, tmp_path)) == [(asked, 1, 0) if heard else NONE]


def test_topic_aliases_of_both_ends(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "a/#"), client(scenes, "p")
    alias = b"\x23\0\1"
    pub.says(publish("a/b", b"1", version=5, given=alias))
    hear(sub, payload=b"1")
    asked = pub.says(publish("", b"2", version=5, given=alias))
    sub.hears(publish("a/b", b"2", version=5, given=alias))
    last = say(pub, payload=b"3")
    sub.hears(publish("", b"3", version=5, given=alias))
    assert pairs(told(scenes, tmp_path))[1:] == [(asked, 1, 0), (last, 1, 0)]


@pytest.mark.parametrize("qos, granted, waits", [(1, 1, True), (0, 1, False), (1, 0, False)])
def test_subscriber_that_was_away(tmp_path, qos, granted, waits):
    """Its session goes on: what is acknowledged was kept for it, the rest was not."""
    scenes = Scenes()
    expiry = session_expiry(3600)
    sub, pub = client(scenes, "s", "a/#", given=expiry, granted=granted), client(scenes, "p")
    sub.says(disconnect())
    asked = say(pub, qos=qos, number=1)
    back = client(scenes, "s", given=expiry, present=True, clean=False)
    later = say(pub, payload=b"later")
    hear(back, after=100)
    hear(back, payload=b"later")
    found = pairs(told(scenes, tmp_path))
    assert found[0][:1] == ((asked,) if waits else (None,)) and found[1] == (later, 101, 0)


@pytest.mark.parametrize("given, version, clean", [(b"", 5, False), (session_expiry(60), 5, True),
                                                   (b"", 4, False)])
def test_session_that_begins_anew_has_no_subscriptions(tmp_path, given, version, clean):
    scenes = Scenes()
    sub, pub = (client(scenes, "s", "a/#", given=given, version=version, clean=clean),
                client(scenes, "p"))
    sub.says(disconnect())
    back = client(scenes, "s", given=given, version=version)
    say(pub)
    back.hears(publish("a/b", b"on", version=version))
    assert pairs(told(scenes, tmp_path)) == [NONE]


@pytest.mark.parametrize("whole", [True, False])
def test_subscribed_before_the_capture(tmp_path, whole):
    """Known from the first copy on: without its CONNECT, or with a session that was there before."""
    scenes = Scenes()
    sub = client(scenes, "s", present=True, version=4) if whole else scenes.open()
    pub = client(scenes, "p")
    say(pub)
    sub.hears(publish("a/b", b"on"))
    asked = say(pub)
    sub.hears(publish("a/b", b"on"), after=5)
    assert pairs(told(scenes, tmp_path)) == [NONE, (asked, 5, 0)]


def test_subscribe_without_its_connect(tmp_path):
    """5.0 or not is told by the bytes."""
    scenes = Scenes()
    pub, expected = client(scenes, "p", version=4), []
    for version in (4, 5):
        sub = scenes.open()
        sub.says(subscribe(1, "a/#", "b", version=version))
        sub.hears(suback(1, 1, 0, version=version))
        asked = pub.says(publish("a/b", b"%d" % version))
        sub.hears(publish("a/b", b"%d" % version))
        expected.append((asked, 1, 0))
    assert pairs(told(scenes, tmp_path)) == expected


def test_brokers_in_a_row(tmp_path):
    """A broker that publishes at another what it got: each has its own publish. One broker's two
    ports are one."""
    near, far, tls = ((b"\x0a\0\1" + bytes([n]), port) for n, port in
                      ((1, 1883), (2, 1883), (2, 1884)))
    scenes = Scenes()
    sub, bridge = client(scenes, "s", "#", broker=far), client(scenes, "bridge", broker=far)
    local, pub = client(scenes, "local", "#", broker=near), client(scenes, "p", broker=near)
    here = say(pub)
    hear(local, after=2)
    there = say(bridge)
    hear(sub, after=3)
    alone = say(client(scenes, "q", broker=tls), payload=b"tls")
    hear(sub, payload=b"tls")
    assert pairs(told(scenes, tmp_path)) == [(here, 2, 0), (there, 3, 0), (alone, 1, 0)]


def test_bound_is_kept_and_counted(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "#"), client(scenes, "p")
    frames = [say(pub, payload=b"%d" % i) for i in range(30)]
    for i in range(30):
        hear(sub, payload=b"%d" % i)
    bound = ("-o", "wirelat.forward_publishes:10")
    found = pairs(told(scenes, tmp_path, *bound))
    kept = [frames.index(original) for original, *_ in found if original is not None]
    # A mark of the subscriber takes the place of a publish.
    assert kept and min(kept) >= 20 and found[:20] == [NONE] * 20
    rows = {row["What"]: row for row in harness.table(tmp_path / "scenes.pcap", "wirelat,health",
                                                      *bound)}
    row = rows["MQTT publishes forgotten before their copies"]
    assert int(row["Count"]) >= 20 and int(row["First frame"]) == frames[10]


def test_how_long_copies_are_looked_for(tmp_path):
    scenes = Scenes()
    sub, pub = client(scenes, "s", "#"), client(scenes, "p")
    asked = say(pub, payload=b"1")
    say(pub, payload=b"2")
    hear(sub, payload=b"1", after=2999)
    hear(sub, payload=b"2", after=2)
    found = told(scenes, tmp_path, "-o", "wirelat.forward_after:3")
    assert pairs(found) == [(asked, 3000, 0), NONE]


# Conversations nobody had in mind.

@pytest.mark.parametrize("seed", range(6))
def test_against_the_oracle(tmp_path, seed):
    """Subscribers that come and go, few topics and payloads, copies that are lost or come twice."""
    dice, scenes = random.Random(seed), Scenes()
    filters = ("a/#", "a/b", "+/b", "#", "$share/g/a/b", "$share/h/+/b", "a/+/c", "b")
    pubs = {version: client(scenes, f"p{version}", version=version) for version in (4, 5)}
    subs, state = {}, {}
    for name in ("s1", "s2", "s3"):
        subs[name] = client(scenes, name, *dice.sample(filters, dice.choice((1, 1, 2, 3))),
                            given=session_expiry(600), granted=dice.randrange(2),
                            options=1 | dice.choice((0, 0, RETAIN_AS_PUBLISHED)), clean=False)
        state[name] = True
    waiting = []
    for step in range(150):
        choice = dice.random()
        topic = dice.choice(("a/b", "a/c", "b"))
        payload = b"%d" % dice.randrange(dice.choice((3, 99)))
        if choice < 0.45:
            version, qos = dice.choice((4, 5)), dice.randrange(2)
            pubs[version].says(publish(topic, payload, qos=qos, number=step + 1, version=version))
            for name in subs:
                if dice.random() < 0.9:
                    waiting.append((name, topic, payload))
        elif choice < 0.9 and waiting:
            name, topic, payload = waiting.pop(0 if dice.random() < 0.8 else -1)
            if state[name]:
                hear(subs[name], topic, payload, retain=dice.random() < 0.1,
                     after=dice.choice((1, 20, 700)))
        elif choice < 0.95:
            name = dice.choice(sorted(subs))
            if state[name]:
                subs[name].resets()
            else:
                subs[name] = client(scenes, name, given=session_expiry(600), clean=False,
                                    present=dice.random() < 0.7)
            state[name] = not state[name]
        else:
            name = dice.choice(sorted(subs))
            text = dice.choice(filters)
            if state[name]:
                more = dice.random() < 0.6
                subs[name].says(subscribe(step + 1, text, version=5) if more else
                                unsubscribe(step + 1, text, version=5))
                subs[name].hears(suback(step + 1, 1, version=5) if more else
                                 unsuback(step + 1, 0, version=5))
    assert len(told(scenes, tmp_path)) > 5


# Real brokers.

LIVE = harness.SHARED / "live"
STEADY = {"mqtt_v3_qos1": 15, "mqtt_v4_qos0": 15, "mqtt_v4_qos2": 15, "mqtt_v5_qos1": 15,
          "mqtt_seedlike_f100c4qos1medium": 200}
BURSTS = {"mqtt_v4_burst_qos1": 120, "mqtt_v4_burst_qos2": 120}
needs_shared = pytest.mark.skipif(not harness.SHARED.exists(),
                                  reason="the shared captures are not here")


@needs_shared
@pytest.mark.parametrize("name", [*STEADY, *BURSTS])
def test_what_subscribers_wrote_down(name):
    """Each delivery is of the very publish its payload names. From that publish on the wire to the
    delivery is the forwarding delay, and the subscriber's own time: below 1 ms where messages do
    not pile up in it."""
    capture = LIVE / f"{name}.pcapng"
    times = {number: time for number, time, *_ in packets.frames(capture)}
    published, found, released = collections.defaultdict(list), collections.defaultdict(list), {}
    for event in said(capture, "-2"):
        if event["what"] == "request" and event["kind"] == 2:
            (found if event["sender"] else published)[event["client_id"]].append(event)
        elif event["what"] == "pubrel":
            released[event["request"], event["id"]] = event["frame"]
    late, count = [], 0
    for line in map(json.loads, (LIVE / f"{name}.truth.jsonl").read_text().splitlines()):
        if line.get("ev") != "delivered":
            continue
        copy = found[line["who"]].pop(0)
        publisher, number = re.fullmatch(r"p(\d+) seq(\d+)", line["k"]).groups()
        original = published[f"pub{publisher}"][int(number)]
        assert (copy["forward_of"], copy["forward_ambiguous"]) == (original["frame"], 0)
        # A QoS 2 publish is handed on when it is released.
        end = times[released.get((copy["frame"], copy["id"]), copy["frame"])]
        own = round(line["t"] * MS) - end
        late.append(round(line["t"] * MS) - times[original["frame"]] - copy["forward_delay"] -
                    (end - times[copy["frame"]]))
        assert own > -MS
        count += 1
    assert count == {**STEADY, **BURSTS}[name] and not [left for left in found.values() if left]
    assert 0 < statistics.median(late) < (MS if name in STEADY else 20 * MS)


@needs_shared
def test_mosquitto_clients():
    """What mosquitto_sub printed, less what its publish took on the wire."""
    capture = LIVE / "mqtt_mosquitto_clients.pcapng"
    times = {number: time for number, time, *_ in packets.frames(capture)}
    lines = [line.split() for line in
             (LIVE / "mqtt_mosquitto_clients.truth.sub.txt").read_text().splitlines()]
    printed = {(topic, int(size) > 1000): harness.nanoseconds(time)
               for time, topic, _, size in lines}
    events = said(capture, "-2")
    originals = {event["frame"]: event for event in events
                 if event["what"] == "request" and event["sender"] == 0}
    late = []
    for copy in events:
        if copy["what"] == "request" and copy["sender"] == 1:
            original = originals[copy["forward_of"]]
            assert (original["topic"], original["qos"]) == (copy["topic"], copy["qos"])
            assert abs(original["size"] - copy["size"]) < 10
            late.append(printed[copy["topic"], copy["size"] > 1000] - times[copy["forward_of"]] -
                        copy["forward_delay"])
    assert len(late) == 18 and 0 < statistics.median(late) < MS


@needs_shared
@pytest.mark.parametrize("name, copies_there, paired", [
    ("mqtt_v5_features", 13, 11),      # a will, and one after the session was lost: no publish
    ("mqtt_v5_lossy_qos0", 16, 16), ("mqtt_v5_lossy_qos1", 16, 16)])
def test_every_copy_is_paired_or_counted(name, copies_there, paired):
    capture = LIVE / f"{name}.pcapng"
    rows = harness.table(capture, "mqtt,topics", *harness.REASSEMBLE)
    total = {column: sum(int(row[column]) for row in rows)
             for column in ("Copies", "Ambiguous", "Unpaired")}
    assert total["Copies"] - total["Ambiguous"] - total["Unpaired"] == paired
    assert total["Copies"] <= copies_there
