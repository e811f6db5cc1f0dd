"""The Kafka scenes. Each is one connection (two in `twins`); its name is the client id.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from . import kafka
from .scene import ms
from .tcp import C2S, S2C, dropped, lost, spurious

LARGEST_ID = 0x7fffffff


# kafka_basic: APIs, versions, acks

def consumer(talk):
    """A consumer joins a group and polls; each API once, JoinGroup takes 3 s."""
    member = talk.name + '-b7e1'
    for make, answer, wait in (
            (kafka.metadata, kafka.metadata_response, 4.000041),
            (kafka.findcoordinator, kafka.findcoordinator_response, 2.000023),
            (kafka.joingroup, lambda number: kafka.joingroup_response(number, member), 3000.000003),
            (lambda *a: kafka.syncgroup(*a, member), kafka.syncgroup_response, 5.000053),
            (lambda *a: kafka.heartbeat(*a, member), kafka.heartbeat_response, 1.100011),
            (lambda *a: kafka.offsetcommit(*a, member), kafka.offsetcommit_response, 6.000067)):
        number = talk.number()
        talk.ask(make(number, talk.name), answer(number), ms(wait))
    talk.ask(*talk.fetch(), ms(120.000121))
    talk.ask(*talk.fetch(0), ms(500.800007))  # a long poll that found nothing


def api_versions(talk):
    """ApiVersions 0 (at the start of every scene), 1 and 3."""
    for version in (1, 3):
        number = talk.number()
        talk.ask(kafka.apiversions(number, talk.name, version),
                 kafka.apiversions_response(number, version), ms(1.000001 + version))


def acks(talk):
    """Produce 3 and 7 with acks 1, all and 0; the last is acknowledged by TCP only."""
    for version in (3, 7):
        talk.ask(*talk.produce(acks=1, version=version), ms(5.000051))
        talk.ask(*talk.produce(acks=-1, version=version), ms(15.000151))
        talk.one_way(talk.produce(acks=0, version=version)[0], ms(0.800009))


def acks_0_between(talk):
    """acks=0 requests among others: they leave no gap in the order of the answers."""
    first, silent, last = talk.produce(acks=1), talk.produce(acks=0), talk.produce(acks=-1)
    talk.send(C2S, first[0], silent[0], last[0])
    talk.wait(ms(3.000031))
    talk.send(S2C, first[1])
    talk.wait(ms(9.000091))
    talk.send(S2C, last[1])
    talk.expect(*first)
    talk.expect(silent[0], outcome='one-way')
    talk.expect(*last)


def unread_versions(talk):
    """Produce 13 and Fetch 18: Wireshark reads their headers, not their bodies."""
    talk.ask(*talk.produce(acks=1, version=13), ms(6.000061))
    talk.ask(*talk.produce(acks=-1, version=13), ms(16.000161))
    talk.one_way(talk.produce(acks=0, version=13)[0], ms(0.700007))
    talk.ask(*talk.fetch(version=18), ms(26.000261))
    talk.ask(*talk.fetch(0, version=18), ms(501.000001))


# kafka_framing: pipelining, and how messages lie in segments

def pipelined(talk):
    """Five requests 2 ms apart, answered in order 10 ms apart: the wait grows with each."""
    calls = [talk.produce() for _ in range(5)]
    for request, _ in calls:
        talk.send(C2S, request)
        talk.wait(ms(2))
    for request, answer in calls:
        talk.wait(ms(10.000103))
        talk.send(S2C, answer)
        talk.expect(request, answer)


def many_in_a_frame(talk):
    """Six requests in one frame, their answers in one frame."""
    calls = [talk.fetch(20) for _ in range(6)]
    talk.send(C2S, *(request for request, _ in calls))
    talk.wait(ms(4.000043))
    talk.send(S2C, *(answer for _, answer in calls))
    for call in calls:
        talk.expect(*call)


def long_request(talk):
    """20,000 bytes over 14 segments."""
    talk.ask(*talk.produce(20_000), ms(9.000097))


def long_response(talk):
    """30,000 bytes over 21 segments."""
    talk.ask(*talk.fetch(30_000), ms(11.000113))


def starts_mid_segment(talk):
    """Three requests in a run of segments and three responses in another."""
    calls = [talk.fetch(size) for size in (900, 4_000, 200)]
    calls[1:1] = [talk.produce(3_500)]
    talk.send(C2S, *(request for request, _ in calls))
    talk.wait(ms(8.000083))
    talk.send(S2C, *(answer for _, answer in calls))
    for call in calls:
        talk.expect(*call)


def slow_ends(talk):
    """Request and answer both trickle: three segments each, 4 and 3 ms apart."""
    request, answer = talk.produce(200)
    talk.send(C2S, request, cuts=(100, 100), gap_ns=ms(4))
    talk.wait(ms(6.000006))
    talk.send(S2C, answer, cuts=(10, 10), gap_ns=ms(3))
    talk.expect(request, answer)


def negative_service(talk):
    """The answer's first half is sent before the request's last segment: service_time -3 ms."""
    request, answer = talk.produce(3_000)
    start = talk.now
    talk.send(C2S, request, gap_ns=ms(5))
    talk.now = start + ms(7)
    talk.send(S2C, answer, cuts=(20,), gap_ns=ms(6))
    talk.expect(request, answer)


# kafka_loss: retransmission, loss and reordering in TCP

def _faulty_produce(says, fates=None, order=None, size=3_900):
    def run(talk):
        request, answer = talk.produce(size)
        talk.send(C2S, request, fates=fates, order=order)
        talk.wait(max([fate.after_ns for fate in (fates or {}).values()], default=0) + ms(9.000091))
        talk.send(S2C, answer)
        talk.expect(request, answer)
        talk.wait(ms(1))
        talk.ask(*talk.fetch(), ms(2.000002))
    run.__doc__ = says
    return run


def _faulty_fetch(says, fates, size=3_900):
    def run(talk):
        request, answer = talk.fetch(size)
        talk.send(C2S, request)
        talk.wait(ms(7.000071))
        talk.send(S2C, answer, fates=fates)
        talk.expect(request, answer)
        talk.wait(ms(1) + max(fate.after_ns for fate in fates.values()))
        talk.ask(*talk.produce(), ms(2.000002))
    run.__doc__ = says
    return run


# kafka_ids: correlation ids used again, answers that fit nothing or too often

def reused_after(talk):
    """A correlation id is free again after its answer: three exchanges with id 77."""
    for wait in (1.000001, 2.000002):
        talk.ask(*talk.produce(number=77), ms(wait))
    talk.ask(*talk.fetch(number=77), ms(3.000003))


def reused_pending(talk):
    """Id 78 again while pending: the old exchange is closed, the answer is the new one's."""
    old, new = talk.produce(number=78), talk.fetch(number=78)
    talk.send(C2S, old[0])
    talk.wait(ms(30))
    talk.send(C2S, new[0])
    talk.wait(ms(4.400004))
    talk.send(S2C, new[1])
    talk.expect(old[0], outcome='reused')
    talk.expect(*new)


