"""Wrong input to each command: one sentence that names the place and what to do, and never a
traceback."""

import shlex

import pytest

from commands import done, run

ROWS = [f"{20 + k},{'Bath' if k % 3 else 'Oslo'},{'high' if k % 2 else 'low'}" for k in range(24)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "people.csv").write_text("\n".join(["age,town,income", *ROWS]) + "\n")
    (folder / "rows.csv").write_text("\n".join(ROWS) + "\n")
    (folder / "binary").write_bytes(bytes(range(256)) * 4)
    (folder / "empty").write_text("")
    (folder / "folder").mkdir()
    done("train", folder / "people.csv", "--target", "income", "--out", folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train rows.csv", "has no header line: name its columns with --names"),
        ("train rows.csv --target income", "has no header line: name its columns with --names"),
        ("train rows.csv --target c --drop age --names a,b,c", "its columns are 'a', 'b', 'c'"),
        ("train people.csv --target income --names Age,town,wage", "line 1: holds the names of the columns"),
        ("train rows.csv --target c --names names.txt", "or an existing file with the names"),
        ("tune rows.csv --target income", "has no header line: name its columns with --names"),
        ("plan --rows inf --columns 3", "rows=inf: needs a whole number from 2"),
        ("plan --rows nan --columns 3", "rows=nan: needs a whole number from 2"),
        ("plan --rows 5 --columns inf", "columns=inf: needs a whole number from 1"),
        ("plan --rows 1e30 --columns 1e30", "columns=1e+30: needs at most 2,147,483,647"),
        ("diagnose rows.csv --target income", "has no header line"),
        ("predict absent people.csv", "absent: no such file; check the path"),
        ("predict people.csv people.csv", "name a file that save, or train --out, wrote"),
        ("predict empty people.csv", "the file is empty; name a file that save, or train --out, wrote"),
        ("evaluate model.safetensors iris", "give rows with the columns of its training"),
        ("compare model.safetensors binary people.csv", "binary: is not a safetensors file"),
        ("explain binary", "name a file that save, or train --out, wrote"),
        ("verify folder people.csv", "is a folder; name the file in it"),
        ("report absent --out page.html", "absent: no such file; check the path"),
        ("card people.csv", "name a file that save, or train --out, wrote"),
        ("serve empty", "the file is empty; name a file that save, or train --out, wrote"),
        ("export binary --onnx model.onnx", "name a file that save, or train --out, wrote"),
        ("play absent.csv", "absent.csv: no such file; check the path"),
        ("play folder", "folder: is a directory, and a file is needed"),
        ("play empty", "empty"),
        ("infer rows.csv 'income ~ age'", "there is no column 'income'"),
    ],
)
def test_wrong_input_is_one_sentence_with_place_and_remedy(folder, monkeypatch, command, told):
    monkeypatch.chdir(folder)
    before = sorted(path.name for path in folder.iterdir())
    result = run(*shlex.split(command))
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if not line.startswith("Note: ")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ")
    assert told in errors[0]
    assert sorted(path.name for path in folder.iterdir()) == before


def test_names_for_a_table_without_a_header_line_are_taken(folder):
    shown = done("train", folder / "rows.csv", "--names", "age,town,income", "--target", "income")
    assert "town=Oslo" in shown
