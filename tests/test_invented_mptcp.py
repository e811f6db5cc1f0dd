"""MPTCP nobody had in mind: invented connections against the oracle, and floods that must stay
bounded.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random
import resource

import pytest

import harness
import invented_mptcp as invented
from invented_mptcp import MS, START
from oracle import mptcp_events, mptcp_fields
from test_mptcp import differences, fields_of


def check(file, tmp_path, order=None, leave_out=()):
    capture = tmp_path / "invented.pcap"
    file.write(capture, order)
    fields, connections, both = mptcp_fields.expected(capture)
    assert connections
    two = fields_of(capture, "-2")
    assert not differences(two, fields, leave_out)[:20]
    assert {frame: groups for frame, groups in fields_of(capture).items()
            if frame not in two} == {}
    return capture, connections, both


@pytest.mark.parametrize("seed", range(25))
def test_invented(seed, tmp_path):
    """Both versions and IP versions, joins by either side, all kinds of repeats cut anew, mappings
    behind their data, low DSNs that wrap, holes."""
    _, connections, both = check(invented.scene(seed), tmp_path)
    assert len(connections) == 3
    for pair in both:
        for direction in pair:
            sizes = {kind: direction.bytes_of(kind) for kind in (1, 2, 3)}
            assert sum(direction.carried.values()) == direction.unique + sum(sizes.values())


@pytest.mark.parametrize("seed", range(100, 112))
def test_two_interfaces(seed, tmp_path):
    """One of two interfaces' packets stand up to 60 ms early or late in the file. An MP_JOIN that
    ends before its connection begins is not verified."""
    file = invented.scene(seed)
    check(file, tmp_path, invented.two_interfaces(file, random.Random(seed)), ["hmac_ok"])


def pair(version=1, keys=(71, 72), **options):
    """A connection of two subflows, ready for data: (file, peers)."""
    file = invented.File()
    peers = invented.Peers(file, random.Random(5), version, keys, **options)
    peers.subflow().handshake(START, 20 * MS)
    peers.mapped(START + 30 * MS, 0, peers.subflows[0], 1, 1000)
    peers.acknowledge(START + 50 * MS, 1, peers.subflows[0], 1001)
    peers.subflow().handshake(START + 60 * MS, 30 * MS)
    peers.acknowledge(START + 100 * MS, 1, peers.subflows[1], 1001)
    return file, peers


@pytest.mark.parametrize("version", [0, 1])
def test_dsn_wraps_at_64_bits(version, tmp_path):
    file, peers = pair(version, (invented.WRAP_64[version], 72))
    start = 2**64 - peers.idsns[0] - 2000
    assert start > 0
    for at in range(6):
        peers.mapped(START + (200 + at) * MS, 0, peers.subflows[at % 2], start + at * 700, 700)
        peers.acknowledge(START + (230 + at) * MS, 1, peers.subflows[at % 2],
                          start + (at + 1) * 700)
    peers.mapped(START + 300 * MS, 0, peers.subflows[0], start + 1300, 1400)
    # The hole is more than wirelat.mptcp.acked_bytes holds.
    _, _, ((to_server, _),) = check(file, tmp_path, leave_out=["acked"])
    assert to_server.unique == 1000 + 6 * 700
    assert to_server.acked == start + 4200 and peers.idsns[0] + to_server.acked > 2**64
    assert sum(r.end - r.start for r in to_server.repeats) == 1400


def test_infinite_mapping_and_fin(tmp_path):
    file, peers = pair()
    only = peers.subflows[0]
    start = only.next[0]
    only.send(START + 200 * MS, 0, peers.dss(0, 1001, start, 0, data_ack=1), bytes(500))
    for at in range(4):
        only.send(START + (201 + at) * MS, 0, b"", bytes(700))
    peers.mapped(START + 220 * MS, 1, only, 1, 300)
    only.send(START + 230 * MS, 1, peers.dss(1, 301, 0, 1, fin=True))
    peers.acknowledge(START + 250 * MS, 0, only, 302)
    capture, (connection,), ((to_server, to_client),) = check(file, tmp_path)
    assert (to_server.unique, to_client.unique) == (1000 + 500 + 2800, 300)
    assert to_client.fin_acked[1] - to_client.data_fin[1] == 20 * MS
    kinds = [event[1] for event in mptcp_events.events(connection, (to_server, to_client))]
    rows = harness.table(capture, "mptcp,events")
    assert sum(row["Event"].startswith("Infinite mapping") for row in rows) == 1
    assert kinds.count("Infinite mapping") == 1


@pytest.mark.parametrize("wrong", [False, True])
def test_checksums_with_data_fin(wrong, tmp_path):
    file, peers = pair(checksum=True)
    data, subflow = b"it all adds up.", peers.subflows[1]
    dss = peers.dss(0, 1001, subflow.next[0], len(data) + 1, fin=True, data=data)
    subflow.send(START + 200 * MS, 0, dss, data[:-1] + (b"!" if wrong else data[-1:]))
    _, _, ((to_server, _),) = check(file, tmp_path)
    assert [right for _, _, right in to_server.checksums] == [not wrong]


def test_data_ack_far_beyond(tmp_path):
    """A DATA_ACK of 6 GB that were not captured counts all of them."""
    file, peers = pair()
    peers.acknowledge(START + 200 * MS, 1, peers.subflows[1], 1001 + 6 * 10**9)
    capture, _, _ = check(file, tmp_path)
    assert [groups["acked"] for groups in fields_of(capture).values() if "acked" in groups] == [
        [(1000,)], [(6 * 10**9,)]]
    rows = harness.table(capture, "mptcp,connections")
    assert [row["DATA_ACKed bytes"] for row in rows] == [str(1000 + 6 * 10**9), "0"]


def same_tokens(version, address):
    """Two connections whose servers' keys have one token; number 1 is the newer. Both are joined by
    the token, the older one last. Servers have one address, or each its own."""
    file, both = invented.File(), []
    for number, key in enumerate(invented.SAME_TOKEN[version]):
        peers = invented.Peers(file, random.Random(number), version, (70 + number, key), number)
        first = peers.subflow()
        if address == "one":
            first.ends[1] = (bytes([10, 9, 9, 9]), 5001)
        first.handshake(START + number * MS, 20 * MS)
        peers.mapped(START + (30 + number) * MS, 0, first, 1, 1000)
        both.append(peers)
    assert both[0].tokens[1] == both[1].tokens[1]
    for number in (1, 0):
        peers = both[number]
        join = peers.subflow()
        join.ends[1] = peers.subflows[0].ends[1]
        join.handshake(START + (100 - number) * MS, 20 * MS)
        peers.mapped(START + (130 + number) * MS, 0, join, 1001, 500)
    return file


SHARED = "MPTCP joins whose token several connections have"


@pytest.mark.parametrize("version", [0, 1])
def test_token_of_two_hosts(version, tmp_path):
    """The address a join is sent to tells whose token it is."""
    capture, connections, both = check(same_tokens(version, "each"), tmp_path)
    assert [len(connection.subflows) for connection in connections] == [2, 2]
    assert [to_server.unique for to_server, _ in both] == [1500, 1500]
    rows = harness.table(capture, "mptcp,connections")
    assert [row["Unique bytes"] for row in rows] == ["1500", "0"] * 2
    assert SHARED not in [row["What"] for row in harness.table(capture, "wirelat,health")]
    hmacs = [groups["hmac_ok"] for groups in fields_of(capture).values() if "hmac_ok" in groups]
    assert len(hmacs) == 4 and all(value == (1,) for (value,) in hmacs)


@pytest.mark.parametrize("version", [0, 1])
def test_token_of_two_connections_of_a_host(version, tmp_path):
    """No host may give a token twice (RFC 8684 section 3.1). One that does is told: the joins are
    the newer connection's, and the HMACs of the older one's are wrong there."""
    file = same_tokens(version, "one")
    capture = tmp_path / "invented.pcap"
    file.write(capture)
    rows = {row["What"]: row for row in harness.table(capture, "wirelat,health")}
    assert rows[SHARED]["Count"] == "2"
    hmacs = [groups["hmac_ok"] for _, groups in sorted(fields_of(capture).items())
             if "hmac_ok" in groups]
    assert sorted(hmacs) == [[(0,)], [(0,)], [(1,)], [(1,)]]


@pytest.mark.parametrize("known", [False, True])
def test_unknown_tokens_are_counted(known, tmp_path):
    """Until the connection turns up, if it does."""
    file, peers = pair()
    for at in range(7):
        peers.subflow(path=3 + at).handshake(START - (10 - at) * MS if known else START + 200 * MS,
                                             MS, answered=False, unknown=not known)
    capture = tmp_path / "invented.pcap"
    file.write(capture)
    rows = {row["What"]: row for row in harness.table(capture, "wirelat,health")}
    assert rows["MPTCP joins with an unknown token"]["Count"] == ("0" if known else "7")
    assert rows["Findings"]["Count"] == ("0" if known else "1")


FLOODS = {"joins": 10_000}


def cpu_of(*arguments, **options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = harness.tshark(*arguments, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return run, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize("kind", FLOODS)
def test_floods(kind, tmp_path):
    """In all tables, and for little more work than Wireshark's own, which is not linear in them."""
    capture = tmp_path / f"{kind}.pcap"
    invented.flood(kind, FLOODS[kind]).write(capture)
    run, mine = cpu_of(capture, "-q", "-z", "mptcp,connections", "-z", "mptcp,subflows", "-z",
                       "mptcp,events", "-z", "wirelat,health")
    _, base = cpu_of(capture, "-q", "-z", "conv,mptcp", with_plugin=False)
    assert mine < 2.5 * base + 1, (mine, base)
    if kind == "forged":
        return
    rows = harness.tables(run.out)
    connection = [row for row in rows["MPTCP Connections"] if row["Connection"] == "0"]
    subflows = [sum(int(row[name]) for name in ("Subflows used", "Unused", "Failed"))
                for row in connection]
    assert subflows == [1 + (0 if kind == "unknown" else FLOODS[kind])] * 2
    assert [int(row["Unique bytes"]) for row in connection] == \
        [1000 + (100 * FLOODS[kind] if kind == "subflows" else 0), 0]
