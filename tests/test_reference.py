"""The pages made of what the plugin says and gives are those of the plugin as it is.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import re

import pytest

import harness
import recipes
import reference


def test_page_is_up_to_date():
    """Else run tests/reference.py."""
    there, now = reference.PAGE.read_text(), reference.page()
    assert there == now, "\n".join(difflib.unified_diff(there.splitlines(), now.splitlines()))


def test_every_field_has_a_meaning():
    """And says on which frames it stands, and from which pass on."""
    rows = [line.split(" | ") for line in reference.fields() if line.startswith("| `")]
    assert len(rows) > 100
    for row in rows:
        assert len(row) == 6 and row[5].strip(" |"), row
        assert row[1] == "finding" or (": " in row[5] and row[3] and row[4] in ("1", "2")), row
        assert row[5].count("[") == row[5].count("]"), row


@pytest.mark.parametrize("capture", ["mptcp_loss-server.pcap", "mptcp_two-client.pcap"])
def test_fields_of_mptcp_are_known_in_the_pass_the_page_says(capture):
    rows = [line.strip("| ").split(" | ") for line in reference.fields()]
    start = next(i for i, row in enumerate(rows) if "`stream`" in row[0] and "MPTCP" in row[5])
    section = rows[start:next(i for i in range(start, len(rows)) if rows[i][1] == "finding")]
    names = ["wirelat.mptcp." + row[0].strip("`") for row in section]
    first = harness.plain_fields(harness.CAPTURES / capture, names)
    second = harness.plain_fields(harness.CAPTURES / capture, names, "-2")
    for column, row in enumerate(section):
        here, there = ([line[column] for line in rows] for rows in (first, second))
        if row[4] == "1":
            assert here == there, row
        else:
            assert not any(here) and (any(there) or "two" in capture), row


def late_requests(capture):
    """Whether this Wireshark reads requests out of segments that were sent again, as 4.6 does."""
    return bool(harness.plain_fields(
        capture, ["frame.number"], "-Y",
        "mqtt.qos > 0 && (tcp.analysis.out_of_order || tcp.analysis.retransmission)",
        with_plugin=False))


def comparable(page):
    """The lines of the page in which series do not differ: io,stat pads an interval's end otherwise
    in 4.6, and gives that of the last one in full."""
    lines = [re.sub(r"\| *(\S+) <> *\S+ *\|", r"| \1 <> |", line) for line in page.splitlines()]
    if late_requests(harness.CAPTURES / "mqtt_loss.pcapng"):
        unasked = "Answers whose request was not captured"
        assert any(unasked in line for line in lines)
        return [line for line in lines if unasked not in line]
    return lines


def test_recipes_give_what_the_page_says():
    """Else run tests/recipes.py, and look at what changed. The page is made with 4.0."""
    text = recipes.PAGE.read_text()
    assert len(recipes.commands(text)) >= 9
    filled = recipes.filled(text)
    assert comparable(filled) == comparable(text)
    assert filled == text or harness.series() != "4.0"
