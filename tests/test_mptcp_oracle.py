"""The MPTCP oracle itself, before the plugin is held against it: what other tools and the programs
that sent the data say about the same captures.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import statistics

import pytest

import harness
import mptcp_expected
from oracle import mptcp, mptcp_data
from oracle import mptcp_options as mp

LAB = harness.SHARED / "mptcpv1"
PUBLIC = harness.SHARED / "public/mptcp"
EXPECTED = sorted(LAB.glob("*.expected.txt"))
OWN = sorted(harness.CAPTURES.glob("mptcp_*.pcap"))
shared = pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")

UP_NS, DOWN_NS = (10_000_000, 50_000_000), (10_000_000, 30_000_000)  # captures/record_mptcp.py
BOX_NS = 1_000_000  # the box may be early by the rounding of its clock, never by so much


def milliseconds(values):
    return [value / 1e6 for value in values]


def check_statistics(expected, values):
    """To the printed digit; its percentiles take the value at the rounded-down place, so that a
    neighbour will do."""
    assert expected["n"] == len(values)
    if values:
        ordered = sorted(milliseconds(values))
        figures = {"min": ordered[0], "mean": statistics.mean(ordered), "max": ordered[-1]}
        for name, value in figures.items():
            assert abs(expected[name] - value) < 0.0011, name
        for name, percent in (("p50", 50), ("p95", 95)):
            if name in expected:
                at = len(ordered) * percent // 100
                near = ordered[max(0, at - 2):at + 3]
                assert min(abs(expected[name] - value) for value in near) < 0.0011, name


def cumulative_rtts(connection, side):
    """Its definition of a DATA_ACK's round trip: one sample per DATA_ACK, from the first
    transmission of the segment that ends where it points; segments sent again count."""
    ends, found, acked = {}, [], 1
    for subflow, p in connection.packets():
        for o in p.options:
            if o.subtype == mp.DSS and o.data_ack is not None and subflow.side(p) != side:
                ack = mptcp.extend_ack(connection, side, o, acked)
                if ack > acked:
                    acked = ack
                    if ack in ends:
                        found.append(p.s.time - ends[ack])
        if subflow.side(p) == side and p.s.length:
            start = subflow.relative(p)
            for a, b, dsn, _ in mptcp.place(subflow, side, start, start + p.s.length):
                ends.setdefault(dsn + b - a, p.s.time)
    return found


@shared
@pytest.mark.parametrize("path", EXPECTED, ids=lambda path: path.name.split(".")[0])
def test_another_analysis(path):
    connections, strangers = mptcp.connections(path.with_name(path.name.split(".")[0] + ".pcapng"))
    expected = mptcp_expected.read(path)
    assert len(connections) == len(expected) and not strangers
    for connection, row in zip(connections, expected):
        assert connection.version == row["version"] and connection.tokens == row["tokens"]
        assert len(connection.subflows) == len(row["subflows"])
        for subflow, line in zip(connection.subflows, row["subflows"]):
            syn, answer, _, _ = subflow.steps
            assert subflow.stream.ends[subflow.opener][1] == line["port"]
            assert abs((answer.s.time - syn.s.time) / 1e6 - line["handshake"]) < 0.0011
            began = (syn.s.time - connection.subflows[0].steps[0].s.time) / 1e6
            assert abs(began - line["start"]) < 0.0011
        for direction, side in zip(mptcp_data.directions(connection), row["sides"]):
            assert connection.idsns[direction.side] == side["idsn"]
            assert direction.unique == side["unique_dsn_bytes"]
            assert direction.acked - 1 == side["data_acked"]
            assert direction.data_packets == side["data_pkts"]
            assert direction.switches == side["subflow_switches"]
            # Reinjected data that TCP sent again counts there.
            other = [r for r in direction.repeats if r.original_subflow != r.subflow
                     or (r.kind == mptcp_data.TCP_RETRANSMISSION and reinjected(direction, r))]
            assert sum(r.end - r.start for r in other) == side["reinjected_bytes"]
            assert len({r.frame for r in other}) == side["reinjected_pkts"]
            assert len(direction.held) == side["delayed"]
            assert len(direction.pieces) == side["arrived"]
            assert direction.max_buffer == side["max_buffer"]
            check_statistics(side["hol_delay"],
                             [p.released - p.time for p in direction.held])
            if "failover" not in path.name:  # it leaves three samples of reinjected data out
                check_statistics(side["data_ack_rtt"],
                                 cumulative_rtts(connection, direction.side))


def reinjected(direction, repeat):
    return any(r.kind == mptcp_data.REINJECTION and r.start < repeat.end and r.end > repeat.start
               for r in direction.repeats if r.frame < repeat.frame)


@shared
@pytest.mark.parametrize("name, index, acked, reinjected_in, rtt", [
    ("teto-client_2", 1, 1_846_245, (77_112, 29), (162, 91.087, 671.344, 3388.236)),
    ("teto-client_2", 3, 329_906 - 1, (18_564, None), None),
    ("teto-iperf-mptcp-0-0", 0, 2_359_321, (0, 0), (1658, 60.269, 64.554, 99.178)),
])
def test_mptcptrace(name, index, acked, reinjected_in, rtt):
    connection = mptcp.connections(PUBLIC / f"{name}.pcap")[0][index]
    direction = mptcp_data.directions(connection)[0]
    assert direction.acked - 1 == acked
    if rtt:
        other = [r for r in direction.repeats if r.original_subflow != r.subflow]
        assert sum(r.end - r.start for r in other) == reinjected_in[0]
        assert len({r.frame for r in other}) == reinjected_in[1]
        times = milliseconds(s.time for s in direction.map_samples)
        figures = len(times), min(times), statistics.mean(times), max(times)
        assert [round(f, 3) for f in figures] == list(rtt)


@shared
def test_checksums():
    for name, results in (("checksum-client", [[True] * 8, [True] * 6]),
                          ("mpfail1-server", [[True] * 4 + [False] + [True] * 3, []])):
        (connection,), _ = mptcp.connections(LAB / f"{name}.pcapng")
        assert [[right for _, _, right in d.checksums]
                for d in mptcp_data.directions(connection)] == results


# --- our own: what both programs counted

TRUTH = {(row["scene"], row["sport"]): row for row in harness.truth(harness.CAPTURES / "mptcp.tsv")}


def path_of(subflow):
    client = subflow.stream.ends[subflow.end(0)][0]
    return 1 if client[:2] in (b"\x0a\x3e", b"\xfd\x62") else 0


def check_own_capture(capture, truth):
    """Against what both programs counted, and the delays of the box; returns its directions."""
    scene, end = capture.stem.split("_")[1].split("-")
    rows = [row for (name, _), row in truth.items() if name == scene]
    connections, strangers = mptcp.connections(capture)
    assert len(connections) == len(rows) > 0 and not strangers
    found = []
    for connection in connections:
        row = truth[scene, connection.subflows[0].stream.ends[connection.subflows[0].opener][1]]
        assert len(connection.subflows) == (1 if scene in ("fail", "fallback") else 2)
        both = mptcp_data.directions(connection)
        found += both
        for direction, sent, read in zip(both, (row["to_server"], row["to_client"]),
                                         (row["at_server"], row["at_client"])):
            unmapped = sum(size for _, size in direction.unmapped)
            if scene == "fastclose":
                assert read <= direction.acked - 1 <= direction.unique <= sent
            elif scene == "fallback":
                assert (direction.unique, unmapped) == (0, sent)
            else:
                assert direction.unique == sent == read and not unmapped
            assert direction.unique >= direction.acked - 1 - 1  # the DATA_FIN
            if end == ("client", "server")[direction.side]:
                ways = (UP_NS, DOWN_NS) if direction.side == 0 else (DOWN_NS, UP_NS)
                for sample in direction.samples:
                    there = path_of(connection.subflows[sample.piece.subflow])
                    back = path_of(connection.subflows[sample.subflow])
                    assert sample.time > ways[0][there] + ways[1][back] - BOX_NS
    return found


@pytest.mark.parametrize("capture", OWN, ids=lambda path: path.stem)
def test_own_captures(capture):
    assert check_own_capture(capture, TRUTH)


def kinds(name, end, side):
    (connection, *_), _ = mptcp.connections(harness.CAPTURES / f"mptcp_{name}-{end}.pcap")
    direction = mptcp_data.directions(connection)[side]
    return {kind: direction.bytes_of(kind) for kind in (1, 2, 3)}


def test_own_captures_show_what_they_should():
    assert kinds("two", "client", 0) == {1: 0, 2: 0, 3: 0}
    assert kinds("cut", "client", 0)[2] > 10_000
    assert kinds("loss", "client", 0)[1] > 5_000
    assert kinds("removed", "client", 0)[2] > 10_000
    assert kinds("address", "client", 1)[3] > 10_000
    assert kinds("checksum", "server", 0)[3] > 10_000
