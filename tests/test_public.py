"""Numbers that others published of public captures, or that follow from their frame times, and the
clients' own times of live ones. Needs the shared captures.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import re
import statistics

import pytest

import harness

pytestmark = pytest.mark.skipif(not harness.SHARED.exists(),
                                reason="the shared captures are not here")
KAFKA_PORTS = ("-d", "tcp.port==9093,kafka", "-d", "tcp.port==9094,kafka")
LIVE = harness.SHARED / "live"
MOCK_PORTS = ("-o", "wirelat.kafka_tcp_ports:1024-65535")


def answers(capture, *options):
    return [event for event in harness.events(capture, *options)
            if f"{event['protocol']}.response_to" in event]


def milliseconds(events):
    return [round(harness.time_of(event, "time") / 1e6, 3) for event in events]


def test_ndpi_kafka():
    capture = harness.SHARED / "public/kafka/ndpi-kafka.pcapng"
    assert milliseconds(answers(capture)) == [27.287, 27.808, 28.914, 27.782, 28.671, 27.371,
                                              28.551, 0.417, 0.683, 0.792, 19.229]
    def ids(finding):
        return [harness.number_of(event, "correlation_id")
                for event in harness.events(capture, "-2") if f"wirelat.kafka.{finding}" in event]
    assert ids("orphan") == [131, 140, 141]
    assert ids("unanswered") == [212, 4, 15]


@pytest.mark.parametrize("capture, expected", [
    ("kafka/deepflow-01-fetch-v12-perf.pcap", [504.829]),
    ("mqtt/deepflow-mqtt_connect.pcap", [256.746]),
])
def test_deepflow(capture, expected):
    assert milliseconds(answers(harness.SHARED / "public" / capture)) == expected


def test_mqtt31_qos2_is_one_publish():
    events = harness.events(harness.SHARED / "public/mqtt/sv-mqtt31-pub-qos2.pcap")
    publishes = [e for e in events if e.get("wirelat.mqtt.kind") == "2"
                 and "wirelat.mqtt.response_to" in e]
    assert [e["wirelat.mqtt.qos"] for e in publishes] == ["2"]
    assert all(f"wirelat.mqtt.{leg}" in " ".join(" ".join(e) for e in events)
               for leg in ("pubrec_time", "pubrel_time", "pubcomp_time"))


def client_lines(name):
    """franz-go's own log: one line per response."""
    lines = []
    for path in sorted(LIVE.glob(f"{name}.truth*.jsonl")):
        lines += [json.loads(line) for line in path.read_text().splitlines()]
    return lines


def client_key(line):
    return line["local"].rsplit(":")[-1], line["corr"]


PLAIN = ["kafka_kgo_produce_acks0", "kafka_kgo_produce_acks1", "kafka_kgo_produce_acksall",
         "kafka_kgo_produce_pipelined_small", "kafka_kgo_consume_longpoll",
         "kafka_kgo_group_classic", "kafka_kgo_rebalance", "kafka_kgo_v0_11_0", "kafka_kgo_v2_5",
         "kafka_kgo_v3_5", "kafka_kgo_v4_0", "kafka_kgo_v4_2"]


@pytest.mark.parametrize("name", PLAIN + ["kafka_kgo_lossy_125k"])
def test_every_kafka_response_is_paired(name):
    capture = LIVE / f"{name}.pcapng"
    log = [line for line in client_lines(name) if line["ev"] == "rsp"]
    found = answers(capture, *KAFKA_PORTS, *harness.REASSEMBLE)
    port = {stream: ports for stream, *ports in harness.plain_fields(
        capture, ["tcp.stream", "tcp.srcport", "tcp.dstport"])}
    wire = {}
    for event in found:
        for client in port[event["wirelat.kafka.stream"]]:
            wire[client, harness.number_of(event, "correlation_id")] = event
    off = []
    for line in log:
        event = wire[client_key(line)]
        assert harness.number_of(event, "api") == line["key"]
        assert harness.number_of(event, "api_version") == line["version"]
        off.append(line["lat_ms"] - harness.time_of(event, "time") / 1e6)
    # What the client no longer read when it closed is on the wire all the same.
    unread = {client_key(line) for line in client_lines(name) if line["ev"] == "noresponse"}
    logged = {client_key(line) for line in log}
    paired = {key for key, event in wire.items() if key in logged or key in unread}
    assert {id(wire[key]) for key in paired} == {id(event) for event in found}
    if name in PLAIN:
        assert abs(statistics.median(off)) < 0.5


@pytest.mark.parametrize("name", ["acks-1", "acks0", "acks1", "group"])
def test_librdkafka(name):
    """librdkafka logs "Received FetchResponse (v4, 12 bytes, CorrId 3, rtt 1.2ms)"."""
    name = f"kafka_librdkafka202_{name}"
    log = re.findall(r"Received (\w+)Response \(v\d+, \d+ bytes, CorrId (\d+), rtt ([\d.]+)ms\)",
                     (LIVE / f"{name}.truth.log").read_text())
    found = answers(LIVE / f"{name}.pcapng", *KAFKA_PORTS, *harness.REASSEMBLE)
    assert len(found) == len(log)
    own = statistics.median(float(rtt) for *_, rtt in log)
    wire = statistics.median(harness.time_of(event, "time") / 1e6 for event in found)
    assert abs(own - wire) < 0.5


