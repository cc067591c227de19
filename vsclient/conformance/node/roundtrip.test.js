// Round trips of OpenAI's Node SDK with the emulator over a socket: files, stores,
// batches, listings, search, uploads and errors. OPENAITEST names the emulator's
// program; otherwise the test builds it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import OpenAI, { toFile } from 'openai';

let dir, emulator, client;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'openaitest-'));
  let program = process.env.OPENAITEST;
  if (!program) {
    program = join(dir, 'openaitest');
    execFileSync('go', ['build', '-o', program, './cmd/openaitest'], { cwd: join(import.meta.dirname, '..', '..'), stdio: 'inherit' });
  }
  emulator = spawn(program, ['-addr', '127.0.0.1:0', '-index-time', '300ms', '-poll-after', '100ms', '-strict'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [baseURL] = await once(createInterface({ input: emulator.stdout }), 'line');
  client = new OpenAI({ apiKey: 'sk-test', baseURL, maxRetries: 0 });
});

after(async () => {
  emulator.kill('SIGTERM');
  const [code] = await once(emulator, 'exit');
  rmSync(dir, { recursive: true });
  assert.equal(code, 0, 'the emulator ends cleanly');
});

function once(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

async function all(page) {
  const items = [];
  for await (const item of page) items.push(item);
  return items;
}

const upload = async (name, content) => client.files.create({ file: await toFile(Buffer.from(content), name), purpose: 'assistants' });

test('files are created, read, listed, downloaded and deleted', async () => {
  const file = await upload('naïve ☃.md', 'hello');
  assert.equal(file.filename, 'naïve ☃.md');
  assert.equal(file.bytes, 5);
  const expiring = await client.files.create({
    file: await toFile(Buffer.from('{}'), 'jobs.jsonl'), purpose: 'batch', expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  assert.equal(expiring.expires_at, expiring.created_at + 3600);
  assert.equal(await (await client.files.content(expiring.id)).text(), '{}');
  assert.equal((await client.files.retrieve(file.id)).id, file.id);
  assert.deepEqual((await all(client.files.list({ limit: 1, order: 'asc' }))).map((f) => f.id), [file.id, expiring.id]);
  assert.deepEqual((await all(client.files.list({ purpose: 'batch' }))).map((f) => f.id), [expiring.id]);
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.retrieve(file.id), (e) => e instanceof OpenAI.NotFoundError && e.requestID.startsWith('req_'));
});

test('an upload is put together from parts', async () => {
  const started = await client.uploads.create({ filename: 'a.md', purpose: 'assistants', bytes: 10, mime_type: 'text/markdown' });
  const parts = [];
  for (const data of ['hello', 'world']) {
    parts.push(await client.uploads.parts.create(started.id, { data: await toFile(Buffer.from(data), 'part') }));
  }
  const done = await client.uploads.complete(started.id, { part_ids: parts.map((p) => p.id), md5: 'fc5e038d38a57032085441e7fe7010b0' });
  assert.equal(done.status, 'completed');
  assert.equal(done.file.bytes, 10);
  const cancelled = await client.uploads.create({ filename: 'b.md', purpose: 'assistants', bytes: 1, mime_type: 'text/markdown' });
  assert.equal((await client.uploads.cancel(cancelled.id)).status, 'cancelled');
});

test('stores are created, read, changed, listed and deleted', async () => {
  const made = await client.vectorStores.create({ name: 'docs', metadata: { team: 'a' }, expires_after: { anchor: 'last_active_at', days: 7 } });
  assert.equal(made.expires_after.days, 7);
  assert.equal((await client.vectorStores.update(made.id, { name: 'renamed', expires_after: null })).expires_at, null);
  assert.equal((await client.vectorStores.retrieve(made.id)).name, 'renamed');
  const second = await client.vectorStores.create({});
  assert.deepEqual((await all(client.vectorStores.list({ limit: 1 }))).map((s) => s.id), [second.id, made.id]);
  for (const store of [made, second]) assert.equal((await client.vectorStores.delete(store.id)).deleted, true);
});

test('store files are attached, polled, updated, read and detached', async () => {
  const store = await client.vectorStores.create({ name: 'docs' });
  const file = await upload('cats.md', 'Cats sleep.');
  const attached = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id, attributes: { lang: 'en', year: 2024, draft: false } });
  assert.equal(attached.status, 'completed');
  assert.deepEqual(attached.attributes, { lang: 'en', year: 2024, draft: false });
  const updated = await client.vectorStores.files.update(file.id, { vector_store_id: store.id, attributes: { lang: 'fr' } });
  assert.deepEqual(updated.attributes, { lang: 'fr' });
  const [chunk] = await all(client.vectorStores.files.content(file.id, { vector_store_id: store.id }));
  assert.equal(chunk.text, 'Cats sleep.');
  assert.equal((await client.vectorStores.files.delete(file.id, { vector_store_id: store.id })).deleted, true);
  await assert.rejects(client.vectorStores.files.retrieve(file.id, { vector_store_id: store.id }), OpenAI.NotFoundError);
});

