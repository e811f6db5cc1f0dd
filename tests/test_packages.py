"""The Debian package: built, looked at by lintian, installed in a bare system, used and removed there.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import shutil
import subprocess

import pytest

import harness


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("debootstrap") is None,
                    reason="a chroot needs root and debootstrap")
def test_debian_package(tmp_path):
    """That of this machine's series; packaging/package-deb makes those of the others."""
    ready = subprocess.run([harness.TOP / "packaging/chroot", "bookworm", "true"],
                           capture_output=True, text=True)
    if ready.returncode != 0:
        pytest.skip("chroots cannot be made here: " + ready.stderr[-300:])
    tmp_path.chmod(0o755)
    run = subprocess.run([harness.TOP / "packaging/package-deb", "bookworm", tmp_path],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    (package,) = tmp_path.glob("wirelat_*.deb")
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True,
                             text=True, check=True).stdout
    assert re.search(r"\blibwireshark16\b", depends), "the series is pinned by the library"


@pytest.mark.parametrize("name, says", [("wirelat.4", "-z kafka,latency"),
                                        ("wirelat-report.1", "--out"),
                                        ("wirelat-plot.1", "--reorder")])
def test_man_page_is_clean(name, says):
    page = harness.TOP / "packaging/doc" / name
    run = subprocess.run(["man", "-l", "--warnings", "-Tutf8", page], capture_output=True, text=True,
                         env={**os.environ, "MANROFFSEQ": "", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
    text = re.sub(r".\x08", "", run.stdout)  # bold is a letter twice
    assert run.returncode == 0 and run.stderr == "" and says in text


def test_pages_and_pictures_exist():
    """Every link between the pages leads somewhere, and every picture is shown."""
    shown = set()
    for page in [harness.TOP / "README.md", *(harness.TOP / "packaging/doc").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)
            shown.add((page.parent / target).resolve())
    assert set((harness.TOP / "packaging/screenshots").iterdir()) <= shown


def test_man_pages_have_every_option_and_table():
    """As the commands' own help, and tshark's list of tables, have them."""
    def plain(name):
        return (harness.TOP / "packaging/doc" / name).read_text().replace("\\-", "-")
    for name in ("wirelat-plot", "wirelat-report"):
        text = subprocess.run([harness.TOP / "packaging/commands" / name, "--help"],
                              capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"^ +(--[a-z]+)", text, re.M))
        assert len(options) >= 1 and not [o for o in options if o not in plain(f"{name}.1")]
    run = subprocess.run(harness.command("tshark", "-z", "help"), capture_output=True, text=True,
                         cwd=harness.home())
    tables = re.findall(r"^ *((?:mqtt|mqttsn|kafka|mptcp|wirelat),\w+)", run.stdout + run.stderr, re.M)
    assert len(tables) > 12 and not [table for table in tables if table not in plain("wirelat.4")]
