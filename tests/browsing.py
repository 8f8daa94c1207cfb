"""Pages as a person meets them: in Chromium without a network, by the rules of accessibility and of
HTML."""

import atexit
import json
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

_NODE = Path(__file__).parent / "node" / "node_modules"
_AXE = _NODE / "axe-core" / "axe.min.js"
_VALIDATOR = _NODE / "vnu-jar" / "build" / "dist" / "vnu.jar"
_PATIENCE = 300  # seconds after which something will not happen any more: on a busy machine all takes its time

# The addresses whose answers the page has read, each noted when the page has done with it what it
# does before it waits again.
_NOTE_ANSWERS = """
window.answers = [];
const read = Response.prototype.json;
Response.prototype.json = async function () {
  const found = await read.call(this);
  setTimeout(() => window.answers.push(this.url));
  return found;
};
"""


def chromium_or_skip():
    """The path of Chromium; skips the test where there is none. Without a window it takes half the
    time."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine")


@contextmanager
def visit(browser, address, *, dark=False, width=1200, height=900, touch=False):
    """A page of its own window at `address` (a URL, or the path of a file).

    Nothing else than what comes from that place can be reached. At the end the page must have asked
    for nothing foreign, and no script may have failed.
    """
    target = address if str(address).startswith("http") else Path(address).resolve().as_uri()
    home = "/".join(target.split("/")[:3]) + "/"
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        has_touch=touch,
        reduced_motion="reduce",
    )
    foreign, failed = [], []

    def gate(route):
        if route.request.url.startswith((home, "data:", "blob:")):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    context.set_default_timeout(1000 * _PATIENCE)
    context.add_init_script(_NOTE_ANSWERS)
    context.route("**/*", gate)
    page = context.new_page()
    page.on("pageerror", lambda error: failed.append(str(error)))
    try:
        page.goto(target)
        yield page
    finally:
        context.close()
    assert not foreign, foreign
    assert not failed, failed


def until(page, condition):
    """Wait until a condition in JavaScript holds; a page may forbid Playwright's own way, which
    evaluates text."""
    end = time.monotonic() + _PATIENCE
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"in vain: {condition}"
        page.wait_for_timeout(50)


def accessibility_faults(page):
    """Serious and critical faults that axe-core finds, one line each; skips the test where axe-core
    is absent."""
    if not _AXE.exists():
        pytest.skip("axe-core is absent: npm install --prefix tests/node")
    page.evaluate(_AXE.read_text(encoding="utf-8") + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{fault['id']}: {fault['help']} at {[node['target'] for node in fault['nodes']][:3]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@cache
def _html_checker():
    """The address of the Nu HTML checker, which runs until this process ends: to start it takes
    longer than to check a hundred pages."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss8m"]  # a few pages pay for no optimizing
    settings = {"bind-address": "127.0.0.1", "max-file-size": 1 << 26}
    named = [f"-Dnu.validator.servlet.{name}={value}" for name, value in settings.items()]
    command = ["java", *quick, *named, "-cp", str(_VALIDATOR), "nu.validator.servlet.Main", str(port)]
    checker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(checker.kill)
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return f"http://127.0.0.1:{port}/?out=json"
        except ConnectionRefusedError:
            assert checker.poll() is None, "the HTML checker has ended"
            assert time.monotonic() < end, "the HTML checker does not start"
            time.sleep(0.1)


def html_faults(html):
    """Errors and warnings of the Nu HTML checker, one line each; skips the test where it or Java is
    absent."""
    if not _VALIDATOR.exists() or shutil.which("java") is None:
        pytest.skip("the HTML validator is absent: npm install --prefix tests/node, and Java")
    page = Request(_html_checker(), html.encode(), {"Content-Type": "text/html; charset=utf-8"})
    with urlopen(page, timeout=_PATIENCE) as answer:
        found = json.load(answer)
    return [
        f"line {message.get('lastLine')}: {message['message']}"
        for message in found["messages"]
        if message["type"] != "info" or message.get("subType") == "warning"
    ]


def overflows(page):
    """Whether the page is wider than its window, so that a reader would have to push it
    sideways."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
