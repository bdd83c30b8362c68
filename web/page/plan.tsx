// SPDX-License-Identifier: Apache-2.0
// What a run will cost, before it starts: asked anew when the form rests.

import { useEffect, useState } from "preact/hooks";
import { Fault, Plan, Request, asFault, send } from "./api";
import { state } from "./page-state";
import { bytes, say, seconds } from "./page-words";

const REST = 500; // ms

export function PlanLine({ request }: { request: Request | null }) {
  const [plan, setPlan] = useState<Plan | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const plans = state.tables?.commands.find((c) => c.name === request?.command)?.plans;
  const key = request && plans ? JSON.stringify(request) : "";
  useEffect(() => {
    setPlan(null);
    setFault(null);
    if (!key) return;
    let gone = false;
    const later = setTimeout(() => {
      send<Plan>("POST", "/plan", request)
        .then((p) => gone || setPlan(p))
        .catch((error: unknown) => gone || setFault(asFault(error)));
    }, REST);
    return () => {
      gone = true;
      clearTimeout(later);
    };
  }, [key]);
  const parts = [
    typeof plan?.seconds === "number" && say("plan.time", seconds(plan.seconds)),
    typeof plan?.bytes === "number" && say("plan.memory", bytes(plan.bytes)),
  ].filter(Boolean);
  return (
    <p class="plan" aria-live="polite">
      {parts.length > 0 ? parts.join(" · ") : fault ? [fault.what, fault.why].filter(Boolean).join(": ") : ""}
      {fault?.todo && ` (${fault.todo})`}
    </p>
  );
}
