// SPDX-License-Identifier: Apache-2.0
// From a clicked word to what is asked. The answer up to the word is what the answer
// begins with (--prefix), so that the word is the next thing to be said, in a text and
// in a chat, whichever question is asked of it. A translation is one whole: it is given
// as a continuation, and the report opens at the word's row.

import { Input, Request, Token, Values } from "./api";
import { changed } from "./descriptors";
import { Draft, State } from "./page-state";
import { Slot } from "./rooms";

/** A word of an answer: one token, or several that hang together. */
export interface Word {
  text: string;
  tokens: Token[];
  first: number; // index of its first token
  before: string; // the answer in front of it
}

const STARTS = /^[\s\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const LETTERS = /^[\p{L}\p{N}\p{M}'’_-]+$/u;

/** A token that goes on with the letters of the last one belongs to its word. */
function words(tokens: Token[]): Word[] {
  const out: Word[] = [];
  let before = "";
  let parts: Token[] = []; // of a character that is not whole yet
  tokens.forEach((token, i) => {
    const last = out[out.length - 1];
    if (!token.text) return void parts.push(token);
    const joins =
      last && LETTERS.test(token.text) && !STARTS.test(token.text) && /[\p{L}\p{N}]$/u.test(last.text) &&
      !/[\p{Script=Han}]$/u.test(last.text);
    if (joins) {
      last.text += token.text;
      last.tokens.push(...parts, token);
    } else out.push({ text: token.text, tokens: [...parts, token], first: i - parts.length, before });
    parts = [];
    before += token.text;
  });
  return out;
}

/** Of the answer: its words, or the classes it is made of. */
export function wordsOf(s: State): Word[] {
  const tokens = s.answer ? (s.tokens[s.answer.job] ?? []) : [];
  if (!s.answer?.classes) return words(tokens);
  return tokens.map((t, i) => ({ text: t.text, tokens: [t], first: i, before: "" }));
}

/** The word that is asked about, if one is. */
export function picked(s: State): Word | null {
  const a = s.answer;
  if (!a || a.pick === null) return null;
  return wordsOf(s)[a.pick] ?? null;
}

/** Kinds of input that a command takes; a row is named by parameters. */
export function kindsOf(slot: Slot): Draft["kind"][] {
  const takes = slot.command.input;
  const has = (name: string) => slot.command.parameters.some((p) => p.name === name);
  return [
    ...(takes.includes("text") ? (["text"] as const) : []),
    ...(takes.includes("chat") ? (["chat"] as const) : []),
    ...(takes.includes("table") || (has("table") && has("row")) ? (["row"] as const) : []),
    ...(takes.includes("file") ? (["file"] as const) : []),
  ];
}

/** The kind that is shown: the reader's, or the first that the command takes. */
export function kindOf(slot: Slot, draft: Draft): Draft["kind"] | undefined {
  const kinds = kindsOf(slot);
  return kinds.includes(draft.kind) ? draft.kind : kinds[0];
}

export function inputOf(draft: Draft): Input {
  if (draft.kind === "chat") return { chat: draft.chat.filter((turn) => turn.content) };
  if (draft.kind === "file") return { file: draft.file };
  return draft.kind === "text" ? { text: draft.text } : {};
}

export const isEmpty = (draft: Draft): boolean =>
  draft.kind === "text"
    ? !draft.text
    : draft.kind === "chat"
      ? !draft.chat.some((turn) => turn.content)
      : draft.kind === "file" && !draft.file;

const taskOf = (s: State): string =>
  s.info?.models.find((m) => m.id === (s.answer?.model ?? s.model))?.task ?? "generate";

/** A model that reads one text and writes another about it. */
export const translates = (s: State): boolean => taskOf(s) === "translate";

/** The first token of a word, where it is text by itself. */
export const firstToken = (word: Word): string => word.tokens[0].text || word.text;

/** Input and beginning of the answer, up to a word of it. */
export function upTo(s: State, word: Word, prefix: boolean): { input: Input; parameters: Values } {
  const draft = s.answer?.draft ?? s.draft;
  if (!word.before) return { input: inputOf(draft), parameters: {} };
  if (prefix) return { input: inputOf(draft), parameters: { prefix: word.before } };
  return { input: { text: draft.text + word.before }, parameters: {} };
}

/** Samples are traced by what was said: what was not said has no gradient to compare. */
export const dropsContrast = (s: State, slot: Slot): boolean =>
  slot.command.name === "influence" && Boolean(s.answer?.against);

/** What a clicked word puts into a request; null: it cannot be asked of this command. */
export function asked(s: State, slot: Slot): { input: Input; parameters: Values } | null {
  const word = picked(s);
  const a = s.answer;
  if (!word || !a) return null;
  const has = (name: string) => slot.command.parameters.some((p) => p.name === name);
  const against: Values = a.against && !dropsContrast(s, slot) ? { against: a.against } : {};
  if (a.classes) return { input: inputOf(a.draft), parameters: { target: word.text, ...against } };
  if (translates(s)) {
    const whole: Values = a.against ? { target: firstToken(word), ...against } : { continuation: word.before + word.text };
    if (a.against ? word.first > 0 : !has("continuation")) return null;
    return { input: inputOf(a.draft), parameters: whole };
  }
  const chat = a.draft.kind === "chat";
  if (chat && !slot.command.input.includes("chat")) return null;
  const { input, parameters } = upTo(s, word, has("prefix") && (chat || slot.command.name !== "influence"));
  const several = word.tokens.length > 1 && !against.against;
  if (several && has("continuation") && slot.command.name !== "lens")
    return { input, parameters: { ...parameters, continuation: word.text } };
  // what it writes is the likeliest: a first token that is no text needs no name
  if (several && !word.tokens[0].text && slot.command.name === "lens") return { input, parameters };
  const target = several && slot.command.name === "influence" ? word.text : firstToken(word);
  return { input, parameters: { ...parameters, target, ...against } };
}

/** Of a translation, the row to open the report at: the first of the picked word. */
export function rowOf(s: State, parameters: Values | undefined): number | null {
  const word = picked(s);
  if (!word || !translates(s) || parameters?.continuation !== word.before + word.text || !word.before) return null;
  return word.first;
}

const WORDS_TABS = ["words", "layers", "samples", "trust"];
const TARGETS = ["target", "against", "continuation", "generate", "prefix"];

export function requestOf(s: State, slot: Slot): Request | null {
  const values = changed(s, slot);
  // to be looked at: every head in outline, as in the report of a run on the command line
  if (slot.id === "attention" && values.heads === undefined) values.heads = "auto";
  const base = { command: slot.command.name, model: s.model || undefined };
  if (WORDS_TABS.includes(slot.id) && picked(s)) {
    const question = asked(s, slot);
    if (!question) return null;
    for (const name of TARGETS) delete values[name];
    return { ...base, input: question.input, parameters: { ...values, ...question.parameters } };
  }
  const kind = kindOf(slot, s.draft);
  const draft = kind && { ...s.draft, kind };
  const input = draft && kind !== "row" && !isEmpty(draft) ? { input: inputOf(draft) } : {};
  return { ...base, ...input, parameters: values };
}

const sorted = (x: unknown): unknown =>
  x && typeof x === "object" && !Array.isArray(x)
    ? Object.fromEntries(
        Object.entries(x)
          .filter(([, v]) => v !== undefined && v !== null)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([k, v]) => [k, sorted(v)]),
      )
    : Array.isArray(x)
      ? x.map(sorted)
      : x;

/** Two requests that would run the same. */
export function same(a: Omit<Request, "command">, b: Omit<Request, "command">): boolean {
  const text = (r: Omit<Request, "command">) =>
    JSON.stringify([sorted(r.input ?? {}), sorted(r.parameters ?? {}), r.model ?? ""]);
  return text(a) === text(b);
}
