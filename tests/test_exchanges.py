"""What the plugin says of every exchange of every capture against the oracle, which reads the
packets' bytes by itself: each event on its frame, each field of it, and no event beside those.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections

import pytest

import harness
import oracle
import repeats

MQTT_PORTS = {1883, 1884, 31883}
KAFKA_PORTS = {9092, 9093, 9094, 9292, 9293, 9294, 33197, 33551, 36333}
PORTS = ("-o", "wirelat.mqtt_tcp_ports:" + ",".join(map(str, sorted(MQTT_PORTS - {1883}))),
         "-o", "wirelat.kafka_tcp_ports:" + ",".join(map(str, sorted(KAFKA_PORTS - {9092}))))

# Neither framed bytes nor a key log: tested by counts in test_public.
NOT_PLAIN = ("kafka_tls_kgo", "mqtt_tls_v5_qos1", "mqttsn_handmade", "kafka_rdmock202")
# Segments captured twice: TCP of some Wiresharks loses what follows them (repeats.py).
LOST = "mqtt-f10c2qos1medium_loss2/client" if repeats.lost_upstream() else None
OWN = sorted(harness.CAPTURES.glob("*.pcap*"))
SHARED = sorted(path for pattern in ("gen/*.pcap", "live/*.pcapng", "lab/*/*.pcapng",
                                     "public/mqtt/*.pcap", "public/kafka/*.pcap*")
                for path in harness.SHARED.glob(pattern) if path.stem not in NOT_PLAIN
                and f"{path.parent.name}/{path.stem}" != LOST)
NONE = pytest.param(None, marks=pytest.mark.skip(reason="the shared captures are not here"))

TIMES = ("time", "request_spread", "service_time", "response_spread", "ack_time", "pubrec_time",
         "pubrel_time", "pubcomp_time", "auth_time", "silence", "session_time", "longest_silence",
         "keep_alive", "forward_delay")
NUMBERS = ("response_in", "kind", "qos", "size", "sender", "version", "reason_code", "retries",
           "api", "api_version", "acks", "inflight", "receive_maximum", "auth_sender",
           "session_end", "disconnect_reason", "forward_of", "forward_ambiguous")
TEXTS = ("client_id", "topic")
ALARMS = ("receive_maximum_exceeded", "keep_alive_exceeded")
LINKS = {"response_to": "answer", "ack_to": "ack", "retry_of": "retry",
         "duplicate_of": "duplicate"}


def name_of(path):
    return f"{path.parent.name}-{path.stem}" if path else "none"


def read(capture):
    return oracle.read(capture, MQTT_PORTS, KAFKA_PORTS)


def said(capture, *options, reassemble=True):
    """The plugin's events in the oracle's terms. Options given win over these."""
    events = []
    options = (*PORTS, *(harness.REASSEMBLE if reassemble else ()), *options)
    for event in harness.events(capture, *options):
        protocol = event["protocol"]
        found = {"protocol": protocol, "frame": event["frame"], "what": "request",
                 "stream": harness.number_of(event, "stream"),
                 "id": harness.number_of(event, "packet_id" if protocol == "wirelat.mqtt"
                                         else "correlation_id") or 0}
        for link, what in LINKS.items():
            if f"{protocol}.{link}" in event:
                found["what"], found["request"] = what, harness.number_of(event, link)
        if f"{protocol}.leg_of" in event:
            found["what"] = "pubrec" if f"{protocol}.pubrec_time" in event else "pubrel"
            found["request"] = harness.number_of(event, "leg_of")
            if f"{protocol}.auth_time" in event:
                found["what"] = "auth"
        for name, what in (("silence", "silence"), ("session_end", "session")):
            if f"{protocol}.{name}" in event:
                found["what"] = what
                if f"{protocol}.session_of" in event:
                    found["request"] = harness.number_of(event, "session_of")
        if f"{protocol}.orphan" in event:
            found["what"] = "orphan"
        found.update({name: harness.time_of(event, name) for name in TIMES})
        found.update({name: harness.number_of(event, name) for name in NUMBERS})
        found.update({name: event.get(f"{protocol}.{name}") for name in TEXTS})
        found["reused"] = f"{protocol}.reused" in event
        found["alarms"] = {name for name in ALARMS if f"{protocol}.{name}" in event}
        found["unanswered"] = f"{protocol}.unanswered" in event
        events.append(found)
    return events


def by_identity(events):
    """Several equal ids may be in one frame: those in their order."""
    found = collections.defaultdict(list)
    for event in events:
        found[event["protocol"], event["what"], event["frame"], event["stream"], event["id"],
              event.get("request", event["frame"])].append(event)
    return found


def compared(event, second_pass):
    """What the oracle knows that the plugin says too."""
    names = [name for name in (*TIMES, *NUMBERS, *TEXTS) if name in event]
    if event["what"] == "request" and "retries" in names:
        names.remove("retries")
    values = {name: event[name] or None if name in TEXTS else event[name] for name in names}
    values["alarms"] = set()
    if event["what"] == "silence":
        values["alarms"] = {"keep_alive_exceeded"}
    elif event["what"] == "request" and event.get("receive_maximum") and \
            event["inflight"] > event["receive_maximum"]:
        values["alarms"] = {"receive_maximum_exceeded"}
    if event["what"] == "request":
        values["reused"] = event.get("reused", False)
        values["unanswered"] = second_pass and event["outcome"] in ("open", "reused")
        values["response_in"] = event.get("response_in") if second_pass else None
    return values


def differences(expected, found, second_pass=True):
    expected, found = by_identity(expected), by_identity(found)
    for key in sorted({*expected, *found}, key=repr):
        if len(expected[key]) != len(found[key]):
            yield f"{key}: {len(expected[key])} in the bytes, {len(found[key])} said"
        for truth, event in zip(expected[key], found[key]):
            for name, value in compared(truth, second_pass).items():
                if event[name] != value:
                    yield f"{key}: {name} is {value!r}, said is {event[name]!r}"


@pytest.mark.parametrize("capture", OWN + (SHARED or [NONE]), ids=name_of)
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_every_event(capture, passes):
    # What was lost or cut by the capture never comes: Wireshark would wait for it for ever.
    reassemble = not capture.stem.startswith("derived_")
    expected, found = read(capture), said(capture, *passes, reassemble=reassemble)
    assert list(differences(expected, found, bool(passes))) == []
    for event in found:
        if event["time"] is not None:
            assert event["time"] == (event["request_spread"] + event["service_time"] +
                                     event["response_spread"])


# A test that compares must see a difference where there is one.
@pytest.mark.parametrize("change", [
    lambda event: event.update(time=event["time"] + 1), lambda event: event.update(id=7777),
    lambda event: event.update(stream=99), lambda event: event.update(frame=event["frame"] + 1),
    lambda event: event.update(what="orphan"), lambda event: event.update(client_id="other"),
])
def test_differences_are_seen(change):
    capture = harness.CAPTURES / "mqtt_basic.pcapng"
    found = said(capture, "-2")
    change(next(event for event in found if event["what"] == "answer"))
    assert list(differences(read(capture), found))
