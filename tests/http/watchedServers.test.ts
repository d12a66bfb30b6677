import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { takeFaults, watched } from '@/tests/helpers/testRun/answerFiles';
import { findUnsentAnswers } from '@/tests/helpers/testRun/reportAnswers';

afterEach(killServers);

function ownFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-answers-'));
  const [seen, refused] = [join(folder, 'seen'), join(folder, 'refused')];
  return { seen, refused, env: { ANSWERS_SEEN_IN: seen, ANSWERS_REFUSED_IN: refused } };
}

/** Sends one answer, as a route whose only answer is 204 would. */
const SERVER = `
const { channel } = require('node:diagnostics_channel');
const { createServer } = require('node:http');
const endpoint = { responses: { 204: {} }, errors: ['NOT_FOUND: it is gone'] };
const describeAnswers = () => new Map([[204, { content: {} }]]);
const route = { method: 'get', path: '/thing', endpoint };
const server = createServer((req, res) => {
  channel('gatehouse.routed').publish({ route, req, res, describeAnswers });
  res.setHeader('x-correlation-id', 'c-1');
  res.statusCode = Number(req.url.slice(1));
  res.end();
}).listen(0, async () => {
  for (const status of [204, 418]) await fetch('http://127.0.0.1:' + server.address().port + '/' + status);
  process.exit(0);
});
`;

describe('a server in another process', () => {
  it('compares its answers with the document, so that one that is not described is found', () => {
    const { seen, refused, env } = ownFiles();
    execFileSync(process.execPath, [...watched().args, '-e', SERVER], { env });
    expect(readFileSync(refused, 'utf8')).toBe('GET /thing 418: the status is not described; \n');
    expect(findUnsentAnswers(seen)).toEqual(['get /thing NOT_FOUND']);
  });

  it('does so if it is the built server', async () => {
    const { seen, env } = ownFiles();
    const url = await startServer({ ...externalEnv(), ...env }).url();
    await fetch(`${url}/health/live`);
    expect(readFileSync(seen, 'utf8').split('\n')).toEqual(
      expect.arrayContaining(['listed get /health/live 200', 'sent get /health/live 200']),
    );
  });

  it('hands its objections once to the file of tests that started it', () => {
    const { env } = watched();
    execFileSync(process.execPath, [...watched().args, '-e', SERVER], { env });
    expect(takeFaults()).toEqual([expect.stringContaining('GET /thing 418')]);
    expect(takeFaults()).toEqual([]);
  });
});
