"""bench_table.py - figures as people read them: a table, in columns or in Markdown."""
import sys

USUAL = ("bench", "figure", "value", "unit", "peer", "at", "runs", "min", "max", "values", "scenario")


def number(value):
    """Four digits that count, thousands apart."""
    if isinstance(value, str):
        return value
    size = abs(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}" if size >= 1 else f"{value:.3g}"


def conditions(one):
    """What else a figure was taken at: the offered rate, and its own members."""
    more = [f"at {number(one['at'])}"] if one.get("at") is not None else []
    return ", ".join(more + [f"{key} {number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value}"
                             for key, value in one.items() if key not in USUAL and value is not None])


def rows(figures):
    for one in figures:
        spread = f"{number(one['min'])} to {number(one['max'])}" if one["runs"] > 1 else ""
        yield (one["bench"], one["peer"] or "trove", one["figure"], number(one["value"]), one["unit"] if one["unit"] != "1" else "",
               spread, str(one["runs"]), conditions(one))


HEADS = ("bench", "of", "figure", "median", "unit", "lowest to highest", "runs", "conditions")
RIGHT = (3, 5, 6)


def columns(figures, out=sys.stderr):
    table = [HEADS, *rows(figures)]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADS))]
    for row in table:
        cells = [cell.rjust(width) if i in RIGHT else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip(), file=out)


def markdown(figures, out):
    print("| " + " | ".join(HEADS[1:]) + " |", file=out)
    print("|" + "|".join("--:" if i in RIGHT else "---" for i in range(1, len(HEADS))) + "|", file=out)
    for row in rows(figures):
        print("| " + " | ".join(row[1:]) + " |", file=out)
