"""What stands between a network and an application: who may ask, how much, how long, and what
failures look like."""

import json
import time
from functools import partial
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from polytome.errors import ArgumentError, DataError

fastapi = pytest.importorskip("fastapi")
from polytome.serve.exchange import Refusal  # noqa: E402
from polytome.serve.protection import is_loopback, protect  # noqa: E402
from serving import PATIENCE, Client, running, until  # noqa: E402

SECRET = "the secret of a client"
TOKEN = "a-token-that-only-friends-know"
HTML = "text/html,application/xhtml+xml"


def application():
    app = fastapi.FastAPI(docs_url=None, redoc_url=None)

    @app.post("/echo")
    async def echo(request: fastapi.Request):
        return {"bytes": len(await request.body())}

    @app.get("/number")
    async def number(value: int):
        return value

    @app.get("/refused")
    async def refused():
        raise Refusal(409, "not now", [("Retry-After", "7")])

    @app.get("/unsuitable")
    async def unsuitable():
        raise DataError("row 2, column 'age': 'old' is no number")

    @app.get("/fault")
    async def fault():
        raise RuntimeError(SECRET)

    @app.get("/slow")
    async def slow():
        import asyncio

        await asyncio.sleep(30)

    @app.get("/stream")
    async def stream():
        import asyncio

        async def pieces():
            for _ in range(4):
                yield b"piece "
                await asyncio.sleep(0.2)

        return fastapi.responses.StreamingResponse(pieces())

    @app.get("/flood")
    async def flood():
        async def pieces():
            while True:
                yield b"x" * 65536

        return fastapi.responses.StreamingResponse(pieces())

    @app.get("/healthz")
    async def healthz():
        return "up"

    return app


def protected(**settings):
    settings = {"token": None, "most_bytes": 1000, "seconds": PATIENCE, **settings}
    return running(protect(application(), **settings), settings["seconds"])


@pytest.fixture(scope="module")
def client():
    with protected(origins=["https://friend.example"]) as client:
        yield client


@pytest.fixture(scope="module")
def hurried():
    """A server that waits half a second for anything."""
    with protected(seconds=0.5) as client:
        yield client


@pytest.fixture(scope="module")
def guarded():
    with protected(token=TOKEN) as client:
        yield client


