"""MQTT-SN 1.2 messages as bytes.

Kinds are the names in the truth file: connect, register, pub-1, pub0, pub1, pub2, ...

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

TYPES = {
    'connect': 0x04, 'connack': 0x05, 'willtopicreq': 0x06, 'willtopic': 0x07, 'willmsgreq': 0x08,
    'willmsg': 0x09, 'register': 0x0a, 'regack': 0x0b, 'publish': 0x0c, 'puback': 0x0d,
    'pubcomp': 0x0e, 'pubrec': 0x0f, 'pubrel': 0x10, 'subscribe': 0x12, 'suback': 0x13,
    'unsubscribe': 0x14, 'unsuback': 0x15, 'pingreq': 0x16, 'pingresp': 0x17, 'disconnect': 0x18,
    'willtopicupd': 0x1a, 'willtopicresp': 0x1b, 'willmsgupd': 0x1c, 'willmsgresp': 0x1d}
DUP, RETAIN, WILL, CLEAN = 0x80, 0x10, 0x08, 0x04
NORMAL, PREDEFINED, SHORT = 0, 1, 2
CONGESTION, INVALID_TOPIC, NOT_SUPPORTED = 1, 2, 3
ENCAPSULATED = 0xfe


class Message:
    """One message; SnTalk.send() notes when and where it passed."""

    def __init__(self, name, body=b'', kind=None, number=0, topic=''):
        length = len(body) + 2
        head = bytes([length, TYPES[name]]) if length < 256 else \
            struct.pack('!BHB', 1, length + 2, TYPES[name])
        self.data, self.kind, self.id, self.topic = head + body, kind or name, number, topic
        self.talk = None


def qos_flags(qos):
    return (qos & 3) << 5


def connect(client, flags=CLEAN, duration=60):
    return Message('connect', struct.pack('!BBH', flags, 1, duration) + client.encode())


def connack(code=0):
    return Message('connack', bytes([code]))


def register(number, topic, topic_id=0):
    return Message('register', struct.pack('!HH', topic_id, number) + topic.encode(),
                   number=number, topic=topic)


def regack(number, topic_id, code=0):
    return Message('regack', struct.pack('!HHB', topic_id, number, code), number=number)


def publish(qos, number, topic_id, size=20, topic='', topic_type=NORMAL, flags=0):
    """topic_id: a number, or two characters of a short name; topic: what it stands for."""
    if topic_type == SHORT:
        topic, topic_id = topic_id, struct.unpack('!H', topic_id.encode())[0]
    body = struct.pack('!BHH', flags | qos_flags(qos) | topic_type, topic_id, number)
    return Message('publish', body + bytes(65 + i % 26 for i in range(size)), f'pub{qos}', number,
                   topic)


def puback(number, topic_id=0, code=0):
    return Message('puback', struct.pack('!HHB', topic_id, number, code), number=number)


def _with_number(name):
    return lambda number: Message(name, struct.pack('!H', number), number=number)


pubrec, pubrel, pubcomp, unsuback = map(_with_number, ('pubrec', 'pubrel', 'pubcomp', 'unsuback'))


def subscribe(number, topic, qos=1, flags=0):
    return Message('subscribe', struct.pack('!BH', flags | qos_flags(qos), number) + topic.encode(),
                   number=number, topic=topic)


def suback(number, topic_id=0, code=0, qos=1):
    return Message('suback', struct.pack('!BHHB', qos_flags(qos), topic_id, number, code),
                   number=number)


def unsubscribe(number, topic):
    return Message('unsubscribe', struct.pack('!BH', 0, number) + topic.encode(), number=number,
                   topic=topic)


def pingreq(client=''):
    return Message('pingreq', client.encode(), 'ping')


def disconnect(duration=None):
    return Message('disconnect', b'' if duration is None else struct.pack('!H', duration))


def simple(name, body=b''):
    """What is no more than a type and text, or a return code."""
    return Message(name, body)


def encapsulated(message, node):
    """What a forwarder sends for a client it calls `node` (bytes)."""
    return bytes([3 + len(node), ENCAPSULATED, 0]) + node + message.data
