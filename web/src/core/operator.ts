/**
 * What an operator's page says: state and its rules, figures and words.
 *
 * What belongs here: pure functions of what was answered. What does not: asking (`net/watch`), elements (`operator`).
 */

import { formatCount } from "./format.js";
import { isObject, type Json } from "./json.js";
import type { DataCheck, Days, Job, Operations, ResolutionState, Task } from "./operations.js";
import type { Problem } from "./problems.js";
import type { Light } from "./state.js";

const DAY = 86_400_000;

export type Tone = "good" | "fair" | "bad" | "busy" | "off";

export interface Watched {
  /** The latest answer; null before the first. */
  readonly found: Operations | null;
  /** Why the latest question was not answered; null where it was. */
  readonly problem: Problem | null;
  readonly online: boolean;
}

export interface Tile {
  readonly name: string;
  readonly value: string;
  readonly note: string;
  readonly tone: Tone;
}

/** Some days of one standing, as a part of the dataset: from 0 to 1. */
export interface Stretch {
  readonly standing: "complete" | "missing" | "stale" | "waiting";
  readonly from: number;
  readonly to: number;
  readonly title: string;
}

export type Role = "write" | "admin";

/** Whether a role is enough for what needs another. */
export function mayDo(role: string | null | undefined, needed: Role): boolean {
  return role === "admin" || role === needed;
}

/** What is said of a key that is not enough; nothing of none. */
export function roleText(role: string | null | undefined, needed: Role): string {
  return role == null || mayDo(role, needed) ? "" : `The key has the role ${role}, which may not do this.`;
}

export function isUnderWay(job: Job): boolean {
  return job.ended === null;
}

/** How often to ask: more often while something is going on. */
export function pauseFor(found: Operations | null): number {
  return found?.jobs.some(isUnderWay) === true ? 1_000 : 5_000;
}

export function lightOf({ found, problem, online }: Watched): Light {
  if (!online) return { look: "bad", text: "Offline", detail: "This device has no network." };
  if (problem !== null) return { look: "bad", text: found === null ? "No data" : "Lost", detail: problem.title };
  if (found === null) return { look: "busy", text: "Loading", detail: "The service is being asked." };
  const seconds = pauseFor(found) / 1_000;
  return { look: "good", text: "Up to date", detail: `The service is asked every ${seconds} s.` };
}

export function countDays(ranges: readonly Days[]): number {
  return ranges.reduce((sum, { first, last }) => sum + (Date.parse(last) - Date.parse(first)) / DAY + 1, 0);
}

export function counted(count: number, one: string): string {
  return `${formatCount(count)} ${count === 1 ? one : `${one}s`}`;
}

export function rangeText({ first, last }: Days): string {
  return first === last ? first : `${first} to ${last}`;
}

/** Days that are to be made or made again, of any resolution; each counted once. */
export function gapDays(found: Operations): number {
  const days = new Set<number>();
  for (const { missing, stale } of found.resolutions) {
    for (const { first, last } of [...missing, ...stale]) {
      for (let day = Date.parse(first); day <= Date.parse(last); day += DAY) days.add(day);
    }
  }
  return days.size;
}

export function tilesOf(found: Operations): readonly Tile[] {
  return [untilTile(found), lagTile(found), gapTile(found), provedTile(found), failureTile(found)];
}

function untilTile({ resolutions, firstDay }: Operations): Tile {
  const name = "Complete until";
  const known = resolutions.flatMap(({ resolution, completeUntil }) =>
    completeUntil === null ? [] : [{ resolution, until: completeUntil }],
  );
  const behind = [...known].sort((a, b) => Date.parse(a.until) - Date.parse(b.until))[0];
  if (behind === undefined || known.length < resolutions.length) {
    return { name, value: "–", note: `from ${firstDay}: nothing yet`, tone: "off" };
  }
  const all = known.every(({ until }) => until === behind.until);
  const note = all ? "at every resolution" : `${behind.resolution} is the furthest behind`;
  return { name, value: instantText(behind.until), note, tone: all ? "good" : "fair" };
}

function lagTile({ resolutions }: Operations): Tile {
  const worst = [...resolutions].sort((a, b) => b.lagSeconds - a.lagSeconds)[0];
  if (worst === undefined || worst.lagSeconds === 0) {
    return { name: "Lag", value: "none", note: "bars reach the last trade", tone: "good" };
  }
  return {
    name: "Lag",
    value: spanText(worst.lagSeconds),
    note: `${worst.resolution} behind its trades`,
    tone: "fair",
  };
}

