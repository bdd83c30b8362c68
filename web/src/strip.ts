// SPDX-License-Identifier: Apache-2.0
// The running text: the report has drawn it, here it follows the reader's choice.

import { Matrix, format, largest, step, totals } from "./document";
import { Store } from "./state";

export function attachStrip(m: Matrix, store: Store): void {
  const units = Array.from(document.querySelectorAll<HTMLElement>(".strip .unit[data-unit]"));
  const sums = totals(m);
  const wholeLimit = largest(m.scores.map((row) => largest(row)));
  const legend = document.querySelector<HTMLElement>(".legend");
  const ends = legend ? [legend.firstChild, legend.lastChild] : [];

  for (const element of units) {
    const unit = Number(element.dataset.unit);
    element.tabIndex = 0;
    element.addEventListener("pointerenter", () => store.change({ unit }));
    element.addEventListener("focus", () => store.change({ unit }));
    element.addEventListener("keydown", (event) => {
      const next = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!next) return;
      units[(units.indexOf(element) + next + units.length) % units.length].focus();
      event.preventDefault();
    });
  }

  store.listen(() => {
    const { row, threshold, find, numbers, wholeScale } = store.state;
    const scores = row === null ? sums : m.scores[row];
    const limit = wholeScale && row !== null ? wholeLimit : largest(scores);
    const wanted = find.toLowerCase();
    for (const element of units) {
      const u = Number(element.dataset.unit);
      const score = scores[u];
      const colour = score !== null && Math.abs(score) < threshold * limit ? 0 : step(score, limit);
      const found = wanted !== "" && m.units[u].text.toLowerCase().includes(wanted);
      element.className = `unit s${colour + 5}${found ? " found" : ""}${u === store.state.unit ? " chosen" : ""}`;
      element.title = format(score);
    }
    document.body.classList.toggle("numbers", numbers);
    if (ends[0]) ends[0].textContent = format(-limit);
    if (ends[1]) ends[1].textContent = `${format(limit)} ${m.output}`;
  });
}
