#!/usr/bin/python3
"""What Wirelat costs: CPU time and memory of tshark with the plugin, as ratios to tshark without.

    tests/bench/bench.py                  250,000 packets of MQTT, of Kafka, of neither
    tests/bench/bench.py --packets 50000 --runs 3 mqtt
    tests/bench/bench.py --capture big.pcapng        a file of your own

The base is `tshark -q -z io,stat,0` without the plugin (plain `tshark -q` does not dissect at all).
Every variant runs once per round, in turn, so that a machine that slows down slows all of them; a
figure is the median over the rounds of the ratio within the round. The generated captures stay in
build/bench. Ends with status 1 when a target is missed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65534
CPU_TARGET = {"mqtt": 1.25, "kafka": 1.25, "other": 1.05}
MEMORY_TARGET = 1.25
ALL = "all tables"


class Tshark:
    """tshark as an ordinary user (root gets no personal plugins), with two homes: one has the
    plugin, the other does not."""

    def __init__(self, folder, plugin):
        version = subprocess.run(["tshark", "--version"], capture_output=True, text=True,
                                 check=True).stdout
        self.version = re.search(r"(\d+\.\d+)\.\d+", version).group(0)
        series = re.search(r"\d+\.\d+", self.version).group(0)
        self.homes = {}
        for name in ("without", "with"):
            plugins = folder / name / ".local/lib/wireshark/plugins" / series / "epan"
            plugins.mkdir(parents=True)
            if name == "with":
                shutil.copy(plugin, plugins)
            self.homes[name] = folder / name
        self.user = {}
        if os.getuid() == 0:
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)

    def start(self, home, args, stdin, stdout):
        home = self.homes[home]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8",
               "XDG_CONFIG_HOME": str(home / ".config"), "WIRESHARK_EXTCAP_DIR": str(home)}
        return subprocess.Popen(["tshark", "-n", *args], stdin=stdin, stdout=stdout,
                                stderr=subprocess.STDOUT, env=env, cwd=home, **self.user)

    def tables(self):
        """The -z names that the plugin adds."""
        names = {}
        for home in self.homes:
            with self.start(home, ["-z", "help"], subprocess.DEVNULL, subprocess.PIPE) as process:
                names[home] = {line.decode().strip() for line in process.stdout}
        # A tree of statistics or an export to a file is no table.
        return sorted(name for name in names["with"] - names["without"]
                      if re.fullmatch(r"[a-z]+,(?!tree|exchanges)[a-z]+,?", name))

    def measure(self, home, tables, capture):
        """Seconds of user and system time, and the largest resident set in MB."""
        args = ["-q", "-r", "-", "-z", "io,stat,0"]
        for table in tables:
            args += ["-z", table]
        # On standard input: the user who runs tshark may not be able to open the file.
        with open(capture, "rb") as packets, tempfile.TemporaryFile() as output:
            process = self.start(home, args, packets, output)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                sys.exit(f"tshark {' '.join(args)}: status {process.returncode}\n"
                         + output.read().decode(errors="replace"))
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def generated(kind, packets):
    """The capture of that kind, made anew when its generator has changed."""
    folder = TOP / "build/bench"
    capture = folder / f"{kind}-{packets}.pcapng"
    generator = TOP / "captures/generate.py"
    newest = max(path.stat().st_mtime for path in [generator, *generator.parent.glob("gen/*.py")])
    if not capture.exists() or capture.stat().st_mtime < newest:
        folder.mkdir(parents=True, exist_ok=True)
        print(f"making {capture.relative_to(TOP)}", file=sys.stderr)
        part = capture.with_suffix(".part")
        subprocess.run([sys.executable, generator, "--bench", str(packets), kind, part], check=True)
        part.rename(capture)
    return capture


def packets_of(capture):
    text = subprocess.run(["capinfos", "-c", "-M", "-T", "-r", capture], capture_output=True,
                          text=True, check=True).stdout
    return int(text.split()[-1])


def variants_of(kind, tables):
    """Label -> (home, tables), the base first."""
    variants = {"no plugin": ("without", []), "plugin, no table": ("with", [])}
    for table in tables:
        if kind is None or table.startswith(kind + ","):
            variants[table] = ("with", [table])
    variants[ALL] = ("with", tables)
    return variants


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run_rounds(tshark, variants, capture, runs):
    """Label -> list of (seconds, MB); the first round only fills the caches."""
    results = {label: [] for label in variants}
    for number in range(runs + 1):
        for label, (home, tables) in variants.items():
            progress(f"round {number} of {runs}: {label}")
            result = tshark.measure(home, tables, capture)
            if number > 0:
                results[label].append(result)
    progress("")
    return results


def verdict(value, target):
    return "" if target is None else f"<= {target:.2f} {'ok' if value <= target else 'MISSED'}"


def report(title, results, packets, cpu_target):
    """Prints one capture's table; true when every target is met."""
    base = next(iter(results.values()))
    met = True
    print(f"\n{title}: {packets:,} packets")
    print(f"{'':18}{'CPU s':>8}{'us/packet':>11}{'ratio':>8}{'(range)':>14}{'':4}{'target':15}"
          f"{'MB':>7}{'ratio':>7}{'':4}{'target'}")
    for label, runs in results.items():
        ratios = [run[0] / first[0] for run, first in zip(runs, base)]
        seconds = statistics.median(run[0] for run in runs)
        memory = statistics.median(run[1] for run in runs)
        ratio = statistics.median(ratios)
        more_memory = memory / statistics.median(first[1] for first in base)
        is_all = label == ALL
        if is_all and cpu_target is not None:
            met = met and ratio <= cpu_target and more_memory <= MEMORY_TARGET
        print(f"{label:18}{seconds:8.2f}{seconds / packets * 1e6:11.2f}{ratio:8.3f}"
              f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>14}{'':4}"
              f"{verdict(ratio, cpu_target if is_all else None):15}"
              f"{memory:7.0f}{more_memory:7.3f}{'':4}"
              f"{verdict(more_memory, MEMORY_TARGET if is_all and cpu_target else None)}".rstrip())
    return met


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND",
                        help="mqtt, kafka, other (default: all)")
    parser.add_argument("--packets", type=int, default=250000)
    parser.add_argument("--runs", type=int, default=7, help="rounds that count (7)")
    parser.add_argument("--plugin", type=pathlib.Path, default=TOP / "build/wirelat.so")
    parser.add_argument("--capture", type=pathlib.Path,
                        help="measure on this file, without targets")
    options = parser.parse_args()
    unknown = set(options.kinds) - set(CPU_TARGET)
    if unknown:
        parser.error(f"unknown kind: {', '.join(sorted(unknown))}")
    if not options.plugin.exists():
        parser.error(f"{options.plugin} is missing: build the plugin first")

    if options.capture:
        captures = {options.capture.name: (None, options.capture)}
    else:
        captures = {kind: (kind, generated(kind, options.packets))
                    for kind in options.kinds or CPU_TARGET}
    met = True
    with tempfile.TemporaryDirectory() as folder:
        tshark = Tshark(pathlib.Path(folder), options.plugin)
        tables = tshark.tables()
        print(f"tshark {tshark.version}, medians of {options.runs} rounds; tables: "
              f"{' '.join(tables)}")
        for title, (kind, capture) in captures.items():
            results = run_rounds(tshark, variants_of(kind, tables), capture, options.runs)
            met = report(title, results, packets_of(capture), CPU_TARGET.get(kind)) and met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
