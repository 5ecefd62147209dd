"""The commands that give a report's figures again, as a shell takes them in the folder where the report was made."""

import shlex


def commands(
    path, *, board=None, build=None, plan=None, activity=None, images=None, labels=None, frames=None, readings=None
):
    """Return the lines, in the order to run them.

    ``path``: the network's file as it was given; ``board``: its name; ``build``: its ``build.json``; ``plan``: the file
    that the plan is in, None for the default one of the board; ``activity``: an ``activity.json``; ``images``,
    ``labels``, ``readings``: files, ``frames``: a number, as given to ``s2nn-hw report``; None where nothing was.
    """
    common = [path, *_option("--board", board), *_option("--plan", plan)]
    pictures = _option("--images", images)
    judged = pictures + _option("--labels", labels)
    lines = []
    if build:
        lines.append(["bitstream", *common, *(_asked(build.options) if build.options else []), *pictures])
    if activity:
        lines.append(["activity", *common, *_option("--frames", activity.get("frames")), *pictures])
    lines.append(["verify", *common, *judged])
    lines.append(["report", *common, *judged, *_option("--frames", frames), *_option("--readings", readings), "--html"])
    return [shlex.join(["s2nn-hw", *map(str, line)]) for line in lines]


def _asked(options):
    return [
        *_option("--freq", options.freq_mhz),
        *_option("--seed", options.seed),
        *_option("--baud", options.baud),
        *(["--native"] if options.native else []),
    ]


def _option(name, value):
    if value is None:
        return []
    return [name, f"{value:g}" if isinstance(value, float) else value]
