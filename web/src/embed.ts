// SPDX-License-Identifier: Apache-2.0
// A report inside another page, in a sandboxed frame: what is chosen here is told to
// the page that holds it, and what that page says is chosen is chosen here, so that
// the figures of several frames move together. Messages are plain objects:
//
//   { glim: 1, type: "select", units: [3], row: null, layer: 4, head: null, point: null,
//     points: [] }    units are indices into input.units, a point is a sample
//   { glim: 1, type: "height", px: 1234 }    what the report would like to have

import { State, Store } from "./state";

const CHOICES = ["kept", "row", "layer", "head", "point", "points"] as const;

export interface Selection {
  units: number[];
  row: number | null;
  layer: number | null;
  head: number | null;
  point: number | null;
  points: number[];
}

function chosen(s: State): Selection {
  return {
    units: s.kept === null ? [] : [s.kept],
    row: s.row,
    layer: s.layer,
    head: s.head,
    point: s.point,
    points: [...s.points],
  };
}

const whole = (x: unknown, below = Infinity): number | null =>
  typeof x === "number" && Number.isInteger(x) && x >= 0 && x < below ? x : null;

/** What a message says; of units that this report lacks, nothing. */
function heard(data: Record<string, unknown>, units: number, rows: number) {
  const list = (x: unknown) => (Array.isArray(x) ? x : []);
  return {
    kept: whole(list(data.units)[0], units),
    row: whole(data.row, rows),
    layer: whole(data.layer),
    head: whole(data.head),
    point: whole(data.point),
    points: list(data.points).filter((x): x is number => whole(x) !== null),
  };
}

export function attachEmbed(store: Store, units = Infinity, rows = Infinity): void {
  if (window.parent === window) return;
  const tell = (type: string, body: object) =>
    window.parent.postMessage({ glim: 1, type, ...body }, "*");
  let said = JSON.stringify(chosen(store.state));
  store.listen([...CHOICES], () => {
    const now = JSON.stringify(chosen(store.state));
    if (now !== said) tell("select", chosen(store.state));
    said = now;
  });
  window.addEventListener("message", (event) => {
    const data = event.data as Record<string, unknown> | null;
    if (event.source !== window.parent || data?.glim !== 1 || data.type !== "select") return;
    const part = heard(data, units, rows);
    said = JSON.stringify(chosen({ ...store.state, ...part })); // no echo
    store.change(part);
  });
  let height = 0;
  new ResizeObserver(() => {
    const px = Math.ceil(document.body.getBoundingClientRect().height);
    if (px !== height) tell("height", { px: (height = px) });
  }).observe(document.body);
}
