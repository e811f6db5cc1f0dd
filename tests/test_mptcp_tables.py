"""The MPTCP tables against figures from raw packets, and against what others computed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import statistics

import pytest

import harness
import mptcp_expected
from test_mptcp import CAPTURES, LAB, PUBLIC, oracle
from test_mptcp_oracle import shared

KINDS = {"TCP retransmissions": 1, "Reinjections": 2, "MPTCP retransmissions": 3}
SIZES = {"TCP retransmitted bytes": 1, "Reinjected bytes": 2, "MPTCP retransmitted bytes": 3}


def tables_of(capture, *passes):
    names = ("connections", "subflows", "paths")
    text = harness.tshark(capture, "-q", *passes,
                          *(part for name in names for part in ("-z", f"mptcp,{name}"))).out
    found = harness.tables(text)
    return [found[f"MPTCP {name.capitalize()}"] for name in names]


def times(what, values):
    """The columns of a kind of times."""
    values = [value / 1e6 for value in values]
    some = values or [0]
    return {f"{what}s": len(values), f"{what} min (ms)": min(some),
            f"{what} mean (ms)": statistics.mean(some), f"{what} max (ms)": max(some),
            **{f"{what} p{p} (ms)": harness.nearest_rank(some, p) for p in (50, 95, 99)}}


def close(column, printed, wanted):
    # Percentiles of many samples are right to 0.1 %; the last digit is rounded.
    digits = len(printed.partition(".")[2])
    slack = 0.51 * 10**-digits + (1.1e-3 * abs(wanted) if " p" in column else 1e-9 * abs(wanted))
    return abs(float(printed) - wanted) <= slack


def wrong_cells(row, wanted):
    return [(column, row[column], value) for column, value in wanted.items()
            if not (close(column, row[column], value) if isinstance(value, (int, float))
                    else row[column] == value)]


def connection_row(connection, direction):
    repeated = sum(r.end - r.start for r in direction.repeats)
    useful = sum(r.end - r.start for r in direction.repeats if r.useful)
    span = (direction.last_acked or 0) - (direction.first_data or 0)
    token = connection.tokens[direction.side]
    return {
        "Version": connection.version, "Sender's token": f"0x{token:08x}" if token else "",
        "Unique bytes": direction.unique, "DATA_ACKed bytes": direction.acked - 1,
        **{column: direction.packets_of(kind) for column, kind in KINDS.items()},
        **{column: direction.bytes_of(kind) for column, kind in SIZES.items()},
        "Useful (%)": 100 * useful / repeated if repeated else 100,
        "Switches": direction.switches if not late(direction) else None,
        "Goodput (Mbit/s)": None if span <= 0 or late(direction) else
        (direction.acked - 1) * 8e3 / span,
        **times("DATA_ACK RTT", [s.time for s in direction.samples]),
        **times("Mapping RTT", [s.time for s in direction.map_samples]),
        **times("HoL delay", [p.released - p.time for p in direction.held]),
        "Waiting max (bytes)": max((p.waiting for p in direction.pieces), default=0),
    }


def late(direction):
    """Segments stand before their mapping: the table takes them when that comes."""
    return any(p.mapping.frame > p.frame for p in direction.pieces) or \
        any(r.late for r in direction.repeats)


def known(cells):
    return {column: value for column, value in cells.items() if value is not None}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_rows(capture):
    if harness.splits_streams(capture):
        pytest.skip("this Wireshark splits a stream at its SYN,ACK")
    fields, connections, directions = oracle(capture)
    by_connection, by_subflow, _ = tables_of(capture)
    wrong = []
    rows = collections.defaultdict(list)
    for row in by_connection:
        if row["Connection"] != "-":
            rows[int(row["Connection"])].append(row)
    assert sorted(rows) == list(range(len(connections)))
    for number, (connection, both) in enumerate(zip(connections, directions)):
        for row, direction in zip(rows[number], both):
            if connection.idsns[direction.side] is None:
                continue  # the handshake is not there, or fell back
            wanted = known(connection_row(connection, direction))
            if "unordered" in capture.stem:
                wanted.pop("Goodput (Mbit/s)")  # the first data is not the first in the file
            wrong += [(number, direction.side, *cell) for cell in wrong_cells(row, wanted)]
        seen = [row for row in by_subflow if row["Connection"] == str(number)]
        assert len(seen) == 2 * len(connection.subflows)
        for at, row in enumerate(seen):
            subflow, direction = connection.subflows[at // 2], both[at % 2]
            if connection.idsns[direction.side] is not None:
                wanted = subflow_row(fields, subflow, direction)
                if "fail" in capture.stem:
                    # What an infinite mapping covers has no end: our burst ends where it begins.
                    wanted.pop("Burst mean (ms)")
                wrong += [(number, subflow.number, direction.side, *cell)
                          for cell in wrong_cells(row, wanted)]
        for side, direction in enumerate(both):
            for column in ("Contribution (%)", "With duplicates (%)"):
                total = sum(float(row[column]) for row in seen[side::2])
                # Three digits of each are rounded. Of more than four subflows it would be less exact.
                assert len(connection.subflows) <= 4
                assert abs(total - (100 if direction.unique else 0)) < 0.0021
    assert not wrong[:20]


def subflow_row(fields, subflow, direction):
    number, side = subflow.number, direction.side
    fresh = sum(p.end - p.start for p in direction.pieces if p.subflow == number)
    carried = sum(direction.carried.values())
    repeats = [r for r in direction.repeats if r.subflow == number]
    acks = [p.s.frame for p in subflow.stream.packets if subflow.side(p) != side]
    runs = [run for run in direction.runs if run[0] == number]
    return known({
        "TCP stream": subflow.stream.number,
        "Bytes": direction.carried.get(number, 0), "Unique bytes": fresh,
        "Contribution (%)": 100 * fresh / direction.unique if direction.unique else 0,
        "With duplicates (%)": 100 * direction.carried.get(number, 0) / carried if carried else 0,
        **times("TCP RTT", [rtt for frame in acks if frame in fields
                            for rtt, in fields[frame]["ack_rtt"]]),
        **times("DATA_ACK RTT", [s.time for s in direction.samples if s.piece.subflow == number]),
        "Reinjected here (bytes)": sum(r.end - r.start for r in repeats if r.kind == 2),
        "MPTCP retransmitted (bytes)": sum(r.end - r.start for r in repeats if r.kind == 3),
        "Bursts": len(runs),
        "Burst mean (bytes)": sum(run[2] for run in runs) / len(runs) if runs else 0,
        "Burst mean (ms)": sum(run[4] - run[3] for run in runs) / len(runs) / 1e6 if runs else 0,
    })


@pytest.mark.parametrize("name", ["address-client", "loss-server", "two-client"])
def test_two_passes_and_paths(name):
    capture = harness.CAPTURES / f"mptcp_{name}.pcap"
    assert tables_of(capture) == tables_of(capture, "-2")
    _, by_subflow, by_path = tables_of(capture)
    for column in ("Bytes", "Unique bytes", "TCP RTTs", "DATA_ACK RTTs", "Packets"):
        sums = collections.Counter()
        for at, row in enumerate(by_subflow):
            sums[row["Path"], "to client" if at % 2 else "to server"] += int(row[column])
        assert sums == {(row["Path"], row["Direction"]): int(row[column]) for row in by_path}


@shared
@pytest.mark.parametrize("path", sorted(LAB.glob("*.expected.txt")),
                         ids=lambda path: path.name.split(".")[0])
def test_another_analysis(path):
    by_connection, by_subflow, _ = tables_of(path.with_name(path.name.split(".")[0] + ".pcapng"))
    for number, expected in enumerate(mptcp_expected.read(path)):
        rows = [row for row in by_connection if row["Connection"] == str(number)]
        for row, side in zip(rows, expected["sides"]):
            assert int(row["Unique bytes"]) == side["unique_dsn_bytes"]
            assert int(row["DATA_ACKed bytes"]) == side["data_acked"]
            assert int(row["Switches"]) == side["subflow_switches"]
            assert int(row["HoL delays"]) == side["delayed"]
            assert int(row["Waiting max (bytes)"]) == side["max_buffer"]
        seen = [row for row in by_subflow if row["Connection"] == str(number)][::2]
        for row, subflow in zip(seen, expected["subflows"]):
            assert abs(float(row["SYN to SYN,ACK (ms)"]) - subflow["handshake"]) < 0.0011
            assert abs(float(row["Join delay (ms)"]) - subflow["start"]) < 0.0011
            assert (row["Backup"] == "yes") >= bool(subflow["backup"])


@shared
def test_mptcptrace():
    rows = tables_of(PUBLIC / "teto-client_2.pcap")[0]
    row = [row for row in rows if row["Connection"] == "1"][0]
    assert int(row["DATA_ACKed bytes"]) == 1_846_245
    # 28 packets, 75,684 bytes are first reinjections; TCP sent 1,428 bytes of them again.
    assert (row["Reinjections"], row["Reinjected bytes"]) == ("28", "75684")
    assert (row["Mapping RTTs"], row["Mapping RTT min (ms)"], row["Mapping RTT mean (ms)"],
            row["Mapping RTT max (ms)"]) == ("162", "91.087", "671.344", "3388.236")
    row = tables_of(PUBLIC / "teto-iperf-mptcp-0-0.pcap")[0][0]
    assert (row["Mapping RTTs"], row["Mapping RTT min (ms)"], row["Mapping RTT mean (ms)"],
            row["Mapping RTT max (ms)"]) == ("1658", "60.269", "64.554", "99.178")
