// SPDX-License-Identifier: Apache-2.0
// The numbers of the head that is open as a table: of the chosen row all weights that are
// known, else the strongest of all rows; and what can be saved of it.

import { headName, keptOf, seen } from "./attention-data";
import { View, tokenName } from "./attention-state";
import { exact } from "./document";
import { make } from "./state";
import { fill, say } from "./words";

const MOST = 40;

interface Weight {
  row: number;
  column: number;
  weight: number;
}

async function weights(view: View): Promise<{ all: Weight[]; tail: number | null }> {
  const { a, state } = view;
  const row = state.lock ?? state.row;
  const kept = a.kept.get(state.head);
  if (row !== null) {
    const values = await state.source.row(state.head, row).catch(() => null);
    const all = Array.from(values ?? [], (weight, column) => ({ row, column, weight })).filter(
      (w) => w.weight > 0,
    );
    return { all, tail: kept && !state.source.rounded ? kept.tail[row] : null };
  }
  const all: Weight[] = [];
  for (let t = 0; kept && t < a.rows.length; t++)
    for (let k = t * a.largest; k < t * a.largest + keptOf(a, t); k++)
      all.push({ row: t, column: kept.columns[k], weight: kept.weights[k] / 65535 });
  for (let t = 0; !kept && !a.level && t < a.rows.length; t++)
    for (let s = 0; s < seen(a, t); s++) {
      const byte = a.cells[(state.head * a.cellRows + t) * a.cellColumns + s];
      all.push({ row: t, column: s, weight: a.most[state.head] * (byte / 255) ** 2 });
    }
  return { all, tail: null };
}

function offer(text: string, type: string, name: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  save(address, name);
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function save(address: string, name: string): void {
  const link = make("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}

const quoted = (text: string) => `"${text.replace(/"/g, '""')}"`;

export function attachTable(view: View, into: HTMLElement): void {
  const { a, state } = view;
  const details = make("details", { class: "numbers", id: "glim-weights" });
  const summary = make("summary");
  const body = make("tbody");
  const head = make("tr");
  for (const key of ["weights.query", "weights.key", "weights.weight"] as const)
    head.append(fill(make("th", { scope: "col" }), key));
  const table = make("table", {}, make("thead", {}, head), body);
  const scroll = make("div", { class: "scroll", tabindex: "0", role: "region" }, table);
  scroll.dataset.label = "weights.table";
  const rest = make("p", { class: "note" });
  details.append(summary, scroll, rest);

  const tools = make("div", { class: "bar" }, fill(make("span"), "save"));
  const tool = (text: string, act: () => void) => {
    const self = make("button", { type: "button" }, text);
    self.addEventListener("click", act);
    tools.append(self);
  };
  const file = (ending: string) => `glim-${headName(a, state.head).replace(" ", "")}.${ending}`;
  tool(
    "CSV",
    () =>
      void weights(view).then(({ all }) =>
        offer(
          [
            "query,key,query_text,key_text,weight",
            ...all.map((w) =>
              [
                w.row,
                w.column,
                quoted(a.rows[w.row].text),
                quoted(a.columns[w.column].text),
                w.weight,
              ].join(","),
            ),
          ].join("\n") + "\n",
          "text/csv",
          file("csv"),
        ),
      ),
  );
  tool("PNG", () => {
    const canvas = document.querySelector<HTMLCanvasElement>("#glim-map canvas");
    if (canvas) save(canvas.toDataURL("image/png"), file("png"));
  });
  into.append(details, tools);

  let turn = 0;
  async function show(): Promise<void> {
    if (!details.open) return;
    const mine = ++turn;
    const { all, tail } = await weights(view);
    if (mine !== turn) return;
    all.sort((x, y) => y.weight - x.weight || x.row - y.row || x.column - y.column);
    body.replaceChildren(
      ...all
        .slice(0, MOST)
        .map((w) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, `${w.row} `, make("bdi", {}, tokenName(a.rows[w.row]))),
            make("td", {}, `${w.column} `, make("bdi", {}, tokenName(a.columns[w.column]))),
            make("td", {}, `${exact(100 * w.weight, false)}\u00a0%`),
          ),
        ),
    );
    rest.textContent = [
      ...(all.length > MOST ? [say("weights.more", String(all.length - MOST))] : []),
      ...(tail === null ? [] : [say("weights.tail", `${exact(100 * tail, false)}\u00a0%`)]),
      ...(all.length ? [] : [say("weights.none")]),
    ].join(" ");
  }

  details.addEventListener("toggle", () => {
    view.change({ table: details.open });
    void show();
  });
  view.listen(["table"], () => (details.open = state.table));
  view.listen(["head", "language"], () => fill(summary, "weights", headName(a, state.head)));
  view.listen(["head", "row", "lock", "source", "language"], () => void show());
}
