"""Requests of strangers: what the server refuses, how soon, and what it says of itself."""

import contextlib
import socket
import threading
import time

import psutil
import pytest

from backlight.studio import connection
from backlight.studio.admission import Admission, same
from backlight.studio.guard import HEADERS

WEBSOCKET = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)


def test_the_page_is_served_to_who_has_the_cookie(serving):
    answer = serving.get("/circuit")
    assert answer.status == 200
    assert b"<main" in answer.body


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.:{port}",
        "127.0.0.1:{port}@evil.example",
        "[::1]:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1:{port}, evil.example",
    ],
)
def test_it_answers_to_no_other_name(serving, host):  # W01-W06
    answer = serving.get("/circuit", host=host.format(port=serving.port))
    assert answer.status in (400, 421)
    assert b"<main" not in answer.body


def test_it_needs_one_name(serving):
    assert serving.get("/circuit", host="").status in (400, 421)
    assert serving.get("/circuit", "Host: evil.example").status in (400, 421)
    assert Answer_of(serving, "GET /circuit HTTP/1.0\r\n\r\n") in (400, 421)


def Answer_of(serving, text):
    return int(serving.raw(text).split(b" ")[1])


def test_a_whole_address_is_no_path(serving):
    assert serving.get("http://evil.example/circuit").status in (400, 421)
    assert serving.get("evil").status == 400


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost.evil",
        "http://127.0.0.1:1",
        "https://{host}",
    ],
)
def test_no_other_page_may_speak(serving, origin):  # W09
    header = f"Origin: {origin.format(host=serving.host)}"
    assert serving.get("/circuit", header).status == 403
    assert serving.get("/live", header, *WEBSOCKET).status == 403


def test_a_websocket_needs_an_origin(serving):
    assert serving.get("/live", *WEBSOCKET).status == 403


def test_requests_from_another_site_are_refused(serving):  # W08
    for site in ("cross-site", "same-site"):
        assert serving.get("/circuit", f"Sec-Fetch-Site: {site}").status == 403


@pytest.mark.parametrize(
    "cookie", ["", "wrong", "{right}x", "x" * 100_000, "other-1=1", "{name}=" + "a" * 43]
)
def test_without_the_cookie_nothing_is_seen(serving, cookie):  # W10, W12
    given = cookie.format(right=serving.cookie, name=serving.admission.cookie)
    for path in ("/circuit", "/web/app.js", "/words/en.json", "/report/x", "/live"):
        answer = serving.get(path, f"Cookie: {given}", cookie=False)
        assert answer.status in (400, 401)
        assert b"script" not in answer.body


def test_the_key_is_swapped_for_a_cookie_and_leaves_the_address(serving):
    answer = serving.get(f"/?key={serving.admission.key}", cookie=False)
    assert answer.status == 303
    assert "key" not in answer.headers["location"]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert serving.admission.key not in cookie


def test_wrong_keys_are_refused_and_soon_not_even_looked_at(tmp_path):
    admission = Admission(1, tmp_path / "state")

    def tried(key):
        scope = {"type": "http", "headers": [], "query_string": f"key={key}".encode()}
        return admission.refused(scope)

    assert {tried("x" * k) for k in range(1, 31)} == {401}
    assert tried(admission.key[:-1]) == 429
    assert tried("y" * 1_000_000) == 429
    assert tried(admission.key) == 0, "the right one is never locked out"


def test_a_key_for_the_browser_opens_once(tmp_path):
    admission = Admission(1, tmp_path / "state")
    key = admission.once()
    scope = {"type": "http", "headers": [], "query_string": f"key={key}".encode()}
    assert admission.refused(scope) == 0
    assert admission.refused(scope) == 401


