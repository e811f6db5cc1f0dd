"""Once MPTCP was seen, tshark builds no protocol tree of segments that nobody looks into: no result
may depend on it, neither ours nor that of anyone who does want fields.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import subprocess

import pytest

import harness
import same

MPTCP = harness.CAPTURES / "mptcp_two-client.pcap"
TRIMS = harness.series() < "4.6"

# Prints for each frame whether it has an item of TCP, without asking for any.
LOOK = """
local look = Proto("look", "Looks at the tree")
function look.dissector()
    for _, field in ipairs({all_field_infos()}) do
        if field.name == "tcp" then
            print("tree")
            return
        end
    end
    print("none")
end
register_postdissector(look)
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """MPTCP, and behind it everything else that we read; WebSocket on a port of nobody's too."""
    from scapy.layers.inet import TCP
    from scapy.utils import rdpcap, wrpcap
    folder = tmp_path_factory.mktemp("front")
    other_port = folder / "websocket.pcap"
    packets = rdpcap(str(harness.CAPTURES / "mqtt_websocket.pcapng"))
    for packet in packets:
        if TCP in packet:
            for end in ("sport", "dport"):
                if getattr(packet[TCP], end) == 8080:
                    setattr(packet[TCP], end, 29001)
    wrpcap(str(other_port), packets)
    names = ["mqtt_websocket", "mqtt_framing", "mqtt_ids", "kafka_framing", "kafka_ids", "mqttsn"]
    path = folder / "mixed.pcapng"
    subprocess.run(["mergecap", "-a", "-w", path, MPTCP, other_port,
                    *(harness.CAPTURES / f"{name}.pcapng" for name in names),
                    harness.CAPTURES / "mptcp_loss-server.pcap"], check=True)
    return path


@pytest.fixture(scope="module")
def plain_mixed(tmp_path_factory):
    """Nothing in it that Wireshark dissects otherwise with the plugin."""
    path = tmp_path_factory.mktemp("front") / "plain.pcapng"
    subprocess.run(["mergecap", "-a", "-w", path, MPTCP, harness.CAPTURES / "mqtt_basic.pcapng",
                    harness.CAPTURES / "mptcp_loss-server.pcap"], check=True)
    return path


def trees(tmp_path, capture, *arguments):
    """How many frames have an item of TCP, and how many have none."""
    script = tmp_path / "look.lua"
    script.write_text(LOOK)
    text = harness.tshark(capture, "-q", "-X", f"lua_script:{harness.readable(script)}",
                          "-z", "conv,mptcp", *arguments).out
    return text.count("tree\n"), text.count("none\n")


def test_only_segments_with_something_to_read_have_a_tree(tmp_path):
    """By what is in them: MPTCP's capture has no payload that anyone dissects, but each FIN."""
    rows = harness.plain_fields(MPTCP, ["tcp.flags.fin", "tcp.options.mptcp.subtype"])
    first = next(i for i, row in enumerate(rows) if row[1])
    fins = sum(row[0] in ("1", "True") for row in rows[first + 1:])
    some = (first + 1 + fins, len(rows) - first - 1 - fins) if TRIMS else (len(rows), 0)
    assert fins > 2 and len(rows) > 500
    assert trees(tmp_path, MPTCP) == some
    assert trees(tmp_path, MPTCP, "-z", "mptcp,events,wirelat.mptcp.event") == some
    for wish in (["-z", "io,phs"], ["-z", "io,stat,0,ip.ttl"], ["-z", "mptcp,events,tcp.len"],
                 ["-o", 'gui.column.format:"Window","%Cus:tcp.window_size_value:0:R"']):
        assert trees(tmp_path, MPTCP, *wish) == (len(rows), 0)


@pytest.mark.parametrize("reading", same.READINGS)
def test_results_are_those_with_all_trees(mixed, reading):
    """A statistic that needs trees makes Wireshark give all of them."""
    arguments = [*same.options_of(mixed), *same.READINGS[reading]()]
    trimmed = harness.tshark(mixed, *arguments).out
    whole = harness.tshark(mixed, *arguments, "-z", "io,phs").out
    whole, statistics = re.subn(r"\n=+\nProtocol Hierarchy.*?\n=+\n", "", whole, flags=re.DOTALL)
    assert (statistics or "fields" in reading) and whole.count("\n") > 100
    assert trimmed == whole


@pytest.mark.parametrize("arguments", [
    ["-q", "-z", "io,phs"],
    ["-q", "-z", "io,stat,0,tcp.options.mptcp.subtype,COUNT(tcp.len)tcp.len,http,websocket"],
    ["-q", "-z", "io,stat,0,tcp.segment", "-z", "conv,tcp", "-z", "conv,mptcp", "-z", "expert"],
    ["-Y", "tcp.analysis.ack_rtt > 0.001"],
    ["-Y", "tcp"],
    ["-2", "-R", "tcp.len == 0", "-T", "fields", "-e", "tcp.ack_raw"],
    ["-T", "fields", "-e", "eth.type", "-e", "ip.len", "-e", "tcp.options.mptcp.rawdataack"],
    ["-o", 'gui.column.format:"No.","%m","Window","%Cus:tcp.window_size_value:0:R"'],
    ["--color", "-c", "900"],
], ids=" ".join)
def test_others_see_what_they_would_without_us(plain_mixed, arguments):
    plain = harness.tshark(plain_mixed, *arguments, with_plugin=False).out
    ours = harness.tshark(plain_mixed, *arguments).out
    # A hierarchy of 4.6 has our protocols too.
    ours = "".join(line for line in ours.splitlines(keepends=True) if " wirelat." not in line)
    assert plain.count("\n") > 5 and ours == plain


def test_a_frame_whose_tcp_is_not_reached_leaves_no_tree(tmp_path):
    """The last frame of the first pass is a fragment; the second begins with TCP not on Ethernet."""
    from scapy.layers.inet import IP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw
    from scapy.utils import wrpcap
    fragment, capture = tmp_path / "fragment.pcap", tmp_path / "both.pcapng"
    wrpcap(str(fragment), [Ether() / IP(src="192.0.2.1", dst="192.0.2.2", proto=6, frag=100,
                                        flags="MF") / Raw(b"x" * 64)])
    subprocess.run(["mergecap", "-a", "-w", capture, MPTCP, fragment], check=True)
    text = harness.tshark(capture, "-2", "-q", "-z", "mptcp,connections").out
    assert harness.tables(text)["MPTCP Connections"]
