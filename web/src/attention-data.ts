// SPDX-License-Identifier: Apache-2.0
// What a document keeps of attention patterns (`attention.summary` of the schema): cells of
// all heads, the largest weights of some, and tokens on both sides.

export interface HeadNumbers {
  layer: number;
  head: number;
  entropy: number | null;
  distance: number | null;
  previous: number | null;
  first: number | null;
  self: number | null;
  induction: number | null;
  strongest: number | null;
}

export interface Token {
  text: string; // whole characters
  part: string; // the bytes of a token that is a part of a character
}

/** Of row t the first kept(t) of its `largest` places count. */
export interface Kept {
  columns: Uint16Array;
  weights: Uint16Array; // in 65535ths
  tail: Float32Array; // what the row's other weights add up to
}

export interface Attention {
  layers: number;
  heads: number;
  causal: boolean;
  square: boolean; // the same tokens on both sides
  rows: Token[];
  columns: Token[];
  sinks: number[]; // columns
  numbers: Map<number, HeadNumbers>; // by layer * heads + head
  level: number; // a cell is the mean over a square of 2^level tokens
  cellRows: number;
  cellColumns: number;
  most: Float32Array; // of each head the largest cell; NaN: not seen
  cells: Uint8Array; // most * (byte / 255)^2
  largest: number;
  kept: Map<number, Kept>;
}

type RawToken = string | [number, number];

interface Summary {
  causal: boolean;
  rows: RawToken[];
  columns: RawToken[] | null;
  level: number;
  shape: [number, number];
  cells: string;
  largest: number;
  kept: { layer: number; head: number }[];
  weights: string;
}

export interface AttentionDocument {
  input: { text: string };
  attention?: {
    layers: number;
    heads: number;
    sinks: number[];
    head_stats: HeadNumbers[];
    summary?: Summary;
  };
}

/** base64 of zlib's format, unpacked by the browser itself. */
async function unpack(text: string): Promise<ArrayBuffer> {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** A token that is a part of a character shows the whole character and its own bytes. */
function readToken(text: Uint8Array, raw: RawToken): Token {
  if (typeof raw === "string") return { text: raw, part: "" };
  let [start, end] = raw;
  const inside = (i: number) => i > 0 && i < text.length && (text[i] & 0xc0) === 0x80;
  const whole = !inside(start) && !inside(end);
  const own = text.subarray(start, end);
  while (inside(start)) start--;
  while (inside(end)) end++;
  return {
    text: new TextDecoder().decode(text.subarray(start, end)),
    part: whole
      ? ""
      : `\u27e8${Array.from(own, (b) => b.toString(16).toUpperCase().padStart(2, "0")).join(" ")}\u27e9`,
  };
}

function readKept(s: Summary, bytes: ArrayBuffer, heads: number): Map<number, Kept> {
  const [T, K] = [s.rows.length, s.largest];
  const each = T * K * 4 + T * 4;
  return new Map(
    s.kept.map(({ layer, head }, i) => {
      const own = bytes.slice(i * each, (i + 1) * each);
      const columns = new Uint16Array(own, 0, T * K);
      for (let t = 0; t < T; t++)
        for (let k = 1; k < K; k++) columns[t * K + k] += columns[t * K + k - 1];
      const weights = new Uint16Array(own, T * K * 2, T * K);
      const tail = new Float32Array(own, T * K * 4, T);
      return [layer * heads + head, { columns, weights, tail }];
    }),
  );
}

export async function readAttention(d: AttentionDocument): Promise<Attention | null> {
  const a = d.attention;
  const s = a?.summary;
  if (!a || !s) return null;
  const [cells, weights] = await Promise.all([unpack(s.cells), unpack(s.weights)]);
  const text = new TextEncoder().encode(d.input.text);
  const rows = s.rows.map((t) => readToken(text, t));
  const count = a.layers * a.heads;
  return {
    layers: a.layers,
    heads: a.heads,
    causal: s.causal,
    square: s.columns === null,
    rows,
    columns: s.columns ? s.columns.map((t) => readToken(text, t)) : rows,
    sinks: a.sinks,
    numbers: new Map(a.head_stats.map((h) => [h.layer * a.heads + h.head, h])),
    level: s.level,
    cellRows: s.shape[0],
    cellColumns: s.shape[1],
    most: new Float32Array(cells.slice(0, 4 * count)),
    cells: new Uint8Array(cells, 4 * count),
    largest: s.largest,
    kept: readKept(s, weights, a.heads),
  };
}

/** How many columns row t can see. */
export const seen = (a: Attention, t: number): number => (a.causal ? t + 1 : a.columns.length);

/** How many weights are kept of row t. */
export const keptOf = (a: Attention, t: number): number => Math.min(a.largest, seen(a, t));

export const headName = (a: Attention, h: number): string =>
  `L${Math.floor(h / a.heads)} H${h % a.heads}`;

/** The mean over a cell's square. */
export function cellMean(a: Attention, h: number, row: number, column: number): number {
  const byte = a.cells[(h * a.cellRows + row) * a.cellColumns + column];
  return a.most[h] * (byte / 255) ** 2;
}
