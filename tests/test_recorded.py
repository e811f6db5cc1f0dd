"""The recorded captures: real brokers, the clients' own times beside them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import statistics

import pytest

import harness

OPTIONS = ("-o", "wirelat.kafka_tcp_ports:33197,33551")
# A client's clock starts before its bytes are on the wire and stops after they arrived.
SLACK_NS = 300_000


@pytest.mark.parametrize("name", ["mqtt_mosquitto", "kafka_mock"])
def test_wire_times_against_the_clients(name):
    capture = harness.CAPTURES / f"{name}.pcap"
    protocol = "wirelat." + name.split("_")[0]
    number = "packet_id" if "mqtt" in protocol else "correlation_id"
    ports = {stream: set(pair) for stream, *pair in harness.plain_fields(
        capture, ["tcp.stream", "tcp.srcport", "tcp.dstport"])}
    answers = {}
    for event in harness.events(capture, *OPTIONS):
        if f"{protocol}.response_to" in event and event.get("wirelat.mqtt.sender", "0") == "0":
            key = (event[f"{protocol}.stream"], harness.number_of(event, number) or 0)
            answers.setdefault(key, []).append(harness.time_of(event, "time"))
    rows = harness.truth(harness.CAPTURES / f"{name}.tsv")
    differences, logged = [], set()
    for row in rows:
        (stream,) = [s for s, pair in ports.items()
                     if pair == {str(row["sport"]), str(row["dport"])}]
        logged.add(stream)
        if row["kind"] in ("pub0", "produce0") or not row["t_recv"]:
            continue
        time = answers[stream, row["id"]].pop(0)
        differences.append(row["t_recv"] - row["t_send"] - time)
    assert len(differences) > 100
    assert abs(statistics.median(differences)) < SLACK_NS
    assert min(differences) > -SLACK_NS
    # mosquitto's own command-line clients, which keep no log, are in the capture too.
    assert not [left for (stream, _), left in answers.items() if left and stream in logged]
