"""What the fields wirelat.mptcp.* of each frame must be: {frame: {field: values}}.

Fields of one thing stand together in a tuple, in the order of GROUPS; a frame may have several.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import ipaddress

from . import mptcp, mptcp_data, tcp_path
from . import mptcp_options as mp

GROUPS = {
    "where": ("stream", "subflow", "path"),
    "ack_rtt": ("ack_rtt",),
    "dack": ("dack_subflow",),
    "released": ("hol_released", "hol_max"),
    "unique": ("unique_bytes",),
    "duplicate": ("duplicate", "original", "duplicate_delay", "duplicate_useful",
                  "duplicate_bytes"),
    "acked": ("acked_bytes",),
    "dack_rtt": ("dack_rtt", "dack_of", "data_subflow"),
    "map_rtt": ("map_rtt", "map_of"),
    "hol_delay": ("hol_delay",),
    "reorder": ("reorder_bytes",),
    **{name: (name,) for name in (
        "synack_time", "third_ack_time", "fourth_ack_time", "handshake_time", "join_time",
        "join_delay", "first_data_delay", "add_addr_echo_time", "add_addr_join_time", "hmac_ok",
        "checksum_ok")},
}


class Fields(collections.defaultdict):
    def __init__(self):
        super().__init__(lambda: collections.defaultdict(list))

    def add(self, frame, group, *values):
        self[frame][group].append(values)


def path_name(subflow):
    client, server = (ipaddress.ip_address(subflow.stream.ends[subflow.end(side)][0])
                      for side in range(2))
    return f"{client} - {server}"


def _handshakes(fields, connection):
    first_syn = connection.subflows[0].steps[0]
    for subflow in connection.subflows:
        syn, answer, third, fourth = (p.s if p else None for p in subflow.steps)
        join = subflow.number > 0
        if syn and join and first_syn:
            fields.add(syn.frame, "join_delay", syn.time - first_syn.s.time)
        if syn and answer:
            fields.add(answer.frame, "synack_time", answer.time - syn.time)
        if answer and third:
            fields.add(third.frame, "third_ack_time", third.time - answer.time)
        if syn and third and not join:
            fields.add(third.frame, "handshake_time", third.time - syn.time)
        if third and fourth and join:
            fields.add(fourth.frame, "fourth_ack_time", fourth.time - third.time)
            if syn:
                fields.add(fourth.frame, "join_time", fourth.time - syn.time)
        established = fourth if join else third
        if established:
            data = subflow.stream.first(lambda p: p.s.length > 0)
            if data and data.s.frame >= established.frame:
                fields.add(data.s.frame, "first_data_delay", data.s.time - established.time)


def _hmacs(fields, connection):
    for subflow in connection.subflows[1:]:
        keys = [connection.keys[side ^ subflow.swap] for side in range(2)]  # opener's first
        nonces = [None, None]
        if None in keys:
            continue
        for p in subflow.stream.packets:
            o = p.option(mp.JOIN)
            if o is None:
                continue
            sender = int(p.end != subflow.opener)
            if o.nonce:
                nonces[sender] = o.nonce
            if o.hmac and None not in nonces:
                right = mp.join_hmac(connection.version, (keys[sender], keys[1 - sender]),
                                     (nonces[sender], nonces[1 - sender]))
                fields.add(p.s.frame, "hmac_ok", int(right[:len(o.hmac)] == o.hmac))


def _addresses(fields, connection):
    announced, first = {}, {}
    for subflow, p in connection.packets():
        side = subflow.side(p)
        for o in p.options:
            if o.subtype != mp.ADD_ADDR:
                continue
            key = (side ^ o.echo, o.address_id, o.address, o.port)
            if not o.echo:
                announced.setdefault(key, p)
                first.setdefault(key, p)
                keys = connection.keys[side], connection.keys[1 - side]
                if o.hmac and None not in keys:
                    fields.add(p.s.frame, "hmac_ok", int(mp.add_addr_hmac(keys, o) == o.hmac))
            elif key in announced and announced[key] is not None:
                fields.add(p.s.frame, "add_addr_echo_time", p.s.time - announced[key].s.time)
                announced[key] = None
    for (side, _, address, port), p in first.items():
        joins = [f.steps[0].s for f in connection.subflows[1:] if f.steps[0]
                 and f.side(f.steps[0]) != side and f.steps[0].s.target[0] == address
                 and f.steps[0].s.target[1] in (port or f.steps[0].s.target[1],)
                 and f.steps[0].s.frame > p.s.frame]
        if joins:
            fields.add(joins[0].frame, "add_addr_join_time", joins[0].time - p.s.time)


def _data(fields, connection, direction):
    for piece in direction.pieces:
        values = fields[piece.frame]["unique"]
        values[:] = [((values[0][0] if values else 0) + piece.end - piece.start,)]
        if piece.released is not None:
            fields.add(piece.frame, "hol_delay", piece.released - piece.time)
        if piece.waiting:
            fields[piece.frame]["reorder"] = [(piece.waiting,)]
    by_key = collections.Counter()
    for r in direction.repeats:
        by_key[r.frame, r.kind, r.original, r.delay, int(r.useful)] += r.end - r.start
    for (frame, *rest), size in by_key.items():
        fields.add(frame, "duplicate", *rest, size)
    released = collections.defaultdict(list)
    for piece in direction.held:
        released[piece.released_by].append(piece)
    for frame, pieces in released.items():
        fields.add(frame, "released", len(pieces), max(p.released - p.time for p in pieces))
    for s in direction.samples:
        fields.add(s.frame, "dack_rtt", s.time, s.piece.frame, s.piece.subflow)
    for s in direction.map_samples:
        fields.add(s.frame, "map_rtt", s.time, s.piece.frame)
    for frame, subflow, size in direction.advances:
        fields.add(frame, "acked", size)
        if not fields[frame]["dack"]:
            fields.add(frame, "dack", subflow)
    for _, frame, right in direction.checksums:
        fields.add(frame, "checksum_ok", int(right))


def expected(path):
    """(fields by frame, connections, their directions)."""
    fields, found = Fields(), mptcp.connections(path)[0]
    rtts = {}
    for stream in tcp_path.streams(path):
        for half in stream.halves:
            for frame, rtt in zip(half.rtt_frames, half.rtts):
                rtts[frame] = rtt
    everything = []
    for number, connection in enumerate(found):
        for subflow, p in connection.packets():
            fields.add(p.s.frame, "where", number, subflow.number, path_name(subflow))
            if p.s.frame in rtts:
                fields.add(p.s.frame, "ack_rtt", rtts[p.s.frame])
        _handshakes(fields, connection)
        _hmacs(fields, connection)
        _addresses(fields, connection)
        both = mptcp_data.directions(connection)
        everything.append(both)
        for direction in both:
            _data(fields, connection, direction)
    return fields, found, everything
