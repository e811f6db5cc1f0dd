"""The export "-z wirelat,exchanges": every line against the oracle, every cell against the fields,
names that are hard to write, files that cannot be written.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ast
import collections
import csv
import io
import json
import re
import struct
import subprocess

import pytest

import harness
import invented
from test_exchanges import NONE, OWN, PORTS, SHARED, name_of, read
from test_invented import CLIENT, SERVER, record

SAMPLE = harness.CAPTURES / "sample.pcapng"
# Columns of the export's own: of the whole exchange, where fields are of one event.
OWN_COLUMNS = {"protocol", "exchange", "outcome", "request_frame", "answer_frame", "ack_frame",
               "request_first_ns", "request_last_ns", "answer_first_ns", "answer_last_ns",
               "ack_ns", "retries", "duplicates", "reused"}
SOME = [path for path in SHARED if path.stem in (
    "mqtt_v5_features", "mqtt_anomalies_v4", "mqtt_v4_burst_qos2", "mqtt_v5_lossy_qos1",
    "kafka_kgo_v2_5", "kafka_kgo_lossy_125k", "derived_kafka_caploss", "ndpi-kafka")]
CAPTURES = [path for path in OWN if not path.stem.startswith(("mptcp", "mqttsn"))] + (SOME or [NONE])
VALUES = {"true": True, "false": False}


def cells(text):
    """Lines of CSV as dictionaries of what is known: integers where they are, else text."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    lines = list(reader)
    assert all(None not in line and None not in line.values() for line in lines)
    return [{name: int(cell) if re.fullmatch(r"-?\d+", cell) else VALUES.get(cell, cell)
             for name, cell in line.items() if cell} for line in lines]


def exported(capture, *options, condition=""):
    text = harness.tshark(capture, "-q", *options, "-z",
                          "wirelat,exchanges,-" + (condition and "," + condition)).out
    return cells(text)


def written(capture, name, *options):
    """The content of a file of that name that an export writes."""
    path = harness.home() / name
    run = harness.tshark(capture, "-q", *options, "-z", f"wirelat,exchanges,{path}")
    assert run.out == ""
    return path.read_text(encoding="utf-8", errors="strict")


def options_for(capture):
    # What was lost or cut by the capture never comes: Wireshark would wait for it for ever.
    return (*PORTS, *(() if capture.stem.startswith("derived_") else harness.REASSEMBLE))


# Against the bytes.

OUTCOMES = {"reused": "id reused"}
TIMES = ("time", "request_spread", "service_time", "response_spread", "ack_time", "pubrec_time",
         "pubrel_time", "pubcomp_time", "forward_delay")
OF_SESSION = {"session_time": "session_time_ns", "longest_silence": "longest_silence_ns",
              "keep_alive": "keep_alive_ns", "session_end": "session_end",
              "disconnect_reason": "disconnect_reason"}
DIMENSIONS = ("size", "client_id", "kind", "qos", "topic", "sender", "version", "reason_code",
              "retries", "api", "api_version", "acks", "inflight", "stream", "receive_maximum",
              "forward_ambiguous")


def expected_lines(events):
    """What the oracle knows of each exchange, in the order of the lines."""
    lines, later = [], collections.defaultdict(list)
    for event in events.of("answer", "ack", "pubrec", "pubrel"):
        later[id(event["exchange"])].append(event)
    again = collections.Counter((event["protocol"], event["stream"], event["request"], event["id"])
                                for event in events.of("duplicate"))
    ends = {(event["stream"], event.get("request")): event for event in events.of("session")}
    for event in events.of("request", "orphan"):
        parts = {part["what"]: part for part in later[id(event)]}
        line = {"protocol": event["protocol"].split(".")[1],
                "outcome": OUTCOMES.get(event.get("outcome"), event.get("outcome", "orphan"))}
        for part in (event, *parts.values()):
            line.update({f"{name}_ns": part[name] for name in TIMES if name in part})
            line.update({name: part[name] for name in DIMENSIONS if name in part})
        if event["what"] == "request":
            line.update(request_frame=event["frame"], request_first_ns=event["first"],
                        request_last_ns=event["last"], reused=event.get("reused", False),
                        duplicates=again[event["protocol"], event["stream"], event["frame"],
                                         event["id"]])
        if event.get("kind") == 1 and event["what"] == "request":
            end = ends.get((event["stream"], event["frame"]), {})
            line.update({column: end[name] for name, column in OF_SESSION.items() if name in end})
        if event["what"] == "orphan" or "answer" in parts:
            line["answer_frame"] = parts.get("answer", event)["frame"]
        if "answer" in parts:
            line["answer_last_ns"] = event["first"] + parts["answer"]["time"]
            line["answer_first_ns"] = event["last"] + parts["answer"]["service_time"]
        if "ack" in parts:
            line["ack_frame"] = parts["ack"]["frame"]
            line["ack_ns"] = event["first"] + parts["ack"]["ack_time"]
        if line["protocol"] == "kafka":
            line.pop("retries", None)
            line["correlation_id"] = event["id"]
        elif event["id"]:
            line["packet_id"] = event["id"]
        lines.append({name: value for name, value in line.items() if value not in (None, "")})
    return lines


