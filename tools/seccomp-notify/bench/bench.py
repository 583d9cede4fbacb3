#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Turns what seccomp_notify_bench said in the guests into tables, a verdict on
each target, results.json, results.md and a chart.

The directory holds icount-1-c.txt, icount-2-c.txt and the same of rust and, in a
full run, of rust-outline, of runs that counted instructions; smp-c.txt and
smp-rust.txt, of four CPUs that took turns; overcommit-1-c.txt and its like, of
more CPUs than the guest had of the host's; kvm-c.txt and kvm-rust.txt where KVM
works; areas-*.md of profile.sh. The exit status is 1 if a target is missed, but
--elsewhere: the targets are those of x86-64.
"""

import argparse
import json
import pathlib
import statistics
import sys

# Two runs of the same kernel that differ by more have met something unforeseen.
REPEATABLE = 0.005

# What is demanded: the figure, of what, and at most how many times that.
# Figures are "<implementation>:<name>", or a number.
TARGETS = [
    ("one to one", "rust:one-to-one", "c:one-to-one", 0.96),
    ("10,000 delivered", "rust:delivered/10000", "rust:one-to-one", 1.05),
    ("10,000 delivered", "rust:delivered/10000", "c:delivered/10000", 0.079),
    ("100,000 delivered", "rust:delivered/100000", "rust:delivered/10000", 1.05),
    # Here C finds what it looks for at the head of its list.
    ("10,000 queued", "rust:queued/10000", "rust:one-to-one", 1.05),
    ("10,000 queued", "rust:queued/10000", "c:queued/10000", 1.0),
    ("64 readers", "rust:readers/64", "rust:one-to-one", 1.15),
    ("64 readers", "rust:readers/64", "c:readers/64", 0.033),
    ("one to one by SEND_RECV", "rust:send-recv", "c:one-to-one", 0.92),
    ("SEND_RECV, 10,000 delivered", "rust:send-recv-delivered/10000", "rust:send-recv", 1.03),
    ("SEND_RECV, 64 readers", "rust:send-recv-readers/64", "rust:send-recv", 1.03),
    ("64 bytes read by MEM", "rust:path/mem", "rust:path/process_vm_readv", 0.99),
    ("poll, 10,000 delivered", "rust:poll/10000", "rust:poll/0", 1.1),
    # By who is not preempted by those it wakes. Where it is, which the scheduler decides,
    # they run into the lock in C, and Rust takes 0.6 times as long.
    ("teardown of 10,000", "rust:teardown/10000", "c:teardown/10000", 1.05),
    ("teardown of 10,000, each", "rust:teardown/10000/each", "rust:teardown/1000/each", 1.1),
    ("2 nested listeners, each", "rust:nested/2/each", "rust:one-to-one", 1.02),
    ("4 nested listeners, each", "rust:nested/4/each", "rust:one-to-one", 1.02),
    ("8 nested listeners, each", "rust:nested/8/each", "rust:one-to-one", 1.02),
    ("32 nested listeners, each", "rust:nested/32/each", "rust:one-to-one", 1.02),
    # Four context switches, which cost the same in both, are nine tenths of it.
    ("ADDFD", "rust:addfd/0", "c:addfd/0", 0.99),
    ("ADDFD, 64 pending", "rust:addfd-pending/64", "rust:addfd-pending/0", 1.05),
    # The clock goes by 174 instructions: what is that short says little of itself.
    ("longest hold, 10,000 delivered", "rust:hold/round-trip/10000", "c:hold/round-trip/10000", 0.01),
    ("longest hold, 10,000 closed", "rust:hold/close/10000", "c:hold/close/100", 0.02),
    ("longest hold, 128 told of the end", "rust:hold/unused/128", "rust:hold/unused/64", 1.5),
    # Its id, its place by that in the front of the queue, and its age are on it. A
    # kernel stack is as big whether they are or not.
    ("stack of a waiting target", "rust:memory/stack", "c:memory/stack", 1.1),
    ("allocated for it", "rust:memory/allocated", 0, 1.0),
    # How four CPUs interleave depends on where each of them is after booting.
    ("4 CPUs, context switches", "rust:smp/switches", "c:smp/switches", 1.0),
    ("4 CPUs, wake-ups", "rust:smp/wake-ups", "c:smp/wake-ups", 1.0),
    # Times are compared, never judged by themselves.
    ("2 CPUs on 2, time", "rust:overcommitted/2", "c:overcommitted/2", 1.0),
    ("3 CPUs on 2, time", "rust:overcommitted/3", "c:overcommitted/3", 1.0),
    ("4 CPUs on 2, time", "rust:overcommitted/4", "c:overcommitted/4", 1.0),
]

ABOUT = """`make bench` writes this file, `build/bench/results.md`: each
figure is the least of two runs, "outline" is of one. What the figures are is said at the top of
`tools/testing/selftests/seccomp/seccomp_notify_bench.c`. Rust is built with
`CONFIG_RUST_INLINE_HELPERS`, which is experimental, and outline is the same kernel
without it. What is inlined counts as what it is inlined in: in Rust, the copies."""

# The figures of which the table says what they are of the same kernel's one to one.
OF_OWN = ("delivered", "queued", "readers", "poll", "nested", "sync-wake-up", "send-recv",
          "send-recv-delivered", "send-recv-readers")

# What one target and one supervisor can use, in the chart.
INSTEAD = [
    ("a system call", "rust", "floor/syscall"),
    ("RET_TRAP, in the process", "rust", "instead/trap"),
    ("SEND_RECV, Rust", "rust", "send-recv"),
    ("RECV and SEND, Rust", "rust", "one-to-one"),
    ("RECV and SEND, C", "c", "one-to-one"),
    ("RET_TRACE, by ptrace", "rust", "instead/ptrace"),
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


def medians(paths):
    """The median of each figure over all its lines in all files."""
    values = {}
    for path in paths:
        for line in path.read_text().splitlines():
            name, value, unit = line.split()
            values.setdefault((name, unit), []).append(float(value))
    return {name: {"value": statistics.median(runs), "unit": unit, "runs": runs}
            for (name, unit), runs in values.items()}


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"


def unit_of(figure):
    # What vm.sh --icount makes of a nanosecond.
    return {"ns": "instructions", "cycles": "instructions", "a-round-trip": "a round trip"}.get(figure["unit"], figure["unit"])


def print_table(header, rows):
    """Columns of a width each; the first and the last are words."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    last = len(header) - 1
    for row in [header, *rows]:
        cells = [cell.ljust(width) if i in (0, last) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())


