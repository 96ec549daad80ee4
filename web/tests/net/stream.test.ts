import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Bar } from "../../src/core/bars.js";
import { opener, Stream, type StreamState } from "../../src/net/stream.js";
import { bar, Sockets, TestClock } from "../made.js";

const TOPIC = { symbol: "BTC-USD", resolution: "1m" } as const;
let clock: TestClock;
let sockets: Sockets;
let states: StreamState[];
let heard: { bars: readonly Bar[]; whole: boolean }[];
let refused: string[];
let stream: Stream;

beforeEach(() => {
  [clock, sockets, states, heard, refused] = [new TestClock(), new Sockets(), [], [], []];
  stream = new Stream({ open: sockets.open, onState: (state) => states.push(state), clock });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const listener = {
  onBars: (bars: readonly Bar[], whole: boolean) => heard.push({ bars, whole }),
  onRefused: (detail: string) => refused.push(detail),
};
const listen = (): (() => void) => stream.subscribe(TOPIC, listener);
const asked = (at: number): unknown => sockets.last.sent[at];
const plain = (id: number): object => ({ op: "subscribe", id, channel: "bars", ...TOPIC });

describe("a stream", () => {
  it("connects with the first subscription and asks once it is greeted", () => {
    expect(sockets.all).toEqual([]);
    listen();
    expect([states, sockets.last.sent]).toEqual([["connecting"], []]);
    sockets.last.hello();
    expect([stream.state, sockets.last.sent]).toEqual(["open", [plain(1)]]);
    listen();
    expect(asked(1)).toEqual(plain(2));
  });

  it("hands out snapshots and what changes after them", () => {
    listen();
    sockets.last.hello();
    sockets.last.snapshot(1, 5, [bar(1)]);
    sockets.last.update(1, 5, 6, [bar(1, 11)]);
    sockets.last.update(1, 6, 9, [bar(2)]);
    expect(heard.map(({ bars, whole }) => [bars[0]?.t, whole])).toEqual([
      [1, true],
      [1, false],
      [2, false],
    ]);
  });

  it("passes over what was applied, what has no snapshot yet, and what nobody asked for", () => {
    listen();
    sockets.last.hello();
    sockets.last.update(1, 4, 5, [bar(1)]);
    sockets.last.snapshot(1, 5, [bar(1)]);
    sockets.last.update(1, 4, 5, [bar(1)]);
    sockets.last.update(8, 5, 6, [bar(1)]);
    sockets.last.snapshot(8, 5, [bar(1)]);
    sockets.last.say({ type: "heartbeat", ts: 1 });
    expect(heard).toHaveLength(1);
  });

  it("asks for what it missed where a number was skipped", () => {
    listen();
    sockets.last.hello();
    sockets.last.snapshot(1, 5, [bar(1)]);
    sockets.last.update(1, 6, 7, [bar(2)]);
    expect(heard).toHaveLength(1);
    expect(asked(1)).toEqual({ ...plain(1), resume: { stream: "run 1", seq: 5 } });
    sockets.last.snapshot(1, 7, [bar(2)], true);
    expect(heard.at(-1)).toEqual({ bars: [bar(2)], whole: false });
  });

  it("resumes after an interruption, each wait longer, and anew after the server was", async () => {
    listen();
    sockets.last.hello();
    sockets.last.snapshot(1, 5, [bar(1)]);
    sockets.last.onclose?.({ code: 1001 });
    expect(stream.state).toBe("waiting");
    await clock.pass(499);
    expect(sockets.all).toHaveLength(1);
    await clock.pass(1);
    sockets.last.onclose?.({ code: 1006 });
    await clock.pass(1_000);
    expect(sockets.all).toHaveLength(3);
    sockets.last.hello("run 1");
    expect(asked(0)).toEqual({ ...plain(1), resume: { stream: "run 1", seq: 5 } });
    sockets.last.onclose?.({ code: 1001 });
    await clock.pass(500);
    sockets.last.hello("run 2");
    expect(asked(0)).toEqual(plain(1));
  });

  it("takes silence for an end, when it connects and later", async () => {
    listen();
    sockets.last.say({ type: "heartbeat", ts: 1 });
    await clock.pass(10_000);
    expect([stream.state, sockets.all[0]?.closed]).toEqual(["waiting", true]);
    await clock.pass(500);
    sockets.last.hello("run 1", 2);
    await clock.pass(4_999);
    sockets.last.say({ type: "heartbeat", ts: 1 });
    await clock.pass(4_999);
    expect(stream.state).toBe("open");
    await clock.pass(1);
    expect(stream.state).toBe("waiting");
  });

  it("ends with whoever speaks another language", async () => {
    listen();
    sockets.last.say({ type: "hello", protocol: 9, stream: "s", heartbeat: 1 });
    expect(stream.state).toBe("waiting");
    await clock.pass(500);
    expect(sockets.all).toHaveLength(2);
  });

  it("does not knock again where a key is needed, until somebody says so", async () => {
    listen();
    sockets.last.onopen?.();
    sockets.last.onclose?.({ code: 1008 });
    await clock.pass(100_000);
    expect([stream.state, sockets.all.length]).toEqual(["denied", 1]);
    stream.nudge();
    expect(stream.state).toBe("connecting");
    stream.nudge();
    expect(sockets.all).toHaveLength(2);
  });

  it("shows its key before anything else", () => {
    stream = new Stream({ open: sockets.open, onState: () => undefined, clock, key: () => "k" });
    listen();
    sockets.last.hello();
    expect(asked(0)).toEqual({ op: "authenticate", key: "k" });
  });

  it("tells a subscription that it is refused, and asks for it no more", async () => {
    listen();
    sockets.last.hello();
    sockets.last.say({ type: "error", id: null, code: "malformed", detail: "What?" });
    sockets.last.say({ type: "error", id: 1, code: "unknown-symbol", detail: "Who?" });
    expect(refused).toEqual(["Who?"]);
    sockets.last.onclose?.({ code: 1001 });
    await clock.pass(500);
    sockets.last.hello();
    expect(sockets.last.sent).toEqual([]);
  });

  it("ends a subscription once, and says so where there is a connection", () => {
    const end = listen();
    sockets.last.hello();
    end();
    end();
    expect(sockets.last.sent).toEqual([plain(1), { op: "unsubscribe", id: 1 }]);
    const early = new Stream({ open: sockets.open, onState: () => undefined });
    early.subscribe(TOPIC, listener)();
    expect(sockets.last.sent).toEqual([]);
    early.close();
  });

  it("is closed for good, without a timer left", () => {
    listen();
    sockets.last.hello();
    stream.close();
    stream.close();
    expect([stream.state, sockets.last.closed, clock.pending]).toEqual(["closed", true, 0]);
  });
});

it("the browser's WebSocket is opened at the address of the service", () => {
  const opened: string[] = [];
  function WebSocket(url: string): void {
    opened.push(url);
  }
  vi.stubGlobal("WebSocket", WebSocket);
  opener("https://host/api/v1/stream")();
  expect(opened).toEqual(["wss://host/api/v1/stream"]);
});
