"""The tables in Wireshark's Statistics windows against those of tshark -z.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib

import pytest

import gui

TOP = pathlib.Path(__file__).resolve().parents[1]
PLUGIN = TOP / "build/wirelat.so"
CAPTURE = TOP / "captures/sample.pcapng"
COUNTS = ("Requests", "Answered", "Open")
TIMES = ("Min (ms)", "Mean (ms)", "SD (ms)", "p50 (ms)", "p95 (ms)", "p99 (ms)", "Max (ms)")
ROUNDED = 0.0005 + 1e-6  # tshark prints microseconds, the window nanoseconds

pytestmark = [
    pytest.mark.skipif(bool(gui.missing_programs()),
                       reason="needs " + ", ".join(gui.missing_programs())),
    pytest.mark.skipif(not PLUGIN.exists(), reason="needs build/wirelat.so"),
]


@pytest.fixture
def desktop():
    with gui.Desktop(PLUGIN) as screen:
        yield screen


def tshark_table(desktop, capture, statistic):
    """The rows that tshark prints, as dictionaries by column title."""
    text = desktop.run("tshark", "-q", "-r", capture, "-z", statistic)
    rows = [[cell.strip() for cell in line.split("|")[:-1]]
            for line in text.splitlines() if "|" in line]
    return [dict(zip(rows[0], row)) for row in rows[1:]]


def by_key(rows):
    """Rows by the text columns, which come before the counts."""
    return {tuple(text for title, text in list(row.items())[:list(row).index("Requests")]): row
            for row in rows}


def assert_same(shown, printed):
    shown, printed = by_key(shown), by_key(printed)
    assert set(shown) == set(printed)
    for key, row in printed.items():
        assert set(shown[key]) == set(row)
        for title, text in row.items():
            if title in TIMES:
                close = pytest.approx(float(text), abs=ROUNDED)
                assert float(shown[key][title]) == close, (key, title)
            else:
                assert shown[key][title] == text, (key, title)


@pytest.mark.parametrize("statistic, title", [
    ("kafka,latency", "Kafka Latency"),
    ("kafka,clients", "Kafka Latency by Client"),
    ("mqtt,latency", "MQTT Latency"),
    ("mqtt,clients", "MQTT Latency by Client"),
])
def test_window_shows_what_tshark_prints(desktop, statistic, title):
    capture = desktop.capture(CAPTURE)
    printed = tshark_table(desktop, capture, statistic)
    assert len(printed) > 3
    assert all(column in printed[0] for column in COUNTS + TIMES)

    desktop.wireshark("-r", capture, "-z", statistic)
    window = desktop.window(f"{title} · ")
    assert_same(desktop.copy_table(window, len(printed)), printed)


def test_changed_filter(desktop):
    """Every Apply reads the packets again: rows start from nothing, and none is counted twice."""
    capture = desktop.capture(CAPTURE)
    produce = "wirelat.kafka.api == 0"
    every = tshark_table(desktop, capture, "kafka,latency")
    some = tshark_table(desktop, capture, f"kafka,latency,{produce}")
    assert 0 < len(some) < len(every)
    assert all(row["API"].startswith("Produce") for row in some)

    desktop.wireshark("-r", capture, "-z", "kafka,latency")
    window = desktop.window("Kafka Latency · ")
    assert_same(desktop.copy_table(window, len(every)), every)
    desktop.set_filter(window, produce)
    assert_same(desktop.copy_table(window, len(some)), some)
    desktop.set_filter(window, "")
    assert_same(desktop.copy_table(window, len(every)), every)


def test_window_writes_the_export(desktop):
    """Anew whenever the packets are read again: it holds each exchange once."""
    capture = desktop.capture(CAPTURE)
    printed = desktop.run("tshark", "-q", "-r", capture, "-z", "wirelat,exchanges,-")
    path = desktop.home / "exchanges.csv"
    desktop.wireshark("-r", capture, "-z", f"wirelat,exchanges,{path}", "-z", "kafka,latency")
    desktop.wait("export", lambda: path.exists() and path.read_text() == printed)
    window = desktop.window("Kafka Latency · ")
    desktop.set_filter(window, "wirelat.kafka.api == 0")
    desktop.copy_table(window, 3)
    desktop.wait("export", lambda: path.read_text() == printed)


@pytest.mark.parametrize("path", ["/nowhere/a.csv", "/dev/full"])
def test_window_stays_where_an_export_cannot_be_written(desktop, path):
    capture = desktop.capture(CAPTURE)
    desktop.wireshark("-r", capture, "-z", f"wirelat,exchanges,{path}", "-z", "kafka,latency")

    def table_opens():
        # Not before the message is answered.
        desktop.keys("Return")
        return desktop.run("xdotool", "search", "--onlyvisible", "--name", "Kafka Latency ·",
                           check=False)

    desktop.wait("table", table_opens)
