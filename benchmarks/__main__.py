"""Runs the races: all of them, or those named on the command line."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable
from types import ModuleType

import benchmarks
from benchmarks import Figure

Race = Callable[[], Iterable[Figure]]


def races() -> dict[str, Race]:
    """Module name → its `race`, for every module here that has one."""
    found: dict[str, Race] = {}
    for info in pkgutil.iter_modules(benchmarks.__path__):
        if not info.name.startswith("_"):
            module: ModuleType = importlib.import_module(f"benchmarks.{info.name}")
            if hasattr(module, "race"):
                found[info.name] = module.race
    return found


def main() -> int:
    """Exit code 0, 1 where a bar does not hold, 2 for an unknown name."""
    known = races()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("name", nargs="*", choices=[*known, []], help=f"default: all ({', '.join(known)})")
    missed = 0
    for name in parser.parse_args().name or known:
        print(f"{name}", flush=True)
        for figure in known[name]():
            print(f"  {_line(figure)}", flush=True)
            missed += not figure.holds
    return 1 if missed else 0


def _line(figure: Figure) -> str:
    told = f"{figure.what}: {figure.ours} against {figure.against}, {figure.ratio:.3g} ×"
    if figure.bar is None:
        return told
    side = "at least" if figure.at_least else "at most"
    return f"{told} ({side} {figure.bar:.3g}: {'holds' if figure.holds else 'MISSED'})"


if __name__ == "__main__":
    sys.exit(main())
