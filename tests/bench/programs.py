"""The programs that are compared: what the table says, their builds, a running server."""

import collections
import contextlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_LIMIT_S = 30
RUN_LIMIT_S = 300
# What a guard has printed, for servers that look at none: as long, and no quicker to decode.
TOKEN = (
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6IkRTQ0p5NmpGbTRrNkZXejJVV3ZwUDNjeE56YXVDQWhkRHc1c0"
    "o5MHA2NEUifQ.eyJpc3MiOiJ1c2VyIiwiYXVkIjoibWVzaCIsInN1YiI6IjAxYTIyYzk0LTYwMzEtN2UxMi05YjFhLWQyY"
    "2M1ZTE3MTVlZCIsImp0aSI6IjAxYTIyYzk0LTYwMzEtN2UyYi1iZWJjLWJkY2I3NDM5N2YwNyIsInNpZCI6IjAxYTIyYzk"
    "0LTYwMzEtN2UyYS04ODA4LTI0YmQ0NzY1NjA5MiIsInJvbGVzIjpbInJlZ3VsYXIiLCJjb25zdW1lciJdLCJpYXQiOjE3O"
    "TYwNDQyNTEsImV4cCI6MTc5NjA0Nzg1MX0.9yGX-SlQ4h3cKdX12wZlmtQl7lCfTbkF47MBJ8cHy1kgbWcvkYs8jpV_JjB"
    "HMC8UtHV7RGME0behPvskS-uIAg"
)
CORES = sorted(os.sched_getaffinity(0))

Program = collections.namedtuple("Program", "kind name command build ships serves")


class Trouble(Exception):
    """Something that is said to the user, without a stack."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def run(*command, **options):
    """Runs a short command; its output, or Trouble with the end of what it said."""
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, timeout=RUN_LIMIT_S, check=False, **options
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Trouble(f"{command[0]}: {said[-300:] or 'exit code %d' % done.returncode}")
    return done.stdout


def need(*tools):
    """Trouble unless the machine has two cores and these programs of scripts/lib/packages."""
    if len(CORES) < 2:
        raise Trouble("needs two cores: one for the server, one for what loads it")
    for tool in tools:
        if not shutil.which(tool):
            raise Trouble(f"{tool} is missing: run scripts/setup")


def main_of(main):
    """Runs a script's main function and ends the script."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except Trouble as trouble:
        say(f"bench: {trouble}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def read_programs():
    programs = []
    for line in (ROOT / "tests/bench/programs").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            programs.append(Program(*(field.strip() for field in line.split("|"))))
    return programs


def build(programs):
    """Builds them. Those that cannot be built, with the reason, by name; the others' versions."""
    skipped, reasons, versions = {}, {}, []
    for program in programs:
        if program.build not in reasons:
            with tempfile.TemporaryFile("w+") as said:
                builder = subprocess.Popen(
                    shlex.split(program.build), cwd=ROOT, stdin=subprocess.DEVNULL,
                    stdout=said, stderr=subprocess.PIPE, text=True,
                )
                last = "its build failed"
                try:
                    for line in builder.stderr:
                        sys.stderr.write(line)
                        last = line.strip() or last
                    reasons[program.build] = None if builder.wait() == 0 else last
                except BaseException:  # also SystemExit
                    builder.terminate()
                    builder.wait()
                    raise
                said.seek(0)
                versions += said.read().splitlines()
        if reasons[program.build] is not None:
            skipped[program.name] = reasons[program.build]
    return skipped, versions


def libraries(path):
    """The shared libraries that a program loads, without those of the C library."""
    done = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    found = re.findall(r"=> (/\S+)", done.stdout)
    own = re.compile(r"/(libc|libm|libdl|librt|libpthread|ld-linux[^/]*)\.so")
    return [pathlib.Path(library) for library in found if not own.search(library)]


def shipped_mib(program):
    size = 0
    for path in (ROOT / word for word in program.ships.split()):
        if path.is_dir():
            size += sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        else:
            size += path.stat().st_size + sum(file.stat().st_size for file in libraries(path))
    return size / 2**20


def pinned(cores):
    return lambda: os.sched_setaffinity(0, cores)


def cpu_seconds(pid):
    """CPU time of another process, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_mib(pid, field):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M).group(1)) / 1024


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Server:
    """A program that serves until the `with` ends."""

    def __init__(self, program, work, tls, cores=tuple(CORES[:1])):
        self.program = program
        self.tls = tls
        self.cores = cores
        self.port = free_port()
        self.log = open(work / f"{program.name}.log", "w+b")
        self.command = shlex.split(program.command) + [str(self.port)]
        if tls:
            self.command += [str(work / "certificate.pem"), str(work / "key.pem")]

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            preexec_fn=pinned(self.cores),
        )
        self.pid = self.process.pid
        try:
            self.wait_until_it_listens()
        except BaseException:  # also SystemExit: nobody calls __exit__ yet
            self.__exit__()
            raise
        self.rest_mib = memory_mib(self.pid, "VmRSS")
        return self

    def wait_until_it_listens(self):
        limit = time.monotonic() + START_LIMIT_S
        while not listens(self.port):
            if self.process.poll() is not None or time.monotonic() > limit:
                raise Trouble(f"did not start: {self.said() or 'it says nothing'}")
            time.sleep(0.05)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def token(self):
        """That of its guard, or one of another for a server that looks at none."""
        self.log.seek(0)
        printed = re.search(rb"^token (\S+)$", self.log.read(), re.M)
        return printed.group(1).decode() if printed else TOKEN

    def said(self):
        self.log.seek(0)
        return self.log.read()[-300:].decode(errors="replace").strip()
