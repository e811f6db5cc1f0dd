"""The table of TCP streams and the path fields of exchanges against figures from raw segments.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ipaddress
import statistics

import pytest

import harness
from oracle import tcp_path

ALL = ("-o", "wirelat.all_streams:TRUE")
PUBLIC = harness.SHARED / "public/tcp"
# Streams that both ends open at once, or on equal ports, are beyond the oracle.
CAPTURES = sorted([*harness.CAPTURES.glob("*.pcapng"), *(harness.SHARED / "gen").glob("*.pcap"),
                   *PUBLIC.glob("*.pcap"),
                   *(harness.SHARED / "live").glob("*lossy*.pcapng"),
                   harness.SHARED / "live/kafka_librdkafka202_acks1.pcapng",
                   harness.SHARED / "live/mqtt_v5_qos1.pcapng"])
shared = pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")


def name(end):
    address = ipaddress.ip_address(end[0])
    return f"[{address}]:{end[1]}" if address.version == 6 else f"{address}:{end[1]}"


def expected_row(stream, d):
    half = stream.halves[d]
    rtts = [rtt / 1e6 for rtt in half.rtts] or [0]
    syn, ack = stream.span(first=True)
    last_syn, last_ack = stream.span(first=False)
    return {
        "SYN to SYN,ACK (ms)": syn / 1e6, "SYN,ACK to ACK (ms)": ack / 1e6,
        "Last SYN to SYN,ACK (ms)": last_syn / 1e6, "Last SYN,ACK to ACK (ms)": last_ack / 1e6,
        "RTTs": len(half.rtts), "RTT min (ms)": min(rtts), "RTT mean (ms)": statistics.mean(rtts),
        "RTT p50 (ms)": harness.nearest_rank(rtts, 50),
        "RTT p95 (ms)": harness.nearest_rank(rtts, 95),
        "RTT p99 (ms)": harness.nearest_rank(rtts, 99), "RTT max (ms)": max(rtts),
        "Retransmissions": half.resent, "Out of order": half.out_of_order,
        "Duplicate ACKs": half.duplicate_acks, "Zero windows": half.zero_windows,
        "Resets": half.resets, "Bytes": half.bytes, "Goodput (Mbit/s)": half.goodput,
        "Jitter (ms)": half.jitter / 1e6,
    }


def close(column, printed, expected):
    # Percentiles of many samples are right to 0.1 %.
    relative = 1.1e-3 if " p" in column else 1e-9
    return abs(float(printed) - expected) <= 0.0006 + relative * expected


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-passes"])
def test_streams(capture, passes):
    if harness.splits_streams(capture):
        pytest.skip("this Wireshark splits a stream at its SYN,ACK")
    rows = {(row["Stream"], row["From"]): row
            for row in harness.table(capture, "wirelat,streams", *ALL, *passes)}
    streams = tcp_path.streams(capture)
    wrong = []
    for stream in streams:
        for d in range(2):
            expected = expected_row(stream, d)
            row = rows.pop((str(stream.number), name(stream.ends[d])), None)
            if row is None:
                # No segment of this direction, and no ACK of it.
                assert stream.halves[d].last is None and not stream.halves[d].bytes
                continue
            wrong += [(stream.number, d, column, row[column], value)
                      for column, value in expected.items()
                      if not close(column, row[column], value)]
    assert not wrong
    assert not rows


def row_of(capture, opener=True):
    rows = harness.table(PUBLIC / capture, "wirelat,streams", *ALL)
    return [float(cell) for cell in list(rows[0 if opener else 1].values())[3:7]]


@shared
@pytest.mark.parametrize("capture, first, last", [
    ("deepflow-rtt-200ms-window-update", (216.3, 9.1), (216.3, 9.1)),
    ("deepflow-rtt-rtt-2", (10.143, 15.512), (10.143, 15.512)),
    # Wireshark's initial_rtt is that from the last SYN: 225.4 ms.
    ("deepflow-syn-retrans", (316.3, 9.1), (216.3, 9.1)),
    # First SYN to ACK 541.7 ms in both, of which 532.6 ms up to the last SYN,ACK.
    ("deepflow-syn-syn-ack-retrans", (316.3, 225.4), (432.6, 9.1)),
    ("deepflow-syn-syn-ack-retrans-2", (216.3, 325.4), (216.3, 9.1)),
    ("deepflow-client-keep-alive", (0.751, 0.074), (0.751, 0.074)),
])
def test_handshakes_that_others_published(capture, first, last):
    assert row_of(f"{capture}.pcap") == [*first, *last]


def test_other_streams_only_by_preference():
    capture = next(path for path in CAPTURES if path.stem == "sample")
    ports = {row[side].rsplit(":")[-1] for row in harness.table(capture, "wirelat,streams")
             for side in ("From", "To")}
    assert {"1883", "9092"} <= ports


def test_path_of_exchanges():
    """Each answered exchange: the smallest RTT of its requester so far, segments sent again."""
    capture = harness.CAPTURES / "kafka_loss.pcapng"
    for passes in ((), ("-2",)):
        found = [e for e in harness.events(capture, *harness.REASSEMBLE, *passes)
                 if "wirelat.kafka.response_to" in e]
        assert found
        truth = {(t["stream"], t["id"]): t["retx"]
                 for t in harness.truth(capture.with_suffix(".tsv"))}
        for event in found:
            assert harness.time_of(event, "path_rtt") == 200_000  # SYN to SYN,ACK
            key = (harness.number_of(event, "stream"), harness.number_of(event, "correlation_id"))
            # What was lost before the capture point, with nothing captured behind it, looks new.
            assert harness.number_of(event, "tcp_retransmissions") in {0, truth[key]}
        assert sum(harness.number_of(e, "tcp_retransmissions") for e in found) > 3


@shared
@pytest.mark.parametrize("side", ["client", "server"])
def test_every_drop_is_a_retransmission(side):
    """A lossy path, seen from both ends: each data segment the box dropped was sent again once."""
    run = harness.SHARED / "lab/mqtt-f10c2qos1medium_loss2"
    dropped = [d for d in harness.truth(run / "drops.tsv") if d["payload"]]
    for row in harness.table(run / f"{side}.pcapng", "wirelat,streams"):
        source, target = (int(row[end].rsplit(":", 1)[1]) for end in ("From", "To"))
        assert int(row["Retransmissions"]) == sum(
            (d["sport"], d["dport"]) == (source, target) for d in dropped)
        assert row["Out of order"] == "0"
