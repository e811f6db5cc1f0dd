"""Captures that are cut, fuzzed, start in mid-stream, run backwards or flood: no crash, nothing on
stderr that Wireshark does not say by itself, no pairing across streams, everything counted.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import compare
import harness

OWN = sorted(harness.CAPTURES.glob("*.pcap*"))
SHARED = sorted(path for folder in ("live", "public/mqtt", "public/kafka", "public/tcp",
                                    "public/mptcp", "mptcpv1")
                for path in (harness.SHARED / folder).glob("*.pcap*"))
PORTS = ("-o", "wirelat.kafka_tcp_ports:9093-9094,9292-9294,33197,33551,36333",
         "-o", "wirelat.mqtt_tcp_ports:1884,31883",
         "-o", "wirelat.mqttsn_udp_ports:1885")
ALL_TABLES = tuple(part for name in (*compare.statistics(), "wirelat,exchanges,/dev/null")
                   for part in ("-z", name))


def name_of(path):
    return f"{path.parent.name}-{path.stem}"


def said(run):
    """The messages on stderr, without the number of the process and the time of day."""
    return set(re.sub(r"\(tshark:\d+\) [\d:.]+", "(tshark)", run.err).splitlines())


def quiet(capture, *arguments, environment=()):
    """Runs with everything on; says no more than Wireshark without us."""
    ours = harness.tshark(capture, *arguments, *PORTS, "-V", *ALL_TABLES, check=False,
                          environment=environment)
    theirs = harness.tshark(capture, "-V", with_plugin=False, check=False)
    assert ours.code == theirs.code, ours.err
    assert said(ours) <= said(theirs)
    return ours


@pytest.mark.parametrize("capture", OWN + SHARED, ids=name_of)
def test_says_nothing_of_its_own(capture):
    if capture.stat().st_size > 500_000:
        pytest.skip("the big ones run in test_sanitized")
    quiet(capture, environment={"WIRESHARK_DEBUG_WMEM_OVERRIDE": "strict"}.items())


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return tmp_path_factory.mktemp("bad")


def edited(workshop, capture, *arguments, without=()):
    """What editcap makes of a capture; `without` some of its frames."""
    result = workshop / f"{capture.stem}-{abs(hash((arguments, without)))}.pcapng"
    subprocess.run(["editcap", *arguments, capture, result, *without], check=True,
                   capture_output=True)
    return result


# Of the captures that were taken at both ends one will do.
EITHER_END = [path for path in OWN if not path.stem.endswith("-server")]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("capture", EITHER_END, ids=name_of)
def test_fuzzed(workshop, capture, seed):
    quiet(edited(workshop, capture, "-E", "0.02", "--seed", str(seed), "-o", "54"))


@pytest.mark.parametrize("capture", EITHER_END, ids=name_of)
@pytest.mark.parametrize("edit", [("-s", "96"), ("-s", "60"), ("-C", "54:7", "-L")],
                         ids=["snap-96", "snap-60", "chopped"])
def test_cut(workshop, capture, edit):
    run = quiet(edited(workshop, capture, *edit))
    assert "wirelat" not in run.err


@pytest.mark.parametrize("capture", [
    path for path in OWN if path.stem not in ("mqttsn", "mqtt_websocket")
    and not path.stem.startswith("mptcp")], ids=name_of)
def test_start_in_mid_stream(workshop, capture):
    late = edited(workshop, capture, without=("1-37",))
    streams = {int(f): s for f, s in harness.plain_fields(late, ["frame.number", "tcp.stream"])}
    for event in harness.events(late, *PORTS, "-2"):
        for link in ("response_to", "ack_to", "retry_of", "leg_of"):
            other = harness.number_of(event, link)
            assert other is None or streams[other] == streams[event["frame"]]
    rows = {row["What"]: int(row["Count"]) for row in harness.table(late, "wirelat,health", *PORTS)}
    orphans = sum(f"{event['protocol']}.orphan" in event for event in harness.events(late, *PORTS))
    assert rows.get("Answers whose request was not captured", 0) == orphans
    assert rows["Streams without handshake"] > 0


def test_time_running_backwards(workshop):
    """Every second packet an hour early: times are negative, and stay so."""
    capture = harness.CAPTURES / "kafka_basic.pcapng"
    early = edited(workshop, capture, "-t", "-3600")
    merged = workshop / "backwards.pcapng"
    subprocess.run(["mergecap", "-a", "-I", "none", "-w", merged, capture, early], check=True)
    quiet(merged)
    for event in harness.events(merged, check=False):
        time = harness.time_of(event, "time")
        parts = [harness.time_of(event, part)
                 for part in ("request_spread", "service_time", "response_spread")]
        assert time is None or time == sum(parts)


def test_flood_of_packets_in_a_frame(workshop):
    """More than 56,000 MQTT packets in 38 frames: every one is paired."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.utils import wrpcap

    frames, per_frame = 19, 1482
    packets, sequence = [], {40000: 1, 1883: 1}
    for _ in range(frames):
        for source, target, packet in ((40000, 1883, b"\xc0\0"), (1883, 40000, b"\xd0\0")):
            packets.append(Ether() / IP(src="10.0.0.1", dst="10.0.0.1") / TCP(
                sport=source, dport=target, flags="PA", seq=sequence[source],
                ack=sequence[target]) / (packet * per_frame))
            sequence[source] += len(packet) * per_frame
    capture = workshop / "flood.pcap"
    wrpcap(str(capture), packets)
    quiet(capture)
    (row,) = harness.table(capture, "mqtt,latency")
    assert (row["Exchange"], row["Requests"], row["Answered"]) == \
        ("Ping", str(frames * per_frame), str(frames * per_frame))


