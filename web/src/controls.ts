// SPDX-License-Identifier: Apache-2.0
// The bar above the text: which row, numbers, threshold, search, scale, copy.

import { Matrix, shorten } from "./document";
import { Store, make } from "./state";
import { Words, words } from "./words";

function field(bar: HTMLElement, control: HTMLElement): (text: string) => void {
  const label = make("label");
  const name = make("span");
  label.append(name, " ", control);
  bar.append(label);
  return (text) => (name.textContent = text);
}

export function csv(m: Matrix): string {
  const quote = (text: string) => `"${text.replace(/"/g, '""')}"`;
  const lines = ["row,produced,unit,text,score"];
  m.scores.forEach((row, r) =>
    row.forEach((score, u) => {
      if (score !== null && !m.units[u].fixed)
        lines.push([r, quote(m.rows[r].text), u, quote(m.units[u].text), score].join(","));
    }),
  );
  return lines.join("\r\n") + "\r\n";
}

/** The clipboard is not open to every local page: a hidden field serves there. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function attachControls(m: Matrix, store: Store, main: HTMLElement): void {
  const bar = make("div", { class: "bar", role: "toolbar", "aria-label": "glim" });
  const names: ((w: Words) => void)[] = [];

  if (m.rows.length > 1) {
    const rows = make("select", { id: "glim-row" });
    rows.append(make("option", { value: "" }));
    m.rows.forEach((row, r) => rows.append(make("option", { value: String(r) }, `${r + 1} ${shorten(row.text, 24)}`)));
    rows.addEventListener("change", () => store.change({ row: rows.value === "" ? null : Number(rows.value) }));
    store.listen(() => (rows.value = store.state.row === null ? "" : String(store.state.row)));
    const name = field(bar, rows);
    names.push((w) => (name(w.row), (rows.options[0].textContent = w.all)));

    const scale = make("select", { id: "glim-scale" });
    scale.append(make("option", { value: "row" }), make("option", { value: "all" }));
    scale.addEventListener("change", () => store.change({ wholeScale: scale.value === "all" }));
    const scaleName = field(bar, scale);
    names.push((w) => {
      scaleName(w.scale);
      scale.options[0].textContent = w.scaleRow;
      scale.options[1].textContent = w.scaleAll;
    });
  }

  const numbers = make("input", { type: "checkbox", id: "glim-numbers" });
  numbers.addEventListener("change", () => store.change({ numbers: numbers.checked }));
  const numbersName = field(bar, numbers);
  names.push((w) => numbersName(w.numbers));

  const hide = make("input", { type: "range", min: "0", max: "0.5", step: "0.01", value: "0", id: "glim-threshold" });
  hide.addEventListener("input", () => store.change({ threshold: Number(hide.value) }));
  const hideName = field(bar, hide);
  names.push((w) => hideName(`${w.hide} ${Math.round(100 * store.state.threshold)} %`));

  const find = make("input", { type: "search", size: "12", id: "glim-find" });
  find.addEventListener("input", () => store.change({ find: find.value }));
  const findName = field(bar, find);
  names.push((w) => findName(w.find));

  const copyButton = make("button", { type: "button" });
  copyButton.addEventListener("click", () => {
    void copy(csv(m)).then(() => (copyButton.textContent = words(store.state.language).copied));
  });
  const language = make("button", { type: "button" });
  language.addEventListener("click", () =>
    store.change({ language: store.state.language.startsWith("zh") ? "en" : "zh-CN" }),
  );
  bar.append(copyButton, language);
  names.push((w) => ((copyButton.textContent = w.copy), (language.textContent = w.language)));

  main.insertBefore(bar, main.querySelector(".strip"));
  store.listen(() => names.forEach((name) => name(words(store.state.language))));
}
