"""Which Dask schedulers may be used: over TLS, or on this machine.

What Dask's processes send each other are pickles, which can run any code when they are read. Who
can write to such a connection runs code as us; who can read it sees the rows. So it must be
encrypted, with certificates on both sides, or not leave the machine.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from whydrift.discovery.errors import ClusterError, OptionError

__all__ = ["DaskSettings", "check_address", "is_safe"]

_WHERE = "dask"


@dataclass(frozen=True)
class DaskSettings:
    """Where a Dask scheduler is, and what proves who we are.

    Parameters
    ----------
    address : str
        ``tls://host:port``, or ``tcp://127.0.0.1:port`` of a scheduler on this machine.
    ca, cert, key : str, optional
        Files in PEM: who signs the certificates of the cluster, and our own. Where they are left
        out, those of Dask's own configuration (``distributed.comm.tls``) count.
    """

    address: str
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def security(self) -> Any:
        """Return what Dask needs to connect; None where the connection stays on this machine.

        Raises
        ------
        OptionError
            If the address is not safe, or a certificate is not named.
        ClusterError
            If a certificate cannot be read.
        """
        check_address(self.address)
        if not self.address.startswith("tls://"):
            return None
        from distributed import Security

        named = {"tls_ca_file": self.ca, "tls_client_cert": self.cert, "tls_client_key": self.key}
        security = Security(
            require_encryption=True, **{name: f for name, f in named.items() if f is not None}
        )
        found = security.get_tls_config_for_role("client")
        for name, option in (("ca_file", "ca"), ("cert", "cert"), ("key", "key")):
            path = found[name]
            if path is None:
                raise OptionError(
                    f"{self.address} needs certificates, and no {option} is named",
                    where=f"{_WHERE}.tls.{option}",
                    remedy="Give ca, cert and key under `dask: {tls: …}` of the configuration, or "
                    "in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT and …__CLIENT__KEY",
                )
            # Dask also takes the certificate itself in place of its file.
            if "\n" not in path and not os.access(path, os.R_OK):
                raise ClusterError(
                    f"the file {Path(path)} cannot be read",
                    where=f"{_WHERE}.tls.{option}",
                    remedy="Name a readable file in PEM",
                )
        return security


def check_address(address: str) -> None:
    """Raise where a scheduler's address is none, or not safe.

    Raises
    ------
    OptionError
    """
    if not _is_address(address):
        raise OptionError(
            f"{address!r} is no address of a Dask scheduler",
            where=_WHERE,
            remedy="Write tls://host:8786, or tcp://127.0.0.1:8786 for one on this machine",
        )
    if not is_safe(address):
        raise OptionError(
            f"{address!r} is neither TLS nor on this machine, and what Dask sends can run code",
            where=_WHERE,
            remedy="Start scheduler and workers with certificates and write tls://…, or let them "
            "listen on 127.0.0.1 alone",
        )


def _is_address(address: str) -> bool:
    try:
        parts = _parts(address)
        has_port = parts.port is not None
    except ValueError:  # such as a port that is no number
        return False
    return parts.scheme == "inproc" or bool(
        parts.scheme in {"tls", "tcp"} and parts.hostname and has_port
    )


def _parts(address: str) -> SplitResult:
    return urlsplit(address if "://" in address else f"tcp://{address}")


def is_safe(address: str) -> bool:
    """Whether what goes to an address is encrypted, or stays on this machine."""
    parts = _parts(address)
    if parts.scheme in {"tls", "inproc"}:
        return True
    if parts.scheme != "tcp" or parts.hostname is None:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:  # a name, which may mean any machine
        return False