def key_of(line):
    return (line.get("request_frame", line.get("answer_frame")), line["stream"], line["protocol"],
            line.get("correlation_id", line.get("packet_id", 0)), line["outcome"] == "orphan")


@pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
@pytest.mark.parametrize("passes", [(), ("-2",)], ids=["one-pass", "two-pass"])
def test_every_line_against_the_bytes(capture, passes):
    lines = exported(capture, *options_for(capture), *passes)
    frames = [line.get("request_frame", line.get("answer_frame")) for line in lines]
    assert frames == sorted(frames)
    # Several equal ids may be in one frame: those in their order.
    expected = sorted(expected_lines(read(capture)), key=key_of)
    lines = sorted(lines, key=key_of)
    assert [key_of(line) for line in lines] == [key_of(line) for line in expected]
    assert len(lines) > 3
    for line, truth in zip(lines, expected):
        assert {name: line.get(name) for name in truth} == truth
        wrong = {name for name in line if name.endswith("_ns")
                 and name[:-3] in TIMES and name not in truth}
        assert not wrong, line


# Against the fields.

def field_value(text, name):
    if name.endswith("_ns"):
        return harness.nanoseconds(text)
    if re.fullmatch(r"-?\d+", text) or name in ("reason_code", "disconnect_reason"):
        return int(text, 0)
    return {"True": True, "False": False}.get(text, text)


def of_events(events):
    """The fields of each exchange's events, the last word winning: column -> value."""
    exchanges = collections.defaultdict(list)
    for event in events:
        prefix = event["protocol"] + "."
        fields = {name[len(prefix):]: value for name, value in event.items()
                  if name.startswith(prefix)}
        if {"silence", "auth_time"} & set(fields) or "session_end" in fields and \
                "session_of" not in fields:
            continue  # of no exchange, or more than one of it
        if "session_end" in fields:
            key = (int(fields["session_of"]), int(fields["stream"]), prefix, 0, False, 1)
            exchanges[key][0]["session"] = fields
            continue
        links = [int(fields[name]) for name in ("response_to", "ack_to", "leg_of", "duplicate_of",
                                                "retry_of") if name in fields]
        kind = next((name for name in ("response_to", "ack_to", "leg_of", "duplicate_of",
                                       "retry_of", "orphan") if name in fields), "request")
        number = fields.get("correlation_id", fields.get("packet_id", 0))
        key = (links[0] if links else event["frame"], int(fields["stream"]), prefix, int(number),
               "orphan" in fields, int(fields.get("kind", 0)))
        if kind in ("request", "orphan"):
            exchanges[key].append({})
        elif kind in ("duplicate_of", "retry_of"):
            continue
        part = f"{kind} {fields.get('pubrec_time', '')}"
        exchange = next(found for found in exchanges[key] if part not in found)
        exchange[part] = fields
    return exchanges


