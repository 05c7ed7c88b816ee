# SPDX-License-Identifier: Apache-2.0
"""
Measure what waiting, importing and calling cost, side by side with other ways, and write docs/benchmarks.md.

Run it with ``make bench``, which makes its environment. It takes about twenty minutes and needs PostgreSQL for
its last part; figures are only worth something on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from airflow_cluster import ClusterError
from bench_processes import Bench, BenchError
from bench_report import Section, table, write
from processes import Progress, interruptible

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
#: Part -> its module, in the document's order.
PARTS = {
    "waiting": "bench_waiting",
    "lateness": "bench_lateness",
    "sharing": "bench_sharing",
    "import": "bench_imports",
    "calls": "bench_calls",
    "modes": "bench_modes",
    "triggerer": "bench_triggerer",
}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)} (default: %(default)s)")
    parser.add_argument("--counts", default="100,1000,10000", help="waits to measure with (default: %(default)s)")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the tables go (default: docs)")
    return parser.parse_args()


def run_parts(bench: Bench, options: argparse.Namespace) -> list[Section]:
    """Run the chosen parts, keeping what is done if a later one fails."""
    names = [name for name in PARTS if name in options.parts.split(",")]
    unknown = set(options.parts.split(",")) - set(PARTS)
    if unknown:
        raise BenchError(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    sections = []
    for name in names:
        bench.say(f"--- {name}")
        run: Callable[..., Section] = import_module(PARTS[name]).run
        counts = tuple(int(count) for count in options.counts.split(","))
        section = run(bench, counts) if name == "waiting" else run(bench)
        sections.append(section)
        show(section)
        write(options.document, [section], list(PARTS))
    return sections


def show(section: Section) -> None:
    """Print a section's tables."""
    print(f"\n{section.title}\n{table(section.header, section.rows)}")
    if section.checks:
        rows = [check.row() for check in section.checks]
        print(f"\n{table(['threshold', 'measured', 'at most', 'holds'], rows)}")
    print(flush=True)


def main() -> int:
    """Run the command; return its exit status: 0 when all thresholds hold."""
    options = parse()
    home = Path(tempfile.mkdtemp(prefix="workflows-bench-"))
    done = False
    try:
        with interruptible():
            sections = run_parts(Bench(home, Progress()), options)
            done = True
    except KeyboardInterrupt:
        print("interrupted; everything is stopped", file=sys.stderr)
        return 130
    except (BenchError, ClusterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        if done:
            shutil.rmtree(home, ignore_errors=True)
        else:
            print(f"logs are in {home}", file=sys.stderr)
    missed = [check for section in sections for check in section.checks if check.holds is False]
    for check in missed:
        print(f"NOT within its limit: {check.text}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
