"""test_model.py - state_apply against an independent model of the rules, and against itself under other compilers."""
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/model"))

import streams  # noqa: E402
from harness import APPLY, RESET, Bench  # noqa: E402
from streams import MS, S, T0, Maker  # noqa: E402
from trove_model import CLAMPED, DONE, LATE  # noqa: E402

DATA = pathlib.Path(os.environ.get("TROVE_DATA", TOP.parent / "shared/data"))
RETAIL, OTTO = DATA / "online-retail.csv.zst", DATA / "otto-sample.jsonl"

pytestmark = pytest.mark.skipif(not APPLY.exists(), reason=f"{APPLY} is not built (meson option tests)")


def outcomes(answers, kind):
    return [outcome for answer in answers for outcome in answer["outcomes"] if outcome["kind"] == kind]


def hostile(tmp_path, seed, count):
    """A bench of hunts from a seed, and a stream at the edges of their rules."""
    rng = random.Random(seed)
    items = rng.choice([4, 12, 40])
    text = streams.catalog(rng, items, items * rng.choice([1, 3, 9]))
    hunts = streams.hunts(rng, text, rng.choice([1, 4, 9]))
    bench = Bench(tmp_path, streams.config(hunts), {"c.tsv": text})
    return bench, Maker(seed).stream(count, rng.choice([1, 5, 30]), items, len(hunts))


# ---- the model agrees ----


def test_program_and_model_agree_at_the_edges_of_every_rule(tmp_path):
    met = Counter()
    for seed in range(16):
        bench, stream = hostile(tmp_path, seed, 1000)
        for answer in bench.agree(stream):
            met[answer["result"]] += 1
            met[answer["reason"]] += 1
            met.update(outcome["refusal"] for outcome in answer["outcomes"])
            met.update(outcome["kind"] for outcome in answer["outcomes"])
    # A rule that no stream met was not tested.
    for word in ("duplicate", "late", "award", "refusal", "window", "too_fast", "max_depth", "future", "type_unknown", "hunt_unknown",
                 "item_required", "item_forbidden", "tile_required", "tile_forbidden", "key_unknown"):
        assert met[word] > 0, f"{word} never happened: {met}"


def test_broken_events_have_the_reason_and_offset_that_the_contract_says(tmp_path):
    bench = Bench(tmp_path, streams.config([]), {})
    maker, met = Maker(1), Counter()
    stream = [maker.broken(maker.hostile(5, 5, 1, T0)) for _ in range(6000)] + [maker.broken(b"[1]") for _ in range(50)]
    stream += [maker.raw(**{key: value}) for key in ("id", "time", "user", "type", "item", "hunt") for value in ([], {}, True, "", 1, "x" * 65)]
    for answer in bench.agree([(T0, raw) for raw in stream]):
        met[answer["reason"]] += 1
    for word in ("too_large", "syntax", "utf8", "surrogate", "depth", "not_object", "trailing", "duplicate_key", "wrong_type", "id_missing",
                 "id_invalid", "time_missing", "time_invalid", "time_range", "user_missing", "type_missing", "item_length"):
        assert met[word] > 0, f"{word} never happened: {met}"