function gapTile(found: Operations): Tile {
  const gaps = gapDays(found);
  const behind = found.resolutions.filter(({ missing, stale }) => missing.length + stale.length > 0);
  const note = gaps === 0 ? "no bar missing or stale" : `at ${behind.map((one) => one.resolution).join(", ")}`;
  return { name: "Gaps", value: gaps === 0 ? "none" : counted(gaps, "day"), note, tone: gaps === 0 ? "good" : "bad" };
}

function provedTile({ provedDays, days }: Operations): Tile {
  const left = days - provedDays;
  const note = left === 0 ? "trades of every day are proved" : `${counted(left, "day")} without proved trades`;
  const value = `${formatCount(provedDays)} of ${formatCount(days)}`;
  return { name: "Days proved", value, note, tone: left === 0 ? "good" : "fair" };
}

function failureTile({ resolutions, checks, tasks }: Operations): Tile {
  const failed = resolutions.reduce((sum, one) => sum + one.failed, 0);
  const faults = resolutions.reduce((sum, { task }) => sum + (task?.faults.length ?? 0), 0);
  const wrong = checks.filter(({ state }) => state === "wrong").length;
  const count = failed + faults + wrong;
  const parts = [
    failed > 0 ? `${counted(failed, "run")} given up` : "",
    faults > 0 ? `${counted(faults, "fault")} of tasks` : "",
    wrong > 0 ? `${counted(wrong, "check")} failed` : "",
  ].filter((part) => part !== "");
  const calm = tasks.there ? "runs, tasks and data are sound" : "runs and data are sound";
  const note = count === 0 ? calm : parts.join(", ");
  return {
    name: "Failures",
    value: count === 0 ? "none" : formatCount(count),
    note,
    tone: count === 0 ? "good" : "bad",
  };
}

/** The dataset's days from first to last, cut where they stand otherwise. */
export function stretchesOf(one: ResolutionState, firstDay: string, lastDay: string): readonly Stretch[] {
  const start = Date.parse(firstDay);
  const total = (Date.parse(lastDay) - start) / DAY + 1;
  const at = (day: string): number => (Date.parse(day) - start) / DAY;
  const marked = (["missing", "stale", "waiting"] as const).flatMap((standing) =>
    one[standing].map((days) => ({
      standing,
      from: at(days.first) / total,
      to: (at(days.last) + 1) / total,
      title: `${rangeText(days)}: ${standing}, ${days.reason}`,
    })),
  );
  return [{ standing: "complete", from: 0, to: 1, title: "complete" }, ...marked];
}

/** How the bars of a resolution stand, in a word. */
export function standingOf(one: ResolutionState): { readonly text: string; readonly tone: Tone } {
  const gaps = countDays(one.missing) + countDays(one.stale);
  if (gaps > 0) {
    const [missing, stale] = [countDays(one.missing), countDays(one.stale)];
    if (stale === 0) return { text: `${counted(missing, "day")} missing`, tone: "bad" };
    if (missing === 0) return { text: `${counted(stale, "day")} stale`, tone: "bad" };
    return { text: `${counted(missing, "day")} missing, ${formatCount(stale)} stale`, tone: "bad" };
  }
  if (one.waiting.length > 0) return { text: `${counted(countDays(one.waiting), "day")} waiting`, tone: "fair" };
  return { text: "complete", tone: "good" };
}

export function taskOf(task: Task | null): { readonly text: string; readonly tone: Tone; readonly detail: string } {
  if (task === null) return { text: "none", tone: "off", detail: "" };
  const every = `every ${spanText(task.everySeconds)}`;
  if (task.faults.length > 0) {
    return { text: task.state === "active" ? "faulty" : task.state, tone: "bad", detail: task.faults.join("; ") };
  }
  if (task.pausedBy !== null) return { text: "held", tone: "busy", detail: `${task.pausedBy} makes its bars just now` };
  if (task.state === "paused") return { text: "paused", tone: "fair", detail: `${every} when it runs` };
  if (task.runningSeconds !== null) return { text: "running", tone: "busy", detail: spanText(task.runningSeconds) };
  return { text: task.state, tone: "good", detail: `${every}; last run: ${task.lastRun ?? "none yet"}` };
}

export function checkTone({ state }: DataCheck): Tone {
  return state === "sound" ? "good" : state === "wrong" ? "bad" : "fair";
}

const JOB_TONES: Readonly<Record<string, Tone>> = {
  succeeded: "good",
  failed: "bad",
  cancelled: "off",
  queued: "off",
};

export function jobTone({ state }: Job): Tone {
  return JOB_TONES[state] ?? "busy";
}

const JOB_NAMES: Readonly<Record<string, string>> = {
  heal: "Heal bars",
  run: "Make bars again",
  verify: "Check data",
  generate: "Generate trades",
};

export function jobName({ kind, about }: Job): string {
  const resolution = about["resolution"];
  return `${JOB_NAMES[kind] ?? kind}${typeof resolution === "string" ? ` of ${resolution}` : ""}`;
}

