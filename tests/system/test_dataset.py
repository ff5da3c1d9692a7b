"""test_dataset.py - every line of a data file becomes one event, the counts are right, the output never changes."""
import csv
import io
import json
import os
import pathlib
import random
import re
import subprocess
import uuid
from collections import Counter, defaultdict

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
DATASET = TOP / "scripts/dataset"
BLAST = pathlib.Path(os.environ.get("TROVE_BUILD", TOP / "build")) / "bench/trove-blast"
DATA = TOP.parent / "shared/data"
RETAIL, OTTO = DATA / "online-retail.csv.zst", DATA / "otto-sample.jsonl"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
STAMP = "@" * 13


def dataset(*args):
    return subprocess.run([DATASET, *map(str, args)], capture_output=True, text=True, check=False)


def convert(kind, source, directory, *args):
    """Runs a conversion; returns its summary, the stream's bytes and the catalog's edges."""
    catalog, stream = directory / "catalog.tsv", directory / "events.stream"
    run = dataset(kind, source, "--catalog", catalog, "--events", stream, *args)
    assert run.returncode == 0, run.stderr
    edges = {}
    for line in catalog.read_text(encoding="utf-8").splitlines():
        start, end, weight = line.split("\t")
        assert (start, end) not in edges
        edges[start, end] = int(weight)
    return json.loads(run.stdout), stream.read_bytes(), edges


def events(stream):
    """The well-formed events of a stream as (offset, object)."""
    for line in stream.decode("utf-8").splitlines():
        offset, text = line.split("\t", 1)
        yield int(offset), json.loads(re.sub("@{13}", "1", text, count=1))


def orders(directory, *rows, header=HEADER):
    path = directory / "orders.csv"
    path.write_bytes(header.encode() + b"".join(row if isinstance(row, bytes) else (row + "\n").encode() for row in rows))
    return path


ROWS = ('1,A,"LAMP, ""RED""",6,1291191960,2.55,17850,United Kingdom',
        "1,B,MUG,6,1291191960,3.39,17850,United Kingdom",
        '1,A,"LAMP, ""RED""",6,1291191960,2.55,17850,United Kingdom',
        "2, A ,LAMP,1,1291192020,-1.5,,France",
        "2,B,MUG,01,1291192020,x,,Côte d'Ivoire",
        "C3,B,MUG,-1,1291192080,3.39,17850,United Kingdom",
        "C3,A,LAMP,-1,1291192080,3.39,17850,United Kingdom")


def test_an_order_line_becomes_an_event(tmp_path):
    summary, stream, _ = convert("retail", orders(tmp_path, *ROWS), tmp_path, "--min-weight", 1)
    found = [event for _, event in events(stream)]
    assert summary["lines"] == summary["events"] == len(found) == 7
    assert found[0]["user"] == "c17850" and found[0]["type"] == "purchase" and found[0]["item"] == "A"
    assert found[0]["data"] == {"quantity": 6, "price": 2.55, "country": "United Kingdom", "invoice": "1"}
    assert found[3]["user"] == "guest-2" and found[3]["item"] == "A" and found[3]["data"]["price"] == -1.5
    # What is no JSON number stays a text.
    assert found[4]["data"] == {"quantity": "01", "price": "x", "country": "Côte d'Ivoire", "invoice": "2"}
    assert found[5]["type"] == "cancel" and found[5]["data"]["quantity"] == -1
    assert [offset for offset, _ in events(stream)] == [0, 0, 0, 60_000, 60_000, 120_000, 120_000]
    assert summary["guest_lines"] == 2 and summary["cancel_lines"] == 2


def test_exact_repeats_share_an_id_and_nothing_else_does(tmp_path):
    summary, stream, _ = convert("retail", orders(tmp_path, *ROWS), tmp_path)
    ids = [event["id"] for _, event in events(stream)]
    assert ids[0] == ids[2] and len(set(ids)) == 6
    assert summary["duplicates"] == 1 and summary["unique"] == 6
    for ident in map(uuid.UUID, ids):
        assert ident.version == 8 and ident.variant == uuid.RFC_4122


def test_items_of_an_invoice_are_joined_both_ways_without_cancellations(tmp_path):
    summary, _, edges = convert("retail", orders(tmp_path, *ROWS), tmp_path, "--min-weight", 2)
    assert edges == {("A", "B"): 2, ("B", "A"): 2}
    assert summary["edges"] == 2 and summary["items"] == 2 and summary["invoices"] == 2
    assert convert("retail", tmp_path / "orders.csv", tmp_path, "--min-weight", 3)[2] == {}


