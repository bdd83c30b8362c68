// SPDX-License-Identifier: Apache-2.0
// Forms are made of the server's descriptors: which parameters a command has, those
// of the chosen method included, and which values differ from their defaults.

import { Command, Method, Parameter, Value, Values } from "./api";
import { State } from "./page-state";
import { Slot } from "./rooms";

export function methodsOf(s: State, command: Command): Method[] {
  if (command.takes_influence_methods) return s.tables?.influence_methods ?? [];
  return command.takes_methods ? (s.tables?.methods ?? []) : [];
}

/** The parameters of the chosen method, which stand behind those of the command. */
export function ofMethod(s: State, slot: Slot): Parameter[] {
  const name = s.values[slot.id]?.method;
  const method = methodsOf(s, slot.command).find((m) => m.name === name);
  const known = new Set(slot.command.parameters.map((p) => p.name));
  return (method?.parameters ?? []).filter((p) => !known.has(p.name));
}

export function isDefault(p: Parameter, value: Value | undefined): boolean {
  if (value === undefined || value === "") return true;
  if (Array.isArray(value)) return !value.some(Boolean);
  if (p.type === "bool") return value === (p.default ?? false);
  return p.default !== null && p.default !== undefined && String(value) === String(p.default);
}

/** What a number field's text means; the text itself where it is no number. */
export function parsed(p: Parameter, text: string): Value {
  const number = Number(text);
  const numeric = p.type === "integer" || p.type === "number";
  return numeric && text.trim() !== "" && Number.isFinite(number) ? number : text;
}

/** Why a value will not do, in the words of its limits; null: it will. */
export function wrong(p: Parameter, value: Value | undefined): "number" | "low" | "high" | null {
  if (value === undefined || value === "" || (p.type !== "integer" && p.type !== "number")) return null;
  if (typeof value !== "number" || (p.type === "integer" && !Number.isInteger(value))) return "number";
  const { minimum, maximum } = p;
  if (typeof minimum === "number" && value < minimum && value !== p.default) return "low";
  return typeof maximum === "number" && maximum > (minimum ?? 0) && value > maximum ? "high" : null;
}

const clean = (value: Value): Value => (Array.isArray(value) ? value.filter(Boolean) : value);

/** Only what differs from the defaults, as a person would type it. */
export function changed(s: State, slot: Slot): Values {
  const values = s.values[slot.id] ?? {};
  const out: Values = {};
  for (const p of [...slot.command.parameters, ...ofMethod(s, slot)])
    if (!isDefault(p, values[p.name])) out[p.name] = clean(values[p.name]);
  return out;
}
