"""The same source on Debian 13's Wireshark 4.4: it compiles without warnings, passes every test of
numbers there, and prints the same tables as here.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import subprocess

import pytest

import harness

CHROOT = harness.TOP / "packaging/chroot"
BUILD = "cd /src && cmake -S . -B build -G Ninja -DWIRELAT_WERROR=ON && cmake --build build"
RUN = """cd /src && . packaging/common.sh && run_tshark build/wirelat.so -n -q -r - \
    -o tcp.reassemble_out_of_order:TRUE -z mqtt,latency -z kafka,latency -z kafka,clients \
    -z mqtt,clients < captures/{capture}"""
NUMBERS = "test_truth.py test_readings.py test_tables.py test_recorded.py test_readme.py"


@pytest.fixture(scope="module")
def trixie():
    """Runs a shell command in the chroot; the plugin is built there."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("a chroot needs root and debootstrap")
    try:
        made = subprocess.run([CHROOT, "trixie", "true"], capture_output=True, text=True,
                              timeout=900)
    except subprocess.TimeoutExpired:
        pytest.skip("the chroot could not be made in time")
    if made.returncode != 0:
        pytest.skip("chroots cannot be made here: " + made.stderr[-300:])

    def shell(command):
        return subprocess.run([CHROOT, "trixie", "sh", "-c", command], capture_output=True,
                              text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    built = shell(BUILD)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return shell


def test_the_series_is_another_one(trixie):
    assert "4.4." in trixie("tshark --version").stdout


def test_every_test_of_numbers(trixie):
    run = trixie(f"cd /src/tests && /usr/bin/python3 -B -m pytest -q -p no:cacheprovider {NUMBERS}")
    assert run.returncode == 0, run.stdout[-5000:]
    assert " passed" in run.stdout.splitlines()[-1]


@pytest.mark.parametrize("capture", ["sample", "mqtt_ids", "kafka_ids"])
def test_same_tables(trixie, capture):
    run = trixie(RUN.format(capture=f"{capture}.pcapng"))
    assert run.returncode == 0, run.stderr
    here = harness.tshark(harness.CAPTURES / f"{capture}.pcapng", "-q", *harness.REASSEMBLE, "-z",
                          "mqtt,latency", "-z", "kafka,latency", "-z", "kafka,clients", "-z",
                          "mqtt,clients").out
    assert harness.tables(run.stdout) == harness.tables(here)
    assert sum(len(rows) for rows in harness.tables(here).values()) > 5
