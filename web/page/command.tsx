// SPDX-License-Identifier: Apache-2.0
// A room of commands: choose one, fill in its form, run it. All of it is made of the
// server's descriptors.

import { Error3, Figure } from "./figure";
import { lacking, ready, restore, runSlot } from "./explain";
import { Form } from "./form";
import { InputField } from "./input";
import { change, state } from "./page-state";
import { say, sayOr } from "./page-words";
import { PlanLine } from "./plan";
import { Slot, slotOf, slotsOf } from "./rooms";

const nameOf = (slot: Slot) => sayOr(`slot.${slot.id}`, slot.id);
const aboutOf = (slot: Slot) => sayOr(`about.${slot.id}`, slot.command.summary);

export function Choose({ slots, slot }: { slots: Slot[]; slot: Slot }) {
  if (slots.length < 2) return null;
  return (
    <div class="segments" role="radiogroup" aria-label={say("command")}>
      {slots.map((s) => (
        <label key={s.id} class={s.id === slot.id ? "on" : ""}>
          <input
            type="radio"
            name="slot"
            checked={s.id === slot.id}
            onChange={() => change({ slots: { ...state.slots, [state.room]: s.id } })}
          />
          {nameOf(s)}
        </label>
      ))}
    </div>
  );
}

export function CommandRoom() {
  const slots = slotsOf(state, state.room);
  const slot = slotOf(state);
  if (!slot) return <div class="empty"><p>{say("room.nothing")}</p></div>;
  const request = ready(state, slot);
  const refused = state.refused[slot.id];
  const lack = lacking(state, slot);
  return (
    <div class="room">
      <div class="left">
        <Choose slots={slots} slot={slot} />
        <p class="about">{aboutOf(slot)}</p>
        <InputField slot={slot} />
        <Form key={slot.id} slot={slot} />
        <div class="go">
          <button type="button" class="main" disabled={!request} onClick={() => void runSlot(slot)}>
            {say("run")}
          </button>
          <kbd>Ctrl ↵</kbd>
        </div>
        <PlanLine request={request} />
        {lack && <p class="hint">{lack}</p>}
        {refused && <Error3 fault={refused} />}
      </div>
      <div class="right">
        <Figure
          id={state.shown[slot.id]}
          request={request}
          again={request ? () => void runSlot(slot) : undefined}
          restore={(job) => restore(slot, job)}
          empty={
            <>
              <h3>{nameOf(slot)}</h3>
              <p>{aboutOf(slot)}</p>
              <p class="hint">{say("empty.command")}</p>
            </>
          }
        />
      </div>
    </div>
  );
}
