"""Which of a board's LEDs shows what of a self-test."""

from amaranth.build import Platform, ResourceError
from amaranth.lib.io import PortLike

ROLES = ("pass", "fail", "heartbeat")


def request_leds(platform: Platform) -> list[tuple[str, str, PortLike]]:
    """Return ``[(role, name, port)]`` for as many of :data:`ROLES` as ``platform`` has LEDs free, in that order.

    Green and red where the board has LEDs called so (``led_g``, ``led_r``) or only one of three colours (``rgb_led``,
    the heartbeat then blue); else ``led`` 0, 1 and 2. An LED whose pin is taken is passed over.
    """
    named = [name for name, number in platform.resources if number == 0]
    plain = [("led", number) for name, number in sorted(platform.resources) if name == "led"]
    if {"led_g", "led_r"} <= set(named):
        wanted = [("led_g", 0), ("led_r", 0), *plain]
    elif not plain and "rgb_led" in named:
        colours = platform.request("rgb_led", 0, dir="-")
        return [
            (role, f"rgb_led 0 {colour}", getattr(colours, colour)) for role, colour in zip(ROLES, "grb", strict=True)
        ]
    else:
        wanted = plain
    found: list[tuple[str, PortLike]] = []
    for name, number in wanted:
        if len(found) == len(ROLES):
            break
        try:
            port = platform.request(name, number, dir="-")
        except (ResourceError, NameError):  # its pin is in use, or on a connector where nothing is
            continue
        if len(port) == 1:
            found.append((f"{name} {number}", port))
    return [(role, *led) for role, led in zip(ROLES, found, strict=False)]
