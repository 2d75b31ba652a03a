// An A2A server on the protocol's JavaScript SDK, with an agent whose first message is a script: the same steps as
// ../py/server.py, whose head describes them. The SDK's database store needs a compiler, so there is no --db here.
//
//     node server.mjs --port 8752 [--token SECRET] [--no-streaming] [--no-push] [--public PORT] [--with-parent]
//
// Bindings: JSON-RPC at /rpc, HTTP+JSON at /rest, card at /.well-known/agent-card.json. Loopback only.
// Ready when it prints "a2a ready http://127.0.0.1:PORT".
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { Role, TaskState } from '@a2a-js/sdk';
import { UnsupportedOperationError } from '@a2a-js/sdk/errors';
import {
  AgentEvent, DefaultPushNotificationSender, DefaultRequestHandler, InMemoryPushNotificationStore, InMemoryTaskStore,
} from '@a2a-js/sdk/server';
import { UserBuilder, agentCardHandler, jsonRpcHandler, restHandler } from '@a2a-js/sdk/server/express';
import express from 'express';

const { values: args } = parseArgs({
  options: {
    port: { type: 'string', default: '8752' },
    public: { type: 'string' }, // the port that the card names: of a proxy before this server
    token: { type: 'string' },
    'no-streaming': { type: 'boolean', default: false },
    'no-push': { type: 'boolean', default: false },
    'with-parent': { type: 'boolean', default: false },
  },
});
const base = `http://127.0.0.1:${args.public ?? args.port}`;

const part = (content) => ({ content, metadata: undefined, filename: '', mediaType: '' });
const text = (value) => part({ $case: 'text', value });
const data = (value) => part({ $case: 'data', value });

const stepsOf = (said) => {
  const steps = said.split(/[\n;]/).map((step) => step.trim()).filter(Boolean);
  return steps.length ? steps : ['done hello'];
};
const wordsOf = (step) => {
  const at = step.indexOf(' ');
  return at < 0 ? [step, ''] : [step.slice(0, at), step.slice(at + 1)];
};

/** What one task still has to do, and how it is stopped. */
class Run {
  asked = undefined; // the text of the open question
  turn = undefined; // the promise of the running turn
  stubborn = false;
  stop = new AbortController();

  constructor(contextId, steps) {
    this.contextId = contextId;
    this.steps = steps;
  }

  sleep(seconds) {
    return delay(seconds * 1000, undefined, { signal: this.stop.signal });
  }
}

/** Publishes the events of one task. */
class Updates {
  constructor(taskId, contextId, bus) {
    Object.assign(this, { taskId, contextId, bus });
  }

  says(...parts) {
    const { taskId, contextId } = this;
    return {
      messageId: randomUUID(), role: Role.ROLE_AGENT, parts, taskId, contextId,
      metadata: undefined, extensions: [], referenceTaskIds: [],
    };
  }

  status(state, ...parts) {
    const { taskId, contextId } = this;
    const status = {
      state, message: parts.length ? this.says(...parts) : undefined, timestamp: new Date().toISOString(),
    };
    this.bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status, metadata: undefined }));
  }

  artifact(name, part, { id = randomUUID(), append = false, lastChunk = false } = {}) {
    const { taskId, contextId } = this;
    const artifact = { artifactId: id, name, description: '', parts: [part], metadata: undefined, extensions: [] };
    this.bus.publish(AgentEvent.artifactUpdate({ taskId, contextId, artifact, append, lastChunk, metadata: undefined }));
  }
}

class Scripted {
  runs = new Map();

  execute = async (request, bus) => {
    const { taskId, contextId, userMessage } = request;
    const said = userMessage.parts.map(({ content }) => (content?.$case === 'text' ? content.value : '')).join('');
    const updates = new Updates(taskId, contextId, bus);
    let run = this.runs.get(taskId);
    if (run?.turn) {
      // A message to a task that works: kept in its history by the SDK, and waits for the turn to end.
      await run.turn.catch(() => {});
      return;
    }
    if (run) {
      // The SDK wants a task as the first event of every turn.
      const status = { state: TaskState.TASK_STATE_WORKING, message: undefined, timestamp: new Date().toISOString() };
      bus.publish(AgentEvent.task({ ...request.task, status }));
      if (run.asked !== undefined) {
        updates.artifact('answer', text(`${run.asked} -> ${said}`));
        run.asked = undefined;
      }
    } else {
      const steps = stepsOf(said);
      while (steps[0]?.startsWith('silent')) {
        await delay(Number(wordsOf(steps.shift())[1]) * 1000);
      }
      if (steps[0]?.startsWith('reply')) {
        bus.publish(AgentEvent.message(updates.says(text(wordsOf(steps[0])[1] || 'hi'))));
        return;
      }
      run = new Run(contextId, steps);
      this.runs.set(taskId, run);
      const status = { state: TaskState.TASK_STATE_SUBMITTED, message: undefined, timestamp: new Date().toISOString() };
      bus.publish(AgentEvent.task({
        id: taskId, contextId, status, history: [userMessage], artifacts: [], metadata: undefined,
      }));
      updates.status(TaskState.TASK_STATE_WORKING);
    }
    run.turn = this.goOn(run, updates);
    try {
      await run.turn;
    } catch (error) {
      if (!run.stop.signal.aborted) throw error;
    } finally {
      run.turn = undefined;
    }
  };

