import type { Request, Response } from 'express';
import { z } from 'zod';
import { newPasswordField } from '../auth';
import type { TenantDeps } from './deps';
import { AppError, ERRORS } from '../errors';
import type { ErrorCode } from '../errors';
import { readDeviceCookie } from '../http/cookies';
import { nameField } from '../http/nameField';
import { sendPage } from '../http/plainPage';
import { contextOf } from '../http/request';
import { json, page } from '../http/answers';
import { endpoint, storableText } from '../http/routeTable';
import { identifyDevice, readTypedCode } from '../security';
import { acceptInvitation } from './acceptInvitation';
import type { Acceptance } from './acceptInvitation';
import { sendInvitationCode } from './invitationCode';
import { openInvitation, previewOf } from './invitationLink';
import { acceptedInvitation, invitationPreview, sentInvitationCode } from './tenantAnswers';
import { acceptedPage, endedPage, invitationPage } from './invitationPages';

const LONGEST_FIELD = 8192;
const params = z.object({ token: z.string() });
const code = storableText(256)
  .transform(readTypedCode)
  .pipe(z.string().regex(/^\d{6}$/, 'must be six digits'));
const acceptFields = z.object({
  password: newPasswordField.optional(),
  name: nameField.optional(),
  code: code.optional(),
});
const acceptBody = acceptFields.optional();
/** The page is shown again for what a person can correct, so only absurd fields are refused here. */
const formFields = z.object({
  step: z.enum(['code', 'accept']),
  password: storableText(LONGEST_FIELD, 0).optional(),
  name: storableText(LONGEST_FIELD, 0).optional(),
  code: storableText(LONGEST_FIELD, 0).optional(),
});

/** Forms send an empty text for a field that was left empty. */
const filled = (fields: Record<string, string | undefined>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value?.trim() !== ''));

/** A session that was sent but has ended is an error: the person must not become somebody else. */
function acceptanceOf(
  deps: TenantDeps,
  req: Request,
  given: z.output<typeof acceptFields>,
): Acceptance {
  if (req.refusal) throw req.refusal;
  const { principal } = req;
  const { userAgent } = contextOf(req);
  const device = identifyDevice(deps.keys, deps.random, readDeviceCookie(req), userAgent);
  return { ...given, principal, cookieDeviceHashes: device.cookieHashes };
}

/** The errors after which the page is shown again, so that the person can correct the form. */
const CORRECTABLE: readonly ErrorCode[] = [
  'INVALID_INPUT',
  'INVALID_CODE',
  'INVALID_CREDENTIALS',
  'PASSWORD_REFUSED',
  'TOO_MANY_ATTEMPTS',
  'METHOD_UNAVAILABLE',
  'HASHING_BUSY',
  'CONFLICT',
];
const ENDED: readonly ErrorCode[] = ['NOT_FOUND', 'INVITATION_EXPIRED'];
/** The page again, with the status of an error that the person can correct. */
const CORRECTED = Object.fromEntries(
  CORRECTABLE.map((code) => [ERRORS[code].status, page('The page with the form again')]),
);

