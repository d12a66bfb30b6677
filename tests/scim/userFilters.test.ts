import { AppError } from '@/server/errors';
import { changesOfPatch } from '@/server/scim/protocol/patchOperations';
import { changesOfUser } from '@/server/scim/protocol/userChanges';
import { parseUserFilter } from '@/server/scim/protocol/userFilter';

/** Returns the word of SCIM for the refusal of a text; undefined if it is accepted. */
function refusalOf(read: () => unknown): unknown {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return error.extra['scimType'] ?? error.code;
  }
}

describe('a filter', () => {
  it.each([
    ['userName eq "ada@example.com"', [{ field: 'userName', value: 'ada@example.com' }]],
    ['USERNAME EQ "a b"', [{ field: 'userName', value: 'a b' }]],
    ['externalId eq "x\\"y"', [{ field: 'externalId', value: 'x"y' }]],
    ['emails[type eq "work"].value eq "a@b.c"', [{ field: 'email', value: 'a@b.c' }]],
    ['emails.value eq "a@b.c"', [{ field: 'email', value: 'a@b.c' }]],
    ['emails[primary eq true].value eq "a@b.c"', [{ field: 'email', value: 'a@b.c' }]],
    [
      'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a" and active eq false',
      [
        { field: 'userName', value: 'a' },
        { field: 'active', value: false },
      ],
    ],
  ])('of Okta or Entra is read: %s', (text, conditions) => {
    expect(parseUserFilter(text)).toEqual(conditions);
  });

  it.each([
    '',
    'userName',
    'userName co "a"',
    'userName eq "a" or active eq true',
    'not (active eq true)',
    '(userName eq "a")',
    'userName eq a',
    'userName eq "a',
    'userName eq "a" and',
    'userName eq "a"and active eq true',
    'userNameeq"a"',
    'active eq "true"',
    'password eq "a"',
    'emails[type eq "home"].value eq "a"',
    'emails[type eq "work" and primary eq true].value eq "a"',
    'name.givenName eq "a"',
    '__proto__ eq "a"',
    'constructor.prototype eq "a"',
    `userName eq "${'a'.repeat(1000)}"`,
    Array.from({ length: 11 }, () => 'active eq true').join(' and '),
  ])('of another form is refused as invalidFilter: %s', (text) => {
    expect(refusalOf(() => parseUserFilter(text))).toBe('invalidFilter');
  });

  it('of the longest form is read in a time that grows with its length alone', () => {
    const texts = ['[', '"', '\\', ' ', '(', 'a.', 'emails[type eq '].map((part) =>
      part.repeat(Math.floor(1000 / part.length)),
    );
    const begun = performance.now();
    for (const text of texts) {
      for (let times = 0; times < 50; times += 1) {
        expect(refusalOf(() => parseUserFilter(text))).toBe('invalidFilter');
      }
    }
    expect(performance.now() - begun).toBeLessThan(2000);
  });
});

const patch = (...operations: unknown[]) => changesOfPatch({ Operations: operations });

