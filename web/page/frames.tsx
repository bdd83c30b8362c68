// SPDX-License-Identifier: Apache-2.0
// A report in a sandboxed frame. What is chosen in one frame is chosen in all others
// of the same input: the page hands messages on (web/src/embed.ts has the words),
// and puts a unit's number in one document to that of the unit over the same bytes
// in the other.

import { useEffect, useRef, useState } from "preact/hooks";
import { address } from "./api";
import { unitsOf } from "./documents";
import { attend } from "./tiles";
import { state } from "./page-state";
import { chinese, say } from "./page-words";

interface Message {
  glim: 1;
  type: string;
  units?: number[];
  px?: number;
}

/** Frames on show, by what they hold. */
const frames = new Map<Window, number>();

/** The unit of another document that covers the same bytes of the input. */
async function counterpart(from: number, to: number, unit: number): Promise<number | null> {
  if (from === to) return unit;
  const [a, b] = await Promise.all([unitsOf(from), unitsOf(to)]);
  if (!a?.[unit] || !b) return null;
  const { start, end } = a[unit];
  const at = b.findIndex((u) => u.start < end && u.end > start && u.end > u.start);
  return at < 0 ? null : at;
}

async function handOn(source: Window, message: Message): Promise<void> {
  const from = frames.get(source);
  if (from === undefined) return;
  for (const [frame, to] of frames) {
    if (frame === source) continue;
    const units = await Promise.all((message.units ?? []).map((u) => counterpart(from, to, u)));
    frame.postMessage({ ...message, units: units.filter((u) => u !== null) }, "*");
  }
}

window.addEventListener("message", (event) => {
  const message = event.data as Message | null;
  const source = event.source as Window | null;
  if (!source || !frames.has(source) || message?.glim !== 1) return;
  if (message.type === "select") void handOn(source, message);
});

/** Tells all frames which colours the page has; a frame that has come hears it, too. */
export function colour(theme: string, frame?: Window): void {
  if (!theme) return; // both follow the system
  for (const to of frame ? [frame] : frames.keys()) to.postMessage({ glim: 1, type: "theme", theme }, "*");
}

const LEAST = Math.max(320, Math.round(0.7 * window.innerHeight));

export function Frame({ job, title, row }: { job: number; title: string; row: number | null }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [height, setHeight] = useState(LEAST);
  const [ready, setReady] = useState(false);
  useEffect(() => {
    const inside = frame.current?.contentWindow;
    if (!inside) return;
    frames.set(inside, job);
    const hear = (event: MessageEvent) => {
      const message = event.data as (Message & Record<string, unknown>) | null;
      if (event.source !== inside || message?.glim !== 1) return;
      if (message.type === "height" && typeof message.px === "number")
        setHeight(Math.max(200, Math.ceil(message.px) + 2));
      else void attend(job, message, inside);
    };
    window.addEventListener("message", hear);
    return () => {
      frames.delete(inside);
      window.removeEventListener("message", hear);
    };
  }, [job]);
  const language = chinese() ? "zh-CN" : "en";
  return (
    <div class={`frame${ready ? "" : " waiting"}`}>
      <iframe
        ref={frame}
        key={`${job} ${language}`}
        title={title || say("figure")}
        sandbox="allow-scripts allow-downloads"
        src={address(`/jobs/${job}/report?lang=${language}`) + (row === null ? "" : `#row=${row}&own=true&written=true`)}
        height={height}
        onLoad={() => {
          setReady(true);
          const inside = frame.current?.contentWindow;
          if (!inside) return;
          colour(state.theme, inside);
          inside.postMessage({ glim: 1, type: "language", language }, "*");
        }}
      />
    </div>
  );
}
