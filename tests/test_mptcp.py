"""MPTCP, field by field and frame by frame, against figures from raw packets.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import functools

import pytest

import harness
from oracle import mptcp_events, mptcp_fields
from oracle import mptcp_options as mp
from sharkd import Session, needed

LAB, PUBLIC = harness.SHARED / "mptcpv1", harness.SHARED / "public/mptcp"
CAPTURES = [*sorted(harness.CAPTURES.glob("mptcp_*.pcap")), *sorted(LAB.glob("*.pcap*")),
            *sorted(PUBLIC.glob("*.pcap"))]
# Known from the second pass on.
SECOND_PASS = {"hol_delay"}
NAMES = [name for group in mptcp_fields.GROUPS.values() for name in group]


def value(name, text):
    if name.endswith(("_time", "_delay", "_rtt", "hol_max")):
        return harness.nanoseconds(text)
    if name == "path":
        return text
    return {"True": 1, "False": 0}.get(text) if text in ("True", "False") else int(text, 0)


@functools.cache
def fields_of(capture, *passes):
    """{frame: {group: sorted tuples}} as tshark prints them."""
    rows = harness.plain_fields(capture, ["frame.number", *(f"wirelat.mptcp.{n}" for n in NAMES)],
                                *passes, "-E", "aggregator=;", "-Y", "wirelat.mptcp")
    found = {}
    for frame, *cells in rows:
        by_name = {name: [value(name, text) for text in cell.split(";")] if cell else []
                   for name, cell in zip(NAMES, cells)}
        found[int(frame)] = {
            group: collapse(group, list(zip(*(by_name[name] for name in names))))
            for group, names in mptcp_fields.GROUPS.items() if by_name[names[0]]}
    return found


def collapse(group, tuples):
    """New bytes: a 0 is none."""
    if group == "unique":
        tuples = [(size,) for size, in tuples if size]
    return sorted(tuples)


@functools.cache
def oracle(capture):
    """(fields by frame, connections, directions of each)"""
    return mptcp_fields.expected(capture)


def differences(found, fields, leave_out=()):
    wrong = []
    for frame in sorted(found.keys() | fields.keys()):
        for group in mptcp_fields.GROUPS:
            if group in leave_out:
                continue
            got = found.get(frame, {}).get(group, [])
            want = collapse(group, fields[frame][group]) if frame in fields else []
            if got != want:
                wrong.append((frame, group, got, want))
    return wrong


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_fields(capture):
    if harness.splits_streams(capture):
        pytest.skip("this Wireshark splits a stream at its SYN,ACK")
    fields = oracle(capture)[0]
    assert not differences(fields_of(capture, "-2"), fields)[:20]
    if capture.parent != PUBLIC:  # one of these holds no connection at all
        assert len(fields) > 30


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_passes_agree(capture):
    """What one pass shows is what two show, but for what waits for later frames: second-pass fields,
    and all of a frame whose connection or mapping was not known yet."""
    one, two = fields_of(capture), fields_of(capture, "-2")
    late = 0
    for frame, groups in two.items():
        for group, values in groups.items():
            if one.get(frame, {}).get(group) == values:
                continue
            assert group in SECOND_PASS or frame in late_frames(capture), (frame, group)
            late += group not in SECOND_PASS
    assert not any(group in SECOND_PASS for groups in one.values() for group in groups)
    assert all(group in two[frame] for frame, groups in one.items() for group in groups)


@functools.cache
def late_frames(capture):
    """Frames that come before what tells their connection or their data's place."""
    late = set()
    for connection, both in zip(*oracle(capture)[1:]):
        known = [min((p.s.frame for f, p in connection.packets() for o in p.options
                      if o.subtype == mp.CAPABLE and keys_at(o, f, p, side)), default=1 << 60)
                 for side in range(2)]
        for subflow, p in connection.packets():
            # A JOIN is known by the token of one side, the numbers of a side by its key.
            if p.s.frame < max(known):
                late.add(p.s.frame)
        for direction in both:
            late |= {piece.frame for piece in direction.pieces
                     if piece.mapping.frame > piece.frame}
            late |= {r.frame for r in direction.repeats if r.late}
    return late


def keys_at(option, subflow, packet, side):
    sender = subflow.side(packet)
    return len(option.keys) > (0 if sender == side else 1)


@pytest.mark.parametrize("name", ["two-client", "cut-client", "address-server", "loss-server"])
def test_filters_change_nothing(name):
    capture = harness.CAPTURES / f"mptcp_{name}.pcap"
    everything = fields_of(capture, "-2")
    rows = harness.plain_fields(capture, ["frame.number", "wirelat.mptcp.dack_rtt"], "-2", "-Y",
                                "wirelat.mptcp.dack_rtt", "-E", "aggregator=;")
    assert {int(frame): sorted(harness.nanoseconds(t) for t in cell.split(";"))
            for frame, cell in rows} == \
        {frame: [rtt for rtt, _, _ in groups["dack_rtt"]]
         for frame, groups in everything.items() if "dack_rtt" in groups}


@needed
@pytest.mark.parametrize("name", ["address-client", "loss-server"])
def test_sharkd(name):
    capture = harness.CAPTURES / f"mptcp_{name}.pcap"
    rows = fields_of(capture, "-2")
    with Session() as session:
        session.load(capture)
        for frame in sorted(rows)[::7]:
            shown = collections.defaultdict(list)
            for field, text in session.frame(frame):
                shown[field.removeprefix("wirelat.mptcp.")].append(text)
            for group in ("dack_rtt", "map_rtt", "hol_delay", "reorder", "unique", "acked"):
                field = mptcp_fields.GROUPS[group][0]
                values = sorted(value(field, text) for text in shown[field])
                assert [v for v in values if v or group != "unique"] == \
                    [v[0] for v in rows[frame].get(group, [])]


# --- events

@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_events(capture):
    if harness.splits_streams(capture):
        pytest.skip("this Wireshark splits a stream at its SYN,ACK")
    wanted = []
    for number, (connection, both) in enumerate(zip(*oracle(capture)[1:])):
        for event in mptcp_events.events(connection, both):
            wanted.append((*event[:2], str(number), event[3]))
    shown, others = [], []
    for row in harness.table(capture, "mptcp,events"):
        kind = next((k for k in EVENTS if row["Event"].startswith(k)), None)
        detail = row["Event"][len(kind or ""):].strip(" ,:")
        frame = int(row["Frame"])
        if kind == "Data stopped":
            frame, detail = int(row["About frame"]), detail.split(" (")[0]
        if kind == "MP_TCPRST":
            detail = detail.split(" (")[0]
        if kind is None or row["Connection"] == "-":
            others.append(row["Event"])
        else:
            shown.append((frame, kind, row["Connection"], detail))
    assert sorted(shown) == sorted(wanted)
    if "mptcp_fallback" in capture.stem:
        assert others == ["Fallback in the handshake"]
    elif "mpfail1" in capture.stem:
        assert others == ["Fallback: data without mapping"]
    elif capture.parent != PUBLIC:
        assert not others


EVENTS = ("ADD_ADDR echo", "ADD_ADDR", "REMOVE_ADDR", "MP_PRIO", "MP_FAIL", "MP_FASTCLOSE",
          "MP_TCPRST", "Infinite mapping", "MP_JOIN", "DATA_FIN acknowledged", "DATA_FIN",
          "Checksum required", "RST", "Data started", "Data stopped")
