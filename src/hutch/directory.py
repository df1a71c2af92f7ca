"""The directory of a store that processes share: its lock, the address of its socket, and the settings that go with it.

    hutch.lock       locked (flock) by the process that owns the store; tells which one that is
    hutch.sock       where the owner listens
    hutch.conf       parameters that every owner begins with, as lines of a redis.conf
    appendonlydir/   the data: Redis's append-only file

A lock ends with the process that has it, however that ends. Only the owner's own descriptor keeps it: children of a fork close
their copy at once (`hutch.shared`), and what a process executes does not inherit it.
"""
import errno
import os
import stat
import sys

from .exceptions import StoreLockedError

try:
    import fcntl
except ImportError:              # no POSIX system
    fcntl = None

LOCK_NAME, SOCKET_NAME, SETTINGS_NAME = "hutch.lock", "hutch.sock", "hutch.conf"
HEADER = "# What every owner of the store in this directory begins with: parameters as in a redis.conf."
# What fits into a Unix socket's address, less the zero behind it.
ADDRESS_BYTES_MAX = 107 if sys.platform.startswith("linux") else 103

# Names of file systems in /proc/self/mountinfo whose files other machines have, too. Locks may work between them; a Unix
# socket does not.
NETWORK_FILE_SYSTEMS = frozenset({
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "lustre", "gfs", "gfs2", "ocfs2", "glusterfs",
    "beegfs", "gpfs", "pvfs2", "orangefs", "coda", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse",
    "fuse.rclone", "fuse.davfs2", "fuse.juicefs", "fuse.mount-s3", "fuse.goofys", "fuse.blobfuse2", "fuse.cephfs", "fuse.moosefs"})


