"""The Kafka sink by TLS and SASL: whom it trusts, who it says it is, and what it says when that is not enough."""
import pytest

from certs import Authority
from fake_kafka_login import SecureKafka
from kafka_kit import same
from test_kafka import caught_up, kafka_sink, sink
from test_redis import send, until
from test_sinks import apply

ADDRESS = "127.0.0.1:9092"


@pytest.fixture
def broker():
    made = []

    def build(*args, **more):
        made.append(SecureKafka(*args, **more))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def fast(lines):
    return lines.replace("timeout: 2s", "timeout: 1s")


def delivered(trove, fake, count):
    send(count)
    trove.settled(count)
    until(lambda: len(fake.messages) >= count, "all are there")
    caught_up(trove)
    with fake.lock:
        same(trove, fake.messages)


def refused(trove, *words):
    until(lambda: any(word in sink(trove).get("last_error", "") for word in words), f"the sink says one of {words}")


def test_a_server_that_is_vouched_for(trove, broker, authority):
    fake = broker(authority.context())
    apply(trove, kafka_sink(ADDRESS, f", tls: true, ca_file: {authority.ca}"))
    delivered(trove, fake, 200)
    assert sink(trove)["errors"] == 0


def test_a_certificate_of_ones_own_is_shown(trove, broker, authority):
    fake = broker(authority.context(clients=True))
    cert, key = authority.issue("trove-pop1")
    tls = f", tls: true, ca_file: {authority.ca}"
    apply(trove, fast(kafka_sink(ADDRESS, tls)))
    until(lambda: sink(trove)["errors"] >= 1, "without one nobody is let in")
    assert not fake.messages
    apply(trove, kafka_sink(ADDRESS, f"{tls}, cert_file: {cert}, key_file: {key}"))
    delivered(trove, fake, 100)
    assert fake.clients == {"trove-pop1"}


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_a_server_that_is_somebody_else(trove, broker, authority, tmp_path, wrong):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    fake = broker(other.context() if wrong == "authority" else authority.context("elsewhere", "DNS:kafka.example"))
    apply(trove, fast(kafka_sink(ADDRESS, f", tls: true, ca_file: {authority.ca}")))
    refused(trove, "certificate verify failed")
    assert not fake.counts and not fake.messages
    fake.context = authority.context()
    delivered(trove, fake, 50)


def test_tls_on_one_side_only(trove, broker, authority):
    fake = broker(authority.context())
    apply(trove, fast(kafka_sink(ADDRESS)))
    until(lambda: sink(trove)["errors"] >= 1, "it says so")
    fake.context = None
    apply(trove, fast(kafka_sink(ADDRESS, f", tls: true, ca_file: {authority.ca}")))
    refused(trove, "transport failure")
    apply(trove, kafka_sink(ADDRESS))
    delivered(trove, fake, 50)


def test_files_that_are_not_there_are_named(trove, broker, tmp_path):
    fake = broker()
    apply(trove, fast(kafka_sink(ADDRESS, f", tls: true, ca_file: {tmp_path}/nobody.pem")))
    refused(trove, "nobody.pem", "ssl.ca.location")
    apply(trove, fast(kafka_sink(ADDRESS, f", sasl: plain, user: trove, password_file: {tmp_path}/nothing")))
    refused(trove, "password_file")
    assert not fake.counts


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_password_by_sasl_and_a_wrong_one(trove, broker, authority, tmp_path, mechanism, tls):
    fake = broker(authority.context() if tls else None, mechanism, "trove-1", "s3cret=,%")
    secret = tmp_path / "kafka.password"
    secret.write_text("wrong\n")
    keys = f", sasl: {mechanism.lower()}, user: trove-1, password_file: {secret}" + (f", tls: true, ca_file: {authority.ca}" if tls else "")
    apply(trove, fast(kafka_sink(ADDRESS, keys)))
    refused(trove, "uthentication")
    assert fake.turned_away and "wrong" in sink(trove)["last_error"] and not fake.messages
    secret.write_text("s3cret=,%\n")  # read again at each connect
    delivered(trove, fake, 200)