def test_kafka_over_tls():
    log = [line for line in client_lines("kafka_tls_kgo") if line["ev"] == "rsp"]
    found = answers(LIVE / "kafka_tls_kgo.pcapng", "-d", "tls.port==9193,kafka", "-d",
                    "tls.port==9194,kafka", "-o",
                    f"tls.keylog_file:{harness.readable(LIVE / 'kafka_tls_kgo.keys')}")
    assert len(found) == len(log)
    assert all(harness.time_of(event, "time") is not None for event in found)
    off = statistics.median(line["lat_ms"] for line in log) - statistics.median(
        harness.time_of(event, "time") / 1e6 for event in found)
    assert abs(off) < 0.5


def test_kafka_sasl_port_by_preference():
    """These ports are in no table of Wireshark's."""
    log = [line for line in client_lines("kafka_sasl_scram_kgo") if line["ev"] == "rsp"]
    found = answers(LIVE / "kafka_sasl_scram_kgo.pcapng", "-o", "wirelat.kafka_tcp_ports:9292-9294")
    assert len(found) == len(log)


def mqtt_log(name):
    return [json.loads(line) for line in (LIVE / f"{name}.truth.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name, options", [
    ("mqtt_v3_qos1", ()), ("mqtt_v4_qos0", ()), ("mqtt_v4_qos2", ()), ("mqtt_v5_qos1", ()),
    ("mqtt_v4_burst_qos1", ()), ("mqtt_v4_burst_qos2", ()),
    ("mqtt_seedlike_f100c4qos1medium", ()),
    ("mqtt_port31883_v5_qos1", ("-o", "wirelat.mqtt_tcp_ports:31883")),
    ("mqtt_tls_v5_qos1", "keys"), ("mqtt_ws_v4_qos1", ()),
])
def test_mqtt_exchanges_equal_the_clients_log(name, options):
    """Every acknowledgement the clients read ends an exchange, every publish they read opens one,
    and nothing else does."""
    if options == "keys":
        options = ("-o", f"tls.keylog_file:{harness.readable(LIVE / f'{name}.keys')}")
    events = [(event["wirelat.mqtt.kind"], event["wirelat.mqtt.sender"],
               event.get("wirelat.mqtt.qos"), event)
              for event in harness.events(LIVE / f"{name}.pcapng", *options)
              if "wirelat.mqtt.kind" in event]  # the end of a connection belongs to no exchange
    log = mqtt_log(name)

    def read(command):
        return sum(line.get("dir") == "<" and line["cmd"] == command for line in log)

    def answered(kind, qos=None):
        return sum("wirelat.mqtt.response_to" in event and (k, sender, q) == (kind, "0", qos)
                   for k, sender, q, event in events)

    assert answered("1") == read("connack")
    assert answered("3") == read("suback")
    assert answered("4") == read("unsuback")
    assert answered("5") == read("pingresp")
    assert answered("2", "1") == read("puback")
    assert answered("2", "2") == read("pubcomp")
    links = ("response_to", "ack_to", "leg_of", "retry_of", "duplicate_of")
    assert sum(kind == "2" and sender == "1" and not any(f"wirelat.mqtt.{x}" in event
                                                         for x in links)
               for kind, sender, _, event in events) == read("publish")
    assert not any(f"wirelat.mqtt.{finding}" in event for *_, event in events
                   for finding in ("orphan", "duplicate", "retry", "reused"))


def test_mqtt_anomalies_as_scripted():
    """The broker's script (PHASE lines of the truth file) against the outcomes."""
    events = harness.events(LIVE / "mqtt_anomalies_v4.pcapng", "-o", "wirelat.mqtt_tcp_ports:1884",
                            "-2")
    found = {finding: [harness.number_of(event, "packet_id") for event in events
                       if f"wirelat.mqtt.{finding}" in event]
             for finding in ("unanswered", "reused", "retry", "duplicate", "orphan")}
    assert found == {
        "unanswered": [7, 5, 41],  # never; its id was reused in flight; reset instead of an ack
        "reused": [5],
        "retry": [7, 9],
        "duplicate": [9, 11, 5],
        "orphan": [],
    }


@pytest.mark.parametrize("capture, publishes", [
    ("gen/mqtt_hdrcut.pcap", 9863), ("lab/mqtt-f100000c1qos0small_burst/server.pcapng", 300),
    ("lab/mqtt-f100000c1qos0small_burst/client.pcapng", 300),
])
def test_segments_that_end_inside_a_fixed_header(capture, publishes):
    def count(*options):
        rows = harness.plain_fields(harness.SHARED / capture, ["mqtt.msgtype"], *options)
        return sum(row[0].split(",").count("3") for row in rows)
    assert count() == count("-2") == publishes
    assert count("-o", "wirelat.frame_mqtt:FALSE") != publishes
