"""MPTCP connections nobody had in mind, as raw packets: the same seed gives the same file.

    Peers: keys, tokens and initial DSNs of two sides -> subflows with sequence numbers of their own
    -> data mapped, repeated in all ways, acknowledged on any subflow -> pcap with ns

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ipaddress
import random
import struct

from oracle import mptcp_options as mp

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
MS = 1_000_000
START = 1_700_000_000_000_000_000

# Keys by version: an initial DSN whose low 32 bits wrap at once; one near 2^64 (0xfffffc80..).
WRAP_32 = {0: 357341, 1: 252322}
WRAP_64 = {0: 1528848, 1: 1504440}
# Two keys of one token (searched for: 32 bits meet after some 60,000 keys).
SAME_TOKEN = {0: (61024, 82149), 1: (50799, 58968)}


def mptcp(subtype, low, body):
    return bytes([mp.KIND, 3 + len(body), subtype << 4 | low]) + body


def pad(options):
    return options + b"\1" * (-len(options) % 4)


class File:
    """Packets with times; written as raw IP, so that nothing but IP and TCP has to be made up."""

    def __init__(self):
        self.records = []

    def add(self, time, source, target, seq, ack, flags, options=b"", payload=b""):
        options = pad(options)
        # No two packets are alike: the plugin takes such for one that was captured twice.
        window = 20_000 + len(self.records) % 40_000
        tcp = struct.pack(">HHIIBBHHH", source[1], target[1], seq % 2**32, ack % 2**32,
                          (20 + len(options)) // 4 << 4, flags, window, 0, 0) + options + payload
        if len(source[0]) == 4:
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0)
        else:
            head = struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64)
        self.records.append((time, head + source[0] + target[0] + tcp))

    def write(self, path, order=None):
        """order: indices of the records; default by time."""
        records = ([self.records[i] for i in order] if order
                   else sorted(self.records, key=lambda record: record[0]))
        with open(path, "wb") as file:
            file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))
            for time, packet in records:
                file.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(packet),
                                       len(packet)) + packet)


class Subflow:
    """ends and isn by side of the connection: 0 opened it."""

    def __init__(self, peers, ends, opener, isn, address_id):
        self.peers, self.ends, self.opener, self.address_id = peers, ends, opener, address_id % 256
        self.isn, self.next = isn, [1, 1]  # next: relative sequence number
        self.nonces = [b"nnc0", b"nnc1"]
        self.open = False

    def send(self, time, side, options=b"", payload=b"", flags=ACK, at=None):
        """at: relative sequence number, for what was sent before."""
        start = self.next[side] if at is None else at
        if at is None:
            self.next[side] += len(payload) + bool(flags & FIN)
        self.peers.file.add(time, self.ends[side], self.ends[1 - side],
                            self.isn[side] + start, self.isn[1 - side] + self.next[1 - side],
                            flags | (PSH if payload else 0), options, payload)
        return start

    def handshake(self, time, rtt, answered=True, resent=0, forged=False, backup=False,
                  unknown=False):
        """Of MP_CAPABLE or MP_JOIN; `unknown`: its token is of no connection."""
        peers, opener = self.peers, self.opener
        for again in range(resent + 1):
            self._syn(time + again * MS, opener, self._first(unknown, backup))
        if not answered:
            return
        second, third = self._answers(forged)
        end = time + resent * MS + rtt
        peers.file.add(end, self.ends[1 - opener], self.ends[opener], self.isn[1 - opener],
                       self.isn[opener] + 1, SYN | ACK, second)
        self.send(end + 1000, opener, third)
        self.open = True

    def _syn(self, time, opener, option):
        self.peers.file.add(time, self.ends[opener], self.ends[1 - opener], self.isn[opener], 0, SYN,
                            option)

    def _first(self, unknown, backup):
        peers = self.peers
        if self is peers.subflows[0]:
            key = peers.keys[0] if peers.version == 0 else b""
            return mptcp(mp.CAPABLE, peers.version, bytes([peers.flags]) + key)
        token = peers.tokens[1 - self.opener] ^ (0x5A5A5A5A if unknown else 0)
        return mptcp(mp.JOIN, int(backup), bytes([self.address_id]) + token.to_bytes(4, "big")
                     + self.nonces[self.opener])

    def _answers(self, forged):
        peers, opener = self.peers, self.opener
        if self is peers.subflows[0]:
            head = bytes([peers.flags])
            return (mptcp(mp.CAPABLE, peers.version, head + peers.keys[1]),
                    mptcp(mp.CAPABLE, peers.version, head + peers.keys[0] + peers.keys[1]))
        made = [mp.join_hmac(peers.version, (peers.keys[s], peers.keys[1 - s]),
                             (self.nonces[s], self.nonces[1 - s])) for s in range(2)]
        if forged:
            made = [b"\0" * 32, b"\0" * 32]
        return (mptcp(mp.JOIN, 0, bytes([0]) + made[1 - opener][:8] + self.nonces[1 - opener]),
                mptcp(mp.JOIN, 0, b"\0" + made[opener][:20]))


class Peers:
    """Two sides of one connection, and what each has sent (DSNs relative, from 1)."""

    def __init__(self, file, dice, version=1, keys=(1, 2), number=0, ipv6=False, checksum=False):
        self.file, self.dice, self.version, self.ipv6 = file, dice, version, ipv6
        self.keys = [key.to_bytes(8, "big") for key in keys]
        self.tokens = [mp.token(version, key) for key in self.keys]
        self.idsns = [mp.idsn(version, key) for key in self.keys]
        self.flags = 0x81 if checksum else 0x01
        self.number, self.subflows = number, []
        self.sent, self.acked = [1, 1], [1, 1]
        self.log = [[], []]  # by side: (subflow, relative sequence number, DSN, length)

    def address(self, side, path):
        if self.ipv6:
            return ipaddress.ip_address(f"fd00:{path:x}:{self.number:x}::{side + 1}").packed
        return bytes([10, path, self.number % 250, side + 1])

    def subflow(self, opener=0, path=None):
        path = len(self.subflows) if path is None else path
        at = len(self.subflows)
        ports = [40_000 + self.number + 997 * at % 20_000, 5001]
        if opener:
            ports.reverse()
        ends = [(self.address(side, path), ports[side]) for side in range(2)]
        isn = [self.dice.choice((2**32 - 1 - self.dice.randrange(5000), self.dice.randrange(2**32)))
               for _ in range(2)]
        self.subflows.append(Subflow(self, ends, opener, isn, at))
        return self.subflows[-1]

    def dss(self, side, dsn=None, ssn=0, length=0, data_ack=None, bits=64, fin=False, data=None):
        """The option; `data`: with a checksum over it."""
        flags, body = 0, b""
        if data_ack is not None:
            flags |= 1 | (2 if bits == 64 else 0)
            value = (self.idsns[1 - side] + data_ack) % 2**bits
            body += value.to_bytes(bits // 8, "big")
        if dsn is not None:
            flags |= 4 | (8 if bits == 64 else 0) | (0x10 if fin else 0)
            whole = (self.idsns[side] + dsn) % 2**64
            body += (whole % 2**bits).to_bytes(bits // 8, "big") + struct.pack(">IH", ssn, length)
            if data is not None:
                right = mp.dss_sum(whole, ssn, length, 0, data)
                body += (right or 0xFFFF).to_bytes(2, "big")
        return mptcp(mp.DSS, 0, bytes([flags]) + body)

    def mapped(self, time, side, subflow, dsn, length, segment=500, bits=64, announce="all",
               gap=50_000):
        """A mapping of `length` bytes from dsn on, in segments. announce: which of them carry it."""
        ssn, done, count = subflow.next[side], 0, 0
        total = -(-length // segment)
        while done < length:
            size = min(segment, length - done)
            says = announce == "all" or count == {"first": 0, "last": total - 1}[announce]
            option = self.dss(side, dsn if says else None, ssn, length,
                              data_ack=self.acked[1 - side], bits=bits)
            at = subflow.send(time, side, option, bytes(size))
            self.log[side].append((subflow, at, dsn + done, size))
            done, count, time = done + size, count + 1, time + gap
        self.sent[side] = max(self.sent[side], dsn + length)
        return time

    def acknowledge(self, time, side, subflow, until, bits=64):
        """`side` acknowledges what the other sent."""
        self.acked[1 - side] = max(self.acked[1 - side], until)
        subflow.send(time, side, self.dss(side, data_ack=until, bits=bits))

    def again(self, time, side, entry):
        """A TCP retransmission of a segment, its mapping included or not."""
        subflow, at, dsn, size = entry
        option = self.dss(side, *((dsn, at, size) if self.dice.random() < 0.5 else ()))
        subflow.send(time, side, option, bytes(size), at=at)


def talk(peers, time, steps, trouble=0.3):
    """Data in both directions over the open subflows, with all that may happen to it."""
    dice = peers.dice
    for _ in range(steps):
        side = int(dice.random() < 0.3)
        usable = [f for f in peers.subflows if f.open]
        subflow, bits = dice.choice(usable), dice.choice((32, 64))
        length = dice.choice((1, 100, 500, 501, 1400, 3000))
        time += dice.randrange(1, 3 * MS)
        chance = dice.random()
        if chance > trouble or not peers.log[side]:
            time = peers.mapped(time, side, subflow, peers.sent[side], length, bits=bits,
                                announce=dice.choice(("all", "all", "first", "last")))
        elif chance < trouble / 3:
            entry = dice.choice(peers.log[side][-8:])
            if entry[3] > 1:  # one byte sent again is a keep-alive
                peers.again(time, side, entry)
        else:
            # Reinjection or MPTCP retransmission of a part of what was sent, cut anew.
            _, _, dsn, size = dice.choice(peers.log[side][-8:])
            start = max(1, dsn + dice.randrange(-size, size))
            end = min(peers.sent[side], start + dice.choice((1, size, 2 * size + 1)))
            if start < end:
                time = peers.mapped(time, side, subflow, start, end - start, bits=bits,
                                    segment=dice.choice((137, 500)))
        if dice.random() < 0.6:
            low, high = peers.acked[side], peers.sent[side]
            until = high if dice.random() < 0.5 else dice.randint(low, high)
            peers.acknowledge(time + dice.randrange(1, 5 * MS), 1 - side, dice.choice(usable), until,
                              bits)
    return time


def scene(seed, connections=3, steps=40):
    """A file of connections side by side; what is special about each is drawn."""
    dice, file = random.Random(seed), File()
    for number in range(connections):
        version = dice.randrange(2)
        keys = [dice.randrange(2**64) for _ in range(2)]
        if number == 0 and dice.random() < 0.8:
            keys[0] = WRAP_32[version]
        peers = Peers(file, dice, version, keys, number, ipv6=dice.random() < 0.3)
        time = START + dice.randrange(50 * MS)
        peers.subflow().handshake(time, 20 * MS, resent=dice.randrange(2))
        time = talk(peers, time + 30 * MS, 5)
        if dice.random() < 0.3:
            peers.sent[0] += 2**30  # a hole nobody fills
        for _ in range(dice.randrange(1, 4)):
            peers.subflow(opener=int(dice.random() < 0.3)).handshake(
                time, 30 * MS, answered=dice.random() < 0.8, resent=dice.randrange(3),
                forged=dice.random() < 0.3, backup=dice.random() < 0.3)
            time += 40 * MS
        time = talk(peers, time, steps)
        for side in range(2):
            # The DATA_FIN: one more number, no byte.
            subflow = peers.subflows[0]
            subflow.send(time + side, side, peers.dss(side, peers.sent[side], 0, 1, fin=True))
            peers.acknowledge(time + 20 * MS + side, 1 - side, subflow, peers.sent[side] + 1)
    return file


def two_interfaces(file, dice):
    """The order of a file captured on two interfaces: what the second one saw stands up to 60 ms
    early or late in it, in batches."""
    def place(index):
        time, packet = file.records[index]
        second = (packet[13] if packet[0] >> 4 == 4 else packet[11]) % 2
        return time + lags[time // (40 * MS) % len(lags)] * second

    lags = [dice.randrange(-60, 60) * MS] * 7
    return sorted(range(len(file.records)), key=place)


def flood(kind, count):
    """A file that exhausts: `count` JOIN SYNs for one token, subflows with data, unknown tokens, or
    connections with keys that were used before."""
    dice, file = random.Random(kind), File()
    peers = Peers(file, dice, keys=(7, 8))
    peers.subflow().handshake(START, 10 * MS)
    time = peers.mapped(START + 20 * MS, 0, peers.subflows[0], 1, 1000)
    for number in range(count):
        time += 100_000
        if kind == "forged":
            other = Peers(file, dice, keys=(7 + number % 3, 8), number=number % 200)
            subflow = other.subflow()
            subflow.ends = [(bytes([10, 9, number >> 8 & 255, number & 255]), 4000 + number % 50_000),
                            subflow.ends[1]]
            subflow.handshake(time, MS)
            other.mapped(time + 2 * MS, 0, subflow, 1, 100)
            continue
        subflow = peers.subflow(path=1)
        subflow.ends[0] = bytes([10, 9, number >> 8 & 255, number & 255]), 4000 + number % 50_000
        subflow.handshake(time, MS, answered=kind == "subflows", unknown=kind == "unknown")
        if kind == "subflows":
            peers.mapped(time + 2 * MS, 0, subflow, peers.sent[0], 100)
    return file
