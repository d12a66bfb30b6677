import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { PoolClient } from 'pg';
import { sealNext } from '@/server/audit/log/seal';
import type { SealDeps } from '@/server/audit/log/seal';
import { runVerifyLog } from '@/server/cli/runVerifyLog';
import { closeLater } from '@/tests/helpers/server/closing';
import { runInProcess } from '@/tests/helpers/server/operatorCommand';
import type { CommandResult } from '@/tests/helpers/server/operatorCommand';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { createTestDatabase } from '@/tests/helpers/database/testDatabase';
import { AUDIT_TRIGGERS_OFF, AUDIT_TRIGGERS_ON } from '@/tests/helpers/database/auditTriggers';

export const TENANT = '01900000-0000-7000-8000-00000000000a';
export const OTHER = '01900000-0000-7000-8000-00000000000b';

interface EvidenceKeys {
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

const readOwnKeys = (): EvidenceKeys => {
  const key = createPrivateKey(process.env['EVIDENCE_SIGNING_KEY'] ?? '');
  return { key, publicKey: createPublicKey(key) };
};

/** Returns the keys of another person. */
export const newKeys = (): EvidenceKeys => {
  const { privateKey: key, publicKey } = generateKeyPairSync('ed25519');
  return { key, publicKey };
};

export const pemOf = ({ publicKey }: EvidenceKeys): string =>
  publicKey.export({ format: 'pem', type: 'spki' }).toString();

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-verify-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));

/** @returns the path of a file with this content */
export function file(content: string): string {
  const path = join(folder, randomUUID());
  writeFileSync(path, content);
  return path;
}

/** Runs `verify-log` in this process, with only these settings. */
export const runCommand = (env: NodeJS.ProcessEnv, words: string[]): Promise<CommandResult> =>
  runInProcess(runVerifyLog, env, words);

interface LeafPlace {
  log_id: string;
  leaf_index: number;
  event_id: string;
}

async function connectTo(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return client;
}

/** A database with a log, and a superuser's access to it. */
export class Scene {
  private constructor(
    readonly url: string,
    private client: Client,
    private readonly dropDatabase: () => Promise<void>,
  ) {}

  /** @param template a database to which nobody is connected */
  static async open(template?: string): Promise<Scene> {
    const { url, drop } = await createTestDatabase(template);
    const scene = new Scene(url, await connectTo(url), drop);
    // The events of the migrations are as old as the test run, and none of these tests is about
    // sealing them late.
    if (template === undefined) {
      await scene.tamper('UPDATE audit_logs SET occurred_at = clock_timestamp()');
    }
    return scene;
  }

  /** Copies the database, as a backup or a fork would be. */
  async copy(): Promise<Scene> {
    // Nobody may be connected to a template.
    await this.client.end();
    const copy = await Scene.open(new URL(this.url).pathname.slice(1));
    this.client = await connectTo(this.url);
    return copy;
  }

  /**
   * Creates logs of two tenants and of no tenant, with 40, 20 and 5 events, sealed in four passes.
   */
  static async withLog(): Promise<Scene> {
    const scene = await Scene.open();
    await scene.write(20, TENANT);
    await scene.seal();
    await scene.write(10, TENANT);
    await scene.write(10, OTHER);
    await scene.seal();
    await scene.write(5, null);
    await scene.write(10, OTHER);
    await scene.seal();
    await scene.write(10, TENANT);
    await scene.seal();
    return scene;
  }

  async close(): Promise<void> {
    await this.client.end();
    await this.dropDatabase();
  }

