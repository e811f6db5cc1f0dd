"""Conversations nobody had in mind: random exchanges, cut into random segments, sent through a
network that loses, repeats, reorders and re-cuts them. The same seed gives the same file.

    steps of a conversation -> writes of each side -> segments -> what the network does to them
    -> acknowledgements of what really arrived -> pcap with ns

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random
import struct

SYN, FIN, RST, PSH, ACK = 0x02, 0x01, 0x04, 0x08, 0x10
MS = 1_000_000
# What happens to a segment: "dropped" behind the capture point and "spurious" are captured twice.
TROUBLES = ("lost", "dropped", "spurious", "late", "recut")


def varint(value):
    out = b""
    while True:
        out += bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
        value >>= 7
        if not value:
            return out


def text(value):
    return struct.pack(">H", len(value)) + value.encode()


def packet(head, body):
    return bytes([head]) + varint(len(body)) + body


class Mqtt:
    """What a client and a broker may say to each other."""
    port = 1883

    def __init__(self, dice, name):
        self.dice, self.name, self.version = dice, name, dice.choice((3, 4, 5))
        self.ids, self.aliases, self.retained = [0, 0], [{}, {}], []

    def none(self):
        return b"\0" if self.version == 5 else b""

    def opening(self):
        protocol = text("MQIsdp" if self.version == 3 else "MQTT")
        connect = packet(0x10, protocol + bytes([self.version, 2]) + b"\0\x3c" + self.none() +
                         text(self.name))
        return [[connect]], [[packet(0x20, b"\0\0" + self.none())]]

    def next_id(self, side):
        self.ids[side] = self.ids[side] % 65535 + 1
        return self.ids[side]

    def ack(self, head, number):
        reason = self.dice.choice((b"", b"\0", b"\x10", b"\0\0")) if self.version == 5 else b""
        return packet(head, struct.pack(">H", number) + reason)

    def publish(self, side, qos, number, dup=False):
        topic, properties = f"plant/{self.name}/{self.dice.randrange(5)}", self.none()
        if self.version == 5 and self.dice.random() < 0.4:
            alias = self.dice.randrange(1, 4)
            if alias in self.aliases[side] and self.dice.random() < 0.5:
                topic = ""
            else:
                self.aliases[side][alias] = topic
            properties = b"\3\x23" + struct.pack(">H", alias)
        size = self.dice.choice((0, 1, 20, 100, 130, 1000, 5000, 20000))
        payload = self.dice.randbytes(size)
        return packet(0x30 | dup << 3 | qos << 1 | (self.dice.random() < 0.1), text(topic) +
                      (struct.pack(">H", number) if qos else b"") + properties + payload)

    def exchange(self):
        """(requester, rounds): a round is what one side says, the other side says the next."""
        dice = self.dice
        kind = dice.choice(("ping", "subscribe", "unsubscribe", *["publish"] * 9))
        if kind == "ping":
            return 0, [b"\xc0\0", b"\xd0\0"]
        side = dice.randrange(2) if kind == "publish" else 0
        number = self.next_id(side)
        identifier = struct.pack(">H", number)
        if kind == "subscribe":
            return 0, [packet(0x82, identifier + self.none() + text("a/#") + b"\1"),
                       packet(0x90, identifier + self.none() + b"\1")]
        if kind == "unsubscribe":
            answer = identifier + (b"\0\0" if self.version == 5 else b"")
            return 0, [packet(0xA2, identifier + self.none() + text("a/#")), packet(0xB0, answer)]
        qos = dice.randrange(3)
        rounds = [self.publish(side, qos, number)]
        if qos == 1:
            rounds.append(self.ack(0x40, number))
        elif qos == 2:
            rounds += [self.ack(0x50, number), self.ack(0x62, number), self.ack(0x70, number)]
        return side, rounds

    def strange(self):
        """What the other side did not expect."""
        number = self.dice.choice((*range(1, 12), 60000))
        side = self.dice.randrange(2)
        return side, [self.dice.choice((
            self.ack(0x40, number), self.ack(0x50, number), self.ack(0x62, number),
            self.ack(0x70, number), self.publish(side, self.dice.choice((1, 2)), number, True),
            self.publish(side, self.dice.choice((1, 2)), number)))]


class Kafka:
    port = 9092

    def __init__(self, dice, name):
        self.dice, self.name = dice, name
        self.id = dice.choice((0, 1, 1000, 2**31 - 5, -3))

    def near(self, distance):
        return (self.id + distance + 2**31) % 2**32 - 2**31

    def next_id(self):
        self.id = self.near(1)
        return self.id

    def request(self, api, version, number, body):
        head = struct.pack(">hhi", api, version, number) + text(self.name)
        return struct.pack(">i", len(head) + len(body)) + head + body

    def response(self, number):
        body = self.dice.randbytes(self.dice.choice((0, 2, 10, 40, 500, 3000, 15000)))
        return struct.pack(">ii", len(body) + 4, number) + body

    def opening(self):
        number = self.next_id()
        return [[self.request(18, 0, number, b"")]], [[self.response(number)]]

    def exchange(self):
        dice, number = self.dice, self.next_id()
        api, version = dice.choice((0, 0, 0, 1, 3, 12, 68, 71)), dice.randrange(14)
        body = dice.randbytes(dice.choice((4, 30, 200, 1500, 9000)))
        if api != 0:
            return 0, [self.request(api, version, number, body), self.response(number)]
        acks = dice.choice((-1, 0, 1))
        transaction = dice.choice((None, "tx-7"))
        head = b"" if version < 3 else (b"\xff\xff" if transaction is None else text(transaction))
        if version >= 9:
            head = b"\0" + (b"\0" if transaction is None else
                            bytes([len(transaction) + 1]) + transaction.encode())
        message = self.request(0, version, number, head + struct.pack(">hi", acks, 30000) + body)
        return 0, [message] + ([self.response(number)] if acks else [])

    def strange(self):
        number = self.near(-self.dice.randrange(6))
        if self.dice.random() < 0.5:
            return 1, [self.response(number)]
        return 0, [self.request(3, 5, number, b"")]


def script(dice, talk, orderly):
    """Writes in their order: (side, bytes, gap before it). Exchanges overlap; rounds of one keep
    their order."""
    first, answer = talk.opening()
    writes = [(0, b"".join(first[0])), (1, b"".join(answer[0]))]
    waiting, left = [], dice.randrange(5, 45)
    while left or waiting:
        batch, side = [], None
        if left and (not waiting or dice.random() < 0.5):
            for _ in range(min(left, dice.choice((1, 1, 1, 2, 7)))):
                left -= 1
                breaks_rules = not orderly and dice.random() < 0.06
                requester, rounds = talk.strange() if breaks_rules else talk.exchange()
                if dice.random() < 0.05:
                    rounds = rounds[:1]  # never answered
                waiting.append([requester, rounds])
        for _ in range(dice.choice((1, 1, 2, 5))):
            ready = [entry for entry in waiting if side in (None, entry[0])]
            if not ready:
                break
            entry = ready[0] if orderly else dice.choice(ready[:4])
            side = entry[0]
            batch.append(entry[1].pop(0))
            entry[0] = 1 - side
            if not entry[1]:
                waiting.remove(entry)
        if batch:
            writes.append((side, b"".join(batch)))
    return writes


class Segment:
    def __init__(self, time, side, start, data, flags=ACK):
        self.time, self.side, self.start, self.data, self.flags = time, side, start, data, flags
        self.delivered, self.captured = True, True
        self.ack = 0


def segments(dice, writes, begin, trouble, styles, spared=0, troubles=TROUBLES):
    """The segments of a conversation as the network shows them at the capture point. spared: so
    many writes have no trouble."""
    clock, sent, found = begin, [0, 0], []
    for number, (side, data) in enumerate(writes):
        clock += dice.choice((20_000, MS, 7 * MS, 40 * MS)) + dice.randrange(10_000)
        style, at = dice.choice(styles), 0
        if style == "bytes" and len(data) > 400:
            style = "any"
        while at < len(data):
            size = {"bytes": 1, "small": dice.randrange(1, 40), "full": 1460,
                    "any": dice.randrange(1, 1460)}[style]
            if style == "any" and dice.random() < 0.1:
                size = 1
            piece = Segment(clock, side, sent[side] + at, data[at:at + size])
            at += len(piece.data)
            clock += dice.choice((1_000, 12_000, 12_000, 2 * MS))
            found.append(piece)
            if dice.random() < trouble and number >= spared:
                found += impaired(dice, piece, found, troubles)
        sent[side] += len(data)
        # The other side reads before it answers.
        clock = max(clock, max(s.time for s in found[-40:]) + 1000)
    return sorted(found, key=lambda s: s.time), sent


def impaired(dice, piece, found, troubles):
    """What goes wrong with a segment; gives what is sent again."""
    later = piece.time + dice.choice((300_000, 3 * MS, 210 * MS))
    again = Segment(later, piece.side, piece.start, piece.data)
    trouble = dice.choice(troubles)
    if trouble == "late":
        piece.time += dice.choice((15_000, 60_000, MS))
        return []
    if trouble == "lost":
        piece.captured = piece.delivered = False
    elif trouble == "dropped":
        piece.delivered = False
    elif trouble == "recut":
        piece.captured = piece.delivered = False
        before = [s for s in found[-2:-1] if s.side == piece.side and s.delivered and
                  s.start + len(s.data) == piece.start]
        for other in before:
            again.start, again.data = other.start, other.data + piece.data
    return [again]


def acknowledged(dice, found, begin, sent):
    """Adds handshake and pure ACKs, and fills in what each side has received by then."""
    out = [Segment(begin - 3 * MS, 0, -1, b"", SYN), Segment(begin - 2 * MS, 1, -1, b"", SYN | ACK),
           Segment(begin - MS, 0, 0, b"")]
    received, early, fin = [0, 0], [{}, {}], [0, 0]
    last = [0, 0]
    for segment in found:
        if segment.captured:
            segment.ack = received[1 - segment.side]
            last[segment.side] = segment.ack
            out.append(segment)
        if segment.delivered:
            waiting = early[segment.side]
            waiting[segment.start] = max(waiting.get(segment.start, 0),
                                         segment.start + len(segment.data))
            moved = True
            while moved:
                moved = False
                for start, end in list(waiting.items()):
                    if start <= received[segment.side]:
                        received[segment.side] = max(received[segment.side], end)
                        del waiting[start]
                        moved = True
        other = 1 - segment.side
        if dice.random() < 0.5 and segment.delivered:
            pure = Segment(segment.time + dice.choice((300, 500)), other, None, b"")
            pure.ack = received[segment.side]
            out.append(pure)
    end = max(s.time for s in out) + MS
    for side in (0, 1):
        closing = Segment(end + side * MS, side, sent[side], b"", FIN | ACK)
        closing.ack = received[1 - side]
        out.append(closing)
    out.sort(key=lambda s: s.time)
    return out


def framed(segment, ends, isn, place):
    """Ethernet, IPv4 and TCP around the data."""
    source, target = ends[segment.side], ends[1 - segment.side]
    seq = (isn[segment.side] + 1 + (place[segment.side] if segment.start is None
                                    else segment.start)) & 0xFFFFFFFF
    ack = (isn[1 - segment.side] + 1 + segment.ack) & 0xFFFFFFFF if segment.flags & ACK else 0
    tcp = struct.pack(">HHIIBBHHH", source[1], target[1], seq, ack, 0x50, segment.flags,
                      64240, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(segment.data), 0, 0, 64, 6, 0, source[0],
                     target[0])
    return bytes(12) + b"\x08\x00" + ip + tcp + segment.data


def write(path, seed, conversations=8, trouble=0.03, orderly=False, kinds=(Mqtt, Kafka),
          troubles=TROUBLES):
    """A capture of conversations side by side. trouble: share of the segments that something, one
    of troubles, happens to; orderly: as real clients and brokers do, requests and answers in the
    order of their ids and in full segments."""
    dice = random.Random(seed)
    styles = ("full",) if orderly else ("bytes", "small", "full", "full", "full", "any")
    records = []
    for number in range(conversations):
        kind = dice.choice(kinds)
        talk = kind(dice, f"{kind.__name__.lower()}-{number}")
        begin = 1_700_000_000_000_000_000 + dice.randrange(2000 * MS)
        ends = ((bytes([10, 0, 0, 1 + number % 3]), 40000 + number), (b"\x0a\0\1\1", talk.port))
        isn = [dice.choice((0, 2**32 - 1 - dice.randrange(3000), dice.randrange(2**32)))
               for _ in (0, 1)]
        writes, spared = script(dice, talk, orderly), 0
        if hasattr(talk, "wrapped"):
            writes, spared = list(talk.wrapped(writes)), 2  # without the upgrade it is no WebSocket
        found, sent = segments(dice, writes, begin, trouble, styles, spared, troubles)
        everything = acknowledged(dice, found, begin, sent)
        place = [0, 0]
        for segment in everything:
            frame = framed(segment, ends, isn, place)
            if segment.start is not None:
                place[segment.side] = max(place[segment.side], segment.start + len(segment.data))
            records.append((segment.time, frame))
    records.sort(key=lambda record: record[0])
    store(path, records)


def store(path, records):
    """Writes (time, frame) records as a pcap with ns."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, frame in records:
            file.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), len(frame)))
            file.write(frame)
