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
import tempfile

import pytest

import harness
from sharkd import Session, needed

pytestmark = needed
# The smallest of each kind: MPTCP's are many and alike.
OWN = [path for kind in ("kafka", "mqtt", "mptcp", "sample") for path in sorted(
    harness.CAPTURES.glob(f"{kind}*.pcap*"), key=lambda path: path.stat().st_size)[:4]]
FIELDS = [f"wirelat.{protocol}.{name}" for protocol in ("mqtt", "kafka")
          for name in ("time", "service_time", "client_id", "path_rtt", "response_in", "ack_time")]
FIELDS += ["wirelat.mqtt.topic", "wirelat.kafka.topic", "wirelat.kafka.wait_time",
           "wirelat.kafka.rebalance_time", "wirelat.skipped"]


def everything(session):
    """Every table, and the values of fields on every frame."""
    columns = {f"column{i}": f"{name}:0" for i, name in enumerate(FIELDS)}
    tables = session.tables()
    assert {"nstat:kafka,latency", "nstat:wirelat,health", "srt:mqtt"} <= set(tables)
    return tables, [frame["c"] for frame in session.call("frames", **columns)]


def fresh(capture, options=()):
    with Session() as session:
        session.set(dict(options))
        session.load(capture)
        return everything(session)


def test_files_one_after_the_other():
    """Forth and back through all captures: each as if it were the first. And they do differ."""
    expected = {capture: fresh(capture) for capture in OWN}
    assert len({json.dumps(what, sort_keys=True) for what in expected.values()}) >= 8
    assert sum(bool(any(frame)) for _, frames in expected.values() for frame in frames) > 500
    with Session() as session:
        for capture in (*OWN, *reversed(OWN)):
            session.load(capture)
            assert everything(session) == expected[capture], capture.name


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
            assert everything(session) == expected, (name, wanted)


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
    """Opening the sample 30 times more must cost far less than 30 of them hold (some 700 KiB each).
    sharkd itself grows by 11 MiB each time, and by some hundred KiB more or less from run to run."""
    ours, theirs = growth(True), growth(False)
    assert ours - max(theirs, 0) < 30 * 100, (ours, theirs)
    assert os.path.getsize(harness.CAPTURES / "sample.pcapng") > 100_000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network namespace and dumpcap")
def test_live_under_load():
    """The command tests/live_load, short: the table has each exchange the client made. Memory is
    measured by the long run, since start-up outweighs some thousand exchanges."""
    run = subprocess.run([harness.TOP / "tests/live_load", "--seconds", "8", "--rate", "300",
                          "--most-bytes", "100000"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing found" in run.stdout


ASAN = harness.TOP / "build-asan/wirelat.so"


def leaks(report):
    """The records of LeakSanitizer: each with its stack."""
    return [record for record in report.split("\n\n") if "leak of" in record]


@pytest.mark.skipif(not ASAN.exists(), reason="needs build-asan/wirelat.so (tests/run builds it)")
def test_nothing_leaks():
    """LeakSanitizer over open, close, open again, with tables: Wireshark has leaks of its own, which
    show that it looks; none of the stacks has a frame of ours."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wirelat-leak-"))
    plugins = folder / f".local/lib/wireshark/plugins/{harness.series()}/epan"
    plugins.mkdir(parents=True)
    shutil.copy(ASAN, plugins)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    libraries = [subprocess.run(["gcc", f"-print-file-name=lib{name}.so"], capture_output=True,
                                text=True, check=True).stdout.strip() for name in ("asan", "ubsan")]
    environment = {"HOME": folder, "LD_PRELOAD": ":".join(libraries), "G_SLICE": "always-malloc",
                   "ASAN_OPTIONS": "detect_leaks=1:fast_unwind_on_malloc=0"}
    calls = []
    for name in ("sample", "mqtt_loss", "sample"):
        capture = harness.readable(harness.CAPTURES / f"{name}.pcapng")
        calls += [("load", {"file": str(capture)}),
                  ("tap", {"tap0": "nstat:kafka,latency", "tap1": "nstat:wirelat,health",
                           "tap2": "nstat:mqtt,clients", "tap3": "nstat:wirelat,streams"})]
    text = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": method, "params": parameters})
                   + "\n" for i, (method, parameters) in enumerate(calls, 1))
    run = subprocess.run(harness.command("sharkd", "-", environment=environment.items()),
                         input=text, capture_output=True, text=True, cwd=harness.home())
    shutil.rmtree(folder, ignore_errors=True)
    assert run.stdout.count('"result"') == len(calls) and "Kafka Latency" in run.stdout, run.stderr
    assert leaks(run.stderr), run.stderr
    assert not [record for record in leaks(run.stderr) if "wirelat.so" in record]
