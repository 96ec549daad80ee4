/**
 * The client of the live stream: one connection, many subscriptions, resumed after every interruption.
 *
 * What belongs here: connecting, listening, noticing gaps and silence, trying again. What does not: the form of frames
 * (`core/protocol`), asking HTTP for what a stream could not resume (`feed`).
 */

import { backoff } from "../core/backoff.js";
import type { Bar } from "../core/bars.js";
import { type Frame, frameOf, type Hello, type Request, subscribe, type Topic } from "../core/protocol.js";
import { type Clock, realClock } from "./clock.js";

/** What is used of a WebSocket. */
export interface Socket {
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

/** `waiting`: for the next try; `denied`: a key is needed. */
export type StreamState = "closed" | "connecting" | "open" | "waiting" | "denied";

export interface Listener {
  /** `whole`: bars before the first of these may have been missed. */
  readonly onBars: (bars: readonly Bar[], whole: boolean) => void;
  readonly onRefused: (detail: string) => void;
}

export interface StreamOptions {
  readonly open: () => Socket;
  readonly onState: (state: StreamState) => void;
  readonly key?: () => string | null;
  readonly clock?: Clock;
}

interface Subscription {
  readonly id: number;
  readonly topic: Topic;
  readonly listener: Listener;
  seq: number | null;
}

const CONNECT_TIMEOUT = 10_000;
const DENIED = 1008;
const SILENCE = 2.5; // heartbeats

export class Stream {
  private readonly options: StreamOptions;
  private readonly clock: Clock;
  private readonly subscriptions = new Map<number, Subscription>();
  private current: StreamState = "closed";
  private socket: Socket | null = null;
  private stream: string | null = null;
  private heartbeat = CONNECT_TIMEOUT;
  private failures = 0;
  private nextId = 1;
  private cancel: () => void = () => undefined;

  constructor(options: StreamOptions) {
    this.options = options;
    this.clock = options.clock ?? realClock;
  }

  get state(): StreamState {
    return this.current;
  }

  /** Listen to a topic; what is returned ends it. */
  subscribe(topic: Topic, listener: Listener): () => void {
    const one: Subscription = { id: this.nextId++, topic, listener, seq: null };
    this.subscriptions.set(one.id, one);
    if (this.current === "open") this.ask(one);
    else if (this.current === "closed") this.connect();
    return () => {
      if (this.subscriptions.delete(one.id) && this.current === "open") this.send({ op: "unsubscribe", id: one.id });
    };
  }

  /** Try now rather than later: the network is back, or somebody looks. */
  nudge(): void {
    if (this.current === "waiting" || this.current === "denied") this.connect();
  }

  close(): void {
    this.drop();
    this.enter("closed");
  }

  private connect(): void {
    this.drop();
    this.enter("connecting");
    const socket = this.options.open();
    this.socket = socket;
    socket.onopen = () => {
      const key = this.options.key?.() ?? null;
      if (key !== null) this.send({ op: "authenticate", key });
    };
    socket.onmessage = (event) => {
      this.hear(event.data);
    };
    socket.onclose = (event) => {
      this.fail(event.code);
    };
    this.watch(CONNECT_TIMEOUT);
  }

  private hear(data: unknown): void {
    let frame: Frame;
    try {
      frame = frameOf(String(data));
    } catch {
      this.fail(0);
      return;
    }
    this.take(frame);
    if (this.current === "open") this.watch(this.heartbeat * SILENCE);
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case "hello":
        this.greet(frame);
        return;
      case "snapshot": {
        const one = this.subscriptions.get(frame.id);
        if (one === undefined) return;
        one.seq = frame.seq;
        one.listener.onBars(frame.bars, !frame.resumed);
        return;
      }
      case "update": {
        const one = this.subscriptions.get(frame.id);
        // Before its snapshot an update is of a subscription that was replaced.
        if (one?.seq == null || frame.seq <= one.seq) return;
        if (frame.prev > one.seq) {
          this.ask(one);
          return;
        }
        one.seq = frame.seq;
        one.listener.onBars(frame.bars, false);
        return;
      }
      case "error":
        this.refuse(frame.id, frame.detail);
        return;
      case "other":
    }
  }

  private greet(hello: Hello): void {
    if (hello.stream !== this.stream) {
      // Another run of the server counts anew.
      for (const one of this.subscriptions.values()) one.seq = null;
    }
    this.stream = hello.stream;
    this.heartbeat = hello.heartbeat;
    this.failures = 0;
    this.enter("open");
    for (const one of this.subscriptions.values()) this.ask(one);
  }

  private refuse(id: number | null, detail: string): void {
    const one = id === null ? undefined : this.subscriptions.get(id);
    if (one === undefined) return;
    this.subscriptions.delete(one.id);
    one.listener.onRefused(detail);
  }

  private ask(one: Subscription): void {
    const place = this.stream === null || one.seq === null ? null : { stream: this.stream, seq: one.seq };
    this.send(subscribe(one.id, one.topic, place));
  }

  private send(request: Request): void {
    this.socket?.send(JSON.stringify(request));
  }

  private fail(code: number): void {
    this.drop();
    if (code === DENIED) {
      this.enter("denied");
      return;
    }
    this.failures += 1;
    this.enter("waiting");
    this.cancel = this.clock.later(backoff(this.failures, this.clock.random()), () => {
      this.connect();
    });
  }

  /** Take silence for an end. */
  private watch(milliseconds: number): void {
    this.cancel();
    this.cancel = this.clock.later(milliseconds, () => {
      this.fail(0);
    });
  }

  private drop(): void {
    this.cancel();
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private enter(state: StreamState): void {
    if (state === this.current) return;
    this.current = state;
    this.options.onState(state);
  }
}

/** Open a WebSocket to the service behind an HTTP address. */
export function opener(url: string): () => Socket {
  return () => new WebSocket(url.replace(/^http/, "ws")) as unknown as Socket;
}
