"""bench_compare.py - what became slower between two files of figures, with the noise taken into account.

A figure has changed when a Mann-Whitney test of its runs says that chance does that once in a hundred times or less (with five runs each:
every new value is beyond every old one), and its median moved by more than 3 %. With fewer runs no such test can speak: then a figure is
named as doubtful when the spreads do not meet. Peers are compared too, and the machine's own figures: where they moved as much, it was
the machine.
"""
import itertools
import json
import math
import statistics

import bench_table

ALPHA = 0.01
LEAST_CHANGE = 0.03
EXACT_MAX = 14  # values in all, up to which every arrangement is looked at
LOWER_IS_BETTER = ("us", "ms", "s", "B", "ns")
BESIDE = ("worst", "limit", "least")  # what a figure also says, and none of its identity
LOWER_BY_NAME = ("lost", "cost_ratio", "cost_ratio_unexplained", "permuted_ratio", "instructions", "checkpoint_p999_ratio")
HIGHER_BY_NAME = ("ratio", "requests_ratio", "claims_ratio")


def load(path):
    """{key: figure}; the rate at which a share of the found rate was offered is none of a figure's identity."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            if "figure" not in one:
                continue  # of a run, not of a figure
            more = {key: value for key, value in one.items() if key not in bench_table.USUAL and key not in BESIDE}
            at = None if "load" in one else one["at"]
            found[one["bench"], one["figure"], one["peer"], str(at), json.dumps(more, sort_keys=True)] = one
    return found


def ranks(values):
    """Ranks from 1, ties sharing the middle of theirs."""
    order = sorted(values)
    places = {}
    for place, value in enumerate(order, 1):
        places.setdefault(value, []).append(place)
    return [statistics.mean(places[value]) for value in values]


def mann_whitney(old, new):
    """The two-sided probability of ranks as far apart as these, were both of one distribution."""
    all_ranks = ranks([*old, *new])
    middle = len(old) * (len(all_ranks) + 1) / 2
    distance = abs(sum(all_ranks[:len(old)]) - middle)
    if len(all_ranks) <= EXACT_MAX:
        sums = [sum(some) for some in itertools.combinations(all_ranks, len(old))]
        return sum(abs(one - middle) >= distance - 1e-9 for one in sums) / len(sums)
    spread = math.sqrt(len(old) * len(new) / (len(all_ranks) - 1) * statistics.pvariance(all_ranks))
    return math.erfc(max(0.0, distance - 0.5) / spread / math.sqrt(2)) if spread else 1.0


def least_probability(old_count, new_count):
    """What the test can say at best."""
    return 2 / math.comb(old_count + new_count, old_count)


def direction(one):
    """1: higher is better; -1: lower is; 0: neither."""
    if one["figure"] in LOWER_BY_NAME or one["unit"] in LOWER_IS_BETTER:
        return -1
    return 1 if one["unit"].endswith("/s") or one["figure"] in HIGHER_BY_NAME else 0


def judge(old, new):
    """(verdict, relative change of the median): slower, faster, changed, or one of these with a question mark; None: the same."""
    change = (new["value"] - old["value"]) / abs(old["value"]) if old["value"] else math.copysign(math.inf, new["value"]) if new["value"] else 0
    if abs(change) <= LEAST_CHANGE:
        return None, change
    before, after = old.get("values", [old["value"]]), new.get("values", [new["value"]])
    if least_probability(len(before), len(after)) <= ALPHA:
        sure, moved = True, mann_whitney(before, after) <= ALPHA
    else:
        sure, moved = False, max(before) < min(after) or max(after) < min(before)
    if not moved:
        return None, change
    word = {0: "changed", 1: "faster", -1: "slower"}[direction(new) * (1 if change > 0 else -1)]
    return word + ("" if sure else "?"), change


def compare(old_path, new_path, out):
    """Prints what changed; returns whether anything of ours became slower for certain."""
    old, new = load(old_path), load(new_path)
    slower = False
    for key in new:
        if key not in old:
            continue
        verdict, change = judge(old[key], new[key])
        if not verdict:
            continue
        slower |= verdict == "slower" and key[2] is None
        print(f"{verdict:8} {change:+8.1%}  {key[0]} {key[2] or 'trove'} {key[1]}: {bench_table.number(old[key]['value'])} -> "
              f"{bench_table.number(new[key]['value'])} {new[key]['unit']}  {bench_table.conditions(new[key])}", file=out)
    both = len(old.keys() & new.keys())
    print(f"{both} figures compared, {len(old) - both} only in the old file, {len(new) - both} only in the new one", file=out)
    return slower
