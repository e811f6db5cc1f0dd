"""Pairs the messages of both directions and lists what happened on which frame.

    request   a request is complete                   ack         TCP acknowledged it
    answer    what answers it is complete             pubrec, pubrel   the legs of QoS 2
    retry     it was sent again while it waited       duplicate   it was answered before
    orphan    an answer nobody waits for          auth        one step of an authentication (MQTT)
    silence   of a client, too long (MQTT)        session     the end of a connection (MQTT)

An event is a dictionary: "what", "protocol", "stream", "frame", "id", "request" (the frame that
completed the request) and whatever else is known, times in ns. Requests also have "outcome":
answered, open, one-way, reused; what ends them or a step of theirs has them as "exchange".

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import functools

from . import copies, kafka, mqtt, websocket
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
    events, steps, world = Events(), [], copies.World()
    for connection in connections(path):
        inside = websocket.open_connection(connection)
        if inside is not None:
            steps += Mqtt(inside, 1, events, world=world).steps()
            continue
        ports = [end[1] for end in connection.ends]
        for kind, server_ports in ((Mqtt, mqtt_ports), (Kafka, kafka_ports)):
            if set(ports) & set(server_ports):
                # The opener is the client unless only its own port is a server's.
                server = 1 if ports[1] in server_ports else 0
                shared = {"world": world} if kind is Mqtt else {}
                steps += kind(connection, server, events, **shared).steps()
                break
    # All connections side by side: sessions go from one to the other, copies too.
    for _, _, step in sorted(steps, key=lambda entry: entry[:2]):
        step()
    events.sort(key=lambda event: event["frame"])
    return events


class Matcher:
    protocol = None

    def __init__(self, connection, server, events):
        self.connection, self.server, self.events = connection, server, events
        self.pending, self.finished = {}, {}

    def steps(self):
        """(frame, order in it, what to do), a frame's end of the connection behind its messages."""
        for side in (0, 1):
            for message in self.messages(side):
                yield message.order, message.start, functools.partial(self.match, message)
        for frame, time, side, reset in self.connection.closings:
            yield frame, float("inf"), functools.partial(self.end, frame, time, side,
                                                         6 if reset else 4)

    def end(self, frame, time, side, how):
        pass

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
              "retries", "retain", "stream", "inflight", "receive_maximum")

    def __init__(self, *arguments, world):
        super().__init__(*arguments)
        self.version = self.client = self.connect = self.session = self.resumed = None
        self.world, self.broker = world, self.connection.ends[self.server]
        self.aliases, self.pings, self.subscribing = {}, collections.deque(), {}
        self.flying, self.maximum = ([], []), [None, None]  # by the sender's side
        self.ended = self.keeps = False
        self.heard, self.silence, self.keep_alive, self.step = None, 0, 0, None

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
        self.known = True
        if message.side != self.server and not self.ended:
            self.silent_until(message.order, message.place.first_time)
            self.heard = message.place.last_time
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
        elif packet.type == mqtt.DISCONNECT:
            reason = packet.reason
            if reason is None and self.version == 5:
                reason = 0
            self.end(message.order, message.place.last_time, message.side, 2, reason)

    def common(self, message, packet, kind):
        return {"id": packet.id or 0, "kind": kind, "size": packet.size, "client_id": self.client,
                "version": self.version, "sender": int(message.side == self.server), "retries": 0}

    # The connection.

    def silent_until(self, frame, time):
        if self.connect is None or self.heard is None:
            return
        silence = time - self.heard
        self.silence = max(self.silence, silence)
        if self.keep_alive and silence > 3 * self.keep_alive * 10**9 // 2:
            self.of_connection("silence", frame, silence=silence)

    def of_connection(self, what, frame, **values):
        event = {"what": what, "protocol": self.protocol, "stream": self.connection.number,
                 "frame": frame, "first_frame": frame, "id": 0, "client_id": self.client,
                 "version": self.version, **values}
        if self.connect is not None:
            event.update(request=self.connect["request"], keep_alive=self.keep_alive * 10**9,
                         client_id=self.connect["client_id"])
        self.events.append(event)

    def end(self, frame, time, side, how, reason=None):
        """DISCONNECT, FIN or RST: the first of them."""
        if self.ended or not hasattr(self, "known"):
            return
        if side == self.server or how != 2:
            self.silent_until(frame, time)
        values = {"session_end": how + (side == self.server), "disconnect_reason": reason}
        if self.connect is not None:
            values.update(session_time=time - self.connect["first"], longest_silence=self.silence)
        self.of_connection("session", frame, **values)
        self.ended = True
        if self.session is not None and self.session.connection is self:
            if not self.keeps:
                self.world.clear(self.session)

    def most(self, packet):
        return packet.properties.get(mqtt.RECEIVE_MAXIMUM, 65535) if self.version == 5 else None

    def connected(self, message, packet, request):
        self.aliases, self.session, self.resumed, self.connect = {}, None, None, request
        self.maximum = [None, None]
        self.maximum[self.server] = self.most(packet)
        self.keep_alive = packet.keep_alive
        self.keeps = (packet.properties.get(mqtt.SESSION_EXPIRY, 0) > 0 if packet.version == 5
                      else not packet.clean)
        self.ended, self.heard, self.silence = False, message.place.last_time, 0
        self.step = (message.place.first_time, False)

    def accepted(self, packet):
        if packet.reason != 0:
            return
        if packet.keep_alive is not None:
            self.keep_alive = packet.keep_alive
        self.keeps = packet.properties.get(mqtt.SESSION_EXPIRY, self.keeps) > 0
        self.maximum[1 - self.server] = self.most(packet)
        if self.client is None:
            return
        session = self.session = self.world.session(self.client, self.broker)
        if not (self.keeps if self.version == 3 else packet.present):
            self.world.clear(session)
            session.unknown = False
        elif session.connection is None:
            session.unknown = True
        elif session.connection is not self:
            self.resumed = session.connection
        session.connection, session.connected = self, self.world.published

    def own_session(self):
        if self.session is None:
            self.session = self.world.anonymous()
            self.session.connection = self
        return self.session

    # Publishes.

    def find(self, side, number):
        """The publish with this id that is pending, or else was finished: (it, whether pending);
        one of a connection whose session goes on with this one comes over."""
        here, matcher = (side, PUBLISH, number), self
        for _ in range(17):
            key = (side if matcher is self else
                   matcher.server if side == self.server else 1 - matcher.server, PUBLISH, number)
            if key in matcher.pending:
                request = matcher.pending[key]
                if matcher is not self:
                    self.pending[here] = matcher.pending.pop(key)
                    matcher.land(key[0], request)
                return request, True
            if key in matcher.finished:
                return matcher.finished[key], False
            matcher = matcher.resumed
            if matcher is None:
                break
        return None, False

    def land(self, side, request):
        self.flying[side][:] = [other for other in self.flying[side] if other is not request]

    def fly(self, side, request):
        self.land(side, request)
        self.flying[side].append(request)

    def retry(self, message, packet, request):
        request["retries"] += 1
        self.note("retry", message, id=packet.id, request=request["request"],
                  stream=request["stream"])

    def publish(self, message, packet):
        topic, key = packet.topic, (message.side, PUBLISH, packet.id)
        if packet.alias and topic:
            self.aliases[message.side, packet.alias] = topic
        elif packet.alias:
            topic = self.aliases.get((message.side, packet.alias))
        old, pending = self.find(message.side, packet.id) if packet.qos else (None, False)
        if pending and packet.dup:
            self.fly(message.side, old)
            self.retry(message, packet, old)
            return
        if pending:
            self.land(message.side, old)
        request = self.opened(message, **self.common(message, packet, PUBLISH), qos=packet.qos,
                              topic=topic or None, retain=packet.retain)
        if packet.qos:
            self.pend(key, request)
            self.fly(message.side, request)
            request["inflight"] = len(self.flying[message.side])
            request["receive_maximum"] = self.maximum[message.side]
        else:
            request["outcome"] = "one-way"
        if not packet.dup:
            self.forward(message, packet, request)
        self.await_ack(message, request)

    def forward(self, message, packet, request):
        """A publish to the broker is owed to subscribers; one of the broker is a copy of such."""
        if message.side != self.server:
            if request["topic"] and packet.payload is not None:
                self.world.publish(copies.Publish(
                    topic=request["topic"], payload=packet.payload, time=message.place.last_time,
                    qos=packet.qos, retain=packet.retain, session=self.session, event=request,
                    broker=self.broker))
            return
        found = None if packet.retain else (None, False)
        if request["topic"] and packet.payload is not None:
            found = self.world.copy(self.own_session(), self.broker, request["topic"],
                                    packet.payload, message.place.first_time, packet.retain)
        request["copy"] = found is not None
        request["forward_of"] = request["forward_delay"] = request["forward_ambiguous"] = None
        if found is not None and found[0] is not None:
            original, ambiguous = found
            request.update(forward_of=original["request"], forward_ambiguous=int(ambiguous),
                           forward_delay=message.place.first_time - original["last"])

    def request(self, message, packet):
        kind = REQUESTS[packet.type]
        if packet.type == mqtt.CONNECT:
            self.version, self.client = packet.version, packet.client or None
        key = (message.side, kind, packet.id)
        if kind == PING:
            request = self.opened(message, **self.common(message, packet, kind))
            self.pings.append(request)
            return
        if packet.filters:
            self.subscribing[kind, packet.id] = packet.filters
        if packet.dup and key in self.pending:
            self.retry(message, packet, self.pending[key])
            return
        request = self.opened(message, **self.common(message, packet, kind))
        self.pend(key, request)
        if packet.type == mqtt.CONNECT:
            self.connected(message, packet, request)

    def granted(self, packet, kind):
        filters = self.subscribing.pop((kind, packet.id), [])
        codes = packet.codes[-len(filters):] if len(packet.codes) >= len(filters) else None
        for i, (text, options) in enumerate(filters):
            if codes is None and kind == SUBSCRIBE or codes and codes[i] >= 0x80:
                continue
            if kind == SUBSCRIBE:
                self.world.subscribe(self.own_session(), self.broker, text,
                                     options & 0x0C | codes[i] & 3)
            else:
                self.world.unsubscribe(self.own_session(), text)

    def answer(self, message, packet):
        kind = ANSWERS[packet.type]
        key = (1 - message.side, kind, packet.id)
        if packet.type in (mqtt.SUBACK, mqtt.UNSUBACK):
            self.granted(packet, kind)
        if kind == PING and self.pings:
            key = (1 - message.side, PING, None)
            self.pending[key] = self.pings.popleft()
        request = self.pending.get(key)
        if packet.type == mqtt.CONNACK and packet.client:
            self.client = packet.client
        if kind == PUBLISH:
            self.answer_publish(message, packet)
            return
        if request is None and kind == PING:
            # Nothing tells a second answer from one whose request is missing.
            self.note("orphan", message, id=0)
            return
        if request is None:
            self.again(key, message, packet.id or 0)
            return
        if kind == CONNECT and self.step[1]:
            self.stepped(message, request)
        event = self.answered(key, request, message, reason_code=packet.reason)
        if kind == CONNECT:
            event["client_id"] = self.client
            self.accepted(packet)

    def answer_publish(self, message, packet):
        side = 1 - message.side
        request, pending = self.find(side, packet.id)
        if request is None or request["qos"] != (1 if packet.type == mqtt.PUBACK else 2):
            self.note("orphan", message, id=packet.id)
        elif not pending:
            self.note("duplicate", message, id=packet.id, request=request["request"],
                      stream=request["stream"])
        else:
            values = {"reason_code": packet.reason}
            if packet.type == mqtt.PUBCOMP and "released" in request:
                values["pubcomp_time"] = message.place.last_time - request["released"].first_time
            self.answered((side, PUBLISH, packet.id), request, message, **values)
            request["reason"] = packet.reason
            self.land(side, request)

    def pubrec(self, message, packet):
        request, pending = self.find(1 - message.side, packet.id)
        if request is None or request["qos"] != 2:
            self.note("orphan", message, id=packet.id)
            return
        if not pending or "received" in request:
            self.note("duplicate", message, id=packet.id, request=request["request"],
                      stream=request["stream"])
            return
        request["received"] = message.place
        self.note("pubrec", message, id=packet.id, request=request["request"], exchange=request,
                  stream=request["stream"], pubrec_time=message.place.last_time - request["first"])
        if (packet.reason or 0) >= 0x80:
            self.answer_publish(message, packet)

    def pubrel(self, message, packet):
        request, pending = self.find(message.side, packet.id)
        if not pending or request["qos"] != 2:
            return
        if "released" in request:
            self.retry(message, packet, request)
            return
        request["released"] = message.place
        values = {}
        if "received" in request:
            values["pubrel_time"] = message.place.last_time - request["received"].first_time
        self.note("pubrel", message, id=packet.id, request=request["request"], exchange=request,
                  stream=request["stream"], **values)

    # Enhanced authentication.

    def stepped(self, message, request):
        self.note("auth", message, id=0, request=request["request"], exchange=request,
                  auth_time=message.place.last_time - self.step[0],
                  auth_sender=int(message.side == self.server))
        self.step = (message.place.first_time, True)

    def auth(self, message, packet):
        client = 1 - self.server
        connecting = self.pending.get((client, CONNECT, None))
        running = connecting or self.pending.get((client, REAUTHENTICATE, None))
        by_client = message.side == client
        if by_client and not connecting and (running is None or packet.reason == 0x19):
            request = self.opened(message, **self.common(message, packet, REAUTHENTICATE))
            self.pend((client, REAUTHENTICATE, None), request)
            self.step = (message.place.first_time, True)
            return
        if running is not None:
            self.stepped(message, running)
        if by_client or connecting:
            return
        key = (client, REAUTHENTICATE, None)
        if running is None:
            self.again(key, message, 0)
        elif packet.reason != 0x18:
            self.answered(key, running, message, reason_code=packet.reason)
