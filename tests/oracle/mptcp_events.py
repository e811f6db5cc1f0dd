"""The events of MPTCP connections, from their options: (frame, kind, subflow, detail).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ipaddress

from . import mptcp_options as mp
from .packets import ACK, RST, SYN


def _address(option):
    text = str(ipaddress.ip_address(option.address))
    if option.port:
        text = f"[{text}]:{option.port}" if ":" in text else f"{text}:{option.port}"
    return f"id {option.address_id} {text}"


def _option(option, p, announced, subflow):
    """What one option says; (kind, detail) or None."""
    side = subflow.side(p)
    if option.subtype == mp.ADD_ADDR and option.echo:
        since = announced.get((1 - side, _address(option)))
        after = f" after {(p.s.time - since) / 1e6:.3f} ms" if since is not None else ""
        return "ADD_ADDR echo", _address(option) + after
    if option.subtype == mp.ADD_ADDR:
        announced.setdefault((side, _address(option)), p.s.time)
        return "ADD_ADDR", _address(option)
    if option.subtype == mp.PRIO:
        return "MP_PRIO", f"subflow {subflow.number} is {'backup' if option.backup else 'regular'}"
    if option.subtype == mp.FAIL:
        return "MP_FAIL", ""
    if option.subtype == mp.FASTCLOSE:
        return "MP_FASTCLOSE", ""
    if option.subtype == mp.TCPRST:
        return "MP_TCPRST", f"reason {option.reason}"
    if option.subtype == mp.DSS and option.data_length == 0 and option.dsn is not None:
        return "Infinite mapping", ""
    return None


def _after_prio(connection, both):
    """The first data on a subflow that became regular, the last on one that became backup, until the
    next MP_PRIO of it. The frame is that of the data."""
    orders = {}
    for subflow, p in connection.packets():
        for o in p.options:
            if o.subtype == mp.PRIO:
                orders.setdefault(subflow.number, []).append((p.s.frame, p.s.time, o.backup))
    found = []
    for number, changes in orders.items():
        sent = sorted((frame, time) for d in both for frame, time, subflow in d.sent
                      if subflow == number)
        for at, (frame, time, backup) in enumerate(changes):
            until = changes[at + 1][0] if at + 1 < len(changes) else 2**62
            between = [(f, t) for f, t in sent if frame < f < until]
            if between and not backup:
                found.append((between[0][0], "Data started", number,
                              f"{(between[0][1] - time) / 1e6:.3f} ms after MP_PRIO"))
            if between and backup:
                found.append((between[-1][0], "Data stopped", number,
                              f"the last {(between[-1][1] - time) / 1e6:.3f} ms after MP_PRIO"))
    return found


ONCE = {"Infinite mapping", "Checksum required"}


def events(connection, both):
    """Those of one connection, in the order of the file. `both`: its directions."""
    found, announced, once, reset = [], {}, set(), set()
    for subflow, p in connection.packets():
        side, options = subflow.side(p), p.options
        says = [s for s in (_option(o, p, announced, subflow) for o in options) if s]
        for o in options:
            if o.subtype == mp.REMOVE_ADDR:
                says += [("REMOVE_ADDR", f"id {number}") for number in o.ids]
            if o.subtype == mp.CAPABLE and o.checksum_required:
                says.append(("Checksum required", ""))
        if p.s.flags & (SYN | ACK) == SYN and p is subflow.steps[0] and subflow.number:
            says.append(("MP_JOIN", "as backup" if p.option(mp.JOIN).backup else ""))
        if p.s.flags & RST:
            if subflow.number not in reset and not any(o.subtype == mp.TCPRST for o in options):
                says.append(("RST", ""))
            reset.add(subflow.number)
        for kind, detail in says:
            key = kind, side if kind == "Infinite mapping" else None
            if kind not in ONCE or key not in once:
                found.append((p.s.frame, kind, subflow.number, detail))
            once.add(key)
    found += _after_prio(connection, both)
    for direction in both:
        if direction.data_fin:
            found.append((direction.data_fin[0], "DATA_FIN", None, ""))
        if direction.fin_acked:
            after = (direction.fin_acked[1] - direction.data_fin[1]) / 1e6
            found.append((direction.fin_acked[0], "DATA_FIN acknowledged", None,
                          f"after {after:.3f} ms"))
    return sorted(found, key=lambda event: event[0])
