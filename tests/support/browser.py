"""The report's pages in a real browser: Debian's Chromium, driven by Playwright, with nothing downloaded."""

import contextlib
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# every text that can be seen: what it says, font size as it appears, colour, and the background behind it
TEXTS = """() => {
  const seen = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const clear = (colour) => colour === "transparent" || colour.endsWith(", 0)");
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || element.closest("script, style, noscript, title, .hidden, .net thead") || !element.checkVisibility())
      continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    if (!range.getClientRects().length) continue;
    const style = getComputedStyle(element), svg = element.closest("svg");
    const scale = svg ? svg.getBoundingClientRect().width / svg.width.baseVal.value : 1;
    let behind = element;
    while (behind && clear(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    seen.push({text, size: parseFloat(style.fontSize) * scale, svg: !!svg, colour: svg ? style.fill : style.color,
               behind: getComputedStyle(behind || document.documentElement).backgroundColor});
  }
  return seen;
}"""


@contextlib.contextmanager
def chromium():
    """Yield a browser; the test is skipped where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev extra)")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no Chromium on the PATH ({', '.join(NAMES)}); install your system's package")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(browser, path, *, width=1400, scheme="light"):
    """Yield ``(page, problems)`` with the file ``path`` open and all its figures drawn.

    ``problems``: what the console said, errors of scripts, dialogs, and requests for anything but the file itself.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, problems, address = context.new_page(), [], path.resolve().as_uri()
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            request.url.partition("#")[0] == address
            or request.url.startswith("data:")
            or problems.append(f"request: {request.url}")
        ),
    )
    try:
        page.goto(address)
        page.wait_for_function("document.documentElement.dataset.drawn !== undefined", timeout=60_000)
        yield page, problems
    finally:
        context.close()


def channels(colour):
    """Return red, green, blue (0 to 1) of ``#rrggbb`` or ``rgb(r, g, b)``."""
    if colour.startswith("#"):
        return [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    return [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def contrast(a, b):
    """Return the contrast ratio of two colours as WCAG 2 defines it, 1 to 21."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
