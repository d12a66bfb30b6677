import { Scene, runCommand } from './scene';

const READ =
  'audit_logs, audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer, evidence_keys, tenants';

interface Told {
  kind: string;
  leaf?: number;
  event?: string;
  message: string;
}

/** Returns each finding as its kind and its message. */
export const told = (findings: readonly Told[]) =>
  findings.map(({ kind, message }) => [kind, message]);

/** A log, and a role that may only read it. */
export class Auditor {
  private constructor(
    readonly scene: Scene,
    readonly role: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async open(): Promise<Auditor> {
    const scene = await Scene.withLog();
    const role = `auditor_${process.pid}_${Date.now()}`;
    await scene.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT SELECT ON ${READ} TO ${role}`,
    );
    const url = new URL(scene.url);
    [url.username, url.password] = [role, 'secret'];
    return new Auditor(scene, role, { ...scene.env, DATABASE_URL: url.toString() });
  }

  async close(): Promise<void> {
    await this.scene.query(`DROP OWNED BY ${this.role}; DROP ROLE ${this.role}`);
    await this.scene.close();
  }

  /** Returns what the command reports to this role. */
  async look(...words: string[]): Promise<Told[]> {
    const { code, stdout, stderr } = await runCommand(this.env, ['--json', ...words]);
    expect(stderr).toBe('');
    const { findings, sound } = JSON.parse(stdout) as { findings: Told[]; sound: boolean };
    expect([code, sound]).toEqual(findings.length > 0 ? [1, false] : [0, true]);
    return findings;
  }

  /** Runs SQL, has the auditor look, and undoes it. */
  async during(deed: string, undo: string): Promise<Told[]> {
    await this.scene.tamper(deed);
    try {
      return await this.look();
    } finally {
      await this.scene.tamper(undo);
    }
  }
}
