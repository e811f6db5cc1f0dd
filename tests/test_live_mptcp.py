"""Live MPTCP: scenes of captures/record_mptcp.py recorded anew between two namespaces, against what
the programs counted and the delays that were set.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib
import socket
import subprocess
import sys

import pytest

import delay_box
import harness
from test_mptcp_oracle import check_own_capture

sys.path.insert(0, str(harness.CAPTURES))
import record_mptcp  # noqa: E402  (beside the captures)


def problem():
    """Why there can be no such recording here, or None."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, record_mptcp.MPTCP).close()
    except OSError as error:
        return f"the kernel has no MPTCP: {error}"
    if not pathlib.Path("/proc/sys/net/mptcp/enabled").exists():
        return "the kernel has no MPTCP"
    if subprocess.run(["ip", "mptcp", "limits"], capture_output=True).returncode != 0:
        return "ip mptcp does not work"
    return delay_box.problem()


pytestmark = pytest.mark.skipif(problem() is not None, reason=str(problem()))

# What each scene must show at the sender whose data it is about: kinds of repeated data.
SCENES = {"two": {}, "cut": {2}, "loss": {1}, "address": {3}, "fastclose": {}, "checksum": {3}}


@pytest.mark.parametrize("scene", SCENES)
def test_scene(scene, tmp_path):
    rows = record_mptcp.record(scene, tmp_path)
    truth = {row[:2]: dict(zip(record_mptcp.COLUMNS, row)) for row in rows}
    seen = set()
    for end in ("client", "server"):
        for direction in check_own_capture(tmp_path / f"mptcp_{scene}-{end}.pcap", truth):
            seen |= {repeat.kind for repeat in direction.repeats}
    assert SCENES[scene] <= seen if SCENES[scene] else True
