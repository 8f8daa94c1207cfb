"""One fixture per kind of thing in the registry: a test that asks for it runs once for each."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from browsing import chromium_or_skip
from registry import LOSSES, PENALTIES, REPRESENTATIONS, SOLVERS

# Collecting makes a million objects that all stay: looking through them for what may be freed takes
# a seventh of it.
gc.disable()

# The suite draws the same examples on every run, however busy the machine is.
settings.register_profile(
    "same-every-time",
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same-every-time")


# The files that take longest begin first, so that no worker waits for another at the end.
LONGEST = [
    "test_documents.py",
    "test_lessons.py",
    "test_plots.py",
    "test_serve_page.py",
    "test_play_page.py",
    "test_serve_operations.py",
    "test_dask.py",
    "test_processes.py",
    "test_cli.py",
    "test_drawing.py",
    "test_report.py",
    "test_peer_suite.py",
    "test_checker.py",
    "test_fuzz_certificate.py",
    "test_settled.py",
    "test_neurons.py",
    "test_fenchel.py",
    "test_examples.py",
    "test_stream_memory.py",
    "test_dual.py",
    "test_memory.py",
    "test_cli_clusters.py",
    "test_images.py",
    "test_certain_classes.py",
]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each file on one worker: what its tests share, a browser, a server or a fit, is made once."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # in the order below, not by the number of tests
    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """One thread of BLAS for each worker: the workers have the cores, and threads of BLAS that wait
    for a core do so at full speed. Without workers, and where a test says so, there are several."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """The longest files first; the others in their order."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_collection_finish():
    """What exists by now stays to the end: looking through it again and again for what may be freed
    takes a twentieth of the time."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(params=LOSSES)
def loss_name(request):
    return request.param


@pytest.fixture(params=PENALTIES)
def penalty(request):
    return PENALTIES[request.param]


@pytest.fixture(params=REPRESENTATIONS)
def representation(request):
    return request.param


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


@pytest.fixture(scope="module")
def chromium():
    """A running Chromium; tests open windows of their own in it with `browsing.visit`.

    Playwright's event loop runs in this thread for as long, so a test that starts its own needs
    another module.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is absent")
    path = chromium_or_skip()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def data() -> Path:
    """The folder of real data."""
    folder = os.environ.get("POLYTOME_DATA")
    if not folder:
        pytest.skip("POLYTOME_DATA names no folder of real data")
    return Path(folder)
