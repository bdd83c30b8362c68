// SPDX-License-Identifier: Apache-2.0
// What is looked at: a text, a chat, a row of a table, a file (a picture, or a text).
// One input for all rooms.

import { Turn } from "./api";
import { Browse } from "./files";
import { Draft, change, state } from "./page-state";
import { say } from "./page-words";
import { kindOf, kindsOf } from "./question";
import { Slot } from "./rooms";

export const set = (part: Partial<Draft>): void => change({ draft: { ...state.draft, ...part } });

function Chat() {
  const turns = state.draft.chat;
  const put = (i: number, part: Partial<Turn>) =>
    set({ chat: turns.map((turn, k) => (k === i ? { ...turn, ...part } : turn)) });
  return (
    <div class="chat">
      {turns.map((turn, i) => (
        <div class="turn" key={i}>
          <span class="entry">
            <select
              aria-label={say("chat.role", i + 1)}
              value={turn.role}
              onChange={(e) => put(i, { role: e.currentTarget.value })}
            >
              {["system", "user", "assistant"].map((role) => (
                <option key={role} value={role}>{say(`chat.${role}` as "chat.user")}</option>
              ))}
            </select>
            {turns.length > 1 && (
              <button
                type="button"
                class="icon"
                aria-label={say("chat.remove", i + 1)}
                onClick={() => set({ chat: turns.filter((_, k) => k !== i) })}
              >
                ✕
              </button>
            )}
          </span>
          <textarea
            aria-label={say("chat.content", i + 1)}
            rows={2}
            value={turn.content}
            onInput={(e) => put(i, { content: e.currentTarget.value })}
          />
        </div>
      ))}
      <button
        type="button"
        onClick={() =>
          set({ chat: [...turns, { role: turns[turns.length - 1]?.role === "user" ? "assistant" : "user", content: "" }] })
        }
      >
        {say("chat.add")}
      </button>
    </div>
  );
}

export function InputField({ slot }: { slot: Slot }) {
  const kinds = kindsOf(slot);
  const draft = state.draft;
  const kind = kindOf(slot, draft);
  if (!kind) return null;
  return (
    <fieldset class="input">
      <legend>{say("input")}</legend>
      {kinds.length > 1 && (
        <div class="segments">
          {kinds.map((k) => (
            <label key={k} class={k === kind ? "on" : ""}>
              <input type="radio" name="kind" checked={k === kind} onChange={() => set({ kind: k })} />
              {say(`input.${k}`)}
            </label>
          ))}
        </div>
      )}
      {kind === "text" && (
        <textarea
          id="prompt"
          aria-label={say("input.prompt")}
          rows={4}
          placeholder={say("input.placeholder")}
          value={draft.text}
          onInput={(e) => set({ text: e.currentTarget.value })}
        />
      )}
      {kind === "chat" && <Chat />}
      {kind === "row" && <p class="help">{say("input.row-help")}</p>}
      {kind === "file" && (
        <span class="entry">
          <input
            type="text"
            aria-label={say("input.file")}
            value={draft.file}
            placeholder={say("input.file-placeholder")}
            onInput={(e) => set({ file: e.currentTarget.value })}
          />
          <Browse name={say("input.file")} take={(file) => set({ file })} />
        </span>
      )}
    </fieldset>
  );
}
