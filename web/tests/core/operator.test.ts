import { describe, expect, it } from "vitest";

import * as operator from "../../src/core/operator.js";
import { jobOf, type Operations, operationsOf } from "../../src/core/operations.js";
import { problemOf } from "../../src/core/problems.js";
import { answer, days, JOB, RESOLUTION, STEP, TASK } from "../operations.js";

function found(given: Readonly<Record<string, unknown>> = {}): Operations {
  return operationsOf(answer(given));
}

function resolution(given: Readonly<Record<string, unknown>>): Operations["resolutions"][number] {
  const [one] = found({ resolutions: [{ ...RESOLUTION, ...given }] }).resolutions;
  if (one === undefined) throw new Error("There is one.");
  return one;
}

function tile(name: string, given: Readonly<Record<string, unknown>> = {}): operator.Tile | undefined {
  return operator.tilesOf(found(given)).find((one) => one.name === name);
}

describe("the light", () => {
  const calm = { found: found(), problem: null, online: true };

  it("says whether what is shown is of now", () => {
    expect(operator.lightOf(calm)).toMatchObject({ look: "good", detail: "The service is asked every 5 s." });
    expect(operator.lightOf({ ...calm, found: null })).toMatchObject({ look: "busy" });
    expect(operator.lightOf({ ...calm, online: false }).text).toBe("Offline");
    const problem = problemOf("unreachable", "No reply.");
    expect(operator.lightOf({ ...calm, problem }).text).toBe("Lost");
    expect(operator.lightOf({ ...calm, found: null, problem }).text).toBe("No data");
  });

  it("goes with asking more often while a job is under way", () => {
    expect(operator.pauseFor(null)).toBe(5_000);
    expect(operator.pauseFor(found({ jobs: [JOB] }))).toBe(1_000);
    expect(operator.pauseFor(found({ jobs: [{ ...JOB, ended: "2024-01-06T00:00:02Z" }] }))).toBe(5_000);
  });
});

describe("a role", () => {
  it("is enough for some things", () => {
    const may = (["write", "admin"] as const).map((needed) =>
      [null, undefined, "read", "write", "admin"].map((role) => operator.mayDo(role, needed)),
    );
    expect(may).toEqual([
      [false, false, false, true, true],
      [false, false, false, false, true],
    ]);
  });

  it("is named where it is not enough", () => {
    expect(operator.roleText("read", "write")).toBe("The key has the role read, which may not do this.");
    expect([operator.roleText(null, "admin"), operator.roleText("admin", "admin")]).toEqual(["", ""]);
  });
});

describe("the tiles", () => {
  it("are calm where all is well", () => {
    expect(operator.tilesOf(found()).map(({ value, tone }) => [value, tone])).toEqual([
      ["2024-01-07 00:00", "good"],
      ["none", "good"],
      ["none", "good"],
      ["10 of 10", "good"],
      ["none", "good"],
    ]);
    expect(tile("Failures", { tasks: { there: true, text: "", runs: [] } })?.note).toBe(
      "runs, tasks and data are sound",
    );
  });

  it("name what is the furthest behind", () => {
    const behind = {
      ...RESOLUTION,
      resolution: "1h",
      complete_until: "2024-01-03T00:00:00Z",
      lag_seconds: 345_600,
      missing: [days("2024-01-03", "2024-01-04")],
    };
    const given = { resolutions: [RESOLUTION, behind, { ...behind, stale: [days("2024-01-04")] }] };
    expect(tile("Complete until", given)).toMatchObject({
      value: "2024-01-03 00:00",
      note: "1h is the furthest behind",
      tone: "fair",
    });
    expect(tile("Lag", given)).toMatchObject({ value: "4 d", note: "1h behind its trades" });
    expect(tile("Gaps", given)).toMatchObject({ value: "2 days", note: "at 1h, 1h", tone: "bad" });
  });

  it("say so where nothing is there", () => {
    const none = { ...RESOLUTION, complete_until: null };
    expect(tile("Complete until", { resolutions: [none] })).toMatchObject({ value: "–", tone: "off" });
    expect(tile("Complete until", { resolutions: [RESOLUTION, none] })?.value).toBe("–");
    expect(tile("Lag", { resolutions: [] })).toMatchObject({ value: "none" });
    expect(tile("Days proved", { proved_days: 9 })).toMatchObject({
      note: "1 day without proved trades",
      tone: "fair",
    });
  });

  it("count failures of every sort", () => {
    const checks = [{ name: "files", holds: "", state: "wrong", sound: 1, incomplete: [], wrong: [] }];
    const failing = { ...RESOLUTION, failed: 2, task: { ...TASK, faults: ["its last run failed"] } };
    expect(tile("Failures", { resolutions: [failing, RESOLUTION], checks })).toMatchObject({
      value: "4",
      note: "2 runs given up, 1 fault of tasks, 1 check failed",
      tone: "bad",
    });
    expect(tile("Failures", { checks })?.note).toBe("1 check failed");
  });
});

