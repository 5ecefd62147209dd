"""TOML files as tables: read, and refused in one line if they are not."""

import tomllib

from ..errors import UserError
from ..files import read_bytes


def read_toml(path, *, what, limit=1 << 20):
    """Return the dictionary in TOML file ``path``; :class:`UserError` if it can't be read, is too long or no TOML."""
    try:
        return tomllib.loads(read_bytes(path, what=what, limit=limit).decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{what} {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{what} {path} is not TOML ({error})") from None
