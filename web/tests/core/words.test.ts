import { describe, expect, it } from "vitest";

import {
  decimalsOf,
  formatChange,
  formatCount,
  formatInstant,
  formatPrice,
  formatTick,
  formatVolume,
  zoneName,
} from "../../src/core/format.js";
import { commandOf, HELP } from "../../src/core/keys.js";
import { passes, ProblemError, problemOf, problemOfReply, unanswered } from "../../src/core/problems.js";
import { found, moved } from "../../src/core/search.js";
import { queryOf, sameView, START, viewOf } from "../../src/core/url.js";
import { info } from "../made.js";

describe("formats", () => {
  it("give prices the decimals of their tick", () => {
    expect([0.01, 1, 0.25, 0.00000001, 5].map(decimalsOf)).toEqual([2, 0, 2, 8, 0]);
    expect(decimalsOf(1e-20)).toBe(12);
    expect(formatPrice(1234.5, 2)).toBe("1,234.50");
  });

  it("shorten volumes and group counts", () => {
    expect([formatVolume(1_234_567), formatCount(12_345)]).toEqual(["1.23M", "12,345"]);
  });

  it("give changes a sign", () => {
    expect(formatChange(100, 101.5, 2)).toBe("+1.50 (+1.50 %)");
    expect(formatChange(100, 99, 0)).toBe("−1 (−1.00 %)");
    expect(formatChange(0, 0, 1)).toBe("0.0 (0.00 %)");
  });

  it("tell the wall clock of the exchange within a day, and the UTC day otherwise", () => {
    const open = Date.parse("2024-01-05T14:30:00Z");
    expect(formatInstant(open, "1m", "America/New_York")).toBe("Fri 5 Jan 2024 09:30");
    expect(formatInstant(Date.parse("2024-01-05T00:00:00Z"), "1d", "America/New_York")).toBe("Fri 5 Jan 2024");
    expect((["year", "month", "day", "time"] as const).map((kind) => formatTick(open, kind, "1m", "Etc/UTC"))).toEqual([
      "2024",
      "Jan",
      "5",
      "14:30",
    ]);
  });

  it("are the same every time", () => {
    const told = [1, 2].map(() => formatInstant(0, "1m", "Asia/Tokyo"));
    expect(told).toEqual(["Thu 1 Jan 1970 09:00", "Thu 1 Jan 1970 09:00"]);
  });

  it("name zones shortly", () => {
    expect(["Etc/UTC", "UTC", "America/New_York"].map(zoneName)).toEqual(["UTC", "UTC", "New York"]);
  });
});

describe("addresses", () => {
  it("say what is shown, and nothing is lost on the way back", () => {
    const views = [
      { symbol: "BTC-USD", resolution: "1h", range: { kind: "latest" } },
      { symbol: "A&B", resolution: "1m", range: { kind: "preset", preset: "6M" } },
      { symbol: "X", resolution: "1M", range: { kind: "days", from: "2024-01-01", to: "2024-02-29" } },
    ] as const;
    for (const view of views) expect(viewOf(queryOf(view))).toEqual(view);
    expect(sameView(views[0], { ...views[0] })).toBe(true);
    expect(sameView(views[0], views[1])).toBe(false);
  });

  it("that make no sense show what can be shown", () => {
    expect(viewOf("?resolution=7m&range=2D&from=2024-02-30&to=x")).toEqual(START);
    expect(viewOf(`?symbol=${"x".repeat(200)}`).symbol).toHaveLength(100);
  });
});

describe("search", () => {
  const symbols = [info("ETH-USD"), info("BTC-USD"), info("USD"), info("AAPL", "stock")];

  it("puts the closest first and finds classes too", () => {
    expect(found(symbols, " usd ").map((one) => one.symbol)).toEqual(["USD", "BTC-USD", "ETH-USD"]);
    expect(found(symbols, "b").map((one) => one.symbol)).toEqual(["BTC-USD"]);
    expect(found(symbols, "stoc").map((one) => one.symbol)).toEqual(["AAPL"]);
    expect(found(symbols, "")).toHaveLength(4);
    expect(found(symbols, "zzz")).toEqual([]);
  });

  it("moves round in a circle", () => {
    expect([moved(0, -1, 3), moved(2, 1, 3), moved(0, 1, 0)]).toEqual([2, 0, -1]);
  });
});

describe("keys", () => {
  const press = (key: string, shift = false, modified = false): unknown => commandOf({ key, shift, modified });

  it("do what the help says", () => {
    expect([press("/"), press("S"), press("d"), press("T"), press("f"), press("?")]).toMatchObject(
      ["search", "search", "dates", "theme", "fit", "help"].map((what) => ({ do: what })),
    );
    expect([press("["), press("]")]).toEqual([-1, 1].map((step) => ({ do: "resolution", step })));
    expect([press("1"), press("7")]).toEqual(["1D", "All"].map((preset) => ({ do: "preset", preset })));
    expect([press("ArrowLeft"), press("ArrowRight", true)]).toEqual(
      [-0.1, 1].map((screens) => ({ do: "pan", screens })),
    );
    expect([press("ArrowLeft", true), press("ArrowRight")]).toEqual(
      [-1, 0.1].map((screens) => ({ do: "pan", screens })),
    );
    expect([press("+"), press("-")]).toEqual([0.8, 1.25].map((factor) => ({ do: "zoom", factor })));
    expect([press("Home"), press("End")]).toEqual([{ do: "oldest" }, { do: "latest" }]);
    expect(HELP.length).toBeGreaterThan(8);
  });

  it("leave the browser its own, and the rest alone", () => {
    expect([press("d", false, true), press("8"), press("0"), press(" "), press("Tab")]).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});

describe("problems", () => {
  it("take the service's own words", () => {
    expect(problemOfReply(422, { detail: "Too wide." }, null)).toMatchObject({ kind: "refused", detail: "Too wide." });
    expect(problemOfReply(503, undefined, "2")).toMatchObject({ kind: "unavailable", retryAfter: 2000 });
    expect(problemOfReply(503, { detail: 5 }, "soon").retryAfter).toBeNull();
  });

  it("tell kinds by status", () => {
    const kinds = [401, 403, 404, 429, 500, 502, 400].map((status) => problemOfReply(status, null, null).kind);
    expect(kinds).toEqual(["key", "key", "unknown", "unavailable", "defect", "unavailable", "refused"]);
  });

  it("without a reply are the network's or the service's", () => {
    expect([unanswered(false).kind, unanswered(true).kind]).toEqual(["offline", "unreachable"]);
  });

  it("that pass by themselves are asked about again", () => {
    const kinds = ["offline", "unreachable", "unavailable", "key", "unknown", "refused", "defect"] as const;
    expect(kinds.filter((kind) => passes(problemOf(kind, "")))).toEqual(["offline", "unreachable", "unavailable"]);
    expect(new ProblemError(problemOf("key", "Which?")).message).toBe("Which?");
  });
});
