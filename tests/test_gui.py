"""The tables in Wireshark's Statistics windows against those of tshark -z.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib
import re
import time

import pytest

import compare
import gui
import harness

TOP = pathlib.Path(__file__).resolve().parents[1]
PLUGIN = TOP / "build/wirelat.so"
CAPTURE = TOP / "captures/sample.pcapng"

SETTLE = 1.5  # seconds until the window has drawn what it was told
HEADER = 12  # pixels from the window's top to the middle of the column headers

pytestmark = [
    pytest.mark.skipif(bool(gui.missing_programs()),
                       reason="needs " + ", ".join(gui.missing_programs())),
    pytest.mark.skipif(not PLUGIN.exists(), reason="needs build/wirelat.so"),
]


@pytest.fixture
def desktop():
    with gui.Desktop(PLUGIN) as screen:
        yield screen


def table_of(desktop, capture, statistic):
    """The rows that tshark prints."""
    return compare.printed(desktop, capture, statistic)[1]


@pytest.mark.parametrize("statistic", compare.statistics())
def test_window_shows_what_tshark_prints(desktop, statistic):
    compare.window(desktop, statistic)


def test_changed_filter(desktop):
    """Every Apply reads the packets again: rows start from nothing, and none is counted twice."""
    capture = desktop.capture(CAPTURE)
    produce = "wirelat.kafka.api == 0"
    every = table_of(desktop, capture, "kafka,latency")
    some = table_of(desktop, capture, f"kafka,latency,{produce}")
    assert 0 < len(some) < len(every)
    assert all(row["API"].startswith("Produce") for row in some)

    desktop.wireshark("-r", capture, "-z", "kafka,latency")
    window = desktop.window("Kafka Latency · ")
    compare.assert_same(desktop.copy_table(window, len(every)), every)
    desktop.set_filter(window, produce)
    compare.assert_same(desktop.copy_table(window, len(some)), some)
    desktop.set_filter(window, "")
    compare.assert_same(desktop.copy_table(window, len(every)), every)


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


@pytest.mark.parametrize("path", compare.UNWRITABLE)
def test_window_stays_where_an_export_cannot_be_written(desktop, path):
    compare.stays_without_export(desktop, path)


def test_columns_sort_as_numbers(desktop):
    """A click on a header sorts: 8 before 40, which text would not."""
    capture = desktop.capture(CAPTURE)
    desktop.wireshark("-r", capture, "-z", "kafka,latency")
    window = desktop.window("Kafka Latency · ")
    desktop.resize(window, 1380, 500)
    titles = list(desktop.copy_table(window)[0])
    sorted_by = set()
    for x in range(20, 1380, 40):
        desktop.click(window, x, HEADER)
        rows = desktop.copy_table(window)
        for title in titles[1:]:
            values = [float(row[title]) for row in rows]
            texts = [row[title] for row in rows]
            if values in (sorted(values), sorted(values, reverse=True)) and \
                    texts not in (sorted(texts), sorted(texts, reverse=True)):
                sorted_by.add(title)
        if len(sorted_by) >= 3:
            break
    assert {"Requests", "Answered"} <= sorted_by


@pytest.mark.parametrize("capture, statistic, column", [
    ("mqtt_ids.pcapng", "wirelat,streams", "Stream"),
    ("mptcp_backup-server.pcap", "mptcp,events", "Frame"),
    ("mqtt_framing.pcapng", "mqtt,sizes", "Bytes")])
def test_texts_that_are_numbers_sort_as_numbers(desktop, capture, statistic, column):
    """Windows open sorted by their first column; a click on a header sorts by that one, another one
    the other way round."""
    options = ("-o", "wirelat.size_classes:60,500,1000,20000")
    rows = harness.table(harness.CAPTURES / capture, statistic, *options)
    desktop.wireshark("-r", desktop.capture(harness.CAPTURES / capture), *options, "-z", statistic)
    window = desktop.window(" · " + capture)

    def numbers():
        shown = [row[column] for row in desktop.copy_table(window, len(rows))]
        return [int(re.search(r"\d+", text).group()) for text in shown]

    found = [numbers()]
    for x in range(20, 240, 40):
        desktop.click(window, x, HEADER)
        found.append(numbers())
    ascending = sorted(found[0])
    assert [str(number) for number in ascending] != sorted(map(str, ascending))
    assert ascending in found and ascending[::-1] in found
    if column != "Bytes":
        assert found[0] == ascending


def test_verdict_stands_first(desktop):
    """A window sorts by name; tshark and sharkd keep the order of the rows."""
    desktop.wireshark("-r", desktop.capture(harness.CAPTURES / "mqtt_loss.pcapng"), "-z",
                      "wirelat,health")
    rows = desktop.copy_table(desktop.window("Wirelat Health · "))
    assert len(rows) > 2 and rows[0]["What"] == "Findings"


def test_places_in_the_menu(desktop):
    """Statistics has our tables one below the other, in the order of their names."""
    capture = desktop.capture(CAPTURE)
    desktop.wireshark("-r", capture)
    main = desktop.window("sample.pcapng")
    found = []
    for below in range(9, 16):
        desktop.keys("alt+s", *["Down"] * below, "Return")
        window = desktop.window(" · sample.pcapng")
        found.append(desktop.run("xdotool", "getwindowname", window).split(" · ")[1].strip())
        desktop.run("xdotool", "windowclose", window)
        desktop.run("xdotool", "windowactivate", "--sync", main)
    assert {"Kafka Consumer Groups", "Kafka Latency", "Kafka Latency by Broker",
            "Kafka Latency by Client", "Kafka Latency by Topic"} <= set(found)


def conversation_filter(desktop, capture, frames):
    """What the context menu of one of the frames makes of the display filter."""
    desktop.wireshark("-r", desktop.capture(capture), "-Y", frames)
    main = desktop.window(capture.name)
    desktop.resize(main, 1380, 860)
    time.sleep(SETTLE)
    desktop.run("xdotool", "mousemove", "--window", main, "300", "200", "click", "1")
    desktop.run("xdotool", "click", "3")
    time.sleep(0.5)
    # Past Mark, Ignore, ... to Conversation Filter; in there past Ethernet, IPv4, TCP.
    desktop.keys(*["Down"] * 9, "Right", *["Down"] * 3, "Return")
    return desktop.wait("filter", lambda: copied_filter(desktop, frames))


def test_mptcp_conversation_filter(desktop):
    capture = TOP / "captures/mptcp_two-client.pcap"
    assert conversation_filter(desktop, capture, "wirelat.mptcp.stream == 1 && tcp.len > 0") == \
        "wirelat.mptcp.stream == 1"


@pytest.mark.parametrize("frames, name", [
    ("wirelat.mqtt.qos == 2", "mqtt"), ("wirelat.kafka.api == 0", "kafka")])
def test_exchange_conversation_filter(desktop, frames, name):
    """The context menu of a packet: all frames of its exchange, and no others."""
    text = conversation_filter(desktop, CAPTURE, frames)
    (request,) = {int(number) for number in re.findall(r"in \{(\d+)\}", text)}
    links = ("response_to", "ack_to", "leg_of", "retry_of", "duplicate_of")
    expected = {event["frame"] for event in harness.events(CAPTURE)
                if event["protocol"] == f"wirelat.{name}" and
                (event["frame"] == request or
                 request in [harness.number_of(event, link) for link in links])}
    rows = harness.plain_fields(CAPTURE, ["frame.number"], "-Y", text)
    assert {int(row[0]) for row in rows} == expected and len(expected) > 1


def copied_filter(desktop, before):
    """The text of the display filter, once it is not what it was."""
    desktop.keys("ctrl+slash", "ctrl+a", "ctrl+c")
    text = desktop.run("xclip", "-o", "-selection", "clipboard", check=False)
    return text if text and text != before else None


def test_lua_report_in_the_tools_menu(desktop):
    capture = desktop.capture(CAPTURE)
    script = desktop.capture(TOP / "lua/report.lua")
    desktop.wireshark("-r", capture, "-X", f"lua_script:{script}")
    window = desktop.window(pathlib.Path(capture).name)

    def report_opens():
        # The last of the menu's items. Not before the capture is read, so more than once maybe.
        desktop.run("xdotool", "windowactivate", "--sync", window)
        desktop.keys("alt+t", "Up", "Return")
        return desktop.run("xdotool", "search", "--onlyvisible", "--name", "Wirelat Report",
                           check=False)

    desktop.wait("report", report_opens)
