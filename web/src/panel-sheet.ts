// SPDX-License-Identifier: Apache-2.0
// A grid with more cells than a page bears as a table: the report pools them, here
// every one of them is drawn, on a canvas.

import { Panel, labelOf, limitOf, stepOf } from "./panel-data";
import { Handlers, chosenOn } from "./panel-grid";
import { sheet } from "./sheet";
import { Store, make } from "./state";
import { fill } from "./words";

const CELL = 14;

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
      g.fillStyle = value === null ? ink.none : ink.step(stepOf(p, value, limit));
      g.fillRect(x, y, CELL - 1, CELL - 1);
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
  return cells.ask;
}