@pytest.mark.parametrize("capture", CAPTURES, ids=name_of)
def test_every_cell_is_a_field(capture):
    options = options_for(capture)
    exchanges = of_events(harness.events(capture, *options))
    lines = collections.defaultdict(list)
    for line in exported(capture, *options):
        key = (*key_of(line)[:2], f"wirelat.{line['protocol']}.", *key_of(line)[3:],
               line.get("kind", 0))
        lines[key].append(line)
    assert {key: len(found) for key, found in lines.items()} == \
        {key: len(found) for key, found in exchanges.items()}
    compared = 0
    for key, found in lines.items():
        for line, exchange in zip(found, exchanges[key]):
            for name, value in line.items():
                if name in OWN_COLUMNS or name.endswith("_name"):
                    continue
                is_time = name.endswith("_ns")
                field = name[:-3] if is_time else name
                said = [fields[field] for fields in exchange.values() if field in fields]
                assert value in [field_value(text, name) for text in said], (key, name)
                compared += 1
            # And nothing that the fields say of it is left out.
            for fields in exchange.values():
                for field in fields:
                    if field not in OWN_COLUMNS and not field.endswith(("_to", "_of", "_in")) \
                            and field not in ("orphan", "unanswered", "retry", "duplicate",
                                              "receive_maximum_exceeded"):
                        assert field in line or f"{field}_ns" in line, (key, field)
    assert compared > 20


@pytest.mark.parametrize("name", ["sample", "mqtt_ids", "kafka_ids"])
def test_lines_are_the_rows_of_the_tables(name):
    capture = harness.CAPTURES / f"{name}.pcapng"
    counts = collections.Counter(line["exchange"] for line in exported(capture)
                                 if line["outcome"] != "orphan")
    rows = harness.table(capture, "mqtt,latency") + harness.table(capture, "kafka,latency")
    requests = {row.get("Exchange", row.get("API")): int(row["Requests"]) for row in rows}
    for name, count in counts.items():
        assert requests[name] == count


def test_names_of_codes():
    lines = exported(SAMPLE)
    text = harness.tshark(SAMPLE, "-V", "-Y", "wirelat.kafka.api or wirelat.mqtt.kind").out
    for title, column in (("API", "api"), ("Exchange", "kind"), ("Requester", "sender"),
                          ("Error", "error"), ("Required acks", "acks")):
        shown = {int(number): name for name, number in
                 re.findall(rf"\[{title}: ([^\n]+?) \((-?\d+)\)\]", text)}
        found = {line[column]: line[f"{column}_name"] for line in lines
                 if column in line and f"{column}_name" in line}
        assert found and found.items() <= shown.items()


def test_json_and_csv_say_the_same():
    for capture in (SAMPLE, harness.CAPTURES / "mqtt_ids.pcapng"):
        lines = exported(capture)
        for name in ("a.ndjson", "a.jsonl", "a.json"):
            text = written(capture, name)
            # "007" is text and 7 a number in JSON alone.
            assert [{key: int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value)
                     else value for key, value in json.loads(line).items()}
                    for line in text.splitlines()] == lines
        assert cells(written(capture, "a.CSV")) == lines
    header = harness.tshark(SAMPLE, "-q", "-z", "wirelat,exchanges,-").out.split("\n")[0]
    assert all(set(json.loads(line)) <= set(header.split(",")) for line in text.splitlines())


# Data segments of MPTCP.

def parts(cell):
    return [cell] if "," not in cell else cell.split(",")


def segments_by_fields(capture):
    """Each frame with data: column -> the values it may have, from the fields of all frames."""
    names = ("frame.number", "frame.time_epoch", "tcp.stream", "stream", "subflow", "path",
             "unique_bytes", "duplicate", "original", "duplicate_delay", "duplicate_bytes",
             "hol_delay", "reorder_bytes", "dack_of", "dack_rtt")
    rows = [dict(zip(names, row)) for row in harness.plain_fields(
        capture, [name if "." in name else f"wirelat.mptcp.{name}" for name in names], "-2")]
    lines = {}
    for row in rows:
        if row["unique_bytes"]:
            time = harness.nanoseconds(row["frame.time_epoch"])
            lines[int(row["frame.number"])] = line = {
                "request_first_ns": time, "request_last_ns": time,
                "stream": int(row["tcp.stream"]), "connection": int(row["stream"]),
                "subflow": int(row["subflow"]), "path": row["path"],
                "unique_bytes": int(row["unique_bytes"])}
            if row["duplicate"]:
                line["duplicate"] = int(parts(row["duplicate"])[0])
                line["original"] = int(parts(row["original"])[0])
                line["duplicate_delay_ns"] = harness.nanoseconds(parts(row["duplicate_delay"])[0])
                line["duplicate_bytes"] = sum(map(int, parts(row["duplicate_bytes"])))
            if row["hol_delay"]:
                line["hol_delay_ns"] = harness.nanoseconds(parts(row["hol_delay"])[0])
            if row["reorder_bytes"]:
                line["reorder_bytes"] = int(row["reorder_bytes"])
    for row in rows:
        if row["dack_of"]:
            for frame, rtt in zip(parts(row["dack_of"]), parts(row["dack_rtt"])):
                lines[int(frame)].update(answer_frame=int(row["frame.number"]),
                                         dack_rtt_ns=harness.nanoseconds(rtt),
                                         dack_subflow=int(row["subflow"]))
    return lines


