import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import request from 'supertest';
import { isConsistent, rootFromInclusion } from '@/server/audit/log/treeProofs';
import { loadConfig, requireReady } from '@/server/config';
import { ask, withConnection } from '@/tests/helpers/askDatabase';
import { readAll, writeEvents } from '@/tests/helpers/auditReads';
import { expectRefusal } from '@/tests/helpers/expectRefusal';
import { as, seedOfficer } from '@/tests/helpers/officer';
import { treeHash } from '@/tests/helpers/referenceTree';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/testApp';

jest.setTimeout(60_000);

const { app, deps } = buildApp();
const url = () => process.env['DATABASE_URL'] ?? '';
type Officer = Awaited<ReturnType<typeof seedOfficer>>;

interface Proof {
  event: string;
  leafIndex: number;
  leafHash: string;
  treeSize: number;
  hashes: string[];
  checkpoint: string;
  tlogProof: string;
}

interface Checkpoint {
  id: number;
  size: number;
  rootHash: string;
  note: string;
  signedAt: string;
}

const bytes = (text: string) => Buffer.from(text, 'base64');
const compliance = (officer: Officer, path: string) =>
  as(app, officer).get(`/api/compliance/${path}`);

async function read<T>(officer: Officer, path: string): Promise<T> {
  const res = await compliance(officer, path);
  if (res.status !== 200) throw new Error(`${path} was answered ${res.status}: ${res.text}`);
  return res.body as T;
}

const proofOf = (officer: Officer, id: string, query = '') =>
  read<Proof>(officer, `audit-logs/${id}/proof${query}`);

/** Checks a note with bare Ed25519, by the specification alone. @returns size and root */
function openNote(note: string, { vkey, pem }: { vkey: string; pem: string }) {
  const at = note.lastIndexOf('\n\n');
  const text = note.slice(0, at + 1);
  const [, name, encoded] = /^— (\S+) (\S+)\n$/.exec(note.slice(at + 2)) ?? [];
  const signature = bytes(encoded ?? '');
  const [origin, id] = vkey.split('+');
  expect(name).toBe(origin);
  expect(signature.subarray(0, 4).toString('hex')).toBe(id);
  const key = createPublicKey(pem);
  expect(verify(null, Buffer.from(text), key, signature.subarray(4))).toBe(true);
  const [first, size, root] = text.split('\n');
  expect(first).toBe(origin);
  return { size: Number(size), root: bytes(root ?? '') };
}

async function keyOf(officer: Officer): Promise<{ vkey: string; pem: string }> {
  const { keys } = await read<{ keys: [{ vkey: string; pem: string }] }>(officer, 'keys');
  return keys[0];
}

/** What an auditor does with a proof and the key. */
async function expectProven(officer: Officer, proof: Proof): Promise<void> {
  const head = openNote(proof.checkpoint, await keyOf(officer));
  const leaf = createHash('sha256').update('\0').update(proof.event).digest();
  expect(leaf.toString('base64')).toBe(proof.leafHash);
  expect(head.size).toBe(proof.treeSize);
  expect(rootFromInclusion(leaf, proof.leafIndex, proof.treeSize, proof.hashes.map(bytes))).toEqual(
    head.root,
  );
}

async function seedLog(count: number): Promise<{ officer: Officer; ids: string[] }> {
  const officer = await seedOfficer();
  const ids: string[] = [];
  // In portions, each with a checkpoint.
  for (let at = 0; at < count; at += 10) {
    const rows = Array.from({ length: Math.min(10, count - at) }, () => ({ actor: 'Zoë "✓"' }));
    ids.push(...(await writeEvents(officer.tenantId, rows)));
    await deps.sealer.sealNow();
  }
  return { officer, ids };
}

