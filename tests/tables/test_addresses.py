"""Databases by SQLAlchemy's addresses: what is read, and what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from commands import done, run
from polytome import load, read_table, train
from polytome.errors import ArgumentError, FileError, MissingExtraError
from polytome.tables.readers.addresses import check_no_password, is_address


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    random = np.random.default_rng(1)
    rows = [
        (k, int(random.integers(20, 70)), f"2026-0{1 + k % 9}-05", str(random.choice(["Oslo", "Rome"])), "yn"[k % 2])
        for k in range(60)
    ]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE customers (id INTEGER, age INTEGER, since DATE, town TEXT, left TEXT)")
        database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?, ?)", rows)
        database.execute("UPDATE customers SET town = NULL WHERE id = 3")
        database.execute("CREATE TABLE other (x INTEGER)")
        database.execute("CREATE TABLE odd (x BLOB, y TEXT)")
        database.execute("INSERT INTO odd VALUES (x'00', 'a'), (x'01', 'b')")
    return path


@pytest.fixture(scope="module")
def address(shop: Path) -> str:
    pytest.importorskip("sqlalchemy")
    return f"sqlite:///{shop}"


def test_addresses_are_told_from_files() -> None:
    assert is_address("mysql+pymysql://me@host/shop#select 1")
    for name in ("shop.db#select '://'", "C:\\shop.db", "-", Path("postgresql:/x"), "1x://y", None):
        assert not is_address(name)


@pytest.mark.parametrize(
    "name",
    [
        "postgresql://me:secret@host/shop#select 1",
        "postgresql://me:se#cret@host/shop",
        "postgresql+psycopg://:secret@/shop",
        "mssql://host/shop?driver=x&Password=secret#t",
        "postgresql://host/shop?sslpassword=secret",
    ],
)
def test_a_password_is_refused_and_never_shown(name: str) -> None:
    with pytest.raises(ArgumentError, match="POLYTOME_DATABASE_PASSWORD") as raised:
        read_table(name, target="y")
    assert "cret" not in str(raised.value)
    for command in (["train", name, "--target", "y"], ["predict", "m.safetensors", name]):
        found = run(*command)
        assert found.exit_code == 1
        assert "has a password" in found.output
        assert "cret" not in found.output


def test_addresses_without_a_password_pass() -> None:
    for name in ("postgresql://me@host:5432/shop#select 'a:b@c' from t", "sqlite:///a:b/shop.db", "mysql:///shop#t"):
        check_no_password(name)


def test_rows_are_those_of_the_file(shop: Path, address: str) -> None:
    query = "select age, town, left from customers where id <> 3"
    mine = read_table(f"{address}#{query}", target="left")
    wanted = read_table(f"{shop}#{query}", target="left")
    np.testing.assert_array_equal(mine.X, wanted.X)
    assert mine.y.tolist() == wanted.y.tolist()
    whole = train(f"{address}#customers", "left", drop=["id", "since"], missing="mean")
    assert whole.encoder_.feature_names == ("age", "town=(missing)", "town=Oslo", "town=Rome")
    assert whole.training_.source == f"{address}#customers"


def test_the_commands_take_an_address(address: str, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    columns = "age, since, town, left"
    options = ["--target", "left", "--date", "since=month", "--missing", "drop", "--out", out]
    done("train", f"{address}#select {columns} from customers", *options)
    assert load(out).encoder_.source_names == ("age", "since", "town")
    query = f"{address}#select * from customers where town is not null"
    assert len(done("predict", out, query, "--id", "id").splitlines()) == 60
    assert "accuracy" in done("evaluate", out, query)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("", "has 3 tables"),
        ("#customer", "did you mean 'customers'"),
        ("#select nowhere from customers", "no such column: nowhere"),
        ("#select left, age, age from customers", "names the column 'age' twice"),
        ("#with x as (select 1) delete from customers", "cannot be run"),
        ("#select * from customers; drop table customers", "cannot be run"),
        ("#values (1", "cannot be run"),
        ("#other", "has 0 rows"),
        ("#odd", "holds bytes"),
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_written(part: str, words: str, shop: Path, address: str) -> None:
    target = "y" if part == "#odd" else "left"
    with pytest.raises(ValueError, match=words) as raised:
        read_table(f"{address}{part}", target=target)
    assert "\n" not in str(raised.value)
    with closing(sqlite3.connect(shop)) as database:
        assert database.execute("SELECT count(*) FROM customers").fetchone() == (60,)


def test_a_limit_of_memory_holds(address: str) -> None:
    with pytest.raises(FileError, match="60 rows or more"):
        read_table(f"{address}#customers", target="left", read_limit=1e-6)


def test_what_does_not_answer_is_said(address: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_table(f"sqlite:///{tmp_path / 'none.db'}#t", target="y")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(ArgumentError, match="is not an address that SQLAlchemy knows"):
        read_table("nosuch://host/shop#t", target="y")
    with pytest.raises((MissingExtraError, FileError)):
        read_table("oracle://me@nowhere.invalid/shop#t", target="y")


def test_an_address_is_read_whole(address: str) -> None:
    with pytest.raises(ArgumentError, match="is read whole"):
        train(f"{address}#customers", "left", memory="1GB")
    found = run("train", f"{address}#customers", f"{address}#other", "--target", "left")
    assert "is read whole" in found.output


def test_without_sqlalchemy_the_extra_is_named() -> None:
    try:
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(MissingExtraError, match=r"polytome\[sql\]"):
            read_table("postgresql://host/shop#t", target="y")
