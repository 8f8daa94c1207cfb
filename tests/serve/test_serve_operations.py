"""A server at work: metrics, a model file that is replaced, large requests beside small ones,
starts and stops."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

import polytome
from polytome.files.sources import fit_source, open_source

pytest.importorskip("fastapi")
from polytome.serve.app import Limits, create_app
from polytome.serve.listening import address_of, bound_socket, make_server
from serving import PATIENCE, Client, served, until


@pytest.fixture(scope="module")
def iris_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("served") / "iris.safetensors"
    fit_source(polytome.LogisticRegression(), open_source("iris")).save(path)
    return path


def test_health_and_metrics(iris_path):
    with served(iris_path) as client:
        assert client.get("/healthz").json == {"status": "ok"}
        client.rows([[5.1, 3.5, 1.4, 0.2]] * 3)
        client.rows([[1.0]])
        client.get("/made/up/by/a/client")
        text = client.get("/metrics").body.decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['polytome_requests_total{method="POST",route="/predict",status="200"}'] == "1.0"
    assert lines['polytome_requests_total{method="POST",route="/predict",status="422"}'] == "1.0"
    assert lines['polytome_requests_total{method="GET",route="other",status="404"}'] == "1.0"
    assert lines["polytome_rows_total"] == "3.0"
    assert lines['polytome_request_seconds_count{route="/predict"}'] == "2.0"
    assert lines['polytome_model_reloads_total{outcome="done"}'] == "0.0"


def test_a_replaced_file_is_served_and_a_damaged_one_is_not(iris_path, tmp_path, caplog):
    path = tmp_path / "model.safetensors"
    path.write_bytes(iris_path.read_bytes())
    other = fit_source(polytome.LogisticRegression(C=1e-3), open_source("iris"))
    row = [5.9, 3.0, 5.1, 1.8]
    first = polytome.load(path).predict_proba([row]).tolist()
    second = other.predict_proba([row]).tolist()

    def wait_for(client, outcome):
        line = f'polytome_model_reloads_total{{outcome="{outcome}"}} 1.0'
        until(lambda: line in client.get("/metrics").body.decode(), f"the model is {outcome}")

    with served(path) as client, caplog.at_level("INFO", "polytome.serve"):
        assert client.rows([row]).json["probabilities"] == first
        path.write_bytes(iris_path.read_bytes()[:500])
        wait_for(client, "refused")
        assert client.rows([row]).json["probabilities"] == first
        assert any("the model is kept as it was read" in record.message for record in caplog.records)
        loaded_at = client.get("/model").json["loaded_at"]

        stop, seen = threading.Event(), []

        def ask():
            while not stop.is_set():
                answer = client.rows([row])
                seen.append((answer.status, answer.json.get("probabilities")))

        asking = threading.Thread(target=ask)
        asking.start()
        other.save(path)
        wait_for(client, "done")
        stop.set()
        asking.join()
        assert all(status == 200 and found in (first, second) for status, found in seen)
        assert client.rows([row]).json["probabilities"] == second
        assert client.get("/model").json["loaded_at"] >= loaded_at
        path.unlink()
        assert client.rows([row]).json["probabilities"] == second


def test_large_requests_leave_small_ones_their_turn(iris_path):
    """While large requests are worked on, small ones are answered, and all answers are right."""
    large = [[5.9, 3.0, 5.1, 1.8]] * 60_000
    with served(iris_path) as client:
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(client.rows(large))) for _ in range(2)]
        for thread in threads:
            thread.start()
        answered = 0
        while any(thread.is_alive() for thread in threads):
            assert client.rows(large[:1]).status == 200
            answered += 1
    assert [len(answer.json["predictions"]) for answer in answers] == [60_000, 60_000]
    assert answered > 5  # where each waits for a large one to end, there are three at the most


# A server that has minutes to stop: on a busy machine twenty seconds may be too few for what waits.
PATIENT = """
from polytome.cli import main
from polytome.serve import listening

listening._FINISHING, listening._STOPPING = 250, 300
main()
"""


def start(*options, program="from polytome.cli import main; main()", **settings):
    """The command in a process of its own, and the address that it prints."""
    command = [sys.executable, "-c", program, "serve", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **settings)
    line = server.stdout.readline()
    found = re.search(r"http://(127\.0\.0\.1:\d+) ", line)
    if found is None:
        server.kill()
        raise AssertionError((line, server.communicate()))
    return server, found[1], line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_finishes_what_was_accepted(iris_path, number):
    server, address, line = start(str(iris_path), "--port", "0", program=PATIENT)
    assert line.strip() == f"iris.safetensors is served at http://{address} (Ctrl-C stops)."
    host, port = address.split(":")
    body = b'{"rows": [[5.9, 3.0, 5.1, 1.8]]}'
    head = f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port))) as half, socket.create_connection((host, int(port))):
        half.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
        Client(f"http://{address}").has_read_what_was_sent()
        server.send_signal(number)
        time.sleep(0.5)  # the server has the signal first, as a rule
        half.sendall(body[10:])
        half.settimeout(PATIENCE)
        answer = b""
        while piece := half.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"predictions": ["virginica"]' in answer
    output, log = server.communicate(timeout=PATIENCE)
    assert (server.returncode, output) == (0, "")
    assert re.search(r"POST /predict 200 [\d.]+ ms 1 rows", log)
    assert "[5.9" not in log
    assert "Traceback" not in log


def refused(*options, token=""):
    """Exit status 1 and one line; what the line says."""
    from typer.testing import CliRunner

    from polytome.cli.app import app

    done = CliRunner().invoke(app, ["serve", *options], env={"POLYTOME_TOKEN": token})
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr


def test_starts_that_fail_say_so_in_one_line(iris_path, tmp_path):
    path = str(iris_path)
    assert "no such file" in refused(str(tmp_path / "absent.safetensors"))
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(iris_path.read_bytes()[:100])
    assert "cut short" in refused(str(damaged))
    with served(iris_path) as client:
        port = client.address.rsplit(":", 1)[1]
        assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in refused(path, "--port", port)
    assert "needs --token (or POLYTOME_TOKEN)" in refused(path, "--host", "0.0.0.0")
    assert "needs --token" in refused(path, "--host", "::")
    assert "is not an address" in refused(path, "--host", "no.such.host.invalid", "--token", "abc")
    assert "origin='example.org': needs a scheme" in refused(path, "--origin", "example.org")
    assert "token: use ASCII letters" in refused(path, token="with a blank")


WITHOUT_ONE = """
import sys
from polytome.cli import main

