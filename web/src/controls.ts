// SPDX-License-Identifier: Apache-2.0
// The bar above the text: numbers, white space, threshold, search, scale, saving.

import { Matrix, percent, shorten } from "./document";
import { toggleTable } from "./keys";
import { around, csv, saveBar } from "./save";
import { State, Store, make, picture } from "./state";
import { Key, fill, say } from "./words";

type Switch = "numbers" | "white" | "own" | "clip" | "written";

function checkbox(store: Store, name: Switch, key: Key): HTMLElement {
  const box = make("input", { type: "checkbox", id: `glim-${name}` });
  box.addEventListener("change", () => store.change({ [name]: box.checked } as Partial<State>));
  store.listen([name], () => (box.checked = store.state[name]));
  return make("label", {}, box, fill(make("span"), key));
}

function slider(store: Store): HTMLElement {
  const range = make("input", {
    type: "range",
    min: "0",
    max: "0.95",
    step: "0.05",
    id: "glim-threshold",
  });
  const value = make("output", { for: "glim-threshold" });
  range.addEventListener("input", () => store.change({ threshold: Number(range.value) }));
  store.listen(["threshold"], () => {
    range.value = String(store.state.threshold);
    value.textContent = percent(store.state.threshold).replace(".0", "");
  });
  return make("label", {}, fill(make("span"), "hide"), range, value);
}

function search(m: Matrix, store: Store): HTMLElement {
  const field = make("input", { type: "search", id: "glim-find" });
  const count = make("span", { role: "status" });
  const hits = () => {
    const wanted = store.state.find.toLowerCase();
    return wanted ? m.scored.filter((u) => m.units[u].text.toLowerCase().includes(wanted)) : [];
  };
  field.addEventListener("input", () => store.change({ find: field.value }));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") store.change({ find: "" });
    if (event.key !== "Enter") return;
    const all = hits();
    const next = all.find((u) => u > (store.state.unit ?? -1)) ?? all[0];
    if (next === undefined) return;
    store.change({ unit: next });
    document.getElementById(`glim-u${next}`)?.scrollIntoView({ block: "center" });
  });
  store.listen(["find", "language"], () => {
    if (field.value !== store.state.find) field.value = store.state.find;
    count.textContent = store.state.find ? say("found", String(hits().length)) : "";
  });
  return make("label", {}, fill(make("span"), "find"), field, count);
}

/** One unit that pales all others is said, and can be left out of the scale. */
function hint(m: Matrix, store: Store): HTMLElement {
  const line = make("p", { class: "hint" });
  const check = () => {
    const p = picture(m, { ...store.state, clip: false });
    line.hidden = !(p.loudest >= 0 && m.scored.length > 2 && p.limit > 5 * p.next);
    if (line.hidden) return;
    fill(line, "clip.hint", make("bdi", {}, `\u201c${shorten(m.units[p.loudest].text, 24)}\u201d`));
  };
  store.listen(["row", "own", "written"], check);
  return line;
}

export function attachControls(m: Matrix, store: Store): void {
  const figure = document.getElementById("glim-figure");
  if (!figure) return;
  const bar = make("div", { class: "bar" });
  bar.append(checkbox(store, "numbers", "numbers"), checkbox(store, "white", "white"));
  bar.append(slider(store));
  if (m.scored.length > 2) bar.append(checkbox(store, "clip", "clip"));
  if (m.many) bar.append(checkbox(store, "own", "own"));
  if (m.units.some((u) => u.generated)) bar.append(checkbox(store, "written", "written"));
  bar.append(search(m, store));

  const tools = saveBar({
    name: "",
    title: () => document.querySelector("h1")?.textContent ?? "",
    says: () => document.getElementById("glim-say")?.textContent ?? "",
    parts: () => {
      store.change({ unit: null });
      return around(
        ...["#glim-strip", "#glim-legend", "#glim-say"].map((s) => document.querySelector(s)),
      );
    },
    csv: () => csv(m),
    table: toggleTable,
  });
  document.getElementById("glim-legend")?.after(hint(m, store));
  figure.append(bar, tools);
}
