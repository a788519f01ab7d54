"""A shell of two pins for cores whose ports are no streams, so that their paths can be placed and timed."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Scan"]


class Scan(wiring.Component):
    """A core between flip-flops: its inputs are a chain that is shifted in, its outputs are caught and folded out.

    Each input comes from a flip-flop and each output goes into one, with nothing between it and the core. What else
    there is lies between flip-flops of the shell, an XOR at most, so that the longest path is the core's.

    Parameters
    ----------
    core : wiring.Component

    Members
    -------
    scan_in : In
        The next bit of the inputs.
    scan_out : Out
        A bit that depends on every output in some cycle before.
    """

    def __init__(self, core: wiring.Component) -> None:
        self._core = core
        super().__init__({"scan_in": In(1), "scan_out": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.core = core = self._core
        ports = [(member.flow, Value.cast(port)) for _, member, port in core.signature.flatten(core)]
        inputs = Cat(port for flow, port in ports if flow == In)
        outputs = Cat(port for flow, port in ports if flow == Out)
        chain = Signal(len(inputs), reset_less=True)
        caught, folded = (Signal(len(outputs), name=name, reset_less=True) for name in ("caught", "folded"))
        m.d.comb += [inputs.eq(chain), self.scan_out.eq(folded[-1])]
        m.d.sync += [
            chain.eq(Cat(self.scan_in, chain)),
            caught.eq(outputs),
            folded.eq(caught ^ Cat(self.scan_in, folded)[: len(folded)]),
        ]
        return m
