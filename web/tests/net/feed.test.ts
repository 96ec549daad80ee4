import { beforeEach, describe, expect, it } from "vitest";

import type { Bar } from "../../src/core/bars.js";
import type { Link } from "../../src/core/state.js";
import { Feed } from "../../src/net/feed.js";
import { bar, settled, Sockets, TestClock } from "../made.js";

const TOPIC = { symbol: "BTC-USD", resolution: "1m" } as const;
let clock: TestClock;
let sockets: Sockets;
let links: Link[];
let given: number[][];
let asked: (number | null)[];
let reply: () => Promise<readonly Bar[]>;
let feed: Feed;

beforeEach(() => {
  [clock, sockets, links, given, asked] = [new TestClock(), new Sockets(), [], [], []];
  reply = () => Promise.resolve([]);
  feed = new Feed({
    open: sockets.open,
    clock,
    ask: (_, since) => {
      asked.push(since);
      return reply();
    },
    onBars: (bars) => given.push(bars.map((one) => one.t)),
    onLink: (link) => links.push(link),
  });
});

const down = (): Promise<never> => Promise.reject(new Error("down"));

describe("a feed", () => {
  it("is live once the stream has sent the bars", () => {
    feed.watch(TOPIC, 1);
    expect(links).toEqual(["connecting"]);
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(1), bar(2)]);
    sockets.last.update(1, 1, 2, [bar(2)]);
    expect([links, given, asked]).toEqual([["connecting", "live"], [[1, 2], [2]], []]);
  });

  it("asks HTTP for what lies between its last bar and a snapshot, and keeps the order", async () => {
    feed.watch(TOPIC, 1);
    sockets.last.hello();
    reply = () => Promise.resolve([bar(1), bar(2), bar(3)]);
    sockets.last.snapshot(1, 1, [bar(4), bar(5)]);
    sockets.last.update(1, 1, 2, [bar(5, 99)]);
    await settled();
    expect([asked, given, links.at(-1)]).toEqual([
      [1],
      [
        [1, 2, 3],
        [4, 5],
      ],
      "live",
    ]);
  });

  it("passes on what it held even where the stream has gone meanwhile", async () => {
    feed.watch(TOPIC, 1);
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(4)]);
    sockets.last.onclose?.({ code: 1001 });
    await settled();
    expect([given, links.at(-1)]).toEqual([[[4]], "connecting"]);
  });

  it("polls where there is no stream, from the last bar on", async () => {
    feed.watch(TOPIC, 1);
    sockets.last.onclose?.({ code: 1006 });
    reply = () => Promise.resolve([bar(1), bar(2)]);
    await clock.pass(0);
    expect([asked, links]).toEqual([[1], ["connecting", "polling"]]);
    await clock.pass(5_000);
    expect(asked).toEqual([1, 2]);
  });

  it("goes live again when the stream is back, and asks no more", async () => {
    feed.watch(TOPIC, 1);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(500);
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(1)]);
    const before = asked.length;
    await clock.pass(9_000);
    expect([links.at(-1), asked.length]).toEqual(["live", before]);
  });

  it("is lost where nobody answers, and tries ever less often until somebody does", async () => {
    reply = down;
    feed.watch(TOPIC, null);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(0);
    expect(links.at(-1)).toBe("lost");
    await clock.pass(2_500);
    expect(asked).toEqual([null, null]);
    reply = () => Promise.resolve([bar(7)]);
    await clock.pass(30_000);
    expect([links.at(-1), asked.at(-1), given[0]]).toEqual(["polling", 7, [7]]);
  });

  it("polls what the stream refuses", async () => {
    feed.watch(TOPIC, 1);
    sockets.last.hello();
    sockets.last.say({ type: "error", id: 1, code: "unknown-symbol", detail: "Who?" });
    await clock.pass(5_000);
    expect([links.at(-1), asked]).toEqual(["polling", [1, 1]]);
  });

  it("asks one question at a time", async () => {
    let answer: (bars: readonly Bar[]) => void = () => undefined;
    reply = () => new Promise((resolve) => (answer = resolve));
    feed.watch(TOPIC, 1);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(0);
    feed.nudge();
    await clock.pass(0);
    expect(asked).toEqual([1]);
    answer([bar(2)]);
    await settled();
    expect(given).toEqual([[2]]);
  });

  it("tries at once when it is told to, and only where something is watched", async () => {
    feed.nudge();
    expect(sockets.all).toEqual([]);
    feed.watch(TOPIC, 1);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(0);
    feed.nudge();
    expect(sockets.all).toHaveLength(2);
    sockets.last.hello();
    const before = asked.length;
    feed.nudge();
    await clock.pass(0);
    sockets.last.snapshot(1, 1, [bar(1)]);
    feed.nudge();
    await clock.pass(0);
    expect(asked).toHaveLength(before);
  });

  it("hands out nothing of what is watched no more", async () => {
    let answer: (bars: readonly Bar[]) => void = () => undefined;
    reply = () => new Promise((resolve) => (answer = resolve));
    feed.watch(TOPIC, 1);
    sockets.last.hello();
    sockets.last.snapshot(1, 1, [bar(4)]);
    feed.unwatch();
    answer([bar(2)]);
    await settled();
    expect([given, links.at(-1)]).toEqual([[], "idle"]);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(60_000);
    expect(given).toEqual([]);
  });

  it("hands out nothing of a question whose topic has changed meanwhile", async () => {
    const answers: ((bars: readonly Bar[]) => void)[] = [];
    reply = () => new Promise((resolve) => answers.push(resolve));
    feed.watch(TOPIC, 1);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(0);
    feed.watch({ ...TOPIC, symbol: "ETH-USD" }, 5);
    await clock.pass(0);
    answers[0]?.([bar(2)]);
    await settled();
    expect([given, asked, links.at(-1)]).toEqual([[], [1, 5], "connecting"]);
    answers[1]?.([bar(6)]);
    await settled();
    expect([given, links.at(-1)]).toEqual([[[6]], "polling"]);
  });

  it("passes over an empty snapshot, and is live all the same", () => {
    feed.watch(TOPIC, null);
    sockets.last.hello();
    sockets.last.snapshot(1, 0, []);
    expect([given, links.at(-1)]).toEqual([[], "live"]);
  });
});

it("a feed has the browser's clock where none is given, and shows its key", () => {
  const plain = new Feed({
    open: sockets.open,
    key: () => "k",
    ask: () => Promise.resolve([]),
    onBars: () => undefined,
    onLink: () => undefined,
    every: 10,
  });
  plain.watch(TOPIC, null);
  sockets.last.onopen?.();
  expect(sockets.last.sent).toEqual([{ op: "authenticate", key: "k" }]);
  plain.close();
});
