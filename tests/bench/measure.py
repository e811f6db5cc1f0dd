"""Runs commands as an ordinary user and says what they cost; makes the captures they run on.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
NOBODY = 65534


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def captured(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Bench:
    """An ordinary user (root gets no personal plugins) with two homes: one has the plugin."""

    def __init__(self, folder, plugin):
        self.version = re.search(r"\d+\.\d+\.\d+", captured("tshark", "--version")).group(0)
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

    def start(self, home, command, stdin, stdout):
        home = self.homes[home]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TZ": "UTC", "LC_ALL": "C.UTF-8",
               "XDG_CONFIG_HOME": str(home / ".config"), "WIRESHARK_EXTCAP_DIR": str(home)}
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.STDOUT,
                                env=env, cwd=home, **self.user)

    def tables(self):
        """The -z names that the plugin adds."""
        names = {}
        for home in self.homes:
            with self.start(home, ["tshark", "-z", "help"], subprocess.DEVNULL,
                            subprocess.PIPE) as process:
                names[home] = {line.decode().strip() for line in process.stdout}
        # A tree of statistics or an export to a file is no table.
        return sorted(name for name in names["with"] - names["without"]
                      if re.fullmatch(r"[a-z]+,(?!tree|exchanges)[a-z]+,?", name))

    def measure(self, home, command, capture):
        """Seconds of user and system time, children included, and the largest resident set in MB.
        The capture comes on standard input: the user may not be able to open the file."""
        with open(capture, "rb") as packets, tempfile.TemporaryFile() as output:
            process = self.start(home, command, packets, output)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                output.seek(0)
                sys.exit(f"{' '.join(map(str, command))}: status {process.returncode}\n"
                         + output.read().decode(errors="replace")[-2000:])
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

    def rounds(self, variants, capture, runs):
        """Label -> list of (seconds, MB); the first round only fills the caches."""
        results = {label: [] for label in variants}
        for number in range(runs + 1):
            for label, (home, command) in variants.items():
                progress(f"round {number} of {runs}: {label}")
                result = self.measure(home, command, capture)
                if number > 0:
                    results[label].append(result)
        progress("")
        return results


def is_current(capture):
    generator = TOP / "captures/generate.py"
    newest = max(path.stat().st_mtime for path in [generator, *generator.parent.glob("gen/*.py")])
    return capture.exists() and capture.stat().st_mtime >= newest


def generated(kind, packets, **options):
    """The capture of that kind, made anew when its generator has changed."""
    folder = TOP / "build/bench"
    name = "-".join([kind, str(packets), *(f"{key}{value}" for key, value in options.items())])
    capture = folder / f"{name}.pcapng"
    if not is_current(capture):
        folder.mkdir(parents=True, exist_ok=True)
        print(f"making {capture.relative_to(TOP)}", file=sys.stderr)
        part = capture.with_suffix(".part")
        arguments = [f"--{key}={value}" for key, value in options.items()]
        subprocess.run([sys.executable, TOP / "captures/generate.py", "--bench", str(packets), kind,
                        part, *arguments], check=True)
        part.rename(capture)
    return capture


def repeated(kind, packets, times):
    """Such captures one after the other, each of other clients: Python has no room for millions."""
    folder = TOP / "build/bench"
    capture = folder / f"{kind}-{packets}x{times}.pcapng"
    if is_current(capture):
        return capture
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as parts:
        shifted = []
        for number in range(times):
            part = generated(kind, packets, first=number * 100)
            shifted.append(f"{parts}/{number}.pcapng")
            subprocess.run(["editcap", "-t", str(60 * number), part, shifted[-1]], check=True)
            part.unlink()
        subprocess.run(["mergecap", "-a", "-I", "all", "-w", f"{parts}/all.pcapng", *shifted],
                       check=True)
        os.rename(f"{parts}/all.pcapng", capture)
    return capture


def packets_of(capture):
    return int(captured("capinfos", "-c", "-M", "-T", "-r", capture).split()[-1])
