"""Live: mosquitto and librdkafka's mock cluster behind a delay box, recorded as a user would, against
the clients' own times and the delay that was set.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import statistics
import subprocess
import sys
import time

import pytest

import delay_box
import harness

sys.path.insert(0, str(harness.CAPTURES))
import record_kafka  # noqa: E402  (beside the captures)

ONE_WAY_MS = 15
ROUND_TRIP_NS = 2 * ONE_WAY_MS * 1_000_000
LATE_NS = 8_000_000  # what a busy machine may add to a single exchange
BROKER_MS = (20, 45)  # record_kafka.c, rtt_ms
API_KEYS = {"produce": 0, "fetch": 1, "listoffsets": 2, "metadata": 3, "offsetcommit": 8,
            "offsetfetch": 9, "findcoordinator": 10, "joingroup": 11, "heartbeat": 12,
            "leavegroup": 13, "syncgroup": 14, "apiversions": 18,
            "gettelemetrysubscriptions": 71, "pushtelemetry": 72}  # asked for since librdkafka 2.5

pytestmark = pytest.mark.skipif(delay_box.problem() is not None, reason=str(delay_box.problem()))

MQTT_CLIENT = """
import sys
sys.path.insert(0, {captures!r})
import record_mqtt, recording
record_mqtt.HOST = {host!r}
recording.write_truth({truth!r}, record_mqtt.session({version}, 1883))
"""


@pytest.fixture(scope="module")
def network():
    with delay_box.Network(ONE_WAY_MS) as hosts:
        yield hosts


MARKER = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({mark!r}, ({host!r}, 9))
"""


class Recording:
    """tcpdump on the client's interface, for the length of a with block. Datagrams that mark its start
    and its end must be in the file: tcpdump says that it listens before it does, and drops what it
    has not read yet when it is told to end."""

    def __init__(self, network, path):
        self.network, self.path = network, path
        self.command = network.inside("client", "tcpdump", "-i", "e0", "-Z", "root", "-U", "-w",
                                      path, "--time-stamp-precision=nano", "--immediate-mode",
                                      "tcp or udp port 9")

    def _mark(self, mark):
        for _ in range(100):
            self.network.run("client", "/usr/bin/python3", "-c",
                             MARKER.format(mark=mark, host=delay_box.SERVER))
            for _ in range(5):
                if self.path.exists() and mark in self.path.read_bytes():
                    return
                time.sleep(0.05)
        raise RuntimeError("tcpdump does not record")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True)
        self._mark(b"recording starts")
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._mark(b"recording ends")
        self.process.terminate()
        report = self.process.communicate()[1]
        assert "\n0 packets dropped by kernel" in report


def check_against_the_client(rows, wire, least_ns):
    """Each exchange of the client's log: no less than the delay that was set, and what the client
    measured itself but for its own work."""
    off = []
    for row in rows:
        time_ns = wire[row]
        off.append(rows[row] - time_ns)
        assert time_ns >= least_ns(row), row
    assert len(off) > 20
    assert abs(statistics.median(off)) < 1_000_000
    assert min(off) > -1_000_000


