/**
 * The table of bars: a row for each resolution, and what there is to know of it below.
 *
 * What belongs here: rows, updated in place so that nobody loses what they point at. What does not: what actions do.
 */

import { agoText, instantText, spanText, standingOf, type Stretch, stretchesOf, taskOf } from "../core/operator.js";
import type { BarRun, Operations, ResolutionState } from "../core/operations.js";
import { formatCount } from "../core/format.js";
import { longName, isResolution } from "../core/resolutions.js";
import { byId, make } from "../page/elements.js";
import { button, cell, chip, drawn, lines, outwards } from "./parts.js";

export interface RowEvents {
  readonly onRun: (resolution: string) => void;
  readonly onPause: (resolution: string) => void;
  readonly onResume: (resolution: string) => void;
}

/** Width of a strip of days in its own units, and the least that can be seen. */
const WIDE = 1_000;
const LEAST = 14;

export class Rows {
  private readonly rows = new Map<string, Row>();
  private readonly events: RowEvents;

  constructor(events: RowEvents) {
    this.events = events;
  }

  show(found: Operations): void {
    for (const one of found.resolutions) {
      const known = this.rows.get(one.resolution) ?? new Row(one.resolution, this.events);
      this.rows.set(one.resolution, known);
      known.show(one, found);
    }
  }
}

class Row {
  private readonly body = make("tbody");
  private readonly more = make("td", "", { colspan: "8" });
  private readonly below = make("tr", "", { class: "more" });
  private readonly line = make("tr");
  private readonly opener: HTMLButtonElement;
  private readonly run: HTMLButtonElement;
  private readonly turn: HTMLButtonElement;
  private readonly made = make("td", "", { "data-label": "Last made" });
  private shown = "";
  private resumes = false;
  private isOpen = false;

  constructor(name: string, events: RowEvents) {
    this.below.hidden = true;
    this.opener = button(name, "Gaps, runs and failures", () => {
      this.open(!this.isOpen);
    });
    this.opener.className = "opener";
    this.opener.setAttribute("aria-expanded", "false");
    this.run = button("Run…", `Make bars of ${name} again`, () => {
      events.onRun(name);
    });
    this.turn = button("Pause", "", () => {
      (this.resumes ? events.onResume : events.onPause)(name);
    });
    this.below.append(this.more);
    this.body.append(this.line, this.below);
    this.body.dataset["resolution"] = name;
    byId("resolutions", HTMLTableElement).append(this.body);
  }

  show(one: ResolutionState, found: Operations): void {
    this.made.textContent = madeText(one.lastRuns[0]);
    const now = JSON.stringify([one, found.firstDay, found.lastDay]);
    if (now === this.shown) return;
    this.shown = now;
    const standing = standingOf(one);
    const task = taskOf(one.task);
    this.resumes = one.task?.state === "paused";
    this.turn.textContent = this.resumes ? "Resume" : "Pause";
    this.turn.title = `${this.turn.textContent} the task of ${one.resolution}`;
    this.turn.hidden = one.task === null || one.task.state === "missing";
    const name = make("th", "", { scope: "row" });
    name.append(this.opener, make("small", isResolution(one.resolution) ? longName(one.resolution) : ""));
    const actions = cell("", this.run, this.turn);
    actions.className = "does";
    const stands = cell("State", chip(standing.text, standing.tone));
    if (one.failed > 0) stands.append(" ", chip(`${formatCount(one.failed)} failed`, "bad"));
    this.line.replaceChildren(
      name,
      daysCell(stretchesOf(one, found.firstDay, found.lastDay)),
      cell("Complete until", instantText(one.completeUntil)),
      cell("Lag", one.lagSeconds === 0 ? "none" : spanText(one.lagSeconds)),
      stands,
      cell("Task", chip(task.text, task.tone, task.detail)),
      this.made,
      actions,
    );
    this.more.replaceChildren(...details(one));
  }

  private open(open: boolean): void {
    this.isOpen = open;
    this.below.hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
  }
}

function daysCell(stretches: readonly Stretch[]): HTMLTableCellElement {
  const strip = drawn("svg", { viewBox: `0 0 ${WIDE} 10`, preserveAspectRatio: "none", class: "days", role: "img" });
  strip.setAttribute("aria-label", stretches.map(({ title }) => title).join("; "));
  for (const { standing, from, to, title } of stretches) {
    const width = Math.max(LEAST, (to - from) * WIDE);
    const x = Math.min(from * WIDE, WIDE - width);
    const part = drawn("rect", { x, y: 0, width, height: 10, "data-standing": standing });
    part.append(drawn("title", {}, title));
    strip.append(part);
  }
  return cell("Days", strip);
}

function madeText(run: BarRun | undefined): string {
  return run === undefined ? "never" : `${run.state === "done" ? "" : `${run.state}, `}${agoText(run.at, Date.now())}`;
}

function details(one: ResolutionState): readonly Node[] {
  const parts: Node[] = [];
  const gaps = [...lines(one.missing, "missing"), ...lines(one.stale, "stale"), ...lines(one.waiting, "waiting")];
  parts.push(listed("Gaps", gaps, "None: every day is complete."));
  parts.push(listed("Failures", one.failures.map(failureLine), "None: no day was given up."));
  parts.push(listed("Latest days made", one.lastRuns.map(runLine), "None is recorded."));
  const facts: HTMLElement[] = [
    make("li", `${formatCount(one.bars)} bars; the last opens at ${instantText(one.lastBar)}.`),
  ];
  if (one.secondsADay > 0) facts.push(make("li", `A day takes ${spanText(one.secondsADay)} on average.`));
  if (one.task !== null) facts.push(...taskLines(one));
  if (one.dagster !== null) {
    const link = make("li");
    link.append(outwards("Its asset in Dagster", one.dagster));
    facts.push(link);
  }
  parts.push(listed("Facts", facts, ""));
  return parts;
}

function taskLines({ task }: ResolutionState): readonly HTMLElement[] {
  if (task === null) return [];
  const { name, everySeconds, madeUntil, lastRun, faults } = task;
  const said = `${name}: every ${spanText(everySeconds)}, made until ${instantText(madeUntil)}, last run ${lastRun ?? "none yet"}.`;
  return [make("li", said), ...faults.map((fault) => make("li", fault, { class: "bad" }))];
}

function failureLine(run: BarRun): HTMLElement {
  const line = make("li", "", { class: "bad" });
  const attempts = run.attempts === 1 ? "1 attempt" : `${run.attempts} attempts`;
  line.append(make("b", run.day), ` after ${attempts}: ${run.error}`);
  return line;
}

function runLine(run: BarRun): HTMLElement {
  const line = make("li");
  const bars = `${formatCount(run.bars)} bars in ${spanText(run.seconds)}`;
  line.append(make("b", run.day), ` ${run.state}, ${bars}, ${instantText(run.at)}`);
  return line;
}

function listed(title: string, items: readonly Node[], none: string): HTMLElement {
  const part = make("section");
  const list = make("ul");
  const shown: readonly Node[] = items.length > 0 ? items : [make("li", none)];
  list.append(...shown);
  part.append(make("h3", title), list);
  return part;
}
