"""The MQTT-SN scenes, each one client (its name, with dashes, is the client id), and their truth.

    talk.ask(request, answer, wait)    talk.send(C2S, message); talk.wait(ms(5)); talk.expect(...)

SPDX-License-Identifier: GPL-2.0-or-later
"""
from . import mqttsn as sn
from .scene import FIRST_PORT, STAGGER_NS, START_NS, ms, us
from .tcp import C2S, S2C, Capture, Datagram, write_pcapng

COLUMNS = ('txn stream sport dir kind id bytes f_first t_first f_rec t_rec f_rel t_rel f_resp '
           't_resp retries outcome topic node').split()
GATEWAY = '198.51.100.30', 1885


class SnTalk:
    """A conversation of datagrams with a clock."""

    def __init__(self, recording, name, port, at):
        self.recording, self.name, self.now = recording, name, at
        self.ends, self.sent, self.node = ((f'192.0.2.{1 + port % 250}', port), GATEWAY), 0, None

    def wait(self, nanoseconds):
        self.now += nanoseconds

    def send(self, side, message, again=False):
        """again: the same message once more; its first passing counts."""
        payload = message.data if self.node is None else sn.encapsulated(message, self.node)
        self.sent += 1
        packet = Datagram(self.now, side, self.ends[side], self.ends[1 - side], self.sent, payload)
        packet.conversation = self
        self.recording.capture.datagrams.append(packet)
        if not again:
            message.talk, message.side, message.packet = self, side, packet
            message.node = self.node
        return packet

    def expect(self, request, answer=None, rec=None, rel=None, outcome=None, retries=0):
        outcome = outcome or ('answered' if answer else 'open')
        self.recording.expectations.append((request, answer, rec, rel, outcome, retries))

    def ask(self, request, answer, wait, side=C2S):
        self.send(side, request)
        self.wait(wait)
        self.send(1 - side, answer)
        self.expect(request, answer)
        self.wait(us(150))

    def one_way(self, request, side=C2S):
        self.send(side, request)
        self.expect(request, outcome='one-way')
        self.wait(us(300))

    def connect(self, wait=ms(4.200037), **options):
        self.ask(sn.connect(self.name, **options), sn.connack(), wait)

    def run_2(self, request, to_rec, to_rel, to_comp, side=C2S):
        steps = [step(request.id) for step in (sn.pubrec, sn.pubrel, sn.pubcomp)]
        self.send(side, request)
        for which, step, wait in zip((1 - side, side, 1 - side), steps, (to_rec, to_rel, to_comp)):
            self.wait(wait)
            self.send(which, step)
        self.expect(request, steps[2], rec=steps[0], rel=steps[1])
        self.wait(us(150))


class Recording:
    """The conversations of the file and what to expect of them."""

    def __init__(self):
        self.capture, self.expectations = Capture(), []

    def write(self, path_without_suffix):
        write_pcapng(f'{path_without_suffix}.pcapng', self.capture.finish())
        rows = sorted((_row(*expectation) for expectation in self.expectations),
                      key=lambda row: (row[6] or row[12], row[0]))
        with open(f'{path_without_suffix}.tsv', 'w', encoding='ascii', newline='\n') as file:
            file.write('\t'.join(COLUMNS) + '\n')
            for number, row in enumerate(rows, 1):
                file.write('\t'.join(map(str, (number, *row))) + '\n')


def _mark(message):
    return (message.packet.number, message.packet.time) if message else (0, 0)


def _row(request, answer, rec, rel, outcome, retries):
    lone = request or answer
    talk = lone.talk
    return (talk.stream, talk.ends[0][1], 'c2s' if lone.side == C2S else 's2c', lone.kind, lone.id,
            len(lone.data), *_mark(request), *_mark(rec), *_mark(rel), *_mark(answer), retries,
            outcome, lone.topic or '-', lone.node.hex() if lone.node else '-')


# The scenes.

def session(talk):
    """Each exchange of a client once; topic ids that REGACK and SUBACK tell; a long message."""
    talk.connect()
    talk.ask(sn.register(1, 'plant/temp'), sn.regack(1, 17), ms(5.000011))
    talk.one_way(sn.publish(0, 0, 17, topic='plant/temp'))
    talk.ask(sn.publish(1, 2, 17, topic='plant/temp'), sn.puback(2, 17), ms(11.000013))
    talk.run_2(sn.publish(2, 3, 17, topic='plant/temp'), ms(6.000007), ms(0.5), ms(9.000009))
    talk.ask(sn.subscribe(4, 'plant/cmd'), sn.suback(4, 23), ms(4.000003))
    talk.ask(sn.publish(1, 1, 23, topic='plant/cmd'), sn.puback(1, 23), ms(1.000001), side=S2C)
    talk.run_2(sn.publish(2, 2, 23, topic='plant/cmd'), ms(1), ms(2), ms(3.000003), side=S2C)
    talk.ask(sn.publish(1, 5, 17, 900, topic='plant/temp'), sn.puback(5, 17), ms(2.000002))
    talk.ask(sn.unsubscribe(6, 'plant/cmd'), sn.unsuback(6), ms(3.300003))
    talk.ask(sn.pingreq(), sn.simple('pingresp'), ms(3.000017))
    talk.ask(sn.disconnect(), sn.disconnect(), ms(2.000019))


