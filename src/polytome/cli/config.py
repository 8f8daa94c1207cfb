"""`--config` and `--save-config`: the options of a command in a file of TOML.

The file holds values and nothing else: nothing in it is executed, and no variable of the
environment is filled in.
"""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin

import typer

from polytome._version import __version__
from polytome.cli.output import show_notes
from polytome.cli.outputs import check_outputs, is_same_file

__all__ = ["with_config"]

_WANTED = {bool: "true or false", int: "a whole number", float: "a number"}


_SaveConfig = Annotated[
    Path | None,
    typer.Option(
        "--save-config",
        metavar="FILE.toml",
        show_default=False,
        help="Write the options that were given to this file, for --config.",
    ),
]


def with_config(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with options that read its options from a file and save them in one.

    They are saved when the command has ended, unless it ended by an error.
    """
    parameters = list(inspect.signature(command).parameters.values())
    name_of_context = next((each.name for each in parameters if each.annotation is typer.Context), None)
    kind = inspect.Parameter.KEYWORD_ONLY
    if name_of_context is None:
        parameters.append(inspect.Parameter("context", kind, annotation=typer.Context))
    parameters.append(inspect.Parameter("config", kind, annotation=_config(_kinds(parameters)), default=None))
    parameters.append(inspect.Parameter("save_config", kind, annotation=_SaveConfig, default=None))

    @wraps(command)
    def configured(config: Path | None, save_config: Path | None, **values: Any) -> None:
        context = values.pop("context") if name_of_context is None else values[name_of_context]
        if config is not None:
            context.meta["polytome.arguments"] = _whole_arguments(context)
        if save_config is None:
            command(**values)
            return
        _check_place(context, save_config)
        try:
            command(**values)
        except typer.Exit:  # such as that of --strict: the options were right
            _write(context, save_config)
            raise
        _write(context, save_config)

    vars(configured)["__signature__"] = inspect.Signature([each.replace(kind=kind) for each in parameters])
    configured.__annotations__ = {each.name: each.annotation for each in parameters}
    return configured


def _kinds(parameters: Iterable[inspect.Parameter]) -> dict[str, type]:
    """The type of each option's value, or of each of its values."""
    kinds = {}
    for parameter in parameters:
        hint = get_args(parameter.annotation)[0] if get_origin(parameter.annotation) is Annotated else str
        (hint,) = [each for each in get_args(hint) if each is not NoneType] if isinstance(hint, UnionType) else [hint]
        kinds[parameter.name] = get_args(hint)[0] if get_origin(hint) is list else hint
    return kinds


def _config(kinds: Mapping[str, type]) -> Any:
    """The option `--config` of a command with options of these kinds."""

    def read(context: typer.Context, path: Path | None) -> Path | None:
        if path is not None and not context.resilient_parsing:
            context.default_map = {**(context.default_map or {}), **_values_of(context, path, kinds)}
        return path

    shown = typer.Option(
        "--config",
        metavar="FILE.toml",
        show_default=False,
        is_eager=True,
        callback=read,
        help="Take options from this file, by their long names, as in test-fraction = 0.2; those given here win. Paths "
        "in it are relative to the current folder.",
    )
    return Annotated[Path | None, shown]


def _values_of(context: typer.Context, path: Path, kinds: Mapping[str, type]) -> dict[str, Any]:
    """What a file has for the options of the command, each checked as on the command line."""
    text = _text_of(path)
    options = {name: option for option in _options_of(context) for name in _long_names(option)}
    found: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for key, value in _parsed(path, text).items():
        option = options.get(key)
        if option is None:
            raise _refused(path, text, key, _unknown(context, key, value, options))
        if option.name in found:
            raise _refused(path, text, key, f"is another name of {keys[option.name]}, which is there, too; keep one")
        keys[option.name] = key
        try:
            found[option.name] = _converted(value, kinds[option.name], option.multiple)
            option.process_value(context, found[option.name])
        except typer.BadParameter as error:
            raise _refused(path, text, key, f"= {_shown(value)}: {error.message}") from error
    return found


def _options_of(context: typer.Context) -> Iterator[Any]:
    """The options that a file may hold."""
    for option in context.command.params:
        if option.param_type_name == "option" and option.name not in ("config", "save_config", "help"):
            yield option


def _long_names(option: Any) -> list[str]:
    """Its names, the first of which is written."""
    return [name.removeprefix("--") for name in option.opts if name.startswith("--")]


def _text_of(path: Path) -> str:
    from polytome.errors import ArgumentError, FileError
    from polytome.tables.readers.opening import InputFile
    from polytome.tables.readers.whereabouts import STANDARD_INPUT

    if str(path) == STANDARD_INPUT:
        raise ArgumentError("--config -: options are not read from the standard input; name a file")
    if path.is_file() and path.stat().st_size == 0:
        return ""  # no options; as rows it would be an error
    try:
        return InputFile(path).contents().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is not UTF-8 text ({error.reason}); --config takes a file of TOML") from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    from polytome.errors import FileError

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(
            f'{path}: is not TOML: {error}; write options as in test-fraction = 0.2 and target = "income"'
        ) from error


def _refused(path: Path, text: str, key: str, why: str) -> typer.BadParameter:
    """What is wrong with an option in a file, and where."""
    starts = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    lines = (number for number, line in enumerate(text.split("\n"), 1) if starts.match(line))
    number = next(lines, None)
    place = str(path) if number is None else f"{path}, line {number}"
    return typer.BadParameter(f"{place}: {key} {why}", param_hint="'--config'")


def _unknown(context: typer.Context, key: str, value: Any, known: Iterable[str]) -> str:
    from polytome.plain.names import close_name

    if isinstance(value, dict):
        return "is a table; write all options without [tables]"
    name = key.removeprefix("--")
    others = _commands_with(context, name)
    if others:
        return f"is an option of {', '.join(others)}, not of {context.info_name}; leave it out"
    close = close_name(name, known)
    return f"is not an option of {context.info_name}{'' if close is None else f'; did you mean {close}?'}"


def _commands_with(context: typer.Context, name: str) -> list[str]:
    """The other commands that have an option of this long name; none if this one has it, too."""
    group: Any = context.find_root().command
    found = [
        title
        for title in group.commands
        if any(
            name in _long_names(each) for each in group.with_options(title).params if each.param_type_name == "option"
        )
    ]
    return [] if context.info_name in found else found


def _converted(value: Any, kind: type, several: bool) -> Any:
    """A value of TOML as the option takes it. A number stands for its text, as on the command line.

    Raises:
        BadParameter: it is of another type.
    """
    if several:
        return [_converted(each, kind, False) for each in (value if isinstance(value, list) else [value])]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind in _WANTED:
        if type(value) is kind or (kind is float and is_number):
            return value
        raise typer.BadParameter(f"is not {_WANTED[kind]}")
    if isinstance(value, str) or is_number:
        return str(value)
    raise typer.BadParameter('is not a text, as in "..."')


def _shown(value: Any) -> str:
    """A value of TOML for a message."""
    return _toml(value) if isinstance(value, str | int | float | list) else str(value)


def _check_place(context: typer.Context, path: Path) -> None:
    """Refuse, before any work, a file that the command reads or writes otherwise."""
    from polytome.errors import ArgumentError
    from polytome.tables.readers.whereabouts import STANDARD_INPUT, located

    check_outputs([], {"--save-config": (path, ".toml")})
    try:
        _text(context).encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"--save-config {path}: an option is not Unicode text ({error.reason})") from error
    for parameter in context.command.params:
        value = context.params.get(parameter.name)
        for each in value if isinstance(value, list | tuple) else [value]:
            if parameter.name == "save_config" or not isinstance(each, str | Path) or str(each) == STANDARD_INPUT:
                continue
            if is_same_file(path, located(each)):
                raise ArgumentError(f"--save-config {path}: is also {parameter.opts[0]} {each}; choose another name")


