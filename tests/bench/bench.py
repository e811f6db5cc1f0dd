#!/usr/bin/python3
"""What Wirelat costs, and what the other ways cost: CPU time and memory, as ratios.

    tests/bench/bench.py                  everything; half an hour on two idle cores
    tests/bench/bench.py --quick          fewer rounds, smaller captures; some minutes
    tests/bench/bench.py cost mqtt        one part: cost, ways, scaling; of one kind of traffic
    tests/bench/bench.py mptcp            what MPTCP costs, and how that grows: five minutes
    tests/bench/bench.py --capture big.pcapng        cost, on a file of your own

  cost      the plugin with no table, with each, with all, and exporting, against
            `tshark -q -z io,stat,0` without it (plain `tshark -q` does not dissect at all); MPTCP,
            its tables alone, against `tshark -q -z conv,mptcp`
  ways      the same figures by other means: TRANSUM, tshark's fields and JSON, Python on JSON (as
            with pyshark), scapy, tcptrace; per packet beyond start-up
  scaling   all tables from 64 k to 4 M packets, 1 to 10,000 streams, 1 to 60 PDUs a frame; MPTCP
            from 100 k to 1.1 M packets, which must cost the same each

Time is that of the processor, user and system. Every variant runs once per round, in turn, so that
a machine that slows down slows all of them; a figure is the median over the rounds, of the ratio
within the round where it is one. The captures are generated and stay in build/bench. Ends with
status 1 when a target is missed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile

from measure import TOP, Bench, generated, packets_of, repeated

HERE = pathlib.Path(__file__).resolve().parent
KINDS = ("mqtt", "kafka", "other", "mptcp")
PARTS = ("cost", "ways", "scaling")
NONE, IDLE, ALL, EXPORT = "no plugin", "plugin, no table", "all tables", "export"
# Ratios to "no plugin": of the processor's time, and of memory.
TARGETS = {"mqtt": {ALL: 1.25, EXPORT: 1.25}, "kafka": {ALL: 1.25, EXPORT: 1.25},
           "other": {IDLE: 1.02, ALL: 1.05}, "mptcp": {ALL: 1.25}}
MEMORY_TARGET = 1.25
MORE_MB_TARGETS = {"mptcp": 100}  # in place of a ratio
MPTCP_SIZES = (100_000, 300_000, 1_100_000)
GROWTH_TARGET = 1.15  # of what a packet costs, from the smallest capture to the largest
FASTER_TARGETS = {"JSON into Python": 45, "scapy": 22}
DISSECT = ["tshark", "-n", "-q", "-r", "-", "-z", "io,stat,0"]
FIELDS = {"mqtt": ["frame.time_epoch", "tcp.stream", "mqtt.msgtype", "mqtt.msgid", "mqtt.topic"],
          "kafka": ["frame.time_epoch", "tcp.stream", "kafka.api_key", "kafka.correlation_id",
                    "kafka.request_key"]}


def with_tables(tables, base=None):
    return (base or DISSECT) + [argument for table in tables for argument in ("-z", table)]


def base_of(kind):
    return DISSECT[:-1] + ["conv,mptcp"] if kind == "mptcp" else DISSECT


def tables_of(kind, tables):
    """Which of them "all tables" are."""
    return [table for table in tables if kind != "mptcp" or table.startswith("mptcp,")]


def cost_variants(kind, tables):
    """Label -> (home, command), the base first."""
    base, tables = base_of(kind), tables_of(kind, tables)
    variants = {NONE: ("without", base), IDLE: ("with", base)}
    for table in tables:
        if kind is None or table.startswith(kind + ","):
            variants[table] = ("with", with_tables([table], base))
    variants[ALL] = ("with", with_tables(tables, base))
    if kind not in ("other", "mptcp"):
        variants[EXPORT] = ("with", with_tables(["wirelat,exchanges,exchanges.csv"]))
    return variants


def verdict(value, target, decimals=2):
    return ("" if target is None
            else f"<= {target:.{decimals}f} {'ok' if value <= target else 'MISSED'}")


def report_cost(title, results, packets, targets, more_mb_target=None):
    """Prints one capture's table; true when every target is met."""
    base = results[NONE]
    met = True
    print(f"\n{title}: {packets:,} packets")
    print(f"{'':18}{'CPU s':>8}{'us/packet':>11}{'ratio':>8}{'(range)':>14}{'':4}{'target':15}"
          f"{'MB':>7}{'ratio':>7}{'more':>6}{'':4}{'target'}")
    for label, runs in results.items():
        ratios = [run[0] / first[0] for run, first in zip(runs, base)]
        seconds = statistics.median(run[0] for run in runs)
        memory = statistics.median(run[1] for run in runs)
        ratio = statistics.median(ratios)
        more_mb = memory - statistics.median(first[1] for first in base)
        more_memory = memory / (memory - more_mb)
        target = targets.get(label)
        shown = (verdict(more_mb, more_mb_target, 0) if more_mb_target
                 else verdict(more_memory, MEMORY_TARGET)) if target is not None else ""
        met = met and (target is None or ratio <= target) and "MISSED" not in shown
        print(f"{label:18}{seconds:8.2f}{seconds / packets * 1e6:11.2f}{ratio:8.3f}"
              f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}{'':4}{verdict(ratio, target):15}"
              f"{memory:7.0f}{more_memory:7.3f}{more_mb:6.0f}{'':4}{shown}".rstrip())
    return met


