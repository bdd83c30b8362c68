// SPDX-License-Identifier: Apache-2.0
// The document of a map (docs/schema/glim.map-1.schema.json), with its numbers as typed
// arrays, and what its points can be coloured by.

import { Score } from "./document";

interface Packed {
  dtype: string;
  shape: number[];
  data: string;
}

export interface Frame {
  iteration: number;
  kl: Score;
  xy: Float32Array; // x and y of each point
}

export interface Colouring {
  name: string;
  kind: "category" | "number";
  names: string[]; // of a category's values
  values: (number | null)[];
}

export interface MapData {
  title: string;
  method: string;
  n: number;
  frames: Frame[]; // stages of the optimisation; the last is the map
  colourings: Colouring[];
  first: number; // the colouring that was asked for; -1 without any
  texts: string[] | null;
  ids: string[] | null;
  neighbours: { k: number; of: Int32Array; distances: Float32Array } | null;
}

function bytes(data: string): ArrayBuffer {
  const text = atob(data);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out.buffer;
}

/** Packed numbers are little-endian, as all machines are that browsers run on. */
function pairs(x: Packed | number[][]): Float32Array {
  return Array.isArray(x) ? Float32Array.from(x.flat()) : new Float32Array(bytes(x.data));
}

interface Written {
  title: string;
  method: { name: string };
  points: number;
  xy: Packed | number[][];
  kl: Score;
  iterations: { done: number } | null;
  snapshots: { iteration: number; kl: Score; xy: Packed | number[][] }[];
  labels: { names: string[]; of: (number | null)[] } | null;
  colors: (Partial<Colouring> & Pick<Colouring, "name" | "kind" | "values">)[];
  color_by: string | null;
  texts: string[] | null;
  ids: string[] | null;
  neighbours: { k: number; of: Packed; distances: Packed } | null;
}

/** Null for what is no map. */
export function readMap(document: unknown): MapData | null {
  const d = document as Partial<Written> & { schema?: string };
  if (d.schema !== "glim.map/1" || !d.xy || !d.points) return null;
  const w = d as Written;
  const last = { iteration: w.iterations?.done ?? 0, kl: w.kl, xy: pairs(w.xy) };
  const stages = w.snapshots.map((s) => ({ ...s, xy: pairs(s.xy) }));
  const frames = [...stages.filter((s) => s.iteration !== last.iteration), last];
  const colourings: Colouring[] = w.colors.map((c) => ({ ...c, names: c.names ?? [] }));
  if (w.labels)
    colourings.push({
      name: "label",
      kind: "category",
      names: w.labels.names,
      values: w.labels.of,
    });
  const asked = colourings.findIndex((c) => c.name === w.color_by);
  if (frames.some((f) => f.xy.length !== 2 * w.points)) return null;
  return {
    title: w.title,
    method: w.method.name,
    n: w.points,
    frames,
    colourings,
    first: asked >= 0 ? asked : colourings.length - 1,
    texts: w.texts,
    ids: w.ids,
    neighbours: w.neighbours && {
      k: w.neighbours.k,
      of: new Int32Array(bytes(w.neighbours.of.data)),
      distances: new Float32Array(bytes(w.neighbours.distances.data)),
    },
  };
}

/** What a colouring says of a point. */
export function valueOf(c: Colouring, i: number): string | number | null {
  const x = c.values[i] ?? null;
  return x !== null && c.kind === "category" ? (c.names[x] ?? null) : x;
}

// ---- looks of points ----

export const MARKS = 12; // six colours, filled and hollow
export const OTHER = 12;
export const NONE = 13;
export const GHOST = 14; // of a group that is not looked at
export const AMOUNTS = 15; // a1 .. a8: a0 is the colour of the page
export const SIGNED = 23; // s0 .. s10; what is near 0 is hollow
export const LOOKS = 34;

export interface Group {
  look: number;
  name: string; // "" for other and none
  count: number;
}

export interface Looks {
  of: Uint8Array; // of each point
  groups: Group[]; // of categories, the largest first
  from: number; // of numbers
  to: number;
}

