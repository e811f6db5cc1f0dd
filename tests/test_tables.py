"""The statistics tables against the same figures computed from the events, percentiles exactly.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import statistics
import subprocess
import sys

import pytest

import harness

CAPTURES = [*harness.CAPTURES.glob("*.pcapng"), *(harness.SHARED / "gen").glob("*.pcap")]
KINDS = {"1": "Connect", "3": "Subscribe", "4": "Unsubscribe", "5": "Ping", "6": "Re-authenticate"}
ACKS = {"-1": "all", "0": "0", "1": "1"}
ROUNDED = 0.0006


def mqtt_row(event):
    kind = event["wirelat.mqtt.kind"]
    return f"Publish QoS {event['wirelat.mqtt.qos']}" if kind == "2" else KINDS[kind]


def api_names():
    """Kafka's names, as the field shows them."""
    text = harness.tshark(harness.CAPTURES / "sample.pcapng", "-V", "-Y", "wirelat.kafka.api").out
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("[API: ")]
    return {line.split("(")[1].split(")")[0]: line[6:].split(" (")[0] for line in lines}


def kafka_row(event, names):
    api = event.get("wirelat.kafka.api", "-1")
    if api == "0" and "wirelat.kafka.acks" in event:
        return f"Produce (acks={ACKS[event['wirelat.kafka.acks']]})"
    if api == "1" and "wirelat.kafka.max_wait" not in event:
        return "Fetch (unknown)"
    if event.get("wirelat.kafka.long_poll") in ("1", "True"):
        return "Fetch (long poll)"
    return names.get(api, f"API {api}" if api != "-1" else "(unknown)")


def is_one_way(event):
    return event.get("wirelat.mqtt.qos") == "0" or event.get("wirelat.kafka.acks") == "0"


Expected = collections.namedtuple("Expected", "requests answered times findings")


def expected_rows(capture, protocol, row_of):
    rows = collections.defaultdict(lambda: Expected([], [], [], collections.Counter()))
    asked = {}  # row and event of each request, by its frame and id
    for event in harness.events(capture, *harness.REASSEMBLE):
        if event["protocol"] != protocol or {f"{protocol}.silence", f"{protocol}.session_end"} & \
                set(event):
            continue
        row = rows[row_of(event)]
        links = {name.split(".")[-1] for name in event}
        if links & {"orphan", "duplicate", "retry"}:
            row.findings.update(links & {"orphan", "duplicate", "retry"})
        elif "response_to" in links or ("ack_to" in links and is_one_way(event)):
            row.answered.append(event)
            row.times.append(harness.time_of(event, "ack_time" if is_one_way(event) else "time"))
            # A request is counted where its answer says it belongs.
            key = (harness.number_of(event, "response_to") or harness.number_of(event, "ack_to"),
                   event.get("wirelat.kafka.correlation_id"))
            if "wirelat.kafka.correlation_id" in event and asked[key][0] is not row:
                asked[key][0].requests.remove(asked[key][1])
                row.requests.append(asked[key][1])
        elif not links & {"ack_to", "leg_of"}:
            row.requests.append(event)
            asked[event["frame"], event.get("wirelat.kafka.correlation_id")] = (row, event)
            row.findings.update(links & {"reused"})
    return rows


def check(printed, expected):
    assert int(printed["Requests"]) == len(expected.requests)
    assert int(printed["Answered"]) == len(expected.answered)
    assert int(printed["Open"]) == len(expected.requests) - len(expected.answered)
    times = [time / 1e6 for time in expected.times] or [0]
    figures = {"Min (ms)": min(times), "Max (ms)": max(times), "Mean (ms)": statistics.mean(times),
               "SD (ms)": statistics.stdev(times) if len(times) > 1 else 0}
    for header, value in figures.items():
        assert abs(float(printed[header]) - value) < ROUNDED, header
    for percent in (50, 95, 99):
        value = harness.nearest_rank(times, percent)
        assert abs(float(printed[f"p{percent} (ms)"]) - value) < ROUNDED + value / 1000
    headers = {"duplicate": "Duplicates", "orphan": "Orphans", "retry": "Retries",
               "reused": "Reused ids"}
    for finding, header in headers.items():
        assert int(printed.get(header, 0)) == expected.findings[finding]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("protocol", ["mqtt", "kafka"])
