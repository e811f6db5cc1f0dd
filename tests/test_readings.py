"""Every way to read a field gives the same: one pass, two passes, a display filter, a column, JSON,
io,stat, sharkd.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import shutil
import subprocess

import pytest

import harness

CAPTURES = ["mqtt_framing", "mqtt_ids", "mqtt_websocket", "kafka_framing", "kafka_ids", "sample"]
SECOND_PASS = ("response_in", "unanswered")


def all_fields():
    """The fields of our protocols, by name."""
    run = subprocess.run(harness.command("tshark", "-G", "fields"), capture_output=True,
                         text=True, cwd=harness.home())
    names = [line.split("\t")[2] for line in run.stdout.splitlines()
             if line.startswith("F\t") and line.split("\t")[2].startswith(harness.PROTOCOLS)]
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


def sharkd(capture, *requests):
    """The results of a conversation with sharkd."""
    if shutil.which("sharkd") is None:
        pytest.skip("needs sharkd")
    calls = [{"method": "load", "params": {"file": str(harness.readable(capture))}}, *requests]
    text = "".join(json.dumps({"jsonrpc": "2.0", "id": i + 1, **call}) + "\n"
                   for i, call in enumerate(calls))
    run = subprocess.run(harness.command("sharkd", "-"), input=text, capture_output=True,
                         text=True, cwd=harness.home(), timeout=120)
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert len(answers) == len(calls), run.stdout + run.stderr
    return [answer["result"] for answer in answers[1:]]


def tree_fields(nodes, found, protocols=harness.PROTOCOLS):
    """The values of our fields in sharkd's tree of a frame, in order."""
    for node in nodes:
        name = node.get("f", "").partition(" == ")
        if name[0].startswith(protocols) and name[1]:
            found.append((name[0], name[2].strip('"')))
        tree_fields(node.get("n", []), found, protocols)
    return found


@pytest.mark.parametrize("name", ["mqtt_basic", "kafka_basic", "kafka_ids"])
def test_sharkd_frames(name):
    fields = [field for field in FIELDS if field.endswith(("time", "spread"))]
    expected = [row for row in rows(name, fields, "-2") if any(row[1:])]
    frames = [{"method": "frame", "params": {"frame": int(row[0]), "proto": True}}
              for row in expected]
    for row, answer in zip(expected, sharkd(path(name), *frames)):
        shown = tree_fields(answer["tree"], [])
        for field, values in zip(fields, row[1:]):
            given = [value for name, value in shown if name == field]
            assert [harness.nanoseconds(v) for v in given] == \
                [harness.nanoseconds(v) for v in values.split(",") if v], field


def test_sharkd_tables():
    (answer,) = sharkd(path("sample"), {"method": "tap", "params": {"tap0": "nstat:kafka,latency"}})
    (table,) = answer["taps"]
    rows_of_sharkd = {row[0].strip(): row for row in table["tables"][0]["i"]}
    printed = harness.table(path("sample"), "kafka,latency")
    assert len(printed) == len(rows_of_sharkd) > 5
    for row in printed:
        assert rows_of_sharkd[row["API"]][1:4] == [int(row[c]) for c in
                                                   ("Requests", "Answered", "Open")]
        assert abs(rows_of_sharkd[row["API"]][8] - float(row["p95 (ms)"])) < 0.001
