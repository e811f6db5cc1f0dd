"""MPTCP made to exhaust whoever reads it: the shapes of hostile.py whose names begin with mptcp.

    Peers: two keys -> tokens and initial DSNs -> handshake, join, data

SPDX-License-Identifier: GPL-2.0-or-later
"""
import hashlib
import itertools
import struct

SYN, ACK = 0x02, 0x10
SERVER = b'\xc6\x33\x64\x0a', 5001
LENGTH = 100  # of a segment with data


def option(subtype, low, body):
    data = bytes((30, 3 + len(body), subtype << 4 | low)) + body
    return data + b'\1' * (-len(data) % 4)


def client(number):
    """Addresses whose streams are all different."""
    address = bytes((10, number >> 16 & 255, number >> 8 & 255, number & 255))
    return address, 20_000 + number % 40_000


class Peers:
    """One connection; DSNs count from the first byte, 1."""

    def __init__(self, writer, keys):
        self.writer, self.keys, self.sent = writer, [key.to_bytes(8, 'big') for key in keys], 1
        hashes = [hashlib.sha256(key).digest() for key in self.keys]
        self.tokens = [digest[:4] for digest in hashes]
        self.idsns = [int.from_bytes(digest[-8:], 'big') for digest in hashes]

    def segment(self, source, side, seq, ack, flags, options, payload=b''):
        ends = (source, SERVER) if side == 0 else (SERVER, source)
        self.writer.segment(*ends, seq, ack, payload, flags=flags, options=options)

    def open(self, source):
        self.segment(source, 0, 0, 0, SYN, option(0, 1, b'\1'))
        self.segment(source, 1, 0, 1, SYN | ACK, option(0, 1, b'\1' + self.keys[1]))
        self.segment(source, 0, 1, 1, ACK, option(0, 1, b'\1' + self.keys[0] + self.keys[1]))

    def join_syn(self, source, token=None):
        body = b'\1' + (token or self.tokens[1]) + b'nncA'
        self.segment(source, 0, 0, 0, SYN, option(1, 0, body))

    def join(self, source):
        """Its HMACs are forged."""
        self.join_syn(source)
        self.segment(source, 1, 0, 1, SYN | ACK, option(1, 0, b'\0' + bytes(8) + b'nncB'))
        self.segment(source, 0, 1, 1, ACK, option(1, 0, b'\0' + bytes(20)))
        self.segment(source, 1, 1, 1, ACK, self.dss())

    def dss(self, data=False):
        ack = (self.idsns[1] + 1) % 2**64
        if not data:
            return option(2, 0, struct.pack('!BQ', 3, ack))
        dsn = (self.idsns[0] + self.sent) % 2**64
        return option(2, 0, struct.pack('!BQQIH', 15, ack, dsn, 1, LENGTH))

    def data(self, source):
        self.segment(source, 0, 1, 1, ACK, self.dss(data=True), bytes(LENGTH))
        self.sent += LENGTH


def joins(writer, count):
    peers = Peers(writer, (1, 2))
    peers.open(client(0))
    for number in range(1, count + 1):
        peers.join_syn(client(number))


def subflows(writer, count):
    """With the first they are `count`."""
    peers = Peers(writer, (1, 2))
    peers.open(client(0))
    peers.data(client(0))
    for number in range(1, count):
        peers.join(client(number))
        peers.data(client(number))


def unknown(writer, count):
    """Half of the tokens are one."""
    peers = Peers(writer, (1, 2))
    peers.open(client(0))
    for number in range(1, count + 1):
        peers.join_syn(client(number), (number if number % 2 else 7).to_bytes(4, 'big'))


def forged(writer, count):
    """Connections that share three pairs of keys; each is joined by its token."""
    keys = itertools.cycle(((1, 2), (3, 2), (1, 4)))
    for number, pair in zip(range(0, 2 * count, 2), keys):
        peers = Peers(writer, pair)
        peers.open(client(number))
        peers.data(client(number))
        peers.join_syn(client(number + 1))


def apart(writer, count):
    peers = Peers(writer, (1, 2))
    for number in range(count):
        peers.data(client(number))


SHAPES = {'mptcp-joins': joins, 'mptcp-subflows': subflows, 'mptcp-unknown': unknown,
          'mptcp-forged': forged, 'mptcp-apart': apart}
