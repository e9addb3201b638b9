"""Runs the benchmarks: all of them, or those named on the command line."""

import argparse
import importlib
import pkgutil
import sys
from types import ModuleType

import benchmarks
from benchmarks import Figure


def benchmark_modules() -> dict[str, ModuleType]:
    """The modules with a `measure` that yields figures, or a `main` that prints its own, by name."""
    names = [info.name for info in pkgutil.iter_modules(benchmarks.__path__) if not info.name.startswith("_")]
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "measure") or hasattr(module, "main")}


def run(module: ModuleType) -> int:
    """Run a benchmark, print one line per figure, and return how many bars do not hold."""
    if not hasattr(module, "measure"):
        module.main()
        return 0
    missed = 0
    for figure in module.measure():
        print(f"  {_line(figure)}", flush=True)
        missed += not figure.holds
    return missed


def main() -> int:
    """Return the exit code: 0, 1 if a bar does not hold, 2 for an unknown name."""
    known = benchmark_modules()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="*", help=f"default: all but those that take hours ({', '.join(known)})")
    usual = [name for name, module in known.items() if not getattr(module, "ONLY_BY_NAME", False)]
    wanted = parser.parse_args().name or usual
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no benchmark is called {unknown[0]}. The benchmarks are: {', '.join(known)}.")
    missed = 0
    for name in wanted:
        print(name, flush=True)
        missed += run(known[name])
    return 1 if missed else 0


def _line(figure: Figure) -> str:
    line = f"{figure.what}: {figure.ours} against {figure.against}, {figure.ratio:.3g} ×"
    if figure.bar is None:
        return line
    limit = "at least" if figure.at_least else "at most"
    return f"{line} ({limit} {figure.bar:.3g}: {'holds' if figure.holds else 'MISSED'})"


if __name__ == "__main__":
    sys.exit(main())
