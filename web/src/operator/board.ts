/** What the page says of the whole: tiles, the call to heal, what was found of the data, runs of tasks. */

import { formatCount } from "../core/format.js";
import { agoText, checkTone, counted, gapDays, spanText, tilesOf, type Tone } from "../core/operator.js";
import type { DataCheck, Operations, TaskRun } from "../core/operations.js";
import { byId, make } from "../page/elements.js";
import { chip, lines, prose } from "./parts.js";

/** Runs that are shown. */
const RUNS = 8;

export function showBoard(found: Operations): void {
  byId("dataset", HTMLElement).textContent = `${found.dataset} in ${found.store}`;
  byId("tiles", HTMLElement).replaceChildren(
    ...tilesOf(found).map(({ name, value, note, tone }) => {
      const tile = make("div", "", { "data-tone": tone });
      tile.append(make("dt", name), make("dd", value), make("dd", note, { class: "quiet" }));
      return tile;
    }),
  );
  byId("days-heading", HTMLElement).textContent = `${found.firstDay} to ${found.lastDay}`;
  byId("tasks-text", HTMLElement).replaceChildren(...prose(found.tasks.text));
  byId("resolutions", HTMLElement).dataset["tasks"] = String(found.tasks.there);
  const dagster = byId("dagster", HTMLAnchorElement);
  dagster.hidden = found.dagster === null;
  if (found.dagster !== null) dagster.href = found.dagster;
  showCall(found);
  showChecks(found.checks);
  showRuns(found);
}

function showCall(found: Operations): void {
  const call = byId("call", HTMLElement);
  const heal = byId("call-heal", HTMLButtonElement);
  const gaps = gapDays(found);
  const busy = found.jobs.some(({ kind, ended }) => kind === "heal" && ended === null);
  const nothing = found.provedDays === 0;
  call.hidden = gaps === 0 && !nothing;
  call.dataset["tone"] = gaps > 0 ? "bad" : "off";
  heal.hidden = gaps === 0 || busy;
  byId("call-text", HTMLElement).replaceChildren(...prose(gaps > 0 ? gapsText(gaps, busy) : NOTHING));
}

const NOTHING =
  "Nothing is stored yet. `make demo` loads a week, `ohlcv backfill` everything; what is loaded shows up here.";

function gapsText(gaps: number, busy: boolean): string {
  const days = `Bars of ${counted(gaps, "day")} are missing or stale.`;
  return busy ? `${days} They are being healed.` : `${days} Healing makes exactly these again.`;
}

function showChecks(checks: readonly DataCheck[]): void {
  byId("checks-none", HTMLElement).hidden = checks.length > 0;
  byId("checks", HTMLElement).replaceChildren(
    ...checks.map((one) => {
      const item = make("li");
      const head = make("div", "", { class: "head" });
      const name = make("b", one.name.slice(0, 1).toUpperCase() + one.name.slice(1), { title: one.holds });
      const sound = make("span", `${counted(one.sound, "day")} sound`, { class: "quiet" });
      head.append(name, chip(one.state, checkTone(one)), make("span", "", { class: "space" }), sound);
      const found = make("ul");
      found.append(...lines(one.wrong, "wrong"), ...lines(one.incomplete));
      item.append(head, make("p", one.holds, { class: "quiet" }), found);
      return item;
    }),
  );
}

const RUN_TONES: Readonly<Record<string, Tone>> = { success: "good", failed: "bad", canceled: "off" };

function showRuns({ tasks }: Operations): void {
  byId("runs-part", HTMLElement).hidden = !tasks.there;
  byId("runs-none", HTMLElement).hidden = tasks.runs.length > 0;
  byId("runs", HTMLElement).replaceChildren(...tasks.runs.slice(0, RUNS).map(runLine));
}

function runLine(run: TaskRun): HTMLElement {
  const item = make("li");
  const head = make("div", "", { class: "head" });
  const made = run.bars === null ? "" : counted(run.bars, "bar");
  const took = run.seconds === null ? "" : spanText(run.seconds);
  const facts = [run.kind ?? "", made, took].filter((text) => text !== "").join(" · ");
  head.append(
    make("b", run.resolution),
    chip(run.status, RUN_TONES[run.status] ?? "busy"),
    make("span", facts, { class: "quiet" }),
    make("span", "", { class: "space" }),
    make("span", agoText(run.scheduledFor, Date.now()), { class: "quiet", title: run.scheduledFor }),
  );
  item.append(head);
  if (run.reason !== "") item.append(make("p", run.reason, { class: "bad" }));
  return item;
}

export function askedText(pause: number): string {
  return `Asked every ${formatCount(pause / 1_000)} s.`;
}
