import { runAsProcess } from '@/tests/helpers/server/commandProcess';
import { OTHER, Scene, TENANT, file } from './scene';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.withLog();
});

afterEach(() => scene.close());

const event = (id: string) => ({ log: TENANT, event: id });

/** Removes every leaf from an index on, as an attacker would who knows all tables. */
const forgetFrom = (index: number, checkpoints: boolean) => [
  `DELETE FROM audit_logs WHERE id IN (SELECT event_id FROM audit_leaves WHERE log_id = '${TENANT}' AND leaf_index >= ${index})`,
  `DELETE FROM audit_leaves WHERE log_id = '${TENANT}' AND leaf_index >= ${index}`,
  `DELETE FROM audit_nodes WHERE log_id = '${TENANT}' AND (node_index + 1) * (1 << level) > ${index}`,
  ...(checkpoints
    ? [`DELETE FROM audit_checkpoints WHERE log_id = '${TENANT}' AND size > ${index}`]
    : []),
  // 32 leaves are one complete subtree, with two stored ones in it.
  `UPDATE audit_trees SET size = ${index}, checkpoint_size = least(checkpoint_size, ${index}) WHERE log_id = '${TENANT}'`,
];

describe('an attack by somebody who may do anything in the database is found and named:', () => {
  it('one field updated', async () => {
    const { event_id: id } = await scene.leaf(7);
    await scene.tamper(`UPDATE audit_logs SET outcome = 'failure' WHERE id = '${id}'`);
    const { code, stdout } = await runAsProcess('verifyLog', scene.env, []);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}events +1 finding$/m);
    expect(stdout).toMatch(
      new RegExp(
        `^event_changed {2}log ${TENANT}, leaf 7, event ${id}: it differs from the event that was sealed at 20`,
        'm',
      ),
    );
    expect(stdout.endsWith('\nThe log is NOT sound: 1 finding.\n')).toBe(true);
  });

  it('one event and its leaf updated: the stored hash above it and what was signed after it', async () => {
    const { event_id: id } = await scene.leaf(7);
    await scene.tamper(
      `UPDATE audit_logs SET outcome = 'failure' WHERE id = '${id}'`,
      `UPDATE audit_leaves SET leaf_hash = sha256('x') WHERE event_id = '${id}'`,
    );
    const { code, kinds, findings } = await scene.findings();
    expect([code, kinds]).toEqual([
      1,
      { event_changed: 1, node_wrong: 1, tree_peaks: 1, checkpoint_root: 1 },
    ]);
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'node_wrong', leaf: 0 }));
    const root = findings.find(({ kind }) => kind === 'checkpoint_root');
    expect(root?.message).toMatch(
      /size 20\) does not match the tree: some of the leaves 0 to 19 .*; the same is true of 2 more after it$/,
    );
  });

  it('an event deleted in the middle', async () => {
    const { event_id: id } = await scene.leaf(13);
    await scene.tamper(`DELETE FROM audit_logs WHERE id = '${id}'`);
    const { code, stdout } = await scene.verify();
    expect(code).toBe(1);
    expect(stdout).toContain(`event_missing  log ${TENANT}, leaf 13, event ${id}: it was sealed,`);
    expect(stdout).toContain('NOT sound: 1 finding.');
  });

  it('an event deleted at the tail', async () => {
    const { event_id: id } = await scene.leaf(39);
    await scene.tamper(`DELETE FROM audit_logs WHERE id = '${id}'`);
    const { code, findings } = await scene.findings();
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'event_missing', leaf: 39, ...event(id) }),
    ]);
  });

  it('the tail deleted from every table but that of the checkpoints', async () => {
    await scene.tamper(
      ...forgetFrom(32, false),
      `UPDATE audit_trees SET peaks = ${await rootOf32()} WHERE log_id = '${TENANT}'`,
    );
    const { code, kinds, findings } = await scene.findings();
    expect([code, kinds]).toEqual([1, { checkpoint_beyond: 1 }]);
    expect(findings[0]?.message).toMatch(
      /^checkpoint \d+ \(size 40\) covers more events than the 32 that exist: the tail was deleted$/,
    );
  });

  it('the tail deleted from every table, checkpoints too, and the log gone on: by an earlier checkpoint', async () => {
    const earlier = file(await scene.newestCheckpoint());
    await scene.tamper(
      ...forgetFrom(32, true),
      `UPDATE audit_trees SET peaks = ${await rootOf32()} WHERE log_id = '${TENANT}'`,
    );
    await scene.write(1, TENANT);
    await scene.seal();
    expect((await scene.findings()).code).toBe(0);
    const { code, findings } = await scene.findings('--checkpoint', earlier);
    const message = `the log has 33 events, but the checkpoint in ${earlier}:1 has 40: the tail was deleted, or an older backup was restored`;
    expect([code, findings]).toEqual([
      1,
      [{ check: 'earlier', kind: 'earlier_ahead', log: TENANT, leaf: 33, message }],
    ]);
  });

  it('the newest checkpoint deleted', async () => {
    await scene.tamper(`DELETE FROM audit_checkpoints WHERE log_id = '${TENANT}' AND size = 40`);
    const { code, findings } = await scene.findings();
    const message =
      'the newest checkpoint, of size 40, is missing, although audit_trees records it';
    expect([code, findings]).toEqual([
      1,
      [{ check: 'checkpoints', kind: 'checkpoint_missing', log: TENANT, message }],
    ]);
  });

  it('the events truncated', async () => {
    const events = await scene.countEvents();
    await scene.tamper('TRUNCATE audit_logs');
    const { code, stdout } = await scene.verify('--limit', '3');
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`^FAIL {2}events +${events} findings$`, 'm'));
    // The logs are read one after another, and the log of no tenant has a random id.
    const [first] = await scene.query<{ event_id: string }>(
      'SELECT event_id FROM audit_leaves ORDER BY log_id, leaf_index LIMIT 1',
    );
    expect(stdout).toContain(`leaf 0, event ${first?.event_id}: it was sealed, but`);
    expect(stdout).toContain(`… and ${events - 3} more (--limit)`);
  });

  it('every table of the log truncated: by what the sealer knows, or by an earlier checkpoint', async () => {
    const earlier = file(await scene.checkpoints());
    await scene.tamper(
      'TRUNCATE audit_logs, audit_leaves, audit_nodes, audit_trees, audit_checkpoints',
    );
    const { code, kinds } = await scene.findings();
    expect([code, kinds]).toEqual([1, { log_missing: 1 }]);
    await scene.tamper('TRUNCATE audit_sealer');
    const { code: exit, stdout } = await scene.verify('--checkpoint', earlier);
    expect(exit).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        `^earlier_no_log {2}log ${TENANT}: the checkpoint in ${earlier}:\\d+ and 2 more belong to a log that is not in this database`,
        'm',
      ),
    );
  });

  it('two events that changed places', async () => {
    const [one, two] = [await scene.leaf(3), await scene.leaf(4)];
    await scene.tamper(
      `UPDATE audit_leaves SET event_id = gatehouse_uuid_v7() WHERE event_id = '${one.event_id}'`,
      `UPDATE audit_leaves SET event_id = '${one.event_id}' WHERE event_id = '${two.event_id}'`,
      `UPDATE audit_leaves SET event_id = '${two.event_id}' WHERE log_id = '${TENANT}' AND leaf_index = 3`,
    );
    const { code, findings } = await scene.findings();
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'event_changed', leaf: 3, ...event(two.event_id) }),
      expect.objectContaining({ kind: 'event_changed', leaf: 4, ...event(one.event_id) }),
    ]);
  });

  it('two events that changed their content', async () => {
    const [one, two] = [await scene.leaf(3), await scene.leaf(25)];
    const [a, b] = [one.event_id, two.event_id];
    await scene.tamper(
      `UPDATE audit_logs e SET (actor, subject, session_id, user_agent, correlation_id, details, ip) =
         (SELECT actor, subject, session_id, user_agent, correlation_id, details, ip FROM audit_logs o
          WHERE o.id <> e.id AND o.id IN ('${a}', '${b}')) WHERE e.id IN ('${a}', '${b}')`,
    );
    const { code, findings } = await scene.findings();
    expect(code).toBe(1);
    expect(findings.map(({ kind, leaf, event: id }) => [kind, leaf, id])).toEqual([
      ['event_changed', 3, a],
      ['event_changed', 25, b],
    ]);
  });

  it('an event put in for the past, by the way that all events go', async () => {
    const [id] = await scene.write(1, TENANT, '2020-01-01T00:00:00Z');
    await scene.seal();
    const { code, stdout } = await scene.verify();
    expect(code).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}times +1 finding$/m);
    expect(stdout).toMatch(
      new RegExp(
        `^back_dated {2}log ${TENANT}, leaf 40, event ${id}: it claims 2020-01-01T00:00:00.000Z, but it was sealed at .*, when the log was already sealed up to`,
        'm',
      ),
    );
  });

  it('an event put in for the past, behind the sealer', async () => {
    const [id] = await scene.write(1, TENANT, '2020-01-01T00:00:00Z');
    await scene.tamper(
      `UPDATE audit_logs SET transaction_id = (SELECT transaction_id FROM audit_logs WHERE id = '${(await scene.leaf(2)).event_id}') WHERE id = '${id}'`,
    );
    await scene.write(3, TENANT);
    await scene.seal();
    const { code, stdout } = await scene.verify();
    expect(code).toBe(1);
    expect(stdout).toContain(
      `slipped_in  log ${TENANT}, event ${id}: it has no leaf, although the sealer has passed it`,
    );
    expect(stdout).toContain('it claims 2020-01-01T00:00:00.000Z');
    expect(stdout).toContain('NOT sound: 1 finding.');
  });

  it('an event put in for the future', async () => {
    const [id] = await scene.write(1, TENANT, '2120-01-01T00:00:00Z');
    const waiting = await scene.findings();
    expect([waiting.code, waiting.kinds]).toEqual([1, { unsealed_post_dated: 1 }]);
    await scene.seal();
    const { code, findings } = await scene.findings();
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'post_dated', leaf: 40, ...event(id ?? '') }),
    ]);
  });

  it('an event made to be of another tenant', async () => {
    const { event_id: id } = await scene.leaf(11);
    await scene.tamper(`UPDATE audit_logs SET tenant_id = '${OTHER}' WHERE id = '${id}'`);
    const { code, stdout } = await scene.verify();
    expect(code).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        `leaf 11, event ${id}: it differs from the event that was sealed at .*; it now claims to belong to tenant ${OTHER}$`,
        'm',
      ),
    );
    const alone = await scene.findings('--tenant', TENANT);
    expect([alone.code, alone.kinds]).toEqual([1, { event_changed: 1 }]);
  });

  it('a gap in the leaves', async () => {
    const { event_id: id } = await scene.leaf(18);
    await scene.tamper(
      `DELETE FROM audit_leaves WHERE log_id = '${TENANT}' AND leaf_index IN (17, 18)`,
    );
    const { code, kinds, findings, notices } = await scene.findings();
    expect([code, kinds]).toEqual([1, { leaf_gap: 1, slipped_in: 2 }]);
    const gap = findings.find(({ kind }) => kind === 'leaf_gap');
    expect(gap).toMatchObject({ log: TENANT, leaf: 17 });
    expect(gap?.message).toMatch(
      /^leaves 17 to 18 are missing before this one, so they were deleted/,
    );
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'slipped_in', ...event(id) }));
    expect(notices).toEqual([
      '3 checkpoints could not be compared, because leaves before them are missing.',
    ]);
  });
});

async function rootOf32(): Promise<string> {
  const [row] = await scene.query<{ root: string }>(
    String.raw`SELECT encode(sha256('\x01'::bytea || a.hash || b.hash), 'hex') AS root FROM audit_nodes a, audit_nodes b
     WHERE a.log_id = $1 AND b.log_id = $1 AND a.level = 4 AND b.level = 4 AND a.node_index = 0 AND b.node_index = 1`,
    [TENANT],
  );
  return `'\\x${row?.root}'`;
}