/** Twelve groups at most; of more the eleven largest, and "other". */
function categories(c: Colouring, n: number): Looks {
  const counts = new Uint32Array(c.names.length);
  let none = 0;
  for (let i = 0; i < n; i++) {
    const x = c.values[i] ?? null;
    if (x === null || x >= counts.length) none++;
    else counts[x]++;
  }
  const order = Array.from(counts.keys()).filter((x) => counts[x]);
  order.sort((a, b) => counts[b] - counts[a] || a - b);
  const shown = order.slice(0, order.length > MARKS ? MARKS - 1 : MARKS);
  const looks = new Uint8Array(c.names.length + 1).fill(OTHER);
  looks[c.names.length] = NONE;
  // a category's colour depends on its place in the document, not on how many it has
  const named = [...shown].sort((a, b) => a - b);
  named.forEach((x, look) => (looks[x] = look));
  const of = new Uint8Array(n);
  for (let i = 0; i < n; i++) of[i] = looks[c.values[i] ?? c.names.length] ?? NONE;
  const groups = shown.map((x) => ({ look: looks[x], name: c.names[x], count: counts[x] }));
  const rest = order.slice(shown.length).reduce((sum, x) => sum + counts[x], 0);
  if (rest) groups.push({ look: OTHER, name: "", count: rest });
  if (none) groups.push({ look: NONE, name: "", count: none });
  return { of, groups, from: 0, to: 0 };
}

function amounts(c: Colouring, n: number): Looks {
  let [from, to, none] = [Infinity, -Infinity, 0];
  for (const x of c.values)
    if (x !== null) {
      from = Math.min(from, x);
      to = Math.max(to, x);
    }
  const signed = from < 0 && to > 0;
  const limit = Math.max(Math.abs(from), Math.abs(to));
  const of = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const x = c.values[i] ?? null;
    if (x === null) none++;
    if (x === null) of[i] = NONE;
    else if (signed) of[i] = SIGNED + 5 + Math.round((5 * x) / limit);
    else of[i] = AMOUNTS + (to > from ? Math.round((7 * (x - from)) / (to - from)) : 7);
  }
  const groups = none ? [{ look: NONE, name: "", count: none }] : [];
  return signed ? { of, groups, from: -limit, to: limit } : { of, groups, from, to };
}

export function looksOf(c: Colouring | undefined, n: number): Looks {
  if (!c) return { of: new Uint8Array(n), groups: [], from: 0, to: 0 };
  return c.kind === "category" ? categories(c, n) : amounts(c, n);
}

/** The middle of each group: medians, so that a few far points do not move its name. */
export function medians(frame: Frame, looks: Looks): Map<number, [number, number]> {
  const out = new Map<number, [number, number]>();
  for (const group of looks.groups) {
    if (!group.name) continue;
    const xs = new Float32Array(group.count);
    const ys = new Float32Array(group.count);
    for (let i = 0, at = 0; i < looks.of.length; i++)
      if (looks.of[i] === group.look) {
        xs[at] = frame.xy[2 * i];
        ys[at++] = frame.xy[2 * i + 1];
      }
    const middle = (x: Float32Array) => x.sort()[x.length >> 1];
    out.set(group.look, [middle(xs), middle(ys)]);
  }
  return out;
}

/** The turn, mirror, size and shift that brings `from` nearest to `to` (Procrustes; Gower 1975). */
export function align(
  from: Float32Array,
  to: Float32Array,
  pairsOf: [number, number][],
): Float32Array {
  const n = pairsOf.length;
  if (n < 3) return from;
  let [mx, my, tx, ty] = [0, 0, 0, 0];
  for (const [a, b] of pairsOf) {
    mx += from[2 * a] / n;
    my += from[2 * a + 1] / n;
    tx += to[2 * b] / n;
    ty += to[2 * b + 1] / n;
  }
  let [xx, xy, yx, yy, size] = [0, 0, 0, 0, 0];
  for (const [a, b] of pairsOf) {
    const [x, y] = [from[2 * a] - mx, from[2 * a + 1] - my];
    const [u, v] = [to[2 * b] - tx, to[2 * b + 1] - ty];
    xx += x * u;
    xy += x * v;
    yx += y * u;
    yy += y * v;
    size += x * x + y * y;
  }
  // a turn by an angle, or a mirror and a turn, whichever agrees more
  const [turn, mirror] = [Math.hypot(xx + yy, xy - yx), Math.hypot(xx - yy, xy + yx)];
  const flip = mirror > turn ? -1 : 1;
  const most = Math.max(turn, mirror);
  if (!(most > 0) || !(size > 0)) return from;
  const [c, s] = [(xx + flip * yy) / most, (xy - flip * yx) / most];
  const k = most / size;
  const out = new Float32Array(from.length);
  for (let i = 0; i < from.length; i += 2) {
    const [x, y] = [from[i] - mx, flip * (from[i + 1] - my)];
    out[i] = tx + k * (c * x - s * y);
    out[i + 1] = ty + k * (s * x + c * y);
  }
  return out;
}
