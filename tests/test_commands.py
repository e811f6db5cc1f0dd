"""wirelat-plot and wirelat-report: the numbers they draw and list, the page in a real browser, hostile
names, what they say when something is missing.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import html.parser
import os
import pty
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import harness
from test_export import capture_of_names, exported

COMMANDS = harness.TOP / "packaging/commands"
SAMPLE = harness.CAPTURES / "sample.pcapng"
MPTCP = harness.CAPTURES / "mptcp_loss-server.pcap"
sys.path.insert(0, str(COMMANDS))

import wirelat_capture  # noqa: E402
import wirelat_pictures  # noqa: E402

needs_gnuplot = pytest.mark.skipif(shutil.which("gnuplot") is None, reason="needs gnuplot-nox")
needs_chromium = pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
ENVIRONMENT = {**os.environ, "WIRELAT_PLUGIN": str(harness.PLUGIN)}


def run(command, *arguments, folder=None, environment=ENVIRONMENT):
    return subprocess.run([COMMANDS / command, *map(str, arguments)], capture_output=True,
                          text=True, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def captures():
    """What the shared module reads of a capture, by its path."""
    read = {}

    def get(path):
        if path not in read:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("WIRELAT_PLUGIN", str(harness.PLUGIN))
                read[path] = wirelat_capture.read_capture(path, [])
        return read[path]
    return get


# The numbers.

def test_latency_and_cdf_are_the_times_of_the_exchanges(captures):
    times = {}
    for line in exported(SAMPLE, *harness.REASSEMBLE):
        time = line.get("ack_time_ns" if line["outcome"] == "one-way" else "time_ns")
        if time is not None:
            times.setdefault(line["exchange"], []).append((line["request_first_ns"], time / 1e6))
    start = min(first for group in times.values() for first, _ in group)
    drawn = {series.name: series.points
             for series in wirelat_pictures.latency(captures(SAMPLE)).series}
    assert len(drawn) == wirelat_pictures.MOST_SERIES and list(drawn)[-1] == "others"
    for name in set(drawn) - {"others"}:
        assert drawn[name] == [((first - start) / 1e9, time) for first, time in times[name]]
    assert sum(map(len, drawn.values())) == sum(map(len, times.values()))
    for series in wirelat_pictures.cdf(captures(SAMPLE)).series:
        name, count = re.fullmatch(r"(.*) \((\d+)\)", series.name).groups()
        assert series.points[-1][1] == 100 and len(series.points) == int(count)
        if name != "others":
            for value, percent in series.points:
                assert sum(time <= value for _, time in times[name]) >= percent * int(count) / 100 - 1e-6


def test_series_stand_in_the_order_of_their_numbers():
    names = [f"stream {number}" for number in (13, 4, 0, 100)] + ["others"]
    assert sorted(reversed(names), key=wirelat_pictures.place_of) == [
        "stream 0", "stream 4", "stream 13", "stream 100", "others"]


def truths(scene):
    rows = harness.truth(harness.CAPTURES / "mptcp.tsv")
    (row,) = [row for row in rows if row["scene"] == scene]
    return row


def test_mptcp_plots_are_what_was_sent(captures):
    capture, truth = captures(MPTCP), truths("loss")
    side = wirelat_pictures.directions(capture)
    assert sum(segment.unique for segment in side) == truth["to_server"]
    bytes_of = {series.name: series.points[-1][1] * 1e6
                for series in wirelat_pictures.bytes_sent(capture).series}
    assert set(bytes_of) == {"subflow 0", "subflow 1"}
    assert sum(bytes_of.values()) == pytest.approx(truth["to_server"], abs=1)
    bursts = wirelat_pictures.bursts(capture).series
    assert sum(size for series in bursts for _, size in series.points) * 1e3 == \
        pytest.approx(truth["to_server"], abs=1)
    # Every byte has a number of its own: the segments fill the range without gap.
    numbered = [segment for segment in side if segment.dsn is not None]
    pieces = sorted({(segment.dsn - numbered[0].dsn, segment.length) for segment in numbered})
    assert all(at + length == following for (at, length), (following, _) in
               zip(pieces, pieces[1:]))
    first = sum(segment.length for segment in side if segment.dsn is None)  # in MP_CAPABLE itself
    assert sum(pieces[-1]) - pieces[0][0] == truth["to_server"] - first
    assert wirelat_pictures.reorder(capture) is not None


def test_repeated_data_is_marked(captures):
    capture = captures(harness.CAPTURES / "mptcp_cut-server.pcap")
    marks = [series for series in wirelat_pictures.dsn(capture).series if series.style == "crosses"]
    fields = harness.plain_fields(harness.CAPTURES / "mptcp_cut-server.pcap",
                                  ["wirelat.mptcp.duplicate"], "-Y", "wirelat.mptcp.duplicate == 2")
    assert [len(series.points) for series in marks] == [len(fields)] != [0]
    assert marks[0].name == f"reinjection ({len(fields)})"


def test_a_picture_keeps_the_extremes():
    points = [(i, (i * 7919) % 10007) for i in range(10000)]
    points[4321] = (4321, 99999)
    points[17] = (17, -5)
    kept = wirelat_pictures.thinned(points)
    assert len(kept) <= wirelat_pictures.MOST_POINTS and {points[17], points[4321]} <= set(kept)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)


# wirelat-plot.

@needs_gnuplot
@pytest.mark.parametrize("kind, options", [("svg", []), ("png", ["--png"])])
def test_plots_are_pictures(tmp_path, kind, options):
    found = run("wirelat-plot", *options, SAMPLE, folder=tmp_path)
    assert found.returncode == 0 and found.stderr == "", found.stderr
    names = [f"sample-{name}.{kind}" for name in ("latency", "cdf", "rtt")]
    assert found.stdout.splitlines() == names
    for name in names:
        data = (tmp_path / name).read_bytes()
        if kind == "png":
            assert data.startswith(b"\x89PNG") and len(data) > 5000
        else:
            text = "".join(ElementTree.fromstring(data).itertext())
            assert "(ms)" in text and "(s)" in text or "(%)" in text


@needs_gnuplot
def test_plot_of_mptcp_and_of_an_export(tmp_path):
    found = run("wirelat-plot", "--dsn", "--reorder", "--out", tmp_path, MPTCP)
    assert found.returncode == 0 and len(found.stdout.splitlines()) == 2, found.stderr
    export = tmp_path / "of.csv"
    export.write_text(harness.tshark(SAMPLE, "-q", "-z", "wirelat,exchanges,-").out)
    found = run("wirelat-plot", "--cdf", export, folder=tmp_path)
    assert found.stdout == "of-cdf.svg\n"
    # The same lines, the same picture.
    assert run("wirelat-plot", "--cdf", SAMPLE, folder=tmp_path).returncode == 0
    assert (tmp_path / "of-cdf.svg").read_text() == (tmp_path / "sample-cdf.svg").read_text()


@needs_gnuplot
def test_options_of_tshark_are_passed_on(tmp_path):
    capture = harness.CAPTURES / "kafka_mock.pcap"
    ports = ("-o", "wirelat.kafka_tcp_ports:1024-65535")
    assert run("wirelat-plot", "--latency", capture, *ports, folder=tmp_path).returncode == 0


# wirelat-report.

class Page(html.parser.HTMLParser):
    """Sections by id: their tables as lists of rows; what the page would load; its scripts."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.loads, self.tags = {}, [], []
        self.section, self.row, self.cell = None, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.loads += [value for name, value in attributes.items()
                       if name in ("src", "href", "xlink:href", "data")
                       and not value.startswith("#")]
        assert not any(name.startswith("on") for name in attributes)
        if tag == "section":
            self.section = attributes["id"]
            self.sections[self.section] = []
        elif tag == "tr":
            self.row = []
            self.sections[self.section].append(self.row)
        elif tag in ("td", "th"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.row.append(self.cell)
            self.cell = None


def report(capture, tmp_path, *options):
    out = tmp_path / "report.html"
    found = run("wirelat-report", "--out", out, capture, *options)
    assert found.returncode == 0 and found.stderr == "" and found.stdout == f"{out}\n", found.stderr
    return out


def rows_of(table):
    header, *rows = table
    return [dict(zip(header, row)) for row in rows]


@needs_gnuplot
def test_tables_of_the_report(tmp_path):
    page = Page(report(SAMPLE, tmp_path).read_text())
    assert next(iter(page.sections)) == "health" and page.loads == []
    assert page.tags.count("svg") == 3 and page.tags.count("script") == 1
    for section, name, keys in (("mqtt", "mqtt,latency", 1), ("mqtt-clients", "mqtt,clients", 3),
                                ("kafka", "kafka,latency", 1), ("kafka-brokers", "kafka,brokers", 2),
                                ("kafka-clients", "kafka,clients", 2)):
        printed = {tuple(row.values())[:keys]: row
                   for row in harness.table(SAMPLE, name, *harness.REASSEMBLE)
                   if not row.get("Exchange", "").startswith("QoS 2 PUB")}
        shown = {tuple(row.values())[:keys]: row for row in rows_of(page.sections[section])}
        assert set(shown) == set(printed)
        for key, row in shown.items():
            for column, cell in row.items():
                if column.endswith("(ms)"):
                    assert float(cell or 0) == pytest.approx(float(printed[key][column]), abs=0.0011)
                else:
                    assert cell == printed[key][column]
    slowest = [float(row["Time (ms)"]) for row in rows_of(page.sections["slowest"])]
    assert slowest == sorted(slowest, reverse=True) and len(slowest) == 25
    assert len(rows_of(page.sections["unanswered"])) == 5
    assert len(rows_of(page.sections["tcp-streams"])) == 14


@needs_gnuplot
def test_report_of_a_capture_with_findings_and_mptcp(tmp_path):
    lossy = harness.CAPTURES / "mqtt_loss.pcapng"
    text = report(lossy, tmp_path, "-o", "tcp.reassemble_out_of_order:FALSE").read_text()
    (finding, *_) = rows_of(Page(text).sections["health"])
    assert "tcp.reassemble_out_of_order" in finding["What to do"] and "verdict bad" in text
    page = Page(report(MPTCP, tmp_path).read_text())
    assert len(rows_of(page.sections["mptcp-subflows"])) == 4 and page.tags.count("svg") >= 5


HOSTILE = ["<script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">",
           "</td></table></section>", "'\"><svg onload=alert(1)>", "a|b|c", "&lt;&amp;",
           "\u202egnp.exe", "==========", "x" * 5000]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    capture = folder / "<b>&name.pcap"
    capture_of_names(capture, HOSTILE)
    return report(capture, folder)


@needs_gnuplot
def test_hostile_names_are_text(hostile):
    page = Page(hostile.read_text())
    topics = {row["Topic"] for row in rows_of(page.sections["mqtt-topics"])}
    expected = {name.replace("\u202e", "\ufffd") if len(name) < 300 else "x" * 300 + "..."
                for name in HOSTILE}
    assert topics == expected
    assert page.tags.count("script") == 1 and "img" not in page.tags and page.loads == []


def browsed(page, folder, script=None):
    """The page's document once a browser has run it, and what its console said; with a script of
    the test's own behind the page's."""
    text = page.read_text()
    if script:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
        text = text.replace("</body>", f"<script>{script}</script></body>")
    file = folder / "browsed.html"
    file.write_text(text)
    found = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--dump-dom",
         file.as_uri()], capture_output=True, text=True, timeout=120)
    return found.stdout, re.findall(r"CONSOLE[^\n]*", found.stderr)