def packets_for(kind, options):
    """MPTCP's targets are for a large capture."""
    return MPTCP_SIZES[0 if options.quick else -1] if kind == "mptcp" else options.packets


def cost(bench, kinds, options):
    met, tables = True, bench.tables()
    captures = ([(options.capture.name, None, options.capture)] if options.capture else
                [(kind, kind, generated(kind, packets_for(kind, options))) for kind in kinds])
    for title, kind, capture in captures:
        results = bench.rounds(cost_variants(kind, tables), capture, options.runs)
        met = report_cost(title, results, packets_of(capture), TARGETS.get(kind, {}),
                          MORE_MB_TARGETS.get(kind)) and met
    return met


def from_file(command):
    """For what reads no standard input, or not twice."""
    return ["sh", "-c", "cat > t.pcap && exec " + command]


def way_variants(kind, tables):
    fields = [argument for name in FIELDS[kind] for argument in ("-e", name)]
    read = ["tshark", "-n", "-r", "-"]
    python = [sys.executable, "-B"]
    return {
        NONE: ("without", DISSECT),
        ALL: ("with", with_tables(tables)),
        "TRANSUM": ("without", DISSECT + ["--enable-protocol", "transum"]),
        "TRANSUM, -2": ("without", from_file("tshark -n -q -2 -r t.pcap -z io,stat,0 "
                                             "--enable-protocol transum")),
        "-T fields, 5": ("without", read + ["-T", "fields", *fields]),
        "-T json": ("without", read + ["-T", "json", "-Y", kind]),
        "JSON into Python": ("without", python + [str(HERE / "notebook_json.py"), kind]),
        "scapy": ("without", python + [str(HERE / "notebook_scapy.py"), kind]),
        **({"tcptrace, TCP only": ("without", from_file("tcptrace -n -r t.pcap"))}
           if shutil.which("tcptrace") else {}),
    }


def report_ways(kind, sizes, results):
    """Per packet beyond start-up: from the difference of a small and a large capture."""
    met, small, large = True, *sizes
    each = {label: statistics.median((b[0] - a[0]) / (large - small)
                                     for a, b in zip(results[0][label], results[1][label]))
            for label in results[0]}
    print(f"\n{kind}, other ways: {small:,} and {large:,} packets")
    print(f"{'':20}{'us/packet':>11}{'to dissection':>15}{'Wirelat is faster by':>22}{'':4}target")
    for label, seconds in each.items():
        faster = seconds / each[ALL]
        target = FASTER_TARGETS.get(label)
        text = "" if target is None else f">= {target} {'ok' if faster >= target else 'MISSED'}"
        met = met and (target is None or faster >= target)
        print(f"{label:20}{seconds * 1e6:11.2f}{seconds / each[NONE]:15.2f}{faster:22.1f}"
              f"{'':4}{text}".rstrip())
    return met