for absent in ("fastapi", "uvicorn", "httptools", "prometheus_client"):
    there = dict(sys.modules)
    for name in there:
        if name.startswith(("polytome.serve", "uvicorn")):
            del sys.modules[name]
    sys.modules[absent] = None
    try:
        main()
    except SystemExit as end:
        print(end.code, file=sys.stderr)
    sys.modules.update(there)
    if sys.modules[absent] is None:
        del sys.modules[absent]
"""


def test_a_missing_extra_is_one_line(iris_path):
    command = [sys.executable, "-c", WITHOUT_ONE, "serve", str(iris_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        line
        for absent in ("fastapi", "uvicorn", "httptools", "prometheus_client")
        for line in (f'Error: polytome serve needs {absent}: pip install "polytome[serve]"', "1")
    ]


def test_neither_the_import_nor_the_help_loads_the_server():
    code = (
        "import sys, polytome, polytome.cli.app; "
        "print([name for name in ('fastapi', 'uvicorn', 'starlette', 'pyarrow', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def waiting_to_be_accepted(server, address, count):
    """Connections that the system has taken in for a server that does not look at them, each with a
    request."""
    host, port = address.split(":")
    body = b'{"rows": [[5.9, 3.0, 5.1, 1.8]]}'
    head = f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
    request = head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    server.send_signal(signal.SIGSTOP)
    connections = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(count)]
    for connection in connections:
        connection.sendall(request)
    return connections


def test_a_stop_answers_what_waits_to_be_accepted(iris_path):
    server, address, _ = start(str(iris_path), "--port", "0", program=PATIENT)
    connections = waiting_to_be_accepted(server, address, 150)
    late = socket.create_connection(tuple(address.split(":")), timeout=PATIENCE)  # it says something after the signal
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGCONT)
    late.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answers = []
    for connection in [*connections, late]:
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        answers.append(answer[:12])
        connection.close()
    assert answers == [b"HTTP/1.1 200"] * 151
    _, log = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert "Traceback" not in log


def test_a_stop_leaves_a_quiet_connection_a_moment_to_speak(iris_path, monkeypatch):
    monkeypatch.setattr("polytome.serve.connections._LINGER", PATIENCE)  # however long it takes this test
    listening, ready = bound_socket("127.0.0.1", 0), threading.Event()
    server = make_server(create_app(iris_path, limits=Limits(), token=None, origins=()), PATIENCE, ready.set)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    assert ready.wait(PATIENCE)
    client = Client(address_of(listening))
    with client.connection() as quiet:
        client.has_read_what_was_sent()
        server.should_exit = True
        until(lambda: all(each._stopping for each in [*server.server_state.connections]), "the server stops")
        quiet.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while piece := quiet.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_stop_does_not_wait_for_images_without_end(tmp_path):
    """What is decoded when the signal comes may end, and its process ends in any case."""
    import struct

    path = tmp_path / "digits.safetensors"
    fit_source(polytome.LogisticRegression(scale=16.0, tol=1e-2), open_source("digits")).save(path)
    server, address, _ = start(str(path), "--port", "0")
    header = struct.pack("<IiiHHIIiiII", 40, 8900, 8900, 1, 8, 1, 0, 0, 0, 256, 0)
    image = b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + header + bytes(1024) + b"\x01\x01" * 8_000_000
    head = (
        f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
    )
    with socket.create_connection(tuple(address.split(":")), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + image)
        time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        answer = connection.recv(65536)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 422", b"HTTP/1.1 503"))
    _, log = server.communicate(timeout=PATIENCE)  # the pipe of its log is closed by the last process that has it
    assert server.returncode == 0
    assert "Traceback" not in log


# One that looks for room twenty times as often, so that the test does not wait for it.
EAGER = """
import asyncio.constants
from polytome.cli import main
from polytome.serve import listening

asyncio.constants.ACCEPT_RETRY_DELAY, listening._SHED_EVERY = 0.05, 0.025
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts on Linux's limits")
@pytest.mark.parametrize("files", [64, 200])
def test_a_server_that_runs_out_of_files_says_so_in_a_line(iris_path, files):
    import resource

    limit = (files, files)
    limited = {"program": EAGER, "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)}
    server, address, _ = start(str(iris_path), "--port", "0", **limited)
    place, began = tuple(address.split(":")), time.monotonic()
    half = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    for request in (b"", half):
        connections = [socket.create_connection(place, timeout=PATIENCE) for _ in range(400)]
        for connection in connections:
            with suppress(OSError):  # it was shed
                connection.sendall(request)

        def is_served():
            with socket.create_connection(place, timeout=PATIENCE) as connection, suppress(OSError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(4096).startswith(b"HTTP/1.1 200")

        until(is_served, "who asks again is served, while all the others still hold their connections")
        for connection in connections:
            connection.close()
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0
    assert "Traceback" not in log
    assert log.count("new connections wait") <= 1 + (time.monotonic() - began) / 10
