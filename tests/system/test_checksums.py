"""TCP checksums made by a port that can, and by troved where it cannot: the kernel at the other end drops a wrong one."""
import json
import subprocess

import pytest

from conftest import PACKET, uuid

HTTP = "listen: { http: { port: 8080 } }"


def wrong_sums():
    """Segments that the kernel dropped for their checksum, in all."""
    lines = [line.split() for line in open("/proc/net/snmp", encoding="ascii") if line.startswith("Tcp:")]
    return int(dict(zip(*lines))["InCsumErrors"])


def post(url, count):
    events = [json.dumps({"id": str(uuid.uuid4()), "time": 1795209600123, "user": f"u-{n}", "type": "view", "item": "x" * (n % 50 + 1)})
              for n in range(count)]
    run = subprocess.run(["curl", "-s", "--globoff", "-m", "20", "-H", "Content-Type: application/x-ndjson", "--data-binary", "@-", url],
                         input="\n".join(events), capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["accepted"] == count, run.stdout


def check(trove, makes):
    before = wrong_sums()
    port, = trove.status()["ports"]
    assert port["name"] == "p0" and port["makes"] == makes
    line = next(line for line in trove.ctl("status").stdout.splitlines() if line.startswith("ports "))
    assert ("  makes tcp" in line) == bool(makes)
    for count in (1, 2, 333):  # answers of one segment and of several
        for address in ("192.0.2.1", "[2001:db8::1]"):
            post(f"http://{address}:8080/v1/events", count)
    assert wrong_sums() == before
    # A checksum that is wrong is not answered again and again: nothing had to be sent twice.
    assert trove.status()["tcp"]["retransmits"] == 0
    subprocess.run(["ping", "-c", "1", "-W", "5", "192.0.2.1"], check=True, capture_output=True)
    assert trove.term() == 0


def test_a_port_that_makes_checksums_is_left_them(make):
    check(make(HTTP).start(), ["tcp"])


@pytest.mark.usefixtures("veth")
def test_where_the_port_makes_none_they_are_made_here(make):
    check(make(HTTP, PACKET).start(), [])
