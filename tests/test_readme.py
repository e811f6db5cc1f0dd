"""The README's tables of fields and preferences against what the plugin registers.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import subprocess

import harness

README = (harness.TOP / "README.md").read_text()
TYPES = {"FT_RELATIVE_TIME": "relative time", "FT_FRAMENUM": "frame", "FT_STRING": "text",
         "FT_BOOLEAN": "boolean", "FT_NONE": "expert"}


OF_TCP = ("ack_time", "ack_to", "path_rtt", "tcp_retransmissions")


def documented(heading):
    """Name and type of each row of the table under a heading."""
    section = README.split(heading, 1)[1].split("\n#", 1)[0]
    return {name: kind for name, kind in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.M)}


def registered(protocol):
    run = subprocess.run(harness.command("tshark", "-G", "fields"), capture_output=True,
                         text=True, cwd=harness.home())
    rows = [line.split("\t") for line in run.stdout.splitlines() if line.startswith("F\t")]
    return {row[2].split(".")[2]: TYPES.get(row[3], row[3][3:].lower()) for row in rows
            if row[2].startswith(protocol + ".")}


def test_every_field_is_documented():
    common = documented("### Fields of both protocols")
    for protocol in (*harness.PROTOCOLS, "wirelat.mqttsn"):
        table = {**common, **documented(f"### `{protocol}.NAME`")}
        fields = registered(protocol)
        if protocol == "wirelat.mqttsn":
            table = {name: kind for name, kind in table.items() if name not in OF_TCP}
        assert set(table) == set(fields)
        for name, kind in fields.items():
            assert table[name].split()[0] == kind.split()[0], name


def test_every_preference_is_documented():
    run = subprocess.run(harness.command("tshark", "-G", "currentprefs"), capture_output=True,
                         text=True, cwd=harness.home())
    names = set(re.findall(r"^#?wirelat\.(\w+):", run.stdout, re.M))
    section = README.split("### Preferences", 1)[1].split("\n#", 1)[0]
    assert names == set(re.findall(r"`(\w+)`", re.sub(r"\|[^|`]*\|$", "", "\n".join(
        line.rsplit("|", 2)[0] for line in section.splitlines())))) and len(names) > 8


def test_every_table_is_documented():
    run = subprocess.run(harness.command("tshark", "-z", "help"), capture_output=True, text=True,
                         cwd=harness.home())
    ours = [line.strip() for line in (run.stdout + run.stderr).splitlines()
            if line.strip().startswith(("mqtt,", "mqttsn,", "kafka,", "mptcp,", "wirelat,"))]
    assert len(ours) >= 7
    for name in ours:
        assert f"`{name}`" in README
        # A name that is the beginning of another would never be reached.
        assert not [other for other in ours if other != name and other.startswith(name)]


def test_every_field_of_mptcp_is_documented():
    section = README.split("### `wirelat.mptcp.NAME`", 1)[1].split("\n#", 1)[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    table = {name: row[2].split()[0] for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    fields = registered("wirelat.mptcp")
    assert set(table) == set(fields)
    assert not [n for n, kind in fields.items() if table[n] != kind.split()[0]]