const correction = (error: unknown): AppError | undefined => {
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    const detail = `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim();
    return new AppError('INVALID_INPUT', { detail });
  }
  return error instanceof AppError && CORRECTABLE.includes(error.code) ? error : undefined;
};

/** Answers with a page for people, also if the link cannot be used. */
async function answerPage(res: Response, work: () => Promise<string>): Promise<void> {
  try {
    sendPage(res, await work());
  } catch (error) {
    if (!(error instanceof AppError) || !ENDED.includes(error.code)) throw error;
    sendPage(res.status(error.status), endedPage(error));
  }
}

async function answerForm(
  deps: TenantDeps,
  req: Request,
  res: Response,
  { token, ...input }: z.output<typeof formFields> & { token: string },
): Promise<string> {
  const preview = previewOf(await openInvitation(deps, token));
  try {
    const { step, ...fields } = input;
    if (step === 'code') {
      await sendInvitationCode(deps, token);
      return invitationPage(preview, { codeSent: true });
    }
    const acceptance = acceptanceOf(deps, req, acceptFields.parse(filled(fields)));
    return acceptedPage(await acceptInvitation(deps, contextOf(req), token, acceptance));
  } catch (error) {
    const known = correction(error);
    if (!known) throw error;
    for (const [name, value] of Object.entries(known.headers)) res.setHeader(name, value);
    res.status(known.status);
    return invitationPage(preview, { error: known.message });
  }
}

const pageRoutes = (deps: TenantDeps) => ({
  invitationPage: endpoint({
    summary: 'The page of an invitation; it changes nothing',
    params,
    responses: {
      200: page('A page with a form'),
      404: page('A page that says that the link does not work'),
      410: page('A page that says that the invitation has expired'),
    },
    errors: [],
    handle: (_req, res, input) =>
      answerPage(res, async () =>
        invitationPage(previewOf(await openInvitation(deps, input.params.token))),
      ),
  }),
  answerInvitationPage: endpoint({
    summary: "Accept an invitation, or ask for a code, with the page's form",
    params,
    body: formFields,
    takesForm: true,
    responses: {
      200: page('A page'),
      ...CORRECTED,
      404: page('A page that says that the link does not work'),
      410: page('A page that says that the invitation has expired'),
    },
    errors: [
      'UNAUTHENTICATED',
      'INVITATION_FOR_SOMEBODY_ELSE',
      'ALREADY_MEMBER',
      'INVITATION_NO_LONGER_VALID',
    ],
    handle: (req, res, { params: { token }, body }) =>
      answerPage(res, () => answerForm(deps, req, res, { token, ...body })),
  }),
});

/** The routes for the person who was invited: a page, and the same as JSON. */
export const invitationLinkRoutes = (deps: TenantDeps) => ({
  ...pageRoutes(deps),
  showInvitation: endpoint({
    summary: 'What an invitation is about; it changes nothing',
    params,
    responses: { 200: json('The invitation', invitationPreview) },
    errors: ['NOT_FOUND', 'INVITATION_EXPIRED'],
    async handle(_req, res, input) {
      res.json(previewOf(await openInvitation(deps, input.params.token)));
    },
  }),
  sendInvitationCode: endpoint({
    summary: 'Mail a code to the invited address, for a link that was handed over',
    params,
    responses: { 202: json('A code was mailed', sentInvitationCode) },
    errors: ['NOT_FOUND', 'METHOD_UNAVAILABLE', 'INVITATION_EXPIRED', 'TOO_MANY_ATTEMPTS'],
    async handle(_req, res, input) {
      res.status(202).json(await sendInvitationCode(deps, input.params.token));
    },
  }),
  acceptInvitation: endpoint({
    summary: 'Accept an invitation, signed in or with a password; it opens no session',
    params,
    body: acceptBody,
    responses: { 200: json('The tenant and the address to sign in with', acceptedInvitation) },
    errors: [
      'PASSWORD_REFUSED',
      'INVALID_CREDENTIALS',
      'UNAUTHENTICATED: the session that was sent has ended',
      'FORCE_LOGOUT',
      'INVALID_CODE',
      'INVITATION_FOR_SOMEBODY_ELSE',
      'NOT_FOUND',
      'ALREADY_MEMBER',
      'INVITATION_NO_LONGER_VALID',
      'CONFLICT',
      'INVITATION_EXPIRED',
      'TOO_MANY_ATTEMPTS',
      'HASHING_BUSY',
    ],
    async handle(req, res, { params: { token }, body }) {
      const acceptance = acceptanceOf(deps, req, body ?? {});
      res.json(await acceptInvitation(deps, contextOf(req), token, acceptance));
    },
  }),
});
