// What a client and its server say to each other, without what differs from run to run.
export function recorded(transport, revision) {
  const transcript = { up: [], down: [] };
  const { send } = transport;
  transport.send = (message, options) => {
    if (revision && message.method === 'initialize') message = { ...message, params: { ...message.params, protocolVersion: revision } };
    transcript.up.push(structuredClone(message));
    return send.call(transport, message, options);
  };
  let listener;
  Object.defineProperty(transport, 'onmessage', {
    get: () => listener,
    set: (next) => {
      listener = next && ((message, extra) => {
        if (transcript.down.at(-1) !== message) transcript.down.push(message);
        return next(message, extra);
      });
    },
  });
  return transcript;
}

// A message that has come, or will, for which it is so: seen(transcript, 'down', (message) => …)
export async function seen(transcript, direction, is) {
  while (!transcript[direction].some(is)) await new Promise((resolve) => setTimeout(resolve, 5));
  return transcript[direction].find(is);
}

const names = (kind) => {
  const known = new Map();
  return (text) => {
    if (!known.has(text)) known.set(text, `${kind}-${known.size + 1}`);
    return known.get(text);
  };
};

// As often as a client asks depends on the time.
const polls = (message) => message.method === 'tasks/get';

function normal(messages, answers, name) {
  const polled = new Set(answers.filter(polls).map((one) => one.id));
  const id = names('id');
  const text = (value) => value
    .replace(/created at \d+:\d+:\d+( [AP]M)?/g, 'created at TIME')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, 'TIME')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b/g, name)
    .replace(/(Debug|Info|Notice|Warning|Error|Critical|Alert|Emergency)(-level message| level-message)/, 'A message of that level');
  const value = (one, key) => {
    if (typeof one === 'string') {
      if (key !== 'blob') return text(one);
      const plain = Buffer.from(one, 'base64').toString();
      return /created at/.test(plain) ? text(plain) : one;
    }
    if (Array.isArray(one)) return one.map((each) => value(each));
    if (one === null || typeof one !== 'object') return one;
    return Object.fromEntries(Object.entries(one).map(([k, v]) => [k, value(v, k)]));
  };
  return messages
    .filter((message) => !polls(message) && !(message.method === undefined && polled.has(message.id)))
    .map((message) => {
      const clean = value(message);
      if (/level/.test(clean.params?.data) && /A message of that level/.test(clean.params.data)) clean.params.level = 'LEVEL';
      if (clean.id !== undefined) clean.id = id(`${message.method === undefined}${message.id}`);
      if (clean.params?.progressToken !== undefined) clean.params.progressToken = 'TOKEN';
      if (clean.params?._meta?.progressToken !== undefined) clean.params._meta.progressToken = 'TOKEN';
      if (clean.params?.requestId !== undefined) clean.params.requestId = id(`false${message.params.requestId}`);
      return clean;
    });
}

// One line for each message, all of one direction after all of the other.
export function printed({ up, down }) {
  const name = names('name');
  return [['>', normal(up, down, name)], ['<', normal(down, up, name)]]
    .flatMap(([sign, messages]) => messages.map((message) => `${sign} ${JSON.stringify(message)}\n`)).join('');
}
