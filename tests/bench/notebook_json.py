#!/usr/bin/python3
"""What people write with pyshark: two passes over a capture, one for the requests, one for the
answers, paired in Python.

    notebook_json.py mqtt|kafka < CAPTURE        prints how many pairs, mean and p95 in ms

The same work as pyshark's FileCapture(..., use_json=True) does: tshark with a display filter for
each pass, its JSON read in blocks by asyncio and cut into packets, keys that come twice folded into
lists, each packet an object of layers in the order of frame.protocols, whose fields are wrapped and
looked up by name. Only the first PDU of a frame is seen, as in those notebooks; the figure here is
what it costs.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import asyncio
import json
import shutil
import statistics
import sys
import tempfile

# Filter of the requests, of the answers; layer; field of the id.
PASSES = {"mqtt": ("mqtt.msgtype == 3", "mqtt.msgtype == 4", "mqtt", "msgid"),
          "kafka": ("kafka.request_key", "kafka.response_key || kafka.correlation_id",
                    "kafka", "correlation_id")}
BLOCK = 65536
SEPARATOR, LAST = b"\n  },\n", b"}\n]"


def folded(pairs):
    """An object, of whose keys one may have come several times."""
    found = {}
    for key, value in pairs:
        if key not in found:
            found[key] = value
        elif isinstance(found[key], list):
            found[key].append(value)
        else:
            found[key] = [found[key], value]
    return found


class Field(str):
    """A value, which knows its name."""
    def __new__(cls, name, value):
        field = super().__new__(cls, value)
        field.name = name
        return field


class Layer:
    """Fields by name, wrapped when they are asked for."""

    def __init__(self, name, fields):
        self.name = name
        self.others = []
        if isinstance(fields, list):
            self.others = [Layer(name, other) for other in fields[1:]]
            fields = fields[0]
        self.fields = fields if isinstance(fields, dict) else {}
        self.wrapped = {}
        self.renamed = False

    def rename(self):
        """Keys that are text, as "Header Flags: 0x32, ...", become names."""
        for key in list(self.fields):
            if ":" in key:
                name = key.split(":", 1)[0].lower().replace(" ", "_")
                self.fields[f"{self.name}.{name}"] = self.fields.pop(key)
        self.renamed = True

    def __getattr__(self, name):
        if not self.renamed:
            self.rename()
        if name not in self.wrapped:
            value = self.fields.get(f"{self.name}.{name}")
            if value is None:
                value = next((value for key, value in self.fields.items()
                              if key.endswith(f".{name}")), None)
            if isinstance(value, (dict, list)):
                value = Layer(self.name, value)
            self.wrapped[name] = value if value is None else (
                value if isinstance(value, Layer) else Field(name, value))
        return self.wrapped[name]


class Packet:
    def __init__(self, text):
        layers = json.loads(text.decode(), object_pairs_hook=folded)["_source"]["layers"]
        frame = layers.pop("frame")
        self.frame = Layer("frame", frame)
        self.number = int(frame["frame.number"])
        self.length = int(frame["frame.len"])
        self.time = float(frame["frame.time_epoch"])
        self.layers = [Layer(name, layers.pop(name)) for name in frame["frame.protocols"].split(":")
                       if name in layers]
        self.layers += [Layer(name, fields) for name, fields in layers.items()]

    def __getattr__(self, name):
        return next(layer for layer in self.layers if layer.name == name)


def cut(data):
    """The first packet's text, or None, and what is left."""
    end, separator = data.find(SEPARATOR), SEPARATOR
    if end == -1:
        end, separator = data.find(LAST), LAST
    if end == -1:
        return None, data
    end += len(separator) - 2
    return data[data.find(b"{"):end].strip().rstrip(b","), data[end + 1:]


async def packets(capture, display_filter):
    """The packets that pass, one object each, while tshark writes them."""
    process = await asyncio.create_subprocess_exec(
        "tshark", "-n", "-l", "-r", capture, "-T", "json", "--no-duplicate-keys",
        "-Y", display_filter, stdout=asyncio.subprocess.PIPE)
    data = b""
    while True:
        text, data = cut(data)
        if text is not None:
            yield Packet(text)
            continue
        block = await process.stdout.read(BLOCK)
        if not block:
            break
        data += block
    await process.wait()


async def pair(capture, requests, answers, layer, field):
    sent, times = {}, []
    async for packet in packets(capture, requests):
        sent[packet.tcp.stream, getattr(getattr(packet, layer), field)] = packet.time
    async for packet in packets(capture, answers):
        key = packet.tcp.stream, getattr(getattr(packet, layer), field)
        if key in sent and packet.time > sent[key]:
            times.append(packet.time - sent.pop(key))
    return sorted(times)


def main():
    with tempfile.NamedTemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        times = asyncio.run(pair(file.name, *PASSES[sys.argv[1]]))
    print(f"{len(times)} pairs, mean {statistics.mean(times) * 1e3:.3f} ms, "
          f"p95 {times[len(times) * 95 // 100] * 1e3:.3f} ms")


if __name__ == "__main__":
    main()
