// SPDX-License-Identifier: Apache-2.0
// What the page knows and what its reader has chosen: one object, changed by one
// function. What a link should share (room, result, the one beside it) is in the
// address behind the #.

import { Fault, Info, Job, Tables, Token, Turn, Values } from "./api";
import { RoomId, SlotId } from "./rooms";

/** The one input that all rooms share: a question moves with its reader. */
export interface Draft {
  kind: "text" | "chat" | "row" | "file";
  text: string;
  chat: Turn[];
  file: string;
}

/** What the model answered, to which input, and which word of it is asked about. */
export interface Answer {
  job: number;
  draft: Draft;
  model: string;
  classes: boolean; // an answer is a class, not words
  pick: number | null;
  against: string;
}

export interface State {
  info: Info | null;
  tables: Tables | null;
  fault: Fault | null; // why nothing could be loaded
  model: string;
  room: RoomId;
  slots: Partial<Record<RoomId, SlotId>>; // the chosen tab or command of a room
  draft: Draft;
  values: Record<SlotId, Values>; // of each slot's form
  shown: Record<SlotId, number>; // its result
  beside: number | null;
  jobs: Record<string, Job>;
  tokens: Record<string, Token[]>;
  list: Job[];
  more: boolean; // older results are on the server
  search: string;
  drawer: boolean;
  answer: Answer | null;
  refused: Record<SlotId, Fault | null>; // what the server said to a form
  language: string;
  theme: "" | "light" | "dark"; // "": the system's
  said: string; // for those who listen
}

const kept = (key: string): string => {
  try {
    return localStorage.getItem(`glim-${key}`) ?? "";
  } catch {
    return "";
  }
};

export const state: State = {
  info: null,
  tables: null,
  fault: null,
  model: "",
  room: "explain",
  slots: {},
  draft: { kind: "text", text: "", chat: [{ role: "user", content: "" }], file: "" },
  values: { layers: { direct: true } },
  shown: {},
  beside: null,
  jobs: {},
  tokens: {},
  list: [],
  more: false,
  search: "",
  drawer: false,
  answer: null,
  refused: {},
  language: kept("language") || navigator.language,
  theme: kept("theme") as State["theme"],
  said: "",
};

const listeners = new Set<() => void>();
let waiting = false;

/** Changes are drawn together, once the browser is about to paint. */
export function change(part: Partial<State>): void {
  Object.assign(state, part);
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    for (const call of listeners) call();
  });
}

export function listen(call: () => void): () => void {
  listeners.add(call);
  return () => listeners.delete(call);
}

export function keep(key: "language" | "theme", value: string): void {
  try {
    localStorage.setItem(`glim-${key}`, value);
  } catch {
    // a browser that keeps nothing
  }
}

export const announce = (said: string): void => change({ said });

export const setValues = (slot: SlotId, values: Values): void =>
  change({
    values: { ...state.values, [slot]: values },
    refused: { ...state.refused, [slot]: null },
  });

/** The room, the result and the one beside it, as a link has them. */
export function writeAddress(slot: SlotId | null): void {
  const parts = new URLSearchParams({ room: state.room });
  const job = slot === null ? undefined : state.shown[slot];
  if (job) parts.set("job", String(job));
  if (state.beside) parts.set("beside", String(state.beside));
  const hash = `#${parts.toString()}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}
