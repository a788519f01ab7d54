"""Energy of the codecs' logic and memories: gates of the cores times the cycles in which they work.

A core takes ``gates x cycles x codec_gate``. A gate is a two-input NAND's worth of area, a flip-flop five of them; idle
cores have their clock gated and take nothing, leakage is not counted. `codec_gate` comes from arithmetic of which both
energy and gates are known. Horowitz' adders and multipliers, made of full adders of 6.5 gates and ANDs of 1.3, take for
each gate and operation in 45 nm at 0.9 V: 0.58 fJ (8-bit add, 52 gates), 0.48 (32-bit add, 208), 0.45 (8-bit multiply,
447), 0.40 (32-bit multiply, 7779). Their activity is taken for that of the codecs' logic.

Gates are those of the synthesized cores (`CORES`). An encoder has a chooser in front, both and the decoder their
AXI4-Stream shells. ``prc`` has the cores of all modes, four symbols a cycle whatever the port has. A weight decoder is
the decompressor with the engine of its codec, integers out: dequantization rests.

Memories: each word passes a core's FIFO once, each beat the chooser's ring once, written and read; an engine with code
tables reads them in each cycle. An access of 64 bits to 8 KiB takes 10 pJ (the same table); energy goes with the square
root of the capacity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

from sim.chip_process import ratio_from_45
from sim.energy import Constant

__all__ = [
    "CORES",
    "ENGINES",
    "INTAKE",
    "CodecGates",
    "CodecWork",
    "Core",
    "codec_constants",
    "codec_energy",
    "gates_of",
]

_HOROWITZ = "Horowitz, ISSCC 2014, figure 1.1.9"
_AREA = "make area: Yosys, core and AXI4-Stream shell, memories apart"
GATE_FJ = 0.5
ACCESS_PJ, ACCESS_BITS = 10.0, 8 * 8192
_PROCESS = "45 nm, 0.9 V"
_PRC_LANES = 4


@dataclass(frozen=True)
class Core:
    """Gates of a core and of the shell around it; bits of its memories."""

    gates: float
    shell: float = 0.0
    memory_bits: int = 0


# Name, symbol bits and lanes as in hw/data/area.md; tests hold them to it.
CORES: Mapping[tuple[str, int, int], Core] = {
    ("encoder", 8, 1): Core(2870, 1601, 512),
    ("encoder", 8, 2): Core(2972, 1689, 512),
    ("encoder", 8, 4): Core(3575, 1892, 512),
    ("encoder", 8, 8): Core(6960, 3182, 512),
    ("encoder", 16, 4): Core(6922, 3204, 512),
    ("decoder", 8, 1): Core(3146, 1748, 584),
    ("decoder", 8, 2): Core(3591, 1837, 584),
    ("decoder", 8, 4): Core(4881, 2087, 584),
    ("decoder", 8, 8): Core(10038, 3300, 552),
    ("decoder", 16, 4): Core(7880, 3317, 552),
    ("chooser", 8, 1): Core(1379, 959, 20360),
    ("chooser", 8, 2): Core(1447, 1170, 20432),
    ("chooser", 8, 4): Core(1603, 1621, 20056),
    ("chooser", 8, 8): Core(1973, 2458, 19808),
    ("chooser", 16, 4): Core(1830, 2629, 20056),
    ("mixed encoder", 8, 4): Core(27063, 2048, 127904),
    ("mixed decoder", 8, 4): Core(21259, 2362, 6496),
    ("fusion", 16, 4): Core(18108),
    ("pair decoder", 8, 16): Core(33288, 0, 50688),
    ("mlw decoder", 9, 32): Core(28130, 0, 5056),
}
INTAKE = 49800
"""What the decompressor has around an engine: intake with its CRC, gathering, narrowing, registers.

