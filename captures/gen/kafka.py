"""Kafka requests and responses as bytes, with bodies that a broker would accept.

The message schemas are those of Kafka's protocol guide. Flexible versions (compact strings, tagged
fields, request header 2) are ApiVersions 3, Produce 13 and Fetch 18; Wireshark 4.0 to 4.6 cannot
read the bodies of the last two.
Kinds are the names in the truth files: produce0, produce1, produceall, fetch, metadata, ...

SPDX-License-Identifier: GPL-2.0-or-later
"""
import functools
import struct

from .tcp import Message

API_KEYS = {'produce': 0, 'fetch': 1, 'metadata': 3, 'offsetcommit': 8, 'findcoordinator': 10,
            'joingroup': 11, 'heartbeat': 12, 'syncgroup': 14, 'apiversions': 18}
FLEXIBLE = {('apiversions', 3), ('produce', 13), ('fetch', 18)}
ACKS_NAMES = {0: 'produce0', 1: 'produce1', -1: 'produceall'}
TOPIC_ID = bytes.fromhex('5d1c7a3e90b14f02a6c8e4f21b370d95')
NO_TAGS = b'\0'


def _request(api, version, number, client_id, body, kind=None):
    header = struct.pack('!hhi', API_KEYS[api], version, number) + string(client_id)
    if (api, version) in FLEXIBLE:
        header += NO_TAGS
    return _framed(header + body, kind or api, number)


def _response(api, version, number, body):
    header = struct.pack('!i', number)
    if (api, version) in FLEXIBLE and api != 'apiversions':  # KIP-511: always header 0
        header += NO_TAGS
    return _framed(header + body, api + '-response', number)


def _framed(data, kind, number):
    return Message(struct.pack('!i', len(data)) + data, kind, number)


def string(text):
    if text is None:
        return struct.pack('!h', -1)
    return struct.pack('!h', len(text)) + text.encode()


def block(data):
    return struct.pack('!i', len(data)) + data


def array(*items):
    return struct.pack('!i', len(items)) + b''.join(items)


def unsigned_varint(number):
    out = b''
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def varint(number):
    """Zigzag, as in records."""
    return unsigned_varint(number << 1 if number >= 0 else (-number << 1) - 1)


def compact(data):
    return unsigned_varint(len(data) + 1) + data


def compact_array(*items):
    return unsigned_varint(len(items) + 1) + b''.join(items)


# Records

def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC32C = _crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


