"""Invented MQTT conversations inside WebSocket: what a side writes is cut into messages, messages
into frames, with control frames between, some of it compressed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

import harness
import invented

sys.path.insert(0, str(harness.CAPTURES))
from gen import websocket  # noqa: E402 pylint: disable=wrong-import-position
from gen.tcp import Message  # noqa: E402 pylint: disable=wrong-import-position

KEY = "aW52ZW50ZWQgYnkgZGljZQ=="


class WebSocket(invented.Mqtt):
    """As invented.Mqtt, but for wrapped()."""
    port = 8080
    fragments = True

    def wrapped(self, writes):
        """The writes of a conversation as WebSocket has them, the HTTP upgrade first."""
        dice = self.dice
        deflate, subprotocol = dice.random() < 0.3, dice.choice(("mqtt", "mqtt", "mqttv3.1"))
        self.packer = websocket.Packer(deflate)
        yield 0, websocket.upgrade(KEY, subprotocol, deflate).data
        yield 1, websocket.accepted(KEY, subprotocol, deflate).data
        for side, data in writes:
            yield side, b"".join(self.messages(side, data))

    def messages(self, side, data):
        dice = self.dice
        style = dice.choice(("one", "one", "fields", "bytes", "any", "any"))
        if style == "bytes" and len(data) > 300:
            style = "any"
        pieces = {"one": (), "fields": (1, 2, 2, 9), "bytes": (1,) * 300,
                  "any": [dice.choice((1, 3, 40, 700, 9000)) for _ in range(50)]}[style]
        fragments = [dice.choice((1, 20, 600)) for _ in range(3)] if dice.random() < 0.2 else None
        if self.packer.deflaters or style != "one" or len(data) < 2 or not self.fragments:
            # Wireshark 4.0 does not decompress fragmented messages, and loses its place where
            # several are in a segment.
            fragments = None
        elif fragments:
            fragments[0] = min(fragments[0], len(data) - 1)
        between = dice.choice((None, b"", b"are you there?"))
        if dice.random() < 0.1:
            yield b"".join(self.packer.frame(side, websocket.PONG, b"yes"))
        carriers, _ = self.packer.pack(side, [Message(data, "")], pieces, fragments, between)
        yield from (carrier.data for carrier in carriers)


class Unfragmented(WebSocket):
    """Whole messages only."""
    fragments = False