def test_a_huge_invoice_is_cut_and_that_is_said(tmp_path):
    rows = [f"1,I{i:03},X,1,1291191960,1,1,UK" for i in range(250)]
    summary, _, edges = convert("retail", orders(tmp_path, *rows), tmp_path, "--min-weight", 1)
    assert summary["invoices_cut"] == 1 and len(edges) == 200 * 199
    assert max(start for start, _ in edges) == "I199"


def test_a_stream_is_squeezed_into_the_span_asked_for(tmp_path):
    _, stream, _ = convert("retail", orders(tmp_path, *ROWS), tmp_path, "--compress", "10s")
    assert [offset for offset, _ in events(stream)] == [0, 0, 0, 5000, 5000, 10_000, 10_000]


def test_lines_that_break_a_rule_are_kept_and_counted_by_reason(tmp_path):
    rows = ("1,,X,1,1291191960,1,1,UK", f"1,{'x' * 65},X,1,1291191960,1,1,UK", f"1,A,X,1,1291191960,1,{'9' * 64},UK",
            "not an order", "1,A,X,1,yesterday,1,1,UK", b"1,A,X,1,1291191960,1,1,\xc3(\n", "1,A,X,1,1291191960,1,1,UK",
            f"1,A,X,1,1291191960,1,1,{'U' * 3000}", f"1,{'y' * 3000},X,1,1291191960,1,1,UK", "", '1,"A\tB",X,1,1291191960,1,1,UK')
    summary, stream, edges = convert("retail", orders(tmp_path, *rows), tmp_path, "--min-weight", 1)
    lines = stream.splitlines()
    assert summary["lines"] == len(lines) == len(rows)
    assert summary["malformed_by_reason"] == {"item_length": 2, "syntax": 4, "user_length": 1, "utf8": 1}
    assert b"\xc3(" in lines[5]
    assert all(len(line.split(b"\t", 1)[1]) <= 1400 for line in lines)
    assert "A\tB" not in str(edges)


def test_a_field_with_a_newline_is_one_event(tmp_path):
    row = '1,A,"two\nlines",1,1291191960,1,1,UK'
    summary, stream, _ = convert("retail", orders(tmp_path, row, row, ROWS[1]), tmp_path)
    assert summary["lines"] == len(stream.splitlines()) == 3 and summary["duplicates"] == 1


def test_a_limit_takes_the_first_lines(tmp_path):
    summary, stream, _ = convert("retail", orders(tmp_path, *ROWS), tmp_path, "--limit", 3)
    assert summary["lines"] == len(stream.splitlines()) == 3


def test_what_is_no_order_file_is_refused_in_one_line(tmp_path):
    for header in ("a,b,c\n", ""):
        run = dataset("retail", orders(tmp_path, header=header), "--catalog", tmp_path / "c", "--events", tmp_path / "e")
        assert run.returncode == 1 and run.stderr.count("\n") == 1 and "header" in run.stderr
    run = dataset("retail", tmp_path / "none", "--catalog", tmp_path / "c", "--events", tmp_path / "e")
    assert run.returncode == 1 and "No such file" in run.stderr


def test_a_session_becomes_events_in_order_of_time_and_edges_of_what_followed(tmp_path):
    minute = 60_000
    sessions = [{"session": 1, "events": [{"aid": 5, "ts": 0, "type": "clicks"}, {"aid": 6, "ts": minute, "type": "carts"},
                                          {"aid": 6, "ts": 2 * minute, "type": "orders"}, {"aid": 7, "ts": 33 * minute, "type": "clicks"}]},
                {"session": 2, "events": [{"aid": 5, "ts": 30, "type": "clicks"}, {"aid": 6, "ts": 31, "type": "clicks"}]}]
    source = tmp_path / "sessions.jsonl"
    source.write_text("".join(json.dumps(session) + "\n" for session in sessions))
    summary, stream, edges = convert("otto", source, tmp_path)
    found = list(events(stream))
    assert [offset for offset, _ in found] == [0, 30, 31, minute, 2 * minute, 33 * minute]
    assert [event["user"] for _, event in found][:3] == ["s1", "s2", "s2"]
    assert [event["type"] for _, event in found][3:] == ["cart", "purchase", "click"]
    assert edges == {("5", "6"): 2}
    assert summary["sessions"] == 2 and summary["unique"] == 6


