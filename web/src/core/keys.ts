/** What keys do on the chart page; `HELP` is what the page says about them. */

import { PRESETS, type Preset } from "./ranges.js";

export type Command =
  | { readonly do: "search"; readonly typed: string }
  | { readonly do: "resolution"; readonly step: number }
  | { readonly do: "preset"; readonly preset: Preset }
  | { readonly do: "pan"; readonly screens: number }
  | { readonly do: "zoom"; readonly factor: number }
  | { readonly do: "dates" | "theme" | "help" | "latest" | "oldest" | "fit" };

export interface Key {
  readonly key: string;
  readonly shift: boolean;
  /** Control, Alt or Meta: the browser's own. */
  readonly modified: boolean;
}

export const HELP: readonly (readonly [string, string])[] = [
  ["/ or S", "find a symbol"],
  ["[ and ]", "finer and coarser bars"],
  ["1 to 7", "range of a day to everything"],
  ["D", "pick days"],
  ["← and →", "move; a whole screen with Shift"],
  ["+ and −", "closer and wider"],
  ["Home and End", "the oldest bars here, the latest bars"],
  ["F", "everything that is loaded"],
  ["T", "light or dark"],
  ["?", "this list"],
];

const PLAIN: Readonly<Record<string, Command>> = {
  "/": { do: "search", typed: "" },
  s: { do: "search", typed: "" },
  "[": { do: "resolution", step: -1 },
  "]": { do: "resolution", step: 1 },
  "+": { do: "zoom", factor: 0.8 },
  "=": { do: "zoom", factor: 0.8 },
  "-": { do: "zoom", factor: 1.25 },
  d: { do: "dates" },
  t: { do: "theme" },
  f: { do: "fit" },
  "?": { do: "help" },
  home: { do: "oldest" },
  end: { do: "latest" },
};

export function commandOf(key: Key): Command | null {
  if (key.modified) return null;
  if (key.key === "ArrowLeft") return { do: "pan", screens: key.shift ? -1 : -0.1 };
  if (key.key === "ArrowRight") return { do: "pan", screens: key.shift ? 1 : 0.1 };
  const preset = PRESETS[Number(key.key) - 1];
  if (/^[1-9]$/.test(key.key) && preset !== undefined) return { do: "preset", preset };
  return PLAIN[key.key.toLowerCase()] ?? null;
}
