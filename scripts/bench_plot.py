"""bench_plot.py - plots of the files of a run, by gnuplot: as SVG and PNG."""
import math
import shutil
import subprocess

from bench_hlog import highest, merged, read_hlog
from bench_lib import note

HEAT_ROWS_PER_DECADE = 12
TERMINALS = (("svg", "svg size 900,500 dynamic background 'white'"), ("png", "pngcairo size 900,500"))
FALLBACK = (("png", "png size 900,500"),)  # a gnuplot without cairo

CURVES = """\
set title "Latency by percentile"
set logscale xy
set xlabel "percentile"
set ylabel "us"
set grid
set key left top
set xtics ("0" 1, "90" 10, "99" 100, "99.9" 1000, "99.99" 10000, "99.999" 100000, "99.9999" 1000000)
plot {curves}
"""
RATE = """\
set title "{title}: events a second"
set xlabel "s"
set ylabel "1/s"
set yrange [0:*]
set grid
plot '{data}' using 1:2 with steps linewidth 2 notitle
"""
HEAT = """\
set title "{title}: latency second by second"
set xlabel "s"
set ylabel "us"
set logscale y
set logscale cb
set cblabel "events"
set palette defined (0 '#f7fbff', 0.4 '#6baed6', 1 '#08306b')
set style fill solid noborder
plot '{data}' using 1:2:3:4:5:6:7 with boxxyerror linecolor palette notitle
"""


def gnuplot(script, base):
    """Draws into base.svg and base.png."""
    for suffix, terminal in TERMINALS:
        text = f"set terminal {terminal}\nset output '{base}.{suffix}'\n{script}"
        run = subprocess.run(["gnuplot"], input=text, capture_output=True, text=True, check=False)
        if run.returncode:
            for _, other in (one for one in FALLBACK if one[0] == suffix):
                run = subprocess.run(["gnuplot"], input=text.replace(terminal, other), capture_output=True, text=True, check=False)
        if run.returncode:
            note(f"gnuplot: {run.stderr.strip().splitlines()[-1:]}")


def curve_rows(counts):
    """(1 / (1 - share), us) for each bucket, as far as one value."""
    total, seen = sum(counts.values()), 0
    for index in sorted(counts):
        yield total / (total - seen), highest(index) / 1000
        seen += counts[index]


def heat_rows(intervals):
    """Boxes: x, y, x from, x to, y from, y to, count: buckets put together by twelfths of a decade."""
    for interval in intervals:
        cells = {}
        for index, count in interval.counts.items():
            row = math.floor(math.log10(max(highest(index), 1)) * HEAT_ROWS_PER_DECADE)
            cells[row] = cells.get(row, 0) + count
        for row, count in sorted(cells.items()):
            low, high = (10 ** ((row + more) / HEAT_ROWS_PER_DECADE) / 1000 for more in (0, 1))
            end = interval.start_s + interval.length_s
            yield interval.start_s, math.sqrt(low * high), interval.start_s, end, low, high, count


def write_rows(path, rows):
    path.write_text("".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in rows))
    return path


def draw(out):
    """Draws every .hlog in a directory, and all of them in one plot of percentiles."""
    logs = sorted(out.glob("*.hlog"))
    if not logs:
        return
    if not shutil.which("gnuplot"):
        note("no plots: gnuplot cannot be installed here")
        return
    curves = []
    for log in logs:
        _, intervals = read_hlog(log)
        intervals = [interval for interval in intervals if interval.total and interval.length_s > 0]
        if not intervals:
            continue
        base = log.with_suffix("")
        curves.append((write_rows(base.with_suffix(".curve.dat"), curve_rows(merged(intervals))), log.stem))
        rate = write_rows(base.with_suffix(".rate.dat"), ((one.start_s, one.total / one.length_s) for one in intervals))
        heat = write_rows(base.with_suffix(".heat.dat"), heat_rows(intervals))
        gnuplot(RATE.format(title=log.stem, data=rate), f"{base}-rate")
        gnuplot(HEAT.format(title=log.stem, data=heat), f"{base}-heat")
    plots = ", ".join(f"'{data}' using 1:2 with lines linewidth 2 title \"{title}\"" for data, title in curves)
    gnuplot(CURVES.format(curves=plots), out / "percentiles")
    for data in out.glob("*.dat"):
        data.unlink()
