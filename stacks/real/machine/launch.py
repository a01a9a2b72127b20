"""The first instant of every supervised process: this file is run by itself, before the program takes its place.

    python -I -S launch.py HOST GO JOIN PROGRAM ARGUMENT...

It asks the kernel for SIGKILL when the host dies, waits until the host has written down which process this is, joins its cgroup
(the `cgroup.procs` files of JOIN, separated by newlines), and becomes the program. If the host (its number) dies meanwhile,
nothing is ever run. It imports nothing of drillbox: it costs some 20 ms, and a host with threads cannot run code after a fork.
"""

import ctypes
import os
import sys

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h
_KILL = 9


def main(host: int, go: int, join: str, program: list[str]) -> int:
    """Become the program.

    Returns:
        The exit code if that cannot be: 125 if the host is gone, 126 if it cannot be run, 127 if it is not there, as a shell's.
    """
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, _KILL, 0, 0, 0)
    if os.getppid() != host:  # it died before the kernel was asked
        return 125
    if os.read(go, 1) != b"+":
        return 125
    os.close(go)
    try:
        for path in join.split("\n") if join else ():
            with open(path, "w", encoding="ascii") as file:  # noqa: PTH123  # pathlib would double the time that this takes
                file.write("0")
        os.execvp(program[0], program)  # noqa: S606  # there is no shell on purpose
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.filename or program[0]}: {error.strerror}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
