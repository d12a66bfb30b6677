import { escapeHtml } from '../http/plainPage';

/** The parts of a JSON Schema that the page shows. */
export interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  description?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** Returns the type of a value in a few words, as HTML. */
function nameType(schema: Schema): string {
  const { $ref, type, format, items, anyOf, oneOf } = schema;
  if ($ref !== undefined) {
    const name = escapeHtml($ref.split('/').at(-1) ?? '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return escapeHtml(JSON.stringify(schema.const));
  if (schema.enum) {
    return schema.enum.map((value) => escapeHtml(JSON.stringify(value))).join(' | ');
  }
  const choices = anyOf ?? (schema.properties ? undefined : oneOf);
  if (choices) return choices.map(nameType).join(' | ');
  if (items) return `list of ${nameType(items)}`;
  return escapeHtml(
    [type ?? 'any value', ...(format === undefined ? [] : [`(${format})`])].join(' '),
  );
}

/** Renders a schema: its fields, if it is an object, and otherwise its type. */
export function renderSchema(schema: Schema): string {
  const { properties, required = [], description = '' } = schema;
  const said = description === '' ? '' : ` ${escapeHtml(description)}`;
  if (!properties) return `<p>${nameType(schema)}${said}</p>`;
  const fields = Object.entries(properties).map(([name, one]) => {
    const need = required.includes(name) ? '' : ', optional';
    const inner = one.items?.properties ? one.items : one;
    const nested = inner.properties ? `\n${renderSchema({ ...inner, description: '' })}` : '';
    const words = one.description === undefined ? '' : ` ${escapeHtml(one.description)}`;
    return `<li><code>${escapeHtml(name)}</code>: ${nameType(one)}${need}.${words}${nested}</li>`;
  });
  return `${said === '' ? '' : `<p>${said.trim()}</p>\n`}<ul>\n${fields.join('\n')}\n</ul>`;
}
