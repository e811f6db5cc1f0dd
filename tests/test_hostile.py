"""Captures made to exhaust: small ones in linear time, bounds that hold, and nothing lost in silence.

The full sizes are a command: tests/hostile.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.machinery
import importlib.util
import struct
import subprocess
import sys

import pytest
from scapy.utils import RawPcapReader

import harness

sys.path.insert(0, str(harness.CAPTURES))
from gen import hostile  # noqa: E402

COMMAND = harness.TOP / "tests/hostile"
FORGOTTEN = "Segments or names forgotten at their bound"
EVICTED = "Requests forgotten at the bound of pending ones"


@pytest.fixture
def capture(tmp_path):
    def make(shape, count):
        path = tmp_path / f"{shape}.pcap"
        hostile.write(shape, count, path)
        return path
    return make


def health(path, *arguments):
    return {row["What"]: int(row["Count"])
            for row in harness.table(path, "wirelat,health", *arguments)}


@pytest.mark.parametrize("shape", hostile.SHAPES)
def test_linear_and_counted(shape):
    """What the command does, small: growth, and every item in a table. MPTCP's full sizes are small
    themselves, but for the streams without handshake: of those, more than are followed."""
    scale = {"mptcp-apart": 0.3}.get(shape, 0.5 if shape.startswith("mptcp") else 0.02)
    run = subprocess.run([COMMAND, "--scale", str(scale), shape], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_command_notices():
    """A table that says other than it must, or lacks a row, is no success."""
    loader = importlib.machinery.SourceFileLoader("hostile_command", str(COMMAND))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    run = module.Run.__new__(module.Run)
    run.health, run.tables = {}, {"MQTT Latency": [{"Answered": "7"}]}
    assert module.wrong("rtt", 7, run) == ""
    assert module.wrong("rtt", 8, run) == "7 is not 8"
    assert "Streams without handshake" in module.wrong("streams", 7, run)


@pytest.mark.parametrize("bound", ["pending_total", "pending_per_stream"])
def test_bound_of_pending_requests(capture, bound):
    """Of 20,000 requests on 400 connections all are in the table, and the rest of the bound is."""
    path = capture("unanswered", 20_000)
    kept = 1000 if bound == "pending_total" else 400 * 10
    option = ("-o", f"wirelat.{bound}:{1000 if bound == 'pending_total' else 10}")
    assert health(path, *option)[EVICTED] == 20_000 - kept
    (row,) = harness.table(path, "kafka,latency", *option)
    assert (row["Requests"], row["Open"]) == ("20000", "20000")


@pytest.mark.parametrize("table, column", [("kafka,clients", "Client"), ("mqtt,latency", None)])
def test_bound_of_rows(capture, table, column):
    """5,000 names in a table of 100 rows: the row (other) has all the others."""
    rows = harness.table(capture("names", 5000), table, "-o", "wirelat.table_rows:100")
    assert sum(int(row["Answered"]) for row in rows) == 5000
    if column:
        assert len(rows) == 101
        (other,) = [row for row in rows if next(iter(row.values())) == "(other)"]
        assert int(other["Answered"]) == 4900


def test_bound_of_names(capture):
    """1,100 topics of 65,000 bytes are more than the 64 MiB that are kept of names."""
    path = capture("topics", 1100)
    kept = (64 << 20) // (65_000 + 48)
    assert 0 <= health(path)[FORGOTTEN] - (1100 - kept) <= 1
    (row,) = harness.table(path, "mqtt,latency")
    assert row["Answered"] == "1100"


def test_bound_of_stream_frames(capture):
    path = capture("streams", 500)
    assert health(path, "-o", "wirelat.stream_frames:600")[FORGOTTEN] == 400
    assert FORGOTTEN not in health(path)


def test_wrap_of_what_is_outstanding(capture):
    """70,000 segments of 64,000 bytes, none acknowledged: more than sequence numbers can count."""
    path = capture("outstanding", 70_000)
    found = health(path)
    assert found["Frames cut by the snap length"] == 70_000
    assert found["Messages refused as impossible"] == 70_000
    row = harness.table(path, "wirelat,streams")[0]
    assert float(row["Bytes"]) == 70_000 * 64_000


def block(kind, body):
    """Of pcapng."""
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(path, packets, link=1):
    """A capture of (unit, time, bytes): of each unit, a clock that ticks in 10**-unit seconds."""
    units = sorted({unit for unit, _, _ in packets})
    with open(path, "wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for unit in units:
            file.write(block(1, struct.pack("<HHI", link, 0, 0)
                             + struct.pack("<HHB3xHH", 9, 1, unit, 0, 0)))
        for unit, time, packet in packets:
            file.write(block(6, struct.pack("<5I", units.index(unit), time >> 32, time & 0xFFFFFFFF,
                                            len(packet), len(packet)) + packet))


def ping(number):
    """PINGREQ and PINGRESP in turn."""
    ends = [(hostile.CLIENT, 40_000), (hostile.SERVER, hostile.MQTT)]
    (source, target), payload = (ends[::-1], b"\xd0\0") if number % 2 else (ends, b"\xc0\0")
    return hostile.HEADER.pack(
        b"\2\0\0\0\0\1\2\0\0\0\0\2", 0x0800, 0x45, 0, 42, number, 0x4000, 64, 6, 0, source[0],
        target[0], source[1], target[1], 1 + number // 2 * 2, 1 + (number + 1) // 2 * 2, 0x50,
        0x18, 64_000, 0, 0) + payload


def ping_sn(number):
    """The same of MQTT-SN over UDP: PINGREQ names the client."""
    ends = [(b"\x0a\0\0\1", 40_000), (b"\x0a\0\0\2", 1885)]
    (source, target), payload = (ends[::-1], b"\2\x17") if number % 2 else (ends, b"\3\x16c")
    udp = struct.pack(">4H", source[1], target[1], 8 + len(payload), 0) + payload
    return (b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0x4000, 64, 17, 0, source[0], target[0])
        + udp)


def test_times_centuries_off(tmp_path):
    """Times that 64 bits of nanoseconds cannot tell apart are refused, and counted; the pings
    between them keep theirs."""
    path = tmp_path / "times.pcapng"
    times = [1_700_000_000, 1_700_000_002, 2**62, 2**62 + 1, 1_700_000_010, 1_700_000_013]
    pcapng(path, [(0, time, ping(i)) for i, time in enumerate(times)])
    (row,) = harness.table(path, "mqtt,latency")
    assert (row["Requests"], row["Answered"], row["Max (ms)"]) == ("2", "2", "3000.000")
    assert health(path)["Messages refused as impossible"] == 2


def test_times_of_datagrams_centuries_off(tmp_path):
    """The same of MQTT-SN, and an answer centuries after its request."""
    path, port = tmp_path / "times.pcapng", ("-o", "wirelat.mqttsn_udp_ports:1885")
    times = [1_700_000_000, 1_700_000_002, 2**62, 2**62 + 1, 1_700_000_010, 2**62 + 7]
    pcapng(path, [(0, time, ping_sn(i)) for i, time in enumerate(times)])
    (row,) = harness.table(path, "mqttsn,latency", *port)
    assert (row["Requests"], row["Answered"], row["Max (ms)"]) == ("2", "1", "2000.000")
    assert health(path, *port)["Messages refused as impossible"] == 3


def test_first_frame_centuries_off(tmp_path):
    """The start of a connection is told from the first frame all the same."""
    path, reader = tmp_path / "times.pcapng", RawPcapReader(
        str(harness.CAPTURES / "mptcp_two-client.pcap"))
    packets = [(9, meta.sec * 10**9 + meta.usec, packet) for packet, meta in reader]
    pcapng(path, [(0, 2**62, packets[0][2]), *packets[1:]], link=reader.linktype)
    since = float(packets[1][1] // 10**9 - 2**62)  # a double has no digits left for less
    assert {float(row["Start (s)"]) for row in harness.table(path, "mptcp,connections")} == {since}
    assert {float(row["Time (s)"]) for row in harness.table(path, "mptcp,events")} == {since}
