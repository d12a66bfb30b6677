import { Client } from 'pg';
import { nameKey, toVkey } from '@/tlog/signedNote';
import { parseKeys, verifyLog } from '@/server/audit/verify';
import type { GivenCheckpoint } from '@/server/audit/verify';
import { killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { OTHER, Scene, TENANT, file, newKeys, pemOf, runCommand } from './scene';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.open();
});

afterEach(async () => {
  await killServers();
  await scene.close();
});

/** Verifies in this process, and runs work in the meantime, after the snapshot was taken. */
async function verifyWhile(work: () => Promise<unknown>, patienceMs = 3000) {
  async function* none(): AsyncGenerator<GivenCheckpoint> {
    await work();
    yield* [];
  }
  const keys = parseKeys(process.env['EVIDENCE_SIGNING_KEY'] ?? '');
  const options = { databaseUrl: scene.url, limit: 20, patienceMs, earlier: none() };
  const { findings, notices } = await verifyLog({ ...options, keys: keys ?? never() });
  return { kinds: findings.count(), notices };
}

const never = () => {
  throw new Error('there is no key');
};

describe('nothing is said against a log', () => {
  it('that took events in late, and a note counts them', async () => {
    const tenant = '01900000-0000-7000-8002-000000000001';
    await scene.write(3, tenant, new Date(Date.now() - 600_000).toISOString());
    await scene.seal();
    const { code, stdout } = await scene.verify('--tenant', tenant);
    expect(stdout).toMatch(
      /^note: 3 events were sealed more than five minutes after they occurred/m,
    );
    expect(code).toBe(0);
  });

  it('that has not begun, or is empty', async () => {
    await scene.tamper('TRUNCATE audit_logs');
    const { code, stdout } = await scene.verify();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}events +0 events in 0 logs as they were sealed/m);
    expect(stdout.endsWith('\nThe log is sound.\n')).toBe(true);
  });

  it('of many tenants and many events, over many pages; and deep in it every change is found', async () => {
    const tenants = Array.from(
      { length: 1200 },
      (_, tenant) => `01900000-0000-7000-8001-${String(tenant).padStart(12, '0')}`,
    );
    for (const rest of [0, 1, 2]) {
      await scene.write(
        1 + rest,
        tenants.filter((_id, tenant) => tenant % 3 === rest),
      );
    }
    await scene.write(36_000, TENANT);
    await scene.write(20, null);
    await scene.seal();
    const earlier = file(await scene.checkpoints());
    const sound = await scene.verify('--checkpoint', earlier);
    const events = await scene.countEvents();
    expect(events).toBeGreaterThan(38_400);
    expect(sound.stdout).toContain(
      `${events} events in 1202 logs as they were sealed, none missing`,
    );
    expect(sound.stdout).toMatch(/1202 checkpoints signed/);
    expect(sound.stdout).toMatch(/1202 earlier checkpoints of the same history/);
    expect(sound.code).toBe(0);
    const { event_id: id } = await scene.leaf(35_999);
    await scene.tamper(
      `UPDATE audit_logs SET actor = 'x' WHERE id = '${id}'`,
      `UPDATE audit_nodes SET hash = sha256('x') WHERE log_id = '${TENANT}' AND level = 12 AND node_index = 7`,
      `DELETE FROM audit_nodes WHERE log_id = '${TENANT}' AND level = 8 AND node_index = 100`,
      `INSERT INTO audit_nodes VALUES ('${TENANT}', 4, 2250, sha256('x')), ('${TENANT}', 16, 0, sha256('x'))`,
    );
    const { findings } = await scene.findings();
    expect(findings.map(({ kind, leaf }) => [kind, leaf]).sort()).toEqual([
      ['event_changed', 35_999],
      ['node_extra', 0],
      ['node_extra', 36_000],
      ['node_missing', 25_600],
      ['node_wrong', 28_672],
    ]);
  });

  it('with events that wait for the sealer', async () => {
    await scene.write(3, TENANT);
    await scene.seal();
    await scene.write(2, TENANT);
    await scene.write(2, OTHER);
    const { code, stdout } = await scene.verify();
    expect(code).toBe(0);
    expect(stdout).toMatch(/^note: 4 events wait to be sealed, the oldest since 20/m);
  });

  it('whose transactions took their time', async () => {
    const slow = new Client({ connectionString: scene.url });
    await slow.connect();
    await slow.query('BEGIN');
    await slow.query(
      `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
       VALUES ('${TENANT}', 'AUTH_LOGOUT', 'success', 'system', 'slow')`,
    );
    await scene.write(20, TENANT);
    await scene.seal();
    await scene.write(5, TENANT);
    await scene.seal();
    expect((await scene.verify()).code).toBe(0);
    await slow.query('COMMIT');
    await slow.end();
    await scene.write(5, TENANT);
    await scene.seal();
    const { code, notices } = await scene.findings();
    expect([code, notices]).toEqual([0, []]);
    const { event_id: id } = await scene.leaf(25);
    const [event] = await scene.query('SELECT correlation_id FROM audit_logs WHERE id = $1', [id]);
    expect(event).toEqual({ correlation_id: 'slow' });
  });

  it('that was sealed by a clock which was wrong, and was put right: its times of sealing ascend all the same', async () => {
    for (const wrong of ['0', '1 hour', '0', '-3 hours', '0']) {
      await scene.moveClock(wrong);
      for (const count of [1, 2]) {
        await scene.write(count, TENANT);
        await scene.seal();
      }
    }
    const falls = await scene.query(
      `SELECT l.leaf_index FROM audit_leaves l JOIN audit_leaves n ON n.log_id = l.log_id AND n.leaf_index = l.leaf_index + 1
       WHERE n.sealed_at < l.sealed_at`,
    );
    expect(falls).toEqual([]);
    const { code, notices, kinds } = await scene.findings();
    expect([code, kinds]).toEqual([0, {}]);
    expect(notices).toEqual([
      '9 events were sealed more than five minutes after they occurred.',
      expect.stringMatching(/^Leaf 3 of log .* was sealed at .* clock is, or was, wrong\.$/),
      expect.stringMatching(
        new RegExp(
          `clock was stepped back once, first at leaf 6 of log ${TENANT}: from 20.* to an earlier time`,
        ),
      ),
    ]);
  });

  it('whose events were written in the five minutes before a pass that came late', async () => {
    await scene.write(1, TENANT);
    await scene.seal();
    const nearly = new Date(Date.now() - 240_000).toISOString();
    await scene.write(1, TENANT, nearly);
    await scene.write(1, TENANT, new Date(Date.now() + 290_000).toISOString());
    await scene.seal();
    expect((await scene.findings()).code).toBe(0);
    await scene.write(1, TENANT, new Date(Date.now() - 310_000).toISOString());
    await scene.seal();
    expect((await scene.findings()).kinds).toEqual({ back_dated: 1 });
  });

  it('that was sealed after a long time without a server', async () => {
    await scene.tamper('TRUNCATE audit_logs');
    await scene.moveClock('-3 days');
    await scene.write(3, TENANT);
    await scene.seal();
    await scene.moveClock('-2 days');
    await scene.write(3, TENANT);
    await scene.moveClock('0');
    await scene.write(3, TENANT);
    await scene.seal();
    expect((await scene.findings()).kinds).toEqual({});
  });

  it('while it is being written to and sealed', async () => {
    await startServer({ ...scene.env, LOG_LEVEL: 'silent' }).url();
    const until = { done: false };
    const writing = (async () => {
      while (!until.done) await scene.write(7, TENANT);
    })();
    const runs = [];
    for (let run = 0; run < 4; run += 1) runs.push(await scene.findings());
    until.done = true;
    await writing;
    for (const { code, kinds } of runs) expect([code, kinds]).toEqual([0, {}]);
  });
});

