"""The modules as a user gets them, under cocotb in Icarus and Verilator, against golden's streams.

Every scenario holds tiles back to back, of one symbol, all zero, dense, sparse, odd and full (`hw.vectors`), and for
the decoder one with a wrong CRC. It runs without stalls, with stalls on both sides, with sinks that wait for ``tvalid``
and after a reset in mid-stream.
"""

from dataclasses import replace

import pytest
from frames import errors_of, frames_of
from simulators import SIMULATORS, Scenario, simulate

from golden.tile_format import TileFormat
from hw.axis import Shell
from hw.generate import modules_of
from hw.vectors import module_streams
from hw.verilog import to_verilog

pytestmark = pytest.mark.rtl

_WIDE = TileFormat(word_bits=16, run_bits=8, tile=(4, 8, 8), burst_bytes=64)
_NARROW = TileFormat(word_bits=4, run_bits=1, tile=(4, 4, 8))
_SMALL = TileFormat(tile=(8, 8, 8))
_CASES = [
    *((simulator, kind, _SMALL, 4) for simulator in SIMULATORS for kind in ("encoder", "decoder", "adaptive_encoder")),
    *((simulator, kind, _SMALL, 4) for simulator in SIMULATORS for kind in ("index_builder", "index_reader")),
    *(("icarus", kind, _WIDE, 8) for kind in ("encoder", "decoder")),
    *(("icarus", kind, _NARROW, 1) for kind in ("encoder", "decoder")),
]


def _scenarios(kind: str, fmt: TileFormat, shell: Shell) -> list[Scenario]:
    streams = module_streams(kind, {channel.prefix: channel for channel in shell.channels}, fmt)
    frames = {stream.channel.prefix: frames_of(stream) for stream in streams}
    plain = Scenario(
        name="plain",
        inputs={prefix: frames[prefix] for prefix in frames if prefix.startswith("s_")},
        outputs={prefix: frames[prefix] for prefix in frames if prefix.startswith("m_")},
        errors={stream.channel.prefix: errors_of(stream) for stream in streams if stream.channel.error},
    )
    return [
        plain,
        replace(plain, name="stalls_on_both_sides", source_stall=400, sink_stall=400),
        replace(plain, name="slow_source", source_stall=800),
        replace(plain, name="sink_waits_for_valid", after_valid=True),
        *(replace(plain, name=f"reset_after_{cycles}", reset_after=cycles) for cycles in (7, 60)),
    ]


@pytest.mark.parametrize(
    ("simulator", "kind", "fmt", "lanes"),
    _CASES,
    ids=[f"{case[0]}-{case[1]}-W{case[2].word_bits}-L{case[3]}" for case in _CASES],
)
def test_module_sends_what_golden_tells(simulator, kind, fmt, lanes, tmp_path):
    module = next(module for module in modules_of("tile", fmt, lanes) if module.kind == kind)
    shell = Shell(module.make())
    simulate(to_verilog(shell, module.name), module.name, simulator, _scenarios(kind, fmt, shell), tmp_path)
