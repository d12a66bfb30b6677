import { z } from 'zod';
import type { AuthDeps } from './deps';
import { contextOf } from '../http/request';
import { sendPage } from '../http/plainPage';
import { page } from '../http/answers';
import { endpoint } from '../http/routeTable';
import { answerNotice, readNoticeLink } from './answerNotice';
import { askPage, donePage } from './noticePages';

const params = z.object({ token: z.string() });

/** The routes behind the link in a notice. Neither reads a body: the form posts an empty one. */
export const noticeRoutes = (deps: AuthDeps) => ({
  notice: endpoint({
    summary: 'A page that asks whether to end all sessions; it changes nothing',
    params,
    responses: { 200: page('A page with one button') },
    errors: ['NOT_FOUND'],
    async handle(_req, res, input) {
      sendPage(res, askPage(await readNoticeLink(deps, input.params.token)));
    },
  }),
  answerNotice: endpoint({
    summary: 'End all sessions of the person to whom the notice was sent',
    params,
    responses: { 200: page('A page that confirms it') },
    errors: ['NOT_FOUND'],
    async handle(req, res, input) {
      sendPage(res, donePage(await answerNotice(deps, contextOf(req), input.params.token)));
    },
  }),
});
