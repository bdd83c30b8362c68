// SPDX-License-Identifier: Apache-2.0
// Squares of 256 x 256 bytes of a head's pattern, made when they are asked for. At level 0
// a byte is one weight, at each level above the mean over 2 x 2 of the level below, over
// the weights that can be seen; a byte x stands for scale * (x / 255)^2. Two sources have
// them: the report itself, which has the largest weights of some heads and 64 x 64 means of
// all, and the page around the report's frame, which has everything.
//
// The frame may fetch nothing (its policy says so), so it asks the page by postMessage.
// All messages are objects with `glim: 1` and a type:
//
//   frame to page  { glim: 1, type: "attention", layers, heads, rows, columns, causal }
//                  once, when the report is ready: whoever has tiles of it may answer
//   page to frame  { glim: 1, type: "tiles" }
//                  the page has tiles; said again it changes nothing
//   frame to page  { glim: 1, type: "ask-tile", id, layer, head, level, row, column }
//                  row and column count tiles; at most 8 questions are open at a time
//   page to frame  { glim: 1, type: "tile", id, bytes: ArrayBuffer of 65536 bytes, scale }
//                  or { glim: 1, type: "tile", id, error: "what, why, what to do" }
//
// The page must take messages of its own frame alone (event.source), as the frame takes
// those of its parent alone; a frame in a sandbox has no origin to check. The page has the
// answers from GET /api/v1/jobs/ID/tiles?layer&head&level&row&column, whose scale is a
// header.

import { Attention, cellMean, keptOf, seen } from "./attention-data";

export const SIDE = 256;
export const MOST_TILES = 64;
const OPEN = 8; // questions at a time

export interface Tile {
  bytes: Uint8Array;
  scale: number;
}

export interface TileSource {
  /** The finest level there is of a head; 0: every weight, or the largest of each row. */
  finest(head: number): number;
  /** Whether all weights of a head are there at its finest level. */
  whole(head: number): boolean;
  /** What weights may be wrong by, as a share of the largest in the tile; 0: of 16 bits. */
  rounded: boolean;
  tile(head: number, level: number, row: number, column: number): Promise<Tile>;
  /** The weights of a row or a column; NaN: not there. null: none are. */
  row(head: number, t: number): Promise<Float32Array | null>;
  column(head: number, s: number): Promise<Float32Array | null>;
}

export const decode = (tile: Tile, at: number): number => tile.scale * (tile.bytes[at] / 255) ** 2;

/** Means as bytes. */
function encode(means: Float32Array): Tile {
  const scale = means.reduce((a, b) => Math.max(a, b), 0);
  const bytes = new Uint8Array(means.length);
  if (scale > 0)
    for (let i = 0; i < means.length; i++) bytes[i] = Math.round(255 * Math.sqrt(means[i] / scale));
  return { bytes, scale };
}

/** How many weights of a square can be seen. */
function visible(a: Attention, row: number, column: number, step: number): number {
  let n = 0;
  for (let t = row; t < Math.min(row + step, a.rows.length); t++)
    n += Math.max(0, Math.min(column + step, seen(a, t)) - column);
  return n;
}

/** What the report has. */
export class EmbeddedTiles implements TileSource {
  readonly rounded = false;
  constructor(private readonly a: Attention) {}

  finest(head: number): number {
    return this.a.kept.has(head) ? 0 : this.a.level;
  }

  whole(head: number): boolean {
    return !this.a.level || (this.a.kept.has(head) && this.a.largest >= this.a.columns.length);
  }

  async tile(head: number, level: number, row: number, column: number): Promise<Tile> {
    return level >= this.a.level && !(this.a.kept.has(head) && !level)
      ? this.fromCells(head)
      : this.fromKept(head, level, row, column);
  }

  /** The one tile of the cells' level. */
  private fromCells(head: number): Tile {
    const { a } = this;
    const bytes = new Uint8Array(SIDE * SIDE);
    for (let r = 0; r < a.cellRows; r++) {
      const from = (head * a.cellRows + r) * a.cellColumns;
      bytes.set(a.cells.subarray(from, from + a.cellColumns), r * SIDE);
    }
    return { bytes, scale: a.most[head] || 0 };
  }

  private fromKept(head: number, level: number, row: number, column: number): Tile {
    const { a } = this;
    const kept = a.kept.get(head);
    const [step, means] = [2 ** level, new Float32Array(SIDE * SIDE)];
    const [top, left] = [row * SIDE * step, column * SIDE * step];
    for (let t = top; kept && t < Math.min(top + SIDE * step, a.rows.length); t++)
      for (let k = 0; k < keptOf(a, t); k++) {
        const s = kept.columns[t * a.largest + k];
        if (s < left || s >= left + SIDE * step) continue;
        const at = Math.floor((t - top) / step) * SIDE + Math.floor((s - left) / step);
        means[at] += kept.weights[t * a.largest + k] / 65535;
      }
    if (step > 1)
      for (let i = 0; i < means.length; i++)
        if (means[i])
          means[i] /= visible(a, top + Math.floor(i / SIDE) * step, left + (i % SIDE) * step, step);
    return encode(means);
  }

  async row(head: number, t: number): Promise<Float32Array | null> {
    const { a } = this;
    const kept = a.kept.get(head);
    if (!kept && a.level) return null;
    const out = new Float32Array(a.columns.length).fill(NaN);
    if (!kept) for (let s = 0; s < seen(a, t); s++) out[s] = cellMean(a, head, t, s);
    for (let k = 0; kept && k < keptOf(a, t); k++)
      out[kept.columns[t * a.largest + k]] = kept.weights[t * a.largest + k] / 65535;
    return out;
  }

