"""What hypothesis draws: formats of every codec, and symbols whose runs and zeros are worth coding."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from golden.activations.prc import Prc, PrcFormat
from golden.activations.raw import Raw, RawFormat
from golden.activations.srlc import Srlc, SrlcFormat
from golden.activations.zrlc import Zrlc, ZrlcFormat
from golden.activations.zvc import Zvc, ZvcFormat
from golden.registry import ACTIVATION_CODECS
from golden.symbol_codec import SymbolCodec

word_bits = st.sampled_from([4, 8, 16])
run_bits = st.integers(1, 8)

_CODECS = {
    "raw": st.builds(RawFormat, word_bits).map(Raw),
    "srlc": st.builds(SrlcFormat, run_bits, word_bits).map(Srlc),
    "zrlc": st.builds(ZrlcFormat, run_bits, word_bits).map(Zrlc) | st.just(Zrlc(ZrlcFormat(5, 16, "eyeriss"))),
    "zvc": st.builds(ZvcFormat, word_bits).map(Zvc),
    "prc": st.builds(PrcFormat, word_bits).map(Prc),
}


def codecs(codec_id: str) -> st.SearchStrategy[SymbolCodec[Any]]:
    """Any format of a codec; of one that is not told here, the default format."""
    return _CODECS.get(codec_id, st.builds(ACTIVATION_CODECS[codec_id]))


@st.composite
def symbols(draw: st.DrawFn, bits: int, zero_point: int, most: int = 24) -> list[int]:
    """Runs of zeros and of others, whose lengths lie about the limits of every run width."""
    symbol = st.just(zero_point) | st.integers(0, 2**bits - 1)
    limits = st.builds(lambda power, offset: max(1, 2**power + offset), st.integers(0, 8), st.integers(-1, 2))
    runs = draw(st.lists(st.tuples(symbol, st.just(1) | st.just(1) | st.integers(1, 9) | limits), max_size=most))
    return [value for value, run in runs for _ in range(run)]


@st.composite
def coded(draw: st.DrawFn, codec_id: str) -> tuple[SymbolCodec[Any], list[int], int]:
    """A codec, symbols for it and a zero point."""
    codec = draw(codecs(codec_id))
    zero_point = draw(st.just(0) | st.integers(0, 2**codec.word_bits - 1))
    return codec, draw(symbols(codec.word_bits, zero_point)), zero_point