def will(talk):
    """The gateway asks for topic and message before it answers the CONNECT; both are changed."""
    request, answer = sn.connect(talk.name, sn.CLEAN | sn.WILL), sn.connack()
    talk.send(C2S, request)
    talk.wait(ms(2))
    talk.ask(sn.simple('willtopicreq'), sn.simple('willtopic', b'\x20gone'), ms(1.500005), side=S2C)
    talk.ask(sn.simple('willmsgreq'), sn.simple('willmsg', b'lost it'), ms(2.500005), side=S2C)
    talk.wait(ms(1))
    talk.send(S2C, answer)
    talk.expect(request, answer)
    talk.wait(ms(10))
    for name, body, wait in (('willtopic', b'\x20left', 3.1), ('willmsg', b'really', 4.1)):
        talk.ask(sn.simple(name + 'upd', body), sn.simple(name + 'resp', b'\0'), ms(wait))


def wildcard(talk):
    """A filter gets no topic id: the gateway registers the topics before it publishes."""
    talk.connect()
    talk.ask(sn.subscribe(1, 'plant/#'), sn.suback(1, 0), ms(3.000005))
    talk.ask(sn.register(9, 'plant/a', 31), sn.regack(9, 31), ms(2.000007), side=S2C)
    talk.ask(sn.publish(1, 10, 31, topic='plant/a'), sn.puback(10, 31), ms(1.000009), side=S2C)


def no_connection(talk):
    """QoS -1 without a CONNECT: predefined id, short name."""
    talk.one_way(sn.publish(-1, 0, 5, topic_type=sn.PREDEFINED))
    talk.one_way(sn.publish(-1, 0, 'tp', topic_type=sn.SHORT, flags=sn.RETAIN))


def short_name(talk):
    """A short name in a QoS 1 publish."""
    talk.connect()
    talk.ask(sn.publish(1, 1, 'ab', topic_type=sn.SHORT), sn.puback(1), ms(2.000001))


def retries(talk):
    """Lost on the way and sent again: with DUP where there is one, else the same bytes."""
    for make, answer, waits in (
            (lambda flags: sn.connect(talk.name), sn.connack(), (1000, 4)),
            (lambda flags: sn.register(1, 'a/b'), sn.regack(1, 3), (500, 5)),
            (lambda flags: sn.publish(1, 2, 3, topic='a/b', flags=flags), sn.puback(2, 3), (700, 6)),
            (lambda flags: sn.subscribe(3, 'c/d', flags=flags), sn.suback(3, 4), (600, 7)),
            (lambda flags: sn.pingreq(), sn.simple('pingresp'), (400, 8))):
        request = make(0)
        talk.send(C2S, request)
        talk.wait(ms(waits[0]))
        again = make(sn.DUP)
        talk.send(C2S, again)
        talk.expect(again, outcome='retry')
        talk.wait(ms(waits[1]) + 7)
        talk.send(S2C, answer)
        talk.expect(request, answer, retries=1)
        talk.wait(ms(1))
    request, rec, rel, again, comp = (
        sn.publish(2, 8, 3, topic='a/b'), sn.pubrec(8), sn.pubrel(8), sn.pubrel(8), sn.pubcomp(8))
    for side, message, wait in ((C2S, request, 2), (S2C, rec, 1), (C2S, rel, 300), (C2S, again, 3),
                                (S2C, comp, 1)):
        talk.send(side, message)
        talk.wait(ms(wait))
    talk.expect(again, outcome='retry')
    talk.expect(request, comp, rec=rec, rel=rel, retries=1)


def reused(talk):
    """The id of a request that waits, for another: a PUBLISH without DUP, a REGISTER of another topic."""
    talk.connect()
    for old, new, answer in (
            (sn.publish(1, 9, 1), sn.publish(1, 9, 1, 30), sn.puback(9, 1)),
            (sn.register(10, 'one'), sn.register(10, 'two'), sn.regack(10, 2))):
        talk.send(C2S, old)
        talk.wait(ms(30))
        talk.send(C2S, new)
        talk.wait(ms(4.400004))
        talk.send(S2C, answer)
        talk.expect(old, outcome='reused')
        talk.expect(new, answer)
        talk.wait(ms(1))


