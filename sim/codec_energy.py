"""Energy of the codecs' logic and memories: gates of the cores times the cycles in which they work.

A core takes ``gates x cycles x codec_gate``. A gate is a two-input NAND's worth of area, a flip-flop five of them; idle
cores have their clock gated and take nothing, leakage is not counted. `codec_gate` comes from arithmetic of which both
energy and gates are known. Horowitz' adders and multipliers, made of full adders of 6.5 gates and ANDs of 1.3, take for
each gate and operation in 45 nm at 0.9 V: 0.58 fJ (8-bit add, 52 gates), 0.48 (32-bit add, 208), 0.45 (8-bit multiply,
447), 0.40 (32-bit multiply, 7779). Their activity is taken for that of the codecs' logic.

Memories: each word passes a core's FIFO once, each beat the chooser's ring once, written and read. An access of 64 bits
to 8 KiB takes 10 pJ (the same table); energy goes with the square root of the capacity.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from sim.chip_process import ratio_from_45
from sim.energy import Constant

__all__ = ["GATES", "CodecGates", "CodecWork", "codec_constants", "codec_energy", "gates_of"]

_HOROWITZ = "Horowitz, ISSCC 2014, figure 1.1.9"
_AREA = "make area: Yosys, core and AXI4-Stream shell, memories apart"
GATE_FJ = 0.5
ACCESS_PJ, ACCESS_BITS = 10.0, 8 * 8192
_PROCESS = "45 nm, 0.9 V"


@dataclass(frozen=True)
class CodecGates:
    """Gates of a port's cores, shells included, and bits of their memories."""

    encoder: float
    decoder: float
    encoder_fifo_bits: int = 512
    decoder_fifo_bits: int = 584
    ring_bits: int = 20360


# Symbol bits, lanes: encoder with chooser, decoder; cores and shells of `make area`.
GATES = {
    (8, 1): CodecGates(2835 + 1607 + 1436 + 946, 3351 + 1665),
    (8, 2): CodecGates(2952 + 1700 + 1486 + 1168, 3636 + 1873),
    (8, 4): CodecGates(3551 + 1905 + 1656 + 1617, 4658 + 2135),
    (8, 8): CodecGates(7002 + 3088 + 2013 + 2490, 9467 + 3424),
    (16, 4): CodecGates(6941 + 3198 + 1849 + 2603, 7889 + 3134),
}
PRC_GATES = CodecGates(17600, 12200, ring_bits=2048 * 8)


@dataclass(frozen=True)
class CodecWork:
    """What the codecs of a layer do: cycles in which cores work, words through FIFOs, beats through the ring."""

    decode_cycles: float = 0.0
    encode_cycles: float = 0.0
    decoded_words: float = 0.0
    encoded_words: float = 0.0
    ring_beats: float = 0.0
    weight_cycles: float = 0.0


def gates_of(symbol_bits: int, lanes: int, codec: str = "best") -> CodecGates:
    """Gates of the cores on a port.

    Cores of other sizes than those that were synthesized: symbols of 4 bits take those of 8; symbols of 16 bits those
    of 8 times what four lanes of 16 bits take over four of 8.
    """
    if codec == "prc":
        return PRC_GATES
    base = GATES[(8, lanes)]
    if symbol_bits <= 8:
        return base
    wide, narrow = GATES[(16, 4)], GATES[(8, 4)]
    return CodecGates(
        base.encoder * wide.encoder / narrow.encoder,
        base.decoder * wide.decoder / narrow.decoder,
        ring_bits=base.ring_bits,
    )


def _access_pj(bits: int) -> float:
    return ACCESS_PJ * sqrt(bits / ACCESS_BITS)


def codec_energy(work: CodecWork, gates: CodecGates, process: str) -> dict[str, float]:
    """Energy of a layer's codecs by part, in picojoule, in a chip's process ("65 nm, 1.0 V ...")."""
    scale = ratio_from_45(process)
    logic = work.decode_cycles * gates.decoder + work.encode_cycles * gates.encoder
    fifos = work.decoded_words * _access_pj(gates.decoder_fifo_bits)
    fifos += work.encoded_words * _access_pj(gates.encoder_fifo_bits)
    ring = work.ring_beats * _access_pj(gates.ring_bits)
    return {
        "codec_logic_pj": logic * GATE_FJ * 1e-3 * scale,
        "codec_memory_pj": 2 * (fifos + ring) * scale,
        "weight_decoder_pj": work.weight_cycles * gates.decoder * GATE_FJ * 1e-3 * scale,
    }


def codec_constants(symbol_bits: int, lanes: int, codec: str, process: str) -> tuple[Constant, ...]:
    """The constants that the codecs' energy is made of."""
    scale, gates = ratio_from_45(process), gates_of(symbol_bits, lanes, codec)
    rule = f"{_HOROWITZ}: adders and multipliers over their gates, 0.40-0.58 fJ"
    size = f"{symbol_bits} bits, {lanes} lanes"
    return (
        Constant("codec_gate", GATE_FJ * scale, "fJ/gate/cycle", process, rule),
        Constant("codec_memory", ACCESS_PJ * scale, "pJ/64 bits", process, f"{_HOROWITZ}: 8 KiB; by root of capacity"),
        Constant("encoder_gates", gates.encoder, "gates", size, f"{_AREA}, chooser included"),
        Constant("decoder_gates", gates.decoder, "gates", size, f"{_AREA}; taken for the weight decoder, too"),
    )
