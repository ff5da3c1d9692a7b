"""test_instructions.py - an event costs no more instructions than tests/instructions.json says, alone in the parser, in a datagram or as
a POST on its way through the rx core and back, and in the shard: counted, so the same on any machine."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))

from conftest import BUILD  # noqa: E402
from bench_parse import instructions  # noqa: E402

PROGRAM = BUILD / "bench/trove-parse"
POST = BUILD / "bench/trove-post"
DATAGRAM = BUILD / "bench/trove-datagram"
DECIDE = BUILD / "bench/trove-decide"
FILE = json.loads((TOP / "tests/instructions.json").read_text())
KEPT, KEPT_POST, KEPT_DATAGRAM, KEPT_DECIDE = FILE["event_parse"], FILE["http_post"], FILE["datagram"], FILE["decide"]
NOISE = 0.03  # what another patch level of the compiler may change


def polls(tmp_path, *command):
    """Instructions an event in counted_poll, while a program does what it does once."""
    run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out", "--toggle-collect=counted_poll", *command,
                          "--once"], capture_output=True, text=True, check=True, timeout=300)
    return int(re.search(r"Collected : (\d+)", run.stderr)[1]) / json.loads(run.stdout)["events"]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")
@pytest.mark.parametrize("events", sorted(KEPT))
def test_event_parse_takes_the_instructions_that_are_kept(tmp_path, events):
    """Fewer is a reason to write the new number down, with what made the difference."""
    assert instructions(PROGRAM, tmp_path, events) == pytest.approx(KEPT[events], rel=NOISE)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not POST.exists(), reason=f"{POST} is not built")
@pytest.mark.parametrize("posts", sorted(KEPT_POST))
def test_a_post_takes_the_instructions_that_are_kept(tmp_path, posts):
    """What the rx core does for an event, from the frames that bring it to the frame with its answer."""
    assert polls(tmp_path, POST, posts) == pytest.approx(KEPT_POST[posts], rel=NOISE)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not DATAGRAM.exists(), reason=f"{DATAGRAM} is not built")
@pytest.mark.parametrize("events", sorted(KEPT_DATAGRAM))
def test_a_datagram_takes_the_instructions_that_are_kept(tmp_path, events):
    """What the rx core does for an event in a datagram of so many, from the frame to its buffer's release."""
    assert polls(tmp_path, DATAGRAM, events) == pytest.approx(KEPT_DATAGRAM[events], rel=NOISE)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not DECIDE.exists(), reason=f"{DECIDE} is not built")
def test_a_decision_takes_the_instructions_that_are_kept(tmp_path):
    """What the shard does for an event, from its ring to the answer, with the records that the journal gets."""
    assert polls(tmp_path, DECIDE) == pytest.approx(KEPT_DECIDE, rel=NOISE)
