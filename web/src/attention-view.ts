// SPDX-License-Identifier: Apache-2.0
// The viewer of a report of attention: an overview of all heads, one head as a map and as
// lines, its numbers. The report is whole without it; it stands before the table of heads.

import { Attention, AttentionDocument, readAttention } from "./attention-data";
import { attachGrid } from "./attention-grid";
import { attachLines } from "./attention-lines";
import { attachMap } from "./attention-map";
import { View, chosenBefore } from "./attention-state";
import { attachTable } from "./attention-table";
import { EmbeddedTiles, offerFrame } from "./attention-tiles";
import { Store, make } from "./state";
import { speak } from "./words";

/** The head that shows most at first: the kept one with the strongest single link. */
function firstHead(a: Attention): number {
  const heads = [...(a.kept.size ? a.kept.keys() : a.numbers.keys())];
  const strength = (h: number) => a.numbers.get(h)?.strongest ?? 0;
  return heads.reduce((best, h) => (strength(h) > strength(best) ? h : best), heads[0] ?? 0);
}

/** The layer and the head that are chosen are those of all figures, and of other frames. */
function follow(view: View, store: Store): void {
  const { a } = view;
  const share = () =>
    store.change({
      layer: Math.floor(view.state.head / a.heads),
      head: view.state.head % a.heads,
    });
  let begun = false; // what is open at first was chosen by nobody
  view.listen(["head"], () => {
    if (begun) share();
    begun = true;
  });
  store.listen(["layer", "head"], () => {
    const { layer, head } = store.state;
    if (layer !== null && head !== null && layer < a.layers && head < a.heads)
      view.change({ head: layer * a.heads + head });
  });
  store.listen(["language"], () => view.change({ language: store.state.language }));
}

function start(a: Attention, heads: HTMLElement, store: Store): void {
  performance.mark("glim-data"); // for those who measure
  const own = new EmbeddedTiles(a);
  const view = new View(a, {
    head: firstHead(a),
    sort: "layer",
    least: 0,
    own: false,
    arcs: false,
    log: false,
    sink: "show",
    by: false,
    row: null,
    column: null,
    lock: null,
    pins: [],
    threshold: 0.3,
    table: false,
    language: store.state.language,
    source: own,
    ...chosenBefore(a),
  });
  const section = (id: string) => {
    const self = make("section", { id, class: "chart" });
    heads.before(self);
    return self;
  };
  attachGrid(view, section("glim-overview"));
  attachMap(view, section("glim-one"));
  attachLines(view, section("glim-line-view"));
  attachTable(view, section("glim-numbers"));
  follow(view, store);
  speak(store.state.language);
  window.addEventListener("hashchange", () => view.change(chosenBefore(a)));
  offerFrame(a, own, (source) => view.change({ source }));
}

export function attachAttention(report: unknown, store: Store): void {
  const heads = document.getElementById("glim-heads");
  const d = report as AttentionDocument;
  if (!heads || !d.attention?.summary) return;
  void readAttention(d).then((a) => a && start(a, heads, store));
}