describe("a resolution", () => {
  it("is drawn as stretches of days", () => {
    const one = resolution({ missing: [days("2024-01-03", "2024-01-04")], waiting: [days("2024-01-10")] });
    const [whole, missing, waiting] = operator.stretchesOf(one, "2024-01-01", "2024-01-10");
    expect(whole).toMatchObject({ standing: "complete", from: 0, to: 1 });
    expect(missing).toMatchObject({ standing: "missing", from: 0.2, to: 0.4 });
    expect(missing?.title).toBe("2024-01-03 to 2024-01-04: missing, bars are gone");
    expect(waiting).toMatchObject({ standing: "waiting", from: 0.9, to: 1 });
  });

  it("stands in a word", () => {
    const [one, two] = [days("2024-01-03"), days("2024-01-05", "2024-01-06")];
    const told = (given: Readonly<Record<string, unknown>>): string => operator.standingOf(resolution(given)).text;
    expect(told({})).toBe("complete");
    expect(told({ waiting: [one] })).toBe("1 day waiting");
    expect(told({ missing: [one], waiting: [two] })).toBe("1 day missing");
    expect(told({ stale: [two] })).toBe("2 days stale");
    expect(told({ missing: [one], stale: [two] })).toBe("1 day missing, 2 stale");
  });

  it("has a task in one of several states", () => {
    const told = (given: Readonly<Record<string, unknown>>): string => {
      const { text, tone, detail } = operator.taskOf(resolution({ task: { ...TASK, ...given } }).task);
      return `${text}, ${tone}: ${detail}`;
    };
    expect(operator.taskOf(null)).toMatchObject({ text: "none", tone: "off" });
    expect(told({})).toBe("active, good: every 1 min; last run: success");
    expect(told({ last_run: null })).toBe("active, good: every 1 min; last run: none yet");
    expect(told({ state: "paused" })).toBe("paused, fair: every 1 min when it runs");
    expect(told({ paused_by: "process 1" })).toBe("held, busy: process 1 makes its bars just now");
    expect(told({ running_seconds: 75 })).toBe("running, busy: 1 min 15 s");
    expect(told({ faults: ["its last run failed"] })).toBe("faulty, bad: its last run failed");
    expect(told({ state: "missing", faults: ["there is none"] })).toBe("missing, bad: there is none");
  });
});

describe("what was found of the data", () => {
  it("has a tone", () => {
    const check = { name: "", holds: "", sound: 0, incomplete: [], wrong: [] };
    const tones = ["sound", "incomplete", "wrong"].map((state) => operator.checkTone({ ...check, state }));
    expect(tones).toEqual(["good", "fair", "bad"]);
  });
});

describe("a job", () => {
  const ended = { ...JOB, state: "succeeded", ended: "2024-01-06T00:01:01Z" };

  it("has a name, days and a tone", () => {
    expect(operator.jobName(jobOf(JOB))).toBe("Heal bars");
    expect(operator.jobName(jobOf({ ...JOB, kind: "run", about: { resolution: "1h" } }))).toBe("Make bars again of 1h");
    expect(operator.jobName(jobOf({ ...JOB, kind: "other" }))).toBe("other");
    expect(operator.jobAbout(jobOf(JOB))).toBe("2024-01-01 to 2024-01-06");
    expect(operator.jobAbout(jobOf({ ...JOB, about: {} }))).toBe("");
    expect(["queued", "running", "failed"].map((state) => operator.jobTone(jobOf({ ...JOB, state })))).toEqual([
      "off",
      "busy",
      "bad",
    ]);
  });

  it("says how far it is", () => {
    const at = (step: Readonly<Record<string, unknown>>): [number | null, string] => {
      const job = jobOf({ ...JOB, progress: { ...STEP, ...step } });
      return [operator.jobShare(job), operator.jobText(job)];
    };
    expect(at({})).toEqual([0.25, "1 of 4 chunks"]);
    expect(at({ detail: { seconds_left: 75.2 } })).toEqual([0.25, "1 of 4 chunks · 1 min 15 s left"]);
    expect(at({ detail: { seconds_left: 0.2 } })[1]).toBe("1 of 4 chunks");
    expect(at({ done: 0, total: 0 })[0]).toBe(1);
    expect(at({ total: null })).toEqual([null, "1 chunk"]);
    expect(operator.jobShare(jobOf(JOB))).toBeNull();
    expect(operator.jobText(jobOf(JOB))).toBe("");
    expect(operator.jobText(jobOf({ ...JOB, state: "queued" }))).toBe("waits for its turn");
  });

  it("says what it did", () => {
    const did = (kind: string, report: Readonly<Record<string, unknown>>): string =>
      operator.jobText(jobOf({ ...ended, kind, report }));
    expect(did("heal", { days: 2, bars: 1_234, removed: 0 })).toBe("2 days, 1,234 bars made · 1 min");
    expect(did("heal", {})).toBe("nothing was missing or stale · 1 min");
    expect(did("verify", { passed: 51, checks: 52 })).toBe("51 of 52 checks passed · 1 min");
    expect(did("generate", { trades: 1, ordered: 1 })).toBe("1 trade stored of 1 ordered · 1 min");
    expect(did("generate", { trades: 0, ordered: 700, duplicates: 700 })).toBe(
      "0 trades stored of 700 ordered, 700 were there already · 1 min",
    );
    expect(operator.jobText(jobOf({ ...ended, started: null, report: { days: 1, bars: 1 } }))).toBe(
      "1 day, 1 bar made",
    );
  });
});

