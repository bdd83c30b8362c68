// SPDX-License-Identifier: Apache-2.0
// A second result beside the first: the two reports in frames whose choices move
// together, and, of scores of the same units, how far they agree.

import { useEffect, useState } from "preact/hooks";
import { Agreement, agreement } from "./agree";
import { documentOf } from "./documents";
import { Figure } from "./figure";
import { change, state } from "./page-state";
import { say } from "./page-words";
import { format, shorten } from "../src/document";

const MOST = 40; // rows of the table

function useAgreement(a: number | undefined, b: number | null): Agreement | null | undefined {
  const [found, setFound] = useState<Agreement | null | undefined>(undefined);
  const done = [a, b].every((id) => id && state.jobs[id]?.document);
  useEffect(() => {
    setFound(undefined);
    if (!a || !b || a === b || !done) return;
    let gone = false;
    void Promise.all([documentOf(a), documentOf(b)]).then(([x, y]) => gone || setFound(x && y && agreement(x, y)));
    return () => {
      gone = true;
    };
  }, [a, b, done]);
  return found;
}

function Bar({ a, b, most }: { a: number; b: number; most: number }) {
  const at = (x: number) => 60 + (58 * x) / (most || 1);
  const rect = (x: number, y: number) => (
    <rect class={x < 0 ? "minus" : "plus"} x={Math.min(60, at(x))} y={y} width={Math.max(0.5, Math.abs(at(x) - 60))} height="6" />
  );
  return (
    <svg class="pair" width="120" height="16" aria-hidden="true">
      {rect(a, 1)}
      {rect(b, 9)}
      <path d="M60 0V16" />
    </svg>
  );
}

function Table({ found, signed }: { found: Agreement; signed: boolean }) {
  const list = [...found.pairs].sort((p, q) => Math.abs(q.b - q.a) - Math.abs(p.b - p.a)).slice(0, MOST);
  const most = Math.max(...found.pairs.flatMap((p) => [Math.abs(p.a), Math.abs(p.b)]));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("compare.table")}>
      <table>
        <thead>
          <tr>
            <th scope="col">{say("column.unit")}</th>
            <th scope="col">A</th>
            <th scope="col">B</th>
            <th scope="col">B − A</th>
            <th scope="col">{say("compare.both")}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((p, i) => (
            <tr key={i}>
              <th scope="row"><bdi>{shorten(p.text, 24)}</bdi></th>
              <td>{format(p.a, most, signed)}</td>
              <td>{format(p.b, most, signed)}</td>
              <td>{format(p.b - p.a, most, true)}</td>
              <td><Bar a={p.a} b={p.b} most={most} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Differences({ a, b }: { a: number | undefined; b: number }) {
  const found = useAgreement(a, b);
  if (found === undefined) return null;
  if (found === null) return <p class="hint">{say("compare.no-scores")}</p>;
  return (
    <section class="differences" aria-label={say("compare.title")}>
      <h3>{say("compare.title")}</h3>
      <p class="sums">
        {found.rho !== null && <span>{say("compare.rho", format(found.rho, 1, true))}</span>}
        <span>{say("compare.top", found.top, found.k)}</span>
        <span>{say("compare.signs", found.signs, found.pairs.length)}</span>
        {found.unmatched > 0 && <span>{say("compare.unmatched", found.unmatched)}</span>}
      </p>
      <Table found={found} signed />
      <p class="caption">{say("compare.caption")}</p>
    </section>
  );
}

export function Beside({ id }: { id: number }) {
  return (
    <div class="beside">
      <header>
        <h2>{say("beside")}</h2>
        <button type="button" class="icon" aria-label={say("close")} onClick={() => change({ beside: null })}>
          ✕
        </button>
      </header>
      <Figure id={id} empty={null} />
    </div>
  );
}
