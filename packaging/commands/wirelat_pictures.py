"""The plots of wirelat-plot and wirelat-report: each takes what a capture gave and returns a picture
for gnuplot, or None where there is nothing to draw.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import re
import shutil
import subprocess

from wirelat_capture import fail, nearest_rank, time_of

MOST_POINTS = 3000  # of a series: a picture shows no more, and a page must stay small
MOST_SERIES = 12
KINDS = {1: "TCP retransmission", 2: "reinjection", 3: "MPTCP retransmission"}

Series = collections.namedtuple("Series", "name style points")
Picture = collections.namedtuple("Picture", "title x y settings series")

COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#65a30d",
           "#1f2937", "#fb7185", "#92400e", "#38bdf8")
OTHERS, OTHERS_COLOUR = "others", "#9ca3af"


def thinned(points):
    """Points in their order, at most MOST_POINTS: of each stretch its lowest and highest."""
    if len(points) <= MOST_POINTS:
        return points
    kept, stretch = [], -(-2 * len(points) // MOST_POINTS)
    for at in range(0, len(points), stretch):
        part = points[at:at + stretch]
        low, high = min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])
        kept += [low, high] if low[0] <= high[0] else [high, low]
    return kept


def grouped(items, name_of, point_of):
    """name -> points, numbers in names in their order (stream 4 before stream 13); the groups beyond
    MOST_SERIES together as the last."""
    groups = collections.defaultdict(list)
    for item in items:
        groups[name_of(item)].append(point_of(item))
    names = sorted(groups, key=lambda name: -len(groups[name]))
    rest = [point for name in names[MOST_SERIES - 1:] for point in groups[name]]
    if len(names) > MOST_SERIES:
        groups = {**{name: groups[name] for name in names[:MOST_SERIES - 1]}, OTHERS: sorted(rest)}
    return {name: groups[name] for name in sorted(groups, key=place_of)}


def place_of(name):
    return name == OTHERS, [int(part) if part.isdecimal() else part
                            for part in re.split(r"([0-9]+)", name)]


def answered(capture):
    return [line for line in capture.lines
            if time_of(line) is not None and "request_first_ns" in line]


def start_of(capture):
    return min(line["request_first_ns"] for line in answered(capture))


def series_of(groups, style):
    return [Series(name, style, thinned(points)) for name, points in groups.items()]


def latency(capture):
    """Time of each exchange over the time it was asked"""
    lines = answered(capture)
    if not lines:
        return None
    start = start_of(capture)
    groups = grouped(lines, lambda line: line["exchange"],
                     lambda line: ((line["request_first_ns"] - start) / 1e9, time_of(line) / 1e6))
    return Picture("Latency over time", "time since the first request (s)", "latency (ms)",
                   ["set logscale y"], series_of({n: [p for p in points if p[1] > 0]
                                                  for n, points in groups.items()}, "points"))


def cdf(capture):
    """Share of the exchanges that took at most so long"""
    lines = answered(capture)
    if not lines:
        return None
    series = []
    for name, values in grouped(lines, lambda line: line["exchange"],
                                lambda line: time_of(line) / 1e6).items():
        ordered = sorted(value for value in values if value > 0)
        steps = [percent / 10 for percent in range(1, 1001)]
        if len(ordered) < 1000:
            points = [(value, 100 * (rank + 1) / len(ordered)) for rank, value in enumerate(ordered)]
        else:
            points = [(nearest_rank(ordered, step), step) for step in steps]
        series.append(Series(f"{name} ({len(values)})", "steps", points))
    return Picture("Latency, cumulative", "latency (ms)", "exchanges that took at most this (%)",
                   ["set logscale x", "set yrange [0:100]"], series)


def rtt(capture):
    """TCP round trips of each path; without MPTCP the smallest so far of each stream"""
    if capture.segments:
        start = capture.segments[0].time
        # An ACK of the client's is of data that went to the client.
        points = [(f"{segment.path}, to {'client' if segment.from_client else 'server'}",
                   segment.time - start, value * 1e3)
                  for segment in capture.segments for value in segment.rtts]
        title, y = "TCP round trips by path", "round trip (ms)"
    else:
        lines = [line for line in answered(capture) if "path_rtt_ns" in line]
        if not lines:
            return None
        start = start_of(capture)
        points = [(f"stream {line['stream']}", (line["request_first_ns"] - start) / 1e9,
                   line["path_rtt_ns"] / 1e6) for line in lines]
        title, y = "Smallest TCP round trip so far, by stream", "round trip (ms)"
    if not points:
        return None
    return Picture(title, "time (s)", y, ["set yrange [0:]"], series_of(
        grouped(points, lambda p: p[0], lambda p: p[1:]), "points"))


def directions(capture):
    """Data segments of the direction of a connection that carried most: the one to look at."""
    sides = collections.defaultdict(list)
    for segment in capture.segments:
        if segment.length:
            sides[segment.connection, segment.from_client].append(segment)
    return max(sides.values(), key=lambda side: sum(s.length for s in side)) if sides else []


def heading(segments, text):
    way = "client to server" if segments[0].from_client else "server to client"
    return f"{text}, connection {segments[0].connection}, {way}"


def dsn(capture):
    """Data sequence numbers by subflow, repeated data marked (MPTCP)"""
    segments = [s for s in directions(capture) if s.dsn is not None]
    if not segments:
        return None
    start, first = segments[0].time, segments[0].dsn & 0xFFFFFFFF

    def point(segment):
        # Numbers of 32 bits wrap, and the first captured need not be the smallest.
        distance = ((segment.dsn - first + 2**31) & 0xFFFFFFFF) - 2**31
        return segment.time - start, distance / 1e6

    series = series_of(grouped(segments, lambda s: f"subflow {s.subflow}", point), "points")
    for kind, name in KINDS.items():
        repeated = [point(s) for s in segments if kind in s.kinds]
        if repeated:
            series.append(Series(f"{name} ({len(repeated)})", "crosses", thinned(repeated)))
    return Picture(heading(segments, "Data sequence numbers"), "time (s)",
                   "DSN since the first (MB)", [], series)


def bytes_sent(capture):
    """Bytes of each subflow so far (MPTCP)"""
    segments = directions(capture)
    if not segments:
        return None
    start, sums, points = segments[0].time, collections.Counter(), []
    for segment in segments:
        sums[segment.subflow] += segment.length
        points.append((segment.subflow, segment.time - start, sums[segment.subflow] / 1e6))
    return Picture(heading(segments, "Bytes by subflow"), "time (s)", "bytes sent so far (MB)",
                   ["set yrange [0:]"], series_of(grouped(points, lambda p: f"subflow {p[0]}",
                                                          lambda p: p[1:]), "steps"))


def bursts(capture):
    """Sizes of runs of data on one subflow before another takes over (MPTCP)"""
    segments = directions(capture)
    runs = []
    for segment in segments:
        if not runs or runs[-1][0] != segment.subflow:
            runs.append([segment.subflow, segment.time - segments[0].time, 0])
        runs[-1][2] += segment.length
    if len(runs) < 2 or not segments:
        return None
    return Picture(heading(segments, "Bursts"), "start of the burst (s)",
                   "bytes on one subflow in a row (kB)", ["set logscale y"], series_of(grouped(
                       runs, lambda r: f"subflow {r[0]}", lambda r: (r[1], r[2] / 1e3)), "points"))


def reorder(capture):
    """Bytes that wait behind a gap at the receiver (MPTCP; meaningful at the receiver's side)"""
    segments = [s for s in directions(capture) if s.waiting]
    if not segments:
        return None
    start = directions(capture)[0].time
    return Picture(heading(segments, "Reorder buffer"), "time (s)", "bytes waiting (kB)",
                   ["set yrange [0:]"], [Series("waiting behind a gap", "impulses", thinned(
                       [(s.time - start, max(s.waiting) / 1e3) for s in segments]))])


PLOTS = {"latency": latency, "cdf": cdf, "rtt": rtt, "dsn": dsn, "bytes": bytes_sent,
         "bursts": bursts, "reorder": reorder}

STYLES = {"points": "with points pointtype 7 pointsize 0.5", "steps": "with steps linewidth 1.6",
          "crosses": "with points pointtype 2 pointsize 0.9", "impulses": "with impulses"}
TERMINALS = {"svg": "svg size 960,440 dynamic font 'DejaVu Sans,12' noenhanced background '#ffffff'",
             "png": "pngcairo size 1200,600 font 'DejaVu Sans,11' noenhanced"}


def quoted(text):
    """A string for gnuplot; what could end it or break the line goes."""
    return "'" + "".join(c for c in text if c.isprintable()).replace("'", "''") + "'"


def commands(picture, kind):
    lines = [f"set terminal {TERMINALS[kind]}", "set encoding utf8",
             f"set title {quoted(picture.title)}", f"set xlabel {quoted(picture.x)}",
             f"set ylabel {quoted(picture.y)}", "set grid back linecolor '#e5e7eb'",
             "set border 3 linecolor '#9ca3af'", "set tics nomirror textcolor '#374151'",
             "set key outside right top", *picture.settings]
    plots = []
    for place, series in enumerate(picture.series):
        lines.append(f"$d{place} << EOD")
        lines += [f"{x:.9g} {y:.9g}" for x, y in series.points]
        lines.append("EOD")
        colour = COLOURS[place % len(COLOURS)]
        if series.name.startswith(OTHERS):
            colour = OTHERS_COLOUR
        plots.append(f"$d{place} {STYLES[series.style]} linecolor '{colour}'"
                     f" title {quoted(series.name)}")
    return "\n".join([*lines, "plot " + ", ".join(plots), ""])


def draw(picture, kind):
    """The picture as the bytes of an SVG or PNG file."""
    if shutil.which("gnuplot") is None:
        fail("gnuplot is missing (apt install gnuplot-nox)")
    picture = picture._replace(series=[series for series in picture.series if series.points])
    run = subprocess.run(["gnuplot"], input=commands(picture, kind).encode(), capture_output=True)
    if run.returncode != 0 or not run.stdout:
        fail("gnuplot: " + (run.stderr.decode(errors="replace").strip().splitlines() or ["failed"])[-1])
    return run.stdout
