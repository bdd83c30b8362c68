// SPDX-License-Identifier: Apache-2.0
// Panels of a report: every grid, line, table and text gets what its kind can do, its
// files, and a choice that it shares with the others.

import { readPanels, panelCsv } from "./panel-data";
import { Report, attachGrid } from "./panel-grid";
import { attachLines } from "./panel-lines";
import { attachTexts, attachTokens } from "./panel-texts";
import { around, saveBar } from "./save";
import { filterable, sortable } from "./sort";
import { Store } from "./state";

const MANY = 8; // rows of a table that is worth a search

export function attachPanels(report: unknown, main: HTMLElement, store: Store): void {
  const panels = readPanels(report);
  panels.forEach((p, i) => {
    const host = document.getElementById(`glim-panel-${i}`);
    if (!host) return;
    host.dataset.panel = p.name;
    const table = host.querySelector("table");
    if (p.kind === "grid") attachGrid(p, panels, report as Report, host, store);
    if (p.kind === "lines") attachLines(p, host, store);
    if (p.kind === "texts") attachTexts(p, host);
    if (p.kind === "table" && table) {
      const named = (table.tHead?.rows[0].cells.length ?? 0) - p.columns.labels.length;
      sortable(table, (r, c) => (c < named ? undefined : p.cells[r]?.[c - named]));
      if (p.rows.name === "layer")
        store.listen(["layer"], () => {
          for (const [r, row] of Array.from(table.tBodies[0].rows).entries())
            row.classList.toggle("at", p.rows.labels[r] === String(store.state.layer));
        });
      if (p.cells.length > MANY) {
        const { label } = filterable(table);
        label.classList.add("bar");
        table.parentElement?.before(label);
      }
    }
    host.append(
      saveBar({
        name: `-${p.name}`,
        title: () => host.querySelector("h2")?.textContent ?? p.title,
        says: () => host.querySelector(".say")?.textContent ?? "",
        parts: () => around(host),
        csv: () => panelCsv(p),
        ...(p.kind === "lines" ? { table: () => toggle(host) } : {}),
      }),
    );
  });
  attachTokens(main, store);
}

function toggle(host: HTMLElement): void {
  const numbers = host.querySelector<HTMLDetailsElement>("details.numbers");
  if (numbers) numbers.open = !numbers.open;
}
