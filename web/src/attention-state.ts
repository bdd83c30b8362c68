// SPDX-License-Identifier: Apache-2.0
// What is chosen in a report of attention; all its figures listen to one of these. What a
// link should share is kept behind the #.

import { Attention, HeadNumbers, Token } from "./attention-data";
import { TileSource } from "./attention-tiles";
import { visible } from "./document";

export type Sort = "layer" | keyof Omit<HeadNumbers, "layer" | "head">;
export const SORTS: Sort[] = [
  "layer",
  "entropy",
  "distance",
  "previous",
  "first",
  "self",
  "induction",
  "strongest",
];
export type Sink = "show" | "hide" | "renormalise";
export const MOST_PINS = 8;

export interface Choice {
  head: number; // layer * heads + head
  sort: Sort;
  least: number; // heads whose number is below this share of the largest are left out
  own: boolean; // each thumbnail on its own scale
  arcs: boolean;
  log: boolean;
  sink: Sink;
  by: boolean; // is looked at by, else looks at
  row: number | null; // under the cursor
  column: number | null;
  lock: number | null; // the row that stays chosen
  pins: number[];
  threshold: number; // of lines while no row is chosen
  table: boolean;
  language: string;
  source: TileSource;
}

const SHARED = ["sort", "log", "sink", "by", "lock", "arcs"] as const;

export class View {
  private listeners: { keys: (keyof Choice)[]; call: () => void }[] = [];
  constructor(
    readonly a: Attention,
    readonly state: Choice,
  ) {}

  listen(keys: (keyof Choice)[], call: () => void): void {
    this.listeners.push({ keys, call });
    call();
  }

  change(part: Partial<Choice>): void {
    const keys = (Object.keys(part) as (keyof Choice)[]).filter((k) => part[k] !== this.state[k]);
    if (!keys.length) return;
    Object.assign(this.state, part);
    for (const one of this.listeners) if (one.keys.some((k) => keys.includes(k))) one.call();
    if (keys.some((k) => (SHARED as readonly string[]).includes(k))) this.share();
  }

  /** The next layer or head that is there. */
  move(layers: number, heads: number): void {
    const { a, state } = this;
    const layer = Math.floor(state.head / a.heads) + layers;
    const head = (state.head % a.heads) + heads;
    if (layer >= 0 && layer < a.layers && head >= 0 && head < a.heads)
      this.change({ head: layer * a.heads + head });
  }

  pin(head: number): void {
    const { pins } = this.state;
    if (pins.includes(head)) this.change({ pins: pins.filter((h) => h !== head) });
    else if (pins.length < MOST_PINS) this.change({ pins: [...pins, head] });
  }

  private share(): void {
    const parts = new URLSearchParams(location.hash.slice(1)); // layer and head are the store's
    for (const key of SHARED) parts.set(key, String(this.state[key] ?? ""));
    try {
      history.replaceState(null, "", `#${parts.toString()}`);
    } catch {
      // a sandboxed frame has no history
    }
  }
}

/** What the address says, as far as it means something here. */
export function chosenBefore(a: Attention): Partial<Choice> {
  const parts = new URLSearchParams(location.hash.slice(1));
  const out: Partial<Choice> = {};
  const number = (key: string, end: number) => {
    const text = parts.get(key) ?? "";
    return /^\d+$/.test(text) && Number(text) < end ? Number(text) : undefined;
  };
  const [layer, head] = [number("layer", a.layers), number("head", a.heads)];
  if (layer !== undefined && head !== undefined) out.head = layer * a.heads + head;
  const lock = number("lock", a.rows.length);
  if (lock !== undefined) out.lock = lock;
  const sort = SORTS.find((s) => s === parts.get("sort"));
  if (sort) out.sort = sort;
  const sink = (["show", "hide", "renormalise"] as const).find((s) => s === parts.get("sink"));
  if (sink) out.sink = sink;
  for (const key of ["log", "by", "arcs"] as const) if (parts.get(key) === "true") out[key] = true;
  return out;
}

/** A token's name: white space and what has no glyph as marks, a part with its bytes. */
export const tokenName = (t: Token): string => visible(t.text) + t.part;
