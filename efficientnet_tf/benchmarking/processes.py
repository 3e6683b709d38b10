"""Pillow in as many processes as cores, with what it costs to move pictures between processes, and without.

Each process makes whole batches, as those of a data loader do. Batches come back through shared memory and are copied
out of it into arrays of their own, one after another; or, where moving is left out, pictures are made and dropped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from PIL import Image

from efficientnet_tf.benchmarking.pillow_augment import POLICIES_BY_NAME, training_crop
from efficientnet_tf.benchmarking.rates import Pass, processor_seconds
from efficientnet_tf.errors import EfficientNetError

_Array = np.ndarray[Any, Any]

#: Batches that a process may be ahead of who takes them.
_SLOTS = 2
_SEED = 20190511


@dataclasses.dataclass(frozen=True)
class Job:
    """What the processes do.

    Attributes:
        policy: a name in `pillow_augment.POLICIES_BY_NAME`.
        pictures: what they do it to, again and again: encoded photographs, from which a training crop is taken first;
            or pixels, uint8 [side, side, 3].
        side: of the pictures that they make.
        pictures_per_pass: of all processes together, a multiple of `batch_size`.
        batch_size: pictures per batch.
        moved: whether pictures are taken from shared memory, if they are pixels, and batches brought to this process.
    """

    policy: str
    pictures: tuple[bytes | _Array, ...]
    side: int
    pictures_per_pass: int
    batch_size: int = 32
    moved: bool = True


class Workers:
    """Processes that wait for passes; they are ready when this returns.

    Raises:
        EfficientNetError: a process cannot do the job; in its own words.
    """

    def __init__(self, job: Job, processes: int) -> None:
        self._job = job
        # Forking a process in which TensorFlow has threads may hang.
        context = multiprocessing.get_context("spawn")
        shape = (processes, _SLOTS, job.batch_size, job.side, job.side, 3)
        self._memory = SharedMemory(create=True, size=int(np.prod(shape)))
        self._slots: _Array = np.ndarray(shape, np.uint8, self._memory.buf)
        self._input = _shared(job.pictures) if job.moved and isinstance(job.pictures[0], np.ndarray) else None
        pictures = (self._input.name, len(job.pictures)) if self._input else job.pictures
        self._connections, self._processes = [], []
        for number in range(processes):
            ours, theirs = context.Pipe()
            arguments = (theirs, dataclasses.replace(job, pictures=()), pictures, (self._memory.name, shape, number))
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)
        try:
            for connection in self._connections:
                problem = _receive(connection)
                if problem:
                    raise EfficientNetError(problem)
        except BaseException:
            self.close()
            raise

    def run(self) -> Pass:
        """Have one pass made."""
        batches = self._job.pictures_per_pass // self._job.batch_size
        count = len(self._connections)
        begin, worked = time.perf_counter(), processor_seconds()
        for number, connection in enumerate(self._connections):
            connection.send(len(range(number, batches, count)))
        made, helped = 0, 0.0
        open_ = {connection: number for number, connection in enumerate(self._connections)}
        while open_:
            for connection in wait(list(open_)):
                assert isinstance(connection, Connection)
                kind, value = _receive(connection)
                if kind == "batch":
                    made += len(self._slots[open_[connection], value].copy())
                    connection.send(None)
                else:
                    pictures, seconds = value
                    helped += seconds
                    made = made if self._job.moved else made + pictures
                    del open_[connection]
        return Pass(made, time.perf_counter() - begin, processor_seconds() - worked + helped)

    def close(self) -> None:
        """End the processes and give the memory back."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join(10)
            process.kill()
        del self._slots
        for memory in (self._memory, self._input):
            if memory is not None:
                memory.close()
                memory.unlink()


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        raise EfficientNetError("A process of the comparison ended unexpectedly.") from None


def _shared(pictures: tuple[Any, ...]) -> SharedMemory:
    memory = SharedMemory(create=True, size=sum(picture.nbytes for picture in pictures))
    np.ndarray((len(pictures), *pictures[0].shape), np.uint8, memory.buf)[:] = pictures
    return memory


def _serve(connection: Connection, job: Job, pictures: Any, place: tuple[str, tuple[int, ...], int]) -> None:
    """Be one of the processes, until the connection closes."""
    # The process that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name, shape, number = place
    memory = SharedMemory(name)
    slots: _Array = np.ndarray(shape, np.uint8, memory.buf)[number]
    try:
        make = _maker(job, pictures, random.Random(_SEED + number))
        make()
    except Exception as error:
        connection.send(str(error) if isinstance(error, EfficientNetError) else f"{type(error).__name__}: {error}")
        return
    connection.send(None)
    # Who gave the orders may have gone.
    with contextlib.suppress(EOFError, OSError):
        while True:
            batches, worked = connection.recv(), time.process_time()
            for batch in range(batches):
                _fill(connection, job, make, slots, batch)
            for _ in range(min(batches, _SLOTS) if job.moved else 0):
                connection.recv()
            connection.send(("done", (batches * job.batch_size, time.process_time() - worked)))


def _fill(connection: Connection, job: Job, make: Callable[[], Image.Image], slots: _Array, batch: int) -> None:
    if not job.moved:
        for _ in range(job.batch_size):
            make()
        return
    if batch >= _SLOTS:
        # Until the batch that was there has been taken.
        connection.recv()
    slot = batch % _SLOTS
    for row in range(job.batch_size):
        slots[slot, row] = make()
    connection.send(("batch", slot))


def _maker(job: Job, pictures: Any, draw: random.Random) -> Callable[[], Image.Image]:
    """Return a function that makes one picture."""
    policy = POLICIES_BY_NAME[job.policy]()
    random.seed(draw.random())  # which timm draws from
    if isinstance(pictures[0], bytes):
        return lambda: policy(training_crop(draw.choice(pictures), draw, job.side), draw)
    if isinstance(pictures[0], str):
        memory = SharedMemory(pictures[0])
        pixels: _Array = np.ndarray((pictures[1], job.side, job.side, 3), np.uint8, memory.buf)
        # The function holds the memory for as long as there is one.
        return lambda held=memory: policy(Image.fromarray(pixels[draw.randrange(len(pixels))]), draw)  # type: ignore[misc]
    images = [Image.fromarray(picture) for picture in pictures]
    return lambda: policy(draw.choice(images), draw)
