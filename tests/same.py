"""Compares what two builds of the plugin give, byte for byte.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import concurrent.futures
import difflib
import functools
import os

import harness

REPORTED = 6  # lines of a difference


@functools.cache
def names():
    """The names after -z of all our tables, and the display filter of all that is ours."""
    tables = [line.strip() for line in harness.listing("-z", "help") if line.strip().startswith(
        ("mqtt,", "kafka,", "mqttsn,", "mptcp,", "wirelat,"))]
    protocols = sorted({line.split("\t")[4] for line in harness.listing("-G", "fields")
                        if line.startswith("F\t") and line.split("\t")[4].startswith("wirelat.")})
    assert len(tables) > 15 and len(protocols) >= 4
    return ([part for name in tables if name != "wirelat,exchanges" for part in ("-z", name)],
            protocols)


def all_tables():
    return ["-q", *names()[0]]


def our_fields():
    """Every packet that has any of our fields, and of it nothing but these and the number."""
    protocols = names()[1]
    return ["-T", "json", "-J", " ".join(("frame", *protocols)), "-Y", " or ".join(protocols)]


def export():
    return ["-q", "-z", "wirelat,exchanges,-"]


ALL_STREAMS = (*harness.REASSEMBLE, "-o", "wirelat.all_streams:TRUE")
READINGS = {
    "tables": all_tables,
    "tables, all streams": lambda: [*ALL_STREAMS, *all_tables()],
    "fields": our_fields,
    "fields, two passes": lambda: [*harness.REASSEMBLE, "-2", *our_fields()],
    "export": export,
}


def captures():
    """All there are, the shared ones included if that folder is there."""
    return [path for folder in (harness.CAPTURES, harness.SHARED)
            for path in sorted(folder.rglob("*")) if path.suffix in (".pcap", ".pcapng", ".cap")]


def options_of(capture):
    """What the capture needs to be read at all."""
    keys = capture.with_suffix(".keys")
    options = ["-d", "tls.port==9093,kafka", "-d", "udp.port==1885,mqttsn"]
    if keys.exists():
        options += ["-o", f"tls.keylog_file:{harness.readable(keys)}"]
    return options


def output(capture, plugin, arguments):
    run = harness.tshark(capture, *options_of(capture), *arguments, with_plugin=plugin, check=False)
    return f"{run.out}\nstatus {run.code}\n{run.err}".splitlines()


def differences(capture, old, new, more=()):
    """The readings that differ, each with the first lines that do. `more`: options of new alone."""
    found = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {(reading, plugin): pool.submit(output, capture, plugin,
                                               [*make(), *(more if plugin == new else ())])
                for reading, make in READINGS.items() for plugin in (old, new)}
    for reading in READINGS:
        before, after = runs[reading, old].result(), runs[reading, new].result()
        if before != after:
            lines = [line for line in difflib.unified_diff(before, after, lineterm="", n=0)
                     if not line.startswith(("---", "+++", "@@"))]
            found[reading] = [line[:200] for line in lines[:REPORTED]]
    return found