@functools.lru_cache(maxsize=None)
def record_batch(size, timestamp_ms=1_700_000_000_000):
    """A batch (magic 2) of one record with a value of `size` bytes."""
    value = (b'temperature=21.75;line=7;' * (size // 25 + 1))[:size]
    record = b'\0' + varint(0) + varint(0) + varint(-1) + varint(size) + value + varint(0)
    record = varint(len(record)) + record
    after_crc = struct.pack('!hiqqqhii', 0, 0, timestamp_ms, timestamp_ms, -1, -1, -1, 1) + record
    rest = struct.pack('!ibI', 0, 2, crc32c(after_crc)) + after_crc
    return struct.pack('!qi', 0, len(rest)) + rest


# Requests and responses: one pair of functions for each API

def apiversions(number, client_id, version=0):
    software = compact(b'wirelat') + compact(b'1.0') + NO_TAGS if version >= 3 else b''
    return _request('apiversions', version, number, client_id, software)


def apiversions_response(number, version=0):
    ranges = [struct.pack('!hhh', key, 0, 3) for key in sorted(API_KEYS.values())]
    if version >= 3:
        listed = compact_array(*(item + NO_TAGS for item in ranges))
        body = struct.pack('!h', 0) + listed + struct.pack('!i', 0) + NO_TAGS
    else:
        body = struct.pack('!h', 0) + array(*ranges) + (struct.pack('!i', 0) if version else b'')
    return _response('apiversions', version, number, body)


def metadata(number, client_id, topic='orders'):
    return _request('metadata', 1, number, client_id, array(string(topic)))


def metadata_response(number, topic='orders', port=9092):
    broker = struct.pack('!i', 1) + string('broker-1') + struct.pack('!i', port) + string(None)
    node_1 = struct.pack('!i', 1)
    partition = struct.pack('!hii', 0, 0, 1) + array(node_1) + array(node_1)
    topics = array(struct.pack('!h', 0) + string(topic) + b'\0' + array(partition))
    return _response('metadata', 1, number, array(broker) + node_1 + topics)


def produce(number, client_id, size, acks=1, version=7, topic='orders'):
    if version >= 13:
        partition = struct.pack('!i', 0) + compact(record_batch(size)) + NO_TAGS
        topics = compact_array(TOPIC_ID + compact_array(partition) + NO_TAGS)
        body = b'\0' + struct.pack('!hi', acks, 30_000) + topics + NO_TAGS
    else:
        partition = struct.pack('!i', 0) + block(record_batch(size))
        topics = array(string(topic) + array(partition))
        body = string(None) + struct.pack('!hi', acks, 30_000) + topics
    return _request('produce', version, number, client_id, body, ACKS_NAMES[acks])


def produce_response(number, version=7, topic='orders', error=0, throttle_ms=0):
    partition = struct.pack('!ihqq', 0, error, 41, -1)
    if version >= 5:
        partition += struct.pack('!q', 0)  # log start offset
    throttle = struct.pack('!i', throttle_ms)
    if version >= 13:
        partition += compact_array() + b'\0' + NO_TAGS  # no record errors, no error message
        topics = compact_array(TOPIC_ID + compact_array(partition) + NO_TAGS)
        return _response('produce', version, number, topics + throttle + NO_TAGS)
    topics = array(string(topic) + array(partition))
    return _response('produce', version, number, topics + throttle)


def fetch(number, client_id, version=4, topic='orders', max_wait_ms=500, min_bytes=1):
    limits = struct.pack('!iiib', max_wait_ms, min_bytes, 52_428_800, 0)
    if version >= 18:
        partition = struct.pack('!iiqiqi', 0, -1, 42, -1, -1, 1_048_576) + NO_TAGS
        topics = compact_array(TOPIC_ID + compact_array(partition) + NO_TAGS)
        session = struct.pack('!ii', 0, -1)
        body = limits + session + topics + compact_array() + compact(b'') + NO_TAGS
    else:
        partition = struct.pack('!iqi', 0, 42, 1_048_576)
        topics = array(string(topic) + array(partition))
        body = struct.pack('!i', -1) + limits + topics  # replica id -1: a consumer
    return _request('fetch', version, number, client_id, body)


def fetch_response(number, size, version=4, topic='orders', throttle_ms=0):
    """size: bytes of the one record, 0 for an empty answer."""
    records = record_batch(size) if size else b''
    partition = struct.pack('!ihqq', 0, 0, 43, 43)
    if version >= 18:
        partition += struct.pack('!q', 0) + compact_array() + struct.pack('!i', -1)
        partition += compact(records) + NO_TAGS
        topics = compact_array(TOPIC_ID + compact_array(partition) + NO_TAGS)
        body = struct.pack('!ihi', throttle_ms, 0, 0) + topics + NO_TAGS
    else:
        partition += array() + block(records)
        body = struct.pack('!i', throttle_ms) + array(string(topic) + array(partition))
    return _response('fetch', version, number, body)


def findcoordinator(number, client_id, group='billing'):
    return _request('findcoordinator', 1, number, client_id, string(group) + b'\0')


def findcoordinator_response(number, port=9092):
    body = struct.pack('!ih', 0, 0) + string(None) + struct.pack('!i', 1)
    return _response('findcoordinator', 1, number,
                     body + string('broker-1') + struct.pack('!i', port))


def joingroup(number, client_id, group='billing', member=''):
    protocol = string('range') + block(struct.pack('!h', 1) + array(string('orders')) + block(b''))
    body = string(group) + struct.pack('!ii', 10_000, 60_000) + string(member)
    return _request('joingroup', 2, number, client_id, body + string('consumer') + array(protocol))


def joingroup_response(number, member):
    body = struct.pack('!ihi', 0, 0, 1) + string('range') + string(member) + string(member)
    metadata_of_member = struct.pack('!h', 1) + array(string('orders')) + block(b'')
    return _response('joingroup', 2, number, body + array(string(member)
                                                          + block(metadata_of_member)))


def _assignment():
    partitions = array(string('orders') + array(struct.pack('!i', 0)))
    return block(struct.pack('!h', 1) + partitions + block(b''))


def syncgroup(number, client_id, member, group='billing'):
    body = string(group) + struct.pack('!i', 1) + string(member)
    return _request('syncgroup', 1, number, client_id,
                    body + array(string(member) + _assignment()))


def syncgroup_response(number):
    return _response('syncgroup', 1, number, struct.pack('!ih', 0, 0) + _assignment())


def heartbeat(number, client_id, member, group='billing'):
    body = string(group) + struct.pack('!i', 1) + string(member)
    return _request('heartbeat', 1, number, client_id, body)


def heartbeat_response(number):
    return _response('heartbeat', 1, number, struct.pack('!ih', 0, 0))


def offsetcommit(number, client_id, member, group='billing', topic='orders'):
    partition = struct.pack('!iq', 0, 43) + string(None)
    body = string(group) + struct.pack('!i', 1) + string(member) + struct.pack('!q', -1)
    return _request('offsetcommit', 2, number, client_id,
                    body + array(string(topic) + array(partition)))


def offsetcommit_response(number, topic='orders'):
    partition = struct.pack('!ih', 0, 0)
    return _response('offsetcommit', 2, number, array(string(topic) + array(partition)))
