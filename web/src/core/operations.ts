/**
 * What an operator looks at, as `GET /api/v1/operations` tells it.
 *
 * What belongs here: reading the answer. What does not: what is made of it (`core/operator`).
 */

import { flagOf, type Json, listOf, numberOf, objectOf, ShapeError, textOf, textOrNull } from "./json.js";

export interface Days {
  readonly first: string;
  readonly last: string;
  readonly reason: string;
}

export interface BarRun {
  readonly day: string;
  readonly state: string;
  readonly at: string;
  readonly seconds: number;
  readonly bars: number;
  readonly attempts: number;
  readonly error: string;
}

export interface Task {
  readonly name: string;
  readonly state: string;
  readonly everySeconds: number;
  readonly lastRun: string | null;
  readonly madeUntil: string | null;
  readonly runningSeconds: number | null;
  readonly pausedBy: string | null;
  readonly faults: readonly string[];
}

export interface TaskRun {
  readonly resolution: string;
  readonly scheduledFor: string;
  readonly status: string;
  readonly seconds: number | null;
  readonly kind: string | null;
  readonly bars: number | null;
  readonly reason: string;
}

export interface ResolutionState {
  readonly resolution: string;
  readonly bars: number;
  readonly completeUntil: string | null;
  readonly lastBar: string | null;
  readonly lagSeconds: number;
  readonly missing: readonly Days[];
  readonly stale: readonly Days[];
  readonly waiting: readonly Days[];
  /** Days that were given up; `failures` has the first of them. */
  readonly failed: number;
  readonly failures: readonly BarRun[];
  readonly lastRuns: readonly BarRun[];
  readonly secondsADay: number;
  readonly task: Task | null;
  readonly dagster: string | null;
}

export interface DataCheck {
  readonly name: string;
  readonly holds: string;
  readonly state: string;
  readonly sound: number;
  readonly incomplete: readonly Days[];
  readonly wrong: readonly Days[];
}

export interface Step {
  readonly stage: string;
  readonly done: number;
  readonly total: number | null;
  readonly unit: string;
  readonly detail: Json;
}

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly about: Json;
  readonly created: string;
  readonly started: string | null;
  readonly ended: string | null;
  readonly progress: Step | null;
  readonly report: Json | null;
  readonly error: string | null;
}

export interface Operations {
  readonly dataset: string;
  readonly store: string;
  readonly firstDay: string;
  readonly lastDay: string;
  readonly provedDays: number;
  readonly days: number;
  readonly role: string | null;
  /** Trades that may be generated at a time; null where none may be. */
  readonly mostGenerated: number | null;
  readonly dagster: string | null;
  readonly resolutions: readonly ResolutionState[];
  readonly tasks: { readonly there: boolean; readonly text: string; readonly runs: readonly TaskRun[] };
  readonly checks: readonly DataCheck[];
  readonly jobs: readonly Job[];
}

export function operationsOf(value: unknown): Operations {
  const source = objectOf(value, "the answer");
  const tasks = objectOf(source["tasks"], "tasks");
  return {
    dataset: textOf(source, "dataset"),
    store: textOf(source, "store"),
    firstDay: textOf(source, "first_day"),
    lastDay: textOf(source, "last_day"),
    provedDays: numberOf(source, "proved_days"),
    days: numberOf(source, "days"),
    role: textOrNull(source, "role"),
    mostGenerated: numberOrNull(source, "most_generated"),
    dagster: linkOrNull(source, "dagster"),
    resolutions: listOf(source["resolutions"], "resolutions").map(resolutionOf),
    tasks: {
      there: flagOf(tasks, "there"),
      text: textOf(tasks, "text"),
      runs: listOf(tasks["runs"], "runs").map(taskRunOf),
    },
    checks: listOf(source["checks"], "checks").map(checkOf),
    jobs: listOf(source["jobs"], "jobs").map(jobOf),
  };
}

