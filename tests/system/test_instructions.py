"""test_instructions.py - an event costs no more instructions than tests/instructions.json says: counted, so the same on any machine."""
import json
import pathlib
import shutil
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "bench"))

from conftest import BUILD  # noqa: E402
from parse import instructions  # noqa: E402

PROGRAM = BUILD / "bench/trove-parse"
KEPT = json.loads((TOP / "tests/instructions.json").read_text())["event_parse"]
NOISE = 0.03  # what another patch level of the compiler may change


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not PROGRAM.exists(), reason=f"{PROGRAM} is not built")
@pytest.mark.parametrize("events", sorted(KEPT))
def test_event_parse_takes_the_instructions_that_are_kept(events):
    """Fewer is a reason to write the new number down, with what made the difference."""
    assert instructions(PROGRAM, events) == pytest.approx(KEPT[events], rel=NOISE)