  /** Returns how many events there are. The migrations write events too. */
  async countEvents(): Promise<number> {
    const [row] = await this.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM audit_logs',
    );
    return row?.count ?? 0;
  }

  async query<Row extends object>(text: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, values)).rows;
  }

  /** Writes events of the present, or of another time. @param of a tenant, or several that get this many each */
  async write(
    count: number,
    of: string | null | readonly string[],
    occurredAt?: string,
  ): Promise<string[]> {
    const rows = await this.query<{ id: string }>(
      `INSERT INTO audit_logs (tenant_id, action, outcome, actor, subject, on_behalf_of, session_id, ip, country, user_agent,
         correlation_id, details, occurred_at)
       SELECT tenant, 'AUTH_LOGOUT', 'success', 'staff:' || n, 'session:' || n, gatehouse_uuid_v7(), gatehouse_uuid_v7(),
         '192.0.2.' || n % 250, 'DE', 'Mozilla/5.0 (ünïcode ' || n || ')', 'correlation-' || n,
         jsonb_build_object('scope', 'all', 'n', n, 'nested', jsonb_build_object('b', true, 'a', null)),
         coalesce($3::timestamptz, clock_timestamp())
       FROM unnest($1::uuid[]) tenant, generate_series(1, $2::int) n RETURNING id`,
      [[of].flat(), count, occurredAt ?? null],
    );
    return rows.map(({ id }) => id);
  }

  /** Runs the server's own sealer until everything is sealed. */
  async seal(keys: EvidenceKeys = readOwnKeys()): Promise<void> {
    while (!(await this.sealStep(keys)));
  }

  /** Runs one transaction of the sealer. @returns whether everything is sealed */
  async sealStep(keys: EvidenceKeys = readOwnKeys()): Promise<boolean> {
    const random = { id: () => randomUUID() };
    const sealed = { random, keys: { evidence: { believed: [], ...keys } }, signed: new Map() };
    const deps = sealed as unknown as SealDeps;
    await this.client.query('BEGIN');
    const { done } = await sealNext(deps, this.client as unknown as PoolClient);
    await this.client.query('COMMIT');
    return done;
  }

  /** Shifts the database's clock for the sealer and for new events by an interval. */
  async moveClock(interval: string): Promise<void> {
    await this.client.query(
      `CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
         'SELECT pg_catalog.clock_timestamp() + interval ''${interval}''';
       SET search_path = public, pg_catalog`,
    );
  }

  /** Does what the triggers would refuse, and leaves no trace that they were switched off. */
  async tamper(...statements: string[]): Promise<void> {
    await this.client.query(`SET session_replication_role = replica; ${AUDIT_TRIGGERS_OFF}`);
    for (const statement of statements) await this.client.query(statement);
    await this.client.query(`SET session_replication_role = origin; ${AUDIT_TRIGGERS_ON}`);
  }

  /** Returns a leaf by its index. */
  async leaf(index: number, log = TENANT): Promise<LeafPlace> {
    const [row] = await this.query<LeafPlace>(
      'SELECT log_id, leaf_index::int, event_id FROM audit_leaves WHERE log_id = $1 AND leaf_index = $2',
      [log, index],
    );
    if (!row) throw new Error(`there is no leaf ${index}`);
    return row;
  }

  async noTenantLog(): Promise<string> {
    const rows = await this.query<{ log_id: string }>(
      'SELECT log_id FROM audit_trees WHERE tenant_id IS NULL',
    );
    return rows[0]?.log_id ?? '';
  }

  /** Returns the checkpoints of a log, or of all, as they would have been handed out. */
  async checkpoints(log?: string): Promise<string> {
    const rows = await this.query<{ note: string }>(
      `SELECT note FROM audit_checkpoints WHERE $1::uuid IS NULL OR log_id = $1 ORDER BY id`,
      [log ?? null],
    );
    return rows.map(({ note }) => note).join('');
  }

  async newestCheckpoint(log = TENANT): Promise<string> {
    const rows = await this.query<{ note: string }>(
      'SELECT note FROM audit_checkpoints WHERE log_id = $1 ORDER BY id DESC LIMIT 1',
      [log],
    );
    return rows[0]?.note ?? '';
  }

  /** The settings of the command, which are the server's. */
  get env(): NodeJS.ProcessEnv {
    return externalEnv(this.url);
  }

  verify(...words: string[]): Promise<CommandResult> {
    return runCommand(this.env, words);
  }

  /** Returns the findings, each with its kind, leaf and event. */
  async findings(...words: string[]): Promise<{
    code: number | null;
    kinds: Record<string, number>;
    findings: { kind: string; log?: string; leaf?: number; event?: string; message: string }[];
    notices: string[];
  }> {
    const { code, stdout, stderr } = await this.verify('--json', ...words);
    if (stdout === '') throw new Error(stderr);
    const { countByKind, findings, notices } = JSON.parse(stdout);
    return { code, kinds: countByKind, findings, notices };
  }

  /**
   * Runs a statement, verifies, and undoes it.
   * @param deed a statement that first names the one table that it changes
   */
  async during(deed: string): ReturnType<Scene['findings']> {
    const table = /\baudit_\w+/.exec(deed)?.[0] ?? '';
    await this.tamper(`CREATE TABLE kept AS SELECT * FROM ${table}`, deed);
    const found = await this.findings();
    const overriding = table === 'audit_checkpoints' ? 'OVERRIDING SYSTEM VALUE' : '';
    await this.tamper(
      `TRUNCATE ${table}`,
      `INSERT INTO ${table} ${overriding} SELECT * FROM kept`,
      'DROP TABLE kept',
    );
    return found;
  }
}
