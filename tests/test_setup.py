"""Building, installing, switching off, the first command of the README, Lua, static checks.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import shutil
import subprocess

import pytest

import harness

SAMPLE = harness.CAPTURES / "sample.pcapng"


def tracked(*patterns):
    if not (harness.TOP / ".git").exists():
        pytest.skip("needs the repository")
    text = subprocess.run(["git", "ls-files", "--", *patterns], cwd=harness.TOP, check=True,
                          capture_output=True, text=True).stdout
    return text.splitlines()


def test_plugin_is_listed():
    run = subprocess.run(harness.command("tshark", "-G", "plugins"), capture_output=True,
                         text=True, cwd=harness.home())
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("wirelat")]
    assert re.match(r"wirelat(\.so)?\s+0\.1\.0\s+dissector", line)


@pytest.mark.parametrize("protocols, left", [
    (["wirelat"], []),
    (["wirelat.mqtt"], ["wirelat.kafka"]),
    (["wirelat.kafka"], ["wirelat.mqtt"]),
    (["wirelat.mqtt", "wirelat.kafka"], []),
])
def test_protocols_can_be_disabled(protocols, left):
    disabled = [part for name in protocols for part in ("--disable-protocol", name)]
    events = harness.events(SAMPLE, *disabled)
    assert {event["protocol"] for event in events} == set(left)


def test_first_command_of_the_readme():
    """As the README says it, on the sample; the tables are those of the plugin under test."""
    assert "packaging/try" in (harness.TOP / "README.md").read_text()
    run = subprocess.run([harness.TOP / "packaging/try"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = harness.tables(run.stdout)
    assert set(found) == {"Kafka Latency", "MQTT Latency"}
    assert {row["API"]: int(row["Answered"]) for row in found["Kafka Latency"]}["Metadata"] == 2


def test_first_command_takes_a_file_nobody_else_can_read(tmp_path):
    """Also as root, whose plugins Wireshark ignores."""
    capture = tmp_path / "mine.pcapng"
    shutil.copyfile(harness.CAPTURES / "kafka_basic.pcapng", capture)
    capture.chmod(0o600)
    run = subprocess.run([harness.TOP / "packaging/try", capture], capture_output=True, text=True)
    assert run.returncode == 0 and "ApiVersions" in run.stdout
    run = subprocess.run([harness.TOP / "packaging/try", tmp_path / "none"], capture_output=True,
                         text=True)
    assert run.returncode == 1 and "cannot read" in run.stderr and not run.stdout


@pytest.mark.skipif(shutil.which("gnuplot") is None, reason="needs gnuplot-nox")
def test_install_for_this_user(tmp_path):
    subprocess.run(["cmake", "-S", harness.TOP, "-B", tmp_path / "build", "-G", "Ninja"],
                   check=True, capture_output=True, env={**os.environ, "HOME": str(tmp_path)})
    subprocess.run(["cmake", "--build", tmp_path / "build", "--target", "install-user"],
                   check=True, capture_output=True, env={**os.environ, "HOME": str(tmp_path)})
    plugin = tmp_path / f".local/lib/wireshark/plugins/{harness.series()}/epan/wirelat.so"
    assert plugin.exists()
    for name in ("share/wirelat/lua/report.lua", "share/man/man4/wirelat.4",
                 "share/man/man1/wirelat-plot.1"):
        assert (tmp_path / ".local" / name).is_file()
    use_commands(tmp_path / ".local/bin", tmp_path, {"HOME": str(tmp_path)})
    # They use that user's plugin, and none but that.
    plugin.unlink()
    run = subprocess.run([tmp_path / ".local/bin/wirelat-plot", SAMPLE], capture_output=True,
                         text=True, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)})
    assert run.returncode == 1 and "not installed" in run.stderr


def use_commands(where, folder, environment):
    """wirelat-report and wirelat-plot as they were installed."""
    environment = {**os.environ, **environment}
    page, picture = folder / "page.html", folder / "sample-cdf.svg"
    subprocess.run([where / "wirelat-report", "--out", page, SAMPLE], check=True, env=environment)
    subprocess.run([where / "wirelat-plot", "--cdf", "--out", folder, SAMPLE], check=True,
                   env=environment)
    assert "Kafka" in page.read_text() and "<svg" in picture.read_text()


@pytest.mark.skipif(shutil.which("gnuplot") is None, reason="needs gnuplot-nox")
def test_install_for_every_user(tmp_path):
    """With another prefix, as a package has it: no command depends on the source tree."""
    subprocess.run(["cmake", "--install", harness.TOP / "build", "--prefix", tmp_path / "usr"],
                   check=True, capture_output=True)
    (plugin,) = tmp_path.glob("usr/lib*/**/wirelat.so")
    found = {str(path.relative_to(tmp_path / "usr/share/wirelat"))
             for path in (tmp_path / "usr/share/wirelat").rglob("*") if path.is_file()}
    assert found == {"wirelat-plot", "wirelat-report", "wirelat_capture.py",
                     "wirelat_pictures.py", "lua/report.lua", "lua/slow_exchanges.lua"}
    use_commands(tmp_path / "usr/bin", tmp_path, {"WIRELAT_PLUGIN": str(plugin)})


def lua(capture, *arguments, name="slow_exchanges", **options):
    script = harness.readable(harness.TOP / f"lua/{name}.lua")
    return harness.tshark(capture, "-q", "-X", f"lua_script:{script}", *arguments, **options)


def test_lua_slow_exchanges():
    times = [harness.time_of(event, "time") for event in harness.events(SAMPLE)
             if harness.time_of(event, "time") is not None]
    for limit in (0.1, 0.3):
        arguments = () if limit == 0.1 else ("-X", f"lua_script1:{limit}")
        lines = lua(SAMPLE, *arguments).out.splitlines()
        slow = sorted(time / 1e9 for time in times if time / 1e9 > limit)
        assert sorted(float(re.search(r"after ([\d.]+) s", line).group(1)) for line in lines) == \
            pytest.approx(slow, abs=1e-6) and len(slow) > 3


def test_lua_report():
    """The text of its window, which tshark prints."""
    header, *lines = lua(SAMPLE, name="report").out.splitlines()
    names = re.findall(r"\S+(?: \(ms\))?", header)
    rows = {line.split()[0]: dict(zip(names, map(float, line.split()[1:]))) for line in lines}
    assert set(rows) == {"Kafka", "MQTT"}
    for name, row in rows.items():
        times = [harness.time_of(event, "time") / 1e6 for event in harness.events(SAMPLE)
                 if f"wirelat.{name.lower()}.time" in event]
        expected = {"Answered": len(times), "Mean (ms)": sum(times) / len(times),
                    "Max (ms)": max(times), **{f"p{percent} (ms)": harness.nearest_rank(
                        times, percent) for percent in (50, 95, 99)}}
        assert row == pytest.approx(expected, abs=0.0006) and len(times) > 100


@pytest.mark.parametrize("name", ["slow_exchanges", "report"])
def test_lua_without_the_plugin(name):
    run = lua(SAMPLE, name=name, with_plugin=False)
    assert run.out.count("not loaded") == 1


@pytest.mark.parametrize("version", ["5.2", "5.4"])
def test_lua_compiles(version):
    for script in tracked("lua/*.lua"):
        subprocess.run([f"luac{version}", "-p", harness.TOP / script], check=True)


def test_luacheck():
    globals_of_wireshark = ["Field", "Listener", "MENU_TOOLS_UNSORTED", "TextWindow", "gui_enabled",
                            "register_menu", "retap_packets"]
    subprocess.run(["luacheck", "--no-color", "-q", "--std", "lua52+lua54", "--globals",
                    *globals_of_wireshark, "--", *tracked("lua/*.lua")], cwd=harness.TOP,
                   check=True)


def test_shellcheck():
    scripts = [name for name in tracked("packaging/*", "tests/run", "tests/series", ".ci/run")
               if (harness.TOP / name).read_bytes().startswith((b"#!/bin/sh", b"# Shell"))]
    assert len(scripts) >= 4
    subprocess.run(["shellcheck", "-x", "-P", harness.TOP, *scripts], cwd=harness.TOP, check=True)


def test_codespell():
    subprocess.run(["codespell", "--skip", "*.pcap,*.pcapng,*.png,COPYING,*.tsv", "-L",
                    "ans,te,ist,ro,fo,fro,numer,wan,inflight", *tracked()], cwd=harness.TOP, check=True)


def test_cppcheck():
    run = subprocess.run(["cppcheck", "--enable=warning,portability", "--inline-suppr", "--quiet",
                          "--error-exitcode=1", "--std=c11", "--suppress=unknownMacro",
                          *tracked("plugin/*.c", "taps/*.c")], cwd=harness.TOP,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind")
def test_valgrind():
    """The unit tests, two at a time; the two that count to millions are left to the sanitizers."""
    names = [str(path) for path in sorted((harness.TOP / "build/tests/unit").glob("test_*"))
             if path.is_file() and path.name not in ("test_health", "test_summary")]
    assert len(names) > 10
    run = subprocess.run(["xargs", "-P", "2", "-n", "1", "valgrind", "-q", "--error-exitcode=9",
                          "--leak-check=full", "--errors-for-leak-kinds=definite,indirect"],
                         input="\n".join(names), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(shutil.which("clang-tidy") is None, reason="needs clang-tidy")
def test_clang_tidy():
    """With the configuration in .clang-tidy; two files at a time. clang knows no gcc option of the
    whole-program build."""
    run = subprocess.run(["xargs", "-P", "2", "-n", "4", "clang-tidy", "--quiet", "-p",
                          "build-asan"],
                         input="\n".join(tracked("plugin/*.c", "taps/*.c")), cwd=harness.TOP,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_only_compat_knows_of_versions():
    for name in tracked("plugin/*", "taps/*"):
        text = (harness.TOP / name).read_text()
        assert name == "plugin/compat.h" or "WL_WIRESHARK" not in text
        assert name in ("plugin/compat.h", "plugin/wirelat.c") or \
            "WIRESHARK_VERSION" not in text
