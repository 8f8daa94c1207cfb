"""A message of an error is one line that a terminal can show, whatever a name in it holds."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytome import LogisticRegression, errors

_KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", _KINDS)
@given(name=st.text())
def test_every_message_is_one_line_without_control_characters(kind: type[errors.PolytomeError], name: str) -> None:
    message = str(kind(f"{name}: no such column"))
    assert message.splitlines() == [message]
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in message)
    message.encode("utf-8")  # no half of a letter


@pytest.mark.parametrize("kind", _KINDS)
def test_a_plain_message_stays_as_it_is_also_in_another_process(kind: type[errors.PolytomeError]) -> None:
    message = "colour 'naïve\xa0vert', 文字: no such level"
    assert str(kind(message)) == message
    assert str(pickle.loads(pickle.dumps(kind(message)))) == message


def test_a_class_with_ends_of_lines_is_named_in_one_line() -> None:
    X, y = np.arange(4.0)[:, None], np.array(["a\nb", "c\x1b[31m"] * 2)
    with pytest.raises(errors.ArgumentError) as caught:
        LogisticRegression(class_weight={"d\r\ne": 2.0}).fit(X, y)
    assert str(caught.value).isprintable()
