"""Nothing that a client sends makes a server work without end, or before it knows who asks."""

import asyncio
import io
import json
import re
import struct
import threading
import time
from urllib.parse import urlencode

import numpy as np
import pytest

import polytome
from polytome.errors import DataError
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
pa = pytest.importorskip("pyarrow")
from image_makers import encoded, stroke, with_scans  # noqa: E402
from polytome.serve import answers, models  # noqa: E402
from polytome.serve.decoders import Decoders  # noqa: E402
from polytome.serve.decoding import decode_all  # noqa: E402
from polytome.serve.exchange import Refusal  # noqa: E402
from polytome.serve.listening import _Complaints  # noqa: E402
from polytome.serve.sign_in import SignIn  # noqa: E402
from polytome.serve.wording import words_for_client  # noqa: E402
from serving import PATIENCE, running, served, until  # noqa: E402

TOKEN = "a-token-that-only-friends-know"
JSON = "application/json"
CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bounds")
    fit_source(polytome.LogisticRegression(), open_source("iris")).save(folder / "iris.safetensors")
    digits = fit_source(polytome.LogisticRegression(scale=16.0, tol=1e-2), open_source("digits"))
    digits.save(folder / "digits.safetensors")
    rows = [[0.0], [1.0], [2.0], [3.0]]
    formulas = polytome.LogisticRegression().fit(rows, ["=1+1", "=1+1", "@SUM(A1)", "@SUM(A1)"])
    formulas.save(folder / "formulas.safetensors")
    return {name: folder / f"{name}.safetensors" for name in ("iris", "digits", "formulas")}


