"""How files of raw values are read for a network of the user's own data: what its provenance says of them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

from s2nn_hw.errors import UserError
from s2nn_hw.network.network import Network
from s2nn_hw.quantize.settings import Data
from s2nn_hw.records import convert


@dataclass(frozen=True)
class Reading:
    """The entry ``data`` of a network's provenance.

    kind                         of what it was trained on: "npz", "folder", "table", "sequences" or "recordings"
    title, sha256                name of the file, and digest of its content
    features, label, separator   of a table
    split                        of a table: the column that says which rows are for training, and which for the test
    scaled, alpha                whether pictures of other sizes are scaled, and what is behind transparent ones
    """

    kind: str
    title: Annotated[str, msgspec.Meta(max_length=255)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    features: list[str] | None = None
    label: str | None = None
    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] | None = None
    scaled: bool | None = None
    alpha: str | None = None
    split: str | None = None

    @classmethod
    def of(cls, data: Data) -> Self:
        """Return how ``data`` of a recipe is read."""
        found = data.found
        return cls(
            str(found.kind),
            Path(str(data.path)).name,
            str(found.sha256),
            None if found.features is None else list(found.features),
            data.label,
            data.separator,
            True if data.size else None,
            data.alpha,
            data.split,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry; what there is nothing to say of is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @property
    def name(self) -> str:
        """What results on the data are called."""
        return f"{self.title} ({self.sha256[:12]})"


def reading_of(network: Network) -> Reading | None:
    """Return how files are read for ``network``, None where it was trained on no data of the user's."""
    entry = network.provenance.get("data")
    if entry is None:
        return None
    found = convert(entry, Reading, f"network {network.name}: provenance.data", plain=True)
    if found.alpha not in (None, "black", "white"):
        raise UserError(f"network {network.name}: provenance.data.alpha must be black or white")
    return found
