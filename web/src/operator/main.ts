/**
 * The operator's page: its parts, put together.
 *
 * What belongs here: asking again and again, and what actions lead to. What does not: what is shown where.
 */

import { symbolList } from "../core/api.js";
import { isUnderWay, lightOf, mayDo, pauseFor, type Role, roleText, type Watched } from "../core/operator.js";
import { type Operations, operationsOf } from "../core/operations.js";
import type { Json } from "../core/json.js";
import { ProblemError } from "../core/problems.js";
import { realClock } from "../net/clock.js";
import { Http } from "../net/http.js";
import { Watch } from "../net/watch.js";
import { byId } from "../page/elements.js";
import { followTheme, toggleTheme } from "../page/theme.js";
import { askedText, showBoard } from "./board.js";
import { ActionDialog, KeyDialog } from "./dialogs.js";
import { GenerateDialog } from "./generate.js";
import { JobList } from "./jobs.js";
import { Rows } from "./resolutions.js";

const KEY = "ohlcv-key";
const NOTICE = 6_000;

const base = document.querySelector<HTMLMetaElement>('meta[name="api"]')?.content ?? "/api/v1/";
const http = new Http(new URL(base, location.href).href);
http.key = sessionStorage.getItem(KEY);

let state: Watched = { found: null, problem: null, online: navigator.onLine };
let answered = "";
let hideNotice: () => void = () => undefined;

const watch = new Watch<Operations>(realClock, {
  ask: async () => operationsOf(await http.get("operations")),
  pause: pauseFor,
  onAnswer: (found) => {
    answered = new Date().toISOString().slice(11, 19);
    tell({ found, problem: null });
  },
  onProblem: (problem) => {
    tell({ problem });
    if (problem.kind === "key") keys.open(http.key !== null, problem.detail);
  },
});

const keys = new KeyDialog({ use: useKey, forget: forgetKey });
const actions = new ActionDialog();
const orders = new GenerateDialog({
  symbols: async () => symbolList(await http.get("symbols")).symbols,
  go: (order) => send("generate", order),
});

const rows = new Rows({
  onRun: (resolution) => {
    withKey((found) => {
      openRun(resolution, found);
    });
  },
  onPause: (resolution) => {
    withKey(() => void turn(resolution, "pause"));
  },
  onResume: (resolution) => {
    withKey(() => void turn(resolution, "resume"));
  },
});

const jobs = new JobList(({ id, kind }) => {
  withKey(() => void cancel(id), kind === "generate" ? "write" : "admin");
});

function tell(part: Partial<Watched>): void {
  state = { ...state, ...part };
  showLight();
  showCover();
  showOutdated();
  const { found } = state;
  if (found === null) return;
  byId("key-role", HTMLElement).textContent = http.key === null ? "No key" : `Key: ${found.role ?? "none"}`;
  if (state.problem !== null) return;
  showBoard(found);
  rows.show(found);
  jobs.show(found.jobs);
  byId("asked", HTMLElement).textContent = askedText(pauseFor(found));
  const healing = found.jobs.some((job) => job.kind === "heal" && isUnderWay(job));
  byId("heal", HTMLButtonElement).disabled = healing;
  byId("verify", HTMLButtonElement).disabled = found.jobs.some((job) => job.kind === "verify" && isUnderWay(job));
  const generate = byId("generate", HTMLButtonElement);
  generate.hidden = found.mostGenerated === null;
  generate.disabled = found.jobs.some((job) => job.kind === "generate" && isUnderWay(job));
}

function showLight(): void {
  const light = byId("light", HTMLElement);
  const { look, text, detail } = lightOf(state);
  light.title = detail;
  if (light.dataset["look"] === look && light.textContent === text) return;
  light.dataset["look"] = look;
  const words = light.querySelector("span");
  if (words !== null) words.textContent = text;
}

/** What lies in place of the board while there is nothing to see. */
function showCover(): void {
  const { found, problem } = state;
  const board = byId("board", HTMLElement);
  board.dataset["phase"] = found !== null ? "ready" : problem === null ? "loading" : "failed";
  byId("cover", HTMLElement).hidden = found !== null;
  byId("cover-title", HTMLElement).textContent = problem?.title ?? "Loading";
  byId("cover-detail", HTMLElement).textContent = problem?.detail ?? "";
  const action = byId("cover-action", HTMLButtonElement);
  action.hidden = problem === null;
  action.textContent = problem?.kind === "key" ? "Enter a key" : "Try again";
}

function showOutdated(): void {
  const { found, problem, online } = state;
  const outdated = byId("outdated", HTMLElement);
  outdated.hidden = found === null || (problem === null && online);
  const why = online ? (problem?.detail ?? "") : "This device has no network.";
  outdated.textContent = `What is shown is of ${answered} UTC and may have changed. ${why}`;
}

