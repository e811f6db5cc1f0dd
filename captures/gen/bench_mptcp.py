"""A big capture of MPTCP for measuring speed: connections of four subflows, data both ways.

    client  ==== path 0, 10 ms ====  server     three of four segments go to the server; every
            ==== path 1, 25 ms ====             second one is acknowledged by TCP and DATA_ACK;
            ==== path 2, 40 ms ====             options as Linux writes them: timestamps, DATA_ACK,
            ==== path 3, 55 ms ====             mapping. Captured at the client, headers alone

One segment in a hundred goes out again on another subflow (a reinjection), one in two hundred on
its own (a TCP retransmission); the bytes of a faster path wait for those of a slower one.

    Connection --events by time--> (time, length on the wire, bytes) --merged--> pcap

Written as plain bytes and merged as they come: millions of packets need neither minutes nor memory.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import hashlib
import heapq
import hmac
import itertools
import random
import struct

from .scene import START_NS, ms, us

SYN, PSH, ACK = 0x02, 0x08, 0x10
C2S, S2C = 0, 1
MSS, WINDOW = 1400, 4_000  # WINDOW: without a scale; changes, so that no two packets are alike
DELAYS = [ms(10), ms(25), ms(40), ms(55)]  # there, and back
SUBFLOWS = len(DELAYS)
STEP_NS = ms(2)  # from one burst of a connection to the next
BURST = 4
HEADER = struct.Struct('!12sHBBHHHBBH4s4sHHIIBBHHH')
MACS = (bytes.fromhex('020000000002020000000001'), bytes.fromhex('020000000001020000000002'))
TIMESTAMPS = struct.Struct('!HBBII')
MAPPED = struct.Struct('!BBBBQQIHH')
ACKED = struct.Struct('!BBBBQ')


def option(subtype, low, body):
    return bytes((30, 3 + len(body), subtype << 4 | low)) + body


def pad(options):
    return options + b'\1' * (-len(options) % 4)


class Subflow:
    def __init__(self, index, number, dice):
        self.number, self.delay = number, DELAYS[number]
        self.ends = ((bytes((10, 8 + number, index >> 8 & 255, index & 255)), 20_000 + index),
                     (bytes((198, 51, 100 + number, 10)), 5001))
        self.isn = [dice.getrandbits(32), dice.getrandbits(32)]
        self.next, self.received = [1, 1], [1, 1]  # relative; received[side]: in order, by side
        self.early, self.unacked = [{}, {}], [0, 0]


class Connection:
    """packets() gives them in the order of time."""

    def __init__(self, index):
        self.dice, self.index = random.Random(index), index
        self.keys = [self.dice.randbytes(8) for _ in range(2)]
        hashes = [hashlib.sha256(key).digest() for key in self.keys]
        self.tokens = [digest[:4] for digest in hashes]
        self.idsns = [int.from_bytes(digest[-8:], 'big') for digest in hashes]
        self.subflows = [Subflow(index, number, self.dice) for number in range(SUBFLOWS)]
        self.sent, self.received, self.early = [1, 1], [1, 1], [{}, {}]  # received[side]: by side
        self.events, self.order, self.ready = [], itertools.count(), []
        self.window = itertools.count(index)

    def at(self, time, action, *arguments):
        heapq.heappush(self.events, (time, next(self.order), action, arguments))

    def segment(self, time, subflow, side, start, options, length=0, flags=ACK):
        """Captured at the client: what the server sends passes there a delay later."""
        captured = time + (subflow.delay if side == S2C else 0)
        (source, source_port), (target, target_port) = (subflow.ends if side == C2S
                                                        else subflow.ends[::-1])
        acks = subflow.isn[1 - side] + subflow.received[side] if flags & ACK else 0
        size = 40 + len(options) + length
        head = HEADER.pack(MACS[side], 0x0800, 0x45, 0, size, captured // 1000 & 0xffff, 0x4000, 64,
                           6, 0, source, target, source_port, target_port,
                           (subflow.isn[side] + start) & 0xffffffff, acks & 0xffffffff,
                           (20 + len(options)) << 2, flags | (PSH if length else 0),
                           WINDOW + next(self.window) % WINDOW, 0, 0)
        self.at(captured, self.ready.append, (captured, 14 + size, head + options))

    def timestamps(self, time):
        return TIMESTAMPS.pack(0x0101, 8, 10, time // 1_000_000 & 0xffffffff,
                               (time - ms(20)) // 1_000_000 & 0xffffffff)

    def _hmac(self, side, nonces):
        return hmac.new(self.keys[side] + self.keys[1 - side], nonces[side] + nonces[1 - side],
                        'sha256').digest()

    def open(self, time, subflow):
        first = subflow.number == 0
        nonces = [self.dice.randbytes(4) for _ in range(2)]
        steps = ([option(0, 1, b'\1'), option(0, 1, b'\1' + self.keys[1]),
                  option(0, 1, b'\1' + self.keys[0] + self.keys[1])] if first else
                 [option(1, 0, bytes((subflow.number,)) + self.tokens[S2C] + nonces[0]),
                  option(1, 0, b'\0' + self._hmac(S2C, nonces)[:8] + nonces[1]),
                  option(1, 0, b'\0' + self._hmac(C2S, nonces)[:20])])
        size = struct.pack('!BBH', 2, 4, MSS)
        self.segment(time, subflow, C2S, 0, size + pad(steps[0]), flags=SYN)
        self.segment(time + subflow.delay, subflow, S2C, 0, size + pad(steps[1]), flags=SYN | ACK)
        time += 2 * subflow.delay + us(20)
        self.segment(time, subflow, C2S, 1, self.timestamps(time) + pad(steps[2]))
        if not first:
            self.acknowledge(time + subflow.delay, subflow, S2C)
        return time + subflow.delay

    def acknowledge(self, time, subflow, side):
        subflow.unacked[side] = 0
        data_ack = (self.idsns[1 - side] + self.received[side]) & (1 << 64) - 1
        self.segment(time, subflow, side, subflow.next[side],
                     self.timestamps(time) + ACKED.pack(30, 12, 0x20, 0x03, data_ack))

    def data(self, time, subflow, side, dsn, start, length):
        subflow.unacked[side] = 0
        data_ack = (self.idsns[1 - side] + self.received[side]) & (1 << 64) - 1
        options = MAPPED.pack(30, 26, 0x20, 0x0f, data_ack,
                              (self.idsns[side] + dsn) & (1 << 64) - 1, start, length, 0x0101)
        self.segment(time, subflow, side, start, self.timestamps(time) + options, length)
        self.at(time + subflow.delay, self.arrive, time + subflow.delay, subflow, 1 - side, dsn,
                start, length)

    def arrive(self, time, subflow, side, dsn, start, length):
        """The receiver has it, and acknowledges every second segment."""
        subflow.early[side][start] = start + length
        while subflow.received[side] in subflow.early[side]:
            subflow.received[side] = subflow.early[side].pop(subflow.received[side])
        if dsn >= self.received[side]:
            self.early[side][dsn] = dsn + length
        while self.received[side] in self.early[side]:
            self.received[side] = self.early[side].pop(self.received[side])
        subflow.unacked[side] += 1
        if subflow.unacked[side] == 2:
            self.acknowledge(time + us(20), subflow, side)

    def burst(self, time, subflow, side):
        for number in range(BURST):
            dsn, start = self.sent[side], subflow.next[side]
            self.sent[side] += MSS
            subflow.next[side] += MSS
            at, chance = time + number * us(30), self.dice.random()
            self.data(at, subflow, side, dsn, start, MSS)
            if chance < 0.005:
                again = at + 3 * subflow.delay
                self.at(again, self.data, again, subflow, side, dsn, start, MSS)
            elif chance < 0.015:
                again = at + ms(60)
                other = self.subflows[(subflow.number + 1) % SUBFLOWS]
                self.at(again, self.reinject, again, other, side, dsn)

    def reinject(self, time, subflow, side, dsn):
        start = subflow.next[side]
        subflow.next[side] += MSS
        self.data(time, subflow, side, dsn, start, MSS)

    def turn(self, time, count):
        side = S2C if count % 4 == 3 else C2S
        # The faster a path, the more goes over it.
        subflow = self.dice.choices(self.subflows, (6, 3, 2, 1))[0]
        self.burst(time, subflow, side)
        self.at(time + STEP_NS, self.turn, time + STEP_NS, count + 1)

    def packets(self):
        time = START_NS + us(137) * (self.index % 1000)
        opened = self.open(time, self.subflows[0])
        ends = [self.open(opened, subflow) for subflow in self.subflows[1:]]
        self.at(max(ends), self.turn, max(ends), 0)
        while True:
            _, _, action, arguments = heapq.heappop(self.events)
            action(*arguments)
            yield from self.ready
            self.ready.clear()


def write(path, packets, connections, first=0):
    """A pcap of exactly so many packets, of the connections from the first on."""
    merged = heapq.merge(*(Connection(index).packets()
                           for index in range(first, first + connections)))
    with open(path, 'wb', buffering=1 << 20) as file:
        file.write(struct.pack('<IHHiIII', 0xA1B23C4D, 2, 4, 0, 0, 128, 1))
        for time, length, data in itertools.islice(merged, packets):
            file.write(struct.pack('<IIII', time // 10**9, time % 10**9, len(data), length) + data)
