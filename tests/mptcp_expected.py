"""Reads NAME.expected.txt of the shared captures: another analysis of the same files.

    connection 0 v1 client token 0x83708287 server token 0x92b7cd4e, 2 subflow(s)
      subflow 10.99.1.1:38784 -> 10.99.1.2:5001  ... start=+0.000 ms handshake=20.440 ms ...
      to server: idsn=... unique_dsn_bytes=600000 ...
         data_ack_rtt n=206 min=20.811 ...

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re

PAIR = re.compile(r"(\w+)=([+\d.]+)(?:/(\d+))?")


def values(line):
    return {name: float(value) if "." in value else int(value)
            for name, value, _ in PAIR.findall(line)}


def read(path):
    """Connections in order: tokens, subflows, and a dictionary of lines by direction (0, 1)."""
    found = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("connection"):
            tokens = [int(word, 16) for word in re.findall(r"0x[0-9a-f]+", line)]
            found.append({"version": int(words[2][1:]), "tokens": tokens, "subflows": [],
                          "sides": [{}, {}], "echoes": []})
        elif line.startswith("  subflow"):
            port = int(words[1].rsplit(":", 1)[1])
            found[-1]["subflows"].append({"port": port, "backup": int("backup=1" in line),
                                          **values(line)})
        elif line.startswith(("  to server:", "  to client:")):
            side = found[-1]["sides"]["to client" in line]
            side.update(values(line))
        elif "data_ack_rtt" in line:
            side["data_ack_rtt"] = values(line)
        elif "out_of_order" in line:
            before, after = line.split("hol_delay")
            side["delayed"], side["arrived"] = map(int, re.findall(r"(\d+)/(\d+)", before)[0])
            side["max_buffer"] = values(before)["max_buffer"]
            side["hol_delay"] = values(after)
        elif "ADD_ADDR" in line:
            found[-1]["echoes"].append(float(words[-2]))
    return found
