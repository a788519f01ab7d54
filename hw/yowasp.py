"""Yosys and nextpnr of the YoWASP packages, each in a process of its own."""

import json
import sys
from pathlib import Path
from subprocess import run

__all__ = ["cells_of", "run_tool"]


def run_tool(name: str, arguments: list[str], folder: Path) -> None:
    """Run ``yosys`` or ``nextpnr_ecp5`` in `folder`.

    Raises
    ------
    RuntimeError
        If it fails, with the end of what it says.
    """
    code = f"import sys, yowasp_{name} as tool; sys.exit(tool.run_{name}(sys.argv[1:]))"
    done = run([sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} fails: {(done.stderr or done.stdout).strip()[-600:]}")


def cells_of(path: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Cells by type, and the totals, of a file of Yosys' ``stat -json``."""
    text = path.read_text()
    totals = json.loads(text[text.index("{") :])["design"]
    return totals["num_cells_by_type"], totals
