import { createHash } from 'node:crypto';
import type { Response } from 'express';
import { z } from 'zod';
import { json, page } from '../http/answers';
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

/**
 * Returns the routes that describe the API to machines and to people. Both are rendered once: they
 * never change, and anybody may request them often.
 * @param others all other routes
 */
export function apiDocsRoutes({ config, mail }: ApiDocsDeps, others: readonly Route[]): Route[] {
  const table: Route[] = [...others];
  let text: string | undefined;
  const describe = () => {
    const server = { version: config.version, url: mail.publicUrl, tags: TAGS };
    return (text ??= JSON.stringify(describeApi(table, server)));
  };
  let html: string | undefined;
  const docs = named({
    openApi: endpoint({
      summary: 'The description of the API for machines',
      responses: { 200: json('OpenAPI 3.1', z.looseObject({ openapi: z.literal('3.1.0') })) },
      errors: [],
      handle(_req, res: Response) {
        res.type('json').send(describe());
      },
    }),
    reference: endpoint({
      summary: 'The description of the API as a page for people',
      responses: { 200: page('The page') },
      errors: [],
      handle(_req, res) {
        html ??= renderReference(JSON.parse(describe()) as ApiDocument);
        res.setHeader('content-security-policy', POLICY);
        res.type('html').send(html);
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
