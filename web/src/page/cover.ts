/** What lies over the chart while there is nothing to see: loading, empty, failed; each looks like what it is. */

import type { State } from "../core/state.js";
import type { View } from "../core/url.js";
import { byId } from "./elements.js";

export interface CoverEvents {
  readonly onAction: () => void;
  readonly onKey: (key: string) => void;
}

const cover = byId("cover", HTMLElement);
const title = byId("cover-title", HTMLElement);
const detail = byId("cover-detail", HTMLElement);
const action = byId("cover-action", HTMLButtonElement);
const form = byId("key-form", HTMLFormElement);
const key = byId("key", HTMLInputElement);

export function listenToCover(events: CoverEvents): void {
  action.addEventListener("click", events.onAction);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    events.onKey(key.value);
    key.value = "";
  });
}

export function showCover(state: State): void {
  const { phase, problem } = state;
  cover.hidden = phase === "ready";
  cover.dataset["kind"] = phase;
  const needsKey = phase === "failed" && problem?.kind === "key";
  form.hidden = !needsKey;
  action.hidden = phase === "loading" || needsKey;
  action.textContent = actionText(state);
  [title.textContent, detail.textContent] = words(state);
}

function actionText({ phase, problem, view }: State): string {
  if (phase === "empty" && view.range.kind !== "latest") return "Show the latest bars";
  return problem?.kind === "unknown" ? "Find a symbol" : "Try again";
}

function words({ phase, problem, view }: State): [string, string] {
  switch (phase) {
    case "loading":
      return [view.symbol === "" ? "Loading" : `Loading ${view.symbol}`, ""];
    case "failed":
      return [problem?.title ?? "", problem?.detail ?? ""];
    case "empty":
      return ["No bars", emptyText(view)];
    case "ready":
      return ["", ""];
  }
}

function emptyText(view: View): string {
  if (view.range.kind !== "days") return `No trade of ${view.symbol} is stored yet. Bars appear here as they come.`;
  const { from, to } = view.range;
  return `${view.symbol} has no trade ${from === to ? `on ${from}` : `from ${from} to ${to}`}.`;
}
