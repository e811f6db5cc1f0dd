"""Two hosts and a delay between them, on one machine: network namespaces joined by a user-space box.

    client 10.61.0.1 --- [ box: every frame waits ] --- 10.61.0.2 server      path 1
           10.62.0.1 --- [     (two paths: MPTCP)  ] --- 10.62.0.2             path 2

A line on the box's standard input changes a path while it runs: "1 loss 0.03", "1 cut", "1 mend",
"1 corrupt" (one byte of the next long segment from the client, TCP checksum put right).
No netem: not every kernel has it. Needs root; problem() says what is missing.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

CLIENT, SERVER = "10.61.0.1", "10.61.0.2"
CLIENT_2, SERVER_2 = "10.62.0.1", "10.62.0.2"
LONG = 1000  # bytes of a frame that surely carries data


def problem():
    """Why there can be no such network here, or None."""
    missing = [name for name in ("ip", "ethtool", "tcpdump") if shutil.which(name) is None]
    if missing:
        return "needs " + ", ".join(missing)
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"wl-probe-{os.getpid()}"
    probe = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if probe.returncode != 0:
        return "network namespaces are not allowed: " + probe.stderr.strip()
    subprocess.run(["ip", "netns", "delete", name])
    return None


class Network:
    """The two hosts, for the length of a with block. Each path is (ms to the server, ms to the
    client); `rate` in Mbit/s limits every path and direction."""

    def __init__(self, *paths, rate=0):
        self.paths = [path if isinstance(path, tuple) else (path, path) for path in paths]
        self.rate = rate
        self.names = [f"wl-{role}-{os.getpid()}" for role in ("client", "box", "server")]
        self.processes, self.box = [], None

    def __enter__(self):
        client, box, server = self.names
        for name in self.names:
            self._ip("netns", "add", name)
            self._ip("-n", name, "link", "set", "lo", "up")
        for path in range(len(self.paths)):
            for host, last, end in ((client, 1, f"b{path}c"), (server, 2, f"b{path}s")):
                self._ip("link", "add", f"e{path}", "netns", host, "type", "veth",
                         "peer", "name", end, "netns", box)
                self._ip("-n", box, "link", "set", end, "up")
                # Checksums and segments must be on the wire as the box will pass them on.
                self.run(host, "ethtool", "-K", f"e{path}", "tx", "off", "tso", "off", "gso", "off")
                self._ip("-n", host, "address", "add", f"10.{61 + path}.0.{last}/24",
                         "dev", f"e{path}")
                self._ip("-n", host, "-6", "address", "add", f"fd{61 + path}::{last}/64",
                         "dev", f"e{path}", "nodad")
                self._ip("-n", host, "link", "set", f"e{path}", "up")
        delays = [f"{up}:{down}" for up, down in self.paths]
        self.box = self.start("box", "/usr/bin/python3", "-B", __file__, str(self.rate), *delays,
                              stdin=subprocess.PIPE, text=True)
        for path in range(len(self.paths)):
            self._wait_for(f"10.{61 + path}.0.2")
        return self

    def _wait_for(self, address):
        for _ in range(100):
            if self.run("client", "ping", "-c", "1", "-W", "1", address, check=False) == 0:
                return
        raise RuntimeError("the delay box passes nothing on")

    def tell(self, line):
        """Changes a path from now on."""
        self.box.stdin.write(line + "\n")
        self.box.stdin.flush()

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(10)
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=True)

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def inside(self, role, *command):
        """The command line that runs a command on a host."""
        name = role if role in self.names else dict(zip(("client", "box", "server"),
                                                        self.names))[role]
        return ["ip", "netns", "exec", name, *map(str, command)]

    def run(self, role, *command, check=True):
        return subprocess.run(self.inside(role, *command), check=check,
                              capture_output=True).returncode

    def start(self, role, *command, **options):
        """Starts a command that lasts until the end of the block."""
        process = subprocess.Popen(self.inside(role, *command), **options)
        self.processes.append(process)
        return process


class Pipe:
    """One direction of a path: frames wait delay_s behind the moment the line is free for them."""

    def __init__(self, name, other, delay_s, rate, to_server):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self.socket.bind((name, 0))
        self.other, self.delay_s, self.rate, self.to_server = other, delay_s, rate, to_server
        self.free_at, self.waiting = 0, collections.deque()
        self.loss, self.corrupt = 0, False

    def take(self, dice):
        frame, address = self.socket.recvfrom(65536)
        if address[2] == socket.PACKET_OUTGOING or dice.random() < self.loss:
            return
        if self.corrupt and self.to_server and len(frame) > LONG:
            frame, self.corrupt = corrupted(frame), False
        self.free_at = max(self.free_at, time.monotonic())
        if self.rate:
            self.free_at += len(frame) * 8 / (self.rate * 1e6)
        self.waiting.append((self.free_at + self.delay_s, frame))

    def pass_on(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            self.other.socket.send(self.waiting.popleft()[1])


def corrupted(frame):
    """Adds one to the last byte at an odd place of a TCP segment over IPv4 and takes it from the
    TCP checksum (RFC 1624), so that only MPTCP's checksum can tell."""
    at = 14 + (frame[14] & 15) * 4 + 16
    last = len(frame) - 1 - (len(frame) - at) % 2
    old = frame[last]
    new = (old + 1) % 256
    word = int.from_bytes(frame[at:at + 2], "big")
    total = (~word & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    frame = bytearray(frame)
    frame[last] = new
    frame[at:at + 2] = total.to_bytes(2, "big")
    return bytes(frame)


def command(pipes, line):
    """One line of standard input: path number, what, value."""
    path, what, *value = line.split()
    for pipe in pipes[2 * int(path) - 2:2 * int(path)]:
        if what == "corrupt":
            pipe.corrupt = True
        else:
            pipe.loss = {"cut": 1, "mend": 0}.get(what, float(*value or [0]))


def forward(delays, rate):
    """Passes every frame on to the other side of its path."""
    pipes, dice = [], random.Random(61)
    for number, delay in enumerate(delays):
        up, down = (float(ms) / 1000 for ms in delay.split(":"))
        client = Pipe(f"b{number}c", None, up, rate, True)
        server = Pipe(f"b{number}s", client, down, rate, False)
        client.other = server
        pipes += [client, server]
    by_socket = {pipe.socket: pipe for pipe in pipes}
    sources = [*by_socket, sys.stdin]
    while True:
        due = [pipe.waiting[0][0] for pipe in pipes if pipe.waiting]
        timeout = max(0, min(due) - time.monotonic()) if due else None
        for source in select.select(sources, [], [], timeout)[0]:
            if source in by_socket:
                by_socket[source].take(dice)
            elif lines := os.read(source.fileno(), 4096):
                for line in lines.decode().splitlines():
                    command(pipes, line)
            else:
                sources.remove(source)
        for pipe in pipes:
            pipe.pass_on()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    forward(sys.argv[2:], float(sys.argv[1]))
