// SPDX-License-Identifier: Apache-2.0
// Choosing on a map: pointer, rectangle, lasso and keys. A hovered point is the store's
// `unit`, a chosen one its `point`, selected ones its `points`.

import { act } from "./keys";
import { MapView } from "./map-view";
import { Store } from "./state";

export type Tool = "move" | "rectangle" | "lasso";

const STILL = 4; // css pixels that a click may tremble

/** Selected points, or those and others. */
export function select(store: Store, points: number[], more: boolean): void {
  const all = new Set(more ? store.state.points : []);
  for (const p of points) all.add(p);
  store.change({ points: [...all].sort((a, b) => a - b) });
}

function toggle(store: Store, point: number): void {
  const { points } = store.state;
  if (points.includes(point)) store.change({ points: points.filter((p) => p !== point) });
  else select(store, [point], true);
}

function rectangle([x, y]: number[], [u, v]: number[]): [number, number][] {
  return [
    [x, y],
    [u, y],
    [u, v],
    [x, v],
  ];
}

export function attachPointer(view: MapView, store: Store, tool: () => Tool): void {
  const { box, bridge } = view;
  let from: [number, number] | null = null;
  let last: [number, number] = [0, 0];
  let moved = false;
  const place = (event: MouseEvent): [number, number] => {
    const edge = box.getBoundingClientRect();
    return [event.clientX - edge.left - box.clientLeft, event.clientY - edge.top - box.clientTop];
  };
  const draws = (event: MouseEvent): Tool =>
    event.shiftKey && tool() === "move" ? "rectangle" : tool();

  box.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    from = last = place(event);
    moved = false;
    box.setPointerCapture(event.pointerId);
  });
  box.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (!from) {
      const i = view.at(...at);
      store.change({ unit: i < 0 ? null : bridge.there(i) });
      return;
    }
    if (!moved && Math.hypot(at[0] - from[0], at[1] - from[1]) < STILL) return;
    moved = true;
    if (draws(event) === "move") view.pan(at[0] - last[0], at[1] - last[1]);
    else {
      const drawn = view.outline.length ? view.outline : [from];
      view.outline = draws(event) === "lasso" ? [...drawn, at] : rectangle(from, at);
      view.ask();
    }
    last = at;
  });
  box.addEventListener("pointerup", (event) => {
    if (!from) return;
    const at = place(event);
    if (moved && view.outline.length > 2)
      select(store, view.within(view.outline).map(bridge.there), event.ctrlKey || event.metaKey);
    else if (!moved) {
      const i = view.at(...at);
      const point = i < 0 ? null : bridge.there(i);
      if (point !== null && (event.ctrlKey || event.metaKey)) toggle(store, point);
      else store.change({ point: store.state.point === point ? null : point, unit: point });
    }
    from = null;
    view.outline = [];
    view.ask();
  });
  box.addEventListener("pointercancel", () => {
    from = null;
    view.outline = [];
    view.ask();
  });
  box.addEventListener("pointerleave", () => {
    if (!from) store.change({ unit: null });
  });
  // a wheel scrolls the page until the map has been clicked
  box.addEventListener(
    "wheel",
    (event) => {
      if (document.activeElement !== box && !event.ctrlKey) return;
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 400)), ...place(event));
    },
    { passive: false },
  );
}

export function attachKeys(view: MapView, store: Store): void {
  const { box, bridge } = view;
  const here = () => {
    const at = store.state.unit ?? store.state.point;
    return at === null ? -1 : bridge.here(at);
  };
  const go = (dx: number, dy: number, times = 1) => {
    let i = here();
    for (let k = 0; k < times; k++) i = view.next(i, dx, dy);
    if (i < 0) return;
    store.change({ unit: bridge.there(i) });
    view.reveal(i);
  };
  box.addEventListener("keydown", (event) => {
    act(event, store, {
      ArrowRight: () => go(1, 0),
      ArrowLeft: () => go(-1, 0),
      ArrowUp: () => go(0, 1),
      ArrowDown: () => go(0, -1),
      PageUp: () => go(0, 1, 10),
      PageDown: () => go(0, -1, 10),
      " ": () => here() >= 0 && toggle(store, bridge.there(here())),
      Enter: () => {
        const { unit, point } = store.state;
        store.change({ point: unit === point ? null : unit });
      },
      Escape: () => store.change({ unit: null, point: null, points: [], find: "" }),
      "+": () => view.zoom(1.4),
      "=": () => view.zoom(1.4),
      "-": () => view.zoom(1 / 1.4),
      "0": () => view.fit(),
      "[": () => view.stage(view.frame - 1),
      "]": () => view.stage(view.frame + 1),
    });
  });
}
