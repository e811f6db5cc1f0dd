"""What happens to the data of an MPTCP connection, direction by direction, in the order of the file:
first transmissions, repeated data of three kinds, DATA_ACK round trips, waiting behind gaps.

    DSN      1 ......... 100 ......... 200
    first    [--a--------][--b--------]            unique bytes
    again            [--c----]                     50 bytes of a, 30 of b: kinds by byte range

SPDX-License-Identifier: GPL-2.0-or-later
"""
import dataclasses

from . import mptcp_options as mp
from .mptcp import extend_ack, place
from .ranges import Ranges

TCP_RETRANSMISSION, REINJECTION, MPTCP_RETRANSMISSION = 1, 2, 3


def pieces_of(start, end, marked):
    """[start, end) in parts (start, end, whether it is outside the marked ranges)."""
    for a, b in marked:
        a, b = max(a, start), min(b, end)
        if a < b:
            if start < a:
                yield start, a, True
            yield a, b, False
            start = b
    if start < end:
        yield start, end, True


@dataclasses.dataclass
class Piece:
    """Bytes of one segment that no segment before it carried."""
    frame: int
    time: int
    subflow: int
    start: int
    end: int
    mapping: object
    again: bool = False    # some of it was sent again before it was acknowledged
    released: int = None   # time, when it had to wait
    released_by: int = None
    waiting: int = 0       # bytes in the reorder buffer at its arrival, itself included
    bad: bool = False      # its mapping's checksum is wrong: nothing of it was delivered
    last: bool = True      # holds the last byte of its segment


@dataclasses.dataclass
class Repeat:
    frame: int
    subflow: int
    start: int
    end: int
    kind: int
    original: int
    original_subflow: int
    delay: int
    useful: bool
    late: bool             # placed when its mapping came, after it


@dataclasses.dataclass
class Sample:
    """A round trip to the DATA_ACK in `frame`, which came on `subflow`."""
    frame: int
    subflow: int
    time: int
    piece: object


