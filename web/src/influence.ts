// SPDX-License-Identifier: Apache-2.0
// Training samples (FIGURES 6.11): lists that are filtered and put in order, samples that
// are ticked and written out to be dropped, and stems and marks that lead to each other
// and to the lists. A sample is the store's `point`, ticked ones its `points`.

import { exact, shorten } from "./document";
import { act, stepOf } from "./keys";
import { around, button, csvOf, offer, saveBar } from "./save";
import { sortable } from "./sort";
import { Store, make } from "./state";
import { Key, fill, say } from "./words";

interface Sample {
  row: number;
  label: string | null;
  predicted: string | number | null;
  text: string | null;
  value: number | null;
}

interface Influence {
  schema: string;
  columns: { name: string; query: number | null; high: Sample[]; low: Sample[] }[];
  flags: Record<string, { samples?: Sample[] }>;
  figures: {
    stems: { row: number[]; value: (number | null)[] };
    plane: {
      row: number[];
      leverage: (number | null)[];
      residual: (number | null)[];
      value: (number | null)[];
    };
  } | null;
}

/** All samples that the document names. */
function known(d: Influence): Map<number, Sample> {
  const out = new Map<number, Sample>();
  for (const c of d.columns) for (const s of [...c.high, ...c.low]) out.set(s.row, s);
  for (const f of Object.values(d.flags)) for (const s of f?.samples ?? []) out.set(s.row, s);
  return out;
}

// ---- lists ----

function attachLists(
  d: Influence,
  main: HTMLElement,
  store: Store,
  samples: Map<number, Sample>,
): void {
  const tables = Array.from(main.querySelectorAll<HTMLTableElement>("table.samples"));
  const rows = tables.flatMap((t) => Array.from(t.tBodies[0]?.rows ?? []));
  if (!rows.length) return;
  const wrong = new Set((d.flags.mislabelled?.samples ?? []).map((s) => s.row));
  const of = (row: HTMLTableRowElement) => Number(row.dataset.p);
  tables.forEach((t) => sortable(t));

  const field = make("input", { type: "search" });
  const label = make("select");
  const only = make("input", { type: "checkbox" });
  const count = make("span", { role: "status" });
  label.append(fill(make("option", { value: "" }), "samples.all"));
  const labels = new Set(rows.map((row) => samples.get(of(row))?.label).filter((x) => x != null));
  for (const name of [...labels].sort()) label.append(make("option", { value: name }, name));
  const filter = () => {
    const wanted = field.value.toLowerCase();
    let left = 0;
    for (const row of rows) {
      const s = samples.get(of(row));
      row.hidden =
        !(row.textContent ?? "").toLowerCase().includes(wanted) ||
        (label.selectedIndex > 0 && s?.label !== label.value) ||
        (only.checked && !wrong.has(of(row)));
      left += Number(!row.hidden);
    }
    count.textContent = left < rows.length ? say("found", String(left)) : "";
  };
  field.addEventListener("input", filter);
  label.addEventListener("change", filter);
  only.addEventListener("change", filter);

  const chosen = make("span", { role: "status" });
  const drop = button("samples.export", () => {
    const shown = rows.filter((row) => !row.hidden).map(of);
    const ids = store.state.points.length ? store.state.points : [...new Set(shown)];
    const lines = ids.map((id) => [id, samples.get(id)?.label, samples.get(id)?.text]);
    offer(
      new Blob([csvOf([["row", "label", "text"], ...lines])], { type: "text/csv" }),
      "-rows.csv",
    );
  });
  const bar = make("div", { class: "bar", id: "glim-samples" });
  const put = (key: Key, input: HTMLElement) =>
    bar.append(make("label", {}, fill(make("span"), key), input));
  put("find", field);
  if (labels.size > 1) put("samples.label", label);
  if (wrong.size) put("samples.wrong", only);
  bar.append(count, drop, chosen);
  (tables[0].closest("section") ?? tables[0].parentElement)?.before(bar);

  const ticks = new Map<number, HTMLInputElement[]>();
  for (const row of rows) {
    const id = of(row);
    const tick = make("input", { type: "checkbox" });
    tick.setAttribute("aria-label", say("samples.tick", String(id)));
    tick.addEventListener("change", () => {
      const others = store.state.points.filter((p) => p !== id);
      store.change({ points: tick.checked ? [...others, id].sort((a, b) => a - b) : others });
    });
    ticks.set(id, [...(ticks.get(id) ?? []), tick]);
    row.cells[0]?.prepend(tick, " ");
    row.addEventListener("click", (event) => {
      if ((event.target as Element).closest("input, button")) return;
      store.change({ point: store.state.point === id ? null : id });
    });
  }
  store.listen(["points", "language"], () => {
    for (const [id, boxes] of ticks)
      for (const box of boxes) box.checked = store.state.points.includes(id);
    const n = store.state.points.length;
    chosen.textContent = n ? say("samples.ticked", String(n)) : "";
  });
}

// ---- figures ----

interface Mark {
  row: number;
  x: number;
  y: number;
  shape: Element;
}

/** Where the report has drawn the samples, in the drawing's own units. */
function marksOf(svg: SVGSVGElement): Mark[] {
  return Array.from(svg.querySelectorAll<SVGElement>("[data-p]"), (shape) => {
    const [x, y] =
      shape.tagName === "circle"
        ? [shape.getAttribute("cx"), shape.getAttribute("cy")]
        : (/^M(\S+) ([\d.-]+)/.exec(shape.getAttribute("d") ?? "")?.slice(1) ?? []);
    return { row: Number(shape.dataset.p), x: Number(x), y: Number(y), shape };
  }).sort((a, b) => a.x - b.x || a.y - b.y);
}