def test_the_cookie_outlives_a_restart_and_the_key_does_not(tmp_path):  # W10, W39
    first, second = (Admission(7, tmp_path / "state") for _ in range(2))
    assert first.set_cookie() == second.set_cookie()
    assert first.key != second.key
    assert Admission(8, tmp_path / "state").set_cookie() != first.set_cookie()
    secret = tmp_path / "state" / "7.secret"
    assert secret.stat().st_mode & 0o077 == 0
    secret.chmod(0o644)
    assert Admission(7, tmp_path / "state").set_cookie() != first.set_cookie()


def test_a_websocket_cannot_bring_the_key_instead_of_the_cookie(tmp_path):
    admission = Admission(1, tmp_path / "state")
    query = f"key={admission.key}".encode()
    assert admission.refused({"type": "websocket", "headers": [], "query_string": query}) == 401


def test_comparing_takes_no_longer_the_more_is_right():
    right = "k" * 43
    times = {}
    for given in ("x" * 43, "k" * 42 + "x"):
        best = 1.0
        for _ in range(300):
            started = time.perf_counter()
            for _ in range(20):
                same(given, right)
            best = min(best, (time.perf_counter() - started) / 20)
        times[given] = best
    slow, fast = max(times.values()), min(times.values())
    assert slow - fast < 1e-6


