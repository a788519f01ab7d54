"""What an architect would look at first, in words, out of the figures of a simulation."""

from __future__ import annotations

from golden.activations.prc import PrcFormat
from sim.simulation_summary import SimulationSummary

__all__ = ["findings", "slower"]


def findings(summary: SimulationSummary) -> list[str]:
    """A sentence each."""
    coded, raw = summary.coded, summary.raw
    found = [_where(summary, "time_us", "of the time"), _where(summary, "total_bytes", "of the bytes")]
    bound = max(coded.layers_by_bottleneck, key=lambda name: coded.layers_by_bottleneck[name])
    found.append(
        f"{coded.layers_by_bottleneck[bound]} of {len(summary.layers)} layers are bound by {bound}; the array does "
        f"{100 * coded.utilization:.0f} % of the MACs it could ({100 * raw.utilization:.0f} % without codecs)"
    )
    constant_ms = summary.accelerator["software"]["image_ms"]
    if constant_ms:
        found.append(f"{constant_ms:g} ms of an image are in no layer")
    codec_pj = sum(layer.codec_pj for layer in summary.layers)
    saved_pj = raw.dram_energy_pj - coded.dram_energy_pj
    if codec_pj and saved_pj > 0:
        found.append(
            f"the codecs themselves take {codec_pj / 1e6:.1f} µJ, {100 * codec_pj / saved_pj:.1f} % of what they save "
            "in external memory"
        )
    kept = [f"{len(summary.resident)} as a whole"] if summary.resident else []
    kept += [f"{len(summary.fused)} inside fused layers"] if summary.fused else []
    if kept:
        aside = f"at most {summary.reserved_bytes / 1024:.3g} KiB of the buffers are set aside"
        found.append(f"tensors that stay on the chip: {' and '.join(kept)}; {aside}")
    if summary.fused_overlap_ms >= 0.001 * coded.time_ms:
        share = 100 * summary.fused_overlap_ms / coded.time_ms
        found.append(
            f"fused layers are timed one behind the other; strips that overlap would save {share:.1f} % of the time at "
            "most"
        )
    have = summary.config["pipeline_read_fifo_bytes"], summary.config["pipeline_write_fifo_bytes"]
    need = coded.read_fifo_bytes, coded.write_fifo_bytes
    if any(least > there for least, there in zip(need, have, strict=True)):
        found.append(
            f"memory waits for codecs behind FIFOs of {have[0]} and {have[1]} bytes; it never would behind {need[0]} "
            f"and {need[1]}, or with more codec units"
        )
    return found


def _where(summary: SimulationSummary, field: str, what: str) -> str:
    """The few layers that make half of something."""
    rows = sorted(summary.layers, key=lambda row: -getattr(row, field))
    total, held, count = sum(getattr(row, field) for row in rows), 0.0, 0
    while count < len(rows) and held < 0.5 * total:
        held, count = held + getattr(rows[count], field), count + 1
    names = ", ".join(row.layer for row in rows[:3])
    return f"{count} of {len(rows)} layers make half {what}, above all {names}"


def slower(summary: SimulationSummary) -> str:
    """What bounds a design that its codecs make slower, or nothing."""
    if summary.coded.time_ms <= 1.001 * summary.raw.time_ms:
        return ""
    bound = summary.coded.layers_by_bottleneck
    return (
        f"{bound['decode']} layers wait for the decoder, {bound['encode']} for the encoder; {_codecs(summary)}: "
        "less than memory brings. More codec units on each port (--codec-units) give the time back"
    )


def _codecs(summary: SimulationSummary) -> str:
    """What works on the ports."""
    config, found = summary.config, []
    if config["codec"] != "raw":
        each = summary.accelerator["ports"]["activations"]["symbols_per_cycle"]
        lanes = config["codec_units"] * (PrcFormat().lanes if config["codec"] == "prc" else each)
        found.append(f"{lanes} symbols per cycle")
    if config["weight_codec"] != "packed":
        units = config["weight_units"]
        found.append(f"{units} decoder{'s' * (units > 1)} of {config['weight_codec']} weights")
    return " or ".join(found)
