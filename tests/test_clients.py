"""The plugin's times against those of the programs at both ends: clients that logged when they
wrote and read, brokers that logged when they received and answered, the kernel's stamps of ACKs.
Needs the shared captures.

A program's clock starts before its bytes are on the wire and stops after they arrived: medians
agree.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import re
import statistics

import pytest

import harness
from oracle import packets
from oracle.streams import connections
from test_exchanges import LOST, said

pytestmark = pytest.mark.skipif(not harness.SHARED.exists(),
                                reason="the shared captures are not here")
LAB, LIVE = harness.SHARED / "lab", harness.SHARED / "live"
NEAR_NS = 500_000
ROUND_TRIP_NS = 40_000_000  # of the delay box
EVERY_PORT = ("-o", "wirelat.kafka_tcp_ports:1024-65535")


def by_port(capture, *options, server_ports=(1883, 9092)):
    """The plugin's events, their client's port in "port", the times of frames in "at"."""
    ports = {connection.number: {end[1] for end in connection.ends} - set(server_ports)
             for connection in connections(capture)}
    times = {number: time for number, time, *_ in packets.frames(capture)}
    events = said(capture, *options)
    for event in events:
        (event["port"],) = ports[event["stream"]]
        event["at"] = times[event["frame"]]
    return events


def index(events, what):
    found = collections.defaultdict(list)
    for event in events:
        if event["what"] == what:
            found[event["port"], event["id"]].append(event)
    return found


def rows(run, name):
    return [row for path in sorted((LAB / run).glob(name)) for row in harness.truth(path)]


# MQTT: publishers.

PUBLISHERS = {"mqtt-f10c2qos1medium_bbr": 60, "mqtt-f10c2qos1medium_loss2": 60,
              "mqtt-f1c1qos2medium": 5, "mqtt-f100000c1qos0small_burst": 300}
if LOST is not None:
    del PUBLISHERS[LOST.split("/", maxsplit=1)[0]]


@pytest.mark.parametrize("run", PUBLISHERS)
def test_publishers(run):
    events = by_port(LAB / run / "client.pcapng")
    answers, acks = index(events, "answer"), index(events, "ack")
    ended, acknowledged, stamped = [], [], []
    published = rows(run, "pub*.tsv")
    for row in published:
        # The log of QoS 0 counts its publishes itself: no id is on the wire.
        number = row["mid"] if row["qos"] else 0
        ack = acks[row["lport"], number].pop(0)
        if row["t_tcpack"]:
            acknowledged.append(row["t_tcpack"] - row["t_write"] - ack["ack_time"])
            stamped.append(row["t_tcpack"] - ack["at"])
        if row["qos"]:
            answer = answers[row["lport"], number].pop(0)
            ended.append(row["t_done"] - row["t_write"] - answer["time"])
    assert len(published) == PUBLISHERS[run]
    assert len(stamped) >= min(len(published), 15)  # the kernel stamps one ACK for many
    assert abs(statistics.median(stamped)) < NEAR_NS
    assert abs(statistics.median(acknowledged)) < NEAR_NS
    assert not ended or abs(statistics.median(ended)) < NEAR_NS
    assert not [left for key, queue in answers.items() for left in queue if key[1]]
    assert not [left for queue in acks.values() for left in queue]


def test_legs_of_qos_2():
    run = "mqtt-f1c1qos2medium"
    events = by_port(LAB / run / "client.pcapng")
    answers, received, released = (index(events, what) for what in ("answer", "pubrec", "pubrel"))
    for row in rows(run, "pub*.tsv"):
        key = (row["lport"], row["mid"])
        for event, field, span in (
                (received[key].pop(0), "pubrec_time", row["t_rec"] - row["t_write"]),
                (released[key].pop(0), "pubrel_time", row["t_rel"] - row["t_rec"]),
                (answers[key].pop(0), "pubcomp_time", row["t_done"] - row["t_rel"])):
            assert abs(event[field] - span) < 2 * NEAR_NS, (row, field)


@pytest.mark.parametrize("run", [name for name in PUBLISHERS if "qos0" not in name])
def test_both_ends_of_the_delay_box(run):
    """What the client waits is what the broker needs and the way there and back."""
    client, server = (index(by_port(LAB / run / f"{end}.pcapng"), "answer")
                      for end in ("client", "server"))
    assert {key: len(queue) for key, queue in client.items()} == \
        {key: len(queue) for key, queue in server.items()}
    way = [here["service_time"] - there["service_time"] for key, queue in client.items()
           for here, there in zip(queue, server[key]) if here["kind"] == 2 and here["qos"] == 1]
    whole = [here["time"] - there["time"] for key, queue in client.items()
             for here, there in zip(queue, server[key]) if here["kind"] == 2 and here["qos"] == 2]
    assert way or whole
    for differences in filter(None, (way, whole)):
        assert abs(statistics.median(differences) - ROUND_TRIP_NS) < NEAR_NS


def test_subscribers():
    """The broker's publishes, read by two subscribers."""
    run = "mqtt-sub_f10c2qos1small"
    requests = index(by_port(LAB / run / "client.pcapng"), "request")
    off = []
    for row in rows(run, "sub*.tsv"):
        event = next(e for e in requests[row["lport"], row["mid"]] if e["kind"] == 2)
        assert event["sender"] == 1
        off.append(row["t_recv"] - event["at"])
    assert len(off) == 60
    assert 0 < statistics.median(off) < NEAR_NS