class Direction:
    """The data that one side of a connection sent."""

    def __init__(self, connection, side):
        self.connection, self.side = connection, side
        self.pieces, self.repeats, self.samples, self.map_samples = [], [], [], []
        self.advances = []      # (frame, subflow, bytes) of each DATA_ACK of something new
        self.carried = {}       # subflow -> bytes of payload that were mapped, repeats included
        self.packets = {}       # subflow -> segments with mapped payload
        self.order = []         # subflow of every segment with mapped payload
        self.sent = []          # (frame, time, subflow) of the same
        self.runs = []          # [subflow, mappings, bytes, first time, last time]
        self.acked = 1
        self.data_fin = None    # (frame, time, dsn)
        self.fin_acked = None   # (frame, time)
        self.first_data = self.last_acked = None
        self.unmapped = []      # (frame, bytes)
        self.checksums = []     # (mapping, frame that completes it, right)
        self.max_buffer = 0
        self._dsn, self._delivered, self._tcp = Ranges(), Ranges(), {}
        self._open, self._next, self._waiting = [], 1, []
        self._map_open, self._announced = [], set()
        self._payload = {}      # by mapping: its bytes, and which of them are known
        self._checked = set()
        self._late, self._new = [], []
        self._last_time = 0     # of what arrived last of all bytes before the next awaited

    # --- figures
    @property
    def unique(self):
        return sum(p.end - p.start for p in self.pieces)

    @property
    def data_packets(self):
        return len(self.order)

    def bytes_of(self, kind):
        return sum(r.end - r.start for r in self.repeats if r.kind == kind)

    def packets_of(self, kind):
        return len({r.frame for r in self.repeats if r.kind == kind})

    @property
    def switches(self):
        return sum(a != b for a, b in zip(self.order, self.order[1:]))

    @property
    def held(self):
        """Pieces that waited behind a gap, and were released."""
        return [p for p in self.pieces if p.released is not None]

    # --- in the order of the file
    def segment(self, subflow, packet):
        """Bytes whose mapping was not announced yet wait for it."""
        relative = subflow.relative(packet)
        if not packet.s.length or relative is None:
            return
        s = packet.s
        start, end = relative, relative + s.length
        tcp = self._tcp.setdefault(subflow.number, Ranges())
        again = [(a, b) for a, b, seen in tcp.parts(start, end) if seen is not None]
        mapped = list(place(subflow, self.side, start, end))
        covered = sum(b - a for a, b, _, _ in mapped)
        if covered < s.length:
            self.unmapped.append((s.frame, s.length - covered))
        if mapped:
            self.carried[subflow.number] = self.carried.get(subflow.number, 0) + covered
            self.packets[subflow.number] = self.packets.get(subflow.number, 0) + 1
            self.order.append(subflow.number)
            self.sent.append((s.frame, s.time, subflow.number))
            if self.first_data is None:
                self.first_data = s.time
        tcp.put(start, end, True)
        now = [part for part in mapped if part[3].frame <= s.frame]
        self._late += [(subflow, packet, start, again, part) for part in mapped
                       if part[3].frame > s.frame]
        self._place(s, subflow, packet, start, again, now)

    def _place(self, now, subflow, packet, start, again, mapped):
        """`now`: the segment with which all this becomes known."""
        for a, b, dsn, mapping in mapped:
            for c, d, fresh in pieces_of(a, b, again):
                last = d == mapped[-1][1]
                self._bytes(packet.s, subflow.number, dsn + c - a, dsn + d - a, mapping, not fresh,
                            last)
        self._check(subflow, packet, start, mapped)
        self._release(now, packet.s)

    def _place_late(self, now, mapping):
        for late in [late for late in self._late if late[4][3] is mapping]:
            subflow, packet, start, again, part = late
            self._place(now, subflow, packet, start, again, [part])
        self._late = [late for late in self._late if late[4][3] is not mapping]

    def _bytes(self, s, number, start, end, mapping, same_tcp, last):
        acked = max(start, min(end, self.acked))
        for a, b in ((start, acked), (acked, end)):
            for c, d, piece in list(self._dsn.parts(a, b)):
                if piece is None:
                    piece = Piece(s.frame, s.time, number, c, d, mapping)
                    piece.last = last and d == end
                    self._dsn.put(c, d, piece)
                    self.pieces.append(piece)
                    self._open.append(piece)
                    self._new.append(piece)
                    continue
                kind = (TCP_RETRANSMISSION if same_tcp else
                        MPTCP_RETRANSMISSION if piece.subflow == number else REINJECTION)
                piece.again = piece.again or d > self.acked
                useful = c >= self.acked or piece.bad
                self.repeats.append(Repeat(s.frame, number, c, d, kind, piece.frame, piece.subflow,
                                           s.time - piece.time, useful,
                                           mapping.frame > s.frame))

    def _check(self, subflow, packet, start, mapped):
        """DSS checksums of mappings whose bytes are all there now."""
        s = packet.s
        for a, b, _, m in mapped:
            if m.option.checksum is None or not m.length or id(m) in self._checked:
                continue
            data, known = self._payload.setdefault(id(m), (bytearray(m.length), Ranges()))
            b = min(b, start + len(s.payload))
            for c, d in known.put(a, b, True) if a < b else ():
                data[c - m.ssn:d - m.ssn] = s.payload[c - start:d - start]
            if sum(known.ends) - sum(known.starts) < m.length:
                continue
            self._checked.add(id(m))
            idsn = self.connection.idsns[self.side]
            right = mp.dss_sum((idsn + m.dsn) % 2**64, m.ssn, m.length + m.fin, m.option.checksum,
                               bytes(data)) == 0
            self.checksums.append((m, s.frame, right))
            if not right:
                for piece in self.pieces:
                    piece.bad = piece.bad or piece.mapping is m

    def _release(self, now, s):
        """New bytes go to the reader, or wait for those before them. What a file out of time order
        shows before what it waited for did not wait."""
        for piece in self._new:
            if piece.bad:
                continue
            self._delivered.put(piece.start, piece.end, True)
            if piece.start > self._next:
                self._waiting.append(piece)
        before = self._next
        for repeat in self.repeats[::-1]:
            if repeat.frame != s.frame:
                break
            self._delivered.put(repeat.start, repeat.end, True)
        self._next = max(self._next, self._delivered.contiguous(self._next))
        ready = [p for p in self._waiting if p.start <= self._next]
        if ready or before < self._next:
            self._last_time = max(self._last_time, now.time)
        for piece in sorted(ready, key=lambda p: p.start):
            # Filled by the same segment: it never waited.
            if piece.frame != s.frame and piece.time < self._last_time:
                piece.released, piece.released_by = self._last_time, now.frame
            self._last_time = max(self._last_time, piece.time)
        self._waiting = [p for p in self._waiting if p.start > self._next]
        buffered = sum(p.end - p.start for p in self._waiting)
        self.max_buffer = max(self.max_buffer, buffered)
        for piece in self._new:
            if piece.start > self._next and not piece.bad:
                piece.waiting = buffered
        self._new = []

    def mapping(self, m, packet):
        """A mapping announced for the first time on its subflow. One clock per last DSN, the
        DATA_FIN's too, from its first announcement on any subflow: so counts mptcptrace."""
        end = m.dsn + (m.length or 0) + m.fin
        if end > m.dsn and end not in self._announced:
            self._announced.add(end)
            self._map_open.append(m)
        if m.length != 0 and not m.part:
            if self.runs and self.runs[-1][0] == m.subflow.number:
                run = self.runs[-1]
                run[1:] = run[1] + 1, run[2] + (m.length or 0), run[3], m.time
            else:
                self.runs.append([m.subflow.number, 1, m.length or 0, m.time, m.time])
        if m.fin and self.data_fin is None:
            self.data_fin = m.frame, m.time, m.dsn + m.length
        self._place_late(packet.s, m)

    def acknowledge(self, subflow, packet, option):
        ack = extend_ack(self.connection, self.side, option, self.acked)
        if ack is None or ack <= self.acked:
            return
        s, before, self.acked = packet.s, self.acked, ack
        self.advances.append((s.frame, subflow.number, ack - before))
        # Acknowledged bytes have arrived, whether the capture shows them or not.
        self._delivered.put(self._next, ack, True)
        self._next = max(self._next, self._delivered.contiguous(self._next))
        self._waiting = [p for p in self._waiting if p.start > self._next]
        if any(piece is not None for _, _, piece in self._dsn.parts(before, ack)):
            self.last_acked = s.time
        covered = [p for p in self._open if p.end <= ack]
        self._open = [p for p in self._open if p.end > ack]
        for piece in covered:
            if piece.last and not piece.again and piece.end > before and s.time >= piece.time:
                self.samples.append(Sample(s.frame, subflow.number, s.time - piece.time, piece))
        done = [m for m in self._map_open if m.dsn + m.length + m.fin <= ack]
        self._map_open = [m for m in self._map_open if m.dsn + m.length + m.fin > ack]
        for m in done:
            if m.dsn + m.length + m.fin <= before or s.time < m.time:
                continue  # announced when it was acknowledged already
            self.map_samples.append(Sample(s.frame, subflow.number, s.time - m.time, m))
        if self.data_fin and self.fin_acked is None and ack > self.data_fin[2]:
            self.fin_acked = s.frame, s.time


def directions(connection):
    """Both directions of a connection, run over the whole file."""
    both = [Direction(connection, side) for side in range(2)]
    announced = {}
    for subflow in connection.subflows:
        for side in range(2):
            for m in subflow.mappings[side]:
                announced.setdefault(m.frame, []).append(m)
    for subflow, packet in connection.packets():
        side = subflow.side(packet)
        for m in announced.get(packet.s.frame, ()):
            both[side].mapping(m, packet)
        for option in packet.options:
            if option.subtype == mp.DSS:
                both[1 - side].acknowledge(subflow, packet, option)
        both[side].segment(subflow, packet)
    return both
