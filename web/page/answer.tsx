// SPDX-License-Identifier: Apache-2.0
// The answer, word by word as it is written. A click on a word asks why it was said,
// a second one with Shift why not another; what else might have stood in its place is
// fetched and offered. Arrow keys walk through the words, Enter asks.

import { useEffect, useRef, useState } from "preact/hooks";
import { Request, get } from "./api";
import { cancel, follow, isOver, quiet, start } from "./jobs";
import { Output, Prediction } from "./native";
import { Draft, State, change, state } from "./page-state";
import { say } from "./page-words";
import { Word, firstToken, inputOf, isEmpty, picked, translates, upTo, wordsOf } from "./question";
import { QUESTIONS } from "./rooms";
import { percent, visible } from "../src/document";

/** A model that gives classes is asked for them; all others write. */
function givesClasses(s: State): boolean {
  const task = s.info?.models.find((m) => m.id === s.model)?.task ?? "generate";
  return !/generate|translate/.test(task);
}

const LENGTH = 20; // tokens

export async function answer(): Promise<void> {
  if (isEmpty(state.draft)) return;
  const classes = givesClasses(state);
  const draft: Draft = structuredClone(state.draft);
  const request: Request = {
    command: classes ? "predict" : "generate",
    model: state.model || undefined,
    input: inputOf(draft),
    parameters: classes ? {} : { tokens: LENGTH },
  };
  change({ answer: null });
  const job = await start("answer", request);
  if (!job) return;
  forget();
  change({ answer: { job, draft, model: state.model, classes, pick: null, against: "" } });
  if (!classes || (await follow(job)).state !== "done") return;
  const outputs = (await get<Prediction>(`/jobs/${job}/document`)).outputs?.slice(0, 12) ?? [];
  change({ tokens: { ...state.tokens, [job]: outputs.map(({ text, prob }) => ({ text, prob })) } });
}

/** Figures of another word are no longer the answer. */
function forget(): void {
  const isQuestion = (slot: string) => (QUESTIONS as readonly string[]).includes(slot);
  change({ shown: Object.fromEntries(Object.entries(state.shown).filter(([slot]) => !isQuestion(slot))) });
}

export function pick(index: number | null, against = ""): void {
  if (!state.answer) return;
  forget();
  change({ answer: { ...state.answer, pick: index, against } });
}

/** The words as buttons, of which one can be reached with Tab. */
function Words({ list, then }: { list: Word[]; then: () => void }) {
  const a = state.answer;
  const [at, setAt] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const choose = (i: number, shift: boolean) => {
    if (shift && a && a.pick !== null && a.pick !== i) pick(a.pick, firstToken(list[i]));
    else pick(i);
    then();
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? list.length - 1 : step ? at + step : -1;
    if (to < 0 || to >= list.length) return;
    event.preventDefault();
    setAt(to);
    box.current?.querySelectorAll("button")[to]?.focus();
  };
  return (
    <div class="words" role="group" aria-label={say("answer.words")} ref={box} onKeyDown={move}>
      {list.map((word, i) => {
        const lead = /^\s*/.exec(word.text)?.[0] ?? "";
        const prob = word.tokens[0].prob;
        return [
          lead.includes("\n") ? <br key={`b${i}`} /> : lead ? " " : "",
          <button
            key={i}
            type="button"
            tabIndex={i === Math.min(at, list.length - 1) ? 0 : -1}
            aria-pressed={a?.pick === i}
            title={typeof prob === "number" ? percent(prob) : undefined}
            onFocus={() => setAt(i)}
            onClick={(event) => choose(i, event.shiftKey)}
          >
            <bdi>{word.text.trim() || visible(word.text)}</bdi>
          </button>,
        ];
      })}
    </div>
  );
}

/** What else the model might have said in the word's place. */
function Others({ word, then }: { word: Word; then: () => void }) {
  const a = state.answer;
  const [others, setOthers] = useState<Output[] | null>(null);
  const part = !word.tokens[0].text; // its first token is a part of a character: nothing reads as another
  const reach = !part && (!translates(state) || word.first === 0);
  const key = `${a?.job} ${word.first}`;
  useEffect(() => {
    setOthers(null);
    if (!a || a.classes || !reach) return;
    let gone = false;
    quiet<Prediction>({ command: "predict", model: a.model || undefined, ...upTo(state, word, true) })
      .then((d) => gone || setOthers(d.outputs ?? []))
      .catch(() => gone || setOthers([]));
    return () => {
      gone = true;
    };
  }, [key]);
  if (!a) return null;
  if (!reach && !a.classes) return <p class="help">{say(part ? "question.part" : "question.first-only")}</p>;
  const list = (a.classes ? (state.tokens[a.job] ?? []) : others)
    ?.filter((o) => o.text !== word.tokens[0].text && o.text !== word.text)
    .slice(0, 5);
  return (
    <div class="others">
      <span id="others">{say("question.others")}</span>
      {list === undefined && <small>{say("loading")}</small>}
      <div role="group" aria-labelledby="others">
        {list?.map((o) => (
          <button
            key={o.text}
            type="button"
            class="chip"
            aria-pressed={a.against === o.text}
            onClick={() => {
              pick(a.pick, a.against === o.text ? "" : o.text);
              then();
            }}
          >
            <bdi>{visible(o.text)}</bdi>
            {typeof o.prob === "number" && <small>{percent(o.prob)}</small>}
          </button>
        ))}
      </div>
    </div>
  );
}

/** "Why X, and not Y?" as it will be asked. */
function Question({ word, then }: { word: Word; then: () => void }) {
  const a = state.answer;
  if (!a) return null;
  return (
    <div class="question">
      <p>
        {say("question.why")} <q><bdi>{word.text.trim() || visible(word.text)}</bdi></q>
        {a.against && (
          <>
            {" "}
            {say("question.and-not")} <q class="not"><bdi>{a.against.trim() || visible(a.against)}</bdi></q>
          </>
        )}
        {say("question.mark")}
        <button type="button" class="icon" aria-label={say("question.clear")} onClick={() => pick(null)}>
          ✕
        </button>
      </p>
      <Others word={word} then={then} />
    </div>
  );
}

export function AnswerBox({ then }: { then: () => void }) {
  const a = state.answer;
  if (!a) return null;
  const job = state.jobs[a.job];
  const list = wordsOf(state);
  const word = picked(state);
  const running = !isOver(job);
  return (
    <section class={`answer${a.classes ? " classes" : ""}`} aria-label={say("answer")}>
      <h3>
        {say("answer")}
        {running && <button type="button" onClick={() => void cancel(a.job)}>{say("run.cancel")}</button>}
      </h3>
      {job?.error && <p class="fault">{`${job.error.what}: ${job.error.why}`}</p>}
      {list.length > 0 && <Words list={list} then={then} />}
      {job?.state === "done" && !list.length && <p class="hint">{say("answer.nothing")}</p>}
      {running && <progress aria-label={say("answer.writing")} />}
      {!running && list.length > 0 && !word && <p class="hint">{say("answer.hint")}</p>}
      {word && <Question word={word} then={then} />}
    </section>
  );
}
