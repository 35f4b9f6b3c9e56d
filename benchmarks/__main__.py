"""sklstm beside its alternatives: ``make bench``, or ``python -m benchmarks --themes step``.

Results go to ``benchmarks/results/short`` or ``long``. A run of some themes leaves the recorded
results of the others as they are, and writes the report of all of them anew.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path

from benchmarks import report
from benchmarks.harness import Pool, Shelf, measure
from benchmarks.machine import Clock, describe, environment
from benchmarks.results import CaseResult, ThemeResult, load
from benchmarks.themes import THEMES

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure, write the results, print the targets."""
    arguments = parse()
    folder = arguments.results / ("long" if arguments.long else "short")
    folder.mkdir(parents=True, exist_ok=True)
    print(describe(environment()), flush=True)
    for theme in arguments.themes:
        result = run(theme, arguments.long, arguments.repeats)
        result.save(folder / f"{theme}.json")
    results = recorded(folder)
    report.write(results, folder)
    print(report.targets_table(results), f"\nAll of it: {folder / 'README.md'}", sep="\n")


def recorded(folder: Path) -> list[ThemeResult]:
    """The results in a folder, in the order of the themes."""
    paths = (folder / f"{theme}.json" for theme in THEMES)
    return [load(path) for path in paths if path.exists()]


def parse() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the whole grid")
    parser.add_argument(
        "--themes", type=split, default=list(THEMES), help=f"some of {','.join(THEMES)}, or none"
    )
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each contestant")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    return parser.parse_args()


def split(names: str) -> list[str]:
    """Names of themes; "none" leaves it at writing the report anew."""
    themes = [] if names == "none" else names.split(",")
    unknown = [name for name in themes if name not in THEMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no theme is called {unknown[0]!r}")
    return themes


def run(theme: str, long: bool, repeats: int) -> ThemeResult:
    """Measure all cases of a theme, printing each when it is done."""
    cases, machine, clock = [], environment(), Clock()
    with tempfile.TemporaryDirectory() as folder, Pool() as pool:
        shelf = Shelf(folder)
        for case in THEMES[theme].cases(long):
            records = measure(case, pool, shelf, repeats)
            cases.append(CaseResult(case.name, case.unit, records, case.for_memory))
            print("", report.case_table(cases[-1]), sep="\n", flush=True)
    today = date.today().isoformat()
    return ThemeResult(theme, today, repeats, *clock.read(), machine, cases)


if __name__ == "__main__":
    main()