@pytest.mark.parametrize("version", [4, 5])
def test_mqtt(network, tmp_path, version):
    capture, truth = tmp_path / "mqtt.pcap", tmp_path / "mqtt.tsv"
    (tmp_path / "mosquitto.conf").write_text(
        f"listener 1883 {delay_box.SERVER}\nallow_anonymous true\nset_tcp_nodelay true\n"
        "max_inflight_messages 100\nuser root\n")
    broker = subprocess.Popen(network.inside("server", "mosquitto", "-c",
                                             tmp_path / "mosquitto.conf"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        with Recording(network, capture):
            subprocess.run(network.inside("client", "/usr/bin/python3", "-B", "-c",
                                          MQTT_CLIENT.format(captures=str(harness.CAPTURES),
                                                             host=delay_box.SERVER,
                                                             truth=str(truth),
                                                             version=version)),
                           check=True, timeout=60)
    finally:
        broker.terminate()
        broker.wait()
    # Connect, ping and QoS 0 have no id: the first two are alone of their kind.
    kinds = {"1": "connect", "3": "subscribe", "4": "unsubscribe", "5": "ping"}
    wire = {}
    for event in harness.events(capture):
        if event.get("wirelat.mqtt.sender") == "0" and "wirelat.mqtt.response_to" in event:
            kind = kinds.get(event["wirelat.mqtt.kind"]) or f"pub{event['wirelat.mqtt.qos']}"
            wire[kind, harness.number_of(event, "packet_id") or 0] = \
                harness.time_of(event, "time")
    log = {(row["kind"], row["id"]): row["t_recv"] - row["t_send"]
           for row in harness.truth(truth) if row["t_recv"]}
    assert set(wire) == set(log)
    check_against_the_client(log, wire,
                             lambda row: ROUND_TRIP_NS * (2 if row[0] == "pub2" else 1))
    single = [wire[key] for key in wire if key[0] in ("subscribe", "ping", "unsubscribe")]
    assert all(time_ns < ROUND_TRIP_NS + LATE_NS for time_ns in single)


def test_kafka(network, tmp_path):
    """The mock cluster listens on the loopback interface only: a relay on either host stands for the
    same ports, so that the addresses it advertises hold for the client."""
    program, capture = tmp_path / "record_kafka", tmp_path / "kafka.pcap"
    subprocess.run(["gcc", "-std=gnu11", "-o", program, harness.CAPTURES / "record_kafka.c",
                    "-lrdkafka"], check=True)
    cluster = subprocess.Popen(network.inside("server", program, "serve"), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    relays = []
    try:
        ports = cluster.stdout.readline().split()[1].split(",")
        for port in ports:
            for host, listen, to in (("server", delay_box.SERVER, "127.0.0.1"),
                                     ("client", "127.0.0.1", delay_box.SERVER)):
                relays.append(subprocess.Popen(network.inside(
                    host, "socat", f"TCP-LISTEN:{port},bind={listen},fork,reuseaddr,nodelay",
                    f"TCP:{to}:{port},nodelay")))
        time.sleep(0.5)
        with Recording(network, capture):
            clients = subprocess.run(
                network.inside("client", program, ",".join(f"127.0.0.1:{p}" for p in ports)),
                check=True, timeout=120, capture_output=True, text=True)
    finally:
        cluster.stdin.close()
        for process in [*relays, cluster]:
            process.terminate()
            process.wait()
    log = [m for m in map(record_kafka.EVENT.match, clients.stdout.splitlines()) if m]
    pairs = record_kafka.pair(log)
    option = ("-o", "wirelat.kafka_tcp_ports:" + ",".join(ports))
    events = [event for event in harness.events(capture, *option)
              if "wirelat.kafka.response_to" in event]
    # What the client read is on the wire, and nothing is that it did not send: a client that closes
    # leaves answers unread. The relays have ports of their own, so that ids must do.
    wire = collections.Counter((harness.number_of(event, "api"),
                                harness.number_of(event, "correlation_id")) for event in events)
    sent = collections.Counter((API_KEYS[row[3]], row[4]) for row in pairs)
    read = collections.Counter((API_KEYS[row[3]], row[4]) for row in pairs if row[6])
    # The mock answers some Produce requests with acks=0, which are one-way to us.
    one_way = read - wire
    assert {api for api, _ in one_way} <= {API_KEYS["produce"]} and one_way.total() <= 10
    assert not wire - sent
    assert wire.total() > 80
    brokers = {int(port): rtt for port, rtt in zip(ports, BROKER_MS)}
    server_port = {stream: next(int(p) for p in pair if int(p) in brokers)
                   for stream, *pair in harness.plain_fields(
                       capture, ["tcp.stream", "tcp.srcport", "tcp.dstport"], "-Y", "tcp")}
    alone = []
    for event in events:
        least = ROUND_TRIP_NS + brokers[server_port[event["wirelat.kafka.stream"]]] * 1_000_000
        time_ns = harness.time_of(event, "time")
        if event["wirelat.kafka.inflight"] == "1":
            assert time_ns >= least - 1_000_000  # the mock's clock counts whole milliseconds
            alone.append(time_ns - least)
    assert statistics.median(alone) < LATE_NS
    own = statistics.median(row[6] - row[5] for row in pairs if row[6])
    captured = statistics.median(harness.time_of(event, "time") for event in events)
    assert abs(own - captured) < 5_000_000  # two relays and a busy machine between them
