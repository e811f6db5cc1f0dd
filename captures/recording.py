"""What the recording scripts share: tcpdump, on the loopback interface or on hosts of their own, and
the truth file.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import contextlib
import socket
import subprocess
import time

HOST = '127.0.0.1'
COLUMNS = 'protocol sport dport kind id t_send t_recv'.split()


def wait_for_port(port, process):
    """Waits until `process` listens; fails when it has ended or after five seconds."""
    for _ in range(100):
        if process.poll() is not None:
            raise SystemExit(f'{process.args[0]} did not start (is port {port} free?)')
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((HOST, port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f'nothing listens on port {port}')


@contextlib.contextmanager
def capture_of(ports, path, interface='lo', snap_length=0, on=()):
    """Records the TCP ports while the block runs, with nanoseconds. `on`: what starts a command on
    the host that captures; `snap_length` 0: whole packets."""
    wanted = ' or '.join(f'tcp port {port}' for port in ports)
    tcpdump = subprocess.Popen(
        [*on, 'tcpdump', '-i', interface, '-Z', 'root', '-U', '--immediate-mode', '-B', '16384',
         '-w', str(path), '-s', str(snap_length), '--time-stamp-precision=nano', wanted],
        stderr=subprocess.PIPE, text=True)
    first_lines = iter(tcpdump.stderr.readline, '')  # ends when tcpdump does
    if not any('listening on' in line for line in first_lines):
        raise SystemExit(f'tcpdump does not capture on {interface}: run this as root')
    time.sleep(0.3)  # it says so a little before it listens
    try:
        yield
        time.sleep(0.5)  # the last packets
    finally:
        tcpdump.terminate()
        report = tcpdump.communicate()[1]
    if '\n0 packets dropped by kernel' not in report:
        raise SystemExit('packets are missing, try again: ' + report)


def write_truth(path, rows):
    """rows: one per request, in the order of COLUMNS; t_recv is 0 where nothing came."""
    with open(path, 'w', encoding='ascii', newline='\n') as file:
        for row in [COLUMNS, *sorted(rows, key=lambda row: row[5])]:
            file.write('\t'.join(map(str, row)) + '\n')
