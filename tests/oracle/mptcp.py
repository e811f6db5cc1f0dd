"""The MPTCP connections of a capture, from the bytes of its packets: which TCP streams are subflows
of what, the numbers every DSN counts from, mappings, handshake times, HMACs and events.

    capture -> streams with options -> connections by token -> mappings -> pieces in DSN order
    packets.py   (here)                 (here)                  (here)     mptcp_data.py

The whole file is read before anything is placed, so the order of its frames does not matter for who
belongs to what. Sides: 0 opened the connection, 1 answered; within a subflow its opener comes first.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import dataclasses
import functools

from . import mptcp_options as mp
from .ranges import Ranges
from .packets import ACK, RST, SYN, segments

WRAP32, WRAP64, ENDLESS = 2**32, 2**64, 2**40


@dataclasses.dataclass
class Packet:
    """A segment with its MPTCP options; `end` tells which end of its stream sent it."""
    s: object
    end: int
    options: list

    def option(self, *subtypes):
        return next((o for o in self.options if o.subtype in subtypes), None)

    @property
    def data_start(self):
        return self.s.seq + bool(self.s.flags & SYN)


class Stream:
    """One TCP stream, numbered as tcp.stream. ends[0] sent its first captured segment."""

    def __init__(self, number, source, target):
        self.number, self.ends, self.packets, self.syn_seq = number, [source, target], [], None

    @functools.cached_property
    def opener(self):
        """The end that sent the SYN, or what follows from a SYN,ACK, else the first sender."""
        for p in self.packets:
            if p.s.flags & SYN:
                return p.end if not p.s.flags & ACK else 1 - p.end
        return 0

    def isn(self, end):
        """The initial sequence number of that end, or None when no SYN was captured."""
        return self._isns[end]

    @functools.cached_property
    def _isns(self):
        return [self._find_isn(end) for end in range(2)]

    def _find_isn(self, end):
        for p in self.packets:
            if p.s.flags & SYN and p.end == end:
                return p.s.seq
        for p in self.packets:  # the other end's answer to it
            if p.s.flags & SYN and p.s.flags & ACK and p.end != end:
                return (p.s.ack - 1) % WRAP32
        return None

    def first(self, condition, after=-1):
        return next((p for p in self.packets if p.s.frame > after and condition(p)), None)


def streams(path):
    current, found = {}, []
    for s in segments(path):
        key = frozenset((s.source, s.target))
        stream = current.get(key)
        opens = s.flags & (SYN | ACK) == SYN
        # A SYN where a stream was captured without one begins another, too.
        if stream is None or (opens and stream.syn_seq != s.seq):
            stream = current[key] = Stream(len(found), s.source, s.target)
            found.append(stream)
        if opens:
            stream.syn_seq = s.seq
        stream.packets.append(Packet(s, stream.ends.index(s.source), mp.options(s.options)))
    return found


@dataclasses.dataclass
class Mapping:
    """[dsn, dsn + length) lies at [ssn, ...) of one direction of a subflow. `dsn` is relative to
    the initial DSN of the direction (the first data byte is 1) and `ssn` to the initial sequence
    number. length None: it has no end."""
    subflow: object
    side: int
    frame: int
    time: int
    ssn: int
    dsn: int
    length: int
    option: object
    fin: bool
    part: bool = False  # of another that was announced before


class Subflow:
    """A TCP stream that belongs to a connection. `opener`: the end of the stream that opened it;
    `swap`: 1 when the connection's answering side opened it."""

    def __init__(self, stream, connection, swap):
        self.stream, self.connection, self.swap, self.number = stream, connection, swap, None
        self.opener = stream.opener
        self.mappings = ([], [])  # by side, in the order of ssn

    @functools.cached_property
    def placed(self):
        """By side: which mapping holds for which relative sequence numbers; where several do, that
        which was announced first."""
        found = []
        for mappings in self.mappings:
            ranges = Ranges()
            for m in sorted(mappings, key=lambda m: m.frame):
                ranges.put(m.ssn, m.ssn + (ENDLESS if m.length is None else m.length), m)
            found.append(ranges)
        return found

    def side(self, packet):
        return (packet.end != self.opener) ^ self.swap

    def end(self, side):
        """The end of the stream that this side of the connection is."""
        return self.opener ^ side ^ self.swap

    def relative(self, packet):
        isn = self.stream.isn(packet.end)
        return None if isn is None else (packet.data_start - isn) % WRAP32

    @functools.cached_property
    def steps(self):
        """Frames of the handshake, as packets or None: first SYN, SYN/ACK, third ACK, fourth."""
        s, o = self.stream, self.opener
        kind = mp.CAPABLE if self.number == 0 else mp.JOIN
        syn = s.first(lambda p: p.s.flags & (SYN | ACK) == SYN and p.end == o)
        answer = s.first(lambda p: p.s.flags & (SYN | ACK) == SYN | ACK and p.end != o)
        third = fourth = None
        if answer:
            third = s.first(lambda p: not p.s.flags & (SYN | RST) and p.s.flags & ACK
                            and p.end == o and p.option(kind) is not None)
        if third:
            fourth = s.first(lambda p: not p.s.flags & (SYN | RST) and p.s.flags & ACK
                             and p.end != o, after=third.s.frame)
        return syn, answer, third, fourth


class Connection:
    """keys, tokens and idsns by side; None where the capture does not show them."""

    def __init__(self, version, keys):
        self.version, self.keys = version, keys
        self.tokens = [None if k is None else mp.token(version, k) for k in keys]
        self.idsns = [None if k is None else mp.idsn(version, k) for k in keys]
        self.subflows, self.checksum = [], False
        self.acked = [0, 0]   # highest DATA_ACK of what the side sent, relative (first byte is 1)
        self.fallback = None  # frame from which it is plain TCP

    def packets(self):
        """(subflow, packet) in the order of the file."""
        everything = [(f, p) for f in self.subflows for p in f.stream.packets]
        return sorted(everything, key=lambda fp: fp[1].s.frame)


