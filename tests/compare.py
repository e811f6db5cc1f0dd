"""A table in Wireshark's window against what tshark -z prints, cell by cell.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import functools
import re

import pytest

import gui
import harness

OURS = ("mqtt,", "kafka,", "mqttsn,", "mptcp,", "wirelat,")
# What they have rows of; the others are looked at in the sample.
CAPTURES = {
    "wirelat,health": "mqtt_loss.pcapng",
    "mqttsn,latency": "mqttsn.pcapng",
    **dict.fromkeys(("mptcp,connections", "mptcp,subflows", "mptcp,paths", "mptcp,events"),
                    "mptcp_cut-server.pcap"),
}
# Wireshark gives MQTT-SN no port of its own.
OPTIONS = {"mqttsn,latency": ("-o", "wirelat.mqttsn_udp_ports:1885")}

UNWRITABLE = ("/nowhere/a.csv", "/dev/full")


@functools.cache
def statistics():
    """The names after -z of all our tables that have a window."""
    names = [line.strip() for line in harness.listing("-z", "help")]
    return [name for name in names if name.startswith(OURS) and name != "wirelat,exchanges"]


def printed(desktop, capture, statistic):
    """The title and the rows that tshark prints."""
    text = desktop.tshark("-q", "-n", "-r", capture, *OPTIONS.get(statistic, ()), "-z", statistic)
    ((title, rows),) = harness.tables(text).items()
    return title, rows


def assert_same(shown, rows):
    """Windows show more decimals than tshark prints."""
    def name(row):
        # Text columns come first, and only they can be equal to no number.
        return tuple(text for text in row.values() if not re.fullmatch(r"-?[\d.]+", text))

    shown, rows = ({name(row): row for row in table} for table in (shown, rows))
    assert set(shown) == set(rows)
    for key, row in rows.items():
        assert list(shown[key]) == list(row)
        for title, text in row.items():
            if re.fullmatch(r"-?\d+\.\d+", text):
                half = 0.5 * 10**-len(text.partition(".")[2])
                assert float(shown[key][title]) == pytest.approx(float(text), abs=half + 1e-6)
            elif re.fullmatch(r"\d+", text):
                assert float(shown[key][title]) == float(text), (key, title)
            else:
                assert shown[key][title] == text


def window(desktop, statistic):
    """Opens the window, presses Copy and compares; closes Wireshark again."""
    capture = desktop.capture(harness.CAPTURES / CAPTURES.get(statistic, "sample.pcapng"))
    if statistic.endswith(",srt"):
        rows = gui.parse_srt(desktop.tshark("-q", "-n", "-r", capture, "-z", statistic))
        title = "Service Response Time Statistics"
    else:
        title, rows = printed(desktop, capture, statistic)
    assert rows, "a table without rows shows nothing"
    process = desktop.wireshark("-r", capture, *OPTIONS.get(statistic, ()), "-z", statistic)
    found = desktop.window(f"{title} · ")
    if statistic.endswith(",srt"):
        assert desktop.copy(found, gui.parse_srt, len(rows)) == rows
    else:
        assert_same(desktop.copy_table(found, len(rows)), rows)
    desktop.close(process)


def stays_without_export(desktop, path):
    """Wireshark shows a message where an export cannot be written, and goes on: its table fills."""
    capture = desktop.capture(harness.CAPTURES / "sample.pcapng")
    rows = printed(desktop, capture, "kafka,latency")[1]
    process = desktop.wireshark("-r", capture, "-z", f"wirelat,exchanges,{path}", "-z", "kafka,latency")

    def table_opens():
        # Not before the message is answered.
        desktop.keys("Return")
        return desktop.run("xdotool", "search", "--onlyvisible", "--name", "Kafka Latency ·",
                           check=False)

    found = desktop.wait("table", table_opens).split()[-1]
    assert_same(desktop.copy_table(found, len(rows)), rows)
    assert process.poll() is None