def _given(context: typer.Context, *sources: str) -> Iterator[tuple[Any, Any]]:
    """The options with values from these sources, and the values."""
    for option in _options_of(context):
        source = context.get_parameter_source(option.name)
        if source is not None and source.name in sources:
            yield option, context.params[option.name]


def _whole_arguments(context: typer.Context) -> list[str]:
    """The arguments of the command with the options from the file in place of its name: what is
    kept of a run does not change with the file."""
    command, *rest = context.meta["polytome.arguments"]
    taken = []
    for option, value in _given(context, "DEFAULT_MAP"):
        name = f"--{_long_names(option)[0]}"
        if isinstance(value, bool):
            taken += [name] if value else list(option.secondary_opts)
        else:
            for each in value if isinstance(value, list | tuple) else [value]:
                taken += [f"{name}={each}"] if str(each).startswith("-") else [name, str(each)]
    kept, words = [], iter(rest)
    for word in words:
        if word == "--config":
            next(words)
        elif not word.startswith("--config="):
            kept.append(word)
    return [command, *taken, *kept]


def _text(context: typer.Context) -> str:
    """The file that holds the options."""
    lines = [
        f"# Options of polytome {context.info_name}, {__version__}; options that are not here have their defaults."
    ]
    lines += [
        f"{_long_names(option)[0]} = {_toml(value)}" for option, value in _given(context, "COMMANDLINE", "DEFAULT_MAP")
    ]
    return "".join(f"{line}\n" for line in lines)


def _write(context: typer.Context, path: Path) -> None:
    from polytome.files.atomic_files import atomic_output

    with atomic_output(path) as stream:
        stream.write(_text(context).encode())
    show_notes([f"the options are in {path}; --config {path} takes them from there"])


def _toml(value: Any) -> str:
    """A value as TOML: a text, a number, a boolean, or a list of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    # A string of JSON is one of TOML, but for one character that TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
