"""Recomputes every exchange of a capture from the bytes of its packets, without Wireshark.

    capture file -> packets -> streams -> messages of MQTT or Kafka -> exchanges
    packets.py      packets.py streams.py  mqtt.py kafka.py            exchanges.py
                                           websocket.py

What the plugin says is compared with this; nothing here knows the plugin or a dissector.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from .exchanges import Events, read

__all__ = ["Events", "read"]
