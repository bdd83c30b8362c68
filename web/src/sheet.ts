// SPDX-License-Identifier: Apache-2.0
// Cells on a canvas: only what is in view is drawn, so the number of cells does not
// matter. It scrolls inside its own box; the names of rows and columns stay in place.

import { FONT, Ink, ink, onLook } from "./ink";
import { make } from "./state";

const SLOPE = Math.PI / 4;

export interface SheetOf {
  size: number; // of a cell, in css pixels
  rows: () => number;
  columns: () => number;
  rowName: (r: number) => string;
  columnName: (c: number) => string;
  paint: (
    g: CanvasRenderingContext2D,
    r: number,
    c: number,
    x: number,
    y: number,
    ink: Ink,
  ) => void;
  chosen: () => [number, number]; // row and column, -1: none
  at: (r: number, c: number, clicked: boolean) => void;
}

export interface Sheet {
  box: HTMLElement;
  ask: () => void; // draws again
  resize: () => void; // after another number of columns
  reveal: (r: number, c: number) => void;
}

export function hatch(
  g: CanvasRenderingContext2D,
  x: number,
  y: number,
  size: number,
  colour: string,
): void {
  g.strokeStyle = colour;
  g.beginPath();
  for (let i = 4; i < 2 * size; i += 6) {
    g.moveTo(x + Math.max(0, i - size + 1), y + Math.min(i, size - 1));
    g.lineTo(x + Math.min(i, size - 1), y + Math.max(0, i - size + 1));
  }
  g.stroke();
}

export function sheet(of: SheetOf): Sheet {
  const { size } = of;
  const box = make("div", { class: "matrix", tabindex: "0", role: "application" });
  const canvas = make("canvas", { "aria-hidden": "true" });
  const ground = make("div", { class: "ground" });
  box.append(canvas, ground);
  const g = canvas.getContext("2d") as CanvasRenderingContext2D;
  g.font = FONT;
  const widest = (n: number, name: (i: number) => string) => {
    let most = 0;
    for (let i = 0; i < Math.min(n, 500); i++) most = Math.max(most, g.measureText(name(i)).width);
    return most;
  };
  const left = Math.ceil(widest(of.rows(), of.rowName)) + 14;
  const top = Math.ceil(widest(of.columns(), of.columnName) * Math.sin(SLOPE)) + 24;
  const right = Math.ceil(top / Math.tan(SLOPE));
  Object.assign(box.dataset, { left, top, cell: size }); // where the cells are
  let asked = false;

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
    const [row, column] = of.chosen();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.font = FONT;
    g.textBaseline = "middle";
    g.fillStyle = colours.bg;
    g.fillRect(0, 0, width, height);
    const rows = [
      Math.floor(dy / size),
      Math.min(of.rows(), Math.ceil((dy + height - top) / size)),
    ];
    const cols = [
      Math.floor(dx / size),
      Math.min(of.columns(), Math.ceil((dx + width - left) / size)),
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
          of.paint(g, r, c, left + c * size - dx, top + r * size - dy, colours);
      g.strokeStyle = colours.fg;
      g.lineWidth = 2;
      const [w, h] = [size * of.columns(), size * of.rows()];
      if (row >= 0) g.strokeRect(left - dx - 1, top + row * size - dy, w + 1, size - 1);
      if (column >= 0) g.strokeRect(left + column * size - dx, top - dy - 1, size - 1, h + 1);
      g.lineWidth = 1;
    });
    part(0, top, left, height, () => {
      g.textAlign = "right";
      for (let r = rows[0]; r < rows[1]; r++) {
        g.fillStyle = r === row ? colours.fg : colours.soft;
        const name = (r === row ? "\u25b8" : "") + of.rowName(r);
        g.fillText(name, left - 6, top + r * size - dy + size / 2);
      }
    });
    part(left, 0, width, top, () => {
      g.textAlign = "left";
      for (let c = Math.max(0, cols[0] - Math.ceil(right / size)); c < cols[1]; c++) {
        g.save();
        g.fillStyle = c === column ? colours.fg : colours.soft;
        g.translate(left + c * size - dx + size / 2, top - 6);
        g.rotate(-SLOPE);
        g.fillText(of.columnName(c), 0, 0);
        g.restore();
      }
    });
  }

  function ask(): void {
    if (!asked) requestAnimationFrame(paint);
    asked = true;
  }

  function resize(): void {
    ground.style.height = `${top + size * of.rows() + 4}px`;
    ground.style.width = `${left + size * of.columns() + right}px`;
    ask();
  }

  const point = (event: MouseEvent, clicked: boolean) => {
    const edge = box.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left - left, event.clientY - edge.top - top];
    const [r, c] = [
      Math.floor((y + box.scrollTop) / size),
      Math.floor((x + box.scrollLeft) / size),
    ];
    if (x >= 0 && y >= 0 && r < of.rows() && c < of.columns()) of.at(r, c, clicked);
  };
  ground.addEventListener("pointermove", (event) => point(event, false));
  ground.addEventListener("click", (event) => point(event, true));
  box.addEventListener("scroll", ask);
  onLook(ask);
  resize();
  return {
    box,
    ask,
    resize,
    reveal: (r, c) => {
      const [x, y] = [Math.max(0, c) * size, Math.max(0, r) * size];
      const [w, h] = [box.clientWidth - left - size, box.clientHeight - top - size];
      box.scrollTop = Math.max(y - h, Math.min(box.scrollTop, y));
      box.scrollLeft = Math.max(x - w, Math.min(box.scrollLeft, x));
    },
  };
}
