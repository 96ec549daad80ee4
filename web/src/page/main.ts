/**
 * The chart page: its parts, put together.
 *
 * What belongs here: which element leads to what. What does not: what then happens (`controller`).
 */

import { Chart } from "../chart/chart.js";
import { History } from "../core/bars.js";
import { type Command, commandOf, HELP } from "../core/keys.js";
import { LATEST, PRESETS, type Range, resolutionFor, dayOf, type Preset } from "../core/ranges.js";
import { longName, type Resolution, RESOLUTIONS, stepped } from "../core/resolutions.js";
import { lightOf, type State } from "../core/state.js";
import { queryOf, sameView, type View, viewOf } from "../core/url.js";
import { zoneFor, zoneName } from "../core/format.js";
import { Http } from "../net/http.js";
import { opener } from "../net/stream.js";
import { Controller } from "./controller.js";
import { listenToCover, showCover } from "./cover.js";
import { Dates } from "./dates.js";
import { byId, Choices, make } from "./elements.js";
import { showReading } from "./legend.js";
import { Loader } from "../net/loader.js";
import { SearchBox } from "./search_box.js";
import { currentTheme, followTheme, toggleTheme } from "./theme.js";
import { showEdge, showEffective, showLight } from "./status.js";

const KEY = "ohlcv-key";

const base = document.querySelector<HTMLMetaElement>('meta[name="api"]')?.content ?? "/api/v1/";
const api = new URL(base, location.href).href;
const http = new Http(api);
http.key = sessionStorage.getItem(KEY);

const history = new History();
let pointed: number | null = null;
/** Time of the last bar that is visible; null where that is the last of all. */
let edge: number | null = null;

followTheme((theme) => {
  chart.theme(theme);
});

const chart = new Chart(byId("chart", HTMLElement), history, currentTheme(), {
  onPoint: (index) => {
    pointed = index;
    showLegend();
  },
  onMove: (before, after) => {
    edge = after <= 0 ? null : (history.all[history.length - 1 - Math.ceil(after)]?.t ?? null);
    controller.moved(before, after);
    showLatestButton();
    showLegend();
  },
  onScale: (width) => {
    byId("stage", HTMLElement).style.setProperty("--scale", `${width}px`);
  },
});

const controller = new Controller(
  {
    loader: new Loader(http),
    chart,
    history,
    open: opener(`${api}stream`),
    key: () => http.key,
    onChange: show,
  },
  viewOf(location.search),
);

const resolutions = new Choices<Resolution>(
  byId("resolutions", HTMLElement),
  RESOLUTIONS,
  (name) => `Bars of ${longName(name)}`,
  (resolution) => {
    go({ resolution });
  },
);

const presets = new Choices<Preset>(
  byId("presets", HTMLElement),
  PRESETS,
  (name) => (name === "All" ? "Everything" : `The last ${name}`),
  pickPreset,
);

const search = new SearchBox((symbol) => {
  // Days stay: another symbol is looked at over the same ones.
  go({ symbol });
});

const dates = new Dates((range: Range) => {
  go({ range });
});

/** Show another view, which is a step in the browser's history. */
function go(part: Partial<View>): void {
  const view = { ...controller.state.view, ...part };
  if (!sameView(view, controller.state.view)) window.history.pushState(null, "", queryOf(view));
  void controller.load(view);
}

function pickPreset(preset: Preset): void {
  go({ range: { kind: "preset", preset }, resolution: resolutionFor(preset) });
}

function show(state: State): void {
  const { view, effective } = state;
  byId("stage", HTMLElement).dataset["phase"] = state.phase;
  byId("symbol-name", HTMLElement).textContent = view.symbol === "" ? "…" : view.symbol;
  document.title = view.symbol === "" ? "OHLCV" : `${view.symbol} · ${effective?.resolution ?? view.resolution}`;
  resolutions.press(view.resolution);
  presets.press(view.range.kind === "preset" ? view.range.preset : null);
  const picked = view.range.kind === "days" ? view.range : null;
  byId("dates", HTMLElement).setAttribute("aria-pressed", String(picked !== null));
  byId("dates-text", HTMLElement).textContent = picked === null ? "Days" : `${picked.from} – ${picked.to}`;
  const { resolution, timeZone } = controller.labels;
  byId("zone", HTMLElement).textContent = `Times: ${zoneName(zoneFor(resolution, timeZone))}`;
  showEffective(effective);
  showLight(lightOf(state));
  showEdge(state);
  showCover(state);
  showLatestButton();
  showLegend();
}

