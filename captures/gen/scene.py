"""A scene: one conversation told step by step, with the truth noted on the way.

    talk.ask(request, answer, wait)          request, a pause, answer; noted as answered
    talk.send(C2S, message, ...); talk.wait(ms(5)); talk.expect(message, answer)     by hand

Every step moves the clock of the conversation, so that `wait` is the service_time to the
nanosecond. The name of the scene is the client id, by which tables and filters tell them apart.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from . import kafka, mqtt, websocket
from .tcp import C2S, S2C, Capture, write_pcapng
from .truth import Expectation, write_truth

START_NS = 1_700_000_000_000_000_000
STAGGER_NS = 3_100_000  # scenes overlap, so that a match across streams would show
FIRST_PORT, TWIN_PORTS = 40_001, 1_000


def us(microseconds):
    return round(microseconds * 1_000)


def ms(milliseconds):
    return round(milliseconds * 1_000_000)


class Recording:
    """The conversations of one file and what to expect of them."""

    def __init__(self):
        self.capture, self.expectations = Capture(), []

    def write(self, path_without_suffix):
        packets = self.capture.finish()
        write_pcapng(f'{path_without_suffix}.pcapng', packets)
        write_truth(f'{path_without_suffix}.tsv', self.expectations)


class Talk:
    """A conversation with a clock."""
    server = None

    def __init__(self, recording, name, port, at, **options):
        client = f'192.0.2.{1 + port % 250}', port
        self.recording, self.name, self.started = recording, name, at
        self.conversation = recording.capture.open(client, self.server, at, **options)
        self.now = self.conversation.opened
        self.ended = False

    def twin(self):
        """A second connection, of another client, opened at the same time."""
        port = self.conversation.client[1] + TWIN_PORTS
        return type(self)(self.recording, self.name + '-2', port, self.started + us(40))

    def wait(self, nanoseconds):
        self.now += nanoseconds

    def send(self, side, *messages, **options):
        self.now = self.conversation.send(side, *messages, at=self.now, **options)

    def ack(self, side, wait=0):
        self.wait(wait)
        self.conversation.ack(side, self.now)

    def expect(self, request, answer=None, **steps):
        self.recording.expectations.append(Expectation(request, answer, **steps))

    def ask(self, request, answer, wait, side=C2S, **steps):
        self.send(side, request)
        self.wait(wait)
        self.send(1 - side, answer)
        self.expect(request, answer, **steps)
        self.wait(us(150))

    def one_way(self, request, wait, side=C2S):
        """No answer by design: only the TCP acknowledgement, `wait` after the last segment."""
        self.send(side, request)
        self.ack(1 - side, wait)
        self.expect(request, outcome='one-way')
        self.wait(us(150))

    def reset(self):
        self.conversation.reset(self.now)
        self.ended = True

    def finish(self):
        if not self.ended:
            self.wait(ms(2))
            self.conversation.close(self.now)


class MqttTalk(Talk):
    """Opens with CONNECT and CONNACK, ends with DISCONNECT."""
    server = '198.51.100.10', 1883

    def __init__(self, *args, version=4, keep_alive=60, **options):
        super().__init__(*args, **options)
        self.version = version
        self.ask(mqtt.connect(self.name, version, keep_alive), mqtt.connack(version), ms(4.200037))

    def publish(self, qos, packet_id=0, size=120, **options):
        return mqtt.publish('plant/' + self.name, size, qos, packet_id, self.version, **options)

    def publish_1(self, packet_id, wait, side=C2S, **options):
        self.ask(self.publish(1, packet_id, **options), mqtt.puback(packet_id), wait, side)

    def publish_2(self, packet_id, to_rec, to_rel, to_comp, side=C2S, **options):
        self.run_2(self.publish(2, packet_id, **options), packet_id, to_rec, to_rel, to_comp, side)

    def run_2(self, request, packet_id, to_rec, to_rel, to_comp, side=C2S, answer=None):
        """The four packets of QoS 2, with the pauses between them."""
        rec, rel, comp = (step(packet_id) for step in (mqtt.pubrec, mqtt.pubrel, mqtt.pubcomp))
        self.send(side, request)
        self.wait(to_rec)
        self.send(1 - side, rec)
        self.wait(to_rel)
        self.send(side, rel)
        self.wait(to_comp)
        self.send(1 - side, comp)
        self.expect(request, rec, rel=rel, comp=comp)
        self.wait(us(150))

    def finish(self):
        if not self.ended:
            self.wait(ms(2))
            self.send(C2S, mqtt.disconnect())
        super().finish()


class WebSocketTalk(MqttTalk):
    """Opens with the HTTP upgrade; packets then travel in WebSocket messages."""
    server = '198.51.100.10', 8080

    def __init__(self, *args, subprotocol='mqtt', deflate=False, **options):
        self.upgrade = subprotocol, deflate
        self.packer = None
        super().__init__(*args, **options)

    def send(self, side, *messages, pieces=None, fragments=None, between=None, text=False,
             apart=None, **options):
        """As Talk.send(). apart: a segment (or more) for each WebSocket message, so far apart."""
        if self.packer is None:
            key = 'd2lyZWxhdCBpcyBhIHBsdQ=='
            super().send(C2S, websocket.upgrade(key, *self.upgrade))
            self.wait(ms(1))
            super().send(S2C, websocket.accepted(key, *self.upgrade))
            self.wait(ms(0.5))
            self.packer = websocket.Packer(self.upgrade[1])
        carriers, places = self.packer.pack(side, messages, pieces, fragments, between, text)
        if apart is not None:
            options.update(cuts=[len(carrier.data) for carrier in carriers], gap_ns=apart)
        super().send(side, *carriers, **options)
        for message, ((first, start), (last, end)) in zip(messages, places):
            message.conversation, message.side = self.conversation, side
            message.start = carriers[first].start + start
            message.end = carriers[last].start + end  # only a whole message can be read


class KafkaTalk(Talk):
    """Counts correlation ids; opens with ApiVersions."""
    server = '198.51.100.20', 9092

    def __init__(self, *args, first_id=0, **options):
        super().__init__(*args, **options)
        self.next_id = first_id
        number = self.number()
        self.ask(kafka.apiversions(number, self.name), kafka.apiversions_response(number),
                 ms(1.500029))

    def number(self):
        self.next_id += 1
        return self.next_id - 1

    def produce(self, size=200, acks=1, version=7, number=None):
        """The request and the answer it may get."""
        number = self.number() if number is None else number
        return (kafka.produce(number, self.name, size, acks, version),
                kafka.produce_response(number, version))

    def fetch(self, size=300, version=4, number=None, max_wait_ms=500):
        number = self.number() if number is None else number
        return (kafka.fetch(number, self.name, version, max_wait_ms=max_wait_ms),
                kafka.fetch_response(number, size, version))


def record(talk_type, scenes):
    """scenes: (function, options of the talk) in the order of their ports."""
    recording = Recording()
    for index, (scene, options) in enumerate(scenes):
        name = options.get('name', scene.__name__.replace('_', '-'))
        options = {key: value for key, value in options.items() if key != 'name'}
        talk = talk_type(recording, name, FIRST_PORT + index, START_NS + index * STAGGER_NS,
                         **options)
        scene(talk)
        talk.finish()
    return recording
