"""TCP path figures of every stream, from raw segments: what the table wirelat,streams must show.

    seen:    [----]      [-------]          bytes of a direction that were captured
    jumps:         <since>                  when the gap before a segment was skipped

A segment of nothing but seen bytes was sent again. One that fills a gap was sent again when it
comes at least a path round trip after the gap (or after its bytes were acknowledged): sooner, it
is out of order. An RTT sample needs an ACK at the very end of a segment, nothing of the direction
sent again or out of order since that segment, and none of it among what the ACK newly covers.

Offsets count from the first sequence number of a direction, 32-bit wrap removed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import bisect
import dataclasses

from .packets import ACK, FIN, RST, SYN, segments

REORDER = 3_000_000
JITTER_GAP = 10**9


@dataclasses.dataclass
class Half:
    """One direction. Figures as the table names them; lists hold nanoseconds."""
    base: int = None
    top: int = None        # after the last byte seen or acknowledged
    starts: list = dataclasses.field(default_factory=list)
    ends: list = dataclasses.field(default_factory=list)
    jumps: list = dataclasses.field(default_factory=list)  # (from, to, since or None if acked)
    acked: int = None
    unacked: list = dataclasses.field(default_factory=list)  # (end, time)
    resent_end: int = None
    data_end: int = None
    window: int = None
    last: int = None
    last_gap: int = None
    rtts: list = dataclasses.field(default_factory=list)
    rtt_frames: list = dataclasses.field(default_factory=list)  # of the ACKs, as rtts
    jitters: list = dataclasses.field(default_factory=list)
    resent: int = 0
    out_of_order: int = 0
    duplicate_acks: int = 0
    zero_windows: int = 0
    resets: int = 0
    bytes: int = 0
    first_data: int = None
    last_data: int = None

    def offset(self, number):
        if self.base is None:
            self.base = number
        near = self.base + max(self.top or 0, self.acked or 0)
        return near - self.base + (number - near + 2**31) % 2**32 - 2**31

    def missing(self, start, end):
        """The parts of [start, end) not seen so far."""
        i = bisect.bisect_right(self.ends, start)
        while start < end:
            if i == len(self.starts) or self.starts[i] >= end:
                yield start, end
                return
            if self.starts[i] > start:
                yield start, self.starts[i]
            start = max(start, self.ends[i])
            i += 1

    def see(self, start, end):
        i = bisect.bisect_left(self.ends, start)
        j = bisect.bisect_right(self.starts, end)
        if i < j:
            start, end = min(start, self.starts[i]), max(end, self.ends[j - 1])
        self.starts[i:j], self.ends[i:j] = [start], [end]

    def min_rtt(self):
        return min(self.rtts, default=None)

    @property
    def goodput(self):
        """Mbit/s."""
        if not self.bytes or self.last_data == self.first_data:
            return 0
        return self.bytes * 8e3 / (self.last_data - self.first_data)

    @property
    def jitter(self):
        return sum(self.jitters) / len(self.jitters) if self.jitters else 0


class Stream:
    """ends[0] sent the first captured segment."""

    def __init__(self, number, source, target):
        self.number, self.ends, self.halves = number, (source, target), (Half(), Half())
        self.syns, self.synacks, self.ack, self.syn_seq = [], [], None, None

    def span(self, first):
        """SYN to SYN,ACK and SYN,ACK to ACK, from the first of each or from the last before the
        next step; 0 where unknown or out of order."""
        if not self.synacks:
            return 0, 0
        answered = self.synacks[0 if first else -1]
        asked = [syn for syn in self.syns if first or syn.frame < answered.frame]
        asked = asked[0 if first else -1] if asked else answered
        ack = self.ack or answered
        return max(answered.time - asked.time, 0), max(ack.time - answered.time, 0)

    def shake(self, s):
        if self.ack is not None or s.flags & RST:
            return
        if s.flags & (SYN | ACK) == SYN:
            self.syns.append(s)
        elif s.flags & SYN:
            self.synacks.append(s)
        elif (self.synacks and s.flags & ACK and s.source == self.synacks[0].target
              and s.ack == (self.synacks[0].seq + 1) % 2**32):
            self.ack = s

    def take(self, s):
        d = self.ends.index(s.source)
        half, other = self.halves[d], self.halves[1 - d]
        self.shake(s)
        control = s.flags & (SYN | FIN)
        start = half.offset(s.seq)
        probe = not s.flags & (SYN | FIN | RST) and half.top is not None and (
            (s.length <= 1 and start == half.top - 1
             and (not s.length or half.acked is not None and half.acked >= half.top))
            or (s.length == 1 and start == half.top and other.window == 0))
        if not probe:
            self.data(half, s, start, start + s.length + bool(control))
        if s.flags & ACK and not s.flags & RST:
            self.acknowledge(half, other, s, probe)
        gap = s.time - half.last if half.last is not None else None
        if gap is not None and not 0 <= gap < JITTER_GAP:
            gap = None
        if gap is not None and half.last_gap is not None:
            half.jitters.append(abs(gap - half.last_gap))
        half.last, half.last_gap = s.time, gap
        half.resets += bool(s.flags & RST)
        if not s.flags & RST:
            half.zero_windows += s.window == 0 and not s.flags & SYN
            half.window = s.window

    def data(self, half, s, start, end):
        if start == end:
            if half.top is not None and start > half.top and not s.flags & RST:
                half.jumps.append((half.top, start, s.time))
                half.top = start
            return
        if half.top is None:
            half.top = start
        holes = list(half.missing(start, end))
        fills = [(a, min(b, half.top)) for a, b in holes if a < half.top]
        again = out_of_order = False
        if start > half.top:
            half.jumps.append((half.top, start, s.time))
        elif fills and any(a < to and b > since for a, b in fills
                           for since, to, _ in half.jumps):
            sinces = [when for a, b in fills for since, to, when in half.jumps
                      if a < to and b > since]
            known = None not in sinces
            out_of_order = known and s.time - min(sinces) < self.path_rtt()
            again = not out_of_order
        elif start < half.top:
            again = True
        new = sum(b - a for a, b in holes if a >= 0)
        new = min(new, s.length)
        half.see(start, end)
        half.top = max(half.top, end)
        if s.length:
            half.data_end = max(half.data_end or 0, end)
        if new and s.length:
            half.bytes += new
            half.first_data = s.time if half.first_data is None else half.first_data
            half.last_data = max(half.last_data or 0, s.time)
        half.resent += again
        half.out_of_order += out_of_order
        if again or out_of_order:
            half.unacked = []
            half.resent_end = max(half.resent_end or 0, end)
        else:
            half.unacked.append((end, s.time))

    def path_rtt(self):
        known = [h.min_rtt() for h in self.halves if h.rtts]
        return sum(known) if len(known) == 2 else max(sum(known), REORDER)

    @staticmethod
    def acknowledge(half, other, s, probe):
        ack = other.offset(s.ack)
        if other.top is not None and ack > other.top:
            other.jumps.append((other.top, ack, None))
            other.top = ack
        other.jumps = [(a, b, None if b <= ack else when) for a, b, when in other.jumps]
        if other.acked is None or ack > other.acked:
            before, other.acked = other.acked, ack
            if other.data_end is not None and (before is None or before < other.data_end):
                if other.bytes:
                    other.last_data = max(other.last_data, s.time)
            covered = [u for u in other.unacked if u[0] <= ack]
            other.unacked = other.unacked[len(covered):]
            clean = other.resent_end is None or (before is not None
                                                 and before >= other.resent_end)
            if covered and covered[-1][0] == ack and clean and s.time >= covered[-1][1]:
                other.rtts.append(s.time - covered[-1][1])
                other.rtt_frames.append(s.frame)
        elif (ack == other.acked and not s.length and not s.flags & (SYN | FIN | RST)
              and not probe and s.window == half.window and other.top is not None
              and ack < other.top):
            half.duplicate_acks += 1


def streams(path):
    """The streams of a capture, numbered as tcp.stream."""
    current, found = {}, []
    for s in segments(path):
        key = frozenset((s.source, s.target))
        stream = current.get(key)
        opens = s.flags & (SYN | ACK) == SYN
        if stream is None or (opens and stream.syn_seq is not None and stream.syn_seq != s.seq):
            stream = Stream(len(found), s.source, s.target)
            current[key] = stream
            found.append(stream)
        if opens:
            stream.syn_seq = s.seq
        stream.take(s)
    return found
