// SPDX-License-Identifier: Apache-2.0
// A grid with more cells than a page bears as a table: the report pools them, here
// every one of them is drawn, on a canvas.

import { Panel, isSigned, labelOf, limitOf, stepOf } from "./panel-data";
import { Handlers, chosenOn } from "./panel-grid";
import { hatch, sheet } from "./sheet";
import { Store, make } from "./state";
import { fill } from "./words";

const CELL = 14;
const [LEAST, MOST] = [-0.2, 1.2]; // effects beyond have a notch, as src/view/panels.c says

export function attachSheet(p: Panel, pooled: HTMLElement, store: Store, h: Handlers): () => void {
  const limit = limitOf(p);
  const chosen = (): [number, number] => {
    const at = h.cursor() ?? [-1, -1];
    const [r, c] = [chosenOn(p.rows, store.state), chosenOn(p.columns, store.state)];
    return [r >= 0 ? r : at[0], c >= 0 ? c : at[1]];
  };
  const cells = sheet({
    size: CELL,
    rows: () => p.rows.labels.length,
    columns: () => p.columns.labels.length,
    rowName: (r) => labelOf(p.rows, r, 16),
    columnName: (c) => labelOf(p.columns, c, 12),
    chosen,
    paint: (g, r, c, x, y, ink) => {
      const value = p.values[r][c];
      if (value === null) return hatch(g, x, y, CELL, ink.fg);
      const step = stepOf(p, value, limit);
      g.fillStyle = ink.step(step);
      g.fillRect(x, y, CELL - 1, CELL - 1);
      if (isSigned(p) && value < 0 && step !== "s5") {
        g.fillStyle = ink.step(`t${step.slice(1)}`); // lowers: the sign itself
        g.fillRect(x + 4, y + CELL / 2 - 1, CELL - 9, 1);
      }
      if (p.scale === "effect" && (value < LEAST || value > MOST)) {
        g.fillStyle = ink.fg;
        g.beginPath();
        g.moveTo(x + CELL - 6, y);
        g.lineTo(x + CELL - 1, y);
        g.lineTo(x + CELL - 1, y + 5);
        g.fill();
      }
      if (p.marked?.[r][c]) {
        g.strokeStyle = ink.fg;
        g.strokeRect(x + 0.5, y + 0.5, CELL - 2, CELL - 2);
      }
    },
    at: (r, c, clicked) => {
      h.move(r, c);
      if (clicked) h.keep();
    },
  });
  cells.box.setAttribute("aria-labelledby", `${pooled.parentElement?.id}-name`);
  cells.box.addEventListener("keydown", (event) => {
    if (h.keys(event)) cells.reveal(...chosen());
  });
  pooled.before(fill(make("p", { class: "note" }), "grid.whole"), cells.box);
  pooled.hidden = true;
  const note = pooled.parentElement?.querySelector<HTMLElement>("[data-w='panel.pooled']");
  if (note) note.hidden = true;
  return cells.ask;
}
