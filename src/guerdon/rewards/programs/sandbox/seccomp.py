"""Which system calls a sandboxed program may make: a filter for the kernel, written here.

The list says what is allowed; every other call fails as if the kernel did not have it (ENOSYS),
so what a new kernel brings is closed as well. Not on it, among others: sockets, shared memory
(System V, POSIX queues, memfd), starting programs, namespaces and mounts, tracing, keys, bpf,
io_uring, user faults, and signals to any process but itself.

Runs in the launcher of a sandbox and therefore imports the standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence

_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _NO_SUCH_CALL = 0x7FFF0000, 0x80000000, 0x00050000 | 38
_NUMBER, _ARCHITECTURE = 0, 4
_POINTER = struct.calcsize("P")
_X32 = 0x40000000

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the tables below, and the kernel's name for the machine."""

_CALLS = """
# reading, writing, waiting
read 0 63  write 1 64  close 3 57  lseek 8 62
pread64 17 67  pwrite64 18 68  readv 19 65  writev 20 66
preadv 295 69  pwritev 296 70  preadv2 327 286  pwritev2 328 287
pipe 22 -  pipe2 293 59  dup 32 23  dup2 33 -
dup3 292 24  poll 7 -  ppoll 271 73  select 23 -
pselect6 270 72  sendfile 40 71  copy_file_range 326 285
close_range 436 436  fsync 74 82  fdatasync 75 83
ftruncate 77 46  fallocate 285 47  fadvise64 221 223  flock 73 32
# files and folders
open 2 -  openat 257 56  openat2 437 437  creat 85 -
stat 4 -  fstat 5 80  lstat 6 -  newfstatat 262 79
statx 332 291  statfs 137 43  fstatfs 138 44  access 21 -
faccessat 269 48  faccessat2 439 439  getcwd 79 17  chdir 80 49
fchdir 81 50  mkdir 83 -  mkdirat 258 34  rmdir 84 -
unlink 87 -  unlinkat 263 35  rename 82 -  renameat 264 38
renameat2 316 276  readlink 89 -  readlinkat 267 78
symlink 88 -  symlinkat 266 36  link 86 -  linkat 265 37
getdents 78 -  getdents64 217 61  umask 95 166
# memory of its own
mmap 9 222  mprotect 10 226  munmap 11 215  mremap 25 216
brk 12 214  madvise 28 233  msync 26 227  mincore 27 232
# signals to itself, time
rt_sigaction 13 134  rt_sigprocmask 14 135  rt_sigreturn 15 139
rt_sigpending 127 136  rt_sigtimedwait 128 137  rt_sigsuspend 130 133
sigaltstack 131 132  pause 34 -  alarm 37 -
getitimer 36 102  setitimer 38 103  nanosleep 35 101
clock_nanosleep 230 115  clock_gettime 228 113  clock_getres 229 114
gettimeofday 96 169  time 201 -  times 100 153
# what it is
getpid 39 172  gettid 186 178  getppid 110 173  getuid 102 174
geteuid 107 175  getgid 104 176  getegid 108 177
getgroups 115 158  getresuid 118 148  getresgid 120 150
getpgrp 111 -  getpgid 121 155  getsid 124 156
getpriority 140 141  getrlimit 97 163  setrlimit 160 164
getrusage 98 165  sysinfo 99 179  uname 63 160  getcpu 309 168
getrandom 318 278  sched_yield 24 124  sched_getaffinity 204 123
# threads, and the end
futex 202 98  set_robust_list 273 99  set_tid_address 218 96
rseq 334 293  membarrier 324 283  arch_prctl 158 -
restart_syscall 219 128  exit 60 93  exit_group 231 94
wait4 61 260  waitid 247 95
"""
"""Each with its number on both machines, "-" where there is none."""

_BY_PATH = "truncate 76 45  chmod 90 -  fchmod 91 52  fchmodat 268 53"
_BY_PATH += "  utime 132 -  utimes 235 -  utimensat 280 88"
"""What changes files that Landlock does not keep them from: where no other files are in reach."""