test('batches are created, polled, listed and cancelled', async () => {
  const store = await client.vectorStores.create({ name: 'docs' });
  const files = await Promise.all(['a.md', 'b.md', 'c.md'].map((name) => upload(name, name)));
  const batch = await client.vectorStores.fileBatches.createAndPoll(store.id, {
    files: files.map((f) => ({ file_id: f.id, attributes: { name: f.filename } })),
  });
  assert.deepEqual(batch.file_counts, { in_progress: 0, completed: 3, failed: 0, cancelled: 0, total: 3 });
  const listed = await all(client.vectorStores.fileBatches.listFiles(batch.id, { vector_store_id: store.id, limit: 2, order: 'asc' }));
  assert.deepEqual(listed.map((f) => f.attributes.name), ['a.md', 'b.md', 'c.md']);
  assert.equal((await all(client.vectorStores.files.list(store.id, { limit: 1, filter: 'completed' }))).length, 3);

  const more = await upload('d.md', 'd');
  const pending = await client.vectorStores.fileBatches.create(store.id, { file_ids: [more.id] });
  assert.equal((await client.vectorStores.fileBatches.cancel(pending.id, { vector_store_id: store.id })).status, 'cancelled');

  const uploaded = await client.vectorStores.fileBatches.uploadAndPoll(store.id, { files: [await toFile(Buffer.from('e'), 'e.md')] });
  assert.equal(uploaded.status, 'completed');
});

test('a search finds the document that answers the question', async () => {
  const store = await client.vectorStores.create({ name: 'docs' });
  for (const [name, text, lang] of [['france.md', 'The capital of France is Paris.', 'en'], ['chats.md', 'Les chats dorment.', 'fr']]) {
    await client.vectorStores.files.createAndPoll(store.id, { file_id: (await upload(name, text)).id, attributes: { lang } });
  }
  const [best] = await all(client.vectorStores.search(store.id, { query: 'What is the capital of France?' }));
  assert.equal(best.filename, 'france.md');
  assert.equal(best.content[0].text, 'The capital of France is Paris.');
  const french = await all(client.vectorStores.search(store.id, { query: ['anything'], filters: { type: 'and', filters: [{ type: 'eq', key: 'lang', value: 'fr' }] } }));
  assert.deepEqual(french.map((r) => r.filename), ['chats.md']);
});

test('errors have the classes and fields of the SDK', async () => {
  const store = await client.vectorStores.create({ name: 'docs' });
  const file = await upload('photo.png', 'x');
  await assert.rejects(client.vectorStores.files.create(store.id, { file_id: file.id }), (e) =>
    e instanceof OpenAI.BadRequestError && e.code === 'unsupported_file' && e.param === 'file_ids' && e.type === 'invalid_request_error');
  await assert.rejects(upload('empty.md', ''), OpenAI.BadRequestError);
  await assert.rejects(client.models.list(), (e) => e.status === 501 && e.code === 'not_modelled');
});
