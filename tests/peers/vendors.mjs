// The servers of models of today, as strict as their documentation says they are: what they do not know they refuse, what
// their models need they want back, what is signed must stay. vendors.mjs FILE LOG writes its address to FILE once it
// listens, and each request to LOG. The first part of a path is the vendor: /openai/v1/chat/completions. No dependencies.
import { createHash } from 'node:crypto';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [, , addressFile, logFile] = process.argv;
const buying = { name: 'buy', arguments: '{"ticker":"GOOGL","qty":3}' };
const bought = 'You have 3 shares of GOOGL.';

class Refused extends Error {
  constructor(status, body) {
    super(typeof body === 'string' ? body : JSON.stringify(body));
    this.status = status;
    this.body = typeof body === 'string' ? { error: { message: body, type: 'invalid_request_error', param: null, code: null } } : body;
  }
}

const refuse = (why, status = 400) => { throw new Refused(status, why); };
const digest = (value) => createHash('sha256').update(JSON.stringify(value)).digest('hex');
const textOf = (content) => (typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join(''));
const said = (messages) => textOf(messages.filter((message) => message.role === 'user').at(-1)?.content);

// Members that an object has and may not have: refused with a path, as OpenAI does.
const known = (object, names, place = '') => {
  for (const name of Object.keys(object)) if (!names.includes(name)) refuse(`Unknown parameter: '${place}${name}'.`);
};

// The rules of OpenAI's strict schemas (its package: lib/transform.js).
const strict = (schema, place) => {
  const types = [schema.type].flat();
  if (schema.not || schema.oneOf || schema.allOf || schema.if || schema.patternProperties || schema.uniqueItems !== undefined)
    refuse(`Invalid schema for response_format 'answer': In context=(${place}), a keyword is not permitted.`);
  if (types.includes('object')) {
    if (schema.additionalProperties !== false)
      refuse(`Invalid schema for response_format 'answer': In context=(${place}), 'additionalProperties' is required to be supplied and to be false.`);
    for (const name of Object.keys(schema.properties ?? {}))
      if (!schema.required?.includes(name)) refuse(`Invalid schema for response_format 'answer': In context=(${place}), 'required' must include every key in properties. Missing '${name}'.`);
  }
  for (const [name, child] of Object.entries(schema.properties ?? {})) strict(child, name);
  for (const child of [schema.items, ...(schema.anyOf ?? [])].filter(Boolean)) strict(child, place);
};

// Every call has its result directly after it, by its id.
const paired = (messages) => messages.forEach((message, i) => {
  const ids = (message.tool_calls ?? []).map((call) => call.id), results = [];
  for (let at = i + 1; messages[at]?.role === 'tool'; at++) results.push(messages[at].tool_call_id);
  if (new Set(ids).size !== ids.length || ids.some((id) => !results.includes(id)))
    refuse("An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'.");
});

// What the models of chat completions answer: {content, calls} and what the vendor adds.
const turn = (body) => {
  const last = body.messages.at(-1), prompt = said(body.messages);
  if (body.response_format || prompt.includes('JSON') || textOf(body.messages[0].content).includes('JSON Schema'))
    return prompt.includes('refuse') ? { content: null, refusal: 'I will not.' } : { content: '{"n":3}' };
  if (last.role !== 'tool' && body.tools && !prompt.includes('Hello')) return { content: null, calls: [buying] };
  return { content: last.role === 'tool' ? bought : 'Hello to you.' };
};

