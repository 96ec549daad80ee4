import { describe, expect, it } from "vitest";

import { problemOf } from "../../src/core/problems.js";
import {
  type Event,
  initial,
  lightOf,
  reduce,
  retries,
  shownSymbol,
  type State,
  toldResolution,
} from "../../src/core/state.js";
import { START } from "../../src/core/url.js";
import { answer, info } from "../made.js";

const LIST = { dataset: "d", firstDay: "2024-01-01", lastDay: "2024-01-07", symbols: [info("BTC-USD")], version: "v" };
const after = (...events: Event[]): State => events.reduce(reduce, initial({ ...START, symbol: "BTC-USD" }, true));
const answered = (count: number): Event => ({
  type: "answered",
  answer: answer({ resolution: "15m", reason: "wide" }),
  count,
  older: "more",
  newer: "none",
});

describe("state", () => {
  it("is loading until there is an answer, which may be empty", () => {
    expect(after().phase).toBe("loading");
    expect(after(answered(3))).toMatchObject({ phase: "ready", older: "more", newer: "none", problem: null });
    expect(after(answered(0)).phase).toBe("empty");
  });

  it("forgets what was when something else is asked for", () => {
    const asked = after(answered(3), { type: "asked" });
    expect(asked).toMatchObject({ phase: "loading", effective: null, older: "none", newer: "none" });
  });

  it("has bars as soon as the first comes live", () => {
    expect(after(answered(0), { type: "grown" }).phase).toBe("ready");
    expect(after({ type: "grown" }).phase).toBe("loading");
  });

  it("keeps what it is told of edges, view and network", () => {
    const view = { ...START, symbol: "ETH-USD" };
    const all: Event[] = [
      { type: "older", edge: "failed" },
      { type: "newer", edge: "loading" },
      { type: "viewed", view },
      { type: "online", online: false },
      { type: "link", link: "lost" },
    ];
    expect(after(...all)).toMatchObject({ older: "failed", newer: "loading", view, online: false, link: "lost" });
  });

  it("knows the symbol that is shown, once it knows them all", () => {
    expect(shownSymbol(after())).toBeNull();
    expect(shownSymbol(after({ type: "listed", list: LIST }))?.symbol).toBe("BTC-USD");
  });

  it("asks again by itself only where that may help", () => {
    const failed = (kind: "unavailable" | "key"): State => after({ type: "failed", problem: problemOf(kind, "") });
    expect([retries(failed("unavailable")), retries(failed("key")), retries(after())]).toEqual([true, false, false]);
  });
});

describe("the light", () => {
  const ready = after(answered(1));

  it("says how new bars come", () => {
    const looks = (["live", "polling", "connecting", "lost", "idle"] as const).map((link) =>
      lightOf({ ...ready, link }),
    );
    expect(looks.map((light) => light.look)).toEqual(["good", "fair", "busy", "bad", "off"]);
    expect(looks.map((light) => light.text)).toEqual(["Live", "Polling", "Connecting", "Lost", "History"]);
  });

  it("is never good where there is no network, no answer, or none yet", () => {
    expect(lightOf({ ...ready, link: "live", online: false }).text).toBe("Offline");
    expect(lightOf(after({ type: "failed", problem: problemOf("key", "") }))).toMatchObject({
      look: "bad",
      detail: "A key is needed",
    });
    expect(lightOf({ ...ready, phase: "failed", problem: null }).look).toBe("bad");
    expect(lightOf(after()).look).toBe("busy");
  });
});

describe("the effective resolution", () => {
  const told = (given: Parameters<typeof answer>[0]): unknown => toldResolution({ ...answer(given) });

  it("is told with its reason", () => {
    expect(told({ resolution: "15m", reason: "wide" })).toEqual({ short: "15m instead of 1m", why: "wide" });
    expect(told({ resolution: "5m", reason: "slow", fallback: "slow" })).toMatchObject({ why: "slow" });
    expect(told({ resolution: "5m" })).toMatchObject({ why: "the service chose it" });
  });

  it("needs no words where it is what was asked for, unless something was done about it", () => {
    expect(told({})).toEqual({ short: "1m", why: null });
    expect(told({ fallback: "read in 4 parts" })).toEqual({ short: "1m", why: "read in 4 parts" });
  });
});
