// SPDX-License-Identifier: Apache-2.0
// A grid of a report's panels: a cursor, the numbers of its cell in this and in all
// grids of the same rows and columns, totals, and a row or a column followed.

import { stepOf as keyStep, act } from "./keys";
import {
  Panel,
  brief,
  intervalOf,
  isSigned,
  labelOf,
  limitOf,
  numberOf,
  placeOf,
  stepOf,
} from "./panel-data";
import { attachSheet } from "./panel-sheet";
import { button, copy } from "./save";
import { State, Store, make } from "./state";
import { fill, has, say } from "./words";

/** What the store knows an axis by; other axes are their panel's own. */
const SHARED: Record<string, "kept" | "layer" | "head"> = {
  position: "kept",
  layer: "layer",
  head: "head",
};

/** The number that a place of an axis has for the store, or null. */
function shared(p: Panel["rows"], i: number): number | null {
  if (p.name === "position") return i;
  return /^\d+$/.test(p.labels[i] ?? "") ? Number(p.labels[i]) : null;
}

/** The place of an axis that the store's choice means, or -1. */
export function chosenOn(axis: Panel["rows"], s: State): number {
  const key = SHARED[axis.name];
  const at = key === "kept" ? (s.kept ?? s.unit) : key ? s[key] : null;
  if (at === null) return -1;
  if (key === "kept") return at < axis.labels.length ? at : -1;
  return axis.labels.indexOf(String(at));
}

/** Chooses a place of each axis for all figures of the report. */
export function choose(store: Store, ...places: [Panel["rows"], number][]): void {
  const part: Partial<State> = {};
  for (const [axis, i] of places) if (SHARED[axis.name]) part[SHARED[axis.name]] = shared(axis, i);
  store.change(part);
}

/** Sites as `glim capture --site` names them. */
const SITES: Record<string, string> = {
  resid_pre: "hook_resid_pre",
  resid_mid: "hook_resid_mid",
  resid_post: "hook_resid_post",
  attn_out: "hook_attn_out",
  mlp_out: "hook_mlp_out",
  z: "attn.hook_z",
};

const quoted = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;

/** What shows the values at a cell's site, as a command. */
function commandOf(p: Panel, r: number, report: Report): string | null {
  const site = p.name.startsWith("lens") ? "hook_resid_post" : SITES[p.name];
  if (!site || p.rows.name !== "layer" || !/^\d+$/.test(p.rows.labels[r])) return null;
  const file = report.model?.file ?? "model.gguf";
  const text = report.input?.text ?? "";
  return `glim capture -m ${quoted(file)} --site ${quoted(`blocks.${p.rows.labels[r]}.${site}`)} -o site.safetensors ${quoted(text)}`;
}

export interface Report {
  model?: { file?: string | null };
  input?: { text?: string };
}

const same = (a: Panel, b: Panel) =>
  a.kind === "grid" &&
  b.kind === "grid" &&
  a.rows.name === b.rows.name &&
  a.rows.labels.join("\n") === b.rows.labels.join("\n") &&
  a.columns.labels.join("\n") === b.columns.labels.join("\n");

const titleOf = (p: Panel): string =>
  document.querySelector(`[data-panel="${CSS.escape(p.name)}"] > h2`)?.textContent ?? p.title;

/** "layer ", in the page's language where there is a word. */
function axisOf(axis: Panel["rows"]): string {
  const key = `axis.${axis.name}`;
  return axis.name ? `${has(key) ? say(key) : axis.name} ` : "";
}

