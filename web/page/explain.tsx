// SPDX-License-Identifier: Apache-2.0
// The room of one answer: write, let it answer, click a word, and ask four things of
// it: which words, which layers, which training samples, can I trust it?

import { Job, Request } from "./api";
import { AnswerBox, answer } from "./answer";
import { Error3, Figure } from "./figure";
import { Form } from "./form";
import { InputField, set as setDraft } from "./input";
import { start } from "./jobs";
import { State, change, setValues, state } from "./page-state";
import { say, sayOr } from "./page-words";
import { PlanLine } from "./plan";
import { dropsContrast, isEmpty, picked, requestOf } from "./question";
import { Slot, current, slotsOf } from "./rooms";

const TARGET = ["target", "against", "continuation", "generate", "prefix", "table", "row", "file", "chat"];

/** What must be told before a request makes sense: training samples, a file of texts. */
export function lacking(s: State, slot: Slot): string | null {
  const values = s.values[slot.id] ?? {};
  if (slot.command.name === "influence" && !values.train) return say("lack.train");
  if (slot.command.name === "probe" && !values.data) return say("lack.data");
  return null;
}

export function ready(s: State, slot: Slot): Request | null {
  if (lacking(s, slot)) return null;
  if (slot.command.input.includes("text") && isEmpty(s.draft) && !picked(s) && slot.command.name === "explain") return null;
  return requestOf(s, slot);
}

export async function runSlot(slot: Slot | null): Promise<void> {
  const request = slot && ready(state, slot);
  if (slot && request) await start(slot.id, request);
}

/** Back to what a figure shows. */
export function restore(slot: Slot, job: Job): void {
  setValues(slot.id, { ...job.parameters });
  const input = job.input;
  if (picked(state)) return;
  if (input?.text !== undefined) setDraft({ kind: "text", text: input.text });
  else if (input?.chat) setDraft({ kind: "chat", chat: input.chat });
  else if (input?.file) setDraft({ kind: "file", file: input.file });
}

function choose(id: string): void {
  change({ slots: { ...state.slots, explain: id } });
  const slot = current();
  if (slot && picked(state) && !state.shown[id]) void runSlot(slot);
}

const EXAMPLES = ["example.capital", "example.film", "example.why"] as const;

export function Examples() {
  return (
    <div class="examples">
      {EXAMPLES.map((key) => (
        <button
          key={key}
          type="button"
          onClick={() => {
            setDraft({ kind: "text", text: say(key) });
            void answer();
          }}
        >
          {say(key)}
        </button>
      ))}
    </div>
  );
}

function Empty({ slot }: { slot: Slot }) {
  const lack = lacking(state, slot);
  if (picked(state))
    return (
      <>
        <h3>{say(`asks.${slot.id}` as "asks.words")}</h3>
        <p>{lack ?? say(`about.${slot.id}` as "about.words")}</p>
      </>
    );
  return (
    <>
      <h3>{say("empty.explain")}</h3>
      <ol class="steps">
        <li>{say("empty.one")}</li>
        <li>{say("empty.two")}</li>
        <li>{say("empty.three")}</li>
      </ol>
      <p>{say("empty.try")}</p>
      <Examples />
    </>
  );
}

export function Explain() {
  const slots = slotsOf(state, "explain");
  const slot = current();
  if (!slot) return null;
  const request = ready(state, slot);
  const word = picked(state);
  const refused = state.refused[slot.id];
  const lack = lacking(state, slot);
  const unasked = word !== null && requestOf(state, slot) === null;
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = slots[(slots.findIndex((s) => s.id === slot.id) + step + slots.length) % slots.length];
    choose(next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  };
  return (
    <div class="room">
      <div class="left">
        <InputField slot={slots[0]} />
        <div class="go">
          <button type="button" class="main" disabled={isEmpty(state.draft)} onClick={() => void answer()}>
            {say("answer.get")}
          </button>
          <kbd>Ctrl ↵</kbd>
        </div>
        {state.refused.answer && <Error3 fault={state.refused.answer} />}
        <AnswerBox then={() => void runSlot(current())} />
        <section class="settings" aria-label={say("settings")}>
          <h3>{say(`asks.${slot.id}` as "asks.words")}</h3>
          <Form slot={slot} apart={word ? TARGET : []} />
          <div class="go">
            <button type="button" class={word ? "main" : ""} disabled={!request} onClick={() => void runSlot(slot)}>
              {say(word ? "run.again-or" : "run.next-word")}
            </button>
          </div>
          <PlanLine request={request} />
          {lack && <p class="hint">{lack}</p>}
          {word && dropsContrast(state, slot) && <p class="hint">{say("question.no-contrast")}</p>}
          {unasked && <p class="hint">{say("question.unasked")}</p>}
          {refused && <Error3 fault={refused} />}
        </section>
      </div>
      <div class="right">
        <div role="tablist" aria-label={say("asks")} class="tabs" onKeyDown={keys}>
          {slots.map((s) => (
            <button
              key={s.id}
              type="button"
              role="tab"
              id={`tab-${s.id}`}
              aria-selected={s.id === slot.id}
              aria-controls="panel"
              tabIndex={s.id === slot.id ? 0 : -1}
              onClick={() => choose(s.id)}
            >
              {sayOr(`asks.${s.id}`, s.id)}
              {state.shown[s.id] && <span class="dot" aria-hidden="true" />}
            </button>
          ))}
        </div>
        <div role="tabpanel" id="panel" aria-labelledby={`tab-${slot.id}`}>
          <Figure
            id={state.shown[slot.id]}
            request={request}
            again={request ? () => void runSlot(slot) : undefined}
            restore={(job) => restore(slot, job)}
            empty={<Empty slot={slot} />}
          />
        </div>
      </div>
    </div>
  );
}
