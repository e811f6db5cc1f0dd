"""Names of MPTCP paths by the preference's table: the longest prefix that fits, and what is none.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib
import tempfile

import pytest

import harness

# The server has one address; the client's second is in another net.
PATHS = ("10.61.0.1 - 10.61.0.2", "10.62.0.1 - 10.61.0.2")
CAPTURE = harness.CAPTURES / "mptcp_cut-client.pcap"
IPV6 = harness.CAPTURES / "mptcp_ipv6-client.pcap"
FILE = "wirelat_paths"  # in the profile's folder


def named(*lines):
    return [part for line in lines for part in ("-o", f"uat:{FILE}:{line}")]


def rows(capture, *arguments, **options):
    run = harness.tshark(capture, "-q", "-z", "mptcp,paths", *arguments, **options)
    (found,) = harness.tables(run.out).values()
    return {(row["Path"], row["Direction"]): row for row in found}, run


@pytest.fixture
def profile():
    """The configuration folder of an ordinary user, with that table."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder).chmod(0o755)
        path = pathlib.Path(folder) / "wireshark" / FILE
        path.parent.mkdir(mode=0o755)

        def write(*lines):
            path.write_text("".join(f"{line}\n" for line in lines))
            path.chmod(0o644)
            return {"XDG_CONFIG_HOME": folder}.items()
        yield write


def test_without_names():
    found, _ = rows(CAPTURE)
    assert sorted(found) == [(path, direction) for path in PATHS
                             for direction in ("to client", "to server")]


def test_longest_prefix_names_the_path():
    """Ends with different names: both, the client's first."""
    plain, _ = rows(CAPTURE)
    found, _ = rows(CAPTURE, *named('"10.0.0.0/8","home"', '"10.62.0.0/16","wired"',
                                    '"10.62.0.1","cellular"', '"10.62.0.2","nobody"'))
    assert {path for path, _ in found} == {"home", "cellular - home"}
    for (path, direction), row in found.items():
        same = plain[PATHS[path != "home"], direction]
        assert {**row, "Path": ""} == {**same, "Path": ""}


def test_one_name_for_two_paths():
    plain, _ = rows(CAPTURE)
    found, _ = rows(CAPTURE, *named('"10.61.0.0/16","radio"', '"10.62.0.0/15","radio"'))
    assert {path for path, _ in found} == {"radio"}
    for name in ("Packets", "Bytes", "Unique bytes", "TCP RTTs"):
        assert int(found["radio", "to server"][name]) == sum(
            int(row[name]) for (_, direction), row in plain.items() if direction == "to server")
    assert found["radio", "to server"]["Subflows"] == "2"


def test_field_and_ipv6():
    options = named('"fd61::/64","wifi"', '"fd62::/16","cellular"')
    seen = harness.plain_fields(IPV6, ["ipv6.src", "ipv6.dst", "wirelat.mptcp.path"], *options,
                                "-Y", "wirelat.mptcp.path")
    assert {(frozenset(ends), path) for *ends, path in seen} == {
        (frozenset(("fd61::1", "fd61::2")), "wifi"),
        (frozenset(("fd62::1", "fd61::2")), "cellular - wifi")}


def test_profile(profile):
    found, _ = rows(CAPTURE, environment=profile('"10.61.0.0/16","wifi"', '"10.62.0.0/16","lte"'))
    assert {path for path, _ in found} == {"wifi", "lte - wifi"}


INVALID = {'"phone","wifi"': '"phone" is no address prefix: it is no IPv4 or IPv6 address',
           '"10.61.0.1/16","wifi"': "it has bits set behind the prefix length",
           '"10.61.0.0/33","wifi"': "the length behind / must be 0 to 32",
           '"10.61.0.0/","wifi"': "the length behind / must be 0 to 32",
           '"2001:db8::/129","wifi"': "the length behind / must be 0 to 128",
           '"10.61.0.0/16",""': "A path needs a name."}


@pytest.mark.parametrize("line, complaint", INVALID.items())
def test_invalid_is_refused(line, complaint, profile):
    """On the command line nothing runs; of a profile's table the line is told and left out."""
    run = harness.tshark(CAPTURE, "-q", "-z", "mptcp,paths", *named(line), check=False)
    assert run.code != 0 and complaint in run.err and run.out == ""
    found, run = rows(CAPTURE, check=False, environment=profile('"10.62.0.0/16","lte"', line))
    assert run.code == 0 and complaint in run.err
    assert "wifi" not in {path for path, _ in found} and len(found) == 4
