// SPDX-License-Identifier: Apache-2.0
// The table with the same numbers: its rows choose, and show what is chosen.

import { Matrix } from "./document";
import { Store } from "./state";

export function attachTable(m: Matrix, store: Store): void {
  if (m.rows.length < 2) return;
  const rows = Array.from(document.querySelectorAll<HTMLTableRowElement>("main table tbody tr"));
  rows.forEach((element, r) => {
    element.addEventListener("click", () => store.change({ row: store.state.row === r ? null : r }));
  });
  store.listen(() => rows.forEach((element, r) => element.classList.toggle("chosen", store.state.row === r)));
}
