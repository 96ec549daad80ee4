import { beforeEach, describe, expect, it } from "vitest";

import { Http } from "../../src/net/http.js";
import { Loader } from "../../src/net/loader.js";
import { bar, columnsOf, TestWeb } from "../made.js";

const TOPIC = { symbol: "X", resolution: "1m" } as const;
const signal = new AbortController().signal;
let web: TestWeb;
let loader: Loader;

beforeEach(() => {
  web = new TestWeb();
  loader = new Loader(new Http("", web));
});

/** Answer each question with bars at the next times, the last one without a cursor. */
function pages(...times: number[][]): void {
  const left = [...times];
  web.reply = (url) => {
    const page = left.shift() ?? [];
    const order = new URL(url, "http://host").searchParams.get("order");
    return {
      requested_resolution: "1m",
      resolution: "1m",
      adapted: false,
      truncated: left.length > 0,
      next_cursor: left.length > 0 ? `c${left.length}` : null,
      order,
      columns: columnsOf((order === "desc" ? page.toReversed() : page).map((t) => bar(t))),
    };
  };
}

const asked = (at: number): Record<string, string> =>
  Object.fromEntries(new URL(web.asked[at]?.url ?? "", "http://host").searchParams);

describe("questions", () => {
  it("about the latest bars count back and are answered as asked", async () => {
    pages([1, 2]);
    expect((await loader.latest(TOPIC, signal)).bars.map((one) => one.t)).toEqual([1, 2]);
    expect(asked(0)).toMatchObject({ symbol: "X", resolution: "1m", limit: "600", order: "desc", adaptive: "false" });
  });

  it("about the last bar have its time, or none", async () => {
    pages([7], []);
    expect([await loader.lastTime(TOPIC, signal), await loader.lastTime(TOPIC, signal)]).toEqual([7, null]);
  });

  it("about a range leave the resolution to the service and go on to its beginning", async () => {
    pages([5, 6], [3, 4], [2]);
    const found: number[][] = [];
    for await (const answer of loader.range(TOPIC, { start: 2, end: 7 }, signal)) {
      found.push(answer.bars.map((one) => one.t));
    }
    expect(found).toEqual([[5, 6], [3, 4], [2]]);
    expect(asked(0)).toMatchObject({ start: "2", end: "7", adaptive: "true", limit: "5000" });
    expect([asked(1)["cursor"], asked(2)["cursor"]]).toEqual(["c2", "c1"]);
  });

  it("about what is before and after ask for more the more there is", async () => {
    pages([1], [9], [1]);
    await loader.older(TOPIC, 5, 10, signal);
    await loader.newer(TOPIC, 8, 3_000, signal);
    await loader.older(TOPIC, 5, 1_000_000, signal);
    expect(asked(0)).toMatchObject({ end: "5", order: "desc", limit: "1000" });
    expect(asked(1)).toMatchObject({ start: "8", order: "asc", limit: "3000" });
    expect(asked(2)).toMatchObject({ limit: "20000" });
  });

  it("about all since an instant go on to the end", async () => {
    pages([1, 2], [3]);
    expect((await loader.since(TOPIC, 1)).map((one) => one.t)).toEqual([1, 2, 3]);
    pages([4]);
    expect((await loader.since(TOPIC, null)).map((one) => one.t)).toEqual([4]);
    expect(asked(2)["start"]).toBeUndefined();
  });

  it("about symbols have the dataset", async () => {
    web.reply = () => ({ dataset: "d", first_day: "a", last_day: "b", symbols: [], version: "v" });
    expect(await loader.symbols()).toEqual({ dataset: "d", firstDay: "a", lastDay: "b", symbols: [], version: "v" });
  });

  it("about bars name the version of the closed days that the symbols came with", async () => {
    pages([1], [1]);
    await loader.latest(TOPIC, signal);
    web.reply = () => ({ dataset: "d", first_day: "a", last_day: "b", symbols: [], version: "v" });
    await loader.symbols();
    pages([1]);
    await loader.latest(TOPIC, signal);
    expect([asked(0)["version"], asked(2)["version"]]).toEqual([undefined, "v"]);
  });
});