def test_latency_and_clients(capture, protocol):
    names = api_names()

    def row_of(event):
        return mqtt_row(event) if protocol == "mqtt" else kafka_row(event, names)

    def client_of(event):
        sender = {"0": "client to broker", "1": "broker to client"}
        client = event.get(f"wirelat.{protocol}.client_id", "(unknown)")
        direction = [sender[event["wirelat.mqtt.sender"]]] if protocol == "mqtt" else []
        return (client, *direction, row_of(event))

    text = harness.tshark(capture, "-q", *harness.REASSEMBLE, "-z", f"{protocol},latency", "-z",
                          f"{protocol},clients").out
    for rows in harness.tables(text).values():
        keys = list(rows[0])[:list(rows[0]).index("Requests")] if rows else []
        expected = expected_rows(capture, f"wirelat.{protocol}",
                                 client_of if "Client" in keys else row_of)
        rows = [row for row in rows if not row[keys[0]].startswith("QoS 2 PUB")]  # legs: see below
        found = {tuple(row[k] for k in keys) if len(keys) > 1 else row[keys[0]]: row
                 for row in rows}
        assert set(found) == set(expected)
        for key, row in found.items():
            check(row, expected[key])


def test_legs_of_qos_2():
    capture = harness.CAPTURES / "mqtt_basic.pcapng"
    rows = {row["Exchange"]: row for row in harness.table(capture, "mqtt,latency")}
    events = harness.events(capture)
    for field, name in (("pubrec_time", "QoS 2 PUBLISH to PUBREC"), ("pubrel_time", "QoS 2 PUBREC to PUBREL"),
                        ("pubcomp_time", "QoS 2 PUBREL to PUBCOMP")):
        times = [harness.time_of(event, field) / 1e6 for event in events
                 if f"wirelat.mqtt.{field}" in event]
        assert int(rows[name]["Answered"]) == len(times) > 2
        assert abs(float(rows[name]["Mean (ms)"]) - statistics.mean(times)) < ROUNDED


def test_rows_are_in_the_order_of_a_session():
    rows = [row["Exchange"] for row in harness.table(harness.CAPTURES / "mqtt_basic.pcapng",
                                                     "mqtt,latency")]
    assert rows == ["Connect", "Publish QoS 0", "Publish QoS 1", "Publish QoS 2",
                    "QoS 2 PUBLISH to PUBREC", "QoS 2 PUBREC to PUBREL", "QoS 2 PUBREL to PUBCOMP", "Subscribe",
                    "Unsubscribe", "Ping"]


def test_filter_after_a_comma():
    capture = harness.CAPTURES / "sample.pcapng"
    rows = harness.table(capture, "kafka,latency,wirelat.kafka.api == 1")
    assert {row["API"] for row in rows} == {"Fetch", "Fetch (long poll)"}
    # The requests of slow answers are hidden: none of them is open, and none is counted.
    for row in harness.table(capture, "kafka,latency,wirelat.kafka.time > 0.02"):
        assert (row["Requests"], row["Open"]) == ("0", "0") and int(row["Answered"]) > 0


EXCHANGES = ("mqtt,latency", "mqtt,clients", "mqtt,topics", "kafka,latency", "kafka,brokers",
             "wirelat,streams")
MPTCP = ("mptcp,connections", "mptcp,subflows", "mptcp,paths", "mptcp,events")


def once_and_twice(capture, tables, which):
    wanted = [argument for table in tables for argument in ("-z", table + which)]
    return [harness.tshark(capture, "-q", *passes, *wanted).out for passes in ([], ["-2"])]


@pytest.mark.parametrize("name, tables", [
    ("sample.pcapng", EXCHANGES), ("mqtt_loss.pcapng", EXCHANGES),
    ("kafka_framing.pcapng", EXCHANGES), ("mptcp_address-client.pcap", MPTCP),
    ("mptcp_loss-server.pcap", MPTCP)], ids=lambda value: value if isinstance(value, str) else "")
def test_one_pass_puts_off_no_record_for_good(name, tables):
    """tshark's one pass looks at most records when it draws, its second pass at each at once; a
    filter leaves some out between those put off."""
    for which in ("", ",frame.number % 3 == 1", ",frame.len > 100", ",tcp.stream == 1"):
        once, twice = once_and_twice(harness.CAPTURES / name, tables, which)
        assert once == twice
        assert sum(map(len, harness.tables(once).values())) >= 2


