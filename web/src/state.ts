// SPDX-License-Identifier: Apache-2.0
// What the reader has chosen. Views listen to the parts they draw; what a link
// should share is kept in the address behind the #.

import { Matrix, Score } from "./document";

export interface State {
  row: number | null; // null = sums over all rows
  unit: number | null; // under the pointer or the cursor
  kept: number | null; // whose numbers stay in sight
  layer: number | null;
  head: number | null;
  point: number | null; // a sample: a point of a map, a row of training data
  points: readonly number[]; // those that are selected
  numbers: boolean;
  white: boolean;
  threshold: number; // share of the scale below which nothing is coloured
  find: string;
  own: boolean; // each row on its own scale
  clip: boolean; // the scale leaves out the unit with the largest score
  written: boolean; // with what the model wrote, not the prompt alone
  letters: boolean; // single letters are keys
  language: string;
}

export const START: Omit<State, "language"> = {
  row: null,
  unit: null,
  kept: null,
  layer: null,
  head: null,
  point: null,
  points: [],
  numbers: false,
  white: false,
  threshold: 0,
  find: "",
  own: false,
  clip: false,
  written: false,
  letters: true,
};

const SHARED = [
  "row",
  "kept",
  "layer",
  "head",
  "point",
  "numbers",
  "white",
  "threshold",
  "find",
  "own",
  "clip",
  "written",
] as const;

export class Store {
  private listeners: { keys: (keyof State)[]; call: () => void }[] = [];
  constructor(public readonly state: State) {}

  change(part: Partial<State>): void {
    const keys = (Object.keys(part) as (keyof State)[]).filter(
      (key) => part[key] !== this.state[key],
    );
    if (!keys.length) return;
    Object.assign(this.state, part);
    for (const listener of this.listeners)
      if (listener.keys.some((key) => keys.includes(key))) listener.call();
    if (keys.some((key) => (SHARED as readonly string[]).includes(key))) this.share();
  }

  listen(keys: (keyof State)[], call: () => void): void {
    this.listeners.push({ keys, call });
    call();
  }

  private share(): void {
    const parts = new URLSearchParams();
    for (const key of SHARED) {
      const value = this.state[key];
      if (value !== null && value !== START[key]) parts.set(key, String(value));
    }
    try {
      history.replaceState(null, "", `#${parts.toString()}`);
    } catch {
      // a sandboxed frame has no history
    }
  }
}

const within = (text: string | null, n = Infinity): number | null =>
  text !== null && /^\d+$/.test(text) && Number(text) < n ? Number(text) : null;

/** A report without scores of units has rows and units of its own: m is null. */
export function fromAddress(m: Matrix | null): Partial<State> {
  const parts = new URLSearchParams(location.hash.slice(1));
  const threshold = Number(parts.get("threshold"));
  return {
    row: m && !m.many ? null : within(parts.get("row"), m?.rows.length),
    kept: within(parts.get("kept"), m?.units.length),
    layer: within(parts.get("layer")),
    head: within(parts.get("head")),
    point: within(parts.get("point")),
    numbers: parts.get("numbers") === "true",
    white: parts.get("white") === "true",
    own: parts.get("own") === "true",
    clip: parts.get("clip") === "true",
    written: parts.get("written") === "true",
    find: parts.get("find") ?? "",
    threshold: threshold > 0 && threshold < 1 ? threshold : 0,
  };
}

/** The numbers of the strip: the chosen row, or the sums, and their scale. */
export interface Picture {
  scores: Score[];
  errors: Score[] | null;
  limit: number;
  loudest: number; // the unit with the largest score; -1 without one
  next: number; // the largest score of the others
  counts: (u: number) => boolean; // whether a unit is coloured and ranked
}

/** The largest score of the scale, and the unit that has it. */
function reach(
  rows: Score[][],
  counts: (u: number) => boolean,
): { limit: number; loudest: number } {
  let [limit, loudest] = [0, -1];
  for (const row of rows)
    row.forEach((x, u) => {
      if (x !== null && Math.abs(x) > limit && counts(u)) [limit, loudest] = [Math.abs(x), u];
    });
  return { limit, loudest };
}

let last: { key: string; picture: Picture } | null = null;

export function picture(m: Matrix, s: State, row = s.row): Picture {
  const key = `${row} ${s.own} ${s.clip} ${s.written}`;
  if (last?.key !== key) last = { key, picture: measure(m, s, row) };
  return last.picture;
}

function measure(m: Matrix, s: State, row: number | null): Picture {
  const scores = row === null ? m.sums : m.scores[row];
  const errors = m.errors && (row !== null || !m.many) ? m.errors[row ?? 0] : null;
  const rows = row !== null && !s.own ? m.scores : [scores];
  const counts = (u: number) => !m.units[u].fixed && (s.written || !m.units[u].generated);
  const whole = reach(rows, counts);
  const next = reach(rows, (u) => u !== whole.loudest && counts(u)).limit;
  return {
    scores,
    errors,
    limit: (s.clip && next) || whole.limit,
    loudest: whole.loudest,
    next,
    counts,
  };
}

/** The name of SVG, asked of the browser: a report holds no address of the web. */
export const SVG =
  new DOMParser().parseFromString("<svg></svg>", "text/html").querySelector("svg")?.namespaceURI ??
  "";

export function make<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string> = {},
  ...children: (string | Node)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
