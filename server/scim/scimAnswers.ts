import { z } from 'zod';
import { moment, rowId } from '../http/answers';
import { LIST_RESPONSE, USER_SCHEMA } from './protocol/discovery';

const name = z.object({
  formatted: z.string().optional(),
  givenName: z
    .string()
    .optional()
    .meta({ examples: ['Ada'] }),
  familyName: z.string().optional(),
});
const emails = z.array(
  z.object({
    value: z.string().meta({ examples: ['ada@example.com'] }),
    type: z.string().optional(),
    primary: z.boolean().optional(),
  }),
);
const meta = z.object({
  resourceType: z.literal('User'),
  created: moment,
  lastModified: moment,
  location: z.string(),
  version: z.string().meta({ examples: ['W/"1a"'] }),
});

/** A user; what the client did not ask for may be missing. */
export const shownUser = z
  .object({
    schemas: z.array(z.string()).meta({ examples: [[USER_SCHEMA]] }),
    id: rowId,
    externalId: z.string().optional(),
    userName: z
      .string()
      .optional()
      .meta({ examples: ['ada@example.com'] }),
    name: name.optional(),
    displayName: z.string().optional(),
    active: z.boolean().optional(),
    emails: emails.optional(),
    meta,
  })
  .meta({ id: 'ScimUser' });

const listed = <Resource extends z.ZodType>(resource: Resource) =>
  z.object({
    schemas: z.array(z.literal(LIST_RESPONSE)),
    totalResults: z.int(),
    startIndex: z.int(),
    itemsPerPage: z.int(),
    Resources: z.array(resource),
  });

/** A page of users. */
export const userList = listed(shownUser).meta({ id: 'ScimUserList' });

/** A description of the service, a kind of resource, or a schema. */
export const described = z.looseObject({ schemas: z.array(z.string()) });
export const describedList = listed(described).meta({ id: 'ScimDescriptions' });

const anObject = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (example: object) =>
  z
    .custom<Record<string, unknown>>(anObject, 'must be an object')
    .meta({ type: 'object', examples: [example] });

/** The body of POST and PUT. Its members are read by `changesOfUser`: their names have no case. */
export const userBody = object({
  schemas: [USER_SCHEMA],
  userName: 'ada@example.com',
  externalId: '00ujl29u0le5T6Aj10h7',
  name: { givenName: 'Ada', familyName: 'Lovelace' },
  active: true,
});

/** The body of PATCH, read by `changesOfPatch`. */
export const patchBody = object({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'replace', path: 'active', value: false }],
});
