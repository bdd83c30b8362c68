// SPDX-License-Identifier: Apache-2.0
// The explained tokens as buttons: which of them the picture is about.

import { Matrix } from "./document";
import { Store, make } from "./state";

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

/** What the report called a row: whole characters, and bytes where it is a part. */
export function rowName(r: number): string {
  return document.querySelector(`#glim-rows .row[data-r="${r}"]`)?.textContent ?? "";
}
