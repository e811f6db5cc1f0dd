"""The MQTT scenes. Each is one connection; its name, with dashes, is the client id.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from . import mqtt
from .scene import ms, us
from .tcp import C2S, S2C, dropped, lost, spurious

V5 = {'version': 5}


# mqtt_basic: every kind of exchange, in each version

def session(talk):
    """Each exchange once, publishes in both directions."""
    version = talk.version
    codes = (0, 0) if version == 5 else ()
    talk.ask(mqtt.subscribe(1, 'a/#', 'b/+', qos=2, version=version),
             mqtt.suback(1, 2, 2, version=version), ms(3.000011))
    talk.one_way(talk.publish(0), ms(1.200003))
    talk.publish_1(2, ms(5.000123))
    talk.publish_2(3, ms(2.000007), ms(0.500009), ms(1.250013))
    talk.one_way(talk.publish(0, retain=True), us(90), side=S2C)
    talk.publish_1(1, ms(0.700001), side=S2C)
    talk.publish_2(2, ms(0.300001), ms(2.100003), ms(0.200007), side=S2C)
    talk.ask(mqtt.pingreq(), mqtt.pingresp(), ms(7.000017))
    talk.ask(mqtt.unsubscribe(4, 'a/#', 'b/+', version=version),
             mqtt.unsuback(4, *codes, version=version), ms(2.500019))


def reason_codes(talk):
    """PUBACK with 0x10 and 0x87; a PUBREC with 0x87 ends its exchange."""
    for packet_id, reason in ((1, 0x00), (2, 0x10), (3, mqtt.NOT_AUTHORIZED)):
        talk.ask(talk.publish(1, packet_id), mqtt.puback(packet_id, reason), ms(3.5))
    talk.ask(talk.publish(2, 4), mqtt.pubrec(4, mqtt.NOT_AUTHORIZED), ms(4.000004))
    talk.publish_2(4, ms(1), ms(1), ms(1))


def topic_alias(talk):
    """The second and third publish carry only the alias."""
    first = mqtt.publish('plant/topic-alias', 80, 1, 1, 5, alias=3)
    talk.ask(first, mqtt.puback(1), ms(2.100001))
    for packet_id in (2, 3):
        talk.ask(mqtt.publish('', 80, 1, packet_id, 5, alias=3), mqtt.puback(packet_id),
                 ms(2.200001))


# mqtt_framing: how messages lie in segments

def many_in_a_frame(talk):
    """Twelve publishes in one frame, their twelve PUBACKs in one frame."""
    requests = [talk.publish(1, packet_id, 60) for packet_id in range(1, 13)]
    answers = [mqtt.puback(packet_id) for packet_id in range(1, 13)]
    talk.send(C2S, *requests)
    talk.wait(ms(6.000061))
    talk.send(S2C, *answers)
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def mixed_frame(talk):
    """Five kinds in one frame, answered in one frame in another order."""
    pub0, pub1, pub2 = talk.publish(0), talk.publish(1, 1), talk.publish(2, 2)
    subscribe, ping = mqtt.subscribe(3, 'mixed/#'), mqtt.pingreq()
    puback, pubrec, suback = mqtt.puback(1), mqtt.pubrec(2), mqtt.suback(3, 1)
    pubrel, pubcomp, pong = mqtt.pubrel(2), mqtt.pubcomp(2), mqtt.pingresp()
    talk.send(C2S, pub0, pub1, pub2, subscribe, ping)
    talk.wait(ms(2.000003))
    talk.send(S2C, pong, suback, pubrec, puback)
    talk.wait(ms(0.4))
    talk.send(C2S, pubrel)
    talk.wait(ms(1.000001))
    talk.send(S2C, pubcomp)
    talk.expect(pub0, outcome='one-way')
    talk.expect(pub1, puback)
    talk.expect(pub2, pubrec, rel=pubrel, comp=pubcomp)
    talk.expect(subscribe, suback)
    talk.expect(ping, pong)


def long_publish(talk):
    """20,000 bytes over 14 segments, in each direction and as QoS 2."""
    talk.publish_1(1, ms(8.000081), size=20_000)
    talk.publish_1(1, ms(1.000011), side=S2C, size=20_000)
    talk.publish_2(2, ms(3), ms(0.2), ms(1), size=5_000)


def starts_mid_segment(talk):
    """Three publishes in a run of four segments: no boundary of a message is one of a segment."""
    requests = [talk.publish(1, number, size) for number, size in ((1, 700), (2, 4_000), (3, 300))]
    answers = [mqtt.puback(number) for number in (1, 2, 3)]
    talk.send(C2S, *requests)
    for request, answer in zip(requests, answers):
        talk.wait(ms(2.000021))
        talk.send(S2C, answer)
        talk.expect(request, answer)


def out_of_order_acks(talk):
    """Eight publishes in flight, acknowledged as 3 1 2 5 4 8 7 6."""
    requests = {number: talk.publish(1, number) for number in range(1, 9)}
    for request in requests.values():
        talk.send(C2S, request)
        talk.wait(us(250))
    for number in (3, 1, 2, 5, 4, 8, 7, 6):
        talk.wait(ms(1.100007))
        answer = mqtt.puback(number)
        talk.send(S2C, answer)
        talk.expect(requests[number], answer)


def slow_ends(talk):
    """Request and answer both trickle: three segments each, 4 and 3 ms apart."""
    request, answer = talk.publish(1, 1, 300), mqtt.puback(1)
    talk.send(C2S, request, cuts=(100, 100), gap_ns=ms(4))
    talk.wait(ms(6.000006))
    talk.send(S2C, answer, cuts=(2, 1), gap_ns=ms(3))
    talk.expect(request, answer)


def negative_service(talk):
    """The answer's first half is sent before the request's last segment: service_time -3 ms."""
    request, answer = talk.publish(1, 1, 3_000), mqtt.puback(1)
    start = talk.now
    talk.send(C2S, request, gap_ns=ms(5))
    talk.now = start + ms(7)
    talk.send(S2C, answer, cuts=(2,), gap_ns=ms(6))
    talk.expect(request, answer)


# mqtt_loss: retransmission, loss and reordering in TCP

def _faulty_publish(says, fates=None, order=None, qos=1, size=4_000):
    def run(talk):
        request = talk.publish(qos, 1, size)
        talk.send(C2S, request, fates=fates, order=order)
        talk.wait(max([fate.after_ns for fate in (fates or {}).values()], default=0) + ms(9.000091))
        answer = mqtt.puback(1)
        talk.send(S2C, answer)
        talk.expect(request, answer)
        talk.wait(ms(1))
        talk.publish_1(2, ms(2.000002))
    run.__doc__ = says
    return run


def answer_lost(talk):
    """The PUBACK is lost before the capture point, sent again 210 ms later."""
    request, answer = talk.publish(1, 1), mqtt.puback(1)
    talk.send(C2S, request)
    talk.wait(ms(5))
    talk.send(S2C, answer, fates={0: lost(ms(210))})
    talk.expect(request, answer)
    talk.wait(ms(215))
    talk.publish_1(2, ms(2.000002))


def answer_twice(talk):
    """TCP sends the segment of a PUBACK again: no second answer, no duplicate."""
    request, answer = talk.publish(1, 1), mqtt.puback(1)
    talk.send(C2S, request)
    talk.wait(ms(5.000005))
    talk.send(S2C, answer, fates={0: spurious(ms(60))})
    talk.expect(request, answer)
    talk.wait(ms(70))
    talk.publish_1(2, ms(2.000002))


def qos_0_dropped(talk):
    """A QoS 0 publish whose only segment must be sent again: ack_time is 201.5 ms."""
    request = talk.publish(0)
    talk.send(C2S, request, fates={0: dropped(ms(200))})
    talk.ack(S2C, ms(201.500005))
    talk.expect(request, outcome='one-way')


# mqtt_ids: packet ids used again, answers that fit nothing or too often

def dup_retry(talk):
    """DUP, same id, still pending: one exchange, the clock runs from the first publish."""
    request, again, answer = talk.publish(1, 7), talk.publish(1, 7, dup=True), mqtt.puback(7)
    talk.send(C2S, request)
    talk.ack(S2C, us(300))
    talk.wait(ms(1_000))
    talk.send(C2S, again)
    talk.wait(ms(4.000004))
    talk.send(S2C, answer)
    talk.expect(request, answer)
    talk.expect(again, outcome='retry')


def dup_retry_qos_2(talk):
    """The same with QoS 2, the copy sent before the PUBREC."""
    request, again = talk.publish(2, 8), talk.publish(2, 8, dup=True)
    talk.send(C2S, request)
    talk.ack(S2C, us(300))
    talk.wait(ms(500))
    talk.expect(again, outcome='retry')
    rec, rel, comp = mqtt.pubrec(8), mqtt.pubrel(8), mqtt.pubcomp(8)
    talk.send(C2S, again)
    for side, message, wait in ((S2C, rec, 2.5), (C2S, rel, 0.25), (S2C, comp, 1.5)):
        talk.wait(ms(wait))
        talk.send(side, message)
    talk.expect(request, rec, rel=rel, comp=comp)


def dup_first_seen(talk):
    """DUP is set but nothing is pending: an exchange like any other."""
    talk.publish_1(3, ms(3.300003), dup=True)


def reused_pending(talk):
    """DUP clear, same id, still pending: the old exchange is closed without an answer."""
    old, new, answer = talk.publish(1, 9), talk.publish(1, 9, 90), mqtt.puback(9)
    talk.send(C2S, old)
    talk.wait(ms(30))
    talk.send(C2S, new)
    talk.wait(ms(4.400004))
    talk.send(S2C, answer)
    talk.expect(old, outcome='reused')
    talk.expect(new, answer)


def reused_after(talk):
    """An id is free again after its answer: four exchanges with id 1."""
    for wait in (1.000001, 2.000002, 3.000003):
        talk.publish_1(1, ms(wait))
    talk.publish_2(1, ms(1), ms(2), ms(3))


def both_directions(talk):
    """Client and broker use the same ids at the same time, for QoS 1 and 2."""
    up_1, down_1 = talk.publish(1, 1), talk.publish(1, 1)
    up_2, down_2 = talk.publish(2, 2), talk.publish(2, 2)
    up_steps = [step(2) for step in (mqtt.pubrec, mqtt.pubrel, mqtt.pubcomp)]
    down_steps = [step(2) for step in (mqtt.pubrec, mqtt.pubrel, mqtt.pubcomp)]
    up_answer, down_answer = mqtt.puback(1), mqtt.puback(1)
    for side, messages, wait in (
            (C2S, (up_1, up_2), 0), (S2C, (down_1, down_2), 0.4), (C2S, (down_answer,), 1.100001),
            (S2C, (up_answer, up_steps[0]), 2.200002),
            (C2S, (down_steps[0], up_steps[1]), 0.300003),
            (S2C, (down_steps[1],), 0.900004), (S2C, (up_steps[2],), 0.700005),
            (C2S, (down_steps[2],), 0.500006)):
        talk.wait(ms(wait))
        talk.send(side, *messages)
    talk.expect(up_1, up_answer)
    talk.expect(down_1, down_answer)
    for request, (rec, rel, comp) in ((up_2, up_steps), (down_2, down_steps)):
        talk.expect(request, rec, rel=rel, comp=comp)


def orphans(talk):
    """Answers nobody waits for; the publish between them must not be disturbed."""
    lone = [mqtt.puback(100), mqtt.pubcomp(101), mqtt.suback(102, 1), mqtt.pingresp()]
    request, answer = talk.publish(1, 1), mqtt.puback(1)
    talk.send(C2S, request)
    talk.wait(ms(1))
    for message in lone:
        talk.send(S2C, message)
        talk.expect(None, message, outcome='orphan')
        talk.wait(ms(1))
    talk.send(S2C, answer)
    talk.expect(request, answer)


def duplicates(talk):
    """A second PUBACK and a second PUBCOMP, each 20 ms after the first."""
    again = [mqtt.puback(1), mqtt.pubcomp(2)]
    talk.publish_1(1, ms(3))
    talk.wait(ms(20))
    talk.send(S2C, again[0])
    talk.wait(ms(1))
    talk.publish_2(2, ms(1), ms(1), ms(1))
    talk.wait(ms(20))
    talk.send(S2C, again[1])
    for message in again:
        talk.expect(None, message, outcome='duplicate')


def never_answered(talk):
    """Open at the end: a QoS 1 publish, one of QoS 2 after its PUBREL, a subscription, a ping."""
    pub1, pub2, rec, rel = talk.publish(1, 1), talk.publish(2, 2), mqtt.pubrec(2), mqtt.pubrel(2)
    subscribe, ping = mqtt.subscribe(3, 'open/#'), mqtt.pingreq()
    talk.send(C2S, pub1, pub2)
    talk.wait(ms(2))
    talk.send(S2C, rec)
    talk.wait(ms(1))
    talk.send(C2S, rel, subscribe, ping)
    talk.ack(S2C, ms(1))
    talk.expect(pub1)
    talk.expect(pub2, rec, rel=rel, outcome='open')
    talk.expect(subscribe)
    talk.expect(ping)


def pings(talk):
    """Two pings in flight: the oldest is answered first."""
    requests, answers = [mqtt.pingreq(), mqtt.pingreq()], [mqtt.pingresp(), mqtt.pingresp()]
    for side, message in zip((C2S, C2S, S2C, S2C), requests + answers):
        talk.send(side, message)
        talk.wait(ms(2.5))
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def reset(talk):
    """The broker resets the connection: the publish stays open."""
    request = talk.publish(1, 1)
    talk.send(C2S, request)
    talk.expect(request)
    talk.wait(ms(3))
    talk.reset()


def _named(name, scene, **options):
    return scene, {'name': name, **options}


SCENES = {
    'mqtt_basic': (
        _named('session-3.1', session, version=3), _named('session-3.1.1', session),
        _named('session-5.0', session, version=5), (reason_codes, V5), (topic_alias, V5)),
    'mqtt_framing': (
        (many_in_a_frame, {}), (mixed_frame, {}), (long_publish, {}), (starts_mid_segment, {}),
        (out_of_order_acks, {}), (slow_ends, {}), (negative_service, {})),
    'mqtt_loss': (
        _named('dropped', _faulty_publish(
            'The second of three segments is captured, lost further on, sent again 200 ms later.',
            {1: dropped(ms(200))})),
        _named('lost-middle', _faulty_publish(
            'The second of three segments is lost before the capture point.', {1: lost(ms(210))})),
        _named('lost-first', _faulty_publish(
            'The first of three segments is lost before the capture point.', {0: lost(ms(220))})),
        _named('lost-last', _faulty_publish(
            'The last of three segments is lost before the capture point.', {2: lost(ms(230))})),
        _named('lost-only', _faulty_publish(
            'The only segment is lost before the capture point.', {0: lost(ms(240))}, size=200)),
        _named('spurious', _faulty_publish(
            'The second segment is sent again although nothing was lost.', {1: spurious(ms(50))})),
        _named('reordered', _faulty_publish(
            'The third segment passes before the second.', order=(0, 2, 1))),
        (answer_lost, {}), (answer_twice, {}), (qos_0_dropped, {})),
    'mqtt_ids': (
        (dup_retry, {}), (dup_retry_qos_2, {}), (dup_first_seen, {}), (reused_pending, {}),
        (reused_after, {}), (both_directions, {}), (orphans, {}), (duplicates, {}),
        (never_answered, {}), (pings, {}), (reset, {})),
}
