"""What mkdocs does beside turning Markdown into pages.

It makes the reference, one page for each public module, the page of the command line, the list of
decisions, the picture of the house, a page for each lesson and each example, which run, and the
pictures of pages that draw. It refuses a finished site in which a public name has no entry, or a
page would load something from elsewhere.
"""

from __future__ import annotations

import ast
import re
import zlib
from pathlib import Path
from typing import Any

from gallery import examples, gallery_pages, with_figures
from generate_cli import page as command_line_page
from house import picture, read_house, table, upward_in_words
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from polytome.lessons import catalogue, run_lesson
from polytome.teaching.html import fragment, lesson_styles

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
DRAWN = ("howto-plots.md",)
LOADED_FROM_ELSEWHERE = re.compile(r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//[^>]*>""")
LINKED_FROM_ELSEWHERE = re.compile(r"""<link[^>]+href=["']?(?:https?:)?//[^>]*>""")

PUBLIC = {
    "Fit and predict": [
        "polytome",
        "polytome.errors",
        "polytome.models.cost",
        "polytome.models.formula",
        "polytome.models.neurons",
        "polytome.models.path",
    ],
    "Data": [
        "polytome.tables.table",
        "polytome.tables.encoder",
        "polytome.tables.terms",
        "polytome.tables.text_columns",
        "polytome.tables.streams.opening",
        "polytome.tables.streams.table",
        "polytome.tables.datasets",
        "polytome.tables.images",
        "polytome.files.sources",
        "polytome.files.training_record",
    ],
    "Statistics": ["polytome.inference"],
    "Judge and explain": [
        "polytome.evaluation.metrics",
        "polytome.evaluation.measures",
        "polytome.evaluation.thresholds",
        "polytome.evaluation.recalibration",
        "polytome.evaluation.comparison",
        "polytome.evaluation.intervals",
        "polytome.evaluation.curves",
        "polytome.evaluation.sweeps",
        "polytome.evaluation.explain",
        "polytome.evaluation.flips",
        "polytome.evaluation.diagnosis",
        "polytome.evaluation.settled",
    ],
    "Show and take along": [
        "polytome.plots",
        "polytome.plots.display",
        "polytome.plots.drawing",
        "polytome.report",
        "polytome.report.card",
        "polytome.report.statistics_page",
        "polytome.export",
        "polytome.export.mlflow_flavour",
        "polytome.serve.app",
        "polytome.play.app",
        "polytome.play.problems",
        "polytome.play.runs",
        "polytome.play.settings",
    ],
    "The engine": [
        "polytome.numerics",
        "polytome.numerics.coding",
        "polytome.losses",
        "polytome.losses.neurons",
        "polytome.losses.pairwise",
        "polytome.penalties",
        "polytome.rows",
        "polytome.rows.dask",
        "polytome.passes",
        "polytome.objective",
        "polytome.certificates.certificate",
        "polytome.solvers",
        "polytome.solvers.memory",
        "polytome.verification.balls",
    ],
    "Learn and teach": ["polytome.lessons", "polytome.teaching.tracing", "polytome.teaching.layouts"],
}
"""The modules that users are meant to import, and the reference has; what others hold may change at
any time."""


def public_modules() -> dict[str, tuple[str, list[str]]]:
    """Each public module: the first line of its documentation, and its public names."""
    modules = {}
    for name in (name for names in PUBLIC.values() for name in names):
        path = SOURCE / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        (names,) = (
            ast.literal_eval(statement.value)
            for statement in tree.body
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
        )
        modules[name] = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " "), names
    return modules


def decisions() -> dict[str, tuple[str, str, str]]:
    """Each decision, by the name of its file: its title, with the number, its status and its
    subject."""
    found = {}
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        parts = re.match(r"# (\d+\. .+)\n\n\*\*Status:\*\* (.+?)  \n\*\*Subject:\*\* (.+)\n\n", text)
        if parts is None or int(path.name[:3]) != int(parts[1].split(".")[0]):
            raise PluginError(f"{path.name}: must begin with a title of its number, its status and its subject")
        found[path.name] = parts[1], parts[2], parts[3]
    return found


def page_of(module: str) -> str:
    """Where the page of a module lies among the documents."""
    return f"reference/{module}.md"


