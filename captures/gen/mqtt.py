"""MQTT control packets (3.1, 3.1.1, 5.0) as bytes.

Versions are the protocol levels of CONNECT: 3, 4, 5. Only 5 has properties and reason codes.
Kinds are the names in the truth files: connect, pub0, pub1, pub2, puback, ...

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

from .tcp import Message

TYPES = {name: number for number, name in enumerate(
    'connect connack publish puback pubrec pubrel pubcomp subscribe suback unsubscribe unsuback '
    'pingreq pingresp disconnect auth'.split(), 1)}
DUP, RETAIN = 0x08, 0x01
NOT_AUTHORIZED = 0x87


def variable_length(number):
    """The base-128 length of MQTT 5.0, section 1.5.5."""
    out = b''
    while True:
        number, low = divmod(number, 128)
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def _packet(name, flags, body, kind=None, packet_id=0):
    data = bytes([TYPES[name] << 4 | flags]) + variable_length(len(body)) + body
    return Message(data, kind or name, packet_id)


def _string(text):
    return struct.pack('!H', len(text)) + text.encode()


def _properties(version, data=b''):
    return variable_length(len(data)) + data if version >= 5 else b''


def connect(client_id, version=4, keep_alive=60):
    name = _string('MQIsdp' if version == 3 else 'MQTT')
    clean_start = 0x02
    body = name + struct.pack('!BBH', version, clean_start, keep_alive)
    return _packet('connect', 0, body + _properties(version) + _string(client_id))


def connack(version=4, code=0, assigned=''):
    properties = b'\x12' + _string(assigned) if assigned else b''
    return _packet('connack', 0, bytes([0, code]) + _properties(version, properties))


def publish(topic, payload, qos=0, packet_id=0, version=4, dup=False, retain=False, alias=0):
    """payload: bytes, or a number of bytes to make up."""
    if isinstance(payload, int):
        payload = filler(payload)
    body = _string(topic) + (struct.pack('!H', packet_id) if qos else b'')
    body += _properties(version, struct.pack('!BH', 0x23, alias) if alias else b'') + payload
    flags = DUP * dup | qos << 1 | RETAIN * retain
    return _packet('publish', flags, body, f'pub{qos}', packet_id)


def filler(size):
    return (b'{"sensor":"line-7","value":21.75,"unit":"C"} ' * (size // 45 + 1))[:size]


def _acknowledgement(name, flags):
    def make(packet_id, reason=None):
        """reason: MQTT 5.0 only; without one the packet has 4 bytes in every version."""
        body = struct.pack('!H', packet_id) + (b'' if reason is None else bytes([reason]))
        return _packet(name, flags, body, packet_id=packet_id)
    return make


puback = _acknowledgement('puback', 0)
pubrec = _acknowledgement('pubrec', 0)
pubrel = _acknowledgement('pubrel', 2)
pubcomp = _acknowledgement('pubcomp', 0)


def subscribe(packet_id, *filters, qos=1, version=4):
    topics = b''.join(_string(topic) + bytes([qos]) for topic in filters)
    body = struct.pack('!H', packet_id) + _properties(version) + topics
    return _packet('subscribe', 2, body, packet_id=packet_id)


def suback(packet_id, *granted, version=4):
    body = struct.pack('!H', packet_id) + _properties(version) + bytes(granted)
    return _packet('suback', 0, body, packet_id=packet_id)


def unsubscribe(packet_id, *filters, version=4):
    body = struct.pack('!H', packet_id) + _properties(version) + b''.join(map(_string, filters))
    return _packet('unsubscribe', 2, body, packet_id=packet_id)


def unsuback(packet_id, *codes, version=4):
    """codes: one per filter in 5.0, none before."""
    body = struct.pack('!H', packet_id) + _properties(version) + bytes(codes)
    return _packet('unsuback', 0, body, packet_id=packet_id)


def pingreq():
    return _packet('pingreq', 0, b'', 'ping')


def pingresp():
    return _packet('pingresp', 0, b'')


def disconnect():
    return _packet('disconnect', 0, b'')
