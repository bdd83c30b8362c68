// SPDX-License-Identifier: Apache-2.0
// All heads at a glance on one canvas: layers down, heads across, or in the order of a
// number, which stands in each corner. Short texts can have arcs in the place of cells.

import { headName } from "./attention-data";
import { FONT, Ink, Sheet, hatch, onWidth } from "./attention-ink";
import { SORTS, Sort, View } from "./attention-state";
import { ARCS, Thumbs, ownLimit, sharedLimit } from "./attention-thumbs";
import { format, percent } from "./document";
import { make } from "./state";
import { Key, fill, say } from "./words";

const GAP = 6;
const LARGEST = 76;
const SMALLEST = 22; // however many heads there are
const TALL = 1400; // pixels of all layers, while thumbnails keep LEAST
const LEAST = 36;
const SHARES = ["previous", "first", "self", "induction", "strongest"];

const sortKey = (sort: Sort): Key => (sort === "layer" ? "heads.order" : `heads.${sort}`) as Key;

export const numberText = (sort: Sort, x: number | null): string =>
  x === null ? "\u2013" : SHARES.includes(sort) ? percent(x) : format(x, 0, false);

/** Heads that are shown, in their order. */
export function order(view: View): number[] {
  const { a, state } = view;
  const all = Array.from({ length: a.layers * a.heads }, (_, h) => h);
  const sort = state.sort;
  if (sort === "layer") return all;
  const of = (h: number) => a.numbers.get(h)?.[sort] ?? null;
  const most = Math.max(...all.map((h) => of(h) ?? 0), 0);
  return all
    .filter((h) => of(h) !== null && (of(h) as number) >= state.least * most)
    .sort((x, y) => (of(y) as number) - (of(x) as number));
}

function sortChoice(view: View): HTMLElement {
  const select = make("select", { id: "glim-sort" });
  for (const sort of SORTS) {
    const option = fill(make("option", { value: sort }), sortKey(sort));
    option.selected = sort === view.state.sort;
    select.append(option);
  }
  select.addEventListener("change", () => view.change({ sort: select.value as Sort }));
  view.listen(["sort"], () => (select.value = view.state.sort));
  return make("label", {}, fill(make("span"), "heads.by"), select);
}

function filterChoice(view: View): HTMLElement {
  const range = make("input", {
    type: "range",
    min: "0",
    max: "0.95",
    step: "0.05",
    value: "0",
    id: "glim-least",
  });
  const value = make("output", { for: "glim-least" });
  range.addEventListener("input", () => view.change({ least: Number(range.value) }));
  const label = make("label", {}, fill(make("span"), "heads.least"), range, value);
  view.listen(["least", "sort"], () => {
    value.textContent = percent(view.state.least).replace(".0", "");
    label.hidden = view.state.sort === "layer";
  });
  return label;
}

export function toggle(view: View, name: "own" | "arcs" | "log" | "by", key: Key): HTMLElement {
  const box = make("input", { type: "checkbox", id: `glim-${name}` });
  box.addEventListener("change", () => view.change({ [name]: box.checked }));
  view.listen([name], () => (box.checked = view.state[name]));
  return make("label", {}, box, fill(make("span"), key));
}

