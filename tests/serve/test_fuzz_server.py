"""A running server is sent what no client should send: it lives, answers others, fails at nothing
and logs little.

The requests of the suite are the same every time. `POLYTOME_FUZZ_SECONDS=60` makes new ones for as
long, from a seed that is printed and that `POLYTOME_FUZZ_SEED` takes.
"""

import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

import polytome
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
pa = pytest.importorskip("pyarrow")
from image_makers import encoded, stroke  # noqa: E402

TOKEN = "a-token-of-letters"
SECONDS = float(os.environ.get("POLYTOME_FUZZ_SECONDS", 0))
BATCHES = 6  # where no time is given
BATCH = 40
PATIENCE = 60.0  # of the client beside: a second is usual, and machines are busy at times
LOG_BYTES = 2000  # a request; its path is cut in the log, and there is no traceback
NASTY = [
    b"\0", b"\r\n", b"\n\n", b"\xff", b"\xed\xa0\x80", b"%", b"%00", b"%ff", b"//[", b"[", b"]", b'"', b"\\", b"'",
    b";", b",", b"=", b"&", b"{", b"}", b"[[", b"NaN", b"Infinity", b"1e999", b"-1", b"9" * 400, b"null", b"true",
    b"../", b":", b"\\ud800", b"--x", b"=1+1", b"\xef\xbb\xbf", b"x" * 5000, b"\x80\x00\x00\x00", b"\xff\xff\xff\x7f",
    b"\xff\xda",
]  # fmt: skip
PATHS = [
    "/", "/predict", "/explain", "/model", "/healthz", "/metrics", "/openapi.json", "/login", "/static/page.js",
    "/static/base.css", "/explain?of=a&against=b", "/explain?most_flips=2", "/predict?guard_formulas=true", "/nowhere",
    "*", "http://localhost/model", "//[", "/%5B", "/a//b", "?", "/predict?" + "a=b&" * 500,
]  # fmt: skip
METHODS = ["GET", "POST", "POST", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "CONNECT", "TRACE", "BREW", "get"]
KINDS = ["application/json", "text/csv", "application/vnd.apache.arrow.stream", "image/png", "image/jpeg",
         "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", ""]  # fmt: skip
HEADERS = [
    "Accept: text/csv", "Accept: text/html", "Accept: application/vnd.apache.arrow.stream", "Accept: " + "a/b," * 900,
    "Cookie: polytome=x", 'Cookie: polytome="' + '\\"' * 9000 + '"', "Cookie: " + ";" * 9000, "Connection: close",
    "Connection: upgrade\r\nUpgrade: websocket", "Expect: 100-continue", "Content-Encoding: gzip", "Origin: null",
    "Origin: http://[", "Host: other", "Range: bytes=0-0,1-1,2-2", 'If-None-Match: "x"', "X-Forwarded-For: ::1,::1",
    "X-Forwarded-Proto: https", "Authorization: Basic x", "Authorization: Bearer \xff", "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked", "Content-Length: 5", "Content-Length: 99999999999999999999",
    "Content-Length: -1", "X: y\r\n z", "Empty:", "A:" * 2000, "\r\n".join(f"H{number}: v" for number in range(300)),
]  # fmt: skip


