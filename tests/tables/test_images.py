"""Image files become rows: against MNIST's own rows, under what should change nothing, and from
damaged files."""

from __future__ import annotations

import csv
import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from commands import done, run
from image_makers import encoded, enlarged, image_file, photographed, stroke, with_scans
from polytome import LogisticRegression, load_dataset
from polytome.errors import ArgumentError, DataError, FileError, PolytomeError
from polytome.files.image_folders import find_images, is_images, read_images
from polytome.files.sources import fit_source, open_source, read_for_model
from polytome.tables.images import training_form


def refused(*words: object) -> str:
    result = run(*words)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = open_source("digits")
    path = tmp_path_factory.mktemp("images") / "digits.safetensors"
    fit_source(LogisticRegression(scale=source.scale), source).save(path)
    return path


# --- what a model makes of them -----------------------------------------------------------------


@pytest.mark.data
def test_digits_of_mnist_as_large_files_are_read_as_well_as_the_rows_themselves(tmp_path: Path) -> None:
    if not os.environ.get("POLYTOME_DATA"):
        pytest.skip("POLYTOME_DATA names no folder of real data")
    mnist = load_dataset("mnist")
    model = LogisticRegression(scale=255, tol=1e-2).fit(mnist.X[:5_000], mnist.y[:5_000])
    model.image_shape_ = (28, 28)
    rng = np.random.default_rng(11)
    rows = rng.permutation(len(mnist.y_test))[:90]
    for number, row in enumerate(rows):
        ending, contents = image_file(mnist.X_test[row].reshape(28, 28), number, rng)
        place = tmp_path / str(mnist.y_test[row])
        place.mkdir(exist_ok=True)
        (place / f"{number}{ending}").write_bytes(contents)
    images = read_for_model(model, str(tmp_path))
    expected = np.mean(model.predict(mnist.X_test[rows]) == mnist.y_test[rows])
    assert expected > 0.85
    assert len(images.y) == 90
    assert np.mean(model.predict(images.X) == images.y) >= expected - 0.02
    ways = np.array([int(Path(name).stem) % 6 for name in images.files])
    for way in range(6):  # 15 files each: none of the six is read badly
        assert np.mean((model.predict(images.X) == images.y)[ways == way]) >= expected - 0.1


def test_small_digits_as_large_files_are_read_nearly_as_well_as_the_rows_themselves() -> None:
    digits = load_dataset("digits")
    training, rows = np.arange(0, 1400), np.arange(1497, 1572)
    model = LogisticRegression(scale=16).fit(digits.X[training], digits.y[training])
    rng = np.random.default_rng(12)
    forms = []
    for row in rows:
        large = enlarged(np.pad(digits.X[row].reshape(8, 8) / 16 * 255, 1), rng)
        forms.append(training_form(encoded(255 - large), (8, 8), 16).ravel())
    expected = np.mean(model.predict(digits.X[rows]) == digits.y[rows])
    assert np.mean(model.predict(np.array(forms)) == digits.y[rows]) >= expected - 0.03  # 64 pixels tell less


# --- the form of a training image ---------------------------------------------------------------


@pytest.mark.parametrize("full", [255, 16, 1.0])
def test_the_form_is_as_mnist_was_made(full: float) -> None:
    form = training_form(stroke(), (28, 28), full)
    assert form.dtype == (np.uint8 if full == 255 else np.float64)
    assert form.min() == 0
    assert form.max() == full
    rows, columns = np.flatnonzero(form.any(axis=1)), np.flatnonzero(form.any(axis=0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 == 12  # 100 pixels by 60 became 20 by 12
    assert np.abs(np.array(ndimage.center_of_mass(form)) - 14).max() <= 0.5


def test_the_centre_of_mass_is_at_pixel_14_within_half_a_pixel() -> None:
    rng = np.random.default_rng(3)
    for row in load_dataset("digits").X[:20]:
        form = training_form(enlarged(row.reshape(8, 8) / 16 * 255, rng))
        assert np.abs(np.array(ndimage.center_of_mass(form)) - 14).max() <= 0.51


def test_an_image_in_the_form_already_is_taken_as_it_is() -> None:
    image = np.zeros((28, 28), dtype=np.uint8)
    image[2:6, 3:20] = 77  # weak ink, not centred
    np.testing.assert_array_equal(training_form(image), image)
    np.testing.assert_allclose(training_form(encoded(image), full=16), image * (16 / 255))
    assert training_form(255 - image).max() == 255  # on a light ground it is a drawing


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 80), st.integers(0, 80))
def test_neither_inversion_nor_place_changes_the_form(top: int, bottom: int, left: int, right: int) -> None:
    drawing = stroke()[30:150, 40:120]
    placed = np.pad(drawing, ((top, bottom), (left, right)), constant_values=255)
    expected = training_form(drawing)
    np.testing.assert_allclose(training_form(placed).astype(int), expected, atol=1)
    np.testing.assert_allclose(training_form(255 - placed).astype(int), expected, atol=1)