const messageMembers = ['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'refusal'];
const common = ['model', 'messages', 'tools', 'tool_choice', 'parallel_tool_calls', 'response_format', 'stream', 'temperature'];
const openaiMembers = [...common, 'stream_options', 'max_completion_tokens', 'reasoning_effort', 'verbosity', 'service_tier', 'prompt_cache_key'];

const checkMessages = (body, more = [], moreOfCalls = []) => {
  body.messages.forEach((message, i) => {
    known(message, [...messageMembers, ...more], `messages[${i}].`);
    (message.tool_calls ?? []).forEach((call, j) => known(call, ['id', 'type', 'function', ...moreOfCalls], `messages[${i}].tool_calls[${j}].`));
  });
  paired(body.messages);
};

const chat = {
  openai(body) {
    known(body, openaiMembers);
    checkMessages(body);
    if (/^gpt-(5\.[4-9]|6)/.test(body.model) && body.tools && body.reasoning_effort !== 'none')
      refuse(`Function tools with reasoning_effort are not supported for ${body.model} in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.`);
    const format = body.response_format?.json_schema;
    if (format?.strict) strict(format.schema, '');
    return turn(body);
  },
  // An OpenAI-compatible server in front of OpenAI's models, without a Responses API.
  proxy: (body) => chat.openai(body),
  gemini(body) {
    known(body, [...common, 'stream_options', 'max_tokens', 'reasoning_effort']);
    checkMessages(body, [], ['extra_content']);
    for (const { tool_calls: [call] = [] } of body.messages) {
      const signature = call?.extra_content?.google?.thought_signature;
      if (call && signature === undefined)
        throw new Refused(400, [{ error: { code: 400, message: 'Function call is missing a thought_signature in functionCall parts.', status: 'INVALID_ARGUMENT' } }]);
      if (call && signature !== 'skip_thought_signature_validator' && signature !== `sig-${digest(call.function)}`)
        throw new Refused(400, [{ error: { code: 400, message: 'Corrupted thought signature.', status: 'INVALID_ARGUMENT' } }]);
    }
    return { ...turn(body), finish: 'stop', ofCall: (call) => ({ extra_content: { google: { thought_signature: `sig-${digest(call.function)}` } } }) };
  },
  deepseek(body) {
    known(body, [...common, 'stream_options', 'max_tokens', 'reasoning_effort', 'thinking']);
    if (body.response_format?.type === 'json_schema') refuse('This response_format type is unavailable now');
    if (body.messages.some((message) => message.tool_calls && message.reasoning_content === undefined))
      refuse('The `reasoning_content` in the thinking mode must be passed back to the API.');
    checkMessages(body, ['reasoning_content']);
    return { ...turn(body), members: { reasoning_content: 'The user wants shares.' } };
  },
  mistral(body) {
    const extra = (loc) => { throw new Refused(422, { detail: [{ type: 'extra_forbidden', loc: ['body', ...loc], msg: 'Extra inputs are not permitted' }] }); };
    for (const name of Object.keys(body)) if (![...common, 'max_tokens', 'safe_prompt'].includes(name)) extra([name]);
    body.messages.forEach((message, i) => {
      for (const name of Object.keys(message)) if (!messageMembers.includes(name)) extra(['messages', i, message.role, name]);
      for (const id of [message.tool_call_id, ...(message.tool_calls ?? []).map((call) => call.id)])
        if (id !== undefined && !/^[a-zA-Z0-9]{9}$/.test(id))
          refuse({ object: 'error', message: `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`, type: 'invalid_function_call', code: '3280' });
      if (message.role === 'user' && body.messages[i - 1]?.role === 'tool') refuse({ message: "Unexpected role 'user' after role 'tool'" });
    });
    paired(body.messages);
    const parts = (content) => content && [{ type: 'thinking', thinking: [{ type: 'text', text: 'The user wants shares.' }] }, { type: 'text', text: content }];
    const answer = turn(body);
    return { ...answer, content: parts(answer.content), id: 'aBcD12345' };
  },
  groq(body) {
    body.messages.forEach((message, i) => {
      if (message.reasoning !== undefined)
        refuse(`'messages.${i}' : for 'role:assistant' the following must be satisfied[('messages.${i}' : property 'reasoning' is unsupported)]`);
    });
    checkMessages(body);
    return { ...turn(body), members: { reasoning: 'The user wants shares.' } };
  },
  openrouter(body) {
    checkMessages(body, ['reasoning', 'reasoning_details']);
    const details = [
      { type: 'reasoning.text', text: 'The user wants shares.', signature: 'S1', format: 'anthropic-claude-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'ENC', id: 'e1', format: 'anthropic-claude-v1', index: 1 },
    ];
    for (const message of body.messages) {
      const sorted = (value) => JSON.stringify(value?.map((one) => Object.entries(one).sort()));
      if (message.tool_calls?.[0].id.startsWith('tool_') && sorted(message.reasoning_details) !== sorted(details))
        refuse(`thinking block lost: ${JSON.stringify(message.reasoning_details)}`);
    }
    return { ...turn(body), members: { reasoning: 'The user wants shares.', reasoning_details: details }, id: `tool_${digest(body).slice(0, 8)}` };
  },
  local: (body) => ({ ...turn(body), members: { reasoning_content: 'The user wants shares.' } }),
};

const chunk = (delta, finish = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const usage = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };

// Each list in pieces: first the entries' beginnings, then their other halves and signatures.
const pieces = (list) => [
  list.map((one) => ({ ...one, ...(one.text ? { text: one.text.slice(0, 4) } : {}), ...(one.signature ? { signature: null } : {}) })),
  ...list.filter((one) => one.text).map((one) => [{ type: one.type, index: one.index, text: one.text.slice(4) }]),
  ...list.filter((one) => one.signature).map((one) => [{ type: one.type, index: one.index, text: '', signature: one.signature }]),
];

const chatStream = (message, finish) => {
  const { content, tool_calls: calls, role, ...members } = message;
  const events = [chunk({ role, content: '' })];
  for (const [name, value] of Object.entries(members))
    if (Array.isArray(value)) for (const piece of pieces(value)) events.push(chunk({ [name]: piece }));
    else for (const half of [value.slice(0, 5), value.slice(5)]) events.push(chunk({ [name]: half }));
  if (Array.isArray(content)) { // Mistral's: parts, then text
    events.push(chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'The user ' }] }] }));
    events.push(chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'wants shares.' }] }] }));
    events.push(chunk({ content: [{ type: 'text', text: content[1].text.slice(0, 3) }] }), chunk({ content: content[1].text.slice(3) }));
  } else if (content) events.push(chunk({ content: content.slice(0, 3) }), chunk({ content: content.slice(3) }));
  (calls ?? []).forEach(({ function: { name, arguments: text }, ...call }, index) => {
    events.push(chunk({ tool_calls: [{ index, ...call, function: { name, arguments: text.slice(0, 9) } }] }));
    events.push(chunk({ tool_calls: [{ index, function: { arguments: text.slice(9) } }] }));
  });
  return [...events, chunk({}, finish), `data: ${JSON.stringify({ choices: [], usage })}\n\n`, 'data: [DONE]\n\n'].join('');
};

