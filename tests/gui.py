"""Wireshark on a virtual screen, driven with the mouse: for tests and for the README's pictures.

    with Desktop(plugin) as desktop:
        desktop.wireshark("-r", "capture.pcapng", "-z", "kafka,latency")
        window = desktop.window("Kafka Latency")
        rows = desktop.copy_table(window)

Wireshark, the window manager and the tools run as an ordinary user with a home of their own (root
gets no personal plugins), so nothing of the user's settings is read or changed. With a Debian suite
Wireshark is that of packaging/chroot, on the same screen.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

NOBODY = 65534
CHROOT = pathlib.Path(__file__).resolve().parents[1] / "packaging/chroot"
# Recommended packages are left out in the chroot: no window without the second, no text without the
# third.
CHROOT_PACKAGES = "wireshark qt6-qpa-plugins fonts-dejavu-core"
PROGRAMS = ("wireshark", "Xvfb", "openbox", "xdotool", "xclip", "xprop", "import")
# In a statistics dialog, from its lower right corner (Wireshark 4.0 to 4.6).
COPY = (236, 24)
APPLY = (53, 55)
FILTER = (150, 55)


def missing_programs():
    return [program for program in PROGRAMS if shutil.which(program) is None]


def parse_table(text):
    """The rows of a copied table as dictionaries by column title. Copy gives a title, the headers,
    and the rows between two rulers; two blanks or more part the cells. A cell without text is told
    by the blanks below its header."""
    lines = text.splitlines()
    rulers = [number for number, line in enumerate(lines) if re.fullmatch("-+", line)]
    if len(rulers) != 2:
        return []
    header = list(re.finditer(r"\S+(?: \S+)*", lines[rulers[0] - 1]))
    rows = []
    for line in lines[rulers[0] + 1:rulers[1]]:
        cells = re.split(" {2,}", line.strip())
        for column, title in enumerate(header):
            if len(cells) < len(header) and not line[slice(*title.span())].strip():
                cells.insert(column, "")
        rows.append(dict(zip([title.group() for title in header], cells)))
    return rows


def parse_srt(text):
    """The rows of a Service Response Time table, copied or as tshark prints it: index, calls, and
    the four times in seconds by the name of the row. (Copy puts the name before the index.)"""
    found = re.findall(r"^ *(?:(\d+) +)?(\S.*?) {2,}(?:(\d+) +)?(\d+)((?: +\d+\.\d+){4}) *$", text,
                       re.M)
    return {name: (int(before or after), int(calls), *map(float, times.split()))
            for before, name, after, calls, times in found}


class Desktop:
    def __init__(self, plugin, size="1400x900", timeout=60, suite=None):
        self.plugin, self.size, self.timeout = pathlib.Path(plugin), size, timeout
        self.suite = suite
        self.processes = []

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.home = pathlib.Path(self.folder.name) / "home"
        (self.home / ".config").mkdir(parents=True)
        (self.home / "extcap").mkdir()  # without this directory each start runs every extcap
        plugins = self.home / ".local/lib/wireshark/plugins" / self.series() / "epan"
        plugins.mkdir(parents=True)
        shutil.copy(self.plugin, plugins)
        self.user = {}
        os.chmod(self.folder.name, 0o755)
        self.home.chmod(0o700)
        if os.getuid() == 0:
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in [self.home, *self.home.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "TZ": "UTC",
                    "LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": str(self.home / ".config"),
                    "XDG_RUNTIME_DIR": str(self.home),
                    "WIRESHARK_EXTCAP_DIR": str(self.home / "extcap")}
        try:
            self.start_screen()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.folder.cleanup()

    def start_screen(self):
        reader, writer = os.pipe()
        self.processes.append(subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{self.size}x24",
             # Else it starts anew when its first client leaves, and refuses whoever comes then.
             "-nolisten", "tcp", "-noreset"],
            pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        os.close(writer)
        with os.fdopen(reader) as pipe:
            self.env["DISPLAY"] = ":" + pipe.readline().strip()
        # Without a window manager no window gets the keyboard, nor a frame.
        self.start("openbox")
        self.wait("window manager", lambda: "window id" in self.run(
            "xprop", "-root", "_NET_SUPPORTING_WM_CHECK", check=False))

    def series(self):
        """The Wireshark series, as "4.0"."""
        inside = [CHROOT, self.suite] if self.suite else []
        version = subprocess.run([*inside, "tshark", "--version"], capture_output=True, text=True,
                                 check=True)
        return re.search(r"(\d+\.\d+)\.\d+", version.stdout).group(1)

    def start(self, *command):
        name = pathlib.Path(command[0]).name
        with open(pathlib.Path(self.folder.name) / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, env=self.env, cwd=self.home, **self.user,
                                       stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def run(self, *command, check=True):
        return subprocess.run(command, env=self.env, cwd=self.home, capture_output=True, text=True,
                              timeout=self.timeout, check=check, **self.user).stdout

    def wireshark(self, *args):
        """Starts Wireshark. A capture file has to be readable by everyone: see capture()."""
        if self.suite is None:
            return self.start("wireshark", *args)
        # Only root can enter the chroot; in there Wireshark becomes an ordinary user.
        user, self.user = self.user, {}
        process = self.start(CHROOT, "--bind", self.folder.name, "--with", CHROOT_PACKAGES,
                             self.suite, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                             "--clear-groups", "wireshark", *args)
        self.user = user
        return process

    def tshark(self, *args):
        """What tshark of the same Debian prints, run as the same user with the same plugin."""
        inside = []
        if self.suite is not None:
            inside = [CHROOT, "--bind", self.folder.name, self.suite]
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        done = subprocess.run([*inside, *(drop if self.user else []), "tshark", *args],
                              env=self.env, capture_output=True, text=True, timeout=self.timeout,
                              check=True)
        return done.stdout

    def profiles(self):
        """Gives the user our profiles, as the target install-user does."""
        into = self.home / ".config/wireshark/profiles"
        shutil.copytree(CHROOT.parent / "profiles", into)
        for path in [into.parent, into, *into.rglob("*")] if self.user else []:
            os.chown(path, NOBODY, NOBODY)

    def close(self, process):
        """Ends a Wireshark, so that the next window with such a title is another one's."""
        process.kill()
        process.wait()
        self.processes.remove(process)

    def capture(self, path):
        """A copy of the file that Wireshark can open, whoever owns the original."""
        copy = self.home / pathlib.Path(path).name
        shutil.copy(path, copy)
        copy.chmod(0o644)
        return str(copy)

    def wait(self, what, get):
        """The first true result of get()."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            result = get()
            if result:
                return result
            if self.processes[-1].poll() is not None:
                break
            time.sleep(0.2)
        raise TimeoutError(f"no {what}\n{self.log()}")

    def log(self):
        """What Wireshark and the window manager wrote."""
        return "".join(path.read_text(errors="replace")
                       for path in pathlib.Path(self.folder.name).glob("*.log"))

    def window(self, title):
        """The window whose title contains `title`, once it is on the screen."""
        search = ("xdotool", "search", "--onlyvisible", "--name", re.escape(title))
        return self.wait(f"window '{title}'", lambda: self.run(*search, check=False).split())[-1]

    def geometry(self, window):
        text = self.run("xdotool", "getwindowgeometry", "--shell", window)
        return {key: int(value) for key, value in (line.split("=") for line in text.split())}

    def resize(self, window, width, height):
        self.run("xdotool", "windowsize", "--sync", window, str(width), str(height))

    def click(self, window, x, y):
        # Relative to the window: the absolute geometry is off by the frame's width.
        self.run("xdotool", "mousemove", "--window", window, str(x), str(y), "click", "1")

    def press(self, window, button):
        size = self.geometry(window)
        self.click(window, size["WIDTH"] - button[0], size["HEIGHT"] - button[1])

    def set_filter(self, window, text):
        """Types a filter into a statistics dialog and presses Apply."""
        self.press(window, FILTER)
        self.keys("ctrl+a", "BackSpace")
        if text:
            self.run("xdotool", "type", "--delay", "20", text)
        # The first click may only close the list of proposals; applying twice does no harm.
        for _ in range(2):
            time.sleep(0.3)
            self.press(window, APPLY)

    def copy(self, window, parse, rows=None):
        """Presses Copy of a statistics dialog until it gives the same text twice, that parse()
        finds rows in, and as many as `rows` if that is given: the packets may still be being read."""
        last = None

        def copied():
            nonlocal last
            self.press(window, COPY)
            time.sleep(0.2)
            before, last = last, self.run("xclip", "-o", "-selection", "clipboard", check=False)
            table = parse(last)
            return table if table and last == before and rows in (None, len(table)) else None

        return self.wait("table in the clipboard", copied)

    def copy_table(self, window, rows=None):
        """The cells of each row of a simple table by column title."""
        return self.copy(window, parse_table, rows)

    def keys(self, *names):
        """Presses keys one after the other, in the window that has the keyboard."""
        for name in names:
            self.run("xdotool", "key", name)
            time.sleep(0.2)

    def shot(self, window, path):
        """The window with its frame as a small PNG (256 colours, no dither)."""
        picture = self.home / "shot.png"
        self.run("import", "-frame", "-window", window, "-strip", "+dither", f"PNG8:{picture}")
        shutil.copyfile(picture, path)
