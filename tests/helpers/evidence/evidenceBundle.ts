import { createPublicKey, verify } from 'node:crypto';
import type { Express } from 'express';
import request from 'supertest';
import { binaryBody } from '../http/binaryBody';
import { parseCsv } from './parseCsv';
import { readZip } from './readZip';

export interface ManifestEntry {
  name: string;
  bytes: number;
  sha256: string;
  rows: number | null;
  description: string;
  population: {
    of: string;
    filter: string;
    firstLeaf: number | null;
    lastLeaf: number | null;
  } | null;
  actions?: string[];
}

export interface Manifest {
  bundle: string;
  version: number;
  bundleFormat: number;
  exportId: string;
  tenant: { id: string; slug: string; name: string };
  range: { from: string; to: string };
  format: string;
  asOf: string;
  key: string;
  log: { origin: string; size: number; rootHash: string; firstLeaf: number; lastLeaf: number };
  servingRole: { canUndoAuditLog: boolean; ways: string[]; allowedBy: string | null };
  files: ManifestEntry[];
}

export interface Evidence {
  zip: Buffer;
  files: Map<string, Buffer>;
  manifest: Manifest;
  text: (name: string) => string;
  /** Returns the cells of a table by column name, unchanged. */
  table: (name: string) => Record<string, string>[];
  /** Returns the objects of a file of JSON lines. */
  lines: (name: string) => Record<string, unknown>[];
}

export const utcToday = () => new Date().toISOString().slice(0, 10);

/** Requests a bundle with a fresh proof, and unpacks it. @throws Error if there is none */
export async function downloadEvidence(
  app: Express,
  { token }: { token: string },
  body: object,
): Promise<Evidence> {
  const res = await request(app)
    .post('/api/compliance/export/bundle')
    .set('authorization', `Bearer ${token}`)
    .set('x-stepup-test-bypass', '1')
    .send(body)
    .buffer(true)
    .parse(binaryBody);
  const zip = res.body as Buffer;
  if (res.status !== 200)
    throw new Error(`the export was answered with ${res.status}: ${zip.toString('utf8')}`);
  const files = await readZip(zip);
  const text = (name: string) => {
    const content = files.get(name);
    if (!content) throw new Error(`the bundle has no ${name}`);
    return content.toString('utf8');
  };
  return {
    zip,
    files,
    text,
    manifest: JSON.parse(text('manifest.json')) as Manifest,
    table(name) {
      const [header = [], ...rows] = parseCsv(text(name));
      return rows.map((row) =>
        Object.fromEntries(header.map((column, at) => [column, row[at] ?? ''])),
      );
    },
    lines: (name) =>
      text(name)
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

/**
 * Returns whether the last line of a signed note is the signature of its text by the key of a vkey
 * (C2SP signed-note).
 */
export function isNoteSignedBy(note: string, vkey: string): boolean {
  const [, name = '', keyId = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey) ?? [];
  const at = note.lastIndexOf('\n\n');
  const [, signer, signature = ''] = /^— (\S+) (\S+)\n$/.exec(note.slice(at + 2)) ?? [];
  const bytes = Buffer.from(signature, 'base64');
  const spki = Buffer.concat([
    Buffer.from('302a300506032b6570032100', 'hex'),
    Buffer.from(encoded, 'base64').subarray(1),
  ]);
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const signed = Buffer.from(note.slice(0, at + 1));
  return (
    signer === name &&
    bytes.subarray(0, 4).toString('hex') === keyId &&
    verify(null, signed, key, bytes.subarray(4))
  );
}