# MQTT.js on the loopback: one line per packet it sent or read.

ENDS = {"publish": ("puback", "pubcomp", "pubrec"), "subscribe": ("suback",),
        "unsubscribe": ("unsuback",)}
MQTT_JS = {"mqtt_v3_qos1": (), "mqtt_v4_qos2": (), "mqtt_v5_qos1": (), "mqtt_v4_burst_qos1": (),
           "mqtt_v4_burst_qos2": (), "mqtt_seedlike_f100c4qos1medium": (), "mqtt_v5_features": (),
           "mqtt_port31883_v5_qos1": (), "mqtt_anomalies_v4": ()}


@pytest.mark.parametrize("name", MQTT_JS)
def test_mqtt_js(name):
    answers = index(by_port(LIVE / f"{name}.pcapng", server_ports=(1883, 1884, 31883)), "answer")
    waiting, off, reasons = {}, [], 0
    for line in map(json.loads, (LIVE / f"{name}.truth.jsonl").read_text().splitlines()):
        if "local" not in line or "id" not in line:
            continue
        key = (line["local"], line["id"])
        if line["dir"] == ">" and line["cmd"] in ENDS:
            if not line.get("dup"):
                waiting[key] = line
        elif line["dir"] == "<" and key in waiting and line["cmd"] in ENDS[waiting[key]["cmd"]]:
            if line["cmd"] == "pubrec" and line.get("rc", 0) < 0x80:
                continue
            kind = {"publish": 2, "subscribe": 3, "unsubscribe": 4}[waiting[key]["cmd"]]
            queue = [e for e in answers[key] if e["kind"] == kind and e["sender"] == 0]
            answers[key].remove(queue[0])
            off.append((line["t"] - waiting.pop(key)["t"]) * 1e6 - queue[0]["time"])
            if line.get("rc"):
                assert queue[0]["reason_code"] == line["rc"]
                reasons += 1
    assert len(off) > 10
    # JavaScript reads its events late: up to 3.5 ms were measured.
    assert -NEAR_NS < statistics.median(off) < 8 * NEAR_NS
    assert reasons > 3 or name != "mqtt_v5_features"


def test_scripted_delays():
    """The broker of the anomalies waits as long as the topic says."""
    script = {"delay/5": 5, "delay/8": 8, "delay/20": 20, "delay/100": 100, "delay/10": 10,
              "delay/25": 25, "delay/300": 300, "delay/30": 30}
    events = by_port(LIVE / "mqtt_anomalies_v4.pcapng", server_ports=(1884,))
    seen, late = collections.Counter(), []
    for event in events:
        if event["what"] == "answer" and event["topic"] in script and event["qos"] == 1:
            late.append(event["service_time"] / 1e6 - script[event["topic"]])
            seen[event["topic"]] += 1
    assert seen["delay/8"] == 4 and set(seen) == set(script)
    assert min(late) > -1 and statistics.median(late) < 1.5


def test_mosquitto_clients():
    """mosquitto_pub and mosquitto_sub: three versions, three QoS, a small and a long payload, each
    to the broker and from it; what mosquitto_sub printed is when its publish was complete."""
    events = by_port(LIVE / "mqtt_mosquitto_clients.pcapng")
    publishes = [e for e in events if e["what"] == "request" and e["kind"] == 2]
    # The subscriber speaks 5.0 throughout.
    assert collections.Counter((e["version"], e["qos"], e["sender"]) for e in publishes) == {
        **{(version, qos, 0): 2 for version in (3, 4, 5) for qos in (0, 1, 2)},
        **{(5, qos, 1): 6 for qos in (0, 1, 2)}}
    lines = [line.split() for line in
             (LIVE / "mqtt_mosquitto_clients.truth.sub.txt").read_text().splitlines()]
    printed = {(topic, int(size) > 1000): harness.nanoseconds(time)
               for time, topic, _, size in lines}
    for event in publishes:
        if event["sender"] == 1:
            # A QoS 2 publish is handed on when it is released.
            late = printed[event["topic"], event["size"] > 1000] - event["at"]
            assert 0 < late < 20 * NEAR_NS, event