describe('what waits for the sealer', () => {
  const TWO_MINUTES = 120_000;
  const waiting = () => scene.write(3, TENANT, new Date(Date.now() - TWO_MINUTES).toISOString());

  it('for more than a minute is a finding where nobody seals', async () => {
    const ids = await waiting();
    await scene.write(2, TENANT);
    const { code, stdout } = await scene.verify('--tenant', TENANT);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        `^not_sealed {2}event (${ids.join('|')}): 3 of 5 unsealed events have waited for more than a minute`,
        'm',
      ),
    );
  });

  it('is none where it is sealed meanwhile: its transaction had stayed open', async () => {
    await scene.seal();
    await waiting();
    const { kinds, notices } = await verifyWhile(() => scene.seal());
    expect(kinds).toEqual({});
    expect(notices).toEqual([expect.stringMatching(/^3 events wait to be sealed/)]);
  });

  it('is none while the sealer works through many', async () => {
    await scene.write(9000, TENANT, new Date(Date.now() - TWO_MINUTES).toISOString());
    // Its id makes it the first in the search, and its transaction, the newest, makes it the last
    // that is sealed.
    await scene.query(
      `INSERT INTO audit_logs (id, action, outcome, actor, correlation_id, occurred_at)
       VALUES ('00000000-0000-7000-8000-000000000000', 'AUTH_LOGOUT', 'success', 'system', 'last', now() - interval '2 minutes')`,
    );
    await scene.sealStep();
    await scene.query(`UPDATE audit_sealer SET target_at = now() - interval '2 minutes'`);
    const { kinds, notices } = await verifyWhile(() => scene.sealStep());
    expect(kinds).toEqual({});
    expect(notices.join('\n')).toMatch(
      /events wait to be sealed.*\nSealing is under way: \d+ logs/,
    );
    const stuck = await verifyWhile(() => Promise.resolve(), 300);
    expect(stuck.kinds).toEqual({ not_sealed: 1, not_covered: expect.any(Number) });
  });

  it('is none in a pass that began just now', async () => {
    await scene.write(9000, TENANT);
    await scene.sealStep();
    const { kinds, notices } = await verifyWhile(() => Promise.resolve(), 0);
    expect(kinds).toEqual({});
    expect(notices.join('\n')).toMatch(/Sealing is under way/);
  });

  it('hides nothing that was put in where a pass which is not over has passed', async () => {
    await scene.tamper('TRUNCATE audit_logs');
    const [first] = await scene.write(9000, TENANT);
    await scene.sealStep();
    const [early, late] = [
      '00000000-0000-7000-8000-000000000000',
      'ffffffff-0000-7000-8000-000000000000',
    ];
    const put = (id: string) =>
      `INSERT INTO audit_logs SELECT (jsonb_populate_record(a, '{"id": "${id}"}')).* FROM audit_logs a WHERE id = '${first}'`;
    await scene.tamper(put(early), put(late));
    const { findings } = await scene.findings();
    expect(findings).toEqual([expect.objectContaining({ kind: 'slipped_in', event: early })]);
  });

  it('cannot be judged in a copy in another cluster, which is said', async () => {
    await scene.seal();
    await waiting();
    await scene.query(`UPDATE audit_sealer SET cluster = '7000000000000000000'`);
    const { code, notices } = await scene.findings();
    expect(code).toBe(0);
    expect(notices).toEqual([
      expect.stringMatching(/^This database is a copy: it was last sealed in another cluster/),
      expect.stringMatching(/^3 events wait/),
    ]);
  });
});

