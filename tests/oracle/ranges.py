"""Ranges of numbers, for the oracles.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import bisect


class Ranges:
    """Disjoint ranges [start, end) in order, each with what was put with it."""

    def __init__(self):
        self.starts, self.ends, self.values = [], [], []

    def parts(self, start, end):
        """[start, end) in pieces (start, end, value), value None where nothing was put."""
        i = bisect.bisect_right(self.ends, start)
        while start < end:
            if i == len(self.starts) or self.starts[i] >= end:
                yield start, end, None
                return
            if self.starts[i] > start:
                yield start, self.starts[i], None
                start = self.starts[i]
            stop = min(end, self.ends[i])
            yield start, stop, self.values[i]
            start, i = stop, i + 1

    def put(self, start, end, value):
        """Where nothing was put before; returns those pieces."""
        new = [(a, b) for a, b, v in self.parts(start, end) if v is None]
        for a, b in new:
            i = bisect.bisect_left(self.starts, a)
            self.starts.insert(i, a)
            self.ends.insert(i, b)
            self.values.insert(i, value)
        return new

    def contiguous(self, start):
        """The end of what is there from start on without a gap."""
        i = bisect.bisect_right(self.starts, start) - 1
        if i < 0 or self.ends[i] <= start:
            return start
        while i + 1 < len(self.starts) and self.starts[i + 1] == self.ends[i]:
            i += 1
        return self.ends[i]