# Kafka: librdkafka behind the delay box, kafkajs, the mock cluster.

KAFKA = ("acks_mixed", "errors", "fetch_longpoll", "group", "pipelined", "two_clients")


@pytest.mark.parametrize("run", KAFKA)
def test_librdkafka(run):
    folder = LAB / f"kafka-{run}"
    client, server = (index(by_port(folder / f"{end}.pcapng"), "answer")
                      for end in ("client", "server"))
    off, read, way, answered = [], [], [], 0
    for row in rows(folder.name, "requests.tsv"):
        here, there = (queues[row["lport"], row["corr_id"]] for queues in (client, server))
        if not row["t_recv"] or not here:
            continue
        answered += 1
        (one,), (other,) = here, there
        off.append(int(row["rtt_us"]) * 1000 - one["time"])
        read.append(row["t_recv"] - one["at"])
        way.append(one["time"] - other["time"])
        assert one["api_version"] == row["version"]
    with open(folder / "truth.json", encoding="ascii") as file:
        logged = json.load(file)["requests"]
    assert answered >= sum(api["answered"] for name, api in logged.items() if name != "Produce")
    assert abs(statistics.median(read)) < NEAR_NS
    # librdkafka's own round trip begins before its socket's queue and Nagle, up to 80 ms.
    assert -NEAR_NS < statistics.median(off) < 160 * NEAR_NS
    if run in ("errors", "fetch_longpoll"):
        assert statistics.median(off) < NEAR_NS
    assert abs(statistics.median(way) - ROUND_TRIP_NS) < 2 * NEAR_NS


@pytest.mark.parametrize("run", ["acks_mixed", "fetch_longpoll"])
def test_brokers_own_time(run):
    """The small broker logs when it read a request and when it sent the answer."""
    events = by_port(LAB / f"kafka-{run}/server.pcapng")
    answers, requests = index(events, "answer"), index(events, "request")
    off = []
    for row in rows(f"kafka-{run}", "broker.tsv"):
        key = (row["peer_port"], row["corr_id"])
        if row["api_key"] == 0:
            assert requests[key][0]["acks"] == row["acks"]
        if row["t_send_ns"]:
            off.append(answers[key][0]["service_time"] - (row["t_send_ns"] - row["t_recv_ns"]))
    assert len(off) > 30
    assert abs(statistics.median(off)) < NEAR_NS


def test_kafkajs():
    log = [json.loads(line) for line in
           (LIVE / "kafka_kafkajs224.truth.jsonl").read_text().splitlines()]
    events = by_port(LIVE / "kafka_kafkajs224.pcapng", server_ports=(9092, 9093, 9094))
    answers = [event for event in events if event["what"] == "answer"]
    one_way = [event for event in events if event["what"] == "request" and event["acks"] == 0]
    key = "apiKey", "apiVersion", "correlationId"
    assert collections.Counter((e["api"], e["api_version"], e["id"]) for e in answers + one_way) \
        == collections.Counter(tuple(line[name] for name in key) for line in log)
    assert {line["clientId"] for line in log} == {event["client_id"] for event in answers}
    logged = sorted(line["duration"] for line in log if "acks=0" not in line["who"])
    wire = sorted(event["time"] / 1e6 for event in answers)
    # Whole milliseconds.
    assert abs(statistics.mean(logged) - statistics.mean(wire)) < 3


def test_mock_cluster():
    """librdkafka's own round trips, on random ports; requests that timed out stay open."""
    text = (LIVE / "kafka_rdmock202.truth.log").read_text()
    ports = [int(port) for port in re.findall(r":(\d+)", re.search("BOOTSTRAP(.*)", text).group(1))]
    log = re.findall(r"\|(\S+)\|\[thrd:.*Received \w+Response \(v(\d+), \d+ bytes, CorrId (\d+), "
                     r"rtt ([\d.]+)ms\)", text)
    events = by_port(LIVE / "kafka_rdmock202.pcapng", "-o", "wirelat.kafka_tcp_ports:" +
                     ",".join(map(str, ports)), "-2", server_ports=ports)
    answers = [event for event in events if event["what"] == "answer"]
    assert collections.Counter((int(version), int(number)) for _, version, number, _ in log) == \
        collections.Counter((event["api_version"], event["id"]) for event in answers)
    logged = sorted(float(rtt) for *_, rtt in log)
    wire = sorted(event["time"] / 1e6 for event in answers)
    assert abs(statistics.median(a - b for a, b in zip(logged, wire))) < 0.5
    unanswered = [event for event in events if event["unanswered"]]
    assert len(unanswered) >= text.count("Timed out Produce") > 0