@pytest.mark.parametrize("name", ["loss-server", "cut-client", "two-server", "removed-client"])
def test_data_segments_are_the_fields_of_their_frames(name):
    capture = harness.CAPTURES / f"mptcp_{name}.pcap"
    lines = exported(capture)
    assert lines == exported(capture, "-2")
    expected = segments_by_fields(capture)
    assert [line["request_frame"] for line in lines] == list(expected) and len(lines) > 100
    for line in lines:
        truth = expected[line["request_frame"]]
        assert {key: line.get(key) for key in truth} == truth
        beside = set(line) - set(truth)
        assert beside <= {"protocol", "exchange", "request_frame", "size", "to_client",
                          "duplicate_name", "duplicate_useful"}, beside
        assert line["size"] == line["unique_bytes"] + line.get("duplicate_bytes", 0)
    for truth in harness.truth(harness.CAPTURES / "mptcp.tsv"):
        if truth["scene"] == name.split("-")[0] and truth["scene"] != "two":
            for to_client, column in ((True, "to_client"), (False, "to_server")):
                assert sum(line["unique_bytes"] for line in lines
                           if line["to_client"] is to_client) == truth[column]


def test_filter_leaves_data_segments_whole():
    capture = harness.CAPTURES / "mptcp_loss-server.pcap"
    some = exported(capture, condition="wirelat.mptcp.subflow == 1")
    assert some == [line for line in exported(capture) if line["subflow"] == 1]
    # Their DATA_ACKs came on the other subflow, whose frames the filter hides.
    assert any(line.get("dack_subflow") == 0 for line in some)


# Filters.

def test_filter_names_the_frames_whose_exchanges_are_written():
    everything = exported(SAMPLE)
    assert exported(SAMPLE, condition='wirelat.kafka.client_id == "orders"') == \
        [line for line in everything
         if line["protocol"] == "kafka" and line.get("client_id") == "orders"]
    slow = exported(SAMPLE, condition="wirelat.kafka.time > 0.1")
    assert slow == [line for line in everything if line["protocol"] == "kafka"
                    and line.get("time_ns", 0) > 10**8] and len(slow) > 5
    # Known of a line is also what is on frames that the filter hides.
    assert all("request_frame" in line and "answer_frame" in line for line in slow)
    assert exported(SAMPLE, condition="frame.number < 1") == []


def test_two_exports_in_one_run():
    path = harness.home() / "both.csv"
    run = harness.tshark(SAMPLE, "-q", "-z", f"wirelat,exchanges,{path},wirelat.mqtt", "-z",
                         "wirelat,exchanges,-,wirelat.kafka")
    both = cells(path.read_text()) + cells(run.out)
    assert sorted(both, key=str) == sorted(exported(SAMPLE), key=str)


# Names that are hard to write.

HARD = ['a,b', 'say "no"', "two\nlines\r", "=HYPERLINK(\"http://x\",\"y\")", "@SUM(1+1)", "-1+1",
        "007", "true", " spaces ", "\\back\\slash", "</script><b>", "plant/ü€𝄞", "\u2028",
        "null", "\x01\x1b[31m"]


def text_of(name):
    data = name if isinstance(name, bytes) else name.encode()
    return struct.pack(">H", len(data)) + data


def capture_of_names(path, names):
    said = [(CLIENT, invented.packet(0x10, text_of("MQTT") + b"\4\2\0\x3c" + text_of("c,\"\n"))),
            (SERVER, b"\x20\2\0\0")]
    for number, name in enumerate(names, 1):
        identifier = struct.pack(">H", number)
        said += [(CLIENT, invented.packet(0x32, text_of(name) + identifier + b"x")),
                 (SERVER, b"\x40\2" + identifier)]
    record(path, 1883, *said)


