/** The names of schemas and messages (RFC 7643 10.3, RFC 7644 8). */
export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const LIST_RESPONSE = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';
const CONFIG_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig';
const TYPE_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:ResourceType';
const SCHEMA_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Schema';

/** The most users of one page. */
export const MOST_RESULTS = 200;

interface Attribute {
  readonly name: string;
  readonly type: 'string' | 'boolean' | 'complex';
  readonly description: string;
  readonly required?: boolean;
  readonly caseExact?: boolean;
  readonly multiValued?: boolean;
  readonly uniqueness?: 'none' | 'server';
  readonly subAttributes?: readonly Attribute[];
}

function describeAttribute(attribute: Attribute): object {
  const { name, type, description, subAttributes } = attribute;
  const { required = false, multiValued = false, caseExact = false } = attribute;
  return {
    name,
    type,
    multiValued,
    description,
    required,
    ...(type === 'string' ? { caseExact, uniqueness: attribute.uniqueness ?? 'none' } : {}),
    mutability: 'readWrite',
    returned: 'default',
    ...(subAttributes ? { subAttributes: subAttributes.map(describeAttribute) } : {}),
  };
}

const text = (name: string, description: string, more: Partial<Attribute> = {}): Attribute => ({
  name,
  type: 'string',
  description,
  ...more,
});

const USER_ATTRIBUTES: readonly Attribute[] = [
  text('userName', 'The e-mail address of the person, of a domain that the tenant has proven.', {
    required: true,
    uniqueness: 'server',
  }),
  text('externalId', 'The id of the person in the directory.', { caseExact: true }),
  text('displayName', 'The name to show.'),
  {
    name: 'name',
    type: 'complex',
    description: 'The parts of the name.',
    subAttributes: [
      text('formatted', 'The full name.'),
      text('givenName', 'The given name.'),
      text('familyName', 'The family name.'),
    ],
  },
  { name: 'active', type: 'boolean', description: 'Whether the member may sign in.' },
  {
    name: 'emails',
    type: 'complex',
    multiValued: true,
    description: 'The work address in the directory; one is kept.',
    subAttributes: [
      text('value', 'The address.'),
      text('type', 'Always work.'),
      { name: 'primary', type: 'boolean', description: 'Always true.' },
    ],
  },
];

/** Returns what the service can do (RFC 7643 5). */
export const describeService = (base: string) => ({
  schemas: [CONFIG_SCHEMA],
  patch: { supported: true },
  bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
  filter: { supported: true, maxResults: MOST_RESULTS },
  changePassword: { supported: false },
  sort: { supported: false },
  etag: { supported: true },
  authenticationSchemes: [
    {
      type: 'oauthbearertoken',
      name: 'API key',
      description:
        'An API key of the tenant with the permission SCIM_PROVISION, as a bearer token.',
      primary: true,
    },
  ],
  meta: { resourceType: 'ServiceProviderConfig', location: `${base}/ServiceProviderConfig` },
});

/** Returns the kinds of resources (RFC 7643 6). */
export const describeTypes = (base: string) => [
  {
    schemas: [TYPE_SCHEMA],
    id: 'User',
    name: 'User',
    endpoint: '/Users',
    description: 'A member of the tenant.',
    schema: USER_SCHEMA,
    meta: { resourceType: 'ResourceType', location: `${base}/ResourceTypes/User` },
  },
];

/** Returns the schemas of the resources (RFC 7643 7). */
export const describeSchemas = (base: string) => [
  {
    schemas: [SCHEMA_SCHEMA],
    id: USER_SCHEMA,
    name: 'User',
    description: 'A member of the tenant.',
    attributes: USER_ATTRIBUTES.map(describeAttribute),
    meta: { resourceType: 'Schema', location: `${base}/Schemas/${USER_SCHEMA}` },
  },
];

/** Returns a list in the form of RFC 7644 3.4.2. */
export const listOf = <Resource>(
  resources: readonly Resource[],
  { total = resources.length, startIndex = 1 }: { total?: number; startIndex?: number } = {},
) => ({
  schemas: [LIST_RESPONSE] as (typeof LIST_RESPONSE)[],
  totalResults: total,
  startIndex,
  itemsPerPage: resources.length,
  Resources: resources,
});
