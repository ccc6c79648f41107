"""The tokenizer of the tiny CLIP: pairs of bytes merged as often as they meet in captions."""

from __future__ import annotations

from typing import Final

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pairmill_models.tiny.scenes.scene import below, scene_of, stream
from pairmill_models.tiny.wild import wild_caption

CONTEXT_LENGTH: Final = 77
VOCABULARY: Final = 1200
PAD: Final = "<pad>"
BEGIN: Final = "<begin>"
END: Final = "<end>"
PAD_ID: Final = 0

_TEXTS: Final = 30_000
_LEAST_USES: Final = 40  # keeps what is only noise from becoming tokens

# Scripts without blanks would else be cut at whatever happens to repeat.
_UNSPACED: Final = r"\p{Han}|\p{Hiragana}|[\p{Katakana}ー]+"


def train_tokenizer(seed: int) -> Tokenizer:
    """Returns a byte-level tokenizer, small letters only, made for the captions of a seed."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_UNSPACED), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=_LEAST_USES,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_captions(seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A {END}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (BEGIN, END)],
    )
    return tokenizer


def _captions(seed: int) -> list[str]:
    streams = (stream("vocabulary", seed, number) for number in range(_TEXTS))
    return [wild_caption(scene_of(below(rng, 2**53)), rng)[0] for rng in streams]
