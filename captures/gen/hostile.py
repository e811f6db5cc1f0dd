"""Captures made to exhaust whoever reads them: no truth, only numbers one can foresee.

    unanswered   Kafka requests, none answered, 50 in a frame, 1,000 connections
    orphans      answers to PUBLISHes nobody sent, 300 in a frame
    streams      one answered PUBLISH on each of so many TCP connections
    same-id      Kafka requests of one connection that all have one correlation id
    collisions   Kafka requests whose client ids have one value under the usual text hash (times 33)
    outstanding  64,000-byte PUBLISHes on one connection, no byte of them ever acknowledged; most of
                 each was not captured. 66,000 of them are 4.2 billion bytes
    topics       answered PUBLISHes, each with another topic of 65,000 bytes
    names        answered PUBLISHes, each with another topic, and Kafka requests, each with another
                 client id
    rtt          answered PUBLISHes of one connection, each a nanosecond faster than the one before

    mptcp-joins     MP_JOIN SYNs for one token, unanswered
    mptcp-subflows  subflows of one connection, each with data
    mptcp-unknown   MP_JOIN SYNs for tokens of no connection, half of them for the same
    mptcp-forged    connections that share three pairs of keys, and with them their tokens
    mptcp-apart     streams with mapped data and no handshake

Written as plain bytes: a packet library would take hours.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import itertools
import struct

from . import hostile_mptcp
from .scene import START_NS

CLIENT, SERVER = b'\x0a\0\0\1', b'\xc6\x33\x64\x0a'
MQTT, KAFKA = 1883, 9092
ACK, PUSH = 0x10, 0x08
HEADER = struct.Struct('!12sHBBHHHBBH4s4sHHIIBBHHH')
RECORD = struct.Struct('<IIII')
SNAP = 262_144


class Writer:
    """A pcap file, one TCP segment at a time, a microsecond apart unless told otherwise."""

    def __init__(self, file):
        self.file, self.now = file, START_NS
        self.frames = 0
        file.write(struct.pack('<IHHiIII', 0xA1B23C4D, 2, 4, 0, 0, SNAP, 1))

    def segment(self, source, target, seq, ack, payload, length=None, step=1000,
                flags=ACK | PUSH, options=b''):
        """source, target: (address, port). length: on the wire, where it is more."""
        length = len(payload) if length is None else length
        self.now += step
        self.frames += 1
        head = HEADER.pack(b'\2\0\0\0\0\1\2\0\0\0\0\2', 0x0800, 0x45, 0,
                           40 + len(options) + length,
                           self.frames & 0xffff, 0x4000, 64, 6, 0, source[0], target[0],
                           source[1], target[1], seq & 0xffffffff, ack & 0xffffffff,
                           0x50 + (len(options) << 2), flags, 64_000, 0, 0) + options
        self.file.write(RECORD.pack(self.now // 10**9, self.now % 10**9,
                                    len(head) + len(payload), len(head) + length))
        self.file.write(head)
        self.file.write(payload)


class Talk:
    """One TCP connection, without handshake."""

    def __init__(self, writer, index, port):
        self.writer = writer
        self.ends = ((bytes((10, index >> 22 & 255, index >> 14 & 255, 1)),
                      10_000 + (index & 0x3fff)), (SERVER, port))
        self.next = [1, 1]

    def send(self, side, payload, length=None, step=1000, acks=True):
        self.writer.segment(self.ends[side], self.ends[1 - side], self.next[side],
                            self.next[1 - side] if acks else 1, payload, length, step)
        self.next[side] += len(payload) if length is None else length


def varint(value):
    out = bytearray()
    while True:
        out.append(value & 0x7f | (0x80 if value > 0x7f else 0))
        value >>= 7
        if not value:
            return bytes(out)


def publish(identifier, topic, qos=1):
    body = struct.pack('!H', len(topic)) + topic
    body += struct.pack('!H', identifier) if qos else b''
    return bytes((0x30 | qos << 1,)) + varint(len(body)) + body


def puback(identifier):
    return b'\x40\2' + struct.pack('!H', identifier)


def request(correlation, client=b'c'):
    """A request of an API without body: ListGroups, version 0."""
    return struct.pack('!ihhih', 10 + len(client), 16, 0, correlation, len(client)) + client


def groups(items, size):
    items = iter(items)
    return iter(lambda: b''.join(itertools.islice(items, size)), b'')


def unanswered(writer, count):
    talks = [Talk(writer, i, KAFKA) for i in range(min(1000, max(count // 50, 1)))]
    messages = groups((request(i) for i in range(count)), 50)
    for talk, message in zip(itertools.cycle(talks), messages):
        talk.send(0, message)


def orphans(writer, count):
    talk = Talk(writer, 0, MQTT)
    for message in groups((puback(1 + i % 65_535) for i in range(count)), 300):
        talk.send(1, message)


def streams(writer, count):
    for i in range(count):
        talk = Talk(writer, i, MQTT)
        talk.send(0, publish(1, b't'))
        talk.send(1, puback(1))


def same_id(writer, count):
    talk = Talk(writer, 0, KAFKA)
    for message in groups((request(7) for _ in range(count)), 50):
        talk.send(0, message)


def colliding_names(count):
    """Texts of equal length that are all the same to h * 33 + c."""
    length = max(count - 1, 1).bit_length()
    for i in range(count):
        yield b''.join(b'Ez' if i >> bit & 1 else b'FY' for bit in range(length))


def collisions(writer, count):
    talk = Talk(writer, 0, KAFKA)
    for message in groups((request(i, name) for i, name in enumerate(colliding_names(count))), 20):
        talk.send(0, message)


def outstanding(writer, count):
    talk = Talk(writer, 0, MQTT)
    message = publish(1, b't', 0)
    message = b'\x30' + varint(64_000 - 4) + message[2:] + bytes(100)
    for _ in range(count):
        talk.send(0, message, 64_000)


def topics(writer, count):
    talk = Talk(writer, 0, MQTT)
    for i in range(count):
        message = publish(1 + i % 65_535, b'%08d' % i + b'x' * 64_992)
        for at in range(0, len(message), 40_000):
            talk.send(0, message[at:at + 40_000])
        talk.send(1, puback(1 + i % 65_535))


def names(writer, count):
    talk, other = Talk(writer, 0, MQTT), Talk(writer, 1, KAFKA)
    for first in range(0, count, 20):
        some = range(first, min(first + 20, count))
        talk.send(0, b''.join(publish(1 + i % 65_535, b'plant/%d' % i) for i in some))
        talk.send(1, b''.join(puback(1 + i % 65_535) for i in some))
        other.send(0, b''.join(request(i, b'client-%d' % i) for i in some))
        other.send(1, b''.join(struct.pack('!iiih', 10, i, 0, 0) for i in some))


def rtt(writer, count):
    talk = Talk(writer, 0, MQTT)
    for i in range(count):
        talk.send(0, publish(1 + i % 65_535, b't'), step=1000)
        talk.send(1, puback(1 + i % 65_535), step=count + 1000 - i)


SHAPES = {'unanswered': unanswered, 'orphans': orphans, 'streams': streams, 'same-id': same_id,
          'collisions': collisions, 'outstanding': outstanding, 'topics': topics, 'names': names,
          'rtt': rtt, **hostile_mptcp.SHAPES}


def write(shape, count, path):
    """Writes the capture; returns its number of frames."""
    with open(path, 'wb', buffering=1 << 20) as file:
        writer = Writer(file)
        SHAPES[shape](writer, count)
    return writer.frames
