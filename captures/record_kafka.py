#!/usr/bin/env python3
"""Records kafka_mock.pcap and .tsv: librdkafka clients against librdkafka's mock cluster.

    record_kafka.py [--into DIR]       as root: tcpdump on the loopback interface

Compiles record_kafka.c (Debian: gcc, librdkafka-dev), lets it open its brokers, captures their
ports, lets it run, and pairs what it says was sent and received. Broker 1 delays each answer by
20 ms, broker 2 by 45 ms. The ports are random: the truth file has them (dport), and the script
ends with the options that make tshark read them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from recording import capture_of, write_truth

HERE = pathlib.Path(__file__).resolve().parent
NAMES = {'ApiVersion': 'apiversions'}  # where librdkafka's name is not Kafka's
EVENT = re.compile(r'(?P<ns>\d+) (?P<port>\d+) (?P<broker>\d+) .*: (?P<what>Sent|Received) '
                   r'(?P<api>\w+?)(Request|Response) \(v\d+, .*CorrId (?P<id>\d+)')


def run_clients(capture_path):
    """The events of the run and the ports of the brokers."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / 'record_kafka'
        subprocess.run(['gcc', '-std=gnu11', '-Wall', '-o', program, HERE / 'record_kafka.c',
                        '-lrdkafka'], check=True)
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as clients:
            ports = clients.stdout.readline().split()[1].split(',')
            with capture_of(ports, capture_path):
                output, _ = clients.communicate('go\n', timeout=120)
        if clients.returncode:
            raise SystemExit('the clients failed')
    return [match for match in map(EVENT.match, output.splitlines()) if match], ports


def pair(events):
    """One row per request, in the order of recording.COLUMNS."""
    rows, pending = [], {}
    for event in events:
        port, broker, number, now = (int(event[name]) for name in ('port', 'broker', 'id', 'ns'))
        if event['what'] == 'Sent':
            kind = NAMES.get(event['api'], event['api'].lower())
            pending[port, number] = 'kafka', port, broker, kind, number, now
        else:
            rows.append((*pending.pop((port, number)), now))
    return rows + [(*request, 0) for request in pending.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--into', type=pathlib.Path, default=HERE)
    chosen = parser.parse_args()
    events, ports = run_clients(chosen.into / 'kafka_mock.pcap')
    write_truth(chosen.into / 'kafka_mock.tsv', pair(events))
    print(' '.join(f'-d tcp.port=={port},kafka' for port in ports))


if __name__ == '__main__':
    main()
