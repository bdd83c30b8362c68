// SPDX-License-Identifier: Apache-2.0
// Small answers that have no report: likely next tokens or classes as bars, and what
// was written.

import { useEffect, useState } from "preact/hooks";
import { Job, Token, get } from "./api";
import { say } from "./page-words";
import { percent, visible } from "../src/document";

export interface Output {
  text: string;
  id?: number;
  prob?: number | null;
  logit?: number | null;
}

export interface Prediction {
  schema: string;
  outputs?: Output[];
  text?: string;
  tokens?: Token[];
}

const NATIVE = ["predict", "prediction", "generate", "generation", "info", "tokenize", "verify"];
export const isNative = (command: string): boolean => NATIVE.includes(command);

export function Bars({ outputs }: { outputs: Output[] }) {
  return (
    <table class="bars">
      <thead>
        <tr>
          <th scope="col">{say("column.rank")}</th>
          <th scope="col">{say("predict.says")}</th>
          <th scope="col">{say("column.prob")}</th>
          <th scope="col" aria-hidden="true" />
        </tr>
      </thead>
      <tbody>
        {outputs.map((o, i) => (
          <tr key={i}>
            <td>{i + 1}</td>
            <th scope="row"><bdi>{visible(o.text)}</bdi></th>
            <td>{typeof o.prob === "number" ? percent(o.prob) : (o.logit ?? "")}</td>
            <td aria-hidden="true">
              <svg class="bar" width="160" height="14">
                <rect class="amount" width={Math.max(1, 160 * (o.prob ?? 0))} height="14" />
              </svg>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Native({ job }: { job: Job }) {
  const [document, setDocument] = useState<Prediction | null>(null);
  useEffect(() => {
    setDocument(null);
    get<Prediction>(`/jobs/${job.id}/document`)
      .then(setDocument)
      .catch(() => undefined);
  }, [job.id]);
  if (!document) return <p>{say("loading")}</p>;
  if (document.outputs) return <Bars outputs={document.outputs} />;
  if (document.schema?.startsWith("glim.generation")) return <p class="said"><bdi>{document.text}</bdi></p>;
  return <pre tabIndex={0}>{JSON.stringify(document, null, 1)}</pre>;
}
