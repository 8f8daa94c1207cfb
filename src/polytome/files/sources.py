"""A source that a user names, a built-in data set or a file, as rows to train on or to predict.

A model that is fitted with `fit_source` remembers its source (`source_`, a `FittedSource`): the
columns of its table (`encoder_`), the shape of its images (`image_shape_`), the one label that it
distinguishes from the rest (`positive_`), and a record of the data (`training_`). `read_for_model`
reads other data in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from polytome.errors import ArgumentError, DataError, FileError
from polytome.files.image_folders import images_for_model, is_images, read_images
from polytome.files.model_file import load
from polytome.files.splits import SplitKind, choose_groups, choose_held_out, choose_latest
from polytome.files.training_record import record_training
from polytome.models.fitted import feature_names_in, nameless, refuse_without_classes
from polytome.models.fitted_source import DividedBy, FittedSource, HeldOut, column_beside, source_of
from polytome.models.framed import against_rest
from polytome.models.model import Model
from polytome.models.path import RegularizationPath
from polytome.models.penalty_weights import numbered_weights
from polytome.plain.names import suggested
from polytome.tables.data_frames import DATA_FRAME, is_data_frame
from polytome.tables.datasets import Dataset, list_datasets, load_dataset
from polytome.tables.downloads import Progress
from polytome.tables.encoder import Column, Encoder
from polytome.tables.frames import Frame, listing
from polytome.tables.readers.addresses import is_address
from polytome.tables.readers.idx import IDX_FILES, find_idx
from polytome.tables.readers.opening import exists, is_folder
from polytome.tables.readers.text_folders import is_text_folder
from polytome.tables.readers.whereabouts import STANDARD_INPUT
from polytome.tables.schemas import learn_from_fewer
from polytome.tables.table import RowOptions, Table, TableOptions, read_table

if TYPE_CHECKING:
    from polytome.models.fitted import Fitted

Array = NDArray[Any]
_SCALE_OF_TFIDF = 0.25

AnyModel = TypeVar("AnyModel", bound=Model)

__all__ = [
    "Source",
    "encoder_of",
    "fit_source",
    "hold_out",
    "is_dataset",
    "one_against_rest",
    "only_held_out",
    "open_model",
    "open_source",
    "read_for_model",
    "texts_of",
]


@dataclass(frozen=True)
class Source:
    """Rows from a data set or a file.

    Attributes:
        name: the name of the data set or the path of the file.
        X: `(n, d)` features, dense or CSR.
        y: `(n,)` labels, or None where the file has none.
        X_test: `(m, d)` rows that are not trained on, or None.
        y_test: `(m,)` their labels, or None.
        encoder: how the columns of a table become features; None for files without named columns.
        scale: what suits the data as the estimator's `scale`, a number or one for each feature;
            None for none.
        image_shape: height and width when each row is an image.
        notes: sentences that the user should see.
        kept: which rows of the file are in X, as booleans; None when all are.
        positive: the label that is distinguished from all others, if there is one; see
            `one_against_rest`.
        test_fraction: the share of each class that `hold_out` set aside; None where it did not.
        seed: of its choice.
        divided_by: the column by which `hold_out` set rows aside; None where none decided it.
        test_names: the numbers of its test rows in the file, counted from 1 without a header line.
        files: the names of the image or text files, one for each row; None for other data.
        frame: the columns of the rows in X as they were read from a table; None for other data.
        weight: `(n,)` weights of the rows in X; None for equal ones.
        weight_test: `(m,)` weights of its test rows, likewise.
        test_source: the path of the file that the test rows come from, where it is another one.
        beside: the column that divides the rows in X, which is no feature; None where there is
            none.
        texts: the text of each row that is not trained on, or that a model is to judge; None where
            no column is text.
    """

    name: str
    X: Any
    y: Array | None
    X_test: Any = None
    y_test: Array | None = None
    encoder: Encoder | None = None
    scale: float | Array | None = None
    image_shape: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    kept: NDArray[np.bool_] | None = None
    positive: str | None = None
    test_fraction: float | None = None
    seed: int | None = None
    divided_by: DividedBy | None = None
    test_names: Array | None = None
    files: tuple[str, ...] | None = None
    frame: Frame | None = None
    weight: Array | None = None
    weight_test: Array | None = None
    test_source: str | None = None
    beside: Frame | None = None
    texts: tuple[str, ...] | None = None


def is_dataset(name: str) -> bool:
    """Whether this names a built-in data set; a file of the same name is meant by `./name`.

    Example:
        >>> is_dataset("iris"), is_dataset("./iris"), is_dataset("iris.csv")
        (True, False, False)
    """
    return name in {info.name for info in list_datasets()}


def open_source(
    source: Any,
    *,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Unpack[TableOptions],
) -> Source:
    """Read what a model is to be trained on.

    Args:
        source: the name of a built-in data set, or else a path, or a data frame of pandas, polars
            or Arrow. A folder of images has the images of each class in a subfolder named after it;
            each becomes 28 x 28 pixels (see `training_form`).
        data_dir: the folder of the IDX files of mnist or fashion-mnist; see `load_dataset`.
        progress: called during a download.
        options: how a table is read; see `read_table`.

    Returns:
        Rows with labels. mnist, fashion-mnist and a folder of IDX files bring their own test rows.

    Raises:
        PolytomeError: there is no such data set or file, it cannot be read, or it has no labels.

    Example:
        >>> iris = open_source("iris")
        >>> iris.X.shape, iris.encoder.feature_names[0]
        ((150, 4), 'sepal length (cm)')
    """
    if is_data_frame(source):
        table, source = read_table(source, **options), DATA_FRAME
        return _of_table(source, table)
    source = str(source)
    _refuse_folder(source, data_dir)
    if is_address(source):
        return _labelled(source, read_table(source, **options))
    if is_dataset(source):
        _refuse_options(source, options)
        return _from_dataset(load_dataset(source, data_dir, progress))
    _check_exists(source)
    if is_images(source):
        _refuse_options(source, options)
        return _labelled_images(source)
    table = read_table(source, **options)
    found = _labelled(_shown(source, table), table)
    test_images = find_idx(Path(source), IDX_FILES[2]) if is_folder(source) else None
    if test_images is None:
        return found
    test = read_table(test_images, n_features=table.X.shape[1], read_limit=options.get("read_limit"))
    return replace(found, X_test=test.X, y_test=test.y) if test.y is not None else found


def read_for_model(
    model: Fitted,
    source: str | Sequence[str],
    *,
    data_dir: str | PathLike[str] | None = None,
    split: str | None = None,
    progress: Progress | None = None,
    labels: bool = True,
    weights: bool = False,
    **options: Unpack[RowOptions],
) -> Source:
    """Read rows that a model is to predict or to be evaluated on, in the way that it was trained.

    Args:
        model: a fitted model; its `encoder_` finds the columns by name, its `positive_` translates
            the labels.
        source: the name of a built-in data set, or else a path; for a model of images also several
            image files and folders (see `find_images`).
        data_dir: the folder of the IDX files of mnist or fashion-mnist.
        split: which part of a data set with test rows: "train" or "test"; None is "test" where
            there is one.
        progress: called during a download.
        labels: False to ignore the labels of a file, which rows to be predicted do not need.
        weights: whether the rows need the weights that they had in training.
        options: how a table is read; see `read_table`.

    Returns:
        Rows with as many features as the model has, and labels if there are any.

    Raises:
        PolytomeError: the data cannot be read, or do not suit the model.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = fit_source(LogisticRegression(), one_against_rest(open_source("iris"), "virginica"))
        >>> read_for_model(model, "iris").y[[0, 149]].tolist()
        ['not virginica', 'virginica']
    """
    sources = [source] if isinstance(source, str) else source
    if any(is_images(name) and not is_dataset(name) and not is_address(name) for name in sources):
        _refuse_options(sources[0], {**options, "split": split})
        rows = images_for_model(model, sources)
        found = Source(", ".join(sources), rows.X, rows.y, files=rows.files)
    elif len(sources) != 1:
        raise ArgumentError(f"{listing(list(sources))}: only images can be several; give one table at a time")
    elif is_dataset(source := sources[0]):
        _refuse_folder(source, data_dir)
        _refuse_options(source, options)
        found = _chosen_part(_from_dataset(load_dataset(source, data_dir, progress)), split)
    else:
        if split is not None:
            raise ArgumentError(f"split={split!r}: {source} is a file and has one part only; leave --split out")
        _refuse_folder(source, data_dir)
        if not is_address(source):
            _check_exists(source)
        encoder = encoder_of(model) if weights else replace(encoder_of(model), weight=None)
        table = read_table(source, encoder=encoder, labels=labels, beside=column_beside(model), **options)
        encoder = encoder if table.encoder is None else replace(encoder, ids=table.encoder.ids)
        found = Source(
            _shown(source, table),
            table.X,
            table.y,
            encoder=encoder,
            notes=table.notes,
            kept=table.kept,
            weight=table.weight,
            files=_text_files(table) if is_text_folder(source) else None,
            texts=None if table.frame is None else texts_of(encoder, table.frame),
            frame=table.frame,
            beside=table.beside,
        )
    if found.X.shape[1] != model.n_features_in_:
        has, wanted = found.X.shape[1], model.n_features_in_
        raise DataError(
            f"{found.name}: has {has} features, and the model was trained with {wanted}; give rows with the columns of "
            "its training"
        )
    positive = source_of(model).positive
    if positive is None or found.y is None:
        return found
    return replace(found, y=against_rest(found.y, positive), positive=positive)


def _text_files(table: Table) -> tuple[str, ...]:
    """The file of each row of a table that was a folder of texts."""
    assert table.frame is not None
    frame = table.frame
    rows = range(frame.n_rows) if frame.rows is None else frame.rows.tolist()
    return tuple(str(Path(table.source) / frame.locate(row)) for row in rows)


def texts_of(encoder: Encoder, frame: Frame) -> tuple[str, ...] | None:
    """The texts of the rows of a frame, those of several columns one after the other; None where no
    column is text."""
    columns = [frame[column.name] for column in encoder.columns if column.kind == "text"]
    if not columns:
        return None
    return tuple(" / ".join(cells.text(row) for cells in columns) for row in range(frame.n_rows))


def suited_scale(encoder: Encoder | None) -> Any:
    """The estimator's `scale` that suits a table with columns of text; None for others.

    The features of a text by tf-idf have the norm 1, so each is small, and at C = 1 the penalty
    would be too strong for them: each is divided by 1/4.

    Returns:
        A number, or where other columns have features too, one for each feature.
    """
    if encoder is None or not any(_is_tfidf(column) for column in encoder.columns):
        return None
    if all(_is_tfidf(column) for column in encoder.columns):
        return _SCALE_OF_TFIDF
    scales = [_SCALE_OF_TFIDF if _is_tfidf(column) else 1.0 for column in encoder.columns]
    return np.repeat(scales, [column.width for column in encoder.columns])


def _is_tfidf(column: Column) -> bool:
    return column.terms is not None and column.terms.options.tfidf


def encoder_of(model: Fitted) -> Encoder:
    """How the columns of a table become a model's features.

    Args:
        model: a fitted model; one that was trained on no table takes numbers, by the names of the
            frame that it was trained on where it had names, else by position; labels are those of a
            column `label`, as in the built-in data sets.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> encoder_of(LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1])).feature_names
        ('column_1',)
    """
    encoder: Encoder | None = source_of(model).encoder
    if encoder is not None:
        return encoder
    given = feature_names_in(model)
    names = [f"column_{j + 1}" for j in range(model.n_features_in_)] if given is None else list(map(str, given))
    columns = tuple(Column(name, "number") for name in names)
    target = None if "label" in names else "label"
    is_integer = model.outputs != "numbers" and model.classes_.dtype.kind in "iu"
    kind: Literal["integer", "text"] = "integer" if is_integer else "text"
    return Encoder(columns, target, missing="error", unknown="error", label_kind=kind)


def open_model(path: str | PathLike[str]) -> Any:
    """A model from a file, for rows from files: its columns are found by an encoder, so that arrays
    need no names.

    Args:
        path: the file.

    Raises:
        FileError: as `polytome.load`.
    """
    model = load(path)
    if isinstance(model, RegularizationPath):
        raise FileError(f"{path}: holds a path of fits, not a model; save one of them, as path.model_at(0).save(...)")
    if feature_names_in(model) is None:
        return model
    encoder, model = encoder_of(model), nameless(model)
    model.source_ = replace(model.source_, encoder=encoder)
    return model


def fit_source(model: AnyModel, source: Source, *, command: str | None = None, offset: Sequence[str] = ()) -> AnyModel:
    """Fit a model to a source and record in it what later data must look like.

    Args:
        model: the classifier. Where its `penalty_weights` have names, they are those of the table's
            columns; the weight of a category is that of each of its features.
        source: rows with labels.
        command: the command line that asks for the fit, for its record.
        offset: the column of numbers that is added to the scores of the rows, and not learned; of
            more than two classes one for each, in the order of the sorted labels.

    Returns:
        The model, fitted, with its `training_` (a `TrainingRecord`), and with the attributes
        `encoder_`, `image_shape_` and `positive_` where the source has them. For `one_against_rest`
        its classes are `"not LABEL"` and `"LABEL"` in this order, not in alphabetical order: a
        positive coefficient counts for the label. With an offset it is another model than the one
        given, which has the offset among its columns; see `LogisticRegression.offset_as_columns`.

    Example:
        >>> from polytome.models.logistic import LogisticRegression
        >>> model = fit_source(LogisticRegression(), one_against_rest(open_source("iris"), "virginica"))
        >>> model.predict([[4.9, 3.2, 1.3, 0.2], [5.9, 3.0, 5.1, 1.8]])
        array(['not virginica', 'virginica'], dtype='<U13')
    """
    refuse_without_classes(model, f"{source.name} has one label for each row")
    began = time.perf_counter()
    y = source.y if source.positive is None else source.y == source.positive
    weights = {} if source.weight is None else {"sample_weight": source.weight}
    if offset:
        model = _fitted_with_offset(model, source, y, offset, weights)
    with numbered_weights(model, source.encoder):
        if not offset:
            model.fit(source.X, y, **weights)
        seconds = time.perf_counter() - began
        if source.positive is not None:  # false sorts before true
            model.classes_ = np.array([f"not {source.positive}", source.positive])
        training = record_training(
            model,
            source.X,
            source.y,
            sample_weight=source.weight,
            source=None if source.name == DATA_FRAME else source.name,
            notes=source.notes,
            command=command,
            test_fraction=source.test_fraction,
            seed=source.seed,
            divided_by=source.divided_by,
            n_test_rows=0 if source.y_test is None else len(source.y_test),
            seconds=seconds,
        )
    held_out = None
    if source.X_test is not None:
        name = source.test_source or f"rows of {source.name} that were held out"
        held_out = HeldOut(source.X_test, source.y_test, name, source.test_names, source.weight_test)
    model.source_ = FittedSource(source.encoder, source.image_shape, source.positive, training, held_out)
    return model


def _fitted_with_offset(model: Any, source: Source, y: Any, offset: Sequence[str], weights: dict[str, Any]) -> Any:
    """A model fitted to the other columns of a source, with the offset among its columns."""
    places, rest = _offset_places(source, offset)
    if (n_classes := len(np.unique(np.asarray(y)))) != max(2, len(places)):
        wanted = (
            "one column" if n_classes == 2 else f"{n_classes} columns, one for each class in the order of the labels"
        )
        raise ArgumentError(f"offset={list(offset)!r}: {source.name} has {n_classes} classes, which need {wanted}")
    others = np.setdiff1d(np.arange(source.X.shape[1]), places)
    if not len(others):
        raise ArgumentError(f"offset={list(offset)!r}: {source.name} has no other columns to learn from")
    X = source.X.tocsc() if hasattr(source.X, "tocsc") else source.X
    known: Any = X[:, places]
    given, scale = model.penalty_weights, model.scale
    if np.ndim(scale) > 0:  # one number for each feature of the source
        model.scale = np.asarray(scale, dtype=np.float64)[others]
    with numbered_weights(model, rest):
        model.fit(X[:, others], y, offset=known.toarray() if hasattr(known, "toarray") else known, **weights)
        wide = model.offset_as_columns(list(offset), places)
    model.scale = scale
    wide.penalty_weights = wide.penalty_weights if np.ndim(given) else given
    return wide


def _offset_places(source: Source, offset: Sequence[str]) -> tuple[list[int], Encoder]:
    """The places of columns among the features of a source, and its encoder without them.

    Raises:
        ArgumentError: there are no named columns, or not these, or they are not numbers.
    """
    encoder = source.encoder
    if encoder is None:
        raise ArgumentError(f"offset={list(offset)!r}: {source.name} has no named columns")
    starts = np.cumsum([0, *(column.width for column in encoder.columns)]).tolist()
    known = {column.name: (column, start) for column, start in zip(encoder.columns, starts, strict=False)}
    for name in offset:
        if name not in known:
            raise ArgumentError(
                f"offset={suggested(name, known)}: {source.name} has no such column; it has {listing(list(known))}"
            )
        if known[name][0].kind != "number":
            raise ArgumentError(f"offset={name!r}: the column holds text, and an offset is a number for each row")
    if len(set(offset)) < len(offset):
        raise ArgumentError(f"offset={list(offset)!r}: names a column twice")
    columns = tuple(column for column in encoder.columns if column.name not in offset)
    return [known[name][1] for name in offset], replace(encoder, columns=columns)


def one_against_rest(source: Source, positive: str) -> Source:
    """Distinguish one label from all others: every other label becomes `"not LABEL"`.

    Args:
        source: rows with labels.
        positive: the label.

    Raises:
        ArgumentError: it is not one of the labels.

    Example:
        >>> source = one_against_rest(open_source("digits"), "3")
        >>> source.y[:4].tolist()
        ['not 3', 'not 3', 'not 3', '3']
    """
    labels = [str(label) for label in np.unique(np.asarray(source.y)).tolist()]
    if positive not in labels:
        raise ArgumentError(f"positive={positive!r}: {source.name} has no such label; it has {listing(labels)}")
    y, y_test = (None if part is None else against_rest(part, positive) for part in (source.y, source.y_test))
    return replace(source, y=y, y_test=y_test, positive=positive)


def hold_out(source: Source, fraction: float, seed: int = 0, by: SplitKind = "class") -> Source:
    """Set rows aside as test rows: the same fraction of every class, whole groups, or the latest
    rows.

    Means and levels of the columns of a table are learned again from the remaining rows: held-out
    rows have no influence.

    Args:
        source: rows with labels and without test rows.
        fraction: between 0 and 1. At least one row of every class remains for training.
        seed: of the choice.
        by: "class"; "group", where the rows of one value of the source's column `beside` stay
            together; or "time", where those with its latest values are set aside.

    Raises:
        ArgumentError: the fraction cannot be used, no row would be held out, or the source has its
            own test rows.

    Example:
        >>> halved = hold_out(open_source("iris"), 0.5)
        >>> np.unique(halved.y_test, return_counts=True)[1]
        array([25, 25, 25])
    """
    if source.X_test is not None:
        raise ArgumentError(f"test_fraction={fraction:g}: {source.name} has its own test rows; leave it out")
    if source.y is None or not 0 < fraction < 1:
        raise ArgumentError(f"test_fraction={fraction:g}: needs a number between 0 and 1")
    if by == "class":
        is_test, told = choose_held_out(source.y, fraction, seed), ""
    elif source.beside is None:
        raise ArgumentError(f"by={by!r}: {source.name} was read without a column that divides its rows")
    elif by == "group":
        is_test, told = choose_groups(source.beside, fraction, seed)
    else:
        is_test, told = choose_latest(source.beside, fraction)
    if not is_test.any():
        raise ArgumentError(f"test_fraction={fraction:g}: is too small to hold out a row of any class")
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    divided_by = None
    if by != "class" and source.beside is not None:
        divided_by = DividedBy(by, source.beside.names[0], fraction, seed)
    names = np.arange(1, len(is_test) + 1) if source.kept is None else np.flatnonzero(source.kept) + 1
    X, X_test, encoder = source.X[train], source.X[test], source.encoder
    notes = (*source.notes, told) if told else source.notes
    scale, texts = source.scale, None
    if source.frame is not None and source.encoder is not None:
        train_frame, test_frame = source.frame.take(~is_test), source.frame.take(is_test)
        encoder = learn_from_fewer(source.encoder, train_frame)
        scale = suited_scale(encoder) if source.encoder.has_text else scale
        notes += only_held_out(source.encoder, encoder)
        if without_comparison(source.encoder, encoder):
            unseen = encoder.unseen(test_frame)
            notes = (*notes, left_out(unseen, fraction))
            test, test_frame = test[~unseen], test_frame.take(~unseen)
        texts = texts_of(encoder, test_frame)
        X, X_test = encoder.encode(train_frame), replace(encoder, unknown="zero").encode(test_frame)
    return replace(
        source,
        X=X,
        y=source.y[train],
        X_test=X_test,
        y_test=source.y[test],
        weight=None if source.weight is None else source.weight[train],
        weight_test=None if source.weight is None else source.weight[test],
        encoder=encoder,
        scale=scale,
        notes=notes,
        test_fraction=fraction if by == "class" else None,
        seed=seed if by == "class" else None,
        divided_by=divided_by,
        test_names=names[test],
        frame=None,
        beside=None,
        texts=texts,
    )


def only_held_out(whole: Encoder, learned: Encoder) -> tuple[str, ...]:
    """A note on levels that only held-out rows have, and that count as none of the known ones."""
    lost = _lost_levels(whole, learned, False)
    if not lost:
        return ()
    return (f"levels that only held-out rows have, {listing(lost, 4)}, count there as none of the known levels",)


def without_comparison(whole: Encoder, learned: Encoder) -> list[str]:
    """The levels that only held-out rows have, of categories with a reference level."""
    return _lost_levels(whole, learned, True)


def left_out(unseen: Array, fraction: float) -> str:
    """A note on held-out rows that are left out, as they have a level that no other row has.

    Raises:
        ArgumentError: no row is left.
    """
    if unseen.all():
        raise ArgumentError(
            f"test_fraction={fraction:g}: each held-out row has a level that no other row has, so that nothing is "
            "known of it beside the reference level; hold out more rows, or train with a penalty"
        )
    n = int(unseen.sum())
    return (
        f"{n:,} held-out {'row has a level' if n == 1 else 'rows have levels'} that no training row has, and "
        f"{'is' if n == 1 else 'are'} left out: nothing is known of them beside the reference level"
    )


def _lost_levels(whole: Encoder, learned: Encoder, compared: bool) -> list[str]:
    """The levels that are not learned and do not join the rare ones, of the categories that have a
    reference level or have none."""
    pairs = [
        (old, new)
        for old, new in zip(whole.read_columns, learned.read_columns, strict=True)
        if bool(old.reference) == compared and new.other is None
    ]
    return [f"{old.name}={level}" for old, new in pairs for level in old.levels if level not in set(new.levels)]


def _shown(source: str, table: Table) -> str:
    """What a record and messages call a source: its name, as it was given."""
    return table.source if source == STANDARD_INPUT else source


def _labelled(name: str, table: Table) -> Source:
    """The rows of a table with labels.

    Raises:
        DataError: it has none.
    """
    if table.y is None:
        raise DataError(f"{name}: has no labels to learn from; say where they are with --target (or target=...)")
    return _of_table(name, table)


def _of_table(name: str, table: Table) -> Source:
    """The rows of a table to train on."""
    return Source(
        name,
        table.X,
        table.y,
        encoder=table.encoder,
        notes=table.notes,
        kept=table.kept,
        frame=table.frame,
        weight=table.weight,
        beside=table.beside,
        scale=suited_scale(table.encoder),
    )


def _from_dataset(data: Dataset) -> Source:
    """A built-in data set, with an encoder that finds its columns in other tables."""
    columns = tuple(Column(name, "number") for name in data.feature_names)
    kind: Literal["integer", "text"] = "integer" if data.y.dtype.kind in "iu" else "text"
    return Source(
        data.name,
        data.X,
        data.y,
        data.X_test,
        data.y_test,
        encoder=Encoder(columns, "label", missing="error", unknown="error", label_kind=kind),
        scale=data.scale,
        image_shape=data.image_shape,
    )


def _labelled_images(folder: str) -> Source:
    """A folder of images to train on, in the form of MNIST's images."""
    rows = read_images(folder)
    if rows.y is None:
        raise DataError(
            f"{folder}: an image has no label; put the images of each class into a subfolder named after it"
        )
    notes = (f"each of the {len(rows.y):,} images is brought into the form of those of MNIST, 28 x 28 pixels",)
    return Source(folder, rows.X, rows.y, scale=255.0, image_shape=(28, 28), notes=notes)


