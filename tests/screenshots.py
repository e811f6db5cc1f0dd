#!/usr/bin/python3
"""Takes the pictures of the README into packaging/screenshots, from captures/sample.pcapng.

    tests/screenshots.py

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import pathlib
import time

from gui import Desktop

TOP = pathlib.Path(__file__).resolve().parents[1]
COLUMNS = (("No.", "%m"), ("Time", "%t"), ("Source", "%s"), ("Destination", "%d"),
           ("Protocol", "%p"), ("API", "%Cus:wirelat.kafka.api:0:R"),
           ("Response time", "%Cus:wirelat.kafka.time:0:R"), ("Info", "%i"))
SETTLE = 1.5  # seconds until the window has drawn what it was told


def table(desktop, capture, path):
    """The Statistics window, wide enough for its columns."""
    desktop.wireshark("-r", capture, "-z", "kafka,latency")
    window = desktop.window("Kafka Latency")
    rows = desktop.copy_table(window)
    desktop.resize(window, 1340, 160 + 17 * max(len(rows), 5))
    time.sleep(SETTLE)
    desktop.shot(window, path)


def packet_list(desktop, capture, path):
    """Slow exchanges only, with their time as a column and the details of one."""
    columns = ",".join(f'"{title}","{what}"' for title, what in COLUMNS)
    desktop.wireshark("-r", capture, "-Y", "wirelat.kafka.time > 0.05",
                      "-o", f"gui.column.format:{columns}", "-o", "gui.layout_content_3:NONE")
    window = desktop.window(pathlib.Path(capture).name)
    desktop.resize(window, 1250, 620)
    time.sleep(SETTLE)
    desktop.click(window, 100, 120)  # the first packet
    desktop.keys("Tab", *["End", "Right"] * 3, "End")  # the last protocol of its details, unfolded
    time.sleep(SETTLE)
    desktop.shot(window, path)


PICTURES = {"kafka-latency.png": table, "packet-list.png": packet_list}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--plugin", type=pathlib.Path, default=TOP / "build/wirelat.so")
    parser.add_argument("--capture", type=pathlib.Path, default=TOP / "captures/sample.pcapng")
    parser.add_argument("--into", type=pathlib.Path, default=TOP / "packaging/screenshots")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for name, take in PICTURES.items():
        with Desktop(options.plugin) as desktop:
            take(desktop, desktop.capture(options.capture), options.into / name)
        print(options.into / name)


if __name__ == "__main__":
    main()
