# Part of the Attn project, under the Apache License v2.0 with LLVM Exceptions.
# See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The on-disk cache of compiled packages.

The cache is a folder with one file per entry, named by the SHA-256 of its key
(program text, options, versions, CPU). A file holds the package, the key and a
SHA-256 over both; it is written under another name, flushed, and renamed, so a
reader sees a whole entry or none. What does not verify is removed, built again
and counted. The code of a package runs in the process that loads it, so the
folder must belong to the user and be writable by nobody else; otherwise it is
left alone, with one warning, and packages stay in private temporary files. The
hash finds damage, not an attacker with write access.

Environment:
  ATTN_CACHE_DIR      the folder; default $XDG_CACHE_HOME/attn or ~/.cache/attn
  ATTN_DISABLE_CACHE  1: neither read nor write it
  ATTN_CACHE_LIMIT    bytes kept on disk, 1 GiB by default; the entries that were
                      used longest ago go first
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import tempfile
import threading
import time
import warnings
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, NamedTuple

from .errors import CacheError, ResourceError

__all__ = ["Cache", "Entry", "clear", "default_cache", "entries", "stats", "verify"]

_MAGIC = b"ATTNPKG\x01"
_TAIL = struct.Struct("<Q32s8s")  # key length, digest, magic
_SUFFIX = ".attnpkg"
#: A process that waits for another one's compilation longer than this compiles
#: for itself.
_LOCK_SECONDS = 60.0


def key_digest(key: Mapping[str, Any]) -> str:
    """The hex SHA-256 of a key, independent of the order of its fields."""
    return hashlib.sha256(_key_bytes(key)).hexdigest()


def _key_bytes(key: Mapping[str, Any]) -> bytes:
    return json.dumps(key, sort_keys=True, separators=(",", ":")).encode()


class Entry(NamedTuple):
    """One entry as found on disk."""

    path: str
    size: int
    used: float
    key: dict[str, Any] | None
    #: None when the entry verifies, else what is wrong with it.
    fault: str | None


class Unusable(Exception):
    """Why a cache folder must not be used."""


