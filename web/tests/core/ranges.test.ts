import { describe, expect, it } from "vitest";

import { backoff } from "../../src/core/backoff.js";
import { dayOf, daysSpan, dayStart, pickedDays, PRESETS, presetSpan, resolutionFor } from "../../src/core/ranges.js";
import { durationOf, fromTradingView, isIntraday, longName, RESOLUTIONS, stepped } from "../../src/core/resolutions.js";

const at = (text: string): number => Date.parse(text);
const told = (span: { start: number; end: number } | null): string[] | null =>
  span === null ? null : [new Date(span.start).toISOString(), new Date(span.end).toISOString()];

describe("presets", () => {
  it("end with the last bar", () => {
    const span = presetSpan("1D", at("2024-03-08T20:59:00Z"), "1m", "XNYS");
    expect(told(span)).toEqual(["2024-03-07T21:00:00.000Z", "2024-03-08T21:00:00.000Z"]);
  });

  it("of daily bars and more are whole days", () => {
    expect(told(presetSpan("1D", at("2024-03-08T00:00:00Z"), "1d", "24/7"))?.[1]).toBe("2024-03-09T00:00:00.000Z");
  });

  it("of five days are a week where there are weekends", () => {
    const last = at("2024-03-08T00:00:00Z");
    const days = (calendar: string): number => {
      const span = presetSpan("5D", last, "1h", calendar);
      return span === null ? 0 : (span.end - span.start) / 86_400_000;
    };
    expect([days("24/7"), days("XNYS")]).toEqual([5, 7]);
  });

  it("of months begin on the same day, or the last of a shorter month", () => {
    const start = (preset: "1M" | "3M" | "6M" | "1Y", last: string): string | undefined =>
      told(presetSpan(preset, at(last), "1m", "24/7"))?.[0]?.slice(0, 10);
    expect(start("1M", "2024-05-20T10:00:00Z")).toBe("2024-04-20");
    expect(start("1M", "2024-03-31T10:00:00Z")).toBe("2024-02-29");
    expect(start("3M", "2024-02-10T10:00:00Z")).toBe("2023-11-10");
    expect(start("6M", "2024-06-30T23:59:00Z")).toBe("2023-12-30");
    expect(start("1Y", "2024-02-29T10:00:00Z")).toBe("2023-02-28");
  });

  it("of everything have no instants", () => {
    expect(presetSpan("All", 0, "1d", "24/7")).toBeNull();
  });

  it("come with resolutions of at most two thousand bars or so", () => {
    const days = { "1D": 1, "5D": 5, "1M": 31, "3M": 92, "6M": 184, "1Y": 366, All: 366 };
    for (const preset of PRESETS) {
      expect((days[preset] * 86_400_000) / durationOf(resolutionFor(preset))).toBeLessThan(2_300);
    }
  });
});

describe("days", () => {
  it("are read and written in UTC", () => {
    expect([dayStart("1970-01-02"), dayOf(86_400_000)]).toEqual([86_400_000, "1970-01-02"]);
    expect(["2024-02-30", "2024-2-1", "", "2024-13-01"].map(dayStart)).toEqual([null, null, null, null]);
  });

  it("that were picked make a range, or a sentence that says what is wrong", () => {
    expect(pickedDays("2024-01-01", "2024-01-01")).toEqual({ kind: "days", from: "2024-01-01", to: "2024-01-01" });
    expect(pickedDays("2024-01-02", "2024-01-01")).toBe("The last day is before the first.");
    expect(pickedDays("", "2024-01-01")).toBe("Pick two days.");
    expect(pickedDays("2024-01-01", "")).toBe("Pick two days.");
  });

  it("are both included in their span", () => {
    expect(daysSpan("1970-01-01", "1970-01-02")).toEqual({ start: 0, end: 2 * 86_400_000 });
    expect(daysSpan("", "")).toEqual({ start: 0, end: 86_400_000 });
  });
});

describe("resolutions", () => {
  it("go from fine to coarse and stop at both ends", () => {
    expect(RESOLUTIONS.map(durationOf)).toEqual(RESOLUTIONS.map(durationOf).toSorted((a, b) => a - b));
    expect([stepped("1m", -1), stepped("1m", 1), stepped("1M", 1)]).toEqual(["1m", "5m", "1M"]);
  });

  it("have names for people and for TradingView", () => {
    expect(longName("1h")).toBe("1 hour");
    expect(["1", "240", "D", "1W", "1S"].map(fromTradingView)).toEqual(["1m", "4h", "1d", "1W", null]);
    expect([isIntraday("4h"), isIntraday("1d")]).toEqual([true, false]);
  });
});

it("backoff doubles up to half a minute, with jitter, and heeds what the other side asks for", () => {
  expect([1, 2, 3, 7, 50].map((failures) => backoff(failures, 1))).toEqual([500, 1_000, 2_000, 30_000, 30_000]);
  expect([backoff(1, 0), backoff(1, 0, 2_000), backoff(9, 1, 2_000)]).toEqual([250, 2_000, 30_000]);
});
