"""The TCP segments of a pcap or pcapng file, with exact times.

    file header / section, interface blocks
    record: time, captured length, length on the wire, link header | IP | TCP | payload

The payload may be shorter than `length` says: the snap length cut it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import struct

Segment = collections.namedtuple(
    "Segment", "frame time source target seq ack flags length payload window options")
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
TCP = 6

PCAP_MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
              b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1)}
SECTION, INTERFACE, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 3, 6
IF_TSRESOL, IF_TSOFFSET = 9, 14
IPV4, IPV6, VLAN, QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8


def frames(path):
    """(number, time in ns, link type, bytes) of every record of the file."""
    with open(path, "rb") as file:
        data = file.read()
    records = _pcap(data) if data[:4] in PCAP_MAGIC else _pcapng(data)
    for number, (time, link, packet) in enumerate(records, 1):
        yield number, time, link, packet


def _pcap(data):
    order, unit = PCAP_MAGIC[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, captured, _ = struct.unpack_from(order + "4I", data, at)
        if at + 16 + captured > len(data):
            return
        yield seconds * 10**9 + fraction * unit, link, data[at + 16:at + 16 + captured]
        at += 16 + captured


def _options(order, body):
    at, found = 0, {}
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == 0:
            break
        found[code] = body[at + 4:at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found


def _pcapng(data):
    at, order, interfaces = 0, "<", []
    while at + 12 <= len(data):
        (kind,) = struct.unpack_from(order + "I", data, at)
        if kind == SECTION:
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        (length,) = struct.unpack_from(order + "I", data, at + 4)
        if length < 12 or at + length > len(data):
            return
        body = data[at + 8:at + length - 4]
        if kind == INTERFACE:
            options = _options(order, body[8:])
            exponent = options.get(IF_TSRESOL, b"\6")[0]
            unit = 2 ** (exponent & 0x7F) if exponent & 0x80 else 10 ** exponent
            (offset,) = struct.unpack(order + "q", options.get(IF_TSOFFSET, bytes(8)))
            interfaces.append((struct.unpack_from(order + "H", body)[0], unit, offset))
        elif kind == ENHANCED:
            which, high, low, captured, _ = struct.unpack_from(order + "5I", body)
            link, unit, offset = interfaces[which]
            time = (high << 32 | low) * 10**9 // unit + offset * 10**9
            yield time, link, body[20:20 + captured]
        elif kind == SIMPLE:
            yield 0, interfaces[0][0], body[4:]
        at += length


def _ethernet(packet):
    at, (kind,) = 14, struct.unpack_from(">H", packet, 12)
    while kind in (VLAN, QINQ):
        (kind,) = struct.unpack_from(">H", packet, at + 2)
        at += 4
    return kind, at


def _ppp(packet):
    at = 2 if packet[:2] == b"\xff\x03" else 0
    return {b"\x00\x21": IPV4, b"\x00\x57": IPV6}.get(packet[at:at + 2]), at + 2


# By link type: what gives the network protocol and where its header begins.
LINKS = {
    0: lambda p: (IPV4 if 2 in (p[0], p[3]) else IPV6, 4),
    1: _ethernet,
    9: _ppp,
    12: lambda p: (IPV4 if p[0] >> 4 == 4 else IPV6, 0),
    101: lambda p: (IPV4 if p[0] >> 4 == 4 else IPV6, 0),
    108: lambda p: (IPV4 if 2 in (p[0], p[3]) else IPV6, 4),
    113: lambda p: (struct.unpack_from(">H", p, 14)[0], 16),
    228: lambda p: (IPV4, 0),
    229: lambda p: (IPV6, 0),
    276: lambda p: (struct.unpack_from(">H", p, 0)[0], 20),
}


def _ip(packet, kind, at):
    """(source, target, start of TCP, its length on the wire), or None if this is no TCP."""
    if kind == IPV4:
        header = (packet[at] & 0x0F) * 4
        total, fragment = struct.unpack_from(">H2xH", packet, at + 2)
        if packet[at + 9] != TCP or fragment & 0x3FFF:
            return None
        # Segmentation offload leaves the total length 0.
        length = (total or len(packet) - at) - header
        return packet[at + 12:at + 16], packet[at + 16:at + 20], at + header, length
    if kind == IPV6:
        following, start = packet[at + 6], at + 40
        (total,) = struct.unpack_from(">H", packet, at + 4)
        while following in (0, 43, 60):
            following, start = packet[start], start + 8 + packet[start + 1] * 8
        if following == TCP:
            return packet[at + 8:at + 24], packet[at + 24:at + 40], start, total + at + 40 - start
    return None


def datagrams(path):
    """(frame, time, source, target, payload) of every UDP datagram over IPv4 in Ethernet."""
    for number, time, link, packet in frames(path):
        if link != 1 or packet[12:14] != b"\x08\0" or packet[23] != 17:
            continue
        start = 14 + (packet[14] & 0x0F) * 4
        sport, dport, length = struct.unpack_from(">HHH", packet, start)
        yield (number, time, (packet[26:30], sport), (packet[30:34], dport),
               packet[start + 8:start + length])


def segments(path):
    """Every TCP segment of the file, in its order."""
    for number, time, link, packet in frames(path):
        try:
            kind, at = LINKS[link](packet)
            found = _ip(packet, kind, at)
            if found is None:
                continue
            source, target, start, length = found
            sport, dport, seq, ack, head, flags, window = struct.unpack_from(
                ">HHIIBBH", packet, start)
        except (KeyError, IndexError, struct.error):
            continue
        header = (head >> 4) * 4
        length = max(length - header, 0)
        payload = packet[start + header:start + header + length]
        options = packet[start + 20:start + header]
        yield Segment(number, time, (source, sport), (target, dport), seq, ack, flags, length,
                      payload, window, options)