function showLegend(): void {
  const last = history.length - 1;
  const visible = edge === null ? last : Math.min(history.indexFrom(edge), last);
  const index = pointed !== null && pointed <= last ? pointed : visible;
  const bar = history.all[index];
  const ready = controller.state.phase === "ready" && bar !== undefined;
  const before = history.all[index - 1]?.c ?? null;
  const { symbol } = controller.state.view;
  showReading(ready ? { symbol, bar, before, vwap: chart.vwapAt(index) } : null, controller.labels);
}

function showLatestButton(): void {
  const { phase, newer } = controller.state;
  byId("to-latest", HTMLElement).hidden = phase !== "ready" || (edge === null && newer === "none");
}

/** Go to the latest bars: those that are loaded, or others. */
function toLatest(): void {
  if (controller.state.newer === "none") chart.showLatest();
  else go({ range: LATEST });
}

function openSearch(): void {
  search.open(controller.state.list?.symbols ?? [], controller.state.view.symbol);
}

function openDates(): void {
  const { view, list } = controller.state;
  const { first, last } = history;
  const loaded: [string, string] = [dayOf(first?.t ?? Date.now()), dayOf(last?.t ?? Date.now())];
  const shown: [string, string] = view.range.kind === "days" ? [view.range.from, view.range.to] : loaded;
  dates.open(shown, list?.firstDay ?? shown[0], list?.lastDay ?? shown[1]);
}

function openHelp(): void {
  byId("help-dialog", HTMLDialogElement).showModal();
}

function switchTheme(): void {
  chart.theme(toggleTheme());
}

function carryOut(command: Command): void {
  switch (command.do) {
    case "search":
      openSearch();
      break;
    case "resolution":
      go({ resolution: stepped(controller.state.view.resolution, command.step) });
      break;
    case "preset":
      pickPreset(command.preset);
      break;
    case "pan":
      chart.pan(command.screens);
      break;
    case "zoom":
      chart.zoom(command.factor);
      break;
    case "dates":
      openDates();
      break;
    case "theme":
      switchTheme();
      break;
    case "help":
      openHelp();
      break;
    case "latest":
      toLatest();
      break;
    case "oldest":
      chart.showOldest();
      break;
    case "fit":
      chart.show(null, controller.state.newer === "none");
      break;
  }
}

function listen(): void {
  document.addEventListener("keydown", (event) => {
    const busy = event.target instanceof HTMLInputElement || document.querySelector("dialog[open]") !== null;
    const modified = event.ctrlKey || event.altKey || event.metaKey;
    const command = busy ? null : commandOf({ key: event.key, shift: event.shiftKey, modified });
    if (command === null) return;
    event.preventDefault();
    carryOut(command);
  });
  const clicks: readonly (readonly [string, () => void])[] = [
    ["symbol", openSearch],
    ["dates", openDates],
    ["theme", switchTheme],
    ["help", openHelp],
    ["to-latest", toLatest],
    ["effective", showAsAsked],
  ];
  for (const [id, what] of clicks) byId(id, HTMLElement).addEventListener("click", what);
  window.addEventListener("popstate", () => void controller.load(viewOf(location.search)));
  window.addEventListener("online", () => {
    controller.online(true);
  });
  window.addEventListener("offline", () => {
    controller.online(false);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") controller.retry();
  });
  listenToCover({ onAction: act, onKey: useKey });
  for (const [keys, what] of HELP) byId("help-list", HTMLElement).append(make("dt", keys), make("dd", what));
}

/** Show the last days of a range that was too wide for the resolution asked for, at just that. */
function showAsAsked(): void {
  const last = history.last;
  if (last === undefined) return;
  const days = controller.state.effective?.requested === "1m" ? 30 : 90;
  const from = dayOf(last.t - (days - 1) * 86_400_000);
  go({ range: { kind: "days", from, to: dayOf(last.t) } });
}

function act(): void {
  const { phase, view, problem } = controller.state;
  if (phase === "empty" && view.range.kind !== "latest") go({ range: LATEST });
  else if (problem?.kind === "unknown") openSearch();
  else void controller.load(view);
}

function useKey(key: string): void {
  http.key = key;
  sessionStorage.setItem(KEY, key);
  void controller.load(controller.state.view);
}

listen();
void controller.load(viewOf(location.search)).then(() => {
  window.history.replaceState(null, "", queryOf(controller.state.view));
});