The datapath of plain fields less its engine and dequantization.
"""

_PAIRS, _MLW, _FIELDS = ("pair decoder", 8, 16), ("mlw decoder", 9, 32), ("fusion", 16, 4)
# The engine of each weight codec; of hevc, which has no hardware, the largest stands for what would be larger.
ENGINES = {
    "huffman": _PAIRS,
    "zero-runs": _PAIRS,
    "relative-index": _PAIRS,
    "deepcomp": _PAIRS,
    "mlw": _MLW,
    "block-float": _FIELDS,
    "hevc": _PAIRS,
}


@dataclass(frozen=True)
class CodecGates:
    """Gates of a port's cores, shells included, and bits of their memories.

    `weight_decoder` and `weight_table_bits` are 0 where weights are not coded.
    """

    encoder: float
    decoder: float
    encoder_fifo_bits: int
    decoder_fifo_bits: int
    ring_bits: int
    weight_decoder: float = 0.0
    weight_table_bits: int = 0


@dataclass(frozen=True)
class CodecWork:
    """What the codecs of a layer do: cycles in which cores work, words through FIFOs, beats through the ring."""

    decode_cycles: float = 0.0
    encode_cycles: float = 0.0
    decoded_words: float = 0.0
    encoded_words: float = 0.0
    ring_beats: float = 0.0
    weight_cycles: float = 0.0


def gates_of(symbol_bits: int, lanes: int, codec: str = "best", weight_codec: str = "packed") -> CodecGates:
    """Gates of the cores on a port.

    Cores of other sizes than those that were synthesized: symbols of 4 bits take those of 8; symbols of 16 bits those
    of 8 times what four lanes of 16 bits take over four of 8.
    """
    width = 16 if symbol_bits > 8 else 8
    if codec == "prc":
        encoder, decoder = (_gates((f"mixed {name}",), 8, _PRC_LANES) for name in ("encoder", "decoder"))
        ring_bits, lanes = CORES["mixed encoder", 8, _PRC_LANES].memory_bits, _PRC_LANES
    else:
        encoder, decoder = _gates(("encoder", "chooser"), width, lanes), _gates(("decoder",), width, lanes)
        ring_bits = CORES["chooser", 8, lanes].memory_bits
    engine = CORES[ENGINES[weight_codec]] if weight_codec in ENGINES else None
    return CodecGates(
        encoder,
        decoder,
        CORES["encoder", 8, lanes].memory_bits,
        CORES["decoder", 8, lanes].memory_bits,
        ring_bits,
        engine.gates + INTAKE if engine else 0.0,
        engine.memory_bits if engine else 0,
    )


def _gates(names: tuple[str, ...], width: int, lanes: int) -> float:
    """Cores and shells together."""

    def known(bits: int, count: int) -> float:
        return sum(CORES[name, bits, count].gates + CORES[name, bits, count].shell for name in names)

    return known(8, lanes) if width == 8 else known(8, lanes) * known(16, 4) / known(8, 4)


def _access_pj(bits: int) -> float:
    return ACCESS_PJ * sqrt(bits / ACCESS_BITS)


def codec_energy(work: CodecWork, gates: CodecGates, process: str) -> dict[str, float]:
    """Energy of a layer's codecs by part, in picojoule, in a chip's process ("65 nm, 1.0 V ...")."""
    scale = ratio_from_45(process)
    logic = work.decode_cycles * gates.decoder + work.encode_cycles * gates.encoder
    fifos = work.decoded_words * _access_pj(gates.decoder_fifo_bits)
    fifos += work.encoded_words * _access_pj(gates.encoder_fifo_bits)
    ring = work.ring_beats * _access_pj(gates.ring_bits)
    weights = gates.weight_decoder * GATE_FJ * 1e-3 + _access_pj(gates.weight_table_bits)
    return {
        "codec_logic_pj": logic * GATE_FJ * 1e-3 * scale,
        "codec_memory_pj": 2 * (fifos + ring) * scale,
        "weight_decoder_pj": work.weight_cycles * weights * scale,
    }


def codec_constants(symbol_bits: int, lanes: int, codec: str, weight_codec: str, process: str) -> tuple[Constant, ...]:
    """The constants that the codecs' energy is made of."""
    scale, gates = ratio_from_45(process), gates_of(symbol_bits, lanes, codec, weight_codec)
    rule = f"{_HOROWITZ}: adders and multipliers over their gates, 0.40-0.58 fJ"
    size = f"{symbol_bits} bits, {_PRC_LANES if codec == 'prc' else lanes} lanes"
    return (
        Constant("codec_gate", GATE_FJ * scale, "fJ/gate/cycle", process, rule),
        Constant("codec_memory", ACCESS_PJ * scale, "pJ/64 bits", process, f"{_HOROWITZ}: 8 KiB; by root of capacity"),
        Constant("encoder_gates", gates.encoder, "gates", size, f"{_AREA}, chooser included"),
        Constant("decoder_gates", gates.decoder, "gates", size, _AREA),
        Constant("weight_decoder_gates", gates.weight_decoder, "gates", weight_codec, f"{_AREA}; intake included"),
    )
