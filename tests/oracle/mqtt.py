"""MQTT control packets, read from the bytes of a direction (3.1, 3.1.1, 5.0).

    type|flags  remaining length (1 to 4 bytes)  [topic]  [packet id]  [reason]  [properties]

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)
FROM_CLIENT = {CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ}
FROM_BROKER = {CONNACK, SUBACK, UNSUBACK, PINGRESP}
WITH_ID = range(PUBACK, UNSUBACK + 1)
FLAGS = {PUBREL: 2, SUBSCRIBE: 2, UNSUBSCRIBE: 2}
PORTS = {1883}

SESSION_EXPIRY, ASSIGNED_CLIENT, SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, TOPIC_ALIAS = \
    0x11, 0x12, 0x13, 0x21, 0x23
BYTES = {1: (0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 2: (0x13, 0x21, 0x22, 0x23),
         4: (0x02, 0x11, 0x18, 0x27)}
FIXED = {identifier: size for size, those in BYTES.items() for identifier in those}
TEXTS = {0x03: 1, 0x08: 1, 0x09: 1, 0x12: 1, 0x15: 1, 0x16: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}


class Bad(Exception):
    """These bytes are no control packet."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Bad
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self):
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Bad

    def text(self):
        return self.take(self.number(2)).decode("utf-8", "replace")

    def left(self):
        return len(self.data) - self.at

    def properties(self):
        inner, found = Reader(self.take(self.varint())), {}
        while inner.left():
            identifier = inner.varint()
            if identifier == 0x0B:
                found[identifier] = inner.varint()
            elif identifier in FIXED:
                found[identifier] = inner.number(FIXED[identifier])
            elif identifier in TEXTS:
                found[identifier] = [inner.text() for _ in range(TEXTS[identifier])][0]
            else:
                raise Bad
        return found


def length(data, at):
    """Bytes of the packet at `at`; None if its header is not complete; Bad if there is none."""
    if at >= len(data):
        return None
    kind, flags = data[at] >> 4, data[at] & 0x0F
    if kind == 0 or kind == PUBLISH and flags & 6 == 6:
        raise Bad
    if kind != PUBLISH and flags & ~(8 if kind in FLAGS else 0) != FLAGS.get(kind, 0):
        raise Bad
    rest = 0
    for i in range(4):
        if at + 1 + i >= len(data):
            return None
        rest |= (data[at + 1 + i] & 0x7F) << 7 * i
        if data[at + 1 + i] < 0x80:
            if kind in (PINGREQ, PINGRESP) and rest:
                raise Bad
            if kind in WITH_ID and rest < 2:
                raise Bad
            return 2 + i + rest
    raise Bad


class Packet:
    """One control packet; fields it does not have are None."""

    def __init__(self, data, version):
        reader = Reader(data)
        head = reader.number(1)
        reader.varint()
        self.type, self.dup = head >> 4, bool(head & 8)
        self.qos, self.retain = head >> 1 & 3, head & 1
        self.size = len(data)
        self.id = self.topic = self.client = self.version = self.reason = self.alias = None
        self.keep_alive = self.clean = self.present = self.payload = None
        self.properties, self.filters, self.codes = {}, [], []
        try:
            self.read(reader, version)
        except Bad:
            pass

    def read(self, reader, version):
        if self.type == CONNECT:
            reader.text()
            self.version = reader.number(1)
            self.clean = bool(reader.number(1) & 2)
            self.keep_alive = reader.number(2)
            if self.version == 5:
                self.properties = reader.properties()
            self.client = reader.text()
        elif self.type == CONNACK:
            self.present = bool(reader.number(1) & 1)
            self.reason = reader.number(1)
            if version == 5:
                self.properties = reader.properties()
                self.client = self.properties.get(ASSIGNED_CLIENT)
                self.keep_alive = self.properties.get(SERVER_KEEP_ALIVE)
        elif self.type == PUBLISH:
            self.topic = reader.text()
            if self.qos:
                self.id = reader.number(2)
            if version == 5:
                self.alias = reader.properties().get(TOPIC_ALIAS)
            self.payload = reader.take(reader.left())
        elif self.type in WITH_ID:
            self.id = reader.number(2)
            if self.type in (SUBACK, UNSUBACK):
                if version == 5:
                    reader.properties()
                self.codes = list(reader.data[reader.at:])
                if version == 5 or version and self.type == SUBACK:
                    self.reason = reader.number(1)
            elif self.type in (SUBSCRIBE, UNSUBSCRIBE):
                self.read_filters(reader, version)
            elif self.type <= PUBCOMP:
                self.reason = reader.number(1)
        elif self.type in (AUTH, DISCONNECT):
            self.reason = reader.number(1)

    def read_filters(self, reader, version):
        """(filter, options) of each. Without the CONNECT the one reading that fits is right."""
        start = reader.at
        for with_properties in (True, False) if version == 5 else (False, True):
            reader.at, found = start, []
            try:
                if with_properties:
                    reader.properties()
                while reader.left():
                    found.append((reader.text(), reader.number(1) if self.type == SUBSCRIBE else 0))
            except Bad:
                continue
            if version or all(text and options < 3 for text, options in found):
                self.filters = found
                return


def whole_run(data, at):
    """Whether control packets follow each other from `at` to the end of the data: where a direction
    was entered in the middle, chance is ruled out by the length of the run."""
    count = publishes = 0
    while at < len(data):
        try:
            size = length(data, at)
        except Bad:
            return False
        if size is None or at + size > len(data):
            break
        if data[at] >> 4 == PUBLISH:
            head = 1
            while data[at + head] & 0x80:
                head += 1
            (topic,) = struct.unpack_from(">H", data, at + head + 1)
            if topic + 2 > size or b"\0" in data[at + head + 3:at + head + 3 + topic]:
                return False
            publishes += 1
        count += 1
        at += size
        if count >= 20:
            return True
    return at == len(data) and count >= 1 or count >= 3 and publishes >= 1
