#!/usr/bin/python3
"""What people write with scapy: one loop over the packets, payloads parsed, requests and answers
paired by connection and id.

    notebook_scapy.py mqtt|kafka < CAPTURE        prints how many pairs, mean and p95 in ms

MQTT by scapy's own layer (scapy.contrib.mqtt); Kafka, which scapy has none for, by struct. Without
reassembly, as in those notebooks; the figure here is what it costs.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import statistics
import struct
import sys

from scapy.contrib.mqtt import MQTT, MQTTPuback, MQTTPublish
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether  # noqa: F401  pylint: disable=unused-import
from scapy.packet import Raw
from scapy.utils import PcapNgReader, PcapReader


def mqtt_events(packet):
    """(is request, id) of each MQTT packet."""
    layer = packet.getlayer(MQTT)
    while layer is not None:
        if layer.haslayer(MQTTPublish) and layer.QOS > 0:
            yield True, layer[MQTTPublish].msgid
        elif layer.haslayer(MQTTPuback):
            yield False, layer[MQTTPuback].msgid
        layer = layer.payload.getlayer(MQTT)


def kafka_events(packet):
    """(is request, correlation id) of each Kafka message that begins the segment or follows one."""
    data = bytes(packet[TCP].payload)
    request = packet[TCP].dport == 9092
    while len(data) >= 12:
        length, = struct.unpack("!i", data[:4])
        yield request, struct.unpack("!i", data[8:12] if request else data[4:8])[0]
        data = data[4 + max(length, 0):]


EVENTS = {"mqtt": mqtt_events, "kafka": kafka_events}


def main():
    events, sent, times = EVENTS[sys.argv[1]], {}, []
    magic = sys.stdin.buffer.peek(4)[:4]
    reader = PcapNgReader if magic == b"\x0a\x0d\x0d\x0a" else PcapReader
    for packet in reader(sys.stdin.buffer):
        if TCP not in packet or not (MQTT in packet or Raw in packet):
            continue
        ends = frozenset([(packet[IP].src, packet[TCP].sport), (packet[IP].dst, packet[TCP].dport)])
        for is_request, number in events(packet):
            if is_request:
                sent[ends, number] = packet.time
            elif (ends, number) in sent:
                times.append(float(packet.time - sent.pop((ends, number))))
    times.sort()
    print(f"{len(times)} pairs, mean {statistics.mean(times) * 1e3:.3f} ms, "
          f"p95 {times[len(times) * 95 // 100] * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
