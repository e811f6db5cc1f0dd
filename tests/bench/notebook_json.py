#!/usr/bin/python3
"""What people write with pyshark: two passes over a capture in `tshark -T json`, one for the
requests, one for the answers, paired in Python.

    notebook_json.py mqtt|kafka < CAPTURE        prints how many pairs, mean and p95 in ms

As pyshark does: tshark with a display filter for each pass, its JSON cut into packets as it comes,
each packet an object of layers whose fields are looked up by name. Only the first PDU of a frame is
seen, as in those notebooks; the figure here is what it costs.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import shutil
import statistics
import subprocess
import sys
import tempfile

# Filter of the requests, of the answers; layer; field of the id.
PASSES = {"mqtt": ("mqtt.msgtype == 3", "mqtt.msgtype == 4", "mqtt", "mqtt.msgid"),
          "kafka": ("kafka.request_key", "kafka.response_key || kafka.correlation_id",
                    "kafka", "kafka.correlation_id")}


class Layer:
    def __init__(self, name, fields):
        self.name = name
        self.fields = fields

    def get(self, field):
        """The field, however deep in the layer."""
        stack = [self.fields]
        while stack:
            item = stack.pop()
            if isinstance(item, dict):
                if field in item:
                    return item[field]
                stack.extend(item.values())
            elif isinstance(item, list):
                stack.extend(item)
        return None


class Packet:
    def __init__(self, record):
        layers = record["_source"]["layers"]
        self.layers = [Layer(name, fields) for name, fields in layers.items()]

    def __getitem__(self, name):
        return next((layer for layer in self.layers if layer.name == name), None)


def packets(capture, display_filter):
    """The packets that pass, one object each, while tshark writes them."""
    with subprocess.Popen(["tshark", "-n", "-l", "-r", capture, "-T", "json",
                           "-Y", display_filter], stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            if line.startswith("  {"):
                lines = [line]
            elif line.startswith("  }"):
                lines.append("  }")
                yield Packet(json.loads("".join(lines)))
            else:
                lines.append(line)


def moment(packet):
    return float(packet["frame"].get("frame.time_epoch"))


def main():
    requests, answers, layer, field = PASSES[sys.argv[1]]
    with tempfile.NamedTemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        sent, times = {}, []
        for packet in packets(file.name, requests):
            key = packet["tcp"].get("tcp.stream"), packet[layer].get(field)
            sent[key] = moment(packet)
        for packet in packets(file.name, answers):
            key = packet["tcp"].get("tcp.stream"), packet[layer].get(field)
            if key in sent and moment(packet) > sent[key]:
                times.append(moment(packet) - sent.pop(key))
    times.sort()
    print(f"{len(times)} pairs, mean {statistics.mean(times) * 1e3:.3f} ms, "
          f"p95 {times[len(times) * 95 // 100] * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
