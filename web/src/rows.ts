// SPDX-License-Identifier: Apache-2.0
// The explained tokens as buttons: which of them the picture is about.

import { Matrix, percent, shorten } from "./document";
import { Store, make } from "./state";
import { fill } from "./words";

export function attachRows(m: Matrix, store: Store): void {
  const box = document.getElementById("glim-rows");
  if (!box || !m.many) return;
  const buttons = Array.from(box.querySelectorAll<HTMLElement>(".row"), (span) => {
    const button = make("button", { type: "button", class: "row", "data-r": span.dataset.r ?? "" });
    button.append(...Array.from(span.childNodes));
    if (span.dataset.w) button.dataset.w = span.dataset.w;
    span.replaceWith(button);
    return button;
  });
  box.setAttribute("data-label", "rows");
  box.addEventListener("click", (event) => {
    const r = (event.target as Element).closest<HTMLElement>(".row")?.dataset.r;
    if (r !== undefined) store.change({ row: r === "" ? null : Number(r) });
  });
  store.listen(["row"], () => {
    for (const button of buttons) {
      const chosen = button.dataset.r === (store.state.row === null ? "" : String(store.state.row));
      button.setAttribute("aria-pressed", String(chosen));
    }
  });
}

const BAR = 10; // rem

/** Of classes, how likely the model finds each: a click explains that one. */
export function attachClasses(m: Matrix, store: Store): void {
  const rest = 1 - m.rows.reduce((sum, row) => sum + (row.prob ?? NaN), 0);
  if (!m.classes || Number.isNaN(rest)) return;
  const body = make("tbody");
  const line = (name: HTMLElement, prob: number) => {
    const bar = make("span", { class: "follow-bar" });
    bar.style.background = "var(--amount)";
    bar.style.width = `${(BAR * prob).toFixed(2)}rem`;
    const row = make("tr", {}, make("th", { scope: "row" }, name));
    row.append(make("td", {}, percent(prob)), make("td", { class: "size" }, bar));
    body.append(row);
    return row;
  };
  const rows = m.rows.map(({ text, prob }, r) => {
    const name = make("button", { type: "button" }, make("bdi", {}, shorten(text, 24)));
    name.addEventListener("click", () => store.change({ row: store.state.row === r ? null : r }));
    return line(name, prob ?? 0);
  });
  if (rest > 0.0005) line(fill(make("span"), "classes.other"), rest).classList.add("rest");
  const heading = fill(make("h2"), "classes");
  document
    .getElementById("glim-figure")
    ?.before(make("section", {}, heading, make("table", { class: "ranks" }, body)));
  store.listen(["row"], () =>
    rows.forEach((row, r) => {
      row.classList.toggle("at", r === store.state.row);
      row.querySelector("button")?.setAttribute("aria-pressed", String(r === store.state.row));
    }),
  );
}

/** What the report called a row: whole characters, and bytes where it is a part. */
export function rowName(r: number): string {
  return document.querySelector(`#glim-rows .row[data-r="${r}"]`)?.textContent ?? "";
}
