#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns what seccomp_notify_bench said in the guests into a table, a verdict on
each target, results.json and a chart.

The directory holds c-1.txt, c-2.txt, rust-1.txt and rust-2.txt, of runs that
counted instructions; smp-c.txt and smp-rust.txt, of four CPUs; kvm-c.txt and
kvm-rust.txt where KVM works. The exit status is 1 if a target is missed.
"""

import argparse
import json
import pathlib
import sys

# Two runs of the same kernel that differ by more have met something unforeseen.
REPEATABLE = 0.005

# What is demanded: the figure, of what, and at most how many times that.
# Figures are "<implementation>:<name>", or a number.
TARGETS = [
    ("one to one", "rust:one-to-one", "c:one-to-one", 0.97),
    ("10,000 delivered", "rust:delivered/10000", "rust:one-to-one", 1.05),
    ("10,000 delivered", "rust:delivered/10000", "c:delivered/10000", 0.08),
    # Here C finds what it looks for at the head of its list.
    ("10,000 queued", "rust:queued/10000", "rust:one-to-one", 1.05),
    ("10,000 queued", "rust:queued/10000", "c:queued/10000", 1.0),
    ("64 readers", "rust:readers/64", "rust:one-to-one", 1.15),
    ("64 readers", "rust:readers/64", "c:readers/64", 0.04),
    ("poll, 10,000 delivered", "rust:poll/10000", "rust:poll/0", 1.1),
    ("teardown of 10,000", "rust:teardown/10000", "c:teardown/10000", 1.0),
    ("teardown of 10,000, each", "rust:teardown/10000/each", "rust:teardown/1000/each", 1.1),
    ("stack of a waiting target", "rust:memory/stack", "c:memory/stack", 1.0),
    ("allocated for it", "rust:memory/allocated", 0, 1.0),
    # How four CPUs interleave depends on where each of them is after booting.
    ("4 CPUs, context switches", "rust:smp/switches", "c:smp/switches", 1.05),
    ("4 CPUs, wake-ups", "rust:smp/wake-ups", "c:smp/wake-ups", 1.05),
]


def read(path):
    """The figures of a file, by name: value and unit."""
    figures = {}
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            print(line)
            continue
        name, value, unit = line.split()
        figures[name] = (float(value), unit)
    return figures


def merge(runs):
    """The least of each figure over several runs, and how far it strays.

    What disturbs a run, such as a daemon that wakes, only adds to a figure.
    """
    figures = {}
    for name, (_, unit) in runs[0].items():
        values = [run[name][0] for run in runs if name in run]
        least = min(values)
        figures[name] = {
            "value": least,
            "unit": unit,
            "runs": values,
            "spread": (max(values) - least) / least if least else 0.0,
        }
    return figures


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def unit_of(figure):
    # What vm.sh --icount makes of a nanosecond.
    return {"ns": "instructions", "a-round-trip": "a round trip"}.get(figure["unit"], figure["unit"])


def print_table(c, rust):
    base = rust["one-to-one"]["value"]
    print(f"{'figure':<20}{'C':>14}{'Rust':>14}{'Rust / C':>10}{'of own 1:1':>12}  unit")
    for name, figure in rust.items():
        ratio = own = ""
        if name in c and c[name]["value"]:
            ratio = f"{figure['value'] / c[name]['value']:.3f}"
        if name.split("/")[0] in ("delivered", "queued", "readers", "poll", "sync-wake-up"):
            own = f"{figure['value'] / base:.3f}"
        left = number(c[name]["value"]) if name in c else "-"
        print(f"{name:<20}{left:>14}{number(figure['value']):>14}{ratio:>10}{own:>12}  {unit_of(figure)}")


def find(figure, results):
    """The value of a figure of TARGETS, None if it was not measured."""
    if not isinstance(figure, str):
        return figure
    implementation, name = figure.split(":")
    name, each, _ = name.partition("/each")
    value = results[implementation].get(name, {}).get("value")
    if each and value is not None:
        value /= int(name.split("/")[1])
    return value


def judge(results):
    """Says of each target whether it is met. Returns the verdicts."""
    verdicts = []
    for what, figure, reference, limit in TARGETS:
        value, against = find(figure, results), find(reference, results)
        if value is None or against is None:
            verdict, told = "not measured", ""
        else:
            verdict = "met" if value <= against * limit else "missed"
            told = f"{value / against:.3f}" if against else number(value)
        of = reference if isinstance(reference, str) else ""
        print(f"{verdict:<13} {what}: {told or '-'}, at most {limit if of else 0}{' of ' if of else ''}{of}")
        verdicts.append({"target": what, "figure": figure, "of": reference, "limit": limit,
                         "value": told, "verdict": verdict})
    return verdicts


def draw(results, commit, path):
    """The cost against outstanding notifications and against readers."""
    import matplotlib

    matplotlib.use("svg")
    # The same data give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "seccomp-notify"
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    panels = [
        (axes[0], "other notifications, delivered and unanswered", "delivered", 0),
        (axes[1], "readers blocked in RECV", "readers", 1),
    ]
    for axis, label, series, first in panels:
        for implementation, title, style in (("c", "C", "o--"), ("rust", "Rust", "s-")):
            figures = results[implementation]
            points = [(first, figures["one-to-one"]["value"])]
            points += [(int(name.split("/")[1]), figure["value"])
                       for name, figure in figures.items() if name.startswith(series + "/")]
            points.sort()
            axis.plot(*zip(*points), style, label=title)
            axis.annotate(number(points[-1][1]), points[-1], textcoords="offset points",
                          xytext=(-4, 6), ha="right", fontsize=9)
        floor = results["rust"]["floor/eventfd"]["value"]
        axis.axhline(floor, color="grey", linewidth=0.8, linestyle=":", label="eventfd ping-pong")
        if first == 0:
            axis.set_xscale("symlog", linthresh=100)
            axis.set_xlim(-20, 15000)
        else:
            axis.set_xscale("log", base=2)
        ticks = [point[0] for point in points]
        axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.minorticks_off()
        axis.set_yscale("log")
        axis.set_ylim(6000, 400000)
        axis.set_xlabel(label)
        axis.grid(True, alpha=0.3)
    axes[0].set_ylabel("guest instructions per round trip")
    axes[0].legend(loc="upper left")
    fig.suptitle(f"Cost of a user notification, measured at {commit}", fontsize=11)
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--no-chart", action="store_true")
    parser.add_argument("directory", type=pathlib.Path)
    args = parser.parse_args()

    results = {}
    for implementation in ("c", "rust"):
        results[implementation] = merge(
            [read(args.directory / f"{implementation}-{run}.txt") for run in (1, 2)])
        results[implementation].update(merge([read(args.directory / f"smp-{implementation}.txt")]))

    print(f"\nGuest instructions (QEMU TCG, one CPU, -icount), {args.rounds} round trips a figure, {args.commit}\n")
    print_table(results["c"], results["rust"])

    strays = [(implementation, name, figure["spread"])
              for implementation in results for name, figure in results[implementation].items()
              if figure["spread"] > REPEATABLE]
    print()
    for implementation, name, spread in strays:
        print(f"warning: {implementation}:{name} differs by {spread:.1%} between two runs")
    if not strays:
        print(f"Two runs differ by {max(f['spread'] for i in results.values() for f in i.values()):.2%} at most.")

    wall = {}
    if (args.directory / "kvm-rust.txt").exists():
        wall = {i: merge([read(args.directory / f"kvm-{i}.txt")]) for i in ("c", "rust")}
        print("\nWall time, with KVM:")
        for name, figure in wall["rust"].items():
            if figure["unit"] == "ns":
                print(f"{name:<20}{wall['c'][name]['value']:>14,.0f}{figure['value']:>14,.0f}  ns")
    else:
        print("No wall time: KVM does not work on this machine.")

    print()
    verdicts = judge(results)
    missed = sum(verdict["verdict"] != "met" for verdict in verdicts)

    (args.directory / "results.json").write_text(json.dumps({
        "commit": args.commit, "rounds": args.rounds, "figures": results, "wall": wall,
        "repeatable": not strays, "targets": verdicts,
    }, indent=1) + "\n")
    if not args.no_chart:
        draw(results, args.commit, args.directory / "chart.svg")
    print(f"\n{len(verdicts) - missed} targets met, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