@needs_gnuplot
@needs_chromium
def test_page_in_a_browser(tmp_path, hostile):
    page = report(SAMPLE, tmp_path)
    document, console = browsed(page, tmp_path)
    assert "<svg" in document and console == []
    document, console = browsed(hostile, tmp_path)
    assert "<title>&lt;b&gt;&amp;name.pcap - Wirelat</title>" in document and console == []


@needs_gnuplot
@pytest.mark.parametrize("name, card", [("cut", "<b>1</b><span>MPTCP connection<"),
                                        ("two", "<b>2</b><span>MPTCP connections<")])
def test_connections_are_counted_once(tmp_path, name, card):
    """Tables have a row for each direction of them."""
    assert card in report(harness.CAPTURES / f"mptcp_{name}-server.pcap", tmp_path).read_text()


@needs_gnuplot
@needs_chromium
def test_tables_sort_by_number(tmp_path):
    page = report(SAMPLE, tmp_path)
    shown = rows_of(Page(page.read_text()).sections["kafka"])
    for column, clicks, order in (("Max (ms)", 1, -1), ("Max (ms)", 2, 1), ("API", 1, 1),
                                  ("Requests", 1, -1)):
        place = list(shown[0]).index(column)
        click = f"document.querySelectorAll('#kafka th')[{place}].click();" * clicks
        document, console = browsed(page, tmp_path, click)
        rows = [row[column] for row in rows_of(Page(document).sections["kafka"])]
        values = [float(cell) for cell in rows] if column != "API" else [x.lower() for x in rows]
        assert values == sorted(values, reverse=order < 0) and console == []
        assert len(rows) == len(shown)


