import { Scene, TENANT, file, newKeys } from './scene';

let scene: Scene;

beforeEach(async () => {
  scene = await Scene.withLog();
});

afterEach(() => scene.close());

/**
 * Removes everything that is derived from events, so that the server's own sealer creates it again.
 */
const FORGET_TREES = [
  'TRUNCATE audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer',
];

describe('a log that is whole in itself, and not the one that was, is found and named:', () => {
  it('the whole tree recomputed with the server’s own code, without the key: heads by another key', async () => {
    const { event_id: id } = await scene.leaf(7);
    await scene.tamper(
      `UPDATE audit_logs SET actor = 'somebody else' WHERE id = '${id}'`,
      ...FORGET_TREES,
    );
    await scene.seal(newKeys());
    const { code, findings, kinds } = await scene.findings();
    expect([code, kinds]).toEqual([1, { checkpoint_signature: 3 }]);
    expect(findings[0]?.message).toMatch(
      /^checkpoint \d+ \(size \d+\): it is signed by gatehouse\/.*, which is not a trusted key$/,
    );
  });

  it('the whole tree recomputed without the key, and no head signed', async () => {
    await scene.tamper(...FORGET_TREES);
    await scene.seal();
    await scene.tamper('TRUNCATE audit_checkpoints', 'UPDATE audit_trees SET checkpoint_size = 0');
    const { code, kinds, findings } = await scene.findings();
    expect([code, kinds]).toEqual([1, { not_covered: 3 }]);
    expect(findings).toContainEqual(
      expect.objectContaining({
        log: TENANT,
        leaf: 0,
        message: expect.stringMatching(/^no checkpoint covers the leaves 0 to 39,/),
      }),
    );
  });

  it('the whole tree recomputed without the key, and the old heads left: those are of another tree', async () => {
    const { event_id: id } = await scene.leaf(25);
    const derived = ['audit_leaves', 'audit_nodes', 'audit_trees', 'audit_sealer'];
    await scene.tamper(
      'CREATE TABLE kept AS SELECT * FROM audit_checkpoints',
      `UPDATE audit_logs SET actor = 'somebody else' WHERE id = '${id}'`,
      'CREATE TABLE times AS SELECT event_id, sealed_at FROM audit_leaves',
      `TRUNCATE ${derived.join()}, audit_checkpoints`,
    );
    await scene.seal(newKeys());
    await scene.tamper(
      'TRUNCATE audit_checkpoints',
      'INSERT INTO audit_checkpoints OVERRIDING SYSTEM VALUE SELECT * FROM kept',
      'DROP TABLE kept',
    );
    const { code, findings } = await scene.findings('--tenant', TENANT);
    expect(code).toBe(1);
    expect(findings).toEqual([
      expect.objectContaining({ kind: 'checkpoint_root', log: TENANT, leaf: 0 }),
    ]);
  });

  it('the whole tree recomputed with the key: by an earlier checkpoint', async () => {
    const earlier = file(await scene.checkpoints());
    const { event_id: id } = await scene.leaf(7);
    await scene.tamper(
      `UPDATE audit_logs SET actor = 'somebody else' WHERE id = '${id}'`,
      ...FORGET_TREES,
    );
    await scene.seal();
    expect((await scene.verify()).code).toBe(0);
    const { code, stdout } = await scene.verify('--checkpoint', earlier);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      new RegExp(
        `^earlier_root {2}log ${TENANT}, leaf 20: the checkpoint in ${earlier}:\\d+ belongs to another history of the first 20 events: they were rewritten since, or the log has two heads; the same is true of 2 more after it$`,
        'm',
      ),
    );
  });

  it('an older backup restored', async () => {
    const backup = await scene.copy();
    await scene.write(5, TENANT);
    await scene.seal();
    const earlier = file(await scene.newestCheckpoint());
    expect((await scene.verify('--checkpoint', earlier)).code).toBe(0);
    expect((await backup.verify()).code).toBe(0);
    const { code, stdout } = await backup.verify('--checkpoint', earlier);
    expect(code).toBe(1);
    expect(stdout).toContain(
      `earlier_ahead  log ${TENANT}, leaf 40: the log has 40 events, but the checkpoint in ${earlier}:1 has 45: the tail was deleted, or an older backup was restored`,
    );
    // After the log went on, its checkpoints contradict those that were handed out before.
    await backup.write(9, TENANT);
    await backup.seal();
    const later = await backup.findings('--checkpoint', earlier);
    expect([later.code, later.kinds]).toEqual([1, { earlier_root: 1 }]);
    await backup.close();
  });

  it('two heads of the same size, both signed with the key', async () => {
    const fork = await scene.copy();
    for (const one of [scene, fork]) {
      await one.write(5, TENANT);
      await one.seal();
    }
    const [mine, theirs] = [
      file(await scene.newestCheckpoint()),
      file(await fork.newestCheckpoint()),
    ];
    const { code, kinds, findings } = await scene.findings(
      ...['--checkpoint', mine, '--checkpoint', theirs],
    );
    expect([code, kinds]).toEqual([1, { earlier_forked: 1 }]);
    expect(findings[0]).toMatchObject({ log: TENANT, leaf: 45 });
    expect(findings[0]?.message).toMatch(/contradict each other, and are both signed/);
    const alone = await scene.verify('--checkpoint', theirs);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toMatch(
      /^earlier_root .*the first 45 events: .*or the log has two heads$/m,
    );
    await fork.close();
  });
});
