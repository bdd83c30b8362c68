// SPDX-License-Identifier: Apache-2.0
// Beside a map: what its colours mean, with counts; a click looks at a group alone.

import { format, shorten } from "./document";
import { AMOUNTS, Colouring, SIGNED } from "./map-data";
import { colourOf, densityStep, hollow, shapeOf } from "./map-paint";
import { MapView } from "./map-view";
import { SVG, make } from "./state";
import { fill, say } from "./words";

/** A mark as on the map, in the colour that the style sheet gives to its class. */
export function mark(look: number): SVGElement {
  const svg = document.createElementNS(SVG, "svg") as SVGElement;
  const path = document.createElementNS(SVG, "path");
  const put = (element: Element, values: Record<string, string>) => {
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
  };
  put(svg, { class: "mark", width: "14", height: "14", viewBox: "-1.3 -1.3 2.6 2.6" });
  put(svg, { "aria-hidden": "true" });
  put(path, { d: shapeOf(look), class: `${colourOf(look)}${hollow(look) ? " open" : ""}` });
  svg.append(path);
  return svg;
}

function swatches(from: number, n: number, ends: [string, string]): HTMLElement {
  const strip = make("span", { class: "swatches" });
  for (let s = 0; s < n; s++)
    strip.append(make("span", { class: `w ${colourOf(from + s).replace("edge", "s5")}` }));
  const [least, most] = ends.map((end) => make("b", {}, end));
  return make("span", { class: "scale" }, least, " ", strip, " ", most);
}

export function attachLegend(view: MapView, colouring: () => Colouring | undefined): HTMLElement {
  const legend = make("div", { class: "map-legend legend" });
  const buttons: [HTMLElement, () => boolean][] = [];
  const marked = () => {
    for (const [button, on] of buttons) button.setAttribute("aria-pressed", String(on()));
  };

  const build = () => {
    const c = colouring();
    const { groups, from, to } = view.looks;
    buttons.length = 0;
    legend.replaceChildren();
    if (c?.kind === "number") {
      const signed = from < 0;
      const limit = Math.max(Math.abs(from), Math.abs(to));
      const ends = [from, to].map((x) => format(x, limit, signed)) as [string, string];
      legend.append(swatches(signed ? SIGNED : AMOUNTS, signed ? 11 : 8, ends));
    }
    for (const group of groups) {
      const name = group.name
        ? make("bdi", {}, shorten(group.name, 24))
        : fill(make("span"), group.look === 12 ? "scatter.other" : "scatter.none");
      const button = make(
        "button",
        { type: "button", class: "group" },
        mark(group.look),
        name,
        " ",
      );
      button.append(make("small", {}, String(group.count)));
      button.addEventListener("click", () => {
        view.isolate(group);
        marked();
      });
      buttons.push([button, () => view.isAlone(group)]);
      legend.append(button);
    }
    marked();
  };
  const count = make("p", { class: "note map-dense", role: "status" });
  view.box.addEventListener("glim-drawn", () => {
    if (!view.dense === count.hidden) return;
    count.hidden = !view.dense;
    count.replaceChildren();
    if (!view.dense) return;
    const steps = Array.from({ length: 8 }, (_, s) => s + 1);
    const least = (step: number) => {
      let n = 1;
      while (n < view.dense && densityStep(n, view.dense) < step) n = Math.ceil(n * 1.1);
      return n;
    };
    fill(count, "scatter.dense", String(view.map.n));
    count.append(" ", swatches(AMOUNTS, 8, [String(least(steps[0])), String(view.dense)]));
  });
  count.hidden = true;
  legend.addEventListener("glim-legend", build);
  build();
  return make("div", {}, legend, count);
}

/** One line for a colouring's value of a point. */
export function valueText(c: Colouring, i: number): string {
  const x = c.values[i] ?? null;
  if (x === null) return say("scatter.none");
  if (c.kind === "category") return shorten(c.names[x] ?? "", 40);
  return format(x, Math.abs(x), x < 0);
}