describe("a job that generates trades", () => {
  const about = { first_day: "2024-01-09", last_day: "2024-01-10", symbols: null, seed: 7 };
  const made = (given: Readonly<Record<string, unknown>>): ReturnType<typeof jobOf> =>
    jobOf({ ...JOB, kind: "generate", about, ...given });

  it("says of what", () => {
    const told = (symbols: unknown): string => operator.jobAbout(made({ about: { ...about, symbols } }));
    expect(told(null)).toBe("2024-01-09 to 2024-01-10 · all symbols · seed 7");
    expect(told(["A", "B"])).toBe("2024-01-09 to 2024-01-10 · A, B · seed 7");
    expect(told(["A", "B", "C", "D"])).toBe("2024-01-09 to 2024-01-10 · 4 symbols · seed 7");
    expect(operator.jobAbout(made({ about: {} }))).toBe("all symbols");
  });

  it("says how far it is, batch by batch", () => {
    const text = (batches: number): string => {
      const detail = { stored: 5_000, batches, trades_per_second: 25_000.4, seconds_left: 2.2 };
      return operator.jobText(made({ progress: { ...STEP, done: 5_000, total: 10_000, unit: "trades", detail } }));
    };
    expect(text(1)).toBe("5,000 of 10,000 trades · in 1 batch · 25,000 a second · 2.2 s left");
    expect(text(2)).toContain("in 2 batches");
  });

  it("leads to the chart of what it made, day by day", () => {
    const report = { trades: 3, by_day: { "2024-01-09": 1, "2024-01-10": 2 } };
    expect(operator.reportLines(made({ report }))).toEqual([
      "2024-01-09: 1 trade stored",
      "2024-01-10: 2 trades stored",
    ]);
    expect(operator.reportLines(made({}))).toEqual([]);
    expect(operator.reportLines(jobOf({ ...JOB, report }))).toEqual([]);
    expect(operator.chartOf(made({ report }))).toBe("/");
    expect(operator.chartOf(made({ report, about: { symbols: ["BTC-USD"] } }))).toBe("/?symbol=BTC-USD&resolution=1m");
    expect(operator.chartOf(made({}))).toBeNull();
    expect(operator.chartOf(made({ report: { trades: 0 } }))).toBeNull();
    expect(operator.chartOf(jobOf({ ...JOB, report }))).toBeNull();
  });
});

describe("words", () => {
  it("for lengths of time have at most two units", () => {
    const told = [0.0123, 1.26, 42, 59.7, 60, 61, 3_600, 90_061, 86_400].map(operator.spanText);
    expect(told).toEqual(["12 ms", "1.3 s", "42 s", "1 min", "1 min", "1 min 1 s", "1 h", "1 d 1 h", "1 d"]);
  });

  it("for how long ago something was", () => {
    const now = Date.parse("2024-01-06T00:00:00Z");
    expect(operator.agoText("2024-01-05T23:59:58Z", now)).toBe("just now");
    expect(operator.agoText("2024-01-06T00:01:00Z", now)).toBe("just now");
    expect(operator.agoText("2024-01-05T22:59:00Z", now)).toBe("1 h ago");
  });

  it("for instants and ranges", () => {
    expect(operator.instantText(null)).toBe("–");
    expect(operator.instantText("2024-01-05T23:59:58.123Z")).toBe("2024-01-05 23:59");
    expect(operator.rangeText({ first: "2024-01-05", last: "2024-01-05", reason: "" })).toBe("2024-01-05");
  });
});
