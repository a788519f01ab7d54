"""Break-even curves: their ends by hand, their shape by law."""

import numpy as np
import pytest

from sim.break_even import break_even
from sim.config import RunConfig


@pytest.fixture(scope="module")
def curves():
    return break_even(RunConfig())


# 32 tiles of 2048 bytes, 4 index groups of 32 bytes; all zeros are 256 tokens of 11 bits or 2048 bits of mask.
ALL_ZEROS = {
    "srlc": 65536 / (32 * 11 * 32 + 128),
    "zrlc": 65536 / (32 * 11 * 32 + 128),
    "zvc": 65536 / (32 * 256 + 128),
}


@pytest.mark.parametrize("codec", ALL_ZEROS)
def test_ends_of_the_curves_are_those_worked_out_by_hand(curves, codec):
    assert curves.ratios[codec][-1] == ALL_ZEROS[codec]
    assert curves.ratios[codec][0] == 65536 / (65536 + 128)  # dense: raw tiles and the index


def test_codecs_pay_from_where_their_tokens_weigh_less_than_symbols(curves):
    # zvc: a mask of 1/8; zrlc: 11 bits for each non-zero; srlc: 11 for each that differs from the one before, 1 - z^2
    assert curves.first_gain["zvc"] == pytest.approx(1 / 8, abs=0.03)
    assert curves.first_gain["zrlc"] == pytest.approx(1 - 8 / 11, abs=0.03)
    assert curves.first_gain["srlc"] == pytest.approx(np.sqrt(1 - 8 / 11), abs=0.03)


def test_from_the_first_gain_on_a_codec_always_pays(curves):
    assert set(curves.first_gain) == set(curves.ratios) == set(RunConfig().codecs) - {"raw"}
    for codec, ratios in curves.ratios.items():
        first = curves.zero_fractions.searchsorted(curves.first_gain[codec] - 1e-9)
        assert (ratios[first:] > 1).all()
        assert ratios[first - 1] <= 1


def test_best_is_nowhere_below_the_codecs_it_chooses_from(curves):
    for codec in RunConfig().format_of("best").modes[1:]:
        assert (curves.ratios["best"] >= curves.ratios[codec]).all()


def test_no_codec_costs_more_than_the_index(curves):
    for ratios in curves.ratios.values():
        assert (ratios >= 1 / 1.005).all()


def test_tiles_of_one_burst_never_pay():
    curves = break_even(RunConfig(tile=(1, 1, 32)))
    assert set(curves.first_gain.values()) == {None}
    assert all((ratios < 1).all() for ratios in curves.ratios.values())


def test_the_sweep_follows_the_run_s_options():
    assert break_even(RunConfig(run_bits=8)).first_gain["zrlc"] == pytest.approx(1 / 2, abs=0.03)
    assert break_even(RunConfig(word_bits=16, tile=(8, 8, 16))).first_gain["zvc"] < 0.1
    assert "prc" not in break_even(RunConfig(scan="tile-channel-first")).ratios