def test_names_come_through(tmp_path):
    capture = tmp_path / "names.pcap"
    capture_of_names(capture, [*HARD, b"\xff\xfe", b"nul\0inside"])
    text = harness.tshark(capture, "-q", "-z", "wirelat,exchanges,-").out
    lines = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    objects = [json.loads(line) for line in written(capture, "names.ndjson").split("\n")[:-1]]
    for found in (lines, objects):
        topics = [line["topic"] for line in found if line["exchange"] == "Publish QoS 1"]
        assert topics[:-2] == HARD
        assert topics[-2:] == ["\ufffd\ufffd", "nul\ufffdinside"]
        assert {line["client_id"] for line in found} == {'c,"\n'}


def test_a_session_that_begins_anew(tmp_path):
    """tshark -M: what was known so far is forgotten, its lines must not be."""
    capture = tmp_path / "names.pcap"
    capture_of_names(capture, [f"topic {number}" for number in range(30)])
    run = harness.tshark(capture, "-q", "-M", "20", "-z", "wirelat,exchanges,-", check=False)
    assert run.code == 0
    assert run.err.count("resetting session") > 1 and run.out.count("protocol,exchange") == 1
    topics = [line["topic"] for line in cells(run.out) if "topic" in line]
    assert topics == [f"topic {number}" for number in range(30)]


# Files that cannot be written.

def failing(*arguments, environment=()):
    run = harness.tshark(SAMPLE, "-q", *arguments, "-z", "wirelat,health", check=False)
    assert run.code != 0 and run.err.count("\n") == 1 and run.err.startswith("tshark: "), run
    return run


@pytest.mark.parametrize("argument, message", [
    ("wirelat,exchanges", "needs a file"), ("wirelat,exchanges,", "needs a file"),
    ("wirelat,exchanges,,frame", "needs a file"), ("wirelat,exchangesx", "needs a file"),
    ("wirelat,exchanges,/nowhere/a.csv", "doesn't exist"),
    ("wirelat,exchanges,/", "directory"), ("wirelat,exchanges,/etc/passwd", "permission"),
    ("wirelat,exchanges,-,frame.number ==", "frame.number =="),
])
def test_refused_before_anything_is_read(argument, message):
    run = failing("-z", argument)
    assert message in run.err and not run.out


def test_full_disk():
    run = failing("-z", "wirelat,exchanges,/dev/full")
    assert "No space left on device" in run.err and "/dev/full" in run.err
    # What else was asked for is there.
    assert "Wirelat Health" in run.out


def test_full_standard_output():
    with open("/dev/full", "wb") as full:
        line = harness.command("tshark", "-n", "-q", "-r", harness.readable(SAMPLE), "-z",
                               "wirelat,exchanges,-")
        run = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True,
                             cwd=harness.home())
    assert run.returncode != 0 and run.stderr.count("\n") == 1
    assert "No space left on device" in run.stderr


def test_capture_without_exchanges(tmp_path):
    capture = tmp_path / "handshake.pcap"
    record(capture, 1883)
    text = harness.tshark(capture, "-q", "-z", "wirelat,exchanges,-").out
    assert text.count("\n") == 1 and text.startswith("protocol,exchange,")
    assert written(capture, "none.ndjson") == ""


# Documentation, and the tools it names.

PAGE = (harness.TOP / "packaging/doc/export.md").read_text()
SQL_TYPES = {"text": {"VARCHAR"}, "integer": {"BIGINT"}, "boolean": {"BOOLEAN"},
             "point in time": {"BIGINT"}, "duration": {"BIGINT"}}


