"""The configuration profiles: each loads without a word on standard error, its columns and colours
show what the fields say, and every filter and field in it exists.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import csv
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness

PROFILES = harness.TOP / "packaging/profiles"
SAMPLE = harness.CAPTURES / "sample.pcapng"
# A capture for each, and the condition of its rule Slow.
PROFILE = {"Wirelat MQTT": (SAMPLE, "wirelat.mqtt.time > 0.5 || wirelat.mqtt.ack_time > 0.5"),
           "Wirelat Kafka": (SAMPLE, "wirelat.kafka.time > 0.1 && !(wirelat.kafka.long_poll == 1)"),
           "Wirelat MPTCP": (harness.CAPTURES / "mptcp_cut-server.pcap", None)}
every_profile = pytest.mark.parametrize("profile", PROFILE)


@pytest.fixture(scope="module", autouse=True)
def installed():
    """Where install-user puts them."""
    into = harness.home(True) / ".config/wireshark/profiles"
    shutil.copytree(PROFILES, into, dirs_exist_ok=True)
    for path in [into.parents[1], into.parent, into, *into.rglob("*")]:
        if os.geteuid() == 0:
            os.chown(path, harness.NOBODY, harness.NOBODY)


def rows(profile, name):
    """The quoted rows of one of the profile's tables."""
    lines = (PROFILES / profile / name).read_text().splitlines()
    found = [row for row in csv.reader(line for line in lines if not line.startswith("#"))]
    return [[cell.replace("\\x22", '"') for cell in row] for row in found]


def tshark(profile, *arguments):
    return harness.tshark(PROFILE[profile][0], "-C", profile, *arguments)


def test_all_profiles_are_tested():
    assert set(PROFILE) == {path.name for path in PROFILES.iterdir()}


@every_profile
def test_columns_have_widths(profile):
    """Of each but the last, which takes what is left. Wireshark names them without occurrence."""
    shown = re.findall(r'", "(%\w+(?::wirelat[\w.]+)?)', (PROFILES / profile / "preferences").read_text())
    wide = re.findall(r'^\t"?(%[\w:.]+)"?, \d+,?$', (PROFILES / profile / "recent").read_text(), re.M)
    assert wide == shown[:-1] and shown[-1] == "%i" and len(shown) > 10


@every_profile
def test_columns_show_the_fields(profile):
    protocol = profile.lower().replace(" ", ".")
    first = "dack_rtt" if protocol == "wirelat.mptcp" else "time"
    columns = (PROFILES / profile / "preferences").read_text()
    assert f"%Cus:{protocol}.{first}:" in columns
    lines = {line.split()[0]: line for line in tshark(profile).out.splitlines()}
    fields = harness.plain_fields(PROFILE[profile][0], ["frame.number", f"{protocol}.{first}"],
                                  *harness.REASSEMBLE, "-Y", f"{protocol}.{first}")
    assert len(fields) > 20, "nothing to look at"
    for frame, value in fields:
        assert value in lines[frame]


@pytest.mark.parametrize("name", ["mqtt", "kafka"])
def test_preferences_our_numbers_need(name):
    """Of a capture with losses the profile shows what -o tcp.reassemble_out_of_order:TRUE does."""
    capture, field = harness.CAPTURES / f"{name}_loss.pcapng", f"wirelat.{name}.time"
    profile = ["-C", {"mqtt": "Wirelat MQTT", "kafka": "Wirelat Kafka"}[name]]
    with_profile, reassembled, plain = (
        harness.plain_fields(capture, ["frame.number", field], "-Y", field, *options)
        for options in (profile, harness.REASSEMBLE, ()))
    assert with_profile == reassembled and len(reassembled) > len(plain)


@every_profile
def test_colours(profile):
    """The first rule that fits colours a frame: Slow is right where nothing above it applies."""
    text = tshark(profile, "-2", "--color", "-T", "fields", "-e", "frame.number", "-e",
                  "frame.coloring_rule.name").out
    rule = dict(line.split("\t") for line in text.splitlines())
    rules = [line.split("@")[1:3] for line in
             (PROFILES / profile / "colorfilters").read_text().splitlines() if line[:1] == "@"]
    above = set()
    for name, condition in rules[:6]:
        frames = {row[0] for row in harness.plain_fields(
            PROFILE[profile][0], ["frame.number"], *harness.REASSEMBLE, "-2", "-Y", condition)}
        assert {frame for frame in frames - above} == \
            {frame for frame, shown in rule.items() if shown == name}, name
        above |= frames
    if PROFILE[profile][1]:
        assert [name for name, condition in rules if condition == PROFILE[profile][1]] == ["Slow"]
        assert "Slow" in rule.values() and "Unanswered" in rule.values()
    else:
        assert {"Duplicate: reinjection", "Event", "MPTCP"} <= set(rule.values())


@every_profile
def test_filters_and_fields(profile):
    """Buttons, I/O graphs and plots: every filter compiles and every field can be drawn."""
    buttons, graphs, plots = (rows(profile, name) for name in
                              ("dfilter_buttons", "io_graphs", "plots"))
    assert {len(row) for row in buttons} == {4} and {len(row) for row in graphs} == {9}
    assert {len(row) for row in plots} == {8} and {row[0] for row in plots} <= {"TRUE", "FALSE"}
    filters = [row[2] for row in buttons + graphs] + [row[3] for row in plots]
    tshark(profile, "-Y", " or ".join(f"({text})" for text in filters if text))
    drawn = [(row[2], row[5].partition("(")[0], row[6]) for row in graphs if row[6]]
    drawn += [(row[3], "MAX", row[6]) for row in plots]
    assert len(drawn) > 8
    statistics = [f"{'COUNT' if how.startswith('COUNT') else how}({field}){field}"
                  + (f" && ({text})" if text else "") for text, how, field in drawn]
    text = tshark(profile, "-q", "-z", "io,stat,0," + ",".join(statistics)).out
    values = [line for line in text.splitlines() if "<>" in line][-1].split("|")[2:-1]
    assert len(values) == len(drawn)
    if PROFILE[profile][1]:
        assert sum(float(value) > 0 for value in values) >= len(values) - 1


def test_install_user_keeps_what_is_there(tmp_path):
    script = harness.TOP / "packaging/user_profiles.cmake"
    command = ["cmake", "-D", f"FROM={PROFILES}", "-D", f"INTO={tmp_path}", "-P", script]
    subprocess.run(command, check=True, capture_output=True)
    for profile in PROFILE:
        assert sorted(path.name for path in (tmp_path / profile).iterdir()) == \
            sorted(path.name for path in (PROFILES / profile).iterdir())
    (tmp_path / "Wirelat MQTT/preferences").write_text("mine")
    shutil.rmtree(tmp_path / "Wirelat Kafka")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert pathlib.Path(tmp_path / "Wirelat MQTT/preferences").read_text() == "mine"
    assert (tmp_path / "Wirelat Kafka/io_graphs").exists() and "left as it is" in done.stderr