describe('the operations of a PATCH', () => {
  it.each([
    [
      'Okta, to deactivate',
      { op: 'replace', value: { active: false } },
      [{ field: 'active', value: false }],
    ],
    [
      'Entra, with a text',
      { op: 'Replace', path: 'active', value: 'False' },
      [{ field: 'active', value: false }],
    ],
    [
      'Entra, with Add',
      { op: 'Add', path: 'name.givenName', value: 'Ada' },
      [{ field: 'givenName', value: 'Ada' }],
    ],
    [
      'Entra, for the work address',
      { op: 'Replace', path: 'emails[type eq "work"].value', value: 'a@b.c' },
      [{ field: 'email', value: 'a@b.c' }],
    ],
    [
      'Entra, with names in parts',
      { op: 'replace', value: { displayName: 'A', 'name.familyName': 'B' } },
      [
        { field: 'displayName', value: 'A' },
        { field: 'familyName', value: 'B' },
      ],
    ],
    [
      'the name of the schema',
      {
        op: 'replace',
        path: 'urn:ietf:params:scim:schemas:core:2.0:User:externalId',
        value: 'x',
      },
      [{ field: 'externalId', value: 'x' }],
    ],
    [
      'an attribute of another schema',
      {
        op: 'Add',
        path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
        value: 'R&D',
      },
      [],
    ],
    [
      'an address in a list',
      {
        op: 'replace',
        path: 'emails',
        value: [
          { value: 'home@b.c', type: 'home' },
          { value: 'work@b.c', type: 'work' },
        ],
      },
      [{ field: 'email', value: 'work@b.c' }],
    ],
    [
      'a home address, which is not kept',
      { op: 'Replace', path: 'emails[type eq "home"].value', value: 'a@b.c' },
      [],
    ],
    ['a password, which is not kept', { op: 'replace', value: { password: '1mz050nq' } }, []],
    [
      'a removal',
      { op: 'remove', path: 'name.familyName' },
      [{ field: 'familyName', value: null }],
    ],
    [
      'a single value in a list',
      { op: 'Replace', path: 'displayName', value: [{ value: 'New' }] },
      [{ field: 'displayName', value: 'New' }],
    ],
  ])('become changes: %s', (_title, operation, changes) => {
    expect(patch(operation)).toEqual(changes);
  });

  it.each([
    ['no operations', () => changesOfPatch({}), 'invalidSyntax'],
    ['an empty list', () => patch(), 'invalidSyntax'],
    ['no object', () => patch('replace'), 'invalidSyntax'],
    ['another op', () => patch({ op: 'move', path: 'active', value: true }), 'invalidSyntax'],
    ['a misspelt path', () => patch({ op: 'replace', path: 'actve', value: false }), 'invalidPath'],
    ['a misspelt name', () => patch({ op: 'replace', value: { actve: false } }), 'invalidPath'],
    ['a path that is no text', () => patch({ op: 'replace', path: {}, value: 1 }), 'invalidPath'],
    [
      'a filter on active',
      () => patch({ op: 'add', path: 'active[a eq "b"]', value: 1 }),
      'invalidPath',
    ],
    ['no value', () => patch({ op: 'replace', path: 'active' }), 'invalidValue'],
    ['a number', () => patch({ op: 'replace', path: 'active', value: 0 }), 'invalidValue'],
    ['a yes', () => patch({ op: 'replace', path: 'active', value: 'yes' }), 'invalidValue'],
    ['a null', () => patch({ op: 'replace', path: 'active', value: null }), 'invalidValue'],
    ['an empty name', () => patch({ op: 'replace', path: 'userName', value: '' }), 'invalidValue'],
    ['a NUL', () => patch({ op: 'replace', path: 'displayName', value: 'a\0' }), 'invalidValue'],
    [
      'half a letter',
      () => patch({ op: 'replace', path: 'displayName', value: '\ud800' }),
      'invalidValue',
    ],
    [
      'a long text',
      () => patch({ op: 'replace', path: 'displayName', value: 'a'.repeat(255) }),
      'invalidValue',
    ],
    ['a removal of active', () => patch({ op: 'remove', path: 'ACTIVE' }), 'mutability'],
    ['a new id', () => patch({ op: 'replace', path: 'id', value: 'x' }), 'mutability'],
    ['a removal of all', () => patch({ op: 'remove' }), 'noTarget'],
    [
      'active given twice',
      () => patch({ op: 'replace', value: { active: true, Active: false } }),
      'invalidSyntax',
    ],
    [
      'more than 100',
      () =>
        patch(...Array.from({ length: 101 }, () => ({ op: 'add', path: 'active', value: true }))),
      'PAYLOAD_TOO_LARGE',
    ],
  ])('of another form are refused: %s', (_title, read, scimType) => {
    expect(refusalOf(read)).toBe(scimType);
  });

  it('cannot reach what all objects inherit', () => {
    const hostile = JSON.parse(
      '{"Operations":[{"op":"replace","value":{"__proto__":{"polluted":true}}}]}',
    ) as object;
    expect(refusalOf(() => changesOfPatch(hostile))).toBe('invalidPath');
    for (const path of ['__proto__.polluted', 'constructor.prototype.polluted', 'toString']) {
      expect(refusalOf(() => patch({ op: 'add', path, value: true }))).toBe('invalidPath');
    }
    const user = JSON.parse('{"__proto__":{"active":false},"name":{"__proto__":{}}}') as object;
    expect(changesOfUser(user)).toEqual([]);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
