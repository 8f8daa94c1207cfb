"""One-word tasks: `nox -s quick`. Each has an environment of its own; CONTRIBUTING.md has the
commands without nox."""

import nox

nox.options.sessions = ["lint", "quick"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def test(session: nox.Session) -> None:
    """All tests, on all cores."""
    session.install("-e", ".[all]")
    session.run("python", "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """The tests of a minute."""
    session.install("-e", ".[all]")
    session.run("python", "-m", "pytest", "-q", "@tests/quick.txt", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and types."""
    session.install("-e", ".[all]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, strictly, into site/."""
    session.install("-e", ".[all]")
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines no test runs, in any process: a table, pages in htmlcov/, the percentage run."""
    session.install("-e", ".[all]", "pytest-cov>=7", "coverage>=7.10")
    reports = ["--cov", "--cov-report=term", "--cov-report=html"]
    session.run("python", "-m", "pytest", "-n", "auto", *reports, *session.posargs)
    session.run("python", "-m", "coverage", "report", "--format=total")


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks that the arguments name:
    `nox -s bench -- ladder --only iris digits --out /tmp/try`."""
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *(session.posargs or ["--help"]))
