"""Files in a tar archive, read one by one and never unpacked."""

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from s2nn_hw.errors import UserError

BROKEN = (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


def members(path: Path, pattern: re.Pattern[str], largest: int) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield ``(groups, content)`` of the archive's regular files whose whole name matches ``pattern``."""
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                found = pattern.fullmatch(member.name)
                if not found or not member.isreg():
                    continue
                if member.size > largest:
                    raise UserError(f"{path}: {member.name} must be at most {largest:,} bytes, not {member.size:,}")
                content = archive.extractfile(member)
                assert content is not None  # a regular file
                yield found.groups(), content.read()
    except BROKEN as error:
        raise UserError(f"{path} is not a whole archive ({error}); delete it to download it again") from None