  async goOn(run, updates) {
    while (run.steps.length) {
      const [word, rest] = wordsOf(run.steps.shift());
      switch (word) {
        case 'work':
          for (let i = 1; i <= Math.trunc(Number(rest || 1)); i++) {
            await run.sleep(1);
            updates.status(TaskState.TASK_STATE_WORKING, text(`step ${i}`));
          }
          break;
        case 'quiet':
          await run.sleep(Number(rest));
          break;
        case 'chunks': {
          const [n, seconds] = wordsOf(rest);
          for (let i = 1; i <= Number(n); i++) {
            const place = { id: 'chunked', append: i > 1, lastChunk: i === Number(n) };
            updates.artifact('chunked', text(`piece ${i} `), place);
            await run.sleep(Number(seconds || 0.3));
          }
          break;
        }
        case 'artifact':
          updates.artifact('text', text(rest));
          break;
        case 'data':
          updates.artifact('data', data(JSON.parse(rest)));
          break;
        case 'ask':
        case 'ask-data':
          run.asked = rest;
          updates.status(TaskState.TASK_STATE_INPUT_REQUIRED, word === 'ask' ? text(rest) : data(JSON.parse(rest)));
          return;
        case 'auth':
          updates.status(TaskState.TASK_STATE_AUTH_REQUIRED, text('sign in at http://127.0.0.1/consent'));
          await run.sleep(Number(rest || 1));
          updates.status(TaskState.TASK_STATE_WORKING, text('signed in'));
          break;
        case 'auth-in':
          run.asked = 'auth';
          updates.status(TaskState.TASK_STATE_AUTH_REQUIRED, text('send a code'));
          return;
        case 'fail':
          updates.status(TaskState.TASK_STATE_FAILED, text(rest || 'it broke'));
          return;
        case 'reject':
          updates.status(TaskState.TASK_STATE_REJECTED, text(rest || 'not mine to do'));
          return;
        case 'crash':
          throw new Error('the executor crashed');
        case 'nocancel':
          run.stubborn = true;
          break;
        case 'done':
          updates.status(TaskState.TASK_STATE_COMPLETED, ...(rest ? [text(rest)] : []));
          return;
      }
    }
    updates.status(TaskState.TASK_STATE_COMPLETED);
  }

  cancelTask = async (taskId, bus) => {
    const run = this.runs.get(taskId);
    if (run.stubborn) throw new UnsupportedOperationError('this task does not stop');
    run.stop.abort();
    new Updates(taskId, run.contextId, bus).status(TaskState.TASK_STATE_CANCELED);
  };
}

const interface_ = (path, protocolBinding) => ({ url: `${base}/${path}`, protocolBinding, protocolVersion: '1.0', tenant: '' });
const bearer = { scheme: { $case: 'httpAuthSecurityScheme', value: { scheme: 'Bearer', description: '', bearerFormat: '' } } };
const card = {
  name: 'Scripted', description: 'Does what the message says, step by step.', version: '1', provider: undefined,
  supportedInterfaces: [interface_('rpc', 'JSONRPC'), interface_('rest', 'HTTP+JSON')],
  capabilities: {
    streaming: !args['no-streaming'], pushNotifications: !args['no-push'], extensions: [], extendedAgentCard: false,
  },
  securitySchemes: args.token ? { bearer } : {},
  securityRequirements: args.token ? [{ schemes: { bearer: { list: [] } } }] : [],
  defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain', 'application/json'],
  skills: [{
    id: 'script', name: 'script', description: 'runs a script', tags: ['test'],
    examples: [], inputModes: [], outputModes: [], securityRequirements: [],
  }],
  signatures: [],
};
const pushStore = new InMemoryPushNotificationStore();
const handler = new DefaultRequestHandler(
  card, new InMemoryTaskStore(), new Scripted(), undefined, pushStore, new DefaultPushNotificationSender(pushStore),
);

const app = express();
app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: handler }));
app.use((request, response, next) => {
  if (!args.token || request.get('authorization') === `Bearer ${args.token}`) return next();
  response.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'unauthorized' });
});
app.use('/rpc', jsonRpcHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
app.use('/rest', restHandler({ requestHandler: handler, userBuilder: UserBuilder.noAuthentication }));
app.listen(Number(args.port), '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`a2a ready ${base}`);
});

if (args['with-parent']) {
  // Whoever started this holds the other end of the pipe: however it ends, the pipe closes.
  process.stdin.resume().on('close', () => process.exit(0));
}
