"""Tests of compiled code that ask for `each_instruction_set` run once for each that this processor
has."""

from __future__ import annotations

import pytest

from polytome import native

SETS = native.instruction_sets()


@pytest.fixture(params=SETS or [pytest.param(None, marks=pytest.mark.skip(reason="the extension was not built"))])
def each_instruction_set(request, monkeypatch):
    monkeypatch.setattr(native, "instruction_set", lambda: request.param)
