// SPDX-License-Identifier: Apache-2.0
// One head on a canvas: queries down, keys across, from the whole pattern at once to single
// cells with their tokens. Only tiles in view are asked for and at most 64 are kept; until
// one is there, the means of the overview are drawn in its place.

import { Attention, cellMean, headName, seen } from "./attention-data";
import { toggle } from "./attention-grid";
import { Ink, Sheet, onWidth } from "./attention-ink";
import { BAR, Margins, Profile, SLOPE } from "./attention-margins";
import { Pixels } from "./attention-pixels";
import { Sink, View, tokenName } from "./attention-state";
import { SIDE } from "./attention-tiles";
import { exact, percent, shorten } from "./document";
import { toggleTheme } from "./keys";
import { make } from "./state";
import { Key, fill, say } from "./words";

const LARGEST = 40; // pixels of a cell
const PAUSE = 80; // milliseconds on a cell before whole rows are asked of the page

export function attachMap(view: View, into: HTMLElement): void {
  const { a, state } = view;
  const [T, S] = [a.rows.length, a.columns.length];
  const margins = new Margins(a);
  const pixels = new Pixels(view, (wrong) => {
    box.dataset.tiles = String(pixels.size);
    if (wrong) legend.textContent = wrong;
    else explain();
    sheet.ask();
  });
  let [x0, y0, zoom] = [0, 0, 1]; // the first token in view, and pixels a token
  let profile: Profile = { row: null, column: null };
  let [left, top] = [120, 96];

  const heading = make("h2", { id: "glim-map-name" });
  const told = make("p", { class: "say", id: "glim-map-say" });
  const detail = make("div", { class: "detail", id: "glim-detail", role: "status" });
  const legend = make("p", { class: "note", id: "glim-map-legend" });
  const box = make("div", {
    class: "head-map",
    id: "glim-map",
    tabindex: "0",
    role: "application",
    "aria-describedby": "glim-map-say",
  });
  box.dataset.label = "attention.map";

  // ---- what is drawn ----

  const sheet = new Sheet((g, ink) => {
    pixels.take(g, ink);
    const [width, height] = [sheet.width - left - BAR, sheet.height - top - BAR];
    g.save();
    g.beginPath();
    g.rect(left, top, Math.min(width, S * zoom), Math.min(height, T * zoom));
    g.clip();
    g.translate(left - x0 * zoom, top - y0 * zoom);
    paste(g, ink, a.level, 0, 0); // means of the whole, under what is not there yet
    pieces(g, ink, width, height);
    cross(g, ink);
    g.restore();
    const shown = [Math.min(width, (S - x0) * zoom), Math.min(height, (T - y0) * zoom)];
    const frame = { left, top, width: shown[0], height: shown[1], x0, y0, zoom };
    margins.axes(g, ink, frame);
    margins.bars(g, ink, frame, state.head, profile);
    if (box.dataset.head !== String(state.head)) {
      box.dataset.head = String(state.head);
      performance.mark("glim-map"); // for those who measure
    }
  });

  /** The finest level that is at least a pixel a cell. */
  function levelNow(): number {
    let level = 0;
    while (zoom * 2 ** level < 1) level++;
    const finest = state.source.finest(state.head);
    return Math.min(a.level, Math.max(level, finest));
  }

  /** A tile on the hatch of what cannot be seen; nothing while it is not there. */
  function paste(
    g: CanvasRenderingContext2D,
    ink: Ink,
    level: number,
    row: number,
    column: number,
  ): void {
    const canvas = pixels.get(level, row, column);
    if (!canvas) return;
    const size = SIDE * 2 ** level * zoom;
    const place = [column * size, row * size, size, size] as const;
    for (const style of [ink.bg, pixels.pattern ?? ink.bg]) {
      g.fillStyle = style;
      if (a.causal || style === ink.bg) g.fillRect(...place);
    }
    g.imageSmoothingEnabled = false;
    g.drawImage(canvas, ...place);
  }

  function pieces(g: CanvasRenderingContext2D, ink: Ink, width: number, height: number): void {
    const level = levelNow();
    if (level >= a.level) return;
    const size = SIDE * 2 ** level;
    const last = (from: number, length: number, end: number) =>
      Math.min(Math.ceil(end / size) - 1, Math.floor((from + length / zoom) / size));
    for (let r = Math.max(0, Math.floor(y0 / size)); r <= last(y0, height, T); r++)
      for (let c = Math.max(0, Math.floor(x0 / size)); c <= last(x0, width, S); c++)
        if (!a.causal || c <= r) paste(g, ink, level, r, c);
  }

  function cross(g: CanvasRenderingContext2D, ink: Ink): void {
    g.lineWidth = 1;
    const line = (row: number | null, dash: number[]) => {
      if (row === null) return;
      g.setLineDash(dash);
      g.strokeStyle = ink.fg;
      g.strokeRect(-1, row * zoom - 0.5, S * zoom + 2, Math.max(1, zoom));
      g.setLineDash([]);
    };
    line(state.row, []);
    if (state.lock !== state.row) line(state.lock, [5, 3]);
    g.strokeStyle = ink.fg;
    if (state.column !== null)
      g.strokeRect(state.column * zoom - 0.5, -1, Math.max(1, zoom), T * zoom + 2);
  }

  // ---- words ----

  function explain(): void {
    const level = levelNow();
    const h = state.head;
    const parts: string[] = [say("attention.ends", percent(pixels.limit(level)))];
    if (state.log) parts.push(say("attention.logged"));
    if (level) parts.push(say("attention.means", String(2 ** level)));
    else if (!state.source.whole(h))
      parts.push(say("attention.part", String(a.largest), percent(meanTail(a, h))));
    if (level && state.source.finest(h) > 0) parts.push(say("attention.nomore"));
    if (state.source.rounded && !level) parts.push(say("attention.rounded"));
    if (a.sinks.length) parts.push(say(`attention.sink.${state.sink}` as Key));
    if (a.causal) parts.push(say("attention.hatched"));
    legend.textContent = parts.join(" \u00b7 ");
  }

  function describe(): void {
    const n = a.numbers.get(state.head);
    fill(heading, "attention.one", headName(a, state.head));
    const shares = (["previous", "first", "self", "induction"] as const)
      .filter((k) => n && n[k] !== null)
      .sort((p, q) => (n?.[q] ?? 0) - (n?.[p] ?? 0));
    told.textContent = !n
      ? ""
      : [
          ...shares.map((k) => `${say(`heads.${k}` as Key)} ${percent(n[k] ?? 0)}`),
          `${say("heads.strongest")} ${n.strongest === null ? "\u2013" : percent(n.strongest)}`,
          `${say("heads.entropy")} ${exact(Number(n.entropy?.toPrecision(3) ?? 0), false)}`,
        ].join(" \u00b7 ");
  }

  /** Whole rows of a page's tiles are asked for once the cursor rests. */
  let rest = 0;
  function tellSoon(): void {
    window.clearTimeout(rest);
    if (!state.source.rounded) void tellCell();
    else rest = window.setTimeout(() => void tellCell(), PAUSE);
    sheet.ask();
  }

  let turn = 0;
  /** The numbers under the cursor: stored ones, never read from a colour. */
  async function tellCell(): Promise<void> {
    const mine = ++turn;
    const row = state.row ?? state.lock;
    const column = state.column;
    const source = state.source;
    const [across, down] = await Promise.all([
      row === null ? null : source.row(state.head, row).catch(() => null),
      column === null ? null : source.column(state.head, column).catch(() => null),
    ]);
    if (mine !== turn) return;
    profile = { row: across, column: down };
    sheet.ask();
    if (row === null || column === null) {
      detail.textContent = say("attention.nothing");
      return;
    }
    const [query, key] = [tokenName(a.rows[row]), tokenName(a.columns[column])].map(
      (t) => `\u201c${shorten(t, 24)}\u201d`,
    );
    const weight = across?.[column] ?? NaN;
    const value =
      column >= seen(a, row)
        ? say("detail.none-here")
        : !Number.isNaN(weight)
          ? (source.rounded && !a.kept.has(state.head) ? "\u2248 " : "") + percent5(weight)
          : across
            ? say("attention.below", percent5(smallest(across)))
            : say("attention.mean-of", percent5(meanAt(row, column)), String(2 ** a.level));
    detail.replaceChildren(
      make(
        "b",
        {},
        make("bdi", {}, query),
        ` (${row}) \u2192 `,
        make("bdi", {}, key),
        ` (${column})`,
      ),
      `: ${value}`,
    );
    performance.mark("glim-cursor");
  }

  const percent5 = (x: number) => `${exact(100 * x, false)}\u00a0%`;
  const smallest = (row: Float32Array) => row.reduce((m, x) => (x < m ? x : m), 1);
  const meanAt = (row: number, column: number) =>
    cellMean(a, state.head, row >> a.level, column >> a.level);

  // ---- moving about ----

  function room(): [number, number] {
    return [sheet.width - left - BAR, sheet.height - top - BAR];
  }

  function look(x: number, y: number, z: number): void {
    const [width, height] = room();
    zoom = Math.max(Math.min(width / S, height / T), Math.min(LARGEST, z));
    x0 = Math.max(0, Math.min(S - width / zoom, x));
    y0 = Math.max(0, Math.min(T - height / zoom, y));
    Object.assign(box.dataset, {
      zoom: String(zoom),
      x: String(x0),
      y: String(y0),
      left,
      top,
      level: levelNow(),
    });
    explain();
    sheet.ask();
  }

  function zoomBy(factor: number, x?: number, y?: number): void {
    const [width, height] = room();
    const [px, py] = [x ?? width / 2, y ?? height / 2];
    const [column, row] = [x0 + px / zoom, y0 + py / zoom];
    const z = Math.max(Math.min(width / S, height / T), Math.min(LARGEST, zoom * factor));
    look(column - px / z, row - py / z, z);
  }

  function reveal(): void {
    const [width, height] = room();
    const within = (at: number | null, from: number, pixels: number) =>
      at === null ? from : Math.max(at + 1 - pixels / zoom, Math.min(from, at));
    look(within(state.column, x0, width), within(state.row, y0, height), zoom);
  }

  function cellAt(event: MouseEvent): [number, number] | null {
    const edge = sheet.canvas.getBoundingClientRect();
    const s = Math.floor(x0 + (event.clientX - edge.left - left) / zoom);
    const t = Math.floor(y0 + (event.clientY - edge.top - top) / zoom);
    return s >= 0 && t >= 0 && s < S && t < T ? [t, s] : null;
  }

  let drag: { x: number; y: number; x0: number; y0: number; moved: boolean } | null = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drag = { x: event.clientX, y: event.clientY, x0, y0, moved: false };
    try {
      box.setPointerCapture(event.pointerId);
    } catch {
      // a pointer that is gone already
    }
  });
  box.addEventListener("pointermove", (event) => {
    if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.moved ||= Math.abs(dx) + Math.abs(dy) > 4;
      if (drag.moved) look(drag.x0 - dx / zoom, drag.y0 - dy / zoom, zoom);
      return;
    }
    const at = cellAt(event);
    if (at) view.change({ row: at[0], column: at[1] });
  });
  box.addEventListener("pointerup", (event) => {
    const moved = drag?.moved;
    drag = null;
    const at = cellAt(event);
    if (at && !moved)
      view.change({ row: at[0], column: at[1], lock: state.lock === at[0] ? null : at[0] });
  });
  box.addEventListener("pointercancel", () => (drag = null));
  box.addEventListener("dblclick", (event) => {
    const edge = sheet.canvas.getBoundingClientRect();
    zoomBy(2, event.clientX - edge.left - left, event.clientY - edge.top - top);
  });
  box.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && document.activeElement !== box) return; // the page scrolls
      event.preventDefault();
      const edge = sheet.canvas.getBoundingClientRect();
      zoomBy(
        1.002 ** -event.deltaY,
        event.clientX - edge.left - left,
        event.clientY - edge.top - top,
      );
    },
    { passive: false },
  );
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = (by: number, of: "row" | "column", end: number) =>
      view.change({
        [of]: Math.max(0, Math.min(end - 1, (state[of] ?? (by > 0 ? -1 : end)) + by)),
      });
    const acts: Record<string, () => void> = {
      ArrowRight: () => step(1, "column", S),
      ArrowLeft: () => step(-1, "column", S),
      ArrowDown: () => step(1, "row", T),
      ArrowUp: () => step(-1, "row", T),
      PageDown: () => step(10, "row", T),
      PageUp: () => step(-10, "row", T),
      Home: () => view.change({ column: 0 }),
      End: () => view.change({ column: S - 1 }),
      Enter: () => view.change({ lock: state.lock === state.row ? null : state.row }),
      Escape: () => view.change({ lock: null, row: null, column: null }),
      "[": () => view.move(-1, 0),
      "]": () => view.move(1, 0),
      ",": () => view.move(0, -1),
      ".": () => view.move(0, 1),
      "+": () => zoomBy(1.5),
      "=": () => zoomBy(1.5),
      "-": () => zoomBy(1 / 1.5),
      "0": () => look(0, 0, 0),
      t: () => view.change({ table: !state.table }),
      l: () => view.change({ log: !state.log }),
      d: toggleTheme,
    };
    if (!acts[event.key]) return;
    acts[event.key]();
    if (/Arrow|Page|Home|End/.test(event.key)) reveal();
    event.preventDefault();
  });

  // ---- controls ----

  const button = (text: string, key: Key, act: () => void): HTMLElement => {
    const self = make("button", { type: "button" }, text);
    self.dataset.label = key;
    self.addEventListener("click", act);
    return self;
  };
  const sinks = make("select", { id: "glim-sink" });
  for (const way of ["show", "hide", "renormalise"] as const)
    sinks.append(fill(make("option", { value: way }), `attention.sink.${way}.short` as Key));
  sinks.addEventListener("change", () => view.change({ sink: sinks.value as Sink }));
  view.listen(["sink"], () => (sinks.value = state.sink));
  const bar = make(
    "div",
    { class: "bar" },
    button("\u25b2", "attention.layer-up", () => view.move(1, 0)),
    button("\u25bc", "attention.layer-down", () => view.move(-1, 0)),
    button("\u25c0", "attention.head-down", () => view.move(0, -1)),
    button("\u25b6", "attention.head-up", () => view.move(0, 1)),
    button("+", "attention.closer", () => zoomBy(1.5)),
    button("\u2212", "attention.further", () => zoomBy(1 / 1.5)),
    button("0", "attention.fit", () => look(0, 0, 0)),
    toggle(view, "log", "attention.log"),
  );
  if (a.sinks.length) bar.append(make("label", {}, fill(make("span"), "attention.sinks"), sinks));
  box.append(sheet.canvas);
  into.append(
    heading,
    told,
    bar,
    box,
    detail,
    legend,
    fill(make("p", { class: "note" }), "attention.keys"),
  );

  function layout(): void {
    const widest = (side: "rows" | "columns") => margins.widest(sheet.g, side);
    left = Math.ceil(widest("rows")) + 10;
    top = Math.ceil(widest("columns") * Math.sin(SLOPE)) + 14;
    const width = Math.max(240, into.clientWidth);
    const cells = Math.min(width - left - BAR, S * LARGEST);
    const height = Math.min(T * (cells / S), T * LARGEST, Math.max(240, window.innerHeight * 0.75));
    const wide = Math.min(cells, S * Math.max(height / T, cells / S));
    sheet.size(Math.floor(left + wide + BAR), Math.floor(top + height + BAR));
    look(x0, y0, zoom === 1 ? 0 : zoom);
  }

  onWidth(into, layout);
  const forget = () => {
    pixels.forget();
    layout();
  };
  view.listen(["head", "source"], forget);
  view.listen(["head", "language"], describe);
  view.listen(["log", "sink", "language"], () => look(x0, y0, zoom));
  view.listen(["head", "row", "column", "lock", "source", "language"], tellSoon);
}

function meanTail(a: Attention, h: number): number {
  const tail = a.kept.get(h)?.tail;
  return tail ? tail.reduce((x, y) => x + y, 0) / tail.length : 0;
}
