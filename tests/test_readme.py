"""The README's tables of fields, preferences and tables, and the output it shows, against the plugin.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import subprocess

import harness
import reference

README = (harness.TOP / "README.md").read_text()
OF_TCP = ("ack_time", "ack_to", "path_rtt", "tcp_retransmissions")
# The README's letters for frames, as packaging/doc/reference.md has them.
FRAMES = {"Q": "request", "R": "answer", "A": "TCP ACK", "O": "answer without request",
          "C": "end of the connection", "all": "every event",
          "all but O": "every event but an answer without request"}


def documented():
    """The README's main fields: full name -> type, unit, frames."""
    section = README.split("### Fields\n", 1)[1].split("\n#", 1)[0]
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            names, kind, unit, frames = [cell.strip() for cell in line.split("|")[1:5]]
            for name in re.findall(r"`([\w.*]+)`", names):
                found[name] = (kind, unit, frames)
    return found


def registered():
    """The reference's rows, which are those of the plugin: full name -> type, unit, frames, pass."""
    found, protocol = {}, None
    for text in reference.fields():
        for line in text.splitlines():
            if line.startswith("## Fields"):
                protocol = line.split("`")[1].removesuffix(".*")
            elif line.startswith("| `"):
                cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                found[f"{protocol}.{cells[0].strip('`')}"] = cells[1:5]
    return found


def test_main_fields_are_as_the_plugin_has_them():
    """Name, type, unit, frames and pass of each row."""
    known = registered()
    assert len(documented()) > 40
    for name, (kind, unit, frames) in documented().items():
        protocols = [name.split(".")[0]]
        field = name.split(".")[1]
        if protocols == ["*"]:
            protocols = ["mqtt", "kafka", *(["mqttsn"] if field not in OF_TCP else [])]
        for protocol in protocols:
            there = known[f"wirelat.{protocol}.{field}"]
            assert kind == there[0], name
            assert unit == there[1], name
            if kind != "finding":
                assert ("2" if frames.endswith(", 2") else "1") == there[3], name
            if kind != "finding" and protocol != "mptcp":
                letters = frames.removesuffix(", 2")
                stands = [FRAMES.get(letter, letter) for letter in (
                    [letters] if letters.startswith("all") else letters.split(", "))]
                assert set(", ".join(stands).split(", ")) == set(there[2].split(", ")), name


def test_what_the_readme_gives_as_output_is_that():
    """The tables under the first command, but for their last columns."""
    text = harness.tshark(harness.CAPTURES / "sample.pcapng", "-q", *harness.REASSEMBLE, "-z",
                          "kafka,latency", "-z", "mqtt,latency").out
    there = [line.split("|")[:11] for line in text.splitlines() if line.count("|") > 10]
    shown = [line[4:].split("|") for line in README.splitlines() if line.count("|") == 10
             and line.startswith("    ")]
    tidy = [[cell.strip() for cell in line] for line in there]
    assert len(shown) > 20
    for line in shown:
        assert [cell.strip() for cell in line] in tidy


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
