import type { Kernel } from '../kernel';
import { databaseFault } from '../db/pgErrors';
import { noteUses, renewHashes } from './keyUseStore';
import type { KeyTable, UsedSecret } from './keyUseStore';

/** A use of a key that was just checked. */
export interface KeyUse {
  id: string;
  ip: string | null;
  /** Given if a former key of the server had hashed the secret. */
  renew?: { secret: UsedSecret; former: Buffer; current: Buffer };
}

export interface KeyUses {
  note(use: KeyUse): void;
  /** Waits for writes that run in the background. */
  settle: () => Promise<void>;
}

type UseDeps = Pick<Kernel, 'pool' | 'keys' | 'logger' | 'metrics'>;

async function writeUses(deps: UseDeps, table: KeyTable, uses: readonly KeyUse[]): Promise<void> {
  await noteUses(deps.pool, table, uses);
  const renewals = uses.flatMap(({ renew }) => renew ?? []);
  for (const secret of ['secret', 'previous'] as const) {
    const ofSecret = renewals.filter((one) => one.secret === secret);
    if (ofSecret.length === 0) continue;
    await renewHashes(deps.pool, table, secret, {
      former: ofSecret.map(({ former }) => former),
      current: ofSecret.map(({ current }) => current),
      keyId: deps.keys.ids.tokenHash,
    });
  }
}

/** Writes the last uses of keys in the background, many keys in one statement. */
export function createKeyUses(deps: UseDeps, table: KeyTable): KeyUses {
  const due = new Map<string, KeyUse>();
  let writing: Promise<void> | undefined;

  async function write(): Promise<void> {
    while (due.size > 0) {
      const uses = [...due.values()];
      due.clear();
      try {
        await writeUses(deps, table, uses);
      } catch (err) {
        deps.metrics.backgroundFailures.inc({ task: 'note_key_uses' });
        if (databaseFault(err) !== 'missing_table') {
          deps.logger.warn({ err }, 'the last use of keys could not be written');
        }
      }
    }
    writing = undefined;
  }
  return {
    note(use) {
      due.set(use.id, use);
      writing ??= write();
    },
    settle: () => writing ?? Promise.resolve(),
  };
}
