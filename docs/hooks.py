"""What mkdocs does beside turning Markdown into pages.

It makes the reference, one page for each module with public names, the page of the command line, a page for each
lesson, which runs it, and the pictures of pages that draw. It refuses a finished site in which a public name has no
entry, or a page would load something from elsewhere.
"""

from __future__ import annotations

import ast
import re
import zlib
from pathlib import Path
from typing import Any

from gallery import with_figures
from generate_cli import page as command_line_page
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from polytome.lessons import catalogue, run_lesson
from polytome.teaching.html import fragment, lesson_styles

SOURCE = Path(__file__).parent.parent / "src"
DRAWN = ("howto-plots.md",)
LOADED_FROM_ELSEWHERE = re.compile(r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//[^>]*>""")
LINKED_FROM_ELSEWHERE = re.compile(r"""<link[^>]+href=["']?(?:https?:)?//[^>]*>""")


def public_modules() -> dict[str, tuple[str, list[str]]]:
    """Each module that says what is public: its first line of documentation and its public names."""
    modules = {}
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name.startswith("polytome.cli"):
            continue  # its public face is the page of the command line
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
                summary = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
                modules[name] = summary, ast.literal_eval(statement.value)
    return modules


def page_of(module: str) -> str:
    """Where the page of a module lies among the documents."""
    return f"reference/{module}.md"


def on_config(config: Any) -> None:
    """Adds the sections "Lessons", after the start, and "Reference", before the command line, to the navigation."""
    lessons = [{lesson.title: f"lessons/{lesson.name}.md"} for lesson in catalogue()]
    config.nav.insert(1, {"Lessons": ["lessons/index.md", *lessons]})
    pages = [{module: page_of(module)} for module in public_modules()]
    config.nav.insert(-3, {"Reference": ["reference/index.md", *pages]})


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages of the reference, which mkdocstrings fills from the docstrings, and that of the command line."""
    modules = public_modules()
    rows = [f"| [`{module}`]({module}.md) | {summary} |" for module, (summary, _) in modules.items()]
    index = ["# Reference", "", "| module | what it is |", "|---|---|", *rows]
    files.append(File.generated(config, "reference/index.md", content="\n".join(index) + "\n"))
    for module in modules:
        files.append(File.generated(config, page_of(module), content=f"::: {module}\n"))
    files.append(File.generated(config, "cli.md", content=command_line_page()))
    add_lessons(files, config)
    return files


def add_lessons(files: Files, config: Any) -> None:
    """Adds a page for each lesson, their list, and their style sheet; the lessons run now."""
    rows = [f"{place}. [{each.title}]({each.name}.md): {each.summary}" for place, each in enumerate(catalogue(), 1)]
    text = [
        "# Lessons",
        "Everything in five source documents on logistic and softmax regression, recomputed.",
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
    """Draws the pictures of a page that draws."""
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
    """The names that mkdocstrings wrote entries for, from its inventory: four lines of text, then compressed lines."""
    compressed = inventory.read_bytes().split(b"\n", 4)[4]
    return {line.split()[0] for line in zlib.decompress(compressed).decode().splitlines() if line}
