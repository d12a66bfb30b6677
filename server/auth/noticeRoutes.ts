import type { Response } from 'express';
import { z } from 'zod';
import type { Deps } from '../deps';
import { contextOf } from '../middleware/request';
import { endpoint } from '../routeTable';
import { answerNotice, assertNoticeLink } from './answerNotice';
import { ASK_PAGE, DONE_PAGE } from './noticePages';

const params = z.object({ token: z.string() });

/** For people in a browser; nothing here is for search engines. */
function sendPage(res: Response, page: string): void {
  res.setHeader('x-robots-tag', 'noindex, nofollow');
  res.type('html').send(page);
}

/** What the link in a notice leads to. Neither reads a body: the form sends an empty one. */
export const noticeRoutes = (deps: Deps) => ({
  notice: endpoint({
    summary: 'A page that asks whether to end all sessions; it changes nothing',
    params,
    responses: { 200: 'A page with one button', 404: 'NOT_FOUND' },
    async handle(_req, res, input) {
      await assertNoticeLink(deps, input.params.token);
      sendPage(res, ASK_PAGE);
    },
  }),
  answerNotice: endpoint({
    summary: 'End all sessions of the person to whom the notice was sent',
    params,
    responses: { 200: 'A page that says so', 404: 'NOT_FOUND' },
    async handle(req, res, input) {
      await answerNotice(deps, contextOf(req), input.params.token);
      sendPage(res, DONE_PAGE);
    },
  }),
});
