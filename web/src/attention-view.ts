// SPDX-License-Identifier: Apache-2.0
// The viewer of a report of attention: an overview of all heads, one head as a map and as
// lines, its numbers. The report is whole without it; it stands before the table of heads.

import { attentionSummary, readAttention } from "./attention-data";
import { attachGrid } from "./attention-grid";
import { attachLines } from "./attention-lines";
import { attachMap } from "./attention-map";
import { View, chosenBefore } from "./attention-state";
import { attachTable } from "./attention-table";
import { EmbeddedTiles, offerFrame } from "./attention-tiles";
import { restoreTheme, toggleTheme } from "./keys";
import { make } from "./state";
import { fill, speak } from "./words";

/** The head that shows most at first: the kept one with the strongest single link. */
function firstHead(view: View): number {
  const { a } = view;
  const heads = [...(a.kept.size ? a.kept.keys() : a.numbers.keys())];
  return heads.reduce(
    (best, h) =>
      (a.numbers.get(h)?.strongest ?? 0) > (a.numbers.get(best)?.strongest ?? 0) ? h : best,
    heads[0] ?? 0,
  );
}

/** False: this is no report of attention with patterns in it. */
export function startAttention(): boolean {
  const d = attentionSummary();
  const heads = document.getElementById("glim-heads");
  if (!d || !heads) return false;
  restoreTheme();
  const page = document.documentElement.lang;
  const language = page === "en" ? navigator.language : page;
  speak(language);
  void readAttention(d).then((a) => {
    if (!a) return;
    performance.mark("glim-data");
    const own = new EmbeddedTiles(a);
    const view = new View(a, {
      head: 0,
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
      language,
      source: own,
    });
    view.change({ head: firstHead(view), ...chosenBefore(a) });
    const section = (id: string) => {
      const self = make("section", { id, class: "chart" });
      heads.before(self);
      return self;
    };
    attachGrid(view, section("glim-overview"));
    attachMap(view, section("glim-one"));
    attachLines(view, section("glim-line-view"));
    attachTable(view, section("glim-numbers"));
    const tool = (key: "dark" | "language", act: () => void) => {
      const self = fill(make("button", { type: "button" }), key);
      self.addEventListener("click", act);
      return self;
    };
    const speakNow = () => {
      view.change({ language: view.state.language.startsWith("zh") ? "en" : "zh-CN" });
      speak(view.state.language);
    };
    document
      .querySelector("header")
      ?.append(
        make("div", { class: "bar" }, tool("dark", toggleTheme), tool("language", speakNow)),
      );
    speak(view.state.language);
    window.addEventListener("hashchange", () => view.change(chosenBefore(a)));
    offerFrame(a, own, (source) => view.change({ source }));
    performance.measure("glim-first", "glim-data");
    document.documentElement.dataset.viewer = "ready";
  });
  return true;
}