  async column(head: number, s: number): Promise<Float32Array | null> {
    const { a } = this;
    const kept = a.kept.get(head);
    if (!kept && a.level) return null;
    const out = new Float32Array(a.rows.length).fill(NaN);
    for (let t = 0; t < a.rows.length; t++) {
      if (!kept && s < seen(a, t)) out[t] = cellMean(a, head, t, s);
      for (let k = 0; kept && k < keptOf(a, t); k++)
        if (kept.columns[t * a.largest + k] === s) out[t] = kept.weights[t * a.largest + k] / 65535;
    }
    return out;
  }
}

/** At most 64 of what was asked last; two who ask for the same wait for one answer. */
export class TileCache {
  private readonly kept = new Map<string, Promise<Tile>>();
  constructor(private readonly ask: (key: string) => Promise<Tile>) {}

  get(key: string): Promise<Tile> {
    const found = this.kept.get(key) ?? this.ask(key);
    this.kept.delete(key);
    this.kept.set(key, found);
    found.catch(() => this.kept.delete(key)); // may be asked again
    if (this.kept.size > MOST_TILES) this.kept.delete(this.kept.keys().next().value as string);
    return found;
  }

  get size(): number {
    return this.kept.size;
  }
}

interface Question {
  place: number[]; // layer, head, level, row, column
  answer: (tile: Tile) => void;
  refuse: (why: Error) => void;
}

/** What the page around the frame has. */
export class FrameTiles implements TileSource {
  readonly rounded = true;
  private readonly waiting: Question[] = [];
  private readonly open = new Map<number, Question>();
  private next = 0;
  readonly cache = new TileCache((key) => this.ask(key.split(" ").map(Number)));

  constructor(
    private readonly a: Attention,
    private readonly page: Window,
    private readonly own: TileSource,
  ) {
    window.addEventListener("message", (event) => this.hear(event));
  }

  finest(): number {
    return 0;
  }

  whole(): boolean {
    return true;
  }

  private ask(place: number[]): Promise<Tile> {
    return new Promise((answer, refuse) => {
      this.waiting.push({ place, answer, refuse });
      this.send();
    });
  }

  /** The newest first: what is in view now is wanted most. */
  private send(): void {
    while (this.open.size < OPEN && this.waiting.length) {
      const one = this.waiting.pop() as Question;
      const id = this.next++;
      const [layer, head, level, row, column] = one.place;
      this.open.set(id, one);
      this.page.postMessage(
        { glim: 1, type: "ask-tile", id, layer, head, level, row, column },
        "*",
      );
    }
  }

  private hear(event: MessageEvent): void {
    const said = event.data as {
      glim?: number;
      type?: string;
      id?: number;
      bytes?: unknown;
      scale?: unknown;
      error?: unknown;
    } | null;
    if (event.source !== this.page || said?.glim !== 1 || said.type !== "tile") return;
    const one = this.open.get(said.id ?? -1);
    if (!one) return;
    this.open.delete(said.id ?? -1);
    const good =
      said.bytes instanceof ArrayBuffer &&
      said.bytes.byteLength === SIDE * SIDE &&
      typeof said.scale === "number" &&
      said.scale >= 0;
    if (good)
      one.answer({ bytes: new Uint8Array(said.bytes as ArrayBuffer), scale: said.scale as number });
    else one.refuse(new Error(typeof said.error === "string" ? said.error : "no tile"));
    this.send();
  }

  tile(head: number, level: number, row: number, column: number): Promise<Tile> {
    if (level && level >= this.a.level) return this.own.tile(head, level, row, column);
    const [layer, one] = [Math.floor(head / this.a.heads), head % this.a.heads];
    return this.cache.get([layer, one, level, row, column].join(" "));
  }

  async row(head: number, t: number): Promise<Float32Array | null> {
    if (this.own.finest(head) === 0 && this.own.whole(head)) return this.own.row(head, t);
    const out = new Float32Array(this.a.columns.length).fill(NaN);
    const tiles = Math.ceil(seen(this.a, t) / SIDE);
    const all = await Promise.all(
      Array.from({ length: tiles }, (_, c) => this.tile(head, 0, Math.floor(t / SIDE), c)),
    );
    for (let s = 0; s < seen(this.a, t); s++)
      out[s] = decode(all[Math.floor(s / SIDE)], (t % SIDE) * SIDE + (s % SIDE));
    return out;
  }

  async column(head: number, s: number): Promise<Float32Array | null> {
    if (this.own.finest(head) === 0 && this.own.whole(head)) return this.own.column(head, s);
    const T = this.a.rows.length;
    const out = new Float32Array(T).fill(NaN);
    const first = this.a.causal ? Math.floor(s / SIDE) : 0;
    const all = await Promise.all(
      Array.from({ length: Math.ceil(T / SIDE) - first }, (_, r) =>
        this.tile(head, 0, first + r, Math.floor(s / SIDE)),
      ),
    );
    for (let t = this.a.causal ? s : 0; t < T; t++)
      out[t] = decode(all[Math.floor(t / SIDE) - first], (t % SIDE) * SIDE + (s % SIDE));
    return out;
  }
}

/** Tells the page that a report is here; `found` is called when it has tiles. */
export function offerFrame(
  a: Attention,
  own: TileSource,
  found: (tiles: TileSource) => void,
): void {
  const page = window.parent;
  if (page === window) return;
  let known = false;
  window.addEventListener("message", (event) => {
    const said = event.data as { glim?: number; type?: string } | null;
    if (known || event.source !== page || said?.glim !== 1 || said.type !== "tiles") return;
    known = true;
    found(new FrameTiles(a, page, own));
  });
  const { layers, heads, causal } = a;
  page.postMessage(
    {
      glim: 1,
      type: "attention",
      layers,
      heads,
      rows: a.rows.length,
      columns: a.columns.length,
      causal,
    },
    "*",
  );
}
