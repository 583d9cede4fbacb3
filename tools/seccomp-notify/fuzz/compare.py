#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Hold a description of system calls against the header that it describes.

Prints a line for each difference: a number of the header that the description
does not use, a name in the description that the header does not define, a
struct whose members are not the same, in the same order and of the same size.

usage: compare.py <uapi header> <description>
"""

import re
import sys

# What userspace does not give to the kernel, or not by this interface.
NOT_GIVEN = re.compile(r"""
    SECCOMP_MODE_ | SECCOMP_RET_(KILL|ACTION_FULL|ACTION|DATA)$ | SECCOMP_NOTIF_FLAG_SIGNALED$
    | SECCOMP_IOC_MAGIC$ | SECCOMP_IO[RW]*$""", re.VERBOSE)

SIZES = {"__u64": 64, "__s64": 64, "__u32": 32, "__s32": 32, "int": 32, "__u16": 16}


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def structs_of_header(text):
    structs = {}
    for name, body in re.findall(r"^struct (\w+) \{\n(.*?)^\};", text, re.DOTALL | re.MULTILINE):
        # A struct within is one member.
        body = re.sub(r"struct \{[^}]*\} (\w+);", r"struct inner \1;", body)
        members = re.findall(r"(?:struct )?(\w+) (\w+)(?:\[\d+\])?;", body)
        structs[name] = [(member, SIZES.get(kind)) for kind, member in members]
    return structs


def size_of(kind):
    """Of a type in the description, if it is one of a plain size."""
    if re.match(r"(seccomp_notif_id|vma64|ptr64\[)", kind):
        return 64
    if re.match(r"(fd|fd_\w+)$", kind):
        return 32
    sizes = re.findall(r"\bint(\d+)\b", kind)
    return int(sizes[-1]) if sizes else None


def structs_of_description(text):
    structs = {}
    for name, body in re.findall(r"^(\w+) \{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE):
        structs[name] = []
        for line in body.splitlines():
            member, kind = line.strip().split("\t", 1)
            kind = re.sub(r"\t+\((in|out|inout)\)$", "", kind.strip())
            structs[name].append((member, size_of(kind)))
    return structs


def main():
    with open(sys.argv[1]) as header, open(sys.argv[2]) as description:
        header = without_comments(header.read())
        lines = [line for line in description.read().splitlines() if not line.startswith("#")]

    own = {line.split()[1] for line in lines if line.startswith("define ")}
    text = "\n".join(lines)
    used = set(re.findall(r"\bSECCOMP_\w+", text)) - own
    defined = set(re.findall(r"^#define (SECCOMP_\w+)", header, re.MULTILINE))
    for name in sorted(defined - used):
        if not NOT_GIVEN.match(name):
            print(f"{name} is in the header, and not in the description")
    for name in sorted(used - defined):
        print(f"{name} is in the description, and not in the header")
    # Each ioctl is a call, and not just a number that is mentioned.
    for name in sorted(name for name in defined if name.startswith("SECCOMP_IOCTL_")):
        if not re.search(rf"^ioctl\$.*const\[{name}\]", text, re.MULTILINE):
            print(f"{name} is no call in the description")

    theirs, ours = structs_of_header(header), structs_of_description(text)
    for name, members in theirs.items():
        if name not in ours:
            print(f"struct {name} is in the header, and not in the description")
        elif [member for member, _ in members] != [member for member, _ in ours[name]]:
            print(f"struct {name} has other members in the description")
        else:
            for (member, size), (_, other) in zip(members, ours[name]):
                if size and size != other:
                    print(f"struct {name}: {member} has {size} bits, not {other} as described")
    if not theirs or not defined:
        print("there is nothing in the header")


if __name__ == "__main__":
    main()
