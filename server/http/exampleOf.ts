type JsonSchema = Readonly<Record<string, unknown>>;

const OF_FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T12:00:00.000Z',
  date: '2026-01-31',
  email: 'ada@example.com',
  uuid: '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f',
  uri: 'https://gatehouse.example.com/',
};

const PREFIX = '#/components/schemas/';

function exampleOfText({ format, minLength }: JsonSchema): string {
  if (typeof format === 'string' && OF_FORMATS[format] !== undefined) return OF_FORMATS[format];
  return 'text'.padEnd(Number(minLength ?? 0), '.');
}

/**
 * Builds an example of a JSON Schema from the examples, values and formats in it. A schema with a
 * pattern needs an example of its own.
 * @param named the schemas that it refers to
 */
export function exampleOf(
  schema: JsonSchema,
  named: Readonly<Record<string, JsonSchema>>,
): unknown {
  const { examples, $ref, anyOf, oneOf, properties, items, type } = schema;
  const inside = (one: unknown) => exampleOf(one as JsonSchema, named);
  if (Array.isArray(examples)) return examples[0];
  if ('example' in schema) return schema['example'];
  if ('const' in schema) return schema['const'];
  if ('default' in schema) return schema['default'];
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  if (typeof $ref === 'string') return inside(named[$ref.slice(PREFIX.length)]);
  if (properties !== undefined) {
    const alternatives = Array.isArray(oneOf) ? (oneOf as JsonSchema[]).slice(0, 1) : [];
    const required = [schema, ...alternatives].flatMap(
      (each) => (each['required'] ?? []) as readonly string[],
    );
    const shown = Object.entries(properties as object).filter(([name]) => required.includes(name));
    return Object.fromEntries(shown.map(([name, one]) => [name, inside(one)]));
  }
  const choices = anyOf ?? oneOf;
  if (Array.isArray(choices)) return inside(choices[0]);
  switch (type) {
    case 'array':
      return Number(schema['minItems'] ?? 0) > 0 ? [inside(items)] : [];
    case 'object':
      return {};
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return Math.max(Number(schema['minimum'] ?? 0), 0);
    case 'null':
      return null;
    default:
      return exampleOfText(schema);
  }
}
