"""Every way to read a field gives the same: one pass, two passes, a display filter, a column, JSON,
io,stat. (sharkd: test_sharkd.)

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pytest

import harness

CAPTURES = ["mqtt_framing", "mqtt_ids", "mqtt_websocket", "kafka_framing", "kafka_ids", "sample"]
SECOND_PASS = ("response_in", "unanswered")


def all_fields():
    """The fields of our protocols, by name."""
    names = [line.split("\t")[2] for line in harness.listing("-G", "fields") if line.startswith("F\t") and line.split("\t")[2].startswith(harness.PROTOCOLS)]
    assert len(names) > 40
    return names


FIELDS = all_fields() if harness.PLUGIN.exists() else []
FIRST_PASS = [name for name in FIELDS if not name.endswith(SECOND_PASS)]


def path(name):
    return harness.CAPTURES / f"{name}.pcapng"


def rows(name, fields, *arguments):
    return harness.plain_fields(path(name), ["frame.number", *fields], *harness.REASSEMBLE,
                                *arguments)


@pytest.mark.parametrize("name", CAPTURES)
def test_two_passes_agree(name):
    one, two = rows(name, FIRST_PASS), rows(name, FIRST_PASS, "-2")
    assert one == two
    assert sum(any(row[1:]) for row in one) > 30


@pytest.mark.parametrize("name", CAPTURES)
def test_filtering_changes_no_value(name):
    everything = {row[0]: row for row in rows(name, FIRST_PASS)}
    for protocol in harness.PROTOCOLS:
        for condition in (f"{protocol}.time", f"{protocol}.time > 0.01", protocol,
                          f"{protocol}.size < 1000000"):
            for passes in ((), ("-2",)):
                filtered = rows(name, FIRST_PASS, "-Y", condition, *passes)
                assert all(everything[row[0]] == row for row in filtered)
    assert rows(name, [], "-Y", "wirelat.mqtt.time or wirelat.kafka.time")


@pytest.mark.parametrize("name", ["mqtt_ids", "kafka_ids"])
def test_second_pass_fields_need_it(name):
    fields = [name for name in FIELDS if name.endswith(SECOND_PASS)]
    assert not any(any(row[1:]) for row in rows(name, fields))
    assert any(any(row[1:]) for row in rows(name, fields, "-2"))


@pytest.mark.parametrize("name", ["mqtt_basic", "kafka_basic"])
def test_column_without_a_filter(name):
    protocol = "wirelat." + name.split("_")[0]
    columns = ['"No.","%m"', f'"Time","%Cus:{protocol}.time:0:R"', f'"Id","%Cus:{protocol}.client_id:0:R"']
    text = harness.tshark(path(name), "-o", "gui.column.format:" + ",".join(columns)).out
    shown = [line.split()[1] for line in text.splitlines() if len(line.split()) == 3]
    fields = rows(name, [f"{protocol}.time", f"{protocol}.client_id"])
    assert shown == [row[1] for row in fields if row[1]] and len(shown) > 10


@pytest.mark.parametrize("protocol, name", [("kafka", "kafka_framing"), ("mqtt", "mqtt_framing")])
def test_io_stat(protocol, name):
    field = f"wirelat.{protocol}.time"
    times = [harness.time_of(event, "time") for event in harness.events(path(name))
             if f"{field}" in event]
    for passes in ((), ("-2",)):
        text = harness.tshark(path(name), "-q", *passes, "-z",
                              f"io,stat,0,AVG({field}){field},COUNT({field}){field}").out
        cells = [line.split("|") for line in text.splitlines() if "<>" in line][-1]
        assert abs(float(cells[2]) * 1e9 - sum(times) / len(times)) < 1000
        assert int(cells[3]) == len(times)
