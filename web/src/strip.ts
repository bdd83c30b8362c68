// SPDX-License-Identifier: Apache-2.0
// The running text: the report has drawn it, here it follows the reader's choice.
// It is one stop of the Tab key with a cursor of its own (a list box), so that
// four thousand units cost four thousand elements and not as many listeners.

import { Matrix, format, shade, uncertain, visible } from "./document";
import { figureKey, stepOf } from "./keys";
import { Store, picture } from "./state";

export function attachStrip(m: Matrix, store: Store): void {
  const strip = document.getElementById("glim-strip");
  if (!strip) return;
  const units: HTMLElement[] = [];
  for (const element of strip.querySelectorAll<HTMLElement>(".u"))
    units[Number(element.dataset.u)] = element;
  const template = document.getElementById("glim-template") as HTMLInputElement | null;

  strip.tabIndex = 0;
  strip.setAttribute("role", "listbox");
  strip.setAttribute("aria-labelledby", "glim-strip-name");
  strip.setAttribute("aria-describedby", "glim-say");
  units.forEach((element, u) => {
    element.id = `glim-u${u}`;
    element.setAttribute("role", "option");
    element.setAttribute("aria-selected", "false");
    element.setAttribute("aria-label", visible(m.units[u].text));
  });

  const unitOf = (event: Event): number | null => {
    const element = (event.target as Element).closest<HTMLElement>(".u");
    return element ? Number(element.dataset.u) : null;
  };
  strip.addEventListener("pointerover", (event) => {
    const unit = unitOf(event);
    if (unit !== null) store.change({ unit });
  });
  strip.addEventListener("click", (event) => {
    const unit = unitOf(event);
    if (unit !== null) store.change({ unit, kept: store.state.kept === unit ? null : unit });
  });
  strip.addEventListener("keydown", (event) => {
    const inSight = m.units.map((_, u) => u).filter((u) => !m.units[u].fixed || template?.checked);
    const at = store.state.unit === null ? -1 : inSight.indexOf(store.state.unit);
    const along = getComputedStyle(strip).direction === "rtl" ? -1 : 1;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const to = stepOf(event.key, at, inSight.length, along);
    if (to === null) return void figureKey(event, m, store);
    store.change({ unit: inSight[to] });
    units[inSight[to]]?.scrollIntoView({ block: "nearest" });
    event.preventDefault();
  });

  function colour(): void {
    const { row, threshold } = store.state;
    const p = picture(m, store.state);
    const { scores, errors, limit } = p;
    const wanted = store.state.find.toLowerCase();
    for (const u of m.scored) {
      const score = scores[u];
      let name = "u";
      if (!p.counts(u)) name += " aside";
      else if (score === null) name += later(m, row, u) ? " nil" : " x";
      else {
        name += ` ${shade(Math.abs(score) < threshold * limit ? 0 : score, limit, m.signed)}`;
        if (uncertain(score, errors?.[u])) name += " h";
        if (Math.abs(score) > limit) name += " over";
      }
      if (wanted && m.units[u].text.toLowerCase().includes(wanted)) name += " found";
      if (row !== null && m.rows[row].start < m.units[u].end && m.rows[row].end > m.units[u].start)
        name += " now";
      const number = format(score, limit, m.signed);
      units[u].className = name;
      units[u].dataset.n = !p.counts(u) || (score === null && later(m, row, u)) ? "" : number;
      units[u].setAttribute("aria-label", `${visible(m.units[u].text)} ${number}`);
    }
    mark();
  }

  let marked: { at: number | null; kept: number | null } = { at: null, kept: null };
  function mark(): void {
    const { unit, kept } = store.state;
    for (const u of [marked.at, marked.kept]) {
      if (u === null) continue;
      units[u].classList.remove("at", "kept");
      units[u].setAttribute("aria-selected", "false");
    }
    if (unit !== null) units[unit].classList.add("at");
    if (kept !== null) {
      units[kept].classList.add("kept");
      units[kept].setAttribute("aria-selected", "true");
    }
    if (unit !== null) strip?.setAttribute("aria-activedescendant", `glim-u${unit}`);
    marked = { at: unit, kept };
  }

  store.listen(["row", "threshold", "find", "own", "clip", "written"], colour);
  store.listen(["unit", "kept"], mark);
  store.listen(["numbers"], () => document.body.classList.toggle("numbers", store.state.numbers));
  store.listen(["white"], () => document.body.classList.toggle("white", store.state.white));
}

/** A unit that the row's token could not see: no score is due. */
export function later(m: Matrix, row: number | null, u: number): boolean {
  return m.many && (row === null ? m.units[u].generated : m.units[u].start >= m.rows[row].start);
}
