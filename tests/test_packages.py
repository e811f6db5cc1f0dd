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


def test_man_page_is_clean():
    page = harness.TOP / "packaging/doc/wirelat.4"
    run = subprocess.run(["man", "-l", "--warnings", "-Tutf8", page], capture_output=True, text=True,
                         env={**os.environ, "MANROFFSEQ": "", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"})
    text = re.sub(r".\x08", "", run.stdout)  # bold is a letter twice
    assert run.returncode == 0 and run.stderr == "" and "-z kafka,latency" in text


def test_pages_and_pictures_exist():
    """Every link between the pages leads somewhere, and every picture is shown."""
    shown = set()
    for page in [harness.TOP / "README.md", *(harness.TOP / "packaging/doc").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)
            shown.add((page.parent / target).resolve())
    assert set((harness.TOP / "packaging/screenshots").iterdir()) <= shown
