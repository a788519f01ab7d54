"""What an accelerator can run: number formats, operators it lacks, operators it has no quantized kernel for.

An accelerator's file tells words and array, not software. For presets the rest stands here, with its source; any other
accelerator runs the format of its words at its own rate, and every operator in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.accelerator import Accelerator

__all__ = ["FORMAT_BITS", "RK3399_CONSTANT_S", "RK3399_EFFICIENCY", "Target", "target_of"]

FORMAT_BITS: Mapping[str, int] = {"fp32": 32, "fp16": 16, "int8": 8}
"""Bits of a word in each format."""


RK3399_EFFICIENCY, RK3399_CONSTANT_S = 0.461, 0.235
"""What `sim.reproduce_guideline` finds from the report's rows."""


@dataclass(frozen=True)
class Target:
    """An accelerator as the guideline asks about it.

    Attributes
    ----------
    accelerator : Accelerator
    rates : mapping of str to float
        Formats it runs, with their arithmetic rate over the file's.
    lacking, float_only : frozenset of str
        ONNX operators that it does not have, and that it has no quantized form of.
    efficiency : float
        Share of the peak that arithmetic reaches.
    constant_s : float
        Time of an image that no layer explains.
    zero_insertion : bool
        Whether transposed convolutions run as zero insertion and a convolution at the output's size.
    """

    accelerator: Accelerator
    rates: Mapping[str, float]
    lacking: frozenset[str] = frozenset()
    float_only: frozenset[str] = frozenset()
    efficiency: float = 1.0
    constant_s: float = 0.0
    zero_insertion: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def first_format(self) -> str:
        """What an untouched network runs in: float32 where there is floating point."""
        return "fp32" if "fp32" in self.rates else next(iter(self.rates))


def target_of(accelerator: Accelerator) -> Target:
    """What is known of an accelerator."""
    if accelerator.name == "rk3399-gpu":
        return Target(
            accelerator,
            {"fp32": 1.0, "fp16": 1.0, "int8": 1.0},
            float_only=frozenset({"ConvTranspose"}),
            efficiency=RK3399_EFFICIENCY,
            constant_s=RK3399_CONSTANT_S,
            zero_insertion=True,
            notes=(
                "Arm Compute Library 19.05: no quantized transposed convolution; fp16 halves bytes, and the report "
                "measured no faster arithmetic with it.",
                "Efficiency and constant time are calibrated on the report's first and third row.",
            ),
        )
    if accelerator.words.kind == "float":
        return Target(accelerator, {"fp32": 1.0})
    lacking = {"ethos-u55": {"Transpose", "Slice"}, "eyeriss": {"Transpose", "Slice", "ConvTranspose"}}
    notes = ("It runs integers only: figures of the steps before G3 are of the network quantized.",)
    return Target(accelerator, {"int8": 1.0}, frozenset(lacking.get(accelerator.name, ())), notes=notes)
