// SPDX-License-Identifier: Apache-2.0
// A map of many points (FIGURES 6.10): its canvas, what stands beside it, and a second
// map that the reader opens from a file, turned to lie as the first does, with the
// same points chosen in both.

import { visible } from "./document";
import { attachKeys, attachPointer, select, Tool } from "./map-choose";
import { Colouring, GHOST, MapData, align, readMap, valueOf } from "./map-data";
import { attachLegend, valueText } from "./map-legend";
import { Bridge, MapView } from "./map-view";
import { around, button, csvOf, offer, saveBar } from "./save";
import { Store, make } from "./state";
import { Key, fill, say } from "./words";

const ROWS = 200; // of selected points, as a table

function nameOf(map: MapData, i: number): string {
  const text = map.texts?.[i] ?? map.ids?.[i];
  return text === undefined ? String(i) : visible(text);
}

/** The text, label, id and numbers of a point, and its nearest in the original space. */
function attachDetail(view: MapView, store: Store): HTMLElement {
  const { map, bridge } = view;
  const line = make("div", { class: "map-detail", role: "status" });
  const link = (i: number, distance: number) => {
    const to = make(
      "button",
      { type: "button" },
      make("bdi", {}, nameOf(map, i).slice(0, 40)),
      " ",
    );
    to.append(make("small", {}, distance.toPrecision(5)));
    to.addEventListener("click", () => {
      store.change({ point: bridge.there(i), unit: bridge.there(i) });
      view.reveal(i);
    });
    return make("li", {}, to);
  };
  store.listen(["unit", "point", "language"], () => {
    const at = store.state.unit ?? store.state.point;
    const i = at === null ? -1 : bridge.here(at);
    if (i < 0) {
      line.replaceChildren(say("scatter.detail"));
      return;
    }
    const facts = map.colourings.map((c) => `${c.name}: ${valueText(c, i)}`);
    if (map.ids && map.texts) facts.unshift(say("scatter.id", map.ids[i]));
    facts.unshift(say("scatter.point", String(i)));
    line.replaceChildren(make("b", {}, make("bdi", {}, nameOf(map, i))));
    line.append(make("p", { class: "note" }, facts.join(" \u00b7 ")));
    const near = view.neighbours(i);
    if (near.length) {
      line.append(fill(make("p", { class: "note" }), "scatter.near"));
      line.append(make("ol", {}, ...near.map((n) => link(n.point, n.distance))));
    }
  });
  return line;
}

function pointsCsv(map: MapData, points: number[]): string {
  const xy = map.frames[map.frames.length - 1].xy;
  return csvOf([
    ["point", "x", "y", "id", "text", ...map.colourings.map((c) => c.name)],
    ...points.map((i) => [
      i,
      xy[2 * i],
      xy[2 * i + 1],
      map.ids?.[i],
      map.texts?.[i],
      ...map.colourings.map((c) => valueOf(c, i)),
    ]),
  ]);
}

/** What is selected: how many of which group, a table, a file. */
function attachSelected(view: MapView, store: Store): HTMLElement {
  const { map, bridge } = view;
  const part = make("section", { class: "map-chosen" });
  part.id = "glim-map-chosen";
  const bar = make("div", { class: "bar" });
  const here = () => store.state.points.map(bridge.here).filter((i) => i >= 0);
  const csv = make("button", { type: "button" }, "CSV");
  csv.addEventListener("click", () => {
    offer(new Blob([pointsCsv(map, here())], { type: "text/csv" }), "-selected.csv");
  });
  bar.append(
    csv,
    button("scatter.clear", () => store.change({ points: [] })),
  );
  store.listen(["points", "language"], () => {
    const points = here();
    part.hidden = !points.length;
    if (part.hidden) return;
    const head = make("tr", {});
    for (const name of [
      say("scatter.number"),
      say("scatter.text"),
      ...map.colourings.map((c) => c.name),
    ])
      head.append(make("th", { scope: "col" }, name));
    const body = make("tbody");
    for (const i of points.slice(0, ROWS)) {
      const row = make("tr", { "data-point": String(i) }, make("td", {}, String(i)));
      row.append(make("th", { scope: "row" }, make("bdi", {}, nameOf(map, i).slice(0, 120))));
      for (const c of map.colourings) row.append(make("td", {}, valueText(c, i)));
      row.addEventListener("click", () => store.change({ point: bridge.there(i) }));
      body.append(row);
    }
    const table = make("table", { class: "samples" }, make("thead", {}, head), body);
    const scroll = make("div", { class: "scroll", tabindex: "0" }, table);
    const heading = fill(make("h3"), "scatter.selected", String(points.length), String(map.n));
    part.replaceChildren(heading, bar, scroll);
    if (points.length > ROWS)
      part.append(fill(make("p", { class: "note" }), "scatter.more", String(points.length - ROWS)));
  });
  return part;
}

