#!/usr/bin/python3
"""Runs the commands of packaging/doc/recipes.md and writes what they give below each.

    tests/recipes.py

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import shlex
import subprocess

import harness

PAGE = harness.TOP / "packaging/doc/recipes.md"
INDENT = "    "


def output(command):
    """What the shell command prints, run as an ordinary user with the plugin."""
    command = re.sub(r"captures/[\w.-]+", lambda found: str(harness.readable(
        harness.TOP / found.group())), command)
    run = subprocess.run(harness.command("sh", "-c", command.replace("tshark ", "tshark -n ", 1)),
                         capture_output=True, text=True, cwd=harness.home(), check=True)
    assert run.stderr == "", run.stderr
    return [line.rstrip() for line in run.stdout.splitlines()]


def commands(text):
    return re.findall(rf"^{INDENT}\$ (.*)$", text, re.M)


def filled(text):
    """The page with the output of every command below it."""
    lines, skipping = [], False
    for line in text.splitlines():
        if skipping and line.startswith(INDENT):
            continue
        skipping = line.startswith(f"{INDENT}$ ")
        lines.append(line)
        if skipping:
            assert shlex.split(line)
            lines += [INDENT + row for row in output(line.strip().removeprefix("$ "))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
    print(PAGE)
