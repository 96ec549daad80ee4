import { afterEach, describe, expect, it, vi } from "vitest";

import { type Problem, ProblemError } from "../../src/core/problems.js";
import { realClock } from "../../src/net/clock.js";
import { Http, realWeb } from "../../src/net/http.js";
import { TestWeb } from "../made.js";

async function problem(asked: Promise<unknown>): Promise<Problem> {
  const error: unknown = await asked.catch((raised: unknown) => raised);
  if (error instanceof ProblemError) return error.problem;
  throw new Error("There was no problem.");
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a request", () => {
  it("goes to the service with the key, and gives its document", async () => {
    const web = new TestWeb();
    web.reply = () => ({ a: 1 });
    const http = new Http("/api/v1/", web);
    expect(await http.get("symbols")).toEqual({ a: 1 });
    http.key = "k";
    await http.get("symbols");
    expect(web.asked.map(({ url }) => url)).toEqual(["/api/v1/symbols", "/api/v1/symbols"]);
    expect(web.asked.map(({ init }) => new Headers(init.headers).get("X-API-Key"))).toEqual([null, "k"]);
  });

  it("may send a document", async () => {
    const web = new TestWeb();
    web.reply = () => ({ id: "1" });
    const http = new Http("/api/v1/", web);
    http.key = "k";
    expect(await http.post("operations/heal", { first_day: "2024-01-01" })).toEqual({ id: "1" });
    const [sent] = web.asked;
    expect(sent).toMatchObject({
      url: "/api/v1/operations/heal",
      init: { method: "POST", body: '{"first_day":"2024-01-01"}' },
    });
    const headers = new Headers(sent?.init.headers);
    expect([headers.get("Content-Type"), headers.get("X-API-Key")]).toEqual(["application/json", "k"]);
  });

  it("that is answered with a problem raises it", async () => {
    const web = new TestWeb();
    const headers = { "Retry-After": "3" };
    web.reply = () => new Response(JSON.stringify({ detail: "Busy." }), { status: 503, headers });
    expect(await problem(new Http("", web).get("x"))).toMatchObject({ detail: "Busy.", retryAfter: 3000 });
  });

  it("that is answered with no document raises a problem, whatever the status", async () => {
    const web = new TestWeb();
    web.reply = () => new Response("<html>", { status: 502 });
    expect((await problem(new Http("", web).get("x"))).kind).toBe("unavailable");
    web.reply = () => new Response("<html>");
    expect((await problem(new Http("", web).get("x"))).kind).toBe("defect");
  });

  it("that is not answered is the network's or the service's problem", async () => {
    const web = new TestWeb();
    web.reply = () => {
      throw new TypeError("no route");
    };
    const http = new Http("", web);
    expect((await problem(http.get("x", new AbortController().signal))).kind).toBe("unreachable");
    web.isOnline = false;
    expect((await problem(http.get("x"))).kind).toBe("offline");
  });

  it("that nobody waits for any more ends as it was aborted", async () => {
    const web = new TestWeb();
    const abort = new AbortController();
    web.reply = () => {
      abort.abort();
      throw new DOMException("gone", "AbortError");
    };
    await expect(new Http("", web).get("x", abort.signal)).rejects.toThrow("gone");
  });
});

it("the browser's own fetch, network state and timers are used", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("1")));
  vi.stubGlobal("navigator", { onLine: false });
  expect(await (await realWeb.fetch("x", {})).json()).toBe(1);
  expect(realWeb.online()).toBe(false);
  const done: string[] = [];
  realClock.later(0, () => done.push("kept"));
  realClock.later(0, () => done.push("prevented"))();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(done).toEqual(["kept"]);
});
