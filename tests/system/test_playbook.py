"""The playbook of OPERATIONS.md: every entry names a test that rehearses it, and every test that it names is there."""
import pathlib
import re

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
TEXT = (TOP / "OPERATIONS.md").read_text(encoding="utf-8")
NAMED = re.compile(r"tests/unit/[\w/]+|\btest_\w+(?:::\w+)?")


def entries():
    """The rows of the table under `What may go wrong`, as lists of their cells."""
    chapter = TEXT.split("\n## What may go wrong\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in chapter.splitlines() if line.startswith("| ")]
    assert rows[0] == ["what happens", "what one sees", "what Trove does", "what to type"]
    return rows[1:]


def source(name):
    """The file of a test by its name, system or unit, and the function that must be in it, if one is named."""
    file, _, function = name.partition("::")
    path = TOP / f"{file}.c" if file.startswith("tests/unit/") else TOP / f"tests/system/{file}.py"
    return path, function


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry[0][:50])
def test_an_entry_says_what_is_seen_and_done_and_names_a_test(entry):
    assert len(entry) == 4, "an entry is what happens, what one sees, what Trove does and what to do"
    assert NAMED.findall(entry[3]), "no test rehearses it"


def test_every_test_that_is_named_is_there():
    names = set(NAMED.findall(TEXT))
    assert len(names) > 20
    for name in names:
        path, function = source(name)
        assert path.is_file(), f"OPERATIONS.md names {name}, which is not there"
        if function:
            assert re.search(rf"\bdef {function}\(|\b{function}\(void", path.read_text(encoding="utf-8")), name
