import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { AUDIT_ACTIONS } from '@/server/audit';

const FOLDER = join(__dirname, '../../server/audit/actions');

/** Returns the names of the actions of each group, read from the files of the groups. */
const groups = readdirSync(FOLDER)
  .filter((name) => name.endsWith('Actions.ts'))
  .map((name) => {
    const exported = jest.requireActual<Record<string, object>>(join(FOLDER, name));
    return { name, actions: Object.values(exported).flatMap((group) => Object.keys(group)) };
  });

it('every group of actions is in the closed list, and defines at least one', () => {
  const defined = groups.flatMap(({ actions }) => actions);
  expect(groups.filter(({ actions }) => actions.length === 0)).toEqual([]);
  expect(defined.sort()).toEqual(Object.keys(AUDIT_ACTIONS).sort());
});

it('no action is defined by two groups: the later one would replace the earlier one', () => {
  const owners = new Map<string, string[]>();
  for (const { name, actions } of groups) {
    for (const action of actions) owners.set(action, [...(owners.get(action) ?? []), name]);
  }
  expect([...owners].filter(([, names]) => names.length > 1)).toEqual([]);
});