function option(value: string, text: string): HTMLOptionElement {
  return make("option", { value }, text);
}

/** Colouring, search, tools and stages, above the map. */
function attachControls(view: MapView, store: Store, chosen: { tool: Tool; colour: number }) {
  const { map } = view;
  const bar = make("div", { class: "bar" });
  const label = (key: Key, ...parts: Node[]) =>
    make("label", {}, fill(make("span"), key), ...parts);
  if (map.colourings.length) {
    const list = make("select", { class: "map-colour" });
    map.colourings.forEach((c, k) => list.append(option(String(k), c.name)));
    list.value = String(chosen.colour);
    list.addEventListener("change", () => {
      chosen.colour = Number(list.value);
      view.colour(map.colourings[chosen.colour]);
      view.box.parentElement?.querySelector(".map-legend")?.dispatchEvent(new Event("glim-legend"));
    });
    bar.append(label("scatter.colour", list));
  }
  const field = make("input", { type: "search", class: "map-find" });
  const count = make("span", { role: "status" });
  let waiting = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = window.setTimeout(() => store.change({ find: field.value }), 150);
  });
  store.listen(["find", "language"], () => {
    if (document.activeElement !== field) field.value = store.state.find;
    const n = store.state.find ? view.matches(store.state.find).length : 0;
    count.textContent = store.state.find ? say("found", String(n)) : "";
  });
  bar.append(label("find", field), count);
  const tools = make("span", { role: "group", class: "bar" });
  tools.dataset.label = "scatter.tools";
  for (const tool of ["move", "rectangle", "lasso"] as const) {
    const self = button(`scatter.${tool}`, () => {
      chosen.tool = tool;
      mark();
    });
    self.dataset.tool = tool;
    tools.append(self);
  }
  const mark = () => {
    for (const self of tools.querySelectorAll("button"))
      self.setAttribute("aria-pressed", String(self.dataset.tool === chosen.tool));
    view.box.dataset.tool = chosen.tool;
  };
  mark();
  const zoom = (text: string, key: Key, act: () => void) => {
    const self = make("button", { type: "button" }, text);
    self.dataset.label = key;
    self.addEventListener("click", act);
    return self;
  };
  bar.append(
    tools,
    zoom("+", "scatter.in", () => view.zoom(1.4)),
    zoom("\u2212", "scatter.out", () => view.zoom(1 / 1.4)),
    zoom("0", "scatter.fit", () => view.fit()),
    button("scatter.shown", () =>
      select(
        store,
        Array.from(view.open.keys())
          .filter((i) => view.open[i] !== GHOST)
          .map(view.bridge.there),
        false,
      ),
    ),
  );
  if (map.frames.length > 1) bar.append(attachStages(view));
  return bar;
}

function attachStages(view: MapView): HTMLElement {
  const { frames } = view.map;
  const range = make("input", {
    type: "range",
    min: "0",
    max: String(frames.length - 1),
    step: "1",
  });
  const value = make("output");
  const show = () => {
    const { iteration, kl } = frames[view.frame];
    range.value = String(view.frame);
    const known = kl !== null && Math.abs(kl) < 1e6;
    value.textContent = known
      ? say("scatter.stage", String(iteration), kl.toPrecision(4))
      : String(iteration);
    range.setAttribute("aria-valuetext", value.textContent);
  };
  range.addEventListener("input", () => view.stage(Number(range.value)));
  view.box.addEventListener("glim-drawn", show);
  show();
  return make(
    "label",
    { class: "map-stages" },
    fill(make("span"), "scatter.iteration"),
    range,
    value,
  );
}

