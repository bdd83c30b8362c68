// SPDX-License-Identifier: Apache-2.0
// Explained tokens against units, on a canvas.

import { Matrix, shade, shorten, uncertain } from "./document";
import { Ink } from "./ink";
import { figureKey, stepOf } from "./keys";
import { setScale } from "./ranks";
import { rowName } from "./rows";
import { hatch, sheet } from "./sheet";
import { Store, make, picture } from "./state";
import { later } from "./strip";
import { fill } from "./words";

const CELL = 24;

/** One cell with its marks besides colour: a frame for what is unsure, a bar for what lowers. */
function paintCell(
  g: CanvasRenderingContext2D,
  m: Matrix,
  at: { r: number; u: number; x: number; y: number; limit: number; threshold: number },
  ink: Ink,
): void {
  const { r, u, x, y, limit } = at;
  const score = m.scores[r][u];
  if (score === null) {
    if (later(m, r, u)) return hatch(g, x, y, CELL, ink.step("line"));
    g.fillStyle = ink.none;
    g.fillRect(x, y, CELL - 1, CELL - 1);
    g.fillStyle = ink.fg;
    g.textAlign = "center";
    g.fillText("\u00d7", x + CELL / 2, y + CELL / 2);
    return;
  }
  const name = shade(Math.abs(score) < at.threshold * limit ? 0 : score, limit, m.signed);
  const unsure = uncertain(score, m.errors?.[r][u]);
  g.fillStyle = ink.step(name);
  if (unsure) {
    g.strokeStyle = ink.soft;
    g.setLineDash([2, 2]);
    g.strokeRect(x + 2.5, y + 2.5, CELL - 6, CELL - 6);
    g.setLineDash([]);
  } else g.fillRect(x, y, CELL - 1, CELL - 1);
  if (m.signed && score < 0 && name !== "s5") {
    g.strokeStyle = unsure ? ink.fg : ink.step(`t${name.slice(1)}`); // lowers: the sign itself
    g.beginPath();
    g.moveTo(x + 8, y + CELL / 2);
    g.lineTo(x + CELL - 9, y + CELL / 2);
    g.stroke();
  }
  if (Math.abs(score) > limit) {
    g.fillStyle = ink.fg;
    g.beginPath();
    g.moveTo(x + CELL - 8, y);
    g.lineTo(x + CELL - 1, y);
    g.lineTo(x + CELL - 1, y + 7);
    g.fill();
  }
}

/** The legend says which scale, and counts the marks. */
function explainScale(
  m: Matrix,
  store: Store,
  legend: HTMLElement,
  columns: number[],
  limit: number,
): void {
  const key = (mark: string, text: HTMLElement) => {
    const item = make("span", { class: "key" });
    if (mark) item.append(make("span", { class: `w ${mark}` }), " ");
    item.append(text);
    return item;
  };
  let [nil, none, unsure] = [0, 0, 0];
  m.rows.forEach((_, r) =>
    columns.forEach((u) => {
      if (m.scores[r][u] === null) later(m, r, u) ? nil++ : none++;
      else if (uncertain(m.scores[r][u], m.errors?.[r][u])) unsure++;
    }),
  );
  const keys = legend.querySelector(".keys") as HTMLElement;
  const { own } = store.state;
  keys.replaceChildren(key("", fill(make("span"), own ? "legend.ownrows" : "legend.cells")));
  if (unsure) keys.append(key("h", fill(make("span"), "legend.hollow", String(unsure))));
  if (nil) keys.append(key("nil", fill(make("span"), "legend.none", String(nil))));
  if (none) keys.append(key("x", fill(make("span"), "legend.missing", String(none))));
  setScale(legend, limit, m.signed);
  if (own) for (const end of legend.querySelectorAll(".least, .most, .a4")) end.textContent = "";
}

export function attachMatrix(m: Matrix, store: Store): void {
  const table = document.getElementById("glim-table") as HTMLDetailsElement | null;
  if (!m.many || !table) return;
  let columns = m.scored;
  let limits: number[] = [];
  const rowNames = m.rows.map((_, r) => shorten(rowName(r), 16));
  const names = m.units.map((unit) => shorten(unit.text, 16));
  const column = () => (store.state.unit === null ? -1 : columns.indexOf(store.state.unit));
  const cells = sheet({
    size: CELL,
    rows: () => m.rows.length,
    columns: () => columns.length,
    rowName: (r) => rowNames[r],
    columnName: (c) => names[columns[c]],
    chosen: () => [store.state.row ?? -1, column()],
    paint: (g, r, c, x, y, ink) => {
      const { threshold } = store.state;
      paintCell(g, m, { r, u: columns[c], x, y, limit: limits[r], threshold }, ink);
    },
    at: (r, c, clicked) =>
      store.change({
        unit: columns[c],
        ...(clicked ? { row: store.state.row === r ? null : r } : {}),
      }),
  });
  cells.box.id = "glim-matrix";
  cells.box.dataset.label = "matrix";
  table.open = false; // the canvas shows the same
  const legend = table.querySelector(".legend")?.cloneNode(true) as HTMLElement;
  const where = fill(make("p", { class: "note" }), "matrix.where");
  const heading = fill(make("h2"), "matrix");
  table.before(make("section", { class: "chart" }, heading, where, cells.box, legend));
  cells.box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = stepOf(event.key, column(), columns.length);
    if (to !== null) store.change({ unit: columns[to] });
    else if (!figureKey(event, m, store)) return;
    cells.reveal(store.state.row ?? 0, column());
    event.preventDefault();
  });
  store.listen(["own", "clip", "written"], () => {
    columns = m.scored.filter((u) => store.state.written || !m.units[u].generated);
    const shared = picture(m, store.state, 0).limit;
    explainScale(m, store, legend, columns, shared);
    limits = m.rows.map((_, r) => (store.state.own ? picture(m, store.state, r).limit : shared));
    cells.resize();
  });
  store.listen(["row", "unit", "threshold"], cells.ask);
}
