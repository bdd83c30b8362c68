// SPDX-License-Identifier: Apache-2.0
// Explained tokens against units on a canvas: only what is in view is drawn, so
// the size of the matrix does not matter. It scrolls inside its own box; the
// names of rows and columns stay in place.

import { Matrix, shade, shorten, uncertain } from "./document";
import { FONT, Ink, ink, onLook } from "./ink";
import { figureKey, stepOf } from "./keys";
import { setScale } from "./ranks";
import { rowName } from "./rows";
import { Store, make, picture } from "./state";
import { later } from "./strip";
import { fill } from "./words";

const CELL = 24;
const SLOPE = Math.PI / 4;

function hatch(g: CanvasRenderingContext2D, x: number, y: number, colour: string): void {
  g.strokeStyle = colour;
  g.beginPath();
  for (let i = 4; i < 2 * CELL; i += 6) {
    g.moveTo(x + Math.max(0, i - CELL + 1), y + Math.min(i, CELL - 1));
    g.lineTo(x + Math.min(i, CELL - 1), y + Math.max(0, i - CELL + 1));
  }
  g.stroke();
}

export function attachMatrix(m: Matrix, store: Store): void {
  const table = document.getElementById("glim-table");
  if (!m.many || !table) return;
  let columns = m.scored;
  let limits: number[] = [];
  const rowNames = m.rows.map((_, r) => shorten(rowName(r), 16));
  const names = m.units.map((unit) => shorten(unit.text, 16));
  const box = make("div", {
    class: "matrix",
    id: "glim-matrix",
    tabindex: "0",
    role: "application",
  });
  box.dataset.label = "matrix";
  const canvas = make("canvas", { "aria-hidden": "true" });
  const ground = make("div", { class: "ground" });
  box.append(canvas, ground);
  const heading = fill(make("h2"), "matrix");
  (table as HTMLDetailsElement).open = false; // the canvas shows the same
  const legend = table.querySelector(".legend")?.cloneNode(true) as HTMLElement;
  const keys = legend.querySelector(".keys") as HTMLElement;
  table.before(
    make(
      "section",
      { class: "chart" },
      heading,
      fill(make("p", { class: "note" }), "matrix.where"),
      box,
      legend,
    ),
  );

  const context = canvas.getContext("2d");
  if (!context) return;
  const g = context;
  g.font = FONT;
  const widest = (all: string[]) =>
    all.slice(0, 500).reduce((most, name) => Math.max(most, g.measureText(name).width), 0);
  const left = Math.ceil(widest(rowNames)) + 14;
  const top = Math.ceil(widest(m.scored.map((u) => names[u])) * Math.sin(SLOPE)) + 24;
  const right = Math.ceil(top / Math.tan(SLOPE));
  Object.assign(box.dataset, { left, top, cell: CELL }); // where the cells are
  ground.style.height = `${top + CELL * m.rows.length + 4}px`;
  let asked = false;

  function cell(r: number, c: number, x: number, y: number, colours: Ink): void {
    const u = columns[c];
    const score = m.scores[r][u];
    const { threshold } = store.state;
    const limit = limits[r];
    if (score === null) {
      if (later(m, r, u)) hatch(g, x, y, colours.step("line"));
      else {
        g.fillStyle = colours.none;
        g.fillRect(x, y, CELL - 1, CELL - 1);
        g.fillStyle = colours.fg;
        g.textAlign = "center";
        g.fillText("\u00d7", x + CELL / 2, y + CELL / 2);
      }
      return;
    }
    const name = shade(Math.abs(score) < threshold * limit ? 0 : score, limit, m.signed);
    g.fillStyle = colours.step(name);
    g.strokeStyle = colours.step(name);
    if (uncertain(score, m.errors?.[r][u])) {
      g.strokeStyle = colours.soft;
      g.setLineDash([2, 2]);
      g.strokeRect(x + 2.5, y + 2.5, CELL - 6, CELL - 6);
      g.setLineDash([]);
    } else g.fillRect(x, y, CELL - 1, CELL - 1);
    if (m.signed && score < 0 && name !== "s5") {
      g.strokeStyle = uncertain(score, m.errors?.[r][u])
        ? colours.fg
        : colours.step(`t${name.slice(1)}`); // lowers: a bar, the sign itself
      g.beginPath();
      g.moveTo(x + 8, y + CELL / 2);
      g.lineTo(x + CELL - 9, y + CELL / 2);
      g.stroke();
    }
    if (Math.abs(score) > limit) {
      g.fillStyle = colours.fg;
      g.beginPath();
      g.moveTo(x + CELL - 8, y);
      g.lineTo(x + CELL - 1, y);
      g.lineTo(x + CELL - 1, y + 7);
      g.fill();
    }
  }

  function paint(): void {
    asked = false;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [box.clientWidth, box.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const colours = ink();
    const [dx, dy] = [box.scrollLeft, box.scrollTop];
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.font = FONT;
    g.textBaseline = "middle";
    g.fillStyle = colours.bg;
    g.fillRect(0, 0, width, height);
    const rows = [
      Math.floor(dy / CELL),
      Math.min(m.rows.length, Math.ceil((dy + height - top) / CELL)),
    ];
    const cols = [
      Math.floor(dx / CELL),
      Math.min(columns.length, Math.ceil((dx + width - left) / CELL)),
    ];
    const part = (x: number, y: number, w: number, h: number, draw: () => void) => {
      g.save();
      g.beginPath();
      g.rect(x, y, w, h);
      g.clip();
      draw();
      g.restore();
    };
    part(left, top, width, height, () => {
      for (let r = rows[0]; r < rows[1]; r++)
        for (let c = cols[0]; c < cols[1]; c++)
          cell(r, c, left + c * CELL - dx, top + r * CELL - dy, colours);
      cursor(dx, dy, colours);
    });
    part(0, top, left, height, () => {
      g.textAlign = "right";
      for (let r = rows[0]; r < rows[1]; r++) {
        g.fillStyle = r === store.state.row ? colours.fg : colours.soft;
        g.fillText(
          (r === store.state.row ? "\u25b8" : "") + rowNames[r],
          left - 6,
          top + r * CELL - dy + CELL / 2,
        );
      }
    });
    part(left, 0, width, top, () => {
      g.textAlign = "left";
      const before = Math.max(0, cols[0] - Math.ceil(right / CELL));
      for (let c = before; c < cols[1]; c++) {
        g.save();
        g.fillStyle = columns[c] === store.state.unit ? colours.fg : colours.soft;
        g.translate(left + c * CELL - dx + CELL / 2, top - 6);
        g.rotate(-SLOPE);
        g.fillText(names[columns[c]], 0, 0);
        g.restore();
      }
    });
  }

  function cursor(dx: number, dy: number, colours: Ink): void {
    const { row, unit } = store.state;
    const c = unit === null ? -1 : columns.indexOf(unit);
    g.strokeStyle = colours.fg;
    g.lineWidth = 2;
    if (row !== null)
      g.strokeRect(left - dx - 1, top + row * CELL - dy, CELL * columns.length + 1, CELL - 1);
    if (c >= 0)
      g.strokeRect(left + c * CELL - dx, top - dy - 1, CELL - 1, CELL * m.rows.length + 1);
    g.lineWidth = 1;
  }

  function explainScale(limit: number): void {
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
    keys.replaceChildren(
      key("", fill(make("span"), store.state.own ? "legend.ownrows" : "legend.cells")),
    );
    if (unsure) keys.append(key("h", fill(make("span"), "legend.hollow", String(unsure))));
    if (nil) keys.append(key("nil", fill(make("span"), "legend.none", String(nil))));
    if (none) keys.append(key("x", fill(make("span"), "legend.missing", String(none))));
    setScale(legend, limit, m.signed);
    if (store.state.own)
      for (const end of legend.querySelectorAll(".least, .most, .a4")) end.textContent = "";
  }

  function ask(): void {
    if (!asked) requestAnimationFrame(paint);
    asked = true;
  }

  function cellAt(event: MouseEvent): { row: number; unit: number } | null {
    const edge = box.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left - left, event.clientY - edge.top - top];
    if (x < 0 || y < 0) return null;
    const [r, c] = [
      Math.floor((y + box.scrollTop) / CELL),
      Math.floor((x + box.scrollLeft) / CELL),
    ];
    return r < m.rows.length && c < columns.length ? { row: r, unit: columns[c] } : null;
  }

  function reveal(): void {
    const { row, unit } = store.state;
    const c = unit === null ? 0 : Math.max(0, columns.indexOf(unit));
    const y = (row ?? 0) * CELL;
    const [w, h] = [box.clientWidth - left - CELL, box.clientHeight - top - CELL];
    box.scrollTop = Math.max(y - h, Math.min(box.scrollTop, y));
    box.scrollLeft = Math.max(c * CELL - w, Math.min(box.scrollLeft, c * CELL));
  }

  ground.addEventListener("pointermove", (event) => {
    const at = cellAt(event);
    if (at) store.change({ unit: at.unit });
  });
  ground.addEventListener("click", (event) => {
    const at = cellAt(event);
    if (at) store.change({ unit: at.unit, row: store.state.row === at.row ? null : at.row });
  });
  box.addEventListener("keydown", (event) => {
    const c = store.state.unit === null ? -1 : columns.indexOf(store.state.unit);
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = stepOf(event.key, c, columns.length);
    if (to !== null) store.change({ unit: columns[to] });
    else if (!figureKey(event, m, store)) return;
    reveal();
    event.preventDefault();
  });
  box.addEventListener("scroll", ask);
  onLook(ask);
  store.listen(["own", "clip", "written"], () => {
    columns = m.scored.filter((u) => store.state.written || !m.units[u].generated);
    ground.style.width = `${left + CELL * columns.length + right}px`;
    const shared = picture(m, store.state, 0).limit;
    explainScale(shared);
    limits = m.rows.map((_, r) => (store.state.own ? picture(m, store.state, r).limit : shared));
    ask();
  });
  store.listen(["row", "unit", "threshold"], ask);
}
