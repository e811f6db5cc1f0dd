"""The fuzzers, for a few seconds each: that they still build, run, and find nothing.

The long runs are commands: tests/fuzz/parts and tests/fuzz/captures.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import importlib.machinery
import importlib.util
import random
import re
import shutil
import subprocess

import pytest

import harness

FUZZ = harness.TOP / "tests/fuzz"
PARTS = re.findall(r'^\s+"(\w+): ', (FUZZ / "CMakeLists.txt").read_text(), re.M)


@pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang")
@pytest.mark.parametrize("part", PARTS)
def test_part(part):
    """The same inputs each time: what a search finds by chance must not fail a change at random."""
    run = subprocess.run([FUZZ / "parts", "--runs", "15000", "--fresh", part],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (line,) = run.stdout.splitlines()
    assert int(re.search(r"([\d,]+) runs", line)[1].replace(",", "")) > 100, line


def captures_fuzzer():
    loader = importlib.machinery.SourceFileLoader("fuzz_captures", str(FUZZ / "captures"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.mark.skipif(not (harness.TOP / "build-asan/wirelat.so").exists(),
                    reason="needs build-asan/wirelat.so (tests/run builds it)")
def test_captures():
    run = subprocess.run([FUZZ / "captures", "--own", "--minutes", "0.4", "--jobs", "2"],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(re.match(r"(\d+) inputs", run.stdout)[1]) >= 5, run.stdout


FINE = (0, "\n=====\nrow 1\n", "")


@pytest.mark.parametrize("outcomes, expected", [
    ([FINE, FINE], "ok"),
    ([FINE, (0, "packet\n\n=====\nrow 2\n", "")], "passes differ"),
    ([FINE, (1, "", "ERROR: AddressSanitizer: heap-buffer-overflow\n#1 in take wirelat.so")],
     "crash"),
    ([(-6, "", "ERROR: AddressSanitizer: SEGV\n#1 in dissect_mptcp libwireshark.so")], "theirs"),
    ([(0, "", "** (tshark) CRITICAL: wirelat: no such field")], "message"),
    ([(None, "", ""), FINE], "time-out"),
    ([(None, "", ""), (None, "", "")], "theirs"),
])
def test_what_counts_as_a_failure(monkeypatch, outcomes, expected):
    fuzzer, left = captures_fuzzer(), list(outcomes)
    monkeypatch.setattr(fuzzer, "tshark", lambda *_, **__: left.pop(0))
    assert fuzzer.verdict("any")[0] == expected and not left


def test_mutations_change_what_they_say():
    """Each of them changes the frames, in a way that its seed alone decides."""
    fuzzer = captures_fuzzer()
    _, frames = fuzzer.read(harness.CAPTURES / "mqtt_basic.pcapng")
    for mutation in fuzzer.MUTATIONS:
        more = {"other": frames[:5]} if mutation is fuzzer.splice else {}
        results = [mutation(random.Random(7), list(frames), **more) for _ in range(2)]
        assert results[0] == results[1] != frames, mutation


def test_a_failing_input_gets_small(monkeypatch, tmp_path):
    """One frame of many makes it fail: it is found."""
    fuzzer, path = captures_fuzzer(), tmp_path / "input.pcap"
    link, frames = fuzzer.read(harness.CAPTURES / "mqtt_basic.pcapng")
    guilty = frames[17][1]
    monkeypatch.setattr(fuzzer, "verdict", lambda name: (
        "crash" if guilty in [data for _, data, _ in fuzzer.read(name)[1]] else "ok", ""))
    assert fuzzer.minimise(path, link, frames, "crash") < len(frames) / 4
    assert guilty in [data for _, data, _ in fuzzer.read(path)[1]]
