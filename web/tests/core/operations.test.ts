import { describe, expect, it } from "vitest";

import { jobOf, operationsOf } from "../../src/core/operations.js";
import { ShapeError } from "../../src/core/json.js";
import { answer, days, JOB, RESOLUTION, RUN, STEP, TASK } from "../operations.js";

describe("what an operator looks at", () => {
  it("is read from the answer", () => {
    const run = {
      resolution: "1m",
      scheduled_for: "2024-01-06T00:00:00Z",
      status: "success",
      seconds: null,
      kind: "live",
      bars: 3,
      trades: 4,
      reason: "",
    };
    const check = {
      name: "files",
      holds: "All.",
      state: "sound",
      sound: 10,
      incomplete: [],
      wrong: [days("2024-01-01")],
    };
    const found = operationsOf(
      answer({
        dagster: "http://127.0.0.1:3000",
        resolutions: [{ ...RESOLUTION, missing: [days("2024-01-02")], task: TASK, failures: [RUN] }],
        tasks: { there: true, text: "", runs: [run] },
        checks: [check],
        jobs: [{ ...JOB, progress: { ...STEP, total: null }, report: { days: 1 } }],
      }),
    );
    expect(found).toMatchObject({
      dataset: "default",
      provedDays: 10,
      role: "admin",
      mostGenerated: 1_000_000,
      dagster: "http://127.0.0.1:3000",
    });
    expect(found.resolutions[0]).toMatchObject({
      missing: [days("2024-01-02")],
      task: { everySeconds: 60, runningSeconds: null, faults: [] },
      failures: [{ day: "2024-01-05", bars: 5 }],
    });
    expect(found.tasks.runs[0]).toMatchObject({ scheduledFor: "2024-01-06T00:00:00Z", bars: 3, seconds: null });
    expect(found.checks[0]).toMatchObject({ sound: 10, wrong: [days("2024-01-01")] });
    expect(found.jobs[0]).toMatchObject({ progress: { done: 1, total: null }, report: { days: 1 } });
  });

  it("may be of trades that are not made up", () => {
    expect(operationsOf(answer({ most_generated: null })).mostGenerated).toBeNull();
  });

  it("has no links but to pages", () => {
    expect(() => operationsOf(answer({ dagster: "javascript:alert(1)" }))).toThrow(ShapeError);
  });

  it("may have jobs that tell nothing yet", () => {
    expect(jobOf(JOB)).toMatchObject({ progress: null, report: null, error: null, started: "2024-01-06T00:00:01Z" });
    expect(jobOf({ ...JOB, progress: undefined }).progress).toBeNull();
  });
});
