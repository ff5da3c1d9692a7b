"""Clients as they are: wrk, h2load, Python's http.client, Node's fetch, a browser's. What each was told is what the journal has."""
import http.client
import http.server
import json
import shutil
import subprocess
import threading

import pytest

from conftest import encode
from posts import HTTP, PORT, URL, at_rest, bodies, journal

WRK = """\
local thread, n = 0, 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function request()
  n = n + 1
  local body = string.format('{"id":"%08x-0000-4000-8000-%012x","time":TIME,"user":"u-%d","type":"view","item":"A"}', id + 1, n, n % 5000)
  return wrk.format("POST", "/v1/events", {["Content-Type"] = "application/json"}, body)
end
function done(summary)
  local e = summary.errors
  print(string.format('{"requests":%d,"errors":%d}', summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
"""

NODE = """\
const [url, ...bodies] = JSON.parse(require("fs").readFileSync(0));
const post = async body => {
  const answer = await fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body});
  return [answer.status, await answer.json()];
};
Promise.all(bodies.map(post)).then(all => console.log(JSON.stringify(all)));
"""

PAGE = """\
<script>
(async () => {
  const said = [];
  for (const body of BODIES) {
    try {
      const answer = await fetch("URL/v1/events", {method: "POST", headers: {"Content-Type": "application/json"}, body});
      said.push([answer.status, await answer.json()]);
    } catch (error) {
      said.push([0, String(error)]);
    }
  }
  await fetch("/said", {method: "POST", body: JSON.stringify(said)});
})();
</script>
"""

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def need(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def kept(trove):
    """What the journal has, once each."""
    found = [bytes_ for _, bytes_ in journal(trove)]
    assert len(found) == len(set(found)), "an event twice"
    return set(found)


@pytest.fixture
def server(make):
    return make(HTTP).start()


@need("wrk")
def test_wrk_is_answered_for_all_that_the_journal_has(server, tmp_path):
    script = tmp_path / "post.lua"
    script.write_text(WRK.replace("TIME", str(json.loads(encode())["time"])))
    run = subprocess.run(["wrk", "-t2", "-c50", "-d3s", "-s", script, URL], capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["errors"] == 0 and told["requests"] > 500, run.stdout
    now = at_rest(server)
    # At its end wrk leaves what it has asked and not yet heard.
    assert told["requests"] <= now["http"]["answers"]["202"] <= told["requests"] + 50
    assert len(kept(server)) == now["account"]["accepted"] == now["http"]["answers"]["202"] + now["http"]["unanswered"]


@need("h2load")
def test_h2load_posts_one_event_many_times(server, tmp_path):
    (tmp_path / "event").write_bytes(encode())
    run = subprocess.run(["h2load", "--h1", "-n", "5000", "-c", "40", "-t", "1", "-d", tmp_path / "event",
                          "-H", "content-type: application/json", f"{URL}/v1/events"], capture_output=True, text=True, timeout=60, check=True)
    assert "5000 succeeded, 0 failed, 0 errored, 0 timeout" in run.stdout, run.stdout
    account = at_rest(server)["account"]
    assert (account["accepted"], account["duplicate"]) == (1, 4999)
    assert kept(server) == {(tmp_path / "event").read_bytes()}


def test_http_client_on_one_connection_whole_and_in_chunks(server):
    connection = http.client.HTTPConnection("192.0.2.1", PORT, timeout=30)
    sent = bodies(300)
    for i, body in enumerate(sent):
        if i % 3 == 2:
            connection.request("POST", "/v1/events", iter([body[:7], body[7:]]), {"Content-Type": "application/json"}, encode_chunked=True)
        else:
            connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["id"]) == (202, json.loads(body)["id"])
    lines = bodies(10_000)
    connection.request("POST", "/v1/events", b"[" + b",".join(lines[:5000]) + b"]", {"Content-Type": "application/json"})
    assert json.loads(connection.getresponse().read())["accepted"] == 5000
    connection.request("POST", "/v1/events", b"\n".join(lines[5000:]), {"Content-Type": "application/x-ndjson"})
    assert json.loads(connection.getresponse().read())["accepted"] == 5000
    assert server.status()["http"]["connections"] == 1
    connection.close()
    assert kept(server) == {*sent, *lines}


@need("node")
def test_fetch_of_node(server):
    sent = bodies(500)
    run = subprocess.run(["node", "-e", NODE], input=json.dumps([f"{URL}/v1/events", *(body.decode() for body in sent)]), capture_output=True,
                         text=True, timeout=60, check=True)
    for body, (status, said) in zip(sent, json.loads(run.stdout)):
        assert (status, said["id"], said["result"]) == (202, json.loads(body)["id"], "accepted")
    assert kept(server) == set(sent)


class Page(http.server.ThreadingHTTPServer):
    """A page of another origin, and what its script says it was told."""

    def __init__(self, text):
        super().__init__(("127.0.0.1", 0), Handler)
        self.text, self.said, self.told = text, None, threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.text.encode())

    def do_POST(self):
        self.server.said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def browse(sent, profile):
    """What a page of another origin is told by a browser when its script posts events; and that origin."""
    page = Page(PAGE.replace("BODIES", json.dumps([body.decode() for body in sent])).replace("URL", URL))
    threading.Thread(target=page.serve_forever, daemon=True).start()
    browser = subprocess.Popen([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                                "--disable-dev-shm-usage", f"--user-data-dir={profile}", f"http://127.0.0.1:{page.server_port}/"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert page.told.wait(40), "the browser has not told anything"
    finally:
        browser.terminate()
        browser.wait(20)
        page.shutdown()
        page.server_close()
    return page.said


@pytest.mark.skipif(not BROWSER, reason="chromium is not installed")
def test_fetch_of_a_browser_needs_the_origin_s_permission(server, tmp_path):
    sent = bodies(3)
    refused = browse(sent, tmp_path / "profile")
    assert [status for status, _ in refused] == [0, 0, 0], refused
    assert server.status()["http"]["events"] == 0
    server.config.write_text(server.config.read_text().replace(f"port: {PORT}", f"port: {PORT}, cors: {{ origins: '*' }}"))
    server.ctl("conf", "apply", server.config)
    told = browse(sent, tmp_path / "profile")
    assert [(status, said["result"]) for status, said in told] == [(202, "accepted")] * 3
    assert server.status()["http"]["answers"]["204"] >= 1, "no preflight"
    assert kept(server) == set(sent)
