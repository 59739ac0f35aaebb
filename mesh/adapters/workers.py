"""Worker processes: ``python -m module`` with frames over its standard input and output.

Invariant: a worker never outlives its node: its input ends with the node, and on Linux the kernel kills it. Whatever it
writes is bounded by WORKER_FRAME_BYTES_MAX a frame; it has a memory limit where the platform can set one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys

import structlog

from mesh.ports import WORKER_FRAME_BYTES_MAX, Unavailable, WorkerSpec

_PIPE_BYTES = 1 << 20
_log = structlog.get_logger("workers")
_LEVELLED = re.compile(
    r"(?P<absl>[IWEF])\d{4} \d\d:\d\d:\d+\.\d+\s"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?P<tensorflow>[IWEF]) "
    r"|(?P<word>INFO|WARNING|ERROR|FATAL): "
)
_BEFORE_LOGGING = "WARNING: All log messages before absl::InitializeLog()"
_LEVELS = {"I": logging.DEBUG, "W": logging.WARNING, "E": logging.ERROR, "F": logging.ERROR}
"""What a library has to inform of is of no use to who runs a node."""

_BOOT = """
import sys, runpy
memory, cpu, nice, module = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
try:
    import resource
    if memory: resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if cpu: resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError): pass
try:
    import os
    if nice: os.nice(nice)
except (AttributeError, OSError): pass
if sys.platform == 'linux':
    import ctypes
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
sys.argv = [module]
runpy.run_module(module, run_name='__main__', alter_sys=True)
"""


def level_of(line: str) -> int:
    """Give at what level a line of a worker is told: libraries that name one (TensorFlow, absl) mean it; else warning.

    Absl begins its lines with a letter, month, day and time, TensorFlow with the time and a letter; before their
    logging is set up they have a word in place of it, and one line to say so, of use to nobody.
    """
    found = _LEVELLED.match(line)
    if line.startswith(_BEFORE_LOGGING):
        return logging.DEBUG
    if found is None:
        return logging.WARNING
    return _LEVELS[(found["absl"] or found["tensorflow"] or found["word"])[0]]


class ProcessWorker:
    """A child process; a ``ports.Worker``."""

    def __init__(self, process: asyncio.subprocess.Process, module: str) -> None:
        self._process = process
        self._module = module
        self._sending = asyncio.Lock()
        self._receiving = asyncio.Lock()
        self._errors = asyncio.get_running_loop().create_task(self._log_errors())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def send(self, frame: bytes) -> None:
        """Give it a frame."""
        stdin = self._process.stdin
        assert stdin is not None
        async with self._sending:
            try:
                stdin.write(len(frame).to_bytes(4, "big") + frame)
                await stdin.drain()
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Unavailable(f"worker {self._module} is gone") from error

    async def receive(self) -> bytes | None:
        """Take its next frame, or None when it has ended."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async with self._receiving:
                size = int.from_bytes(await stdout.readexactly(4), "big")
                if size > WORKER_FRAME_BYTES_MAX:
                    _log.error("worker wrote a frame too large", module=self._module, size_bytes=size)
                    self._kill()
                    return None
                return await stdout.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None

    async def wait(self) -> int:
        """Wait for its end."""
        status = await self._process.wait()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([self._errors], timeout=1.0)
        return status

    async def stop(self, grace_s: float = 2.0) -> None:
        """Close its input, wait, then kill it and its children."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(grace_s):
                while await self.receive() is not None:
                    pass
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self._kill()
        await self._process.wait()
        self._errors.cancel()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    async def _log_errors(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while True:
            try:
                line = await stderr.readline()
            except ValueError:
                continue
            if not line:
                return
            said = line.decode(errors="replace").rstrip()
            _log.log(level_of(said), "worker said", module=self._module, pid=self.pid, line=said)


class ProcessWorkers:
    """Makes worker processes; a ``ports.Workers``."""

    async def spawn(self, spec: WorkerSpec) -> ProcessWorker:
        """Start a worker and give it its config."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _BOOT,
            str(spec.memory_bytes_max),
            str(spec.cpu_seconds_max or 0),
            str(spec.nice),
            spec.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_PIPE_BYTES,
            start_new_session=os.name == "posix",
        )
        worker = ProcessWorker(process, spec.module)
        await worker.send(spec.config)
        return worker
