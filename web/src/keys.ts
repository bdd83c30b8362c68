// SPDX-License-Identifier: Apache-2.0
// The keys that all figures share, and the list of them.

import { Matrix } from "./document";
import { button } from "./save";
import { Store, make } from "./state";
import { Key, fill } from "./words";

export function toggleTheme(): void {
  const root = document.documentElement;
  const dark = getComputedStyle(root).colorScheme.includes("dark");
  root.dataset.theme = dark ? "light" : "dark";
  window.dispatchEvent(new Event("glim-theme"));
  try {
    localStorage.setItem("glim-theme", root.dataset.theme);
  } catch {
    // not everywhere allowed; then the choice lasts as long as the page
  }
}

export function restoreTheme(): void {
  try {
    const kept = localStorage.getItem("glim-theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch {
    // as above
  }
}

export function showHelp(store: Store): void {
  const dialog = make("dialog", { "aria-labelledby": "glim-help" });
  const list = make("ul");
  const keys: Key[] = [
    "help.arrows",
    "help.enter",
    "help.more",
    "help.n",
    "help.t",
    "help.w",
    "help.d",
    "help.find",
    "help.help",
  ];
  list.append(...keys.map((key) => fill(make("li"), key)));
  const letters = make("input", { type: "checkbox", id: "glim-letters" });
  letters.checked = store.state.letters;
  letters.addEventListener("change", () => store.change({ letters: letters.checked }));
  const close = fill(make("button", { type: "button" }), "help.close");
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  const label = make("label", { for: "glim-letters" }, fill(make("span"), "help.letters"));
  dialog.append(
    fill(make("h2", { id: "glim-help" }), "help"),
    list,
    make("p", {}, letters, " ", label),
    close,
  );
  document.body.append(dialog);
  dialog.showModal();
}

export function toggleTable(): void {
  const table = document.getElementById("glim-table") as HTMLDetailsElement | null;
  if (!table) return;
  table.open = !table.open;
  if (table.open) table.scrollIntoView({ block: "nearest" });
}

export type Acts = Record<string, () => void>;

/** True when the key meant something: in this figure, or in all. */
export function act(event: KeyboardEvent, store: Store, acts: Acts): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey) return false;
  const all: Acts = {
    d: toggleTheme,
    t: toggleTable,
    "/": () => document.getElementById("glim-find")?.focus(),
    "?": () => showHelp(store),
    ...acts,
  };
  if (event.key.length === 1 && event.key !== " " && !store.state.letters) return false;
  if (!Object.hasOwn(all, event.key)) return false;
  all[event.key]();
  event.preventDefault();
  return true;
}

/** A step along n places from `at` (-1: none) that a key asks for, or null. */
export function stepOf(key: string, at: number, n: number, along = 1): number | null {
  const steps: Record<string, number> = {
    ArrowRight: along,
    ArrowLeft: -along,
    PageDown: 10,
    PageUp: -10,
  };
  const ends: Record<string, number> = { Home: 0, End: n - 1 };
  if (!(key in steps) && !(key in ends)) return null;
  const to = ends[key] ?? (at < 0 ? 0 : at + steps[key]);
  return n ? Math.max(0, Math.min(n - 1, to)) : null;
}

/** Keys of a report with scores of units. */
export function figureKey(event: KeyboardEvent, m: Matrix, store: Store): boolean {
  const { unit, kept, row } = store.state;
  const rowTo = (r: number | null) => (m.many ? store.change({ row: r }) : undefined);
  return act(event, store, {
    Enter: () => store.change({ kept: kept === unit ? null : unit }),
    Escape: () => store.change({ kept: null, unit: null, row: null, find: "" }),
    ArrowDown: () => rowTo(Math.min(m.rows.length - 1, (row ?? -1) + 1)),
    ArrowUp: () => rowTo(row === null || row === 0 ? null : row - 1),
    n: () => store.change({ numbers: !store.state.numbers }),
    w: () => store.change({ white: !store.state.white }),
  });
}

/** What concerns the whole page: colours, language, keys. */
export function attachPageBar(store: Store): void {
  const other = () => (store.state.language.startsWith("zh") ? "en" : "zh-CN");
  document.querySelector("#glim > header")?.append(
    make(
      "div",
      { class: "bar page" },
      button("dark", toggleTheme),
      button("language", () => store.change({ language: other() })),
      button("help", () => showHelp(store)),
    ),
  );
}