describe('a log of forty-five events and five checkpoints', () => {
  let officer: Officer;
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

describe('a tenant of whom nothing is sealed', () => {
  it('has no checkpoint, no proof and an empty tree, and is told so', async () => {
    const officer = await seedOfficer();
    await deps.sealer.sealNow();
    expect(await read(officer, 'checkpoints')).toEqual({ checkpoints: [], nextCursor: null });
    for (const path of ['checkpoints/latest', 'consistency?from=0']) {
      const res = await compliance(officer, path);
      expectRefusal(res, [404]);
      expect(res.body.error).toBe('CHECKPOINT_NOT_FOUND');
    }
    const nothing = treeHash([]).toString('base64');
    expect(await read(officer, 'consistency?from=0&to=0')).toEqual({
      ...{ from: 0, to: 0, fromRoot: nothing, toRoot: nothing, hashes: [] },
    });
    expectRefusal(await compliance(officer, 'consistency?from=0&to=1'), [400]);
    expect((await read<{ keys: object[] }>(officer, 'keys')).keys.length).toBeGreaterThan(0);
  });

  it('is told of an event that is not sealed yet when to come back, and has its proof then', async () => {
    const officer = await seedOfficer();
    const [id] = await writeEvents(officer.tenantId, [{}]);
    for (const query of ['', '?size=1']) {
      const early = await compliance(officer, `audit-logs/${id}/proof${query}`);
      expectRefusal(early, [409]);
      expect(early.body.error).toBe('EVENT_NOT_SEALED');
      expect(Number(early.headers['retry-after'])).toBeGreaterThan(0);
    }
    await deps.sealer.sealNow();
    await expectProven(officer, await proofOf(officer, id!));
  });
});

describe('keys', () => {
  it("are today's, the retired ones that the settings name, and, not to be trusted, those that only the database keeps", async () => {
    const officer = await seedOfficer();
    const pem = () =>
      generateKeyPairSync('ed25519').publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const [retired, kept] = [pem(), pem()];
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const settings = requireReady(loadConfig());
    const node = buildApp({
      secrets: { ...settings.secrets, evidenceRetiredKeys: [retired] },
    });
    for (const [name, text] of [
      ['0123456789abcdef', kept],
      ['spoiled', 'no key at all'],
      ['another kind', ec.export({ format: 'pem', type: 'spki' }).toString()],
    ]) {
      await ask(url(), 'INSERT INTO evidence_keys (key_id, public_key) VALUES ($1, $2)', [
        name,
        text,
      ]);
    }
    await node.deps.sealer.sealNow();
    const { body } = await as(node.app, officer).get('/api/compliance/keys').expect(200);
    const idOf = (text: string) =>
      createHash('sha256')
        .update(createPublicKey(text).export({ format: 'der', type: 'spki' }))
        .digest('hex')
        .slice(0, 16);
    const origin = `gatehouse/${officer.tenantId}`;
    const current = node.deps.keys.evidence.publicPem;
    const vkey = expect.stringContaining(`${origin}+`);
    const used = expect.stringMatching(/Z$/);
    expect(body).toStrictEqual({
      origin,
      keys: [
        {
          keyId: idOf(current),
          vkey,
          pem: current,
          state: 'current',
          trusted: true,
          firstUsedAt: used,
        },
        {
          keyId: idOf(retired!),
          vkey,
          pem: retired,
          state: 'retired',
          trusted: true,
          firstUsedAt: null,
        },
        { keyId: idOf(kept!), vkey, pem: kept, state: 'kept', trusted: false, firstUsedAt: used },
      ],
    });
  });
});

describe('what somebody changed in the database', () => {
  const tamper = (statement: string, values: unknown[]) =>
    withConnection(url(), async (client) => {
      await client.query('SET session_replication_role = replica');
      await client.query(statement, values);
    });
  const expectBroken = async (officer: Officer, path: string) => {
    const res = await compliance(officer, path);
    expectRefusal(res, [500]);
    expect(res.body.error).toBe('AUDIT_LOG_BROKEN');
  };

  it('is not proven: an event, its time of sealing, its place', async () => {
    const { officer, ids } = await seedLog(5);
    const path = `audit-logs/${ids[2]}/proof`;
    const id = [ids[2]];
    await tamper(`UPDATE audit_logs SET actor = 'eve' WHERE id = $1`, id);
    await expectBroken(officer, path);
    await tamper(`UPDATE audit_logs SET actor = 'Zoë "✓"' WHERE id = $1`, id);
    await expectProven(officer, await read<Proof>(officer, path));
    await tamper(
      `UPDATE audit_leaves SET sealed_at = sealed_at - interval '1 day' WHERE event_id = $1`,
      id,
    );
    await expectBroken(officer, path);
  });

  it('is not proven: an event changed together with its leaf', async () => {
    const { officer, ids } = await seedLog(5);
    const path = `audit-logs/${ids[2]}/proof`;
    const { event } = await read<Proof>(officer, path);
    const forged = event.replace('Zoë', 'Eve');
    const leaf = createHash('sha256').update('\0').update(forged).digest();
    await tamper(`UPDATE audit_logs SET actor = 'Eve "✓"' WHERE id = $1`, [ids[2]]);
    await tamper('UPDATE audit_leaves SET leaf_hash = $2 WHERE event_id = $1', [ids[2], leaf]);
    await expectBroken(officer, path);
    await expectBroken(officer, 'consistency?from=3');
    await expectBroken(officer, 'consistency?from=5&to=5');
  });
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
