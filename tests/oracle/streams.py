"""TCP connections: which byte of a direction came first in which frame, and when it was acked.

    segments:   |--- frame 4 ---|      |--- frame 7 ---|
                        |--- frame 9 (sent again) ---|
    pieces:     |--- frame 4 ---| f. 9 |--- frame 7 ---|     a byte belongs to its first arrival

Offsets count from the byte after the SYN (or from the first one seen), 32-bit wrap removed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import bisect
import collections

from .packets import ACK, FIN, RST, SYN, segments

# Bytes [start, end) of a direction as they arrived first. `data` is shorter when cut.
Piece = collections.namedtuple("Piece", "start end frame time data")
Place = collections.namedtuple("Place", "first_frame first_time last_frame last_time")


class Half:
    """One direction of a connection."""

    def __init__(self):
        self.base = None     # sequence number of offset 0
        self.reached = 0     # near which offset to place a 32-bit number
        self.starts, self.pieces = [], []
        self.acks = []       # (offset, frame, time) of the other side, growing
        self.with_syn = False

    def offset(self, seq):
        if self.base is None:
            self.base = seq
        near = (self.base + self.reached) & 0xFFFFFFFF
        return self.reached + ((seq - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000

    def add(self, segment):
        start = self.offset(segment.seq)
        end = start + segment.length
        self.reached = max(self.reached, end)
        while start < end:
            i = bisect.bisect_right(self.starts, start)
            if i > 0 and self.pieces[i - 1].end > start:
                start = self.pieces[i - 1].end
                continue
            stop = min(end, self.starts[i]) if i < len(self.starts) else end
            skip = start - (end - segment.length)
            piece = Piece(start, stop, segment.frame, segment.time,
                          segment.payload[skip:skip + stop - start])
            self.starts.insert(i, start)
            self.pieces.insert(i, piece)
            start = stop

    def acknowledged(self, segment):
        """The other side acknowledges this direction."""
        offset = self.offset(segment.ack)
        if not self.acks or offset > self.acks[-1][0]:
            self.acks.append((offset, segment.frame, segment.time))

    def ack_of(self, end):
        """(frame, time) of the first acknowledgement of everything before `end`, or None."""
        i = bisect.bisect_left(self.acks, (end,))
        return self.acks[i][1:] if i < len(self.acks) else None

    def between(self, start, end):
        i = max(bisect.bisect_right(self.starts, start) - 1, 0)
        while i < len(self.pieces) and self.pieces[i].start < end:
            if self.pieces[i].end > start:
                yield self.pieces[i]
            i += 1

    def place(self, start, end):
        """Where and when the bytes arrived; None if some are missing or cut."""
        at, last, first = start, None, None
        for piece in self.between(start, end):
            known = piece.start + len(piece.data)
            if piece.start > at or min(piece.end, end) > known:
                return None
            first = first or piece
            last = piece if last is None or piece.frame > last.frame else last
            at = piece.end
        if first is None or at < end:
            return None
        return Place(first.frame, first.time, last.frame, last.time)

    def runs(self):
        """(offset, bytes) of what is known without a gap."""
        start, parts, at = None, [], None
        for piece in self.pieces:
            if start is None or piece.start != at:
                if start is not None:
                    yield start, b"".join(parts)
                start, parts = piece.start, []
            parts.append(piece.data)
            at = piece.start + len(piece.data)
            if at < piece.end:
                yield start, b"".join(parts)
                start = None
        if start is not None:
            yield start, b"".join(parts)


class Connection:
    """halves[0] is what the opener (or the first seen sender) says."""

    def __init__(self, number, opener, other):
        self.number, self.ends, self.halves = number, (opener, other), (Half(), Half())
        self.opener_known = False
        self.closings = []   # (frame, time, side, is a reset)

    def side(self, segment):
        return self.ends.index(segment.source) if self.ends[0] != self.ends[1] else 0


def connections(path):
    """The TCP connections of a capture in the order of their first segment, which is how
    tcp.stream counts. A SYN with another sequence number opens a new one on the same ports."""
    current, found = {}, []
    for segment in segments(path):
        key = frozenset((segment.source, segment.target))
        connection = current.get(key)
        opens = segment.flags & (SYN | ACK) == SYN
        if connection is not None and opens:
            half = connection.halves[connection.side(segment)]
            if half.base is not None and half.base != (segment.seq + 1) & 0xFFFFFFFF:
                connection = None
        if connection is None:
            connection = Connection(len(found), segment.source, segment.target)
            if segment.flags & (SYN | ACK) == SYN | ACK:
                connection = Connection(len(found), segment.target, segment.source)
            connection.opener_known = bool(segment.flags & SYN)
            current[key] = connection
            found.append(connection)
        side = connection.side(segment)
        half, other = connection.halves[side], connection.halves[1 - side]
        if segment.flags & SYN:
            half.base, half.with_syn = (segment.seq + 1) & 0xFFFFFFFF, True
        elif segment.length:
            half.add(segment)
        elif half.base is None:
            half.base = segment.seq
        if segment.flags & ACK:
            other.acknowledged(segment)
        if segment.flags & (FIN | RST):
            connection.closings.append((segment.frame, segment.time, side,
                                        bool(segment.flags & RST)))
    return found
