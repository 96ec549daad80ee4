import { describe, expect, it } from "vitest";

import { candleOf, columnOf, vwapPoints } from "../../src/core/series.js";
import { bar } from "../made.js";

const DAY = 86_400_000;
const values = (...given: Parameters<typeof vwapPoints>): (number | undefined)[] =>
  vwapPoints(...given).map((point) => point.value);

describe("points", () => {
  it("are seconds", () => {
    expect(candleOf(bar(60_000, 12))).toEqual({ time: 60, open: 10, high: 13, low: 9, close: 12 });
  });

  it("of volume have the colour of their candle", () => {
    const colors = { up: "green", down: "red" };
    expect([bar(0, 10), bar(0, 9)].map((one) => columnOf(one, colors).color)).toEqual(["green", "red"]);
  });
});

describe("VWAP", () => {
  const day = [bar(0, 10, 1), bar(60_000, 20, 3), bar(DAY, 30, 1), bar(DAY + 60_000, 50, 1)];

  it("is of the day so far, and begins anew every day", () => {
    expect(values(day, 0, true, true)).toEqual([10, 17.5, 30, 40]);
  });

  it("draws no line from the last bar of a day to the next day", () => {
    expect(vwapPoints(day, 0, true, true).map((point) => point.ends)).toEqual([false, true, false, false]);
    expect(vwapPoints(day, 0, false, true).some((point) => point.ends)).toBe(false);
  });

  it("is the same computed from the middle of a day", () => {
    expect(values(day, 1, true, true)).toEqual([17.5, 30, 40]);
    expect(values(day, 3, true, true)).toEqual([40]);
    expect(values(day, 1, true, true, 2)).toEqual([17.5]);
  });

  it("is not known of a day whose beginning may be missing", () => {
    expect(values(day, 0, true, false)).toEqual([undefined, undefined, 30, 40]);
  });

  it("of bars of a day or more is their own", () => {
    expect(values(day, 0, false, false)).toEqual([10, 20, 30, 50]);
  });

  it("has no value where nothing was traded", () => {
    expect(values([bar(0, 10, 0)], 0, true, true)).toEqual([undefined]);
    expect(values([], 0, true, true)).toEqual([]);
  });
});
