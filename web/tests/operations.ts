/** Answers of `/api/v1/operations` that tests make. */

export const RUN = {
  day: "2024-01-05",
  state: "done",
  at: "2024-01-06T00:01:00Z",
  seconds: 0.5,
  rows_in: 10,
  rows_out: 5,
  attempts: 1,
  error: "",
};

export const TASK = {
  name: "ohlcv trades 1m",
  state: "active",
  every_seconds: 60,
  last_run: "success",
  completed: null,
  made_until: "2024-01-06T00:00:00Z",
  running_seconds: null,
  paused_by: null,
  faults: [] as string[],
};

export const RESOLUTION = {
  resolution: "1m",
  bars: 100,
  trades: 200,
  complete_until: "2024-01-07T00:00:00Z",
  last_bar: "2024-01-06T23:59:00Z",
  lag_seconds: 0,
  missing: [] as unknown[],
  stale: [] as unknown[],
  waiting: [] as unknown[],
  failed: 0,
  failures: [] as unknown[],
  last_runs: [RUN] as unknown[],
  seconds_a_day: 0.5,
  task: null as unknown,
  dagster: null as string | null,
};

export const JOB = {
  id: "0123456789abcdef",
  kind: "heal",
  state: "running",
  about: { first_day: "2024-01-01", last_day: "2024-01-06" } as Record<string, unknown>,
  by: "key 1",
  created: "2024-01-06T00:00:00Z",
  started: "2024-01-06T00:00:01Z" as string | null,
  ended: null as string | null,
  progress: null as unknown,
  report: null as unknown,
  error: null as string | null,
};

export const STEP = { stage: "heal", subject: "bars", done: 1, total: 4, unit: "chunks", detail: {} };

export function days(first: string, last = first, reason = "bars are gone"): Record<string, string> {
  return { first, last, reason };
}

export function answer(given: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    dataset: "default",
    store: "duckdb",
    first_day: "2024-01-01",
    last_day: "2024-01-10",
    proved_days: 10,
    days: 10,
    complete: true,
    role: "admin",
    most_generated: 1_000_000,
    dagster: null,
    resolutions: [RESOLUTION, { ...RESOLUTION, resolution: "1d" }],
    tasks: { there: false, text: "None.", runs: [] },
    checks: [],
    jobs: [],
    ...given,
  };
}
