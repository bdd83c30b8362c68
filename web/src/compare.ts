// SPDX-License-Identifier: Apache-2.0
// A comparison (FIGURES 6.13): two runs with the same units in the same columns, their
// difference on a scale of its own, either way round, in the order of the input or of the
// difference; and tables of runs and of metrics that a click puts in order.

import { format, shade, shorten } from "./document";
import { around, button, csvOf, csvOfTable, saveBar } from "./save";
import { sortable } from "./sort";
import { Store, make } from "./state";
import { fill, say } from "./words";

interface Run {
  method: string;
  signed: boolean;
  model: { file: string };
  scores: (number | null)[];
}

interface Comparison {
  schema: string;
  of: string;
  unit: string;
  units: string[];
  runs: Run[];
}

const largest = (all: (number | null)[]) =>
  all.reduce<number>((most, x) => Math.max(most, Math.abs(x ?? 0)), 0);

/** The name of a run, as the report numbers them. */
const nameOf = (d: Comparison, i: number) =>
  `${i + 1} ${d.of === "models" ? d.runs[i].model.file : d.runs[i].method}`;

/** Of methods, which have units of their own, the share of each one's largest. */
function scoresOf(d: Comparison, i: number): (number | null)[] {
  const { scores } = d.runs[i];
  const most = d.of === "models" ? 1 : largest(scores);
  return scores.map((x) => (x === null ? null : most ? x / most : 0));
}

function cell(x: number | null, limit: number, signed: boolean): HTMLElement {
  const name = x === null ? "x" : shade(x, limit, signed);
  return make("td", { class: name }, make("bdi", {}, x === null ? "" : format(x, limit, signed)));
}

function attachPair(d: Comparison, main: HTMLElement, store: Store): void {
  if (
    d.runs.length < 2 ||
    !d.units?.length ||
    d.runs.some((r) => r.scores?.length !== d.units.length)
  )
    return;
  const section = make("section", { class: "pair", id: "glim-pair" });
  const pick = (start: number) => {
    const list = make("select");
    d.runs.forEach((_, i) => list.append(make("option", { value: String(i) }, nameOf(d, i))));
    list.value = String(start);
    list.addEventListener("change", draw);
    return list;
  };
  let sorted = false;
  const a = pick(0);
  const b = pick(1);
  const table = make("table", { class: "heat pair-table" });
  const scroll = make("div", { class: "scroll", tabindex: "0" }, table);
  const note = make("p", { class: "note" });
  const said = make("p", { class: "say" });

  function numbers() {
    const [x, y] = [a, b].map((list) => scoresOf(d, Number(list.value)));
    const change = y.map((v, u) => (v === null || x[u] === null ? null : v - (x[u] as number)));
    return { x, y, change };
  }
  function draw(): void {
    const { x, y, change } = numbers();
    const order = d.units.map((_, u) => u);
    if (sorted)
      order.sort((u, v) => Math.abs(change[v] ?? -1) - Math.abs(change[u] ?? -1) || u - v);
    const both = Math.max(largest(x), largest(y));
    const own = largest(change);
    const head = make("tr", {}, make("td"));
    for (const u of order) {
      const name = make(
        "th",
        { scope: "col", "data-u": String(u) },
        make("bdi", {}, shorten(d.units[u], 16)),
      );
      head.append(name);
    }
    const line = (name: HTMLElement, all: (number | null)[], limit: number, signed: boolean) => {
      const row = make("tr", {}, make("th", { scope: "row" }, name));
      for (const u of order) {
        const one = cell(all[u], limit, signed);
        one.dataset.u = String(u);
        row.append(one);
      }
      return row;
    };
    const names = [a, b].map((list) => make("bdi", {}, nameOf(d, Number(list.value))));
    const body = make("tbody");
    body.append(line(names[0], x, both, d.runs[Number(a.value)].signed));
    body.append(line(names[1], y, both, d.runs[Number(b.value)].signed));
    body.append(line(fill(make("span"), "pair.difference"), change, own, true));
    table.replaceChildren(make("thead", {}, head), body);
    fill(
      note,
      d.of === "models" ? "pair.scale" : "pair.shares",
      format(both, both, false),
      format(own, own, false),
    );
    const most = change.reduce<number>(
      (m, v, u) => (Math.abs(v ?? 0) > Math.abs(change[m] ?? 0) ? u : m),
      0,
    );
    fill(
      said,
      "pair.most",
      `\u201c${shorten(d.units[most], 24)}\u201d`,
      format(change[most], own, true),
    );
    mark();
  }
  function mark(): void {
    const u = store.state.kept ?? store.state.unit;
    for (const one of section.querySelectorAll<HTMLElement>("[data-u]"))
      one.classList.toggle("cursor", one.dataset.u === String(u));
  }
  const unitOf = (event: Event) =>
    (event.target as Element).closest<HTMLElement>("[data-u]")?.dataset.u;
  scroll.addEventListener("pointerover", (event) => {
    const u = unitOf(event);
    store.change({ unit: u === undefined ? null : Number(u) });
  });
  scroll.addEventListener("click", (event) => {
    const u = unitOf(event);
    if (u !== undefined) store.change({ kept: store.state.kept === Number(u) ? null : Number(u) });
  });
  const order = button("pair.sort", () => {
    sorted = !sorted;
    order.setAttribute("aria-pressed", String(sorted));
    draw();
  });
  order.setAttribute("aria-pressed", "false");
  const flip = button("pair.flip", () => {
    [a.value, b.value] = [b.value, a.value];
    draw();
  });
  const label = (text: string, list: HTMLElement) => make("label", {}, text, list);
  section.append(
    fill(make("h2"), "pair.title"),
    make("div", { class: "bar" }, label("A", a), label("B", b), flip, order),
    said,
    scroll,
    note,
    saveBar({
      name: "-pair",
      title: () => say("pair.title"),
      says: () => said.textContent ?? "",
      parts: () => around(section),
      csv: () => {
        const { x, y, change } = numbers();
        const lines = d.units.map((text, u) => [u, text, x[u], y[u], change[u]]);
        return csvOf([["unit", "text", "a", "b", "difference"], ...lines]);
      },
    }),
  );
  const first = main.querySelector(":scope > section");
  if (first) first.before(section);
  else main.querySelector("footer")?.before(section);
  store.listen(["unit", "kept"], mark);
  store.listen(["language"], draw);
}

export function attachTables(report: unknown, main: HTMLElement, store: Store): void {
  const d = report as Comparison;
  const compares = d.schema === "glim.comparison/1";
  if (compares) attachPair(d, main, store);
  for (const table of main.querySelectorAll<HTMLTableElement>("table.profile")) sortable(table);
  const page = compares || main.querySelector("#glim-accuracy, #glim-profile") !== null;
  for (const section of page
    ? main.querySelectorAll<HTMLElement>("section[id]:not(.panel, .pair, .figure)")
    : []) {
    const table = section.querySelector("table");
    if (!table || section.querySelector(".save")) continue;
    const heading = () => section.querySelector("h2, h3")?.textContent ?? "";
    section.append(
      saveBar({
        name: section.id.replace("glim", ""),
        title: heading,
        says: heading,
        parts: () => around(section),
        csv: () => csvOfTable(table),
      }),
    );
  }
}
