// SPDX-License-Identifier: Apache-2.0
// Texts of a report's panels: a threshold, an order, and one token marked wherever it
// stands in the report.

import { visible } from "./document";
import { Panel, Strip, limitOf, stepOf, strips } from "./panel-data";
import { Store, make } from "./state";
import { fill, say } from "./words";

const ORDERS = ["ranked", "value", "other"] as const;

/** The value of pieces that the report draws as one. */
function valueOf(t: Strip, from: number, to: number): number | null {
  let best: number | null = null;
  for (const x of t.values.slice(from, to))
    if (x !== null && (best === null || Math.abs(x) > Math.abs(best))) best = x;
  return best;
}

/** Each next text shares the fewest tokens with those above it. */
function unlike(all: Strip[]): number[] {
  const sets = all.map((t) => new Set(t.pieces.map((piece) => piece.trim())));
  const alike = (a: Set<string>, b: Set<string>) => {
    let common = 0;
    for (const x of a) if (b.has(x)) common++;
    return common / Math.max(1, a.size + b.size - common);
  };
  const left = all.map((_, i) => i);
  const out: number[] = [];
  const most = all.map(() => 0);
  while (left.length) {
    const next = left.reduce((best, i) => (most[i] < most[best] ? i : best), left[0]);
    left.splice(left.indexOf(next), 1);
    out.push(next);
    for (const i of left) most[i] = Math.max(most[i], alike(sets[i], sets[next]));
  }
  return out;
}

export function attachTexts(p: Panel, host: HTMLElement): void {
  const list = host.querySelector<HTMLOListElement>("ol.texts");
  if (!list) return;
  const all = strips(p);
  const items = Array.from(list.children) as HTMLElement[];
  const limit = limitOf(p);
  const bar = make("div", { class: "bar" });
  const range = make("input", { type: "range", min: "0", max: "0.95", step: "0.05", value: "0" });
  const value = make("output", {}, "0\u00a0%");
  range.addEventListener("input", () => {
    const least = Number(range.value) * limit;
    value.textContent = `${Math.round(100 * Number(range.value))}\u00a0%`;
    items.forEach((item, i) => {
      for (const piece of item.querySelectorAll<HTMLElement>(".u")) {
        const x = valueOf(all[i], Number(piece.dataset.k), Number(piece.dataset.e));
        if (x === null) continue;
        const step = stepOf(p, Math.abs(x) < least ? 0 : x, limit);
        piece.className = piece.className.replace(/\b[as]\d+\b/, step);
      }
    });
  });
  bar.append(make("label", {}, fill(make("span"), "hide"), range, value));
  if (items.length > 2) {
    const order = make("select");
    for (const name of ORDERS) order.append(fill(make("option", { value: name }), `texts.${name}`));
    const size = (t: Strip) => t.value ?? -Infinity;
    order.addEventListener("change", () => {
      const n = items.map((_, i) => i);
      const by = {
        ranked: () => n,
        value: () => n.sort((a, b) => size(all[b]) - size(all[a]) || a - b),
        other: () => unlike(all.slice(0, items.length)),
      };
      list.append(...by[order.value as (typeof ORDERS)[number]]().map((i) => items[i]));
    });
    bar.append(make("label", {}, fill(make("span"), "texts.order"), order));
  }
  list.before(bar);
}

/** A click on a token marks all that say the same, in every text of the report. */
export function attachTokens(main: HTMLElement, store: Store): void {
  const boxes = Array.from(main.querySelectorAll<HTMLElement>(".texts .strip"));
  if (!boxes.length) return;
  const pieces = boxes.flatMap((box) => Array.from(box.querySelectorAll<HTMLElement>(".u")));
  const said = make("p", { class: "note", role: "status" });
  boxes[0].closest("section")?.querySelector("ol.texts")?.before(said);
  const wordOf = (piece: HTMLElement) => piece.querySelector("bdi")?.textContent?.trim() ?? "";
  const mark = (word: string) => {
    let n = 0;
    for (const piece of pieces) {
      const hit = word !== "" && wordOf(piece) === word;
      piece.classList.toggle("found", hit);
      n += Number(hit);
    }
    said.textContent = word ? say("texts.same", visible(word), String(n)) : "";
  };
  for (const box of boxes) {
    const own = Array.from(box.querySelectorAll<HTMLElement>(".u"));
    let at = -1;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.dataset.label = "texts.strip";
    const go = (i: number) => {
      own[at]?.classList.remove("at");
      at = Math.max(0, Math.min(own.length - 1, i));
      own[at]?.classList.add("at");
      own[at]?.scrollIntoView({ block: "nearest" });
    };
    box.addEventListener("click", (event) => {
      const piece = (event.target as Element).closest<HTMLElement>(".u");
      if (!piece) return;
      mark(piece.classList.contains("found") ? "" : wordOf(piece));
    });
    box.addEventListener("keydown", (event) => {
      const keys: Record<string, () => void> = {
        ArrowRight: () => go(at + 1),
        ArrowLeft: () => go(at - 1),
        Home: () => go(0),
        End: () => go(own.length - 1),
        Enter: () => own[at] && mark(own[at].classList.contains("found") ? "" : wordOf(own[at])),
        Escape: () => mark(""),
      };
      if (!Object.hasOwn(keys, event.key)) return;
      keys[event.key]();
      event.preventDefault();
    });
    box.addEventListener("focusout", () => own[at]?.classList.remove("at"));
  }
  store.listen(["language"], () => mark(""));
}