export function jobOf(value: unknown): Job {
  const source = objectOf(value, "a job");
  return {
    id: textOf(source, "id"),
    kind: textOf(source, "kind"),
    state: textOf(source, "state"),
    about: objectOf(source["about"], "about"),
    created: textOf(source, "created"),
    started: textOrNull(source, "started"),
    ended: textOrNull(source, "ended"),
    progress: orNull(source["progress"], stepOf),
    report: orNull(source["report"], (report) => objectOf(report, "report")),
    error: textOrNull(source, "error"),
  };
}

function resolutionOf(value: unknown): ResolutionState {
  const source = objectOf(value, "a resolution");
  return {
    resolution: textOf(source, "resolution"),
    bars: numberOf(source, "bars"),
    completeUntil: textOrNull(source, "complete_until"),
    lastBar: textOrNull(source, "last_bar"),
    lagSeconds: numberOf(source, "lag_seconds"),
    missing: daysOf(source, "missing"),
    stale: daysOf(source, "stale"),
    waiting: daysOf(source, "waiting"),
    failed: numberOf(source, "failed"),
    failures: listOf(source["failures"], "failures").map(barRunOf),
    lastRuns: listOf(source["last_runs"], "last_runs").map(barRunOf),
    secondsADay: numberOf(source, "seconds_a_day"),
    task: orNull(source["task"], taskOf),
    dagster: linkOrNull(source, "dagster"),
  };
}

function barRunOf(value: unknown): BarRun {
  const source = objectOf(value, "a run");
  return {
    day: textOf(source, "day"),
    state: textOf(source, "state"),
    at: textOf(source, "at"),
    seconds: numberOf(source, "seconds"),
    bars: numberOf(source, "rows_out"),
    attempts: numberOf(source, "attempts"),
    error: textOf(source, "error"),
  };
}

function taskOf(value: unknown): Task {
  const source = objectOf(value, "a task");
  return {
    name: textOf(source, "name"),
    state: textOf(source, "state"),
    everySeconds: numberOf(source, "every_seconds"),
    lastRun: textOrNull(source, "last_run"),
    madeUntil: textOrNull(source, "made_until"),
    runningSeconds: numberOrNull(source, "running_seconds"),
    pausedBy: textOrNull(source, "paused_by"),
    faults: listOf(source["faults"], "faults").map(String),
  };
}

function taskRunOf(value: unknown): TaskRun {
  const source = objectOf(value, "a run of a task");
  return {
    resolution: textOf(source, "resolution"),
    scheduledFor: textOf(source, "scheduled_for"),
    status: textOf(source, "status"),
    seconds: numberOrNull(source, "seconds"),
    kind: textOrNull(source, "kind"),
    bars: numberOrNull(source, "bars"),
    reason: textOf(source, "reason"),
  };
}

function checkOf(value: unknown): DataCheck {
  const source = objectOf(value, "a check");
  return {
    name: textOf(source, "name"),
    holds: textOf(source, "holds"),
    state: textOf(source, "state"),
    sound: numberOf(source, "sound"),
    incomplete: daysOf(source, "incomplete"),
    wrong: daysOf(source, "wrong"),
  };
}

function stepOf(value: unknown): Step {
  const source = objectOf(value, "progress");
  return {
    stage: textOf(source, "stage"),
    done: numberOf(source, "done"),
    total: numberOrNull(source, "total"),
    unit: textOf(source, "unit"),
    detail: objectOf(source["detail"], "detail"),
  };
}

function daysOf(source: Json, name: string): readonly Days[] {
  return listOf(source[name], name).map((value) => {
    const days = objectOf(value, name);
    return { first: textOf(days, "first"), last: textOf(days, "last"), reason: textOf(days, "reason") };
  });
}

function numberOrNull(source: Json, name: string): number | null {
  return source[name] === null || source[name] === undefined ? null : numberOf(source, name);
}

/** An address that a page may lead to: one of pages, never of a script. */
function linkOrNull(source: Json, name: string): string | null {
  const link = textOrNull(source, name);
  if (link === null || /^https?:\/\//.test(link)) return link;
  throw new ShapeError(`${name} is no address of a page.`);
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null || value === undefined ? null : read(value);
}