def test_loopback():
    assert all(map(is_loopback, ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"]))
    for host in ("0.0.0.0", "::", "10.0.0.1", "", "localhost.example.org", "127.0.0.1.example.org", "[::1", "1"):
        assert not is_loopback(host)


def test_every_failure_has_one_shape(client, caplog):
    cases = {
        "/nowhere": (404, "there is no '/nowhere' here"),
        "/echo": (405, "'/echo' does not take GET; use POST"),
        "/number": (422, "query value: Field required"),
        "/number?value=x": (422, "query value: Input should be a valid integer"),
        "/refused": (409, "not now"),
        "/unsuitable": (422, "row 2, column 'age': 'old' is no number"),
        "/fault": (500, "the server failed to handle this request; its log says where"),
    }
    for path, (status, words) in cases.items():
        answer = client.get(path)
        assert (answer.status, list(answer.json)) == (status, ["error"]), path
        assert words in answer.json["error"]
        assert answer.headers["content-type"] == "application/json"
    assert client.get("/refused").headers["retry-after"] == "7"
    assert "RuntimeError" in caplog.text
    assert "test_serve_protection.py" in caplog.text  # the log says where
    assert SECRET not in caplog.text


def test_a_slow_answer_has_the_same_shape(hurried):
    answer = hurried.get("/slow")
    assert (answer.status, list(answer.json)) == (503, ["error"])
    assert "the answer took longer than 0.5 seconds" in answer.json["error"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "5"


def test_every_answer_tells_a_browser_what_is_allowed(client):
    for path in ("/healthz", "/nowhere", "/fault"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_foreign_names_of_this_machine_are_refused(client):
    """DNS rebinding: the page's own name leads here, and the browser sends it as Host."""
    port = urlsplit(client.address).port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "",
        "[",
        "127.0.0.1@evil",
    ):
        answer = client.get("/healthz", host=host)
        assert answer.status == 403, host
        assert "names of its own machine only" in answer.json["error"]
    for host in ("localhost", f"localhost:{port}", "[::1]", "127.0.0.2:80", "friend.example"):
        assert client.get("/healthz", host=host).status == 200, host


def test_pages_of_other_origins(client):
    own = client.address
    for origin in ("http://evil.example", "null", "https://friend.example.evil", "http://127.0.0.1:1", "http://["):
        answer = client("POST", "/echo", "x", origin=origin)
        assert answer.status == 403, origin
        assert "may not ask this server" in answer.json["error"]
    assert client("POST", "/echo", "x", origin=own).status == 200
    allowed = client("POST", "/echo", "x", origin="https://friend.example")
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "https://friend.example"
    assert allowed.headers["vary"] == "Origin"
    asked = client("OPTIONS", "/echo", origin="https://friend.example", access_control_request_method="POST")
    assert asked.status == 204
    assert asked.headers["access-control-allow-methods"] == "GET, POST"
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in asked.headers
    assert client("OPTIONS", "/echo", origin="http://evil.example").status == 403


@pytest.mark.parametrize(
    "origin", ["friend.example", "ftp://a.b", "https://a.b/path", "https://u@a.b", "*", "https://"]
)
def test_what_is_no_origin(origin):
    with pytest.raises(ArgumentError, match="needs a scheme and a host"):
        protect(application(), token=None, most_bytes=1, seconds=1, origins=[origin])


def test_a_token_is_demanded_and_compared(guarded):
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": "polytome=wrong"},
                    {"authorization": f"Basic {TOKEN}"}, {"cookie": f"polytome={TOKEN}"}, {"cookie": "=;;"},
                    {"authorization": f"Bearer {TOKEN}x"}, {"authorization": "Bearer \xff"}):  # fmt: skip
        answer = guarded.get("/number?value=1", **headers)
        assert answer.status == 401, headers
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer TOKEN" in answer.json["error"]
        assert TOKEN not in answer.json["error"]
    assert guarded.get("/number?value=1", authorization=f"Bearer {TOKEN}").json == 1
    assert guarded.get("/number?value=1", authorization=f"bearer {TOKEN}").json == 1
    assert guarded.get("/healthz").status == 200
    assert guarded.get("/healthz", host="a.name.of.the.network").status == 200
    assert guarded("POST", "/echo", "x", origin="http://evil.example", authorization=f"Bearer {TOKEN}").status == 403


def test_a_person_signs_in_on_a_page(guarded):
    asked = guarded.get("/number?value=5", accept=HTML)
    assert asked.status == 401
    assert 'name="goal" value="/number?value=5"' in asked.body.decode()
    assert "<script" not in asked.body.decode()
    assert "default-src 'none'; style-src 'sha256-" in asked.headers["content-security-policy"]

    def attempt(goal="/number?value=5", **fields):
        form = urlencode({"goal": goal, **fields})
        return guarded("POST", "/login", form, content_type="application/x-www-form-urlencoded")

    wrong = attempt(token="guess")
    assert wrong.status == 401
    assert "set-cookie" not in wrong.headers
    assert "not the token" in wrong.body.decode()
    assert attempt().status == 401

    right = attempt(token=TOKEN)
    assert (right.status, right.headers["location"]) == (303, "/number?value=5")
    cookie = right.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "; HttpOnly" in cookie
    assert "; SameSite=Strict" in cookie
    known = cookie.partition(";")[0]
    assert guarded.get("/number?value=5", cookie=known).json == 5
    assert guarded.get("/number?value=5", cookie=f"other=1; {known}").json == 5
    assert guarded.get("/login", cookie=known).headers["location"] == "/"
    for goal in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/a\r\nSet-Cookie: x=1",
        "javascript:1",
        "",
    ):
        assert attempt(goal=goal, token=TOKEN).headers["location"] == "/", goal


def test_the_sign_in_page_is_sound(guarded):
    from browsing import html_faults

    html = guarded.get('/"><script>alert(1)</script>', accept=HTML).body.decode()
    assert "<script" not in html
    assert html_faults(html) == []


@pytest.mark.parametrize("token", ["", "with blank", "new\nline", "über"])
def test_what_is_no_token(token):
    with pytest.raises(ArgumentError, match="token: use ASCII letters"):
        protect(application(), token=token, most_bytes=1, seconds=1)


def test_bodies_are_bounded(client):
    assert client("POST", "/echo", "x" * 1000).json == {"bytes": 1000}
    for body in ("x" * 1001, "x" * 5_000_000):
        answer = client("POST", "/echo", body)
        assert answer.status == 413
        assert "larger than 1,000 bytes" in answer.json["error"]
        assert answer.headers["connection"] == "close"
    chunked = HTTPConnection(urlsplit(client.address).netloc, timeout=PATIENCE)
    for n_pieces, status in ((9, 200), (11, 413)):
        chunked.request("POST", "/echo", iter([b"x" * 100] * n_pieces), encode_chunked=True)
        answer = chunked.getresponse()
        assert answer.status == status
        answer.read()


raw = partial(Client.raw, ends=False)


def test_slow_requests_end(hurried):
    """Each would be waited for without end, or for minutes."""
    host = urlsplit(hurried.address).netloc.encode()
    head = b"POST /echo HTTP/1.1\r\nHost: " + host + b"\r\n"
    slow = raw(hurried, head + b"Content-Length: 100\r\n\r\n", b"x", b"x", pause=0.1)
    assert slow.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within 0.5 seconds" in slow
    assert raw(hurried, head) == b""  # half a head: nobody to answer yet
    assert raw(hurried) == b""  # nothing at all


def test_broken_requests_end(client):
    host = urlsplit(client.address).netloc.encode()
    head = b"POST /echo HTTP/1.1\r\nHost: " + host + b"\r\n"
    assert raw(client, b"\x16\x03\x01 this is no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert b'{"error": ' in raw(client, b"GARBAGE\r\n\r\n")
    assert raw(client, head + b"X: " + b"x" * 300_000).startswith(b"HTTP/1.1 431")
    assert raw(client, head + b"Content-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 400")
    both = raw(client, head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert both.startswith(b"HTTP/1.1 400")


def test_a_lying_length_does_not_reach_the_next_request(client):
    """Bytes beyond the stated length are no request: what came before them is answered, then the
    connection ends."""
    host = urlsplit(client.address).netloc.encode()
    head = b"POST /echo HTTP/1.1\r\nHost: " + host + b"\r\nContent-Length: 3\r\n\r\n"
    answer = raw(client, head + b"xxxyyy\r\n\r\n" + head + b"zzz")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 ") == 1
    chunked = head.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
    assert raw(client, chunked + b"no size\r\n").startswith(b"HTTP/1.1 400")


def received_after(client, pause, most=50_000_000):
    """How many bytes of an answer without end come after a pause in which nothing is read, so that
    nothing more can be sent; counted up to `most`."""
    with client.connection() as connection:
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(pause)
        received = 0
        try:
            while received < most and (piece := connection.recv(1 << 20)):
                received += len(piece)
        except ConnectionResetError:
            pass
    return received


def test_a_stream_may_rest_but_must_be_read(hurried):
    assert hurried.get("/stream").body == b"piece " * 4  # longer in all than an answer may take to begin
    # Where the machine is busy the server may find out later that nobody reads.
    assert any(received_after(hurried, pause) < 50_000_000 for pause in (1.0, 4.0, 16.0, 64.0))


def test_the_log_has_one_line_and_no_data(client, caplog):
    with caplog.at_level("INFO", "polytome.serve"):
        client("POST", "/echo", "the data", content_type="text/plain")
        client.get("/number?value=77")
        client.get("/%0aforged%1b[31m")
        client.get("/healthz")

        def lines_of_log():
            return [record.message for record in caplog.records if record.name == "polytome.serve"]

        until(lambda: len(lines_of_log()) == 4, "a line is written when its answer is on its way")
    lines = lines_of_log()
    assert [line.split()[:3] for line in lines[:2]] == [["POST", "/echo", "200"], ["GET", "/number", "200"]]
    assert "the data" not in caplog.text
    assert "77" not in " ".join(lines[1].split()[:3])
    assert "\\nforged\\x1b[31m" in lines[2]


def test_a_web_socket_is_closed():
    import asyncio

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(protect(application(), token=None, most_bytes=1, seconds=1)({"type": "websocket"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_many_large_bodies_at_once_are_refused_not_held():
    """Eight bodies of the largest size may be in memory; the ninth is asked to come again."""
    with protected(most_bytes=100_000) as client:
        host = urlsplit(client.address).netloc
        head = f"POST /echo HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n".encode()
        waiting = [client.connection() for _ in range(8)]
        for connection in waiting:
            connection.sendall(head + b"x" * 99_999)
        ninths = []

        def is_refused():
            ninths.append(client("POST", "/echo", "x" * 100_000))
            return ninths[-1].status != 200

        until(is_refused, "the server has the eight in memory")
        ninth = ninths[-1]
        assert ninth.status == 503
        assert ninth.headers["retry-after"] == "1"
        assert client("POST", "/echo", "x" * 1000).status == 200  # small ones are not kept out
        for connection in waiting:
            connection.sendall(b"x")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.close()
        assert json.loads(client("POST", "/echo", "x" * 100_000).body) == {"bytes": 100_000}


def test_idle_connections_make_room_for_new_ones():
    app = protect(application(), token=None, most_bytes=1000, seconds=PATIENCE)
    with running(app, PATIENCE, most_connections=10) as client:
        busy = client.connection()
        busy.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n")
        client.has_read_what_was_sent()  # it is idle no more
        idle = [client.connection() for _ in range(40)]
        assert client.get("/healthz").status == 200
        busy.sendall(b"abc")
        assert busy.recv(65536).startswith(b"HTTP/1.1 200")
        for connection in (busy, *idle):
            connection.close()