describe('keys', () => {
  it('that were retired are believed where they are named, and nowhere else', async () => {
    const old = newKeys();
    await scene.tamper('TRUNCATE audit_logs');
    await scene.write(3, TENANT);
    await scene.seal(old);
    await scene.write(3, TENANT);
    await scene.seal();
    const { code, findings } = await scene.findings();
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint_signature', log: TENANT }),
    ]);
    const retired = { ...scene.env, EVIDENCE_RETIRED_KEYS: pemOf(old) };
    expect((await runCommand(retired, [])).code).toBe(0);
    expect((await scene.verify('--key', file(pemOf(old)))).code).toBe(0);
    const vkey = toVkey(nameKey(`gatehouse/${TENANT}`, old.publicKey));
    expect((await scene.verify('--key', vkey)).code).toBe(0);
    const others = toVkey(nameKey(`gatehouse/${OTHER}`, old.publicKey));
    expect((await scene.verify('--key', others)).code).toBe(1);
  });

  it('that only the database keeps are not believed, which is said', async () => {
    const theirs = newKeys();
    await scene.write(3, TENANT);
    await scene.seal(theirs);
    await scene.query('INSERT INTO evidence_keys (key_id, public_key) VALUES ($1, $2)', [
      'theirs',
      pemOf(theirs),
    ]);
    const { code, stdout } = await scene.verify('--tenant', TENANT);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^checkpoint_signature .*: checkpoint \d+ \(size 3\): it is signed by .*, a key that only the database vouches for/m,
    );
  });

  it('are all that an auditor needs: no key of the server, in production too', async () => {
    const keys = newKeys();
    await scene.write(3, TENANT);
    await scene.seal(keys);
    const env = { DATABASE_URL: scene.url, NODE_ENV: 'production' };
    expect((await runCommand(env, ['--key', file(pemOf(keys))])).code).toBe(0);
    const none = await runCommand(env, []);
    expect([none.code, none.stdout]).toEqual([2, '']);
    expect(none.stderr).toMatch(/^There is no key to trust: .*\n$/);
  });
});
