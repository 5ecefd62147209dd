"""What every reader of foreign networks gives: the integer network, and how far it is its owner's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.files import checked_place
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import save
from s2nn_hw.quantize.importers.imported import Agreement, Imported
from s2nn_hw.quantize.importers.inputs import encoded, in_our_order, raw


@dataclass(frozen=True)
class Translated:
    """The integer ``network`` of a foreign one, how far the two agree, and ``notes`` of what changed; ``imported``:
    what it was made of, None of a network of sequences."""

    network: Network
    agreement: Agreement
    notes: tuple[str, ...]
    imported: Imported | None = None

    def images(self, inputs: Any) -> np.ndarray:
        """Return ``inputs`` ``(count, *shape)`` in the owner's order, array or tensor, as the network takes them."""
        if self.imported is None:
            raise UserError(f"network {self.network.name} takes sequences of frames as they are, not single inputs")
        entering, given = self.imported.entering, np.asarray(inputs)
        if not entering.events:
            given = given.reshape(len(given), *entering.shape)
        return raw(encoded(given, entering), entering) if entering.plain else in_our_order(given)

    def save(self, path: Path | str) -> Path:
        """Write the network as ``.s2nn``; return its path."""
        path = Path(path)
        if path.suffix != ".s2nn":
            raise UserError(f"output {path} must end in .s2nn")
        checked_place(path)
        save(self.network, path)
        return path