def stream(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def good_bodies(n_columns):
    """Bodies that are right for a model of so many columns, by their media type; the last of two
    holds words."""
    rng = np.random.default_rng(1)
    rows = np.round(rng.uniform(0, 16, (6, n_columns)), 3).tolist()
    if n_columns == 2:
        rows = [[number, word] for (number, _), word in zip(rows, ["red", "blue", "green"] * 2, strict=True)]
    names = [f"column_{number}" for number in range(1, n_columns + 1)]
    table = pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
    coded = table.append_column("word", pa.array(["a", "b", None, "a", "b", "c"]).dictionary_encode())
    lines = [",".join(map(str, row)) for row in rows]
    return {
        "application/json": [
            json.dumps({"rows": rows}).encode(),
            json.dumps({"rows": [dict(zip(names, row, strict=True)) for row in rows]}).encode(),
            json.dumps({"rows": rows[0]}).encode(),
            b'{"rows": [[null, "x", true, {}]]}',
        ],
        "text/csv": ["\n".join([",".join(names), *lines]).encode(), "\n".join(lines).encode(), b'a;"b\n";c\n1;2;3\n'],
        "application/vnd.apache.arrow.stream": [
            stream(table),
            stream(coded),
            stream(table, compression="zstd"),
            stream(pa.table({name: pa.nulls(900) for name in names})),
            stream(pa.table({"a": [[1], [2]], "b": [{"c": 1}, {"c": 2}]})),
        ],
        "image/png": [encoded(stroke()), encoded(stroke(30, 20), "GIF"), encoded(stroke(), "BMP")],
        "image/jpeg": [encoded(stroke(), "JPEG", progressive=True), encoded(stroke(), "WEBP")],
        "application/x-www-form-urlencoded": [f"token={TOKEN}&goal=/model".encode(), b"token=x&goal=//["],
        "multipart/form-data; boundary=b": [b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'],
        "text/plain": [b"hello"],
        "": [b""],
    }


class Maker:
    """Makes requests, each a list of pieces to send."""

    def __init__(self, rng, n_columns):
        self.rng, self.bodies = rng, good_bodies(n_columns)

    def mutated(self, data, most=4):
        """Bytes with some taken out, put in, doubled, changed or cut."""
        data = bytearray(data)
        for _ in range(self.rng.randint(1, most)):
            at = self.rng.randrange(len(data) + 1)
            way = self.rng.randrange(7)
            if way == 0:
                data[at:at] = self.rng.choice(NASTY)
            elif way == 1:
                del data[at : at + self.rng.randint(1, 40)]
            elif way == 2 and at < len(data):
                data[at] ^= 1 << self.rng.randrange(8)
            elif way == 3 and at < len(data):
                data[at] = self.rng.randrange(256)
            elif way == 4:
                data[at:at] = data[at : at + self.rng.randint(1, 400)] * self.rng.choice((1, 2, 30))
            elif way == 5:
                data[at : at + 4] = struct.pack("<i", self.rng.choice((-1, 0, 1, 1 << 16, (1 << 31) - 1)))
            else:
                del data[at:]
        return bytes(data)

    def request(self):
        """One request: of the right form around a body that is not, or with faults everywhere."""
        rng = self.rng
        kind = rng.choice(KINDS[: 5 if rng.random() < 0.8 else None])
        body = rng.choice(self.bodies[kind])
        if rng.random() < 0.7:
            body = self.mutated(body, rng.choice((1, 1, 6)))
        if rng.random() < 0.6:
            path = rng.choice(("/predict", "/explain?most_flips=3"))
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
            return f"{head}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        if rng.random() < 0.1:
            kind = rng.choice(KINDS)
        method, path = rng.choice(METHODS), rng.choice(["/predict", "/explain", *PATHS])
        if rng.random() < 0.2:
            path = self.mutated(path.encode()).decode("latin-1")
        lines = [f"{method} {path} HTTP/{rng.choice(['1.1'] * 9 + ['1.0', '2', '0.9'])}", "Host: localhost"]
        if rng.random() < 0.8:
            lines.append(f"Authorization: Bearer {TOKEN}")
        lines += [f"Content-Type: {kind}"] if kind else []
        lines += rng.sample(HEADERS, rng.choice((0, 0, 0, 1, 1, 2, 4)))
        chunked = rng.random() < 0.2
        lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
        if chunked:
            size = rng.randint(1, 5000)
            pieces = [body[top : top + size] for top in range(0, len(body), size)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return (self.mutated(head) if rng.random() < 0.2 else head) + body

    def pieces(self):
        """What one connection sends."""
        data = b"".join(self.request() for _ in range(self.rng.choice((1, 1, 1, 2, 5, 20))))
        if self.rng.random() < 0.1:
            data = data[: self.rng.randrange(len(data))]
        cut = sorted(self.rng.sample(range(len(data) + 1), min(len(data), self.rng.choice((0, 0, 1, 3)))))
        return [data[start:end] for start, end in zip([0, *cut], [*cut, len(data)], strict=True)]


def talk(port, pieces):
    """Send pieces on one connection, and return the statuses of the answers."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.001)
            connection.shutdown(socket.SHUT_WR)
            while found := connection.recv(1 << 16):
                answer += found
        except TimeoutError:
            raise
        except OSError:  # the server has ended the connection
            pass
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)]


class Server:
    """`polytome serve` in a process of its own."""

    def __init__(self, path, log):
        self.log, self.requests = log, 0
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "polytome", "serve", str(path), "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                env={**os.environ, "POLYTOME_TOKEN": TOKEN},
            )
        line = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+) ", line)[1])

    def check(self, made):
        """The process lives and answers, and its log is as long as it should be; what was sent is
        shown otherwise."""
        assert self.process.poll() is None, made
        began = time.monotonic()
        assert talk(self.port, [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]) == [200], (
            made
        )
        assert time.monotonic() - began < PATIENCE, made
        log = self.log.read_text()
        assert "Traceback" not in log, (made, log[-3000:])
        fault = re.search(r"^.* in:\n(  .*\n)*", log, re.MULTILINE)
        assert fault is None, f"{fault[0]}\n{made}"
        assert len(log) < LOG_BYTES * self.requests + 10_000

    def stop(self):
        self.process.terminate()
        try:
            assert self.process.wait(PATIENCE) == 0
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture(scope="module")
def model_paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    digits = fit_source(polytome.LogisticRegression(scale=16.0, tol=1e-2), open_source("digits"))
    digits.save(folder / "digits.safetensors")
    table = folder / "table.csv"
    lines = [f"{number % 7},{['red', 'blue', 'green'][number % 3]},{number % 2}" for number in range(30)]
    table.write_text("\n".join(["column_1,column_2,label", *lines]) + "\n")
    model = fit_source(polytome.LogisticRegression(), open_source(str(table), target="label", missing="mean"))
    model.save(folder / "table.safetensors")
    return [(folder / "digits.safetensors", 64), (folder / "table.safetensors", 2)]


@pytest.mark.parametrize("which", [0, 1], ids=["images", "table"])
def test_nothing_that_is_sent_stops_a_server(model_paths, which, tmp_path):
    path, n_columns = model_paths[which]
    seed = int(os.environ.get("POLYTOME_FUZZ_SEED", random.SystemRandom().randrange(1 << 32) if SECONDS else 20))
    print(f"POLYTOME_FUZZ_SEED={seed}")
    maker = Maker(random.Random(seed + which), n_columns)
    server = Server(path, tmp_path / "log")
    statuses, end, batches = {}, time.monotonic() + SECONDS / 2, 0
    try:
        while time.monotonic() < end if SECONDS else batches < BATCHES:
            made = [maker.pieces() for _ in range(BATCH)]
            for pieces in made:
                server.requests += 31
                for status in talk(server.port, pieces):
                    assert status != 500, (seed, pieces, server.log.read_text()[-3000:])
                    statuses[status] = statuses.get(status, 0) + 1
            server.check((seed, made))
            batches += 1
        print(batches, "batches", dict(sorted(statuses.items())))
    finally:
        server.stop()
    assert {200, 400, 401, 404, 415, 422} <= set(statuses)  # it came to all the places where something can go wrong