def _chosen_part(source: Source, split: str | None) -> Source:
    """A source whose rows are its test rows, or its other rows."""
    if split not in (None, "train", "test"):
        raise ArgumentError(f"split={split!r}: choose train or test")
    if split == "test" and source.X_test is None:
        raise ArgumentError(f"split='test': {source.name} has no test rows; leave --split out")
    X, y = (source.X, source.y) if split == "train" or source.X_test is None else (source.X_test, source.y_test)
    return replace(source, X=X, y=y, X_test=None, y_test=None)


def _check_exists(source: str) -> None:
    """Refuse an unknown source, listing the data sets, one of which the user may have meant."""
    if not exists(source):
        names = ", ".join(info.name for info in list_datasets())
        raise FileError(f"{source}: no such file or folder, and no data set of that name (there are {names})")


def _refuse_folder(source: str, data_dir: str | PathLike[str] | None) -> None:
    """Refuse the folder of data sets beside what is not read from it."""
    kept = [info.name for info in list_datasets() if not info.bundled]
    if data_dir is not None and source not in kept:
        raise ArgumentError(f"data={data_dir}: is a folder of {' or '.join(kept)}, and not for {source}; leave it out")


def _refuse_options(source: str, options: Mapping[str, object]) -> None:
    """Refuse options that are for tables; a limit of memory bounds whatever is read."""
    what = "a built-in data set" if is_dataset(source) else "no table"
    for name, value in options.items():
        if value and name != "read_limit" and (name, value) not in (("header", "auto"), ("min_level_count", 1)):
            option = {
                "marks": "missing-mark",
                "dates": "date",
                "references": "reference",
                "beside": "group or --time",
                "ids": "id",
                "terms": "cross, --spline or --power",
            }.get(name, name.replace("_", "-"))
            named = option.replace(" or --", ", ") if name == "beside" else name
            raise ArgumentError(f"{named}: {source} is {what} and takes no --{option}; the option is for tables")
