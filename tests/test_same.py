"""Another compilation of the same sources gives the same results: what tests/same_results compares
before and after a change, and that it would tell a difference.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import subprocess

import pytest

import harness
import same

CAPTURES = ["mqtt_framing", "mqtt_ids", "kafka_framing", "kafka_ids", "sample"]


@pytest.fixture(scope="module")
def unoptimised(tmp_path_factory):
    """Order of evaluation, padding and memory that was never written differ in it."""
    folder = tmp_path_factory.mktemp("unoptimised")
    for line in (["cmake", "-S", harness.TOP, "-B", folder, "-G", "Ninja",
                  "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_C_FLAGS=-O0 -ftrivial-auto-var-init=pattern"],
                 ["cmake", "--build", folder, "--target", "wirelat"]):
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "wirelat.so"


@pytest.mark.parametrize("name", CAPTURES)
def test_unoptimised_build_gives_the_same(name, unoptimised):
    assert same.differences(harness.CAPTURES / f"{name}.pcapng", unoptimised, harness.PLUGIN) == {}


def test_a_difference_is_found(unoptimised):
    """An answer that is late for one of them: a cell of several tables, and no field."""
    found = same.differences(harness.CAPTURES / "sample.pcapng", unoptimised, harness.PLUGIN,
                             more=("-o", "wirelat.late_after:0"))
    assert set(found) == {"tables", "tables, all streams"}
    assert any(line.startswith("+") for line in found["tables"])
