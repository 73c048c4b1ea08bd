// A server for all of the revision 2026-07-28, and for older clients, made with @modelcontextprotocol/server.
import { McpServer, ResourceTemplate, acceptedContent, completable, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { writeFileSync } from 'node:fs';
import { z } from 'zod';

const text = (words) => ({ content: [{ type: 'text', text: words }] });
const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

serveStdio(() => {
  const server = new McpServer(
    { name: 'modern', version: '1' },
    {
      capabilities: { logging: {}, tools: { listChanged: true }, prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true }, completions: {} },
      instructions: 'Call them all.',
    },
  );
  server.registerTool('echo', { description: 'Says it', inputSchema: z.object({ message: z.string() }), annotations: { readOnlyHint: true } },
    ({ message }) => text(message));
  server.registerTool('write', { description: 'Writes a file', inputSchema: z.object({ path: z.string(), content: z.string() }) },
    ({ path, content }) => {
      writeFileSync(path, content, { flag: 'wx' }); // a second time is an error
      return text(`wrote ${path}`);
    });
  server.registerTool('kinds', { description: 'All kinds of content' }, () => ({
    content: [
      { type: 'text', text: 'one', annotations: { audience: ['user'], priority: 0.5 } },
      { type: 'image', data: image, mimeType: 'image/png' },
      { type: 'audio', data: image, mimeType: 'audio/wav' },
      { type: 'resource_link', uri: 'note://1', name: 'Note 1' },
      { type: 'resource', resource: { uri: 'note://2', text: 'two', mimeType: 'text/plain' } },
    ],
    _meta: { 'example.com/own': [1e3, 1.50, -0.0] },
  }));
  server.registerTool('weather', { description: 'Structured', inputSchema: z.object({ place: z.string() }), outputSchema: z.object({ place: z.string(), degrees: z.number() }) },
    ({ place }) => ({ ...text('cold'), structuredContent: { place, degrees: -1.5 } }));
  server.registerTool('slow', { description: 'With progress and a log', inputSchema: z.object({ steps: z.number() }) }, async ({ steps }, ctx) => {
    for (let step = 1; step <= steps && !ctx.mcpReq.signal.aborted; step++) {
      const progressToken = ctx.mcpReq._meta?.progressToken;
      if (progressToken !== undefined) await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: step, total: steps, message: `step ${step}` } });
      await ctx.mcpReq.log('info', { step });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return text('done');
  });
  server.registerTool('stuck', { description: 'Says one progress, and ends when it is cancelled', inputSchema: z.object({}) }, async (_, ctx) => {
    const cancelled = new Promise((resolve) => ctx.mcpReq.signal.addEventListener('abort', resolve));
    await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken: ctx.mcpReq._meta.progressToken, progress: 1 } });
    await cancelled;
    return text('cancelled');
  });
  server.registerTool('ask', { description: 'Asks the client in several rounds', inputSchema: z.object({ topic: z.string() }) }, ({ topic }, ctx) => {
    const responses = ctx.mcpReq.inputResponses;
    const state = ctx.mcpReq.requestState();
    if (!state) {
      return inputRequired({
        inputRequests: {
          name: inputRequired.elicit({ message: `Who asks about ${topic}?`, requestedSchema: z.object({ name: z.string() }) }),
          roots: inputRequired.listRoots(),
        },
        requestState: 'first round',
      });
    }
    if (state === 'first round') {
      const { name } = acceptedContent(responses, 'name');
      return inputRequired({
        inputRequests: { words: inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: topic } }], maxTokens: 9 }) },
        requestState: `for ${name}, ${inputResponse(responses, 'roots').roots.length} roots`,
      });
    }
    return text(`${state}: ${inputResponse(responses, 'words').result.content.text}`);
  });
  let later;
  server.registerTool('change', { description: 'Changes what there is' }, () => {
    if (later) later.remove();
    else later = server.registerTool('later', { description: 'It came later' }, () => text('here'));
    server.sendPromptListChanged();
    server.sendResourceListChanged();
    server.server.sendResourceUpdated({ uri: 'note://1' });
    return text('changed');
  });
  server.registerTool('fail', { description: 'Fails' }, () => {
    throw new Error('as it should');
  });
  server.registerResource('note', 'note://1', { title: 'A note', mimeType: 'text/plain' }, (uri) => ({ contents: [{ uri: uri.href, text: 'one' }] }));
  server.registerResource('notes', new ResourceTemplate('note://{number}', { list: undefined, complete: { number: (value) => [`${value}0`, `${value}1`] } }), { description: 'Notes' },
    (uri, { number }) => ({ contents: [{ uri: uri.href, blob: Buffer.from(number).toString('base64') }] }));
  server.registerPrompt('greet', { description: 'Greets', argsSchema: z.object({ name: completable(z.string(), (value) => ['Ann', 'Bob'].filter((one) => one.startsWith(value))) }) },
    ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Hello ${name}` } }] }));
  return server;
});