/** The numbers of one cell in all grids of its shape. */
function attachDetail(p: Panel, all: Panel[], report: Report, store: Store) {
  const line = make("div", { class: "detail cell-detail" });
  const said = make("div", { role: "status" });
  const follow = make("div", { class: "follow" });
  let followed: "row" | "column" | null = null;
  let at: [number, number] | null = null;
  const command = button("grid.command", (self) => {
    const text = at && commandOf(p, at[0], report);
    if (text) void copy(text).then(() => fill(self, "copied"));
  });
  const bar = make("div", { class: "bar" });
  for (const way of ["row", "column"] as const) {
    const self = button(`grid.${way}`, () => {
      followed = followed === way ? null : way;
      tell(at);
    });
    self.dataset.way = way;
    bar.append(self);
  }
  bar.append(command);
  line.append(said, bar, follow);

  /** Of a cell that another figure chose, this grid's number alone. */
  function tell(cell: [number, number] | null, own = true): void {
    at = cell;
    bar.hidden = !at || !own;
    for (const self of bar.querySelectorAll<HTMLElement>("[data-way]"))
      self.setAttribute("aria-pressed", String(self.dataset.way === followed));
    follow.replaceChildren();
    if (!at) {
      said.textContent = say("grid.detail");
      return;
    }
    const [r, c] = at;
    command.hidden = !commandOf(p, r, report);
    fill(command, "grid.command");
    const place = `${axisOf(p.rows)}${placeOf(p.rows, r)}, ${axisOf(p.columns)}${placeOf(p.columns, c)}`;
    const heading = make("b", {}, make("bdi", {}, place));
    const list = make("dl", {});
    for (const other of own ? all.filter((o) => same(o, p)) : [p]) {
      const text = (other.texts as (string | null)[][] | null)?.[r]?.[c];
      const value = numberOf(other, other.values[r][c]) + intervalOf(other, r, c);
      const cell = make("dd", {});
      if (text)
        cell.append(
          make("bdi", {}, `\u201c${labelOf({ name: "", labels: [text] }, 0, 60)}\u201d`),
          " ",
        );
      cell.append(value, other.unit ? ` ${other.unit}` : "");
      list.append(make("dt", {}, titleOf(other)), cell);
    }
    said.replaceChildren(heading, list);
    if (followed && own) follow.append(...followTable(p, followed, r, c, store));
  }
  store.listen(["language"], () => tell(at));
  return { line, tell };
}

/** A row or a column as a table with bars. */
function followTable(
  p: Panel,
  way: "row" | "column",
  r: number,
  c: number,
  store: Store,
): HTMLElement[] {
  const [axis, fixed] = way === "row" ? [p.columns, p.rows] : [p.rows, p.columns];
  const at = way === "row" ? r : c;
  const limit = limitOf(p);
  const body = make("tbody");
  axis.labels.forEach((_, i) => {
    const [row, column] = way === "row" ? [at, i] : [i, at];
    const x = p.values[row][column];
    const bar = make("span", { class: "follow-bar" });
    if (x !== null) bar.style.background = `var(--${stepOf(p, x, limit)})`;
    const share =
      p.scale === "rank" && x ? 1 - Math.log(Math.max(x, 1)) / Math.log(limit) : (x ?? 0) / limit;
    bar.style.width = `${Math.min(10, 10 * Math.abs(share || 0)).toFixed(2)}rem`;
    const line = make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, placeOf(axis, i))));
    const text = (p.texts as (string | null)[][] | null)?.[row]?.[column];
    if (p.texts)
      line.append(
        make(
          "td",
          { class: "said" },
          make("bdi", {}, text ? labelOf({ name: "", labels: [text] }, 0) : ""),
        ),
      );
    line.append(
      make("td", {}, numberOf(p, x) + intervalOf(p, row, column)),
      make("td", { class: "size" }, bar),
    );
    if (way === "row" ? i === c : i === r) line.classList.add("at");
    line.addEventListener("click", () => choose(store, [p.rows, row], [p.columns, column]));
    body.append(line);
  });
  const table = make("table", { class: "ranks" }, body);
  const caption = `${titleOf(p)}: ${placeOf(fixed, at)}`;
  return [
    make("p", { class: "note" }, make("bdi", {}, caption)),
    make("div", { class: "scroll", tabindex: "0" }, table),
  ];
}

/** Sums of rows and columns of a grid whose numbers add up. */
function addTotals(p: Panel, table: HTMLTableElement): void {
  const sum = (all: (number | null)[]) => all.reduce<number>((a, x) => a + (x ?? 0), 0);
  const head = table.tHead?.rows[0];
  if (!head || !isSigned(p)) return;
  head.append(fill(make("th", { scope: "col", class: "total" }), "grid.total"));
  for (const [r, row] of Array.from(table.tBodies[0].rows).entries())
    row.append(make("td", { class: "total" }, brief(p, sum(p.values[r]))));
  const foot = make("tr", {}, fill(make("th", { scope: "row", class: "total" }), "grid.total"));
  p.columns.labels.forEach((_, c) =>
    foot.append(make("td", { class: "total" }, brief(p, sum(p.values.map((row) => row[c]))))),
  );
  foot.append(make("td", { class: "total" }, brief(p, sum(p.values.flat()))));
  table.append(make("tfoot", {}, foot));
}