@given(st.integers(2, 4))
def test_a_whole_scale_changes_the_form_by_shades_only(factor: int) -> None:
    drawing = stroke()[30:150, 40:120]
    larger = np.kron(drawing, np.ones((factor, factor), dtype=np.uint8))
    difference = training_form(larger).astype(int) - training_form(drawing)
    assert np.abs(difference).mean() < 4


@given(st.integers(10, 180), st.integers(10, 180), st.sampled_from([(28, 28), (16, 24), (8, 8), (40, 20)]))
def test_the_shape_of_the_ink_is_kept(height: int, width: int, shape: tuple[int, int]) -> None:
    pixels = np.full((300, 300), 255, dtype=np.uint8)
    pixels[50 : 50 + height, 60 : 60 + width] = 0
    pixels[50 + 3 : 50 + height - 3, 60 + 3 : 60 + width - 3] = 255  # the outline of a rectangle
    form = training_form(pixels, shape, 1.0)
    assert form.min() >= 0
    assert form.max() <= 1
    box = [np.ptp(np.flatnonzero(form.max(axis=axis) > 0.05)) + 1 for axis in (1, 0)]
    limits = [side if side < 14 else round(side * 5 / 7) for side in shape]
    assert box[0] in (limits[0], limits[0] + 1) or box[1] in (limits[1], limits[1] + 1)
    scale = min(limits[0] / height, limits[1] / width)
    # A thin side is blurred: by 2.4 pixels at most, where one side is eighteen times the other.
    np.testing.assert_allclose(box, [height * scale, width * scale], atol=2.5)


def test_uneven_light_and_noise_hardly_change_the_form() -> None:
    rng = np.random.default_rng(5)
    drawing = 255 - ndimage.gaussian_filter(stroke(), 2)
    difference = training_form(photographed(drawing, rng)).astype(int) - training_form(drawing)
    assert np.abs(difference).mean() < 6


def test_specks_and_shadows_at_the_border_are_no_ink() -> None:
    pixels = stroke()
    expected = training_form(pixels)
    pixels[10:12, 130:133] = 0
    pixels[150:, :10] = 60
    np.testing.assert_allclose(training_form(pixels).astype(int), expected, atol=2)


def test_a_fine_pen_leaves_a_stroke_as_broad_as_a_tenth_of_the_digit() -> None:
    pixels = np.full((400, 400), 255, dtype=np.uint8)
    pixels[100:300, 200:202] = 0
    form = training_form(pixels, full=1.0)
    assert form.sum(axis=1).max() == pytest.approx(2, abs=0.3)  # pixels of full ink across the stroke
    assert form.max() > 0.95


# --- kinds of files -----------------------------------------------------------------------------


def _transparent() -> Image.Image:
    shades = stroke()
    return Image.fromarray(np.stack([*[np.zeros_like(shades)] * 3, 255 - shades], axis=-1))


def _turned_by_camera() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 3
    return encoded(np.ascontiguousarray(stroke()[::-1, ::-1]), exif=exif)


