"""Runs tshark with the plugin as an ordinary user, and reads what it gives.

Wireshark ignores personal plugins for root: root becomes nobody here. Captures are copied to where
nobody can open them (standard input would do but for two passes). Nothing of the caller's Wireshark
settings is used.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import atexit
import collections
import csv
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
CAPTURES = TOP / "captures"
SHARED = TOP.parent / "shared/captures"
PLUGIN = pathlib.Path(os.environ.get("WIRELAT_PLUGIN", TOP / "build/wirelat.so"))
PROTOCOLS = ("wirelat.mqtt", "wirelat.kafka")
NOBODY = 65534

# Everything a lossy capture needs; off by default in every Wireshark.
REASSEMBLE = ("-o", "tcp.reassemble_out_of_order:TRUE")


@functools.cache
def series():
    """The Wireshark series that is installed, as "4.0"."""
    text = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout
    return re.search(r"\b(\d+\.\d+)\.\d+", text).group(1)


@functools.cache
def home(with_plugin=True):
    """A home directory of nobody's, with the plugin installed for that user or without; with another
    plugin than PLUGIN if its path is given."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="wirelat-test-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    if with_plugin:
        folder = path / f".local/lib/wireshark/plugins/{series()}/epan"
        folder.mkdir(parents=True)
        shutil.copy(PLUGIN if with_plugin is True else with_plugin, folder / "wirelat.so")
    if os.geteuid() == 0:
        for name in [path, *path.rglob("*")]:
            os.chown(name, NOBODY, NOBODY)
    return path


@functools.cache
def readable(capture):
    """A copy of the capture that the ordinary user can open."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wirelat-capture-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / pathlib.Path(capture).name
    shutil.copyfile(capture, copy)
    folder.chmod(0o755)
    copy.chmod(0o644)
    return copy


def command(program, *arguments, with_plugin=True, environment=()):
    """The command line that runs a Wireshark program as an ordinary user in a clean home."""
    drop = []
    if os.geteuid() == 0:
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    folder = home(with_plugin)
    variables = {"HOME": folder, "XDG_CONFIG_HOME": folder / ".config", "TZ": "UTC",
                 "LC_ALL": "C.UTF-8", **dict(environment)}
    return [*drop, "env", *(f"{k}={v}" for k, v in variables.items()), program, *arguments]


Run = collections.namedtuple("Run", "code out err")


def tshark(capture, *arguments, with_plugin=True, environment=(), check=True):
    """Runs tshark over a capture. With check, it must succeed and complain of nothing."""
    line = command("tshark", "-n", "-r", readable(capture), *map(str, arguments),
                   with_plugin=with_plugin, environment=environment)
    done = subprocess.run(line, capture_output=True, cwd=home(with_plugin))
    run = Run(done.returncode, done.stdout.decode(errors="replace"),
              done.stderr.decode(errors="replace"))
    if check:
        assert run.code == 0, run.err
        assert run.err == "", run.err
    return run


def listing(*arguments):
    """Lines that tshark prints without a capture: of -G fields, of -z help."""
    run = subprocess.run(command("tshark", *arguments), capture_output=True, text=True, cwd=home())
    return (run.stdout + run.stderr).splitlines()


def plain_fields(capture, names, *arguments, **options):
    """Rows of -T fields, one per frame, tab-separated."""
    wanted = [part for name in names for part in ("-e", name)]
    text = tshark(capture, *arguments, "-T", "fields", *wanted, **options).out
    return [line.split("\t") for line in text.splitlines()]


@functools.cache
def splits_streams(capture):
    """Whether Wireshark begins another tcp.stream at the SYN,ACK of a connection it knows: 4.4 and 4.6
    do where an ACK or another SYN,ACK came before. Streams are then not what TCP says."""
    if series() == "4.0":
        return False
    first = {}
    for stream, flags, seq, ack, *ends in plain_fields(
            capture, ["tcp.stream", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "ip.src",
                      "tcp.srcport", "ip.dst", "tcp.dstport"], "-Y", "tcp.flags.syn == 1"):
        if "," in flags + seq:
            continue  # TCP within TCP, or quoted in an ICMP message
        if int(flags, 16) & 0x10:
            key = (*ends[2:], *ends[:2], int(ack))
        else:
            key = (*ends, (int(seq) + 1) % 2**32)
        if first.setdefault(key, stream) != stream:
            return True
    return False


@functools.cache
def events(capture, *arguments, check=True, protocols=PROTOCOLS):
    """Every event of every exchange: a dictionary per subtree, fields by their full names, and
    "frame" its frame number. -T json keeps the fields of each subtree together."""
    text = tshark(capture, *arguments, "-T", "json", "--no-duplicate-keys", "-J",
                  " ".join(("frame", *protocols)), "-Y", " or ".join(protocols),
                  check=check).out
    found = []
    for packet in json.loads(text):
        layers = packet["_source"]["layers"]
        for protocol in protocols:
            subtrees = layers.get(protocol, [])
            for subtree in subtrees if isinstance(subtrees, list) else [subtrees]:
                event = {name: value for name, value in subtree.items()
                         if not name.startswith("_ws")}
                finding = re.findall(r'"(wirelat\.\w+\.\w+)": ""', json.dumps(subtree))
                event.update(dict.fromkeys(finding, ""))
                event["frame"] = int(layers["frame"]["frame.number"])
                event["protocol"] = protocol
                found.append(event)
    return found


def nanoseconds(text):
    """The exact value of a time field, as tshark prints it."""
    sign = -1 if text.startswith("-") else 1
    seconds, _, fraction = text.lstrip("-").partition(".")
    return sign * (int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0))


def time_of(event, name):
    """A time of the event in nanoseconds, or None."""
    text = event.get(f"{event['protocol']}.{name}")
    return None if text is None else nanoseconds(text)


def number_of(event, name):
    """A number of the event, or None."""
    text = event.get(f"{event['protocol']}.{name}")
    if text in ("True", "False"):  # as Wireshark 4.2 and later write a boolean
        return int(text == "True")
    return None if text is None else int(text, 0)


def tables(text):
    """The statistics tables in tshark's output, by title: rows as dictionaries by header."""
    found = {}
    header, title = None, None
    for line in text.splitlines():
        if line.startswith("==="):
            header = None
        elif line.endswith(":") and header is None and not line.startswith("Filter"):
            title = line[:-1]
        elif "|" in line:
            cells = [cell.strip() for cell in line.split("|")[:-1]]
            if header is None:
                header = cells
                found[title] = []
            else:
                found[title].append(dict(zip(header, cells)))
    return found


def table(capture, name, *arguments):
    """The rows of one table."""
    (rows,) = tables(tshark(capture, "-q", "-z", name, *arguments).out).values()
    return rows


def truth(path):
    """The lines of a generator's truth file, numbers as int."""
    with open(path, newline="") as file:
        return [{k: int(v) if re.fullmatch(r"-?\d+", v) else v for k, v in row.items()}
                for row in csv.DictReader(file, delimiter="\t")]


def nearest_rank(values, percent):
    """The percentile as the tables define it."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
