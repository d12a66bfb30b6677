import { authRoutes } from '../auth';
import {
  authenticate,
  authenticateIfPresent,
  authenticateToSignOut,
  authenticateToSignOutIfPresent,
} from '../http/authenticate';
import { authenticateEnrollee } from '../http/authenticateEnrollee';
import { requireOwnProof } from '../http/requireOwnProof';
import { requireStepUp } from '../http/requireStepUp';
import { del, get, named, post, put, tagged } from '../http/routeTable';
import { emailRoutes, profileRoutes } from '../profile';
import { passkeyRoutes, securityRoutes } from '../security';
import { ownIdentityRoutes, ssoSignInRoutes } from '../sso';
import type { Deps } from '../deps';
import type { Route } from '../http/routeTable';

/** A person without a factor passes, because there is nothing to prove with. */
const provenIfEnrolled = requireStepUp('security_settings', { act: true, firstFactor: true });

/** The routes of signing in and out, and of the notices about it. */
function authTable(deps: Deps): Route[] {
  const auth = named(authRoutes(deps));
  return [
    post('/api/auth/login', [], auth.login),
    post('/api/auth/login/begin', [], auth.beginLogin),
    post('/api/auth/login/complete', [], auth.completeLogin),
    post('/api/auth/refresh', [], auth.refresh),
    get('/api/auth/me', [authenticate], auth.me, 'read'),
    get('/api/auth/sessions', [authenticate], auth.sessions),
    del('/api/auth/sessions/:id', [authenticateToSignOut], auth.endSession),
    post('/api/auth/logout', [authenticateToSignOutIfPresent], auth.logout),
    post('/api/auth/logout-all', [authenticateToSignOut], auth.logoutAll),

    post('/api/auth/password', [authenticate, provenIfEnrolled], auth.changePassword),
    post('/api/auth/password/forgot', [], auth.forgotPassword),
    get('/api/auth/password/reset/:token', [], auth.resetPage),
    post('/api/auth/password/reset/:token', [], auth.resetPassword),

    post('/api/auth/me/own-proof', [authenticate], auth.giveOwnProof),
    post('/api/auth/me/own-proof/link', [authenticate], auth.mailOwnProof),
    get('/api/auth/own-proof/:token', [], auth.showOwnProof),
    post('/api/auth/own-proof/:token', [], auth.confirmOwnProof),

    get('/api/security/notices/:token', [], auth.notice),
    post('/api/security/notices/:token', [], auth.answerNotice),
  ];
}

/** The routes of signing in at identity providers. */
function ssoSignInTable(deps: Deps): Route[] {
  const sso = named(ssoSignInRoutes(deps));
  return [
    post('/api/auth/login/discover', [], sso.discoverSignIn),
    post('/api/auth/sso/start', [], sso.startSsoSignIn),
    get('/api/auth/sso/callback/:connection', [], sso.ssoCallback),
    post('/api/auth/sso/complete', [], sso.completeSsoSignIn),
  ];
}

/** The routes of the person's identities at providers. */
function identityTable(deps: Deps): Route[] {
  const own = named(ownIdentityRoutes(deps));
  const proven = requireStepUp('security_settings');
  const provenAct = requireStepUp('security_settings', { act: true });
  return [
    get('/api/auth/me/identities', [authenticate], own.ownIdentities),
    post(
      '/api/auth/me/identities/start',
      [authenticate, requireOwnProof, proven],
      own.startIdentityLink,
    ),
    post(
      '/api/auth/me/identities/complete',
      [authenticate, requireOwnProof],
      own.completeIdentityLink,
    ),
    del('/api/auth/me/identities/:id', [authenticate, provenAct], own.unlinkOwnIdentity),
  ];
}

/** The routes with which people manage their own account. */
function profileTable(deps: Deps): Route[] {
  const profile = named(profileRoutes(deps));
  const email = named(emailRoutes(deps));
  const proven = requireStepUp('security_settings', { act: true });
  const mayExport = requireStepUp('data_export', { act: true });
  return [
    put('/api/auth/me', [authenticate, requireOwnProof], profile.changeProfile),
    get('/api/auth/me/events', [authenticate], profile.ownEvents),
    post('/api/auth/me/data', [authenticate, requireOwnProof, mayExport], profile.ownData),
    post('/api/auth/email', [authenticate, requireOwnProof, proven], email.changeEmail),
    get('/api/auth/email/:token', [], email.showEmailChange),
    post('/api/auth/email/:token', [], email.confirmEmailChange),
  ];
}

/** The routes of step-ups and factors. */
function stepUpTable(deps: Deps): Route[] {
  const security = named(securityRoutes(deps));
  const passkeys = named(passkeyRoutes(deps));
  const proven = requireStepUp('security_settings', { act: true });
  return [
    post('/api/security/step-up/start', [authenticateIfPresent], security.startStepUp),
    post('/api/security/step-up/verify', [authenticateIfPresent], security.verifyStepUp),
    post(
      '/api/security/totp/enroll',
      [authenticateEnrollee, provenIfEnrolled],
      security.enrollTotp,
    ),
    post('/api/security/totp/confirm', [authenticateEnrollee], security.confirmTotp),
    post(
      '/api/security/passkeys/register/start',
      [authenticateEnrollee, provenIfEnrolled],
      passkeys.startPasskey,
    ),
    post('/api/security/passkeys/register/finish', [authenticateEnrollee], passkeys.finishPasskey),

    get('/api/security/factors', [authenticate], security.factors),
    del('/api/security/factors/:id', [authenticate, proven], security.removeFactor),
    post('/api/security/recovery-codes', [authenticate, proven], security.recoveryCodes),
  ];
}

/** The routes by which people sign in, and look after their own account. */
export const accountTable = (deps: Deps): Route[] => [
  ...tagged('Sign-in', authTable(deps)),
  ...tagged('Sign-in', ssoSignInTable(deps)),
  ...tagged('Profile', profileTable(deps)),
  ...tagged('Profile', identityTable(deps)),
  ...tagged('Step-up', stepUpTable(deps)),
];