def test_what_was_put_off_is_known_however_much_comes_behind_it(tmp_path):
    """The filter hides more frames than the log of frames knows the times of."""
    capture = tmp_path / "long.pcapng"
    parts = [harness.CAPTURES / f"mptcp_{name}-client.pcap" for name in ("address", "loss")]
    subprocess.run(["mergecap", "-a", "-w", capture, *parts], check=True, capture_output=True)
    once, twice = once_and_twice(capture, ("wirelat,streams", *MPTCP), ",frame.number < 200")
    assert once == twice
    rows = harness.tables(once)
    assert any(float(row["Goodput (Mbit/s)"]) > 0 for row in rows["TCP Streams"])
    assert any(float(row["Goodput (Mbit/s)"]) > 0 for row in rows["MPTCP Connections"])
    assert any(float(row["Time (s)"]) > 0 for row in rows["MPTCP Events"])


@pytest.mark.parametrize("kind, packets, tables, title, column", [
    ("mptcp", 70000, ("wirelat,streams", *MPTCP), "MPTCP Subflows", "Packets"),
    ("mqtt", 140000, EXCHANGES, "MQTT Latency", "Answered"),
    ("kafka", 140000, EXCHANGES, "Kafka Latency", "Answered")])
def test_more_records_than_a_table_puts_off(tmp_path, kind, packets, tables, title, column):
    """Each request and each answer is one."""
    capture = tmp_path / "many.pcapng"
    subprocess.run([sys.executable, "-B", harness.CAPTURES / "generate.py", "--bench", str(packets),
                    kind, capture], check=True)
    once, twice = once_and_twice(capture, tables, "")
    assert once == twice
    rows = harness.tables(once)[title]
    assert sum(int(row[column]) for row in rows) > 35000


@pytest.mark.parametrize("name, table, column", [
    ("mqtt_basic.pcapng", "mqtt,clients", "Requests"),
    ("kafka_basic.pcapng", "kafka,clients", "Requests"),
    ("mptcp_two-client.pcap", "mptcp,subflows", "Packets"),
    ("mptcp_two-client.pcap", "wirelat,streams", "Bytes")])
@pytest.mark.parametrize("packets", [20, 7])
def test_session_that_is_reset_loses_no_records(name, table, column, packets):
    """tshark -M forgets all that Wireshark knows after so many packets, and numbers streams anew: its
    tables go on."""
    def total(*arguments):
        run = harness.tshark(harness.CAPTURES / name, "-q", *arguments, "-z", table, check=False)
        assert run.code == 0
        (rows,) = harness.tables(run.out).values()
        return sum(int(row[column]) for row in rows)
    whole, parts = total(), total("-M", packets)
    # What a session begins with may not be recognised without its beginning.
    assert whole > 20 and 0.6 * whole < parts <= 1.2 * whole


