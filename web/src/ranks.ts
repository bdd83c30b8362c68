// SPDX-License-Identifier: Apache-2.0
// The legend, the sentences and the ranked list, for the row that is chosen: the
// same as src/view/html-strip.c and html-table.c draw for the whole.

import { Matrix, format, percent, shorten, uncertain } from "./document";
import { Picture, SVG, Store, make, picture } from "./state";
import { later } from "./strip";
import { Key, fill } from "./words";

const BARS = 30;
const BAR = 160;
const LABEL = 24;

type Rank = { unit: number; score: number };

function order(p: Picture, m: Matrix): Rank[] {
  return m.scored
    .filter((u) => p.scores[u] !== null && p.counts(u))
    .map((unit) => ({ unit, score: p.scores[unit] as number }))
    .sort((a, b) => Math.abs(b.score) - Math.abs(a.score) || a.unit - b.unit);
}

function label(m: Matrix, unit: number): HTMLElement {
  return make("bdi", {}, shorten(m.units[unit].text, LABEL));
}

function sentences(m: Matrix, p: Picture, ranks: Rank[]): HTMLElement[] {
  const units = fill(
    make("span"),
    `units.${m.mixed && ranks.some((r) => m.units[r.unit].generated) ? "mixed" : m.unit}` as Key,
  );
  const number = (x: number) => format(x, p.limit, m.signed);
  const name = (rank: Rank) => make("span", {}, "\u201c", label(m, rank.unit), "\u201d");
  if (!ranks.length || ranks[0].score === 0)
    return [fill(make("span"), ranks.length ? "say.none" : "say.empty")];
  const out = [
    fill(
      make("span"),
      "say.first",
      String(ranks.length),
      name(ranks[0]),
      number(ranks[0].score),
      units,
    ),
  ];
  for (const rank of ranks.slice(1, ranks.length === 3 ? 3 : 2))
    out.push(fill(make("span"), "say.second", name(rank), number(rank.score)));
  if (ranks.length > 3) {
    const rest = ranks.slice(2).reduce((sum, r) => sum + r.score, 0);
    out.push(fill(make("span"), "say.rest", String(ranks.length - 2), number(rest)));
  }
  return out;
}

function bar(score: number, p: Picture, m: Matrix, both: boolean, error: number): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  const rect = document.createElementNS(SVG, "rect");
  const path = document.createElementNS(SVG, "path");
  const width =
    p.limit > 0 ? ((both ? BAR / 2 : BAR) * Math.min(p.limit, Math.abs(score))) / p.limit : 0;
  const zero = both ? BAR / 2 : 0;
  const put = (element: Element, values: Record<string, string | number>) => {
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, String(value));
  };
  put(svg, { width: BAR, height: 12, "aria-hidden": "true" });
  put(rect, { class: !m.signed ? "amount" : score < 0 ? "minus" : "plus", height: 12 });
  put(rect, { x: (score < 0 ? zero - width : zero).toFixed(1), width: width.toFixed(1) });
  put(path, { d: `M${zero} 0v12` });
  svg.append(rect, path);
  if (error > 0 && p.limit > 0) {
    const at = (x: number) =>
      zero + ((both ? BAR / 2 : BAR) * Math.max(-p.limit, Math.min(p.limit, x))) / p.limit;
    const whisker = document.createElementNS(SVG, "path");
    const [from, to] = [at(score - 1.96 * error), at(score + 1.96 * error)].map((x) =>
      x.toFixed(1),
    );
    put(whisker, { d: `M${from} 6H${to}M${from} 3v6M${to} 3v6`, class: "whisker" });
    svg.append(whisker);
  }
  return svg as SVGElement;
}

type Order = "size" | "value" | "place";

/** Rows as many as are wanted, in an order; a rank is always that of the size. */
function tableRows(m: Matrix, p: Picture, ranks: Rank[], most: number, by: Order): HTMLElement[] {
  const sizes = ranks.reduce((sum, r) => sum + Math.abs(r.score), 0);
  const both = ranks.some((r) => r.score < 0);
  const errors = m.errors && !m.many ? m.errors[0] : null;
  let rank = 1;
  const placed = ranks.map((r, i) => {
    if (i && Math.abs(r.score) !== Math.abs(ranks[i - 1].score)) rank = i + 1;
    return { ...r, rank };
  });
  const first = placed.slice(0, most);
  if (by === "value") first.sort((a, b) => b.score - a.score);
  if (by === "place") first.sort((a, b) => a.unit - b.unit);
  const out = first.map((r) => {
    const row = make("tr", { "data-u": String(r.unit) });
    row.append(make("td", {}, String(r.rank)), make("th", { scope: "row" }, label(m, r.unit)));
    row.append(make("td", {}, format(r.score, p.limit, m.signed)));
    if (errors) row.append(make("td", {}, format(errors[r.unit], p.limit, false)));
    row.append(make("td", {}, percent(sizes > 0 ? Math.abs(r.score) / sizes : 0)));
    row.append(make("td", { class: "size" }, bar(r.score, p, m, both, errors?.[r.unit] ?? 0)));
    return row;
  });
  if (ranks.length > most) {
    const rest = ranks.slice(most).reduce((sum, r) => sum + r.score, 0);
    const row = make("tr", { class: "rest" }, make("td"));
    row.append(fill(make("th", { scope: "row" }), "ranks.rest", String(ranks.length - most)));
    row.append(make("td", {}, format(rest, p.limit, m.signed)), make("td"), make("td"));
    if (errors) row.append(make("td"));
    out.push(row);
  }
  return out;
}

