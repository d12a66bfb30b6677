import type { DeclaredPermission } from './permissionStore';

/** The changes that declaring a list of permissions makes. */
export interface Declaration {
  /** New ones, and those that had been withdrawn. */
  readonly added: readonly DeclaredPermission[];
  /** Those with another sentence, or that are privileged now or no longer. */
  readonly changed: readonly { before: DeclaredPermission; after: DeclaredPermission }[];
  readonly withdrawn: readonly DeclaredPermission[];
}

const isSame = (one: DeclaredPermission, other: DeclaredPermission) =>
  one.description === other.description && one.privileged === other.privileged;

/** Compares the permissions that are declared now with those that are to be. */
export function compareDeclared(
  stored: readonly DeclaredPermission[],
  wanted: readonly DeclaredPermission[],
): Declaration {
  const before = new Map(stored.map((one) => [one.name, one]));
  const names = new Set(wanted.map(({ name }) => name));
  return {
    added: wanted.filter(({ name }) => !before.has(name)),
    changed: wanted.flatMap((after) => {
      const old = before.get(after.name);
      return old && !isSame(old, after) ? [{ before: old, after }] : [];
    }),
    withdrawn: stored.filter(({ name }) => !names.has(name)),
  };
}

const namesOf = (list: readonly { name: string }[]) => list.map(({ name }) => name);

/** Returns the names of the permissions that a declaration changes, for people. */
export const summarize = ({ added, changed, withdrawn }: Declaration) => ({
  added: namesOf(added),
  changed: changed.map(({ after }) => after.name),
  withdrawn: namesOf(withdrawn),
});
