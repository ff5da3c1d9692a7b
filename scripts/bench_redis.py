"""bench_redis.py - Redis as a peer and as a sink's other side: a server on a socket of its own, and the best that redis-benchmark gets from it."""
import contextlib
import shutil
import subprocess
import time

from bench_cores import CONTROL, WORKER
from bench_lib import PATIENCE_S, caveat, end, fail, start


def redis_server(directory, *options, cores=None):
    """A server in a fresh directory, and its socket."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    sock, pinned = directory / "redis.sock", ["taskset", "-c", str(cores)] if cores else []
    server = start([*pinned, "redis-server", "--port", "0", "--unixsocket", sock, "--unixsocketperm", "700", "--dir", directory, "--save", "",
                    *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while not sock.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            fail("redis-server did not start")
        time.sleep(0.05)
    return server, sock


@contextlib.contextmanager
def redis_peer(directory, *options):
    """The socket of a server on the core where Trove's worker is at other times; None where Redis cannot be installed."""
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        caveat("no figure of redis: redis-server cannot be installed here")
        yield None
        return
    server, sock = redis_server(directory / "redis", *options, cores=WORKER)
    yield sock
    end(server)


def redis_rate(sock, count, pipeline, keys, *command):
    """Commands a second: eight connections on the other core, so many commands in each round trip."""
    run = subprocess.run(["taskset", "-c", str(CONTROL), "redis-benchmark", "-s", sock, "-c", "8", "-P", str(pipeline), "-n", str(count), "-r", str(keys),
                          "--csv", *command], capture_output=True, text=True, check=True)
    return float(run.stdout.strip().splitlines()[-1].split('","')[1].strip('"'))
