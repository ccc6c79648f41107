"""Tokens of any text: bounded, with begin and end, and never an exception."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pairmill.errors import ConfigurationError
from pairmill_models.tokenizer import TextTokenizer
from tests.fakes.onnx_bundle import BEGIN, END, PAD, byte_tokenizer

CONTEXT = 12


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    byte_tokenizer().save(str(path))
    return TextTokenizer(path, context_length=CONTEXT, pad_id=PAD)


HOSTILE = {
    "empty": "",
    "blanks": " \t\n" * 50,
    "nul": "\0",
    "lone_surrogates": "\ud800a\udfff",
    "surrogate_pair": "\ud83d\ude00",
    "emoji": "👩‍👩‍👧‍👧",
    "right_to_left": "\u202eabc\u202c",
    "megabytes": "word " * 1_000_000,
    "one_long_word": "x" * 2_000_000,
    "combining": "a" + "\u0301" * 100_000,
    "last_of_unicode": "\U0010ffff\ufffe",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_b9_any_text_has_bounded_tokens_between_begin_and_end(tokenizer: TextTokenizer, text: str) -> None:
    (row,) = tokenizer.encode([text])
    assert 2 <= len(row) <= CONTEXT
    assert (row[0], row[-1]) == (BEGIN, END)
    assert not {BEGIN, END, PAD} & set(row[1:-1])


def test_a_long_text_is_cut_and_keeps_its_end_token(tokenizer: TextTokenizer) -> None:
    short, long = tokenizer.encode(["abcdefghij", "abcdefghijklmnop"])
    assert short == long
    assert len(short) == CONTEXT


def test_what_lies_beyond_the_context_does_not_count(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode(["abcdefghij" * 10]) == tokenizer.encode(["abcdefghij" * 100_000])


@pytest.mark.parametrize("word", ["<begin>", "<end>", "<pad>"])
def test_special_tokens_in_a_text_are_ordinary_characters(tokenizer: TextTokenizer, word: str) -> None:
    (row,) = tokenizer.encode([f"a{word}b"])
    assert len(row) == 2 + len(f"a{word}b")
    assert not {BEGIN, END, PAD} & set(row[1:-1])


def test_halves_of_one_character_are_put_together(tokenizer: TextTokenizer) -> None:
    assert tokenizer.encode(["\ud83d\ude00"]) == tokenizer.encode(["😀"])
    assert tokenizer.encode(["\ud83d"]) == tokenizer.encode(["\ufffd"])


def test_rows_are_filled_up_to_the_longest_or_to_a_length(tokenizer: TextTokenizer) -> None:
    rows = tokenizer.encode(["a", "abc"])
    filled = tokenizer.pad(rows)
    assert filled.dtype == np.int64
    assert filled.shape == (2, 5)
    assert filled[0].tolist() == [*rows[0], PAD, PAD]
    assert tokenizer.pad(rows, 9).shape == (2, 9)
    assert tokenizer.pad([]).shape == (0, 0)


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for content in ("", "{}", "[1]"):
        path.write_text(content)
        with pytest.raises(ConfigurationError, match=r"tokenizer\.json"):
            TextTokenizer(path, context_length=CONTEXT, pad_id=PAD)
