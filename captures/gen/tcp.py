"""TCP conversations as a capture at the client would show them, written as pcapng.

A scene says which bytes a side sends and when; sequence and acknowledgement numbers, IP ids and
checksums follow from that when the capture is written:

    Capture --1:n--> Conversation --1:n--> Packet
                        send(side, message, ..., at=ns)   a run of messages, cut at the MSS
                        ack(side, at=ns)                  a segment without data

The server is rtt_ns away: what passes the capture point is acknowledged by the server's packets
from rtt_ns later on, by the client's at once. All times are integers, ns since the epoch.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import struct

C2S, S2C = 0, 1
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

ETHERNET = {C2S: bytes.fromhex('020000000002020000000001' '0800'),
            S2C: bytes.fromhex('020000000001020000000002' '0800')}
WINDOW = 64240
SEGMENT_GAP_NS = 12_000  # 1460 bytes at 1 Gbit/s


class Message:
    """One message of an application protocol; send() notes where it lies in the stream."""
    __slots__ = ('data', 'kind', 'id', 'conversation', 'side', 'start', 'end')

    def __init__(self, data, kind, number=0):
        self.data, self.kind, self.id = data, kind, number
        self.conversation = None


class Packet:
    """A segment on its way. `captured`: the file shows it; `delivered`: the receiver gets it."""
    __slots__ = ('time', 'side', 'offset', 'payload', 'flags', 'captured', 'delivered', 'again',
                 'ack', 'frame', 'conversation', 'number')

    def __init__(self, time, side, offset, payload=b'', flags=ACK):
        self.time, self.side, self.offset = time, side, offset
        self.payload, self.flags = payload, flags
        self.captured = self.delivered = True
        self.again = False

    @property
    def end(self):
        return self.offset + len(self.payload)


# Fates of a segment: what becomes of the first transmission, and when it is sent again.
Fate = collections.namedtuple('Fate', 'captured delivered after_ns')


def lost(after_ns):
    """Lost before the capture point; only the retransmission is in the file."""
    return Fate(False, False, after_ns)


def dropped(after_ns):
    """Captured, lost further on, and sent again."""
    return Fate(True, False, after_ns)


def spurious(after_ns):
    """Captured, received, and sent again although nothing was lost."""
    return Fate(True, True, after_ns)


class Receiver:
    """What one side has received without a gap; arrivals count `lag_ns` after the capture."""

    def __init__(self, lag_ns):
        self.lag_ns, self.next, self.fin = lag_ns, 0, 0
        self.arrivals, self.early = collections.deque(), {}

    def acknowledges(self, now):
        while self.arrivals and self.arrivals[0].time + self.lag_ns <= now:
            packet = self.arrivals.popleft()
            self.early[packet.offset] = max(packet.end, self.early.get(packet.offset, 0))
            self.fin |= packet.flags & FIN
            while self.next in self.early:
                reached = self.early.pop(self.next)
                if reached == self.next:
                    break
                self.next = reached
        return self.next + self.fin


class Conversation:
    """One TCP connection, opened at `at`: three packets, the last one at `opened`."""

    def __init__(self, client, server, at, rtt_ns=200_000, mss=1460):
        self.client, self.server, self.rtt_ns, self.mss = client, server, rtt_ns, mss
        self.packets, self.sent = [], [0, 0]
        self.isn = [0x10000000 + 7919 * client[1], 0x20000000 + 104729 * client[1]]
        self.opened = at + rtt_ns + 15_000
        self._add(Packet(at, C2S, -1, flags=SYN))
        self._add(Packet(at + rtt_ns, S2C, -1, flags=SYN | ACK))
        self.ack(C2S, self.opened)

    def _add(self, packet):
        packet.conversation = self
        self.packets.append(packet)

    def send(self, side, *messages, at, cuts=None, gap_ns=SEGMENT_GAP_NS, order=None, fates=None):
        """Sends the messages back to back from `at` on and returns the time of the last segment.

        cuts:   lengths of the segments, the MSS for the rest (default: MSS throughout)
        order:  indices of the segments in the order in which they pass (default: as they are)
        fates:  {index: lost(ns) | dropped(ns) | spurious(ns)}
        """
        for message in messages:
            message.conversation, message.side = self, side
            message.start = self.sent[side]
            self.sent[side] = message.end = message.start + len(message.data)
        segments = self._segments(side, b''.join(m.data for m in messages), cuts or ())
        for slot, index in enumerate(order or range(len(segments))):
            self._send_segment(at + slot * gap_ns, side, segments[index], (fates or {}).get(index))
        return at + (len(segments) - 1) * gap_ns

    def _segments(self, side, data, cuts):
        """[(offset in the stream, payload, flags)]; the last one carries PSH."""
        segments, offset, cuts = [], self.sent[side] - len(data), list(cuts)
        while data:
            size = cuts.pop(0) if cuts else self.mss
            payload, data = data[:size], data[size:]
            segments.append((offset, payload, ACK if data else ACK | PSH))
            offset += len(payload)
        return segments

    def _send_segment(self, at, side, segment, fate):
        first = Packet(at, side, *segment)
        self._add(first)
        if fate:
            first.captured, first.delivered, after_ns = fate
            second = Packet(at + after_ns, side, *segment)
            second.again = True
            self._add(second)

    def ack(self, side, at):
        self._add(Packet(at, side, self.sent[side]))

    def close(self, at):
        """The client closes; returns the time of the last packet."""
        self._add(Packet(at, C2S, self.sent[C2S], flags=FIN | ACK))
        self._add(Packet(at + self.rtt_ns, S2C, self.sent[S2C], flags=FIN | ACK))
        last = at + self.rtt_ns + 15_000
        self._add(Packet(last, C2S, self.sent[C2S] + 1))
        return last

    def reset(self, at):
        self._add(Packet(at, S2C, self.sent[S2C], flags=RST | ACK))

    def finish(self):
        """Fills in acknowledgement numbers and frame bytes; returns the captured packets."""
        self.packets.sort(key=lambda packet: packet.time)
        receivers = {C2S: Receiver(0), S2C: Receiver(self.rtt_ns)}  # keyed by who acknowledges
        captured, ip_ids = [], [0, 0]
        for packet in self.packets:
            packet.ack = receivers[packet.side].acknowledges(packet.time)
            if packet.delivered and (packet.payload or packet.flags & FIN):
                receivers[1 - packet.side].arrivals.append(packet)
            ip_ids[packet.side] += 1
            if packet.captured:
                packet.frame = self._frame(packet, ip_ids[packet.side])
                captured.append(packet)
        return captured

    def _frame(self, packet, ip_id):
        side = packet.side
        sender, receiver = ((self.client, self.server), (self.server, self.client))[side]
        options = struct.pack('!BBH', 2, 4, self.mss) if packet.flags & SYN else b''
        acknowledged = 0
        if packet.flags & ACK:
            acknowledged = self.isn[1 - side] + 1 + packet.ack
        header = struct.pack('!HHIIBBHHH', sender[1], receiver[1],
                             (self.isn[side] + 1 + packet.offset) & 0xffffffff,
                             acknowledged & 0xffffffff, (20 + len(options)) << 2, packet.flags,
                             WINDOW, 0, 0) + options
        return ETHERNET[side] + ip_packet(6, sender[0], receiver[0], ip_id, header,
                                          packet.payload, 16)


def checksum(data):
    """The one's complement sum of RFC 1071: 2^16 is 1 modulo 0xffff, so one division does it."""
    if len(data) & 1:
        data += b'\0'
    return ~(int.from_bytes(data, 'big') % 0xffff or 0xffff) & 0xffff


