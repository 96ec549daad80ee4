import { beforeEach, describe, expect, it } from "vitest";

import { Datafeed, type LibraryBar, type SymbolDescription } from "../../src/datafeed/datafeed.js";
import { bar, settled, Sockets, TestClock, TestWeb } from "../made.js";

const SYMBOL: SymbolDescription = { name: "BTC-USD", ticker: "BTC-USD", intraday_multipliers: ["1", "5"] };
const CONFIG = {
  supported_resolutions: ["1", "1D"],
  exchanges: [],
  symbols_types: [],
  supports_marks: true,
  supports_timescale_marks: false,
  supports_time: true,
};
let clock: TestClock;
let sockets: Sockets;
let web: TestWeb;
let said: unknown[];
let feed: Datafeed;

beforeEach(() => {
  [clock, sockets, web, said] = [new TestClock(), new Sockets(), new TestWeb(), []];
  feed = new Datafeed("https://host", { clock, web, open: sockets.open, onReset: () => said.push("reset data") });
});

const say = (...words: unknown[]): void => void said.push(...words);
const history = (...seconds: number[]): object => {
  const column = seconds.map(() => 1);
  return { s: "ok", t: seconds, o: column, h: column, l: column, c: column, v: column };
};
const asked = (): string[] => web.asked.map(({ url }) => url.replace("https://host/", ""));

async function bars(period: Partial<{ from: number; to: number; countBack: number }> = {}): Promise<void> {
  const whole = { from: 0, to: 1_000, countBack: 3, firstDataRequest: true, ...period };
  feed.getBars(
    SYMBOL,
    "1",
    whole,
    (found, { noData }) => {
      say(
        found.map((one) => one.time),
        noData,
      );
    },
    say,
  );
  await clock.pass(0);
}

describe("every answer", () => {
  it("comes after the call has returned, even where it is known at once", async () => {
    web.reply = () => CONFIG;
    feed.onReady(say);
    feed.searchSymbols("", "", "", say);
    feed.getServerTime(say);
    await settled();
    expect([said, asked().length]).toEqual([[], 3]);
    await clock.pass(0);
    expect(said[0]).toMatchObject(CONFIG);
  });
});

describe("onReady", () => {
  it("asks again until the service answers", async () => {
    web.reply = () => new Response("", { status: 503 });
    feed.onReady(say);
    await clock.pass(9_000);
    web.reply = () => CONFIG;
    await clock.pass(1_000);
    expect(said).toMatchObject([CONFIG]);
  });
});

describe("searchSymbols", () => {
  it("hands on what was found, and nothing where the service failed", async () => {
    const one = { symbol: "A", description: "", exchange: "", ticker: "A", type: "stock" };
    web.reply = () => [{ ...one, full_name: "X:A" }];
    feed.searchSymbols("a b", "X", "stock", say);
    await clock.pass(0);
    web.reply = () => ({ s: "error", errmsg: "No." });
    feed.searchSymbols("", "", "", say);
    await clock.pass(0);
    expect(said).toEqual([[one], []]);
    expect(asked()[0]).toBe("udf/search?query=a+b&exchange=X&type=stock&limit=30");
  });
});

describe("resolveSymbol", () => {
  it("hands on every field the service gives", async () => {
    web.reply = () => ({ name: "A", session: "24x7" });
    feed.resolveSymbol("A", say, say);
    await clock.pass(0);
    expect(said).toEqual([{ name: "A", session: "24x7" }]);
  });

  it("tells the reason where there is no such symbol", async () => {
    web.reply = () => new Response(JSON.stringify({ detail: "Which?", s: "error" }), { status: 404 });
    feed.resolveSymbol("B", say, say);
    web.reply = () => ({ s: "error", errmsg: "Not that." });
    feed.resolveSymbol("B", say, say);
    await clock.pass(0);
    expect(said).toEqual(["Which?", "Not that."]);
  });
});

describe("getBars", () => {
  it("gives milliseconds, and asks for as many bars as are wanted but two at least", async () => {
    web.reply = () => history(60, 120);
    await bars({ countBack: 1 });
    expect(said).toEqual([[60_000, 120_000], false]);
    expect(asked()).toEqual(["udf/history?symbol=BTC-USD&resolution=1&from=0&to=1000&countback=2"]);
  });

  it("leaves out what opens at the end of the range or later", async () => {
    web.reply = () => history(940, 1_000);
    await bars();
    expect(said).toEqual([[940_000], false]);
  });

  it("says that there is no data only where history begins", async () => {
    web.reply = () => ({ s: "no_data" });
    await bars();
    expect(said).toEqual([[], true]);
  });

  it("crosses a gap to the bars before it", async () => {
    web.reply = (url) => (url.includes("from=0") ? { s: "no_data", nextTime: 30 } : history(29, 30));
    await bars();
    expect(said).toEqual([[29_000, 30_000], false]);
    expect(asked()[1]).toContain("from=30&to=31");
  });

  it("tells an error in words", async () => {
    web.reply = () => ({ s: "error", errmsg: "Too wide." });
    await bars();
    web.reply = () => ({ s: "ok", t: [1], o: [], h: [1], l: [1], c: [1], v: [1] });
    await bars();
    expect(said).toEqual(["Too wide.", "Columns are not equally long."]);
  });

  it("gives bars that the library may change without anybody noticing", async () => {
    web.reply = () => history(60);
    const given: LibraryBar[][] = [];
    const period = { from: 0, to: 1_000, countBack: 2, firstDataRequest: false };
    for (let time = 0; time < 2; time += 1) {
      feed.getBars(SYMBOL, "1", period, (found) => given.push(found), say);
      await clock.pass(0);
      const first = given[time]?.[0];
      if (first !== undefined) first.close = -1;
    }
    expect(given[0]?.[0]).not.toBe(given[1]?.[0]);
  });
});

