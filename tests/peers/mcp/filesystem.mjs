// Goes through every tool of server-filesystem in a folder that is empty, and prints the transcript:
// node filesystem.mjs KIND REVISION FOLDER -- SERVER...
import assert from 'node:assert';
import { commandLine, connect } from './clients.mjs';
import { printed } from './transcript.mjs';

const { words: [kind, revision, folder], command } = commandLine();
const peer = await connect({ kind, revision, command });
const call = async (name, args, isError = false) => {
  const result = await peer.callTool({ name, arguments: args }).catch((error) => ({ isError: true, error }));
  assert.equal(Boolean(result.isError), isError, JSON.stringify(result));
};
const path = (name) => `${folder}/${name}`;

assert((await peer.client.listTools()).tools.length >= 14);
await call('list_allowed_directories', {});
await call('create_directory', { path: path('deep/er') });
await call('write_file', { path: path('a'), content: 'one\ntwo\nthree\n\u{1F600}\n' });
await call('read_text_file', { path: path('a') });
await call('read_text_file', { path: path('a'), head: 1 });
await call('read_text_file', { path: path('a'), tail: 2 });
await call('read_file', { path: path('a') });
await call('edit_file', { path: path('a'), edits: [{ oldText: 'two', newText: '2' }], dryRun: true });
await call('edit_file', { path: path('a'), edits: [{ oldText: 'two', newText: '2' }] });
await call('write_file', { path: path('b.png'), content: 'no image' });
await call('read_media_file', { path: path('b.png') });
await call('read_multiple_files', { paths: [path('a'), path('none')] });
await call('move_file', { source: path('b.png'), destination: path('deep/b.png') });
await call('list_directory', { path: folder });
await call('list_directory_with_sizes', { path: folder, sortBy: 'size' });
await call('directory_tree', { path: folder });
await call('search_files', { path: folder, pattern: '**/*.png' });
await call('get_file_info', { path: path('a') });
await call('read_text_file', { path: path('none') }, true);
await call('write_file', { path: '/outside', content: '' }, true);
await call('edit_file', { path: path('a'), edits: [{ oldText: 'none', newText: '' }] }, true);
await call('write_file', { path: path('c') }, true);
process.stdout.write(printed(peer.transcript).replace(/(created|modified|accessed): [^"\\]*/g, '$1: TIME'));
await peer.close();
