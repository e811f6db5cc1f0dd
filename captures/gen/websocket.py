"""MQTT packets in WebSocket messages (RFC 6455, RFC 7692), as bytes and as places in the stream.

    upgrade(), accepted()                    the HTTP exchange before
    pack(side, packets, pieces, fragments)   packets back to back, cut into messages of so many bytes,
                                             messages into frames; what lies where is noted

Clients mask their frames, servers do not.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import base64
import hashlib
import struct
import zlib

from .tcp import C2S, Message

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, COMPRESSED, MASKED = 0x80, 0x40, 0x80
GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
TAIL = b'\0\0\xff\xff'  # RFC 7692 section 7.2.1: left out on the wire


def _http(first, *lines):
    return Message('\r\n'.join((first, *lines, '', '')).encode(), 'http')


def upgrade(key, subprotocol='mqtt', deflate=False):
    extension = ['Sec-WebSocket-Extensions: permessage-deflate'] if deflate else []
    return _http('GET /mqtt HTTP/1.1', 'Host: broker.example', 'Upgrade: websocket',
                 'Connection: Upgrade', 'Sec-WebSocket-Key: ' + key, 'Sec-WebSocket-Version: 13',
                 'Sec-WebSocket-Protocol: ' + subprotocol, *extension)


def accepted(key, subprotocol='mqtt', deflate=False):
    digest = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    extension = ['Sec-WebSocket-Extensions: permessage-deflate'] if deflate else []
    return _http('HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
                 'Sec-WebSocket-Accept: ' + digest, 'Sec-WebSocket-Protocol: ' + subprotocol,
                 *extension)


def mask(data, key):
    key = (key * (len(data) // 4 + 1))[:len(data)]
    return (int.from_bytes(data, 'big') ^ int.from_bytes(key, 'big')).to_bytes(len(data), 'big')


class Packer:
    """Frames of one connection: counts masking keys, keeps the state of compression."""

    def __init__(self, deflate=False):
        self.keys = 0
        self.deflaters = [zlib.compressobj(9, zlib.DEFLATED, -15) for _ in range(2)] \
            if deflate else None

    def frame(self, side, opcode, payload, fin=True, compressed=False):
        first = opcode | FIN * fin | COMPRESSED * compressed
        size, masked = len(payload), MASKED if side == C2S else 0
        if size < 126:
            head = struct.pack('!BB', first, masked | size)
        elif size < 65536:
            head = struct.pack('!BBH', first, masked | 126, size)
        else:
            head = struct.pack('!BBQ', first, masked | 127, size)
        if side != C2S:
            return head, payload
        self.keys += 1
        key = struct.pack('!I', self.keys * 0x9e3779b1 & 0xffffffff)
        return head + key, mask(payload, key)

    def message(self, side, data, fragments, between, text):
        """Frames of one message, and (head bytes, payload bytes) of each that carries data."""
        compressed = self.deflaters is not None
        if compressed:
            deflater = self.deflaters[side]
            data = (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]
        out, shape, sizes = b'', [], list(fragments or ())
        while True:
            part = data[:sizes.pop(0)] if sizes else data
            data = data[len(part):]
            opcode = (TEXT if text else BINARY) if not shape else CONTINUATION
            head, payload = self.frame(side, opcode, part, fin=not data,
                                       compressed=compressed and not shape)
            out += head + payload
            shape.append((len(out) - len(payload) - len(head), len(head), len(payload)))
            if not data:
                return out, shape
            if between is not None:
                out += b''.join(self.frame(side, PING, between))

    def pack(self, side, packets, pieces=None, fragments=None, between=None, text=False):
        """Returns the carriers, one Message for each WebSocket message, and for each packet
        (carrier, offset) of its first byte, and of what comes after the message that completes it. pieces: bytes of each message, the rest is one (default: a message for
        each packet)."""
        stream = b''.join(packet.data for packet in packets)
        sizes = list(pieces) if pieces is not None else [len(packet.data) for packet in packets]
        carriers, places, at = [], [], 0
        while at < len(stream):
            data = stream[at:at + sizes.pop(0)] if sizes else stream[at:]
            raw, shape = self.message(side, data, fragments, between, text)
            carriers.append(Message(raw, 'websocket'))
            places.append((at, len(data), shape))
            at += len(data)
        return carriers, [(self._find(places, start), self._find(places, end - 1)[:1] +
                           (sum(places[self._find(places, end - 1)[0]][2][-1]),))
                          for start, end in _ends(packets)]

    def _find(self, places, at):
        """(message, offset) of a byte; of a compressed message it is the first."""
        for number, (first, length, shape) in enumerate(places):
            if not first <= at < first + length:
                continue
            if self.deflaters is not None:
                return number, 0
            rest = at - first
            for place, head, payload in shape:
                if rest < payload:
                    return number, place + head + rest
                rest -= payload
        raise ValueError('no such byte')


def _ends(packets):
    at = 0
    for packet in packets:
        yield at, at + len(packet.data)
        at += len(packet.data)
