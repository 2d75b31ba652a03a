// Ten tests of a client of the two platforms: `taskward sim --speed 50 -- npm test`.

import { execFileSync } from "node:child_process";
import { beforeEach, expect, test } from "vitest";
import { create, harness, nanonets, sim, start, variable } from "./platforms";

// As it was when it started: no task, no fault, no scenario of another test.
beforeEach(async () => {
  await sim.json("POST", "/_sim/reset");
});

test("a task runs to its answer", async () => {
  const task = await start("echo", "hello");
  expect(await nanonets.until(task, "completed", "failed")).toBe("completed");
  const { result } = await nanonets.json("GET", `${task}/summary`);
  expect(result.summary).toBe("hello");
});

test("a question is asked and answered", async () => {
  const task = await start("asker", "Convert 5.");
  await nanonets.until(task, "waiting_for_input");
  const messages = await nanonets.json("GET", `${task}/messages`);
  expect(messages.data.at(-1).role).toBe("assistant");
  await nanonets.json("POST", `${task}/message`, { message: "EUR" });
  await nanonets.until(task, "completed");
  const { result } = await nanonets.json("GET", `${task}/summary`);
  expect(result.summary).toContain("EUR");
});

test("a cancelled task is stopped", async () => {
  const task = await start("slow", "hello");
  await nanonets.json("POST", `${task}/cancel`);
  expect(await nanonets.until(task, "stopped", "completed")).toBe("stopped");
});

test("a 503 is no end", async () => {
  const fault = { kind: "status", code: 503, on: "nanonets.status", count: 2 };
  await sim.json("PUT", "/_sim/faults", { faults: [fault] });
  const task = await start("echo", "hello");
  expect(await nanonets.until(task, "completed")).toBe("completed");
  const stats = await sim.json("GET", "/_sim/stats");
  expect(stats.faulted).toEqual({ status: 2 });
});

test("the log shows what was sent, without the key", async () => {
  const key = variable("NANONETS_API_KEY");
  await start("echo", `my key is ${key}`);
  const { requests } = await sim.json("GET", "/_sim/requests");
  expect(JSON.stringify(requests)).not.toContain(key);
  expect(requests.at(-1).request_body).toEqual({ query: "my key is [redacted]" });
});

test("a scenario brings an agent of its own", async () => {
  const steps = [
    { run: "2s" },
    { ask: "Which supplier?" },
    { complete: { summary: "Ordered from {answer}." } },
  ];
  await sim.json("POST", "/_sim/scenario", { agent: [{ name: "buyer", steps }] });
  const task = await start("buyer", "Order chairs.");
  await nanonets.until(task, "waiting_for_input");
  await nanonets.json("POST", `${task}/message`, { message: "Acme" });
  await nanonets.until(task, "completed");
  const { result } = await nanonets.json("GET", `${task}/summary`);
  expect(result.summary).toBe("Ordered from Acme.");
});

test("keys and ids follow from the seed", () => {
  const key = (seed: number) => {
    const words = ["sim", "--quiet", "--seed", `${seed}`, "--", "printenv", "NANONETS_API_KEY"];
    return execFileSync("taskward", words, { encoding: "utf8" }).trim();
  };
  const mine = Number(variable("TASKWARD_SIM_SEED"));
  expect(key(mine)).toBe(variable("NANONETS_API_KEY"));
  expect(key(mine + 1)).not.toBe(variable("NANONETS_API_KEY"));
});

test("a run waits for an approval", async () => {
  const run: any = await (await create("approval", { goal: "Write to the team." })).json();
  const path = `/runs/${run.id}`;
  await harness.until(path, "awaiting_input");
  const key = { "idempotency-key": "yes" };
  await harness.json("POST", `${path}/signal`, { action: "approve" }, key);
  expect(await harness.until(path, "succeeded", "failed")).toBe("succeeded");
});

test("a key that comes twice makes one run", async () => {
  const first = await create("once", { goal: "Write to the team." });
  const second = await create("once", { goal: "Write to the team." });
  expect([first.status, second.status]).toEqual([201, 200]);
  const ids = [await first.json(), await second.json()].map((run: any) => run.id);
  expect(ids[0]).toBe(ids[1]);
  const stats = await sim.json("GET", "/_sim/stats");
  expect(stats["agent-harness"].runs).toBe(1);
});

test("a stream brings every event once and in order", async () => {
  const input = { scenario: "long-stream", events: 50, interval_ms: 1 };
  const run: any = await (await create("stream", input)).json();
  const stream = await harness.send("GET", `/runs/${run.id}/events/stream`);
  const lines = (await stream.text()).split("\n").filter((line) => line.startsWith("data: "));
  const events = lines.map((line) => JSON.parse(line.slice("data: ".length)));
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  expect(events[0].type).toBe("run.created");
  expect(events.at(-1).type).toBe("run.worker.succeeded");
  expect(events.filter((event) => event.type === "step.progress")).toHaveLength(50);
});
