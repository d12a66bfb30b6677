import type { Response } from 'supertest';

/** What differs between any two answers, and so tells a caller nothing. */
const ALWAYS_NEW = ['date', 'x-correlation-id'];

/** Everything of an answer that a caller can tell from another: status, headers and body. */
export function visibleAnswer(res: Response) {
  const id: string = res.headers['x-correlation-id'] ?? '';
  const headers = Object.entries(res.headers).filter(([name]) => !ALWAYS_NEW.includes(name));
  return {
    status: res.status,
    headers: Object.fromEntries(headers),
    text: res.text.replaceAll(id, '<correlation id>'),
  };
}
