"""Cycles and accesses of a row-stationary array, pass by pass, after Eyeriss (Chen et al., JSSC 2017).

A pass takes ``p t`` filters and ``q r`` channels over one strip of output rows of one tile of images::

    array   : r t sets of R x e processing elements; each element runs one window row over p filters and q channels
    compute : images x F x p q S cycles (a MAC per element and cycle)
    buffer  : partial sums of p t filters out and back in, input rows of q r channels, at so many words a cycle

Whichever of the three takes longest sets the pace. Before it, a pass loads its filters and the first window of its
input rows; after it come `overhead_cycles` for set-up, the one constant that is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.accelerator import Accelerator
from sim.layer_shape import LayerShape
from sim.mapping import Mapping

__all__ = ["PassPlan", "PassWork", "most_rows", "pass_work"]


@dataclass(frozen=True)
class PassPlan:
    """What a pass takes: filters and channels in each element (p, q), and sets beside each other (t, r)."""

    pe_filters: int
    pe_channels: int
    filter_sets: int
    channel_sets: int

    @property
    def filters(self) -> int:
        """Filters of a pass."""
        return self.pe_filters * self.filter_sets

    @property
    def channels(self) -> int:
        """Channels of a pass."""
        return self.pe_channels * self.channel_sets


@dataclass(frozen=True)
class PassWork:
    """Work of a layer, summed over its passes.

    Attributes
    ----------
    passes : int
        How many there are.
    compute_cycles, partial_cycles, input_cycles : float
        Each on its own.
    start_cycles : float
        Loading filters and first windows, all passes.
    active_elements : int
        Processing elements in use.
    macs : int
        Multiplications with accumulation, padding included.
    buffer_words : float
        Words read from and written to the buffer.
    delivered_words : float
        Words that enter or leave the array.
    neighbour_words : float
        Partial sums that go from an element to the next.
    """

    passes: int
    compute_cycles: float
    partial_cycles: float
    input_cycles: float
    start_cycles: float
    active_elements: int
    macs: int
    buffer_words: float
    delivered_words: float
    neighbour_words: float

    @property
    def pace_cycles(self) -> float:
        """What the slowest part takes."""
        return max(self.compute_cycles, self.partial_cycles, self.input_cycles)

    def cycles(self, overhead_cycles: float) -> float:
        """All of the layer."""
        return self.pace_cycles + self.start_cycles + self.passes * overhead_cycles


def most_rows(shape: LayerShape, plan: PassPlan, chip: Accelerator) -> int:
    """Output rows that the sets of a pass have room for: a set wider than the array is folded.

    Raises
    ------
    ValueError
        If the array or the registers have no room for the plan.
    """
    rows, columns, registers = chip.array.rows or 0, chip.array.columns or 0, chip.registers
    kernel_rows, kernel_columns = shape.kernel
    fits = rows // kernel_rows * columns // (plan.filter_sets * plan.channel_sets)
    if not fits:
        raise ValueError(f"sets of {shape.name!r} must fit {rows} x {columns} elements, not {plan}")
    if registers is not None:
        row_words = plan.pe_channels * kernel_columns
        need = (row_words, plan.pe_filters * row_words, plan.pe_filters)
        room = (registers.input_words, registers.weight_words, registers.partial_words)
        if any(n > r for n, r in zip(need, room, strict=True)):
            raise ValueError(f"registers of {shape.name!r} must hold {need} words, not {room}")
    return fits


def pass_work(shape: LayerShape, plan: PassPlan, mapping: Mapping, chip: Accelerator) -> PassWork:
    """Work of a layer.

    Raises
    ------
    ValueError
        If a strip of the mapping is higher than `most_rows`.
    """
    if mapping.rows > most_rows(shape, plan, chip):
        raise ValueError(f"rows of {shape.name!r} must be at most {most_rows(shape, plan, chip)}, not {mapping.rows}")
    kernel_rows, kernel_columns = shape.kernel
    strips = -(-shape.out_height // mapping.rows)
    filter_turns = shape.groups * -(-shape.group_filters // plan.filters)
    channel_turns = -(-shape.group_channels // plan.channels)
    turns = filter_turns * channel_turns
    passes = turns * strips * -(-shape.batch // mapping.images)
    windows = plan.pe_filters * plan.pe_channels * kernel_columns * shape.out_width
    partials = turns * plan.filters * shape.batch * shape.out_height * shape.out_width
    group_inputs = shape.batch * shape.group_channels * shape.rows(mapping.rows)[0] * shape.width
    inputs = group_inputs * filter_turns
    filters = plan.filters * plan.channels * kernel_rows * kernel_columns
    window = ((mapping.rows - 1) * shape.stride[0] + kernel_rows) * kernel_columns * plan.channels
    words = chip.network
    stored = group_inputs * shape.groups * -(-shape.group_filters // mapping.filters)
    return PassWork(
        passes=passes,
        compute_cycles=turns * strips * shape.batch * windows,
        partial_cycles=partials / (words.partial_words or partials),
        input_cycles=inputs / (words.input_words or inputs),
        start_cycles=passes * (filters / (words.weight_words or filters) + window / (words.input_words or window)),
        active_elements=kernel_rows * mapping.rows * plan.filter_sets * plan.channel_sets,
        macs=shape.macs,
        buffer_words=2 * partials + inputs + stored,
        delivered_words=2 * partials + inputs + passes * filters,
        neighbour_words=shape.macs / (plan.pe_channels * kernel_columns),
    )
