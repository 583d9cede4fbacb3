#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""In the guest: have crun run a container whose mkdir(2) is answered here.

Whoever is answered 0 takes the directory for made, and it is not: so what the
container says of it tells that this supervisor was asked.
"""

import array
import fcntl
import json
import os
import socket
import struct
import subprocess
import tempfile

RECV = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND

COMMAND = "if mkdir /made && [ ! -e /made ]; then echo container: answered; fi"


def main():
    os.chdir("/root/bundle")
    # QEMU makes no socket in a file system of the host's.
    path = os.path.join(tempfile.mkdtemp(dir="/run"), "listener")
    config = "config.json"
    if os.path.exists(config):
        os.unlink(config)
    subprocess.run(["crun", "spec"], check=True)
    with open(config) as file:
        spec = json.load(file)
    spec["process"].update(terminal=False, args=["/bin/sh", "-c", COMMAND])
    spec["root"]["readonly"] = False
    spec["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": path,
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
    }
    with open(config, "w") as file:
        json.dump(spec, file)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        container = subprocess.Popen(["crun", "run", "box"])
        connection, _ = server.accept()
        _, fds, _, _ = socket.recv_fds(connection, 65536, 1)
    notification = array.array("B", bytes(80))
    fcntl.ioctl(fds[0], RECV, notification)
    call, = struct.unpack_from("Q", notification)
    fcntl.ioctl(fds[0], SEND, struct.pack("QqiI", call, 0, 0, 0))
    container.wait()


main()
