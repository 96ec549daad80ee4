import { describe, expect, it } from "vitest";

import { operationsOf } from "../../src/core/operations.js";
import { openDays, orderOf, type Typed } from "../../src/core/order.js";
import { answer, days, RESOLUTION } from "../operations.js";

const limits = { most: 1_000_000, firstDay: "2024-01-01", lastDay: "2024-01-31" };
const typed: Typed = {
  count: "10000",
  first: "2024-01-30",
  last: "2024-01-31",
  symbols: [],
  laws: { price_model: "", arrivals: "", sizes: "" },
  seed: "",
};

describe("trades to be generated", () => {
  it("leave to the dataset what is left empty", () => {
    expect(orderOf(typed, limits)).toEqual({ count: 10_000, first_day: "2024-01-30", last_day: "2024-01-31" });
  });

  it("are as they were typed", () => {
    const laws = { price_model: "gbm", arrivals: "", sizes: "fixed" };
    expect(orderOf({ ...typed, count: " 7 ", symbols: ["BTC-USD"], laws, seed: "0" }, limits)).toEqual({
      count: 7,
      first_day: "2024-01-30",
      last_day: "2024-01-31",
      symbols: ["BTC-USD"],
      price_model: "gbm",
      sizes: "fixed",
      seed: 0,
    });
  });

  it.each(["", "0", "-1", "1.5", "1e3", "x", "1000001"])("are so many as can be: %j are not", (count) => {
    expect(orderOf({ ...typed, count }, limits)).toBe("Trades are a whole number from 1 to 1,000,000.");
  });

  it.each(["-1", "0.5", "seven", "9007199254740993"])("have no seed like %j", (seed) => {
    expect(orderOf({ ...typed, seed }, limits)).toMatch(/^A seed is a whole number from 0 to 9,007,199,254,740,991\.$/);
  });

  it("are of days of the dataset", () => {
    expect(orderOf({ ...typed, first: "" }, limits)).toBe("Both days are needed.");
    expect(orderOf({ ...typed, last: "2024-02-01" }, limits)).toBe(
      "The dataset's days run from 2024-01-01 to 2024-01-31.",
    );
    expect(orderOf({ ...typed, last: "2024-01-29" }, limits)).toBe("The last day comes before the first.");
  });
});

describe("open days", () => {
  const open = (waiting: readonly unknown[]): unknown =>
    openDays(operationsOf(answer({ resolutions: [{ ...RESOLUTION, waiting }] })));

  it("are those at the end that are not proved", () => {
    expect(open([days("2024-01-02"), days("2024-01-08", "2024-01-10")])).toEqual({
      first: "2024-01-08",
      last: "2024-01-10",
    });
  });

  it("may be none", () => {
    expect(open([])).toBeNull();
    expect(open([days("2024-01-02")])).toBeNull();
    expect(openDays(operationsOf(answer({ resolutions: [] })))).toBeNull();
  });
});
