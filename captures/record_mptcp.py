#!/usr/bin/env python3
"""Records mptcp_*.pcap and mptcp.tsv: the kernel's MPTCP v1 over two paths of a delay box.

    record_mptcp.py [--into DIR] [SCENE ...]        as root; needs ip, ethtool, tcpdump

    client 10.61.0.1 --- 10 ms there, 10 back --- 10.61.0.2 server, port 5001
           10.62.0.1 --- 50 ms there, 30 back --- 10.62.0.2

Each scene is one or more connections, captured at both ends on one clock: NAME-client, NAME-server.
Headers only, but for the scenes with checksums. The truth is what both programs counted themselves.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import contextlib
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / 'tests')]

# pylint: disable=wrong-import-position
import delay_box
from recording import capture_of

MPTCP = 262
PORT = 5001
PATHS = (10, 10), (50, 30)
RATE = 20
CHUNK = 4_096
SILENCE_S = 4  # an end that hears nothing for so long gives up
HEADERS = 120  # bytes: cooked header, IPv6, all of TCP's
COLUMNS = 'scene sport to_server at_server to_client at_client'.split()


# --- what runs on the hosts

def talk(connection, role, count, expected, rate):
    """Sends `count` bytes at `rate` bytes a second (0: at once) while it receives; returns the bytes
    received. The client ends its stream when it has `expected` bytes, the server when the client
    has: no subflow may join a connection that one side is closing."""
    def send():
        start, sent = time.monotonic(), 0
        with contextlib.suppress(OSError):  # the other end may give up
            while sent < count:
                connection.sendall(bytes(min(CHUNK, count - sent)))
                sent += CHUNK
                if rate:
                    time.sleep(max(0, start + sent / rate - time.monotonic()))
            complete.wait(SILENCE_S)
            connection.shutdown(socket.SHUT_WR)

    complete, received = threading.Event(), 0
    sender = threading.Thread(target=send)
    sender.start()
    with contextlib.suppress(OSError):
        while data := connection.recv(65_536):
            received += len(data)
            if role != 'serve' and received >= expected:
                complete.set()
    complete.set()
    sender.join()
    return received


def peer(role, host, protocol, count, expected, rate, connections, abort_after):
    """One end; prints the client's port and the bytes received, per connection."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    signal.alarm(30)
    made = []

    def run(connection, port):
        if abort_after:
            time.sleep(abort_after)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            received = len(connection.recv(1 << 20, socket.MSG_DONTWAIT))
        else:
            received = talk(connection, role, count, expected, rate)
        connection.close()
        print(port, received, flush=True)

    if role == 'serve':
        listener = socket.socket(family, socket.SOCK_STREAM, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(('::' if ':' in host else '', PORT))  # the second address, too
        listener.listen()
        print('listening', flush=True)
    for _ in range(connections):
        if role == 'serve':
            connection, address = listener.accept()
            port = address[1]
        else:
            connection = socket.socket(family, socket.SOCK_STREAM, protocol)
            connection.connect((host, PORT))
            port = connection.getsockname()[1]
        connection.settimeout(SILENCE_S)
        made.append(threading.Thread(target=run, args=(connection, port)))
        made[-1].start()
    for thread in made:
        thread.join()


# --- scenes

class Scene:
    """What is sent, how the kernel is set up before, and what happens meanwhile (seconds, action).
    Endpoints and limits are those of `ip mptcp`."""

    def __init__(self, about, up=0, down=0, rate=0, connections=1, host=delay_box.SERVER,
                 full=False, server_protocol=MPTCP, abort_after=0, before=(), then=()):
        self.about, self.up, self.down, self.rate = about, up, down, rate
        self.connections, self.host, self.full = connections, host, full
        self.server_protocol, self.abort_after = server_protocol, abort_after
        self.before, self.then = before, then


def endpoint(role, *words):
    return lambda network: network.run(role, 'ip', 'mptcp', 'endpoint', *words)


def checksums(network):
    for role in ('client', 'server'):
        network.run(role, 'sysctl', '-q', '-w', 'net.mptcp.checksum_enabled=1')


def box(line):
    return lambda network: network.tell(line)


SECOND = endpoint('client', 'add', delay_box.CLIENT_2, 'dev', 'e1', 'id', '7', 'subflow')
SECOND_BACKUP = endpoint('client', 'add', delay_box.CLIENT_2, 'dev', 'e1', 'id', '7', 'subflow',
                         'backup')
FIRST = endpoint('client', 'add', delay_box.CLIENT, 'dev', 'e0', 'id', '6', 'subflow')
ADVERTISE = endpoint('server', 'add', delay_box.SERVER_2, 'dev', 'e1', 'id', '9', 'signal')

SCENES = {
    'two': Scene('two connections of two subflows, both directions', up=200_000, down=80_000,
                 rate=500_000, connections=2, before=[SECOND]),
    'cut': Scene('path 1 dead from 0.4 to 1.9 s', up=500_000, down=1_000, rate=500_000,
                 before=[SECOND_BACKUP], then=[(0.4, box('1 cut')), (1.5, box('1 mend'))]),
    'loss': Scene('3 % of all packets lost on both paths', up=400_000, down=100_000, rate=600_000,
                  before=[SECOND, box('1 loss 0.03'), box('2 loss 0.03')]),
    'backup': Scene('path 2 is backup, is not from 0.4 s, is again from 0.9 s', up=500_000,
                    down=1_000, rate=350_000, before=[SECOND_BACKUP],
                    then=[(0.4, endpoint('client', 'change', 'id', '7', 'nobackup')),
                          (0.5, endpoint('client', 'change', 'id', '7', 'backup'))]),
    'address': Scene('the server advertises an address at 0.3 s and removes it at 0.9 s', up=200_000,
                     down=600_000, rate=450_000,
                     then=[(0.3, ADVERTISE), (0.6, endpoint('server', 'delete', 'id', '9'))]),
    'removed': Scene('the client removes the address of its first subflow at 0.6 s', up=400_000,
                     down=100_000, rate=400_000, before=[SECOND, FIRST],
                     then=[(0.6, endpoint('client', 'delete', 'id', '6'))]),
    'fastclose': Scene('the client gives up after 0.4 s', up=0, down=900_000, rate=600_000,
                       abort_after=0.4, before=[SECOND]),
    'checksum': Scene('checksums on; a byte changed on path 2, which falls out', up=160_000,
                      down=20_000, rate=400_000, full=True, before=[SECOND, checksums],
                      then=[(0.25, box('2 corrupt'))]),
    'fail': Scene('checksums on; a byte changed on the only subflow: infinite mapping', up=90_000,
                  down=1_000, rate=250_000, full=True, before=[checksums],
                  then=[(0.15, box('1 corrupt'))]),
    'fallback': Scene('the server speaks TCP only', up=20_000, down=5_000, server_protocol=0),
    'ipv6': Scene('two subflows over IPv6', up=100_000, down=30_000, rate=300_000,
                  host='fd61::2',
                  before=[endpoint('client', 'add', 'fd62::1', 'dev', 'e1', 'id', '8', 'subflow')]),
}


def set_up(network):
    for role in ('client', 'server'):
        for setting in ('net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.e0.rp_filter=0',
                        'net.ipv4.conf.e1.rp_filter=0', 'net.mptcp.enabled=1'):
            network.run(role, 'sysctl', '-q', '-w', setting)
        network.run(role, 'ip', 'mptcp', 'limits', 'set', 'subflows', '2', 'add_addr_accepted', '2')
    # From the client's second address every way leads over the second path.
    for family, source, gateway in (('-4', delay_box.CLIENT_2, delay_box.SERVER_2),
                                    ('-6', 'fd62::1', 'fd62::2')):
        network.run('client', 'ip', family, 'rule', 'add', 'from', source, 'table', '62')
        network.run('client', 'ip', family, 'route', 'add', 'default', 'via', gateway, 'dev', 'e1',
                    'table', '62')


def record(name, folder):
    """Plays one scene between hosts of its own; returns its rows of truth."""
    scene = SCENES[name]
    rows = []
    with delay_box.Network(*PATHS, rate=RATE) as network, contextlib.ExitStack() as captures:
        set_up(network)
        for action in scene.before:
            action(network)
        for role in ('client', 'server'):
            captures.enter_context(capture_of(
                [PORT], folder / f'mptcp_{name}-{role}.pcap', 'any',
                0 if scene.full else HEADERS, network.inside(role)))

        def start(role, protocol, count, expected, abort_after=0):
            words = [role, scene.host, protocol, count, expected, scene.rate, scene.connections,
                     abort_after]
            return subprocess.Popen(
                network.inside('server' if role == 'serve' else 'client', sys.executable, __file__,
                               '--peer', *words), stdout=subprocess.PIPE, text=True)

        server = start('serve', scene.server_protocol, scene.down, scene.up)
        assert server.stdout.readline() == 'listening\n'
        client = start('send', MPTCP, scene.up, scene.down, scene.abort_after)
        for pause, action in scene.then:
            time.sleep(pause)
            action(network)
        at = [dict(map(int, line.split()) for line in process.communicate()[0].splitlines())
              for process in (server, client)]
        time.sleep(0.5)
        for port in at[0]:
            rows.append((name, port, scene.up, at[0][port], scene.down, at[1][port]))
    return rows


def write_truth(path, rows):
    with open(path, 'w', encoding='ascii', newline='\n') as file:
        for row in [COLUMNS, *rows]:
            file.write('\t'.join(map(str, row)) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n', 1)[0])
    parser.add_argument('scenes', nargs='*', metavar='SCENE', help=', '.join(SCENES))
    parser.add_argument('--into', type=pathlib.Path, default=HERE)
    options = parser.parse_args()
    rows = []
    for name in options.scenes or SCENES:
        rows += record(name, options.into)
        print(*rows[-1])
    if not options.scenes:
        write_truth(options.into / 'mptcp.tsv', rows)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--peer']:
        peer(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:9]), float(sys.argv[9]))
    else:
        main()