KINDS = {
    "png": lambda: encoded(stroke()),
    "bmp": lambda: encoded(stroke(), "BMP"),
    "gif": lambda: encoded(stroke(), "GIF"),
    "webp": lambda: encoded(stroke(), "WEBP", lossless=True),
    "one bit": lambda: encoded(Image.fromarray(stroke()).convert("1")),
    "palette": lambda: encoded(Image.fromarray(stroke()).convert("RGB").quantize(4)),
    "16 bits": lambda: encoded(stroke().astype(np.uint16) * 257),
    "transparent": lambda: encoded(_transparent()),
    "grey and transparent": lambda: encoded(_transparent().convert("LA")),
    "moving": lambda: encoded(
        stroke(), "GIF", save_all=True, append_images=[Image.fromarray(stroke().T.copy()).resize((150, 200))]
    ),
    "turned": _turned_by_camera,
    "path": lambda: stroke(),
    "colours": lambda: np.stack([stroke()] * 3, axis=-1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_form(kind: str) -> None:
    np.testing.assert_allclose(training_form(KINDS[kind]()).astype(int), training_form(stroke()), atol=2)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_in_grey_colours_and_inks(mode: str) -> None:
    contents = encoded(Image.fromarray(stroke()).convert(mode), "JPEG", quality=95)
    assert np.abs(training_form(contents).astype(int) - training_form(stroke())).mean() < 3


# --- what cannot be used ------------------------------------------------------------------------


def _png_of_declared_size(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("level", [0, 130, 255])
@pytest.mark.parametrize("size", [(28, 28), (200, 100), (1, 1), (1, 3000)])
def test_a_blank_image_is_refused(level: int, size: tuple[int, int]) -> None:
    if size == (28, 28) and level == 130:
        level = 131  # light enough to be paper
    with pytest.raises(DataError, match="image: is blank"):
        training_form(np.full(size, level, dtype=np.uint8))


def test_a_photograph_of_empty_paper_is_blank() -> None:
    with pytest.raises(DataError, match="is blank"):
        training_form(photographed(np.zeros((600, 400)), np.random.default_rng(1)))


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        (b"", "is not a PNG"),
        (b"age,income\n1,2\n", "is not a PNG"),
        (encoded(stroke(), "TIFF"), "is not a PNG"),
        (encoded(stroke())[:200], "damaged or cut short"),
        (encoded(stroke(), "JPEG")[:700], "damaged or cut short"),
        (_png_of_declared_size(200, 200), "damaged or cut short"),
        (_png_of_declared_size(9_500, 9_500), "more than 80 million pixels"),
        (_png_of_declared_size(20_000, 20_000), "more than 80 million pixels"),
        (_png_of_declared_size(1, 70_000_000), "1 x 70,000,000 pixels, too narrow"),
        (_png_of_declared_size(40_100, 100), "40,100 x 100 pixels, too narrow"),
        (with_scans(stroke(), 101), "is a JPEG of 1\\d\\d scans"),
        (with_scans(stroke(3000, 4000), 84), "is a JPEG of \\d\\d scans"),
    ],
)
def test_bytes_that_are_no_usable_image_are_refused(tmp_path: Path, contents: bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=f"^image: .*{complaint}"):
        training_form(contents)
    path = tmp_path / "drawing.png"
    path.write_bytes(contents)
    with pytest.raises(FileError, match=f"drawing.png: .*{complaint}"):
        training_form(path)


def test_scans_narrow_images_and_large_ones_have_room() -> None:
    assert training_form(with_scans(stroke(), 60)).any()
    large = stroke(3000, 2250)
    assert training_form(encoded(large, "JPEG", progressive=True)).any()
    strip = np.full((20, 4000), 255, dtype=np.uint8)
    strip[2:18, 100:2000] = 0
    assert training_form(encoded(strip)).any()


def test_a_file_that_is_too_large_missing_or_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError, match="no such file"):
        training_form(tmp_path / "a.png")
    with pytest.raises(FileError, match="is a directory"):
        training_form(tmp_path)
    monkeypatch.setattr("polytome.tables.images._MOST_BYTES", 1 << 20)
    (tmp_path / "a.png").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(FileError, match=r"a\.png: has more than 1 MiB"):
        training_form(tmp_path / "a.png")


