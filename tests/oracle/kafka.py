"""Kafka messages, read from the bytes of a direction: headers of every API and version.

    length  key  version  correlation id  client id  [tags]  body       request
    length  correlation id  [tags]  body                                response

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

PORTS = {9092}
PRODUCE, CONTROLLED_SHUTDOWN = 0, 7
MOST = 1 << 27


class Bad(Exception):
    """These bytes are no message."""


def length(data, at, is_request):
    """Bytes of the message at `at`; None if its header is not complete; Bad if there is none."""
    if at + 4 > len(data):
        return None
    (size,) = struct.unpack_from(">i", data, at)
    if not (8 if is_request else 4) <= size <= MOST:
        raise Bad
    if is_request and at + 8 <= len(data):
        key, version = struct.unpack_from(">HH", data, at + 4)
        if key > 127 or version > 31:
            raise Bad
    return size + 4


def uvarint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def skip_tags(data, at):
    count, at = uvarint(data, at)
    for _ in range(count):
        _, at = uvarint(data, at)
        size, at = uvarint(data, at)
        at += size
    return at


class Request:
    """Header and, of a Produce, acks: the first field after the transactional id (KIP-98)."""

    def __init__(self, data):
        self.size = len(data)
        self.api, self.version, self.id = struct.unpack_from(">hhi", data, 4)
        self.client = self.acks = None
        at = 12
        if self.api == CONTROLLED_SHUTDOWN and self.version == 0:
            return
        (count,) = struct.unpack_from(">h", data, at)
        at += 2
        if count > 0:
            self.client = data[at:at + count].decode("utf-8", "replace")
            at += count
        if self.api == PRODUCE:
            self.acks = self.read_acks(data, at)

    def read_acks(self, data, at):
        try:
            if self.version >= 9:
                count, at = uvarint(data, skip_tags(data, at))
                at += max(count - 1, 0)
            elif self.version >= 3:
                at += 2 + max(struct.unpack_from(">h", data, at)[0], 0)
            (acks,) = struct.unpack_from(">h", data, at)
        except (IndexError, struct.error):
            return None
        return acks if acks in (-1, 0, 1) else None


class Response:
    def __init__(self, data):
        self.size = len(data)
        (self.id,) = struct.unpack_from(">i", data, 4)


def whole_run(data, at, is_request):
    """Whether messages follow each other from `at` to the end, as mqtt.whole_run."""
    count, ids = 0, []
    while at < len(data):
        try:
            size = length(data, at, is_request)
        except Bad:
            return False
        if size is None or at + size > len(data):
            break
        ids.append(struct.unpack_from(">i", data, at + (8 if is_request else 4))[0])
        if len(ids) > 1 and not 0 < ids[-1] - ids[-2] < 1000:
            return False
        count += 1
        at += size
        if count >= 10:
            return True
    return count >= 3 or count >= 1 and at == len(data)
