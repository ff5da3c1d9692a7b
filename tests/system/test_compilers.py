"""test_compilers.py - state_apply gives the same whatever compiles it and however it is spread; and what one event may cost."""
import hashlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/model"))

from harness import APPLY, Bench, hostile, reloaded  # noqa: E402

pytestmark = pytest.mark.skipif(not APPLY.exists(), reason=f"{APPLY} is not built (meson option tests)")

COMPILERS = [(compiler, level) for compiler in ("gcc", "clang") for level in ("-O0", "-O2")]


WIDE = TOP / "dataplane/base/event_scan_avx512.c"


def sources():
    """What the helper is made of: the layers below the shard part, by their folders; but for the control socket and clients."""
    found = sorted([*(TOP / "dataplane/base").glob("*.c"), *(TOP / "conf").glob("*.c"), *(TOP / "graph").glob("*.c"),
                   TOP / "tests/model/host.c", TOP / "tests/model/apply.c"])
    foreign = WIDE.name if os.uname().machine == "x86_64" else "event_scan_avx"
    return [path for path in found if not path.name.startswith(("control", "http_client", foreign))]


def build_directory():
    """Where builds of these sources are kept from one run to the next."""
    headers = sorted(path for folder in ("dataplane/base", "conf", "graph", "tests/model") for path in (TOP / folder).glob("*.h"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [*sources(), *headers, WIDE])).hexdigest()[:16]
    directory = pathlib.Path(tempfile.gettempdir()) / f"trove-model-{os.getuid()}-{digest}"
    directory.mkdir(mode=0o700, exist_ok=True)
    assert directory.stat().st_uid == os.getuid() and not directory.is_symlink()
    return directory


def compiled(directory):
    """The helper by every compiler and level, from the sources, two at a time."""
    libs = subprocess.run(["pkg-config", "--cflags", "--libs", "libfyaml", "libxxhash", "libzstd", "zlib"], capture_output=True, text=True, check=True)
    arch = ["-march=x86-64-v3"] if os.uname().machine == "x86_64" else []

    def build(compiler, level):
        program = directory / f"apply-{compiler}{level}"
        if not program.exists():
            command = [compiler, level, *arch, "-std=gnu17", "-D_GNU_SOURCE", '-DTROVE_VERSION="test"', f"-I{TOP}", "-w"]
            wide = f"{program}.o"  # what only some processors run, and are asked for first, has flags of its own
            if arch:
                subprocess.run([*command, "-mavx512bw", "-mavx512vbmi2", "-c", WIDE, "-o", wide], check=True)
            subprocess.run([*command, *map(str, sources()), *([wide] if arch else []), *libs.stdout.split(), "-pthread", "-lm", "-o",
                            f"{program}.new"], check=True)
            os.replace(f"{program}.new", program)
        return program

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(build, *zip(*COMPILERS)))


def test_compilers_and_shard_counts_give_the_same_outcomes_and_hashes(tmp_path):
    missing = {compiler for compiler, _ in COMPILERS if subprocess.run(["which", compiler], capture_output=True, check=False).returncode}
    if missing:
        pytest.skip(f"{', '.join(sorted(missing))} is not installed")
    programs = [APPLY, *compiled(build_directory())]
    for seed in range(40, 46):
        bench, stream = (reloaded if seed % 2 else hostile)(tmp_path, seed, 1500)
        first = bench.run(stream)
        assert len(first[1]) == 4 and len({line["hash"] for line in first[1]}) == 4
        for program in programs:
            for shards in (1, 2, 7):
                assert bench.run(stream, shards, program) == first, f"seed {seed}, {program}, {shards} shards"


# ---- the most that one event can cost ----


ROUNDS = 30


def heaviest(rng):
    """A catalog of hubs with 1024 edges each to items that lead on, all of them within reach of one walk."""
    lines = [f"hub{hub}\tx{rng.randrange(6000)}\t{1000 - edge % 100}" for hub in range(17) for edge in range(1024)]
    lines += [f"hub{hub}\thub{hub + 1}\t2000" for hub in range(16)] + ["hub16\tx0\t1"]
    lines += [f"x{item}\tx{rng.randrange(6000)}\t{weight}" for item in range(6000) for weight in range(1, 9)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind, hunts, budget", [("basket", 1, 896), ("basket", 28, 32), ("trail", 2, 3584), ("trail", 64, 112)])
def test_the_dearest_event_visits_its_hunts_budgets_and_no_edge_more(tmp_path, kind, hunts, budget):
    """Every budget is as high as the configuration may have it, and its least time within the bound on every event."""
    keys = {"basket": {"recent": 16, "items": 16, "threshold": 1024, "decay": 1, "max_depth": 4, "ttl": "1h", "max_fanout": 64},
            "trail": {"start": ["hub0"], "treasure": ["x1"], "max_depth": 16, "min_step": "0s", "max_fanout": 1024}}[kind]
    config = {"events": {"types": {"view": {}}}, "partitions": 1,
              "hunts": [{"name": f"h{n}", "kind": kind, "catalog": "c.tsv", "budget": budget, **keys} for n in range(hunts)]}
    text = heaviest(random.Random(3))
    bench = Bench(tmp_path, config, {"c.tsv": text})
    items = [f"hub{n}" for n in range(17)] + [text.rsplit("\n", 2)[1].split("\t")[1]]
    run = subprocess.run([APPLY.parent / "worst", bench.config, str(ROUNDS)], input="\n".join(items) + "\n", capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    print(f"{hunts} {kind} hunts: {report}")
    assert report["events"] == ROUNDS * len(items) and report["edges"] == hunts * budget
    assert report["best_ns"] <= 50_000
