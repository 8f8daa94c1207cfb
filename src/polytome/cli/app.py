"""The command line with all its commands, and the one place where an error becomes a line and an
exit status."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from polytome._version import __version__
from polytome.cli.card import card
from polytome.cli.check_sources import check_sources
from polytome.cli.compare import compare
from polytome.cli.config import with_config
from polytome.cli.datasets import datasets
from polytome.cli.diagnose import diagnose
from polytome.cli.evaluate import evaluate
from polytome.cli.explain import explain
from polytome.cli.export import export
from polytome.cli.infer import infer
from polytome.cli.lesson import lesson
from polytome.cli.option_groups import with_single_options
from polytome.cli.output import printable
from polytome.cli.plan import plan
from polytome.cli.play import play
from polytome.cli.predict import predict
from polytome.cli.report import report
from polytome.cli.runs import runs
from polytome.cli.serve import serve
from polytome.cli.train import train
from polytome.cli.tune import tune
from polytome.cli.verify import verify

__all__ = ["app"]


class _OneLineErrors(TyperGroup):
    """Turns expected errors into one line on stderr and exit status 1, Ctrl-C into 130."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        ctx.meta["polytome.arguments"] = tuple(args)  # for `command_line`
        if any("://" in arg for arg in args):
            _refuse_passwords(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader of the pipe has closed it, as `head` does; typer ends quietly
        except (ValueError, OSError, MemoryError) as error:  # PolytomeError is a ValueError
            message = " ".join(str(error).split()) or type(error).__name__
            print(f"Error: {printable(message)}", file=sys.stderr)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            print("Interrupted.", file=sys.stderr)
            raise typer.Exit(130) from error


def _refuse_passwords(args: list[str]) -> None:
    """End before an address with a password is shown or kept anywhere."""
    from polytome.errors import ArgumentError
    from polytome.tables.readers.addresses import check_no_password

    try:
        for arg in args:
            check_no_password(arg)
    except ArgumentError as error:
        print(f"Error: {printable(str(error))}", file=sys.stderr)
        raise typer.Exit(1) from error


app = typer.Typer(
    cls=_OneLineErrors,
    rich_markup_mode=None,  # plain help looks the same in a terminal, a pipe and a log
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"polytome {__version__}")
        raise typer.Exit()


@app.callback()
def polytome(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Logistic and softmax regression; every fit says how far it is from the optimum.

    \b
    Examples:
      polytome train iris
      polytome train people.csv --target income --test-fraction 0.2
      polytome train mnist --data DIR --out mnist.safetensors
      polytome predict mnist.safetensors new.npy --out predictions.csv

    Exit status: 0 done, 1 an error (one line says which), 2 a wrong option, 3 no
    certificate that holds (--strict), 130 stopped by Ctrl-C.
    """


_COMMANDS = (
    train,
    tune,
    plan,
    predict,
    evaluate,
    compare,
    runs,
    explain,
    diagnose,
    infer,
    verify,
    report,
    card,
    serve,
    play,
    export,
    datasets,
    lesson,
    check_sources,
)

# Those with options worth keeping.
_WITH_CONFIG = (train, tune, plan, predict, evaluate, compare, diagnose, infer, verify, report)

for command in _COMMANDS:
    single = with_single_options(command)
    app.command()(with_config(single) if command in _WITH_CONFIG else single)