def _capable_keys(stream):
    """(version, [key of the opener, key of the other]) or None."""
    keys, version, seen = [None, None], None, False
    opener = stream.opener
    for p in stream.packets:
        o = p.option(mp.CAPABLE)
        if o is None:
            continue
        seen = True
        mine = 0 if p.end == opener else 1
        version = o.version if version is None or p.s.flags & ACK else version
        for at, key in enumerate(o.keys[:2]):
            which = mine ^ at
            keys[which] = keys[which] or key
    return (version, keys) if seen else None


def _extend(value, bits, near):
    """A sequence number relative to the initial one, of which `bits` low bits are known."""
    if bits == 64:
        return (value + 2**63) % WRAP64 - 2**63
    return near + (value - near + 2**31) % WRAP32 - 2**31


def connections(path):
    """The connections of the file in the order of their MP_CAPABLE SYNs, and streams that joined
    something unknown."""
    all_streams = streams(path)
    found, strangers = [], []
    by_token = {}
    for stream in all_streams:
        known = _capable_keys(stream)
        if known is None:
            continue
        version, keys = known
        connection = Connection(version, keys)
        connection.subflows.append(Subflow(stream, connection, 0))
        found.append(connection)
        for side, token in enumerate(connection.tokens):
            if token is not None:
                by_token.setdefault(token, []).append((connection, side))
    for stream in all_streams:
        join = stream.first(lambda p: p.s.flags & (SYN | ACK) == SYN
                            and p.option(mp.JOIN) is not None)
        if join is None:
            continue
        targets = by_token.get(join.option(mp.JOIN).token, ())
        if not targets:
            strangers.append(stream)
            continue
        # The same token twice in a file: that of the address, if one has it, and of these the
        # connection that began last before the JOIN.
        targets = [t for t in targets if join.s.target[0] in _addresses(*t)] or targets
        before = [t for t in targets if t[0].subflows[0].stream.packets[0].s.frame < join.s.frame]
        connection, target = before[-1] if before else targets[0]
        connection.subflows.append(Subflow(stream, connection, 1 - target))
    for connection in found:
        _complete(connection)
    return found, strangers


def _addresses(connection, side):
    """Those a side began with or advertised."""
    first = connection.subflows[0]
    found = {first.stream.ends[first.end(side)][0]}
    for subflow, p in connection.packets():
        found |= {o.address for o in p.options if o.subtype == mp.ADD_ADDR and not o.echo
                  and subflow.side(p) == side}
    return found


def _complete(connection):
    connection.subflows[1:] = sorted(
        connection.subflows[1:],
        key=lambda f: f.stream.first(lambda p: p.s.flags & SYN).s.frame)
    for index, subflow in enumerate(connection.subflows):
        subflow.number = index
    connection.checksum = any(o.checksum_required for p in connection.subflows[0].stream.packets
                              for o in p.options if o.subtype == mp.CAPABLE)
    _map(connection)


def _map(connection):
    """Collects mappings; DSNs of 32 bits are near the highest one seen so far."""
    top, seen, ranges = [1, 1], set(), {}
    for subflow, p in connection.packets():
        side = subflow.side(p)
        idsn = connection.idsns[side]
        for o in p.options:
            if o.data_length is None or idsn is None:
                continue
            relative = subflow.relative(p)
            if o.subtype == mp.CAPABLE:
                ssn, dsn = 1, 1
            else:
                ssn = o.ssn
                dsn = _extend(o.dsn - idsn, o.dsn_bits, top[side])
                dsn = dsn if o.dsn_bits == 64 else dsn
            if relative is None:
                continue
            fin = int(o.fin)
            infinite = o.subtype == mp.DSS and o.data_length == 0
            length = None if infinite else o.data_length - fin
            if infinite and connection.fallback is None:
                connection.fallback = p.s.frame
            top[side] = max(top[side], dsn + (o.data_length or 0))
            key = subflow.number, side, ssn, dsn, length
            if key in seen or length == 0:
                if key not in seen and fin:
                    seen.add(key)
                    subflow.mappings[side].append(Mapping(subflow, side, p.s.frame, p.s.time, ssn,
                                                          dsn, 0, o, True))
                continue
            seen.add(key)
            end = ssn + (ENDLESS if length is None else length)
            announced = ranges.setdefault((subflow.number, side), Ranges())
            parts = list(announced.parts(ssn, end))
            whole = parts[0][2] if len(parts) == 1 else None
            part = whole is not None and whole.dsn - whole.ssn == dsn - ssn
            subflow.mappings[side].append(Mapping(subflow, side, p.s.frame, p.s.time, ssn, dsn,
                                                  length, o, bool(fin), part))
            announced.put(ssn, end, subflow.mappings[side][-1])
    for subflow in connection.subflows:
        for mappings in subflow.mappings:
            mappings.sort(key=lambda m: m.ssn)


def extend_ack(connection, side, option, near):
    """A DATA_ACK of what `side` sent, relative to its initial DSN; None when that is unknown."""
    if option.data_ack is None or connection.idsns[side] is None:
        return None
    return _extend(option.data_ack - connection.idsns[side], option.ack_bits, near)


def place(subflow, side, start, end):
    """[start, end) of a subflow's direction (relative sequence numbers) as (start, end, dsn,
    mapping); what no mapping covers is left out."""
    for a, b, m in subflow.placed[side].parts(start, end):
        if m is not None:
            yield a, b, m.dsn + a - m.ssn, m
