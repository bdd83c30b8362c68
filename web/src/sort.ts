// SPDX-License-Identifier: Apache-2.0
// Tables whose rows a click on a head puts in order, the largest first, then the
// smallest first, then as they were.

import { make } from "./state";
import { fill, say } from "./words";

export type Cell = string | number | null;

const SIZES: Record<string, number> = { K: 1 << 10, M: 1 << 20, G: 2 ** 30 };

/** What a cell shows, as a number where it is one. */
function shown(cell: Element | undefined): Cell {
  const text = cell?.textContent?.trim() ?? "";
  const plain = text
    .replace(/\u2212/g, "-")
    .replace(/[\u00a0%\u202f]/g, "")
    .replace(/^\+/, "");
  const number = /^<?-?\d/.test(plain) ? parseFloat(plain.replace("<", "")) : NaN;
  const size = /([KMG])iB$/.exec(plain)?.[1];
  return Number.isNaN(number) ? text || null : number * (size ? SIZES[size] : 1);
}

/** Words after numbers, what is not there last. */
function compare(a: Cell, b: Cell): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === "number" && typeof b === "number") return b - a;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b);
}

/** value: of a row (by its place in the document) and a column; else what the cell shows. */
export function sortable(
  table: HTMLTableElement,
  value?: (row: number, column: number) => Cell | undefined,
): void {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead?.rows[0]?.cells ?? []);
  const rows = Array.from(body?.rows ?? []);
  if (rows.length < 2 || !heads.length) return;
  rows.forEach((row, r) => (row.dataset.r0 = String(r)));
  let [column, way] = [-1, 0];
  heads.forEach((head, c) => {
    if (!head.textContent?.trim() || head.querySelector("button")) return;
    if (rows.every((row) => shown(row.cells[c]) === null)) return; // bars alone
    const button = make("button", { type: "button", class: "sort" });
    button.append(...Array.from(head.childNodes));
    if (head.dataset.w) {
      button.dataset.w = head.dataset.w;
      delete head.dataset.w;
    }
    head.append(button);
    button.addEventListener("click", () => {
      way = column === c ? (way === 1 ? -1 : way === -1 ? 0 : 1) : 1;
      column = c;
      for (const [k, other] of heads.entries())
        if (k === c && way) other.setAttribute("aria-sort", way > 0 ? "descending" : "ascending");
        else other.removeAttribute("aria-sort");
      const cell = (row: HTMLTableRowElement) =>
        value?.(Number(row.dataset.r0), c) ?? shown(row.cells[c]);
      const order = [...rows].sort((a, b) => {
        const first = rows.indexOf(a) - rows.indexOf(b);
        if (!way || a.classList.contains("top") !== b.classList.contains("top")) return first;
        if (cell(a) === null || cell(b) === null) return compare(cell(a), cell(b)) || first;
        return way * compare(cell(a), cell(b)) || first;
      });
      body.append(...order);
    });
  });
}

/** A field that leaves only rows that hold its words. */
export function filterable(table: HTMLTableElement, also: (row: number) => boolean = () => true) {
  const field = make("input", { type: "search" });
  const count = make("span", { role: "status" });
  const rows = Array.from(table.tBodies[0]?.rows ?? []);
  const text = rows.map((row) => (row.textContent ?? "").toLowerCase());
  const filter = () => {
    const wanted = field.value.toLowerCase();
    let left = 0;
    rows.forEach((row, r) => {
      row.hidden = !text[r].includes(wanted) || !also(r);
      left += Number(!row.hidden);
    });
    count.textContent = left < rows.length ? say("found", String(left)) : "";
  };
  field.addEventListener("input", filter);
  return { label: make("label", {}, fill(make("span"), "find"), field, count), filter };
}
