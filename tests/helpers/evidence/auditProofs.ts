import { createHash, createPublicKey, verify } from 'node:crypto';
import { rootFromInclusion } from '@/tlog/treeProofs';
import { writeEvents } from './auditReads';
import { as, seedOfficer } from '../people/officer';
import type { SeededAuth } from '../seedAuth';
import type { buildApp } from '../server/testApp';

type Officer = SeededAuth;

export interface Proof {
  event: string;
  leafIndex: number;
  leafHash: string;
  treeSize: number;
  hashes: string[];
  checkpoint: string;
  tlogProof: string;
}

export interface Checkpoint {
  id: number;
  size: number;
  rootHash: string;
  note: string;
  signedAt: string;
}

export const bytes = (text: string) => Buffer.from(text, 'base64');
/** Checks a note with plain Ed25519, written only from the specification. @returns size and root */
export function openNote(note: string, { vkey, pem }: { vkey: string; pem: string }) {
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

/** Creates an auditor who reads from an application, and accepts only what is proven. */
export function createAuditor({ app, deps }: ReturnType<typeof buildApp>) {
  const compliance = (officer: Officer, path: string) =>
    as(app, officer).get(`/api/compliance/${path}`);

  async function read<T>(officer: Officer, path: string): Promise<T> {
    const res = await compliance(officer, path);
    if (res.status !== 200) throw new Error(`${path} was answered with ${res.status}: ${res.text}`);
    return res.body as T;
  }

  const proofOf = (officer: Officer, id: string, query = '') =>
    read<Proof>(officer, `audit-logs/${id}/proof${query}`);

  async function keyOf(officer: Officer): Promise<{ vkey: string; pem: string }> {
    const { keys } = await read<{ keys: [{ vkey: string; pem: string }] }>(officer, 'keys');
    return keys[0];
  }

  /** Checks a proof with the key, as an auditor does. */
  async function expectProven(officer: Officer, proof: Proof): Promise<void> {
    const head = openNote(proof.checkpoint, await keyOf(officer));
    const leaf = createHash('sha256').update('\0').update(proof.event).digest();
    expect(leaf.toString('base64')).toBe(proof.leafHash);
    expect(head.size).toBe(proof.treeSize);
    expect(
      rootFromInclusion(leaf, proof.leafIndex, proof.treeSize, proof.hashes.map(bytes)),
    ).toEqual(head.root);
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

  return { compliance, read, proofOf, keyOf, expectProven, seedLog };
}
