import { canonicalJson, nameKey, originOf, signNote, toVkey } from '../audit';
import type { ComplianceDeps } from './deps';
import { BUNDLE_FORMAT } from './bundleFiles';
import type { Population } from './copyStore';
import type { ExportInput } from './exportInput';
import type { ExportedTenant } from './exportStore';
import type { Stretch } from './stretchStore';

/** Increased with every change that a program which reads bundles would notice. */
const BUNDLE_VERSION = 2;

export interface ManifestFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** The number of records, without a CSV header; null for a file that holds none. */
  readonly rows: number | null;
  readonly description: string;
  /** Only for a file of records: their definition, and the first and the last of their leaves, if they have leaves. */
  readonly population:
    (Population & { readonly firstLeaf: number | null; readonly lastLeaf: number | null }) | null;
  readonly actions?: readonly string[] | undefined;
}

export interface ManifestSubject {
  readonly exportId: string;
  readonly tenant: ExportedTenant;
  readonly input: ExportInput;
  readonly stretch: Stretch;
  /** The ways in which the serving role could undo the audit log; empty if it could not. */
  readonly ownership: readonly string[];
  /** ISO 8601, UTC. */
  readonly asOf: string;
}

const keyOf = ({ keys }: Pick<ComplianceDeps, 'keys'>, { tenant }: ManifestSubject) =>
  nameKey(originOf(tenant.id), keys.evidence.publicKey);

function describeFile(file: ManifestFile) {
  const { name, bytes, sha256, rows, description, population, actions } = file;
  const shown = population && {
    of: population.of,
    filter: population.filter,
    firstLeaf: population.firstLeaf,
    lastLeaf: population.lastLeaf,
  };
  return {
    ...{ name, bytes, sha256, rows, description, population: shown },
    ...(actions ? { actions } : {}),
  };
}

/** Returns why a role that could undo the audit log was allowed to serve; null if it could not undo it. */
function whatAllows(
  { production }: Pick<ComplianceDeps['config'], 'production'>,
  ownership: readonly string[],
): string | null {
  if (ownership.length === 0) return null;
  return production ? 'ALLOW_OWNER_ROLE' : 'not in production';
}

/** Returns the manifest of a bundle as canonical JSON (RFC 8785). */
export function buildManifest(
  deps: Pick<ComplianceDeps, 'config' | 'keys'>,
  subject: ManifestSubject,
  files: readonly ManifestFile[],
): string {
  const { tenant, input, stretch } = subject;
  return canonicalJson({
    bundle: 'gatehouse-evidence',
    version: BUNDLE_VERSION,
    bundleFormat: BUNDLE_FORMAT,
    generator: { name: 'gatehouse', version: deps.config.version },
    exportId: subject.exportId,
    tenant: { id: tenant.id, slug: tenant.slug, name: tenant.name },
    range: { from: input.from, to: input.to },
    format: input.format,
    asOf: subject.asOf,
    key: toVkey(keyOf(deps, subject)),
    log: {
      origin: originOf(tenant.id),
      size: stretch.head.size,
      rootHash: stretch.head.rootHash.toString('base64'),
      firstLeaf: stretch.first,
      lastLeaf: stretch.last,
    },
    servingRole: {
      canUndoAuditLog: subject.ownership.length > 0,
      ways: subject.ownership,
      allowedBy: whatAllows(deps.config, subject.ownership),
    },
    files: files.map(describeFile),
  });
}

/**
 * Signs a manifest with the key of the tenant's log (C2SP signed-note): the same key verifies the manifest and the
 * checkpoint.
 * @returns the text of `manifest.sig`: the manifest, a line break, and the signature
 */
export const signManifest = (
  deps: Pick<ComplianceDeps, 'keys'>,
  subject: ManifestSubject,
  manifest: string,
): string => signNote(`${manifest}\n`, keyOf(deps, subject), deps.keys.evidence.key);
