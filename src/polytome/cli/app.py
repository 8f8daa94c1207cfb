"""The command line with all its commands, and the one place where an error becomes a line and an
exit status."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from polytome._version import __version__
from polytome.cli.output import printable

__all__ = ["app"]


_COMMANDS = {
    "train": "Train a model and say how far it is from the optimum.",
    "tune": "Choose the penalty by cross-validation, and train the model with it.",
    "plan": "Say what a fit will cost, in passes, seconds and memory, before it is made.",
    "predict": "Predict each row of a file, as CSV.",
    "evaluate": "Compare a model's predictions with true labels.",
    "compare": "Compare two models on the same rows: is one better, or is it chance?",
    "runs": "List the runs that polytome train --log-to kept, or compare some of them.",
    "explain": "Show a model's objective, its certificate and its largest coefficients.",
    "diagnose": "Say whether classes are separated, and which columns are sums of others.",
    "infer": "Fit a formula and print coefficients with standard errors.",
    "verify": "Confirm or refute a model's certificate on the data of its fit.",
    "report": "Write a report on a model: one HTML file that needs no network.",
    "card": "Write a model card: data, objective, certificate, metrics and limits.",
    "serve": "Serve a model: a page to try it, and predictions over HTTP.",
    "play": "Watch gradient descent learn, step by step, in the browser.",
    "export": "Write a model for programs that run without Polytome.",
    "datasets": "List the built-in data sets and whether they are already on this machine.",
    "lesson": "List the lessons, print one, or write them as pages.",
    "check-sources": "Recompute every number and identity of the source documents.",
}
"""The commands in the order of the help, each with the first sentence of its own: the help imports
none of them."""

# Those with options worth keeping.
_WITH_CONFIG = ("train", "tune", "plan", "predict", "evaluate", "compare", "diagnose", "infer", "verify", "report")


class _Commands(TyperGroup):
    """Makes the one command that is called, and turns expected errors into one line on stderr and
    exit status 1, Ctrl-C into 130."""

    def __init__(self, **settings: Any) -> None:
        commands = {name: TyperCommand(name, help=sentence) for name, sentence in _COMMANDS.items()}
        super().__init__(**{**settings, "commands": commands})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and args[0] not in self.commands:  # not every typer guesses
            from polytome.plain.names import close_name

            close = close_name(args[0], self.commands)
            ctx.fail(f"No such command {args[0]!r}.{'' if close is None else f' Did you mean {close!r}?'}")
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and self.with_options(args[0]), rest

    def with_options(self, name: str) -> Any:
        """A command with all its options; only now is it imported."""
        from polytome.cli.config import with_config
        from polytome.cli.option_groups import with_single_options

        function = name.replace("-", "_")
        single = with_single_options(getattr(import_module(f"polytome.cli.{function}"), function))
        alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
        alone.command(name)(with_config(single) if name in _WITH_CONFIG else single)
        return get_command(alone)

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
    cls=_Commands,
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
