// SPDX-License-Identifier: Apache-2.0
// Which method? Five questions on one screen, answered from the open model where that
// can be; a change of an answer updates the table in place and tells those who listen.

import { useEffect, useState } from "preact/hooks";
import { Fault, asFault, send } from "./api";
import { Error3 } from "./figure";
import { setValues, announce, change, state } from "./page-state";
import { bytes, say, sayOr } from "./page-words";
import { inputOf, isEmpty } from "./question";

interface Advised {
  method: string;
  why?: string;
  caption?: string;
  costs?: string;
  passes?: number | null;
  bytes?: number | null;
  run?: string;
  missing?: string;
}

interface Advice {
  methods: Advised[];
  excluded?: Advised[];
  reason?: string | null;
}

const QUESTIONS: { name: string; answers: string[] }[] = [
  { name: "access", answers: ["", "decoder", "encoder", "encoder-decoder", "image", "fitted", "black-box"] },
  { name: "task", answers: ["", "classify", "generate", "translate", "dialogue", "answer", "table", "image"] },
  { name: "want", answers: ["parts", "contrast", "looks", "alignment", "examples", "training", "inside"] },
  { name: "quality", answers: ["accuracy", "consistency", "simplicity", "comprehensiveness"] },
  { name: "budget", answers: ["", "10", "100", "10s", "60s", "600s"] },
];

type Answers = Record<string, string>;

function useAdvice(answers: Answers): { advice: Advice | null; fault: Fault | null } {
  const [advice, setAdvice] = useState<Advice | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const known = !answers.access;
  const model = known ? state.model : "";
  const input = known && !isEmpty(state.draft) ? inputOf(state.draft) : undefined;
  const parameters = Object.fromEntries(Object.entries(answers).filter(([, v]) => v));
  const key = JSON.stringify([model, input, parameters]);
  useEffect(() => {
    let gone = false;
    const later = setTimeout(() => {
      send<Advice>("POST", "/advise", { ...(model ? { model } : {}), ...(input ? { input } : {}), parameters })
        .then((said) => {
          if (gone) return;
          setFault(null);
          setAdvice(said);
          announce(
            said.methods.length
              ? say("advise.said", said.methods.length, said.methods[0].method)
              : (said.reason ?? say("advise.nothing")),
          );
        })
        .catch((error: unknown) => gone || setFault(asFault(error)));
    }, 250);
    return () => {
      gone = true;
      clearTimeout(later);
    };
  }, [key]);
  return { advice, fault };
}

function use(method: string): void {
  const explains = state.tables?.methods.some((m) => m.name === method);
  const trains = state.tables?.influence_methods?.some((m) => m.name === method);
  const command = state.tables?.commands.find((c) => c.name === method);
  if (explains) {
    setValues("words", { ...state.values.words, method });
    change({ room: "explain", slots: { ...state.slots, explain: "words" } });
  } else if (trains) {
    setValues("influence", { ...state.values.influence, method });
    change({ room: "training" });
  } else if (command) change({ room: "inside", slots: { ...state.slots, inside: command.name } });
}

const usable = (method: string): boolean =>
  Boolean(
    state.tables?.methods.some((m) => m.name === method) ||
      state.tables?.influence_methods?.some((m) => m.name === method) ||
      state.tables?.commands.some((c) => c.name === method && c.name !== "explain"),
  );

function Line({ m, best }: { m: Advised; best: boolean }) {
  const cost = [
    m.costs,
    typeof m.passes === "number" ? say("advise.passes", Math.round(m.passes)) : "",
    typeof m.bytes === "number" ? bytes(m.bytes) : "",
  ].filter(Boolean);
  return (
    <tr class={best ? "best" : ""}>
      <th scope="row">
        {m.method}
        {best && <small>{say("advise.best")}</small>}
      </th>
      <td>{m.why}</td>
      <td>{cost.join(" · ")}</td>
      <td>{sayOr(`${m.method}.caption`, m.caption ?? "")}</td>
      <td>
        {usable(m.method) && (
          <button type="button" class={best ? "main" : ""} onClick={() => use(m.method)}>
            {say("advise.use")}<span class="unseen"> {m.method}</span>
          </button>
        )}
        {m.run && (
          <details>
            <summary>{say("tools.line")}</summary>
            <code>{m.run}</code>
          </details>
        )}
      </td>
    </tr>
  );
}

export function Advise() {
  const [answers, setAnswers] = useState<Answers>({ access: "", task: "", want: "parts", quality: "accuracy", budget: "" });
  const { advice, fault } = useAdvice(answers);
  return (
    <div class="room">
      <div class="left">
        <p class="about">{say("advise.about")}</p>
        {QUESTIONS.map((q) => (
          <div class="field" key={q.name}>
            <label for={`advise-${q.name}`}>{say(`advise.${q.name}` as "advise.want")}</label>
            <select
              id={`advise-${q.name}`}
              value={answers[q.name]}
              onChange={(e) => setAnswers({ ...answers, [q.name]: e.currentTarget.value })}
            >
              {q.answers.map((a) => (
                <option key={a} value={a}>{sayOr(`advise.${q.name}.${a}`, a)}</option>
              ))}
            </select>
          </div>
        ))}
      </div>
      <div class="right">
        {fault && <Error3 fault={fault} />}
        {!fault && advice && advice.methods.length === 0 && (
          <div class="empty"><h3>{say("advise.nothing")}</h3><p>{advice.reason}</p></div>
        )}
        {!fault && advice && advice.methods.length > 0 && (
          <div class="scroll" tabIndex={0} role="region" aria-label={say("advise.table")}>
            <table class="advice">
              <thead>
                <tr>
                  {(["method", "why", "cost", "caption"] as const).map((c) => (
                    <th key={c} scope="col">{say(`advise.column.${c}`)}</th>
                  ))}
                  <td />
                </tr>
              </thead>
              <tbody>
                {advice.methods.map((m, i) => (
                  <Line key={m.method} m={m} best={i === 0} />
                ))}
                {advice.excluded?.map((m) => (
                  <tr key={m.method} class="out">
                    <th scope="row">{m.method}</th>
                    <td colSpan={4}>{m.missing ?? m.why}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {!advice && !fault && <p class="under-way">{say("loading")}</p>}
      </div>
    </div>
  );
}