def figure_rows(results):
    """The figures of all implementations, and what they are of one another."""
    c, rust, outline = (results.get(name, {}) for name in ("c", "rust", "rust-outline"))
    header = ["figure", "C", "Rust", *(["outline"] if outline else []), "Rust / C", "of own 1:1", "unit"]
    rows = []
    for name, figure in rust.items():
        value, ratio, own = figure["value"], "", ""
        if c.get(name, {}).get("value"):
            ratio = f"{value / c[name]['value']:.3f}"
        if name.split("/")[0] in OF_OWN:
            own = f"{value / rust['one-to-one']['value']:.3f}"
        cells = [number(of[name]["value"]) if name in of else "-" for of in (c, rust, outline)]
        rows.append([name, *cells[:2 + bool(outline)], ratio, own, unit_of(figure)])
    return header, rows


def contended_rows(contended):
    header = ["CPUs in the guest", "C", "Rust", "Rust / C", "C from, to; Rust from, to"]
    rows = []
    for name, figure in contended["rust"].items():
        other = contended["c"][name]
        ranges = "; ".join(f"{min(runs) / 1000:.1f}, {max(runs) / 1000:.1f}"
                           for runs in (other["runs"], figure["runs"]))
        rows.append([name.split("/")[1], f"{other['value'] / 1000:.1f}", f"{figure['value'] / 1000:.1f}",
                     f"{figure['value'] / other['value']:.3f}", ranges])
    return header, rows


def beside_rows(results, there):
    """What is measured here as well as there: Rust, C and their ratio."""
    header = ["figure", "C there", "Rust there", "Rust / C there", "C here", "Rust here", "Rust / C here", "unit"]
    rows = []
    for name, figure in results["rust"].items():
        cells = []
        for of in (there, results):
            c, rust = (of[i].get(name, {}).get("value") for i in ("c", "rust"))
            cells += [number(c) if c is not None else "-", number(rust) if rust is not None else "-",
                      f"{rust / c:.3f}" if c and rust is not None else ""]
        rows.append([name, *cells, unit_of(figure)])
    return header, rows


def markdown(header, rows):
    align = ["---:" if 0 < i < len(header) - 1 else "---" for i in range(len(header))]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, align, *rows])


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


