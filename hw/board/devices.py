"""The FPGAs that can be built for, of all families."""

import re

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.device import Device
from s2nn_hw.hw.family import FLOWS

DEVICES = {device.name.upper(): device for flow in FLOWS.values() for device in flow.devices}


def find_device(platform: object) -> Device:
    """Return the :class:`Device` on a board of Amaranth, by its platform's ``device`` (Gowin: ``family``).

    Letters for temperature and power that Xilinx puts behind the size (``xc7a35ti``) don't count. :class:`UserError`
    if the device is not in ``DEVICES``.
    """
    name = str(getattr(platform, "device", None) or getattr(platform, "family", "?"))
    xilinx = re.fullmatch(r"(xc7[aksz]\d+[ts]?)[il]?", name.lower())
    key = (xilinx[1] if xilinx else name).upper()
    if key not in DEVICES:
        raise UserError(
            f"device {name} is not in the table of devices (hw/family), which has parts of "
            f"{', '.join(flow.devices_title for flow in FLOWS.values())}"
        )
    return DEVICES[key]