/** Do something that needs a key of a role: one is asked for where there is none. */
function withKey(what: (found: Operations) => void, needed: Role = "admin"): void {
  const go = (): void => {
    if (state.found !== null) what(state.found);
  };
  const role = state.found?.role;
  if (mayDo(role, needed)) go();
  else keys.open(http.key !== null, http.key === null ? "" : roleText(role, needed), { needed, go });
}

async function useKey(key: string, needed: Role): Promise<string | null> {
  const before = http.key;
  http.key = key;
  try {
    const found = operationsOf(await http.get("operations"));
    sessionStorage.setItem(KEY, key);
    tell({ found, problem: null });
    void watch.now();
    return mayDo(found.role, needed) ? null : roleText(found.role, needed);
  } catch (error) {
    http.key = before;
    return words(error);
  }
}

function forgetKey(): void {
  http.key = null;
  sessionStorage.removeItem(KEY);
  void watch.now();
}

function openHeal(found: Operations): void {
  const action = {
    title: "Heal bars",
    text: "Makes exactly the bars that are missing or stale. Tasks of these bars rest meanwhile.",
    start: "Heal",
    first: found.firstDay,
    last: found.lastDay,
    go: (first: string, last: string) => start("operations/heal", first, last),
  };
  actions.open(action, found.firstDay, found.lastDay);
}

function openVerify(found: Operations): void {
  const last = lastMade(found);
  const action = {
    title: "Check data",
    text: "Runs every check of these days on files, stored trades and bars. It changes nothing; a day takes seconds.",
    start: "Check",
    first: last,
    last,
    go: (from: string, to: string) => start("operations/verify", from, to),
  };
  actions.open(action, found.firstDay, found.lastDay);
}

function openRun(resolution: string, found: Operations): void {
  const last = lastMade(found);
  const who = found.tasks.there ? "InfluxDB makes them by the task's script, while the task rests." : "";
  const action = {
    title: `Make bars of ${resolution} again`,
    text: `Makes the bars of these days anew, whatever is recorded of them. ${who}`,
    start: "Run",
    first: last,
    last,
    go: (from: string, to: string) => start(`operations/tasks/${resolution}/run`, from, to),
  };
  actions.open(action, found.firstDay, found.lastDay);
}

/** The last day of which bars were made; the dataset's last where that is not recorded. */
function lastMade(found: Operations): string {
  const days = found.resolutions.flatMap(({ lastRuns }) => lastRuns.map(({ day }) => day));
  return days.sort().at(-1) ?? found.lastDay;
}

function start(path: string, first: string, last: string): Promise<string | null> {
  return send(path, { first_day: first, last_day: last });
}

/** Start a job; what is returned is the problem, null where there is none. */
async function send(path: string, document: Json): Promise<string | null> {
  try {
    await http.post(path, document);
  } catch (error) {
    return words(error);
  }
  void watch.now();
  return null;
}

async function turn(resolution: string, what: "pause" | "resume"): Promise<void> {
  try {
    await http.post(`operations/tasks/${resolution}/${what}`, {});
    notice(`The task of ${resolution} was ${what}d.`);
  } catch (error) {
    notice(words(error));
  }
  void watch.now();
}

async function cancel(id: string): Promise<void> {
  try {
    await http.post(`jobs/${id}/cancel`, {});
  } catch (error) {
    notice(words(error));
  }
  void watch.now();
}

function words(error: unknown): string {
  return error instanceof ProblemError ? error.problem.detail : "The service's answer is not what this page expects.";
}

function notice(text: string): void {
  const shown = byId("notice", HTMLElement);
  shown.textContent = text;
  shown.hidden = false;
  hideNotice();
  hideNotice = realClock.later(NOTICE, () => {
    shown.hidden = true;
  });
}

function act(): void {
  if (state.problem?.kind === "key") keys.open(http.key !== null, state.problem.detail);
  else void watch.now();
}

function listen(): void {
  const clicks: readonly (readonly [string, () => void])[] = [
    ["theme", toggleTheme],
    ["cover-action", act],
    [
      "heal",
      () => {
        withKey(openHeal);
      },
    ],
    [
      "call-heal",
      () => {
        withKey(openHeal);
      },
    ],
    [
      "verify",
      () => {
        withKey(openVerify);
      },
    ],
    [
      "generate",
      () => {
        withKey((found) => {
          if (found.mostGenerated !== null) orders.open(found, found.mostGenerated);
        }, "write");
      },
    ],
    [
      "key-open",
      () => {
        keys.open(http.key !== null);
      },
    ],
  ];
  for (const [id, what] of clicks) byId(id, HTMLElement).addEventListener("click", what);
  window.addEventListener("online", () => {
    tell({ online: true });
    void watch.now();
  });
  window.addEventListener("offline", () => {
    tell({ online: false });
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void watch.now();
    else watch.rest();
  });
}

followTheme(() => undefined);
listen();
tell({});
void watch.now();
