"""What an accelerator can run: number formats, operators it lacks, operators it has no quantized kernel for.

An accelerator's file tells one format of words, and no operators. For presets the rest stands here, with its source;
any other accelerator runs the format of its words, and every operator in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.accelerator import Accelerator
from sim.energy import CONSTANTS, Constant

__all__ = ["FORMAT_BITS", "MAC_PJ", "Target", "target_of"]

FORMAT_BITS: Mapping[str, int] = {"fp32": 32, "fp16": 16, "int8": 8}
"""Bits of a word in each format."""

_HOROWITZ = CONSTANTS["int8_multiply"].source
MAC_PJ: Mapping[str, Constant] = {
    "fp32": Constant("fp32_mac", 3.7 + 0.9, "pJ", "45 nm, 0.9 V", _HOROWITZ),
    "fp16": Constant("fp16_mac", 1.1 + 0.4, "pJ", "45 nm, 0.9 V", _HOROWITZ),
    "int8": Constant("int8_mac", 0.2 + 0.1, "pJ", "45 nm, 0.9 V", _HOROWITZ),
}
"""A multiplication and an addition: of floats in their own format, of int8 into int32."""


@dataclass(frozen=True)
class Target:
    """An accelerator as the guideline asks about it.

    Attributes
    ----------
    accelerator : Accelerator
        In the format of its file.
    rates : mapping of str to float
        Formats it runs, with their arithmetic rate over the file's.
    lacking, float_only : frozenset of str
        ONNX operators that it does not have, and that it has no quantized form of.
    notes : tuple of str
    """

    accelerator: Accelerator
    rates: Mapping[str, float]
    lacking: frozenset[str] = frozenset()
    float_only: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default=())

    @property
    def first_format(self) -> str:
        """What an untouched network runs in: float32 where there is floating point."""
        return "fp32" if "fp32" in self.rates else next(iter(self.rates))

    def weight_bits(self, kind: str) -> int:
        """Bits of a weight in a format: those of the file in the first one."""
        return self.accelerator.words.weight_bits if kind == self.first_format else FORMAT_BITS[kind]

    def in_format(self, kind: str) -> Accelerator:
        """The accelerator as it runs one of its formats.

        Words have the format's width, arithmetic its rate; the energy of a MAC goes with `MAC_PJ`, that of moving a
        word with its width.
        """
        own, bits = self.accelerator, FORMAT_BITS[kind]
        if kind == self.first_format:
            return own
        words = {"kind": "integer" if kind == "int8" else "float", "activation_bits": bits, "weight_bits": bits}
        macs_per_cycle = max(1, round(own.array.macs_per_cycle * self.rates[kind]))
        share, ratio = bits / own.words.activation_bits, MAC_PJ[kind].value / MAC_PJ[self.first_format].value
        changed: dict[str, Any] = {
            "words": own.words.model_copy(update=words),
            "array": own.array.model_copy(update={"macs_per_cycle": macs_per_cycle}),
        }
        if own.memory.access_pj is not None:
            changed["memory"] = own.memory.model_copy(update={"access_pj": own.memory.access_pj * share})
        if own.energy is not None:
            moved = {name: getattr(own.energy, name) * share for name in ("register_pj", "hop_pj", "buffer_pj")}
            changed["energy"] = own.energy.model_copy(update=moved | {"mac_pj": own.energy.mac_pj * ratio})
        return own.model_copy(update=changed)


def target_of(accelerator: Accelerator) -> Target:
    """What is known of an accelerator."""
    if accelerator.name == "rk3399-gpu":
        return Target(
            accelerator,
            {"fp32": 1.0, "fp16": 1.0, "int8": 1.0},
            float_only=frozenset({"ConvTranspose"}),
            notes=(
                "Arm Compute Library 19.05: no quantized transposed convolution; fp16 halves bytes, and the report "
                "measured no faster arithmetic with it.",
                "Efficiency and constant time are calibrated on the report's first and third row.",
            ),
        )
    if accelerator.words.kind == "float":
        return Target(accelerator, {f"fp{accelerator.words.weight_bits}": 1.0})
    lacking = {"ethos-u55": {"Transpose", "Slice"}, "eyeriss": {"Transpose", "Slice", "ConvTranspose"}}
    notes = ("It runs integers only: figures of the steps before G3 are of the network quantized.",)
    return Target(accelerator, {"int8": 1.0}, frozenset(lacking.get(accelerator.name, ())), notes=notes)