/** What a job is about: days, symbols, a seed. */
export function jobAbout({ kind, about }: Job): string {
  const [first, last] = [about["first_day"], about["last_day"]];
  const days = typeof first === "string" && typeof last === "string" ? rangeText({ first, last, reason: "" }) : "";
  if (kind !== "generate") return days;
  const symbols = symbolsOf(about);
  const which =
    symbols.length === 0 ? "all symbols" : symbols.length > 3 ? `${symbols.length} symbols` : symbols.join(", ");
  return [days, which, typeof about["seed"] === "number" ? `seed ${about["seed"]}` : ""]
    .filter((text) => text !== "")
    .join(" · ");
}

/** The chart of what a job generated, once there is something to see; null where there is not. */
export function chartOf({ kind, about, report }: Job): string | null {
  if (kind !== "generate" || typeof report?.["trades"] !== "number" || report["trades"] === 0) return null;
  const [symbol] = symbolsOf(about);
  return symbol === undefined ? "/" : `/?${new URLSearchParams({ symbol, resolution: "1m" }).toString()}`;
}

/** What a report tells of single days. */
export function reportLines({ kind, report }: Job): readonly string[] {
  const days = kind === "generate" ? report?.["by_day"] : undefined;
  return isObject(days)
    ? Object.entries(days).map(([day, count]) => `${day}: ${counted(Number(count), "trade")} stored`)
    : [];
}

function symbolsOf(about: Json): readonly string[] {
  const symbols = about["symbols"];
  return Array.isArray(symbols) ? symbols.map(String) : [];
}

/** How far a job is, from 0 to 1; null where nobody knows. */
export function jobShare({ progress }: Job): number | null {
  if (progress?.total == null) return null;
  return progress.total === 0 ? 1 : Math.min(1, progress.done / progress.total);
}

/** What a job has done so far or in all, in a line. */
export function jobText(job: Job): string {
  if (job.report !== null)
    return [reported(job.kind, job.report), tookText(job)].filter((text) => text !== "").join(" · ");
  if (job.progress === null) return job.state === "queued" ? "waits for its turn" : "";
  const { done, total, unit, detail } = job.progress;
  const left = detail["seconds_left"];
  const of =
    total === null ? counted(done, unit.replace(/s$/, "")) : `${formatCount(done)} of ${formatCount(total)} ${unit}`;
  const { batches, trades_per_second: rate } = detail;
  return [
    of,
    typeof batches === "number" ? `in ${batches === 1 ? "1 batch" : `${formatCount(batches)} batches`}` : "",
    typeof rate === "number" ? `${formatCount(rate)} a second` : "",
    typeof left === "number" && left >= 1 && isUnderWay(job) ? `${spanText(left)} left` : "",
  ]
    .filter((text) => text !== "")
    .join(" · ");
}

function reported(kind: string, report: Json): string {
  const count = (name: string): number => (typeof report[name] === "number" ? report[name] : 0);
  if (kind === "verify") return `${formatCount(count("passed"))} of ${counted(count("checks"), "check")} passed`;
  if (kind === "generate") {
    const known = count("duplicates");
    const [stored, of] = [counted(count("trades"), "trade"), formatCount(count("ordered"))];
    return `${stored} stored of ${of} ordered${known === 0 ? "" : `, ${formatCount(known)} were there already`}`;
  }
  const made = `${counted(count("days"), "day")}, ${counted(count("bars"), "bar")} made`;
  return count("days") + count("removed") === 0 ? "nothing was missing or stale" : made;
}

function tookText({ started, ended }: Job): string {
  if (started === null || ended === null) return "";
  return spanText((Date.parse(ended) - Date.parse(started)) / 1_000);
}

const SPANS = [
  [86_400, "d", 3_600, "h"],
  [3_600, "h", 60, "min"],
  [60, "min", 1, "s"],
] as const;

/** Seconds as a length of time of at most two units. */
export function spanText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  const found = SPANS.find(([length]) => whole >= length);
  if (found === undefined) return `${whole} s`;
  const [length, unit, part, partUnit] = found;
  const rest = Math.floor((whole % length) / part);
  const first = `${Math.floor(whole / length)} ${unit}`;
  return rest === 0 ? first : `${first} ${rest} ${partUnit}`;
}

/** An instant as "2024-03-29 23:00", in UTC. */
export function instantText(text: string | null): string {
  if (text === null) return "–";
  return text.slice(0, 16).replace("T", " ");
}

/** How long ago something was, in words. */
export function agoText(text: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(text)) / 1_000);
  return seconds < 5 ? "just now" : `${spanText(Math.floor(seconds)).split(" ").slice(0, 2).join(" ")} ago`;
}