# What both have in common.

@needs_gnuplot
@pytest.mark.parametrize("command", ["wirelat-plot", "wirelat-report"])
def test_clear_errors(tmp_path, command):
    garbage = tmp_path / "garbage.pcap"
    garbage.write_bytes(b"no capture at all" * 9)
    here = tmp_path / "bin"
    here.mkdir()
    for name in ("tshark", "env", "python3"):
        (here / name).symlink_to(shutil.which(name))
    no_gnuplot = {**ENVIRONMENT, "PATH": str(here)}
    for arguments, environment, message in (
            ([tmp_path / "none.pcap"], ENVIRONMENT, "No such file"),
            ([tmp_path], ENVIRONMENT, "directory"),
            ([garbage], ENVIRONMENT, "format"),
            ([SAMPLE, "-o", "no.such:1"], ENVIRONMENT, "no.such"),
            (["--out", "/nowhere/x", SAMPLE], ENVIRONMENT, "cannot write /nowhere/x"),
            ([SAMPLE], {**ENVIRONMENT, "WIRELAT_PLUGIN": "/nowhere.so"}, "plugin"),
            ([SAMPLE], no_gnuplot, "gnuplot is missing")):
        found = run(command, *arguments, folder=tmp_path, environment=environment)
        assert found.returncode == 1 and found.stdout == "", found
        assert found.stderr.startswith(f"{command}: ") and message in found.stderr, found.stderr
        assert found.stderr.count("\n") == 1


def test_without_the_plugin(tmp_path):
    """Copied away from the source tree, with none installed."""
    for name in COMMANDS.iterdir():
        if name.is_file():
            shutil.copy(name, tmp_path)
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "WIRELAT_PLUGIN"}
    found = subprocess.run([tmp_path / "wirelat-report", SAMPLE], capture_output=True, text=True,
                           env=environment, cwd=tmp_path)
    assert found.returncode == 1 and "not installed" in found.stderr


@needs_gnuplot
def test_file_that_nobody_else_can_read(tmp_path):
    capture = tmp_path / "mine.pcapng"
    shutil.copyfile(SAMPLE, capture)
    capture.chmod(0o600)
    tmp_path.chmod(0o700)
    report(capture, tmp_path)


@needs_gnuplot
@pytest.mark.parametrize("command", ["wirelat-plot", "wirelat-report"])
def test_progress_on_a_terminal(tmp_path, command):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([COMMANDS / command, SAMPLE], stdout=subprocess.DEVNULL,
                               stderr=theirs, env=ENVIRONMENT, cwd=tmp_path)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:
        pass  # the terminal is gone with its last user
    assert process.wait() == 0
    assert b"reading: 100 %" in text and b"drawing latency" in text
