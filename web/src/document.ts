// SPDX-License-Identifier: Apache-2.0
// The document in the page, as docs/schema/glim.explanation-1.schema.json has it.

export interface Unit {
  text: string;
  fixed: boolean;
  generated: boolean;
  turn: number | null;
}

export interface Row {
  text: string;
  value: number | null;
  prob: number | null;
}

export interface Explanation {
  input: { units: Unit[] };
  target: { output: string; text: string };
  method: { name: string; signed: boolean };
  rows: Row[] | null;
  scores: (number | null)[] | (number | null)[][];
  error: (number | null)[] | null;
}

/** What the views draw: a score for each row and unit, null where none was asked. */
export interface Matrix {
  units: Unit[];
  rows: Row[];
  scores: (number | null)[][];
  error: (number | null)[] | null;
  output: string;
}

export function readDocument(): Matrix | null {
  const element = document.getElementById("glim-data");
  if (!element?.textContent) return null;
  const d = JSON.parse(element.textContent) as Explanation;
  const many = d.rows !== null;
  return {
    units: d.input.units,
    rows: d.rows ?? [{ text: d.target.text, value: null, prob: null }],
    scores: (many ? d.scores : [d.scores]) as (number | null)[][],
    error: many ? null : d.error,
    output: d.target.output,
  };
}

/** Sums over the rows: what the strip shows while no row is chosen. */
export function totals(m: Matrix): (number | null)[] {
  return m.units.map((_, u) => {
    const known = m.scores.map((row) => row[u]).filter((x): x is number => x !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) : null;
  });
}

export function largest(scores: (number | null)[]): number {
  return scores.reduce<number>((most, x) => (x !== null && Math.abs(x) > most ? Math.abs(x) : most), 0);
}

/** The colour's step, -5 .. 5; the rule of src/view/palette.h. */
export function step(score: number | null, limit: number): number {
  if (score === null || !(limit > 0)) return 0;
  return Math.max(-5, Math.min(5, Math.sign(score) * Math.round((Math.abs(score) / limit) * 5)));
}

/** Three digits with a sign, as everywhere in glim. */
export function format(x: number | null | undefined): string {
  if (x === null || x === undefined) return "\u2013";
  const size = Math.abs(x);
  const digits = size !== 0 && (size < 1e-3 || size >= 1e5) ? size.toExponential(2) : String(Number(size.toPrecision(3)));
  return (x < 0 ? "\u2212" : "+") + digits;
}

/** White space and control characters that a label must show. */
export function visible(text: string): string {
  return text
    .replace(/ /g, "\u00b7")
    .replace(/\n/g, "\u21b5")
    .replace(/\t/g, "\u2192")
    .replace(/[\u0000-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\u2039U+${c.charCodeAt(0).toString(16)}\u203a`)
    .replace(/^$/, "\u2205");
}

/** At most `most` characters, cut in the middle at whole code points. */
export function shorten(text: string, most: number): string {
  const all = Array.from(visible(text));
  if (all.length <= most) return all.join("");
  const half = Math.floor((most - 1) / 2);
  return [...all.slice(0, most - 1 - half), "\u2026", ...all.slice(all.length - half)].join("");
}