function legendKeys(m: Matrix, p: Picture, store: Store): HTMLElement[] {
  const { row, own, threshold, clip } = store.state;
  const out: HTMLElement[] = [];
  const add = (mark: string, key: Key, value = "") => {
    const item = make("span", { class: "key" });
    if (mark) item.append(make("span", { class: `w ${mark}` }), " ");
    item.append(fill(make("span"), key, value));
    out.push(item);
  };
  const count = (mark: string, key: Key, test: (u: number) => boolean) => {
    const n = m.scored.filter((u) => p.counts(u) && test(u)).length;
    if (n) add(mark, key, String(n));
  };
  if (m.many) {
    if (row === null) add("", "legend.sum", String(m.rows.length));
    else add("", own ? "legend.own" : "legend.shared");
  }
  const aside = m.scored.filter((u) => !p.counts(u)).length;
  if (aside) add("", "legend.given", String(aside));
  if (threshold > 0) add("", "legend.faint", format(threshold * p.limit, p.limit, false));
  count(m.signed ? "s7 h" : "a4 h", "legend.hollow", (u) => uncertain(p.scores[u], p.errors?.[u]));
  count("nil", "legend.none", (u) => p.scores[u] === null && later(m, row, u));
  count("x", "legend.missing", (u) => p.scores[u] === null && !later(m, row, u));
  if (clip)
    count(
      m.signed ? "s10 over" : "a8 over",
      "legend.clipped",
      (u) => Math.abs(p.scores[u] ?? 0) > p.limit,
    );
  return out;
}

export function setScale(legend: HTMLElement, limit: number, signed: boolean): void {
  const put = (selector: string, text: string) => {
    const element = legend.querySelector(selector);
    if (element) element.textContent = text;
  };
  put(".least", format(signed ? -limit : 0, limit, signed));
  put(".most", format(limit, limit, signed));
  put(".swatches .a4", format(limit / 2, limit, false));
}

/** How many rows, and in which order. */
function rankBar(m: Matrix, shown: { most: number; by: Order }, draw: () => void): HTMLElement {
  const most = String(Math.min(BARS, m.scored.length));
  const range = make("input", { type: "range", min: "3", max: most, value: most });
  const value = make("output", {}, most);
  range.addEventListener("input", () => {
    value.textContent = range.value;
    shown.most = Number(range.value);
    draw();
  });
  const order = make("select");
  for (const by of ["size", "value", "place"] as const)
    order.append(fill(make("option", { value: by }), `ranks.by-${by}`));
  order.addEventListener("change", () => {
    shown.by = order.value as Order;
    draw();
  });
  const count = make("label", {}, fill(make("span"), "ranks.shown"), range, value);
  return make(
    "div",
    { class: "bar" },
    count,
    make("label", {}, fill(make("span"), "ranks.order"), order),
  );
}

export function attachRanks(m: Matrix, store: Store): void {
  const legend = document.getElementById("glim-legend");
  const text = document.getElementById("glim-say");
  const body = document.querySelector("#glim-ranks tbody");

  const shown = { most: BARS, by: "size" as Order };
  const draw = () => {
    const p = picture(m, store.state);
    const ranks = order(p, m);
    text?.replaceChildren(...sentences(m, p, ranks).flatMap((s) => [s, " "]));
    body?.replaceChildren(...tableRows(m, p, ranks, shown.most, shown.by));
    const keys = legend?.querySelector(".keys");
    if (legend) setScale(legend, p.limit, m.signed);
    if (keys) keys.replaceChildren(keys.children[0], ...legendKeys(m, p, store));
    atUnit();
  };
  const atUnit = () => {
    const u = store.state.kept ?? store.state.unit;
    for (const row of document.querySelectorAll<HTMLElement>("tr[data-u].at"))
      row.classList.remove("at");
    if (u !== null)
      for (const row of document.querySelectorAll<HTMLElement>(`tr[data-u="${u}"]`))
        row.classList.add("at");
  };
  store.listen(["row", "own", "clip", "written", "threshold"], draw);
  store.listen(["unit", "kept"], atUnit);
  const table = document.getElementById("glim-ranks");
  if (table && m.scored.length > 3) table.parentElement?.before(rankBar(m, shown, draw));
  for (const table of document.querySelectorAll<HTMLElement>("main table"))
    table.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("tbody tr");
      const { u, r } = row?.dataset ?? {};
      if (u !== undefined)
        store.change({ unit: Number(u), kept: store.state.kept === Number(u) ? null : Number(u) });
      if (r !== undefined) store.change({ row: store.state.row === Number(r) ? null : Number(r) });
    });
}
