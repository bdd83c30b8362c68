// SPDX-License-Identifier: Apache-2.0
// Thumbnails of heads: cells as the document has them, or arcs over one line of tokens.

import { cellMean } from "./attention-data";
import { Ink, place, table } from "./attention-ink";
import { View } from "./attention-state";
import { make } from "./state";

export const ARCS = 32; // tokens at most

/** The scale that all thumbnails share: what 99 of 100 cells stay below, sinks apart. */
export function sharedLimit(view: View): number {
  const { a } = view;
  const counts = new Uint32Array(1000);
  const sinks = new Set(a.sinks.map((s) => s >> a.level));
  let n = 0;
  for (let h = 0; h < a.layers * a.heads; h++)
    for (let i = 0; i < a.cellRows * a.cellColumns; i++) {
      const byte = a.cells[h * a.cellRows * a.cellColumns + i];
      if (!byte || sinks.has(i % a.cellColumns)) continue;
      counts[Math.min(999, Math.floor(1000 * a.most[h] * (byte / 255) ** 2))]++;
      n++;
    }
  let left = n / 100;
  for (let i = 999; i >= 0; i--) if ((left -= counts[i]) < 0) return (i + 1) / 1000;
  return 1;
}

/** The largest cell of a head besides its sinks. */
export function ownLimit(view: View, h: number): number {
  const { a } = view;
  const sinks = new Set(a.sinks.map((s) => s >> a.level));
  let most = 0;
  for (let i = 0; i < a.cellRows * a.cellColumns; i++)
    if (!sinks.has(i % a.cellColumns))
      most = Math.max(most, a.cells[h * a.cellRows * a.cellColumns + i]);
  return a.most[h] * (most / 255) ** 2 || a.most[h] || 1;
}

/** Thumbnails of heads, for the grid and for comparison. */
export class Thumbs {
  private readonly scratch = make("canvas");
  private colours: Uint32Array | null = null;
  private ink: Ink | null = null;

  constructor(private readonly view: View) {
    this.scratch.width = view.a.cellColumns;
    this.scratch.height = view.a.cellRows;
  }

  draw(
    g: CanvasRenderingContext2D,
    ink: Ink,
    h: number,
    x: number,
    y: number,
    side: number,
    limit: number,
  ): void {
    const { a, state } = this.view;
    if (this.ink !== ink) {
      this.ink = ink;
      this.colours = table(ink, true);
    }
    if (state.arcs && a.rows.length <= ARCS && a.square) this.arcs(g, ink, h, x, y, side);
    else this.cells(g, h, x, y, side, limit);
    g.strokeStyle = ink.line;
    g.strokeRect(x - 0.5, y - 0.5, side + 1, side + 1);
  }

  private cells(
    g: CanvasRenderingContext2D,
    h: number,
    x: number,
    y: number,
    side: number,
    limit: number,
  ): void {
    const { a, state } = this.view;
    const s = this.scratch.getContext("2d");
    if (!s || !this.colours) return;
    const image = s.createImageData(a.cellColumns, a.cellRows);
    const pixels = new Uint32Array(image.data.buffer);
    const steps = new Uint32Array(256);
    for (let b = 0; b < 256; b++)
      steps[b] =
        this.colours[Math.round(255 * place(a.most[h] * (b / 255) ** 2, limit, state.log))];
    const from = h * a.cellRows * a.cellColumns;
    for (let i = 0; i < pixels.length; i++)
      if (!a.causal || i % a.cellColumns <= Math.floor(i / a.cellColumns))
        pixels[i] = steps[a.cells[from + i]];
    s.putImageData(image, 0, 0);
    g.imageSmoothingEnabled = false;
    g.drawImage(this.scratch, x, y, side, side);
  }

  /** One line of tokens, arcs above it from those that look to what they see. */
  private arcs(
    g: CanvasRenderingContext2D,
    ink: Ink,
    h: number,
    x: number,
    y: number,
    side: number,
  ): void {
    const { a } = this.view;
    const at = (i: number) => x + ((i + 0.5) * side) / a.rows.length;
    const base = y + side - 4;
    g.strokeStyle = ink.categories[0];
    for (let t = 0; t < a.rows.length; t++)
      for (let s = 0; s < a.columns.length; s++) {
        const weight = s === t || a.sinks.includes(s) ? 0 : cellMean(a, h, t, s);
        if (weight < 0.04) continue;
        g.globalAlpha = Math.min(1, 0.15 + weight);
        g.lineWidth = 0.5 + 2 * weight;
        g.beginPath();
        const [left, right] = [at(Math.min(s, t)), at(Math.max(s, t))];
        g.ellipse(
          (left + right) / 2,
          base,
          (right - left) / 2,
          Math.min(side - 8, (right - left) * 0.9),
          0,
          Math.PI,
          2 * Math.PI,
        );
        g.stroke();
      }
    g.globalAlpha = 1;
    g.lineWidth = 1;
    g.fillStyle = ink.soft;
    for (let i = 0; i < a.rows.length; i++) g.fillRect(at(i) - 0.5, base, 1, 3);
  }
}