def ip_packet(protocol, source, destination, ip_id, header, payload, checksum_at):
    """IPv4 with a transport header whose checksum field (still 0) lies at `checksum_at`."""
    length = len(header) + len(payload)
    addresses = bytes(map(int, (source + '.' + destination).split('.')))
    total = checksum(addresses + struct.pack('!HH', protocol, length) + header + payload)
    header = header[:checksum_at] + struct.pack('!H', total) + header[checksum_at + 2:]
    start = struct.pack('!BBHHHBB', 0x45, 0, 20 + length, ip_id & 0xffff, 0x4000, 64, protocol)
    ip_sum = struct.pack('!H', checksum(start + b'\0\0' + addresses))
    return start + ip_sum + addresses + header + payload


class Datagram:
    """A UDP packet, for captures of other traffic."""

    def __init__(self, time, side, sender, receiver, ip_id, payload):
        header = struct.pack('!HHHH', sender[1], receiver[1], 8 + len(payload), 0)
        self.time, self.conversation = time, self
        self.frame = ETHERNET[side] + ip_packet(17, sender[0], receiver[0], ip_id, header,
                                                payload, 6)


class Capture:
    """Conversations and datagrams of one file, merged in the order of time."""

    def __init__(self):
        self.conversations, self.datagrams = [], []

    def open(self, *args, **kwargs):
        self.conversations.append(Conversation(*args, **kwargs))
        return self.conversations[-1]

    def finish(self):
        """All captured packets, numbered from 1; Conversation.stream is what tcp.stream says."""
        packets = list(self.datagrams)
        for conversation in self.conversations:
            packets += conversation.finish()
        packets.sort(key=lambda packet: packet.time)
        streams = {}
        for number, packet in enumerate(packets, 1):
            packet.number = number
            packet.conversation.stream = streams.setdefault(id(packet.conversation), len(streams))
        return packets


def write_pcapng(path, packets):
    with open(path, 'wb') as file:
        file.write(_block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)))
        resolution = struct.pack('<HHBxxx', 9, 1, 9) + struct.pack('<HH', 0, 0)
        file.write(_block(1, struct.pack('<HHI', 1, 0, 0) + resolution))
        for packet in packets:
            size = len(packet.frame)
            head = struct.pack('<IIIII', 0, packet.time >> 32, packet.time & 0xffffffff, size, size)
            file.write(_block(6, head + packet.frame + bytes(-size % 4)))


def _block(kind, body):
    length = struct.pack('<I', len(body) + 12)
    return struct.pack('<I', kind) + length + body + length
