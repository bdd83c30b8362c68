// SPDX-License-Identifier: Apache-2.0
// Links of a translation: a word under the pointer or the focus brings out its curves and
// what it is linked with, and the error rate of each layer is a bar, since the best layer
// differs between models.

import { SVG, make } from "./state";
import { fill } from "./words";

interface Links {
  links?: {
    found: [number, number][];
    sure: [number, number][] | null;
    aer_by_layer: (number | null)[] | null;
  };
  attention?: { layer: number | null };
  input: { units: { fixed: boolean; generated: boolean }[] };
}

const shape = (name: string, attributes: Record<string, string | number>): SVGElement => {
  const self = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) self.setAttribute(key, String(value));
  return self;
};

/** Bars of the error rates; the layer that is shown is filled. */
function rates(aer: (number | null)[], shown: number | null): HTMLElement {
  const [width, height] = [Math.max(160, 26 * aer.length + 40), 120];
  const svg = shape("svg", { class: "aer", width, height: height + 22, role: "img" });
  svg.append(shape("title", {}));
  svg.firstElementChild?.append(aer.map((x, i) => `L${i} ${x?.toFixed(3) ?? "?"}`).join(", "));
  for (const tick of [0, 0.5, 1]) {
    const y = 8 + (1 - tick) * (height - 16);
    const text = shape("text", { x: 26, y: y + 4, "text-anchor": "end" });
    text.append(String(tick));
    svg.append(shape("path", { class: "axis", d: `M30 ${y}H${width}` }), text);
  }
  aer.forEach((x, i) => {
    const text = shape("text", { x: 46 + 26 * i, y: height + 12, "text-anchor": "middle" });
    text.append(String(i));
    const size = (x ?? 0) * (height - 16);
    svg.append(
      text,
      shape("rect", {
        class: i === shown ? "shown" : "other",
        x: 37 + 26 * i,
        y: height - 8 - size,
        width: 18,
        height: Math.max(1, size),
      }),
    );
  });
  return make(
    "figure",
    { id: "glim-aer" },
    svg,
    fill(make("figcaption", { class: "note" }), "links.bars"),
  );
}

export function attachLinks(report: unknown): void {
  const svg = document.getElementById("glim-links");
  const d = report as Links;
  const links = d.links;
  if (!svg || !links) return;
  const units = d.input.units
    .map((_, u) => u)
    .filter((u) => !d.input.units[u].fixed && !d.input.units[u].generated);
  const key = (pair: [number, number]) => pair.join(" ");
  const found = new Set(links.found.map(key));
  const pairs = [...links.found, ...(links.sure ?? []).filter((pair) => !found.has(key(pair)))];
  const curves = Array.from(svg.querySelectorAll("path")); // in the order of the pairs
  const words = Array.from(svg.querySelectorAll("text")); // units, then rows
  const show = (i: number | null) => {
    const own = (pair: [number, number]) =>
      i !== null && (i < units.length ? pair[1] === units[i] : pair[0] === i - units.length);
    curves.forEach((curve, k) => {
      curve.classList.toggle("bright", i !== null && own(pairs[k]));
      curve.classList.toggle("pale", i !== null && !own(pairs[k]));
    });
    words.forEach((word, w) => {
      const linked = pairs.some(
        (pair) =>
          own(pair) && (w < units.length ? pair[1] === units[w] : pair[0] === w - units.length),
      );
      word.classList.toggle("bright", linked || w === i);
    });
  };
  words.forEach((word, i) => {
    word.addEventListener("pointerenter", () => show(i));
    word.addEventListener("pointerleave", () => show(null));
  });
  const box = svg.closest<HTMLElement>(".scroll");
  let at = -1;
  box?.addEventListener("keydown", (event) => {
    if (event.key === "Escape") at = -1;
    else if (event.key === "ArrowRight") at = Math.min(words.length - 1, at + 1);
    else if (event.key === "ArrowLeft") at = Math.max(0, at - 1);
    else return;
    show(at < 0 ? null : at);
    event.preventDefault();
  });
  if (links.aer_by_layer)
    svg.closest("section")?.append(rates(links.aer_by_layer, d.attention?.layer ?? null));
}