def test_a_full_state_refuses_and_changes_nothing(tmp_path):
    hunts = [{"name": name, "kind": "basket", "catalog": "c.tsv", "threshold": 1000} for name in ("a", "b")]
    config = streams.config(hunts, dedupe={"capacity": 1000, "window": "64s"})
    bench = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"})
    maker = Maker(2)
    filling = [(T0, maker.raw(user=f"u{n % 40}")) for n in range(3000)]
    met = Counter(answer["result"] for answer in bench.agree(filling + [filling[0]]))
    assert met["refused"] > 1000 and met["duplicate"] == 1
    later = T0 + 70 * S
    assert bench.agree(filling + [(later, maker.raw(time=later // MS))])[-1]["result"] == "accepted"
    # No room for one of the two hunts: neither moves.
    config["limits"]["users"], config["events"]["dedupe"]["capacity"] = 1000, 60000
    bench = Bench(tmp_path, config, {"c.tsv": "i1\ti2\t1\n"})
    stream = [(T0 + n * S // 100, maker.raw(user=f"n{n}")) for n in range(2000)]
    stream += [(T0 + 90 * S, maker.raw(user="late comer", time=T0 // MS + 90_000))]
    met = bench.agree(stream)
    assert sum(answer["result"] == "refused" for answer in met) > 500 and met[-1]["result"] == "accepted"


def stamped(path):
    """A dataset's stream as (receive_ns, bytes), as trove-blast would send it from T0 on."""
    for line in path.read_bytes().splitlines():
        offset, raw = line.split(b"\t", 1)
        now = T0 + int(offset) * MS
        shift = re.search(rb"@@@@([+-]\d{8})", raw)
        if shift:
            raw = raw.replace(shift[0], b"%d" % (now // MS + int(shift[1])), 1)
        yield now, raw.replace(b"@" * 13, b"%d" % (now // MS), 1)


def dataset(tmp_path, *args):
    run = subprocess.run([TOP / "scripts/dataset", *map(str, args)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    text = (tmp_path / "c.tsv").read_text(encoding="utf-8")
    return json.loads(run.stdout), text, list(stamped(tmp_path / "events.stream"))


def shop(text, types, **trail):
    """Both kinds of hunt over a catalog: an award for what belongs together, and a trail between popular items."""
    seen = Counter(line.split("\t")[0] for line in text.splitlines() if line and line[0] != "#")
    names = [name for name, _ in seen.most_common(40)]
    hunts = [{"name": "together", "kind": "basket", "catalog": "c.tsv", "threshold": 2.5, "cooldown": "10m"},
             {"name": "often", "kind": "basket", "catalog": "c.tsv", "threshold": 1.2, "recent": 16, "ttl": "2m", "max_depth": 3, "budget": 60},
             {"name": "path", "kind": "trail", "catalog": "c.tsv", "start": names[:20], "treasure": names[20:], "min_step": "20ms", **trail}]
    return {"partitions": 16, "hunts": hunts, "events": {"types": {name: {"require": ["item"]} for name in types}}}


def real(tmp_path, found, types):
    """Asserts agreement on a data file's events; returns what came out."""
    _, text, stream = found
    answers = Bench(tmp_path, shop(text, types), {"c.tsv": text}).agree(stream)
    assert {outcome["hunt"] for outcome in outcomes(answers, "award")} >= {"often", "path"}
    return answers


@pytest.mark.skipif(not RETAIL.exists(), reason=f"{RETAIL} is not there")
def test_model_and_program_agree_on_real_orders(tmp_path):
    found = dataset(tmp_path, "retail", RETAIL, "--catalog", tmp_path / "c.tsv", "--events", tmp_path / "events.stream",
                    "--limit", 30000, "--compress", "1h")
    answers = real(tmp_path, found, ["purchase", "cancel"])
    assert len(answers) == 30000 and sum(answer["result"] == "duplicate" for answer in answers) > 100


@pytest.mark.skipif(not OTTO.exists(), reason=f"{OTTO} is not there")
def test_model_and_program_agree_on_real_sessions(tmp_path):
    found = dataset(tmp_path, "otto", OTTO, "--catalog", tmp_path / "c.tsv", "--events", tmp_path / "events.stream", "--min-weight", 1)
    assert len(real(tmp_path, found, ["click", "cart", "purchase"])) == 862


def test_model_and_program_agree_on_a_generated_shop(tmp_path):
    found = dataset(tmp_path, "sample", "--catalog", tmp_path / "c.tsv", "--events-out", tmp_path / "events.stream", "--events", 6000)
    answers = real(tmp_path, found, ["view", "purchase"])
    met = Counter(answer["result"] for answer in answers)
    assert met["duplicate"] == found[0]["duplicates"] and met["rejected"] >= found[0]["malformed"]
