#!/usr/bin/env python3
"""Records mqtt_mosquitto.pcap and .tsv: a real broker, and a client that notes its own times.

    record_mqtt.py [--into DIR] [--port 1883]       as root: tcpdump on the loopback interface

A mosquitto of our own is started on the port. The measured client speaks MQTT 3.1, 3.1.1 and 5.0
over a raw socket and stamps each send() and the recv() that completed each answer; that is the
truth file. mosquitto_pub and mosquitto_sub run beside it, without truth.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import pathlib
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from gen import mqtt
from recording import HOST, capture_of, wait_for_port, write_truth

ANSWER_KINDS = {mqtt.TYPES[answer]: kinds for answer, kinds in (
    ('connack', ('connect',)), ('puback', ('pub1',)), ('pubcomp', ('pub2',)),
    ('suback', ('subscribe',)), ('unsuback', ('unsubscribe',)), ('pingresp', ('ping',)))}
WITHOUT_ID = {mqtt.TYPES['connack'], mqtt.TYPES['pingresp']}
BURST = 20


class Client:
    """Sends messages; a thread receives, acknowledges what the broker publishes, takes times."""

    def __init__(self, name, version, port):
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ports = self.socket.getsockname()[1], port
        self.pending, self.rows, self.changed = {}, [], threading.Condition()
        self.receiver = threading.Thread(target=self._receive, daemon=True)
        self.receiver.start()
        self.ask(mqtt.connect(name, version))

    def send(self, *messages):
        """Back to back in one send(); the time is taken before it."""
        with self.changed:
            now = time.time_ns()
            for message in messages:
                self.pending[message.kind, message.id] = now
            self.socket.sendall(b''.join(message.data for message in messages))

    def ask(self, *messages):
        self.send(*messages)
        self.settle()

    def settle(self):
        """Waits until nothing but QoS 0 publishes is pending."""
        with self.changed:
            if not self.changed.wait_for(lambda: all(k == 'pub0' for k, _ in self.pending), 10):
                raise TimeoutError(f'no answer to {self.pending}')

    def close(self):
        """Returns one row per request (t_recv is 0 for QoS 0)."""
        self.socket.sendall(mqtt.disconnect().data)
        self.receiver.join()  # ends when the broker closes the connection
        self.socket.close()
        open_ones = [(kind, number, sent, 0) for (kind, number), sent in self.pending.items()]
        return [('mqtt', *self.ports, *row) for row in self.rows + open_ones]

    def _receive(self):
        data = b''
        while chunk := self.socket.recv(65_536):
            now, data = time.time_ns(), data + chunk
            while packet := _first_packet(data):
                data = data[len(packet):]
                self._take(packet, now)

    def _take(self, packet, now):
        kind, flags = packet[0] >> 4, packet[0] & 0x0f
        body = packet[2 if packet[1] < 0x80 else 3 if packet[2] < 0x80 else 4:]
        if kind == mqtt.TYPES['publish']:
            self._acknowledge(flags >> 1 & 3, body)
            return
        number = 0 if kind in WITHOUT_ID else int.from_bytes(body[:2], 'big')
        if kind == mqtt.TYPES['pubrec']:
            self.socket.sendall(mqtt.pubrel(number).data)
        elif kind == mqtt.TYPES['pubrel']:
            self.socket.sendall(mqtt.pubcomp(number).data)
        with self.changed:
            for request in ANSWER_KINDS.get(kind, ()):
                sent = self.pending.pop((request, number))
                self.rows.append((request, number, sent, now))
            self.changed.notify_all()

    def _acknowledge(self, qos, body):
        after_topic = 2 + int.from_bytes(body[:2], 'big')
        number = int.from_bytes(body[after_topic:after_topic + 2], 'big')
        if qos:
            self.socket.sendall((mqtt.puback, mqtt.pubrec)[qos - 1](number).data)


def _first_packet(data):
    """The first complete control packet of the bytes received, or nothing."""
    length = shift = 0
    for at, byte in enumerate(data[1:5], 2):
        length |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return data[:at + length] if len(data) >= at + length else b''
    return b''


def session(version, port):
    """One connection: every kind of exchange, a long publish, a pipelined burst."""
    client = Client(f'raw-v{version}', version, port)
    topic = f'lab/v{version}'

    def publish(size, qos, number):
        return mqtt.publish(topic, size, qos, number, version)

    client.ask(mqtt.subscribe(1, topic, qos=2, version=version))
    for number, (qos, size) in enumerate(((0, 100), (1, 100), (2, 100), (1, 9_000), (2, 9_000)), 2):
        client.ask(publish(size, qos, number if qos else 0))
        time.sleep(0.01)
    client.ask(*(publish(60, 1, number) for number in range(100, 100 + BURST)))
    client.ask(*(publish(60, 2, number) for number in range(200, 200 + BURST)))
    client.ask(mqtt.pingreq())
    client.ask(mqtt.unsubscribe(9, topic, version=version))
    return client.close()


def other_clients(port):
    """mosquitto_sub gets what mosquitto_pub sends, with QoS 1 and 2."""
    where = ['-h', HOST, '-p', str(port), '-t', 'lab/clients']
    subscriber = subprocess.Popen(['mosquitto_sub', *where, '-q', '2', '-C', '6', '-i', 'lab-sub'],
                                  stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    for qos in ('0', '1', '2'):
        subprocess.run(['mosquitto_pub', *where, '-q', qos, '-i', 'lab-pub-' + qos, '-l'],
                       input=b'first line\nsecond line\n', check=True)
    subscriber.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--into', type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument('--port', type=int, default=1883)
    chosen = parser.parse_args()
    broker = subprocess.Popen(['mosquitto', '-p', str(chosen.port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(chosen.port, broker)
        with capture_of([chosen.port], chosen.into / 'mqtt_mosquitto.pcap'):
            rows = [row for version in (3, 4, 5) for row in session(version, chosen.port)]
            other_clients(chosen.port)
    finally:
        broker.terminate()
        broker.wait()
    write_truth(chosen.into / 'mqtt_mosquitto.tsv', rows)


if __name__ == '__main__':
    main()
