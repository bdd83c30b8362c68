// SPDX-License-Identifier: Apache-2.0
// What stands around a map: tokens at the left and above, bars below and at the right.

import { Attention, cellMean } from "./attention-data";
import { Ink } from "./attention-ink";
import { tokenName } from "./attention-state";
import { shorten } from "./document";

export const BAR = 44; // pixels of the bars' strips
export const SLOPE = Math.PI / 4;
const NAMED = 13; // pixels a name needs
const EVERY = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** Where the cells are on the canvas, the first token in view, and pixels a token. */
export interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
  x0: number;
  y0: number;
  zoom: number;
}

/** Weights of the row and the column under the cursor. */
export interface Profile {
  row: Float32Array | null;
  column: Float32Array | null;
}

type Side = "rows" | "columns";

export class Margins {
  private readonly names = { rows: [] as string[], columns: [] as string[] };
  constructor(private readonly a: Attention) {}

  private name(side: Side, i: number): string {
    return (this.names[side][i] ??= shorten(tokenName(this.a[side][i]), 16));
  }

  /** Pixels of the longest of the first names. */
  widest(g: CanvasRenderingContext2D, side: Side): number {
    const n = this.a[side].length;
    let most = 40;
    for (let i = 0; i < Math.min(200, n); i++)
      most = Math.max(most, g.measureText(`${n > 64 ? "0000 " : ""}${this.name(side, i)}`).width);
    return Math.min(170, most);
  }

  axes(g: CanvasRenderingContext2D, ink: Ink, f: Frame): void {
    const every = EVERY.find((n) => n * f.zoom >= NAMED) ?? 1000;
    const said = (side: Side, i: number) =>
      every > 1 || this.a[side].length > 64 ? `${i} ${this.name(side, i)}` : this.name(side, i);
    const each = (side: Side, from: number, pixels: number, draw: (i: number) => void) => {
      const end = Math.min(this.a[side].length, from + pixels / f.zoom);
      for (let i = Math.ceil(from / every) * every; i < end; i += every) draw(i);
    };
    g.fillStyle = ink.fg;
    g.save();
    g.beginPath();
    g.rect(0, f.top, f.left, f.height);
    g.clip();
    g.textAlign = "right";
    each("rows", f.y0, f.height, (t) =>
      g.fillText(said("rows", t), f.left - 6, f.top + (t - f.y0 + 0.5) * f.zoom),
    );
    g.restore();
    g.textAlign = "left";
    each("columns", f.x0, f.width, (s) => {
      g.save();
      g.translate(f.left + (s - f.x0 + 0.5) * f.zoom, f.top - 4);
      g.rotate(-SLOPE);
      g.fillText(said("columns", s), 0, 0);
      g.restore();
    });
  }

  /** Mean attention that each column of cells gets, over rows that can see it. */
  private received(head: number): Float32Array {
    const { a } = this;
    return Float32Array.from({ length: a.cellColumns }, (_, c) => {
      let [sum, n] = [0, 0];
      for (let r = a.causal ? c : 0; r < a.cellRows; r++, n++) sum += cellMean(a, head, r, c);
      return n ? sum / n : 0;
    });
  }

  /** Below: the row's weights, or what columns receive; right: who looks at the column. */
  bars(g: CanvasRenderingContext2D, ink: Ink, f: Frame, head: number, profile: Profile): void {
    const size = (share: number) =>
      Math.max(share > 0 ? 1 : 0, Math.round((BAR - 8) * Math.min(1, share)));
    g.fillStyle = ink.categories[0];
    const mean = profile.row ? null : this.received(head);
    const below = mean
      ? peaks(
          mean,
          f.x0,
          f.width,
          f.zoom,
          2 ** this.a.level,
          mean.reduce((x, y) => Math.max(x, y), 1e-9),
        )
      : peaks(profile.row ?? [], f.x0, f.width, f.zoom, 1, 1);
    below.forEach((x, i) => x && g.fillRect(f.left + i, f.top + f.height + 4, 1, size(x)));
    const right = peaks(profile.column ?? [], f.y0, f.height, f.zoom, 1, 1);
    right.forEach((x, i) => x && g.fillRect(f.left + f.width + 4, f.top + i, size(x), 1));
  }
}

/** The largest value that falls on each pixel; a value covers `step` tokens. */
function peaks(
  values: ArrayLike<number>,
  from: number,
  pixels: number,
  zoom: number,
  step: number,
  most: number,
): Float32Array {
  const out = new Float32Array(Math.max(0, Math.floor(pixels)));
  for (let i = Math.max(0, Math.floor(from / step)); i < values.length; i++) {
    const begin = Math.max(0, Math.floor((i * step - from) * zoom));
    if (begin >= out.length) break;
    const end = Math.max(begin + 1, Math.floor(((i + 1) * step - from) * zoom));
    const value = (values[i] || 0) / most;
    for (let p = begin; p < Math.min(out.length, end); p++) if (value > out[p]) out[p] = value;
  }
  return out;
}