def file_system_of(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """The name of the file system that an absolute path lies on, as the kernel calls it; "" where it does not tell. OSError when
    the path is none. O(mounts)"""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    device = os.stat(path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    best, found = -1, ""
    for line in lines:
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ", 1)[0]
        if not separator or len(fields) < 5:
            continue
        point = _unescaped(fields[4])
        if path != point and not path.startswith(point.rstrip("/") + "/"):
            continue
        # The last of several that are mounted at one place hides the others. The device's number, where it is given, tells more.
        weight = len(point) + (1 << 20 if fields[2] == number else 0)
        if weight >= best:
            best, found = weight, kind
    return found


def _unescaped(text):
    for code in ("040", "011", "012", "134"):
        text = text.replace("\\" + code, chr(int(code, 8)))
    return text


class StoreLock:
    """The lock of a directory, which this process has. Made by StoreDirectory.lock."""

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def say(self, text: str) -> None:
        """Write into the lock's file what this process is doing with the store, for others to read."""
        data = f"{os.getpid()} {text}\n".encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, data, 0)

    def release(self) -> None:
        """Let go of the lock. May be called again."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class StoreDirectory:
    """A directory with a store in it. It is made, for this user only, where there is none.

    With `make` false it is taken as it is, for who only wants its lock. ValueError for what cannot be a store's place: a file, a
    network file system, a system without locks. OSError when the directory cannot be made or reached.
    """

    def __init__(self, path, *, make=True):
        if fcntl is None:
            raise ValueError("a store in a directory needs a POSIX system: locks and Unix sockets")
        self.given = os.fspath(path)
        if not isinstance(self.given, str):
            self.given = os.fsdecode(self.given)
        if not self.given:
            raise ValueError("a store's path must not be empty")
        self.path = os.path.realpath(self.given)
        self.lock_path = os.path.join(self.path, LOCK_NAME)
        self.settings_path = os.path.join(self.path, SETTINGS_NAME)
        self._reference = -1             # of the directory, for addresses of sockets that are too long
        if not make:
            return
        try:
            self._make()
            self.check_file_system()
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise OSError(error.errno, self._why_not(error.errno)) from None

    def _make(self):
        try:
            os.makedirs(self.path, mode=0o700)
        except FileExistsError:
            if not os.path.isdir(self.path):
                raise ValueError(f"{self.given!r} is not a directory: a store is kept in one") from None
            # What is there with other things in it is left as it is: the socket and the lock are for this user only anyway.
            if not os.listdir(self.path):
                os.chmod(self.path, 0o700)

    def _why_not(self, number):
        """The words for somebody who may not have his store here: the system's name no more than a file that he does not know."""
        place, found = self.path, None
        while found is None:
            try:
                found = os.stat(place)
            except OSError:
                if place == os.path.dirname(place):
                    break
                place = os.path.dirname(place)
        if number == errno.EROFS:
            why = f"{place!r} is on a read-only file system"
        elif found is not None and found.st_uid != os.geteuid():
            why = (f"{place!r} belongs to another user ({found.st_uid}; this process is {os.geteuid()}'s). A store is for one user's "
                   "processes; others reach it through hutch.Server or hutch serve")
        else:
            why = f"this process may not write in {place!r}"
        return f"the store in {self.given!r} cannot be opened: {why}"

    def check_file_system(self) -> None:
        """ValueError when other machines can have this directory too, or locks do not lock in it."""
        kind = file_system_of(self.path)
        if kind in NETWORK_FILE_SYSTEMS:
            raise ValueError(
                f"{self.given!r} is on a network file system ({kind}): processes of other machines could open it, and cannot reach "
                "its owner. Keep the store on a local disk, and let others reach it through hutch.Server or hutch serve")
        import tempfile                  # not for programs whose stores are in memory: it brings a lot along
        # Two descriptors of one file, of which only one may have the lock; but not of the lock itself, which somebody may have.
        descriptor, name = tempfile.mkstemp(prefix=".hutch-probe-", dir=self.path)
        second = -1
        try:
            second = os.open(name, os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
            else:
                raise ValueError(f"locks do not lock in {self.given!r} (file system {kind or 'unknown'}): two processes could write "
                                 "into one store. Keep it on a local disk")
        except OSError as error:
            raise ValueError(f"{self.given!r} does not take locks (file system {kind or 'unknown'}): {error.strerror}. "
                             "Keep the store on a local disk") from None
        finally:
            os.close(descriptor)
            if second >= 0:
                os.close(second)
            os.unlink(name)

    # ---- the lock

    @property
    def is_store(self) -> bool:
        """Is a store kept in this directory that processes share, or did?"""
        return os.path.exists(self.settings_path)

    @property
    def is_locked(self) -> bool:
        """Has, or had, somebody the lock?"""
        return os.path.exists(self.lock_path)

    def lock(self) -> "StoreLock | None":
        """Take the lock; None when another has it. OSError when the lock's file cannot be opened.

        The caller sees to it that no fork happens meanwhile (`hutch.shared.no_fork`).
        """
        while True:
            descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                known = os.stat(self.lock_path)
                mine = os.fstat(descriptor)
            except FileNotFoundError:
                os.close(descriptor)     # it was removed between the two: whoever comes next would lock another file
                continue
            except OSError as error:
                os.close(descriptor)
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    return None
                raise
            if (known.st_dev, known.st_ino) == (mine.st_dev, mine.st_ino):
                return StoreLock(descriptor)
            os.close(descriptor)

    def owner(self) -> str:
        """What the owner's line in the lock's file says: "12345 serving"; "" when there is none."""
        try:
            with open(self.lock_path, encoding="ascii", errors="replace") as file:
                return file.readline().strip()
        except OSError:
            return ""

    def refusal(self) -> StoreLockedError:
        """The exception for who cannot have the lock."""
        pid, _, state = self.owner().partition(" ")
        return StoreLockedError(f"the store in {self.given!r} is open in another process ({pid or 'unknown'}, {state or 'starting'})")

    # ---- the socket

    def address(self) -> str:
        """The path to bind and to connect the socket by: through a reference to the directory where the real one is too long.

        It is good in this process, and in children of a fork.
        """
        plain = os.path.join(self.path, SOCKET_NAME)
        if len(os.fsencode(plain)) <= ADDRESS_BYTES_MAX:
            return plain
        if self._reference < 0:
            if os.path.isdir("/proc/self/fd") and hasattr(os, "O_PATH"):
                self._reference = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            else:
                return os.path.join(self._link(), SOCKET_NAME)
        return f"/proc/self/fd/{self._reference}/{SOCKET_NAME}"

    def _link(self):
        """A short symbolic link to the directory, in a directory of this user's."""
        import hashlib
        import tempfile
        where = os.path.join(tempfile.gettempdir(), f"hutch-{os.getuid()}")
        os.makedirs(where, mode=0o700, exist_ok=True)
        mode = os.lstat(where)
        if mode.st_uid != os.getuid() or not stat.S_ISDIR(mode.st_mode) or mode.st_mode & 0o077:
            raise OSError(errno.EPERM, f"{where} is not this user's own: the path of the store's socket is too long to do without")
        link = os.path.join(where, hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16])
        try:
            os.symlink(self.path, link)
        except FileExistsError:
            pass
        return link

    def __del__(self):
        if getattr(self, "_reference", -1) >= 0:
            os.close(self._reference)

    # ---- the settings

    def settings(self) -> "list[str]":
        """The lines of the file with the parameters that owners begin with. OSError when it cannot be read."""
        try:
            with open(self.settings_path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def remember(self, parameters: dict) -> None:
        """From now on every owner begins with these parameters (names as in redis.conf, values as text). OSError when that
        cannot be written. O(lines)"""
        lines = [line for line in self.settings() or [HEADER] if line.split(" ", 1)[0].lower() not in parameters]
        import tempfile
        lines += [f"{name} {quoted(value)}" for name, value in parameters.items()]
        descriptor, name = tempfile.mkstemp(prefix=".hutch-conf-", dir=self.path)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, self.settings_path)


def quoted(value: str) -> str:
    """A parameter's value as it stands in a redis.conf.

    >>> quoted("64mb"), quoted("")
    ('64mb', '""')
    """
    if value and not any(character in value for character in "\"'\\\n\r#"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
