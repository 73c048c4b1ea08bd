// The flow's five requests as jobs of pg-boss or graphile-worker, for tests/bench/spool:
//   work.mjs ENGINE add job|steps|single COUNT URL         makes the schema, and adds COUNT documents
//   work.mjs ENGINE run job|steps|single COUNT URL WORKERS IN_FLIGHT
// ends when COUNT documents are done, by WORKERS processes that have IN_FLIGHT requests at a time each.
// job: all requests in one job, so that one that is killed begins again, asks again and orders again.
// steps: each request is a job of its own, with the document in it, which adds the next one.
// single: the same, and pg-boss takes and completes each by itself: one that is killed repeats its own request, not those of
// a batch.
import { fork } from 'node:child_process';
import { Agent, request, setGlobalDispatcher } from 'undici';

const [, , engine, command, mode, countText, url, workersText = '1', inFlightText = '16'] = process.argv;
const count = Number(countText), workers = Number(workersText), inFlight = Number(inFlightText);
const env = process.env;
const tools = [JSON.parse(env.TOOL ?? 'null')];

setGlobalDispatcher(new Agent({ connections: inFlight, pipelining: 1, keepAliveTimeout: 60000 }));
const send = async (address, headers, body) => {
  const answer = await request(address, { method: 'POST', headers, body });
  const content = await answer.body.json();
  return { status: answer.statusCode, content };
};
const must = ({ status, content }) => {
  if (status >= 300) throw new Error(`${status} ${JSON.stringify(content)}`);
  return content;
};
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = (token) => ({ 'content-type': 'application/json', authorization: `Bearer ${token}` });

// What each request makes of the document; false if the user has not decided.
const model = async (document) => {
  const body = JSON.stringify({ model: env.OPENAI_MODEL, messages: document.messages, tools });
  const { message } = must(await send(`${env.OPENAI_BASE_URL}/chat/completions`, json(env.OPENAI_API_KEY), body)).choices[0];
  document.messages.push(message);
  const [call] = message.tool_calls ?? [];
  if (call) document.call = { id: call.id, ...JSON.parse(call.function.arguments) };
  return true;
};
const ask = async (document) => {
  const { ticker, qty } = document.call;
  document.asked = must(await send(`${env.CIBA_ISSUER}bc-authorize`, form, new URLSearchParams({
    client_id: env.CIBA_CLIENT_ID, client_secret: env.CIBA_CLIENT_SECRET, scope: env.CIBA_SCOPE, audience: env.AUDIENCE,
    binding_message: `Buy ${qty} ${ticker}`, requested_expiry: '300',
    login_hint: JSON.stringify({ format: 'iss_sub', iss: env.CIBA_ISSUER, sub: env.CIBA_USER }),
  }).toString()));
  return true;
};
const poll = async (document) => {
  const answer = await send(`${env.CIBA_ISSUER}oauth/token`, form, new URLSearchParams({
    client_id: env.CIBA_CLIENT_ID, client_secret: env.CIBA_CLIENT_SECRET, auth_req_id: document.asked.auth_req_id,
    grant_type: 'urn:openid:params:grant-type:ciba',
  }).toString());
  if (answer.content.error === 'authorization_pending') return false;
  document.token = must(answer).access_token;
  return true;
};
const order = async (document) => {
  const { ticker, qty, id } = document.call;
  const headers = { ...json(document.token), 'idempotency-key': id };
  const content = must(await send(env.STOCK_API_URL, headers, JSON.stringify({ ticker, qty })));
  delete document.token;
  document.messages.push({ role: 'tool', tool_call_id: id, content: JSON.stringify(content) });
  return true;
};
const steps = [model, ask, poll, order, model];
const queue = (step) => (mode === 'job' ? 'flow' : `step${step}`);
const queues = mode === 'job' ? ['flow'] : steps.map((_, step) => `step${step}`);
const documents = () => Array.from({ length: count }, (_, i) => ({ messages: [{ role: 'user', content: `Buy ${i + 1} stocks of Google` }] }));

