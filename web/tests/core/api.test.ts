import { describe, expect, it } from "vitest";

import { barsAnswer, barsQuery, symbolList } from "../../src/core/api.js";
import {
  flagOf,
  listOf,
  numberOf,
  numbersOf,
  objectOf,
  parsed,
  ShapeError,
  textOf,
  textOrNull,
} from "../../src/core/json.js";
import { bar, columnsOf } from "../made.js";

const HEAD = {
  requested_resolution: "1m",
  resolution: "15m",
  adapted: true,
  reason: "wide",
  truncated: true,
  order: "asc",
};

describe("barsQuery", () => {
  it("says what is asked and nothing else", () => {
    const plain = { symbol: "A B", resolution: "1m", limit: 5, order: "desc", adaptive: false } as const;
    expect(barsQuery(plain)).toBe("ohlc?symbol=A+B&resolution=1m&limit=5&order=desc&adaptive=false");
    expect(barsQuery({ ...plain, start: 1, end: 2, cursor: "x", version: "v" })).toMatch(
      /&start=1&end=2&cursor=x&version=v$/,
    );
  });
});

describe("barsAnswer", () => {
  it("has bars and how they came about", () => {
    const found = barsAnswer({ ...HEAD, next_cursor: "n", columns: columnsOf([bar(1), bar(2)]) });
    expect(found).toMatchObject({
      requested: "1m",
      resolution: "15m",
      reason: "wide",
      fallback: null,
      nextCursor: "n",
    });
    expect(found.bars).toEqual([bar(1), bar(2)]);
  });

  it("turns the newest-first order round", () => {
    const found = barsAnswer({ ...HEAD, order: "desc", columns: columnsOf([bar(2), bar(1)]) });
    expect(found.bars.map((one) => one.t)).toEqual([1, 2]);
  });

  it("refuses columns of different lengths and unknown resolutions", () => {
    const columns = { ...columnsOf([bar(1)]), q: [] };
    expect(() => barsAnswer({ ...HEAD, columns })).toThrow("q is not as long as t");
    expect(() => barsAnswer({ ...HEAD, resolution: "7m", columns: columnsOf([]) })).toThrow("no resolution");
  });
});

it("symbolList reads the dataset and its symbols", () => {
  const symbol = {
    symbol: "X",
    asset_class: "stock",
    calendar: "XNYS",
    time_zone: "UTC",
    tick_size: 0.01,
    lot_size: 1,
  };
  const dates = { first_day: "2024-01-01", last_day: "2024-01-02" };
  const list = symbolList({ dataset: "d", ...dates, symbols: [symbol], version: "v" });
  expect(list.version).toBe("v");
  expect(list.symbols[0]).toMatchObject({ symbol: "X", assetClass: "stock", timeZone: "UTC", tickSize: 0.01 });
});

describe("what is not as it should be", () => {
  it.each([
    [() => parsed("{"), "no JSON"],
    [() => objectOf([], "it"), "it is no object"],
    [() => objectOf(null, "it"), "it is no object"],
    [() => listOf({}, "it"), "it is no list"],
    [() => textOf({}, "a"), "a is no text"],
    [() => textOrNull({ a: 1 }, "a"), "a is no text"],
    [() => numberOf({ a: "1" }, "a"), "a is no number"],
    [() => flagOf({ a: 1 }, "a"), "neither true nor false"],
    [() => numbersOf({ a: [1, null] }, "a"), "holds something that is no number"],
  ])("is named: %s", (read, words) => {
    expect(read).toThrow(ShapeError);
    expect(read).toThrow(words);
  });

  it("is not what is merely absent where it may be", () => {
    expect([textOrNull({ a: null }, "a"), textOrNull({}, "a"), textOrNull({ a: "x" }, "a")]).toEqual([null, null, "x"]);
  });
});