export function attachGrid(view: View, into: HTMLElement): void {
  const { a, state } = view;
  const thumbs = new Thumbs(view);
  const shared = sharedLimit(view);
  let [shown, across, side, left] = [order(view), a.heads, LARGEST, 40];
  let at = 0; // the head under the cursor, as a place in `shown`

  const sheet = new Sheet((g, ink) => {
    const pattern = hatch(g, ink);
    g.textAlign = "right";
    g.fillStyle = ink.soft;
    if (state.sort === "layer")
      for (let l = 0; l < a.layers; l++)
        g.fillText(`L${l}`, left - 8, 18 + l * (side + GAP + foot()) + side / 2);
    g.textAlign = "center";
    if (state.sort === "layer" && side > 20)
      for (let h = 0; h < a.heads; h++) g.fillText(`H${h}`, left + h * (side + GAP) + side / 2, 8);
    shown.forEach((h, i) => {
      const [x, y] = spot(i);
      if (a.causal && pattern) {
        g.fillStyle = pattern;
        g.fillRect(x, y, side, side);
      }
      thumbs.draw(g, ink, h, x, y, side, state.own ? ownLimit(view, h) : shared);
      g.textAlign = "right";
      if (foot()) label(g, ink, h, x, y);
    });
  });

  /** What is chosen, over a thousand thumbnails that need not be drawn again. */
  const marks = new Sheet((g, ink) => {
    g.strokeStyle = ink.fg;
    shown.forEach((h, i) => {
      const chosen = h === state.head;
      const pinned = state.pins.includes(h);
      if (!chosen && !pinned && i !== at) return;
      const [x, y] = spot(i);
      g.lineWidth = chosen ? 3 : 2;
      g.setLineDash(chosen ? [] : pinned ? [6, 3] : [2, 2]);
      g.strokeRect(x - 2, y - 2, side + 4, side + 4);
    });
    g.setLineDash([]);
  }, true);

  /** The head's name, and the number that it is sorted by, in the corner. */
  function label(g: CanvasRenderingContext2D, ink: Ink, h: number, x: number, y: number): void {
    if (state.sort === "layer") return;
    g.font = FONT.replace("12px", "10px");
    g.fillStyle = ink.fg;
    g.textAlign = "left";
    g.fillText(headName(a, h), x, y + side + 10);
    const text = numberText(state.sort, a.numbers.get(h)?.[state.sort] ?? null);
    const width = g.measureText(text).width + 6;
    g.fillStyle = ink.bg;
    g.fillRect(x + side - width, y, width, 14);
    g.fillStyle = ink.fg;
    g.textAlign = "right";
    g.fillText(text, x + side - 3, y + 7);
    g.font = FONT;
  }

  const foot = () => (state.sort === "layer" ? 0 : 17);
  const spot = (i: number): [number, number] => [
    left + (i % across) * (side + GAP),
    (state.sort === "layer" ? 18 : 6) + Math.floor(i / across) * (side + GAP + foot()),
  ];

  const box = make(
    "div",
    { class: "heads", id: "glim-grid", tabindex: "0", role: "application" },
    sheet.canvas,
    marks.canvas,
  );
  box.dataset.label = "heads.grid";
  const told = make("p", { class: "note", id: "glim-grid-say", role: "status" });
  const scale = make("p", { class: "note", id: "glim-grid-legend" });
  const bar = make(
    "div",
    { class: "bar" },
    sortChoice(view),
    filterChoice(view),
    toggle(view, "own", "heads.own"),
  );
  if (a.rows.length <= ARCS && a.square) bar.append(toggle(view, "arcs", "heads.arcs"));
  into.append(
    fill(make("h2"), "heads.overview", String(a.layers), String(a.heads)),
    fill(make("p", { class: "note" }), "heads.where"),
    bar,
    box,
    told,
    scale,
  );

  function explain(): void {
    const means = a.level ? [say("attention.means", String(2 ** a.level))] : [];
    scale.textContent = [
      state.own ? say("heads.own") : say("heads.scale", percent(shared)),
      ...means,
      ...(a.causal ? [say("attention.hatched")] : []),
    ].join(" \u00b7 ");
  }

  function layout(): void {
    shown = order(view);
    const width = Math.max(200, into.clientWidth);
    const layers = state.sort === "layer";
    left = layers ? 40 : 6;
    side = layers ? Math.floor((width - left) / a.heads) - GAP : shown.length > 128 ? 56 : LARGEST;
    const tall = layers ? Math.max(TALL / a.layers - GAP, LEAST) : LARGEST;
    side = Math.floor(Math.max(SMALLEST, Math.min(LARGEST, tall, side)));
    across = layers ? a.heads : Math.max(1, Math.floor((width - left) / (side + GAP)));
    at = Math.max(0, shown.indexOf(state.head));
    const rows = Math.max(1, Math.ceil(shown.length / across));
    Object.assign(box.dataset, { side, left, gap: GAP, across, count: shown.length });
    const high = spot(across * (rows - 1))[1] + side + foot() + 6;
    for (const one of [sheet, marks]) one.size(left + across * (side + GAP), high);
    tell();
  }

  function tell(): void {
    const h = shown[at];
    const n = h === undefined ? undefined : a.numbers.get(h);
    told.textContent = !n
      ? say("heads.nothing")
      : [
          headName(a, h),
          ...SORTS.filter((s) => s !== "layer" && n[s as Exclude<Sort, "layer">] !== null).map(
            (s) => `${say(sortKey(s))} ${numberText(s, n[s as Exclude<Sort, "layer">])}`,
          ),
          a.kept.has(h) ? say("heads.kept") : say("heads.means"),
        ].join(" \u00b7 ");
  }

  function headAt(event: MouseEvent): number {
    const edge = sheet.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
    return shown.findIndex((_, i) => {
      const [left0, top0] = spot(i);
      return x >= left0 && x < left0 + side + GAP && y >= top0 && y < top0 + side + foot();
    });
  }

  const go = (i: number) => {
    at = Math.max(0, Math.min(shown.length - 1, i));
    tell();
    marks.ask();
  };
  box.addEventListener("pointermove", (event) => {
    const i = headAt(event);
    if (i >= 0 && i !== at) go(i);
  });
  box.addEventListener("click", (event) => {
    const i = headAt(event);
    if (i < 0) return;
    go(i);
    if (event.shiftKey) view.pin(shown[i]);
    else view.change({ head: shown[i] });
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const steps: Record<string, number> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: across,
      ArrowUp: -across,
      PageDown: 10 * across,
      PageUp: -10 * across,
      Home: -shown.length,
      End: shown.length,
    };
    if (event.key in steps) go(at + steps[event.key]);
    else if (event.key === "Enter" && event.shiftKey) view.pin(shown[at]);
    else if (event.key === "p") view.pin(shown[at]);
    else if (event.key === "Enter") view.change({ head: shown[at] });
    else return;
    event.preventDefault();
  });
  onWidth(into, layout);
  view.listen(["sort", "least", "language"], layout);
  view.listen(["own", "arcs", "log"], () => sheet.ask());
  view.listen(["pins"], () => marks.ask());
  view.listen(["head"], () => go(Math.max(0, shown.indexOf(state.head))));
  view.listen(["own", "language"], explain);
  attachPins(view, into, thumbs, shared);
}

/** Heads side by side. */
function attachPins(view: View, into: HTMLElement, thumbs: Thumbs, shared: number): void {
  const row = make("div", { class: "pins", id: "glim-pins" });
  into.append(row);
  view.listen(["pins", "own", "arcs", "log", "language"], () => {
    row.replaceChildren(
      ...view.state.pins.map((h) => {
        const sheet = new Sheet((g, ink) =>
          thumbs.draw(g, ink, h, 1, 1, 190, view.state.own ? ownLimit(view, h) : shared),
        );
        sheet.size(192, 192);
        const open = make("button", { type: "button" }, headName(view.a, h));
        open.addEventListener("click", () => view.change({ head: h }));
        const away = make(
          "button",
          { type: "button", "aria-label": say("heads.unpin", headName(view.a, h)) },
          "\u00d7",
        );
        away.addEventListener("click", () => view.pin(h));
        return make("figure", {}, sheet.canvas, make("figcaption", {}, open, " ", away));
      }),
    );
  });
}