def test_more_events_in_a_frame_than_wireshark_taps(tmp_path):
    """A queue of Wireshark's takes 5,000 records of a frame; what is left out, health counts."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Ether
    from scapy.packet import Raw
    from scapy.utils import wrpcap
    packet = (Ether() / IP(src="192.0.2.1", dst="192.0.2.2")
              / TCP(sport=40000, dport=1883, flags="PA", seq=1, ack=1) / Raw(b"\xc0\0" * 6000))
    capture = tmp_path / "many.pcap"
    wrpcap(str(capture), [packet])
    once, twice = once_and_twice(capture, ("mqtt,latency", "mqtt,clients", "wirelat,health"), "")
    assert once == twice
    found = harness.tables(once)
    assert [row["Requests"] for row in found["MQTT Latency"]] == ["4500"]
    assert any(row["Count"] == "1500" for row in found["Wirelat Health"])


def test_srt_tables():
    capture = harness.CAPTURES / "sample.pcapng"
    for protocol in ("kafka", "mqtt"):
        text = harness.tshark(capture, "-q", "-z", f"{protocol},srt").out
        calls = [int(line.split()[-5]) for line in text.splitlines()
                 if line[:5].strip().isdigit()]
        answered = sum("response_to" in " ".join(event) for event in harness.events(capture)
                       if event["protocol"] == f"wirelat.{protocol}")
        assert sum(calls) >= answered > 50


def test_health_of_a_clean_capture():
    (row,) = harness.table(harness.CAPTURES / "kafka_basic.pcapng", "wirelat,health")
    assert row["Count"] == "0" and row["What to do"].startswith("Nothing found")


@pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")
@pytest.mark.parametrize("name, what", [
    ("derived_kafka_snaplen96", {"Frames cut by the snap length",
                                 "Messages refused as impossible"}),
    ("derived_mqtt_midpdu", {"Streams without handshake", "Bytes skipped until a message began"}),
    ("derived_mqtt_midstream", {"Streams without handshake",
                                "Answers whose request was not captured"}),
    ("mqtt_v5_lossy_qos0", {"Segments again or out of order, not reassembled"}),
    ("derived_mqtt_caploss", {"Bytes acknowledged but not captured"}),
])
def test_health_names_what_is_wrong(name, what):
    rows = harness.table(harness.SHARED / f"live/{name}.pcapng", "wirelat,health")
    assert what <= {row["What"] for row in rows}
    assert int(rows[0]["Count"]) > 0


def test_health_counts_what_was_captured_twice(tmp_path):
    """As a capture on two interfaces of one host: each frame again, a microsecond later."""
    capture = harness.CAPTURES / "mqtt_basic.pcapng"
    later, both = tmp_path / "later.pcapng", tmp_path / "both.pcapng"
    subprocess.run(["editcap", "-t", "0.000001", capture, later], check=True, capture_output=True)
    subprocess.run(["mergecap", "-I", "none", "-w", both, capture, later], check=True,
                   capture_output=True)
    data = sum(int(length) > 0 for (length,) in harness.plain_fields(capture, ["tcp.len"]))
    rows = {row["What"]: int(row["Count"]) for row in harness.table(both, "wirelat,health")}
    assert rows["Segments captured twice"] == data
    assert "Segments again or out of order, not reassembled" not in rows


def test_health_counts_lost_bytes_exactly(tmp_path):
    """Frames taken out of a capture: their bytes, and nothing else, are missing."""
    capture = harness.CAPTURES / "mqtt_framing.pcapng"
    frames = [(int(number), int(length)) for number, length in harness.plain_fields(
        capture, ["frame.number", "tcp.len"])]
    lost = [frame for frame in frames if frame[1] > 100][3::5]
    lossy = tmp_path / "lossy.pcapng"
    subprocess.run(["editcap", capture, lossy, *(str(number) for number, _ in lost)], check=True,
                   capture_output=True)
    rows = {row["What"]: int(row["Count"]) for row in harness.table(lossy, "wirelat,health")}
    assert len(lost) > 3
    assert rows["Bytes acknowledged but not captured"] == sum(length for _, length in lost)


def test_health_names_the_setting_that_is_off():
    capture = harness.CAPTURES / "mqtt_loss.pcapng"
    what = "Segments again or out of order, not reassembled"
    off = {row["What"]: row for row in harness.table(capture, "wirelat,health")}
    on = {row["What"]: row for row in harness.table(capture, "wirelat,health",
                                                    *harness.REASSEMBLE)}
    assert "tcp.reassemble_out_of_order" in off[what]["What to do"]
    assert what not in on


def test_health_counts_answers_without_request():
    """Of segments sent again or out of order TCP passes on none (4.0, 4.4), or those with which a
    message that has begun is whole (4.6): as many answers have no request as fields can show."""
    capture = harness.CAPTURES / "mqtt_loss.pcapng"
    asked, unasked = set(), []
    for frame, stream, kind, number in harness.plain_fields(
            capture, ["frame.number", "tcp.stream", "mqtt.msgtype", "mqtt.msgid"],
            "-Y", "mqtt.msgtype in {3, 4} && mqtt.msgid"):
        assert kind in ("3", "4")  # one message in a frame
        if kind == "3":
            asked.add((stream, number))
        elif (stream, number) not in asked:
            unasked.append(frame)
    (row,) = [row for row in harness.table(capture, "wirelat,health")
              if row["What"] == "Answers whose request was not captured"]
    assert (int(row["Count"]), row["First frame"]) == (len(unasked), unasked[0])


def brokers_of(capture):
    """Broker of each frame of a Kafka stream, as address:port."""
    names = ["frame.number", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport"]
    return {int(n): (f"{src}:{sport}", f"{dst}:{dport}")
            for n, src, sport, dst, dport in harness.plain_fields(capture, names)}


@pytest.mark.parametrize("name", ["sample", "kafka_framing"])
def test_brokers_with_wait_and_unqueued_time(name):
    """wait_time again from the four times of each exchange and of the answer before it."""
    capture = harness.CAPTURES / f"{name}.pcapng"
    ends = brokers_of(capture)
    names = api_names()
    last_end, samples, waited = {}, collections.defaultdict(list), 0
    start = {int(n): harness.nanoseconds(t) for n, t in harness.plain_fields(
        capture, ["frame.number", "frame.time_epoch"])}
    for event in harness.events(capture, *harness.REASSEMBLE):
        if "wirelat.kafka.response_to" not in event:
            continue
        stream, end = event["wirelat.kafka.stream"], start[event["frame"]]
        first = end - harness.time_of(event, "response_spread")
        asked = first - harness.time_of(event, "service_time")
        wait = max(0, min(last_end.get(stream, asked), first) - asked)
        assert harness.time_of(event, "wait_time") == wait
        assert harness.time_of(event, "unqueued_time") == first - asked - wait
        throttle = harness.time_of(event, "throttle_time") or 0
        last_end[stream] = end + throttle
        samples[ends[event["frame"]][0], kafka_row(event, names)].append((wait, first - asked - wait))
        waited += wait > 0
    assert waited > 3
    rows = {(row["Broker"], row["API"]): row for row in harness.table(
        capture, "kafka,brokers", *harness.REASSEMBLE)}
    for key, pairs in samples.items():
        for column, values in zip(("Wait", "Unqueued"), zip(*pairs)):
            assert abs(float(rows[key][f"{column} mean (ms)"]) - statistics.mean(values) / 1e6) < \
                ROUNDED
            assert abs(float(rows[key][f"{column} max (ms)"]) - max(values) / 1e6) < ROUNDED


@pytest.mark.skipif(not harness.SHARED.exists(), reason="the shared captures are not here")
def test_broker_rtt_is_the_unqueued_time():
    """librdkafka's mock brokers, set to 25 and 60 ms: pipelined requests wait behind each other, and
    what is left of the first of each burst is the broker."""
    capture = harness.SHARED / "live/kafka_rdmock202.pcapng"
    ports = ("-o", "wirelat.kafka_tcp_ports:1024-65535")
    (phase,) = [line.split("|")[0] for line in capture.with_name(
        "kafka_rdmock202.truth.log").read_text().splitlines() if "rtt b1=25 b2=60" in line]
    (after,) = [line.split("|")[0] for line in capture.with_name(
        "kafka_rdmock202.truth.log").read_text().splitlines() if "|PHASE|errors" in line]
    condition = (f"wirelat.kafka.time and wirelat.kafka.wait_time == 0 and "
                 f"frame.time_epoch > {phase} and frame.time_epoch < {after}")
    rows = harness.plain_fields(capture, ["wirelat.kafka.unqueued_time"], *ports, "-Y", condition)
    times = sorted(harness.nanoseconds(value) / 1e6 for (cell,) in rows
                   for value in cell.split(",") if harness.nanoseconds(value) > 5e6)
    assert all(25 <= time < 27 or 60 <= time < 62 for time in times) and len(times) >= 5
    inflight = harness.plain_fields(capture, ["wirelat.kafka.inflight"], *ports, "-Y",
                                    "wirelat.kafka.inflight >= 5")
    assert inflight
    (row,) = [row for row in harness.table(capture, "kafka,latency", *ports)
              if row["API"] == "JoinGroup"]
    assert float(row["Max (ms)"]) > 3000


def test_rows_beyond_the_bound_are_summed_up():
    capture = harness.CAPTURES / "sample.pcapng"
    rows = harness.table(capture, "kafka,clients")
    bounded = harness.table(capture, "kafka,clients", "-o", "wirelat.table_rows:3")
    assert len(bounded) == 4 and bounded[-1]["Client"] == "(other)"
    for column in ("Requests", "Answered", "Open"):
        assert sum(int(row[column]) for row in rows) == sum(int(row[column]) for row in bounded)


def test_late_answers():
    capture = harness.CAPTURES / "sample.pcapng"
    slow = [event for event in harness.events(capture) if event["protocol"] == "wirelat.kafka"
            and (harness.time_of(event, "time") or 0) > 10**9]
    rows = harness.table(capture, "kafka,latency", "-o", "wirelat.late_after:1")
    assert sum(int(row["Late"]) for row in rows) == len(slow) > 0
    assert not any(int(row["Late"]) for row in harness.table(capture, "kafka,latency"))
