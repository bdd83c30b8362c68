// SPDX-License-Identifier: Apache-2.0
// Panels of the document (include/glim/panel.h), and how their numbers look: the rules
// of src/view/panels.c and html-panels.c. Numbers shown are the document's own.

import { Score, exact, format, percent, shorten, visible } from "./document";
import { csvOf } from "./save";

export interface Axis {
  name: string;
  labels: string[];
}

export interface Strip {
  label: string | null;
  value: Score;
  best: number | null;
  pieces: string[];
  values: Score[];
}

export interface Panel {
  name: string;
  title: string;
  unit: string | null;
  kind: "grid" | "lines" | "table" | "texts";
  scale: "signed" | "amount" | "share" | "effect" | "rank";
  rows: Axis;
  columns: Axis;
  values: Score[][];
  low: Score[][] | null;
  high: Score[][] | null;
  texts: (string | null)[][] | Strip[] | null;
  marked: boolean[][] | null;
  cells: (string | Score)[][];
}

const axis = (
  given: { name?: string | null; labels?: string[] | null } | undefined,
  n: number,
) => ({
  name: given?.name ?? "",
  labels: given?.labels ?? Array.from({ length: n }, () => ""),
});

export function readPanels(report: unknown): Panel[] {
  const list = (report as { panels?: Partial<Panel>[] }).panels ?? [];
  return list.map((p) => {
    const lines = p.values ?? p.cells ?? [];
    return {
      ...p,
      rows: axis(p.rows, lines.length),
      columns: axis(p.columns, lines[0]?.length ?? 0),
      values: p.values ?? [],
      cells: p.cells ?? [],
    } as Panel;
  });
}

export const strips = (p: Panel): Strip[] =>
  p.kind === "texts" ? ((p.texts ?? []) as Strip[]) : [];

export const isSigned = (p: Panel): boolean => p.scale === "signed" || p.scale === "effect";

/** The size that has the strongest colour. */
export function limitOf(p: Panel): number {
  if (p.scale === "share" || p.scale === "effect") return 1;
  let most = 0;
  const all = p.kind === "texts" ? strips(p).map((t) => t.values) : p.values;
  for (const row of all)
    for (const x of row) if (x !== null) most = Math.max(most, isSigned(p) ? Math.abs(x) : x);
  return p.scale === "rank" ? Math.max(most, 10) : most;
}

/** The class of a colour: s0 .. s10 or a0 .. a8. */
export function stepOf(p: Panel, x: number, limit: number): string {
  if (p.scale === "rank")
    return `a${x > 1 ? Math.round(8 * Math.max(0, 1 - Math.log(x) / Math.log(limit))) : 8}`;
  const share = limit > 0 ? Math.max(-1, Math.min(1, x / limit)) : 0;
  if (isSigned(p)) return `s${5 + Math.sign(share) * Math.round(5 * Math.abs(share))}`;
  return `a${Math.round(8 * Math.max(0, share))}`;
}

export function numberOf(p: Panel, x: Score | undefined): string {
  if (x === null || x === undefined) return "\u00d7";
  if (p.scale === "share") return percent(x).replace("-", "\u2212");
  if (p.scale === "rank") return String(Math.round(10 * x) / 10);
  return exact(x, isSigned(p));
}

export function intervalOf(p: Panel, r: number, c: number): string {
  const [low, high] = [p.low?.[r]?.[c], p.high?.[r]?.[c]];
  if (low === null || low === undefined || high === null || high === undefined) return "";
  return ` (${numberOf(p, low)} \u2026 ${numberOf(p, high)})`;
}

export const brief = (p: Panel, x: number): string =>
  p.scale === "share" || p.scale === "rank" ? numberOf(p, x) : format(x, limitOf(p), isSigned(p));

export const labelOf = (a: Axis, i: number, most = 24): string => shorten(a.labels[i] ?? "", most);

/** "11 “ Paris”": where there are tokens, their numbers too, for tokens repeat. */
export function placeOf(a: Axis, i: number): string {
  const label = a.labels[i] ?? "";
  return a.name === "position" ? `${i} \u201c${visible(label)}\u201d` : visible(label);
}

/** As glim view --csv writes it, of one panel. */
export function panelCsv(p: Panel): string {
  const head = ["panel", "row", "column", "value", "low", "high", "text", "row_number"];
  const lines: (string | number | null | undefined)[][] = [[...head, "column_number", "marked"]];
  if (p.kind === "texts")
    strips(p).forEach((t, r) => {
      lines.push([p.name, t.label ?? "", null, t.value, null, null, null, r, null, null]);
      t.pieces.forEach((piece, k) =>
        lines.push([
          p.name,
          t.label ?? "",
          null,
          t.values[k],
          null,
          null,
          piece,
          r,
          k,
          Number(k === t.best),
        ]),
      );
    });
  const table = p.kind === "table";
  for (const [r, row] of (table ? p.cells : p.values).entries())
    for (const [c, cell] of row.entries()) {
      const text = table
        ? typeof cell === "string"
          ? cell
          : null
        : ((p.texts as (string | null)[][] | null)?.[r]?.[c] ?? null);
      const value = typeof cell === "number" ? cell : null;
      const ends = [p.low?.[r]?.[c], p.high?.[r]?.[c]];
      const marked = p.marked ? Number(p.marked[r][c]) : null;
      lines.push([
        p.name,
        p.rows.labels[r],
        p.columns.labels[c],
        value,
        ...ends,
        text,
        r,
        c,
        marked,
      ]);
    }
  return csvOf(lines);
}
