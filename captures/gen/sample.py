"""The sample: 20 seconds of a plant whose MQTT broker stalls for two of them, and of its Kafka.

    press-07 ----QoS 1---> broker ----QoS 1---> scada        plc-gateway --QoS 2--> broker
    gauge-12 ----QoS 0---> broker                            (stall: 8 to 10 s)

    orders ------Produce acks=all, three in flight---> broker
    telemetry ---Produce acks=1, sometimes 0---------> broker ---Fetch, long polls---> billing

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random

from . import kafka, mqtt
from .scene import START_NS, KafkaTalk, MqttTalk, Recording, ms, us
from .tcp import C2S, S2C, dropped

SEED = 1883
STALL_MS = 8_000, 10_000
FORWARDING = ms(1.4)


class Pace:
    """Delays drawn from one seed with products only: the same on every machine."""

    def __init__(self):
        self.random = random.Random(SEED).random

    def delay(self, typical_ms, talk=None):
        """Mostly near `typical_ms`, now and then several times as long; more during the stall."""
        share = self.random()
        value = typical_ms * (0.8 + 0.3 * self.random() + 4 * share * share * share * share * share)
        if talk and STALL_MS[0] <= (talk.now - START_NS) / 1_000_000 < STALL_MS[1]:
            value += 150 + 300 * self.random()
        return ms(value)


def _go_to(talk, at_ms):
    """The clock never runs backwards: a client that waits for an answer sends late."""
    talk.now = max(talk.now, START_NS + ms(at_ms))


def press(recording, pace):
    """QoS 1 every 300 ms; returns (time, message) of each publish for the subscriber."""
    talk = MqttTalk(recording, 'press-07', 49_207, START_NS + ms(2))
    forwarded = []
    for count in range(1, 61):
        _go_to(talk, 300 + 300 * count)
        payload = b'{"press":7,"stroke":%d,"kN":%d}' % (count, 400 + count % 17)
        request, answer = mqtt.publish('plant/press/7', payload, 1, count), mqtt.puback(count)
        if count in (41, 57):  # the broker lost these two
            talk.send(C2S, request)
            talk.ack(S2C, us(350))
            talk.expect(request)
            continue
        fates = {0: dropped(ms(203))} if count == 25 else None
        talk.send(C2S, request, fates=fates)
        talk.wait((ms(203) if fates else 0) + pace.delay(3.1, talk))
        forwarded.append((talk.now + FORWARDING, payload))
        talk.send(S2C, answer)
        talk.expect(request, answer)
        talk.ack(C2S, us(60))
    talk.finish()
    return forwarded


def scada(recording, pace, forwarded):
    """Subscribes and gets a copy of every stroke, QoS 1 from the broker; pings in between."""
    talk = MqttTalk(recording, 'scada', 49_118, START_NS + ms(5), keep_alive=5)
    subscribe, granted = mqtt.subscribe(1, 'plant/press/+'), mqtt.suback(1, 1)
    talk.ask(subscribe, granted, pace.delay(2.5))
    for count, (at, payload) in enumerate(forwarded, 1):
        talk.now = max(talk.now, at)
        request, answer = mqtt.publish('plant/press/7', payload, 1, count), mqtt.puback(count)
        talk.ask(request, answer, pace.delay(0.6), side=S2C)
        if count % 20 == 0:
            talk.ask(mqtt.pingreq(), mqtt.pingresp(), pace.delay(1.2, talk))
    talk.finish()


def gauge(recording, pace):
    """QoS 0, MQTT 5.0, every 375 ms; only TCP acknowledges."""
    talk = MqttTalk(recording, 'gauge-12', 49_312, START_NS + ms(11), version=5)
    for count in range(40):
        _go_to(talk, 400 + 375 * count)
        payload = b'{"gauge":12,"bar":%d}' % (60 + count % 9)
        talk.one_way(mqtt.publish('plant/gauge/12', payload, version=5), pace.delay(0.45))
    talk.finish()


def gateway(recording, pace):
    """QoS 2 commands; one is refused, one is sent again with DUP."""
    talk = MqttTalk(recording, 'plc-gateway', 49_440, START_NS + ms(17), version=5)
    for count in range(1, 31):
        _go_to(talk, 500 + 500 * count)
        payload = b'{"valve":%d,"open":true}' % count
        request = mqtt.publish('plant/valve', payload, 2, count, version=5)
        if count == 12:
            talk.ask(request, mqtt.pubrec(count, mqtt.NOT_AUTHORIZED), pace.delay(2.2))
            continue
        if count == 20:
            again = mqtt.publish('plant/valve', payload, 2, count, version=5, dup=True)
            talk.send(C2S, request)
            talk.ack(S2C, us(400))
            talk.wait(ms(300))
            talk.expect(again, outcome='retry')
            _finish_2(talk, request, again, count, pace)
            continue
        talk.run_2(request, count, pace.delay(2.2, talk), pace.delay(0.3), pace.delay(1.7, talk))
    talk.finish()


def _finish_2(talk, request, again, packet_id, pace):
    """The four steps after a retry; the exchange began with the first publish."""
    rec, rel, comp = (step(packet_id) for step in (mqtt.pubrec, mqtt.pubrel, mqtt.pubcomp))
    talk.send(C2S, again)
    for side, message in ((S2C, rec), (C2S, rel), (S2C, comp)):
        talk.wait(pace.delay(1.9))
        talk.send(side, message)
    talk.expect(request, rec, rel=rel, comp=comp)


def orders(recording, pace):
    """Produce with acks=all, three in flight, answered in order; the last two stay open."""
    talk = KafkaTalk(recording, 'orders', 50_101, START_NS + ms(3))
    number = talk.number()
    talk.ask(kafka.metadata(number, talk.name), kafka.metadata_response(number), pace.delay(3))
    for batch in range(24):
        _go_to(talk, 350 + 750 * batch)
        calls = [talk.produce(100, acks=-1) for _ in range(3)]
        for request, _ in calls:
            talk.send(C2S, request)
            talk.wait(ms(0.8))
        answered = calls if batch < 23 else calls[:1]
        for request, answer in answered:
            talk.wait(pace.delay(9))
            talk.send(S2C, answer)
            talk.expect(request, answer)
        for request, _ in calls[len(answered):]:
            talk.expect(request)
        talk.ack(C2S, us(55))
    talk.finish()


def telemetry(recording, pace):
    """Produce 3 with acks=1, every sixth with acks=0, a big one now and then."""
    talk = KafkaTalk(recording, 'telemetry', 50_202, START_NS + ms(7))
    for count in range(48):
        _go_to(talk, 320 + 375 * count)
        if count % 6 == 5:
            talk.one_way(talk.produce(90, acks=0, version=3)[0], pace.delay(0.5))
            continue
        size = 2_800 if count % 24 == 10 else 90
        talk.ask(*talk.produce(size, acks=1, version=3), pace.delay(2.4))
        talk.ack(C2S, us(45))
    talk.finish()


def billing(recording, pace):
    """A consumer: joins its group, then polls; a poll without data takes the whole max_wait."""
    talk = KafkaTalk(recording, 'billing', 50_303, START_NS + ms(9))
    member = 'billing-4d20'
    steps = ((kafka.metadata, kafka.metadata_response, 3.0),
             (kafka.findcoordinator, kafka.findcoordinator_response, 1.6),
             (kafka.joingroup, lambda number: kafka.joingroup_response(number, member), 2_600.0),
             (lambda *a: kafka.syncgroup(*a, member), kafka.syncgroup_response, 4.0))
    for request, answer, typical in steps:
        number = talk.number()
        talk.ask(request(number, talk.name), answer(number), pace.delay(typical))
    for count in range(40):
        empty = count % 4 == 3
        wait = ms(500) + us(900 * pace.random()) if empty else pace.delay(90)
        talk.ask(*talk.fetch(0 if empty else 100 + 8 * count), wait)
        if count % 5 == 0:
            number = talk.number()
            talk.ask(kafka.offsetcommit(number, talk.name, member),
                     kafka.offsetcommit_response(number), pace.delay(5))
        if count % 8 == 0:
            number = talk.number()
            talk.ask(kafka.heartbeat(number, talk.name, member),
                     kafka.heartbeat_response(number), pace.delay(1.1))
    open_poll, _ = talk.fetch()
    talk.send(C2S, open_poll)
    talk.expect(open_poll)
    talk.ack(S2C, ms(0.3))
    talk.finish()


def record():
    recording, pace = Recording(), Pace()
    scada(recording, pace, press(recording, pace))
    for play in (gauge, gateway, orders, telemetry, billing):
        play(recording, pace)
    return recording