def judge(results, is_timed):
    """Says of each target whether it is met. Returns the verdicts."""
    verdicts = []
    for what, figure, reference, limit in TARGETS:
        if not is_timed and ":overcommitted/" in figure:
            continue
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
    """The cost against outstanding notifications, against readers, and beside what else there is."""
    import matplotlib

    matplotlib.use("svg")
    # The same data give the same file.
    matplotlib.rcParams["svg.hashsalt"] = "seccomp-notify"
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), width_ratios=(5, 5, 4))
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
            axis.set_xlim(-20, 150000)
        else:
            axis.set_xscale("log", base=2)
        ticks = [point[0] for point in points]
        axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.minorticks_off()
        axis.set_yscale("log")
        axis.set_ylim(6000, 400000)
        axis.set_xlabel(label)
        axis.grid(True, alpha=0.3)
    bars = [(label, results[implementation][name]["value"])
            for label, implementation, name in INSTEAD if name in results[implementation]]
    axes[2].barh(*zip(*reversed(bars)), color="tab:blue", height=0.6)
    for place, (_, value) in enumerate(reversed(bars)):
        axes[2].annotate(number(value), (value, place), textcoords="offset points", xytext=(4, 0),
                         va="center", fontsize=9)
    axes[2].set_xscale("log")
    axes[2].set_xlim(100, 400000)
    axes[2].set_xlabel("alone, and what else there is")
    axes[0].set_ylabel("guest instructions per round trip")
    axes[0].legend(loc="upper left")
    fig.suptitle(f"Cost of a user notification, measured at {commit}", fontsize=11)
    fig.tight_layout()
    fig.savefig(path, metadata={"Date": None})


def report(title, header, rows, document):
    print(f"\n{title}\n")
    print_table(header, rows)
    document += ["", title + ":", "", markdown(header, rows).rstrip()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--commit", required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--no-chart", action="store_true")
    parser.add_argument("--elsewhere", action="store_true", help="on another architecture than x86-64")
    parser.add_argument("--beside", type=pathlib.Path, help="results.json of another architecture")
    parser.add_argument("directory", type=pathlib.Path)
    args = parser.parse_args()

    results = {}
    for implementation in ("c", "rust", "rust-outline"):
        runs = [read(path) for path in sorted(args.directory.glob(f"icount-[12]-{implementation}.txt"))]
        if not runs:
            continue
        results[implementation] = merge(runs)
        smp = args.directory / f"smp-{implementation}.txt"
        if smp.exists():
            figures = read(smp)
            # The time of CPUs that take turns says nothing.
            del figures["smp/time"]
            results[implementation].update(merge([figures]))

    document = ["<!-- SPDX-License-Identifier: GPL-2.0 -->", "", "# What a round trip costs", "", f"Measured at {args.commit}. " + ABOUT]
    report(f"Guest instructions (QEMU TCG, one CPU, -icount), {args.rounds} round trips a figure, {args.commit}",
           *figure_rows(results), document)

    strays = [(implementation, name, figure["spread"])
              for implementation in results for name, figure in results[implementation].items()
              if figure["spread"] > REPEATABLE]
    print()
    for implementation, name, spread in strays:
        print(f"warning: {implementation}:{name} differs by {spread:.1%} between two runs")
    if not strays:
        print(f"Two runs differ by {max(f['spread'] for i in results.values() for f in i.values()):.2%} at most.")

    if args.beside:
        report("There, which is x86-64, and here", *beside_rows(results, json.loads(
            args.beside.read_text())["figures"]), document)

    contended = {i: medians(sorted(args.directory.glob(f"overcommit-*-{i}.txt"))) for i in ("c", "rust")}
    is_timed = any(contended.values())
    if is_timed:
        report("4 supervisors, 16 targets, on 2 of the host's CPUs, microseconds a round trip, the median",
               *contended_rows(contended), document)
    else:
        print("\nContention was not timed: on another machine's CPUs, that is not this one's.")

    wall = {}
    if (args.directory / "kvm-rust.txt").exists():
        wall = {i: merge([read(args.directory / f"kvm-{i}.txt")]) for i in ("c", "rust")}
        rows = [[name, number(wall["c"][name]["value"]) if name in wall["c"] else "-", number(figure["value"]), "ns"]
                for name, figure in wall["rust"].items() if figure["unit"] == "ns"]
        report("Wall time, with KVM", ["figure", "C", "Rust", "unit"], rows, document)
    else:
        print("\nNo wall time: KVM does not work on this machine.")

    print()
    for implementation, figures in contended.items():
        results[implementation].update(figures)
    verdicts = judge(results, is_timed)
    missed = sum(verdict["verdict"] != "met" for verdict in verdicts)

    (args.directory / "results.json").write_text(json.dumps({
        "commit": args.commit, "rounds": args.rounds, "figures": results, "wall": wall,
        "repeatable": not strays, "targets": verdicts,
    }, indent=1) + "\n")
    if not args.no_chart:
        draw(results, args.commit, args.directory / "chart.svg")
        for profile in sorted(args.directory.glob("areas-*.md")):
            document += ["", profile.read_text().rstrip()]
        (args.directory / "results.md").write_text("\n".join(document) + "\n")
    if args.elsewhere:
        print(f"\n{len(verdicts) - missed} of {len(verdicts)} targets are met here, too; they are for x86-64")
        return 0
    print(f"\n{len(verdicts) - missed} targets met, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
