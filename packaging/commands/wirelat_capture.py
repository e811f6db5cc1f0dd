"""What wirelat-plot and wirelat-report share: running tshark over a capture, reading what it gives,
drawing with gnuplot. Python's standard library only.

tshark runs as an ordinary user in a home directory of its own: Wireshark ignores personal plugins
for root, and nobody's settings shall change the numbers. The capture comes on standard input, since
that user may not be allowed to open it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

PROGRAM = pathlib.Path(sys.argv[0]).name
NOBODY = 65534
# A lossy capture loses messages without it; what the user passes comes later and wins.
REASSEMBLE = ("-o", "tcp.reassemble_out_of_order:TRUE")
TABLES = ("wirelat,health", "wirelat,streams", "mptcp,connections", "mptcp,subflows", "mptcp,paths",
          "mptcp,events")
SEGMENT_FIELDS = ("frame.time_epoch", "tcp.stream", "tcp.flags.syn", "tcp.flags.ack", "tcp.srcport",
                  "tcp.len", "tcp.seq_raw", "tcp.options.mptcp.rawdataseqno",
                  "tcp.options.mptcp.subflowseqno", "wirelat.mptcp.stream",
                  "wirelat.mptcp.subflow", "wirelat.mptcp.path", "wirelat.mptcp.unique_bytes",
                  "wirelat.mptcp.duplicate", "wirelat.mptcp.ack_rtt",
                  "wirelat.mptcp.reorder_bytes")


def fail(message):
    sys.exit(f"{PROGRAM}: {message}")


def progress(text):
    """What is being done, on a terminal alone; an empty text ends the line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def own_plugin(series):
    """The plugin named by WIRELAT_PLUGIN, that of the source tree this command lies in, or that of
    this user; None: the one tshark finds by itself."""
    if os.environ.get("WIRELAT_PLUGIN"):
        return pathlib.Path(os.environ["WIRELAT_PLUGIN"])
    packaging = pathlib.Path(__file__).resolve().parents[1]
    places = [packaging.parent / "build/wirelat.so"] if packaging.name == "packaging" else []
    places.append(pathlib.Path.home() / f".local/lib/wireshark/plugins/{series}/epan/wirelat.so")
    return next((place for place in places if place.exists()), None)


