"""What TCP of some Wiresharks loses itself. With tcp.reassemble_out_of_order, that of 4.4.19 and
4.6.9 passes on no more of a direction (sometimes again after a while) once a segment came twice
inside a message that is not complete yet, two segments or more behind its first copy:

    message    [1] [2] [3] [1 again] [4]    passed on
    message    [5] [6] [7]                  "TCP segment data" of no PDU

as they do without any plugin, for every protocol on TCP. 4.0.17 passes on all of it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import functools
import pathlib
import tempfile

import harness
import invented

NUMBERS = range(1, 9)
CLIENT, SERVER = 0, 1
KNOWN = {"4.4", "4.6"}  # the series in which this was seen; elsewhere it is a failure


def conversation(path, port=1883, opening=(), wrapped=None):
    """PUBLISHes 1 to 8, each in segments of two bytes; the first of the third comes twice."""
    def say(side, data):
        return side, wrapped(side, data) if wrapped else data

    start, sent = 1_700_000_000_000_000_000, [0, 0]
    segments = [invented.Segment(start, CLIENT, -1, b"", invented.SYN),
                invented.Segment(start + 10, SERVER, -1, b"", invented.SYN | invented.ACK),
                invented.Segment(start + 20, CLIENT, 0, b"")]

    def send(side, data, size):
        for at in range(0, len(data), size):
            segments.append(invented.Segment(start + len(segments) * invented.MS, side, sent[side],
                                             data[at:at + size]))
            segments[-1].ack = sent[1 - side]
            sent[side] += len(segments[-1].data)

    connect = invented.packet(0x10, invented.text("MQTT") + b"\4\2\0\x3c" + invented.text("c"))
    for side, data in (*opening, say(CLIENT, connect), say(SERVER, b"\x20\2\0\0")):
        send(side, data, 1460)
    for number in NUMBERS:
        identifier = number.to_bytes(2, "big")
        first = len(segments)
        publish = invented.packet(0x32, invented.text("a/b") + identifier + b"12345")
        send(*say(CLIENT, publish), 2)
        if number == 3:
            again = invented.Segment(segments[first + 2].time + 1000, CLIENT,
                                     segments[first].start, segments[first].data)
            again.ack = segments[first].ack
            segments.insert(first + 3, again)
        send(*say(SERVER, b"\x40\2" + identifier), 1460)
    ends = ((b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", port))
    invented.store(path, [(s.time, invented.framed(s, ends, (77, 99), (0, 0))) for s in segments])


@functools.cache
def lost_upstream():
    """Whether this Wireshark, without the plugin, loses what comes behind the repeated segment."""
    with tempfile.TemporaryDirectory() as folder:
        capture = pathlib.Path(folder) / "repeats.pcap"
        conversation(capture)
        rows = harness.plain_fields(capture, ["mqtt.msgid"], *harness.REASSEMBLE,
                                    "-Y", "mqtt.msgtype == 3", with_plugin=False)
    found = [int(number) for (number,) in rows]
    assert found in ([*NUMBERS], [1, 2, 3])
    return found != [*NUMBERS]


def troubles():
    """What may happen to segments so that this Wireshark still passes on every byte."""
    return ("lost", "late") if lost_upstream() else invented.TROUBLES
