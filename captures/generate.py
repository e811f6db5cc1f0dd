#!/usr/bin/env python3
"""Writes the generated captures of this folder: NAME.pcapng and its truth, NAME.tsv.

    generate.py                             everything, the same bytes each time
    generate.py --into DIR [NAME ...]       somewhere else, or only some
    generate.py --list                      files, ports, scenes
    generate.py --bench N KIND FILE         a big capture of N packets; KIND: mqtt, kafka, other,
                                            mptcp
    generate.py --bench N KIND FILE --streams 500 --pdus 60 --first 1000
    generate.py --hostile N SHAPE FILE      N requests (or what the shape counts) to choke on

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import functools
import pathlib
import sys

sys.dont_write_bytecode = True  # the folder holds sources and captures only

# pylint: disable=wrong-import-position
from gen import (bench, hostile, sample, scenes_kafka, scenes_mqtt, scenes_mqttsn,
                 scenes_websocket)
from gen.scene import FIRST_PORT, KafkaTalk, MqttTalk, WebSocketTalk, record

FILES = {
    **{name: functools.partial(record, MqttTalk, scenes)
       for name, scenes in scenes_mqtt.SCENES.items()},
    **{name: functools.partial(record, KafkaTalk, scenes)
       for name, scenes in scenes_kafka.SCENES.items()},
    **{name: functools.partial(record, WebSocketTalk, scenes)
       for name, scenes in scenes_websocket.SCENES.items()},
    'mqttsn': scenes_mqttsn.record,
    'sample': sample.record,
}


def list_scenes():
    for name, scenes in {**scenes_mqtt.SCENES, **scenes_kafka.SCENES,
                         **scenes_websocket.SCENES, **scenes_mqttsn.SCENES}.items():
        for port, (scene, options) in enumerate(scenes, FIRST_PORT):
            title = options.get('name', scene.__name__.replace('_', '-'))
            print(name, port, title, scene.__doc__ or '', sep='\t')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('names', nargs='*', metavar='NAME', help='of: ' + ' '.join(FILES))
    parser.add_argument('--into', metavar='DIR', type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent)
    parser.add_argument('--list', action='store_true', help='say what the files hold')
    parser.add_argument('--bench', nargs=3, metavar=('N', 'KIND', 'FILE'))
    parser.add_argument('--streams', type=int, default=100, help='of --bench (default 100)')
    parser.add_argument('--pdus', type=int, default=0,
                        help='of --bench mqtt: packets in each frame with data (default: a mix)')
    parser.add_argument('--first', type=int, default=0, help='of --bench: the first client')
    parser.add_argument('--hostile', nargs=3, metavar=('N', 'SHAPE', 'FILE'),
                        help='of: ' + ' '.join(hostile.SHAPES))
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(FILES)
    if unknown:
        parser.error('no such capture: ' + ' '.join(sorted(unknown)))
    if chosen.bench and (not chosen.bench[0].isdigit() or chosen.bench[1] not in bench.KINDS):
        parser.error('--bench takes a number of packets and one of: ' + ' '.join(bench.KINDS))
    if chosen.hostile and (not chosen.hostile[0].isdigit() or
                           chosen.hostile[1] not in hostile.SHAPES):
        parser.error('--hostile takes a number and one of: ' + ' '.join(hostile.SHAPES))
    return chosen


def main():
    chosen = arguments()
    if chosen.list:
        list_scenes()
    elif chosen.bench:
        packets, kind, path = chosen.bench
        bench.write(path, kind, int(packets), chosen.streams, chosen.first, chosen.pdus)
    elif chosen.hostile:
        count, shape, path = chosen.hostile
        hostile.write(shape, int(count), path)
    else:
        for name in chosen.names or FILES:
            FILES[name]().write(chosen.into / name)


if __name__ == '__main__':
    main()
