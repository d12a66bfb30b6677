import { createHash } from 'node:crypto';
import type { Response } from 'express';
import { z } from 'zod';
import { json, noBody, page } from '../http/answers';
import { describeApi } from '../http/openApi';
import { endpoint, get, named, tagged } from '../http/routeTable';
import type { Route } from '../http/routeTable';
import type { Kernel } from '../kernel';
import { renderReference, STYLE } from './renderReference';
import type { ApiDocument } from './renderReference';
import { TAGS } from './tags';

/** The page needs its one style, and may load and send nothing. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface ApiDocsDeps extends Pick<Kernel, 'config'> {
  mail: { readonly publicUrl: string | undefined };
}

/** Returns a function that makes something at its first call, and returns the same afterwards. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** A text that never changes while the server runs. */
interface Unchanging {
  readonly body: Buffer;
  readonly etag: string;
}

function tagUnchanging(text: string): Unchanging {
  const body = Buffer.from(text);
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}

/** Sends the text, or 304 if the client has it. The client may keep it, and has to ask each time. */
function sendUnchanging(res: Response, { body, etag }: Unchanging): void {
  res.set({ 'cache-control': 'no-cache', etag }).send(body);
}

const UNCHANGED = noBody("The client's copy is current, as `If-None-Match` asks", 'etag');

/**
 * Returns the routes that describe the API to machines and to people. Both are built at their first
 * request, because many servers never need them, and once: anybody may request them often.
 * @param others all other routes
 */
export function apiDocsRoutes({ config, mail }: ApiDocsDeps, others: readonly Route[]): Route[] {
  const table: Route[] = [...others];
  const { version, apiContact: contact } = config;
  const server = { version, url: mail.publicUrl, contact, tags: TAGS };
  const text = once(async () => tagUnchanging(JSON.stringify(await describeApi(table, server))));
  const html = once(async () => {
    const document = JSON.parse((await text()).body.toString()) as ApiDocument;
    return tagUnchanging(await renderReference(document));
  });
  const document = z.looseObject({ openapi: z.literal('3.1.0') });
  const docs = named({
    openApi: endpoint({
      summary: 'The description of the API for machines',
      responses: { 200: json('OpenAPI 3.1', document, 'etag'), 304: UNCHANGED },
      errors: [],
      async handle(_req, res: Response) {
        const found = await text();
        sendUnchanging(res.type('json'), found);
      },
    }),
    reference: endpoint({
      summary: 'The description of the API as a page for people',
      responses: { 200: page('The page', 'etag'), 304: UNCHANGED },
      errors: [],
      async handle(_req, res: Response) {
        const found = await html();
        res.setHeader('content-security-policy', POLICY);
        sendUnchanging(res.type('html'), found);
      },
    }),
  });
  const routes = tagged('Pages', [
    get('/openapi.json', [], docs.openApi),
    ...(config.apiDocs ? [get('/docs', [], docs.reference)] : []),
  ]);
  table.push(...routes);
  return routes;
}