def documented():
    return {name: (kind, of) for name, kind, of in
            re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([\w-]+) \|", PAGE, re.M)}


def test_every_column_is_documented():
    text = harness.tshark(SAMPLE, "-q", "-z", "wirelat,exchanges,-").out
    columns = documented()
    assert list(columns) == text.split("\n")[0].split(",")
    kinds = {int: ("integer", "point in time", "duration"), bool: ("boolean",), str: ("text",)}
    seen = {"mqtt": set(), "kafka": set(), "mptcp": set()}
    for name in ("sample.pcapng", "mqtt_ids.pcapng", "kafka_ids.pcapng", "mptcp_loss-server.pcap"):
        for line in written(harness.CAPTURES / name, "doc.ndjson").splitlines():
            line = json.loads(line)
            seen[line["protocol"]] |= set(line)
            for column, value in line.items():
                assert columns[column][0] in kinds[type(value)], column
                assert ("_ns" in column) == (columns[column][0] in kinds[int][1:])
    protocols = {"all": {"mqtt", "kafka", "mptcp"}, "both": {"mqtt", "kafka"}, "MQTT": {"mqtt"},
                 "Kafka": {"kafka"}, "MPTCP": {"mptcp"}, "MQTT-SN": set()}
    for column, (_, of) in columns.items():
        assert {name for name in seen if column in seen[name]} <= protocols[of], column


def code(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def duckdb(tmp_path_factory):
    """A folder with DuckDB's npm package."""
    folder = tmp_path_factory.mktemp("duckdb")
    try:
        run = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "@duckdb/node-api"],
                             cwd=folder, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm does not run: {error}")
    if run.returncode:
        pytest.skip("npm cannot install DuckDB: " + run.stderr.strip().splitlines()[-1])
    return folder


RUN_SQL = """
const { DuckDBInstance } = require('@duckdb/node-api');
(async () => {
  const connection = await (await DuckDBInstance.create()).connect();
  for (const statement of JSON.parse(process.argv[2])) {
    const rows = await (await connection.runAndReadAll(statement)).getRowObjects();
    console.log(JSON.stringify(rows, (key, value) =>
      typeof value === 'bigint' ? value.toString() : value));
  }
})().catch((error) => { console.error(error); process.exit(1); });
"""


def strings(lines):
    """As text, what is known: what neither language can compare otherwise."""
    return [{name: str(value).lower() if isinstance(value, (bool, int)) else value
             for name, value in line.items() if value is not None} for line in lines]


def of_sample():
    """The lines of the sample; the CSV is in the home directory."""
    written(SAMPLE, "exchanges.csv")
    return strings(map(json.loads, written(SAMPLE, "exchanges.ndjson").splitlines()))


def test_parquet_by_duckdb(duckdb):
    """The lines of the page, as they stand there."""
    lines = of_sample()
    (duckdb / "exchanges.csv").write_bytes((harness.home() / "exchanges.csv").read_bytes())
    (duckdb / "run.js").write_text(RUN_SQL)
    copy, query = code("sql")
    run = subprocess.run(["node", "run.js", json.dumps([
        copy, query, "DESCRIBE FROM 'exchanges.parquet'", "FROM 'exchanges.parquet'"])],
        cwd=duckdb, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    _, answers, types, rows = map(json.loads, run.stdout.splitlines())
    known = set().union(*lines)
    for row in types:
        name = row["column_name"]
        assert name not in known or row["column_type"] in SQL_TYPES[documented()[name][0]], row
    assert strings(rows) == lines
    assert {row["exchange"] for row in answers} == {line["exchange"] for line in lines}


def test_pandas():
    """The lines of the page, as they stand there: every number exact."""
    lines = of_sample()
    (script,) = code("python")
    script += ("print('--')\nfor row in frame.to_dict('records'):\n"
               "    print({k: v for k, v in row.items() if not pandas.isna(v)})\n"
               "print('--')\nprint(dict(frame.dtypes.astype(str)))")
    run = subprocess.run(["/usr/bin/python3", "-B", "-c", script], cwd=harness.home(),
                         capture_output=True, text=True)
    if "No module named 'pandas'" in run.stderr:
        pytest.skip("needs Debian's python3-pandas")
    assert run.returncode == 0, run.stderr
    printed, rows, types = run.stdout.split("--\n")
    assert strings(map(ast.literal_eval, rows.splitlines())) == lines
    assert "Publish QoS 1" in printed
    types = ast.literal_eval(types)
    assert types["answer_first_ns"] == "Int64" and types["client_id"] == "string"


def test_standard_output_keeps_other_statistics_whole():
    """More of them than the C library holds back, printed before."""
    others = [part for name in ("expert", "conv,tcp", "endpoints,tcp", "endpoints,ip", "io,phs")
              for part in ("-z", name)]
    export = harness.tshark(SAMPLE, "-q", "-z", "wirelat,exchanges,-").out
    other = harness.tshark(SAMPLE, "-q", *others).out
    both = harness.tshark(SAMPLE, "-q", "-z", "wirelat,exchanges,-", *others).out
    assert len(other) > 4096
    assert both == other + export
