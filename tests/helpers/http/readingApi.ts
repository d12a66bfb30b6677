import express from 'express';
import type { Express } from 'express';

/** Decodes until nothing changes, as a server does that decodes more than once. */
function decodeFully(text: string): string {
  const decoded = text.replace(/%[0-9a-f]{2}/gi, (code) =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );
  return decoded === text ? text : decodeFully(decoded);
}

/**
 * Reads a path with every liberty that some server takes: it decodes, drops parameters, takes
 * backslashes for slashes, merges slashes, resolves dots and ignores case.
 */
function readFreely(target: string): string {
  const path = decodeFully(target.split('?')[0] ?? '').split('\0')[0] ?? '';
  const segments: string[] = [];
  for (const segment of path.replaceAll('\\', '/').split('/')) {
    const [name = ''] = segment.split(';');
    if (name === '..') segments.pop();
    else if (name !== '' && name !== '.') segments.push(name.toLowerCase());
  }
  return `/${segments.join('/')}`;
}

/**
 * Builds an API that answers with the headers that reached it, and with the name of its route:
 * `byExpress` as Express reads the path by default, `freely` as the most liberal server does.
 */
export function readingApi(): Express {
  const app = express();
  const answer = (byExpress: string) => (req: express.Request, res: express.Response) => {
    const freely = readFreely(req.originalUrl).split('/')[1];
    res.json({ byExpress, freely, headers: req.headers });
  };
  app.use('/reports', answer('reports'));
  app.use('/danger', answer('danger'));
  app.use(answer('other'));
  return app;
}
