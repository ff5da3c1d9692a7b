"""What a port has no room for is counted, also where its driver says nothing of it and the kernel has to be asked."""
import os
import signal
import time

import pytest

from conftest import PACKET, encode, udp


def sent_while_it_stands_still(trove, count):
    """How many of that many events were accepted, and how many packets lost, when there is nothing left to come."""
    before = trove.status()["lost"]["nic"]
    sock = udp()
    trove.process.send_signal(signal.SIGSTOP)
    os.waitpid(trove.process.pid, os.WUNTRACED)
    for n in range(count):
        sock.send(encode(user=f"u-{n % 5000}"))
    trove.process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + 15
    while True:
        now = trove.status()
        account, lost = now["account"], now["lost"]["nic"] - before
        if account["accepted"] + lost >= count and not account["in_flight"]:
            assert account["balanced"]
            return account["accepted"], lost
        assert time.monotonic() < deadline, account
        time.sleep(0.02)


def check(trove, count, room):
    accepted, lost = sent_while_it_stands_still(trove, count)
    # The kernel's own packets, of which there are few, may have found no room as well.
    assert 0 < accepted <= room and count - room <= lost <= count - accepted + 10
    counted = trove.status()["lost"]["nic"]
    assert counted >= lost
    assert trove.term() == 0
    assert f" lost {counted} " in trove.account_line() and trove.account_line().endswith(" balanced")


def test_of_net_tap(make):
    check(make().start(), 20_000, 16_384 + 512)


@pytest.mark.usefixtures("veth")
def test_of_net_af_packet(make):
    check(make(config=PACKET.replace("iface=server0", "iface=server0,framecnt=512")).start(), 2_000, 512)


@pytest.mark.usefixtures("veth")
def test_a_network_interface_has_room_for_a_pause_where_nothing_is_said_of_it(make):
    assert sent_while_it_stands_still(make(config=PACKET).start(), 2_000) == (2_000, 0)
