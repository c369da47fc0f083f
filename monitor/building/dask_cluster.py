"""Work done by the workers of a Dask cluster.

Results stay on the workers and are joined there; only the last one comes here. A worker that is
lost costs the work it did: Dask does it again elsewhere, since every task says all it needs.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final, TypeVar

from whydrift.discovery.errors import ClusterError, OptionError
from whydrift.monitor.building.cluster import (
    Cancel,
    Packed,
    Recipe,
    Told,
    called_off,
    where_of,
)
from whydrift.monitor.building.dask_address import DaskSettings, is_safe
from whydrift.monitor.building.recipe import PackedShare
from whydrift.monitor.building.share import Share
from whydrift.monitor.building.tree import fold
from whydrift.monitor.source.reading import never

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["DaskCluster", "connected"]

T = TypeVar("T")
R = TypeVar("R")
W = TypeVar("W")

_SECONDS_TO_CONNECT: Final = 20
_SECONDS_BETWEEN_LOOKS: Final = 0.5  # at whether the work was called off
# What must be the same on both sides: its pickles and results are read on the other one.
_SAME: Final = ("whydrift", "distributed", "cloudpickle")
# What may differ in its last digits only.
_NEARLY_SAME: Final = ("numpy", "pyarrow")


@contextmanager
def connected(settings: DaskSettings) -> Iterator[DaskCluster]:
    """Connect to a cluster, see that its workers fit, and leave it in the end.

    Raises
    ------
    OptionError
        If the address is not safe (`dask_address.py`), or Dask is not installed.
    ClusterError
        If there is no answer, no worker, or workers do not fit.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise OptionError(
            "Dask is not installed",
            where="dask",
            remedy="Run `pip install 'whydrift[dask]'`",
        ) from error
    security = settings.security()
    try:
        client = Client(
            settings.address,
            security=security,
            timeout=_SECONDS_TO_CONNECT,
            set_as_default=False,
            name="whydrift",
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"the Dask scheduler does not answer ({_reason(error)})",
            where=settings.address,
            remedy="See that it runs, and that address and certificates are those it was "
            "started with",
        ) from error
    try:
        _check_workers(client, settings.address)
        yield DaskCluster(client, settings.address)
    finally:
        client.close()


class DaskCluster:
    """The workers of a scheduler; made by :func:`connected`.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Names the cluster in messages.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, cancel: Cancel = never
    ) -> Iterator[R]:
        """Yield the function's result for each item, in the order of the items."""
        submit = _Submitter(self._client)
        shared = submit.value(function)
        tasks = [submit(_applied, version("whydrift"), shared, item) for item in items]
        places = {task.key: item for task, item in zip(tasks, items, strict=True)}
        try:
            while tasks:
                task = tasks.pop(0)
                yield self._result(task, where_of(places[task.key]), cancel)
        finally:
            self._client.cancel(tasks)

    def reduce(
        self, recipe: Recipe[W], shares: Sequence[Share], *, told: Told, cancel: Cancel = never
    ) -> W | None:
        """Read all shares and join them, on the workers."""
        submit = _Submitter(self._client)
        shared = submit.value(recipe)
        leaves = [submit(_read, version("whydrift"), shared, share) for share in shares]
        names = {leaf.key: share.where for leaf, share in zip(leaves, shares, strict=True)}
        counts = [submit(_rows, leaf) for leaf in leaves]
        tasks = [*leaves, *counts]

        def join(some: Sequence[Future]) -> Future:
            tasks.append(submit(_joined, shared, *some))
            return tasks[-1]

        whole = fold(leaves, join)
        if whole is None:
            return None
        try:
            for leaf, count in zip(leaves, counts, strict=True):
                told(self._result(count, names[leaf.key], cancel))
            packed: Packed = self._result(whole, self._address, cancel)
        finally:
            self._client.cancel(tasks)
        return recipe.unpack(packed) if packed["rows"] else None

    def _result(self, task: Future, where: str, cancel: Cancel) -> Any:
        from distributed.client import FutureCancelledError
        from distributed.scheduler import KilledWorker

        try:
            while True:
                called_off(cancel, where)
                # Of what is done the result may be lost on its way, and is waited for again; only
                # an error that the work raised is final.
                if task.status == "error":
                    return task.result()
                with suppress(TimeoutError):
                    return task.result(timeout=_SECONDS_BETWEEN_LOOKS)
        except KilledWorker as error:
            raise ClusterError(
                "the workers that read this were lost one after the other",
                where=where,
                remedy="Their memory may be too small: see the workers' logs",
            ) from error
        except FutureCancelledError as error:
            raise ClusterError(
                "the scheduler lost the work, or the connection to it",
                where=f"{self._address}: {where}",
                remedy="See the scheduler's log, and start again",
            ) from error


