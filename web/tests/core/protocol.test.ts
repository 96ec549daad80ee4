import { describe, expect, it } from "vitest";

import { frameOf, subscribe } from "../../src/core/protocol.js";
import { bar, columnsOf } from "../made.js";

const read = (frame: unknown): unknown => frameOf(JSON.stringify(frame));

describe("frames", () => {
  it("are read as PROTOCOL.md writes them", () => {
    expect(read({ type: "hello", protocol: 1, stream: "s", heartbeat: 10 })).toEqual({
      type: "hello",
      stream: "s",
      heartbeat: 10_000,
    });
    const bars = columnsOf([bar(1)]);
    expect(read({ type: "snapshot", id: 1, seq: 2, resumed: true, symbol: "X", resolution: "1h", bars })).toEqual({
      type: "snapshot",
      id: 1,
      seq: 2,
      resumed: true,
      topic: { symbol: "X", resolution: "1h" },
      bars: [bar(1)],
    });
    expect(read({ type: "update", id: 1, prev: 2, seq: 4, bars })).toMatchObject({ prev: 2, seq: 4, bars: [bar(1)] });
    expect(read({ type: "error", id: null, code: "c", detail: "d" })).toMatchObject({ id: null, code: "c" });
    expect(read({ type: "error", id: 7, code: "c", detail: "d" })).toMatchObject({ id: 7, detail: "d" });
  });

  it("of kinds that came later are passed over", () => {
    expect([read({ type: "heartbeat", ts: 1 }), read({ type: "weather" })]).toEqual([
      { type: "other" },
      { type: "other" },
    ]);
  });

  it("of another protocol, or of none, are refused", () => {
    expect(() => read({ type: "hello", protocol: 2, stream: "s", heartbeat: 1 })).toThrow("another protocol");
    expect(() => read({ type: "update", id: 1 })).toThrow("prev is no number");
    expect(() => frameOf("hello")).toThrow("no JSON");
  });
});

it("a subscription says where it was only where it was somewhere", () => {
  const topic = { symbol: "X", resolution: "1m" } as const;
  const plain = { op: "subscribe", id: 3, channel: "bars", ...topic };
  expect(subscribe(3, topic, null)).toEqual(plain);
  expect(subscribe(3, topic, { stream: "s", seq: 9 })).toEqual({ ...plain, resume: { stream: "s", seq: 9 } });
});