// All that can be done on the document now: the step to go on with, and when; steps.length when it is done.
const work = async ({ document, step }) => {
  const last = mode === 'job' ? steps.length : step + 1;
  for (; step < last; step++) {
    if (!await steps[step](document)) return { step, seconds: document.asked.interval ?? 5 };
  }
  return { step, seconds: 0 };
};

const engines = {
  'pg-boss': async (done) => {
    const { PgBoss } = await import('pg-boss');
    const boss = new PgBoss({ connectionString: url, max: inFlight, schedule: false, supervise: false, useListenNotify: true });
    boss.on('error', (error) => { console.error(error); process.exit(1); });
    await boss.start();
    const insert = (name, data, startAfter) => boss.insert(name, data.map((one) => ({ data: one, ...(startAfter ? { startAfter } : {}) })));
    return {
      add: async () => {
        for (const name of queues) await boss.createQueue(name, { notify: true });
        await insert(queues[0], documents().map((document) => ({ document, step: 0 })));
      },
      // Two batches, so that one is worked on while the other is written down; this size was the fastest.
      run: async () => {
        const batchSize = mode === 'single' ? 1 : inFlight * 4;
        const localConcurrency = mode === 'single' ? inFlight : 2;
        for (const name of queues) {
          await boss.work(name, {
            batchSize, localConcurrency, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5,
          }, async (jobs) => {
            const next = new Map();
            let finished = 0;
            await Promise.all(jobs.map(async ({ data }) => {
              const { step, seconds } = await work(data);
              if (step === steps.length) {
                finished++;
              } else {
                const key = `${step} ${seconds}`;
                if (!next.has(key)) next.set(key, { step, seconds, data: [] });
                next.get(key).data.push({ document: data.document, step });
              }
            }));
            for (const { step, seconds, data } of next.values()) {
              await insert(queue(step), data, seconds && new Date(Date.now() + seconds * 1000));
            }
            done(finished);
          });
        }
      },
      stop: () => boss.stop({ graceful: true, timeout: 10000 }), // after what it has is written down
    };
  },
  'graphile-worker': async (done) => {
    const { run, makeWorkerUtils, runMigrations, Logger } = await import('graphile-worker');
    const logger = new Logger(() => (level, message) => { if (level === 'error') console.error(message); });
    const options = { connectionString: url, logger };
    let runner;
    return {
      add: async () => {
        await runMigrations(options);
        const utils = await makeWorkerUtils(options);
        await utils.addJobs(documents().map((document) => ({ identifier: queues[0], payload: { document, step: 0 } })));
        await utils.release();
      },
      run: async () => {
        const task = async (data, helpers) => {
          const { step, seconds } = await work(data);
          if (step === steps.length) return done(1);
          const runAt = seconds ? { runAt: new Date(Date.now() + seconds * 1000) } : {};
          return helpers.addJob(queue(step), { document: data.document, step }, runAt);
        };
        runner = await run({
          ...options, concurrency: inFlight, noHandleSignals: true, crontab: '', pollInterval: 500,
          taskList: Object.fromEntries(queues.map((name) => [name, task])),
          preset: {
            worker: { maxPoolSize: inFlight + 2, localQueue: { size: inFlight * 4 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
          },
        });
      },
      stop: () => runner?.stop(),
    };
  },
};

// One worker: it says by message how many documents it has done, or counts for itself.
const single = async () => {
  let finish, left = count;
  const all = new Promise((resolve) => { finish = resolve; });
  const done = (n) => {
    left -= n;
    if (process.send) process.send(n);
    else if (left <= 0) finish();
  };
  process.on('disconnect', finish); // enough are done
  const one = await engines[engine](done);
  await one[command]();
  if (command === 'run') await all;
  await one.stop();
  process.exit(0);
};

const several = async () => {
  const children = Array.from({ length: workers }, () => fork(process.argv[1], process.argv.slice(2, 7).concat('0', inFlightText)));
  let left = count;
  const ends = children.map((child) => new Promise((resolve, reject) => {
    child.on('message', (n) => {
      left -= n;
      if (left <= 0) for (const each of children) if (each.connected) each.disconnect();
    });
    child.on('exit', (status) => (status === 0 ? resolve() : reject(new Error(`a worker ended with ${status}`))));
  }));
  await Promise.all(ends);
};

await (workers > 1 ? several() : single());
