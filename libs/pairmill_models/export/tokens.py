"""An open_clip tokenizer as a `tokenizer.json`."""

from __future__ import annotations

from typing import Any, Final

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pairmill.errors import ConfigurationError

WORDS: Final = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
"""What OpenAI's tokenizer takes for a word."""

_ASCII_PUNCTUATION: Final = r"[!-/:-@\[-`{-~]"

SAMPLES: Final = (
    "a photo of a cat",
    "  Two   DOGS, one\tbird; 3 fish!  ",
    "it's what they'll've wanted: 50% off — today only",
    "Ein grüner Stern über dem Haus, Größe 1234",
    "un château près de l'océan",
    "北京の山と海",
    "Москва весной",
    "emoji 🚧 and signs © ® ™",
    "IMG_2034.JPG",
    "a_b_c {x} [y] <z>",
    "",
    "word " * 200,
)
"""Texts on which both ways of making tokens have to agree."""


def tokenizer_of(original: Any) -> tuple[Tokenizer, int]:
    """Returns an open_clip tokenizer as one of the library `tokenizers`, and the token that pads.

    What open_clip does to a text before (repair, entities) the crawler has done already. Raises
    ConfigurationError for a kind of tokenizer that it cannot express.
    """
    if hasattr(original, "bpe_ranks"):
        return _byte_pairs(original), 0
    backend = getattr(getattr(original, "tokenizer", None), "backend_tokenizer", None)
    if (
        backend is None
        or getattr(original, "strip_sep_token", False)
        or getattr(original, "tokenizer_mode", "")
    ):
        raise ConfigurationError(
            f"tokenizer: {type(original).__name__} with these options cannot be written as tokenizer.json"
        )
    tokenizer = Tokenizer.from_str(backend.to_str())
    cleaning = _cleaning(getattr(original, "clean_fn", None))
    if tokenizer.normalizer is not None:
        cleaning.append(tokenizer.normalizer)
    tokenizer.normalizer = normalizers.Sequence(cleaning)
    return tokenizer, int(original.tokenizer.pad_token_id)


def check_tokens(tokenizer: Tokenizer, original: Any, pad_id: int, context_length: int) -> None:
    """Raises ConfigurationError unless both give the same tokens for all sample texts."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(context_length)
    for text in SAMPLES:
        ids = tokenizer.encode(text).ids
        found = ids + [pad_id] * (context_length - len(ids))
        wanted = original([text], context_length=context_length)[0].tolist()
        if found != wanted:
            raise ConfigurationError(
                f"tokenizer: for {text[:40]!r} it gives {found[:12]}…, open_clip's gives {wanted[:12]}…"
            )


def _byte_pairs(original: Any) -> Tokenizer:
    vocabulary = dict(original.encoder)
    merges = [pair for pair in original.bpe_ranks if len(pair) == 2]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *_cleaning(original.clean_fn)])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words = {number: word for word, number in vocabulary.items()}
    begin, end = words[original.sot_token_id], words[original.eot_token_id]
    tokenizer.add_special_tokens([begin, end])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, original.sot_token_id), (end, original.eot_token_id)],
    )
    return tokenizer


def _cleaning(clean: Any) -> list[Any]:
    """Returns what open_clip's cleaning function does to spaces, case and punctuation."""
    spaces = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    name = getattr(clean, "__name__", "")
    match name:
        case "_clean_lower":
            return [*spaces, normalizers.Lowercase()]
        case "_clean_whitespace":
            return spaces
        case "_clean_canonicalize":
            without = normalizers.Replace(Regex(_ASCII_PUNCTUATION), "")
            return [normalizers.Replace("_", " "), without, normalizers.Lowercase(), *spaces]
        case _:
            raise ConfigurationError(f"tokenizer: open_clip's cleaning {name or clean!r} is not known here")
