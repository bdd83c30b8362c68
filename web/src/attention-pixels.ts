// SPDX-License-Identifier: Apache-2.0
// Tiles as pictures: asked for when they are in view, coloured when the scale changes, and
// at most 64 of them kept.

import { cellMean, keptOf } from "./attention-data";
import { Ink, hatch, place, table } from "./attention-ink";
import { View } from "./attention-state";
import { ownLimit } from "./attention-thumbs";
import { MOST_TILES, SIDE, Tile } from "./attention-tiles";
import { make } from "./state";

interface Drawn {
  tile: Tile;
  canvas: HTMLCanvasElement;
  look: string; // what it was drawn for
}

export class Pixels {
  pattern: CanvasPattern | null = null; // of what cannot be seen
  private readonly drawn = new Map<string, Drawn>();
  private readonly asked = new Set<string>();
  private readonly limits = new Map<number, number>(); // of levels, as far as seen
  private ink: Ink | null = null;
  private colours = new Uint32Array(256);

  /** `fresh` is called when a tile has come, or with what went wrong. */
  constructor(
    private readonly view: View,
    private readonly fresh: (wrong?: string) => void,
  ) {}

  get size(): number {
    return this.drawn.size;
  }

  forget(): void {
    this.drawn.clear();
    this.asked.clear();
    this.limits.clear();
  }

  take(g: CanvasRenderingContext2D, ink: Ink): void {
    if (this.ink === ink) return;
    const { a } = this.view;
    this.ink = ink;
    this.colours = table(ink, a.rows.length * a.columns.length <= 4096);
    this.pattern = hatch(g, ink);
    for (const one of this.drawn.values()) one.look = "";
  }

  /** The end of the scale: the largest weight so far that is no sink's. */
  limit(level: number): number {
    const { a, state } = this.view;
    return this.limits.get(level) ?? (level >= a.level ? ownLimit(this.view, state.head) : 0.05);
  }

  private measure(level: number, column: number, tile: Tile): void {
    const sinks = new Set(this.view.a.sinks.map((s) => (s >> level) - column * SIDE));
    let most = 0;
    for (let i = 0; i < tile.bytes.length; i++)
      if (tile.bytes[i] > most && !sinks.has(i % SIDE)) most = tile.bytes[i];
    const found = tile.scale * (most / 255) ** 2;
    if (found > (this.limits.get(level) ?? 0)) this.limits.set(level, found);
  }

  /** What makes a row whole again without its sinks: of kept weights, or of the means. */
  private without(level: number, row: number): number {
    const { a, state } = this.view;
    if (state.sink !== "renormalise" || !a.sinks.length) return 1;
    const kept = level ? undefined : a.kept.get(state.head);
    if (kept) {
      let taken = 0;
      for (let k = row * a.largest; k < row * a.largest + keptOf(a, row); k++)
        if (a.sinks.includes(kept.columns[k])) taken += kept.weights[k] / 65535;
      return taken < 1 - 1e-6 ? 1 / (1 - taken) : 0;
    }
    const at = Math.min(a.cellRows - 1, (row << level) >> a.level);
    const gone = new Set(a.sinks.map((s) => s >> a.level));
    let [all, left] = [0, 0];
    for (let c = 0; c < a.cellColumns; c++) {
      const mass = cellMean(a, state.head, at, c) * (a.causal && a.level && c === at ? 0.5 : 1);
      all += mass;
      if (!gone.has(c)) left += mass;
    }
    return left > 0 ? all / left : 0;
  }

  /** A tile's picture; null: it is asked for. */
  get(level: number, row: number, column: number): HTMLCanvasElement | null {
    const { state } = this.view;
    const key = `${state.head} ${level} ${row} ${column}`;
    const one = this.drawn.get(key);
    if (!one) {
      this.want(key, level, row, column);
      return null;
    }
    this.drawn.delete(key); // the last that was used goes last
    this.drawn.set(key, one);
    const look = [this.limit(level), state.log, state.sink].join(" ");
    if (one.look !== look) this.colour(one, level, row, column);
    one.look = look;
    return one.canvas;
  }

  private want(key: string, level: number, row: number, column: number): void {
    const { state } = this.view;
    const { head, source } = state;
    if (this.asked.has(key)) return;
    this.asked.add(key);
    source.tile(head, level, row, column).then(
      (tile) => {
        this.asked.delete(key);
        if (head !== state.head || source !== state.source) return;
        this.measure(level, column, tile);
        this.drawn.set(key, { tile, canvas: make("canvas"), look: "" });
        while (this.drawn.size > MOST_TILES)
          this.drawn.delete(this.drawn.keys().next().value as string);
        this.fresh();
      },
      (why: Error) => this.fresh(why.message), // it stays asked: no storm of questions
    );
  }

  private colour(one: Drawn, level: number, row: number, column: number): void {
    const { a, state } = this.view;
    one.canvas.width = one.canvas.height = SIDE;
    const g = one.canvas.getContext("2d");
    const image = g?.createImageData(SIDE, SIDE);
    if (!g || !image) return;
    const pixels = new Uint32Array(image.data.buffer);
    const cells = (n: number) => Math.ceil(n / 2 ** level);
    const [rows, columns] = [cells(a.rows.length), cells(a.columns.length)];
    const limit = this.limit(level);
    const sinks = state.sink === "show" ? [] : a.sinks;
    const gone = new Set(sinks.map((s) => (s >> level) - column * SIDE));
    const steps = new Uint32Array(256);
    let made = NaN; // what rows are multiplied with, as the steps are for
    for (let r = 0; r < Math.min(SIDE, rows - row * SIDE); r++) {
      const more = this.without(level, row * SIDE + r);
      for (let b = 0; b < 256 && more !== made; b++) {
        const weight = one.tile.scale * (b / 255) ** 2 * more;
        steps[b] = this.colours[Math.round(255 * place(weight, limit, state.log))];
      }
      made = more;
      const end = (a.causal ? Math.min(columns, row * SIDE + r + 1) : columns) - column * SIDE;
      for (let c = 0; c < Math.min(SIDE, end); c++)
        if (!gone.has(c)) pixels[r * SIDE + c] = steps[one.tile.bytes[r * SIDE + c]];
    }
    g.putImageData(image, 0, 0);
  }
}
