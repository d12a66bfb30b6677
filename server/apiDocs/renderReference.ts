import { setImmediate } from 'node:timers/promises';
import { escapeHtml } from '../http/plainPage';
import { renderSchema } from './renderSchema';
import type { Schema } from './renderSchema';

interface Media {
  schema?: Schema;
  example?: unknown;
}

interface Answer {
  description: string;
  headers?: Record<string, unknown>;
  content?: Record<string, Media>;
}

interface Parameter {
  name: string;
  in: string;
  required: boolean;
  description?: string;
  schema: Schema;
}

interface Reference {
  $ref: string;
}

interface Operation {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security: Record<string, unknown>[];
  parameters: (Parameter | Reference)[];
  requestBody?: { required: boolean; content: Record<string, Media> };
  responses: Record<string, Answer | Reference>;
}

/** The parts of the OpenAPI document that the page shows. */
export interface ApiDocument {
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    responses: Record<string, Answer>;
    parameters: Record<string, Parameter>;
  };
}

/** The style of the page; its content security policy contains the hash of this text. */
export const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
summary { cursor: pointer; padding: 0.3rem 0; overflow-wrap: anywhere; }
details > :not(summary) { margin-left: 1rem; }
pre { overflow-x: auto; padding: 0.6rem; border: 1px solid; }
code { overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
`;

function resolve<T extends object>(one: T | Reference, named: Record<string, T>): T | undefined {
  return '$ref' in one ? named[one.$ref.split('/').at(-1) ?? ''] : one;
}

const code = (text: string) => `<code>${escapeHtml(text)}</code>`;

function renderMedia(content: Record<string, Media> = {}): string {
  return Object.entries(content)
    .map(([type, { schema, example }]) => {
      const shown = example === undefined ? '' : JSON.stringify(example, null, 2);
      return [
        `<p>${code(type)}</p>`,
        schema ? renderSchema(schema) : '',
        shown === '' ? '' : `<pre tabindex="0">${escapeHtml(shown)}</pre>`,
      ].join('\n');
    })
    .join('\n');
}

function renderParameters({ parameters }: Operation, { components }: ApiDocument): string {
  const items = parameters.flatMap((one) => {
    const found = resolve(one, components.parameters);
    if (!found) return [];
    const { name, in: place, required, description = '' } = found;
    const need = required ? 'required' : 'optional';
    return [`<li>${code(name)} (${place}, ${need}) ${escapeHtml(description)}</li>`];
  });
  return items.length > 0 ? `<h4>Parameters</h4>\n<ul>\n${items.join('\n')}\n</ul>` : '';
}

function renderAnswers({ responses }: Operation, { components }: ApiDocument): string {
  const items = Object.entries(responses).map(([status, one]) => {
    const answer = resolve(one, components.responses);
    if (!answer) return '';
    const headers = Object.keys(answer.headers ?? {}).map(code);
    return [
      `<details><summary>${code(status)} ${escapeHtml(answer.description)}</summary>`,
      headers.length > 0 ? `<p>Headers: ${headers.join(', ')}</p>` : '',
      renderMedia(answer.content),
      '</details>',
    ].join('\n');
  });
  return `<h4>Answers</h4>\n${items.join('\n')}`;
}

function renderSecurity({ security }: Operation): string {
  const ways = security.map((way) => Object.keys(way).map(code).join(' and ') || 'nothing');
  return ways.length > 0 ? `<p>Authentication: ${ways.join(', or ')}</p>` : '';
}

function renderOperation(name: string, operation: Operation, document: ApiDocument): string {
  const { operationId, description, summary, requestBody } = operation;
  return [
    `<details id="${escapeHtml(operationId)}">`,
    `<summary>${code(name)} ${escapeHtml(summary)}</summary>`,
    `<p>${escapeHtml(description)} Operation: ${code(operationId)}.</p>`,
    renderSecurity(operation),
    renderParameters(operation, document),
    requestBody ? `<h4>Body</h4>\n${renderMedia(requestBody.content)}` : '',
    renderAnswers(operation, document),
    '</details>',
  ].join('\n');
}

function renderTag(tag: ApiDocument['tags'][number], document: ApiDocument): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { tags }]) => tags.includes(tag.name))
      .map(([method, one]) => renderOperation(`${method.toUpperCase()} ${path}`, one, document)),
  );
  const title = `<h2>${escapeHtml(tag.name)}</h2>\n<p>${escapeHtml(tag.description)}</p>`;
  return operations.length > 0 ? `<section>\n${title}\n${operations.join('\n')}\n</section>` : '';
}

/** Renders the groups of routes. Other requests get a turn after each. */
async function renderTags(document: ApiDocument): Promise<string> {
  const sections: string[] = [];
  for (const tag of document.tags) {
    sections.push(renderTag(tag, document));
    await setImmediate();
  }
  return sections.join('\n');
}

/**
 * Renders the OpenAPI document as a page. It has no script and loads nothing, so it works under the
 * strictest content security policy.
 */
export async function renderReference(document: ApiDocument): Promise<string> {
  const { info, components } = document;
  const sections = await renderTags(document);
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${escapeHtml(name)}"><summary>${code(name)}</summary>\n${renderSchema(schema)}\n</details>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(info.title)} API</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(info.title)} API ${escapeHtml(info.version)}</h1>
<p>${escapeHtml(info.description)} For programs: <a href="openapi.json">openapi.json</a>.</p>
${sections}
<section>
<h2>Schemas</h2>
${schemas.join('\n')}
</section>
</main>
</body>
</html>
`;
}
