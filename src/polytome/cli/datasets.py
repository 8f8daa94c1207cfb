"""`polytome datasets`: the built-in data sets."""

from __future__ import annotations

from polytome.cli.options import DataFolder, Json
from polytome.cli.output import make_console, print_json
from polytome.cli.show import show_table

__all__ = ["datasets"]


def datasets(data: DataFolder = None, as_json: Json = False) -> None:
    """List the built-in data sets and whether they are already on this machine.

    \b
    Examples:
      polytome datasets
      polytome datasets --data DIR
    """
    from polytome.tables.datasets import is_here, list_datasets

    found = [(info, is_here(info.name, data)) for info in list_datasets()]
    if as_json:
        keys = ("name", "description", "n_rows", "n_features", "n_classes", "source")
        print_json(
            {"datasets": [{**{key: getattr(info, key) for key in keys}, "offline": here} for info, here in found]}
        )
        return
    console = make_console()
    rows = [
        (info.name, info.n_rows, info.n_features, info.n_classes, "yes" if here else "no, downloaded when first used")
        for info, here in found
    ]
    show_table(console, "Built-in data sets", ("name", "rows", "features", "classes", "here?"), rows)
    console.print()
    for info, _ in found:
        console.print(f"{info.name}: {info.description} From {info.source}.")
