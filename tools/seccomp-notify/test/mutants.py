# SPDX-License-Identifier: GPL-2.0

"""Makes the mistakes of a list, one at a time, in a copy of the sources.

usage: mutants.py <list> <copies> <word in the name>... -- <command>...

The copies are "tree", of the sources for the host's tests, and "linux", of the
kernel with them, for those that need a boot: which is there when the command was
run with "prepare".

The command is run in the host's directory, with "build" or "test", the file that
has the mistake, and the selftests that are to notice it if the host's are not. It
has to fail for the second. What does not build is no mistake to be noticed. Ends
with how many were noticed.
"""

import pathlib
import subprocess
import sys


def parse(text):
    """Returns the mutants of a list, each a dictionary."""
    mutants = []
    for line in text.splitlines():
        if line.startswith("mutant: "):
            mutants.append({"name": line[8:], "file": "", "old": [], "new": [], "equivalent": "",
                            "boot": ""})
        elif line.startswith("in: "):
            mutants[-1]["file"] = line[4:]
        elif line.startswith("boot: "):
            mutants[-1]["boot"] = line[6:]
        elif line.startswith("equivalent: "):
            mutants[-1]["equivalent"] = line[12:]
        elif line.startswith("-"):
            mutants[-1]["old"].append(line[1:])
        elif line.startswith("+"):
            mutants[-1]["new"].append(line[1:])
        elif line and not line.startswith("#"):
            sys.exit(f"not understood: {line}")
    return mutants


def mutate(text, mutant):
    """Returns the text with the mistake, or none if it is not there to be made once."""
    old, new = "\n".join(mutant["old"]), "\n".join(mutant["new"])
    if text.count(old) != 1:
        return None
    return text.replace(old, new)


def succeeds(command, directory):
    """Whether a command does, and the end of what it says."""
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False)
    return done.returncode == 0, done.stdout[-2000:]


def main():
    """Tries those mutants whose names have all the words."""
    split = sys.argv.index("--")
    path, copy, words = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:split]
    command = sys.argv[split + 1:]
    host = copy / "tree/tools/seccomp-notify/host"
    noticed = missed = 0
    is_prepared = False

    for mutant in parse(pathlib.Path(path).read_text(encoding="utf-8")):
        if not all(word in mutant["name"] for word in words):
            continue
        source = copy / ("linux" if mutant["boot"] else "tree") / mutant["file"]
        what = [mutant["file"], *mutant["boot"].split()]
        if mutant["boot"] and not is_prepared:
            subprocess.run([*command, "prepare"], check=True)
            is_prepared = True
        before = source.read_text(encoding="utf-8") if source.exists() else ""
        after = mutate(before, mutant)
        if after is None:
            print(f"stale:   {mutant['name']}", flush=True)
            missed += 1
            continue
        source.write_text(after, encoding="utf-8")
        try:
            builds, output = succeeds([*command, "build", *what], host)
            survives = builds and succeeds([*command, "test", *what], host)[0]
        finally:
            source.write_text(before, encoding="utf-8")

        if not builds:
            verdict = "invalid"
        elif survives == bool(mutant["equivalent"]):
            verdict = "as said" if survives else "noticed"
        else:
            verdict = "MISSED" if survives else "not equivalent"
        noticed += verdict in ("noticed", "as said")
        missed += verdict not in ("noticed", "as said")
        print(f"{verdict + ':':<9}{mutant['name']}", flush=True)
        if not builds:
            print(output)
    print(f"{noticed} noticed, {missed} missed")
    sys.exit(missed > 0 or noticed == 0)


if __name__ == "__main__":
    main()
