"""Pairs the messages of both directions and lists what happened on which frame.

    request   a request is complete                   ack         TCP acknowledged it
    answer    what answers it is complete             pubrec, pubrel   the legs of QoS 2
    retry     it was sent again while it waited       duplicate   it was answered before
    orphan    an answer nobody waits for

An event is a dictionary: "what", "protocol", "stream", "frame", "id", "request" (the frame that
completed the request) and whatever else is known, times in ns. Requests also have "outcome":
answered, open, one-way, reused; what ends them or a step of theirs has them as "exchange".

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections

from . import kafka, mqtt, websocket
from .packets import ACK
from .streams import connections

Message = collections.namedtuple("Message", "side start end order place data")
CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PING, REAUTHENTICATE = range(1, 7)
REQUESTS = {mqtt.CONNECT: CONNECT, mqtt.SUBSCRIBE: SUBSCRIBE, mqtt.UNSUBSCRIBE: UNSUBSCRIBE,
            mqtt.PINGREQ: PING}
ANSWERS = {mqtt.CONNACK: CONNECT, mqtt.PUBACK: PUBLISH, mqtt.PUBCOMP: PUBLISH,
           mqtt.SUBACK: SUBSCRIBE, mqtt.UNSUBACK: UNSUBSCRIBE, mqtt.PINGRESP: PING}


class Events(list):
    """All events of a capture in frame order, and whether every byte of it was understood."""
    complete = True

    def of(self, *kinds):
        return [event for event in self if event["what"] in kinds]


def read(path, mqtt_ports=mqtt.PORTS, kafka_ports=kafka.PORTS):
    """The events of a capture, from its bytes alone."""
    events = Events()
    for connection in connections(path):
        inside = websocket.open_connection(connection)
        if inside is not None:
            Mqtt(inside, 1, events).run()
            continue
        ports = [end[1] for end in connection.ends]
        for matcher, server_ports in ((Mqtt, mqtt_ports), (Kafka, kafka_ports)):
            if set(ports) & set(server_ports):
                # The opener is the client unless only its own port is a server's.
                server = 1 if ports[1] in server_ports else 0
                matcher(connection, server, events).run()
                break
    events.sort(key=lambda event: event["frame"])
    return events


class Matcher:
    protocol = None

    def __init__(self, connection, server, events):
        self.connection, self.server, self.events = connection, server, events
        self.pending, self.finished = {}, {}

    def run(self):
        messages = [message for side in (0, 1) for message in self.messages(side)]
        for message in sorted(messages, key=lambda m: (m.order, m.start)):
            self.match(message)

    # Where messages begin and end.

    def messages(self, side):
        half = self.connection.halves[side]
        runs = list(half.runs())
        at, i = 0, 0
        delivered = (0, 0)
        synchronised = half.with_syn
        while i < len(runs):
            start, data = runs[i]
            if not synchronised or at < start:
                at = self.synchronise(side, start, data, 0 if synchronised else max(at - start, 0))
                synchronised, delivered = at is not None, (0, 0)
                if not synchronised:
                    at, i = start + len(data), i + 1
                    self.events.complete = False
                    continue
            if at >= start + len(data):
                i += 1
                continue
            try:
                size = self.length(data, at - start, side)
            except (mqtt.Bad, kafka.Bad):
                self.events.complete = False
                synchronised, at = False, at + 1
                continue
            if size is None:
                i += 1
                if i < len(runs):
                    self.events.complete = synchronised = False
                continue
            place = half.place(at, at + size)
            if place is None:
                if at + size <= half.reached:
                    self.events.complete = False
            else:
                # Nobody can read it before what was lost in front of it is there: the clients'
                # own times (lab/mqtt-f10c2qos1medium_loss2, ids 23 and 24) say so too.
                delivered = max(delivered, (place.last_frame, place.last_time))
                place = place._replace(last_frame=delivered[0], last_time=delivered[1])
                yield Message(side, at, at + size, place.last_frame, place,
                              data[at - start:at - start + size])
            at += size

    def synchronise(self, side, start, data, least):
        for offset in range(least, min(len(data), 1 << 20)):
            if self.whole_run(data, offset, side):
                return start + offset
        return None

    # What happened.

    def note(self, what, message, **values):
        event = {"what": what, "protocol": self.protocol, "stream": self.connection.number,
                 "frame": message.order, "first_frame": message.place.first_frame, **values}
        self.events.append(event)
        return event

    def opened(self, message, **values):
        place = message.place
        return self.note("request", message, request=message.order, first=place.first_time,
                         last=place.last_time, outcome="open", **values)

    def pend(self, key, request):
        old = self.pending.get(key)
        if old is not None:
            old["outcome"] = "reused"
            request["reused"] = True
        self.pending[key] = request
        self.finished.pop(key, None)

    def answered(self, key, request, message, **values):
        first, last = message.place.first_time, message.place.last_time
        self.pending.pop(key)
        self.finished[key] = request
        request["outcome"], request["response_in"] = "answered", message.order
        shared = {name: request[name] for name in self.SHARED if name in request}
        return self.note("answer", message, exchange=request, **shared, **values,
                         time=last - request["first"], service_time=first - request["last"],
                         request_spread=request["last"] - request["first"],
                         response_spread=last - first)

    def again(self, key, message, identifier):
        """A second answer, or one that nobody asked for."""
        request = self.finished.get(key)
        if request is not None:
            self.note("duplicate", message, id=identifier, request=request["request"])
        else:
            self.note("orphan", message, id=identifier)

    def await_ack(self, message, request):
        found = self.connection.halves[message.side].ack_of(message.end)
        if found is not None:
            frame, time = found
            self.events.append({
                "what": "ack", "protocol": self.protocol, "stream": self.connection.number,
                "frame": frame, "id": request["id"], "request": request["request"],
                "ack_time": time - request["first"], "exchange": request})


class Kafka(Matcher):
    protocol = "wirelat.kafka"
    SHARED = ("id", "request", "api", "api_version", "client_id", "acks", "size", "inflight")

    def length(self, data, at, side):
        return kafka.length(data, at, side != self.server)

    def whole_run(self, data, at, side):
        return kafka.whole_run(data, at, side != self.server)

    def match(self, message):
        if message.side == self.server:
            response = kafka.Response(message.data)
            request = self.pending.get(response.id)
            if request is None:
                self.again(response.id, message, response.id)
            else:
                self.answered(response.id, request, message)
            return
        head = kafka.Request(message.data)
        request = self.opened(message, id=head.id, api=head.api, api_version=head.version,
                              client_id=head.client, acks=head.acks, size=head.size)
        if head.api == kafka.PRODUCE and head.acks == 0:
            request["outcome"] = "one-way"
            request["inflight"] = len(self.pending) + 1
            self.await_ack(message, request)
            return
        self.pend(head.id, request)
        request["inflight"] = len(self.pending)


class Mqtt(Matcher):
    protocol = "wirelat.mqtt"
    SHARED = ("id", "request", "kind", "qos", "client_id", "topic", "size", "sender", "version",
              "retries", "retain")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.version = self.client = None
        self.aliases, self.pings = {}, collections.deque()

    def length(self, data, at, side):
        return mqtt.length(data, at)

    def whole_run(self, data, at, side):
        return mqtt.whole_run(data, at)

    def match(self, message):
        packet = mqtt.Packet(message.data, self.version)
        if packet.type in mqtt.WITH_ID and not packet.id or \
                packet.type == mqtt.PUBLISH and packet.qos and not packet.id:
            self.events.complete = False
            return
        if packet.type in mqtt.FROM_CLIENT:
            self.server = 1 - message.side
        elif packet.type in mqtt.FROM_BROKER:
            self.server = message.side
        if packet.type == mqtt.PUBLISH:
            self.publish(message, packet)
        elif packet.type in REQUESTS:
            self.request(message, packet)
        elif packet.type == mqtt.PUBREC:
            self.pubrec(message, packet)
        elif packet.type == mqtt.PUBREL:
            self.pubrel(message, packet)
        elif packet.type in ANSWERS:
            self.answer(message, packet)
        elif packet.type == mqtt.AUTH:
            self.auth(message, packet)

    def common(self, message, packet, kind):
        return {"id": packet.id or 0, "kind": kind, "size": packet.size, "client_id": self.client,
                "version": self.version, "sender": int(message.side == self.server), "retries": 0}

    def retried(self, message, packet, key):
        request = self.pending.get(key)
        if request is None or not packet.dup:
            return False
        request["retries"] += 1
        self.note("retry", message, id=packet.id, request=request["request"])
        return True

    def publish(self, message, packet):
        topic, key = packet.topic, (message.side, PUBLISH, packet.id)
        if packet.alias and topic:
            self.aliases[message.side, packet.alias] = topic
        elif packet.alias:
            topic = self.aliases.get((message.side, packet.alias))
        if packet.qos and self.retried(message, packet, key):
            return
        request = self.opened(message, **self.common(message, packet, PUBLISH), qos=packet.qos,
                              topic=topic or None, retain=packet.retain)
        if packet.qos:
            self.pend(key, request)
        else:
            request["outcome"] = "one-way"
        self.await_ack(message, request)

    def request(self, message, packet):
        kind = REQUESTS[packet.type]
        if packet.type == mqtt.CONNECT:
            self.version, self.client = packet.version, packet.client or None
        key = (message.side, kind, packet.id)
        if kind == PING:
            request = self.opened(message, **self.common(message, packet, kind))
            self.pings.append(request)
            return
        if self.retried(message, packet, key):
            return
        self.pend(key, self.opened(message, **self.common(message, packet, kind)))

    def answer(self, message, packet):
        kind = ANSWERS[packet.type]
        key = (1 - message.side, kind, packet.id)
        if kind == PING and self.pings:
            key = (1 - message.side, PING, None)
            self.pending[key] = self.pings.popleft()
        request = self.pending.get(key)
        if packet.type == mqtt.CONNACK and packet.client:
            self.client = packet.client
        before = request or self.finished.get(key)
        if kind == PUBLISH and before is not None and \
                before["qos"] != (1 if packet.type == mqtt.PUBACK else 2):
            self.note("orphan", message, id=packet.id)
            return
        if request is None and kind == PING:
            # Nothing tells a second answer from one whose request is missing.
            self.note("orphan", message, id=0)
            return
        if request is None:
            self.again(key, message, packet.id or 0)
            return
        values = {"reason_code": packet.reason}
        if kind == PUBLISH and "released" in request:
            values["pubcomp_time"] = message.place.last_time - request["released"].first_time
        event = self.answered(key, request, message, **values)
        if kind == CONNECT:
            event["client_id"] = self.client

    def pubrec(self, message, packet):
        key = (1 - message.side, PUBLISH, packet.id)
        request = self.pending.get(key)
        before = request or self.finished.get(key)
        if before is None or before["qos"] != 2:
            self.note("orphan", message, id=packet.id)
            return
        if request is None or "received" in request:
            self.note("duplicate", message, id=packet.id, request=before["request"])
            return
        request["received"] = message.place
        self.note("pubrec", message, id=packet.id, request=request["request"], exchange=request,
                  pubrec_time=message.place.last_time - request["first"])
        if (packet.reason or 0) >= 0x80:
            self.answered(key, request, message, reason_code=packet.reason)

    def pubrel(self, message, packet):
        request = self.pending.get((message.side, PUBLISH, packet.id))
        if request is None or request["qos"] != 2:
            return
        if "released" in request:
            request["retries"] += 1
            self.note("retry", message, id=packet.id, request=request["request"])
            return
        request["released"] = message.place
        values = {}
        if "received" in request:
            values["pubrel_time"] = message.place.last_time - request["received"].first_time
        self.note("pubrel", message, id=packet.id, request=request["request"], exchange=request,
                  **values)

    def auth(self, message, packet):
        key = (1 - message.side, REAUTHENTICATE, None)
        if key in self.pending:
            self.answered(key, self.pending[key], message, reason_code=packet.reason)
        if packet.reason == 0x18 or message.side != self.server and packet.reason:
            request = self.opened(message, **self.common(message, packet, REAUTHENTICATE))
            self.pend((message.side, REAUTHENTICATE, None), request)