/** All that the document says of a sample. */
function tell(d: Influence, samples: Map<number, Sample>, row: number): string {
  const facts: string[] = [];
  const put = (key: Key, rows: number[], values: (number | null)[]) => {
    const x = values[rows.indexOf(row)];
    if (x !== undefined && x !== null) facts.push(`${say(key)} ${exact(x, false)}`);
  };
  if (d.figures) {
    put("influence.cook", d.figures.stems.row, d.figures.stems.value);
    put("influence.leverage", d.figures.plane.row, d.figures.plane.leverage);
    put("influence.residual", d.figures.plane.row, d.figures.plane.residual);
  }
  const s = samples.get(row);
  if (s?.label) facts.push(`${say("influence.label")} ${s.label}`);
  if (s?.text) facts.push(shorten(s.text, 120));
  return facts.join(" \u00b7 ");
}

function attachFigure(
  d: Influence,
  box: HTMLElement,
  store: Store,
  samples: Map<number, Sample>,
): void {
  const svg = box.querySelector<SVGSVGElement>("svg[viewBox]");
  const marks = svg ? marksOf(svg) : [];
  if (!svg || !marks.length) return;
  const view = svg.viewBox.baseVal;
  const detail = make("div", { class: "detail", role: "status" });
  let at = -1;
  const show = () => {
    const chosen = marks.findIndex((m) => m.row === store.state.point);
    marks.forEach((m, i) => m.shape.classList.toggle("at", i === at || i === chosen));
    const one = marks[at >= 0 ? at : chosen];
    if (one)
      detail.replaceChildren(
        make("b", {}, say("samples.row", String(one.row))),
        ` ${tell(d, samples, one.row)}`,
      );
    else detail.textContent = say("samples.detail");
  };
  const nearest = (event: MouseEvent): number => {
    const edge = svg.getBoundingClientRect();
    const k = view.width / edge.width;
    const [x, y] = [(event.clientX - edge.left) * k, (event.clientY - edge.top) * k];
    let [best, reach] = [-1, 14];
    marks.forEach((m, i) => {
      const stem = m.shape.tagName !== "circle";
      const far = stem && y > m.y ? Math.abs(x - m.x) : Math.hypot(x - m.x, y - m.y);
      if (far < reach) [best, reach] = [i, far];
    });
    return best;
  };
  const move = (i: number) => {
    at = i;
    show();
  };
  const keep = () => {
    const row = marks[at]?.row ?? null;
    store.change({ point: store.state.point === row ? null : row });
  };
  box.setAttribute("role", "application");
  box.dataset.label = "samples.figure";
  box.addEventListener("pointermove", (event) => move(nearest(event)));
  box.addEventListener("pointerleave", () => move(-1));
  box.addEventListener("click", (event) => {
    move(nearest(event));
    keep();
  });
  box.addEventListener("keydown", (event) => {
    const to =
      event.ctrlKey || event.altKey || event.metaKey ? null : stepOf(event.key, at, marks.length);
    if (to !== null) {
      move(to);
      event.preventDefault();
    } else act(event, store, { Enter: keep, Escape: () => store.change({ point: null }) });
  });
  box.after(detail);
  store.listen(["point", "language"], show);
}

function csvOfFigures(d: Influence): string {
  const f = d.figures;
  const head = ["row", "cooks_distance", "leverage", "studentised_residual"];
  if (!f) return csvOf([head]);
  const rows = [...new Set([...f.stems.row, ...f.plane.row])].sort((a, b) => a - b);
  const value = (all: number[], values: (number | null)[], row: number) =>
    values[all.indexOf(row)] ?? null;
  return csvOf([
    head,
    ...rows.map((row) => [
      row,
      value(f.stems.row, f.stems.value, row) ?? value(f.plane.row, f.plane.value, row),
      value(f.plane.row, f.plane.leverage, row),
      value(f.plane.row, f.plane.residual, row),
    ]),
  ]);
}

function csvOfLists(d: Influence): string {
  const lines = d.columns.flatMap((c) =>
    [...c.high, ...[...c.low].reverse()].map((s) => [
      c.name,
      c.query,
      s.row,
      s.value,
      s.label,
      s.predicted,
      s.text,
    ]),
  );
  return csvOf([["column", "query", "row", "value", "label", "predicted", "text"], ...lines]);
}

export function attachInfluence(report: unknown, main: HTMLElement, store: Store): void {
  const d = report as Influence;
  if (d.schema !== "glim.influence/1") return;
  const samples = known(d);
  attachLists(d, main, store, samples);
  for (const box of main.querySelectorAll<HTMLElement>(".figure"))
    attachFigure(d, box, store, samples);
  store.listen(["point"], () => {
    const rows = main.querySelectorAll<HTMLElement>("table.samples tr[data-p]");
    for (const row of rows) row.classList.toggle("at", Number(row.dataset.p) === store.state.point);
  });
  for (const section of main.querySelectorAll<HTMLElement>(":scope > section")) {
    const figure = section.querySelector(".figure") !== null;
    const heading = () => section.querySelector("h2")?.textContent ?? "";
    section.append(
      saveBar({
        name: figure ? "-diagnostics" : "-influence",
        title: heading,
        says: heading,
        parts: () => around(section),
        csv: () => (figure ? csvOfFigures(d) : csvOfLists(d)),
      }),
    );
  }
}
