// Clients of both simulated platforms, and of the simulator itself.

/** The value of a variable that `taskward sim -- ...` sets. */
export function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set: run the tests with \`taskward sim -- npm test\``);
  }
  return value;
}

export type Headers = Record<string, string>;

/** A server, the headers of every request to it, and JSON in both directions. */
export class Client {
  constructor(
    private readonly url: string,
    private readonly headers: Headers = {},
  ) {}

  async send(method: string, path: string, body?: unknown, more: Headers = {}): Promise<Response> {
    const isText = typeof body === "string" || body === undefined;
    const type: Headers = isText ? {} : { "content-type": "application/json" };
    return fetch(this.url + path, {
      method,
      headers: { ...this.headers, ...type, ...more },
      body: isText ? body : JSON.stringify(body),
    });
  }

  /** The body of a reply that must be a success. */
  async json(method: string, path: string, body?: unknown, more: Headers = {}): Promise<any> {
    const reply = await this.send(method, path, body, more);
    if (!reply.ok) {
      throw new Error(`${method} ${path}: ${reply.status} ${await reply.text()}`);
    }
    return reply.json();
  }

  /** Polls a task or a run until it has one of these statuses; a busy server is asked again. */
  async until(path: string, ...wanted: string[]): Promise<string> {
    for (const end = Date.now() + 30_000; Date.now() < end; ) {
      const reply = await this.send("GET", path);
      const { status } = (await reply.json()) as { status?: string };
      if (reply.status !== 503 && status !== undefined && wanted.includes(status)) {
        return status;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${path} never was ${wanted.join(" or ")}`);
  }
}

function account(platform: string, prefix: string): Client {
  const authorization = `Bearer ${variable(`${platform}_API_KEY`)}`;
  return new Client(variable(`${platform}_BASE_URL`) + prefix, { authorization });
}

export const sim = new Client(variable("TASKWARD_SIM_URL"));
export const nanonets = account("NANONETS", "/api/v1");
export const harness = account("AGENT_HARNESS", "/v1");

/** Starts a task of the agent with this name; gives its path. */
export async function start(agent: string, query: string): Promise<string> {
  const scenario = await sim.json("GET", "/_sim/scenario");
  const { id } = scenario.agent.find((entry: { name: string }) => entry.name === agent);
  const task = await nanonets.json("POST", `/agents/${id}/run`, { query });
  return `/tasks/${task.task_id}`;
}

/** Creates a run under an idempotency key. */
export async function create(key: string, input: object): Promise<Response> {
  return harness.send("POST", "/runs", { input }, { "idempotency-key": key });
}
