"""The same source on other Wireshark series, in other releases of Debian (packaging/chroot): it
compiles without warnings, passes the tests of the numbers that matter there, prints the same tables
as here, and opens in their GUI on the screen of this machine. tests/series runs everything there.

sid moves: one that cannot be installed today is reported and no failure.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import functools
import os
import shutil
import subprocess

import pytest

import compare
import gui
import harness

CHROOT = harness.TOP / "packaging/chroot"
SUITES = {"trixie": "4.4", "sid": "4.6"}
BUILD = "cd /src && cmake -S . -B build -G Ninja -DWIRELAT_WERROR=ON && cmake --build build"
# Truth files, every way to read a field, tables, recordings with the truth of their clients.
NUMBERS = """test_truth.py test_readings.py test_sharkd.py test_tables.py test_recorded.py test_readme.py
    test_invented.py test_websocket.py test_profiles.py test_mqttsn.py"""
# Left to tests/series: dozens of invented conversations take longer than all the others.
LONG = "(test_invented or test_websocket) and (test_every_event or test_missing_frames)"
LIMIT = 1800  # seconds: a tshark that hangs there must not hang the tests here
TABLES = {"mqtt,latency": "MQTT Latency", "mqtt,clients": "MQTT Latency by Client",
          "kafka,latency": "Kafka Latency", "kafka,clients": "Kafka Latency by Client"}

both = pytest.mark.parametrize("suite", SUITES)


@functools.cache
def missing(suite):
    """Why there is no Debian of this suite, or None: then the plugin is built in it."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        return "a chroot needs root and debootstrap"
    try:
        made = subprocess.run([CHROOT, suite, "true"], capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        return f"{suite} could not be installed in time"
    return None if made.returncode == 0 else f"{suite} cannot be installed: {made.stderr[-300:]}"


def start(suite, command):
    return subprocess.Popen([CHROOT, suite, "sh", "-c", command], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
                            env={**os.environ, "LC_ALL": "C.UTF-8"})


@functools.cache
def built(suite):
    process = start(suite, BUILD)
    output = "".join(process.communicate())
    return process.returncode, output


def shell(suite, command):
    """Runs a shell command where the plugin is built; skips where there is no such place."""
    if missing(suite):
        pytest.skip(missing(suite))
    assert built(suite)[0] == 0, built(suite)[1][-3000:]
    process = start(suite, command)
    out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@functools.cache
def numbers(suite):
    return start(suite, f"cd /src/tests && exec timeout {LIMIT} /usr/bin/python3 -B -m pytest "
                        f"-q -p no:cacheprovider -k 'not ({LONG})' {' '.join(NUMBERS.split())}")


@both
def test_builds_without_warnings(suite):
    assert f"{SUITES[suite]}." in shell(suite, "tshark --version").stdout
    assert "warning" not in built(suite)[1]


@both
def test_numbers(suite):
    shell(suite, "true")
    for other in SUITES:  # both at once: each waits for its tshark most of the time
        if not missing(other) and built(other)[0] == 0:
            numbers(other)
    out, err = numbers(suite).communicate()
    assert numbers(suite).returncode == 0, out[-5000:] + err[-1000:]
    assert " passed" in out.splitlines()[-1]


@both
def test_same_tables(suite):
    wanted = [part for name in TABLES for part in ("-z", name)]
    for capture in ("sample", "mqtt_ids", "kafka_ids"):
        run = shell(suite, "cd /src && . packaging/common.sh && run_tshark build/wirelat.so -n -q "
                           f"-r - {' '.join((*harness.REASSEMBLE, *wanted))} "
                           f"< captures/{capture}.pcapng")
        assert run.returncode == 0, run.stderr
        here = harness.tshark(harness.CAPTURES / f"{capture}.pcapng", "-q", *harness.REASSEMBLE,
                              *wanted).out
        assert harness.tables(run.stdout) == harness.tables(here)
        assert sum(len(rows) for rows in harness.tables(here).values()) > 5


@pytest.fixture
def desktop(suite, tmp_path):
    """The screen of this machine, for that series' Wireshark."""
    shell(suite, "true")
    if gui.missing_programs():
        pytest.skip("needs " + ", ".join(gui.missing_programs()))
    with open(tmp_path / "wirelat.so", "wb") as plugin:
        subprocess.run([CHROOT, suite, "cat", "/src/build/wirelat.so"], check=True, stdout=plugin)
    with gui.Desktop(tmp_path / "wirelat.so", suite=suite, timeout=120) as screen:
        yield screen


@both
def test_windows(suite, desktop):
    """Every table opens in that series' Wireshark, and its Copy gives the rows that tshark has."""
    listed = shell(suite, "cd /src && . packaging/common.sh && "
                          "run_tshark build/wirelat.so -z help 2>&1")
    assert set(compare.statistics()) <= set(map(str.strip, listed.stdout.splitlines()))
    assert len(compare.statistics()) >= 18
    for statistic in compare.statistics():
        compare.window(desktop, statistic)


@both
@pytest.mark.parametrize("path", compare.UNWRITABLE)
def test_window_stays_where_an_export_cannot_be_written(suite, desktop, path):
    compare.stays_without_export(desktop, path)


def test_suite_that_cannot_be_installed(tmp_path):
    """Reported with its name and debootstrap's reason; only of sid it is no failure."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("a chroot needs root and debootstrap")
    nowhere = {**os.environ, "WIRELAT_CHROOTS": str(tmp_path),
               "WIRELAT_MIRROR": "http://127.0.0.1:9/debian"}
    command = harness.TOP / "tests/series"
    for suites, status in ((["sid"], 0), (["sid", "trixie"], 1)):
        run = subprocess.run([command, *suites], env=nowhere, capture_output=True, text=True)
        assert run.returncode == status, run.stderr
        for suite in suites:
            assert f"{suite} cannot be installed: nothing was tested there" in run.stderr
        assert "http://127.0.0.1:9/debian" in run.stderr  # what debootstrap tried


@both
def test_package_that_cannot_be_installed(suite):
    """The command inside is not run, and apt says which package it was."""
    shell(suite, "true")
    run = subprocess.run([CHROOT, "--with", "wirelat-no-such-package", suite, "echo", "inside"],
                         capture_output=True, text=True)
    assert run.returncode != 0 and "inside" not in run.stdout
    assert "wirelat-no-such-package" in run.stderr


def test_installation_that_was_interrupted():
    """The next one that installs something puts the system in order first."""
    if missing("bookworm"):
        pytest.skip(missing("bookworm"))
    run = subprocess.run([CHROOT, "bookworm", "sh", "-euc", """
        sed '/^$/q' /var/lib/dpkg/status >/var/lib/dpkg/updates/0000
        sed -i '/^hello$/d' /.wirelat-packages"""], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    run = subprocess.run([CHROOT, "--with", "hello", "bookworm", "hello"], capture_output=True,
                         text=True)
    assert run.returncode == 0 and "Hello" in run.stdout, run.stderr
