// SPDX-License-Identifier: Apache-2.0
// Produced tokens against units on a canvas: only what is in view is drawn, so
// the size of the matrix does not matter.

import { Matrix, largest, shorten, step, visible } from "./document";
import { Store, make } from "./state";
import { words } from "./words";

const CELL = 22;
const LEFT = 120;
const TOP = 96;

/** Colours from the style sheet, so that light and dark follow it. */
function palette(): string[] {
  const style = getComputedStyle(document.documentElement);
  const names = ["n5", "n4", "n3", "n2", "n1", "bg", "p1", "p2", "p3", "p4", "p5", "fg", "soft", "line"];
  return names.map((name) => style.getPropertyValue(`--${name}`).trim());
}

export function attachMatrix(m: Matrix, store: Store, main: HTMLElement): void {
  if (m.rows.length < 2) return;
  const columns = m.units.map((_, u) => u).filter((u) => !m.units[u].fixed);
  const limits = m.scores.map((row) => largest(row));
  const whole = largest(limits);
  const box = make("div", { class: "matrix", tabindex: "0", role: "application" });
  const canvas = make("canvas", { "aria-hidden": "true" });
  const size = make("div", { class: "size" });
  size.style.width = `${LEFT + CELL * columns.length}px`;
  size.style.height = `${TOP + CELL * m.rows.length}px`;
  box.style.height = `${Math.min(TOP + CELL * m.rows.length + 20, 0.7 * window.innerHeight)}px`;
  box.append(canvas, size);
  main.insertBefore(box, main.querySelector("details"));
  let asked = false;

  function paint(): void {
    asked = false;
    const scale = window.devicePixelRatio || 1;
    const width = box.clientWidth;
    const height = box.clientHeight;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const g = canvas.getContext("2d");
    if (!g) return;
    const colours = palette();
    const { row: chosen, unit, threshold, wholeScale } = store.state;
    g.scale(scale, scale);
    g.font = '13px "Noto Sans","Noto Sans CJK SC","DejaVu Sans",sans-serif';
    g.textBaseline = "middle";
    const firstRow = Math.floor(box.scrollTop / CELL);
    const firstColumn = Math.floor(box.scrollLeft / CELL);
    const lastRow = Math.min(m.rows.length, firstRow + Math.ceil((height - TOP) / CELL) + 1);
    const lastColumn = Math.min(columns.length, firstColumn + Math.ceil((width - LEFT) / CELL) + 1);
    g.save();
    g.beginPath();
    g.rect(LEFT, TOP, width, height);
    g.clip();
    for (let r = firstRow; r < lastRow; r++)
      for (let c = firstColumn; c < lastColumn; c++) {
        const score = m.scores[r][columns[c]];
        const limit = wholeScale ? whole : limits[r];
        const x = LEFT + c * CELL - box.scrollLeft;
        const y = TOP + r * CELL - box.scrollTop;
        const faint = score === null || Math.abs(score) < threshold * limit;
        g.fillStyle = colours[5 + (faint ? 0 : step(score, limit))];
        g.fillRect(x, y, CELL - 1, CELL - 1);
        if (score === null) {
          g.fillStyle = colours[13];
          g.fillRect(x + CELL / 2 - 1, y + CELL / 2 - 1, 2, 2);
        }
        if (chosen === r || columns[c] === unit) {
          g.strokeStyle = colours[11];
          g.strokeRect(x - 0.5, y - 0.5, CELL, CELL);
        }
      }
    g.restore();
    g.fillStyle = colours[5];
    g.fillRect(0, 0, width, TOP);
    g.fillRect(0, 0, LEFT, height);
    g.save();
    g.beginPath();
    g.rect(0, TOP, LEFT, height);
    g.clip();
    g.textAlign = "right";
    for (let r = firstRow; r < lastRow; r++) {
      g.fillStyle = chosen === r ? colours[11] : colours[12];
      g.fillText(shorten(m.rows[r].text, 14), LEFT - 6, TOP + r * CELL - box.scrollTop + CELL / 2);
    }
    g.restore();
    g.save();
    g.beginPath();
    g.rect(LEFT, 0, width, TOP);
    g.clip();
    g.textAlign = "left";
    for (let c = firstColumn; c < lastColumn; c++) {
      g.save();
      g.fillStyle = columns[c] === unit ? colours[11] : colours[12];
      g.translate(LEFT + c * CELL - box.scrollLeft + CELL / 2, TOP - 6);
      g.rotate(-Math.PI / 3);
      g.fillText(shorten(m.units[columns[c]].text, 12), 0, 0);
      g.restore();
    }
    g.restore();
  }

  function ask(): void {
    if (!asked) requestAnimationFrame(paint);
    asked = true;
  }

  function cellAt(event: MouseEvent): { row: number; unit: number } | null {
    const edge = box.getBoundingClientRect(); // names of rows and columns stay in place
    if (event.clientY - edge.top < TOP || event.clientX - edge.left < LEFT) return null;
    const r = Math.floor((event.offsetY - TOP) / CELL);
    const c = Math.floor((event.offsetX - LEFT) / CELL);
    return r < m.rows.length && c < columns.length ? { row: r, unit: columns[c] } : null;
  }

  size.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (cell && cell.unit !== store.state.unit) store.change({ unit: cell.unit });
  });
  size.addEventListener("click", (event) => {
    const r = Math.floor((event.offsetY - TOP) / CELL);
    const below = event.clientY - box.getBoundingClientRect().top >= TOP;
    if (below && r < m.rows.length) store.change({ row: store.state.row === r ? null : r });
  });
  box.addEventListener("keydown", (event) => {
    const { row, unit } = store.state;
    const c = unit === null ? -1 : columns.indexOf(unit);
    const moves: Record<string, () => void> = {
      ArrowDown: () => store.change({ row: Math.min(m.rows.length - 1, (row ?? -1) + 1) }),
      ArrowUp: () => store.change({ row: row === null || row === 0 ? null : row - 1 }),
      ArrowRight: () => store.change({ unit: columns[Math.min(columns.length - 1, c + 1)] }),
      ArrowLeft: () => store.change({ unit: columns[Math.max(0, c - 1)] }),
      Escape: () => store.change({ row: null }),
    };
    if (!moves[event.key]) return;
    moves[event.key]();
    event.preventDefault();
  });
  box.addEventListener("scroll", ask);
  window.addEventListener("resize", ask);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
  store.listen(() => {
    const { row, unit, language } = store.state;
    const at = `${row === null ? "" : visible(m.rows[row].text)} ${unit === null ? "" : visible(m.units[unit].text)}`;
    box.setAttribute("aria-label", `${words(language).matrix} ${at}`.trim());
    ask();
  });
}
