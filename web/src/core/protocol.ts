/**
 * Frames of the live stream, as PROTOCOL.md describes them.
 *
 * What belongs here: their types, reading and writing them. What does not: connections (`net/stream`).
 */

import { barsOfColumns, resolutionOf } from "./api.js";
import type { Bar } from "./bars.js";
import { flagOf, type Json, numberOf, objectOf, parsed, ShapeError, textOf } from "./json.js";
import type { Resolution } from "./resolutions.js";

export const PROTOCOL = 1;

export interface Topic {
  readonly symbol: string;
  readonly resolution: Resolution;
}

/** The last frame of a subscription that was applied. */
export interface Place {
  readonly stream: string;
  readonly seq: number;
}

export type Request =
  | { readonly op: "authenticate"; readonly key: string }
  | {
      readonly op: "subscribe";
      readonly id: number;
      readonly channel: "bars";
      readonly symbol: string;
      readonly resolution: Resolution;
      readonly resume?: Place;
    }
  | { readonly op: "unsubscribe"; readonly id: number };

export interface Hello {
  readonly type: "hello";
  readonly stream: string;
  /** Milliseconds. */
  readonly heartbeat: number;
}

export interface Snapshot {
  readonly type: "snapshot";
  readonly id: number;
  readonly seq: number;
  readonly resumed: boolean;
  readonly topic: Topic;
  readonly bars: readonly Bar[];
}

export interface Update {
  readonly type: "update";
  readonly id: number;
  readonly prev: number;
  readonly seq: number;
  readonly bars: readonly Bar[];
}

export interface Refusal {
  readonly type: "error";
  readonly id: number | null;
  readonly code: string;
  readonly detail: string;
}

/** `other`: a heartbeat, or something that a later server may send and this client does not need. */
export type Frame = Hello | Snapshot | Update | Refusal | { readonly type: "other" };

export function subscribe(id: number, topic: Topic, resume: Place | null): Request {
  const plain = { op: "subscribe", id, channel: "bars", symbol: topic.symbol, resolution: topic.resolution } as const;
  return resume === null ? plain : { ...plain, resume };
}

/**
 * Read a frame.
 *
 * @throws {ShapeError} it is not what the protocol says
 */
export function frameOf(text: string): Frame {
  const source = objectOf(parsed(text), "the frame");
  switch (textOf(source, "type")) {
    case "hello":
      return hello(source);
    case "snapshot":
      return {
        type: "snapshot",
        id: numberOf(source, "id"),
        seq: numberOf(source, "seq"),
        resumed: flagOf(source, "resumed"),
        topic: { symbol: textOf(source, "symbol"), resolution: resolutionOf(source, "resolution") },
        bars: barsIn(source),
      };
    case "update":
      return {
        type: "update",
        id: numberOf(source, "id"),
        prev: numberOf(source, "prev"),
        seq: numberOf(source, "seq"),
        bars: barsIn(source),
      };
    case "error":
      return {
        type: "error",
        id: source["id"] === null ? null : numberOf(source, "id"),
        code: textOf(source, "code"),
        detail: textOf(source, "detail"),
      };
    default:
      return { type: "other" };
  }
}

function hello(source: Json): Hello {
  if (numberOf(source, "protocol") !== PROTOCOL) throw new ShapeError("The stream speaks another protocol.");
  return { type: "hello", stream: textOf(source, "stream"), heartbeat: numberOf(source, "heartbeat") * 1000 };
}

function barsIn(source: Json): Bar[] {
  return barsOfColumns(objectOf(source["bars"], "bars"));
}
