/** Things that tests make: bars, answers, clocks, sockets, replies. */

import type { BarsAnswer, SymbolInfo } from "../src/core/api.js";
import type { Bar } from "../src/core/bars.js";
import type { Clock } from "../src/net/clock.js";
import type { Web } from "../src/net/http.js";
import type { Socket } from "../src/net/stream.js";

export function bar(t: number, c = 10, v = 2): Bar {
  return { t, o: 10, h: Math.max(10, c) + 1, l: Math.min(10, c) - 1, c, v, n: 3, q: c * v };
}

export function columnsOf(bars: readonly Bar[]): Record<string, number[]> {
  const letters = ["t", "o", "h", "l", "c", "v", "n", "q"] as const;
  return Object.fromEntries(letters.map((letter) => [letter, bars.map((one) => one[letter])]));
}

export function answer(given: Partial<BarsAnswer> = {}): BarsAnswer {
  return {
    requested: "1m",
    resolution: "1m",
    adapted: false,
    reason: null,
    fallback: null,
    truncated: false,
    nextCursor: null,
    bars: [],
    ...given,
  };
}

export function info(symbol: string, assetClass = "crypto"): SymbolInfo {
  return { symbol, assetClass, calendar: "24/7", timeZone: "Etc/UTC", tickSize: 0.01, lotSize: 1 };
}

/** A clock that goes on when a test says so. */
export class TestClock implements Clock {
  now = 0;
  private waiting: { at: number; what: () => void }[] = [];

  readonly random = (): number => 1;

  readonly later = (milliseconds: number, what: () => void): (() => void) => {
    const one = { at: this.now + milliseconds, what };
    this.waiting.push(one);
    return () => {
      this.waiting = this.waiting.filter((other) => other !== one);
    };
  };

  get pending(): number {
    return this.waiting.length;
  }

  /** Let time pass, and everything that was promised be kept. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    await settled();
    for (;;) {
      const next = this.waiting.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.waiting = this.waiting.filter((one) => one !== next);
      this.now = Math.max(this.now, next.at);
      next.what();
      await settled();
    }
    this.now = end;
  }
}

/** Wait until everything that is promised already has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The other side of a WebSocket is the test. */
export class TestSocket implements Socket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: ((event: { readonly code: number }) => void) | null = null;
  readonly sent: unknown[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as unknown);
  }

  close(): void {
    this.closed = true;
  }

  say(frame: unknown): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  hello(stream = "run 1", heartbeat = 10): void {
    this.onopen?.();
    this.say({ type: "hello", protocol: 1, stream, heartbeat });
  }

  snapshot(id: number, seq: number, bars: readonly Bar[], resumed = false): void {
    const topic = { symbol: "BTC-USD", resolution: "1m" };
    this.say({ type: "snapshot", id, seq, resumed, ...topic, bars: columnsOf(bars) });
  }

  update(id: number, prev: number, seq: number, bars: readonly Bar[]): void {
    this.say({ type: "update", id, prev, seq, bars: columnsOf(bars) });
  }
}

/** Sockets in the order in which they were opened. */
export class Sockets {
  readonly all: TestSocket[] = [];

  readonly open = (): Socket => {
    const made = new TestSocket();
    this.all.push(made);
    return made;
  };

  get last(): TestSocket {
    const found = this.all.at(-1);
    if (found === undefined) throw new Error("No socket was opened.");
    return found;
  }
}

/** A web whose replies are scripted: a document, a response, or an error by address. */
export class TestWeb implements Web {
  isOnline = true;
  readonly asked: { url: string; init: RequestInit }[] = [];
  reply: (url: string) => unknown = () => ({});

  readonly online = (): boolean => this.isOnline;

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    this.asked.push({ url, init });
    return new Promise((resolve) => {
      const found = this.reply(url);
      resolve(found instanceof Response ? found : new Response(JSON.stringify(found)));
    });
  };
}
