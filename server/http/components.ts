import { z } from 'zod';

type JsonSchema = Record<string, unknown>;

/** Turns schemas of zod into JSON Schema; those with an id become components of the document. */
export interface Components {
  /** Returns the JSON Schema of what a client sends or gets. */
  schemaOf: (schema: z.ZodType) => JsonSchema;
  /** The components so far, by name. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  /** The answers that several routes share, by name. */
  readonly responses: Record<string, object>;
  /** The headers of answers, by name. */
  readonly headers: Record<string, object>;
}

/** Points to the components what zod points to the schema's own definitions. */
const toComponents = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(toComponents);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inside]) => [
      key,
      key === '$ref' && typeof inside === 'string'
        ? inside.replace('#/$defs/', '#/components/schemas/')
        : toComponents(inside),
    ]),
  );
};

/** Builds an empty collection of components. */
export function collectComponents(): Components {
  const schemas: Record<string, JsonSchema> = {};
  const converted = new Map<z.ZodType, JsonSchema>();
  return {
    schemas,
    responses: {},
    headers: {},
    schemaOf(schema) {
      const before = converted.get(schema);
      if (before) return before;
      const found = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
      const own = toComponents(found) as JsonSchema & { $defs?: Record<string, JsonSchema> };
      for (const [name, definition] of Object.entries(own.$defs ?? {})) {
        delete definition['id'];
        schemas[name] ??= definition;
      }
      delete own['$schema'];
      delete own.$defs;
      converted.set(schema, own);
      return own;
    },
  };
}
