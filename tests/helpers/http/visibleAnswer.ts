import type { Response } from 'supertest';

/** The headers that differ between any two answers, and so reveal nothing. */
const ALWAYS_NEW = ['date', 'x-correlation-id'];

/**
 * Returns everything by which a caller can distinguish an answer from another: status, headers and
 * body.
 */
export function visibleAnswer(res: Response) {
  const id: string = res.headers['x-correlation-id'] ?? '';
  const headers = Object.entries(res.headers).filter(([name]) => !ALWAYS_NEW.includes(name));
  return {
    status: res.status,
    headers: Object.fromEntries(headers),
    text: res.text.replaceAll(id, '<correlation id>'),
  };
}
