import { randomBytes } from 'node:crypto';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { riskDecisions } from '@/server/db/schema';

interface Owner {
  tenantId: string;
  staffId: string;
}

/** Inserts made-up decisions of the last days. */
export async function makeDecisions(owner: Owner, count: number, now: Date): Promise<string[]> {
  const { tenantId, staffId } = owner;
  const start = now.getTime() - count * 1000;
  const rows = Array.from({ length: count }, (_, at) => ({
    id: uuidV7(start, Buffer.concat([Buffer.alloc(4, at), randomBytes(12)])),
    tenantId,
    staffId,
    at: 'login' as const,
    // Ten decisions share each time, so that only the id distinguishes them.
    occurredAt: new Date(start + Math.floor(at / 10) * 1000),
    score: at % 101,
    reasons: at % 2 === 0 ? ['NEW_DEVICE'] : ['SPRAY', 'NEW_NETWORK'],
    seen: '',
    signals: [],
    decision: 'allow' as const,
    outcome: 'allowed' as const,
    policyVersion: 0,
    spentUs: 10,
    correlationId: `made-up-${at}`,
  }));
  await db.insert(riskDecisions).values(rows);
  return rows.map(({ id }) => id);
}
