// Draws every figure from the specifications in the page, one after the other, and tells what the pointer is on.
"use strict";
(() => {
  const specifications = JSON.parse(document.getElementById("charts").textContent);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);

  function tooltip(handler, event, item, value) {
    if (value === null || value === undefined || value === "") {
      tip.hidden = true;
      return;
    }
    const entries = typeof value === "object" ? Object.entries(value) : [["", value]];
    tip.replaceChildren(...entries.map(([name, text]) => {
      const line = document.createElement("div");
      const strong = document.createElement("b");
      strong.textContent = text;
      line.append(name ? name + " " : "", strong);
      return line;
    }));
    tip.hidden = false;
    const right = event.clientX + 14 + tip.offsetWidth > document.documentElement.clientWidth;
    tip.style.left = Math.max(4, right ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14) + "px";
    tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 4)) + "px";
  }

  async function draw() {
    const places = [...document.querySelectorAll("[data-chart]")];
    for (const place of places) {
      const how = { mode: "vega", renderer: "svg", actions: false, defaultStyle: false, tooltip };
      await vegaEmbed(place, specifications[place.dataset.chart], how);
      performance.mark("figure");
      // lets the browser paint what there is before the next one
      await new Promise((go) => setTimeout(go));
    }
    document.documentElement.dataset.drawn = places.length;
  }

  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  draw();
})();