@pytest.fixture(scope="module")
def guarded(paths):
    with served(paths["iris"], token=TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def iris(paths):
    with served(paths["iris"]) as client:
        yield client


def get(path="/model", *headers, host="localhost"):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def status(answer):
    return int(answer[9:12])


# Before anybody is known


@pytest.mark.parametrize(
    "cookie",
    ['polytome="' + '\\"' * 30_000 + '"', ";" * 60_000, "polytome=" + "a;polytome=" * 5000, "=" * 60_000, '"' * 60_000],
    ids=["backslashes", "semicolons", "again and again", "equals", "quotes"],
)
def test_a_cookie_is_looked_at_once(guarded, cookie):
    """The standard library may take minutes for some of these; here they are one pass, and
    wrong."""
    assert status(guarded.raw(get("/model", f"Cookie: {cookie}"))) == 401
    assert not SignIn(TOKEN).is_known({b"cookie": cookie.encode()})


def test_a_cookie_among_others(guarded):
    form = urlencode({"token": TOKEN})
    cookie = guarded("POST", "/login", form).headers["set-cookie"].partition(";")[0]
    for header in (cookie, f'a="\\"; {cookie}', f"{cookie}; a=b", f"a=b;{cookie} ;c"):
        assert guarded.get("/model", cookie=header).status == 200, header
    for header in (f"x{cookie}", f"{cookie}x", cookie.replace("=", '="') + '"', cookie.replace("polytome", "Polytome")):
        assert guarded.get("/model", cookie=header).status == 401, header


@pytest.mark.parametrize(
    "head",
    [
        *(get("/model", f"Cookie: {'x' * size}") for size in (70_000, 200_000, 400_000)),
        get("/model", *["a:"] * 3000),
        get("/" + "x" * 70_000),
        get("/model", "X-Forwarded-For: " + "::1," * 30_000),
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
        + b"a: b\r\n" * 9000,
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 600_000,
    ],
    ids=["70 kB", "200 kB", "400 kB", "many", "path", "proxies", "trailers", "chunk extension"],
)
def test_heads_are_bounded_in_one_piece_and_in_many(guarded, head):
    assert status(guarded.raw(head)) == 431
    assert guarded.get("/healthz").status == 200


def test_targets_are_bounded(guarded):
    for path in ("/explain?" + "a&" * 5000, "/" + "y" * 9000):
        answer = guarded.get(path)
        assert answer.status == 414
        assert "longer than 8,192 bytes" in answer.json["error"]


@pytest.mark.parametrize(
    "path", ["//[", "//[::1", "//a:b@[", "/static/%00", "/static/../../x", "/%5b", "/predict/", "//"]
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_paths_that_are_no_address(guarded, path, accept):
    for headers in ([], [f"Authorization: Bearer {TOKEN}"]):
        for host in ("localhost", "[", "a:b:c", "\xff"):
            answer = guarded.raw(get(path, f"Accept: {accept}", *headers, host=host))
            assert status(answer) == (404 if headers else 401), (path, host)
    form = urlencode({"token": TOKEN, "goal": path})
    goal = guarded("POST", "/login", form).headers["location"]
    assert goal == ("/" if path.startswith("//") else path)


def test_headers_that_count_come_once(guarded, iris):
    assert status(guarded.raw(get("/healthz", "Host: evil.example"))) == 400
    assert status(iris.raw(get("/healthz", "Host: localhost"))) == 400
    for header in ("Authorization: Bearer x", "Origin: http://a.example", f"Content-Type: {JSON}"):
        assert b"comes twice; send it once" in guarded.raw(get("/model", header, header))


def test_a_host_is_demanded_where_http_demands_it(guarded, iris):
    for client in (guarded, iris):
        assert status(client.raw(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) == 400
        assert status(client.raw(b"GET /healthz HTTP/1.0\r\n\r\n")) == 200
        assert status(client.raw(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")) == 200
    assert status(iris.raw(b"GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n")) == 403


def test_what_comes_after_a_body_is_no_header(guarded):
    chunked = "\r\n".join(
        ["POST /predict HTTP/1.1", "Host: localhost", "Connection: close", "Transfer-Encoding: chunked",
         f"Authorization: Bearer {TOKEN}", "", "2", "{}", "0", f"Content-Type: {JSON}", "", ""]
    )  # fmt: skip
    answer = guarded.raw(chunked.encode())
    assert status(answer) == 415
    assert b"Content-Type says none" in answer


def test_the_form_that_signs_in_is_small(guarded):
    for size, expected in ((10_000, 401), (100_000, 413), (9_000_000, 413)):
        assert guarded("POST", "/login", "token=" + "%41" * (size // 3)).status == expected
    assert guarded("POST", "/login", "a=b&" * 2000 + f"token={TOKEN}").status == 401


def test_a_proxy_says_that_the_cookie_needs_encryption(guarded):
    form = urlencode({"token": TOKEN})
    assert "Secure" not in guarded("POST", "/login", form).headers["set-cookie"]
    assert "; Secure" in guarded("POST", "/login", form, x_forwarded_proto="https").headers["set-cookie"]


def test_pipelined_answers_keep_their_order(iris):
    good, broken = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"nonsense\r\n\r\n"
    post = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n"
    assert re.findall(rb"HTTP/1.1 (\d+)", iris.raw(good * 5)) == [b"200"] * 5
    for rest in (broken, post):
        statuses = re.findall(rb"HTTP/1.1 (\d+)", iris.raw(good * 3 + rest))
        assert statuses in ([b"200"] * 3, [b"200"] * 3 + [b"400"])
    assert 1 <= len(re.findall(rb"HTTP/1.1 200", iris.raw(good * 3000))) <= 40


@pytest.mark.parametrize("aborts", [False, True])
def test_an_answer_is_sent_before_its_connection_ends(aborts):
    """The client has sent everything, or the server makes room for others, in the very turn of the
    event loop in which the answer is written."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        time.sleep(0.2)  # until the end of what the client sends is there
        await asyncio.sleep(0)  # now the next turn begins with this answer, and goes on with that end
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"here"})
        if aborts:
            scope["extensions"]["polytome.abort"]["call"]()

    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running(app) as client:
        for _ in range(3):
            assert client.raw(request, pause=0.05).endswith(b"\r\n\r\nhere")


# Bodies


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip", "X" * 500])
def test_compressed_bodies_are_refused_in_words(iris, path, encoding):
    answer = iris("POST", path, b"\x1f\x8b\x08", content_type=JSON, content_encoding=encoding)
    assert answer.status == 415
    assert "the body is compressed (Content-Encoding: " in answer.json["error"]
    assert "send it as it is" in answer.json["error"]
    assert answer.headers["accept-encoding"] == "identity"
    assert iris("POST", path, '{"rows": [[1, 2, 3, 4]]}', content_type=JSON, content_encoding="identity").status == 200


def stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_bodies_that_claim_more_than_they_hold(iris):
    many = pa.table({f"column {number}": pa.nulls(100_000) for number in range(4)})
    with served_wide() as wide:
        answer = wide("POST", "/predict", stream(many), content_type=ARROW)
    assert answer.status == 413
    assert "cells; send fewer rows at once" in answer.json["error"]
    answer = iris("POST", "/predict", '{"rows": [' + '"",' * 3_000_000 + '""]}', content_type=JSON)
    assert (answer.status, "values, more than the model needs" in answer.json["error"]) == (413, True)
    answer = iris("POST", "/predict", '{"rows": [1.' + "3" * 20_000 + "]}", content_type=JSON)
    assert (answer.status, "a number of 20,002 characters" in answer.json["error"]) == (400, True)


def served_wide():
    import tempfile
    from contextlib import ExitStack
    from pathlib import Path

    stack = ExitStack()
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    X = np.arange(600.0).reshape(2, 300)
    polytome.LogisticRegression().fit(X, [0, 1]).save(folder / "wide.safetensors")

    class Wide:
        def __enter__(self):
            return stack.enter_context(served(folder / "wide.safetensors"))

        def __exit__(self, *error):
            stack.close()

    return Wide()


def test_answers_are_bounded(iris, monkeypatch):
    monkeypatch.setattr(answers, "MOST_NUMBERS", 30)
    assert iris.rows([[1, 2, 3, 4]] * 10).status == 200
    answer = iris.rows([[1, 2, 3, 4]] * 11)
    assert (answer.status, "send at most 10 rows at once" in answer.json["error"]) == (413, True)
    assert iris.rows([[1, 2, 3, 4]] * 3, path="/explain").status == 413
    monkeypatch.setattr(answers, "MOST_NUMBERS", 1)
    for path in ("/predict", "/explain"):  # one row is always answered
        assert iris.rows([[1, 2, 3, 4]], path=path).status == 200


def test_a_guard_before_formulas_is_there_for_those_who_ask(paths):
    with served(paths["formulas"]) as client:
        plain = client.rows([[0.0], [3.0]], accept=CSV).body.decode()
        assert [line.split(",")[0] for line in plain.splitlines()] == ["prediction", "=1+1", "@SUM(A1)"]
        guarded = client.rows([[0.0], [3.0]], path="/predict?guard_formulas=true", accept=CSV).body.decode()
        assert [line.split(",")[0] for line in guarded.splitlines()] == ["prediction", "'=1+1", "'@SUM(A1)"]
        assert guarded.replace("'", "") == plain
        assert client.rows([[0.0]], path="/predict?guard_formulas=perhaps").status == 422


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("x: is odd; fill it in, or choose --missing drop or --missing mean in training", "x: is odd; fill it in"),
        ("x: is odd; correct it, or let it count as no known level with --unknown zero", "x: is odd; correct it"),
        ("x: is odd; add rows, or use --header no if line 1 is data", "x: is odd; add rows"),
        ("x: is odd; add a header line (or use --header yes if line 1 is one)", "x: is odd; add a header line"),
        ("x: is odd; use --header no", "x: is odd; correct what was sent"),
        ("x: is odd; it has 'a', 'b'; leave it out with --drop b", "x: is odd; it has 'a', 'b'"),
        ("x: '--drop or else' is odd; correct it", "x: '--drop or else' is odd; correct it"),
        ("x: is odd; send 1 or 2 -- or 3", "x: is odd; send 1 or 2 -- or 3"),
        ("x: is odd", "x: is odd"),
    ],
)
def test_clients_are_told_what_clients_can_do(words, expected):
    assert words_for_client(words) == expected


def test_the_playground_names_nothing_that_it_lacks():
    from polytome.play.app import make_app

    with running(make_app()) as client:
        said = [
            client.get("/nowhere"),
            client.get("/", host="evil.example"),
            client("POST", "/run", "{"),
            client("POST", "/run"),
        ]
        said.append(client("POST", "/run", "{}", origin="http://evil.example"))
        said.append(client("POST", "/problem", '{"settings": {"data": "own", "csv": "a,b\\n"}}', content_type=JSON))
        said.append(client("POST", "/run", "x" * 900_000))
    assert [answer.status for answer in said] == [404, 403, 422, 422, 403, 422, 413]
    for answer in said:
        assert not re.search("openapi|--origin|--most|--header", answer.json["error"]), answer.json["error"]


def test_no_error_of_a_table_names_an_option(iris):
    bodies = [
        (CSV, "1,2,3\n"),
        (CSV, "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n"),
        (CSV, "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n1,,3,4\n"),
        (CSV, "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n1,x,3,4\n"),
        (CSV, "a\n1\n"),
        (JSON, '{"rows": [[1, null, 3, 4]]}'),
        (JSON, '{"rows": [[1, "x", 3, 4]]}'),
        (ARROW, stream(pa.table({"a": [[1, 2]]}))),
    ]
    for kind, body in bodies:
        answer = iris("POST", "/predict", body, content_type=kind)
        assert answer.status == 422, body
        assert not re.search(r"(?<!\w)--[a-z]", answer.json["error"]), answer.json["error"]


# Images


def slow_image():
    """A bitmap of few bytes and 79 million pixels, which is unpacked two bytes at a time."""
    side, runs = 8900, 9_000_000
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + header + bytes(1024) + b"\x01\x01" * runs


def test_an_image_that_takes_too_long_ends_with_its_process():
    async def check():
        decoders = Decoders(processes=1, places=2, seconds=60)
        await decoders.start()
        (first,) = decoders._all
        drawn = encoded(stroke())
        form = await decoders.form(drawn, (8, 8), 16.0)
        decoders._seconds = 0.2
        with pytest.raises(DataError, match=r"takes longer than 0.2 seconds to decode; save it smaller"):
            await decoders.form(slow_image(), (8, 8), 16.0)
        assert first.returncode is not None
        decoders._seconds = 60
        assert np.array_equal(await decoders.form(drawn, (8, 8), 16.0), form)

        (second,) = decoders._all  # a request that is given up takes its process along
        task = asyncio.create_task(decoders.form(slow_image(), (8, 8), 16.0))
        waiting = asyncio.create_task(decoders.form(drawn, (8, 8), 16.0))
        for _ in range(3):
            await asyncio.sleep(0)  # now one has the process, and the other the last place
        with pytest.raises(Refusal, match="busy with images"):
            await decoders.form(drawn, (8, 8), 16.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert second.returncode is not None
        assert np.array_equal(await waiting, form)

        (third,) = decoders._all  # one that dies while it waits is no client's fault
        third.kill()
        await third.wait()
        assert np.array_equal(await decoders.form(drawn, (8, 8), 16.0), form)
        (fourth,) = decoders._all
        await decoders.close()
        assert fourth.returncode is not None

    asyncio.run(check())


def test_a_decoder_answers_in_words(monkeypatch):
    import polytome.tables.images

    def ask():
        answers = io.BytesIO()
        decode_all(io.BytesIO(b'{"shape": [8, 8], "full": 16.0, "bytes": 3}\nabc'), answers)
        return json.loads(answers.getvalue())["error"]

    assert "is not a PNG" in ask()

    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr(polytome.tables.images, "training_form", greedy)
    assert "needs too much memory" in ask()


def test_images_of_much_work_leave_others_their_turn(paths):
    """Small requests are answered while images are decoded, and images are refused for what they
    would cost."""
    narrow = encoded(np.zeros((50_000, 1), dtype=np.uint8))
    with served(paths["digits"]) as client:
        slow = threading.Thread(
            target=client, args=("POST", "/predict", slow_image()), kwargs={"content_type": "image/png"}
        )
        slow.start()
        for body, words in ((with_scans(stroke(), 2000), "scans; save it"), (narrow, "1 x 50,000 pixels, too narrow")):
            answer = client("POST", "/predict", body, content_type="image/png")
            assert (answer.status, words in answer.json["error"]) == (422, True)
        assert client.rows([[0.0] * 64]).status == 200
        assert client("POST", "/predict", encoded(stroke()), content_type="image/png").status == 200
        slow.join()


# The model, the page, the event loop


def test_a_model_is_read_beside_the_requests(paths, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    path.write_bytes(paths["iris"].read_bytes())
    with served(path) as client:
        begun, go_on, plain_load = threading.Event(), threading.Event(), models.load

        def slow_load(found):
            begun.set()
            assert go_on.wait(PATIENCE)
            return plain_load(found)

        monkeypatch.setattr(models, "load", slow_load)
        path.write_bytes(paths["formulas"].read_bytes())
        assert begun.wait(PATIENCE)
        assert client.get("/model").json["classes"] == ["setosa", "versicolor", "virginica"]  # and not at the end
        assert client.rows([[1, 2, 3, 4]]).status == 200
        go_on.set()
        until(lambda: client.get("/model").json["classes"] == ["=1+1", "@SUM(A1)"], "the other model is served")
        assert client.get("/openapi.json").json["components"]["schemas"]["Row"]["oneOf"][0]["maxItems"] == 1


def test_the_files_of_the_page(iris):
    page = iris.get("/")
    assert page.headers["content-type"].startswith("text/html")
    script = iris.get("/static/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    tag = script.headers["etag"]
    again = iris.get("/static/page.js", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert iris.get("/static/page.js", if_none_match='"other"').body == script.body
    assert iris("HEAD", "/static/page.js").status == 200
    ranges = "bytes=" + ",".join(f"{start}-{start}" for start in range(3000))
    assert iris.get("/static/page.js", range=ranges).body == script.body


def test_the_event_loop_complains_now_and_then(caplog):
    loop, shed = asyncio.new_event_loop(), []
    complain = _Complaints(lambda: shed.append(1))
    try:
        for _ in range(5000):
            complain(loop, {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many")})
        complain(loop, {"message": "something else"})
    finally:
        loop.close()
    assert [record.getMessage() for record in caplog.records] == [
        "new connections wait: Too many open files; raise the limit of the process"
    ]
    assert len(shed) == 1


def test_who_waits_to_continue_is_refused_once(iris, caplog):
    """The request that was given up would have asked its client to continue after the last word was
    said."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
    for _ in range(20):
        assert iris.raw(head + b"\r\nno size\r\n").count(b"HTTP/1.1 400") == 1
    assert "RuntimeError" not in caplog.text
