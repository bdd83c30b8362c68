// SPDX-License-Identifier: Apache-2.0
// Tokens twice, those that look at the left and those that are looked at at the right, with
// lines whose width and opacity are weights. The head that is open and those that are
// pinned have a colour each. Only what is in view is drawn.

import { Attention, headName, seen } from "./attention-data";
import { toggle } from "./attention-grid";
import { Ink, Sheet, onWidth } from "./attention-ink";
import { View, tokenName } from "./attention-state";
import { percent, shorten } from "./document";
import { make } from "./state";
import { fill, say } from "./words";

const LINE = 22; // pixels a token
const NAMES = 170; // of a column of names
const MOST_LINES = 2000;
const MOST_HEADS = 8;
const LEAST = 0.005; // of a chosen token

interface Line {
  from: number;
  to: number;
  weight: number;
  head: number; // a place among the chosen heads
}

/** Solid for the first six heads, dashed for the next: colours come again. */
const dashes = (i: number): number[] => (i < 6 ? [] : [6, 3]);

export function attachLines(view: View, into: HTMLElement): void {
  const { a, state } = view;
  const [T, S] = [a.rows.length, a.columns.length];
  const names = { rows: [] as string[], columns: [] as string[] };
  const box = make("div", {
    class: "matrix lines",
    id: "glim-lines",
    tabindex: "0",
    role: "application",
  });
  box.dataset.label = "lines";
  const ground = make("div", { class: "ground" });
  const note = make("p", { class: "note", id: "glim-lines-say", role: "status" });
  const heads = make("p", { class: "bar", id: "glim-lines-heads" });
  let lines: Line[] = [];
  let focus: number | null = null; // the token under the cursor, on the side that is chosen

  const name = (side: "rows" | "columns", i: number): string =>
    (names[side][i] ??= `${shorten(tokenName(a[side][i]), 18)}  ${i}`);
  const chosen = (): number[] =>
    [state.head, ...state.pins.filter((h) => h !== state.head)].slice(0, MOST_HEADS);
  const middle = () => sheet.width - NAMES;

  const sheet = new Sheet((g, ink) => {
    const down = box.scrollTop;
    const y = (i: number) => i * LINE + LINE / 2 - down;
    const first = Math.max(0, Math.floor(down / LINE) - 1);
    const end = (n: number) => Math.min(n, Math.ceil((down + sheet.height) / LINE) + 1);
    for (const line of lines) {
      const [from, to] = [y(line.from), y(line.to)];
      if (Math.max(from, to) < -LINE || Math.min(from, to) > sheet.height + LINE) continue;
      g.strokeStyle = ink.categories[line.head % 6];
      g.globalAlpha = Math.min(1, 0.12 + 0.88 * line.weight);
      g.lineWidth = 0.6 + 7 * line.weight;
      g.setLineDash(dashes(line.head));
      g.beginPath();
      g.moveTo(NAMES, from);
      const bend = (middle() - NAMES) / 2;
      g.bezierCurveTo(NAMES + bend, from, middle() - bend, to, middle(), to);
      g.stroke();
    }
    g.globalAlpha = 1;
    g.lineWidth = 1;
    g.setLineDash([]);
    stripes(g, ink, y);
    g.fillStyle = ink.fg;
    g.textAlign = "right";
    for (let t = first; t < end(T); t++) label(g, ink, "rows", t, NAMES - 8, y(t));
    g.textAlign = "left";
    for (let s = first; s < end(S); s++) label(g, ink, "columns", s, middle() + 8, y(s));
  });

  function label(
    g: CanvasRenderingContext2D,
    ink: Ink,
    side: "rows" | "columns",
    i: number,
    x: number,
    y: number,
  ): void {
    const mine = (side === "rows") !== state.by;
    if (mine && i === focus) {
      g.strokeStyle = ink.fg;
      g.strokeRect(side === "rows" ? 0.5 : middle() + 1.5, y - LINE / 2 + 1.5, NAMES - 3, LINE - 3);
    }
    g.fillStyle = ink.fg;
    g.fillText(name(side, i), x, y);
  }

  /** At the ends of a chosen token's lines: a stripe a head, and the number of the first. */
  function stripes(g: CanvasRenderingContext2D, ink: Ink, y: (i: number) => number): void {
    if (focus === null) return;
    const width = Math.floor(56 / chosen().length);
    for (const line of lines) {
      const at = y(state.by ? line.from : line.to);
      if (at < -LINE || at > sheet.height + LINE) continue;
      g.fillStyle = ink.categories[line.head % 6];
      g.globalAlpha = Math.min(1, 0.1 + line.weight);
      const x = state.by ? 2 + line.head * width : sheet.width - 58 + line.head * width;
      g.fillRect(x, at - LINE / 2 + 3, width - 2, LINE - 6);
      g.globalAlpha = 1;
      if (line.head || line.weight < 0.005 || chosen().length > 1) continue;
      g.fillStyle = line.weight > 0.5 ? ink.bg : ink.fg;
      g.textAlign = "center";
      g.fillText(`${(100 * line.weight).toFixed(1)}`, x + width / 2, at);
    }
  }

  let turn = 0;
  /** The lines of the chosen token, or of all tokens above the threshold. */
  async function find(): Promise<void> {
    const mine = ++turn;
    const found: Line[] = [];
    let lacks = 0;
    focus = state.by ? state.column : (state.row ?? state.lock);
    for (const [i, h] of chosen().entries()) {
      const at = focus;
      if (at === null) lacks += strongest(a, h, state.threshold, i, found) ? 0 : 1;
      else {
        const ask = state.by ? state.source.column(h, at) : state.source.row(h, at);
        const values = await ask.catch(() => null);
        if (mine !== turn) return;
        lacks += values ? 0 : 1;
        values?.forEach((weight, j) => {
          if (weight >= LEAST)
            found.push(
              state.by
                ? { from: j, to: at, weight, head: i }
                : { from: at, to: j, weight, head: i },
            );
        });
      }
    }
    found.sort((x, y) => y.weight - x.weight);
    const hidden = Math.max(0, found.length - MOST_LINES);
    lines = found.slice(0, MOST_LINES).reverse();
    box.dataset.lines = String(lines.length);
    note.textContent = [
      focus === null ? say("lines.all", percent(state.threshold)) : say("lines.one"),
      ...(hidden ? [say("lines.hidden", String(hidden))] : []),
      ...(lacks ? [say("lines.lacks", String(lacks))] : []),
    ].join(" \u00b7 ");
    sheet.ask();
  }

  function tokenAt(event: MouseEvent): number | null {
    const edge = box.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left, event.clientY - edge.top + box.scrollTop];
    const mine = state.by ? x >= middle() : x < NAMES;
    const i = Math.floor(y / LINE);
    return mine && i >= 0 && i < (state.by ? S : T) ? i : null;
  }

  const choose = (i: number | null) =>
    view.change(state.by ? { column: i } : { row: i, lock: null });
  ground.addEventListener("click", (event) => choose(tokenAt(event)));
  ground.addEventListener("pointermove", (event) => {
    const i = tokenAt(event);
    if (i !== null && state.lock === null) choose(i);
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const end = (state.by ? S : T) - 1;
    const at = focus ?? -1;
    const to: Record<string, number | null> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + 10,
      PageUp: at - 10,
      Home: 0,
      End: end,
      Escape: null,
    };
    const moves: Record<string, [number, number]> = {
      "[": [-1, 0],
      "]": [1, 0],
      ",": [0, -1],
      ".": [0, 1],
    };
    if (event.key in moves) view.move(...moves[event.key]);
    else if (event.key in to) {
      const i = to[event.key];
      choose(i === null ? null : Math.max(0, Math.min(end, i)));
      if (i !== null) {
        const y = Math.max(0, Math.min(end, i)) * LINE;
        box.scrollTop = Math.max(y + LINE - box.clientHeight, Math.min(box.scrollTop, y));
      }
    } else return;
    event.preventDefault();
  });

  const range = make("input", {
    type: "range",
    min: "0.01",
    max: "0.9",
    step: "0.01",
    id: "glim-above",
  });
  const value = make("output", { for: "glim-above" });
  range.addEventListener("input", () => view.change({ threshold: Number(range.value) }));
  view.listen(["threshold"], () => {
    range.value = String(state.threshold);
    value.textContent = percent(state.threshold).replace(".0", "");
  });
  box.append(sheet.canvas, ground);
  into.append(
    fill(make("h2"), "lines"),
    fill(make("p", { class: "note" }), "lines.where"),
    make(
      "div",
      { class: "bar" },
      toggle(view, "by", "lines.by"),
      make("label", {}, fill(make("span"), "lines.above"), range, value),
    ),
    heads,
    box,
    note,
  );

  function layout(): void {
    const height = Math.min(Math.max(T, S) * LINE, Math.max(240, window.innerHeight * 0.7));
    sheet.size(Math.min(into.clientWidth, 680), Math.floor(height));
    ground.style.height = `${Math.max(T, S) * LINE}px`;
    box.style.height = `${Math.floor(height) + 2}px`;
    ground.style.width = `${sheet.width}px`;
    Object.assign(box.dataset, { line: LINE, names: NAMES });
  }

  /** A box for each head: its colour, and whether its lines are drawn. */
  function tellHeads(): void {
    heads.replaceChildren(
      ...chosen().map((h, i) => {
        const check = make("input", { type: "checkbox", id: `glim-line-${h}` });
        check.checked = true;
        check.disabled = h === state.head;
        check.addEventListener("change", () => view.pin(h));
        const mark = make("span", { class: `stripe c${(i % 6) + 1}${i < 6 ? "" : " dashed"}` });
        return make("label", {}, check, mark, headName(a, h));
      }),
    );
  }

  box.addEventListener("scroll", () => sheet.ask());
  onWidth(into, layout);
  view.listen(["head", "pins"], tellHeads);
  view.listen(
    ["head", "pins", "row", "column", "lock", "by", "threshold", "source", "language"],
    () => void find(),
  );
}

/** Adds a head's weights above the threshold; false: they are not known. */
function strongest(
  a: Attention,
  h: number,
  threshold: number,
  place: number,
  out: Line[],
): boolean {
  const kept = a.kept.get(h);
  if (!kept && a.level) return false;
  for (let t = 0; t < a.rows.length; t++) {
    if (kept) {
      for (let k = t * a.largest; k < t * a.largest + Math.min(a.largest, seen(a, t)); k++) {
        const weight = kept.weights[k] / 65535;
        if (weight >= threshold) out.push({ from: t, to: kept.columns[k], weight, head: place });
      }
      continue;
    }
    for (let s = 0; s < seen(a, t); s++) {
      const byte = a.cells[(h * a.cellRows + t) * a.cellColumns + s];
      const weight = a.most[h] * (byte / 255) ** 2;
      if (weight >= threshold) out.push({ from: t, to: s, weight, head: place });
    }
  }
  return true;
}