class Cache:
    """A cache folder.

    Args:
      root: the folder; made with mode 0700 when it is missing.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._warned = False
        self.counters = {
            "hits": 0, "misses": 0, "stores": 0, "corrupt_rebuilt": 0, "store_failures": 0,
            "refused": 0,
        }  # fmt: skip

    def _count(self, what: str) -> None:
        with self._lock:
            self.counters[what] += 1

    def _warn(self, text: str) -> None:
        """Warns once per cache and process: a full disk stays full."""
        with self._lock:
            if self._warned:
                return
            self._warned = True
        warnings.warn(text, RuntimeWarning, stacklevel=2)

    # ---- the folder --------------------------------------------------------

    def check_root(self, create: bool = False) -> None:
        """Checks that the folder may be trusted.

        Raises:
          Unusable: with the reason.
          OSError: the folder cannot be made or examined.
        """
        root = os.path.abspath(self.root)
        if create:
            os.makedirs(os.path.dirname(root), exist_ok=True)
            try:
                os.mkdir(root, 0o700)
            except FileExistsError:
                pass
        me = os.geteuid()
        info = os.lstat(root)
        if stat.S_ISLNK(info.st_mode):
            raise Unusable(f"{root} is a symbolic link")
        if not stat.S_ISDIR(info.st_mode):
            raise Unusable(f"{root} is not a folder")
        if info.st_uid != me:
            raise Unusable(f"{root} belongs to user {info.st_uid}, not to {me}")
        if info.st_mode & 0o022:
            raise Unusable(
                f"{root} is writable by others (mode {stat.S_IMODE(info.st_mode):04o}); "
                "run chmod 700 on it"
            )
        # Whoever may rename a parent could put another folder in its place.
        parent = os.path.dirname(os.path.realpath(root))
        while True:
            info = os.stat(parent)
            if info.st_mode & 0o002 and not info.st_mode & stat.S_ISVTX:
                raise Unusable(f"its parent {parent} is writable by everyone")
            if info.st_uid not in (0, me):
                raise Unusable(f"its parent {parent} belongs to user {info.st_uid}")
            if parent == os.path.dirname(parent):
                return
            parent = os.path.dirname(parent)

    def path_of(self, digest: str) -> str:
        return os.path.join(self.root, digest + _SUFFIX)

    # ---- reading -----------------------------------------------------------

    def load(self, key: Mapping[str, Any]) -> bytes | None:
        """Returns the package stored under `key`, or None.

        An entry that does not verify is removed and counted.
        """
        digest = key_digest(key)
        path = self.path_of(digest)
        try:
            self.check_root()
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as f:
                data = f.read()
        except FileNotFoundError:
            self._count("misses")
            return None
        except Unusable as e:
            self._refuse(e)
            return None
        except OSError:
            self._count("misses")
            return None
        package, _ = _unpack(data, key)
        if package is None:
            self.discard(key)
            return None
        self._count("hits")
        try:
            os.utime(path)
        except OSError:
            pass
        return package

    def discard(self, key: Mapping[str, Any]) -> None:
        """Removes a damaged entry and counts it; it is about to be rebuilt."""
        self._count("corrupt_rebuilt")
        try:
            os.unlink(self.path_of(key_digest(key)))
        except OSError:
            pass

    def _refuse(self, reason: Exception) -> None:
        self._count("refused")
        self._warn(
            f"attn: the cache folder is not used: {reason}; packages are kept in private "
            "temporary files"
        )

    # ---- writing -----------------------------------------------------------

    def store(self, key: Mapping[str, Any], package: bytes) -> bool:
        """Stores a package; a failure is counted and warned about once."""
        try:
            self.check_root(create=True)
            self._write(self.path_of(key_digest(key)), key, package)
        except Unusable as e:
            self._refuse(e)
            return False
        except OSError as e:
            self._count("store_failures")
            self._warn(
                f"attn: cannot write the cache folder {self.root} ({e.strerror or e}); "
                "packages are kept in private temporary files"
            )
            return False
        self._count("stores")
        self._trim()
        return True

    def _write(self, path: str, key: Mapping[str, Any], package: bytes) -> None:
        text = _key_bytes(key)
        digest = hashlib.sha256(package + text).digest()
        fd, beside = tempfile.mkstemp(prefix=".new-", dir=self.root)
        try:
            with open(fd, "wb") as f:
                f.write(package)
                f.write(text)
                f.write(_TAIL.pack(len(text), digest, _MAGIC))
                f.flush()
                os.fsync(f.fileno())
            os.rename(beside, path)
        except BaseException:
            try:
                os.unlink(beside)
            except OSError:
                pass
            raise
        # The name itself is in the folder's data.
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _trim(self) -> None:
        limit = int(os.environ.get("ATTN_CACHE_LIMIT", 1 << 30))
        found = []
        for item in self._scan():
            try:
                info = item.stat(follow_symlinks=False)
            except OSError:
                continue
            found.append((info.st_mtime, info.st_size, item.path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found)[:-1]:
            if total <= limit:
                break
            try:
                os.unlink(path)
                total -= size
            except OSError:
                pass

    @contextmanager
    def building(self, key: Mapping[str, Any]) -> Iterator[None]:
        """Keeps other processes from compiling the same key meanwhile.

        It is a courtesy, not needed for correctness: without a lock (no
        folder, no flock, too long a wait) both compile and the last rename
        wins, with the same bytes.
        """
        fd = None
        try:
            import fcntl

            self.check_root(create=True)
            # A lock lives in one of a few files that stay, for a lock file
            # removed while another process waits on it would guard nothing.
            name = os.path.join(self.root, f".lock-{key_digest(key)[:2]}")
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            deadline = time.monotonic() + _LOCK_SECONDS
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.005)
        except (Unusable, OSError, ImportError):
            pass
        try:
            yield
        finally:
            if fd is not None:
                os.close(fd)

    # ---- looking after it ----------------------------------------------------

    def _scan(self) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root) as items:
                yield from [i for i in items if i.name.endswith(_SUFFIX)]
        except FileNotFoundError:
            return

    def entries(self, verify: bool = False) -> list[Entry]:
        """Lists the entries, each verified when asked for.

        Raises:
          CacheError: the folder must not be used, or cannot be read.
        """
        self._usable()
        result = []
        for item in sorted(self._scan(), key=lambda i: i.name):
            key: dict[str, Any] | None = None
            fault = None
            size, used = 0, 0.0
            try:
                info = item.stat(follow_symlinks=False)
                size, used = info.st_size, info.st_mtime
                with open(os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as f:
                    data = f.read()
                key = _key_of(data)
                if verify:
                    _, fault = _unpack(data, key)
                    if fault is None and key is not None:
                        if key_digest(key) + _SUFFIX != item.name:
                            fault = "it is stored under another key's name"
            except OSError as e:
                fault = e.strerror or str(e)
            result.append(Entry(item.path, size, used, key, fault))
        return result

    def clear(self) -> int:
        """Removes every entry and leftover; returns how many entries there were.

        Raises:
          CacheError: the folder must not be used, or an entry cannot be removed.
        """
        self._usable()
        count = 0
        try:
            with os.scandir(self.root) as items:
                for item in list(items):
                    if item.name.endswith(_SUFFIX):
                        os.unlink(item.path)
                        count += 1
                    elif item.name.startswith(".new-"):
                        os.unlink(item.path)
        except FileNotFoundError:
            pass
        except OSError as e:
            raise CacheError(f"cannot clear {self.root}: {e.strerror or e}") from e
        return count

    def _usable(self) -> None:
        try:
            self.check_root()
        except FileNotFoundError:
            pass
        except Unusable as e:
            raise CacheError(f"the cache folder is not used: {e}") from None
        except OSError as e:
            raise CacheError(f"cannot read {self.root}: {e.strerror or e}") from e


def _key_of(data: bytes) -> dict[str, Any] | None:
    if len(data) < _TAIL.size:
        return None
    length, _, magic = _TAIL.unpack(data[-_TAIL.size :])
    if magic != _MAGIC or length > len(data) - _TAIL.size:
        return None
    try:
        key = json.loads(data[len(data) - _TAIL.size - length : -_TAIL.size])
    except ValueError:
        return None
    return key if isinstance(key, dict) else None


def _unpack(data: bytes, key: Mapping[str, Any] | None) -> tuple[bytes | None, str | None]:
    """Splits an entry; returns (package, None) or (None, what is wrong)."""
    if len(data) < _TAIL.size:
        return None, f"it has {len(data)} bytes"
    length, digest, magic = _TAIL.unpack(data[-_TAIL.size :])
    if magic != _MAGIC:
        return None, "its end is missing"
    body = len(data) - _TAIL.size
    if length > body:
        return None, "its key is longer than the file"
    if hashlib.sha256(data[:body]).digest() != digest:
        return None, "its hash differs"
    if key is None or data[body - length : body] != _key_bytes(key):
        return None, "it belongs to another key"
    return data[: body - length], None


# ---- private temporary files -------------------------------------------------------


def private_places() -> list[str]:
    """Where folders of mode 0700 may be made for files that only this process uses."""
    places = [tempfile.gettempdir(), "/dev/shm"]
    store = default_cache()
    if store is not None:
        try:
            store.check_root()
            places.append(store.root)
        except (Unusable, OSError):
            pass
    return list(dict.fromkeys(places))


def private_folder() -> str:
    """Makes a folder of mode 0700 for files that only this process uses.

    Raises:
      ResourceError: no temporary folder can be written.
    """
    reasons = []
    for base in private_places():
        try:
            return tempfile.mkdtemp(prefix="attn-", dir=base)
        except OSError as e:
            reasons.append(f"{base}: {e.strerror or e}")
    raise ResourceError(f"no temporary folder can be written ({'; '.join(reasons)})")


# ---- the default cache -----------------------------------------------------------------

_default: Cache | None = None
_default_lock = threading.Lock()


def default_root() -> str:
    """The cache folder that the environment names."""
    chosen = os.environ.get("ATTN_CACHE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    # The specification says to ignore a relative path here.
    if not base or not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "attn")


def default_cache() -> Cache | None:
    """The cache that the environment names; None when it is disabled."""
    global _default
    if os.environ.get("ATTN_DISABLE_CACHE", "0") not in ("", "0"):
        return None
    root = default_root()
    with _default_lock:
        if _default is None or _default.root != root:
            _default = Cache(root)
        return _default


def stats() -> dict[str, int]:
    """What this process did with the cache: hits, misses, stores, ..."""
    cache = default_cache()
    return dict(cache.counters) if cache else {}


def entries() -> list[Entry]:
    """The entries of the default cache."""
    cache = default_cache()
    return cache.entries() if cache else []


def verify() -> list[Entry]:
    """The entries of the default cache, each verified (see `Entry.fault`)."""
    cache = default_cache()
    return cache.entries(verify=True) if cache else []


def clear() -> int:
    """Removes every entry of the default cache; returns their number."""
    cache = default_cache()
    return cache.clear() if cache else 0


def _after_fork() -> None:
    # A lock that another thread held at the fork is never released in the child.
    global _default_lock
    _default_lock = threading.Lock()
    if _default is not None:
        _default._lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
