/**
 * What the page knows and shows, and how each event changes it.
 *
 * What belongs here: state and events, pure. What does not: requests, drawing. Bars themselves are kept apart
 * (`bars.History`): there are many, and they change often.
 */

import type { BarsAnswer, SymbolInfo, SymbolList } from "./api.js";
import { passes, type Problem } from "./problems.js";
import type { Resolution } from "./resolutions.js";
import type { View } from "./url.js";

/** `loading`: nothing to show yet; `failed`: and why; `empty`: there are no bars; `ready`: bars are shown. */
export type Phase = "loading" | "failed" | "empty" | "ready";

/** Whether there are bars before or after those that are shown. */
export type Edge = "more" | "loading" | "none" | "failed";

/** How new bars come; `idle`: none are wanted; `lost`: neither the stream nor HTTP answers. */
export type Link = "idle" | "connecting" | "live" | "polling" | "lost";

export interface Effective {
  readonly requested: Resolution;
  readonly resolution: Resolution;
  readonly reason: string | null;
  readonly fallback: string | null;
}

export interface State {
  readonly view: View;
  readonly list: SymbolList | null;
  readonly phase: Phase;
  readonly problem: Problem | null;
  readonly effective: Effective | null;
  readonly older: Edge;
  readonly newer: Edge;
  readonly link: Link;
  readonly online: boolean;
}

export type Event =
  | { readonly type: "listed"; readonly list: SymbolList }
  | { readonly type: "viewed"; readonly view: View }
  | { readonly type: "asked" }
  | {
      readonly type: "answered";
      readonly answer: BarsAnswer;
      readonly count: number;
      readonly older: Edge;
      readonly newer: Edge;
    }
  | { readonly type: "failed"; readonly problem: Problem }
  | { readonly type: "older"; readonly edge: Edge }
  | { readonly type: "newer"; readonly edge: Edge }
  | { readonly type: "grown" }
  | { readonly type: "link"; readonly link: Link }
  | { readonly type: "online"; readonly online: boolean };

export function initial(view: View, online: boolean): State {
  return {
    view,
    list: null,
    phase: "loading",
    problem: null,
    effective: null,
    older: "none",
    newer: "none",
    link: "idle",
    online,
  };
}

export function reduce(state: State, event: Event): State {
  switch (event.type) {
    case "listed":
      return { ...state, list: event.list };
    case "viewed":
      return { ...state, view: event.view };
    case "asked":
      return { ...state, phase: "loading", problem: null, effective: null, older: "none", newer: "none" };
    case "answered":
      return {
        ...state,
        phase: event.count === 0 ? "empty" : "ready",
        problem: null,
        effective: effectiveOf(event.answer),
        older: event.older,
        newer: event.newer,
      };
    case "failed":
      return { ...state, phase: "failed", problem: event.problem };
    case "older":
      return { ...state, older: event.edge };
    case "newer":
      return { ...state, newer: event.edge };
    case "grown":
      return state.phase === "empty" ? { ...state, phase: "ready" } : state;
    case "link":
      return { ...state, link: event.link };
    case "online":
      return { ...state, online: event.online };
  }
}

/** The symbol that is shown, where the service has it. */
export function shownSymbol(state: State): SymbolInfo | null {
  return state.list?.symbols.find((info) => info.symbol === state.view.symbol) ?? null;
}

/** How the light beside the symbol looks, and what it says. */
export interface Light {
  readonly look: "good" | "fair" | "bad" | "off" | "busy";
  readonly text: string;
  readonly detail: string;
}

export function lightOf(state: State): Light {
  if (!state.online) return { look: "bad", text: "Offline", detail: "This device has no network." };
  if (state.phase === "failed") return { look: "bad", text: "No data", detail: state.problem?.title ?? "" };
  if (state.phase === "loading") return { look: "busy", text: "Loading", detail: "Bars are being asked for." };
  switch (state.link) {
    case "live":
      return { look: "good", text: "Live", detail: "New bars come as they happen." };
    case "polling":
      return { look: "fair", text: "Polling", detail: "There is no live stream; new bars are asked for every 5 s." };
    case "connecting":
      return { look: "busy", text: "Connecting", detail: "The live stream is being opened." };
    case "lost":
      return { look: "bad", text: "Lost", detail: "The service does not answer; it is asked again and again." };
    case "idle":
      return { look: "off", text: "History", detail: "These bars end before the latest; End leads there." };
  }
}

/** How the resolution of the bars came about: short, and in a sentence where it is not what was asked for. */
export function toldResolution(effective: Effective): { readonly short: string; readonly why: string | null } {
  const why = [effective.reason, effective.fallback].filter((text) => text !== null);
  const unique = [...new Set(why)];
  if (effective.resolution === effective.requested) {
    return { short: effective.resolution, why: unique.length === 0 ? null : unique.join("; ") };
  }
  return {
    short: `${effective.resolution} instead of ${effective.requested}`,
    why: unique.length === 0 ? "the service chose it" : unique.join("; "),
  };
}

/** Whether the same question may be asked again by itself. */
export function retries(state: State): boolean {
  return state.phase === "failed" && state.problem !== null && passes(state.problem);
}

function effectiveOf(answer: BarsAnswer): Effective {
  const { requested, resolution, reason, fallback } = answer;
  return { requested, resolution, reason, fallback };
}
