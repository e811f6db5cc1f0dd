"""Pairs the MQTT-SN messages of a capture by the specification alone (MQTT-SN 1.2).

Each datagram is one message, perhaps inside others of forwarders. A client is the pair of ends and
the forwarder's name for it. Events are as in exchanges.py; a message passes in one frame.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct

from .packets import datagrams

(CONNECT, CONNACK, WILLTOPICREQ, WILLTOPIC, WILLMSGREQ, WILLMSG, REGISTER, REGACK, PUBLISH, PUBACK,
 PUBCOMP, PUBREC, PUBREL) = range(4, 17)
(SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT) = range(0x12, 0x19)
WILLTOPICUPD, WILLTOPICRESP, WILLMSGUPD, WILLMSGRESP = range(0x1A, 0x1E)

KINDS = {CONNECT: 1, WILLTOPICREQ: 2, WILLMSGREQ: 3, REGISTER: 4, PUBLISH: 5, SUBSCRIBE: 6,
         UNSUBSCRIBE: 7, PINGREQ: 8, WILLTOPICUPD: 9, WILLMSGUPD: 10, DISCONNECT: 11}
ASKED = {CONNACK: CONNECT, WILLTOPIC: WILLTOPICREQ, WILLMSG: WILLMSGREQ, REGACK: REGISTER,
         PUBACK: PUBLISH, PUBCOMP: PUBLISH, SUBACK: SUBSCRIBE, UNSUBACK: UNSUBSCRIBE,
         PINGRESP: PINGREQ, WILLTOPICRESP: WILLTOPICUPD, WILLMSGRESP: WILLMSGUPD}
FROM_CLIENT = {CONNECT, WILLTOPIC, WILLMSG, SUBSCRIBE, UNSUBSCRIBE, WILLTOPICUPD, WILLMSGUPD}
FROM_GATEWAY = {CONNACK, WILLTOPICREQ, WILLMSGREQ, SUBACK, UNSUBACK, WILLTOPICRESP, WILLMSGRESP}
# Where type, MsgId, topic id and return code stand behind the type.
ID_AT = {REGISTER: 2, REGACK: 2, PUBLISH: 3, PUBACK: 2, PUBCOMP: 0, PUBREC: 0, PUBREL: 0,
         SUBSCRIBE: 1, SUBACK: 3, UNSUBSCRIBE: 1, UNSUBACK: 0}
TOPIC_AT = {REGISTER: 0, REGACK: 0, PUBLISH: 1, PUBACK: 0, SUBACK: 1}
CODE_AT = {CONNACK: 0, REGACK: 4, PUBACK: 4, SUBACK: 5, WILLTOPICRESP: 0, WILLMSGRESP: 0}


def _head(data):
    if data[0] == 1:
        return int.from_bytes(data[1:3], "big"), 4
    return data[0], 2


class Message:
    """One message, what encapsulates it taken off."""

    def __init__(self, data):
        nodes = []
        length, head = _head(data)
        while data[head - 1] == 0xFE:
            nodes.append(data[head + 1:length].hex())
            data = data[length:]
            length, head = _head(data)
        self.node, self.type, self.size = "/".join(nodes), data[head - 1], length
        self.body = body = data[head:length]
        self.id = self.number(ID_AT)
        self.topic_id = self.number(TOPIC_AT)
        self.code = body[CODE_AT[self.type]] if self.type in CODE_AT else None
        self.flags = body[0] if self.type in (CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE) else 0
        qos = self.flags >> 5 & 3
        self.qos = -1 if qos == 3 else qos
        self.same = bytes([self.type, self.flags & 0x7F]) + body[1:] \
            if self.flags else bytes([self.type]) + body
        if self.flags == 0 and self.type in (PUBLISH, SUBSCRIBE, UNSUBSCRIBE, CONNECT):
            self.same = bytes([self.type, 0]) + body[1:]
        self.client = body[4:].decode() if self.type == CONNECT else \
            body.decode() if self.type == PINGREQ else ""
        self.topic = {REGISTER: body[4:], SUBSCRIBE: body[3:], UNSUBSCRIBE: body[3:]}.get(
            self.type, b"").decode(errors="replace") if self.flags & 3 != 1 else ""

    def number(self, places):
        at = places.get(self.type)
        return struct.unpack_from(">H", self.body, at)[0] if at is not None else 0


class Client:
    """One client and what is pending between it and its gateway."""

    def __init__(self, stream):
        self.stream, self.name, self.side = stream, None, None
        self.pending, self.finished, self.topics = {}, {}, {}


def read(path, port):
    events, streams, clients = [], {}, {}
    for frame, time, source, target, data in datagrams(path):
        if port not in (source[1], target[1]):
            continue
        message = Message(data)
        stream = streams.setdefault(frozenset((source, target)), len(streams))
        client = clients.setdefault((stream, message.node), Client(stream))
        _take(events, client, message, frame, time, 1 if source[1] == port else 0)
    return events


def _take(events, client, m, frame, time, side):
    """side: 0 from the client, as far as ports tell."""
    if m.type in FROM_CLIENT or m.type in FROM_GATEWAY:
        client.side = side if m.type in FROM_CLIENT else 1 - side
    elif client.side is None:
        client.side = 0
    if m.client and side == client.side:
        client.name = m.client
    if m.type == CONNECT and m.flags & 4:
        client.topics = {}

    def note(what, **values):
        event = {"what": what, "frame": frame, "stream": client.stream, "id": m.id, **values}
        events.append(event)
        return event

    if m.type in (PUBREC, PUBREL):
        _step(client, m, time, side, note)
        return
    request = None
    if m.type in KINDS and (m.type != DISCONNECT or side == client.side):
        _ask(client, m, frame, time, side, note)
        return
    asked = DISCONNECT if m.type == DISCONNECT else ASKED[m.type]
    key = (1 - side, asked, m.id)
    request = client.pending.get(key)
    if m.type == DISCONNECT and request is None:
        return
    before = request or client.finished.get(key)
    if before is None or asked == PUBLISH and not (
            before["qos"] == (2 if m.type == PUBCOMP else 1) or m.type == PUBACK and m.code):
        note("orphan")
    elif request is None:
        note("duplicate", request=before["frame"])
    else:
        client.finished[key] = client.pending.pop(key)
        request["outcome"] = "answered"
        if m.type in (REGACK, SUBACK) and m.code == 0 and not request["type"]:
            client.topics[m.topic_id] = request["topic"]
        note("answer", request=request["frame"], time=time - request["at"], code=m.code,
             retries=request["retries"], topic=request["topic"], client_id=client.name,
             kind=KINDS[asked])


def _step(client, m, time, side, note):
    key = (1 - side if m.type == PUBREC else side, PUBLISH, m.id)
    request = client.pending.get(key)
    if m.type == PUBREC:
        before = request or client.finished.get(key)
        if before is None or before["qos"] != 2:
            note("orphan")
        elif request is None or "received" in request:
            note("duplicate", request=before["frame"])
        else:
            request["received"] = time
            note("pubrec", request=request["frame"], pubrec_time=time - request["at"])
    elif request is not None and request["qos"] == 2:
        if "released" in request:
            request["retries"] += 1
            note("retry", request=request["frame"])
        else:
            request["released"] = time
            note("pubrel", request=request["frame"], pubrel_time=time - request["received"]
                 if "received" in request else None)


def _ask(client, m, frame, time, side, note):
    key = (side, m.type, m.id)
    old = client.pending.get(key)
    one_way = m.type == PUBLISH and m.qos <= 0
    if old is not None and not one_way:
        if m.flags & 0x80 if m.type == PUBLISH else old["same"] == m.same:
            old["retries"] += 1
            note("retry", request=old["frame"])
            return
        old["outcome"] = "reused"
    topic = m.topic
    if m.type == PUBLISH:
        topic = {0: client.topics.get(m.topic_id, ""), 2: m.body[1:3].decode("latin-1")}.get(
            m.flags & 3, "")
    if m.type == REGISTER and m.topic_id:
        client.topics[m.topic_id] = m.topic
    request = note("request", request=frame, at=time, qos=m.qos if m.type == PUBLISH else None,
                   kind=KINDS[m.type], topic=topic, same=m.same, retries=0, type=m.flags & 3
                   if m.type in (PUBLISH, SUBSCRIBE, UNSUBSCRIBE) else 0, size=m.size,
                   sender=int(side != client.side), client_id=client.name, node=m.node,
                   reused=old is not None and not one_way,
                   outcome="one-way" if one_way else "open")
    if not one_way:
        client.pending[key] = request
        client.finished.pop(key, None)
