// SPDX-License-Identifier: Apache-2.0
// The model: what is in its file, and how a text is cut into tokens as one types.
// Other plain commands (what comes next, write on, fit) are at the side.

import { useEffect, useState } from "preact/hooks";
import { Fault, Token, asFault, send } from "./api";
import { Error3, Figure } from "./figure";
import { lacking, ready, restore, runSlot } from "./explain";
import { Form } from "./form";
import { InputField } from "./input";
import { Choose } from "./command";
import { quiet } from "./jobs";
import { state } from "./page-state";
import { bytes, say, sayOr } from "./page-words";
import { PlanLine } from "./plan";
import { inputOf, isEmpty } from "./question";
import { Slot, slotsOf } from "./rooms";
import { visible } from "../src/document";

interface Facts {
  types?: { type: string; tensors: number; bytes: number }[];
  memory?: { tokens: number; forward: number; gradient: number | null }[];
  [key: string]: unknown;
}

const SHOWN = [
  "name", "architecture", "quantisation", "task", "parameters", "layers", "width", "heads", "kv_heads",
  "vocabulary", "context_length", "tokenizer", "chat_template", "license", "digest", "file_bytes",
];

function Types({ types }: { types: NonNullable<Facts["types"]> }) {
  const all = types.reduce((sum, t) => sum + t.bytes, 0);
  const starts = types.map((_, i) => types.slice(0, i).reduce((sum, t) => sum + t.bytes, 0));
  return (
    <>
      <h3>{say("model.types")}</h3>
      <svg class="stack" viewBox="0 0 100 5" preserveAspectRatio="none" aria-hidden="true">
        {types.map((t, i) => (
          <rect key={t.type} class={`b${i % 6}`} x={(100 * starts[i]) / all} width={(100 * t.bytes) / all} height="5" />
        ))}
      </svg>
      <table>
        <tbody>
          {types.map((t, i) => (
            <tr key={t.type}>
              <th scope="row"><span class={`swatch b${i % 6}`} aria-hidden="true" /> {t.type}</th>
              <td>{say("model.tensors", t.tensors)}</td>
              <td>{bytes(t.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Card() {
  const [facts, setFacts] = useState<Facts | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => {
    setFacts(null);
    setFault(null);
    quiet<Facts>({ command: "info", model: state.model || undefined, parameters: {} })
      .then(setFacts)
      .catch((error: unknown) => setFault(asFault(error)));
  }, [state.model]);
  if (fault) return <Error3 fault={fault} />;
  if (!facts) return <p>{say("loading")}</p>;
  const value = (key: string) => {
    const x = facts[key];
    if (key === "file_bytes" && typeof x === "number") return bytes(x);
    return typeof x === "number" ? x.toLocaleString("en") : String(x);
  };
  return (
    <section class="card" aria-label={say("model.card")}>
      <h3>{say("model.card")}</h3>
      <dl>
        {SHOWN.filter((key) => facts[key] !== null && facts[key] !== undefined && facts[key] !== "").map((key) => (
          <div key={key}>
            <dt>{sayOr(`fact.${key}`, key.replace(/_/g, " "))}</dt>
            <dd>{value(key)}</dd>
          </div>
        ))}
      </dl>
      {facts.types && facts.types.length > 0 && <Types types={facts.types} />}
      {facts.memory && facts.memory.length > 0 && (
        <>
          <h3>{say("model.memory")}</h3>
          <table>
            <thead>
              <tr>
                <th scope="col">{say("model.tokens")}</th>
                <th scope="col">{say("model.forward")}</th>
                <th scope="col">{say("model.gradient")}</th>
              </tr>
            </thead>
            <tbody>
              {facts.memory.map((m) => (
                <tr key={m.tokens}>
                  <th scope="row">{m.tokens}</th>
                  <td>{bytes(m.forward)}</td>
                  <td>{m.gradient === null ? "–" : bytes(m.gradient)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </section>
  );
}

function Tokens() {
  const [tokens, setTokens] = useState<Token[] | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const input = inputOf(state.draft);
  const key = JSON.stringify([state.model, input]);
  useEffect(() => {
    if (isEmpty(state.draft) || state.draft.kind === "file") return setTokens(null);
    let gone = false;
    const later = setTimeout(() => {
      send<Token[] | { tokens: Token[] }>("POST", "/tokenize", { model: state.model || undefined, input })
        .then((said) => {
          if (gone) return;
          setFault(null);
          setTokens(Array.isArray(said) ? said : said.tokens);
        })
        .catch((error: unknown) => gone || setFault(asFault(error)));
    }, 200);
    return () => {
      gone = true;
      clearTimeout(later);
    };
  }, [key]);
  return (
    <section class="card" aria-label={say("model.tokenizer")}>
      <h3>{say("model.tokenizer")}</h3>
      {fault && <Error3 fault={fault} />}
      {tokens ? (
        <>
          <p>{say("model.count", tokens.length)}</p>
          <div class="tokens">
            {tokens.map((t, i) => (
              <span key={i} class={t.kind === "text" ? "" : "fixed"}>
                <bdi>{visible(t.text)}</bdi>
                <small>{t.id}</small>
              </span>
            ))}
          </div>
        </>
      ) : (
        <p class="help">{say("model.type")}</p>
      )}
    </section>
  );
}

export function ModelRoom() {
  const slots = slotsOf(state, "model");
  const id = state.slots.model ?? "card";
  const slot = slots.find((s) => s.id === id);
  const card = { id: "card", command: { name: "card", summary: "", input: ["text", "chat"], parameters: [] } } as Slot;
  const request = slot ? ready(state, slot) : null;
  const lack = slot && lacking(state, slot);
  return (
    <div class="room">
      <div class="left">
        <Choose slots={[card, ...slots]} slot={slot ?? card} />
        <p class="about">{slot ? sayOr(`about.${slot.id}`, slot.command.summary) : say("about.card")}</p>
        <InputField slot={slot ?? card} />
        {slot && (
          <>
            <Form key={slot.id} slot={slot} />
            <div class="go">
              <button type="button" class="main" disabled={!request} onClick={() => void runSlot(slot)}>{say("run")}</button>
              <kbd>Ctrl ↵</kbd>
            </div>
            <PlanLine request={request} />
            {lack && <p class="hint">{lack}</p>}
            {state.refused[slot.id] && <Error3 fault={state.refused[slot.id]!} />}
          </>
        )}
      </div>
      <div class="right">
        {slot ? (
          <Figure
            id={state.shown[slot.id]}
            request={request}
            again={request ? () => void runSlot(slot) : undefined}
            restore={(job) => restore(slot, job)}
            empty={<><h3>{sayOr(`slot.${slot.id}`, slot.id)}</h3><p class="hint">{say("empty.command")}</p></>}
          />
        ) : (
          <>
            <Tokens />
            <Card />
          </>
        )}
      </div>
    </div>
  );
}
