// SPDX-License-Identifier: Apache-2.0
// The page's words, and those that it shares with the reports. Texts of descriptors
// (what a flag or a method does) come from the server in English; where the words
// have them under the name of the flag or method, they are shown in the language.

import shared from "../words/en.json";
import sharedZh from "../words/zh-CN.json";
import own from "../words/page-en.json";
import ownZh from "../words/page-zh-CN.json";

export type Key = keyof typeof own | keyof typeof shared;

const ENGLISH: Record<string, string> = { ...shared, ...own };
const CHINESE: Record<string, string> = { ...sharedZh, ...ownZh };
let words = ENGLISH;

export function speak(language: string): void {
  words = language.toLowerCase().startsWith("zh") ? CHINESE : ENGLISH;
  document.documentElement.lang = words === CHINESE ? "zh-CN" : "en";
}

export const chinese = (): boolean => words === CHINESE;

export function say(key: Key, ...args: (string | number)[]): string {
  return words[key].replace(/\{(\d)\}/g, (_, i: string) => String(args[Number(i)] ?? ""));
}

/** Words under a name that the server gave, or what it said itself. */
export const sayOr = (key: string, otherwise: string): string => words[key] ?? otherwise;

export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let step = 0;
  while (n >= 1024 && step < 3) {
    n /= 1024;
    step++;
  }
  return `${n < 10 && step > 0 ? n.toFixed(1) : Math.round(n)} ${units[step]}`;
}

export function seconds(n: number): string {
  if (n < 1) return say("time.under");
  if (n < 90) return say("time.seconds", Math.round(n));
  return n < 5400 ? say("time.minutes", Math.round(n / 60)) : say("time.hours", Math.round(n / 3600));
}

/** When a run was made, as a person would say it. */
export function when(created: number | string | undefined): string {
  if (created === undefined) return "";
  const date = typeof created === "number" ? new Date(created * (created < 1e11 ? 1000 : 1)) : new Date(created);
  if (Number.isNaN(date.valueOf())) return String(created);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(chinese() ? "zh-CN" : "en-GB", {
    ...(today ? {} : { day: "numeric", month: "short" }),
    hour: "2-digit",
    minute: "2-digit",
  }).format(date);
}
