#!/usr/bin/python3
"""Takes the pictures of the README and of packaging/doc/windows.md into packaging/screenshots: every
table, and a packet list with each profile.

    tests/screenshots.py [NAME ...]      only pictures whose file names contain one of these

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import pathlib
import time

import compare
import gui

TOP = pathlib.Path(__file__).resolve().parents[1]
CAPTURES = TOP / "captures"
COLUMNS = (("No.", "%m"), ("Time", "%t"), ("Source", "%s"), ("Destination", "%d"),
           ("Protocol", "%p"), ("API", "%Cus:wirelat.kafka.api:0:R"),
           ("Response time", "%Cus:wirelat.kafka.time:0:R"), ("Info", "%i"))
SETTLE = 1.5  # seconds until the window has drawn what it was told


def table(statistic):
    """The Statistics window, wide enough for its columns."""
    def take(desktop, path):
        capture = desktop.capture(CAPTURES / compare.CAPTURES.get(statistic, "sample.pcapng"))
        desktop.wireshark("-r", capture, *compare.OPTIONS.get(statistic, ()), "-z", statistic)
        window = desktop.window(" · " + pathlib.Path(capture).name)
        parse = gui.parse_srt if statistic.endswith(",srt") else gui.parse_table
        rows = desktop.copy(window, parse)
        desktop.resize(window, 1340, 160 + 17 * min(max(len(rows), 5), 30))
        time.sleep(SETTLE)
        desktop.shot(window, path)
    return take


def profile(name, capture, condition):
    """The main window as the profile lays it out."""
    def take(desktop, path):
        desktop.profiles()
        file = desktop.capture(CAPTURES / capture)
        desktop.wireshark("-C", name, "-r", file, "-Y", condition,
                          "-o", "gui.layout_content_2:NONE", "-o", "gui.layout_content_3:NONE")
        window = desktop.window(capture)
        desktop.resize(window, 1340, 520)
        time.sleep(2 * SETTLE)
        desktop.shot(window, path)
    return take


def packet_list(desktop, path):
    """Slow exchanges only, with their time as a column and the details of one."""
    capture = desktop.capture(CAPTURES / "sample.pcapng")
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


PICTURES = {
    **{f"{name.replace(',', '-')}.png": table(name) for name in compare.statistics()},
    "packet-list.png": packet_list,
    "profile-mqtt.png": profile("Wirelat MQTT", "sample.pcapng", "wirelat.mqtt"),
    "profile-kafka.png": profile("Wirelat Kafka", "sample.pcapng", "wirelat.kafka"),
    "profile-mptcp.png": profile("Wirelat MPTCP", "mptcp_cut-server.pcap", "wirelat.mptcp"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--plugin", type=pathlib.Path, default=TOP / "build/wirelat.so")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--into", type=pathlib.Path, default=TOP / "packaging/screenshots")
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    for name, take in PICTURES.items():
        if options.names and not any(part in name for part in options.names):
            continue
        with gui.Desktop(options.plugin, timeout=180) as desktop:
            take(desktop, options.into / name)
        print(options.into / name)


if __name__ == "__main__":
    main()