function figure(host: HTMLElement, map: MapData, store: Store, bridge: Bridge): MapView {
  const view = new MapView(map, store, bridge);
  const chosen = { tool: "move" as Tool, colour: map.first };
  const colouring = (): Colouring | undefined => map.colourings[chosen.colour];
  view.box.dataset.label = "scatter.name";
  attachPointer(view, store, () => chosen.tool);
  attachKeys(view, store);
  const legend = attachLegend(view, colouring);
  const detail = attachDetail(view, store);
  const bar = attachControls(view, store, chosen);
  host.append(
    bar,
    make(
      "div",
      { class: "map-plot" },
      view.box,
      make("div", { class: "map-side" }, legend, detail),
    ),
  );
  return view;
}

/** The points of another map by their names, or by their places when there are as many. */
function bridgeTo(first: MapData, other: MapData): Bridge | null {
  if (first.ids && other.ids) {
    const places = new Map(other.ids.map((id, i) => [id, i]));
    const back = new Map(first.ids.map((id, i) => [id, i]));
    const here = first.ids.map((id) => places.get(id) ?? -1);
    const there = other.ids.map((id) => back.get(id) ?? -1);
    return { here: (p) => here[p] ?? -1, there: (i) => there[i] };
  }
  return first.n === other.n ? { here: (p) => p, there: (i) => i } : null;
}

function attachSecond(host: HTMLElement, first: MapData, store: Store): HTMLElement {
  const pick = make("input", { type: "file", accept: ".json,application/json" });
  const said = make("p", { class: "note", role: "status" });
  pick.addEventListener("change", async () => {
    const file = pick.files?.[0];
    if (!file) return;
    let other: MapData | null = null;
    try {
      other = readMap(JSON.parse(await file.text()));
    } catch {
      // told below
    }
    const bridge = other && bridgeTo(first, other);
    if (!other || !bridge) {
      fill(said, other ? "scatter.unlike" : "scatter.wrong", file.name);
      return;
    }
    const both = Array.from({ length: first.n }, (_, p): [number, number] => [bridge.here(p), p]);
    const common = both.filter(([i]) => i >= 0);
    const to = first.frames[first.frames.length - 1].xy;
    for (const frame of other.frames) frame.xy = align(frame.xy, to, common);
    host.querySelector(".map-second")?.remove();
    const second = make("div", { class: "map-second" }, make("h3", {}, make("bdi", {}, file.name)));
    host.classList.add("two");
    fill(said, "scatter.aligned", String(common.length));
    host.append(second);
    figure(second, other, store, bridge);
  });
  return make(
    "div",
    { class: "bar" },
    make("label", {}, fill(make("span"), "scatter.second"), pick),
    said,
  );
}

export function attachMap(report: unknown, store: Store): void {
  const map = readMap(report);
  const host = document.querySelector<HTMLElement>("figure.map");
  if (!map || !host) return;
  const still = Array.from(host.querySelectorAll(":scope > svg, :scope > img"));
  const main = make("div", { class: "map-first" });
  still[0]?.before(main);
  if (!still.length) host.prepend(main);
  for (const picture of still) picture.remove(); // the canvas shows the same
  const view = figure(main, map, store, { here: (p) => (p < map.n ? p : -1), there: (i) => i });
  const all = () => Array.from({ length: map.n }, (_, i) => i);
  main.append(
    attachSelected(view, store),
    saveBar({
      name: "-map",
      title: () => document.querySelector("h1")?.textContent ?? map.title,
      says: () => document.querySelector(".say")?.textContent ?? "",
      parts: () => around(main.querySelector(".map-plot")),
      csv: () => pointsCsv(map, all()),
      table: () => select(store, all().slice(0, ROWS), false),
    }),
    attachSecond(host, map, store),
  );
}
