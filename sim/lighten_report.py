"""The guideline's steps as a table and as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.lighten import Goal, Step
from sim.lighten_target import Target
from sim.output import write_files
from sim.section import Section

__all__ = ["step_section", "write_steps"]

_HEADINGS = (
    "step",
    "MACs M",
    "parameters M",
    "stored MB",
    "external MB",
    "energy mJ",
    "time ms",
    "agreement %",
)


def step_section(name: str, target: Target, goal: Goal, steps: Sequence[Step]) -> Section:
    """A row for each step; what was done, or why not, stands below."""
    limits = (("ms", goal.time_ms), ("MB", goal.stored_mb), ("mJ", goal.energy_mj))
    told = ", ".join(f"{limit:g} {unit}" for unit, limit in limits if limit is not None)
    met = "met" if goal.met(steps[-1].cost) else "not met"
    notes = (
        *(f"{step.name}{'' if step.taken else ' not taken'}: {step.told}." for step in steps),
        f"Target on {target.accelerator.name}: {told}; {met}.",
        "Bytes, energy and time are those that the simulator finds (thinwire simulate --codec raw --weights-codec "
        "packed), the first row in the accelerator's own format.",
        "Agreement: the same choice as before the step on the given pictures, or the share of the outputs' energy that "
        "is kept; empty where the network must be trained first.",
        *target.notes,
    )
    return Section(f"{name}, made light", _HEADINGS, tuple(_cells(step) for step in steps), notes)


def _cells(step: Step) -> tuple[str, ...]:
    if not step.taken:
        return (step.name, "not taken", *("",) * (len(_HEADINGS) - 2))
    cost = step.cost
    return (
        step.name,
        f"{cost.macs / 1e6:.1f}",
        f"{cost.parameters / 1e6:.2f}",
        f"{cost.stored_mb:.2f}",
        f"{cost.external_bytes / 1e6:.1f}",
        f"{cost.energy_mj:.2f}",
        f"{cost.time_ms:.2f}",
        "" if step.agreement is None else f"{100 * step.agreement:.1f}",
    )


def write_steps(folder: Path, section: Section, steps: Sequence[Step]) -> None:
    """Write the network after each step that was taken, and the table.

    Raises
    ------
    ValueError
        If the folder cannot be written.
    """
    taken = [step for step in steps if step.taken and step.name != "none"]
    files: dict[str, bytes | str] = {
        f"{place}-{step.name}.onnx": step.model.SerializeToString() for place, step in enumerate(taken, start=1)
    }
    write_files(folder, files | {"lighten.md": f"# {section.title}\n\n{section.markdown()}"})