const completions = (vendor, body) => {
  const { content, refusal, calls, members = {}, ofCall = () => ({}), finish, id } = chat[vendor](body);
  const message = { role: 'assistant', content, ...(refusal ? { refusal } : {}), ...members };
  if (calls) message.tool_calls = calls.map((made) => {
    const call = { id: id ?? `call_${digest(body).slice(0, 8)}`, type: 'function', function: made };
    return { ...call, ...ofCall(call) };
  });
  const reason = finish ?? (calls ? 'tool_calls' : 'stop');
  if (body.stream) return chatStream(message, reason);
  return { id: 'c', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: reason }], usage };
};

// OpenAI's Responses: reasoning before a call, and the phase of a message, must come back.
const responses = (body) => {
  known(body, ['model', 'input', 'instructions', 'tools', 'tool_choice', 'parallel_tool_calls', 'store', 'include', 'stream', 'text', 'reasoning',
    'max_output_tokens', 'temperature', 'service_tier', 'prompt_cache_key']);
  const outputs = body.input.filter((item) => item.type === 'function_call_output').map((item) => item.call_id);
  const calls = body.input.filter((item) => item.type === 'function_call').map((item) => item.call_id);
  if (body.store !== false) refuse('this test wants nothing stored');
  body.input.forEach((item, i) => {
    if (item.type === 'function_call' && !outputs.includes(item.call_id)) refuse(`No tool output found for function call ${item.call_id}.`);
    if (item.type === 'function_call_output' && !calls.includes(item.call_id)) refuse(`No tool call found for function call output with call_id ${item.call_id}.`);
    if (item.type === 'function_call' && item.id && !body.input.slice(0, i).some((before) => before.encrypted_content === `enc-${body.model}`))
      refuse(`Item 'function_call' was provided without its required 'reasoning' item.`);
    if (item.role === 'assistant' && item.id && !item.phase) refuse('phase lost');
    if (item.role === 'assistant' && (item.type !== 'message' || item.content[0]?.type !== 'output_text')) // llama.cpp's server
      refuse("Cannot determine type of 'item'");
  });
  if (new Set(calls).size !== calls.length) refuse('Duplicate item found with a call_id.');
  if (body.text?.format?.strict) strict(body.text.format.schema, '');
  const prompt = said(body.input), message = (text, phase) => ({ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', phase, content: [{ type: 'output_text', text, annotations: [] }] });
  const reasoning = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: `enc-${body.model}` };
  const call = { type: 'function_call', id: 'fc_1', status: 'completed', call_id: prompt.includes('same ids') ? 'call_1' : `call_${digest(body).slice(0, 8)}`, ...buying };
  if (prompt.includes('fail') && prompt.includes('its state') && body.stream)
    return `event: response.failed\ndata: ${JSON.stringify({ type: 'response.failed', response: { id: 'r', status: 'failed', output: [], error: { code: 'rate_limit_exceeded', message: 'slow' } } })}\n\n`;
  if (prompt.includes('fail'))
    return body.stream ? `data: ${JSON.stringify({ type: 'error', code: 'rate_limit_exceeded', message: 'slow', param: null, sequence_number: 1 })}\n\n` :
      { id: 'r', status: 'failed', output: [], error: { code: 'rate_limit_exceeded', message: 'slow' } };
  const output = body.text?.format && prompt.includes('refuse') ? [{ ...message('', 'final_answer'), content: [{ type: 'refusal', refusal: 'I will not.' }] }] :
    body.text?.format ? [message('{"n":3}', 'final_answer')] :
      body.tools && body.input.at(-1).type !== 'function_call_output' && !prompt.includes('Hello') ? [reasoning, message('Let me see.', 'commentary'), call] :
        [...(body.reasoning?.effort === 'none' || prompt.includes('no thought') ? [] : [reasoning]), message(calls.length > 0 ? bought : 'Hello to you.', 'final_answer')];
  const answer = { id: 'r', object: 'response', status: 'completed', error: null, output, usage: { input_tokens: 20, output_tokens: 5, total_tokens: 25 } };
  const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const text = output.find((item) => item.type === 'message')?.content[0].text ?? '';
  return !body.stream ? answer : event({ type: 'response.created', response: { ...answer, status: 'in_progress', output: [] } }) +
    event({ type: 'response.output_text.delta', delta: text }) + event({ type: 'response.completed', response: answer });
};

// Anthropic's Messages: signatures are bound to the model and all that came before.
const prefix = (body, count, blocks) => digest([body.model, body.system ?? null, body.tools ?? null, body.messages.slice(0, count), blocks]);
const old = (model) => /claude-(3|sonnet-4|opus-4-[0-7])/.test(model);

const checkClaude = (body) => {
  known(body, ['model', 'max_tokens', 'messages', 'system', 'tools', 'tool_choice', 'stream', 'thinking', 'output_config', 'cache_control', 'service_tier', 'temperature']);
  if (body.max_tokens === undefined) refuse('max_tokens: Field required');
  if (old(body.model) && body.output_config) refuse('output_config: Extra inputs are not permitted');
  if (old(body.model) && body.thinking?.type === 'adaptive') refuse("adaptive thinking is not supported on this model");
  if (/claude-3/.test(body.model) && body.max_tokens > 8192) refuse(`max_tokens: ${body.max_tokens} > 8192, which is the maximum allowed number of output tokens for ${body.model}`);
  if (!old(body.model) && ['any', 'tool'].includes(body.tool_choice?.type)) refuse('tool_choice: forced tool use is not supported for this model');
  const closed = (schema) => {
    if (schema.type === 'object' && schema.additionalProperties !== false) refuse("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false");
    if (schema.minimum !== undefined || schema.maxLength !== undefined) refuse("output_config.format.schema: For 'integer' type, property 'minimum' is not supported");
    for (const child of [schema.items, ...Object.values(schema.properties ?? {})].filter(Boolean)) closed(child);
  };
  if (body.output_config?.format) closed(body.output_config.format.schema);
  body.messages.forEach((message, i) => {
    const blocks = typeof message.content === 'string' ? [{ type: 'text', text: message.content }] : message.content;
    const next = body.messages[i + 1]?.content ?? [];
    if (message.role === 'system' && old(body.model)) refuse(`messages.${i}: role 'system' is not supported on this model`);
    if (message.role === 'system' && (body.messages[i - 1]?.role !== 'user' || body.messages[i + 1]?.role === 'user'))
      refuse(`messages.${i}: a system message must follow a user message`);
    blocks.forEach((block, j) => {
      if (block.type === 'text' && block.text === '') refuse(`messages.${i}: text content blocks must be non-empty`);
      if (block.type === 'thinking' && block.signature !== prefix(body, i, blocks.slice(0, j)))
        refuse(`messages.${i}.content.${j}: Invalid \`signature\` in \`thinking\` block. The block is bound to a different conversation. Remove the block, or set \`thinking.block_binding\`.`);
    });
    const ids = blocks.filter((block) => block.type === 'tool_use').map((block) => block.id);
    if (ids.some((id) => !next.some?.((block) => block.type === 'tool_result' && block.tool_use_id === id)))
      refuse(`messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids}`);
  });
};

const claude = (body) => {
  checkClaude(body);
  const last = body.messages.filter((message) => message.role !== 'system').at(-1), prompt = said(body.messages.map((message) => ({ ...message,
    content: typeof message.content === 'string' ? message.content : message.content.filter((block) => block.type === 'text') })).filter((message) => message.content.length > 0));
  const resulted = last.role === 'user' && last.content.some?.((block) => block.type === 'tool_result');
  const going = body.messages.at(-1).role === 'assistant';
  const before = going ? body.messages.at(-1).content : [];
  const thinking = old(body.model) ? [] : [{ type: 'thinking', thinking: '', signature: prefix(body, body.messages.length - (going ? 1 : 0), before) }];
  const id = prompt.includes('same ids') ? 'toolu_1' : `toolu_${digest(body).slice(0, 8)}`;
  const call = { type: 'tool_use', id, name: 'buy', input: JSON.parse(buying.arguments) };
  let content = [{ type: 'text', text: resulted ? bought : 'Hello to you.' }], reason = 'end_turn';
  if (['any', 'tool'].includes(body.tool_choice?.type)) [content, reason] = [[{ ...call, name: body.tools.at(-1).name, input: { n: 3 } }], 'tool_use'];
  else if (body.output_config?.format || prompt.includes('JSON Schema')) content = [{ type: 'text', text: '{"n":3}' }];
  else if (prompt.includes('pause') && !going) [content, reason] = [[{ type: 'text', text: 'Let me ' }], 'pause_turn'];
  else if (prompt.includes('pause')) content = [{ type: 'text', text: prompt.includes('ever') ? 'still ' : 'think.' }];
  else if (body.tools && !resulted && !prompt.includes('Hello')) [content, reason] = [[...(prompt.includes('empty') ? [{ type: 'text', text: '' }] : []), call], 'tool_use'];
  if (prompt.includes('pause for ever')) reason = 'pause_turn';
  if (prompt.includes('full')) reason = 'model_context_window_exceeded';
  if (prompt.includes('sorry')) [content, reason] = [[], 'refusal'];
  const answer = { id: 'm', type: 'message', role: 'assistant', model: body.model, content: [...thinking, ...content], stop_reason: reason, usage: { input_tokens: 20, output_tokens: 5 } };
  if (!body.stream) return answer;
  const event = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
  const block = (one, index) => {
    const start = one.type === 'tool_use' ? { ...one, input: {} } : one.type === 'thinking' ? { ...one, signature: '' } : { ...one, text: '' };
    const delta = one.type === 'tool_use' ? { type: 'input_json_delta', partial_json: JSON.stringify(one.input) } :
      one.type === 'thinking' ? { type: 'signature_delta', signature: one.signature } : { type: 'text_delta', text: one.text };
    return event({ type: 'content_block_start', index, content_block: start }) + event({ type: 'content_block_delta', index, delta }) + event({ type: 'content_block_stop', index });
  };
  return event({ type: 'message_start', message: { ...answer, content: [], stop_reason: null } }) + answer.content.map(block).join('') +
    event({ type: 'message_delta', delta: { stop_reason: reason }, usage: answer.usage }) + event({ type: 'message_stop' });
};

// A server that answers what the user's last message says, in JSON: {answer, status}; a text is a stream. Of several, the
// one of this turn.
let turns = 0;
const odd = (body) => {
  const first = ({ content }) => (Array.isArray(content) ? content[0]?.text : content) ?? '';
  const prompt = JSON.parse(first((body.messages ?? body.input).findLast((message) => message.role === 'user' && first(message).startsWith('{'))));
  const answers = prompt.answers ?? [prompt], { answer, status = 200 } = answers[turns++ % answers.length];
  return status === 200 ? answer : refuse(answer, status);
};

const route = (path, body) => {
  const [, vendor, , ...rest] = path.split('/'), what = rest.join('/');
  if (vendor === 'odd') return odd(body);
  if (what === 'chat/completions' && chat[vendor]) return completions(vendor, body);
  if (what === 'responses' && vendor === 'openai') return responses(body);
  if (what === 'messages' && vendor === 'claude') return claude(body);
  return refuse({ detail: 'Not Found' }, 404);
};

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (more) => { text += more; }).on('end', () => {
    const body = text === '' ? {} : JSON.parse(text);
    let answer, status = 200;
    try {
      answer = route(request.url, body);
    } catch (error) {
      [answer, status] = error instanceof Refused ? [error.body, error.status] : [{ error: { message: `${error.stack}` } }, 500];
    }
    appendFileSync(logFile, `${JSON.stringify({ path: request.url, status, body, answer })}\n`);
    const streams = typeof answer === 'string';
    response.writeHead(status, { 'content-type': streams ? 'text/event-stream' : 'application/json' });
    response.end(streams ? answer : JSON.stringify(answer));
  });
});

server.listen(0, '127.0.0.1', () => {
  writeFileSync(`${addressFile}.new`, `http://127.0.0.1:${server.address().port}`);
  renameSync(`${addressFile}.new`, addressFile);
});