def on_config(config: Any) -> None:
    """Adds to the navigation what is made here: lessons, examples, reference and decisions."""
    lessons = [{lesson.title: f"lessons/{lesson.name}.md"} for lesson in catalogue()]
    shown = [{example.title: f"examples/{example.name}.md"} for example in examples()]
    reference = [{group: [{name: page_of(name)} for name in names]} for group, names in PUBLIC.items()]
    decided: dict[str, list[Any]] = {}
    for name, (title, _, subject) in decisions().items():
        decided.setdefault(subject.capitalize(), []).append({title.replace("`", ""): f"decisions/{name}"})
    sections = {
        "Lessons": ["lessons/index.md", *lessons],
        "Examples": ["examples/index.md", *shown],
        "Reference": ["reference/index.md", *reference],
        "Design decisions": ["decisions/index.md", *({subject: pages} for subject, pages in decided.items())],
    }
    config.nav = [{each: sections.pop(each)} if isinstance(each, str) else each for each in config.nav]
    if sections:
        raise PluginError(f"mkdocs.yml: nav has no place for {', '.join(sections)}")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the reference, which mkdocstrings fills from the docstrings, and all others
    that are made."""

    def add(path: str, *lines: str) -> None:
        files.append(File.generated(config, path, content="\n".join(lines) + "\n"))

    modules = public_modules()
    index = ["# Reference", "", "What users are meant to import. All else may change at any time."]
    for group, names in PUBLIC.items():
        index += ["", f"## {group}", "", "| module | what it is |", "|---|---|"]
        index += [f"| [`{name}`]({name}.md) | {modules[name][0]} |" for name in names]
    add("reference/index.md", *index)
    for module in modules:
        add(page_of(module), f"::: {module}")
    add("cli.md", command_line_page())
    add("decisions/index.md", *list_of_decisions())
    add_lessons(files, config)
    for path, content in gallery_pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def list_of_decisions() -> list[str]:
    """The page that lists the decisions, by subject."""
    lines = [
        "# Design decisions",
        "",
        "What was decided, why, what was rejected, and the evidence with its figures. A decision that no longer holds "
        "stays, and names the one that took its place.",
    ]
    every = decisions()
    for subject in dict.fromkeys(subject for _, _, subject in every.values()):
        lines += ["", f"## {subject.capitalize()}", "", "| decision | status |", "|---|---|"]
        lines += [f"| [{title}]({name}) | {status} |" for name, (title, status, its) in every.items() if its == subject]
    return lines


def add_lessons(files: Files, config: Any) -> None:
    """Adds a page for each lesson, their list, and their style sheet; the lessons run now."""
    rows = [f"{place}. [{each.title}]({each.name}.md): {each.summary}" for place, each in enumerate(catalogue(), 1)]
    text = [
        "# Lessons",
        "Everything in five source documents on logistic and softmax regression, recomputed; and what comes next, "
        "penalties and inference.",
        "`polytome lesson` prints them in a terminal; `polytome check-sources` compares them with the documents.",
        "",
        *rows,
    ]
    files.append(File.generated(config, "lessons/index.md", content="\n".join(text) + "\n"))
    for lesson in catalogue():
        body = f'<div class="lesson">\n{fragment(lesson, run_lesson(lesson))}\n</div>\n'
        files.append(File.generated(config, f"lessons/{lesson.name}.md", content=f"# {lesson.title}\n\n{body}"))
    light, dark = ('[data-md-color-scheme="default"]', '[data-md-color-scheme="slate"]')
    files.append(File.generated(config, "lessons/lesson.css", content=lesson_styles(light, dark)))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Draws the picture of the house, and those of a page that draws."""
    if page.file.src_uri == "house.md":
        house = read_house()
        for place, made in (("upward", upward_in_words), ("the picture", picture), ("the table", table)):
            markdown = markdown.replace(f"<!-- {place} -->", made(house))
        return markdown
    if page.file.src_uri not in DRAWN:
        return markdown
    markdown, pictures = with_figures(markdown, "images/" + page.file.src_uri.removesuffix(".md"))
    for path, svg in pictures.items():
        files.append(File.generated(config, path, content=svg))
    return markdown


def on_post_build(config: Any) -> None:
    """Refuses a site that is incomplete or would reach for the network."""
    refuse_undocumented(Path(config.site_dir))
    refuse_foreign(Path(config.site_dir))


def refuse_undocumented(site: Path) -> None:
    """Raises PluginError if a public name has no entry in the reference."""
    public = {f"{module}.{name}" for module, (_, names) in public_modules().items() for name in names}
    if lacking := sorted(public - documented_names(site / "objects.inv")):
        raise PluginError(f"public names without an entry in the reference (no docstring?): {', '.join(lacking)}")


def refuse_foreign(site: Path) -> None:
    """Raises PluginError if a page loads a script, a style or a picture from elsewhere."""
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        for pattern in (LOADED_FROM_ELSEWHERE, LINKED_FROM_ELSEWHERE):
            if found := pattern.search(text):
                raise PluginError(f"{page.relative_to(site)} loads something from elsewhere: {found.group()}")


def documented_names(inventory: Path) -> set[str]:
    """The names that mkdocstrings wrote entries for, from its inventory: four lines of text, then
    compressed lines."""
    compressed = inventory.read_bytes().split(b"\n", 4)[4]
    return {line.split()[0] for line in zlib.decompress(compressed).decode().splitlines() if line}
