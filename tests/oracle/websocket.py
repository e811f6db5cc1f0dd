"""MQTT inside WebSocket (RFC 6455, RFC 7692): what each direction says, and which TCP bytes said it.

    TCP stream   HTTP head | frame | frame | ...        frame: header, masking key, payload
    messages     frames up to one with FIN, inflated    control frames between are left out
    Half         the messages' bytes in a row, as if they were a TCP stream of their own

A byte is there when the message that holds it is complete. Only what lies before the first gap of a
direction is read.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import bisect
import collections
import re
import zlib

SUBPROTOCOLS = (b"mqtt", b"mqttv3.1")
HEAD_END = b"\r\n\r\n"
# Bytes [at, at + length) of the messages came with TCP bytes from `wire` on, one by one if exact;
# they can be read when the TCP bytes [begin, whole) of the message are there.
Part = collections.namedtuple("Part", "at length wire exact begin whole")


def head_of(half):
    """The HTTP head a direction begins with, or None."""
    for start, data in half.runs():
        end = data.find(HEAD_END)
        if start == 0 and end >= 0:
            return data[:end + len(HEAD_END)]
    return None


def header(head, name):
    found = re.search(rb"\r\n" + name + rb": *([^\r]*)", head, re.IGNORECASE)
    return found.group(1) if found else b""


def frames(data, at):
    """(first byte, start of the frame, start of the payload, payload) of every whole frame."""
    while at + 2 <= len(data):
        size, start = data[at + 1] & 0x7F, at + 2
        extension = {126: 2, 127: 8}.get(size, 0)
        if extension:
            size = int.from_bytes(data[start:start + extension], "big")
        start += extension
        key = data[start:start + 4] if data[at + 1] & 0x80 else bytes(4)
        start += 4 if data[at + 1] & 0x80 else 0
        if start + size > len(data):
            return
        payload = bytes(byte ^ key[i & 3] for i, byte in enumerate(data[start:start + size]))
        yield data[at], at, start, payload
        at = start + size


class Half:
    """One direction, with the interface of streams.Half."""
    with_syn = True

    def __init__(self, half, deflate):
        self.half, self.parts, self.data = half, [], b""
        head = head_of(half)
        inflater = zlib.decompressobj(-15) if deflate else None
        _, data = next(half.runs())
        shape, raw, squeezed = [], b"", False
        for first, frame, start, payload in frames(data, len(head)):
            if first & 0x08:
                continue
            if not shape:
                squeezed = bool(first & 0x40)
            shape.append((frame, start, len(payload)))
            raw += payload
            if first & 0x80:
                # Control frames before it come first, too.
                begin, end = self.parts[-1].whole if self.parts else len(head), start + len(payload)
                if squeezed:
                    raw = inflater.decompress(raw + b"\0\0\xff\xff")
                    self.add(len(raw), shape[0][0], False, begin, end)
                else:
                    for _, wire, size in shape:
                        self.add(size, wire, True, begin, end)
                self.data += raw
                shape, raw = [], b""

    def add(self, length, wire, exact, begin, whole):
        at = self.parts[-1].at + self.parts[-1].length if self.parts else 0
        if length:
            self.parts.append(Part(at, length, wire, exact, begin, whole))

    @property
    def reached(self):
        return len(self.data)

    def runs(self):
        return iter([(0, self.data)] if self.data else [])

    def part(self, at):
        return self.parts[bisect.bisect_right(self.parts, at, key=lambda part: part.at) - 1]

    def place(self, start, end):
        if end > len(self.data):
            return None
        first, last = self.part(start), self.part(end - 1)
        wire = first.wire + (start - first.at if first.exact else 0)
        began = self.half.place(wire, wire + 1)
        return self.half.place(first.begin, last.whole)._replace(
            first_frame=began.first_frame, first_time=began.first_time)

    def ack_of(self, end):
        return self.half.ack_of(self.part(end - 1).whole)


class Connection:
    """A connection as its application sees it, or None if this is no MQTT over WebSocket."""

    def __init__(self, connection, deflate):
        self.number, self.ends = connection.number, connection.ends
        self.closings = connection.closings
        self.halves = tuple(Half(half, deflate) for half in connection.halves)


def open_connection(connection):
    heads = [head_of(half) for half in connection.halves]
    if None in heads or not heads[1].startswith(b"HTTP/1.1 101"):
        return None
    if header(heads[1], b"Sec-WebSocket-Protocol") not in SUBPROTOCOLS:
        return None
    return Connection(connection, b"permessage-deflate" in
                      header(heads[1], b"Sec-WebSocket-Extensions"))