export function attachGrid(
  p: Panel,
  all: Panel[],
  report: Report,
  host: HTMLElement,
  store: Store,
): void {
  const table = host.querySelector<HTMLTableElement>("table.grid");
  const scroll = table?.parentElement;
  if (!table || !scroll) return;
  const [R, C] = [p.rows.labels.length, p.columns.labels.length];
  const detail = attachDetail(p, all, report, store);
  let cursor: [number, number] | null = null;
  let show: () => void = () => undefined;
  const move = (r: number, c: number) => {
    cursor = [r, c];
    if (p.columns.name === "position") store.change({ unit: c });
    detail.tell(cursor);
    show();
  };
  const keep = () => {
    if (cursor) choose(store, [p.rows, cursor[0]], [p.columns, cursor[1]]);
  };
  const keys = (event: KeyboardEvent): boolean => {
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    const [r, c] = cursor ?? [-1, -1];
    const to = keyStep(event.key, c, C);
    const down: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, "[": -1, "]": 1 };
    // rows of layers are written from the last: the next layer is the row above
    const up = p.rows.labels.length > 1 && Number(p.rows.labels[0]) > Number(p.rows.labels[1]);
    if (to !== null) move(Math.max(0, r), to);
    else if (event.key in down) {
      const by = down[event.key] * (up && /[[\]]/.test(event.key) ? -1 : 1);
      move(Math.max(0, Math.min(R - 1, r < 0 ? 0 : r + by)), Math.max(0, c));
    } else
      return act(event, store, {
        Enter: keep,
        ",": () => move(Math.max(0, r), Math.max(0, c - 1)),
        ".": () => move(Math.max(0, r), Math.min(C - 1, c + 1)),
        Escape: () => {
          cursor = null;
          store.change({ unit: null, kept: null, layer: null, head: null });
          detail.tell(null);
          show();
        },
      });
    event.preventDefault();
    return true;
  };
  const handlers = { move, keep, keys, cursor: () => cursor };
  const whole =
    table.tBodies[0].rows.length === R && (table.tHead?.rows[0].cells.length ?? 0) === C + 1;
  if (whole) {
    show = attachTable(p, table, scroll, store, handlers);
    addTotals(p, table);
  } else show = attachSheet(p, scroll, store, handlers); // pooled cells become whole ones
  scroll.after(detail.line);
  detail.tell(null);
  store.listen(["layer", "head", "kept"], () => {
    const [r, c] = [chosenOn(p.rows, store.state), chosenOn(p.columns, store.state)];
    if (r >= 0 && c >= 0 && (r !== cursor?.[0] || c !== cursor[1])) {
      cursor = [r, c];
      detail.tell(cursor, false);
    }
    show();
  });
  store.listen(["unit"], () => show());
}

export interface Handlers {
  move: (r: number, c: number) => void;
  keep: () => void;
  keys: (event: KeyboardEvent) => boolean;
  cursor: () => [number, number] | null;
}

/** The table that the report has drawn. */
function attachTable(
  p: Panel,
  table: HTMLTableElement,
  scroll: HTMLElement,
  store: Store,
  h: Handlers,
): () => void {
  const rows = Array.from(table.tBodies[0].rows);
  const heads = Array.from(table.tHead?.rows[0].cells ?? []);
  const cellOf = (event: Event): [number, number] | null => {
    const cell = (event.target as Element).closest<HTMLTableCellElement>("tbody td:not(.total)");
    const row = cell?.parentElement as HTMLTableRowElement | undefined;
    return cell && row ? [rows.indexOf(row), cell.cellIndex - 1] : null;
  };
  scroll.addEventListener("pointerover", (event) => {
    const at = cellOf(event);
    if (at) h.move(...at);
  });
  scroll.addEventListener("click", (event) => {
    const at = cellOf(event);
    if (!at) return;
    h.move(...at);
    h.keep();
  });
  scroll.addEventListener("keydown", (event) => {
    if (!h.keys(event)) return;
    const at = h.cursor();
    if (at) rows[at[0]].cells[at[1] + 1].scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  let marked: Element[] = [];
  return () => {
    for (const element of marked) element.classList.remove("cursor", "at");
    marked = [];
    const put = (element: Element | undefined, name: string) => {
      element?.classList.add(name);
      if (element) marked.push(element);
    };
    const at = h.cursor();
    if (at) put(rows[at[0]]?.cells[at[1] + 1], "cursor");
    const r = chosenOn(p.rows, store.state);
    const c = chosenOn(p.columns, store.state);
    if (r >= 0 || at) put(rows[r >= 0 ? r : (at?.[0] ?? 0)]?.cells[0], "at");
    if (c >= 0 || at) put(heads[1 + (c >= 0 ? c : (at?.[1] ?? 0))], "at");
  };
}