def test_what_is_no_session_is_refused_with_its_line(tmp_path):
    source = tmp_path / "sessions.jsonl"
    for text in ('{"session":1,"events":[]}\nnonsense\n', '{"session":1,"events":[]}\n{"session":1}\n', '{"session":1,"events":[]}\n[]\n'):
        source.write_text(text)
        run = dataset("otto", source, "--catalog", tmp_path / "c", "--events", tmp_path / "e")
        assert run.returncode == 1 and f"{source}:2:" in run.stderr and run.stderr.count("\n") == 1


def make_sample(directory, *args):
    run = dataset("sample", "--catalog", directory / "catalog.tsv", "--events-out", directory / "events.stream", *args)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), (directory / "events.stream").read_bytes()


def test_the_sample_holds_what_its_summary_says(tmp_path):
    summary, stream = make_sample(tmp_path)
    lines = [line.split(b"\t", 1)[1] for line in stream.splitlines()]
    whole = Counter(line for line in lines if b'"data":{"price"' in line)
    assert len(lines) == summary["events"] == 20_000
    assert len(whole) == summary["unique"] and sum(whole.values()) - len(whole) == summary["duplicates"] == 500
    assert len(lines) - sum(whole.values()) == summary["malformed"] == 80
    assert len(summary["malformed_by_reason"]) >= 8
    assert sum(b"@@@@+" in line for line in whole) == summary["skewed"] > 0
    items = {json.loads(line.replace(STAMP.encode(), b"1", 1))["item"] for line in whole if STAMP.encode() in line}
    catalog = {line.split("\t")[0] for line in (tmp_path / "catalog.tsv").read_text().splitlines()}
    assert items - catalog <= {summary["trail_treasure"]} and 150 < len(items) <= 200


def test_the_sample_is_a_function_of_its_seed(tmp_path):
    first, other = make_sample(tmp_path, "--events", 500), make_sample(tmp_path, "--events", 500)
    assert first == other
    assert make_sample(tmp_path, "--events", 500, "--seed", 2)[1] != first[1]


def test_some_users_of_the_sample_walk_the_trail_to_its_end(tmp_path):
    summary, stream = make_sample(tmp_path)
    at = defaultdict(int)
    for line in stream.splitlines():
        event = re.search(rb'"user":"([^"]+)".*"item":"(clue-\d|treasure)","data"', line)
        if event:
            want = b"treasure" if at[event[1]] == 8 else b"clue-%d" % (at[event[1]] + 1)
            at[event[1]] += event[2] == want
    assert sum(count == 9 for count in at.values()) > 20, summary


@pytest.mark.skipif(not BLAST.exists(), reason=f"{BLAST} is not built")
def test_a_stream_is_one_that_trove_blast_takes(tmp_path):
    rng = random.Random(7)
    rows = [f"{rng.randrange(40)},I{rng.randrange(30)},X,1,{1291191960 + i},1,{rng.randrange(9) or ''},UK" for i in range(500)]
    convert("retail", orders(tmp_path, *rows, "no order"), tmp_path, "--compress", "100ms")
    run = subprocess.run([BLAST, "--replay", tmp_path / "events.stream", "null:"], capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    assert report["sent"] == 501 and report["unsent"] == 0 and report["unique"] is None


@pytest.mark.skipif(not RETAIL.exists(), reason=f"{RETAIL} is not there")
def test_every_line_of_the_real_orders_is_accounted_for(tmp_path):
    summary, stream, edges = convert("retail", RETAIL, tmp_path, "--compress", "1h")
    assert summary["lines"] == stream.count(b"\n") == 541_909
    assert summary["duplicates"] == 5_268 and summary["malformed"] == 0
    assert summary["guest_lines"] == 135_080 and summary["cancel_lines"] == 9_288
    assert summary["edges"] == len(edges) and min(edges.values()) == 10
    assert all(edges[end, start] == weight for (start, end), weight in edges.items())
    # One pair, counted the slow way.
    raw = subprocess.run(["zstdcat", RETAIL], capture_output=True, check=True).stdout.decode()
    invoices = defaultdict(dict)
    for row in csv.DictReader(io.StringIO(raw)):
        if not row["InvoiceNo"].startswith("C") and row["StockCode"].strip():
            invoices[row["InvoiceNo"]][row["StockCode"].strip()] = None
    both = sum({"85123A", "22423"} <= set(list(items)[:200]) for items in invoices.values())
    assert edges["85123A", "22423"] == both


@pytest.mark.skipif(not OTTO.exists(), reason=f"{OTTO} is not there")
def test_the_real_sessions_are_converted(tmp_path):
    summary, stream, _ = convert("otto", OTTO, tmp_path)
    assert summary["lines"] == stream.count(b"\n") == 862 and summary["users"] == 20