_PROCESSES = "fork 57 -  vfork 58 -"

_SIGNALS = ((62, 129), (234, 131), (200, 130))
"""kill, tgkill and tkill, by which a C library lets a program signal itself."""
_PRLIMIT, _FCNTL, _IOCTL, _CLONE = (302, 261), (72, 25), (16, 29), (56, 220)
_FCNTL_ALLOWED = (0, 1, 2, 3, 4, 5, 6, 7, 1030)
"""Duplicate, flags and locks; not the owner of signals, nor the size of pipes."""
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, how large; bytes to read; blocking; close on exec."""
_CLONE_REFUSED = 0x7E020000 | 0x1000 | 0x2000 | 0x8000
"""New namespaces, a process descriptor, tracing, the launcher as parent."""


def is_offered() -> bool:
    """Whether this kernel takes filters, on a machine whose calls are listed here."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES or _POINTER != 8:
        return False
    # A kernel that takes them looks for one where there is none, and says so.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_SET_SECCOMP, _FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT


def filter_calls(own_root: bool, processes: bool) -> bool:
    """Hold this process and all it starts to the list; False where the kernel refuses.

    ``own_root``: no files but its own are in reach. ``processes``: it may start some. The
    process must have given up gaining privileges.
    """
    if not is_offered():
        return False
    program = _program(*_MACHINES[platform.machine()], os.getpid(), own_root, processes)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, and where the instructions are
    given = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(given), 0, 0)) == 0


def _program(column: int, machine: int, own: int, own_root: bool, processes: bool) -> bytes:
    tables = [_CALLS, *([_BY_PATH] if own_root else []), *([_PROCESSES] if processes else [])]
    numbers = sorted(number for table in tables for number in _numbers(table, column))
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, machine, 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _NO_SUCH_CALL),
    ]
    for first, last in _ranges(numbers):
        code += [
            _step(_AT_LEAST, first, 0, 2),
            _step(_AT_LEAST, last + 1, 1, 0),
            _step(_RETURN, _ALLOW),
        ]
    for call in _SIGNALS:
        code += _if_argument(call[column], 0, (own,))
    code += _if_argument(_PRLIMIT[column], 0, (0, own))
    code += _if_argument(_FCNTL[column], 1, _FCNTL_ALLOWED)
    code += _if_argument(_IOCTL[column], 1, _IOCTL_ALLOWED)
    if processes:
        code += [
            _step(_EQUAL, _CLONE[column], 0, 4),
            _step(_LOAD, _argument(0)),
            _step(_ANY_BIT, _CLONE_REFUSED, 1, 0),
            _step(_RETURN, _ALLOW),
            _step(_RETURN, _NO_SUCH_CALL),
        ]
    return b"".join([*code, _step(_RETURN, _NO_SUCH_CALL)])


def _numbers(table: str, column: int) -> list[int]:
    words = [w for line in table.splitlines() if not line.startswith("#") for w in line.split()]
    return [int(word) for word in words[column + 1 :: 3] if word != "-"]


def _if_argument(number: int, position: int, allowed: Sequence[int]) -> list[bytes]:
    """Allow a call where one argument, of which the kernel reads 32 bits, is among ``allowed``."""
    return [
        _step(_EQUAL, number, 0, len(allowed) + 3),
        _step(_LOAD, _argument(position)),
        *(_step(_EQUAL, one, len(allowed) - k, 0) for k, one in enumerate(allowed)),
        _step(_RETURN, _NO_SUCH_CALL),
        _step(_RETURN, _ALLOW),
    ]


def _argument(position: int) -> int:
    """Where the lower half of an argument lies; both machines are little-endian."""
    return 16 + 8 * position


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """One instruction of the filter: what, jumps, and a number (struct sock_filter)."""
    return struct.pack("HBBI", code, if_so, if_not, value)
