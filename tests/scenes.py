"""Short MQTT conversations of several connections, written down step by step.

    talk = Scenes(); a, b = talk.open(), talk.open()
    a.says(connect("a")); a.hears(connack()); b.says(publish(...), after=250)

Each step is one segment, `after` milliseconds behind the step before it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

import invented
from invented import ACK, FIN, MS, RST, SYN, packet, text, varint

START = 1_700_000_000_000_000_000
CLIENT, SERVER = 0, 1
BROKER = (b"\x0a\0\1\1", 1883)


class Scenes:
    def __init__(self):
        self.records, self.now, self.connections = [], START, 0

    def open(self, broker=BROKER):
        self.connections += 1
        return Connection(self, self.connections, broker)

    def write(self, path):
        invented.store(path, self.records)
        return path


class Connection:
    def __init__(self, scenes, number, broker):
        self.scenes, self.sent = scenes, [0, 0]
        self.ends = ((bytes([10, 0, 0, number]), 40000 + number), broker)
        for side, flags in ((CLIENT, SYN), (SERVER, SYN | ACK), (CLIENT, ACK)):
            self.step(side, b"", 0.01, flags)

    def step(self, side, data, after, flags=ACK):
        self.scenes.now += round(after * MS)
        opens = flags & SYN
        segment = invented.Segment(self.scenes.now, side, -1 if opens else self.sent[side], data,
                                   flags)
        segment.ack = self.sent[1 - side]
        self.sent[side] += len(data)
        self.scenes.records.append((segment.time, invented.framed(segment, self.ends, (77, 99),
                                                                  (0, 0))))
        return len(self.scenes.records)

    def says(self, *packets, after=1):
        """The client sends the packets in one segment; the frame's number."""
        return self.step(CLIENT, b"".join(packets), after)

    def hears(self, *packets, after=1):
        return self.step(SERVER, b"".join(packets), after)

    def closes(self, side=CLIENT, after=1, flags=FIN | ACK):
        return self.step(side, b"", after, flags)

    def resets(self, side=CLIENT, after=1):
        return self.closes(side, after, RST | ACK)


# Control packets. Properties are bytes, and make it 5.0.

def properties(version, given):
    return varint(len(given)) + given if version == 5 else b""


def connect(client, version=4, clean=True, keep_alive=60, given=b""):
    name = text("MQIsdp" if version == 3 else "MQTT")
    return packet(0x10, name + bytes([version, 2 * clean]) + struct.pack(">H", keep_alive) +
                  properties(version, given) + text(client))


def connack(version=4, present=False, code=0, given=b""):
    return packet(0x20, bytes([present, code]) + properties(version, given))


def publish(topic, payload=b"x", qos=0, number=0, dup=False, retain=False, version=4, given=b""):
    return packet(0x30 | dup << 3 | qos << 1 | retain, text(topic) +
                  (struct.pack(">H", number) if qos else b"") + properties(version, given) +
                  payload)


def ack(name, number, *reason):
    heads = {"puback": 0x40, "pubrec": 0x50, "pubrel": 0x62, "pubcomp": 0x70}
    return packet(heads[name], struct.pack(">H", number) + bytes(reason))


def subscribe(number, *filters, options=1, version=4):
    return packet(0x82, struct.pack(">H", number) + properties(version, b"") +
                  b"".join(text(name) + bytes([options]) for name in filters))


def suback(number, *codes, version=4):
    return packet(0x90, struct.pack(">H", number) + properties(version, b"") + bytes(codes))


def unsubscribe(number, *filters, version=4):
    return packet(0xA2, struct.pack(">H", number) + properties(version, b"") +
                  b"".join(map(text, filters)))


def unsuback(number, *codes, version=4):
    return packet(0xB0, struct.pack(">H", number) + properties(version, b"") + bytes(codes))


def auth(reason):
    return packet(0xF0, bytes([reason, 0]))


def disconnect(*reason):
    return packet(0xE0, bytes(reason))


PINGREQ, PINGRESP = b"\xc0\0", b"\xd0\0"


def receive_maximum(number):
    return b"\x21" + struct.pack(">H", number)


def server_keep_alive(seconds):
    return b"\x13" + struct.pack(">H", seconds)


def session_expiry(seconds):
    return b"\x11" + struct.pack(">I", seconds)
