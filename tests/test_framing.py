"""The framing handles change what is dissected only where Wireshark loses its place: elsewhere, and
wherever they are switched off, packet list, bytes, fields and followed streams are Wireshark's own.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pytest

import harness

OFF = ("-o", "wirelat.frame_mqtt:FALSE", "-o", "wirelat.frame_kafka:FALSE")
IN_STEP = [harness.CAPTURES / f"{name}.pcapng" for name in
           ("mqtt_basic", "mqtt_framing", "mqtt_loss", "kafka_basic", "kafka_framing")]
OUT_OF_STEP = [path for name in ("gen/mqtt_hdrcut.pcap", "live/derived_kafka_midpdu.pcapng",
                                 "live/derived_mqtt_midpdu.pcapng", "gen/mqtt_nosyn.pcap")
               for path in [harness.SHARED / name] if path.exists()]
FIELDS = ("frame.number", "frame.protocols", "_ws.col.Protocol", "_ws.col.Info", "tcp.segment",
          "tcp.reassembled_in", "tcp.pdu.size", "mqtt.msgtype", "mqtt.msgid", "mqtt.topic",
          "kafka.correlation_id", "kafka.api_key", "_ws.malformed", "data.data")
KAFKA_PORTS = ("-d", "tcp.port==9093,kafka")


def rows(capture, *options, **arguments):
    return harness.plain_fields(capture, FIELDS, *KAFKA_PORTS, *options, **arguments)


@pytest.mark.parametrize("capture", IN_STEP + OUT_OF_STEP, ids=lambda path: path.stem)
def test_off_is_as_without_us(capture):
    assert rows(capture, *OFF) == rows(capture, with_plugin=False)


@pytest.mark.parametrize("capture", IN_STEP, ids=lambda path: path.stem)
def test_in_step_nothing_changes(capture):
    assert rows(capture, *harness.REASSEMBLE) == \
        rows(capture, *harness.REASSEMBLE, with_plugin=False)


@pytest.mark.parametrize("capture", OUT_OF_STEP, ids=lambda path: path.stem)
def test_followed_streams_are_the_same(capture):
    options = (*KAFKA_PORTS, "-q", "-z", "follow,tcp,raw,0")
    assert harness.tshark(capture, *options).out == \
        harness.tshark(capture, *options, with_plugin=False).out
