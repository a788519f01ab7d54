"""What becomes of the codewords of a cycle in the decoder of pairs: symbols, places, weights, in four steps."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from golden.weights.canonical import MOST_SYMBOLS
from hw.memory import Memory
from hw.weights.code_loader import LEVEL_BITS
from hw.weights.codebook import Codebook
from hw.weights.huffman import INDEX_BITS
from hw.weights.pair_checks import Checked
from hw.weights.pair_ports import Symbols
from hw.weights.sparse import RUN_BITS, offset_bits
from hw.weights.sums import total

__all__ = ["stages"]

_VALUE_BITS = 16


def stages(
    m: Module, slots: int, weight_bits: int, window, loader, checks, expander, order, step, read, symbols, is_still
) -> Value:
    """What becomes of the codewords; whether a fault is found now. `is_still` is set once all that were read passed."""
    valued = {"values": data.ArrayLayout(_VALUE_BITS, slots)}
    coded, placed = (Signal(Symbols(slots), name=name, reset_less=True) for name in ("coded", "placed"))
    named = Signal(Symbols(slots, valued), reset_less=True)
    checked, weights = Signal(Checked(slots), reset_less=True), Signal(valued["values"], reset_less=True)
    valid = Signal(4)
    with m.If(step):
        m.d.sync += [valid.eq(Cat(read, valid)), coded.eq(symbols), placed.eq(coded)]
        m.d.sync += is_still.eq(~(read | valid[:3].any()))
    with m.If(expander.void):
        m.d.sync += valid.eq(0)

    # Symbols; a memory for each slot, all of the same contents.
    for k in range(slots):
        m.submodules[f"symbols_{k}"] = memory = Memory(INDEX_BITS, 2 * MOST_SYMBOLS)
        m.d.comb += [
            memory.write.eq(loader.write),
            memory.write_address.eq(loader.address),
            memory.write_data.eq(loader.symbol),
            memory.read.eq(step),
            memory.read_address.eq(window.indices[k]),
        ]
        first = Mux(placed.seconds[k], loader.firsts[1], loader.firsts[0])
        with m.If(step):
            m.d.sync += named.values[k].eq(total(memory.read_data, first, _VALUE_BITS))
    with m.If(step):
        m.d.sync += [named[name].eq(placed[name]) for name in ("taken", "seconds", "sizes", "wrong", "ends", "final")]

    # Where each symbol's weights begin, and centroids.
    offset = Const(0, 1)
    following = Signal(Checked(slots))
    bits = offset_bits(slots)
    for k in range(slots):
        m.d.comb += following.offsets[k].eq(offset)
        advance = Mux(named.seconds[k], 1, named.values[k][:RUN_BITS])
        ahead = Signal(bits, name=f"ahead_{k}")
        m.d.comb += ahead.eq(Mux(named.taken[k], total(offset, advance, bits), offset))
        offset = ahead
    m.d.comb += following.count.eq(offset)
    m.d.comb += [following[name].eq(named[name]) for name in ("taken", "seconds", "sizes", "wrong", "ends", "final")]
    found = _weights(m, slots, weight_bits, loader, order, step, named, weights, following)
    with m.If(step):
        m.d.sync += [checked.eq(following), weights.eq(named.values)]

    wrong, group = Signal(), expander.group
    m.d.comb += [
        checks.step.eq(step),
        checks.valid.eq(valid[3]),
        checks.symbols.eq(checked),
        wrong.eq(valid[3] & checks.wrong),
        expander.valid.eq(valid[3] & ~wrong),
        group.present.eq(checked.taken & checked.seconds),
        group.count.eq(checked.count),
        group.finish.eq(checked.ends & checked.final),
    ]
    for k in range(slots):
        m.d.comb += [group.offsets[k].eq(checked.offsets[k]), group.weights[k].eq(found[k])]
    return wrong & step


def _weights(m: Module, slots: int, weight_bits: int, loader, order, step, named, weights, following) -> list[Value]:
    """The weights of a group, a step later: the values themselves or levels of the codebook."""
    if weight_bits != LEVEL_BITS:
        return [weights[k].as_signed() for k in range(slots)]
    m.submodules.codebook = codebook = Codebook(LEVEL_BITS, slots)
    m.d.comb += [
        codebook.clear.eq(loader.clear_levels),
        codebook.write.eq(loader.write_level),
        codebook.value.eq(loader.level),
        codebook.step.eq(step),
        following.past.eq(codebook.past & named.seconds & order.codebook.replicate(slots)),
    ]
    m.d.comb += [codebook.numbers[k].eq(named.values[k]) for k in range(slots)]
    return [Mux(order.codebook, codebook.values[k], weights[k].as_signed()) for k in range(slots)]