def test_it_listens_on_this_machine_alone(serving):  # W14
    places = [
        one.laddr.ip
        for one in psutil.Process().net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr.port == serving.port
    ]
    assert places == ["127.0.0.1"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO", "CONNECT"])
@pytest.mark.parametrize("path", ["/", "/circuit", "/web/app.js", "/words/en.json", "/live"])
def test_it_only_answers_get(serving, method, path):  # W28
    answer = serving.get(path, method=method)
    assert answer.status in (400, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 1000000000000000000"],
        ["Content-Length: 4", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked"],
        ["Content-Length: -1"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: 10", "Content-Encoding: gzip"],
    ],
)
def test_bodies_are_refused_unread(serving, headers):  # W26
    assert serving.get("/circuit", *headers).status in (400, 413)


def test_an_endless_body_is_cut(serving):
    process = psutil.Process()
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", serving.port), timeout=5) as one:
        head = f"GET /circuit HTTP/1.1\r\nHost: {serving.host}\r\nCookie: {serving.cookie}\r\n"
        one.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
        sent = 0
        with pytest.raises(OSError):  # noqa: PT012 - it ends when it ends
            for _ in range(300):
                one.sendall(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
                sent += 1
        assert sent < 60
    assert process.memory_info().rss - before < 64 * 2**20


@pytest.mark.parametrize(
    "request_",
    [
        "GET /" + "a" * 2**20 + " HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\n" + "a: b\r\n" * 100_000 + "\r\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\nx: " + "a" * 2**20 + "\r\n\r\n",
        "GET / HTTP/1.1\nHost: {host}\n\n",
        "GET / HTTP/1.1\r\nHost: {host}\r\n folded\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x00\xff\x00\xff" * 64 + "\r\n\r\n",
    ],
)
def test_what_is_no_request_is_closed(serving, request_, capfd):  # W27, W29
    answer = serving.raw(request_.replace("{host}", serving.host), wait=0.5)
    assert not answer or int(answer.split(b" ")[1]) in (400, 401, 414, 421, 431)
    assert all(len(line) < 200 for line in capfd.readouterr().err.splitlines())
    assert serving.get("/circuit").status == 200


def test_parts_of_a_file_are_not_handed_out(serving):  # W30
    ranges = "Range: bytes=" + ",".join(f"{k}-{k}" for k in range(300))
    answer = serving.get("/web/app.js", ranges)
    assert answer.status == 200
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/circuit",
        "/landscape",
        "/web/app.js",
        "/web/circuit.css",
        "/words/ko.json",
        "/words/xx.json",
        "/nowhere",
        "/web/../guard.py",
        "/web/%2e%2e%2fguard.py",
        "/web/index.html%00",
        "/report/%2e%2e",
    ],
)
def test_every_answer_has_the_headers(serving, path):  # W43
    answer = serving.get(path)
    for name, value in HEADERS:
        assert answer.headers[name.decode()] == value.decode()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert "server" not in answer.headers
    assert b"Traceback" not in answer.body
    assert str(serving.studio.runs).encode() not in answer.body


def test_only_the_documents_with_a_plotting_library_may_write_styles(serving):
    assert "style-src 'self';" in serving.get("/circuit").headers["content-security-policy"]
    assert (
        "style-src 'self' 'unsafe" in serving.get("/landscape").headers["content-security-policy"]
    )


@pytest.mark.parametrize(
    "name",
    ["../guard.py", "%2e%2e/guard.py", "..%2fguard.py", "%252e%252e%252fguard.py", "..\\guard.py"],
)
def test_scripts_are_named_and_not_paths(serving, name):
    answer = serving.get(f"/web/{name}")
    assert answer.status in (400, 404)
    assert b"class Guard" not in answer.body


def test_slow_and_silent_connections_are_closed_and_others_served(serving, monkeypatch):  # W31
    monkeypatch.setattr(connection, "RECEIPT", 0.5)
    sockets = [socket.create_connection(("127.0.0.1", serving.port)) for _ in range(150)]
    try:
        for one in sockets[:75]:
            with contextlib.suppress(OSError):
                one.send(b"GET / HTTP/1.1\r\nHo")
        time.sleep(0.2)
        started = time.monotonic()
        while time.monotonic() - started < 5:
            if not serving.server.server_state.connections:
                break
            time.sleep(0.05)
        assert time.monotonic() - started < 2
        assert serving.get("/circuit").status == 200
    finally:
        for one in sockets:
            one.close()


def test_a_rush_of_connections_takes_no_rush_of_handles(serving, monkeypatch):  # W31
    monkeypatch.setattr(connection, "RECEIPT", 0.5)
    made, open_at_once = connection.Connection.connection_made, []

    def counted(self, transport):
        made(self, transport)
        open_at_once.append(len(self.connections))

    monkeypatch.setattr(connection.Connection, "connection_made", counted)
    place = ("127.0.0.1", serving.port)
    sockets = [socket.create_connection(place) for _ in range(connection.MOST_CONNECTIONS)]
    try:
        time.sleep(0.1)
        serving.studio._loop.call_soon_threadsafe(time.sleep, 0.2)  # busy, while many knock
        sockets += [socket.create_connection(place) for _ in range(100)]
        time.sleep(0.3)
        assert max(open_at_once) <= 160
    finally:
        for one in sockets:
            one.close()
    time.sleep(0.6)
    assert serving.get("/circuit").status == 200


def test_who_does_not_read_a_large_answer_is_dropped(serving, monkeypatch):  # W31
    monkeypatch.setattr(connection, "RECEIPT", 0.5)
    (serving.studio.runs / "large").mkdir(exist_ok=True)
    (serving.studio.runs / "large" / "config.toml").write_text("")
    (serving.studio.runs / "large" / "report.html").write_bytes(b"x" * 30_000_000)
    request = f"GET /report/large HTTP/1.1\r\nHost: {serving.host}\r\nCookie: {serving.cookie}\r\n"
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.connect(("127.0.0.1", serving.port))
        slow.sendall(f"{request}\r\n".encode())
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
        started = time.monotonic()
        assert serving.get("/circuit").status == 200, "others are served meanwhile"
        while serving.server.server_state.connections and time.monotonic() - started < 5:
            time.sleep(0.02)
        assert time.monotonic() - started < 2
    monkeypatch.undo()
    assert len(serving.get("/report/large").body) == 30_000_000, "a reader gets all of it"


def test_keys_are_in_no_log(serving, capfd):  # W11
    serving.get(f"/?key={serving.admission.key}", cookie=False)
    serving.get("/?key=wrong", cookie=False)
    found = capfd.readouterr()
    assert serving.admission.key not in found.out + found.err
    assert not found.out + found.err


def test_many_at_once_are_answered(serving):
    found = []

    def one():
        found.append(serving.get("/words/en.json").status)

    threads = [threading.Thread(target=one) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [200] * 30
