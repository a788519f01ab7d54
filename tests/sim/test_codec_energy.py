"""Energy of the codecs: by hand, in other processes, and gates as they were measured last."""

import json
from math import sqrt
from pathlib import Path

import pytest

from sim.chip_process import process_ratio, ratio_from_45
from sim.codec_energy import GATE_FJ, GATES, CodecWork, codec_constants, codec_energy, gates_of

AREA = Path(__file__).parents[2] / "hw" / "data" / "area.json"
PROCESS = "45 nm, 0.9 V"


def test_parts_by_hand():
    gates = gates_of(8, 8)
    work = CodecWork(
        decode_cycles=1000, encode_cycles=500, decoded_words=300, encoded_words=200, ring_beats=500, weight_cycles=100
    )
    found = codec_energy(work, gates, PROCESS)
    logic = 1000 * (9467 + 3424) + 500 * (7002 + 3088 + 2013 + 2490)
    assert found["codec_logic_pj"] == pytest.approx(logic * 0.5e-3)
    assert found["weight_decoder_pj"] == pytest.approx(100 * (9467 + 3424) * 0.5e-3)
    memory = 300 * sqrt(584 / 65536) + 200 * sqrt(512 / 65536) + 500 * sqrt(20360 / 65536)
    assert found["codec_memory_pj"] == pytest.approx(2 * 10 * memory)
    assert all(part == 0 for part in codec_energy(CodecWork(), gates, PROCESS).values())


def test_energy_of_a_gate_lies_among_those_of_arithmetic():
    # Adders of n full adders of 6.5 gates; multipliers of n^2 ANDs of 1.3 gates and n (n - 1) full adders; in fJ.
    known = {52: 30, 208: 100, 64 * 1.3 + 56 * 6.5: 200, 1024 * 1.3 + 992 * 6.5: 3100}
    each = [energy_fj / gates for gates, energy_fj in known.items()]
    assert min(each) < GATE_FJ < max(each) < 1.5 * min(each)


def test_other_sizes_follow_from_those_that_were_synthesized():
    assert gates_of(4, 2) == gates_of(8, 2) == GATES[8, 2]
    assert gates_of(16, 4).encoder == pytest.approx(GATES[16, 4].encoder)
    assert gates_of(16, 1).decoder == pytest.approx(GATES[8, 1].decoder * GATES[16, 4].decoder / GATES[8, 4].decoder)
    assert gates_of(8, 8, "prc").encoder == 17600
    assert {one.name for one in codec_constants(8, 4, "best", PROCESS)} == {
        *("codec_gate", "codec_memory", "encoder_gates", "decoder_gates")
    }


def test_processes():
    assert ratio_from_45(PROCESS) == 1
    assert ratio_from_45("16 nm") == process_ratio(45, 16)
    assert ratio_from_45("14 nm, 0.8 V (a foundry)") == process_ratio(45, 16, to_v=0.8)
    assert ratio_from_45("not told") == 1
    logic = (
        codec_energy(CodecWork(decode_cycles=1), gates_of(8, 1), name)["codec_logic_pj"] for name in ("65 nm", PROCESS)
    )
    assert next(logic) / next(logic) == pytest.approx(process_ratio(45, 65))


def test_gates_are_those_of_the_cores():
    """Within 15 %: a fifth more moves a design's energy by less than 0.3 % (see the page's table)."""
    if not AREA.exists():
        pytest.skip("no table of areas: make area")
    area = {(row["name"], row.get("symbol_bits"), row.get("lanes")): row for row in json.loads(AREA.read_text())}
    for (bits, lanes), gates in GATES.items():
        for names, known in ((("encoder", "chooser"), gates.encoder), (("decoder",), gates.decoder)):
            rows = [area.get((name, bits, lanes)) for name in names]
            if all(row and row.get("core_ge") and row.get("shell_ge") for row in rows):
                assert known == pytest.approx(sum(row["core_ge"] + row["shell_ge"] for row in rows), rel=0.15)
