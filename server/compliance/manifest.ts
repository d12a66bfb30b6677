import { sign } from 'node:crypto';
import type { Deps } from '../deps';
import { canonicalJson } from '../audit';
import type { ExportInput } from './exportInput';
import type { ExportedTenant } from './exportStore';

/** Raised with every change that a program which reads bundles would notice. */
const BUNDLE_VERSION = 1;

export interface ManifestFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** Records, a CSV header not counted; null for a file that holds none. */
  readonly rows: number | null;
  readonly description: string;
}

export interface ManifestSubject {
  readonly exportId: string;
  readonly tenant: ExportedTenant;
  readonly input: ExportInput;
  /** ISO 8601, UTC. */
  readonly asOf: string;
}

/** What is in a bundle, as canonical JSON (RFC 8785). */
export function buildManifest(
  deps: Pick<Deps, 'config'>,
  subject: ManifestSubject,
  files: readonly ManifestFile[],
): string {
  const { tenant, input } = subject;
  return canonicalJson({
    bundle: 'gatehouse-evidence',
    version: BUNDLE_VERSION,
    generator: { name: 'gatehouse', version: deps.config.version },
    exportId: subject.exportId,
    tenant: { id: tenant.id, slug: tenant.slug, name: tenant.name },
    range: { from: input.from, to: input.to },
    format: input.format,
    asOf: subject.asOf,
    files: files.map(({ name, bytes, sha256, rows, description }) => ({
      name,
      bytes,
      sha256,
      rows,
      description,
    })),
  });
}

/**
 * Signs a manifest with the evidence key (Ed25519).
 * @returns the text of `manifest.sig`: key id, signature in base64, public key as PEM
 */
export function signManifest({ keys }: Pick<Deps, 'keys'>, manifest: string): string {
  const { keyId, key, publicPem } = keys.evidence;
  const signature = sign(null, Buffer.from(manifest), key).toString('base64');
  return `key ${keyId}\nsig ${signature}\n${publicPem}`;
}
