import { roleOf, suggestMend, describeDifference } from '../catalogue/compareCatalogues';
import type { Difference } from '../catalogue/compareCatalogues';
import { reachesIntoEvidence } from './servingPrivileges';

/** A finding of `db check`, or of a start that is refused. */
export interface Finding {
  readonly problem: Difference['problem'];
  readonly object: string;
  readonly message: string;
  readonly fix: string;
  /** Each of the grants, if the finding is about all grants of a role. */
  readonly grants?: readonly string[];
}

const toFinding = (difference: Difference): Finding => ({
  problem: difference.problem,
  object: difference.object,
  message: describeDifference(difference),
  fix: suggestMend(difference),
});

/** Returns whether the finding would end if SCHEMA_KNOWN_ROLES named the role. */
const endsIfKnown = ({ kind, problem, object, table, found = '' }: Difference): boolean =>
  kind === 'grant' &&
  problem === 'extra' &&
  roleOf(object) !== 'PUBLIC' &&
  !reachesIntoEvidence(table, found);

function ofRole(role: string, grants: readonly Difference[], knownRoles: readonly string[]) {
  const known = [...new Set([...knownRoles, role])].join(',');
  return {
    problem: 'extra' as const,
    object: `grants to ${role}`,
    message: `The role ${role} has ${grants.length} grants that no migration makes.`,
    fix: `If you know the role (the server, a backup or a report connects as it), set SCHEMA_KNOWN_ROLES=${known} for the server and for \`db check\`. If not, revoke the privileges that \`db check\` lists in grants.`,
    grants: grants.map(({ object, found = '' }) => `${found}: ${object}`),
  };
}

/**
 * Turns differences into findings. `db grant` makes dozens of grants. Until SCHEMA_KNOWN_ROLES
 * names their role, they are one finding, so that they do not hide the others.
 * @param knownRoles the roles in SCHEMA_KNOWN_ROLES
 * @returns the findings in the order of the differences, those of roles last
 */
export function foldGrants(
  differences: readonly Difference[],
  knownRoles: readonly string[],
): Finding[] {
  const byRole = new Map<string, Difference[]>();
  for (const difference of differences.filter(endsIfKnown)) {
    const role = roleOf(difference.object);
    byRole.set(role, [...(byRole.get(role) ?? []), difference]);
  }
  const folded = [...byRole].filter(([, grants]) => grants.length > 1);
  const gone = new Set(folded.flatMap(([, grants]) => grants));
  return [
    ...differences.filter((difference) => !gone.has(difference)).map(toFinding),
    ...folded.map(([role, grants]) => ofRole(role, grants, knownRoles)),
  ];
}