def strays(talk):
    """Answers nobody waits for, and second ones."""
    talk.connect()
    for message in (sn.puback(100), sn.pubcomp(101), sn.regack(102, 1), sn.suback(103),
                    sn.pubrec(104), sn.simple('pingresp')):
        talk.send(S2C, message)
        talk.expect(None, message, outcome='orphan')
        talk.wait(ms(1))
    talk.ask(sn.publish(1, 1, 7), sn.puback(1, 7), ms(2))
    talk.run_2(sn.publish(2, 2, 7), ms(1), ms(1), ms(1))
    for message in (sn.puback(1, 7), sn.pubrec(2), sn.pubcomp(2)):
        talk.send(S2C, message)
        talk.expect(None, message, outcome='duplicate')
        talk.wait(ms(1))


def refused(talk):
    """Return codes: a CONNECT, a SUBSCRIBE, a QoS 1 and a QoS 2 publish that a PUBACK ends."""
    talk.ask(sn.connect(talk.name), sn.connack(sn.CONGESTION), ms(2))
    talk.connect()
    talk.ask(sn.subscribe(1, 'x/y'), sn.suback(1, 0, sn.NOT_SUPPORTED), ms(2.000003))
    talk.ask(sn.publish(1, 2, 77), sn.puback(2, 77, sn.INVALID_TOPIC), ms(3.000003))
    talk.ask(sn.publish(2, 3, 77), sn.puback(3, 77, sn.INVALID_TOPIC), ms(4.000003))


def both_directions(talk):
    """Client and gateway use the same ids at the same time."""
    talk.connect()
    up, down, up_answer, down_answer = (sn.publish(1, 1, 6), sn.publish(1, 1, 6, 40),
                                        sn.puback(1, 6), sn.puback(1, 6))
    for side, message, wait in ((C2S, up, 0.4), (S2C, down, 1.1), (C2S, down_answer, 2.2),
                                (S2C, up_answer, 1)):
        talk.send(side, message)
        talk.wait(ms(wait))
    talk.expect(up, up_answer)
    talk.expect(down, down_answer)


def forwarder(talk):
    """Two clients behind one forwarder, with the same message ids and topic ids for other names."""
    nodes = b'\x0a\x01', b'\x0b'
    for node, topic in zip(nodes, ('left', 'right')):
        talk.node = node
        talk.connect()
        talk.ask(sn.register(1, topic), sn.regack(1, 1), ms(2))
    pairs = [(sn.publish(1, 2, 1, topic=topic), sn.puback(2, 1)) for topic in ('left', 'right')]
    for node, (request, _) in zip(nodes, pairs):
        talk.node = node
        talk.send(C2S, request)
        talk.wait(ms(1.000001))
    for node, (request, answer) in reversed(list(zip(nodes, pairs))):
        talk.node = node
        talk.send(S2C, answer)
        talk.expect(request, answer)
        talk.wait(ms(3.000003))


def sleeping(talk):
    """A client goes to sleep, wakes with its name, gets what waited, and the PINGRESP last."""
    talk.connect()
    talk.ask(sn.disconnect(300), sn.disconnect(), ms(2.000001))
    talk.wait(ms(100))
    ping, pong = sn.pingreq(talk.name), sn.simple('pingresp')
    talk.send(C2S, ping)
    talk.wait(ms(1))
    talk.ask(sn.publish(1, 4, 8), sn.puback(4, 8), ms(2.000003), side=S2C)
    talk.send(S2C, pong)
    talk.expect(ping, pong)
    talk.wait(ms(50))
    talk.send(S2C, sn.disconnect())  # the gateway gives it up: asks nothing


def never_answered(talk):
    """Open at the end: a QoS 1 publish, one of QoS 2 after its PUBREL, a subscription, a ping."""
    talk.connect()
    pub1, pub2, rec, rel = sn.publish(1, 1, 1), sn.publish(2, 2, 1), sn.pubrec(2), sn.pubrel(2)
    subscribe, ping = sn.subscribe(3, 'open'), sn.pingreq()
    for side, message in ((C2S, pub1), (C2S, pub2), (S2C, rec), (C2S, rel), (C2S, subscribe),
                          (C2S, ping)):
        talk.send(side, message)
        talk.wait(ms(2))
    talk.expect(pub1)
    talk.expect(pub2, rec=rec, rel=rel)
    talk.expect(subscribe)
    talk.expect(ping)


SCENES = {'mqttsn': tuple((scene, {}) for scene in (
    session, will, wildcard, no_connection, short_name, retries, reused, strays, refused,
    both_directions, forwarder, sleeping, never_answered))}


def record():
    recording = Recording()
    for index, (scene, _) in enumerate(SCENES['mqttsn']):
        name = scene.__name__.replace('_', '-')
        scene(SnTalk(recording, name, FIRST_PORT + index, START_NS + index * STAGGER_NS))
    return recording
