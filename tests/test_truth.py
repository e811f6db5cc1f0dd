"""Every exchange of the generated captures, to the frame and the nanosecond: our own in captures/
and the shared ones in gen/, whose truth is counted from the bytes without any dissector.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections

import pytest

import harness

OWN = sorted(path.stem for path in harness.CAPTURES.glob("*.pcapng")
             if path.stem != "mqttsn")  # see test_mqttsn
SHARED = sorted("gen/" + path.stem for path in (harness.SHARED / "gen").glob("*.pcap"))
LEGS = {"pubrec_time": ("t_first", "t_resp_last"), "pubrel_time": ("t_resp", "t_rel"),
        "pubcomp_time": ("t_rel", "t_comp")}


def paths(name):
    if name in OWN:
        return harness.CAPTURES / f"{name}.pcapng", harness.CAPTURES / f"{name}.tsv"
    return harness.SHARED / f"{name}.pcap", harness.SHARED / f"{name}.tsv"


def outcome(row):
    """The shared truth files have no such column."""
    if "outcome" in row:
        return row["outcome"]
    if row["kind"] in ("pub0", "produce0"):
        return "one-way"
    if row["kind"] == "disconnect":
        return "nothing asked"
    end = row["f_comp"] if row["kind"] == "pub2" else row["f_resp_last"]
    return "answered" if end else "open"




def identity(event):
    """Packet or correlation id, 0 for none."""
    return (harness.number_of(event, "correlation_id") if event["protocol"] == "wirelat.kafka"
            else harness.number_of(event, "packet_id")) or 0


def client_ports(capture):
    """The client's port of each tcp.stream: the truth files number streams their own way."""
    return {int(stream): int(ports[0] if ports[1] in ("1883", "8080", "9092") else ports[1])
            for stream, *ports in harness.plain_fields(
                capture, ["tcp.stream", "tcp.srcport", "tcp.dstport"])}


def index(events, link, ports):
    """Events by (frame of the request, id, client port), each a queue in capture order."""
    found = collections.defaultdict(collections.deque)
    for event in events:
        frame = harness.number_of(event, link)
        if frame is not None:
            port = ports[harness.number_of(event, "stream")]
            found[frame, identity(event), port].append(event)
    return found


def key(row):
    wanted = row["id"] if row["kind"] not in ("pub0", "connect", "ping") else 0
    return row["f_last"], wanted, row["sport"]


@pytest.mark.parametrize("name", OWN + (SHARED or [
    pytest.param("", marks=pytest.mark.skip(reason="the shared captures are not here"))]))
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_every_time(name, passes):
    capture, truth_file = paths(name)
    events = harness.events(capture, *harness.REASSEMBLE, *passes)
    ports = client_ports(capture)
    answers = index(events, "response_to", ports)
    acks = index(events, "ack_to", ports)
    legs = index(events, "leg_of", ports)
    counts = collections.Counter()

    for row in harness.truth(truth_file):
        what = outcome(row)
        counts[what] += 1
        if what == "answered":
            answer = answers[key(row)].popleft()
            check_answer(row, answer)
            for leg in ("pubrec_time", "pubrel_time"):
                if row["kind"] == "pub2" and row["f_comp"]:
                    event = legs[key(row)].popleft()
                    start, end = LEGS[leg]
                    assert harness.time_of(event, leg) == row[end] - row[start], (row, leg)
        if row["f_ack"] and (row["kind"].startswith("pub") or what == "one-way") \
                and what not in ("retry", "orphan", "duplicate"):
            ack = acks[key(row)].popleft()
            assert ack["frame"] == row["f_ack"], row
            assert harness.time_of(ack, "ack_time") == row["t_ack"] - row["t_first"], row

    # Nothing beyond the truth: no answer, no orphan, no duplicate was made up.
    assert not [left for queue in answers.values() for left in queue]
    assert sum("unanswered" in " ".join(event) for event in events) == \
        (counts["open"] + counts["reused"] if passes else 0)
    for finding in ("orphan", "duplicate", "retry"):
        assert sum(f"{event['protocol']}.{finding}" in event for event in events) == \
            counts[finding], finding


def check_answer(row, answer):
    last, first = ("t_comp", "t_comp") if row["f_comp"] else ("t_resp_last", "t_resp")
    assert harness.time_of(answer, "time") == row[last] - row["t_first"], row
    assert harness.time_of(answer, "request_spread") == row["t_last"] - row["t_first"], row
    assert harness.time_of(answer, "service_time") == row[first] - row["t_last"], row
    assert harness.time_of(answer, "response_spread") == row[last] - row[first], row
    assert answer["frame"] == (row["f_comp"] or row["f_resp_last"]), row
    if row["kind"] == "pub2" and row["f_comp"]:
        assert harness.time_of(answer, "pubcomp_time") == row["t_comp"] - row["t_rel"], row


@pytest.mark.parametrize("name", OWN)
def test_links_stay_in_their_stream(name):
    capture, _ = paths(name)
    stream = {int(frame): stream for frame, stream in
              harness.plain_fields(capture, ["frame.number", "tcp.stream"])}
    linked = 0
    for event in harness.events(capture, *harness.REASSEMBLE, "-2"):
        for link in ("response_to", "response_in", "ack_to", "leg_of", "retry_of",
                     "duplicate_of"):
            other = harness.number_of(event, link)
            if other is not None:
                assert stream[other] == stream[event["frame"]]
                linked += 1
    assert linked > 10


def test_generator_makes_the_same_bytes(tmp_path):
    import subprocess
    subprocess.run(["/usr/bin/python3", "-B", harness.CAPTURES / "generate.py", "--into",
                    tmp_path], check=True)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert len(made) >= 18
    for name in made:
        assert (tmp_path / name).read_bytes() == (harness.CAPTURES / name).read_bytes(), name