class Tshark:
    """tshark with the plugin; a context that owns its home directory."""

    def __enter__(self):
        if shutil.which("tshark") is None:
            fail("tshark is missing (apt install tshark)")
        self.folder = tempfile.TemporaryDirectory(prefix="wirelat-")
        self.home = pathlib.Path(self.folder.name)
        text = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout
        series = re.search(r"\b(\d+\.\d+)\.\d+", text).group(1)
        plugin = own_plugin(series)
        if plugin is not None:
            folder = self.home / f".local/lib/wireshark/plugins/{series}/epan"
            folder.mkdir(parents=True)
            if not plugin.is_file():
                fail(f"there is no plugin {plugin}")
            shutil.copy(plugin, folder / "wirelat.so")
        self.user = {}
        if os.geteuid() == 0:
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in [self.home, *self.home.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        listed = self.start(["-G", "plugins"], subprocess.DEVNULL).communicate()[0]
        if b"wirelat" not in listed:
            self.folder.cleanup()
            fail("the plugin Wirelat is not installed for this tshark "
                 "(build it, or set WIRELAT_PLUGIN to wirelat.so)")
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def start(self, arguments, packets):
        environment = {"PATH": os.environ["PATH"], "HOME": self.home, "LC_ALL": "C.UTF-8",
                       "XDG_CONFIG_HOME": self.home / ".config", "TZ": "UTC"}
        return subprocess.Popen(["tshark", *arguments], stdin=packets, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=self.home, env=environment, **self.user)

    def run(self, capture, what, arguments):
        """tshark's output for a capture, and what it complained of."""
        arguments = ["-n", "-r", "-", *REASSEMBLE, *arguments]
        with open(capture, "rb") as packets:
            if not sys.stderr.isatty():
                process = self.start(arguments, packets)
            else:
                process = self.start(arguments, subprocess.PIPE)
                feeder = threading.Thread(target=feed, args=(packets, process.stdin, what))
                feeder.start()
                process.stdin = None  # the feeder's; communicate() would close it
            out, complaints = process.communicate()
        if sys.stderr.isatty():
            feeder.join()
            progress("")
        complaints = complaints.decode(errors="replace").strip()
        if process.returncode != 0 and not out and not (self.home / "exchanges.csv").exists():
            fail(complaints.splitlines()[0] if complaints else "tshark failed")
        return out.decode(errors="replace"), complaints


def feed(packets, pipe, what):
    """Hands a capture on and says how far it is."""
    size = max(os.fstat(packets.fileno()).st_size, 1)
    done, shown = 0, -1
    try:
        while chunk := packets.read(1 << 18):
            pipe.write(chunk)
            done += len(chunk)
            if done * 100 // size != shown:
                shown = done * 100 // size
                progress(f"{what}: {shown} %")
        pipe.close()
    except BrokenPipeError:
        pass  # tshark gave up, and says why


def tables_of(text):
    """The statistics tables in tshark's output: title -> (headers, rows of cells)."""
    found, headers, title = {}, None, None
    for line in text.splitlines():
        if line.startswith("==="):
            headers = None
        elif line.endswith(":") and headers is None:
            title = line[:-1]
        elif "|" in line:
            cells = [cell.strip() for cell in line.split("|")[:-1]]
            if headers is None:
                headers = cells
                found[title] = (headers, [])
            elif len(cells) == len(headers):
                found[title][1].append(cells)
    return found


TEXTS = {"client_id", "topic", "broker", "group", "member", "protocol", "exchange", "outcome"}


def number(name, cell):
    if name in TEXTS or not re.fullmatch(r"-?\d+", cell):
        return cell
    return int(cell)


def read_export(path):
    """The exchanges of an export, as dictionaries of what is known; MPTCP's data is drawn from fields,
    which have its sequence numbers."""
    csv.field_size_limit(1 << 30)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            if str(path).endswith((".ndjson", ".jsonl", ".json")):
                lines = [json.loads(line) for line in file]
            else:
                lines = [{name: number(name, cell) for name, cell in line.items() if cell}
                         for line in csv.DictReader(file)]
    except (OSError, ValueError, AttributeError) as error:
        fail(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")
    if lines and "exchange" not in lines[0]:
        fail(f"{path} is no export of wirelat,exchanges")
    return [line for line in lines if line["protocol"] != "mptcp"]


Segment = collections.namedtuple(
    "Segment", "time stream from_client length dsn connection subflow path unique kinds rtts waiting")


def numbers(cell):
    return [int(part, 0) for part in cell.split(",") if part]


def dsn_of(cells, opened):
    """DSN of a segment's first byte: it may lie inside the mapping that it carries (RFC 8684,
    section 3.3.1: the mapping's subflow sequence number counts from the SYN)."""
    mapped = numbers(cells["tcp.options.mptcp.rawdataseqno"])
    place = numbers(cells["tcp.options.mptcp.subflowseqno"])
    if not mapped or opened is None or not place:
        return mapped[0] if mapped else None
    return mapped[0] + ((int(cells["tcp.seq_raw"]) - opened - place[0]) & 0xFFFFFFFF)


def read_segments(text):
    """Frames of MPTCP connections from -T fields."""
    clients, opened, segments = {}, {}, []
    for line in text.splitlines():
        cells = dict(zip(SEGMENT_FIELDS, line.split("\t")))
        stream, port = cells["tcp.stream"], cells["tcp.srcport"]
        if cells["tcp.flags.syn"] in ("1", "True"):
            opened[stream, port] = int(cells["tcp.seq_raw"])
            if cells["tcp.flags.ack"] not in ("1", "True"):
                clients.setdefault(stream, port)
        elif cells["wirelat.mptcp.stream"]:
            segments.append(Segment(
                float(cells["frame.time_epoch"]), int(stream), clients.get(stream, port) == port,
                int(cells["tcp.len"] or 0), dsn_of(cells, opened.get((stream, port))),
                int(cells["wirelat.mptcp.stream"]), int(cells["wirelat.mptcp.subflow"]),
                cells["wirelat.mptcp.path"], sum(numbers(cells["wirelat.mptcp.unique_bytes"])),
                numbers(cells["wirelat.mptcp.duplicate"]),
                [float(part) for part in cells["wirelat.mptcp.ack_rtt"].split(",") if part],
                numbers(cells["wirelat.mptcp.reorder_bytes"])))
    return segments


Capture = collections.namedtuple("Capture", "lines tables segments complaints")


def read_capture(path, options):
    """Everything the commands need of a capture, in one run of tshark, or two with MPTCP."""
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}")
    with Tshark() as tshark:
        wanted = [part for name in TABLES for part in ("-z", name)]
        export = tshark.home / "exchanges.csv"
        text, complaints = tshark.run(path, "reading", ["-q", *wanted, "-z",
                                                        f"wirelat,exchanges,{export}", *options])
        if not export.exists():
            fail(complaints.splitlines()[0] if complaints else "tshark wrote no export")
        lines, tables, segments = read_export(export), tables_of(text), []
        if tables.get("MPTCP Connections", ((), ()))[1]:
            fields = [part for name in SEGMENT_FIELDS for part in ("-e", name)]
            text, _ = tshark.run(path, "reading MPTCP", [
                "-T", "fields", *fields, "-Y", "wirelat.mptcp or tcp.flags.syn == 1", *options])
            segments = read_segments(text)
    return Capture(lines, tables, segments, complaints)


def nearest_rank(ordered, percent):
    """The percentile as the tables define it, of values in order."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def time_of(line):
    """The time an exchange counts with: to its answer, or to the TCP ACK if it has none by design."""
    return line.get("ack_time_ns" if line["outcome"] == "one-way" else "time_ns")
