"""Energy of the codecs: by hand, in other processes, and gates as they were measured last."""

import json
from math import sqrt
from pathlib import Path

import pytest

from sim.accelerator import WEIGHT_CODECS
from sim.chip_process import process_ratio, ratio_from_45
from sim.codec_energy import CORES, ENGINES, GATE_FJ, INTAKE, CodecWork, codec_constants, codec_energy, gates_of

AREA = Path(__file__).parents[2] / "hw" / "data" / "area.json"
PROCESS = "45 nm, 0.9 V"


def test_parts_by_hand():
    gates = gates_of(8, 8, "best", "huffman")
    work = CodecWork(
        decode_cycles=1000, encode_cycles=500, decoded_words=300, encoded_words=200, ring_beats=500, weight_cycles=100
    )
    found = codec_energy(work, gates, PROCESS)
    encoder, decoder, chooser = (sum(gates_and_shell(name, 8, 8)) for name in ("encoder", "decoder", "chooser"))
    assert found["codec_logic_pj"] == pytest.approx((1000 * decoder + 500 * (encoder + chooser)) * 0.5e-3)
    engine = CORES["pair decoder", 8, 16]
    table_pj = 10 * sqrt(engine.memory_bits / 65536)
    assert found["weight_decoder_pj"] == pytest.approx(100 * ((engine.gates + INTAKE) * 0.5e-3 + table_pj))
    memory = 300 * sqrt(552 / 65536) + 200 * sqrt(512 / 65536) + 500 * sqrt(19808 / 65536)
    assert found["codec_memory_pj"] == pytest.approx(2 * 10 * memory)
    assert all(part == 0 for part in codec_energy(CodecWork(), gates, PROCESS).values())


def gates_and_shell(*key):
    return CORES[key].gates, CORES[key].shell


@pytest.mark.parametrize("codec", WEIGHT_CODECS)
def test_every_weight_codec_has_a_decoder(codec):
    gates = gates_of(8, 8, "raw", codec)
    assert (gates.weight_decoder > 50_000) == (codec != "packed")


def test_energy_of_a_gate_lies_among_those_of_arithmetic():
    # Adders of n full adders of 6.5 gates; multipliers of n^2 ANDs of 1.3 gates and n (n - 1) full adders; in fJ.
    known = {52: 30, 208: 100, 64 * 1.3 + 56 * 6.5: 200, 1024 * 1.3 + 992 * 6.5: 3100}
    each = [energy_fj / gates for gates, energy_fj in known.items()]
    assert min(each) < GATE_FJ < max(each) < 1.5 * min(each)


def test_other_sizes_follow_from_those_that_were_synthesized():
    assert gates_of(4, 2) == gates_of(8, 2)
    assert gates_of(16, 4).decoder == sum(gates_and_shell("decoder", 16, 4))
    ratio = sum(gates_and_shell("decoder", 16, 4)) / sum(gates_and_shell("decoder", 8, 4))
    assert gates_of(16, 1).decoder == pytest.approx(sum(gates_and_shell("decoder", 8, 1)) * ratio)
    assert gates_of(8, 8, "prc").encoder == sum(gates_and_shell("mixed encoder", 8, 4))
    assert {one.name for one in codec_constants(8, 4, "best", "mlw", PROCESS)} == {
        *("codec_gate", "codec_memory", "encoder_gates", "decoder_gates", "weight_decoder_gates")
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
    area = {(row["name"], row["symbol_bits"], row["lanes"]): row for row in json.loads(AREA.read_text())}
    for key, core in CORES.items():
        # Engines stand in the decompressor, without a shell of their own.
        shell = 0 if key in ENGINES.values() else area[key]["shell_ge"]
        measured = area[key]["core_ge"], shell, area[key]["memory_bits"]
        assert (core.gates, core.shell, core.memory_bits) == pytest.approx(measured, abs=0.6), key
