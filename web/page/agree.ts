// SPDX-License-Identifier: Apache-2.0
// How far two runs agree: their units are matched by the bytes they cover, ranks are
// compared (Spearman's rho, means of ties), and so are the strongest few.

import { Document, scoresOf } from "./documents";

export interface Pair {
  text: string;
  a: number;
  b: number;
}

export interface Agreement {
  pairs: Pair[];
  unmatched: number;
  rho: number | null; // needs three pairs that differ
  top: number; // of the k strongest of each, how many are the same
  k: number;
  signs: number; // pairs whose signs are the same
}

export function pairs(a: Document, b: Document): { pairs: Pair[]; unmatched: number } | null {
  const [sa, sb] = [scoresOf(a), scoresOf(b)];
  if (!sa || !sb) return null;
  const there = new Map((b.input?.units ?? []).map((u, i) => [`${u.start} ${u.end} ${u.text}`, i]));
  const out: Pair[] = [];
  let unmatched = 0;
  (a.input?.units ?? []).forEach((u, i) => {
    if (u.fixed) return;
    const j = there.get(`${u.start} ${u.end} ${u.text}`);
    const [x, y] = [sa[i], j === undefined ? null : sb[j]];
    if (x === null || x === undefined || y === null || y === undefined) unmatched++;
    else out.push({ text: u.text, a: x, b: y });
  });
  return { pairs: out, unmatched };
}

export function ranks(xs: number[]): number[] {
  const order = xs.map((_, i) => i).sort((i, j) => xs[i] - xs[j]);
  const out = new Array<number>(xs.length);
  for (let i = 0; i < order.length; ) {
    let j = i;
    while (j < order.length && xs[order[j]] === xs[order[i]]) j++;
    for (let k = i; k < j; k++) out[order[k]] = (i + j - 1) / 2;
    i = j;
  }
  return out;
}

function correlation(xs: number[], ys: number[]): number | null {
  const n = xs.length;
  const mean = (v: number[]) => v.reduce((s, x) => s + x, 0) / n;
  const [mx, my] = [mean(xs), mean(ys)];
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (let i = 0; i < n; i++) {
    xy += (xs[i] - mx) * (ys[i] - my);
    xx += (xs[i] - mx) ** 2;
    yy += (ys[i] - my) ** 2;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : null;
}

export function agreement(a: Document, b: Document): Agreement | null {
  const matched = pairs(a, b);
  if (!matched || matched.pairs.length === 0) return null;
  const list = matched.pairs;
  const k = Math.min(3, list.length);
  const strongest = (of: "a" | "b") =>
    list.map((_, i) => i).sort((i, j) => Math.abs(list[j][of]) - Math.abs(list[i][of])).slice(0, k);
  const other = new Set(strongest("b"));
  return {
    ...matched,
    rho: list.length < 3 ? null : correlation(ranks(list.map((p) => p.a)), ranks(list.map((p) => p.b))),
    k,
    top: strongest("a").filter((i) => other.has(i)).length,
    signs: list.filter((p) => Math.sign(p.a) === Math.sign(p.b)).length,
  };
}
