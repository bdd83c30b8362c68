// SPDX-License-Identifier: Apache-2.0
// The rooms of the page and what is done in each. A slot is a form with a result: a
// command, or a tab of the room where one answer is explained. A command that no
// room names stands in the room of its family, so a new one needs no line here.

import { Command, Values } from "./api";
import { State, state } from "./page-state";

export type RoomId =
  | "explain"
  | "attention"
  | "inside"
  | "training"
  | "map"
  | "evaluate"
  | "advise"
  | "model";
export type SlotId = string;

export interface Slot {
  id: SlotId;
  command: Command;
}

export const ROOMS: RoomId[] = [
  "explain",
  "attention",
  "inside",
  "training",
  "map",
  "evaluate",
  "advise",
  "model",
];

/** The four questions to one word of an answer. */
export const QUESTIONS = ["words", "layers", "samples", "trust"] as const;

const ASKS: Record<string, string> = {
  words: "explain",
  layers: "lens",
  samples: "influence",
  trust: "evaluate",
};

const PLACES: Partial<Record<RoomId, string[]>> = {
  attention: ["attention"],
  inside: ["lens", "why", "patch", "probe", "maximize", "steer"],
  training: ["influence"],
  map: ["map"],
  evaluate: ["evaluate", "compare"],
  model: ["predict", "generate"],
};

/** These have a room, or a place in one, that is made for them. */
const APART = ["explain", "advise", "info", "tokenize", "view", "serve", "verify"];

const FAMILIES: [RegExp, RoomId][] = [
  [/struct|inside/i, "inside"],
  [/influence|sample|train/i, "training"],
  [/visual|map/i, "map"],
  [/evaluat|choice/i, "evaluate"],
];

function placeOf(command: Command): RoomId | null {
  if (APART.includes(command.name)) return null;
  for (const room of ROOMS) if (PLACES[room]?.includes(command.name)) return room;
  return FAMILIES.find(([family]) => family.test(command.family ?? ""))?.[1] ?? "model";
}

const find = (s: State, name: string) => s.tables?.commands.find((c) => c.name === name);

/** "Why A and not B" is explain with --why: a slot of its own among what is inside. */
function named(s: State, id: SlotId): Slot | null {
  const command = find(s, ASKS[id] ?? (id === "why" ? "explain" : id));
  return command ? { id, command } : null;
}

export function slotsOf(s: State, room: RoomId): Slot[] {
  if (room === "explain") return QUESTIONS.flatMap((id) => named(s, id) ?? []);
  const names = [...(PLACES[room] ?? [])];
  for (const c of s.tables?.commands ?? [])
    if (placeOf(c) === room && !names.includes(c.name)) names.push(c.name);
  return names.flatMap((id) => named(s, id) ?? []);
}

export function slotOf(s: State, room: RoomId = s.room): Slot | null {
  const slots = slotsOf(s, room);
  return slots.find((slot) => slot.id === s.slots[room]) ?? slots[0] ?? null;
}

/** A document that was loaded says its kind and not its command. */
const KINDS: Record<string, string> = {
  explanation: "explain",
  evaluation: "evaluate",
  profile: "evaluate",
  comparison: "compare",
  prediction: "predict",
  generation: "generate",
};

/** Where a finished run of a command is looked at again. */
export function homeOf(s: State, schema: string, parameters: Values = {}): [RoomId, SlotId] {
  const command = KINDS[schema] ?? schema;
  if (command === "explain")
    return parameters.why !== undefined ? ["inside", "why"] : ["explain", "words"];
  const found = find(s, command);
  const room = found ? placeOf(found) : null;
  return room ? [room, command] : ["explain", "words"];
}

/** Settings that a slot shows at once; all others are folded, a group at a time. */
const FIRST: Record<SlotId, string[]> = {
  words: ["method", "units"],
  layers: ["direct", "tuned"],
  samples: ["train", "method", "text", "label"],
  trust: ["method", "metrics"],
  attention: ["layer", "head", "units", "sink"],
  lens: ["target", "against", "direct"],
  why: ["why", "not"],
  patch: ["corrupt", "target", "against", "subject", "ablate", "estimate"],
  probe: ["data", "text", "label", "each"],
  maximize: ["site", "index", "target", "data", "search"],
  influence: ["train", "label", "text", "method", "top"],
  map: ["data", "table", "text", "label", "site", "method", "perplexity", "color-by"],
  evaluate: ["method", "metrics", "target"],
  compare: ["methods", "other", "target"],
};

export const firstOf = (slot: SlotId): string[] | undefined => FIRST[slot];
export const current = (): Slot | null => slotOf(state);
