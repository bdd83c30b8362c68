// SPDX-License-Identifier: Apache-2.0
// Colours and letters of the style sheet, for what is drawn on a canvas.

export const FONT = '13px system-ui,"Noto Sans","Noto Sans CJK SC","DejaVu Sans",sans-serif';

export interface Ink {
  step: (name: string) => string;
  bg: string;
  fg: string;
  soft: string;
  none: string;
}

/** Colours from the style sheet, so that light and dark follow it. */
export function ink(): Ink {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const seen: Record<string, string> = {};
  const step = (name: string) => (seen[name] ??= value(name));
  return { step, bg: value("bg"), fg: value("fg"), soft: value("soft"), none: value("none") };
}

/** Calls when the page's colours or sizes may have changed. */
export function onLook(call: () => void): void {
  for (const name of ["resize", "glim-theme"]) window.addEventListener(name, call);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", call);
}