def orphan(talk):
    """A response to a request that was never seen, while another is pending."""
    call, lone = talk.produce(), kafka.produce_response(5_000)
    talk.send(C2S, call[0])
    talk.wait(ms(2))
    talk.send(S2C, lone)
    talk.expect(None, lone, outcome='orphan')
    talk.wait(ms(3.000003))
    talk.send(S2C, call[1])
    talk.expect(*call)


def duplicate(talk):
    """The same response again, as a new message."""
    request, answer = talk.produce()
    again = kafka.produce_response(request.id)
    talk.ask(request, answer, ms(3.000003))
    talk.wait(ms(20))
    talk.send(S2C, again)
    talk.expect(None, again, outcome='duplicate')


def never_answered(talk):
    """Open at the end: a Produce with acks=all and a Fetch."""
    for request, _ in (talk.produce(acks=-1), talk.fetch()):
        talk.send(C2S, request)
        talk.expect(request)
        talk.ack(S2C, ms(1))
        talk.wait(ms(5))


def reset(talk):
    """The broker resets the connection: the request stays open."""
    request, _ = talk.produce()
    talk.send(C2S, request)
    talk.expect(request)
    talk.wait(ms(3))
    talk.reset()


def wrap(talk):
    """Correlation ids are signed: after the largest comes the smallest."""
    for number in (LARGEST_ID - 1, LARGEST_ID, -LARGEST_ID - 1, -1, 0):
        talk.ask(*talk.produce(number=number), ms(1.700017))


def twins(talk):
    """Two connections with the same correlation ids at the same time, 5 and 9 ms."""
    other = talk.twin()
    for _ in range(4):
        talk.ask(*talk.produce(), ms(5.000051))
        other.ask(*other.fetch(), ms(9.000093))
    other.finish()


def _named(name, scene, **options):
    return scene, {'name': name, **options}


SCENES = {
    'kafka_basic': ((consumer, {}), (api_versions, {}), (acks, {}), (acks_0_between, {}),
                    (unread_versions, {})),
    'kafka_framing': (
        (pipelined, {}), (many_in_a_frame, {}), (long_request, {}), (long_response, {}),
        (starts_mid_segment, {}), (slow_ends, {}), (negative_service, {})),
    'kafka_loss': (
        _named('dropped', _faulty_produce(
            'The second of three segments is captured, lost further on, sent again 200 ms later.',
            {1: dropped(ms(200))})),
        _named('lost-middle', _faulty_produce(
            'The second of three segments is lost before the capture point.', {1: lost(ms(210))})),
        _named('lost-first', _faulty_produce(
            'The first of three segments is lost before the capture point.', {0: lost(ms(220))})),
        _named('lost-last', _faulty_produce(
            'The last of three segments is lost before the capture point.', {2: lost(ms(230))})),
        _named('lost-only', _faulty_produce(
            'The only segment is lost before the capture point.', {0: lost(ms(240))}, size=200)),
        _named('spurious', _faulty_produce(
            'The second segment is sent again although nothing was lost.', {1: spurious(ms(50))})),
        _named('reordered', _faulty_produce(
            'The third segment passes before the second.', order=(0, 2, 1))),
        _named('answer-lost', _faulty_fetch(
            'The only segment of the answer is lost before the capture point.',
            {0: lost(ms(205))}, size=100)),
        _named('answer-lost-middle', _faulty_fetch(
            'The second of three segments of the answer is lost before the capture point.',
            {1: lost(ms(215))})),
        _named('answer-twice', _faulty_fetch(
            'TCP sends the last segment of the answer again: no second answer.',
            {2: spurious(ms(60))}))),
    'kafka_ids': (
        (reused_after, {}), (reused_pending, {}), (orphan, {}), (duplicate, {}),
        (never_answered, {}), (reset, {}), (wrap, {}), (twins, {})),
}