@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)))
)
def test_damage_anywhere_is_an_error_of_ours_or_does_no_harm(kind: str, damage: list[tuple[float, bytes]]) -> None:
    contents = bytearray(encoded(stroke()[::2, ::2], kind))
    for place, some in damage:
        start = int(place * (len(contents) - 1))
        contents[start : start + len(some)] = some
    try:
        form = training_form(bytes(contents))
    except PolytomeError:
        return
    assert form.shape == (28, 28)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((np.zeros((28, 28)),), "image: is an array of float64"),
        ((np.zeros((4, 28, 28), dtype=np.uint8),), "image: is an array of uint8 and shape"),
        ((3,), "image: is a int"),
        ((stroke(), (28,)), "shape="),
        ((stroke(), (0, 28)), "shape="),
        ((stroke(), (28, 28), 0), "full=0"),
        ((stroke(), (28, 28), np.inf), "full=inf"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: tuple[object, ...], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        training_form(*arguments)  # type: ignore[arg-type]


# --- files and folders --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three drawings in subfolders, beside things that are none."""
    for label, name in (("7", "b.PNG"), ("1", "z.png"), ("7", "a.jpg")):
        (tmp_path / "drawings" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "drawings" / label / name).write_bytes(encoded(stroke(), "JPEG" if name.endswith("jpg") else "PNG"))
    (tmp_path / "drawings" / "1" / ".hidden.png").write_bytes(b"")
    (tmp_path / "drawings" / "notes.txt").write_text("mine")
    return tmp_path / "drawings"


def test_a_folder_is_read_in_order_with_its_sub_folders_as_labels(folder: Path, tmp_path: Path) -> None:
    single = tmp_path / "single.png"
    single.write_bytes(encoded(stroke()))
    X, y, files = read_images(folder)
    assert X.shape == (3, 784)
    assert X.dtype == np.uint8
    assert files == tuple(str(folder / name) for name in ("1/z.png", "7/a.jpg", "7/b.PNG"))
    assert y.tolist() == [1, 7, 7]
    np.testing.assert_array_equal(X[0], training_form(stroke()).ravel())
    assert find_images([single, folder / "7"]) == [
        (single, None), (folder / "7" / "a.jpg", None), (folder / "7" / "b.PNG", None),
    ]  # fmt: skip
    assert read_images([single, folder]).y is None
    assert [is_images(path) for path in (folder, tmp_path, "a.webp", "a.csv")] == [True, True, True, False]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds an image"):
        read_images(tmp_path)
    with pytest.raises(FileError, match="no such file or folder"):
        read_images(tmp_path / "none")


def test_predict_writes_the_file_of_each_image_before_its_prediction(digits_model: Path, folder: Path) -> None:
    table = list(csv.reader(io.StringIO(done("predict", digits_model, folder / "7" / "b.PNG", folder))))
    assert table[0] == ["file", "prediction", *(f"probability_{digit}" for digit in range(10))]
    assert [line[0] for line in table[1:]] == [str(folder / n) for n in ("7/b.PNG", "1/z.png", "7/a.jpg", "7/b.PNG")]
    assert len({line[1] for line in table[1:]}) == 1
    read = json.loads(done("predict", digits_model, folder, "--json", "--no-probabilities"))
    assert [Path(name).name for name in read["files"]] == ["z.png", "a.jpg", "b.PNG"]
    assert read["n_rows"] == 3


def test_evaluate_takes_the_names_of_sub_folders_as_labels(digits_model: Path, folder: Path) -> None:
    metrics = json.loads(done("evaluate", digits_model, folder, "--json"))["metrics"]
    assert metrics["n_rows"] == 3
    assert "subfolder named after" in refused("evaluate", digits_model, folder / "7")
    (folder / "seven").mkdir()
    (folder / "seven" / "a.png").write_bytes(encoded(stroke()))
    assert "subfolder 'seven' is not a label" in refused("evaluate", digits_model, folder)


def test_images_and_models_that_do_not_suit_each_other_are_refused_in_one_line(
    digits_model: Path, folder: Path, tmp_path: Path
) -> None:
    image, table = folder / "1" / "z.png", tmp_path / "rows.csv"
    table.write_text("1,2\n")
    assert "is not an image" in refused("predict", digits_model, image, table)
    assert "has 2 columns and no header line" in refused("predict", digits_model, table, table)
    assert "takes no --missing" in refused("predict", digits_model, image, "--missing", "drop")
    assert "no such file" in refused("predict", digits_model, tmp_path / "absent.png")
    done("train", "iris", "--out", tmp_path / "iris.safetensors")
    assert "was not trained on images" in refused("predict", tmp_path / "iris.safetensors", image)
    done("train", "digits", "--scale", "standard", "--tol", "0.1", "--out", tmp_path / "standard.safetensors")
    assert "scale='standard'" in refused("predict", tmp_path / "standard.safetensors", image)


def test_a_model_is_trained_on_a_folder_of_images_and_reads_others(folder: Path, tmp_path: Path) -> None:
    (folder / "1" / "z.png").write_bytes(encoded(stroke().T.copy()[::-1]))
    result = run("train", folder, "--out", tmp_path / "own.safetensors")
    assert result.exit_code == 0
    assert "28 x 28" in result.stderr
    text = done("predict", tmp_path / "own.safetensors", folder, "--no-probabilities")
    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["1", "7", "7"]
    assert "takes no --target" in refused("train", folder, "--target", "x")
    (folder / "stray.png").write_bytes(encoded(stroke()))
    assert "an image has no label" in refused("train", folder)