class _Submitter:
    """Hands tasks to the scheduler under keys of their own, so that none is taken for another."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._run = uuid.uuid4().hex
        self._count = 0

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Future:
        self._count += 1
        name = function.__name__.strip("_")
        key = f"whydrift-{name}-{self._run}-{self._count}"
        return self._client.submit(function, *arguments, key=key)

    def value(self, value: object) -> Future:
        """Return what stands for a value on the workers.

        A task that makes it, not data sent to a worker: what is lost can be made again.
        """
        import cloudpickle

        return self(_opened, cloudpickle.dumps(value))


# ---- what the workers do ----------------------------------------------------------------------
def _opened(pickled: bytes) -> Any:
    import cloudpickle

    return cloudpickle.loads(pickled)


def _applied(asked_by: str, function: Callable[[Any], Any], item: object) -> Any:
    _check_same_version(asked_by)
    return function(item)


def _read(asked_by: str, recipe: Recipe[Any], share: Share) -> Packed:
    _check_same_version(asked_by)
    return PackedShare(recipe)(share)


def _rows(packed: Packed) -> int:
    rows: int = packed["rows"]
    return rows


def _joined(recipe: Recipe[Any], *some: Packed) -> Packed:
    filled = [packed for packed in some if packed["rows"]]
    if len(filled) < 2:
        return filled[0] if filled else {"rows": 0}
    return recipe.pack(recipe.join([recipe.unpack(packed) for packed in filled]))


def _check_same_version(asked_by: str) -> None:
    """Raise on a worker that came after the others were looked at, and is of another version."""
    if asked_by != version("whydrift"):
        raise ClusterError(
            f"a worker has whydrift {version('whydrift')}, and {asked_by} asks",
            where="dask",
            remedy=f"Install whydrift=={asked_by} on all workers",
        )


# ---- what is looked at first ------------------------------------------------------------------
def _check_workers(client: Client, address: str) -> None:
    """Raise where a worker cannot be reached safely, or has other versions than we have."""
    try:
        client.wait_for_workers(1, timeout=_SECONDS_TO_CONNECT)
    except TimeoutError as error:
        raise ClusterError(
            "the scheduler has no workers", where=address, remedy="Start some"
        ) from error
    told = client.scheduler_info()["address"]
    for other in (told, *client.nthreads()):
        if not is_safe(other):
            raise ClusterError(
                f"a part of the cluster listens at {other}, without TLS and beyond this machine",
                where=address,
                remedy="Start all of it with --host 127.0.0.1, or with certificates",
            )
    for package in (*_SAME, *_NEARLY_SAME):
        _check_package(client, package, address)
    _check_python(client, address)


def _check_package(client: Client, package: str, address: str) -> None:
    # A function of the standard library, so that a worker without whydrift can answer.
    found = client.run(version, package, on_error="return")
    own = version(package)
    wanted = own if package in _SAME else _release(own)
    for worker, theirs in found.items():
        if isinstance(theirs, PackageNotFoundError):
            raise ClusterError(
                f"the worker {worker} does not have {package}",
                where=address,
                remedy=f"Install {package}=={own} on all workers (pip install 'whydrift[dask]')",
            )
        _check_answer(worker, theirs, address)
        if (theirs if package in _SAME else _release(theirs)) != wanted:
            raise ClusterError(
                f"the worker {worker} has {package} {theirs}, and here is {own}",
                where=address,
                remedy=f"Install {package}=={own} on all workers, or theirs here",
            )


def _check_python(client: Client, address: str) -> None:
    import platform

    own = platform.python_version()
    found: Mapping[str, Any] = client.run(platform.python_version, on_error="return")
    for worker, theirs in found.items():
        _check_answer(worker, theirs, address)
        if _release(theirs) != _release(own):
            raise ClusterError(
                f"the worker {worker} runs Python {theirs}, and here is {own}",
                where=address,
                remedy="Run the same Python on both sides",
            )


def _check_answer(worker: str, answer: object, address: str) -> None:
    if isinstance(answer, BaseException):
        raise ClusterError(
            f"the worker {worker} does not answer ({_reason(answer)})",
            where=address,
            remedy="See its log; if it was lost just now, start again",
        ) from answer


def _release(text: str) -> str:
    """Return a version without what comes after its second number."""
    return ".".join(text.split(".")[:2])


def _reason(error: BaseException) -> str:
    told = str(error).splitlines()
    return told[0][:200] if told else type(error).__name__
