"""The truth beside a capture: one line per exchange, as frames and times of its steps.

An expectation says which message asks and which one answers; where these bytes lie among the
captured packets gives the numbers. No dissector takes part in it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from .tcp import ACK, C2S

COLUMNS = ('txn stream sport dir kind id bytes f_first t_first f_last t_last f_ack t_ack '
           'f_resp t_resp f_resp_last t_resp_last f_rel t_rel f_comp t_comp retx outcome').split()
NOTHING = (0, 0)


class Expectation:
    """An exchange, or a lone answer when `request` is None (outcomes orphan, duplicate)."""

    def __init__(self, request, answer=None, rel=None, comp=None, outcome=None):
        self.request, self.answer, self.rel, self.comp = request, answer, rel, comp
        self.outcome = outcome or ('answered' if answer else 'open')


def _sent(message):
    """The captured packets that carry a part of the message, in the order of the file."""
    return [p for p in message.conversation.packets
            if p.captured and p.side == message.side
            and p.offset < message.end and p.end > message.start and p.payload]


def _first(message):
    """The packet that carried the first byte for the first time."""
    return next(p for p in _sent(message) if p.offset <= message.start)


def _last(message):
    """The packet after which no byte was missing."""
    missing = set(range(message.start, message.end))
    for packet in _sent(message):
        missing.difference_update(range(packet.offset, packet.end))
        if not missing:
            return packet
    raise ValueError(f'{message.kind} {message.id} is not completely in the capture')


def _covering_ack(message):
    """The first packet of the other side whose acknowledgement covers the last byte."""
    return next((p for p in message.conversation.packets
                 if p.captured and p.side != message.side and p.flags & ACK
                 and p.ack >= message.end), None)


def _mark(packet):
    return (packet.number, packet.time) if packet else NOTHING


def _ends(message):
    return _mark(_first(message)) + _mark(_last(message)) if message else NOTHING * 2


def _row(expectation):
    request, lone = expectation.request, expectation.request or expectation.answer
    conversation = lone.conversation
    again = sum(p.again for m in (request, expectation.answer) if m for p in _sent(m))
    return (conversation.stream, conversation.client[1], 'c2s' if lone.side == C2S else 's2c',
            lone.kind, lone.id, len(lone.data), *_ends(request),
            *_mark(_covering_ack(request) if request else None), *_ends(expectation.answer),
            *_mark(expectation.rel and _last(expectation.rel)),
            *_mark(expectation.comp and _last(expectation.comp)), again, expectation.outcome)


def write_truth(path, expectations):
    """The capture must be finished: numbers of packets and acknowledgements are needed."""
    rows = sorted((_row(e) for e in expectations), key=lambda row: (row[6] or row[12], row[0]))
    with open(path, 'w', encoding='ascii', newline='\n') as file:
        file.write('\t'.join(COLUMNS) + '\n')
        for number, row in enumerate(rows, 1):
            file.write('\t'.join(map(str, (number, *row))) + '\n')
