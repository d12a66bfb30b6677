import request from 'supertest';
import { isConsistent } from '@/tlog/treeProofs';
import { bytes, createAuditor, openNote } from '@/tests/helpers/evidence/auditProofs';
import type { Checkpoint, Proof } from '@/tests/helpers/evidence/auditProofs';
import { readAll, writeEvents } from '@/tests/helpers/evidence/auditReads';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { as } from '@/tests/helpers/people/officer';
import { treeHash } from '@/tests/helpers/evidence/referenceTree';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const node = buildApp();
const { app, deps } = node;
const { compliance, read, proofOf, keyOf, expectProven, seedLog } = createAuditor(node);

describe('a log of forty-five events and five checkpoints', () => {
  let officer: SeededAuth;
  let ids: string[];
  let entries: string[];

  beforeAll(async () => {
    ({ officer, ids } = await seedLog(45));
    entries = [];
    for (const id of ids) {
      const { event, leafIndex } = await proofOf(officer, id);
      entries[leafIndex] = event;
    }
  });

  it('proves each event under the newest checkpoint, from its entry and the key alone', async () => {
    expect(entries).toHaveLength(45);
    const root = treeHash(entries.map((entry) => Buffer.from(entry)));
    for (const id of ids) {
      const proof = await proofOf(officer, id);
      expect(proof).toStrictEqual({
        event: entries[proof.leafIndex],
        leafIndex: expect.any(Number),
        leafHash: expect.any(String),
        treeSize: 45,
        hashes: expect.any(Array),
        checkpoint: expect.stringContaining(`\n45\n${root.toString('base64')}\n`),
        tlogProof: expect.any(String),
      });
      await expectProven(officer, proof);
    }
  });

  it('proves it under every earlier checkpoint that covers it, and says of the others that they do not', async () => {
    for (const id of [ids[0]!, ids[17]!, ids[44]!]) {
      const { leafIndex } = await proofOf(officer, id);
      for (const size of [10, 20, 30, 40, 45]) {
        if (size > leafIndex) {
          const proof = await proofOf(officer, id, `?size=${size}`);
          expect(proof.treeSize).toBe(size);
          await expectProven(officer, proof);
        } else {
          const res = await compliance(officer, `audit-logs/${id}/proof?size=${size}`);
          expectRefusal(res, [400]);
          expect(res.body.error).toBe('INVALID_INPUT');
        }
      }
      const res = await compliance(officer, `audit-logs/${id}/proof?size=${44 + 2}`);
      expectRefusal(res, [404]);
      expect(res.body.error).toBe('CHECKPOINT_NOT_FOUND');
    }
    for (const size of ['x', '-1', '1e3', '', '99999999999999999']) {
      expectRefusal(await compliance(officer, `audit-logs/${ids[0]}/proof?size=${size}`), [400]);
    }
  });

  it('gives the proof as one text by C2SP tlog-proof, with the note as it was signed', async () => {
    const proof = await proofOf(officer, ids[20]!);
    const at = proof.tlogProof.indexOf('\n\n');
    const [version, index, ...hashes] = proof.tlogProof.slice(0, at).split('\n');
    expect(version).toBe('c2sp.org/tlog-proof@v1');
    expect(index).toBe(`index ${proof.leafIndex}`);
    expect(hashes).toEqual(proof.hashes);
    expect(proof.tlogProof.slice(at + 2)).toBe(proof.checkpoint);
  });

  it('lists its checkpoints, newest first, in pages that hold each once', async () => {
    const key = await keyOf(officer);
    const whole = await read<{ checkpoints: Checkpoint[]; nextCursor: null }>(
      officer,
      'checkpoints',
    );
    expect(whole.nextCursor).toBeNull();
    expect(whole.checkpoints.map(({ size }) => size)).toEqual([45, 40, 30, 20, 10]);
    for (const checkpoint of whole.checkpoints) {
      const { size, root } = openNote(checkpoint.note, key);
      expect(checkpoint).toStrictEqual({
        id: expect.any(Number),
        size,
        rootHash: root.toString('base64'),
        note: checkpoint.note,
        signedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      });
      expect(treeHash(entries.slice(0, size).map((entry) => Buffer.from(entry)))).toEqual(root);
    }
    const paged: Checkpoint[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const page: { checkpoints: Checkpoint[]; nextCursor: string | null } = await read(
        officer,
        `checkpoints?limit=2${query}`,
      );
      paged.push(...page.checkpoints);
      cursor = page.nextCursor;
    }
    expect(paged).toEqual(whole.checkpoints);
    const latest = await read<Checkpoint>(officer, 'checkpoints/latest');
    expect(latest).toStrictEqual(whole.checkpoints[0]);
  });

  it('gives the newest as the bare note to whoever asks for text, and as JSON to everybody else', async () => {
    const { note } = await read<Checkpoint>(officer, 'checkpoints/latest');
    const ask = (accept: string) => compliance(officer, 'checkpoints/latest').set('accept', accept);
    for (const accept of ['text/plain', 'text/plain;q=0.9, application/json;q=0.5']) {
      const res = await ask(accept);
      expect(res.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(res.headers['vary']).toMatch(/accept/i);
      expect(res.text).toBe(note);
    }
    for (const accept of ['*/*', 'application/json', 'image/png']) {
      expect((await ask(accept)).body.note).toBe(note);
    }
  });

  it('proves between every two sizes that it only grew', async () => {
    const at = (size: number) => treeHash(entries.slice(0, size).map((one) => Buffer.from(one)));
    for (const from of [0, 1, 7, 10, 16, 31, 32, 45]) {
      for (const to of [from, 33, 40, 45].filter((size) => size >= from)) {
        const proof = await read<{
          from: number;
          to: number;
          fromRoot: string;
          toRoot: string;
          hashes: string[];
        }>(officer, `consistency?from=${from}&to=${to}`);
        expect(proof).toStrictEqual({
          ...{ from, to },
          fromRoot: at(from).toString('base64'),
          toRoot: at(to).toString('base64'),
          hashes: expect.any(Array),
        });
        const [earlier, later] = [from, to].map((size) => ({ size, root: at(size) }));
        expect(isConsistent(earlier!, later!, proof.hashes.map(bytes))).toBe(true);
      }
    }
    const whole = await read<object>(officer, 'consistency?from=3');
    expect(whole).toEqual(await read<object>(officer, 'consistency?from=3&to=45'));
  });

  it.each([
    ['', 'from'],
    ['?to=3', 'from'],
    ['?from=3&to=46', 'to'],
    ['?from=46', 'from'],
    ['?from=4&to=3', 'from'],
    ['?from=-1', 'from'],
    ['?from=1.5', 'from'],
    ['?from=1&from=2', 'from'],
    ['?from=1&to=', 'to'],
    ['?from=99999999999999999999', 'from'],
  ])('says what is wrong with consistency%s', async (query, field) => {
    const res = await compliance(officer, `consistency${query}`);
    expectRefusal(res, [400]);
    expect(res.body.issues).toMatchObject([{ path: field }]);
  });

  it.each([
    'checkpoints?limit=0',
    'checkpoints?limit=201',
    'checkpoints?cursor=x',
    'checkpoints?x=1',
  ])('refuses %s', async (path) => {
    expectRefusal(await compliance(officer, path), [400]);
  });

  it.each(['checkpoints', 'checkpoints/latest', 'consistency?from=0', 'keys'])(
    'shows %s to whoever may view security, without a second proof, and to nobody else',
    async (path) => {
      const bare = request(app).get(`/api/compliance/${path}`);
      expect((await bare.set('authorization', `Bearer ${officer.token}`)).status).toBe(200);
      const member = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_EDIT'] });
      expectRefusal(await as(app, member).get(`/api/compliance/${path}`), [403]);
      expectRefusal(await request(app).get(`/api/compliance/${path}`), [401]);
    },
  );
});

it('proofs stay right while events are being written and sealed', async () => {
  const { officer, ids } = await seedLog(20);
  let busy = true;
  const write = async () => {
    while (busy) ids.push(...(await writeEvents(officer.tenantId, [{}, {}, {}])));
  };
  const seal = async () => {
    while (busy) await deps.sealer.sealNow();
  };
  const heads: { size: number; root: Buffer }[] = [];
  const check = async () => {
    const key = await keyOf(officer);
    for (let round = 0; round < 60; round += 1) {
      const id = ids[Math.floor((round / 60) * ids.length)]!;
      const res = await compliance(officer, `audit-logs/${id}/proof`);
      if (res.status === 409) continue;
      const proof = res.body as Proof;
      await expectProven(officer, proof);
      const head = openNote(proof.checkpoint, key);
      const earlier = heads.at(-1) ?? head;
      heads.push(head);
      const grown = await read<{ hashes: string[] }>(
        officer,
        `consistency?from=${earlier.size}&to=${head.size}`,
      );
      expect(isConsistent(earlier, head, grown.hashes.map(bytes))).toBe(true);
    }
    busy = false;
  };
  await Promise.all([write(), write(), seal(), check().finally(() => (busy = false))]);
  expect(new Set(heads.map(({ size }) => size)).size).toBeGreaterThan(5);
  await deps.sealer.sealNow();
  const events = await readAll(app, officer, 'limit=200');
  const places = events.map(({ leafIndex }) => leafIndex);
  expect(new Set(places).size).toBe(ids.length);
  expect(Math.max(...places.map(Number))).toBe(ids.length - 1);
});
