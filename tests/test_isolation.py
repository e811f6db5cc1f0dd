"""One process, several files: what was open before leaves no trace, a changed preference takes hold,
and memory comes back.

sharkd keeps its process and opens what it is told; each answer must be that of a fresh process.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

import harness

pytestmark = pytest.mark.skipif(shutil.which("sharkd") is None, reason="needs sharkd")
# The smallest of each kind: MPTCP's are many and alike.
OWN = [path for kind in ("kafka", "mqtt", "mptcp", "sample") for path in sorted(
    harness.CAPTURES.glob(f"{kind}*.pcap*"), key=lambda path: path.stat().st_size)[:4]]
FIELDS = [f"wirelat.{protocol}.{name}" for protocol in ("mqtt", "kafka")
          for name in ("time", "service_time", "client_id", "path_rtt", "response_in", "ack_time")]
FIELDS += ["wirelat.mqtt.topic", "wirelat.kafka.topic", "wirelat.kafka.wait_time",
           "wirelat.kafka.rebalance_time", "wirelat.skipped"]


class Session:
    """A sharkd that answers one call after another."""

    def __init__(self, with_plugin=True):
        self.process = subprocess.Popen(
            harness.command("sharkd", "-", with_plugin=with_plugin), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=harness.home(with_plugin))
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)

    def call(self, method, **parameters):
        self.calls += 1
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": self.calls, "method": method,
                                             "params": parameters}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == self.calls and "result" in answer, answer
        return answer["result"]

    def load(self, capture):
        assert self.call("load", file=str(harness.readable(capture)))["status"] == "OK"

    def set(self, options):
        for name, value in options.items():
            self.call("setconf", name=name, value=value)

    def tables(self):
        """Every table of ours, by name."""
        names = [entry["tap"] for group in ("nstat", "srt") for entry in self.call("info")[group]]
        names = [name for name in names if name.split(":")[1].split(",")[0] in (
            "mqtt", "kafka", "mqttsn", "mptcp", "wirelat")]
        assert {"nstat:kafka,latency", "nstat:wirelat,health", "srt:mqtt"} <= set(names)
        found = {}
        for name in names:
            (found[name],) = self.call("tap", tap0=name)["taps"]
        return found

    def everything(self):
        """Every table, and the values of fields on every frame."""
        columns = {f"column{i}": f"{name}:0" for i, name in enumerate(FIELDS)}
        frames = [frame["c"] for frame in self.call("frames", **columns)]
        return self.tables(), frames

    def resident(self):
        """KiB of memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def fresh(capture, options=()):
    with Session() as session:
        session.set(dict(options))
        session.load(capture)
        return session.everything()


def test_files_one_after_the_other():
    """Forth and back through all captures: each as if it were the first. And they do differ."""
    expected = {capture: fresh(capture) for capture in OWN}
    assert len({json.dumps(what, sort_keys=True) for what in expected.values()}) >= 8
    assert sum(bool(any(frame)) for _, frames in expected.values() for frame in frames) > 500
    with Session() as session:
        for capture in (*OWN, *reversed(OWN)):
            session.load(capture)
            assert session.everything() == expected[capture], capture.name


@pytest.mark.parametrize("name, capture, value, default", [
    ("wirelat.pending_per_stream", "kafka_ids.pcapng", "1", "65536"),
    ("wirelat.pending_total", "kafka_framing.pcapng", "2", "4000000"),
    ("wirelat.long_poll_percent", "sample.pcapng", "1", "90"),
    ("wirelat.late_after", "sample.pcapng", "0", "30"),
    ("wirelat.table_rows", "sample.pcapng", "2", "10000"),
    ("wirelat.stream_frames", "sample.pcapng", "7", "20000000"),
    ("wirelat.frame_mqtt", "mqtt_loss.pcapng", "FALSE", "TRUE"),
    ("wirelat.frame_kafka", "kafka_loss.pcapng", "FALSE", "TRUE"),
    ("tcp.reassemble_out_of_order", "mqtt_loss.pcapng", "TRUE", "FALSE"),
])
def test_changed_preference(name, capture, value, default):
    """Dissected again after each change, there and back: as a process that began with it."""
    capture = harness.CAPTURES / capture
    changed, usual = fresh(capture, {name: value}), fresh(capture, {name: default})
    assert changed != usual
    with Session() as session:
        for wanted, expected in ((default, usual), (value, changed), (default, usual)):
            session.set({name: wanted})
            session.load(capture)
            assert session.everything() == expected, (name, wanted)


def growth(with_plugin):
    """KiB a process grows by between the 10th and the 40th file."""
    with Session(with_plugin) as session:
        sizes = []
        for _ in range(40):
            session.load(harness.CAPTURES / "sample.pcapng")
            if with_plugin:
                session.tables()
            sizes.append(session.resident())
        return sizes[-1] - sizes[9]


def test_memory_comes_back():
    """Opening the sample 30 times more must not cost what one of them holds (some 700 KiB)."""
    ours, theirs = growth(True), growth(False)
    assert ours - max(theirs, 0) < 30 * 20, (ours, theirs)
    assert os.path.getsize(harness.CAPTURES / "sample.pcapng") > 100_000