def ways(bench, kinds, options):
    met, tables = True, bench.tables()
    sizes = (options.packets // 25, options.packets // 5)
    if not shutil.which("tcptrace"):
        print("\ntcptrace is not installed, and left out", flush=True)
    for kind in kinds:
        if kind in FIELDS:
            results = [bench.rounds(way_variants(kind, tables), generated(kind, size),
                                    min(options.runs, 3)) for size in sizes]
            met = report_ways(kind, sizes, results) and met
    return met


def scaling_mptcp(bench, options):
    """True when a packet costs the same in captures of all sizes."""
    tables = tables_of("mptcp", bench.tables())
    base = base_of("mptcp")
    variants = {NONE: ("without", base), ALL: ("with", with_tables(tables, base))}
    sizes = MPTCP_SIZES[:2] if options.quick else MPTCP_SIZES
    print("\nmptcp, scaling")
    print(f"{'':24}{'us/packet':>11}{'no plugin':>11}{'our own':>9}{'MB more':>9}")
    own = []
    for size in sizes:
        # The start of tshark is no cost of packets: less the same of the first 1,000.
        each = []
        for packets in (1_000, size):
            results = bench.rounds(variants, generated("mptcp", packets), min(options.runs, 3))
            each.append({label: [min(run[i] for run in runs) for i in range(2)]
                         for label, runs in results.items()})
        seconds = {label: (each[1][label][0] - each[0][label][0]) / size * 1e6 for label in each[0]}
        own.append(seconds[ALL] - seconds[NONE])
        print(f"{f'{size:,} packets':24}{seconds[ALL]:11.2f}{seconds[NONE]:11.2f}{own[-1]:9.2f}"
              f"{each[1][ALL][1] - each[1][NONE][1]:9.0f}", flush=True)
    print(f"a packet of the largest costs {own[-1] / own[0]:.2f} times one of the smallest "
          f"{verdict(own[-1] / own[0], GROWTH_TARGET)}")
    return own[-1] / own[0] <= GROWTH_TARGET


def scaling(bench, kinds, options):
    if kinds == ["mptcp"]:
        return scaling_mptcp(bench, options)
    met = "mptcp" not in kinds or scaling_mptcp(bench, options)
    tables = bench.tables()
    kind = next((kind for kind in kinds if kind in FIELDS), "mqtt")
    print(f"\n{kind}, scaling\n{'':24}{'us/packet':>11}{'no plugin':>11}{'ratio':>8}{'MB more':>9}")
    captures = {f"{size:,} packets": (generated, (kind, size), {})
                for size in (64_000, 250_000)}
    if not options.quick:
        captures |= {f"{250_000 * times:,} packets": (repeated, (kind, 250_000, times), {})
                     for times in (4, 16)}
    captures |= {f"{streams:,} streams": (generated, (kind, 100_000), {"streams": streams})
                 for streams in (1, 100, 10_000)}
    if kind == "mqtt":
        captures |= {f"{pdus} PDUs a frame": (generated, (kind, 20_000), {"pdus": pdus})
                     for pdus in (1, 10, 60)}
    for label, (make, arguments, named) in captures.items():
        capture = make(*arguments, **named)
        results = bench.rounds({NONE: ("without", DISSECT), ALL: ("with", with_tables(tables))},
                               capture, min(options.runs, 3))
        packets = packets_of(capture)
        seconds = {name: statistics.median(run[0] for run in runs) / packets * 1e6
                   for name, runs in results.items()}
        ratio = statistics.median(b[0] / a[0] for a, b in zip(results[NONE], results[ALL]))
        more = statistics.median(b[1] - a[1] for a, b in zip(results[NONE], results[ALL]))
        print(f"{label:24}{seconds[ALL]:11.2f}{seconds[NONE]:11.2f}{ratio:8.3f}{more:9.0f}",
              flush=True)
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", nargs="*", metavar="WHAT",
                        help=f"{', '.join(PARTS)}; {', '.join(KINDS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="50,000 packets, 3 rounds")
    parser.add_argument("--packets", type=int, help="of each capture (250,000)")
    parser.add_argument("--runs", type=int, help="rounds that count (7)")
    parser.add_argument("--plugin", type=pathlib.Path, default=TOP / "build/wirelat.so")
    parser.add_argument("--capture", type=pathlib.Path, help="cost on this file, without targets")
    options = parser.parse_args()
    options.packets = options.packets or (50_000 if options.quick else 250_000)
    options.runs = options.runs or (3 if options.quick else 7)
    unknown = set(options.what) - set(PARTS) - set(KINDS)
    if unknown:
        parser.error(f"neither part nor kind: {', '.join(sorted(unknown))}")
    if not options.plugin.exists():
        parser.error(f"{options.plugin} is missing: build the plugin first")
    kinds = [kind for kind in KINDS if kind in options.what] or list(KINDS)
    parts = [part for part in PARTS if part in options.what] or list(PARTS)
    if options.capture:
        parts = ["cost"]

    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        bench = Bench(pathlib.Path(folder), options.plugin)
        print(f"tshark {bench.version}, medians of {options.runs} rounds; tables: "
              f"{' '.join(bench.tables())}", flush=True)
        met = [{"cost": cost, "ways": ways, "scaling": scaling}[part](bench, kinds, options)
               for part in parts]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