@pytest.mark.parametrize("preference", ["wirelat.kafka_tcp_ports:9092-x",
                                        "wirelat.mqtt_tcp_ports:70000"])
def test_wrong_preference_gets_wiresharks_own_error(preference):
    run = harness.tshark(OWN[0], "-o", preference, check=False)
    assert run.code != 0 and preference.split(":")[1] in run.err


@pytest.mark.parametrize("bound", [1, 3])
def test_bound_of_pending_requests(bound):
    """Pipelined requests beyond the bound: the oldest are forgotten, and counted."""
    capture = harness.CAPTURES / "kafka_framing.pcapng"
    options = ("-o", f"wirelat.pending_per_stream:{bound}")
    rows = {row["What"]: int(row["Count"]) for row in harness.table(capture, "wirelat,health",
                                                                    *options)}
    assert rows["Requests forgotten at the bound of pending ones"] > 0
    assert rows["Answers whose request was not captured"] == \
        rows["Requests forgotten at the bound of pending ones"]


ASAN = harness.TOP / "build-asan/wirelat.so"
ASAN_BATCH = 24


def sanitizers():
    return [subprocess.run(["gcc", f"-print-file-name=lib{name}.so"], capture_output=True,
                           text=True).stdout.strip() for name in ("asan", "ubsan")]


@pytest.fixture(scope="module")
def sanitized_home():
    """Not below pytest's own folder, which it closes to others when it starts once more."""
    with tempfile.TemporaryDirectory(prefix="wirelat-asan-") as home:
        folder = os.path.join(home, f".local/lib/wireshark/plugins/{harness.series()}/epan")
        os.makedirs(folder)
        shutil.copy(ASAN, folder)
        if os.geteuid() == 0:
            os.chown(home, harness.NOBODY, harness.NOBODY)
        yield home


@pytest.mark.skipif(not ASAN.exists(), reason="needs build-asan/wirelat.so (tests/run builds it)")
@pytest.mark.parametrize("batch", range(0, max(len(OWN + SHARED), 1), ASAN_BATCH))
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_sanitized(sanitized_home, batch, passes):
    """AddressSanitizer and UndefinedBehaviorSanitizer in stock tshark, over every capture."""
    environment = {
        "HOME": sanitized_home, "LD_PRELOAD": ":".join(sanitizers()), "G_SLICE": "always-malloc",
        "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1",
        "WIRESHARK_DEBUG_WMEM_OVERRIDE": "simple",
    }
    for capture in (OWN + SHARED)[batch:batch + ASAN_BATCH]:
        run = harness.tshark(capture, *passes, *PORTS, *harness.REASSEMBLE, "-V", *ALL_TABLES,
                             check=False, environment=environment.items())
        assert run.code in (0, 2), (capture, run.err)
        assert "Sanitizer" not in run.err and "runtime error" not in run.err, (capture, run.err)
        assert "Wirelat Health" in run.out, capture
