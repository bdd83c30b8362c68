// SPDX-License-Identifier: Apache-2.0
// Lines of a report's panels: the numbers of a column under the pointer or the cursor,
// series that are put aside, and the same column in all figures.

import { act, stepOf as keyStep } from "./keys";
import { Panel, intervalOf, numberOf, placeOf } from "./panel-data";
import { choose, chosenOn } from "./panel-grid";
import { SVG, Store, make } from "./state";
import { say } from "./words";

// the drawing of src/view/html-lines.c
const [LEFT, RIGHT, TOP, BOTTOM, WIDTH, HEIGHT] = [58, 14, 14, 40, 720, 300];

export function attachLines(p: Panel, host: HTMLElement, store: Store): void {
  const svg = host.querySelector<SVGSVGElement>("svg.curves[role=img]");
  const box = svg?.parentElement;
  const n = p.columns.labels.length;
  if (!svg || !box) return;
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-labelledby", svg.getAttribute("aria-labelledby") ?? "");
  const guide = document.createElementNS(SVG, "path");
  guide.setAttribute("class", "guide");
  svg.append(guide);
  const across = (c: number) =>
    n < 2 ? LEFT + (WIDTH - LEFT - RIGHT) / 2 : LEFT + ((WIDTH - LEFT - RIGHT) * c) / (n - 1);
  const detail = make("div", { class: "detail", role: "status" });
  const off = new Set<number>();
  let cursor = -1;

  const tell = () => {
    const chosen = chosenOn(p.columns, store.state);
    const c = cursor >= 0 ? cursor : chosen;
    guide.setAttribute("d", c < 0 ? "" : `M${across(c).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`);
    if (c < 0) {
      detail.textContent = say("lines.detail");
      return;
    }
    const heading = make("b", {}, make("bdi", {}, placeOf(p.columns, c)));
    const parts = p.rows.labels.map((name, s) => [s, name] as const).filter(([s]) => !off.has(s));
    detail.replaceChildren(heading, " ");
    for (const [s, name] of parts) {
      const value = numberOf(p, p.values[s][c]) + intervalOf(p, s, c);
      const shown = host.querySelector(`.legend .key[data-s="${s}"]`)?.textContent?.trim() || name;
      detail.append(make("span", { class: "key" }, make("bdi", {}, shown), ` ${value}`), " ");
    }
  };
  const move = (c: number) => {
    cursor = c;
    tell();
  };
  const keep = () => choose(store, [p.columns, cursor]);

  box.addEventListener("pointermove", (event) => {
    const edge = svg.getBoundingClientRect();
    const x = ((event.clientX - edge.left) / edge.width) * WIDTH;
    const at = n < 2 ? 0 : Math.round(((x - LEFT) / (WIDTH - LEFT - RIGHT)) * (n - 1));
    move(Math.max(0, Math.min(n - 1, at)));
  });
  box.addEventListener("pointerleave", () => move(-1));
  box.addEventListener("click", keep);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = keyStep(event.key, cursor, n);
    if (to !== null) {
      move(to);
      event.preventDefault();
    } else
      act(event, store, {
        Enter: keep,
        "[": () => move(Math.max(0, cursor - 1)),
        "]": () => move(Math.min(n - 1, cursor + 1)),
        Escape: () => {
          move(-1);
          store.change({ kept: null, layer: null, head: null });
        },
      });
  });
  // a key of the legend puts its line aside
  for (const key of host.querySelectorAll<HTMLElement>(".legend .key[data-s]")) {
    const s = Number(key.dataset.s);
    const button = make("button", { type: "button", class: "key", "aria-pressed": "true" });
    button.dataset.s = key.dataset.s ?? "";
    button.append(...Array.from(key.childNodes));
    key.replaceWith(button);
    button.addEventListener("click", () => {
      if (!off.delete(s)) off.add(s);
      button.setAttribute("aria-pressed", String(!off.has(s)));
      for (const shape of svg.querySelectorAll(`[data-s="${s}"]`))
        shape.toggleAttribute("hidden", off.has(s));
      tell();
    });
  }
  box.after(detail);
  store.listen(["layer", "head", "kept", "unit", "language"], tell);
}
