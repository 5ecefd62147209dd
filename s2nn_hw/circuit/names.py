"""Names of the accelerator's submodules: what each is, before the layer's name, so that no two of them meet."""


def engine_of(layer: str) -> str:
    """Return the name of the engine of ``layer``."""
    return f"engine_{layer}"


def neurons_of(layer: str) -> str:
    """Return the name of the neurons of ``layer``, or of what takes their place behind its engine."""
    return f"neurons_{layer}"


def ladder_of(layer: str) -> str:
    """Return the name of what the neurons of ``layer`` do with the sums of its unrolled engine."""
    return f"ladder_{layer}"


def window_of(layer: str, source: int) -> str:
    """Return the name of the window on source number ``source`` of ``layer``."""
    return f"window{source or ''}_{layer}"


def merge_of(layer: str) -> str:
    """Return the name of what merges the sources of ``layer``."""
    return f"merge_{layer}"


def or_of(layer: str) -> str:
    """Return the name of what joins the sources of ``layer`` by OR."""
    return f"or_{layer}"


def fork_of(tensor: str) -> str:
    """Return the name of what gives ``tensor`` to several layers."""
    return f"fork_{tensor}"
