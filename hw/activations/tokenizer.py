"""Symbols to fields: runs are counted, zeros dropped, masks gathered; what is left of a beat is one field."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from golden.tile_format import TileFormat
from hw.activations.ports import MODE_RAW, MODE_SRLC, MODE_ZRLC, MODE_ZVC, Beat, check_parameters, field_bits, mask_bits
from hw.bits import picked
from hw.packet import Packet

__all__ = ["Tokenizer"]


class Tokenizer(wiring.Component):
    """The symbols of a beat that end a token, run before each, as one field; masks before the data of their group.

    Every mode is a choice of the lanes that are *marked*: all (raw), those that differ from the next symbol (srlc) or
    from zero (zrlc, zvc). Marked lanes and full runs are moved together. A beat waits in a stage until the next symbol
    (srlc) and the marks of its whole group (zvc) are known: ``max(1, G - 1)`` stages for groups of ``G`` beats. Only
    beats of an unfinished tile wait for input; a finished one before it goes on.

    Parameters
    ----------
    fmt : TileFormat
    lanes : int

    Members
    -------
    valid, beat, mode, zero_point : In
        A beat, with the mode (two bits) and zero point of its tile.
    ready : Out
        The beat is taken.
    field_valid, field, size, last : Out
        A field of `size` bits, above which it is zero.
    field_ready : In
    """

    def __init__(self, fmt: TileFormat, lanes: int) -> None:
        check_parameters(fmt, lanes)
        self._fmt, self._lanes = fmt, lanes
        bits = field_bits(fmt, lanes)
        super().__init__(
            {
                "valid": In(1),
                "beat": In(Packet(Beat(fmt, lanes))),
                "mode": In(2),
                "zero_point": In(fmt.word_bits),
                "ready": Out(1),
                "field_valid": Out(1),
                "field": Out(bits),
                "size": Out(bits_for(bits)),
                "last": Out(1),
                "field_ready": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        fmt, lanes, run_bits, word_bits = self._fmt, self._lanes, self._fmt.run_bits, self._fmt.word_bits
        group_bits = mask_bits(fmt)
        group_beats = max(1, group_bits // lanes)
        # Past the tail a run of lanes reaches the limit only if runs are shorter than a beat.
        short_runs = (1 << run_bits) <= lanes - 1
        layout = {"symbols": data.ArrayLayout(word_bits, lanes), "marks": lanes, "last": 1, "mode": 2}
        if short_runs:
            layout["live"] = lanes
        stage = data.StructLayout(layout)

        # What enters.
        entering = Signal(stage)
        symbols = self.beat.data.symbols
        m.d.comb += [
            entering.symbols.eq(symbols),
            entering.last.eq(self.beat.last),
            entering.mode.eq(self.mode),
        ]
        for k in range(lanes):
            tail = self.beat.last & (self.beat.data.tail == k)
            live = Signal(name=f"live_{k}")
            differs, nonzero = Signal(name=f"differs_{k}"), Signal(name=f"nonzero_{k}")
            m.d.comb += live.eq(~self.beat.last | (self.beat.data.tail >= k))
            m.d.comb += nonzero.eq(symbols[k] != self.zero_point)
            m.d.comb += differs.eq(symbols[k] != symbols[k + 1] if k + 1 < lanes else 0)
            with m.Switch(self.mode):
                with m.Case(MODE_RAW):
                    m.d.comb += entering.marks[k].eq(live)
                with m.Case(MODE_SRLC):
                    m.d.comb += entering.marks[k].eq(live & (differs | tail))
                with m.Case(MODE_ZRLC):
                    m.d.comb += entering.marks[k].eq(live & (nonzero | tail))
                with m.Case(MODE_ZVC):
                    m.d.comb += entering.marks[k].eq(live & nonzero)
            if short_runs:
                m.d.comb += entering.live[k].eq(live)

        # The stages; the beat that leaves the first one learns whether its last symbol differs from the next.
        count = max(1, group_beats - 1)
        stages = [Signal(stage, name=f"stage_{k}", reset_less=True) for k in range(count)]
        valids = [Signal(name=f"valid_{k}") for k in range(count)]
        first = stages[0]
        leaving = Signal(stage)
        changes = (first.mode == MODE_SRLC) & ~first.last & (first.symbols[-1] != symbols[0])
        m.d.comb += [
            leaving.eq(first),
            leaving.marks[-1].eq(first.marks[-1] | changes),
            self.ready.eq(~self.field_valid | self.field_ready),
        ]
        line = [entering, leaving, *stages[1:]]
        # A beat waits for the one behind it, unless it is its tile's last.
        valid, moved = self.valid, self.valid
        for k in range(count):
            moves = Signal(name=f"moves_{k}")
            m.d.comb += moves.eq(~valids[k] | stages[k].last | moved)
            with m.If(self.ready & moves):
                m.d.sync += [stages[k].eq(line[k]), valids[k].eq(valid & moved)]
            valid, moved = valids[k], moves
        step = self.ready & moved
        oldest = line[-1]

        # The beat that is turned into a field.
        counts_runs = Signal()
        m.d.comb += counts_runs.eq((oldest.mode == MODE_SRLC) | (oldest.mode == MODE_ZRLC))
        runs, ends = self._runs(m, oldest, counts_runs, short_runs, step & valid)
        tokens = _gather([Cat(runs[k], oldest.symbols[k]) for k in range(lanes)], ends)
        field, size = Signal.like(self.field, name="next_field"), Signal.like(self.size, name="next_size")
        total = Signal(range(lanes + 1))
        m.d.comb += total.eq(sum(ends))
        plain = Cat(token[run_bits:] for token in tokens)

        def bits_of(token_bits: int, more: int = 0) -> Value:
            """Bits of the field, for each number of tokens a constant."""
            return picked([Const(count * token_bits + more, len(size)) for count in range(lanes + 1)], total)

        m.d.comb += [field.eq(plain), size.eq(bits_of(word_bits))]
        with m.If(counts_runs):
            m.d.comb += [field.eq(Cat(tokens)), size.eq(bits_of(run_bits + word_bits))]
        if group_bits:
            starts = self._group_starts(m, oldest, group_beats, step & valid)
            mask = Cat(_group_marks([*reversed(line)], group_beats))
            with m.If((oldest.mode == MODE_ZVC) & starts):
                m.d.comb += [field.eq(Cat(mask, plain)), size.eq(bits_of(word_bits, group_bits))]

        kept_field, kept_size = Signal(len(field), reset_less=True), Signal(len(size), reset_less=True)
        kept_last = Signal(reset_less=True)
        m.d.comb += [self.field.eq(kept_field), self.size.eq(kept_size), self.last.eq(kept_last)]
        with m.If(step):
            m.d.sync += [
                self.field_valid.eq(valid),
                kept_field.eq(field),
                kept_size.eq(size),
                kept_last.eq(oldest.last),
            ]
        with m.Elif(self.field_ready):
            m.d.sync += self.field_valid.eq(0)
        return m

    def _runs(self, m: Module, beat, counts_runs: Value, short_runs: bool, step: Value) -> tuple[list, list]:
        """For each lane the symbols since the last end, modulo the run limit, and whether a token ends there.

        A full run wraps to zero just when it ends, so no lane waits for the one before it.
        """
        run_bits, lanes = self._fmt.run_bits, self._lanes
        before = Signal(run_bits)
        runs: list[Value] = []
        for k in range(lanes + 1):
            run: Value = (before + k)[:run_bits]
            for j in range(k):
                run = Mux(beat.marks[j], (k - 1 - j) % (1 << run_bits), run)
            signal = Signal(run_bits, name=f"run_{k}")
            m.d.comb += signal.eq(run)
            runs.append(signal)
        ends = []
        for k in range(lanes):
            full = counts_runs & runs[k].all()
            end = Signal(name=f"end_{k}")
            m.d.comb += end.eq(beat.marks[k] | (full & beat.live[k] if short_runs else full))
            ends.append(end)
        with m.If(step):
            m.d.sync += before.eq(Mux(beat.last, 0, runs[lanes]))
        return runs[:lanes], ends

    def _group_starts(self, m: Module, beat, group_beats: int, step: Value) -> Value:
        """Whether a beat is the first of its group."""
        if group_beats == 1:
            return Signal(init=1)
        place = Signal(ceil_log2(group_beats))
        with m.If(step):
            m.d.sync += place.eq(Mux(beat.last, 0, place + 1))
        return place == 0


def _gather(tokens: list[Value], ends: list[Value]) -> list[Value]:
    """The tokens that end, moved together to the front; zero behind them."""
    gathered: list[Value] = []
    for token, end in zip(reversed(tokens), reversed(ends), strict=True):
        if not gathered:
            gathered = [token & end.replicate(len(token))]
            continue
        moved = [
            Mux(end, token, gathered[0]),
            *(Mux(end, gathered[k - 1], gathered[k]) for k in range(1, len(gathered))),
            gathered[-1] & end.replicate(len(token)),
        ]
        gathered = moved
    return gathered


def _group_marks(line: list, group_beats: int) -> list[Value]:
    """The marks of the oldest beat's group, zero past the end of its tile."""
    marks, same = [], None
    for beat in line[:group_beats]:
        marks.append(beat.marks if same is None else beat.marks & same.replicate(len(beat.marks)))
        same = ~beat.last if same is None else same & ~beat.last
    return marks
