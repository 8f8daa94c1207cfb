"""`polytome export` as a user meets it: several files in one call, what is printed, and one line
for each error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import exported_models as models
from commands import run
from polytome.export import to_c, to_sql


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "iris.safetensors"
    models.iris().save(path)
    return path


def test_all_forms_in_one_call(model_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    targets = {"--onnx": "m.onnx", "--torch": "m.state", "--sklearn": "m.py", "--c": "m.h", "--sql": "m.sql"}
    words = [word for option, name in targets.items() for word in (option, tmp_path / name)]
    result = run("export", model_file, *words)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(targets.values())
    lines = result.stdout.splitlines()
    assert len(lines) == 5
    for place, runtime in ((0, "onnxruntime"), (2, "scikit-learn"), (4, "SQLite")):
        assert f"Run by {runtime}" in lines[place]
        assert "largest difference in a probability" in lines[place]
        assert "every label equal" in lines[place]
    assert (tmp_path / "m.h").read_text() == to_c(models.iris())


def test_json_names_the_files_and_how_closely_they_agree(model_file: Path, tmp_path: Path) -> None:
    result = run("export", model_file, "--sql", tmp_path / "m.sql", "--c", tmp_path / "m.h", "--json")
    written = json.loads(result.stdout)["written"]
    assert [entry["form"] for entry in written] == ["C", "SQL"]
    assert written[0]["agreement"] is None
    assert written[1]["agreement"]["largest_difference"] < 1e-12
    assert written[1]["agreement"]["n_labels_differ"] == 0
    assert json.loads(run("export", model_file, "--sql", "-", "--json").stdout)["sql"] == to_sql(models.iris())


def test_a_query_can_go_to_a_pipe_alone(model_file: Path, tmp_path: Path) -> None:
    result = run("export", model_file, "--sql", "-", "--table", "flowers", "--keep", "id", "--c", tmp_path / "m.h")
    assert result.stdout == to_sql(models.iris(), table="flowers", keep=["id"])
    assert result.stderr == f"C is in {tmp_path / 'm.h'}.\n"


def test_options_reach_their_form(model_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    result = run("export", model_file, "--onnx", tmp_path / "m.onnx", "--precision", "float32")
    assert "e-07" in result.stdout or "e-08" in result.stdout
    run("export", model_file, "--c", tmp_path / "m.h", "--prefix", "flower")
    assert "int flower_predict(" in (tmp_path / "m.h").read_text()


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        ([], 2, "name at least one of --onnx, --torch, --sklearn, --c and --sql"),
        (["--c", "absent/m.h"], 1, "there is no folder absent"),
        (["--sql", "-", "--keep", "prediction"], 1, "the answer has a column of this name"),
        (["--c", "m.h", "--prefix", "a b"], 1, "needs a letter, followed by"),
        (["--onnx", "m.onnx", "--precision", "float16"], 1, "choose 'float64' or 'float32'"),
    ],
)
def test_errors_are_one_line(
    words: list[str], status: int, complaint: str, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("export", model_file, *words)
    assert result.exit_code == status
    assert complaint in " ".join(result.stderr.split())
    assert status == 2 or result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_one_of_the_paths_cannot_be(model_file: Path, tmp_path: Path) -> None:
    result = run("export", model_file, "--c", tmp_path / "m.h", "--sql", tmp_path / "absent" / "m.sql")
    assert result.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_a_later_form_that_is_refused_leaves_no_earlier_one(tmp_path: Path) -> None:
    """Nor is a file of an earlier export touched."""
    model_file = tmp_path / "m.safetensors"
    models.virginica().save(model_file)
    assert run("export", model_file, "--c", tmp_path / "m.h", "--sql", tmp_path / "m.sql").exit_code == 0
    older = (tmp_path / "m.sql").read_text()
    words = ["--c", tmp_path / "m.h", "--sql", tmp_path / "m.sql", "--keep", "prediction", "--prefix", "other"]
    result = run("export", model_file, *words)
    assert result.exit_code == 1
    assert result.stderr.endswith("; nor were the other files written\n")
    assert "other_predict" not in (tmp_path / "m.h").read_text()
    assert (tmp_path / "m.sql").read_text() == older
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.h", "m.safetensors", "m.sql"]


BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocker())
{program}
"""


def without(blocked: set[str], program: str) -> subprocess.CompletedProcess[str]:
    text = BLOCKER.format(blocked=blocked, program=program)
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_extra_there_is_one_line_that_says_what_to_install(
    package: str, model_file: Path, tmp_path: Path
) -> None:
    command = ["polytome", "export", str(model_file), "--c", str(tmp_path / "m.h"), "--onnx", str(tmp_path / "m.onnx")]
    ended = without({package}, f"sys.argv = {command!r}; from polytome.cli import main; main()")
    assert ended.returncode == 1
    assert ended.stderr == f'Error: ONNX needs {package}, which is not installed: pip install "polytome[onnx]"\n'
    assert not list(tmp_path.iterdir())


def test_without_torch_the_state_file_is_written_and_a_module_is_refused(model_file: Path, tmp_path: Path) -> None:
    program = f"""
import polytome
from polytome.export import from_torch, to_torch, write_torch
model = polytome.load({str(model_file)!r})
write_torch(model, {str(tmp_path / "state")!r})
assert (from_torch({str(tmp_path / "state")!r}, model.classes_).coef_ == model.coef_).all()
try:
    to_torch(model)
except polytome.PolytomeError as error:
    print(error)
"""
    ended = without({"torch", "onnx", "onnxruntime", "pandas"}, program)
    assert ended.stdout == 'PyTorch modules need torch: pip install "polytome[torch]"\n', ended.stderr


def test_importing_the_package_imports_none_of_what_it_exports_to() -> None:
    program = "import polytome.export; print({'sklearn', 'onnx', 'torch', 'sqlite3', 'numpy'} & {*sys.modules})"
    assert without(set(), program).stdout == "set()\n"
