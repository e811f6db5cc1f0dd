#!/usr/bin/python3
"""Writes packaging/doc/reference.md: every field, preference and table, as the plugin registers them.

    tests/reference.py

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import subprocess

import harness

PAGE = harness.TOP / "packaging/doc/reference.md"
TYPES = {"FT_RELATIVE_TIME": "relative time", "FT_FRAMENUM": "frame number", "FT_STRING": "text",
         "FT_BOOLEAN": "boolean", "FT_NONE": "finding"}
HEAD = """# Reference

Made by `tests/reference.py` of what the plugin tells Wireshark; do not edit. What the terms mean is in the README and in [numbers.md](numbers.md).

* A **relative time** is signed and exact to the nanosecond, in seconds. A *finding* is expert information: test for its presence.
* **On** says on which frames a field stands: that of the *request* (the frame that completes it), of its *answer*, of the first
  *TCP ACK* that covers it, of a leg of QoS 2 (*PUBREC*, *PUBREL*), of a *retry*, a *second answer*, an *answer without request*,
  the *end of the connection* (DISCONNECT, FIN or RST); of MPTCP which segments. A finding stands on the frame it speaks of.
* **Pass**: 1 is known while the file is read; 2 from the second pass on (`tshark -2`, sharkd, and in the window).
"""


def generated(*arguments):
    """The lines of one of tshark's lists."""
    run = subprocess.run(harness.command("tshark", *arguments), capture_output=True, text=True,
                         cwd=harness.home())
    return (run.stdout + run.stderr).splitlines()


def cell(text):
    return text.replace("|", "\\|")


def unit(kind, meaning):
    if kind == "FT_RELATIVE_TIME":
        return "s"
    return "bytes" if re.match("bytes", meaning, re.I) else ""


def fields():
    """A section per protocol."""
    lists = [line.split("\t") for line in generated("-G", "fields")]
    names = {row[2]: row[1] for row in lists if row[0] == "P" and row[2].startswith("wirelat")}
    for protocol in sorted(names):
        rows = [row for row in lists if row[0] == "F" and row[4] == protocol]
        if not rows:
            continue
        yield f"\n## Fields `{protocol}.*`\n"
        yield "| field | type | unit | on | pass | meaning |\n| --- | --- | --- | --- | --- | --- |"
        for row in sorted(rows, key=lambda row: row[3] == "FT_NONE"):
            title, name, kind, meaning = row[1], row[2], row[3], row[-1] if len(row) > 7 else ""
            found = re.fullmatch(r"(.*?) \[on: (.*?)(; from the second pass on)?\]", meaning)
            where, later = (found.group(2), found.group(3)) if found else ("", None)
            meaning = found.group(1) if found else meaning
            known = ("2" if later else "1") if found else ""
            yield (f"| `{name.removeprefix(protocol + '.')}` | "
                   f"{TYPES.get(kind, kind[3:].lower())} | {unit(kind, meaning)} | {where} | "
                   f"{known} | {cell(title)}{': ' + cell(meaning) if meaning else ''} |")


def values(meaning):
    """4.4 writes "true or false"; 4.6 gives the short names of choices too, and those second."""
    meaning = re.sub("true or false", "TRUE or FALSE", meaning)
    return re.sub("One of: .* Equivalently, one of: ", "One of: ", meaning)


def preferences():
    yield "\n## Preferences `wirelat.*`\n"
    yield "| preference | default | meaning |\n| --- | --- | --- |"
    text = []
    for line in generated("-G", "defaultprefs"):
        found = re.fullmatch(r"#?wirelat\.(\w+): ?(.*)", line)
        if found:
            yield f"| `{found.group(1)}` | {cell(found.group(2))} | {cell(values(' '.join(text)))} |"
        text = [*text, line.lstrip("# ")] if line.startswith("# ") and not found else []


def tables():
    yield "\n## Tables (`tshark -z NAME[,FILTER]`, Statistics menu)\n"
    yield "| name | columns |\n| --- | --- |"
    names = [line.strip() for line in generated("-z", "help")]
    for name in names:
        if not name.startswith(("mqtt,", "kafka,", "mqttsn,", "mptcp,", "wirelat,")) or \
                name == "wirelat,exchanges":
            continue
        text = harness.tshark(harness.CAPTURES / "sample.pcapng", "-q", "-z", name).out
        header = next((line for line in text.splitlines() if "|" in line), "")
        columns = [column.strip() for column in header.split("|") if column.strip()]
        if name.endswith(",srt"):
            columns = ["Calls", "Min SRT (s)", "Max SRT (s)", "Avg SRT (s)", "Sum SRT (s)"]
        yield f"| `{name}` | {', '.join(columns)} |"


def page():
    return HEAD + "\n".join([*fields(), *preferences(), *tables()]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE)
