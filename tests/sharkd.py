"""A conversation with sharkd, run as an ordinary user with the plugin.

    with Session() as session:
        session.set({"wirelat.table_rows": "3"})
        session.load(capture)
        rows = session.table("nstat:kafka,latency")

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import pathlib
import shutil
import subprocess

import pytest

import harness

OURS = ("mqtt", "kafka", "mqttsn", "mptcp", "wirelat")

needed = pytest.mark.skipif(shutil.which("sharkd") is None, reason="needs sharkd")


class Session:
    """A sharkd that answers one call after another."""

    def __init__(self, with_plugin=True):
        self.process = subprocess.Popen(
            harness.command("sharkd", "-", with_plugin=with_plugin), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=harness.home(with_plugin))
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)

    def call(self, method, **parameters):
        self.calls += 1
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": self.calls, "method": method,
                                             "params": parameters}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == self.calls and "result" in answer, answer
        return answer["result"]

    def load(self, capture):
        assert self.call("load", file=str(harness.readable(capture)))["status"] == "OK"

    def set(self, options):
        for name, value in options.items():
            self.call("setconf", name=name, value=value)

    def tap(self, name):
        (found,) = self.call("tap", tap0=name)["taps"]
        return found

    def table(self, name):
        """The rows of a table, cells by column as tshark's are (harness.tables), but numbers."""
        found = self.tap(name)
        titles = [field["c"].strip() for field in found["fields"]]
        return [dict(zip(titles, [cell.strip() if isinstance(cell, str) else cell for cell in row]))
                for table in found["tables"] for row in table["i"]]

    def srt(self, name):
        """Rows of Service Response Time, by the title of their table and their name."""
        return {(table["n"], row["n"]): row
                for table in self.tap(name)["tables"] for row in table["r"]}

    def names(self):
        """Every table of ours, as tap() takes them."""
        found = [entry["tap"] for group in ("nstat", "srt") for entry in self.call("info")[group]]
        return [name for name in found if name.split(":")[1].split(",")[0] in OURS]

    def tables(self):
        return {name: self.tap(name) for name in self.names()}

    def frame(self, number):
        """The fields of ours in the tree of a frame, in order: (name, value)."""
        return tree_fields(self.call("frame", frame=number, proto=True)["tree"], [])

    def resident(self):
        """KiB of memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def tree_fields(nodes, found):
    """Each has a display filter for itself: wirelat.kafka.api == 0; findings and protocols have their
    name alone."""
    for node in nodes:
        name, _, value = node.get("f", "").partition(" == ")
        if name.startswith("wirelat."):
            found.append((name, value.strip('"')))
        tree_fields(node.get("n", []), found)
    return found
