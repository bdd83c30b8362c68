// SPDX-License-Identifier: Apache-2.0
// A form made of descriptors. What a question usually needs is in sight; all other
// settings are folded, a group at a time, and the fold says how many were changed.

import { useState } from "preact/hooks";
import { Method, Parameter, Value } from "./api";
import { changed, isDefault, methodsOf, ofMethod, parsed, wrong } from "./descriptors";
import { Browse } from "./files";
import { setValues, state } from "./page-state";
import { say, sayOr } from "./page-words";
import { Slot, firstOf } from "./rooms";

interface FieldProps {
  slot: Slot;
  p: Parameter;
}

const idOf = (slot: Slot, p: Parameter) => `f-${slot.id}-${p.name.replace(/\W/g, "-")}`;

export const labelOf = (p: Parameter): string => sayOr(`param.${p.name}`, p.name.replace(/-/g, " "));

function set(slot: Slot, p: Parameter, value: Value | undefined): void {
  const values = { ...state.values[slot.id] };
  if (value === undefined || isDefault(p, value)) delete values[p.name];
  else values[p.name] = value;
  setValues(slot.id, values);
}

function limits(p: Parameter): string {
  const { minimum, maximum } = p;
  if (typeof minimum === "number" && typeof maximum === "number" && maximum < 1e9 && maximum > minimum)
    return say("form.between", minimum, maximum);
  return say("form.a-number");
}

const lines = (value: Value | undefined): string[] =>
  Array.isArray(value) ? value.filter(Boolean) : String(value ?? "").split("\n");

function Field({ slot, p }: FieldProps) {
  const id = idOf(slot, p);
  const value = state.values[slot.id]?.[p.name];
  const fault = wrong(p, value);
  const help = sayOr(`help.${slot.command.name}.${p.name}`, sayOr(`help.${p.name}`, p.help ?? ""));
  const described = `${id}-help`;
  const common = { id, "aria-describedby": described };
  if (p.type === "bool")
    return (
      <div class="field check">
        <input
          {...common}
          type="checkbox"
          checked={Boolean(value ?? p.default)}
          onChange={(e) => set(slot, p, e.currentTarget.checked)}
        />
        <label for={id}>{labelOf(p)}</label>
        <p id={described} class="help">{help}</p>
      </div>
    );
  if (p.type === "list")
    return (
      <div class={`field${value === undefined ? "" : " set"}`}>
        <label for={id}>{labelOf(p)}</label>
        <textarea
          {...common}
          rows={2}
          spellcheck={false}
          value={Array.isArray(value) ? value.join("\n") : ""}
          onInput={(e) => set(slot, p, lines(e.currentTarget.value))}
        />
        {p.file && <Browse name={labelOf(p)} take={(path) => set(slot, p, [...lines(value), path])} />}
        <p id={described} class="help">{`${help} ${say("form.a-line-each")}`}</p>
      </div>
    );
  const shown = value === undefined ? "" : String(value);
  const usual = p.default === null || p.default === undefined || p.default === "" ? "" : String(p.default);
  return (
    <div class={`field${value === undefined ? "" : " set"}`}>
      <label for={id}>{labelOf(p)}</label>
      {p.type === "choice" ? (
        <select {...common} value={shown || usual} onChange={(e) => set(slot, p, e.currentTarget.value)}>
          {usual === "" && <option value="">{say("form.default")}</option>}
          {(p.choices ?? []).map((c) => (
            <option key={c} value={c}>{sayOr(`choice.${c}`, c)}</option>
          ))}
        </select>
      ) : (
        <span class="entry">
          <input
            {...common}
            type="text"
            inputMode={p.type === "integer" ? "numeric" : p.type === "number" ? "decimal" : "text"}
            value={shown}
            placeholder={usual}
            spellcheck={false}
            autocomplete="off"
            aria-invalid={fault ? "true" : undefined}
            onInput={(e) => set(slot, p, parsed(p, e.currentTarget.value))}
          />
          {p.file && <Browse name={labelOf(p)} take={(path) => set(slot, p, path)} />}
        </span>
      )}
      <p id={described} class="help">
        {fault && <strong class="fault">{limits(p)} </strong>}
        {help}
      </p>
    </div>
  );
}

function MethodField({ slot, p, methods }: FieldProps & { methods: Method[] }) {
  const id = idOf(slot, p);
  const value = String(state.values[slot.id]?.[p.name] ?? "");
  const chosen = methods.find((m) => m.name === value);
  const families = [...new Set(methods.map((m) => m.family ?? ""))];
  return (
    <div class={`field${value ? " set" : ""}`}>
      <label for={id}>{labelOf(p)}</label>
      <select
        id={id}
        aria-describedby={`${id}-help`}
        value={value}
        onChange={(e) => set(slot, p, e.currentTarget.value)}
      >
        <option value="">{say("form.method-auto")}</option>
        {families.map((family) => (
          <optgroup key={family} label={sayOr(`family.${family}`, family || "…")}>
            {methods
              .filter((m) => (m.family ?? "") === family)
              .map((m) => (
                <option key={m.name} value={m.name}>{m.name}</option>
              ))}
          </optgroup>
        ))}
      </select>
      <p id={`${id}-help`} class="help">
        {chosen
          ? [sayOr(`${chosen.name}.summary`, chosen.summary), chosen.cost].filter(Boolean).join(" · ")
          : say("form.method-help")}
      </p>
    </div>
  );
}

function One({ slot, p }: FieldProps) {
  const methods = p.name === "method" ? methodsOf(state, slot.command) : [];
  return methods.length ? <MethodField slot={slot} p={p} methods={methods} /> : <Field slot={slot} p={p} />;
}

function Group({ slot, name, fields }: { slot: Slot; name: string; fields: Parameter[] }) {
  return (
    <fieldset>
      <legend>{sayOr(`group.${name}`, name)}</legend>
      {fields.map((p) => (
        <One key={p.name} slot={slot} p={p} />
      ))}
    </fieldset>
  );
}

/** `apart`: parameters that are asked elsewhere, as the target of a clicked word. */
export function Form({ slot, apart = [] }: { slot: Slot; apart?: string[] }) {
  const [open, setOpen] = useState(false);
  const all = slot.command.parameters.filter((p) => !apart.includes(p.name));
  const order = firstOf(slot.id);
  const first = order
    ? order.flatMap((name) => all.find((p) => p.name === name) ?? [])
    : all.length <= 8
      ? all
      : [];
  const rest = all.filter((p) => !first.includes(p));
  const method = ofMethod(state, slot);
  const touched = Object.keys(changed(state, slot)).filter((name) => rest.some((p) => p.name === name)).length;
  const groups = [...new Set(rest.map((p) => p.group ?? ""))];
  return (
    <div class="form" data-command={slot.command.name}>
      {first.map((p) => (
        <One key={p.name} slot={slot} p={p} />
      ))}
      {method.length > 0 && (
        <Group slot={slot} name={say("form.of-method", String(state.values[slot.id]?.method ?? ""))} fields={method} />
      )}
      {rest.length > 0 && (
        <details open={open} onToggle={(e) => setOpen(e.currentTarget.open)}>
          <summary>{touched ? say("form.more-changed", touched) : say("form.more")}</summary>
          {open &&
            groups.map((name) => (
              <Group key={name} slot={slot} name={name} fields={rest.filter((p) => (p.group ?? "") === name)} />
            ))}
        </details>
      )}
    </div>
  );
}
