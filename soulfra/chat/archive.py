"""Exports come in zips from anyone: what a zip claims is checked, and what it holds is counted while it is read."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from pathlib import Path

from soulfra.chat.message import Unreadable

MEMBERS = 20_000  # Slack has many
RATIO, FLOOR = 200, 1024 * 1024  # inflated bytes per packed one, and the size below which the ratio says nothing
TIMES = 4  # all members together, as a multiple of the upload limit
CHUNK = 1024 * 1024
SMALL = 32 * CHUNK  # bytes of a member that is read whole: who is who
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError)


def opened(file: Path, limit: int) -> zipfile.ZipFile:
    """The archive, if its table of contents is harmless. Raises Unreadable with what to do."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Unreadable("the zip is damaged or cut off; download the export again and upload it whole") from None
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise Unreadable(f"the zip holds {len(members)} files, more than {MEMBERS}; upload only the chat's own files")
    for member in members:
        _check(member)
    if sum(member.file_size for member in members) > TIMES * limit:
        raise Unreadable(
            f"the zip unpacks to more than {TIMES * limit // CHUNK} MiB; upload the chat without its media"
        )
    return archive


def _check(member: zipfile.ZipInfo) -> None:
    parts = member.filename.replace("\\", "/").split("/")
    if ".." in parts or member.filename.startswith(("/", "\\")) or ":" in parts[0]:
        raise Unreadable("the zip holds a file that would be written outside its folder; zip the export anew")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Unreadable("the zip holds a link; zip the files themselves")
    if member.flag_bits & 1:
        raise Unreadable("the zip is encrypted; unpack it with its password and upload the files in a plain zip")
    if member.file_size > FLOOR and member.file_size > RATIO * max(1, member.compress_size):
        raise Unreadable("the zip inflates more than 200 times, as no chat does; upload the export as it came")


def unpacked(archive: zipfile.ZipFile, name: str, to: Path, limit: int) -> Path:
    """One member as a file, in constant memory. Raises Unreadable when it is larger than it claims, or damaged."""
    claimed, seen = archive.getinfo(name).file_size, 0
    try:
        with archive.open(name) as packed, to.open("wb") as out:
            while chunk := packed.read(CHUNK):
                seen += len(chunk)
                if seen > min(claimed, TIMES * limit):
                    raise Unreadable("the zip holds more than it says; upload the export as it came")
                out.write(chunk)
    except DAMAGED as broken:
        raise Unreadable(f"a file in the zip is damaged ({type(broken).__name__}); download the export again") from None
    return to


def small(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """A member that other members refer to, or None when it is not there, too large or damaged."""
    found = next((one for one in archive.infolist() if one.filename.lower() == name.lower()), None)
    if found is None or found.file_size > SMALL:
        return None
    try:
        with archive.open(found) as packed:
            return packed.read(SMALL)
    except DAMAGED:
        return None