describe("subscribeBars", () => {
  const subscribe = (resolution = "1", symbol = SYMBOL, uid = "u"): void => {
    feed.subscribeBars(
      symbol,
      resolution,
      (tick) => {
        say([tick.time, tick.close]);
      },
      uid,
      () => {
        say("reset cache");
      },
    );
  };

  it("ticks the last bar and new ones, in order, never an older one of a snapshot", async () => {
    web.reply = () => history(60, 120);
    await bars();
    said = [];
    subscribe();
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(60_000), bar(120_000, 7)]);
    sockets.last.update(1, 1, 2, [bar(120_000, 8), bar(180_000, 9)]);
    expect(said).toEqual([
      [120_000, 7],
      [120_000, 8],
      [180_000, 9],
    ]);
  });

  it("has what the library keeps thrown away when a late trade changed an older bar", () => {
    subscribe();
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(120_000)]);
    sockets.last.update(1, 1, 2, [bar(60_000, 5)]);
    expect(said).toEqual([[120_000, 10], "reset cache", "reset data"]);
  });

  it("has it thrown away after an interruption that could not be resumed", async () => {
    subscribe();
    sockets.last.hello("run 1");
    sockets.last.snapshot(1, 1, [bar(60_000)]);
    sockets.last.onclose?.({ code: 1001 });
    await clock.pass(500);
    sockets.last.hello("run 2");
    sockets.last.snapshot(1, 1, [bar(180_000)]);
    expect(said).toEqual([[60_000, 10], "reset cache", "reset data", [180_000, 10]]);
  });

  it("asks every few seconds where there is no stream, and goes on after a failure", async () => {
    subscribe();
    web.reply = () => new Response("", { status: 503 });
    await clock.pass(10_000);
    web.reply = () => history(60, 120);
    await clock.pass(10_000);
    expect(said).toEqual([
      [60_000, 1],
      [120_000, 1],
    ]);
    expect(asked().at(-1)).toContain("countback=2");
  });

  it("does not ask while the stream is open", async () => {
    subscribe();
    sockets.last.hello("run 1", 1_000);
    await clock.pass(30_000);
    expect(asked()).toEqual([]);
  });

  it("asks for bars that the stream has otherwise: hours of a session", async () => {
    web.reply = () => history(60);
    subscribe("60");
    await clock.pass(10_000);
    expect([sockets.all.length, said]).toEqual([0, [[60_000, 1]]]);
  });

  it("streams days of every symbol, and a refusal is no end", () => {
    subscribe("1D", { name: "AAPL" });
    sockets.last.hello();
    expect(sockets.last.sent).toEqual([{ op: "subscribe", id: 1, channel: "bars", symbol: "AAPL", resolution: "1d" }]);
    sockets.last.say({ type: "error", id: 1, code: "x", detail: "y" });
    expect(said).toEqual([]);
  });

  it("keeps subscriptions apart, and ends each, late or twice", async () => {
    web.reply = () => history(60);
    subscribe("1", SYMBOL, "a");
    subscribe("1", SYMBOL, "a");
    subscribe("60", { name: "X" }, "b");
    sockets.last.hello();
    expect(sockets.last.sent).toHaveLength(1);
    feed.unsubscribeBars("b");
    feed.unsubscribeBars("b");
    sockets.last.snapshot(2, 1, [bar(60_000)]);
    feed.close();
    await clock.pass(60_000);
    expect([said, clock.pending, sockets.last.closed]).toEqual([[[60_000, 10]], 0, true]);
  });

  it("says nothing of an answer that comes after the end", async () => {
    web.reply = () => {
      feed.unsubscribeBars("u");
      return history(60);
    };
    subscribe("60");
    await clock.pass(30_000);
    expect([said, clock.pending]).toEqual([[], 0]);
  });
});

describe("the rest", () => {
  it("has marks in seconds, none where the service failed", async () => {
    const columns = { id: [1], time: [60], color: ["orange"], text: ["Early."], label: ["E"] };
    web.reply = () => ({ ...columns, labelFontColor: ["white"], minSize: [14] });
    feed.getMarks(SYMBOL, 0, 100, say, "1");
    await clock.pass(0);
    web.reply = () => ({ ...columns, labelFontColor: [5], minSize: [14] });
    feed.getMarks(SYMBOL, 0, 100, say, "1");
    await clock.pass(0);
    const mark = { id: 1, time: 60, color: "orange", text: "Early.", label: "E", labelFontColor: "white", minSize: 14 };
    expect(said).toEqual([[mark], []]);
  });

  it("tells the service's time, or does not", async () => {
    web.reply = () => 1_704_465_000;
    feed.getServerTime(say);
    await clock.pass(0);
    web.reply = () => "soon";
    feed.getServerTime(say);
    await clock.pass(0);
    expect(said).toEqual([1_704_465_000]);
  });

  it("shows its key over HTTP and on the stream", async () => {
    feed = new Datafeed("https://host/", { clock, web, open: sockets.open, key: "k" });
    feed.subscribeBars(SYMBOL, "1", say, "u", say);
    sockets.last.onopen?.();
    expect(sockets.last.sent).toEqual([{ op: "authenticate", key: "k" }]);
    feed.getServerTime(say);
    await clock.pass(0);
    expect(new Headers(web.asked[0]?.init.headers).get("X-API-Key")).toBe("k");
  });

  it("needs nothing but an address", () => {
    const plain = new Datafeed("https://host");
    plain.close();
    expect(plain).toBeInstanceOf(Datafeed);
  });
});
