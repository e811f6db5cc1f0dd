"""Big captures for measuring speed: many streams, few kinds of packets, no truth.

    mqtt    publishes of 300 bytes, QoS 1: PUBLISH, PUBACK, TCP ACK; now and then two in a frame
            or 3,000 bytes over three segments
    kafka   two Produces and a Fetch in flight, answered in order in two frames
    other   HTTP, a nameless TCP protocol, DNS: nothing that Wirelat computes on
    mptcp   see bench_mptcp.py

SPDX-License-Identifier: GPL-2.0-or-later
"""
import itertools
import struct

from . import bench_mptcp, kafka, mqtt
from .scene import START_NS, ms, us
from .tcp import C2S, S2C, Capture, Datagram, Message, write_pcapng

DURATION_NS = 60_000_000_000
PORTS, FIRST_PORT = 50_000, 10_000
SERVERS = {'mqtt': ('198.51.100.10', 1883), 'kafka': ('198.51.100.20', 9092),
           'http': ('198.51.100.30', 80), 'plain': ('198.51.100.40', 7007)}
RESOLVER = '198.51.100.53', 53


def _turn(conversation, at, requests, answer_runs):
    """Requests in one run, then the runs of answers 3 ms apart, then the client's TCP ACK."""
    at = conversation.send(C2S, *requests, at=at)
    for answers in answer_runs:
        at = conversation.send(S2C, *answers, at=at + ms(3))
    conversation.ack(C2S, at + us(70))


def _mqtt_turns(name, pdus):
    yield [mqtt.connect(name)], [[mqtt.connack()]]
    ids = itertools.cycle(range(1, 65_536))
    for count in itertools.count():
        numbers = [next(ids) for _ in range(pdus or (2 if count % 8 == 7 else 1))]
        size = 20 if pdus else 3_000 if count % 16 == 3 else 300
        yield ([mqtt.publish('plant/' + name, size, 1, number) for number in numbers],
               [[mqtt.puback(number) for number in numbers]])


def _kafka_turns(name, _pdus):
    yield [kafka.apiversions(0, name)], [[kafka.apiversions_response(0)]]
    for first in itertools.count(1, 3):
        requests = [kafka.produce(first, name, 300, acks=1),
                    kafka.produce(first + 1, name, 300, acks=-1),
                    kafka.fetch(first + 2, name)]
        answers = [kafka.produce_response(first), kafka.produce_response(first + 1),
                   kafka.fetch_response(first + 2, 300)]
        yield requests, [answers[:2], answers[2:]]


def _http_turns(name, _pdus):
    page = b'<p>line 7 is up</p>\n' * 250
    head = b'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n' % len(page)
    for count in itertools.count():
        request = f'GET /lines/{count} HTTP/1.1\r\nHost: {name}.example\r\n\r\n'.encode()
        yield [Message(request, 'get')], [[Message(head + page, 'page')]]


def _plain_turns(_name, _pdus):
    while True:
        yield [Message(bytes(range(256)), 'ask')], [[Message(bytes(range(250)) * 3, 'tell')]]


TURNS = {'mqtt': _mqtt_turns, 'kafka': _kafka_turns, 'http': _http_turns, 'plain': _plain_turns}
KINDS = {'mqtt': ('mqtt',), 'kafka': ('kafka',), 'other': ('http', 'plain'), 'mptcp': ()}


def _dns(capture, client, at, count):
    """A query and its answer, 8 ms later."""
    name = b'\5line7\7example\0' + struct.pack('!HH', 1, 1)
    query = struct.pack('!HHHHHH', count & 0xffff, 0x0100, 1, 0, 0, 0) + name
    answer = struct.pack('!HHHHHH', count & 0xffff, 0x8180, 1, 1, 0, 0) + name
    answer += struct.pack('!HHHIH4s', 0xc00c, 1, 1, 300, 4, bytes((198, 51, 100, 30)))
    capture.datagrams += [Datagram(at, C2S, client, RESOLVER, count, query),
                          Datagram(at + ms(8), S2C, RESOLVER, client, count, answer)]


def _stream(capture, index, protocol, packets, pdus):
    """One connection of at least `packets` packets, evenly spread over the duration."""
    client = f'10.7.{index // PORTS}.{1 + index % 250}', FIRST_PORT + index % PORTS
    conversation = capture.open(client, SERVERS[protocol], START_NS + us(37) * (index % 10_000))
    turns = TURNS[protocol](f'device-{index}', pdus)
    at, per_packet = conversation.opened, DURATION_NS // packets
    while len(conversation.packets) < packets:
        before = len(conversation.packets)
        _turn(conversation, at, *next(turns))
        if protocol == 'http' and before % 10 < 3:
            _dns(capture, client, at - ms(9), before)
        at += max(ms(8), per_packet * (len(conversation.packets) - before))


def write(path, kind, packets, streams, first=0, pdus=0):
    """A capture of exactly `packets` packets, of the clients from the first on; pdus: that many
    small MQTT packets in each frame with data."""
    if kind == 'mptcp':
        bench_mptcp.write(path, packets, -(-streams // bench_mptcp.SUBFLOWS), first)
        return
    capture, protocols = Capture(), itertools.cycle(KINDS[kind])
    for index, protocol in zip(range(first, first + streams), protocols):
        _stream(capture, index, protocol, -(-packets // streams), pdus)
    write_pcapng(path, capture.finish()[:packets])
