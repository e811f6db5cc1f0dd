"""Two hosts and a delay between them, on one machine: network namespaces joined by a user-space box.

    client 10.61.0.1 --- [ box: every frame waits ] --- 10.61.0.2 server

No netem: not every kernel has it. Needs root; Network.problem() says what is missing.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

CLIENT, SERVER = "10.61.0.1", "10.61.0.2"


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
    """The two hosts, for the length of a with block."""

    def __init__(self, one_way_ms):
        self.one_way_ms = one_way_ms
        self.names = [f"wl-{role}-{os.getpid()}" for role in ("client", "box", "server")]
        self.processes = []

    def __enter__(self):
        client, box, server = self.names
        for name in self.names:
            self._ip("netns", "add", name)
            self._ip("-n", name, "link", "set", "lo", "up")
        for host, address, end in ((client, CLIENT, "b0"), (server, SERVER, "b1")):
            self._ip("link", "add", "e0", "netns", host, "type", "veth", "peer", "name", end,
                     "netns", box)
            self._ip("-n", box, "link", "set", end, "up")
            # Checksums and segments must be on the wire as the box will pass them on.
            self.run(host, "ethtool", "-K", "e0", "tx", "off", "tso", "off", "gso", "off")
            self._ip("-n", host, "address", "add", f"{address}/24", "dev", "e0")
            self._ip("-n", host, "link", "set", "e0", "up")
        self.start("box", "/usr/bin/python3", "-B", __file__, "b0", "b1", str(self.one_way_ms))
        for _ in range(100):
            if self.run("client", "ping", "-c", "1", "-W", "1", SERVER, check=False) == 0:
                return self
        raise RuntimeError("the delay box passes nothing on")

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


def forward(names, delay_s):
    """Passes every frame from each interface to the other, delay_s after it came."""
    ends = []
    for name in names:
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        end.bind((name, 0))
        ends.append(end)
    waiting = collections.deque()
    while True:
        timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], timeout)[0]:
            frame, address = end.recvfrom(65536)
            if address[2] != socket.PACKET_OUTGOING:
                waiting.append((time.monotonic() + delay_s, ends[ends[0] is end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            end.send(frame)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    forward(sys.argv[1:3], float(sys.argv[3]) / 1000)
