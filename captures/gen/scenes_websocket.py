"""MQTT over WebSocket: how packets lie in messages, messages in frames, frames in segments.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from . import mqtt
from .scene import ms, us
from .tcp import C2S, S2C, dropped, lost

BYTE_BY_BYTE = [1] * 400


def session(talk):
    """Each exchange once, a message for each packet, publishes in both directions."""
    talk.ask(mqtt.subscribe(1, 'a/#', 'b/+', qos=2), mqtt.suback(1, 2, 2), ms(3.000011))
    talk.one_way(talk.publish(0), ms(1.200003))
    talk.publish_1(2, ms(5.000123))
    talk.publish_2(3, ms(2.000007), ms(0.500009), ms(1.250013))
    talk.one_way(talk.publish(0, retain=True), us(90), side=S2C)
    talk.publish_1(1, ms(0.700001), side=S2C)
    talk.publish_2(2, ms(0.300001), ms(2.100003), ms(0.200007), side=S2C)
    talk.ask(mqtt.pingreq(), mqtt.pingresp(), ms(7.000017))
    talk.ask(mqtt.unsubscribe(4, 'a/#', 'b/+'), mqtt.unsuback(4), ms(2.500019))


def field_by_field(talk):
    """As MQTT.js sends: type, length, topic, id and payload are messages and segments of their own."""
    for packet_id, wait in ((1, 3.000001), (2, 4.000002), (3, 5.000003)):
        request, answer = talk.publish(1, packet_id, 90), mqtt.puback(packet_id)
        topic = len('plant/' + talk.name)
        talk.send(C2S, request, pieces=(1, 1, 2, topic, 2), apart=us(70))
        talk.wait(ms(wait))
        talk.send(S2C, answer)
        talk.expect(request, answer)


def byte_by_byte(talk):
    """Every byte a message, in both directions; 30 messages in a segment from the broker."""
    request, answer = talk.publish(1, 1, 200), mqtt.puback(1)
    talk.send(C2S, request, pieces=BYTE_BY_BYTE, apart=us(20))
    talk.wait(ms(2.000009))
    talk.send(S2C, answer, pieces=BYTE_BY_BYTE, apart=us(50))
    talk.expect(request, answer)
    request, answer = talk.publish(1, 1, 150), mqtt.puback(1)
    talk.send(S2C, request, pieces=BYTE_BY_BYTE, cuts=[90] * 9)
    talk.wait(ms(1.000003))
    talk.send(C2S, answer, pieces=(3,))
    talk.expect(request, answer)


def many_in_a_message(talk):
    """Twelve publishes in one message, their twelve PUBACKs in one message."""
    requests = [talk.publish(1, packet_id, 60) for packet_id in range(1, 13)]
    answers = [mqtt.puback(packet_id) for packet_id in range(1, 13)]
    talk.send(C2S, *requests, pieces=())
    talk.wait(ms(6.000061))
    talk.send(S2C, *answers, pieces=())
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def out_of_step(talk):
    """No boundary of a packet is one of a message: each message has an end, whole packets, a start."""
    requests = [talk.publish(1, number, 40 + 7 * number) for number in range(1, 10)]
    answers = [mqtt.puback(number) for number in range(1, 10)]
    talk.send(C2S, *requests, pieces=(50, 250, 1, 170, 90), apart=ms(1))
    talk.wait(ms(2.000021))
    talk.send(S2C, *answers, pieces=(3, 9, 1, 6, 2), apart=us(400))
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def long_messages(talk):
    """Messages of 20,000 and 70,000 bytes over many segments, as one packet and as several."""
    talk.publish_1(1, ms(8.000081), size=20_000)
    talk.publish_1(1, ms(1.000011), side=S2C, size=70_000)
    requests = [talk.publish(1, number, 6_000) for number in (2, 3, 4)]
    talk.send(C2S, *requests, pieces=(9_000,))
    for number, request in zip((2, 3, 4), requests):
        talk.wait(ms(1.000007))
        answer = mqtt.puback(number)
        talk.send(S2C, answer)
        talk.expect(request, answer)


def slow_message(talk):
    """A message with three packets takes three segments, 4 ms apart: complete with the last."""
    requests = [talk.publish(1, number, 900) for number in (1, 2, 3)]
    answers = [mqtt.puback(number) for number in (1, 2, 3)]
    talk.send(C2S, *requests, pieces=(), cuts=(1_200, 3), gap_ns=ms(4))
    talk.wait(ms(2.000003))
    talk.send(S2C, *answers, pieces=())
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def fragments(talk):
    """Messages in frames of 11 and 30 bytes and the rest, a ping frame between, 1 ms apart."""
    requests = [talk.publish(1, number, 60) for number in (1, 2)]
    answers = [mqtt.puback(number) for number in (1, 2)]
    talk.send(C2S, *requests, pieces=(), fragments=(11, 30), between=b'?', cuts=(17, 7, 36, 7),
              gap_ns=ms(1))
    talk.wait(ms(2.000005))
    talk.send(S2C, *answers, pieces=(), fragments=(5,), cuts=(3, 4), gap_ns=ms(1))
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)


def head_cut(talk):
    """Segments end inside the header of a WebSocket frame."""
    request, answer = talk.publish(1, 1, 300), mqtt.puback(1)
    talk.send(C2S, request, cuts=(1, 2, 4), gap_ns=us(300))
    talk.wait(ms(3.000013))
    talk.send(S2C, answer, cuts=(1,), gap_ns=us(200))
    talk.expect(request, answer)


def compressed(talk):
    """permessage-deflate: packets in one message each, three in one, one in three."""
    talk.publish_1(1, ms(4.000041), size=500)
    talk.publish_1(1, ms(1.000019), side=S2C, size=3_000)
    requests = [talk.publish(1, number, 80) for number in (2, 3, 4)]
    answers = [mqtt.puback(number) for number in (2, 3, 4)]
    talk.send(C2S, *requests, pieces=())
    talk.wait(ms(2))
    talk.send(S2C, *answers, pieces=(1, 6), apart=us(250))
    for request, answer in zip(requests, answers):
        talk.expect(request, answer)
    request, answer = talk.publish(1, 5, 900), mqtt.puback(5)
    talk.send(C2S, request, pieces=(1, 400), apart=ms(1))
    talk.wait(ms(2))
    talk.send(S2C, answer)
    talk.expect(request, answer)


def sent_again(talk):
    """Segments with WebSocket messages lost before and behind the capture point."""
    for packet_id, fates in ((1, {2: dropped(ms(200))}), (2, {0: dropped(ms(210))}),
                             (3, {3: lost(ms(220))})):
        request, answer = talk.publish(1, packet_id, 90), mqtt.puback(packet_id)
        talk.send(C2S, request, pieces=(1, 1, 10, 20), apart=us(50), fates=fates)
        talk.wait(ms(230.000003))
        talk.send(S2C, answer)
        talk.expect(request, answer)


def text(talk):
    """A client that sends text messages, which MQTT 5.0 section 6 forbids."""
    request, answer = talk.publish(1, 1, 30), mqtt.puback(1)
    talk.send(C2S, request, text=True)
    talk.wait(ms(3.000031))
    talk.send(S2C, answer)
    talk.expect(request, answer)


SCENES = {
    'mqtt_websocket': (
        (session, {}), (field_by_field, {}), (byte_by_byte, {}), (many_in_a_message, {}),
        (out_of_step, {}), (long_messages, {}), (slow_message, {}), (fragments, {}), (head_cut, {}),
        (compressed, {'deflate': True}), (sent_again, {}),
        (text, {'subprotocol': 'mqttv3.1', 'version': 3})),
}
